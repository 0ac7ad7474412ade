"""What settings must hold on every plant of the scatter, and why.

Each has a limit. A certificate asks for more than the limit by `spare`: 240 plants
are not all there are, and what passes on them shall hold the limit on the others.

    judge(settings, figures, spared) -> a Verdict for each Requirement
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from emery.certificate.course import Figures
from firmware import faults
from firmware.settings import Settings

HARD_LIMIT = "hard_limit_pa"
PLANTS = "plants"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that must hold.

    `limit` is in `unit`, above the setting `above` if there is one; `spare` is what a
    certificate asks for beyond it. `at_least` turns it round. With `of_all` the value is
    a share of the plants in percent, in PLANTS their number; else it is the worst
    plant's. `look_at` names the settings that a failure is most often about.
    """

    key: str
    title: str
    unit: str
    limit: float
    spare: float
    reason: str
    look_at: tuple[str, ...]
    above: str = ""
    at_least: bool = False
    of_all: bool = False
    value: Callable[[Figures], float | None] = field(
        default=lambda figures: None, repr=False, compare=False
    )

    def bound(self, settings: Settings, spared: bool) -> float:
        """What the value is compared with."""
        limit = self.limit + (getattr(settings, self.above) if self.above else 0.0)
        spare = self.spare if spared else 0.0
        return limit + spare if self.at_least else limit - spare


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a requirement came out. `worst` is None where no plant could show it;
    `plant` is the place of the worst one in the scatter, -1 for none."""

    requirement: Requirement
    limit: float
    bound: float
    worst: float | None
    plant: int

    @property
    def passed(self) -> bool:
        """Does it hold?"""
        if self.worst is None:
            return True
        if self.requirement.at_least:
            return self.worst >= self.bound
        return self.worst <= self.bound


REQUIREMENTS = (
    Requirement(
        "sound", "no fault on a sound plant", PLANTS, 0.0, 0.0,
        "self-test, proof and treatment of a sound device end without a fault: a device that"
        " trips for nothing is soon operated past its trips",
        ("protection.hard_limit", "proof.proof_share", "regulator.search"),
        value=lambda figures: 0.0 if figures.is_sound else 1.0,
    ),
    Requirement(
        "peak", "peak vacuum in treatment", "Pa", 0.0, 1_000.0,
        "below the hard limit, which trips",
        ("protection.hard_limit", "sensors.vacuum_a_span", "sensors.vacuum_b_span",
         "regulator.gain"),
        above=HARD_LIMIT, value=lambda figures: figures.peak_pa,
    ),
    Requirement(
        "over", "peak over the set vacuum", "Pa", 3_000.0, 200.0,
        "the overshoot that is allowed, as the default of protection.soft_margin_vacuum [E]",
        ("regulator.gain", "regulator.pump_lag", "regulator.search", "sensors.vacuum_a_span",
         "sensors.vacuum_b_span"),
        value=lambda figures: figures.over_pa if figures.level else None,
    ),
    Requirement(
        "runaway_peak", "peak in a runaway", "Pa", 5_000.0, 500.0,
        "5 kPa over the hard limit: 50 kPa with the highest there is, where a published"
        " ex-vivo study removed the full epidermis in 60 s (PMC3596453)",
        ("protection.hard_limit", "sensors.vacuum_a_span", "sensors.vacuum_b_span",
         "timing.tick_period"),
        above=HARD_LIMIT, value=lambda figures: figures.runaway_peak_pa,
    ),
    Requirement(
        "runaway_free", "skin free after a runaway", "ms", 600.0, 100.0,
        "the vent's half second (limits.VENTED_MS), and what a trip takes; from the trip, or from"
        " a gauge's error above the hard limit if that comes first [E]",
        ("protection.hard_limit", "protection.soft_latch"),
        value=lambda figures: figures.runaway_free_ms,
    ),
    Requirement(
        "settle", "settled, over the shortest time", "times", 1.5, 0.3,
        "full drive enters the band of 2 kPa at the earliest; half as long again is slack [E]",
        ("regulator.hold_low", "regulator.hold_high", "regulator.pump_lag",
         "regulator.pump_start", "regulator.integral", "regulator.gain"),
        value=lambda figures: figures.settle_ratio,
    ),
    Requirement(
        "steady", "steady error", "Pa", 2_000.0, 300.0,
        "the band of 2 kPa that regulation promises, the gauges' own errors included [E]",
        ("regulator.integral", "regulator.hold_low", "regulator.hold_high",
         "sensors.vacuum_a_span", "sensors.vacuum_b_span"),
        value=lambda figures: figures.steady_error_pa,
    ),
    Requirement(
        "ripple", "ripple, peak to peak", "Pa", 2_000.0, 500.0,
        "half the width of the band: a limit cycle is felt, and moves crystals in pulses [E]",
        ("regulator.gain", "regulator.integral", "regulator.pump_lag",
         "protection.soft_margin_vacuum"),
        value=lambda figures: figures.ripple_pa,
    ),
    Requirement(
        "over_margin", "over the soft margin, of its latch", "%", 100.0, 40.0,
        "over-vacuum for protection.soft_latch would be a fault; shorter, suction is chopped",
        ("protection.soft_margin_vacuum", "protection.soft_margin_part",
         "protection.soft_latch", "regulator.gain", "regulator.pump_lag"),
        value=lambda figures: figures.soft_percent,
    ),
    Requirement(
        "chopped", "suction taken away by protection", "ms", 200.0, 100.0,
        "on a sound plant the soft margin should never act; a short overshoot may [E]",
        ("protection.soft_margin_vacuum", "protection.soft_margin_part",
         "protection.soft_time", "regulator.gain"),
        value=lambda figures: figures.taken_ms,
    ),
    Requirement(
        "apart", "channels apart, of the time allowed", "%", 100.0, 10.0,
        "two sound gauges at their worst disagree by 3.4 kPa; a disagreement that lasts is a"
        " fault",
        ("protection.disagreement_vacuum", "protection.disagreement_time",
         "sensors.vacuum_a_span", "sensors.vacuum_b_span"),
        value=lambda figures: figures.apart_percent,
    ),
    Requirement(
        "found", "contact found", "ms", 450.0, 50.0,
        "strokes take 1 to 3 s; a contact seen later is half gone [E]",
        ("contact.contact_on_vacuum", "contact.contact_on_part", "contact.contact_on_time"),
        value=lambda figures: figures.found_ms,
    ),
    Requirement(
        "lost", "contact lost on the skin", "ms", 0.0, 0.0,
        "a stroke is one contact: what drops out is counted as lifts",
        ("contact.contact_off_vacuum", "contact.contact_off_part", "contact.contact_off_time"),
        value=lambda figures: figures.lost_ms if figures.level else None,
    ),
    Requirement(
        "lifted", "lift released", "ms", 420.0, 50.0,
        "lifts take 0.3 to 0.9 s; one that is not seen joins two strokes, and hides a pass [E]",
        ("contact.contact_off_vacuum", "contact.contact_off_part", "contact.contact_off_time"),
        value=lambda figures: figures.lift_ms,
    ),
    Requirement(
        "ghost", "contact believed in the air", "ms", 0.0, 0.0,
        "an open tip at the search's drive is no skin",
        ("contact.contact_on_vacuum", "contact.contact_on_part", "regulator.search"),
        value=lambda figures: figures.ghost_ms if figures.level else None,
    ),
    Requirement(
        "off_skin", "crystals before any contact", "ms", 0.0, 0.0,
        "crystals only onto skin that is held",
        ("contact.contact_on_vacuum", "feed.band"),
        value=lambda figures: figures.off_skin_ms if figures.level else None,
    ),
    Requirement(
        "shut", "crystals shut after a lift", "ms", 150.0, 50.0,
        "as every scenario requires: 150 ms after a true lift [E]",
        ("contact.contact_off_time", "feed.band"),
        value=lambda figures: figures.shut_ms if figures.level else None,
    ),
    Requirement(
        "flowing", "plants on which crystals flow", "%", 95.0, 1.0,
        "crystals flow on settled skin; where the handpiece seems clogged they must not, and a"
        " few sound ones seem so (emery bench: handpiece.sealed_right_pct)",
        ("feed.band", "regulator.pump_start", "regulator.pump_lag"),
        at_least=True, of_all=True, value=lambda figures: figures.flowing,
    ),
    Requirement(
        "free", "skin free after letting go", "ms", 500.0, 100.0,
        "the vent's half second (limits.VENTED_MS) [E]",
        (),
        value=lambda figures: figures.free_ms,
    ),
)  # fmt: skip

# What a fault on a sound plant is most often about.
LOOK_AT_FOR_FAULT: dict[int, tuple[str, ...]] = {
    faults.SENSOR_SUPPLY: ("sensors.sensor_supply", "sensors.sensor_supply_tolerance",
                           "sensors.sensor_supply_divider"),
    faults.SENSOR_ZERO: ("sensors.zero_tolerance", "sensors.vacuum_a_zero",
                         "sensors.vacuum_b_zero"),
    faults.SENSOR_DISAGREEMENT: ("protection.disagreement_vacuum",
                                 "protection.disagreement_time", "sensors.vacuum_a_zero",
                                 "sensors.vacuum_b_zero"),
    faults.OVER_VACUUM: ("regulator.gain", "regulator.pump_lag", "protection.hard_limit"),
    faults.SOFT_OVER_VACUUM: ("protection.soft_margin_vacuum", "protection.soft_margin_part",
                              "regulator.gain", "regulator.pump_lag"),
    faults.PUMP_WEAK: ("proof.proof_share",),
}  # fmt: skip


def judge(
    settings: Settings, found: Sequence[Figures], *, spared: bool
) -> tuple[Verdict, ...]:
    """Every requirement against what the plants did; `spared` asks for the spare of a
    certificate as well."""
    return tuple(_judge(requirement, settings, found, spared) for requirement in REQUIREMENTS)


def _judge(
    requirement: Requirement, settings: Settings, found: Sequence[Figures], spared: bool
) -> Verdict:
    values = [
        (value, place)
        for place, figures in enumerate(found)
        if (value := requirement.value(figures)) is not None
    ]
    worst: float | None = None
    plant = -1
    if values:
        pick = min if requirement.at_least else max
        # Of equal ones the first: the same on every machine.
        worst, plant = pick(values, key=lambda pair: pair[0])
        if requirement.of_all:
            worst = 100.0 * sum(value for value, _ in values) / len(values)
        elif requirement.unit == PLANTS:
            worst = sum(value for value, _ in values)
    return Verdict(
        requirement, requirement.bound(settings, False), requirement.bound(settings, spared),
        worst, plant,
    )
