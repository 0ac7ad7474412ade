"""The black box replays exactly: from any keyframe, through every record after
it, to the same decisions and the same full state."""

from hypothesis import given
from hypothesis import strategies as st

from firmware import faults, state
from firmware.black_box import AFTER_FAULT, RECORDS, fill_readings
from firmware.controller import Controller
from hal.contract import COMMAND_ACKNOWLEDGE, SWITCH_RELEASED, Outputs, Readings
from host_tests.any_treatment import MOVE, Move, any_bench, make
from host_tests.bench import Bench

# A fault or a time put into the core by hand is in no record, and does not replay.
MOVES = st.lists(MOVE.filter(lambda move: move[0] not in ("fault", "time")), max_size=40)


def keyframes(bench: Bench) -> list[tuple[int, list[int]]]:
    """Those from which the ring still holds every record, oldest first."""
    box = bench.controller.black_box
    kept = [
        (tick, frame)
        for tick, frame in zip(box.keyframe_ticks, box.keyframes, strict=True)
        if tick >= box.oldest_record()
    ]
    return sorted(kept, key=lambda pair: pair[0])


def replay(bench: Bench, tick: int, keyframe: list[int]) -> Controller:
    """Run the records from `tick` on; every decision must be the same."""
    box = bench.controller.black_box
    again = Controller(bench.settings, b"", 0)
    state.restore(again.parts, keyframe)
    readings = Readings()
    outputs = Outputs()
    for number in range(tick, box.ticks):
        record = box.record_at(number)
        fill_readings(record, readings)
        again.step(readings, record[12], record[13], outputs)
        decision = (
            *(getattr(outputs, name) for name in Outputs.FIELDS),
            again.treatment.state,
            again.treatment.reason,
            again.protection.fault,
        )
        assert decision == record[14:], f"tick {number} of {box.ticks}"
    return again


def saved(controller: Controller) -> list[int]:
    row = [0] * state.count(controller.parts)
    state.snapshot(controller.parts, row)
    return row


class Stopped(Exception):
    """The ring has stopped after a fault."""


def stop(bench: Bench) -> None:
    if bench.controller.black_box.is_stopped:
        raise Stopped


@given(MOVES)
def test_any_stretch_replays_exactly(moves: list[Move]) -> None:
    bench = any_bench()
    bench.to_ready()
    bench.after_tick = stop
    try:
        for move in moves:
            make(bench, move)
    except Stopped:
        pass
    for tick, keyframe in keyframes(bench):
        again = replay(bench, tick, keyframe)
        if not bench.controller.black_box.is_stopped:
            assert saved(again) == saved(bench.controller)


@given(MOVES)
def test_a_stretch_that_ends_in_a_stop_replays_to_the_stop(moves: list[Move]) -> None:
    bench = any_bench()
    bench.to_skin()
    for move in moves:
        make(bench, move)
        if bench.fault:
            break
    bench.supply = 0  # whatever else is broken, this is found
    bench.run(1_000)
    assert bench.controller.black_box.is_stopped
    assert keyframes(bench)
    for tick, keyframe in keyframes(bench):
        again = replay(bench, tick, keyframe)
        assert again.protection.fault == bench.fault


def test_a_replay_that_starts_at_the_last_tick_of_suction_counts_the_vent_alike() -> None:
    # What the outputs were before its first tick stood in no keyframe: the
    # replay took them for safe, and found the vent failed a tick too early.
    bench = any_bench()
    bench.to_skin()
    bench.run(300)
    box = bench.controller.black_box
    before = saved(bench.controller)
    tick = box.ticks
    bench.vacuum_pa = 20_000.0
    bench.footswitch = SWITCH_RELEASED
    bench.run_until(lambda: bench.fault != faults.NONE, 1_000)
    assert bench.fault == faults.VENT_FAILED
    assert saved(replay(bench, tick, before)) == saved(bench.controller)


def test_a_keyframe_is_there_for_at_least_the_last_256_ticks() -> None:
    bench = any_bench()
    bench.to_skin()
    bench.run(2_000)
    for _ in range(2 * RECORDS):
        bench.tick()
        tick, keyframe = keyframes(bench)[0]
        assert bench.controller.black_box.ticks - tick >= 256
        if tick % 100 == 0:
            replay(bench, tick, keyframe)


def test_no_keyframe_reaches_across_a_stop() -> None:
    bench = any_bench()
    bench.to_skin()
    bench.run(500)
    bench.supply = 0
    bench.run(5 * AFTER_FAULT + 100)
    assert bench.controller.black_box.is_stopped
    # What is done while the ring stands still is in no record.
    bench.supply = any_bench().supply
    bench.footswitch = 0
    bench.run(1_000)
    bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run(500)
    for tick, keyframe in keyframes(bench):
        assert saved(replay(bench, tick, keyframe)) == saved(bench.controller)
