"""The ring, its keyframes, and when it stops."""

import pytest

from firmware import faults
from firmware.black_box import (
    AFTER_FAULT,
    KEYFRAME_TICKS,
    KEYFRAMES,
    RECORD_BYTES,
    RECORDS,
    BlackBox,
    fill_readings,
    write_record,
)
from firmware.controller import Controller
from hal.contract import COMMAND_ACKNOWLEDGE, Outputs, Readings
from host_tests.bench import TURN_TICKS, Bench, bench_settings

# The largest value that each field of a record can hold.
READINGS = {
    "now_ms": 0x1FFFFFFF,
    "dt_ms": 255,
    "vacuum_a_raw": 65_535,
    "vacuum_b_raw": 65_534,
    "sensor_supply_raw": 65_533,
    "barometer_pa": 107_999,
    "barometer_age_ms": 60_000,
    "footswitch": 1,
    "motion": 2,
    "main_turns": 65_532,
    "committed_sequence": 65_531,
    "main_fault": 254,
}


def test_a_record_holds_every_input_and_the_decision() -> None:
    controller = Controller(bench_settings(), b"", 0)
    box = controller.black_box
    readings = Readings()
    for name, value in READINGS.items():
        setattr(readings, name, value)
    outputs = Outputs()
    outputs.pump_permille, outputs.feed_permille, outputs.vent, outputs.lease_ms = 999, 998, 1, 50
    controller.treatment.state, controller.treatment.reason = 5, 6
    controller.protection.fault = faults.TICK_OVERRUN
    box.record(readings, 3, 15, outputs, controller.protection, controller.treatment)
    record = box.record_at(0)
    again = Readings()
    fill_readings(record, again)
    assert {name: getattr(again, name) for name in Readings.FIELDS} == READINGS
    assert record[12:] == (3, 15, 999, 998, 1, 50, 5, 6, faults.TICK_OVERRUN)


def test_every_reading_is_part_of_the_record() -> None:
    # A reading that were left out would make a replay go another way.
    assert set(READINGS) == set(Readings.FIELDS)


def test_what_is_too_large_for_its_field_leaves_the_others_alone() -> None:
    controller = Controller(bench_settings(), b"", 0)
    readings = Readings()
    for name in Readings.FIELDS:
        setattr(readings, name, 2**30 - 1)
    buffer = bytearray(3 * RECORD_BYTES)
    write_record(
        buffer, RECORD_BYTES, readings, -1, 10**6, Outputs(), controller.treatment, faults.NONE
    )
    assert buffer[:RECORD_BYTES] == buffer[2 * RECORD_BYTES :] == bytes(RECORD_BYTES)


def test_the_ring_keeps_the_last_records() -> None:
    bench = Bench()
    for ticks in (1, 100, RECORDS - 101, 1, RECORDS // 2, 3 * RECORDS):
        for _ in range(ticks):
            bench.tick()
        box = bench.controller.black_box
        assert box.ticks == bench.ticks
        assert box.oldest_record() == max(0, bench.ticks - RECORDS)
        times = [box.record_at(tick)[0] for tick in range(box.oldest_record(), box.ticks)]
        assert times == [5 * (tick + 1) for tick in range(box.oldest_record(), box.ticks)]


def test_a_keyframe_precedes_the_last_ticks_at_any_time() -> None:
    bench = Bench()
    for _ in range(4 * RECORDS):
        bench.tick()
        box = bench.controller.black_box
        taken = sorted(tick for tick in box.keyframe_ticks if tick >= 0)
        if bench.ticks > TURN_TICKS:
            assert taken
            assert bench.ticks - taken[-1] < KEYFRAME_TICKS + 2 * TURN_TICKS
        if bench.ticks > RECORDS:
            assert len(taken) == KEYFRAMES
            assert taken[0] <= bench.ticks - 2 * KEYFRAME_TICKS
            assert taken[0] >= box.oldest_record()


def test_a_tick_in_the_middle_spoils_a_keyframe_and_the_next_turn_retries() -> None:
    bench = Bench()
    controller = bench.controller
    box = controller.black_box

    class Interrupted:
        STATE = ("value",)

        @property
        def value(self) -> int:
            box.ticks += 1  # a tick comes while the state is being saved
            return 0

    box.keep_keyframe((*controller.parts[:-1], Interrupted()))
    assert box.keyframe_ticks == [-1] * KEYFRAMES
    box.keep_keyframe(controller.parts)
    assert box.keyframe_ticks[0] == box.ticks


def tripped() -> Bench:
    bench = Bench()
    bench.to_skin()
    bench.run(1_000)
    bench.vacuum_pa = 50_000
    bench.run_until(lambda: bench.fault != faults.NONE, 100)
    bench.vacuum_pa = None
    return bench


def test_the_ring_runs_on_after_a_fault_and_then_stops() -> None:
    bench = tripped()
    box = bench.controller.black_box
    at_fault = box.ticks
    assert box.record_at(at_fault - 1)[-1] == faults.OVER_VACUUM
    for n in range(1, 4 * AFTER_FAULT):
        bench.tick()
        # The tick of the fault was the first of them.
        assert box.ticks == at_fault + min(n, AFTER_FAULT - 1)
        assert box.is_stopped == (n >= AFTER_FAULT)
    keyframes = list(box.keyframe_ticks)
    bench.run(5_000)
    assert box.keyframe_ticks == keyframes
    before = [box.record_at(tick)[-1] for tick in range(at_fault - 100, at_fault - 1)]
    assert before == [faults.NONE] * 99


def test_the_ring_goes_on_when_the_fault_is_cleared() -> None:
    bench = tripped()
    bench.footswitch = 0
    bench.run(5_000)
    box = bench.controller.black_box
    ticks = box.ticks
    bench.tick(COMMAND_ACKNOWLEDGE)
    assert box.is_stopped == 0
    assert box.ticks == ticks + 1
    bench.run(1_000)
    assert box.ticks == ticks + 201
    # And a second fault is given its whole time again.
    bench.controller.protection.latch(faults.BAROMETER)
    ticks = box.ticks
    bench.run(2_000)
    assert box.ticks == ticks + AFTER_FAULT


def test_a_box_of_another_size_of_state_is_made_for_it() -> None:
    assert {len(keyframe) for keyframe in BlackBox(44).keyframes} == {44}


@pytest.mark.parametrize("tick", [0, 1, RECORDS - 1])
def test_records_are_found_by_their_tick(tick: int) -> None:
    bench = Bench()
    for _ in range(RECORDS):
        bench.tick()
    assert bench.controller.black_box.record_at(tick)[0] == 5 * (tick + 1)
