"""Generated inputs of the firmware core: settings that it accepts, integers
that tell when they grow too large, and readings a board may give."""

from typing import Any, SupportsIndex

from hypothesis import assume
from hypothesis import strategies as st

from firmware.settings import SETTINGS, Settings, broken_rules
from host_tests.bench import bench_settings, with_values, zone_of

# MicroPython's small integers on a 32-bit board; beyond lies the heap.
SMALL_LOWEST = -(2**30)
SMALL_HIGHEST = 2**30 - 1

ROWS = {row[0]: row for row in SETTINGS}


def edges(low: int, high: int) -> st.SearchStrategy[int]:
    """From `low` to `high`, with the ends more often than chance gives them."""
    return st.one_of(st.sampled_from((low, high)), st.integers(low, high))


@st.composite
def accepted_settings(draw: st.DrawFn) -> Settings:
    """Settings that the device accepts, out to the corners of every range."""
    values = {}
    for name in draw(st.sets(st.sampled_from(sorted(ROWS)), max_size=8)):
        values[name] = draw(edges(ROWS[name][3], ROWS[name][4]))
    # The sensors' wiring is tied by rules; drawn freely it would hardly ever fit.
    if draw(st.booleans()):
        values |= draw(wirings())
    highest = 10 if values.get("hard_limit_pa", ROWS["hard_limit_pa"][5]) == 45_000 else 3
    settings = bench_settings(
        (
            zone_of("one", level=draw(edges(1, highest)), flow_mg_min=draw(edges(0, 20_000))),
            zone_of("two", level=1, passes=draw(edges(1, 3))),
        ),
        **values,
    )
    assume(not broken_rules(settings))
    return settings


@st.composite
def wirings(draw: st.DrawFn) -> dict[str, int]:
    """Sensors, supply and dividers as far from the reference as they may be."""
    reference = draw(edges(1_000, 5_000))
    supply = draw(edges(4_500, 5_500))
    lowest = max(100, -(-(reference // 4) * 1000 // supply))
    highest = min(1000, (reference * 1000 - 1) // supply)
    supply_divider = draw(edges(lowest, highest))
    values = {
        "adc_reference_mv": reference,
        "sensor_supply_mv": supply,
        "sensor_supply_divider_permille": supply_divider,
    }
    for channel in ("a", "b"):
        zero = draw(edges(500_000, 980_000))
        divider = draw(edges(300, max(300, min(1000, reference * 10**9 // (supply * zero)))))
        steepest = min(250_000, 131_000 * divider // supply_divider)
        lowest_pa, highest_pa = ROWS["vacuum_a_span_pa"][3:5]
        assume(steepest >= lowest_pa)
        values[f"vacuum_{channel}_zero_ppm"] = zero
        values[f"vacuum_{channel}_divider_permille"] = divider
        # Mostly what the rules allow; if they allowed more, that as well.
        spans = st.one_of(edges(lowest_pa, steepest), st.integers(lowest_pa, highest_pa))
        values[f"vacuum_{channel}_span_pa"] = draw(spans)
    return values


def steepest_settings() -> list[Settings]:
    """For several wirings, the largest span that the rules let through: there
    a count means the most Pa, and the products are the largest."""
    found = []
    for supply_divider, divider in ((333, 500), (400, 480), (500, 500), (600, 600)):
        settings = bench_settings(
            sensor_supply_divider_permille=supply_divider, vacuum_a_divider_permille=divider
        )
        low, high = ROWS["vacuum_a_span_pa"][3:5]
        while low < high:
            span = (low + high + 1) // 2
            settings = with_values(settings, vacuum_a_span_pa=span)
            fields = [field for field, _ in broken_rules(settings)]
            if "vacuum_a_divider_permille" in fields:
                high = span - 1
            else:
                low = span
        found.append(with_values(settings, vacuum_a_span_pa=low))
    return found


class Small(int):
    """An integer that fails the test when arithmetic with it leaves the small
    ones, as it would leave them for the heap on a board."""

    def _kept(self, value: int) -> "Small":
        assert SMALL_LOWEST <= value <= SMALL_HIGHEST, f"{value} does not fit a small integer"
        return Small(value)

    def __add__(self, other: int) -> "Small":
        return self._kept(int(self) + int(other))

    def __sub__(self, other: int) -> "Small":
        return self._kept(int(self) - int(other))

    def __rsub__(self, other: int) -> "Small":
        return self._kept(int(other) - int(self))

    def __mul__(self, other: int) -> "Small":
        return self._kept(int(self) * int(other))

    def __floordiv__(self, other: int) -> "Small":
        return self._kept(int(self) // int(other))

    def __rfloordiv__(self, other: int) -> "Small":
        return self._kept(int(other) // int(self))

    def __lshift__(self, other: int) -> "Small":
        return self._kept(int(self) << int(other))

    def __rshift__(self, other: int) -> "Small":
        return self._kept(int(self) >> int(other))

    def __and__(self, other: int) -> "Small":
        return self._kept(int(self) & int(other))

    def __neg__(self) -> "Small":
        return self._kept(-int(self))

    def __abs__(self) -> "Small":
        return self._kept(abs(int(self)))

    __radd__ = __add__
    __rmul__ = __mul__


def watch(part: object) -> None:
    """Turn the integers in a part of the core into watched ones."""
    for name, value in vars(part).items():
        if type(value) is int:
            setattr(part, name, Small(value))
        elif type(value) is list and all(type(item) is int for item in value):
            setattr(part, name, [Small(item) for item in value])
        elif type(value) is tuple and value and all(type(item) is int for item in value):
            setattr(part, name, tuple(Small(item) for item in value))


def small(value: SupportsIndex) -> Any:
    """A watched integer."""
    return Small(value)
