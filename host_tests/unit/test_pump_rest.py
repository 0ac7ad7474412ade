"""The pump rests five minutes after half an hour, between zones, vented."""

from hypothesis import given
from hypothesis import strategies as st

from firmware import faults, treatment
from firmware.limits import PUMP_ON_LONGEST_MS, PUMP_ON_MS, PUMP_REST_MS
from firmware.pump_rest import PumpRest
from hal.contract import (
    COMMAND_END,
    COMMAND_PASS_DONE,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
)
from host_tests.bench import RELEASE_MS, Bench

STEP_MS = 250


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 8_000)), max_size=60))
def test_running_time_adds_up_until_a_whole_rest(runs: list[tuple[bool, int]]) -> None:
    rest = PumpRest()
    on_ms = off_ms = 0
    for running, steps in runs:
        for _ in range(steps):
            rest.step(1 if running else 0, STEP_MS)
        if running:
            on_ms, off_ms = on_ms + steps * STEP_MS, 0
        else:
            off_ms += steps * STEP_MS
            if off_ms > PUMP_REST_MS:
                on_ms = 0
        assert rest.is_due() == (on_ms >= PUMP_ON_MS)
        assert rest.is_overdue() == (on_ms >= PUMP_ON_LONGEST_MS)
        assert rest.on_ms <= PUMP_ON_LONGEST_MS + STEP_MS
        assert rest.off_ms <= PUMP_REST_MS + STEP_MS


def tired(left_ms: int = 0) -> Bench:
    """Treating, with this much running time left."""
    bench = Bench()
    bench.to_treating()
    bench.controller.pump_rest.on_ms = PUMP_ON_MS - left_ms
    return bench


def test_suction_counts_and_nothing_else_does() -> None:
    bench = Bench()
    bench.to_ready()
    assert bench.controller.pump_rest.on_ms == 0
    bench.press()
    bench.run(1_000)
    assert 1_000 <= bench.controller.pump_rest.on_ms <= 1_010
    bench.footswitch = 0
    bench.run(1_000)
    assert 1_000 <= bench.controller.pump_rest.on_ms <= 1_020


def test_a_rest_that_is_due_does_not_tear_a_pass_apart() -> None:
    bench = tired(left_ms=100)
    bench.run(50)
    assert bench.controller.treatment.warning == faults.NONE
    bench.run(1_000)
    assert bench.state == "TREATING"
    assert bench.controller.treatment.warning == faults.REST_DUE
    bench.stroke()
    bench.footswitch = 0
    bench.run(1_000)
    bench.press()  # the same pass goes on
    bench.tick(COMMAND_PASS_DONE)
    bench.tick()
    assert (bench.state, bench.reason) == (
        "RESTING", treatment.REASONS[treatment.WHY_RESTING]
    )


def test_a_press_does_not_put_the_rest_off() -> None:
    # In PAUSED a press opened the next pass, and the next: the pump ran for the
    # whole session without a rest.
    bench = tired()
    bench.stroke()
    opened = bench.controller.passes.opened[0]
    bench.tick(COMMAND_PASS_DONE)
    for _ in range(5):
        bench.footswitch = 0
        bench.run(RELEASE_MS)
        bench.footswitch = 1
        bench.run(500)
        assert bench.state == "RESTING"
        assert bench.board.is_safe()
    assert bench.controller.passes.opened[0] == opened


def test_a_press_for_a_spent_zone_begins_the_rest() -> None:
    bench = tired(left_ms=10_000)
    for _ in range(2):
        bench.stroke()
        bench.tick(COMMAND_PASS_DONE)
        bench.press()
    bench.stroke()
    bench.tick(COMMAND_PASS_DONE)
    assert bench.state == "ZONE_DONE"
    bench.controller.pump_rest.on_ms = PUMP_ON_MS
    bench.footswitch = 0
    bench.run(RELEASE_MS)
    assert bench.state == "ZONE_DONE"  # what closed the last pass can be taken back
    bench.footswitch = 1
    bench.run(50)
    assert bench.state == "RESTING"


def test_an_open_pass_is_interrupted_when_the_rest_is_long_overdue() -> None:
    # Held or pressed again and again without a stroke, a pass had no end.
    bench = tired()
    bench.stroke()
    bench.controller.pump_rest.on_ms = PUMP_ON_LONGEST_MS - 100
    bench.run(50)
    assert bench.state == "TREATING"
    bench.run(100)
    assert bench.state == "RESTING"
    assert bench.board.is_safe()
    passes = bench.controller.passes
    opened = passes.opened[0]
    bench.footswitch = 0
    bench.run(bench.settings.pass_gap_ms + 5_000)
    assert passes.is_open
    bench.controller.pump_rest.off_ms = PUMP_REST_MS
    bench.run(1_000)
    assert bench.state == "READY"
    bench.run(bench.settings.pass_gap_ms + 5_000)  # time to come back
    bench.press()
    assert passes.opened[0] == opened
    bench.controller.pump_rest.on_ms = PUMP_ON_LONGEST_MS
    bench.footswitch = 0
    bench.run(20)
    assert bench.state in ("PAUSED", "RESTING")
    bench.footswitch = 1
    bench.run(500)
    assert bench.state == "RESTING"


def test_the_last_closing_can_be_taken_back_in_a_rest() -> None:
    bench = tired()
    bench.stroke()
    bench.tick(COMMAND_PASS_DONE)
    bench.footswitch = 0
    bench.run(100)
    assert bench.state == "RESTING"
    bench.tick(COMMAND_SAME_PASS)
    bench.controller.pump_rest.off_ms = PUMP_REST_MS
    bench.run(1_000)
    opened = bench.controller.passes.opened[0]
    bench.press()
    assert bench.controller.passes.opened[0] == opened


def test_nothing_ends_a_rest_but_its_time() -> None:
    bench = tired()
    bench.footswitch = 0
    bench.tick()
    bench.tick(COMMAND_SELECT_ZONE, 1)
    for _ in range(30):
        bench.footswitch = 0
        bench.run(RELEASE_MS)
        bench.footswitch = 1
        bench.run(100)
        bench.tick(COMMAND_SELECT_ZONE, 0)
        assert bench.state == "RESTING"
        assert bench.board.is_safe()
    assert bench.controller.passes.zone == 0  # but the next zone may be chosen
    bench.footswitch = 0
    bench.controller.pump_rest.off_ms = PUMP_REST_MS - 1_000
    bench.run(950)
    assert bench.state == "RESTING"
    bench.run(100)
    assert (bench.state, bench.controller.pump_rest.on_ms) == ("READY", 0)
    bench.press()


def test_a_session_can_be_ended_in_a_rest() -> None:
    bench = tired()
    bench.footswitch = 0
    bench.tick()
    bench.tick(COMMAND_SELECT_ZONE, 1)
    bench.tick()
    bench.tick(COMMAND_END)
    assert bench.state == "COMPLETE"


def test_a_pump_that_has_run_is_not_rested_by_a_power_cut() -> None:
    bench = tired()
    bench.footswitch = 0
    bench.tick()
    bench.tick(COMMAND_PASS_DONE)
    bench.run(100)  # the closed pass is recorded, and with it the pump's time
    bench.power_on()
    bench.footswitch = 0
    bench.to_standby()
    assert bench.controller.pump_rest.is_due()
    bench.to_ready()
    bench.tick()
    assert bench.state == "RESTING"
