"""What only the RP2040 board does: the hard timer, the PIO heartbeat, its ADC."""

import importlib
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from emery.virtual_board.inside import ResetAsked
from hal import contract, wiring
from hal.contract import FULL_PERMILLE, LEASE_MS, VENT_CLOSED, Readings
from host_tests.pins import Rig, Ticks, rig, wish

FULL = wish(FULL_PERMILLE, FULL_PERMILLE, VENT_CLOSED)


@pytest.fixture
def bench() -> Iterator[Rig]:
    with rig(wiring.RP2040) as made:
        yield made


def driving(bench: Rig) -> Any:
    """A board whose tick drives everything fully."""
    board = bench.board()
    Ticks(board, FULL)
    bench.run(200)
    assert bench.world.pump_permille == 1000
    return board


def pump_stops_within(bench: Rig, ms: float) -> None:
    """The actuators' power goes, whatever the pins do."""
    since_us = bench.chip.now_us
    bench.run(ms)
    last = bench.world.applied[-1]
    assert (last.pump_permille, last.feed_permille, last.vent_closed) == (0, 0, 0)
    assert last.us - since_us <= ms * 1_000


# The traps -------------------------------------------------------------------------------


def test_the_hard_timer_goes_on_when_the_main_loop_has_ended(bench: Rig) -> None:
    # Ctrl-C leaves a main loop anywhere. The timer does not know of it.
    board = driving(bench)
    with pytest.raises(KeyboardInterrupt):
        raise KeyboardInterrupt
    count = board.ticks
    bench.run(100)
    assert board.ticks == count + 20
    assert not bench.pins_are_safe()
    # Who catches it has this:
    board.stop()
    assert bench.pins_are_safe()
    pump_stops_within(bench, LEASE_MS)
    bench.run(100)
    assert board.ticks == count + 20


def test_the_callback_never_raises_into_the_timer(bench: Rig) -> None:
    # MicroPython would silence it without a word, with the PWM at its last duty.
    board = driving(bench)

    def fails() -> None:
        raise RuntimeError("in the interrupt")

    board._tick = fails
    bench.run(10)
    let_out = bench.chip.errors[:]
    bench.chip.errors.clear()
    assert let_out == []
    assert bench.pins_are_safe()
    pump_stops_within(bench, LEASE_MS)
    assert len(bench.chip.mcu.timers) == 1


def test_even_outputs_that_fail_do_not_raise_into_the_timer(bench: Rig) -> None:
    board = driving(bench)

    def fails(*_: object, **__: object) -> None:
        raise OSError(5)

    board._set_pump = board._set_feed = board._set_vent = fails
    board._output_pins = (SimpleNamespace(init=fails),) * 3
    board._tick = None
    bench.run(10)
    assert board.output_errors > 0
    assert not board.is_safe()
    # What no pin obeys, the heartbeat takes the power from.
    assert not bench.pins_are_safe()
    pump_stops_within(bench, LEASE_MS)


def test_interrupts_that_stand_still_lose_the_power(bench: Rig) -> None:
    # As a write to flash does that forgot to stop the timer.
    driving(bench)
    bench.chip.mcu._interrupts_off_until_us = bench.chip.now_us + 400_000
    pump_stops_within(bench, LEASE_MS)
    assert not bench.pins_are_safe()


@pytest.mark.parametrize("frozen", ["high", "low"])
def test_a_soft_reset_freezes_the_pwm_and_ends_the_heartbeat(bench: Rig, frozen: str) -> None:
    board = bench.board()
    Ticks(board, wish(pump=500, vent=VENT_CLOSED))
    bench.run(200)
    bench.chip.pins.frozen_pwm = frozen
    bench.chip.soft_reset()
    # The pump's pin stays as it was caught, the vent's drives on: nothing in the chip
    # ends that. The heartbeat's edges do.
    assert bench.permille("pump") == (1000 if frozen == "high" else 0)
    assert bench.permille("vent") == 1000
    pump_stops_within(bench, LEASE_MS)


def test_after_a_soft_reset_a_new_board_takes_every_output_back(bench: Rig) -> None:
    driving(bench)
    bench.chip.pins.frozen_pwm = "high"
    bench.chip.soft_reset()
    bench.board()
    assert bench.pins_are_safe()
    assert bench.level("heartbeat") == 0


def test_a_reset_in_the_midst_of_it_lets_every_pin_go(bench: Rig) -> None:
    board = driving(bench)
    board.watch(300)
    with pytest.raises(ResetAsked, match="watchdog"):
        bench.run(400)
    assert bench.pins_are_safe()
    pump_stops_within(bench, LEASE_MS)


# The heartbeat ---------------------------------------------------------------------------


def test_its_edges_come_every_half_millisecond_and_end_low(bench: Rig) -> None:
    driving(bench)
    edges = bench.edges()
    bench.run(500)
    gaps = sorted(b - a for a, b in pairwise(edges))
    # 1 ms a pulse; a word that begins takes 0.2 ms more.
    assert gaps[0] >= 0.4
    assert gaps[-1] <= 0.8
    bench.chip.mcu.timers.clear()
    began_ms = bench.now_ms
    bench.run(100)
    assert bench.level("heartbeat") == 0
    # Two words at most were still to be played, and with the 20 ms of the slowest
    # one-shot that is within the lease.
    assert edges[-1] - began_ms <= 28.4
    assert LEASE_MS >= 28.4 + 20


def test_a_word_is_put_only_when_none_waits(bench: Rig) -> None:
    board = bench.board()
    machine = bench.chip.mcu.machines[0]
    for _ in range(100):
        board.drive(FULL)
        board.drive(FULL)
        assert len(machine.tx) <= 1
        bench.run(3)


def test_a_lease_after_none_beats_at_once(bench: Rig) -> None:
    board = bench.board()
    board.drive(FULL)
    bench.run(5)
    board.make_safe()
    bench.run(300)
    assert not bench.power()
    board.drive(FULL)
    bench.run(1)
    assert bench.power()


# The rest --------------------------------------------------------------------------------


def test_counts_are_those_of_the_converter(bench: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    board = bench.board()
    counts = {26: 11, 28: 65_535, 27: 33_000}
    monkeypatch.setattr(bench.world, "adc_counts", counts.__getitem__)
    readings = Readings()
    board.sample(readings)
    assert readings.vacuum_a_raw == 11
    assert readings.vacuum_b_raw == 65_535
    assert readings.sensor_supply_raw == 33_000


def test_the_watchdog_gets_no_more_than_the_chip_can_do(bench: Rig) -> None:
    board = bench.board()
    board.watch(60_000)
    assert bench.chip.mcu.watchdog_us == 8_388_000


def test_a_watchdog_reset_of_unknown_reason_is_told_as_such(bench: Rig) -> None:
    bench.chip.reset("watchdog")
    bench.chip.mcu._reason = 0
    assert bench.board().reset_cause == contract.RESET_UNKNOWN


@pytest.mark.parametrize(
    ("machine", "level"),
    [("Raspberry Pi Pico with RP2040", 1), ("Raspberry Pi Pico W with RP2040", 0)],
)
def test_the_converter_of_a_pico_is_quietened(
    bench: Rig, monkeypatch: pytest.MonkeyPatch, machine: str, level: int
) -> None:
    module = importlib.import_module("hal.rp2040")
    told = SimpleNamespace(implementation=SimpleNamespace(_machine=machine))
    monkeypatch.setattr(module, "sys", told)
    bench.board()
    assert bench.chip.level(23) == level
