"""Protection: separate rules on the raw counts that can only take away.

It shares no code, threshold or filter with sensing and regulation, and it
latches: a fault stays until the operator has lifted the tip and the self-test
has passed. It is separate logic on the same core, not a separate channel; the
hardware barriers behind it are what a board must add.

The rules, each on both channels:
- sensor supply: two samples in a row outside its tolerance, or more often
  than every third;
- sensor range: two samples in a row, or as often, that no pump can make;
- hard limit: two consecutive raw samples trip in that tick. A sample counts
  that is at or above the limit, or would be `_AHEAD_MS` later if the vacuum
  went on rising as it did since the sample before;
- over-vacuum: above the set vacuum by the margin for `soft_time_ms` takes pump
  and crystals away; for `soft_latch_ms` it latches, and the vent opens;
- disagreement of the channels for `disagreement_ms`;
- a tick that comes much too late, twice in a row or as often;
- a main loop that has stopped advancing, or tells a fault that it found;
- raw counts that all stand still for `_FROZEN_MS` (noise alone moves one of
  them): the readings are out of date;
- vacuum in the line half a second after the outputs went safe: the vent does
  not release, or the pump does not stop;
- a threshold that no longer is what it was at the start.
When several are broken in one tick, the first of this list is the one latched:
it is the nearest to the cause (an open sensor also reads as over-vacuum).

Thresholds are ratios of raw count to supply count in Q12 (16 Pa with the
reference sensor), so that a sagging supply moves threshold and sample alike.
More vacuum is a smaller ratio. A supply that reads out of its tolerance is
taken as the highest tolerable one, which shows too much vacuum, not too little.
"""

from micropython import const

from firmware import faults, limits
from firmware.settings import Settings, soft_margin_pa
from hal.contract import RAW_FULL_SCALE, Readings

_RATIO_BITS = const(12)
_RATIO_HIGHEST = const(16_383)  # 4.0 in Q12: keeps the products below 2^30
_PA_BITS = const(9)

# Bad samples count up by two and good ones down by one, so that a contact that
# flickers is found as well as one that is broken.
_BAD = const(2)
_BAD_LIMIT = const(4)
# The hard limit looks this far ahead: two ticks of 5 ms, one of 10. A sound pump
# at full drive in the proof is so seen at 42.7 kPa, at 10 ms at 43.1 (simulated:
# 41 plants, 0.2 to 1.2 L), so that a sensor that reads 1.7 kPa too high (1.5 % of
# full scale, MPXV6115V data sheet) does not trip. Twice as far would. [E]
_AHEAD_MS = const(10)
# Three counts that repeat this long: at the noise of either ADC (1.1 codes and
# more, rms) not even one of them does. [E]
_FROZEN_MS = const(500)


class ChannelGuard:
    """Thresholds and sample counters of one vacuum sensor."""

    STATE = ("over_samples", "range_score", "is_soft", "vacuum_pa", "_ratio")

    def __init__(self, settings: Settings, channel: str, hard_limit_pa: int) -> None:
        self._zero_ppm = getattr(settings, "vacuum_" + channel + "_zero_ppm")
        self._span_pa = getattr(settings, "vacuum_" + channel + "_span_pa")
        self._divider = getattr(settings, "vacuum_" + channel + "_divider_permille")
        self._supply_divider = settings.sensor_supply_divider_permille
        self._ahead = _AHEAD_MS // settings.tick_period_ms
        self._hard_ratio = self.ratio(hard_limit_pa)
        # Its complement: a bit of memory that flips is seen in the next tick.
        self._hard_check = ~self._hard_ratio
        self.is_damaged = 0  # the trip threshold is no longer what it was
        self._floor_ratio = self.ratio(limits.SENSOR_FLOOR_PA)
        self._ceiling_ratio = self.ratio(limits.SENSOR_CEILING_PA)
        # The over-vacuum threshold of each level; the first stands for none.
        soft_ratios = [0]
        for set_pa in limits.LEVEL_VACUUM_PA:
            soft_ratios.append(self.ratio(set_pa + soft_margin_pa(settings, set_pa)))
        self._soft_ratios = tuple(soft_ratios)
        self._zero_pa = self._span_pa * self._zero_ppm // 1_000_000
        self._pa_per_ratio = (self._span_pa * self._supply_divider // self._divider) >> (
            _RATIO_BITS - _PA_BITS
        )
        self.over_samples = 0  # consecutive, at or soon above the hard limit
        self.range_score = 0  # samples outside what a sensor can read
        self.is_soft = 0  # above the over-vacuum threshold in this sample
        self.vacuum_pa = 0  # for the comparison of the channels only
        self._ratio = 0  # of the tick before; 0 is more vacuum than there is

    def ratio(self, vacuum_pa: int) -> int:
        """Raw count over supply count, in Q12, at a vacuum. Not for the tick."""
        output_ppm = self._zero_ppm - vacuum_pa * 1_000_000 // self._span_pa
        return (output_ppm * self._divider << _RATIO_BITS) // (self._supply_divider * 1_000_000)

    def step(self, raw: int, supply_raw: int, level: int) -> None:
        """Judge one raw sample; `level` is the level in force, 0 for none."""
        ratio = (raw << _RATIO_BITS) // supply_raw
        if ratio > _RATIO_HIGHEST:
            ratio = _RATIO_HIGHEST
        # Falling vacuum is judged as it is: a spike is over once, not twice.
        coming = ratio
        before = self._ratio
        if ratio < before:
            coming += (ratio - before) * self._ahead
        self._ratio = ratio
        hard_ratio = self._hard_ratio
        self.is_damaged = 1 if hard_ratio != ~self._hard_check else 0
        if coming <= hard_ratio:
            if self.over_samples < limits.HARD_SAMPLES:
                self.over_samples += 1
        elif self.over_samples:
            self.over_samples = 0
        if ratio < self._ceiling_ratio or ratio > self._floor_ratio:
            if self.range_score < _BAD_LIMIT:
                self.range_score += _BAD
        elif self.range_score > 0:
            self.range_score -= 1
        self.is_soft = 1 if ratio < self._soft_ratios[level] else 0
        self.vacuum_pa = self._zero_pa - ((ratio * self._pa_per_ratio) >> _PA_BITS)


class Protection:
    """The verdict of every tick: `fault`, latched, and `takes_suction`."""

    STATE = (
        "fault",
        "takes_suction",
        "soft_ms",
        "disagree_ms",
        "supply_score",
        "late_score",
        "silence_ms",
        "frozen_ms",
        "vented_ms",
        "_main_turns",
        "_raw_sum",
    )

    def __init__(self, settings: Settings, hard_limit_pa: int) -> None:
        self.a = ChannelGuard(settings, "a", hard_limit_pa)
        self.b = ChannelGuard(settings, "b", hard_limit_pa)
        supply_mv = settings.sensor_supply_mv * settings.sensor_supply_divider_permille // 1000
        nominal_raw = supply_mv * RAW_FULL_SCALE // settings.adc_reference_mv
        tolerance_raw = nominal_raw * settings.sensor_supply_tolerance_permille // 1000
        self._supply_low_raw = nominal_raw - tolerance_raw
        self._supply_high_raw = nominal_raw + tolerance_raw
        self._soft_time_ms = settings.soft_time_ms
        self._soft_latch_ms = settings.soft_latch_ms
        self._disagreement_pa = settings.disagreement_pa
        self._disagreement_ms = settings.disagreement_ms
        self.fault = faults.NONE  # the first fault since the last clear
        self.takes_suction = 0  # 1: pump and crystals off, not latched
        self.soft_ms = 0
        self.disagree_ms = 0
        self.supply_score = 0
        self.late_score = 0
        self.silence_ms = 0  # since the main loop last advanced
        self.frozen_ms = 0  # since any raw count last changed
        self.vented_ms = 0  # with safe outputs and vacuum still there
        self._main_turns = 0
        self._raw_sum = 0

    def step(self, readings: Readings, level: int, is_safe: int) -> None:
        """Judge this tick's raw counts. `level` is the level in force, or 0;
        `is_safe` tells that the outputs of the tick before were safe."""
        dt_ms = readings.dt_ms
        a_raw = readings.vacuum_a_raw
        b_raw = readings.vacuum_b_raw
        supply_raw = readings.sensor_supply_raw
        raw_sum = a_raw + b_raw + supply_raw
        if self._supply_low_raw <= supply_raw <= self._supply_high_raw:
            if self.supply_score > 0:
                self.supply_score -= 1
        else:
            if self.supply_score < _BAD_LIMIT:
                self.supply_score += _BAD
            supply_raw = self._supply_high_raw
        a = self.a
        b = self.b
        a.step(a_raw, supply_raw, level)
        b.step(b_raw, supply_raw, level)

        if a.is_soft or b.is_soft:
            if self.soft_ms < self._soft_latch_ms:
                self.soft_ms += dt_ms
        else:
            self.soft_ms = 0
        self.takes_suction = 1 if self.soft_ms >= self._soft_time_ms else 0

        difference_pa = a.vacuum_pa - b.vacuum_pa
        if difference_pa > self._disagreement_pa or -difference_pa > self._disagreement_pa:
            if self.disagree_ms < self._disagreement_ms:
                self.disagree_ms += dt_ms
        else:
            self.disagree_ms = 0

        if dt_ms > limits.TICK_LONGEST_MS:
            if self.late_score < _BAD_LIMIT:
                self.late_score += _BAD
        elif self.late_score > 0:
            self.late_score -= 1

        main_turns = readings.main_turns
        if main_turns != self._main_turns:
            self._main_turns = main_turns
            self.silence_ms = 0
        elif self.silence_ms <= limits.MAIN_LOOP_SILENCE_MS:
            self.silence_ms += dt_ms

        if raw_sum != self._raw_sum:
            self._raw_sum = raw_sum
            self.frozen_ms = 0
        elif self.frozen_ms < _FROZEN_MS:
            self.frozen_ms += dt_ms

        if is_safe and (a.vacuum_pa > limits.VENTED_PA or b.vacuum_pa > limits.VENTED_PA):
            if self.vented_ms <= limits.VENTED_MS:
                self.vented_ms += dt_ms
        else:
            self.vented_ms = 0

        if self.fault != faults.NONE:
            return
        if self.supply_score >= _BAD_LIMIT:
            self.fault = faults.SENSOR_SUPPLY
        elif a.range_score >= _BAD_LIMIT:
            self.fault = faults.SENSOR_A_RANGE
        elif b.range_score >= _BAD_LIMIT:
            self.fault = faults.SENSOR_B_RANGE
        elif a.over_samples >= limits.HARD_SAMPLES or b.over_samples >= limits.HARD_SAMPLES:
            self.fault = faults.OVER_VACUUM
        elif self.soft_ms >= self._soft_latch_ms:
            self.fault = faults.SOFT_OVER_VACUUM
        elif self.disagree_ms >= self._disagreement_ms:
            self.fault = faults.SENSOR_DISAGREEMENT
        elif self.late_score >= _BAD_LIMIT:
            self.fault = faults.TICK_OVERRUN
        elif self.silence_ms > limits.MAIN_LOOP_SILENCE_MS:
            self.fault = faults.MAIN_LOOP_SILENT
        elif self.frozen_ms >= _FROZEN_MS:
            self.fault = faults.READINGS_FROZEN
        elif self.vented_ms > limits.VENTED_MS:
            self.fault = faults.VENT_FAILED
        elif a.is_damaged or b.is_damaged:
            self.fault = faults.MEMORY
        elif readings.main_fault != faults.NONE:
            self.fault = readings.main_fault

    def latch(self, fault: int) -> None:
        """Latch a fault found elsewhere, unless one is latched already."""
        if self.fault == faults.NONE:
            self.fault = fault

    def clear(self) -> None:
        """Forget the fault, so that the self-test may judge afresh. A fault
        that is still there latches again in the next ticks."""
        self.fault = faults.NONE
        self.soft_ms = 0
        self.disagree_ms = 0
        self.late_score = 0
        self.silence_ms = 0
        self.frozen_ms = 0
        self.vented_ms = 0
