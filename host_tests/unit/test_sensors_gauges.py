"""The digital vacuum sensors: transfer functions, status, answers that cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from emery.virtual_board import i2c
from hal import contract, wiring
from host_tests.pins import Rig, rig

ABP2, XGZP6897D = 1, 2


@contextmanager
def with_gauge(sensor: int, device: i2c.Device | None = None) -> Iterator[tuple[Rig, Any]]:
    """A rig with the usual device of a kind, or another one; a board with it alone."""
    with rig(wiring.RP2040, digital_vacuum=sensor) as bench:
        if device is not None:
            bench.world.devices[device.address] = device
        board = bench.board()
        board._bus._devices = (board._gauge,)
        yield bench, board


def poll(bench: Rig, board: Any, turns: int = 60) -> None:
    for _ in range(turns):
        board.poll()
        bench.run(20)


class Answer(i2c.Abp2):
    """An ABP2 that answers this, and notes what it is told."""

    def __init__(self, status: int, counts: int) -> None:
        super().__init__(lambda: 0.0)
        self.answer = bytes((status, counts >> 16, counts >> 8 & 0xFF, counts & 0xFF, 0, 0, 0))
        self.written: list[bytes] = []

    def transfer(self, us: int, data: bytes, length: int) -> bytes:
        if data:
            self.written.append(data)
        return self.answer[:length]


class Pressure(i2c.Xgzp6897d):
    """An XGZP6897D at a pressure in Pa."""

    def __init__(self, pressure_pa: float, is_busy: bool = False) -> None:
        super().__init__(lambda: -pressure_pa)
        if is_busy:
            self.faults.add(i2c.BAD)


# 10 % and 90 % of 2^24 counts are -1 and +1 bar.
@pytest.mark.parametrize(
    ("share", "vacuum_pa"), [(0.5, 0), (0.34, 40_000), (0.1, 100_000), (0.9, -100_000)]
)
def test_counts_of_the_abp2(share: float, vacuum_pa: int) -> None:
    device = Answer(0x40, round(share * (1 << 24)))
    with with_gauge(ABP2, device) as (bench, board):
        poll(bench, board)
        assert board.digital_vacuum_pa == pytest.approx(vacuum_pa, abs=2)
        assert board.sensor_fault == contract.SENSORS_FINE
        assert set(device.written) == {b"\xaa\x00\x00"}


@pytest.mark.parametrize(
    ("why", "status", "counts"),
    [
        ("memory integrity", 0x44, 1 << 23),
        ("saturated", 0x41, 1 << 23),
        ("not powered", 0x00, 1 << 23),
        ("busy for ever", 0x60, 1 << 23),
        ("a bus that reads ones", 0xFF, (1 << 24) - 1),
        ("below what it can measure", 0x40, 0),
        ("above what it can measure", 0x40, (1 << 24) - 1),
    ],
)
def test_bad_answers_of_the_abp2(why: str, status: int, counts: int) -> None:
    with with_gauge(ABP2, Answer(status, counts)) as (bench, board):
        poll(bench, board)
        assert board.sensor_fault == contract.GAUGE_BAD, why
        assert board.digital_vacuum_age_ms == contract.AGE_HIGHEST_MS


def test_an_abp2_that_is_busy_once_is_asked_once_more() -> None:
    device = Answer(0x60, 1 << 23)
    with with_gauge(ABP2, device) as (bench, board):
        poll(bench, board, 2)
        device.answer = b"\x40" + device.answer[1:]
        poll(bench, board, 2)
        assert board.digital_vacuum_age_ms == 0
        assert board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize("vacuum_pa", [0, 1, 40_000, 99_999, -20_000])
def test_counts_of_the_xgzp6897d(vacuum_pa: int) -> None:
    with with_gauge(XGZP6897D, Pressure(-vacuum_pa)) as (bench, board):
        poll(bench, board)
        assert board.digital_vacuum_pa == vacuum_pa
        assert board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize("device", [Pressure(0.0, is_busy=True), Pressure(-120_000.0)],
                         ids=["it never is done", "no pressure it could measure"])  # fmt: skip
def test_bad_answers_of_the_xgzp6897d(device: Pressure) -> None:
    with with_gauge(XGZP6897D, device) as (bench, board):
        poll(bench, board)
        assert board.sensor_fault == contract.GAUGE_BAD
        assert board.digital_vacuum_age_ms == contract.AGE_HIGHEST_MS


@pytest.mark.parametrize("sensor", [ABP2, XGZP6897D])
def test_both_follow_the_vacuum_at_the_skin(sensor: int) -> None:
    with with_gauge(sensor) as (bench, board):
        bench.world.plant.skin_pa = bench.world.plant.volume_pa = 30_000.0
        poll(bench, board, 8)
        assert 1_000 < board.digital_vacuum_pa < 30_100
        assert board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize("sensor", [ABP2, XGZP6897D])
def test_a_gauge_that_is_not_there(sensor: int) -> None:
    with with_gauge(sensor) as (bench, board):
        bench.world.inject("gauge_missing")
        poll(bench, board)
        assert board.sensor_fault == contract.GAUGE_MISSING
