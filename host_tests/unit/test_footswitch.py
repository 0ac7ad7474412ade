"""The footswitch: a press is fresh or it is none, letting go counts at once."""

from hypothesis import given
from hypothesis import strategies as st

from firmware.footswitch import Footswitch
from hal.contract import SWITCH_PRESSED, SWITCH_RELEASED, Readings

TICK_MS = 5
PRESS_MS = 30
RELEASE_MS = 50


def run(switch: Footswitch, position: int, ms: int, dt_ms: int = TICK_MS) -> int:
    """Hold a position; returns how many presses came of it."""
    readings = Readings()
    readings.dt_ms = dt_ms
    readings.footswitch = position
    presses = 0
    for _ in range(ms // dt_ms):
        switch.step(readings)
        presses += switch.pressed
    return presses


def released() -> Footswitch:
    """One that has been seen released for long enough."""
    switch = Footswitch()
    run(switch, SWITCH_RELEASED, RELEASE_MS + TICK_MS)
    assert switch.armed
    return switch


def test_a_press_counts_after_30_ms_and_once() -> None:
    switch = released()
    assert run(switch, SWITCH_PRESSED, PRESS_MS - TICK_MS) == 0
    assert run(switch, SWITCH_PRESSED, TICK_MS) == 1
    assert run(switch, SWITCH_PRESSED, 60_000) == 0
    assert switch.held


def test_one_that_is_held_from_the_start_is_no_press() -> None:
    switch = Footswitch()
    assert run(switch, SWITCH_PRESSED, 60_000) == 0
    assert switch.held


def test_letting_go_counts_at_once() -> None:
    switch = released()
    run(switch, SWITCH_PRESSED, 1_000)
    run(switch, SWITCH_RELEASED, TICK_MS)
    assert (switch.held, switch.armed) == (0, 0)


def test_a_release_that_bounces_arms_nothing() -> None:
    switch = released()
    run(switch, SWITCH_PRESSED, 1_000)
    for _ in range(50):
        run(switch, SWITCH_RELEASED, RELEASE_MS)
        assert run(switch, SWITCH_PRESSED, 200) == 0
    run(switch, SWITCH_RELEASED, RELEASE_MS + TICK_MS)
    assert run(switch, SWITCH_PRESSED, 200) == 1


def test_a_press_that_bounces_is_none_and_needs_its_whole_time() -> None:
    switch = released()
    for _ in range(50):
        assert run(switch, SWITCH_PRESSED, PRESS_MS - TICK_MS) == 0
        run(switch, SWITCH_RELEASED, TICK_MS)
    assert run(switch, SWITCH_PRESSED, PRESS_MS) == 1


@given(st.lists(st.tuples(st.sampled_from((SWITCH_RELEASED, SWITCH_PRESSED)),
                          st.integers(1, 30), st.integers(1, 250)), max_size=60))
def test_a_press_follows_a_release(stretches: list[tuple[int, int, int]]) -> None:
    # Whatever the switch does: before each press lie a release of more than
    # RELEASE_MS, then a press of at least PRESS_MS without a gap.
    switch = Footswitch()
    readings = Readings()
    released_ms = pressed_ms = 0
    fresh = False
    for position, ticks, dt_ms in stretches:
        readings.footswitch = position
        readings.dt_ms = dt_ms
        for _ in range(ticks):
            switch.step(readings)
            assert switch.held == position
            if position == SWITCH_RELEASED:
                released_ms += dt_ms
                pressed_ms = 0
                fresh = fresh or released_ms > RELEASE_MS
                assert not switch.pressed
            else:
                released_ms = 0
                pressed_ms += dt_ms
                if switch.pressed:
                    assert fresh
                    assert pressed_ms >= PRESS_MS
                    fresh = False
            assert fresh or not switch.armed
