"""The whole app on each real board and the modelled device: one pass, and its end.

Each chip's board, as its config file has it. The operator here is a test:
the tip on its cap for the proof, then on skin, then off it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emery import slot
from emery.config.load import load_device
from emery.hardware.boards import FILES
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN
from emery.virtual_board import inside
from emery.virtual_board.world import World
from firmware import faults, limits, treatment
from firmware.app import App
from firmware.settings import encode
from hal import contract
from hal.contract import COMMAND_CLIENT, COMMAND_CONFIRM, COMMAND_START, LEASE_MS
from host_tests.bench import CHECKLIST, CLIENT
from host_tests.pins import Rig

CONFIGS = slot.ROOT / "board_configs"


class Device:
    """The app on a board, with its main loop."""

    def __init__(self, rig: Rig, settings: Any) -> None:
        self.rig = rig
        self.world = rig.world
        self.settings = settings
        self.start()

    def start(self) -> None:
        """From power-on."""
        self.board = self.rig.board(adc_reference_mv=self.settings.adc_reference_mv)
        self.app = App(self.board, encode(self.settings), self.board.in_service)
        assert self.app.refusal == ""
        assert self.board.prove_barriers() == contract.BARRIERS_FINE
        self.board.start(self.app.tick)

    @property
    def core(self) -> Any:
        assert self.app.controller is not None
        return self.app.controller

    @property
    def state(self) -> str:
        name: str = treatment.STATES[self.core.treatment.state]
        return name

    def turn(self) -> None:
        self.board.poll()
        self.app.turn()
        self.board.pause()

    def run(self, ms: float) -> None:
        end_ms = self.rig.now_ms + ms
        while self.rig.now_ms < end_ms:
            self.turn()
            assert self.app.error is None
            assert self.board.tick_error is None

    def until(self, wanted: Callable[[], bool], longest_ms: float) -> float:
        """Turns until `wanted`; the ms it took."""
        began_ms = self.rig.now_ms
        while not wanted():
            assert self.rig.now_ms - began_ms < longest_ms, (
                f"in {self.state}, fault {self.core.protection.fault}, "
                f"{treatment.REASONS[self.core.treatment.reason]}"
            )
            self.turn()
        return self.rig.now_ms - began_ms

    def ask(self, command: int, argument: int = 0) -> None:
        assert self.app.post(command, argument)
        self.run(40)

    def to_ready(self) -> None:
        """Through self-test, checklist and the proof on the capped tip."""
        self.until(lambda: self.state == "STANDBY", 5_000)
        self.ask(COMMAND_START)
        self.ask(COMMAND_CLIENT, CLIENT)
        for item in CHECKLIST:
            self.ask(COMMAND_CONFIRM, item)
        self.world.tip = TIP_ON_CAP
        self.until(lambda: self.state == "PROOF", 2_000)
        self.run(200)
        self.world.footswitch = 1
        self.until(lambda: self.state != "PROOF", 15_000)
        assert self.state == "READY"
        self.world.footswitch = 0
        self.world.tip = TIP_IN_AIR
        self.run(500)


@pytest.fixture(params=FILES)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """The board of each chip."""
    loaded = load_device(
        CONFIGS / FILES[request.param], CONFIGS / "protocols" / "face.toml"
    )
    world = World(loaded.wiring, settings=loaded.settings)
    with inside.board(request.param, world=world) as chip:
        rig = Rig(chip, loaded.wiring)
        rig.period_ms = loaded.settings.tick_period_ms
        yield Device(rig, loaded.settings)
        assert chip.errors == []


def test_a_pass_on_the_modelled_device(device: Device) -> None:
    device.to_ready()
    world = device.world
    sequence = device.app.readings.committed_sequence
    set_pa = limits.LEVEL_VACUUM_PA[device.settings.zones[0].level - 1]

    world.footswitch = 1
    device.until(lambda: device.state == "TREATING", 2_000)
    # The pass was on flash before its suction began.
    assert device.app.readings.committed_sequence > sequence
    device.run(300)
    assert world.vent == 1
    assert world.pump_permille > 0

    world.tip = TIP_ON_SKIN
    world.peak_pa = 0.0
    device.until(lambda: abs(world.skin_pa - set_pa) < 2_000, 4_000)
    device.run(1_000)
    flows = []  # over whole periods of the valve, once the hose is filled
    for _ in range(100):
        device.run(20)
        flows.append(world.plant.crystals_mg_min)
    assert device.state == "TREATING"
    assert world.skin_pa == pytest.approx(set_pa, abs=2_000)
    assert world.peak_pa < set_pa + 3_000
    # Crystals come in the valve's periods, on average as the zone asks for.
    assert max(flows) > 2 * min(flows)
    flow_mg_min = sum(flows) / len(flows)
    assert flow_mg_min == pytest.approx(device.settings.zones[0].flow_mg_min, rel=0.1)

    world.tip = TIP_IN_AIR
    device.run(250)
    assert world.feed_permille == 0

    world.footswitch = 0
    began_us = device.rig.chip.now_us
    device.run(300)
    applied = [one for one in world.applied if one.us >= began_us]
    assert applied[-1][1:] == (0, 0, 0, 0)
    assert (applied[-1].us - began_us) / 1_000 < 200
    assert device.core.protection.fault == faults.NONE
    assert device.board.overruns == 0
    assert device.board.output_errors == 0

    # A power cut: the pass that was opened is counted.
    device.run(5_000)
    device.rig.chip.reset("power cut")
    device.start()
    assert device.core.passes.kept(0) == 1


def test_a_runaway_of_the_pump_is_released_by_the_board(device: Device) -> None:
    device.to_ready()
    world = device.world
    world.footswitch = 1
    device.until(lambda: device.state == "TREATING", 2_000)
    world.tip = TIP_ON_SKIN
    device.run(1_000)
    world.plant.set("nozzle_open", 0.0)
    world.inject("pump_stuck_full")
    device.until(lambda: device.state == "FAULT", 3_000)
    assert device.core.protection.fault in (faults.OVER_VACUUM, faults.SOFT_OVER_VACUUM)
    # The pump does not obey; its power goes.
    device.rig.run(LEASE_MS)
    assert world.pump_permille == 0
    assert world.vent == 0
    assert world.peak_pa < 50_000


def test_a_main_loop_that_hangs_in_treatment_lets_go(device: Device) -> None:
    device.to_ready()
    world = device.world
    world.footswitch = 1
    device.until(lambda: device.state == "TREATING", 2_000)
    world.tip = TIP_ON_SKIN
    device.run(1_000)
    assert world.pump_permille > 0
    # On the RP2040 the tick goes on and sees it; on the ESP32 the heartbeat ends.
    longest_ms = limits.MAIN_LOOP_SILENCE_MS + LEASE_MS if device.rig.is_rp2040 else LEASE_MS
    device.rig.run(longest_ms + 20)
    assert world.applied[-1][1:] == (0, 0, 0, 0)


def test_ctrl_c_in_treatment_lets_go(device: Device) -> None:
    device.to_ready()
    world = device.world
    world.footswitch = 1
    device.until(lambda: device.state == "TREATING", 2_000)
    world.tip = TIP_ON_SKIN
    device.run(1_000)
    device.board.stop()
    began_us = device.rig.chip.now_us
    device.rig.run(LEASE_MS)
    assert world.applied[-1][1:] == (0, 0, 0, 0)
    assert world.applied[-1].us - began_us <= LEASE_MS * 1_000
