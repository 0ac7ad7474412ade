"""The controller: the tick's one way through, in its order."""

import pytest

from firmware import faults, limits
from firmware.controller import Controller
from hal.contract import COMMAND_NONE, Outputs, Readings
from host_tests.bench import Bench, bench_settings, readings_at

ORDER = [
    "sensing",
    "protection",
    "footswitch",
    "contact",
    "dwell",
    "passes",
    "treatment",
    "vacuum_regulator",
    "crystal_feed",
]


def test_each_part_is_asked_once_a_tick_in_the_order_of_the_design() -> None:
    controller = Controller(bench_settings(), b"", 0)
    calls: list[str] = []

    def watched(name: str) -> None:
        part = getattr(controller, name)
        step = part.step

        def noted(*arguments: object) -> None:
            calls.append(name)
            step(*arguments)

        part.step = noted

    for name in ORDER:
        watched(name)
    controller.step(readings_at(bench_settings()), COMMAND_NONE, 0, Outputs())
    assert calls == ORDER


def test_protection_sees_raw_counts_and_needs_nothing_of_sensing() -> None:
    # Sensing gone mad must not hide an over-vacuum.
    bench = Bench()
    bench.to_skin()
    for channel in (bench.controller.sensing.a, bench.controller.sensing.b):
        channel.trim_pa = 40_000
        channel._zero_pa = 0
    bench.vacuum_pa = 46_000
    bench.tick()
    bench.tick()
    assert bench.state == "FAULT"
    assert bench.board.is_safe()


def test_protection_is_told_whether_the_outputs_before_were_safe() -> None:
    # Not those of this tick: the vacuum that it judges was made under the last.
    bench = Bench()
    bench.to_skin()
    told: list[int] = []
    step = bench.controller.protection.step

    def noted(readings: Readings, level: int, is_safe: int) -> None:
        told.append(is_safe)
        step(readings, level, is_safe)

    bench.controller.protection.step = noted  # type: ignore[method-assign]
    bench.tick()
    bench.footswitch = 0
    bench.tick()
    assert bench.app.outputs.are_safe()
    bench.tick()
    assert told == [0, 0, 1]


def test_a_vent_that_does_not_release_is_found_half_a_second_after_suction() -> None:
    bench = Bench()
    bench.to_skin()
    bench.run(1_000)
    bench.footswitch = 0
    bench.tick()
    assert (bench.state, bench.board.is_safe()) == ("PAUSED", True)
    bench.vacuum_pa = 10_000.0
    ms = bench.run_until(lambda: bench.fault != faults.NONE, 1_000)
    assert (bench.fault, bench.state) == (faults.VENT_FAILED, "FAULT")
    assert limits.VENTED_MS < ms <= limits.VENTED_MS + 2 * bench.settings.tick_period_ms
    assert bench.controller.treatment.kept_fault == faults.VENT_FAILED


def test_readings_that_are_out_of_date_end_suction() -> None:
    bench = Bench()
    bench.to_skin()
    bench.run(1_000)
    sample = bench.board.sample
    stale = Readings()
    sample(stale)

    def stuck(readings: Readings) -> None:
        sample(readings)
        for name in ("vacuum_a_raw", "vacuum_b_raw", "sensor_supply_raw"):
            setattr(readings, name, getattr(stale, name))

    bench.board.sample = stuck  # type: ignore[method-assign]
    bench.run(495)
    assert bench.state == "TREATING"
    bench.run(15)
    assert (bench.fault, bench.board.is_safe()) == (faults.READINGS_FROZEN, True)


@pytest.mark.parametrize("copy", ["opened", "_inverted"])
def test_a_count_that_changes_by_itself_ends_suction(copy: str) -> None:
    bench = Bench()
    bench.to_skin()
    getattr(bench.controller.passes, copy)[0] ^= 1
    bench.tick()
    assert (bench.fault, bench.board.is_safe()) == (faults.MEMORY, True)


def test_two_cores_with_the_same_inputs_do_the_same() -> None:
    one, two = Bench(), Bench()
    for bench in (one, two):
        bench.to_skin()
        bench.run(2_000)
        bench.on_skin = False
        bench.run(1_000)
    assert one.controller.black_box.records == two.controller.black_box.records


def test_a_new_core_is_safe_from_its_first_tick() -> None:
    bench = Bench()
    bench.footswitch = 1
    for _ in range(100):
        bench.tick()
        assert bench.board.is_safe()
        assert bench.app.outputs.lease_ms == 0


@pytest.mark.parametrize("tick_period_ms", [5, 7, 10])
def test_every_tick_period_trips_treats_and_pauses(tick_period_ms: int) -> None:
    bench = Bench(bench_settings(tick_period_ms=tick_period_ms))
    bench.to_skin()
    bench.run(2_000)  # the bench's vacuum is there before its pump: blocked at first
    assert bench.board.feed_permille > 0
    bench.footswitch = 0
    bench.tick()
    assert (bench.state, bench.board.is_safe()) == ("PAUSED", True)
    bench.press()
    bench.vacuum_pa = 45_100
    bench.tick()
    assert bench.state == "TREATING"
    bench.tick()
    assert (bench.state, bench.board.is_safe()) == ("FAULT", True)
