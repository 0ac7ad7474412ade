"""The barometer: the data sheet's own example, and answers that cannot be."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from hal import contract, wiring
from hal.contract import Readings
from host_tests.pins import Rig, rig

# BST-BMP280-DS001, section 3.12: 100653.27 Pa.
CALIBRATION = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
RAW_PRESSURE, RAW_TEMPERATURE = 415148, 519888
EXAMPLE_PA = 100_653


@pytest.fixture
def bench() -> Iterator[Rig]:
    with rig(wiring.RP2040) as made:
        yield made


@pytest.fixture
def module(bench: Rig) -> Any:
    return importlib.import_module("hal.sensors.bmp280")


def poll(bench: Rig, board: Any, turns: int = 60) -> None:
    for _ in range(turns):
        board.poll()
        bench.run(20)
        board.sample(Readings())


def answers(bench: Rig, memory: dict[int, int]) -> None:
    """From now on these registers read otherwise; none of them, and it is well again."""
    device: Any = bench.world.devices.get(0x76) or bench.world.devices[0x77]
    well = type(device).read

    def read(us: int, register: int) -> int:
        value: int = well(device, us, register)
        return memory.get(register, value)

    device.read = read


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


def test_a_divisor_of_zero_is_no_exception(module: Any) -> None:
    assert module.pascal((1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1, 1) == 0


@pytest.mark.parametrize("address", [0x76, 0x77])
@pytest.mark.parametrize("chip_id", [0x58, 0x60])
def test_it_is_found_set_up_and_read(bench: Rig, address: int, chip_id: int) -> None:
    device: Any = bench.world.devices.pop(0x76)
    bench.world.devices[address] = device
    answers(bench, {0xD0: chip_id})
    written: list[tuple[int, int]] = []
    write = device.write

    def noted(us: int, register: int, value: int) -> None:
        written.append((register, value))
        write(us, register, value)

    device.write = noted
    plant: Any = bench.world.plant
    plant.atmosphere_pa = 84_321.0
    board = bench.board()
    poll(bench, board)
    assert board.barometer_pa == pytest.approx(84_321, abs=2)
    assert board.sensor_fault == contract.SENSORS_FINE
    assert set(written) == {(0xF4, 0x2D)}
    # About five times a second.
    assert len(written) == pytest.approx(60 * 20 / 200, abs=2)


@pytest.mark.parametrize(
    ("why", "memory"),
    [
        ("another chip", {0xD0: 0x55}),
        ("an empty calibration", dict.fromkeys(range(0x88, 0xA0), 0)),
        ("a bus that reads ones", dict.fromkeys(range(0x88, 0xA0), 0xFF)),
        ("it still measures", {0xF3: 0x08}),
        ("not a pressure of this earth", {0xF7: 0xFF, 0xF8: 0xFF, 0xF9: 0xF0}),
        # Its registers are back at power-on: it sleeps and was asked for nothing.
        ("it lost its supply in between", {0xF4: 0x00}),
    ],
)
def test_an_answer_that_cannot_be_is_a_fault_and_no_value(
    bench: Rig, why: str, memory: dict[int, int]
) -> None:
    board = bench.board()
    poll(bench, board)
    answers(bench, memory)
    board._barometer.step = 0
    board.barometer_age_ms = 5_000
    poll(bench, board)
    assert board.sensor_fault == contract.BAROMETER_BAD, why
    assert board.barometer_age_ms >= 5_000
    answers(bench, {})
    poll(bench, board)
    assert board.sensor_fault == contract.SENSORS_FINE
    assert board.barometer_age_ms < 1_000
