"""The sensors' bus: one bounded transaction a turn, and never a hang."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal import contract, wiring
from hal.contract import AGE_HIGHEST_MS, Readings
from host_tests.pins import Chip, Registers, on, reference_wiring
from host_tests.unit.test_sensors_bmp280 import EXAMPLE_PA, barometer


@pytest.fixture(params=[wiring.RP2040, wiring.ESP32], ids=wiring.CHIPS)
def chip(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chip]:
    wires = reference_wiring(request.param, motion_sensor=1, digital_vacuum=1)
    with on(Chip(wires), tmp_path) as chip:
        yield chip


def poll(board: Any, chip: Chip, turns: int) -> None:
    """Turns of the main loop. Each does one transaction at most, and none takes long."""
    for _ in range(turns):
        before, began_us = chip.transactions, chip.now_us
        board.poll()
        assert chip.transactions - before <= 1
        assert chip.now_us - began_us <= 20_000
        chip.sleep(20_000)
        board.sample(Readings())


def age(board: Any) -> int:
    readings = Readings()
    board.sample(readings)
    return readings.barometer_age_ms


def test_the_mailbox_says_how_old_its_value_is(chip: Chip) -> None:
    board = chip.board()
    readings = Readings()
    board.sample(readings)
    assert (readings.barometer_pa, readings.barometer_age_ms) == (0, AGE_HIGHEST_MS)
    chip.devices[0x76] = barometer()
    poll(board, chip, 50)
    board.sample(readings)
    board.sample(readings)
    assert readings.barometer_pa == EXAMPLE_PA
    assert readings.barometer_age_ms < 1_000
    chip.devices.clear()
    poll(board, chip, 500)
    board.sample(readings)
    assert readings.barometer_pa == EXAMPLE_PA
    assert readings.barometer_age_ms >= 9_000
    assert board.sensor_fault == contract.BAROMETER_MISSING
    for _ in range(40):
        chip.sleep(2_000_000)
        board.sample(readings)
    assert readings.barometer_age_ms == AGE_HIGHEST_MS


def test_a_device_that_comes_back_is_found_again(chip: Chip) -> None:
    board = chip.board()
    poll(board, chip, 50)
    assert board.sensor_fault == contract.BAROMETER_MISSING
    chip.devices[0x77] = barometer()
    poll(board, chip, 50)
    assert board.barometer_pa == EXAMPLE_PA
    # The other two are still not there, and no longer hidden by the gravest.
    assert board.sensor_fault == contract.GAUGE_MISSING
    chip.devices[0x28] = gauge = Registers({})
    gauge.answer = bytes((0x40, 0x80, 0, 0))
    poll(board, chip, 50)
    assert board.sensor_fault == contract.MOTION_MISSING


def test_a_board_with_the_barometer_alone_has_no_fault_of_others(chip: Chip) -> None:
    chip.wires.motion_sensor = chip.wires.digital_vacuum = 0
    chip.devices[0x76] = barometer()
    board = chip.board()
    poll(board, chip, 50)
    assert board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize("clocks", range(1, 10))
def test_a_device_that_lost_count_is_clocked_free(chip: Chip, clocks: int) -> None:
    chip.devices[0x76] = barometer()
    board = chip.board()
    poll(board, chip, 50)
    chip.sda_holder = clocks
    poll(board, chip, 2)
    assert chip.sda_holder == 0
    assert board.sensor_fault != contract.SENSOR_BUS_STUCK
    board.barometer_age_ms = 5_000
    poll(board, chip, 40)
    assert age(board) < 1_000


@pytest.mark.parametrize("line", ["sda", "scl"])
def test_a_bus_that_is_held_is_a_fault_and_no_hang(chip: Chip, line: str) -> None:
    chip.devices[0x76] = barometer()
    board = chip.board()
    poll(board, chip, 50)
    if line == "sda":
        chip.sda_holder = -1
    else:
        chip.scl_is_held = True
    transactions, tries = chip.transactions, board._bus.recoveries
    poll(board, chip, 200)
    assert board.sensor_fault == contract.SENSOR_BUS_STUCK
    # Not one transaction on it, and tried again about once a second.
    assert chip.transactions == transactions
    assert 3 <= board._bus.recoveries - tries <= 6
    chip.sda_holder, chip.scl_is_held = 0, False
    poll(board, chip, 100)
    assert board.sensor_fault != contract.SENSOR_BUS_STUCK
    assert board.barometer_age_ms < 1_000


def test_a_bus_that_is_seized_within_a_transaction_takes_its_timeout(chip: Chip) -> None:
    board = chip.board()
    device = chip.devices[0x76] = barometer()

    def seize() -> None:
        chip.scl_is_held = True
        chip.sleep(board._bus._i2c.timeout_us)
        raise OSError(110)

    device.before_read = seize
    poll(board, chip, 100)
    assert board.sensor_fault == contract.SENSOR_BUS_STUCK


def test_every_device_gets_its_turn(chip: Chip) -> None:
    chip.devices[0x76] = barometer()
    motion = chip.devices[0x19] = Registers({0x0F: 0x33, 0x27: 8}, mask=0x7F)
    shakes = iter(range(1 << 30))

    def shake() -> None:
        motion.memory[0x29] = next(shakes) & 0x3F

    motion.before_read = shake
    gauge = chip.devices[0x28] = Registers({})
    gauge.answer = bytes((0x40, 0x80, 0, 0))
    board = chip.board()
    poll(board, chip, 400)
    assert board.sensor_fault == contract.SENSORS_FINE
    assert board.barometer_age_ms <= 600
    assert board.motion_age_ms <= 600
    assert board.digital_vacuum_age_ms <= 600


def test_the_tick_never_touches_the_bus(chip: Chip) -> None:
    # I2C in an interrupt would hold it for as long as the bus hangs.
    chip.devices[0x76] = barometer()
    board = chip.board()
    poll(board, chip, 50)
    before = chip.transactions
    readings = Readings()
    outputs = contract.Outputs()
    for lease in (contract.LEASE_MS, 0):
        outputs.lease_ms = lease
        board.sample(readings)
        board.drive(outputs)
        board.make_safe()
    assert chip.transactions == before


def test_motion_that_is_not_heard_of_is_unknown(chip: Chip) -> None:
    board = chip.board()
    readings = Readings()
    board.motion = contract.MOTION_MOVING
    board.motion_age_ms = 0
    chip.sleep(100_000)
    board.sample(readings)
    assert readings.motion == contract.MOTION_MOVING
    chip.sleep(600_000)
    board.sample(readings)
    assert readings.motion == contract.MOTION_UNKNOWN
