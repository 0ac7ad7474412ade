"""From a trace to figures: each is measured on a trace made by hand."""

from typing import Any

import pytest

from emery.simulator import analysis
from emery.simulator.analysis import Figures, measure
from emery.simulator.operator import STROKE_MS
from firmware import faults, treatment
from host_tests.bench import bench_settings, zone_of
from host_tests.traces import FAULT, IDLE, ON_SKIN, SET_PA, TREATING, trace_of

SETTINGS = bench_settings([zone_of("chin", level=6), zone_of("neck", level=1)])
def figures_of(
    *stretches: tuple[dict[str, int], int],
    events: list[tuple[Any, ...]] | None = None,
    tick_ms: int = 5,
) -> Figures:
    return measure(trace_of(*stretches, tick_ms=tick_ms), SETTINGS, events or [])


def test_an_empty_trace_has_empty_figures() -> None:
    figures = figures_of()
    assert figures.peak_pa == 0
    assert [zone.on_skin_ms for zone in figures.zones] == [0, 0]
    assert figures.faults == []


def test_time_on_skin_and_in_band() -> None:
    band = analysis.IN_BAND_PA
    figures = figures_of(
        (ON_SKIN, 100),
        (ON_SKIN | {"skin_pa": SET_PA + band}, 10),
        (ON_SKIN | {"skin_pa": SET_PA - band}, 10),
        (ON_SKIN | {"skin_pa": SET_PA + band + 1}, 10),
        (ON_SKIN | {"skin_pa": SET_PA - band - 1}, 10),
        (TREATING, 50),
        (IDLE | {"on_skin": 1}, 50),  # on the skin, but without suction
    )
    assert figures.zones[0].on_skin_ms == 140 * 5
    assert figures.zones[0].in_band_ms == 120 * 5
    assert figures.zones[1].on_skin_ms == 0


def test_each_zone_has_its_own_figures() -> None:
    figures = figures_of(
        (ON_SKIN, 100),
        (ON_SKIN | {"zone": 1, "set_pa": 10_000, "skin_pa": 12_500}, 80),
    )
    assert [zone.on_skin_ms for zone in figures.zones] == [500, 400]
    assert [zone.in_band_ms for zone in figures.zones] == [500, 0]
    assert [zone.peak_pa for zone in figures.zones] == [SET_PA, 12_500]
    assert figures.peak_pa == SET_PA


@pytest.mark.parametrize("tick_ms", [5, 7, 10])
def test_a_contact_of_300_ms_is_a_stroke(tick_ms: int) -> None:
    ticks = -(-STROKE_MS // tick_ms)
    figures = figures_of(
        (ON_SKIN, ticks),
        (TREATING, 1),
        (ON_SKIN, ticks - 1),
        (TREATING, 1),
        (ON_SKIN, 10 * ticks),
        (TREATING, 1),
        tick_ms=tick_ms,
    )
    assert figures.zones[0].strokes == 2


def test_crystals_are_counted_where_they_go() -> None:
    flow = {"crystals_mg_min": 6_000, "feed_permille": 300}
    figures = figures_of(
        (ON_SKIN | flow, 2_000),  # 10 s at 100 mg/s
        (TREATING | {"crystals_mg_min": 6_000}, 200),
    )
    assert analysis.milligrams(figures.zones[0].crystals_mg_min_ms) == 1_000
    assert analysis.milligrams(figures.off_skin_mg_min_ms) == 100


def test_crystals_commanded_after_a_lift_are_timed() -> None:
    feeding = {"feed_permille": 300}
    figures = figures_of(
        (ON_SKIN | feeding, 100),
        (TREATING | feeding | {"contact": 1}, 7),
        (TREATING, 50),
        (ON_SKIN | feeding, 100),
        (TREATING | feeding | {"contact": 1}, 20),
        (TREATING, 50),
    )
    assert figures.crystals_after_lift_ms == 100
    assert figures.crystals_without_contact_ms == 0


def test_crystals_commanded_without_a_believed_contact_are_told() -> None:
    figures = figures_of((ON_SKIN, 10), (ON_SKIN | {"feed_permille": 1, "contact": 0}, 3))
    assert figures.crystals_without_contact_ms == 15


@pytest.mark.parametrize(
    "output", [{"pump_permille": 1}, {"feed_permille": 1, "contact": 1}, {"vent": 1}]
)
def test_suction_without_a_pass_is_told(output: dict[str, int]) -> None:
    assert figures_of((IDLE | output, 3)).suction_without_pass_ms == 15
    assert figures_of((IDLE | output | {"pass_number": 1}, 3)).suction_without_pass_ms == 0


@pytest.mark.parametrize(
    "output", [{"pump_permille": 1}, {"feed_permille": 1, "contact": 1}, {"vent": 1}]
)
def test_unsafe_outputs_under_a_fault_are_told(output: dict[str, int]) -> None:
    figures = figures_of((IDLE, 5), (FAULT | output, 4), (FAULT, 50))
    assert figures.unsafe_in_fault_ms == 20


def test_skin_that_is_held_after_a_stop_is_timed() -> None:
    held = IDLE | {"on_skin": 1, "skin_pa": 20_000}
    figures = figures_of((ON_SKIN, 100), (held, 30), (held | {"skin_pa": 4_999}, 100))
    assert figures.held_after_stop_ms == 150
    # Off the skin, what is left in the line holds nobody.
    assert figures_of((ON_SKIN, 9), (held | {"on_skin": 0}, 30)).held_after_stop_ms == 0


def test_refused_presses_are_counted_by_the_press() -> None:
    refused = IDLE | {
        "state": treatment.ZONE_DONE, "reason": treatment.WHY_PASSES_SPENT, "footswitch": 1
    }
    let_go = refused | {"footswitch": 0}
    figures = figures_of((refused, 100), (let_go, 20), (refused, 3), (let_go, 1), (IDLE, 3))
    assert figures.refused_presses == 2


def runaway(*, safe_after: int = 2, stays_high: int = 40) -> list[tuple[dict[str, int], int]]:
    return [
        (ON_SKIN | {"skin_pa": 44_000}, 100),
        (ON_SKIN | {"skin_pa": 45_500}, 2),
        (ON_SKIN | {"skin_pa": 46_000, "fault": faults.OVER_VACUUM}, safe_after),
        (FAULT | {"skin_pa": 46_500, "on_skin": 1}, stays_high),
        (FAULT | {"skin_pa": 4_999}, 100),
    ]


def test_a_hard_trip_is_timed_from_the_true_crossing() -> None:
    (fault,) = figures_of(*runaway()).faults
    assert (fault.number, fault.at_ms) == (faults.OVER_VACUUM, 103 * 5)
    # Crossed in row 101; safe in row 105; released in row 145.
    assert fault.to_safe_ms == 4 * 5
    assert fault.release_ms == 44 * 5
    assert fault.peak_pa == 46_500


def test_another_fault_is_timed_from_the_event_before_it() -> None:
    latched = FAULT | {"fault": faults.SENSOR_SUPPLY}
    (fault,) = figures_of(
        (ON_SKIN, 100), (latched | {"skin_pa": 9_000}, 10), (latched, 50),
        events=[(100, "inject"), (490, "inject"), (506, "inject")],
    ).faults
    assert fault.to_safe_ms == 505 - 490
    assert fault.release_ms == 555 - 490


def test_what_did_not_happen_has_no_time() -> None:
    (fault,) = figures_of((ON_SKIN, 100), (ON_SKIN | {"fault": faults.TICK_OVERRUN}, 5)).faults
    assert fault.to_safe_ms is None
    assert fault.release_ms is None
    (fault,) = figures_of((ON_SKIN, 100), (FAULT | {"skin_pa": 30_000}, 9), events=[(400,)]).faults
    assert fault.to_safe_ms == 105
    assert fault.release_ms is None


def test_every_fault_is_told_in_its_order() -> None:
    others = [faults.SENSOR_SUPPLY, faults.SENSOR_SUPPLY, faults.BAROMETER]
    stretches = [(IDLE, 10)]
    for number in others:
        stretches += [(FAULT | {"fault": number}, 20), (IDLE, 5)]
    found = [fault.number for fault in figures_of(*stretches).faults]
    assert found == others
    follows = figures_of((IDLE, 9), (FAULT, 9), (FAULT | {"fault": faults.INTERNAL}, 9)).faults
    assert [fault.number for fault in follows] == [faults.OVER_VACUUM, faults.INTERNAL]


def test_a_fault_that_is_there_from_power_on_is_told() -> None:
    # As a damaged pass record is.
    figures = figures_of((FAULT | {"fault": faults.RECORD_DAMAGED}, 100))
    assert [fault.number for fault in figures.faults] == [faults.RECORD_DAMAGED]
