"""The figures of the bench: one row each, with what is wanted of it.

A goal is what the project holds itself to, a stretch what it would be proud of.
README.md in this folder tells what each one means and how it is got.
"""

from dataclasses import dataclass, field

Value = float | bool | None


@dataclass(frozen=True, slots=True)
class Key:
    """One figure: its name, `group.figure_unit`, and its goals.

    With `most` the figure should be no more than `goal`, otherwise no less.
    `decimals` is how many are printed. A figure without a goal is told only.
    """

    name: str
    decimals: int
    goal: Value = None
    stretch: Value = None
    most: bool = True

    @property
    def group(self) -> str:
        """The part of the bench that measures it."""
        return self.name.split(".")[0]

    def reaches(self, value: Value, wanted: Value) -> bool:
        """Is this value as good as wanted?"""
        if value is None or wanted is None:
            return False
        return value <= wanted if self.most else value >= wanted


@dataclass(slots=True)
class Figure:
    """One figure as measured.

    `value` is None when it could not be measured, and then `reason` says why.
    `references` are the same figure of what one would use instead; those in
    `quoted` were measured elsewhere, the others in this run. `detail` holds
    what else is known, for the JSON.
    """

    value: Value
    reason: str = ""
    references: dict[str, Value] = field(default_factory=dict)
    quoted: dict[str, Value] = field(default_factory=dict)
    detail: dict[str, object] = field(default_factory=dict)


KEYS = (
    Key("trip.peak_worst_kpa", 2, 46.8, 46.2),
    Key("trip.release_ratio_worst", 3, 1.2, 1.1),
    Key("trip.peak_10ms_esp32_kpa", 2),
    Key("trip.release_ratio_10ms_esp32", 3),
    Key("regulation.settle_ratio_within_1_1_pct", 1, 95.0, 99.0, most=False),
    Key("regulation.settle_ratio_worst", 2, 2.4, 1.5),
    Key("regulation.overshoot_worst_kpa", 2, 1.5, 1.0),
    Key("regulation.steady_error_worst_kpa", 2, 0.3, 0.1),
    Key("regulation.ripple_worst_kpa", 2, 0.3, 0.1),
    Key("regulation.recontact_worst_kpa", 2, 1.5, 1.0),
    Key("handpiece.contact_lift_right_pct", 2, 99.0, 99.9, most=False),
    Key("handpiece.leak_clog_dead_head_right_pct", 2, 95.0, 99.0, most=False),
    Key("handpiece.sealed_right_pct", 2, 95.0, 99.0, most=False),
    Key("handpiece.lift_latency_worst_ms", 0),
    Key("handpiece.air_latency_p95_ms", 0),
    Key("feed.command_shut_after_true_lift_worst_ms", 0, 150, 50),
    Key("feed.off_skin_mg_worst", 2),
    Key("tick.allocated_bytes", 0, 0, 0),
    Key("tick.vs_simple_pid", 2, 3.0, 1.0),
    Key("tick.unix_us", 2),
    Key("tick.rp2040_estimate_us", 0, 1500, 500),
    Key("tick.turn_rp2040_estimate_us", 0),
    Key("simulate.sim_s_per_wall_s", 0, 150, 500, most=False),
    Key("simulate.lanes_equal", 0, True, True, most=False),
    Key("firmware.mpy_kib", 1, 80, 48),
    Key("firmware.retained_kib_32bit", 1, 96, 64),
)
GROUPS = tuple(dict.fromkeys(key.group for key in KEYS))
