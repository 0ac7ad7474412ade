"""What only the RP2040 board does: the hard timer, the PIO heartbeat, its ADC."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hal import contract, wiring
from hal.contract import FULL_PERMILLE, LEASE_MS, VENT_CLOSED, Outputs, Readings
from host_tests.pins import Chip, on, reference_wiring


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    with on(Chip(reference_wiring(wiring.RP2040)), tmp_path) as chip:
        yield chip


def full() -> Outputs:
    outputs = Outputs()
    outputs.pump_permille = outputs.feed_permille = FULL_PERMILLE
    outputs.vent, outputs.lease_ms = VENT_CLOSED, LEASE_MS
    return outputs


def driving(chip: Chip) -> Any:
    """A board whose tick drives everything fully."""
    board = chip.board()
    outputs = full()
    board.start(lambda: board.drive(outputs))
    chip.sleep(200_000)
    assert chip.power()
    return board


# The traps --------------------------------------------------------------


def test_the_hard_timer_goes_on_when_the_main_loop_has_ended(chip: Chip) -> None:
    # Ctrl-C leaves a main loop anywhere. The timer does not know of it.
    board = driving(chip)
    with pytest.raises(KeyboardInterrupt):
        raise KeyboardInterrupt
    count = board.ticks
    chip.sleep(100_000)
    assert board.ticks == count + 20
    assert not chip.is_driven_safe()
    # Who catches it has this:
    board.stop()
    chip.sleep(LEASE_MS * 1_000)
    assert board.ticks == count + 20
    assert chip.is_driven_safe()
    assert not chip.power()


def test_the_callback_never_raises_into_the_timer(chip: Chip) -> None:
    # MicroPython would silence it without a word, with the PWM at its last duty.
    board = driving(chip)
    timer = chip.timers[0]

    def fails() -> None:
        raise RuntimeError("in the interrupt")

    board._tick = fails
    chip.sleep(100_000)
    assert timer.raised is None
    assert chip.timers == [timer]
    assert chip.is_driven_safe()
    assert not chip.power()


def test_even_an_output_that_fails_does_not_raise_into_the_timer(chip: Chip) -> None:
    board = driving(chip)
    timer = chip.timers[0]
    for pin in (chip.wires.pump, chip.wires.feed, chip.wires.vent):
        chip.broken[pin] = 1_000
    board._tick = None
    chip.sleep(100_000)
    assert timer.raised is None
    assert board.output_errors > 0
    # What no pin obeys, the heartbeat takes the power from.
    assert not chip.power()


def test_a_tick_that_hangs_in_a_stalled_interrupt_loses_the_power(chip: Chip) -> None:
    # As a write to flash does that forgot to stop the timer: no interrupt comes.
    driving(chip)
    chip.timers.clear()
    chip.sleep(LEASE_MS * 1_000)
    assert not chip.power()


def test_a_frozen_pwm_and_a_frozen_heartbeat_have_no_power(chip: Chip) -> None:
    # A soft reset: the PWM's pin stays high, the state machine stops in a pulse,
    # its pin stays high as well. The timer goes with the objects.
    board = driving(chip)
    machine = board._machine
    chip.pwm_pins.discard(chip.wires.pump)
    chip.levels[chip.wires.pump] = 1
    machine.active(0)
    chip.timers.clear()
    assert chip.pump_duty() == 65_535
    chip.sleep(LEASE_MS * 1_000)
    assert not chip.power()


def test_after_a_soft_reset_a_new_board_takes_every_output_back(chip: Chip) -> None:
    driving(chip)
    chip.timers.clear()
    chip.pwm_pins.discard(chip.wires.pump)
    chip.levels[chip.wires.pump] = 1
    began = len(chip.events)
    chip.memory[0x40058000] = 0x40000000  # the watchdog survived it
    board = chip.board()
    assert chip.is_driven_safe()
    assert chip.events[began][1:] == (chip.wires.pump, "out", 0)
    assert board.reset_cause == contract.RESET_SOFT


# The heartbeat --------------------------------------------------------------


def test_at_most_two_words_are_ever_in_the_state_machine(chip: Chip) -> None:
    board = chip.board()
    outputs = full()
    for _ in range(100):
        board.drive(outputs)
        board.drive(outputs)
        left_us = max(end for _, end in chip.machine.starts) - chip.now_us  # type: ignore[union-attr]
        assert chip.machine.tx_fifo() <= 1  # type: ignore[union-attr]
        assert left_us <= 28_400
        chip.sleep(3_000)
    # With the 20 ms of the one-shot it is within the lease.
    assert LEASE_MS * 1_000 >= 28_400 + 20_000


def test_a_lease_after_none_beats_at_once(chip: Chip) -> None:
    board = chip.board()
    outputs = full()
    board.drive(outputs)
    chip.sleep(5_000)
    board.make_safe()
    chip.sleep(300_000)
    assert not chip.power()
    board.drive(outputs)
    chip.sleep(1_000)
    assert chip.power()


# The rest --------------------------------------------------------------


def test_counts_are_those_of_the_converter(chip: Chip) -> None:
    board = chip.board()
    chip.counts = {26: 11, 28: 65_535, 27: 33_000}
    readings = Readings()
    board.sample(readings)
    assert readings.vacuum_a_raw == 11
    assert readings.vacuum_b_raw == 65_535
    assert readings.sensor_supply_raw == 33_000


@pytest.mark.parametrize(
    ("cause", "reason", "told"),
    [
        (1, 0, contract.RESET_POWER_ON),
        (3, 1, contract.RESET_WATCHDOG),
        (3, 2, contract.RESET_HARD),
        (3, 0, contract.RESET_UNKNOWN),
    ],
)
def test_why_it_started(chip: Chip, cause: int, reason: int, told: int) -> None:
    chip.cause = cause
    chip.memory[0x40058008] = reason
    assert chip.board().reset_cause == told


def test_the_watchdog_gets_no_more_than_the_chip_can_do(chip: Chip) -> None:
    board = chip.board()
    board.watch(60_000)
    assert chip.watchdogs == [8_388]


@pytest.mark.parametrize(
    ("machine", "high"),
    [("Raspberry Pi Pico with RP2040", 1), ("Raspberry Pi Pico W with RP2040", None)],
)
def test_the_converter_of_a_pico_is_quietened(
    chip: Chip, monkeypatch: pytest.MonkeyPatch, machine: str, high: int | None
) -> None:
    module = importlib.import_module("hal.rp2040")
    told = SimpleNamespace(implementation=SimpleNamespace(_machine=machine))
    monkeypatch.setattr(module, "sys", told)
    chip.board()
    assert chip.levels.get(23) == high
