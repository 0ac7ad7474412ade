"""The margins of a run: what came nearest to each limit, in numbers and words."""

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emery.simulator.margins import DEVICE, SCENARIO, Margin, left, margins, share_used
from emery.simulator.trace import Trace
from emery.simulator.wording import left_text, margin_text
from firmware import treatment
from host_tests.traces import FAULT, IDLE, ON_SKIN, SET_PA, TREATING, trace_of


def found(result: dict[str, Any], trace: Trace) -> dict[str, Margin]:
    return {margin.what: margin for margin in margins(result, trace) if margin.origin == DEVICE}


def bounds(result: dict[str, Any]) -> dict[str, Margin]:
    every = margins(result, trace_of((IDLE, 1)))
    return {margin.what: margin for margin in every if margin.origin == SCENARIO}


def test_the_highest_vacuum_is_told_with_its_place(result: dict[str, Any]) -> None:
    peak = ON_SKIN | {"skin_pa": 31_000, "zone": 1, "pass_number": 2}
    margin = found(result, trace_of((ON_SKIN, 100), (peak, 1), (IDLE, 100)))["vacuum at the skin"]
    assert (margin.reached, margin.limit) == (31_000, result["hard_limit_pa"])
    assert (margin.at_ms, margin.where) == (505, "left cheek, pass 2")


def test_what_is_nearest_above_the_set_vacuum_is_judged_by_its_own_margin(
    result: dict[str, Any],
) -> None:
    result["settings"] |= {"soft_margin_pa": 3_000, "soft_margin_permille": 100}
    low = ON_SKIN | {"set_pa": 10_000, "skin_pa": 12_800}  # of 3 kPa
    high = ON_SKIN | {"set_pa": 40_000, "skin_pa": 43_000}  # of 4 kPa
    margin = found(result, trace_of((high, 5), (low, 5), (high, 5)))["vacuum above set"]
    assert (margin.reached, margin.limit, margin.at_ms) == (2_800, 3_000, 30)


def test_vacuum_without_suction_is_above_no_set_vacuum(result: dict[str, Any]) -> None:
    assert "vacuum above set" not in found(result, trace_of((FAULT | {"skin_pa": 40_000}, 9)))
    margin = found(result, trace_of((TREATING, 9)))["vacuum above set"]
    assert margin.reached == 0


def test_only_unbroken_time_above_the_margin_counts(result: dict[str, Any]) -> None:
    above = ON_SKIN | {"skin_pa": SET_PA + result["settings"]["soft_margin_pa"] + 1}
    at = ON_SKIN | {"skin_pa": SET_PA + result["settings"]["soft_margin_pa"]}
    cut = above | {"set_pa": 0}
    trace = trace_of((above, 7), (at, 1), (above, 9), (cut, 1), (above, 8))
    margin = found(result, trace)["time above that margin"]
    assert (margin.reached, margin.at_ms) == (45, 85)
    assert margin.limit == result["settings"]["soft_time_ms"]
    assert found(result, trace_of((at, 9)))["time above that margin"].reached == 0


def test_each_pass_has_its_own_time_and_crystals(result: dict[str, Any]) -> None:
    result["zones"][1] |= {"pass_time_ms": 5_000, "pass_crystals_mg": 500}
    flow = ON_SKIN | {"crystals_mg_min": 12_000}  # 1 mg in each tick of 5 ms
    stretches = [(flow, 300), (flow | {"pass_number": 2}, 400), (flow | {"zone": 1}, 350)]
    margin = found(result, trace_of(*stretches))["time on skin in one pass"]
    # 1.75 of 5 s is nearer to its limit than 2 of 60 s.
    assert (margin.reached, margin.limit) == (1_750, 5_000)
    assert margin.where == "left cheek, pass 1"
    margin = found(result, trace_of(*stretches, (IDLE, 5)))["crystals in one pass"]
    assert (margin.reached, margin.limit) == (350, 500)


def test_the_clock_of_the_session_runs_as_in_the_firmware(result: dict[str, Any]) -> None:
    stretches = [(IDLE | {"state": state}, 10) for state in range(len(treatment.STATES))]
    assert found(result, trace_of(*stretches))["session time"].reached == 3 * 50


def test_passes_are_told_of_the_zone_with_the_fewest_left(result: dict[str, Any]) -> None:
    for zone, counted in zip(result["zones"], (1, 2, 0), strict=True):
        zone["passes_counted"] = counted
    margin = found(result, trace_of((IDLE, 1)))["passes over one zone"]
    assert (margin.reached, margin.limit, margin.where) == (2, 3, "left cheek")


def test_what_the_scenario_compares_is_a_bound(result: dict[str, Any]) -> None:
    def requirement(key: str, expected: str) -> dict[str, Any]:
        return {"key": key, "expected": expected, "measured": "", "passed": True, "line": 1}

    result["requirements"] = [
        requirement("peak_vacuum", "at most 33 kPa"),
        requirement("strokes", "at least 100"),
        requirement("power_cuts", "exactly 0"),
        requirement("final_state", "COMPLETE"),
        requirement("passes_not_missed", "counted at least as made"),
    ]
    assert [(m.what, m.reached, m.relation, m.limit) for m in bounds(result).values()] == [
        ("peak vacuum", 28_400, "at most", 33_000),
        ("strokes", 171, "at least", 100),
        ("off skin crystals", 0, "at most", None),
    ]
    result["faults"] = [{"to_safe_ms": None, "release_ms": 240, "peak_pa": 46_000}]
    assert bounds(result)["time to safe"].reached is None
    assert bounds(result)["release time"].reached == 240


def test_an_empty_trace_has_no_margins_of_the_device(result: dict[str, Any]) -> None:
    assert found(result, trace_of()) == {}


def margin(reached: float | None, limit: float | None, relation: str, unit: str) -> dict[str, Any]:
    return asdict(Margin(DEVICE, "it", "a limit", relation, unit, reached, limit))


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.sampled_from(["at most", "at least"]))
def test_more_than_all_is_used_up_where_nothing_is_left(
    reached: int, limit: int, relation: str
) -> None:
    one = margin(reached, limit, relation, "")
    rest, used = left(one), share_used(one)
    assert rest is not None
    assert used is not None
    assert (used > 1) == (rest < 0)
    assert (used == 1) == (rest == 0)


def test_nothing_of_a_bound_of_none_is_used_up_by_none() -> None:
    assert share_used(margin(0, 0, "at most", "")) == 0
    assert share_used(margin(1, 0, "at most", "")) == float("inf")
    assert share_used(margin(1, 0, "at least", "")) == 0


@pytest.mark.parametrize(
    ("reached", "limit", "relation", "unit", "said", "rest"),
    [
        (30_700, 45_000, "below", "Pa", "30.7 of 45.0 kPa", "14.3 kPa left"),
        (45_400, 45_000, "below", "Pa", "45.4 of 45.0 kPa", "0.4 kPa over"),
        (3, 3, "at most", "", "3 of 3", "none left"),
        (8_210, 90_000, "at most", "ms", "0:08 of 1:30 min", "1:21 min left"),
        (15, 50.0, "at most", "ms", "15 of 50 ms", "35 ms left"),
        (576, 450.0, "at least", "permille", "57.6 % (min. 45.0 %)", "12.6 % more"),
        (400, 548, "at least", "", "400 (min. 548)", "148 short"),
        (400, 400, "at least", "", "400 (min. 400)", "just reached"),
        (12_678, None, "at most", "mg", "12.7 g", "no bound"),
        (None, 50, "at most", "ms", "not reached", "-"),
    ],
)  # fmt: skip
def test_a_margin_in_words(
    reached: float | None, limit: float | None, relation: str, unit: str, said: str, rest: str
) -> None:
    one = margin(reached, limit, relation, unit)
    assert (margin_text(one), left_text(one)) == (said, rest)
