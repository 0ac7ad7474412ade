"""From full suction with crystals on the skin, everything that can go wrong
ends in safe outputs, within its time."""

from collections.abc import Callable

import pytest

from firmware import limits
from hal.contract import (
    COMMAND_END,
    COMMAND_PASS_DONE,
    LEASE_MS,
    SWITCH_RELEASED,
    VENT_OPEN,
    Outputs,
)
from host_tests.bench import TURN_TICKS, Bench, bench_settings, zone_of

TICK_MS = 5


def full_suction() -> Bench:
    """Level 10, on the skin, crystals flowing."""
    bench = Bench(bench_settings([zone_of(level=10, flow_mg_min=20_000)]))
    bench.to_skin()
    bench.run(1_000)
    assert bench.board.pump_permille > 0
    assert bench.board.feed_permille == 1000
    assert bench.board.vent != VENT_OPEN
    return bench


def inject(name: str) -> Callable[[Bench], None]:
    return lambda bench: bench.board.inject(name)


def command(number: int) -> Callable[[Bench], None]:
    def post(bench: Bench) -> None:
        assert bench.app.post(number)

    return post


def attributes(**values: object) -> Callable[[Bench], None]:
    def set_them(bench: Bench) -> None:
        for name, value in values.items():
            setattr(bench, name, value)

    return set_them


def corrupt_state(bench: Bench) -> None:
    bench.controller.treatment.state = 77


def break_the_core(bench: Bench) -> None:
    bench.controller.treatment.step = None  # type: ignore[assignment, method-assign]


def end_the_session_time(bench: Bench) -> None:
    bench.controller.treatment.session_ms = bench.settings.session_ms


# What happens, and in how many ticks the outputs must be safe.
WAYS: list[tuple[str, Callable[[Bench], None], int]] = [
    ("footswitch released", attributes(footswitch=SWITCH_RELEASED), 1),
    ("footswitch wire broken", inject("footswitch_stuck_released"), 1),
    ("PASS DONE", command(COMMAND_PASS_DONE), 1),
    ("END", command(COMMAND_END), 1),
    ("session time over", end_the_session_time, 1),
    ("hard limit", attributes(vacuum_pa=45_000.0), 2),
    ("hard limit on A", attributes(vacuum_pa=45_000.0, vacuum_b_pa=42_000.0), 2),
    ("hard limit on B", attributes(vacuum_pa=42_000.0, vacuum_b_pa=45_000.0), 2),
    ("sensor A open", inject("vacuum_a_open"), 2),
    ("sensor A short", inject("vacuum_a_short"), 2),
    ("sensor B open", inject("vacuum_b_open"), 2),
    ("sensor B short", inject("vacuum_b_short"), 2),
    ("sensor supply lost", inject("sensor_supply_open"), 2),
    ("late ticks", inject("tick_late"), 2),
    ("channels disagree", attributes(vacuum_pa=40_000.0, vacuum_b_pa=30_000.0), 20),
    ("soft over-vacuum", attributes(vacuum_pa=44_500.0), 100),
    (
        "main loop stops",
        attributes(main_loop_runs=False),
        limits.MAIN_LOOP_SILENCE_MS // TICK_MS + TURN_TICKS,
    ),
    ("state is corrupted", corrupt_state, 1),
    ("an error in the core", break_the_core, 1),
]


@pytest.mark.parametrize(("happens", "ticks"), [way[1:] for way in WAYS], ids=[w[0] for w in WAYS])
def test_the_outputs_are_safe_in_time(happens: Callable[[Bench], None], ticks: int) -> None:
    bench = full_suction()
    happens(bench)
    for n in range(1, ticks + 1):
        assert not bench.board.is_safe(), f"safe after {n - 1} ticks already"
        bench.tick()
        if bench.board.is_safe():
            break
    assert bench.board.is_safe()
    assert bench.app.outputs.are_safe()
    # And they stay so, while nobody does anything.
    for _ in range(1_000):
        bench.tick()
        assert bench.board.is_safe()


def test_soft_over_vacuum_takes_pump_and_crystals_well_before_the_vent_opens() -> None:
    bench = full_suction()
    bench.vacuum_pa = 44_500.0
    bench.run(bench.settings.soft_time_ms)
    assert (bench.board.pump_permille, bench.board.feed_permille) == (0, 0)
    assert bench.board.vent != VENT_OPEN
    bench.run(bench.settings.soft_latch_ms - bench.settings.soft_time_ms)
    assert bench.board.vent == VENT_OPEN
    assert bench.state == "FAULT"


@pytest.mark.parametrize("stuck", ["pump_stuck_full", "feed_stuck_open"])
def test_a_stuck_drive_is_stopped_by_the_lease(stuck: str) -> None:
    bench = full_suction()
    bench.board.inject(stuck)
    bench.footswitch = SWITCH_RELEASED
    bench.tick()
    assert bench.board.is_safe()


def test_a_tick_that_stops_is_stopped_by_the_lease() -> None:
    bench = full_suction()
    bench.board.advance(LEASE_MS - 1)
    assert not bench.board.is_safe()
    bench.board.advance(1)
    assert bench.board.is_safe()
    assert bench.board.lease_expiries == 1


def test_the_lease_is_given_back_and_not_left_to_run_out() -> None:
    bench = full_suction()
    bench.footswitch = SWITCH_RELEASED
    bench.run(1_000)
    assert bench.board.lease_expiries == 0
    assert bench.app.outputs.lease_ms == 0


def test_one_bad_sample_of_anything_changes_nothing() -> None:
    for name in ("vacuum_a_open", "vacuum_b_short", "sensor_supply_open", "tick_late"):
        bench = full_suction()
        bench.board.inject(name)
        bench.tick()
        bench.board.clear(name)
        bench.run(100)
        assert bench.state == "TREATING", name
        assert bench.board.pump_permille > 0


def test_a_sampled_board_is_driven_once_a_tick() -> None:
    bench = full_suction()
    driven: list[tuple[int, ...]] = []
    drive = bench.board.drive

    def noted(outputs: Outputs) -> None:
        driven.append(tuple(getattr(outputs, name) for name in Outputs.FIELDS))
        drive(outputs)

    bench.board.drive = noted  # type: ignore[method-assign]
    bench.run(100)
    assert len(driven) == 20
    assert all(outputs[3] == LEASE_MS for outputs in driven)
