"""The figures of the bench that settings can change, on this device's own days.

A day is a plant of the certificate's scatter round the device: another site,
another seal, a filter that is used, a pump that wears, a supply that sags. The
figures are those of `emery bench`, measured by its own code, in four groups:

    regulation   with the board's own ADC and tick
    handpiece    what the firmware tells of the tip, after a proof on each day
    feed         crystals shut after a lift
    trip         the runaway at level 10, with the board's own ADC and tick

Handpiece and feed are measured as the bench does it, at the Pico's tick and ADC:
only the tuned settings are the board's.

Besides, of the same strokes: how long a vacuum takes to come into the band of
+-2 kPa, and into one of +-0.5 kPa that the bench does not look at, at the first
contact and at the next.
"""

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median

from emery.bench import baseline, handpiece, regulation, trip
from emery.bench.keys import KEYS
from emery.bench.regulation import Case, Emery
from emery.certificate.course import levels
from emery.certificate.scatter import others
from emery.simulator.noise import Noise
from emery.simulator.plant import Plant
from emery.tune.formulas import with_values
from firmware import faults, limits
from firmware.handpiece import CLOGGED, CONDITIONS, DEAD_HEAD, LEAKING, OPEN_TIP, SEALED
from firmware.settings import Settings, Zone

FINE_PA = 500
GROUPS = ("regulation", "handpiece", "feed", "trip")
# Of contact, lift and re-contact.
BENCH_S = (regulation.CONTACT_S, regulation.LIFT_S, regulation.RECONTACT_S)
_SHORT_S = (5.0, 1.0, 3.0)
_WANDER_S = (6.0, 0.0, 0.0)
_WANDER_LAST_S = 2.0
_BENCH_TICK_S = 0.005  # of the bench's handpiece
_EPISODES = handpiece.PER_PLANT
_LIFT_LEVELS = (2, 6, 10)
_LIFT_FLOW_MG_MIN = 10_000
_TRIP_STEP_MS = 1  # between the places in a tick at which a pump sticks
_LEAST_SHARE_PERMILLE = 200  # lowest of the table

# By so much chance alone moves a figure on this few days, where that is more than the
# bench's noise: one of those that are counted, in percent times days (a day has five
# strokes and ten episodes, six of them with bad air, two of them sealed); for the
# runaways what other noise of the sensors did to the same settings, at twenty trips.
_ONE_PCT_DAYS = {
    "regulation.settle_ratio_within_1_1_pct": 100.0 / 5,
    "handpiece.contact_lift_right_pct": 100.0 / 10,
    "handpiece.leak_clog_dead_head_right_pct": 100.0 / 6,
    "handpiece.sealed_right_pct": 100.0 / 2,
}
_TRIP_CHANCE = {"trip.peak_worst_kpa": 0.2, "trip.release_ratio_worst": 0.05}

Plants = Sequence[dict[str, float]]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One case: the bench's figures of it, and the times of both contacts in s."""

    case: Case
    figures: regulation.Figures
    again_s: float
    fine_s: float
    fine_again_s: float


@dataclass(frozen=True, slots=True)
class Bound:
    """What is wanted of a figure of the bench: `is_most` if it should be small, and
    the bench's own noise of it, by which it may differ and still be as good."""

    is_most: bool
    noise: float
    decimals: int

    def worse_by(self, value: float, than: float) -> float:
        """By how many times its noise a figure is worse than another; negative if better."""
        apart = value - than if self.is_most else than - value
        return apart / self.noise


def _bounds() -> dict[str, Bound]:
    noises = baseline.read()
    return {
        # A place fewer than the bench tells, of many more plants.
        key.name: Bound(key.most, float(noises[key.name].noise), max(0, key.decimals - 1))
        for key in KEYS
        if key.group in GROUPS and "esp32" not in key.name
    }


BOUNDS = _bounds()


def chance(key: str, day_count: int) -> float:
    """By how much a figure of so many days may differ and say nothing."""
    return max(
        BOUNDS[key].noise, _TRIP_CHANCE.get(key, 0.0), _ONE_PCT_DAYS.get(key, 0.0) / day_count
    )


def is_worse(key: str, value: float, than: float, day_count: int) -> bool:
    """Is a figure, of so many days, worse than another by more than chance?"""
    bound = BOUNDS[key]
    return bound.worse_by(value, than) * bound.noise > chance(key, day_count) + 1e-6


def is_strictly_worse(key: str, value: float, than: float) -> bool:
    """Is a figure worse than another as far as it is told?"""
    places = BOUNDS[key].decimals
    return BOUNDS[key].worse_by(round(value, places), round(than, places)) > 0


def days(plant: Mapping[str, float], count: int, seed: int) -> list[dict[str, float]]:
    """So many days of this device, by the simulator's names."""
    return [trial.plant for trial in others(plant, Settings(), count, seed)]


# regulation ------------------------------------------------------------------------


def strokes(
    settings: Settings, adc: str, cases: Sequence[Case], seed: int, is_short: bool = False
) -> list[Stroke]:
    """Two contacts in each case, as long as the bench's, or as short as they may be to
    settle."""
    found = []
    for case in cases:
        course = regulation.course(
            Emery(settings, adc, seed + 2 * case.number), case.parameters, case.set_pa,
            lengths_s=_SHORT_S if is_short else BENCH_S,
        )  # fmt: skip
        tick_s, set_pa = course.tick_s, case.set_pa
        contact, _, again = course.parts
        found.append(
            Stroke(
                case,
                regulation.judged(course, set_pa),
                regulation.settle_s(again, set_pa, tick_s),
                regulation.settle_s(contact, set_pa, tick_s, FINE_PA),
                regulation.settle_s(again, set_pa, tick_s, FINE_PA),
            )
        )
    return found


def of_regulation(found: Sequence[Stroke]) -> dict[str, float]:
    """The bench's group `regulation`, by its keys."""
    summary = regulation.summary([(stroke.case, stroke.figures) for stroke in found])
    return {f"regulation.{name}": value for name, value in summary.items()}


def times_s(found: Sequence[Stroke]) -> dict[str, float]:
    """What a vacuum takes to settle, in s: the mean of first contacts, and medians."""
    return {
        "settle_mean": fmean(stroke.figures.settle_s for stroke in found),
        "settle": median(stroke.figures.settle_s for stroke in found),
        "again": median(stroke.again_s for stroke in found),
        "fine": median(stroke.fine_s for stroke in found),
        "fine_again": median(stroke.fine_again_s for stroke in found),
    }


def slowness(found: Sequence[Stroke]) -> float:
    """What the search makes small: settling over the time-optimal bound, of both
    contacts and both bands; the fine band weighs half."""
    return fmean(
        (stroke.figures.settle_s + stroke.again_s + 0.5 * (stroke.fine_s + stroke.fine_again_s))
        / stroke.case.bound_s
        for stroke in found
    )


def wander_pa(settings: Settings, adc: str, cases: Sequence[Case], seed: int) -> float:
    """How far from the set vacuum it is while the seal's leak wanders: rms over the last
    two seconds of a contact."""
    squares = []
    for case in cases:
        course = regulation.course(
            Emery(settings, adc, seed + 2 * case.number), case.parameters, case.set_pa,
            Noise(seed + 2 * case.number + 1), lengths_s=_WANDER_S,
        )  # fmt: skip
        last = course.parts[0][-round(_WANDER_LAST_S / course.tick_s) :]
        squares.append(fmean((vacuum_pa - case.set_pa) ** 2 for vacuum_pa in last))
    return sqrt(fmean(squares))


# handpiece, feed, trip ---------------------------------------------------------------


def of_handpiece(settings: Settings, plants: Plants, seed: int) -> dict[str, float]:
    """The bench's group `handpiece`, by its keys; a day whose proof the device refuses
    counts as episodes told wrong."""
    found: list[handpiece.Episode] = []
    refused = 0
    for number, parameters in enumerate(plants):
        chance = random.Random(f"{seed} {number}")
        rig = handpiece.Rig(settings, seed + 2 * number)
        plant = Plant(parameters, Noise(seed + 2 * number + 1), _BENCH_TICK_S)
        if rig.prove(plant) != faults.NONE:
            refused += 1
            continue
        top = [
            case.set_pa for case in regulation.cases_on(
                [{**parameters, "seal_leak": 0.03}], limits.LEVEL_VACUUM_PA
            )
        ]
        if top:
            found += [
                handpiece.run_episode(
                    rig, plant, number, chance.randint(1, len(top)), place % len(CONDITIONS),
                    chance,
                )
                for place in range(_EPISODES)
            ]
    air = [row for row in found if row.condition in (LEAKING, CLOGGED, DEAD_HEAD)]
    sealed = [row for row in found if row.condition == SEALED]
    lifts = [row for row in found if row.condition == OPEN_TIP]
    wrong = refused * _EPISODES // len(CONDITIONS)
    late_s = handpiece.CONDITION_S  # what is never told rightly took at least this
    slow = sorted(late_s if row.latency_s is None else row.latency_s for row in air)
    return {
        "handpiece.contact_lift_right_pct": _right_pct(
            [(row.told == OPEN_TIP) == (row.condition == OPEN_TIP) for row in found], 5 * wrong
        ),
        "handpiece.leak_clog_dead_head_right_pct": _right_pct(
            [row.told == row.condition for row in air], 3 * wrong
        ),
        "handpiece.sealed_right_pct": _right_pct([row.told == SEALED for row in sealed], wrong),
        "handpiece.lift_latency_worst_ms": 1000 * max(
            (late_s if row.latency_s is None else row.latency_s for row in lifts),
            default=late_s,
        ),
        "handpiece.air_latency_p95_ms": 1000 * (slow[len(slow) * 95 // 100] if slow else late_s),
    }


def _right_pct(told: list[bool], refused: int) -> float:
    return 100.0 * sum(told) / max(1, len(told) + refused)


def refused_by_proof(settings: Settings, plant: Mapping[str, float]) -> int:
    """The fault with which the proof refuses a device, or NONE."""
    rig = handpiece.Rig(settings, 1)
    return rig.prove(Plant(dict(plant), Noise(2), _BENCH_TICK_S))


def of_feed(settings: Settings, plants: Plants, seed: int) -> dict[str, float]:
    """The bench's group `feed`, by its keys. The crystals flow in each of these strokes:
    settings that mistake a sound nozzle for a clogged one must not gain by it."""
    lifts = [
        handpiece.run_lift(
            parameters, level, _LIFT_FLOW_MG_MIN, seed + 10 * number + level, settings,
            heeds_blocks=False,
        )
        for number, parameters in enumerate(plants)
        for level in _LIFT_LEVELS
    ]
    return {
        "feed.command_shut_after_true_lift_worst_ms": max(ms for ms, _ in lifts),
        "feed.off_skin_mg_worst": max(mg for _, mg in lifts),
    }


def of_trip(settings: Settings, adc: str, plants: Plants, seed: int) -> dict[str, float]:
    """The bench's group `trip`, by its keys, at some phases of the tick; nothing if no
    day comes so far. Every pump passes for a sound one here: what runs away does so
    whether or not the proof would have let it."""
    own = _at_the_top(settings)
    found = []
    for number, parameters in enumerate(plants):
        before = trip.Device(own, adc, parameters, seed + 2 * number)
        try:
            before.to_stroke()
        except RuntimeError:
            continue
        for phase_ms in range(0, settings.tick_period_ms, _TRIP_STEP_MS):
            device = copy.deepcopy(before)
            device.run(phase_ms)
            device.runs_away()
            found.append(trip.follow(device, parameters["volume_m3"], settings.hard_limit_pa))
    if not found:
        return {}
    return {
        "trip.peak_worst_kpa": max(one.peak_pa for one in found) / 1000,
        "trip.release_ratio_worst": max(one.release_ms / one.ideal_release_ms for one in found),
    }


def _at_the_top(settings: Settings) -> Settings:
    """Settings with one zone, at the highest level that they allow."""
    made = with_values(settings, {"proof_share_permille": _LEAST_SHARE_PERMILLE})
    zone = Zone("trip")
    for name, value in (("level", levels(settings)[-1]), ("flow_mg_min", _LIFT_FLOW_MG_MIN)):
        setattr(zone, name, value)
    made.protocol_name = "trip"
    made.zones = (zone,)
    return made


def on_the_bench(settings: Settings, names: Sequence[str]) -> Settings:
    """Default settings but for these names: those of the board, on the bench's Pico."""
    made = Settings()
    for name in names:
        setattr(made, name, getattr(settings, name))
    return made
