"""Dwell: a tip that stays on one spot is told of, then let go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import faults
from firmware.dwell import FINE, TOO_LONG, TOO_LONG_SOON, Dwell
from firmware.limits import (
    CONTACT_STOP_MS,
    CONTACT_WARN_MS,
    STILL_STOP_MS,
    STILL_WARN_MS,
)
from hal.contract import MOTION_MOVING, MOTION_STILL, MOTION_UNKNOWN
from host_tests.bench import Bench

MOTIONS = (MOTION_UNKNOWN, MOTION_STILL, MOTION_MOVING)
TICK_MS = 5


def after(motion: int, ms: int) -> int:
    """The verdict on a contact of this length, with one kind of motion."""
    dwell = Dwell()
    for contact_ms in range(TICK_MS, ms + TICK_MS, TICK_MS):
        dwell.step(1, contact_ms, motion, TICK_MS)
    return int(dwell.verdict)


@pytest.mark.parametrize(
    ("motion", "warn_ms", "stop_ms"),
    [
        (MOTION_STILL, STILL_WARN_MS, STILL_STOP_MS),
        (MOTION_UNKNOWN, CONTACT_WARN_MS, CONTACT_STOP_MS),
    ],
)
def test_first_a_word_then_an_end(motion: int, warn_ms: int, stop_ms: int) -> None:
    assert after(motion, warn_ms - TICK_MS) == FINE
    assert after(motion, warn_ms) == TOO_LONG_SOON
    assert after(motion, stop_ms - TICK_MS) == TOO_LONG_SOON
    assert after(motion, stop_ms) == TOO_LONG
    assert after(motion, stop_ms * 3) == TOO_LONG


def test_a_tip_that_moves_may_stay() -> None:
    assert after(MOTION_MOVING, 60_000) == FINE


@given(st.lists(st.tuples(st.sampled_from((0, 1, 1, 1)), st.sampled_from(MOTIONS),
                          st.integers(1, 250)), max_size=200))
def test_the_verdict_is_what_the_limits_say(ticks: list[tuple[int, int, int]]) -> None:
    dwell = Dwell()
    contact_ms = 0
    still_ms = 0  # since the last motion, or since motion was last unknown
    for on_skin, motion, dt_ms in ticks:
        contact_ms = contact_ms + dt_ms if on_skin else 0
        still_ms = still_ms + dt_ms if on_skin and motion == MOTION_STILL else 0
        dwell.step(on_skin, contact_ms, motion, dt_ms)
        if motion == MOTION_UNKNOWN:
            soon, over = contact_ms >= CONTACT_WARN_MS, contact_ms >= CONTACT_STOP_MS
        else:
            soon, over = still_ms >= STILL_WARN_MS, still_ms >= STILL_STOP_MS
        assert dwell.verdict == (TOO_LONG if over else TOO_LONG_SOON if soon else FINE)


def test_a_lift_begins_afresh() -> None:
    dwell = Dwell()
    for _ in range(STILL_STOP_MS // TICK_MS - 1):
        dwell.step(1, 1_000, MOTION_STILL, TICK_MS)
    dwell.step(0, 0, MOTION_STILL, TICK_MS)
    assert (dwell.verdict, dwell.still_ms) == (FINE, 0)
    dwell.step(1, 5, MOTION_STILL, TICK_MS)
    assert dwell.verdict == FINE


@pytest.mark.parametrize(
    ("motion", "warn_ms", "stop_ms"),
    [
        (MOTION_STILL, STILL_WARN_MS, STILL_STOP_MS),
        (MOTION_UNKNOWN, CONTACT_WARN_MS, CONTACT_STOP_MS),
    ],
)
def test_the_operator_is_warned_before_suction_ends(
    motion: int, warn_ms: int, stop_ms: int
) -> None:
    bench = Bench()
    bench.to_treating()
    bench.board.motion = motion
    bench.on_skin = True
    bench.run_until(lambda: bench.controller.contact.on_skin == 1, 1_000)
    warned_ms = bench.run_until(
        lambda: bench.controller.treatment.warning == faults.DWELL_LONG, warn_ms
    )
    assert bench.state == "TREATING"
    stopped_ms = bench.run_until(lambda: bench.state == "PAUSED", stop_ms)
    assert stop_ms - 100 <= warned_ms + stopped_ms <= stop_ms
    assert bench.controller.treatment.warning == faults.NONE
    assert bench.board.is_safe()
