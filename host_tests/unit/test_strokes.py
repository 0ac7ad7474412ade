"""The strokes of a trace: counted as in the figures, and measured one by one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from emery.simulator.analysis import IN_BAND_PA, measure
from emery.simulator.operator import STROKE_MS
from emery.simulator.strokes import regulation, strokes
from host_tests.bench import bench_settings, zone_of
from host_tests.traces import FAULT, IDLE, ON_SKIN, SET_PA, TREATING, trace_of

SETTINGS = bench_settings([zone_of("chin", level=6)])
RISING = ON_SKIN | {"skin_pa": 15_000}
OVER = ON_SKIN | {"skin_pa": SET_PA + 1_500}


def test_a_stroke_is_measured_from_its_contact() -> None:
    trace = trace_of((TREATING, 10), (RISING, 40), (OVER, 6), (ON_SKIN, 54), (TREATING, 20))
    (stroke,) = strokes(trace)
    assert (stroke.from_ms, stroke.to_ms) == (55, 555)
    assert (stroke.zone, stroke.pass_number, stroke.set_pa) == (0, 1, SET_PA)
    assert stroke.rise_ms == 200
    assert stroke.peak_pa == SET_PA + 1_500
    assert (stroke.after_rise_ms, stroke.steady_ms) == (300, 300)


def test_what_leaves_the_band_again_is_not_held() -> None:
    away = ON_SKIN | {"skin_pa": SET_PA + IN_BAND_PA + 1}
    (stroke,) = strokes(trace_of((RISING, 40), (ON_SKIN, 30), (away, 10), (ON_SKIN, 20)))
    assert (stroke.after_rise_ms, stroke.steady_ms) == (300, 250)


def test_a_stroke_that_never_arrives_has_no_rise() -> None:
    trace = trace_of((RISING, 100), (TREATING, 10), (ON_SKIN, 100))
    found = strokes(trace)
    assert [stroke.rise_ms for stroke in found] == [None, 0]
    assert found[0].after_rise_ms == 0
    assert regulation(found)["rise_ms"] == 0
    assert regulation(found[:1])["rise_ms"] is None
    assert regulation([])["rise_ms"] is None


def test_the_peak_after_a_trip_belongs_to_the_stroke_it_came_from() -> None:
    held = FAULT | {"on_skin": 1, "skin_pa": 46_000}
    let_go = FAULT | {"on_skin": 1, "skin_pa": 4_000}
    later = FAULT | {"on_skin": 1, "skin_pa": 47_000}
    (stroke,) = strokes(trace_of((ON_SKIN, 100), (held, 20), (let_go, 5), (later, 1)))
    assert stroke.to_ms == 505
    assert stroke.peak_pa == 46_000
    assert regulation([stroke])["overshoot_pa"] == 46_000 - SET_PA


def test_the_rise_of_all_is_the_middle_one() -> None:
    parts = [(RISING, 10), (ON_SKIN, 90), (IDLE, 5), (RISING, 20), (ON_SKIN, 90), (IDLE, 5),
             (RISING, 60), (ON_SKIN, 90)]  # fmt: skip
    assert regulation(strokes(trace_of(*parts)))["rise_ms"] == 100


@given(st.lists(st.tuples(st.sampled_from([IDLE, TREATING, ON_SKIN, RISING, FAULT]),
                          st.integers(1, 3 * STROKE_MS // 5)), max_size=20))  # fmt: skip
def test_as_many_strokes_as_the_figures_count(stretches: list[tuple[dict[str, int], int]]) -> None:
    trace = trace_of(*stretches)
    found = strokes(trace)
    (zone,) = measure(trace, SETTINGS, []).zones
    assert len(found) == zone.strokes
    assert sum(stroke.steady_ms for stroke in found) <= zone.in_band_ms
    assert all(before.to_ms <= after.from_ms for before, after in pairwise(found))
    for stroke in found:
        arrived = 0 if stroke.rise_ms is None else stroke.rise_ms + stroke.after_rise_ms
        assert arrived in (0, stroke.to_ms - stroke.from_ms)
        assert 0 <= stroke.steady_ms <= stroke.after_rise_ms
