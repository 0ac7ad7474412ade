"""From a proposal to settings that are at least as good on every figure, or none.

The formulas' proposal is changed a little, one setting after the other, and tried on
a few days of the device. The best of these are finalists. What is taken must pass the
gate, on more days: on no figure of the bench may it be worse than the present
settings, nor than the defaults, by more than the noise that the bench's baseline gives
the figure, or than chance on this few days (`figures.is_worse`). It must do so again on
as many other days: the best of many is partly the luckiest. If none passes, the present
settings stay.

The first that passes and gets a certificate is taken. If none gets one, gentler settings
than the best are tried, if what was broken is of a kind that gentler ones may mend. If
the present settings get none either, no device may run with them, and how quick they
would be is no measure: then the defaults are taken if they get one, else the quickest
finalist or gentler one that does, and what is worse with it is told.

    tune(plant, settings, adc, sliders, workers, show, certify) -> Tuned
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from emery.bench import regulation
from emery.bench.regulation import Case
from emery.certificate.known import Certified
from emery.certificate.requirements import REQUIREMENTS
from emery.processes import side_by_side
from emery.tune import figures
from emery.tune.formulas import TUNED, fitted, proposal, with_values
from emery.tune.sliders import Sliders, slid
from firmware.settings import Settings

Show = Callable[[float, str], None]
Values = dict[str, int]
# Asks for a certificate for values of TUNED, or as the sliders want them.
Certify = Callable[[Values], Certified]

# Days of the device. [E: a run of half a minute]
GATE_DAYS = 24
# The search looks at the cases that were hardest for the present settings and for the
# proposal, so many by each of three figures, and at every so-manieth of the others. [E]
_HARDEST = 4
_EVERY = 10
_DAYS_SEED = 11
_OTHER_DAYS_SEED = 12
_LIFT_DAYS = 8
_TRIP_DAYS = 4
_ROUNDS = 2
_FINALISTS = 4
_AT_ONCE = 2  # of them
_WANDER_CASES = 12
# What is not at least this much quicker is no reason to change settings. [E]
_ENOUGH = 0.98
# What the search tries: by how much some settings are multiplied. [E]
MOVES: tuple[dict[str, float], ...] = (
    {"pump_lag_ms": 0.82},
    {"pump_lag_ms": 0.92},
    {"pump_lag_ms": 1.1},
    {"hold_low_permille": 0.93, "hold_high_permille": 0.93},
    {"hold_low_permille": 1.07, "hold_high_permille": 1.07},
    {"hold_low_permille": 0.93},
    {"pump_start_permille": 0.85},
    {"pump_start_permille": 1.12},
    {"search_permille": 0.85},
)
# What is tried if no finalist gets a certificate: less to hold a level with, and the pump
# turns slower in the air. A longer lag is not among it: it overshot more (README.md). [E]
GENTLER: tuple[dict[str, float], ...] = (
    {"hold_low_permille": 0.93, "hold_high_permille": 0.93, "search_permille": 0.85},
    {"hold_low_permille": 0.85, "hold_high_permille": 0.85, "search_permille": 0.75},
)
# The requirements that this may mend: those of too much suction at once.
_OF_TOO_MUCH = frozenset({"peak", "over", "ripple", "over_margin", "chopped"})
# What a figure that is worse by one noise costs beside the slowness, which is 2.5 to 4.
# The search only leans away from what the gate would refuse.
_PER_NOISE = 0.1  # [E]
# What it costs if none of the hard cases settles within 1.1 of the bound.
_PER_LATE = 1.0  # [E]
_WITHIN = "regulation.settle_ratio_within_1_1_pct"
# What it costs if all of these are told wrongly: the firmware works out what the tip
# does with the same settings, and holds crystals back when it is mistaken.
_PER_WRONG = 1.0  # [E]
_TOLD = ("handpiece.sealed_right_pct", "handpiece.leak_clog_dead_head_right_pct")
_TOLD_DAYS = 6


@dataclass(frozen=True, slots=True)
class Measured:
    """Settings of TUNED and what they did. `figures` has those of the bench, by key;
    `times_s` the medians of `figures.times_s`."""

    values: Values
    figures: dict[str, float]
    times_s: dict[str, float]
    slowness: float


@dataclass(frozen=True, slots=True)
class Worse:
    """A figure on which a candidate is worse than `than` ("present" or "defaults")."""

    key: str
    value: float
    wanted: float
    than: str


@dataclass(frozen=True, slots=True)
class Uncertified:
    """Settings that passed the gate, as the sliders want them, and what their certificate
    was refused for. They are gentler than the best, or a finalist."""

    values: Values
    certified: Certified
    is_gentler: bool


@dataclass(slots=True)
class Tuned:
    """What came of it.

    `before` is the board as it is, `start` what candidates had to match besides the
    `defaults`: the same, or the defaults if sliders are moved, which count from there.
    `chosen` is `start` if no candidate passed; `after` is `chosen` with the sliders.
    `refused` has the candidates that did not pass, with what was worse, `uncertified`
    those that did and got no certificate, in order of merit; `certified` is how that of
    `after` came out, None if none was asked for. If no candidate got one, `after` is the
    best of them. `unusable` is how that of the present settings came out, if `after` was
    taken only because they get none, in spite of the gate. `wander_pa` are those of before
    and after (`figures.wander_pa`).
    """

    plant: dict[str, float]
    settings: Settings
    adc: str
    proposed: Values
    cases: list[Case]
    defaults: Measured
    start: Measured
    before: Measured
    chosen: Measured
    after: Measured
    tried: int = 0
    refused: list[tuple[Measured, list[Worse]]] = field(default_factory=list)
    uncertified: list[Uncertified] = field(default_factory=list)
    certified: Certified | None = None
    unusable: Certified | None = None
    wander_pa: tuple[float, float] = (0.0, 0.0)

    @property
    def changed(self) -> Values:
        """What is to be changed on the board."""
        return {
            name: value
            for name, value in self.after.values.items()
            if value != getattr(self.settings, name)
        }

    @property
    def worse(self) -> list[Worse]:
        """On which figures what is told is worse than the board was: a slider's price."""
        return gate(self.after, {"present": self.before})


@dataclass(frozen=True, slots=True)
class Task:
    """One group of figures of one candidate, for a process of its own."""

    group: str
    settings: Settings
    adc: str
    cases: Sequence[Case]
    plants: Sequence[dict[str, float]]
    seed: int
    is_short: bool = False


Answer = list[figures.Stroke] | dict[str, float]


def work(task: Task) -> Answer:
    """Measure one task."""
    if task.group == "regulation":
        return figures.strokes(
            task.settings, task.adc, task.cases, task.seed, task.is_short
        )
    if task.group == "wander":
        wander_pa = figures.wander_pa(task.settings, task.adc, task.cases, task.seed)
        return {"wander_pa": wander_pa}
    if task.group == "trip":
        return figures.of_trip(task.settings, task.adc, task.plants, task.seed)
    on_bench = figures.on_the_bench(task.settings, TUNED)
    if task.group == "feed":
        return figures.of_feed(on_bench, task.plants, task.seed)
    return figures.of_handpiece(on_bench, task.plants, task.seed)


class Tries:
    """Candidates measured side by side, each only once."""

    def __init__(
        self, settings: Settings, adc: str, run: Callable[[Iterable[Task]], Iterable[Answer]]
    ) -> None:
        self.settings = settings
        self.adc = adc
        self._run = run

    def strokes(
        self, candidates: Sequence[Values], cases: Sequence[Case], is_short: bool
    ) -> list[list[figures.Stroke]]:
        """The strokes of each candidate in these cases."""
        tasks = [
            Task(
                "regulation", with_values(self.settings, values), self.adc, cases, (), _DAYS_SEED,
                is_short,
            )
            for values in candidates
        ]
        return [answer for answer in self._run(tasks) if isinstance(answer, list)]

    def others(
        self, values: Values, plants: Sequence[dict[str, float]]
    ) -> dict[str, float]:
        """The figures of a candidate besides those of regulation."""
        settings = with_values(self.settings, values)
        half = len(plants) // 2
        tasks = [
            Task("handpiece", settings, self.adc, (), plants, _DAYS_SEED),
            Task("feed", settings, self.adc, (), plants[:_LIFT_DAYS], _DAYS_SEED),
            Task("trip", settings, self.adc, (), plants[half : half + _TRIP_DAYS], _DAYS_SEED),
        ]
        found: dict[str, float] = {}
        for answer in self._run(tasks):
            if isinstance(answer, dict):
                found |= answer
        return found

    def told(
        self, candidates: Sequence[Values], plants: Sequence[dict[str, float]]
    ) -> list[dict[str, float]]:
        """What the firmware tells of the tip, with each candidate."""
        tasks = [
            Task("handpiece", with_values(self.settings, values), self.adc, (), plants, _DAYS_SEED)
            for values in candidates
        ]
        return [answer for answer in self._run(tasks) if isinstance(answer, dict)]

    def wander_pa(self, values: Values, cases: Sequence[Case]) -> float:
        """How far a candidate is from the set vacuum while the leak wanders."""
        settings = with_values(self.settings, values)
        for answer in self._run([Task("wander", settings, self.adc, cases, (), _DAYS_SEED)]):
            if isinstance(answer, dict):
                return answer["wander_pa"]
        raise RuntimeError("no answer")


class OtherDays:
    """Days that no candidate was chosen by, to see whether it is as good on them, too. They
    are drawn when they are wanted: most candidates do not come so far."""

    def __init__(
        self, tries: Tries, plant: Mapping[str, float], defaults: Values, start: Values
    ) -> None:
        self._tries = tries
        self._plant = plant
        self._known = {"defaults": defaults}
        if start != defaults:
            self._known["present"] = start
        self._days: list[dict[str, float]] = []
        self._cases: list[Case] = []
        self._against: dict[str, Measured] = {}

    def passes(self, values: Values) -> tuple[bool, list[Worse]]:
        """Are these as good as what they must match, and no slower than the present ones?
        If not, on which figures they are worse."""
        if not self._against:
            self._days = figures.days(self._plant, GATE_DAYS, _OTHER_DAYS_SEED)
            self._cases = regulation.cases_on(self._days)
            known = self._measured(list(self._known.values()))
            self._against = dict(zip(self._known, known, strict=True))
        (candidate,) = self._measured([values])
        start = self._against.get("present", self._against["defaults"])
        worse = gate(candidate, self._against)
        return not worse and candidate.slowness <= start.slowness, worse

    def _measured(self, candidates: Sequence[Values]) -> list[Measured]:
        return _measure_all(self._tries, candidates, self._cases, self._days)


class CannotTune(Exception):
    """There is nothing to tune by; the text says why and what to do."""


def tune(
    plant: Mapping[str, float],
    settings: Settings,
    adc: str,
    sliders: Sliders,
    workers: int,
    show: Show,
    certify: Certify | None = None,
) -> Tuned:
    """Settings for this device, or its present ones. `show` is told the progress; without
    `certify` no certificate is asked for.

    Raises CannotTune if the device reaches no level, ProcessLost.
    """
    with side_by_side(workers, "the tuning", "try fewer at once, with -j 1") as executor:
        tries = Tries(settings, adc, lambda tasks: executor.map(work, tasks))
        return tuned(plant, tries, sliders, show, proposal(plant), certify)


def tuned(
    plant: Mapping[str, float],
    tries: Tries,
    sliders: Sliders,
    show: Show,
    proposed: Values,
    certify: Certify | None = None,
) -> Tuned:
    """As `tune`, with the way to run candidates and the first of them."""
    settings = tries.settings
    present = {name: getattr(settings, name) for name in TUNED}
    defaults = {name: getattr(Settings(), name) for name in TUNED}
    start = defaults if sliders.are_moved else present
    show(0.0, "drawing days of this device")
    days = figures.days(plant, GATE_DAYS, _DAYS_SEED)
    cases = regulation.cases_on(days)
    if not cases:
        raise CannotTune(
            "with this [plant] the pump does not even reach level 1. Look for a leak (`emery "
            "calibrate leak`), service the pump, and identify the device anew"
        )
    ranked = _ranked(tries, cases, days[:_TOLD_DAYS], start, defaults, proposed, show)
    show(0.6, "comparing the best on more days")
    known = {tuple(values.values()): values for values in (defaults, start, present)}
    judged = dict(
        zip(known, _measure_all(tries, list(known.values()), cases, days), strict=True)
    )
    by_defaults, by_start, before = (
        judged[tuple(values.values())] for values in (defaults, start, present)
    )
    made = Tuned(
        dict(plant), settings, tries.adc, proposed, cases, by_defaults, by_start, before,
        by_start, by_start, len(ranked),
    )  # fmt: skip
    finalists = [values for values in ranked if values not in known.values()][:_FINALISTS]
    others = OtherDays(tries, plant, defaults, start)
    worthy = _worthy(tries, made, finalists, days, others, show)
    if not _taken(made, worthy, sliders, certify):
        if made.uncertified:
            gentler = _worthy(tries, made, _gentler(made), days, others, show, enough=1.0)
            _taken(made, gentler, sliders, certify, are_gentler=True)
        else:
            # A device whose proof is wrong for its pump is not left at that.
            only = start | {"proof_share_permille": proposed["proof_share_permille"]}
            passed = (
                _passed(tries, made, [only], days, others, enough=1.0) if only != start else []
            )
            if passed and gate(made.start, {"present": passed[0]}):
                made.chosen = passed[0]
            if certify is not None:
                made.certified = certify(_wished(made.chosen.values, sliders))
    if certify is not None and made.certified is not None and not made.certified.passed:
        show(0.9, "looking for any settings that get a certificate")
        _take_any(tries, made, finalists, days, sliders, certify)
    made.after = made.chosen
    if sliders.are_moved:
        show(0.93, "measuring what the sliders do")
        made.after = _measure_all(tries, [_wished(made.chosen.values, sliders)], cases, days)[0]
    some = cases[:: max(1, len(cases) // _WANDER_CASES)]
    made.wander_pa = (
        tries.wander_pa(made.before.values, some), tries.wander_pa(made.after.values, some)
    )  # fmt: skip
    show(1.0, "done")
    return made


def _taken(
    made: Tuned,
    worthy: Iterable[Measured],
    sliders: Sliders,
    certify: Certify | None,
    *,
    are_gentler: bool = False,
) -> bool:
    """Is one of these chosen? It is the first that gets a certificate, as the sliders want
    it. The others are noted, and the very first is what is told if none gets one."""
    for candidate in worthy:
        wished = _wished(candidate.values, sliders)
        certified = certify(wished) if certify is not None else None
        is_taken = certified is None or certified.passed
        if is_taken or not made.uncertified:
            made.chosen, made.certified = candidate, certified
        if is_taken:
            return True
        if certified is not None:
            made.uncertified.append(Uncertified(wished, certified, are_gentler))
    return False


def _take_any(
    tries: Tries,
    made: Tuned,
    finalists: Sequence[Values],
    days: Sequence[dict[str, float]],
    sliders: Sliders,
    certify: Certify,
) -> None:
    """If a device may not run with its present settings, take the defaults if it may run
    with these, else the quickest that gets a certificate, of the finalists and of what is
    gentler. If the defaults get none for the sliders alone, these are to be moved less."""
    present = certify(made.before.values)
    if present.passed:
        return
    usual = certify(_wished(made.defaults.values, sliders))
    if usual.passed:
        made.chosen, made.certified, made.unusable = made.defaults, usual, present
        return
    if sliders.are_moved and certify(made.defaults.values).passed:
        return
    asked = [one.values for one in made.uncertified]
    candidates = [
        values
        for values in [*finalists, *moved((finalists or [made.proposed])[0], GENTLER)]
        if _wished(values, sliders) not in asked
    ]
    for candidate in sorted(
        _measure(tries, candidates, made.cases), key=lambda one: one.slowness
    ):
        certified = certify(_wished(candidate.values, sliders))
        if certified.passed:
            candidate.figures.update(tries.others(candidate.values, days))
            made.chosen, made.certified, made.unusable = candidate, certified, present
            return


def _wished(values: Values, sliders: Sliders) -> Values:
    return slid(values, sliders) if sliders.are_moved else values


def _gentler(made: Tuned) -> list[Values]:
    """Gentler settings than the best, if that may mend what its certificate was refused
    for."""
    lines = made.uncertified[0].certified.reasons.splitlines()
    # `emery.certificate.wording` begins each line with the requirement's title.
    broken = {
        asked.key for asked in REQUIREMENTS for line in lines if line.startswith(f"{asked.title}:")
    }
    if not broken & _OF_TOO_MUCH:
        return []
    return moved(made.chosen.values, GENTLER)


def _worthy(
    tries: Tries,
    made: Tuned,
    candidates: Sequence[Values],
    days: Sequence[dict[str, float]],
    others: OtherDays,
    show: Show,
    enough: float = _ENOUGH,
) -> Iterator[Measured]:
    """Those that pass the gate, a few measured at a time and only when they are wanted."""
    for number in range(0, len(candidates), _AT_ONCE):
        show(0.7 + 0.2 * number / _FINALISTS, "comparing the best on more days")
        some = candidates[number : number + _AT_ONCE]
        yield from _passed(tries, made, some, days, others, enough)


def _passed(
    tries: Tries,
    made: Tuned,
    candidates: Sequence[Values],
    days: Sequence[dict[str, float]],
    others: OtherDays,
    enough: float = _ENOUGH,
) -> list[Measured]:
    """Those that pass the gate and are quick enough to be worth a change, the best first;
    the others are noted."""
    against = {"defaults": made.defaults}
    if made.start is not made.defaults:
        against["present"] = made.start
    passed = []
    for candidate in sorted(
        _measure(tries, candidates, made.cases), key=lambda one: one.slowness
    ):
        worse = gate(candidate, against)
        if not worse and candidate.slowness <= enough * made.start.slowness:
            candidate.figures.update(tries.others(candidate.values, days))
            worse = gate(candidate, against)
            if not worse:
                is_passed, worse = others.passes(candidate.values)
                if is_passed:
                    passed.append(candidate)
                    continue
        made.refused.append((candidate, worse))
    # Not worse even by chance comes before quicker.
    return sorted(passed, key=lambda one: bool(within_chance(one, made.start)))


def within_chance(candidate: Measured, than: Measured) -> list[str]:
    """The figures on which a candidate is worse than another, though by chance only."""
    return [
        key
        for key, value in candidate.figures.items()
        if key in than.figures
        and figures.is_strictly_worse(key, value, than.figures[key])
        and not figures.is_worse(key, value, than.figures[key], GATE_DAYS)
    ]


def gate(
    candidate: Measured, against: Mapping[str, Measured], day_count: int = GATE_DAYS
) -> list[Worse]:
    """On which figures, of so many days, a candidate is worse than those it must match."""
    return [
        Worse(key, value, other.figures[key], than)
        for than, other in against.items()
        for key, value in candidate.figures.items()
        if key in other.figures
        and figures.is_worse(key, value, other.figures[key], day_count)
    ]


def _measure(
    tries: Tries, candidates: Sequence[Values], cases: Sequence[Case], is_short: bool = False
) -> list[Measured]:
    return [
        Measured(
            dict(values), figures.of_regulation(strokes), figures.times_s(strokes),
            figures.slowness(strokes),
        )
        for values, strokes in zip(
            candidates, tries.strokes(candidates, cases, is_short), strict=True
        )
    ]  # fmt: skip


def _measure_all(
    tries: Tries,
    candidates: Sequence[Values],
    cases: Sequence[Case],
    days: Sequence[dict[str, float]],
) -> list[Measured]:
    """With the figures of all groups."""
    found = _measure(tries, candidates, cases)
    for one in found:
        one.figures.update(tries.others(one.values, days))
    return found


def _ranked(
    tries: Tries,
    cases: Sequence[Case],
    days: Sequence[dict[str, float]],
    present: Values,
    defaults: Values,
    proposed: Values,
    show: Show,
) -> list[Values]:
    """Candidates round the proposal, the best first."""
    show(0.02, "trying the proposal")
    first = tries.strokes([present, proposed], cases, is_short=True)
    hard = _hard(first)
    numbers = {case.number for case in hard}
    # A worst is that of all cases, which are not measured again; a share is that of these.
    wanted = figures.of_regulation(first[0]) | {
        key: value
        for key, value in figures.of_regulation(
            [stroke for stroke in first[0] if stroke.case.number in numbers]
        ).items()
        if key.endswith("_pct")
    }
    share = {"proof_share_permille": proposed["proof_share_permille"]}
    halfway = fitted({name: (present[name] + value) / 2 for name, value in proposed.items()})
    scores: dict[tuple[int, ...], float] = {}
    seen: dict[tuple[int, ...], Values] = {}

    def look(candidates: Iterable[Values]) -> None:
        fresh = {}
        for candidate in candidates:
            values = candidate | share
            key = tuple(values.values())
            if key not in seen:
                fresh[key] = seen[key] = values
        found = list(fresh.values())
        for key, one, told in zip(
            fresh, _measure(tries, found, hard, is_short=True), tries.told(found, days),
            strict=True,
        ):  # fmt: skip
            scores[key] = (
                one.slowness
                + _PER_NOISE * sum(
                    max(0.0, figures.BOUNDS[name].worse_by(value, wanted[name]))
                    for name, value in one.figures.items()
                )
                + _PER_LATE * (1 - one.figures[_WITHIN] / 100)
                + sum(_PER_WRONG * (1 - told[name] / 100) for name in _TOLD)
            )

    look([present, defaults, proposed, halfway])
    best = min(scores, key=lambda key: scores[key])
    for number in range(_ROUNDS):
        show(0.15 + 0.45 * number / _ROUNDS, "trying settings round the best")
        look(moved(seen[best], MOVES))
        found = min(scores, key=lambda key: scores[key])
        if found == best:
            break
        best = found
    return [seen[key] for key in sorted(scores, key=lambda key: scores[key])]


def _hard(found: Sequence[list[figures.Stroke]]) -> list[Case]:
    """The cases that say most."""
    kept = {stroke.case.number: stroke.case for stroke in found[0][::_EVERY]}
    for strokes in found:
        for by in (
            lambda stroke: stroke.figures.overshoot_pa,
            lambda stroke: stroke.figures.recontact_pa,
            lambda stroke: stroke.figures.settle_s / stroke.case.bound_s,
        ):
            for stroke in sorted(strokes, key=by)[-_HARDEST:]:
                kept[stroke.case.number] = stroke.case
    return list(kept.values())


def moved(values: Values, moves: Iterable[Mapping[str, float]]) -> list[Values]:
    """The neighbours of a candidate."""
    return [
        fitted({name: value * move.get(name, 1.0) for name, value in values.items()})
        for move in moves
    ]
