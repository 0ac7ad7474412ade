"""The motion sensor: still or moving, in any grip."""

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emery.virtual_board import i2c
from hal import contract, wiring
from hal.contract import MOTION_MOVING, MOTION_STILL
from host_tests.pins import Rig, rig

GRIPS = [(0, 0, 1000), (1000, 0, 0), (-577, 577, 577), (0, -1000, 0)]


@pytest.fixture
def bench() -> Iterator[Rig]:
    with rig(wiring.RP2040, motion_sensor=1) as made:
        yield made


class Shaken(i2c.Lis3dh):
    """A sensor that reads what a function of the time in s says, in mg."""

    def __init__(self, axes_mg: Callable[[float], tuple[float, ...]], noise: int) -> None:
        super().__init__(lambda: False, lambda: 0.0)
        self.axes_mg = axes_mg
        self.noise = noise
        self.chance = random.Random(1)
        self.memory: dict[int, int] = {}
        self.written: list[tuple[int, int]] = []

    def write(self, us: int, register: int, value: int) -> None:
        self.written.append((register, value))
        super().write(us, register, value)

    def read(self, us: int, register: int) -> int:
        if register == 0x28:
            noise = self.noise
            values = [
                round(mg) + self.chance.randint(-noise, noise) for mg in self.axes_mg(us / 1e6)
            ]
            self.out = struct.pack("<hhh", *(16 * value for value in values))
        if 0x28 <= register <= 0x2D:
            return self.out[register - 0x28]
        return self.memory.get(register, super().read(us, register))


def attach(
    bench: Rig, axes_mg: Callable[[float], tuple[float, ...]], noise: int = 1, address: int = 0x18
) -> Shaken:
    bench.world.devices.clear()
    device = bench.world.devices[address] = Shaken(axes_mg, noise)
    return device


def started(bench: Rig) -> Any:
    """A board with the motion sensor alone."""
    board = bench.board()
    board._bus._devices = (board._motion_sensor,)
    return board


def poll(bench: Rig, board: Any, turns: int = 100) -> list[int]:
    seen = []
    for _ in range(turns):
        board.poll()
        bench.run(20)
        seen.append(board.motion)
    return seen


@pytest.mark.parametrize("address", [0x18, 0x19])
def test_it_is_found_and_set_up_for_100_hz_in_high_resolution(bench: Rig, address: int) -> None:
    device = attach(bench, lambda _: GRIPS[0], address=address)
    board = started(bench)
    poll(bench, board)
    assert device.written == [(0x23, 0x88), (0x20, 0x57)]
    assert board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize("grip", GRIPS)
def test_at_rest_it_is_still_in_any_grip(bench: Rig, grip: tuple[int, ...]) -> None:
    attach(bench, lambda _: grip, noise=4)
    board = started(bench)
    assert set(poll(bench, board)[40:]) == {MOTION_STILL}
    assert board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize("grip", GRIPS)
def test_strokes_are_motion_and_their_end_is_not(bench: Rig, grip: tuple[int, ...]) -> None:
    def stroke(s: float) -> tuple[float, ...]:
        # Jerks of 150 mg four times a second, for three seconds.
        jerk = 150 if s < 3 and s * 4 % 1 < 0.3 else 0
        return grip[0] + jerk, grip[1], grip[2]

    attach(bench, stroke)
    board = started(bench)
    assert set(poll(bench, board, 140)[40:]) == {MOTION_MOVING}
    poll(bench, board, 30)
    assert set(poll(bench, board, 30)) == {MOTION_STILL}


@pytest.mark.parametrize(
    ("why", "memory"), [("another chip", {0x0F: 0x32}), ("no new values", {0x27: 0})]
)
def test_an_answer_that_cannot_be_is_a_fault(bench: Rig, why: str, memory: dict[int, int]) -> None:
    attach(bench, lambda _: GRIPS[0]).memory = memory
    board = started(bench)
    poll(bench, board)
    assert board.sensor_fault == contract.MOTION_BAD, why
    assert board.motion_age_ms == contract.AGE_HIGHEST_MS


def test_a_value_that_never_changes_is_no_sensor_until_it_does(bench: Rig) -> None:
    device = attach(bench, lambda _: GRIPS[0], noise=0)
    board = started(bench)
    poll(bench, board, 200)
    assert board.sensor_fault == contract.MOTION_BAD
    device.noise = 1
    poll(bench, board, 50)
    assert board.sensor_fault == contract.SENSORS_FINE
