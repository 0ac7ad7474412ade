"""The motion sensor: still or moving, in any grip."""

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hal import contract, wiring
from hal.contract import MOTION_MOVING, MOTION_STILL
from host_tests.pins import Chip, Registers, on, reference_wiring

GRIPS = [(0, 0, 1000), (1000, 0, 0), (-577, 577, 577), (0, -1000, 0)]


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    wires = reference_wiring(wiring.RP2040, motion_sensor=1)
    with on(Chip(wires), tmp_path) as chip:
        yield chip


def attach(chip: Chip, axes_mg: Callable[[float], tuple[float, ...]], noise: int = 1) -> Registers:
    """A sensor that reads `axes_mg` at a time in s."""
    device = chip.devices[0x18] = Registers({0x0F: 0x33, 0x27: 0x08}, mask=0x7F)
    chance = random.Random(1)

    def measure() -> None:
        values = [round(mg) + chance.randint(-noise, noise) for mg in axes_mg(chip.now_us / 1e6)]
        for n, value in enumerate(struct.pack("<hhh", *(16 * value for value in values))):
            device.memory[0x28 + n] = value

    device.before_read = measure
    return device


def poll(board: Any, chip: Chip, turns: int = 100) -> list[int]:
    seen = []
    for _ in range(turns):
        board.poll()
        chip.sleep(20_000)
        seen.append(board.motion)
    return seen


def test_it_is_set_up_for_100_hz_in_high_resolution(chip: Chip) -> None:
    device = attach(chip, lambda _: GRIPS[0])
    poll(chip.board(), chip)
    assert device.writes == [(0x23, b"\x88"), (0x20, b"\x57")]


@pytest.mark.parametrize("grip", GRIPS)
def test_at_rest_it_is_still_in_any_grip(chip: Chip, grip: tuple[int, ...]) -> None:
    attach(chip, lambda _: grip, noise=4)
    board = chip.board()
    assert set(poll(board, chip)[40:]) == {MOTION_STILL}
    assert board.sensor_fault != contract.MOTION_BAD


@pytest.mark.parametrize("grip", GRIPS)
def test_strokes_are_motion_and_their_end_is_not(chip: Chip, grip: tuple[int, ...]) -> None:
    def stroke(s: float) -> tuple[float, ...]:
        # Jerks of 150 mg four times a second, for three seconds.
        jerk = 150 if s < 3 and s * 4 % 1 < 0.3 else 0
        return grip[0] + jerk, grip[1], grip[2]

    attach(chip, stroke)
    board = chip.board()
    assert set(poll(board, chip, 140)[40:]) == {MOTION_MOVING}
    poll(board, chip, 30)
    assert set(poll(board, chip, 30)) == {MOTION_STILL}


@pytest.mark.parametrize(
    ("why", "memory"), [("another chip", {0x0F: 0x32}), ("no new values", {0x27: 0})]
)
def test_an_answer_that_cannot_be_is_a_fault(
    chip: Chip, why: str, memory: dict[int, int]
) -> None:
    chip.wires.motion_sensor = 1
    device = attach(chip, lambda _: GRIPS[0])
    device.memory |= memory
    board = chip.board()
    board._bus._devices = (board._motion_sensor,)
    poll(board, chip)
    assert board.sensor_fault == contract.MOTION_BAD, why
    assert board.motion_age_ms == contract.AGE_HIGHEST_MS


def test_a_value_that_never_changes_is_no_sensor(chip: Chip) -> None:
    attach(chip, lambda _: GRIPS[0], noise=0)
    board = chip.board()
    board._bus._devices = (board._motion_sensor,)
    poll(board, chip, 400)
    assert board.sensor_fault == contract.MOTION_BAD
