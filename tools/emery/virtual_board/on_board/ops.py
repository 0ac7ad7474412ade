"""The words between a virtual board's interpreter and its host.

A record is eight bytes, little-endian: u8 what, u8 a, u16 b, u32 c. With PAYLOAD
set, b bytes follow. With SYNC set, the host answers; every other record is told
and forgotten. Both ends read this module, and nothing else defines a number.
"""

from micropython import const

FORM = "<BBHI"
RECORD = const(8)
SYNC = const(0x80)
PAYLOAD = const(0x40)
IN_CALL = const(0x20)  # an ask that comes from a callback

# Told and forgotten: pins, PWM and the like. a is the pin, timer or state machine.
OP_PIN_INIT = const(0x01)  # b: mode | pull << 4 | value << 8, see PIN_ below
OP_PIN_WRITE = const(0x02)  # b: level
OP_PIN_TOGGLE = const(0x03)
OP_PWM_INIT = const(0x04)
OP_PWM_FREQ = const(0x05)  # c: Hz
OP_PWM_DUTY = const(0x06)  # b: 0..65535 of the period
OP_PWM_STOP = const(0x07)
OP_ADC_INIT = const(0x08)
OP_TIMER_START = const(0x09)  # a: number; b: TIMER_ bits; c: period in us
OP_TIMER_STOP = const(0x0A)
OP_SM_ACTIVE = const(0x0B)  # b: 0 or 1
OP_SM_RESTART = const(0x0C)
OP_SM_EXEC = const(0x0D)  # b: instruction
OP_SM_POST = const(0x0E)  # c: word; there was room in the FIFO
OP_WDT_FEED = const(0x0F)
OP_DONE = const(0x10)  # a callback has ended; a: 1 if it failed; b: its number; c: us spent
OP_REPL_MODE = const(0x11)  # a: 1 raw, 0 friendly
OP_INTERRUPTED = const(0x12)  # an interrupt that was kept has struck
OP_SPENT = const(0x13)  # c: us that calls have cost which were not worth asking
OP_SM_INIT = const(0x41)  # payload: SM_FORM, then the program
OP_MEM_WRITE = const(0x42)  # c: address; payload: u32
OP_RTC_WRITE = const(0x43)

# Answered.
OP_PIN_READ = const(0x81)
OP_ADC_READ = const(0x82)  # counts of 0..65535
OP_ADC_UV = const(0x83)  # answered with b: us for which the value stays
OP_SM_FIFO = const(0x84)  # b: 0 words waiting in TX, 1 in RX, 2 active
OP_SM_PUT = const(0x85)  # c: word; answered when there is room
OP_SM_GET = const(0x86)
OP_MEM_READ = const(0x87)
OP_RTC_READ = const(0x88)
OP_TICKS_US = const(0x89)
OP_TICKS_MS = const(0x8A)
OP_TIME_S = const(0x8B)
OP_SLEEP_US = const(0x8C)
OP_SLEEP_MS = const(0x8D)
OP_WDT_START = const(0x8E)  # c: ms
OP_RESET = const(0x8F)  # never answered
OP_SOFT_RESET = const(0x90)  # never answered
OP_RESET_CAUSE = const(0x91)
OP_FLASH_ERASE = const(0x92)  # c: offset
OP_EXEC_END = const(0x93)  # at the prompt again
OP_EXEC_BEGIN = const(0x97)  # no input for the prompt from now on
OP_KBD_INTR = const(0x94)  # b: the character, or 0xFFFF for none
OP_COOK = const(0x95)  # b: 0: what is printed next is binary
OP_FREQ = const(0x96)  # c: Hz, or 0 to ask
OP_PROGRAM = const(0xC1)  # it begins; payload: input that the prompt has not used
OP_I2C = const(0xC2)  # a: bus; c: address | bytes to read << 8 | I2C_ bits << 24
OP_FLASH_PROGRAM = const(0xC3)  # c: offset
OP_I2C_INIT = const(0xC4)  # a: bus; payload: u8 scl, u8 sda, u32 Hz, u32 timeout in us

# The host's answers.
GIVES_VALUE = const(0)  # c; a: 1 if an interrupt waits that may not strike here
GIVES_DATA = const(1)  # b bytes follow
GIVES_ERROR = const(2)  # c: errno
GIVES_RUN = const(3)  # a: timer; b: number of the call; a SNAPSHOT follows
GIVES_INTERRUPT = const(4)  # KeyboardInterrupt instead of an answer
GIVES_INPUT = const(5)  # b bytes typed at the prompt follow

PIN_IN = const(0)
PIN_OUT = const(1)
PIN_OPEN_DRAIN = const(2)
PIN_ALT = const(3)
PIN_MODE_KEPT = const(15)
PULL_NONE = const(0)
PULL_UP_BIT = const(1)
PULL_DOWN_BIT = const(2)
PULL_KEPT = const(15)
VALUE_KEPT = const(2)

TIMER_HARD = const(1)
TIMER_PERIODIC = const(2)

I2C_STOP = const(1)
I2C_SCAN = const(2)

# What a callback may look at without asking: u32 ticks_us, u32 ticks_ms, u64
# levels of the pins, u16 counts of ten ADC channels, u8 words in each TX FIFO.
SNAPSHOT_FORM = "<IIQ10H8B"
SNAPSHOT = const(44)
SNAPSHOT_LEVELS = const(8)
SNAPSHOT_ADC = const(16)
SNAPSHOT_CHANNELS = const(10)
SNAPSHOT_FIFO = const(36)

# u8 of each: the state machine, in, out, set, jmp and side base (255 none), out,
# set and side count; u32 Hz (0xFFFFFFFF: the processor's), execctrl, shiftctrl;
# u32 initial levels of out, set and side pins: 2 bits each, direction and level.
SM_FORM = "<9BxHIIIIII"
SM_HEAD = const(36)

TICKS_MASK = const(0x3FFFFFFF)
# What a call costs a callback, in us of the board's time. [E: 5 to 10 on an RP2040]
CALL_US = const(8)

# Of a PIO state machine: these pins are not given.
NO_BASE = const(255)
