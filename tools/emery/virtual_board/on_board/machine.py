"""`machine` of a virtual board: as much of it as firmware for these chips asks for.

Names, signatures and quirks follow MicroPython 1.29: on the RP2040 a pin's pull is
set anew by every initialisation, `Timer(hard=True)` is refused on the ESP32, and a
hard callback that raises is never called again. What a pin does is the host's matter.
"""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors
# ruff: noqa: UP032

from struct import pack

from emery.virtual_board.on_board import chip_facts, ops
from emery.virtual_board.on_board.wire import LINE

_CHIP = chip_facts.chosen[0]
_RP2040 = _CHIP == "rp2040"
_PINS = chip_facts.CHIP_PINS[_CHIP]
_ADC_PINS = chip_facts.ADC_PINS[_CHIP]
_PWM_HIGHEST_HZ = 62_500_000 if _RP2040 else 40_000_000
_PWM_LOWEST_HZ = 8 if _RP2040 else 1
_FIRST_INPUT = 34 if _CHIP == "esp32" else 255  # from there on there is no output
_RTC_BYTES = 2048

PWRON_RESET = 1
WDT_RESET = 3
if not _RP2040:
    HARD_RESET = 2
    DEEPSLEEP_RESET = 4
    SOFT_RESET = 5


def _number(pin) -> int:
    """GPIO number of a pin given by number, by name (GP0, GPIO0) or as a Pin."""
    if isinstance(pin, Pin):
        return pin.number
    if isinstance(pin, str):
        digits = pin[4:] if pin[:4] == "GPIO" else pin[2:] if pin[:2] == "GP" else ""
        if pin == "LED" and _RP2040:
            return 25
        pin = int(digits) if digits and digits.isdigit() else -1
    if pin not in _PINS:
        raise ValueError("invalid pin")
    return pin


class Pin:
    """One GPIO."""

    if _RP2040:
        IN, OUT, OPEN_DRAIN, ALT = 0, 1, 2, 3
        PULL_UP, PULL_DOWN = 1, 2
        IRQ_FALLING, IRQ_RISING = 4, 8
        ALT_SPI, ALT_UART, ALT_I2C, ALT_PWM, ALT_SIO = 1, 2, 3, 4, 5
        ALT_PIO0, ALT_PIO1, ALT_GPCK, ALT_USB = 6, 7, 8, 9
    else:
        IN, OUT, OPEN_DRAIN = 1, 3, 7
        PULL_DOWN, PULL_UP = 1, 2
        IRQ_RISING, IRQ_FALLING = 1, 2
        DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3

    if _RP2040:

        def __init__(self, id, mode=None, pull=None, *, value=None, alt=5) -> None:  # noqa: A002
            self.number = _number(id)
            # Naming a pin does not touch it.
            if mode is not None or pull is not None or value is not None:
                self.init(mode, pull, value=value, alt=alt)

        def init(self, mode=None, pull=None, *, value=None, alt=5) -> None:
            """Set it up; without a pull it gets none."""
            if mode == self.ALT:
                LINE.post(
                    ops.OP_PIN_INIT, self.number,
                    ops.PIN_ALT | (pull or 0) << 4 | ops.VALUE_KEPT << 8, alt,
                )  # fmt: skip
                return
            wanted = ops.PIN_MODE_KEPT if mode is None else mode
            level = ops.VALUE_KEPT if value is None or mode is None else 1 if value else 0
            LINE.post(ops.OP_PIN_INIT, self.number, wanted | (pull or 0) << 4 | level << 8, 0)

        def low(self) -> None:
            """Drive it low."""
            self.value(0)

        def high(self) -> None:
            """Drive it high."""
            self.value(1)

    else:

        def __init__(self, id, mode=None, pull=-1, *, value=None, drive=None, hold=None) -> None:  # noqa: A002
            self.number = _number(id)
            if mode is not None or pull != -1 or value is not None:
                self.init(mode, pull, value=value, drive=drive, hold=hold)

        def init(self, mode=None, pull=-1, *, value=None, drive=None, hold=None) -> None:
            """Set it up; a pull that is not given stays as it is."""
            if mode is not None and mode != self.IN and self.number >= _FIRST_INPUT:
                raise ValueError("pin can only be input")
            wanted = ops.PIN_MODE_KEPT
            if mode is not None:
                wanted = ops.PIN_IN if mode == self.IN else ops.PIN_OUT
                if mode == self.OPEN_DRAIN:
                    wanted = ops.PIN_OPEN_DRAIN
            pulls = ops.PULL_KEPT
            if pull is None:
                pulls = ops.PULL_NONE
            elif pull != -1:
                up = ops.PULL_UP_BIT if pull & self.PULL_UP else 0
                pulls = up | (ops.PULL_DOWN_BIT if pull & self.PULL_DOWN else 0)
            level = ops.VALUE_KEPT if value is None else 1 if value else 0
            LINE.post(ops.OP_PIN_INIT, self.number, wanted | pulls << 4 | level << 8, 0)

    def value(self, x=None):
        """Its level, or with `x` drive it."""
        number = self.number
        if x is None:
            if LINE.depth:
                return LINE.level(number)
            return LINE.ask(ops.OP_PIN_READ, number, 0, 0)
        level = 1 if x else 0
        LINE.post(ops.OP_PIN_WRITE, number, level, 0)
        if LINE.depth:
            LINE.note_level(number, level)
        return None

    __call__ = value

    def on(self) -> None:
        """Drive it high."""
        self.value(1)

    def off(self) -> None:
        """Drive it low."""
        self.value(0)

    def toggle(self) -> None:
        """Drive it to the other level."""
        LINE.post(ops.OP_PIN_TOGGLE, self.number, 0, 0)
        if LINE.depth:
            LINE.note_level(self.number, 1 - LINE.level(self.number))

    def __repr__(self) -> str:
        return "Pin(GPIO{})".format(self.number) if _RP2040 else "Pin({})".format(self.number)


class PWM:
    """Pulse width on one pin."""

    if _RP2040:

        def __init__(
            self, dest, freq=None, *, duty_u16=None, duty_ns=None, invert=None
        ) -> None:
            self._begin(dest)
            # It connects the pin last, with frequency and duty set.
            self.init(freq, duty_u16=duty_u16, duty_ns=duty_ns, invert=invert)
            LINE.post(ops.OP_PWM_INIT, self._number, 0, 0)

        def init(self, freq=None, *, duty_u16=None, duty_ns=None, invert=None) -> None:
            """Change what is given."""
            self._change(freq, duty_u16, duty_ns, invert)

    else:

        def __init__(
            self, dest, freq=5_000, *, duty_u16=None, duty_ns=None, duty=None, invert=None
        ) -> None:
            self._begin(dest)
            if self._number >= _FIRST_INPUT:
                raise ValueError("invalid pin")
            self.init(freq, duty_u16=duty_u16, duty_ns=duty_ns, duty=duty, invert=invert)
            LINE.post(ops.OP_PWM_INIT, self._number, 0, 0)

        def init(
            self, freq=None, *, duty_u16=None, duty_ns=None, duty=None, invert=None
        ) -> None:
            """Change what is given."""
            self._change(freq, duty_u16, duty_ns, invert)
            if duty is not None:
                self.duty(duty)

        def duty(self, value=None):
            """Share of the period that is high, 0 to 1023."""
            if value is None:
                return self._duty >> 6
            return self.duty_u16(value * 65535 // 1023)

    def _begin(self, dest) -> None:
        self._number = _number(dest)
        self._freq = 0
        self._duty = 0

    def _change(self, freq, duty_u16, duty_ns, invert) -> None:
        if invert:
            raise NotImplementedError("the virtual board has no inverted PWM")
        if freq is not None:
            self.freq(freq)
        if duty_u16 is not None:
            self.duty_u16(duty_u16)
        if duty_ns is not None:
            self.duty_ns(duty_ns)

    def freq(self, value=None):
        """Frequency in Hz."""
        if value is None:
            return self._freq
        if value > _PWM_HIGHEST_HZ:
            raise ValueError("freq too large")
        if value < _PWM_LOWEST_HZ:
            raise ValueError("freq too small")
        self._freq = value
        LINE.post(ops.OP_PWM_FREQ, self._number, 0, value)
        return None

    def duty_u16(self, value=None):
        """Share of the period that is high, 0 to 65535."""
        if value is None:
            return self._duty
        if value > 65535:
            value = 65535
        self._duty = value
        LINE.post(ops.OP_PWM_DUTY, self._number, value, 0)
        return None

    def duty_ns(self, value=None):
        """Time that is high in each period, in ns."""
        if value is None:
            return self._duty * 1_000_000_000 // (65535 * self._freq) if self._freq else 0
        return self.duty_u16(value * self._freq * 65535 // 1_000_000_000)

    def deinit(self) -> None:
        """Stop it. On an RP2040 the pin stays at the level it happens to have."""
        LINE.post(ops.OP_PWM_STOP, self._number, 0, 0)


class ADC:
    """One channel of the analog converter."""

    CORE_TEMP = 4
    if not _RP2040:
        ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3
        WIDTH_9BIT, WIDTH_10BIT, WIDTH_11BIT, WIDTH_12BIT = 9, 10, 11, 12

    def __init__(self, id, *, sample_ns=None, atten=0) -> None:  # noqa: A002
        if _RP2040 and isinstance(id, int) and 0 <= id <= 4:
            self._channel = id
        else:
            number = _number(id)
            if number not in _ADC_PINS:
                if _RP2040:
                    raise ValueError("Pin doesn't have ADC capabilities")
                raise ValueError("invalid pin")
            self._channel = _ADC_PINS.index(number)
        LINE.post(ops.OP_ADC_INIT, self._channel, atten, 0)

    def read_u16(self) -> int:
        """Counts of 0 to 65535."""
        if LINE.depth:
            return LINE.counts(self._channel)
        return LINE.ask(ops.OP_ADC_READ, self._channel, 0, 0)

    if not _RP2040:

        _word = -1  # of the line, when the value came
        _stays_us = 0
        _uv = 0

        def read_uv(self) -> int:
            """Voltage in uV, as the chip's own calibration has it: whole mV."""
            # Nothing else happened since, and the world stands for a millisecond.
            if self._word == LINE.words and self._stays_us > 0 and not LINE.depth:
                self._stays_us -= ops.CALL_US
                LINE.owed_us += ops.CALL_US
                return self._uv
            self._uv = LINE.ask(ops.OP_ADC_UV, self._channel, 0, 0)
            self._stays_us = LINE.stays_us
            self._word = LINE.words
            return self._uv

        def init(self, *, atten=0) -> None:
            """Set the attenuation."""
            self.atten(atten)

        def atten(self, atten: int) -> None:
            """Set the attenuation."""
            LINE.post(ops.OP_ADC_INIT, self._channel, atten, 0)

        def read(self) -> int:
            """Counts of 0 to 4095."""
            return self.read_u16() >> 4

        def width(self, bits: int) -> None:
            """Nothing: the reading is 12 bits wide."""


class Timer:
    """Calls something later, once or again and again."""

    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id=-1, **settings) -> None:  # noqa: A002
        if id != -1 and (_RP2040 or not 0 <= id <= 3):
            raise ValueError("Timer doesn't exist")
        self.callback = None
        self.hard = 0
        if len(LINE.timers) >= 250:
            raise OSError(12)
        self._index = len(LINE.timers)
        LINE.timers.append(self)
        if settings:
            self.init(**settings)

    def init(self, *, mode=1, callback=None, period=None, tick_hz=1000, freq=None, hard=False) -> None:  # noqa: E501
        """Start it: every `period` of ticks (ms), or `freq` times a second."""
        if hard and not _RP2040:
            raise ValueError("hard Timers are not implemented")
        if freq is not None:
            period_us = int(1_000_000 / freq)
        else:
            period_us = (0xFFFFFFFF if period is None else period) * 1_000_000 // tick_hz
        self.callback = callback
        self.hard = 1 if hard else 0
        bits = (ops.TIMER_HARD if hard else 0) | (ops.TIMER_PERIODIC if mode == 1 else 0)
        LINE.post(ops.OP_TIMER_START, self._index, bits, min(max(period_us, 1), 0xFFFFFFFF))

    def deinit(self) -> None:
        """Stop it."""
        LINE.post(ops.OP_TIMER_STOP, self._index, 0, 0)


class I2C:
    """A bus. What is on it is the host's matter; time and faults are real."""

    _next_soft = 16

    def __init__(self, id=-1, *, scl=None, sda=None, freq=400_000, timeout=50_000) -> None:  # noqa: A002
        if not 0 <= id <= 1:
            raise ValueError("I2C({}) doesn't exist".format(id))
        self._id = id
        if _RP2040:
            if scl is not None and (_number(scl) >> 1 & 1 != id or not _number(scl) & 1):
                raise ValueError("bad SCL pin")
            if sda is not None and (_number(sda) >> 1 & 1 != id or _number(sda) & 1):
                raise ValueError("bad SDA pin")
        self._connect(scl, sda, freq, timeout)

    def _connect(self, scl, sda, freq: int, timeout: int) -> None:
        scl_number = 255 if scl is None else _number(scl)
        sda_number = 255 if sda is None else _number(sda)
        setup = pack("<BBII", scl_number, sda_number, freq, timeout)
        LINE.ask_data(ops.OP_I2C_INIT, self._id, 0, setup, None)

    def _transfer(self, address: int, data, into, bits: int) -> int:
        length = 0 if into is None else len(into)
        return LINE.ask_data(
            ops.OP_I2C, self._id, address | length << 8 | bits << 24, data, into
        )

    def scan(self) -> list:
        """Addresses that answer."""
        found = bytearray(112)
        number = self._transfer(0, b"", found, ops.I2C_SCAN)
        return [one for one in found[:number] if one]

    def writeto(self, addr: int, buf, stop=True) -> int:
        """Write; how many bytes were acknowledged."""
        self._transfer(addr, buf, None, ops.I2C_STOP if stop else 0)
        return len(buf)

    def writevto(self, addr: int, vector, stop=True) -> int:
        """Write the pieces in one."""
        return self.writeto(addr, b"".join([bytes(piece) for piece in vector]), stop)

    def readfrom(self, addr: int, nbytes: int, stop=True) -> bytes:
        """Read so many bytes."""
        into = bytearray(nbytes)
        self.readfrom_into(addr, into, stop)
        return bytes(into)

    def readfrom_into(self, addr: int, buf, stop=True) -> None:
        """Read as many bytes as the buffer holds."""
        self._transfer(addr, b"", buf, ops.I2C_STOP if stop else 0)

    def writeto_mem(self, addr: int, memaddr: int, buf, *, addrsize: int = 8) -> None:
        """Write to a register."""
        self._transfer(addr, _register(memaddr, addrsize) + bytes(buf), None, ops.I2C_STOP)

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        """Read from a register."""
        into = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, into, addrsize=addrsize)
        return bytes(into)

    def readfrom_mem_into(self, addr: int, memaddr: int, buf, *, addrsize: int = 8) -> None:
        """Read from a register into a buffer."""
        self._transfer(addr, _register(memaddr, addrsize), buf, ops.I2C_STOP)


class SoftI2C(I2C):
    """A bus on any two pins."""

    def __init__(self, scl, sda, *, freq=400_000, timeout=50_000) -> None:
        self._id = I2C._next_soft
        I2C._next_soft += 1
        self._connect(scl, sda, freq, timeout)


def _register(memaddr: int, addrsize: int) -> bytes:
    return memaddr.to_bytes(addrsize // 8, "big")


class WDT:
    """The watchdog. Nothing stops it but a reset."""

    def __init__(self, id=0, timeout=5000) -> None:  # noqa: A002
        if id != 0:
            raise ValueError("WDT({}) doesn't exist".format(id))
        if _RP2040 and timeout > 8388:
            raise ValueError("timeout exceeds 8388")
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        LINE.ask(ops.OP_WDT_START, 0, 0, timeout)

    def feed(self) -> None:
        """Another timeout from now."""
        LINE.post(ops.OP_WDT_FEED, 0, 0, 0)


class RTC:
    """The clock of the day; on an ESP32 also memory that a reset leaves alone."""

    def __init__(self, id=0) -> None:  # noqa: A002
        self._id = id

    if not _RP2040:

        def memory(self, data=None):
            """What is kept through every reset but a power cut; at most 2048 bytes."""
            if data is None:
                LINE.ask(ops.OP_RTC_READ, 0, 0, 0)
                return bytes(LINE.data)
            data = bytes(data)
            if len(data) > _RTC_BYTES:
                raise ValueError("buffer too long")
            LINE.post_data(ops.OP_RTC_WRITE, 0, 0, data)
            return None

    def datetime(self, datetimetuple=None):
        """Year, month, day, weekday, hours, minutes, seconds, subseconds."""
        if datetimetuple is not None:
            return None
        from emery.virtual_board.on_board import clock

        now = clock.gmtime()
        return (now[0], now[1], now[2], now[6], now[3], now[4], now[5], 0)


class _Memory:
    """A register of the chip for each address. Those of the RP2040's watchdog are
    there; everything else reads as zero."""

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1

    def __getitem__(self, address: int) -> int:
        return LINE.ask(ops.OP_MEM_READ, 0, 0, address) & self._mask

    def __setitem__(self, address: int, value: int) -> None:
        LINE.post_data(ops.OP_MEM_WRITE, 0, address, pack("<I", value & self._mask))


mem8 = _Memory(8)
mem16 = _Memory(16)
mem32 = _Memory(32)


def reset():
    """Reset the chip; does not return."""
    LINE.ask(ops.OP_RESET, 0, 0, 0)


def soft_reset():
    """Start the interpreter anew; the chip goes on."""
    raise SystemExit


def reset_cause() -> int:
    """Why the chip started."""
    return LINE.ask(ops.OP_RESET_CAUSE, 0, 0, 0)


def unique_id() -> bytes:
    """The chip's own number."""
    return chip_facts.own_id[0] or chip_facts.CHIP_FACTS[_CHIP][4]


def freq(hz=None):
    """The processor's clock in Hz."""
    if hz is None:
        return LINE.ask(ops.OP_FREQ, 0, 0, 0)
    LINE.ask(ops.OP_FREQ, 0, 0, hz)
    return None


def idle() -> None:
    """Wait for what comes next, a millisecond at most."""
    LINE.ask(ops.OP_SLEEP_MS, 0, 0, 1)


def lightsleep(time_ms: int = 0) -> None:
    """Sleep."""
    LINE.ask(ops.OP_SLEEP_MS, 0, 0, time_ms)


def disable_irq() -> int:
    """Timers wait; see enable_irq."""
    LINE.busy += 1
    return LINE.busy


def enable_irq(state: int) -> None:
    """Timers go on."""
    LINE.busy = state - 1
