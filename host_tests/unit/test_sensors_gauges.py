"""The digital vacuum sensors: transfer functions, status, answers that cannot be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal import contract, wiring
from host_tests.pins import Chip, Registers, on, reference_wiring

ABP2, XGZP6897D = 1, 2


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    with on(Chip(reference_wiring(wiring.RP2040)), tmp_path) as chip:
        yield chip


def board_with(chip: Chip, sensor: int) -> Any:
    chip.wires.digital_vacuum = sensor
    board = chip.board()
    board._bus._devices = (board._gauge,)
    return board


def poll(board: Any, chip: Chip, turns: int = 60) -> None:
    for _ in range(turns):
        board.poll()
        chip.sleep(20_000)


def abp2(chip: Chip, counts: int, status: int = 0x40) -> Registers:
    device = chip.devices[0x28] = Registers({})
    device.answer = bytes((status, counts >> 16, counts >> 8 & 0xFF, counts & 0xFF, 0, 0, 0))
    return device


def xgzp(chip: Chip, pressure_pa: int) -> Registers:
    counts = pressure_pa * 64 & 0xFFFFFF
    memory = {0x06: counts >> 16, 0x07: counts >> 8 & 0xFF, 0x08: counts & 0xFF}
    device = chip.devices[0x6D] = Registers(memory)

    def measured() -> None:
        device.memory[0x30] = 0x02

    device.before_read = measured
    return device


# 10 % and 90 % of 2^24 counts are -1 and +1 bar.
@pytest.mark.parametrize(
    ("share", "vacuum_pa"), [(0.5, 0), (0.34, 40_000), (0.1, 100_000), (0.9, -100_000)]
)
def test_counts_of_the_abp2(chip: Chip, share: float, vacuum_pa: int) -> None:
    device = abp2(chip, round(share * (1 << 24)))
    board = board_with(chip, ABP2)
    poll(board, chip)
    assert board.digital_vacuum_pa == pytest.approx(vacuum_pa, abs=2)
    assert board.sensor_fault == contract.SENSORS_FINE
    assert set(device.writes) == {(None, b"\xaa\x00\x00")}


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
def test_bad_answers_of_the_abp2(chip: Chip, why: str, status: int, counts: int) -> None:
    abp2(chip, counts, status)
    board = board_with(chip, ABP2)
    poll(board, chip)
    assert board.sensor_fault == contract.GAUGE_BAD, why
    assert board.digital_vacuum_age_ms == contract.AGE_HIGHEST_MS


def test_an_abp2_that_is_busy_once_is_asked_once_more(chip: Chip) -> None:
    device = abp2(chip, 1 << 23, 0x60)
    board = board_with(chip, ABP2)
    poll(board, chip, 2)
    device.answer = b"\x40" + device.answer[1:]
    poll(board, chip, 2)
    assert board.digital_vacuum_age_ms == 0
    assert board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize("vacuum_pa", [0, 1, 40_000, 99_999, -20_000])
def test_counts_of_the_xgzp6897d(chip: Chip, vacuum_pa: int) -> None:
    device = xgzp(chip, -vacuum_pa)
    board = board_with(chip, XGZP6897D)
    poll(board, chip)
    assert board.digital_vacuum_pa == vacuum_pa
    assert board.sensor_fault == contract.SENSORS_FINE
    assert set(device.writes) == {(0x30, b"\x0a")}


@pytest.mark.parametrize("why", ["it never is done", "no pressure it could measure"])
def test_bad_answers_of_the_xgzp6897d(chip: Chip, why: str) -> None:
    device = xgzp(chip, -120_000)
    if why == "it never is done":
        device.before_read = lambda: None
    board = board_with(chip, XGZP6897D)
    poll(board, chip)
    assert board.sensor_fault == contract.GAUGE_BAD
    assert board.digital_vacuum_age_ms == contract.AGE_HIGHEST_MS


@pytest.mark.parametrize("sensor", [ABP2, XGZP6897D])
def test_a_gauge_that_is_not_there(chip: Chip, sensor: int) -> None:
    board = board_with(chip, sensor)
    poll(board, chip)
    assert board.sensor_fault == contract.GAUGE_MISSING
