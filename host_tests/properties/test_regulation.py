"""The regulator on plants that nobody tuned it for.

Drawn freely within what a device may be; the bench (`emery.bench.regulation`)
measures the same on fixed samples.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emery.bench.references import Silence
from emery.bench.regulation import Emery, air_pressure_pa, run_case
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_SKIN, Plant
from firmware.settings import soft_margin_pa
from host_tests.bench import bench_settings

SET_PA = st.integers(10_000, 40_000)
# What one reference device may be: other canisters, filters, sites and tips.
PLANTS = st.fixed_dictionaries(
    {
        "volume_m3": st.floats(0.2e-3, 1.2e-3),
        "filter_load": st.floats(1.0, 4.0),
        "seal_leak": st.floats(0.002, 0.03),
        "pump_wear": st.floats(0.8, 1.0),
        "atmosphere_pa": st.floats(0.0, 2_000.0).map(air_pressure_pa),
    }
)
# And pumps that are not what the settings say.
OTHER_PUMPS = st.fixed_dictionaries(
    {
        "pump_lag_s": st.floats(0.1, 0.25),
        "pump_dead_band": st.floats(0.05, 0.2),
        "pump_wear": st.floats(0.6, 1.0),
    }
)


class Course:
    """Emery on a plant, a stretch at a time."""

    def __init__(self, parameters: dict[str, float], seed: int = 1) -> None:
        self.controller = Emery(bench_settings(), "rp2040", seed)
        self.regulator = self.controller.regulator
        self.plant = Plant(parameters, Silence(), self.controller.tick_ms * 0.001)
        self.drives: list[int] = []

    def run(self, ms: int, set_pa: int, on_skin: bool = True) -> list[float]:
        """The true vacuum at the skin, tick by tick."""
        self.plant.tip = TIP_ON_SKIN if on_skin else TIP_IN_AIR
        found = []
        for _ in range(ms // self.controller.tick_ms):
            drive = self.controller.drive(set_pa, self.plant.skin_pa)
            assert 0 <= drive <= 1000
            self.drives.append(drive)
            self.plant.run(drive, 0, 1)
            found.append(self.plant.skin_pa)
        return found


def reachable_pa(parameters: dict[str, float], seconds: float = 20.0) -> float:
    """What full drive comes to on skin."""
    plant = Plant(parameters, Silence(), 0.02)
    plant.tip = TIP_ON_SKIN
    for _ in range(int(seconds / 0.02)):
        plant.run(1000, 0, 1)
    return float(plant.skin_pa)


@settings(max_examples=15)
@given(PLANTS, SET_PA, st.integers(1, 10**6))
def test_every_plant_is_brought_to_the_set_vacuum(
    parameters: dict[str, float], set_pa: int, seed: int
) -> None:
    most_pa = reachable_pa(parameters)
    set_pa = int(min(set_pa, most_pa - 500))
    course = Course(parameters, seed)
    peak_pa = max(course.run(10_000, set_pa))
    last = course.run(2_000, set_pa)
    assert peak_pa <= set_pa + 1_000
    assert abs(sum(last) / len(last) - set_pa) <= 300
    assert max(last) - min(last) <= 300
    course.run(3_000, set_pa, on_skin=False)
    assert max(course.run(6_000, set_pa)) <= set_pa + 1_200


@settings(max_examples=15)
@given(PLANTS, OTHER_PUMPS, SET_PA)
def test_a_pump_unlike_the_settings_stays_under_the_soft_margin(
    plant: dict[str, float], pump: dict[str, float], set_pa: int
) -> None:
    course = Course(plant | pump)
    set_pa = int(min(set_pa, reachable_pa(plant | pump) - 1_000))
    limit_pa = set_pa + soft_margin_pa(bench_settings(), set_pa)
    contact = course.run(10_000, set_pa)
    assert max(contact) < limit_pa
    last = contact[-400:]
    assert max(last) - min(last) <= 500  # no oscillation
    course.run(1_000, set_pa, on_skin=False)
    assert max(course.run(2_000, set_pa)) < limit_pa


@settings(max_examples=15)
@given(PLANTS, SET_PA, st.integers(0, 1_000))
def test_a_tip_that_seals_late_is_not_slammed(
    parameters: dict[str, float], set_pa: int, open_ms: int
) -> None:
    # Suction begins in the air, and the pump is at full drive for a moment.
    course = Course(parameters)
    course.run(open_ms, set_pa, on_skin=False)
    assert max(course.run(3_000, set_pa)) <= set_pa + 1_500


@settings(max_examples=15)
@given(PLANTS, st.lists(SET_PA, min_size=2, max_size=4))
def test_another_set_vacuum_in_mid_contact_is_followed(
    parameters: dict[str, float], sets_pa: list[int]
) -> None:
    most_pa = reachable_pa(parameters)
    course = Course(parameters)
    for wanted_pa in sets_pa:
        set_pa = int(min(wanted_pa, most_pa - 1_000))
        came_from_pa = course.plant.skin_pa
        found = course.run(10_000, set_pa)
        assert max(found) <= max(came_from_pa, set_pa + 1_000) + 100
        last = found[-200:]
        assert abs(sum(last) / len(last) - set_pa) <= 300


@settings(max_examples=15)
@given(st.integers(17_000, 40_000), st.floats(0.03, 0.06))
def test_a_seal_that_gets_better_is_not_slammed(set_pa: int, leak: float) -> None:
    # Out of reach for a while; nothing may wind up.
    course = Course({"seal_leak": leak})
    course.run(8_000, set_pa)
    course.plant.set("seal_leak", 0.005)
    limit_pa = set_pa + soft_margin_pa(bench_settings(), set_pa)
    assert max(course.run(3_000, set_pa)) < limit_pa


@pytest.mark.parametrize("tip_m", [4e-3, 5e-3, 6e-3])
def test_in_the_air_the_pump_only_searches(tip_m: float) -> None:
    for set_pa in (10_000, 40_000):
        for volume_m3 in (0.2e-3, 0.65e-3, 1.2e-3):
            course = Course({"tip_m": tip_m, "volume_m3": volume_m3})
            course.run(400, set_pa, on_skin=False)
            course.drives.clear()
            course.run(2_000, set_pa, on_skin=False)
            assert max(course.drives) <= 800
            assert course.controller.contact.on_skin == 0


def test_a_case_of_the_bench_is_what_it_says() -> None:
    figures = run_case(Emery(bench_settings(), "rp2040", 3), {}, 24_000)
    assert 0.5 < figures.settle_s < 0.8
    assert 0 <= figures.overshoot_pa < 1_000


@pytest.mark.long
def test_ninety_minutes_change_nothing() -> None:
    course = Course({})
    course.run(4_000, 30_000)
    early: Any = course.run(2_000, 30_000)
    for _ in range(90):
        course.run(60_000, 30_000)
    late = course.run(2_000, 30_000)
    assert sum(late) == pytest.approx(sum(early), rel=0.005)
    assert max(late) - min(late) <= 300
