"""What a device read and did during one run of an output, tick by tick.

Counts are kept as they came; what they mean in Pa depends on settings, and a calibration
wants other ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from emery.blackbox.box import Record
from firmware.settings import Settings
from hal.contract import VENT_CLOSED

# What a run begins with, so that the zero of the sensors is seen in it.
RUN_IN_MS = 100
# The noise of the supply's count is averaged over so long: it is common to both channels,
# and an average over less would still wander as a real vacuum does. [E]
_SUPPLY_MS = 500


@dataclass(frozen=True, slots=True)
class Recording:
    """One run: each row of a black box's record as a column, oldest tick first.

    `t_ms` counts from the tick in which the first output was asked for, so it begins
    below zero; `dt_ms` is the time since the tick before. Outputs are those decided in
    the tick: they act from it to the next one. `vent` is VENT_CLOSED while it is closed.
    `asked_ms` is how long the outputs were to
    last altogether.
    """

    t_ms: tuple[int, ...]
    dt_ms: tuple[int, ...]
    barometer_pa: tuple[int, ...]
    vacuum_a_raw: tuple[int, ...]
    vacuum_b_raw: tuple[int, ...]
    supply_raw: tuple[int, ...]
    pump_permille: tuple[int, ...]
    feed_permille: tuple[int, ...]
    vent: tuple[int, ...]
    asked_ms: int

    @classmethod
    def of(cls, records: Sequence[Record], begin: int, asked_ms: int) -> "Recording":
        """From the records of a black box; `begin` is the place of the one in which the
        first output was asked for."""
        begin_ms = records[begin].now_ms
        first = begin
        while first > 0 and begin_ms - records[first - 1].now_ms <= RUN_IN_MS:
            first -= 1
        rows = records[first:]
        return cls(
            t_ms=tuple(row.now_ms - begin_ms for row in rows),
            dt_ms=tuple(row.dt_ms for row in rows),
            barometer_pa=tuple(row.barometer_pa for row in rows),
            vacuum_a_raw=tuple(row.vacuum_a_raw for row in rows),
            vacuum_b_raw=tuple(row.vacuum_b_raw for row in rows),
            supply_raw=tuple(row.sensor_supply_raw for row in rows),
            pump_permille=tuple(row.pump_permille for row in rows),
            feed_permille=tuple(row.feed_permille for row in rows),
            vent=tuple(row.vent for row in rows),
            asked_ms=asked_ms,
        )

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def active_ms(self) -> int:
        """From the first tick with an output to the last."""
        active = [
            at
            for at in range(len(self))
            if self.pump_permille[at] or self.feed_permille[at] or self.vent[at] == VENT_CLOSED
        ]
        if not active:
            return 0
        end = min(active[-1] + 1, len(self) - 1)
        return self.t_ms[end] - self.t_ms[active[0]]

    @property
    def was_cut(self) -> bool:
        """Whether the firmware ended it before its time: above 30 kPa, or by a fault."""
        return self.active_ms < self.asked_ms - 2 * max(self.dt_ms)

    def vacuum_pa(self, settings: Settings, channel: str) -> list[float]:
        """Vacuum of channel "a" or "b" in each tick, as these settings have it.

        The supply's count is averaged over half a second, since its noise would be taken
        for one of both channels.
        """
        raw = self.vacuum_a_raw if channel == "a" else self.vacuum_b_raw
        zero = getattr(settings, f"vacuum_{channel}_zero_ppm") * 1e-6
        span_pa = getattr(settings, f"vacuum_{channel}_span_pa")
        dividers = settings.sensor_supply_divider_permille / getattr(
            settings, f"vacuum_{channel}_divider_permille"
        )
        supplies = _averaged(self.supply_raw, _SUPPLY_MS // max(self.dt_ms[-1], 1))
        return [
            span_pa * (zero - count * dividers / supply)
            for count, supply in zip(raw, supplies, strict=True)
        ]


def _averaged(counts: Sequence[int], ticks: int) -> list[float]:
    """The mean of so many around each place, of fewer at the ends; never below 1."""
    sums = [0]
    for count in counts:
        sums.append(sums[-1] + count)
    half = ticks // 2
    means = []
    for at in range(len(counts)):
        low = max(0, at - half)
        high = min(len(counts), at + half + 1)
        means.append(max(1.0, (sums[high] - sums[low]) / (high - low)))
    return means
