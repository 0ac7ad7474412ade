"""The hard limit looks ahead: no sound device may come to it, at level 10, in the
proof's pull at full drive, with a sensor that reads as much too high as it may."""

import random

import pytest

from emery import slot
from emery.bench.trip import Device, drawn_plants
from emery.config.load import load
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_SKIN
from firmware import faults
from firmware.settings import Settings
from host_tests.bench import with_values

# MPXV6115V data sheet: 1.5 % of full scale.
SENSOR_ERROR_PA = 1_725.0
# An ESP32 ticks at 10 ms, and sees less voltage.
SLOWER = {
    "tick_period_ms": 10,
    "vacuum_a_divider_permille": 500,
    "vacuum_b_divider_permille": 500,
}


def settings_for(chip: str) -> Settings:
    settings = load(
        slot.ROOT / "board_configs" / "pico_reference.toml",
        slot.ROOT / "board_configs" / "protocols" / "body.toml",
    )
    return with_values(settings, **SLOWER) if chip == "esp32" else settings


def fault_of(chip: str, volume_m3: float, seed: int) -> int:
    """From power-on through the proof and some strokes at level 10."""
    draw = random.Random(seed)
    plant = {**draw.choice(drawn_plants(seed)), "volume_m3": volume_m3}
    device = Device(settings_for(chip), chip, plant, seed)
    device._sensors.set(f"offset_{draw.choice('ab')}_pa", SENSOR_ERROR_PA)
    device.to_stroke()
    for _ in range(5):
        device.plant.tip = TIP_IN_AIR
        device.run(draw.randrange(20, 400))
        device.plant.tip = TIP_ON_SKIN
        device.run(draw.randrange(200, 900))
    assert device.app.controller is not None
    return device.app.controller.protection.fault


@pytest.mark.parametrize("chip", ["rp2040", "esp32"])
@pytest.mark.parametrize("volume_m3", [0.2e-3, 0.3e-3, 0.65e-3, 1.2e-3])
@pytest.mark.parametrize(
    "seeds", [range(3), pytest.param(range(3, 60), marks=pytest.mark.long)]
)
def test_a_sound_device_never_trips(chip: str, volume_m3: float, seeds: range) -> None:
    for seed in seeds:
        assert fault_of(chip, volume_m3, seed) == faults.NONE, seed
