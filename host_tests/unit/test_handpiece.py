"""What the handpiece does is told from vacuum and drive, on plants nobody tuned for."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emery.bench import handpiece as episodes
from emery.bench.handpiece import Rig
from emery.bench.regulation import settings_for
from emery.simulator.noise import Noise
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_SKIN, Plant
from firmware import faults, handpiece, limits, treatment
from firmware.handpiece import CLOGGED, CONDITIONS, DEAD_HEAD, LEAKING, OPEN_TIP, SEALED
from host_tests.bench import Bench

TICK_S = 0.005
PLANTS = {
    "clean": {},
    "small": {"volume_m3": 0.2e-3},
    "large, high, worn": {"volume_m3": 1.2e-3, "atmosphere_pa": 84_500.0, "pump_wear": 0.85},
    "loaded filter": {"filter_load": 3.0},
}
TROUBLES = {
    SEALED: {},
    LEAKING: {"seal_leak": 0.13},
    CLOGGED: {"nozzle_open": 0.2},
    DEAD_HEAD: {"nozzle_open": 0.0, "seal_leak": 0.0005},
}


@pytest.mark.parametrize("parameters", PLANTS.values(), ids=PLANTS)
@pytest.mark.parametrize("condition", TROUBLES, ids=lambda place: CONDITIONS[place])
def test_a_trouble_in_mid_stroke_is_told_after_the_proof(
    condition: int, parameters: dict[str, float]
) -> None:
    rig = Rig(settings_for("rp2040"), 5)
    plant = Plant(parameters, Noise(6), TICK_S)
    assert rig.prove(plant) == faults.NONE
    for _ in range(100):
        rig.rest(plant)
    plant.tip = TIP_ON_SKIN
    for _ in range(300):
        rig.run(plant, 20_000, 8_000)
    assert rig.handpiece.condition == SEALED
    for name, value in TROUBLES[condition].items():
        plant.set(name, value)
    for _ in range(500):
        rig.run(plant, 20_000, 8_000)
    assert rig.handpiece.condition == condition
    assert bool(rig.valve_permille) == (condition == SEALED) or condition == LEAKING
    plant.tip = TIP_IN_AIR
    for _ in range(60):
        rig.run(plant, 20_000, 8_000)
    assert rig.handpiece.condition == OPEN_TIP


def test_nearly_all_drawn_episodes_are_told_right() -> None:
    found = episodes.episodes(77, 100)
    assert len(found) == 100
    assert sum(episode.told == episode.condition for episode in found) >= 95


def test_crystals_are_shut_soon_after_a_lift() -> None:
    for level in (1, 5, 10):
        shut_ms, _ = episodes.run_lift({"volume_m3": 1.2e-3}, level, 10_000, level)
        assert shut_ms <= 50


@given(seed=st.integers(0, 1 << 30))
@settings(max_examples=30, deadline=None)
def test_no_input_makes_a_number_too_large(seed: int) -> None:
    chance = random.Random(seed)
    part = handpiece.Handpiece(settings_for("rp2040"))
    for _ in range(300):
        part.step(
            chance.randint(0, 1_000), chance.randint(0, limits.FLOW_MG_MIN),
            chance.choice(limits.LEVEL_VACUUM_PA), chance.randint(-20_000, 110_000),
            int(chance.random() < 0.95), chance.randint(20 << 4, 400 << 4),
            chance.randint(1, 50),
        )
        assert part.condition in range(len(CONDITIONS))
        assert all(abs(getattr(part, name)) < 1 << 28 for name in part.STATE)


def blocked() -> Bench:
    """A device whose vacuum stands although the pump has been told to rest."""
    bench = Bench()
    bench.to_skin()
    bench.vacuum_pa = bench.controller.treatment.set_pa + 1_500
    return bench


def test_a_blocked_handpiece_shuts_the_crystals_warns_and_ends_suction() -> None:
    bench = blocked()
    part = bench.controller.handpiece
    bench.run_until(lambda: part.blocked_ms > 0, 2_000)
    assert bench.board.feed_permille == 0
    assert bench.controller.treatment.warning in (
        faults.NOZZLE_CLOG_LIKELY, faults.LINE_BLOCKED
    )
    waited_ms = bench.run_until(lambda: bench.state == "PAUSED", 3_000)
    assert waited_ms <= limits.BLOCKED_STOP_MS + 10
    assert bench.reason == treatment.REASONS[treatment.WHY_BLOCKED]
    assert bench.board.is_safe()


def test_a_pump_that_gives_all_it_has_for_too_little_is_told() -> None:
    bench = Bench()
    bench.to_skin()
    bench.controller.treatment._plan.available_level = 10
    bench.vacuum_pa = bench.controller.treatment.set_pa - 5_000
    part = bench.controller.handpiece
    bench.run_until(lambda: part.low_ms >= limits.VACUUM_LOW_MS, 6_000)
    told = {faults.VACUUM_LOW, faults.SEAL_LEAKING}
    assert bench.controller.treatment.warning in told
