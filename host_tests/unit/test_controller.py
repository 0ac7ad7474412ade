"""The controller: the tick's one way through, in its order."""

import pytest

from firmware.controller import Controller
from hal.contract import COMMAND_NONE, Outputs
from host_tests.bench import Bench, bench_settings, readings_at

ORDER = [
    "sensing",
    "protection",
    "contact",
    "passes",
    "treatment",
    "vacuum_regulator",
    "crystal_feed",
]


def test_each_part_is_asked_once_a_tick_in_the_order_of_the_design() -> None:
    controller = Controller(bench_settings(), b"")
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
    bench.run(1_000)
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
