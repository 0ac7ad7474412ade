"""The board of an ESP32 or ESP32-S3: a tick paced by the main loop, heartbeat by
the tick.

- MicroPython has no hard timer here (`Timer(hard=True)` raises), so `pause` calls
  the ticks that fall due, by their deadlines. A tick that comes late is told by
  the `dt_ms` it measures; ticks that were missed are dropped, not caught up.
- So the heartbeat is toggled by `drive` itself: a main loop that hangs, an
  exception, Ctrl-C, a soft reset or a write to flash all end its edges. With a
  one-shot that drops out 40 ms after the last edge the power is gone within the
  lease of 50 ms.
- Counts: `read_uv` is calibrated chip by chip (a reference of 1000 to 1200 mV is
  in it), of 1 mV; each is the mean of four. ADC1 alone, at 11 dB, is true from
  150 to 2450 mV on the ESP32 (ESP-IDF programming guide, ADC), from 0 to 2900 mV on
  the ESP32-S3 (data sheet v2.2, table 5-6).
- The bus is bit-banged: the driver of the I2C hardware waits 100 ms and more for
  a bus that hangs (ports/esp32/machine_i2c.c), and no tick would come meanwhile.
- MicroPython has one port for both chips: `sys.platform` is the same, and only the
  name of the machine tells them apart. Their pins differ, so a wiring of the one is
  refused on the other, as any is on a third chip of the family.
"""

import sys
from time import sleep_ms, ticks_add, ticks_diff, ticks_ms

from machine import (
    ADC,
    HARD_RESET,
    PWRON_RESET,
    RTC,
    SOFT_RESET,
    WDT_RESET,
    Pin,
    SoftI2C,
    freq,
    reset_cause,
)
from micropython import const

from hal.board import PAUSE_MS, PinBoard
from hal.contract import (
    RAW_FULL_SCALE,
    RESET_HARD,
    RESET_POWER_ON,
    RESET_SOFT,
    RESET_UNKNOWN,
    RESET_WATCHDOG,
    Readings,
)
from hal.wiring import CHIPS, NO_PIN, Wiring

_CPU_HZ = const(240_000_000)  # the default of 160 MHz makes the tick longer by half
_SAMPLES = const(4)
# The highest sum of samples, in mV, so that its product stays below 2^30. A pin
# of the ESP32 stands no more than this.
_SUM_HIGHEST_MV = const(3_600 * 4)
_SOFT_I2C_HZ = const(100_000)
_STRETCH_US = const(500)  # no sensor here stretches the clock
# Left in memory that a reset leaves alone: after a soft one `/boot.py` knows by it
# that the watchdog runs on.
_WATCHED = b"watchdog"


def _this_chip() -> int:
    """Which of the chips this is, by "Generic ESP32S3 module with ESP32S3" and the
    like; NO_PIN, which no wiring is for, if it is none of them."""
    words = getattr(sys.implementation, "_machine", "").split(" with ")
    name = words[-1].replace("-", "").lower()
    return CHIPS.index(name) if name in CHIPS else NO_PIN


class Esp32Board(PinBoard):
    """A board with an ESP32 or an ESP32-S3."""

    CHIP = _this_chip()

    def _start_chip(self, wiring: Wiring, adc_reference_mv: int) -> None:
        freq(_CPU_HZ)
        self._set_heartbeat = self._heartbeat_pin.value
        self._heartbeat_level = 0
        self._read_a_uv = ADC(Pin(wiring.vacuum_a), atten=ADC.ATTN_11DB).read_uv
        self._read_b_uv = None
        if wiring.vacuum_b != NO_PIN:
            self._read_b_uv = ADC(Pin(wiring.vacuum_b), atten=ADC.ATTN_11DB).read_uv
        self._read_supply_uv = ADC(Pin(wiring.sensor_supply), atten=ADC.ATTN_11DB).read_uv
        self._reference_mv = adc_reference_mv * _SAMPLES
        self._due_ms = ticks_ms()
        self._scl = wiring.i2c_scl
        self._sda = wiring.i2c_sda

    def watch(self, timeout_ms: int) -> None:
        """Start the watchdog. Nothing but a reset ends it."""
        super().watch(timeout_ms)
        RTC().memory(_WATCHED)

    def pause(self) -> None:
        """The main loop's pause of about 20 ms, with the ticks that fall due."""
        end_ms = ticks_add(ticks_ms(), PAUSE_MS)
        while True:
            self._tell_ctrl_c()
            now_ms = ticks_ms()
            wait_ms = ticks_diff(end_ms, now_ms)
            if wait_ms <= 0:
                return
            if self._is_ticking:
                due_ms = ticks_diff(self._due_ms, now_ms)
                if due_ms <= 0:
                    if due_ms <= -self._period_ms:
                        self._due_ms = now_ms  # the ticks in between are dropped
                    self._due_ms = ticks_add(self._due_ms, self._period_ms)
                    self._take_tick()
                    continue
                if due_ms < wait_ms:
                    wait_ms = due_ms
            sleep_ms(wait_ms)

    def _take_tick(self) -> None:
        self._run_tick()
        # Ctrl-C may strike within a tick here. It was made safe; now it is told.
        if isinstance(self.tick_error, KeyboardInterrupt):
            raise self.tick_error

    def _cause(self) -> int:
        cause = reset_cause()
        if cause == PWRON_RESET:
            return RESET_POWER_ON  # a brown-out reads so, too
        if cause == WDT_RESET:
            return RESET_WATCHDOG
        if cause == HARD_RESET:
            return RESET_HARD
        return RESET_SOFT if cause == SOFT_RESET else RESET_UNKNOWN

    def _open_bus(self) -> SoftI2C:
        return SoftI2C(
            scl=Pin(self._scl), sda=Pin(self._sda), freq=_SOFT_I2C_HZ, timeout=_STRETCH_US
        )

    def _read_counts(self, readings: Readings) -> None:
        raw = self._counts(self._read_a_uv)
        readings.vacuum_a_raw = raw
        readings.vacuum_b_raw = raw if self._read_b_uv is None else self._counts(self._read_b_uv)
        readings.sensor_supply_raw = self._counts(self._read_supply_uv)

    def _counts(self, read_uv) -> int:  # type: ignore[no-untyped-def]
        """Mean of four, as a count of the ADC reference."""
        sum_mv = (read_uv() + read_uv() + read_uv() + read_uv()) // 1_000
        if sum_mv > _SUM_HIGHEST_MV:
            sum_mv = _SUM_HIGHEST_MV
        counts = sum_mv * RAW_FULL_SCALE // self._reference_mv
        return counts if counts < RAW_FULL_SCALE else RAW_FULL_SCALE

    def _beat(self) -> None:
        level = 1 - self._heartbeat_level
        self._heartbeat_level = level
        self._set_heartbeat(level)

    def _hush(self) -> None:
        self._heartbeat_level = 0
        self._set_heartbeat(0)

    def _start_ticks(self) -> None:
        self._due_ms = ticks_ms()  # the next pause begins with one

    def _stop_ticks(self) -> None:
        """Nothing to stop: `pause` calls none while the board does something else."""
