"""The barometer: the data sheet's own example, and answers that cannot be."""

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal import contract, wiring
from host_tests.pins import Chip, Registers, on, reference_wiring

# BST-BMP280-DS001, section 3.12: 100653.27 Pa.
CALIBRATION = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
RAW_PRESSURE, RAW_TEMPERATURE = 415148, 519888
EXAMPLE_PA = 100_653


def barometer(pressure: int = RAW_PRESSURE, chip_id: int = 0x58) -> Registers:
    """A BMP280 that measures at once."""
    memory = {0xD0: chip_id, 0xF3: 0}
    for n, value in enumerate(struct.pack("<HhhHhhhhhhhh", *CALIBRATION)):
        memory[0x88 + n] = value
    device = Registers(memory)
    for n, raw in enumerate((pressure, RAW_TEMPERATURE)):
        for at, value in enumerate((raw >> 12, raw >> 4 & 0xFF, raw << 4 & 0xFF)):
            memory[0xF7 + 3 * n + at] = value

    def measure() -> None:
        # Forced mode ends in sleep; what is not asked for is not measured.
        memory[0xF4] = memory.get(0xF4, 0) & ~3

    device.before_read = measure
    return device


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    with on(Chip(reference_wiring(wiring.RP2040)), tmp_path) as chip:
        yield chip


@pytest.fixture
def module(chip: Chip) -> Any:
    return importlib.import_module("hal.sensors.bmp280")


def poll(board: Any, chip: Chip, turns: int = 60) -> None:
    for _ in range(turns):
        board.poll()
        chip.sleep(20_000)


def test_the_example_of_the_data_sheet(module: Any) -> None:
    assert module.pascal(CALIBRATION, RAW_PRESSURE, RAW_TEMPERATURE) == EXAMPLE_PA


def test_the_integers_agree_with_the_floats_of_the_data_sheet(module: Any) -> None:
    # Section 8.1, in double precision.
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9 = CALIBRATION
    for raw_p in range(250_000, 600_001, 12_500):
        for raw_t in range(420_000, 600_001, 30_000):
            fine = (raw_t / 16384 - t1 / 1024) * t2 + (raw_t / 131072 - t1 / 8192) ** 2 * t3
            var1 = fine / 2 - 64000
            var2 = var1 * var1 * p6 / 32768 + var1 * p5 * 2
            var2 = var2 / 4 + p4 * 65536
            var1 = (p3 * var1 * var1 / 524288 + p2 * var1) / 524288
            var1 = (1 + var1 / 32768) * p1
            p = (1048576 - raw_p - var2 / 4096) * 6250 / var1
            p += (p9 * p * p / 2147483648 + p * p8 / 32768 + p7) / 16
            assert module.pascal(CALIBRATION, raw_p, raw_t) == pytest.approx(p, abs=2)


@pytest.mark.parametrize("address", [0x76, 0x77])
@pytest.mark.parametrize("chip_id", [0x58, 0x60])
def test_it_is_found_set_up_and_read(chip: Chip, address: int, chip_id: int) -> None:
    chip.devices[address] = device = barometer(chip_id=chip_id)
    board = chip.board()
    poll(board, chip)
    assert board.barometer_pa == EXAMPLE_PA
    assert board.sensor_fault == contract.SENSORS_FINE
    assert set(device.writes) == {(0xF4, b"\x2d")}
    # About five times a second.
    assert len(device.writes) == pytest.approx(60 * 20 / 200, abs=2)


@pytest.mark.parametrize(
    ("why", "memory"),
    [
        ("another chip", {0xD0: 0x55}),
        ("an empty calibration", dict.fromkeys(range(0x88, 0xA0), 0)),
        ("a bus that reads ones", dict.fromkeys(range(0x88, 0xA0), 0xFF)),
        ("it still measures", {0xF3: 0x08}),
        ("not a pressure of this earth", {0xF7: 0xFF, 0xF8: 0xFF, 0xF9: 0xF0}),
    ],
)
def test_an_answer_that_cannot_be_is_a_fault_and_no_value(
    chip: Chip, why: str, memory: dict[int, int]
) -> None:
    chip.devices[0x76] = device = barometer()
    board = chip.board()
    poll(board, chip)
    board.barometer_age_ms = contract.AGE_HIGHEST_MS
    good = {place: device.memory[place] for place in memory}
    device.memory |= memory
    board._barometer.step = 0
    poll(board, chip)
    assert board.sensor_fault == contract.BAROMETER_BAD, why
    assert board.barometer_age_ms == contract.AGE_HIGHEST_MS
    device.memory |= good
    poll(board, chip)
    assert board.sensor_fault == contract.SENSORS_FINE
    assert board.barometer_age_ms < 1_000


def test_a_sensor_that_lost_its_supply_gives_no_old_value(chip: Chip) -> None:
    # Its registers are back at power-on: it sleeps and was asked for nothing.
    chip.devices[0x76] = device = barometer()
    board = chip.board()
    poll(board, chip)
    board.barometer_age_ms = 3_000

    def forgets() -> None:
        device.memory[0xF4] = 0

    device.before_read = forgets
    poll(board, chip, 20)
    assert board.barometer_age_ms >= 3_000


def test_a_divisor_of_zero_is_no_exception(module: Any) -> None:
    assert module.pascal((1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1, 1) == 0
