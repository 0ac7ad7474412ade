"""Devices that nobody has seen, for identification: drawn by seed over wide ranges.

Everything that `emery identify` has to cope with is drawn, too: offset, gain and lag of
each sensor, their supply, the noise of the converter, the air pressure, and by how much
the hole in the orifice tip is not what it is said to be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from random import Random

from emery.identify.excitation import AIR, NOZZLE, ORIFICE, PHASES, Excitation, Run
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP
from firmware.settings import Settings
from host_tests.modelled_bench import ModelledBench

ORIFICE_M = 1.5e-3

# name, lowest, highest, whether it is drawn by its logarithm
_PLANT = (
    ("atmosphere_pa", 70_000.0, 104_000.0, False),
    ("pump_free_flow_m3_s", 12 / 60_000, 55 / 60_000, True),
    ("pump_ultimate", 0.6, 0.9, False),
    ("pump_lag_s", 0.05, 0.4, True),
    ("pump_dead_band", 0.03, 0.25, False),
    ("volume_m3", 0.25e-3, 1.8e-3, True),
    ("hose_leak", 5e-5, 1.5e-2, True),
    ("nozzle_m", 0.8e-3, 1.7e-3, False),
    ("filter_load", 1.0, 40.0, True),
    ("vent_m", 3e-3, 5.5e-3, False),
    ("vent_lag_s", 0.008, 0.04, True),
    ("tip_m", 4e-3, 7e-3, False),
)
_SENSORS = (
    ("offset_a_pa", -600.0, 600.0, False),
    ("offset_b_pa", -600.0, 600.0, False),
    ("gain_a", 0.985, 1.015, False),
    ("gain_b", 0.985, 1.015, False),
    ("lag_a_s", 0.005, 0.010, False),
    ("lag_b_s", 0.006, 0.013, False),
    ("noise", 0.7, 1.5, False),
    ("supply_v", 4.8, 5.2, False),
)
_HOLE_SPREAD = 0.007  # of its diameter


@dataclass(frozen=True, slots=True)
class Unseen:
    """One device. `hole` is the orifice's bore over what is said of it."""

    seed: int
    plant: dict[str, float]
    sensors: dict[str, float]
    hole: float


def draw(seed: int) -> Unseen:
    """The device of this seed."""
    chance = Random(seed)

    def one(row: tuple[str, float, float, bool]) -> float:
        _, low, high, by_log = row
        if by_log:
            return exp(chance.uniform(log(low), log(high)))
        return chance.uniform(low, high)

    plant = {row[0]: one(row) for row in _PLANT}
    sensors = {row[0]: one(row) for row in _SENSORS}
    return Unseen(seed, plant, sensors, exp(chance.gauss(0.0, _HOLE_SPREAD)))


def put(bench: ModelledBench, device: Unseen, phase: str) -> None:
    """The tip and the clamp as a phase wants them."""
    bench.tip = TIP_IN_AIR if phase == AIR else TIP_ON_CAP
    bench.plant.set("cap_nozzle", 1.0 if phase == NOZZLE else 0.0)
    bore = ORIFICE_M * device.hole if phase == ORIFICE else 0.0
    bench.plant.set("cap_leak", (bore / device.plant["tip_m"]) ** 2)


def measured(
    device: Unseen, settings: Settings, adc: str, phases: Sequence[str] = PHASES
) -> list[Run]:
    """Its runs of these phases."""
    bench = ModelledBench(settings, device.plant, device.sensors, adc=adc, seed=device.seed)
    excitation = Excitation(bench, settings)
    runs: list[Run] = []
    for phase in phases:
        put(bench, device, phase)
        runs += excitation.runs(phase)
    return runs
