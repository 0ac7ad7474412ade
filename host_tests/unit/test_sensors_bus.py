"""The sensors' bus: one bounded transaction a turn, and never a hang."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hal import contract, wiring
from hal.contract import AGE_HIGHEST_MS, Readings
from host_tests import pins
from host_tests.pins import Ticks, rig

AIR_PA = 101_325


class Bench:
    """A rig whose turns are looked at."""

    def __init__(self, rig: pins.Rig) -> None:
        self.rig = rig
        self.world = rig.world
        self.transactions = 0
        self.longest_ms = 0.0
        transfer = self.world.transfer

        def counted(*given: Any) -> Any:
            self.transactions += 1
            return transfer(*given)

        self.world.transfer = counted  # type: ignore[assignment, method-assign]
        self.board = rig.board()

    def poll(self, turns: int) -> None:
        """Turns of the main loop. Each does one transaction at most, and none takes
        long."""
        for _ in range(turns):
            before, began_ms = self.transactions, self.rig.now_ms
            self.board.poll()
            assert self.transactions - before <= 1
            assert self.rig.now_ms - began_ms <= 11
            self.rig.run(20)
            self.board.sample(Readings())

    def readings(self) -> Readings:
        readings = Readings()
        self.board.sample(readings)
        return readings


@pytest.fixture(params=[wiring.RP2040, wiring.ESP32], ids=wiring.CHIPS[:2])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Both chips with all three sensors."""
    with rig(request.param, motion_sensor=1, digital_vacuum=1) as made:
        yield Bench(made)


def test_every_device_gets_its_turn(bench: Bench) -> None:
    bench.poll(400)
    board = bench.board
    assert board.sensor_fault == contract.SENSORS_FINE
    assert board.barometer_age_ms <= 300
    assert board.motion_age_ms <= 200
    assert board.digital_vacuum_age_ms <= 300


def test_the_mailbox_says_how_old_its_value_is(bench: Bench) -> None:
    first = bench.readings()
    assert (first.barometer_pa, first.barometer_age_ms) == (0, AGE_HIGHEST_MS)
    bench.poll(50)
    read = bench.readings()
    assert read.barometer_pa == pytest.approx(AIR_PA, abs=2)
    assert read.barometer_age_ms < 300
    bench.world.inject("barometer_missing")
    bench.poll(500)
    read = bench.readings()
    assert read.barometer_pa == pytest.approx(AIR_PA, abs=2)
    assert read.barometer_age_ms >= 9_000
    assert bench.board.sensor_fault == contract.BAROMETER_MISSING
    for _ in range(40):
        bench.rig.run(2_000)
        bench.board.sample(Readings())
    assert bench.readings().barometer_age_ms == AGE_HIGHEST_MS


def test_a_device_that_comes_back_is_found_again_and_the_gravest_is_told(bench: Bench) -> None:
    for name in ("barometer", "gauge", "motion"):
        bench.world.inject(name + "_missing")
    bench.poll(100)
    for name, told in (
        ("barometer", contract.BAROMETER_MISSING),
        ("gauge", contract.GAUGE_MISSING),
        ("motion", contract.MOTION_MISSING),
    ):
        assert bench.board.sensor_fault == told
        bench.world.clear(name + "_missing")
        bench.poll(100)
    assert bench.board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("barometer_bad", contract.BAROMETER_BAD),
        ("gauge_bad", contract.GAUGE_BAD),
        ("motion_bad", contract.MOTION_BAD),
        ("motion_frozen", contract.MOTION_BAD),
    ],
)
def test_a_device_that_answers_what_cannot_be_is_told(bench: Bench, name: str, told: int) -> None:
    bench.world.inject(name)
    bench.poll(200)
    assert bench.board.sensor_fault == told
    bench.world.clear(name)
    bench.poll(100)
    assert bench.board.sensor_fault == contract.SENSORS_FINE


@pytest.mark.parametrize("chip", [wiring.RP2040, wiring.ESP32])
def test_a_board_with_the_barometer_alone_has_no_fault_of_others(chip: int) -> None:
    with rig(chip) as made:
        bench = Bench(made)
        bench.poll(50)
        assert bench.board.sensor_fault == contract.SENSORS_FINE


def test_a_device_that_lost_count_is_clocked_free(bench: Bench) -> None:
    bench.poll(50)
    bench.world.inject("bus_stuck_once")
    bench.poll(2)
    assert bench.world.faults == set()
    assert bench.board.sensor_fault == contract.SENSORS_FINE
    bench.board.barometer_age_ms = 5_000
    bench.poll(20)
    assert bench.board.barometer_age_ms < 300


def hold_scl(bench: Bench, held: bool) -> None:
    bench.rig.chip.pins.outside(bench.rig.wires.i2c_scl, 0 if held else None)


def hold_sda(bench: Bench, held: bool) -> None:
    (bench.world.inject if held else bench.world.clear)("bus_stuck")


@pytest.mark.parametrize("hold", [hold_sda, hold_scl])
def test_a_bus_that_is_held_is_a_fault_and_no_hang(
    bench: Bench, hold: Callable[[Bench, bool], None]
) -> None:
    bench.poll(50)
    hold(bench, True)
    transactions, tries = bench.transactions, bench.board._bus.recoveries
    bench.poll(200)
    assert bench.board.sensor_fault == contract.SENSOR_BUS_STUCK
    # Not one transaction on it, and tried again about once a second.
    assert bench.transactions == transactions
    assert 3 <= bench.board._bus.recoveries - tries <= 6
    assert bench.readings().barometer_age_ms >= 3_000
    hold(bench, False)
    bench.poll(100)
    assert bench.board.sensor_fault == contract.SENSORS_FINE
    assert bench.readings().barometer_age_ms < 300


def test_a_bus_that_is_seized_within_a_transaction_takes_its_timeout(bench: Bench) -> None:
    bench.poll(50)
    device = bench.world.devices[0x76]

    def seize(us: int, data: bytes, length: int) -> None:
        bench.world.inject("bus_stuck")

    device.transfer = seize  # type: ignore[method-assign]
    bench.poll(100)
    assert bench.board.sensor_fault == contract.SENSOR_BUS_STUCK


def test_a_bus_that_hangs_delays_no_tick(bench: Bench) -> None:
    # I2C in an interrupt would hold it for as long as the bus hangs. Ticks of the
    # ESP32 run in the main loop, which a transaction holds up for a moment.
    bench.world.inject("bus_stuck")
    ticks = Ticks(bench.board)
    for _ in range(100):
        bench.board.poll()
        bench.board.pause()
    assert max(ticks.dts) <= bench.rig.period_ms + (0 if bench.rig.is_rp2040 else 3)
    assert bench.board.overruns == 0


def test_the_tick_never_touches_the_bus(bench: Bench) -> None:
    bench.poll(50)
    before = bench.transactions
    outputs = contract.Outputs()
    for lease in (contract.LEASE_MS, 0):
        outputs.lease_ms = lease
        bench.board.sample(Readings())
        bench.board.drive(outputs)
        bench.board.make_safe()
    assert bench.transactions == before


def test_motion_that_is_not_heard_of_is_unknown(bench: Bench) -> None:
    bench.world.moves = True
    bench.poll(100)
    assert bench.readings().motion == contract.MOTION_MOVING
    bench.world.moves = False
    bench.poll(50)
    assert bench.readings().motion == contract.MOTION_STILL
    bench.world.inject("motion_missing")
    bench.poll(40)
    assert bench.readings().motion == contract.MOTION_UNKNOWN
