"""Raw counts to vacuum, for control and display.

Both sensors are ratiometric: output / supply = zero - vacuum / span
(MPXV6115V data sheet: Vout = Vs (0.007652 P + 0.92), P in kPa, negative below
atmosphere). Sensor and supply are read through dividers by the same ADC, so
the reference cancels:

    vacuum = span * zero - span * (supply divider / sensor divider) * raw / supply raw

The ratio raw / supply raw is taken in Q14 and the slope in Q11, which keeps
every product below 2^30 (`settings.broken_rules` refuses a divider that would
not). A median of three removes single outliers at the cost of one tick.
Protection does not use these values; it has its own path from the raw counts.
"""

from micropython import const

from firmware.settings import Settings
from hal.contract import Readings

_RATIO_BITS = const(14)
_SLOPE_BITS = const(11)
_RATIO_HIGHEST = const(65_535)  # 4.0 in Q14


class Channel:
    """One vacuum sensor: its law, its zero trim and its last three values."""

    STATE = ("vacuum_pa", "trim_pa", "_newer", "_older")

    def __init__(self, zero_ppm: int, span_pa: int, divider: int, supply_divider: int) -> None:
        self._zero_pa = span_pa * zero_ppm // 1_000_000
        self._slope = span_pa * supply_divider // (divider << (_RATIO_BITS - _SLOPE_BITS))
        self.vacuum_pa = 0  # median of three, trimmed
        self.trim_pa = 0  # what the vented sensor read at the self-test
        self._newer = 0
        self._older = 0

    def step(self, raw: int, supply_raw: int) -> None:
        """Take one sample."""
        ratio = (raw << _RATIO_BITS) // supply_raw
        if ratio > _RATIO_HIGHEST:
            ratio = _RATIO_HIGHEST
        newest = self._zero_pa - ((ratio * self._slope) >> _SLOPE_BITS) - self.trim_pa
        newer = self._newer
        older = self._older
        if newest < newer:
            low = newest
            high = newer
        else:
            low = newer
            high = newest
        if older < low:
            self.vacuum_pa = low
        elif older > high:
            self.vacuum_pa = high
        else:
            self.vacuum_pa = older
        self._older = newer
        self._newer = newest


class Sensing:
    """Both channels, and the one vacuum that control works with."""

    STATE = ("vacuum_pa",)

    def __init__(self, settings: Settings) -> None:
        supply_divider = settings.sensor_supply_divider_permille
        self.a = Channel(
            settings.vacuum_a_zero_ppm,
            settings.vacuum_a_span_pa,
            settings.vacuum_a_divider_permille,
            supply_divider,
        )
        self.b = Channel(
            settings.vacuum_b_zero_ppm,
            settings.vacuum_b_span_pa,
            settings.vacuum_b_divider_permille,
            supply_divider,
        )
        self.vacuum_pa = 0  # mean of the channels: half the noise of one

    def step(self, readings: Readings) -> None:
        """Convert this tick's raw counts."""
        supply_raw = readings.sensor_supply_raw
        if supply_raw < 1:
            supply_raw = 1  # protection latches the supply; this must not raise
        a = self.a
        b = self.b
        a.step(readings.vacuum_a_raw, supply_raw)
        b.step(readings.vacuum_b_raw, supply_raw)
        self.vacuum_pa = (a.vacuum_pa + b.vacuum_pa) >> 1

    def trim(self, a_pa: int, b_pa: int) -> None:
        """Take the vented readings of the self-test as the new zeros, in Pa."""
        self.a.trim_pa += a_pa
        self.b.trim_pa += b_pa
