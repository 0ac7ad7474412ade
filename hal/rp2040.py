"""The RP2040 board: hard timer, PIO heartbeat, I2C and ADC of the chip.

- The tick is called by a hard timer: it comes on time whatever the main loop and
  the garbage collector do, in an interrupt where nothing can be allocated. If its
  callback raised, MicroPython would silence the timer for good
  (ports/rp2/machine_timer.c); `_run_tick` holds every exception.
- Ctrl-C ends the main loop and not the timer; who catches it calls `stop`.
- A soft reset freezes a PWM at the level it happens to have, leaves pins driving
  and stops the state machine: then no edge of the heartbeat comes any more, in
  whatever level it stands, and the protection switch opens.
- Writing flash stops all interrupts for 45 to 400 ms (W25Q16JV data sheet, sector
  erase): FlashStorage stops the timer around it.

Heartbeat: a PIO program plays words of pulses, 1 ms each, and ends low. `drive`
puts one only when the FIFO is empty, so that after the last one at most two are
played, 28.4 ms. With a one-shot that drops out 20 ms after the last edge the
power is gone 48.4 ms after the last lease, of the 50 that it may take.
"""

import sys

import rp2
from machine import ADC, I2C, WDT_RESET, Pin, Timer, mem32, reset_cause
from micropython import alloc_emergency_exception_buf, const

from hal.board import PinBoard
from hal.contract import (
    RESET_HARD,
    RESET_POWER_ON,
    RESET_SOFT,
    RESET_UNKNOWN,
    RESET_WATCHDOG,
    Readings,
)
from hal.wiring import NO_PIN, RP2040, Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rp2.asm_pio_rp2040 import (
        block,
        jmp,
        label,
        mov,
        osr,
        pins,
        pull,
        set,  # noqa: A004 - as the instruction is called
        wrap,
        wrap_target,
        x,
        x_dec,
    )

_HEARTBEAT_HZ = const(10_000)  # ten instructions a pulse: 1 ms
_PULSES = const(14)  # in a word: 14.2 ms with what it takes to fetch it
_SET_PINS_LOW = const(0xE000)  # the instruction "set(pins, 0)", RP2040 data sheet 3.4.10
_STATE_MACHINE = const(0)

# GPIO23 of a Pico, high: its converter then switches all the time, and the ADC is
# less noisy at small loads (Pico data sheet, section 4.4). Of a Pico W it is the
# radio's.
_SMPS_PIN = const(23)

_I2C_HZ = const(100_000)  # for a cable to the handpiece
_I2C_TIMEOUT_US = const(10_000)  # the longest answer takes 2.5 ms; ticks come in between

# RP2040 data sheet, section 4.7.6.
_WDT_CTRL = const(0x40058000)
_WDT_IS_ON = const(0x40000000)
_WDT_REASON = const(0x40058008)
_REASON_TIMER = const(1)
_REASON_FORCED = const(2)


@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def _heartbeat() -> None:
    wrap_target()
    pull(block)  # waits here, low, until there is a word
    mov(x, osr)
    label("pulse")
    set(pins, 1)[4]  # and four more cycles
    set(pins, 0)[3]
    jmp(x_dec, "pulse")
    wrap()


class Rp2040Board(PinBoard):
    """A Raspberry Pi Pico, or another board with the RP2040."""

    CHIP = RP2040
    WATCHDOG_HIGHEST_MS = 8_388  # ports/rp2/machine_wdt.c

    def _start_chip(self, wiring: Wiring, adc_reference_mv: int) -> None:
        # An exception in an interrupt has no other memory.
        alloc_emergency_exception_buf(100)
        self._machine = rp2.StateMachine(
            _STATE_MACHINE, _heartbeat, freq=_HEARTBEAT_HZ, set_base=self._heartbeat_pin
        )
        self._is_beating = 0
        if "Pico W" not in getattr(sys.implementation, "_machine", ""):
            Pin(_SMPS_PIN, Pin.OUT, value=1)
        self._read_a = ADC(Pin(wiring.vacuum_a)).read_u16
        self._read_b = None
        if wiring.vacuum_b != NO_PIN:
            self._read_b = ADC(Pin(wiring.vacuum_b)).read_u16
        self._read_supply = ADC(Pin(wiring.sensor_supply)).read_u16
        self._timer = Timer(-1)
        self._on_timer = self._tick_is_due
        self._scl = wiring.i2c_scl
        self._sda = wiring.i2c_sda

    def _cause(self) -> int:
        if mem32[_WDT_CTRL] & _WDT_IS_ON:
            # A reset would have ended it.
            return RESET_SOFT
        if reset_cause() != WDT_RESET:
            return RESET_POWER_ON
        reason = mem32[_WDT_REASON]
        if reason & _REASON_FORCED:
            return RESET_HARD  # machine.reset()
        return RESET_WATCHDOG if reason & _REASON_TIMER else RESET_UNKNOWN

    def _open_bus(self) -> I2C:
        return I2C(
            self._sda >> 1 & 1,
            scl=Pin(self._scl),
            sda=Pin(self._sda),
            freq=_I2C_HZ,
            timeout=_I2C_TIMEOUT_US,
        )

    def _read_counts(self, readings: Readings) -> None:
        raw = self._read_a()
        readings.vacuum_a_raw = raw
        readings.vacuum_b_raw = raw if self._read_b is None else self._read_b()
        readings.sensor_supply_raw = self._read_supply()

    def _beat(self) -> None:
        machine = self._machine
        if not self._is_beating:
            self._is_beating = 1
            machine.active(1)
        if machine.tx_fifo() == 0:
            machine.put(_PULSES - 1)

    def _hush(self) -> None:
        if self._is_beating:
            self._is_beating = 0
            machine = self._machine
            machine.active(0)
            machine.restart()
            machine.exec(_SET_PINS_LOW)

    def _start_ticks(self) -> None:
        self._timer.init(
            mode=Timer.PERIODIC, period=self._period_ms, callback=self._on_timer, hard=True
        )

    def _stop_ticks(self) -> None:
        self._timer.deinit()

    def _tick_is_due(self, _timer: Timer) -> None:
        self._run_tick()
