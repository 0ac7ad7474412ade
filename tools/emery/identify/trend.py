"""What changed on a device from one identification to the next, and what to service.

A change counts only when it is beyond the doubt of both measurements together and
larger than a person should be bothered with. What got much better between two
measurements was serviced there: from then on is counted anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from emery.identify.parameters import SURE
from emery.identify.result import FLOW_PA, Identified

DAY_S = 86_400.0
_WEEKS_AHEAD = 52.0
# So many measurements tell a pace. [E]
_PACE_COUNT = 3


class Says(StrEnum):
    """What a quantity says."""

    FINE = "in order"
    WATCH = "watch it"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with the ends of its 95 % interval."""

    epoch: int
    value: float
    low: float
    high: float

    @property
    def sigma(self) -> float:
        """Standard deviation."""
        return max((self.high - self.low) / (2.0 * SURE), 1e-12)


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that wears. `scale` makes the shown unit of the simulator's.

    `bad` is 1 if more is worse, -1 if less is; `limit` is the change that calls for a
    service: a share of the value if `by_share`, else in the shown unit. `most` calls for
    it whatever was before, in the shown unit.
    """

    name: str
    words: str
    unit: str
    scale: float
    bad: int
    by_share: bool
    limit: float
    most: float | None
    service: str
    other: str = ""  # what the change the other way says, if that is bad, too

    def room(self, value: float) -> float:
        """The change from `value` on that calls for a service, in the shown unit."""
        return self.limit * (value if self.by_share else 1.0)


# The limits are [E]: a fifth less pump still treats, but no longer at high levels.
QUANTITIES = (
    Quantity(
        "pump", f"pump at {FLOW_PA / 1000:.0f} kPa", "L/min", 60_000.0, -1, True, 0.15, None,
        "the pump is worn: it moves less air than it did. Look at its valves and membranes, "
        "or change it; then identify and tune again",
    ),
    Quantity(
        "filter_load", "filter and line", "x clean", 1.0, 1, False, 5.0, 15.0,
        "the filter clogs: change it and empty the canister",
    ),
    Quantity(
        "nozzle_m", "crystal nozzle", "mm", 1_000.0, 1, True, 0.06, None,
        "the crystals have worn the nozzle wider: change it, and calibrate the crystal flow",
        "the crystal nozzle clogs: clean nozzle and crystal hose",
    ),
    Quantity(
        "hose_leak", "leak of the line", "%", 100.0, 1, False, 0.15, 0.5,
        "the line leaks: emery calibrate leak tells which joint to look at first",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Course:
    """One quantity over time. `since` is the place of the measurement that it is compared
    with; `change` goes from there to the last, with `doubt`, both as `limit` counts.

    `weeks` is when the limit is reached at this pace, None if there is none.
    """

    quantity: Quantity
    points: tuple[Measured, ...]
    since: int
    change: float
    doubt: float
    says: Says
    words: str
    weeks: float | None

    @property
    def due(self) -> tuple[float, ...]:
        """The values that call for a service if they are beyond doubt."""
        quantity, first = self.quantity, self.points[self.since].value
        worse = first + quantity.bad * quantity.room(first)
        if quantity.most is not None:
            worse = min(worse, quantity.most)
        return (worse, first - quantity.bad * quantity.room(first)) if quantity.other else (worse,)


def courses(history: Sequence[tuple[int, Identified]]) -> list[Course]:
    """Of each quantity, from (epoch, result), the oldest first; at least one."""
    return [_course(quantity, _points(quantity, history)) for quantity in QUANTITIES]


def _points(
    quantity: Quantity, history: Sequence[tuple[int, Identified]]
) -> tuple[Measured, ...]:
    found = []
    for epoch, result in history:
        if quantity.name == "pump":
            row = next(one for one in result.curve if one[0] == FLOW_PA)
            value, low, high = row[1:]
        else:
            one = next(one for one in result.found if one.name == quantity.name)
            value, low, high = one.value, one.low, one.high
        scale = quantity.scale
        found.append(Measured(epoch, scale * value, scale * low, scale * high))
    return tuple(found)


def _course(quantity: Quantity, points: tuple[Measured, ...]) -> Course:
    since = 0
    for at in range(1, len(points)):
        change, doubt = _change(quantity, points[at - 1], points[at])
        # Much better than the time before: it was serviced.
        if -quantity.bad * change > max(doubt, quantity.limit) and not (
            quantity.other and abs(points[since].value - points[at].value)
            > abs(points[since].value - points[at - 1].value)
        ):
            since = at
    last = points[-1]
    change, doubt = _change(quantity, points[since], last)
    worse = quantity.bad * change
    says, words = Says.FINE, ""
    is_high = quantity.most is not None and last.low > quantity.most
    if (worse - doubt > 0.0 and worse > quantity.limit) or is_high:
        says, words = Says.SERVICE, quantity.service
    elif quantity.other and -worse - doubt > 0.0 and -worse > quantity.limit:
        says, words = Says.SERVICE, quantity.other
    elif worse - doubt > 0.0 and worse > 0.5 * quantity.limit:
        says = Says.WATCH
    weeks = _weeks(quantity, points[since:]) if says is not Says.SERVICE else None
    if weeks is not None and says is Says.FINE:
        says = Says.WATCH
    if says is Says.WATCH:
        words = "it changes, and needs nothing yet"
        if weeks is not None:
            words = (
                f"at this pace it needs a service in about {weeks:.0f} weeks: {quantity.service}"
            )
    return Course(quantity, points, since, change, doubt, says, words, weeks)


def _change(quantity: Quantity, before: Measured, after: Measured) -> tuple[float, float]:
    """The change, and what it may be wrong by (95 %)."""
    if quantity.by_share:
        base = max(before.value, 1e-12)
        ratio = after.value / base
        doubt = ratio * sqrt(
            (before.sigma / base) ** 2 + (after.sigma / max(after.value, 1e-12)) ** 2
        )
        return ratio - 1.0, SURE * doubt
    return after.value - before.value, SURE * sqrt(before.sigma**2 + after.sigma**2)


def _weeks(quantity: Quantity, points: Sequence[Measured]) -> float | None:
    """In how many weeks the limit is reached, by a straight line through the points; None
    if they are too few, if the line is not sure, or if it is far away."""
    if len(points) < _PACE_COUNT:
        return None
    weights = [point.sigma**-2 for point in points]
    total = sum(weights)

    def mean(of: Callable[[Measured], float]) -> float:
        return sum(w * of(point) for w, point in zip(weights, points, strict=True)) / total

    t_mean = mean(lambda point: point.epoch / DAY_S)
    value_mean = mean(lambda point: point.value)
    spread = mean(lambda point: (point.epoch / DAY_S - t_mean) ** 2)
    if spread <= 0.0:
        return None
    slope = (
        mean(lambda point: (point.epoch / DAY_S - t_mean) * (point.value - value_mean)) / spread
    )
    if quantity.bad * slope <= SURE / sqrt(total * spread):
        return None
    first, last = points[0], points[-1]
    line_last = value_mean + slope * (last.epoch / DAY_S - t_mean)
    left = quantity.room(first.value) - quantity.bad * (line_last - first.value)
    weeks = max(0.0, left) / abs(slope) / 7.0
    return weeks if weeks <= _WEEKS_AHEAD else None
