"""The world around a virtual chip, with the real HAL inside this process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN
from emery.virtual_board import inside
from emery.virtual_board.inside import InsideBoard, ResetAsked
from emery.virtual_board.world import RELIEF_PA, WORLD_FAULTS, Applied, UnknownFault, World
from hal import contract
from hal.contract import FULL_PERMILLE, LEASE_MS, VENT_CLOSED, VENT_OPEN, Outputs, Readings
from hal.wiring import ESP32, RP2040, Wiring
from host_tests.pins import reference_wiring

CHIPS = {"rp2040": RP2040, "esp32": ESP32}
TICK_MS = {"rp2040": 5, "esp32": 10}
# The comparator's latch is ready again when the heartbeat has dropped out.
READY_MS = 60


class Device:
    """The real board of a chip, with a tick that drives what a test sets."""

    def __init__(self, chip: str, board: InsideBoard, wiring: Wiring) -> None:
        self.inside = board
        self.world = board.world
        self.wiring = wiring
        self.readings = Readings()
        self.outputs = Outputs()
        if chip == "rp2040":
            from hal.rp2040 import Rp2040Board as Board
        else:
            from hal.esp32 import Esp32Board as Board  # type: ignore[assignment]
        self.board: Any = Board(wiring, TICK_MS[chip])

    def tick(self) -> None:
        self.board.sample(self.readings)
        self.board.drive(self.outputs)

    def start(self, pump: int = 0, feed: int = 0, vent: int = VENT_OPEN) -> None:
        """Ticks, with these outputs."""
        self.inside.run_for(READY_MS)
        self.set(pump, feed, vent)
        self.board.start(self.tick)

    def set(self, pump: int = 0, feed: int = 0, vent: int = VENT_OPEN) -> None:
        self.outputs.pump_permille = pump
        self.outputs.feed_permille = feed
        self.outputs.vent = vent
        self.outputs.lease_ms = LEASE_MS

    def turn(self, ms: int) -> None:
        """Turns of the main loop for so long."""
        for _ in range(ms // 20):
            self.board.poll()
            self.board.pause()


@pytest.fixture(params=list(CHIPS))
def chip(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


Make = Callable[..., Device]


@pytest.fixture
def make(chip: str) -> Iterator[Make]:
    """Makes the device, with changes of its wiring."""
    open_boards = []

    def made(**changes: int) -> Device:
        wiring = reference_wiring(CHIPS[chip], **changes)
        context = inside.board(chip, wiring=wiring)
        board = context.__enter__()
        open_boards.append(context)
        return Device(chip, board, wiring)

    yield made
    for context in reversed(open_boards):
        context.__exit__(None, None, None)


def test_the_pump_pulls_a_vacuum_that_the_sensors_see(make: Make) -> None:
    device = make()
    device.world.tip = TIP_ON_CAP
    device.start(pump=FULL_PERMILLE, vent=VENT_CLOSED)
    device.turn(200)
    before = device.readings.vacuum_a_raw
    device.turn(1_500)
    assert device.world.power == 1
    assert device.world.pump_permille == FULL_PERMILLE
    assert device.world.skin_pa > 30_000
    assert device.readings.vacuum_a_raw < before
    assert device.board.tick_error is None
    assert device.inside.errors == []


def test_the_actuators_have_power_only_while_the_heartbeat_toggles(
    make: Make, chip: str
) -> None:
    device = make()
    device.start(pump=500, vent=VENT_CLOSED)
    device.turn(200)
    assert device.world.power == 1
    stopped = device.inside.now_us
    device.outputs.lease_ms = 0
    device.turn(100)
    last = device.world.applied[-1]
    assert last[1:] == (0, 0, VENT_OPEN, 0)
    assert last.us - stopped <= LEASE_MS * 1_000


def test_a_tick_that_stops_takes_the_power_by_hardware(make: Make, chip: str) -> None:
    device = make()
    device.start(pump=500, vent=VENT_CLOSED)
    device.turn(200)
    stopped = device.inside.now_us
    # Nobody makes anything safe: the pins go on.
    if chip == "rp2040":
        device.board._timer.deinit()
    device.inside.run_for(100)
    assert device.inside.permille(device.wiring.pump) == 500
    assert device.inside.level(device.wiring.vent) == 1
    off = device.world.applied[-1]
    assert off[1:] == (0, 0, VENT_OPEN, 0)
    assert off.us - stopped <= LEASE_MS * 1_000
    assert device.inside.level(device.wiring.power_sense) == 0


def test_a_reset_takes_the_power_and_the_pins(make: Make) -> None:
    device = make()
    device.start(pump=500, vent=VENT_CLOSED)
    device.turn(200)
    with pytest.raises(ResetAsked) as told:
        device.board.restart(0)
    assert told.value.why == "machine.reset"
    device.inside.run_for(50)
    assert device.world.applied[-1][1:] == (0, 0, VENT_OPEN, 0)


def test_the_barriers_are_proved(make: Make) -> None:
    assert make().board.prove_barriers() == contract.BARRIERS_FINE


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("switch_stuck_on", contract.BARRIER_STUCK_ON),
        ("switch_stuck_off", contract.BARRIER_STUCK_OFF),
        ("power_sense_open", contract.BARRIER_STUCK_OFF),
        ("one_shot_slow", contract.BARRIER_SLOW),
        ("comparator_dead", contract.BARRIER_COMPARATOR),
    ],
)
def test_a_barrier_that_fails_is_found(fault: str, found: int, make: Make) -> None:
    device = make()
    device.world.inject(fault)
    assert device.board.prove_barriers() == found


def test_the_comparator_trips_and_stays_until_the_heartbeat_drops_out(make: Make) -> None:
    device = make()
    device.world.tip = TIP_ON_CAP
    device.world.plant.set("pump_free_flow_m3_s", 9e-4)
    device.world.plant.set("pump_ultimate", 0.9)
    device.start(pump=FULL_PERMILLE, vent=VENT_CLOSED)
    device.turn(3_000)
    assert device.world.tripped
    assert device.world.power == 0
    assert 50_000 < device.world.peak_pa <= RELIEF_PA
    # The vacuum is gone by now, and the heartbeat went on all the time.
    assert device.world.skin_pa < 1_000
    device.turn(500)
    assert device.world.power == 0
    device.outputs.lease_ms = 0
    device.turn(100)
    device.world.tip = TIP_IN_AIR
    device.set(pump=300, vent=VENT_CLOSED)
    device.turn(100)
    assert device.world.power == 1


def test_the_relief_valve_needs_nobody(make: Make) -> None:
    device = make()
    device.world.tip = TIP_ON_CAP
    device.world.plant.set("pump_ultimate", 0.95)
    device.world.plant.set("pump_free_flow_m3_s", 1e-3)
    device.world.plant.set("nozzle_open", 0.0)
    device.world.plant.set("pump_welded", 1.0)
    device.world.inject("comparator_dead")
    device.world.inject("vent_stuck_closed")
    device.start()
    device.turn(4_000)
    assert device.world.skin_pa == pytest.approx(RELIEF_PA, rel=0.02)
    assert device.world.peak_pa <= RELIEF_PA


def test_footswitch_and_buttons_close_to_ground(make: Make) -> None:
    device = make()
    device.start()
    device.turn(100)
    assert device.readings.footswitch == contract.SWITCH_RELEASED
    device.world.footswitch = 1
    device.world.press("button_pass")
    device.turn(100)
    assert device.readings.footswitch == contract.SWITCH_PRESSED
    assert device.board.buttons_pressed() == contract.BUTTON_PASS
    device.world.inject("footswitch_stuck_released")
    device.turn(40)
    assert device.readings.footswitch == contract.SWITCH_RELEASED
    device.world.clear("footswitch_stuck_released")
    device.world.footswitch = 0
    device.turn(40)
    assert device.readings.footswitch == contract.SWITCH_RELEASED
    with pytest.raises(ValueError, match="button_nobody has no pin"):
        device.world.press("button_nobody")


@pytest.mark.parametrize(
    ("fault", "share", "most"),
    [("vacuum_a_open", 0.0, 0), ("vacuum_a_short", 1.0, 65_535), ("sensor_supply_sags", 0.8, 0)],
)
def test_sensor_faults_reach_the_counts(fault: str, share: float, most: int, make: Make) -> None:
    device = make()
    device.start()
    device.turn(100)
    well = device.readings.vacuum_a_raw
    device.world.inject(fault)
    device.turn(100)
    assert device.readings.vacuum_a_raw == pytest.approx(share * (most or well), abs=700)
    device.world.clear(fault)
    device.turn(100)
    assert device.readings.vacuum_a_raw == pytest.approx(well, abs=700)


def test_actuator_faults_act_only_with_power(make: Make) -> None:
    device = make()
    device.world.inject("pump_stuck_full")
    device.inside.run_for(100)
    assert device.world.pump_permille == 0
    device.start(pump=100)
    device.turn(100)
    assert device.world.pump_permille == FULL_PERMILLE
    device.world.inject("vent_stuck_closed")
    device.turn(40)
    assert device.world.vent == VENT_CLOSED


def test_the_barometer_is_read_and_missed(make: Make) -> None:
    device = make()
    device.turn(500)
    assert device.board.barometer_pa == pytest.approx(101_325, abs=3)
    assert device.board.sensor_fault == contract.SENSORS_FINE
    device.world.plant.set("atmosphere_pa", 79_500.0)
    device.turn(500)
    assert device.board.barometer_pa == pytest.approx(79_500, abs=3)
    device.world.inject("barometer_missing")
    device.turn(2_000)
    assert device.board.sensor_fault == contract.BAROMETER_MISSING
    device.world.clear("barometer_missing")
    device.turn(1_000)
    assert device.board.sensor_fault == contract.SENSORS_FINE
    device.world.inject("barometer_wrong")
    device.turn(500)
    assert device.board.barometer_pa == pytest.approx(59_500, abs=3)


def test_a_barometer_with_a_bad_answer(make: Make) -> None:
    device = make()
    device.world.inject("barometer_bad")
    device.turn(2_000)
    assert device.board.sensor_fault == contract.BAROMETER_BAD


def test_a_stuck_bus_is_a_fault_and_no_hang(make: Make) -> None:
    device = make()
    device.turn(500)
    device.world.inject("bus_stuck")
    before = device.inside.now_us
    device.turn(2_000)
    assert device.board.sensor_fault == contract.SENSOR_BUS_STUCK
    assert device.inside.now_us - before < 3_000_000
    device.world.clear("bus_stuck")
    device.turn(2_000)
    assert device.board.sensor_fault == contract.SENSORS_FINE


def test_nine_clocks_free_a_device_that_holds_the_bus(make: Make) -> None:
    device = make()
    device.turn(500)
    device.world.inject("bus_stuck_once")
    device.turn(2_000)
    assert device.world.faults == set()
    assert device.board.sensor_fault == contract.SENSORS_FINE


def test_the_motion_sensor_tells_still_from_moving(make: Make) -> None:
    device = make(motion_sensor=1)
    device.turn(2_000)
    assert device.board.motion == contract.MOTION_STILL
    device.world.moves = True
    device.turn(1_000)
    assert device.board.motion == contract.MOTION_MOVING
    device.world.inject("motion_frozen")
    device.turn(4_000)
    assert device.board.sensor_fault == contract.MOTION_BAD
    device.world.clear("motion_frozen")
    device.world.inject("motion_missing")
    device.turn(2_000)
    assert device.board.sensor_fault == contract.MOTION_MISSING


@pytest.mark.parametrize("gauge", [1, 2])
def test_the_digital_vacuum_sensors(gauge: int, make: Make) -> None:
    device = make(digital_vacuum=gauge)
    device.world.tip = TIP_ON_CAP
    device.start(pump=700, vent=VENT_CLOSED)
    device.turn(3_000)
    assert device.world.skin_pa > 10_000
    assert device.board.digital_vacuum_pa == pytest.approx(device.world.skin_pa, rel=0.02)
    device.world.inject("gauge_bad")
    device.turn(2_000)
    assert device.board.sensor_fault == contract.GAUGE_BAD
    device.world.clear("gauge_bad")
    device.world.inject("gauge_missing")
    device.turn(2_000)
    assert device.board.sensor_fault == contract.GAUGE_MISSING


def test_a_fault_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownFault, match="tick_late is no fault"):
        World(reference_wiring(RP2040), events=[(0, 0, 0, "inject", "tick_late", 0.0)])
    assert len({name for name, _ in WORLD_FAULTS}) == len(WORLD_FAULTS)


def test_a_scenarios_events_happen_at_their_times(chip: str) -> None:
    wiring = reference_wiring(CHIPS[chip])
    world = World(
        wiring,
        events=[
            (100, 0, 0, "inject", "pump_dead", 0.0),
            (200, 0, 0, "clear", "pump_dead", 0.0),
            (300, 0, 0, "plant", "seal_leak", 0.05),
            (400, 0, 0, "sensors", "noise", 0.0),
        ],
    )
    with inside.board(chip, wiring=wiring, world=world) as board:
        board.run_for(99)
        assert world.faults == set()
        board.run_for(50)
        assert world.faults == {"pump_dead"}
        board.run_for(100)
        assert world.faults == set()
        board.run_for(200)
        assert world.plant.seal_leak == 0.05
        assert world.sensors is not None
        assert world.sensors.noise == 0.0


def test_deeds_are_done_to_the_millisecond(chip: str) -> None:
    wiring = reference_wiring(CHIPS[chip])
    with inside.board(chip, wiring=wiring) as board:
        done: list[int] = []
        board.world.at(7_000, lambda world: done.append(board.now_us))
        board.world.at(3_000, lambda world: setattr(world, "tip", TIP_ON_SKIN))
        board.run_for(10)
        assert done == [7_000]
        assert board.world.tip == TIP_ON_SKIN


def test_applied_begins_with_nothing(make: Make) -> None:
    assert make().world.applied[0] == Applied(0, 0, 0, VENT_OPEN, 0)
