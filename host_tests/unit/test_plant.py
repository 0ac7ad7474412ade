"""The modelled device against an independent solution, and against common sense.

The reference has no closed form in it: the isentropic orifice of the textbooks,
and the pressure at the handpiece found by bisection.
"""

import itertools
import math
import random
from collections.abc import Iterator

import pytest

from emery.simulator.noise import Noise
from emery.simulator.plant import PARAMETERS, Plant

R = 287.05
TEMPERATURE = 293.15
GAMMA = 1.4
CRITICAL = (2 / (GAMMA + 1)) ** (GAMMA / (GAMMA - 1))
TICK_S = 0.005

LINE_LINEAR = 3.0e6
LINE_SQUARE = 2.0e9

DEFAULTS = {row[0]: row[4] for row in PARAMETERS}
SEALED_LEAK = DEFAULTS["seal_leak"]


class Silence:
    """No noise: the seal's leak stands still."""

    def gauss(self) -> float:
        return 0.0


def plant_of(**parameters: float) -> Plant:
    return Plant(parameters, Silence(), TICK_S)


def run(
    plant: Plant, s: float, pump: int = 0, vent_closed: int = 1, feed: int = 0
) -> list[float]:
    """Run for a while; the vacuum at the skin after each tick."""
    skin = []
    for _ in range(round(s / TICK_S)):
        plant.run(pump, feed, vent_closed)
        skin.append(plant.skin_pa)
    return skin


def sealed(pump: int = 1000, s: float = 8.0, /, **parameters: float) -> float:
    """Vacuum at the skin after this long with the tip sealed."""
    plant = plant_of(**parameters)
    plant.on_skin = 1
    return run(plant, s, pump)[-1]


# The reference -----------------------------------------------------------------------


def orifice(cd_area: float, up: float, down: float) -> float:
    """Isentropic mass flow in kg/s between two absolute pressures."""
    if down >= up:
        return 0.0
    ratio = max(down / up, CRITICAL)
    head = ratio ** (2 / GAMMA) - ratio ** ((GAMMA + 1) / GAMMA)
    return cd_area * up * math.sqrt(2 * GAMMA / ((GAMMA - 1) * R * TEMPERATURE) * head)


def area(diameter: float) -> float:
    return math.pi * diameter**2 / 4


class Reference:
    """The same device, solved slowly."""

    def __init__(self, **parameters: float) -> None:
        self.of = DEFAULTS | parameters
        self.pressure = self.of["atmosphere_pa"]
        self.speed = 0.0
        self.vent = 1.0
        self.skin_pa = 0.0

    def handpiece(self, cd_area: float) -> tuple[float, float]:
        """Flow and absolute pressure at the handpiece."""
        air = self.of["atmosphere_pa"]
        low, high = self.pressure, air
        flow = 0.0
        for _ in range(24):
            middle = (low + high) / 2
            flow = orifice(cd_area, air, middle)
            loss = (LINE_LINEAR * flow + LINE_SQUARE * flow**2) * self.of["filter_load"]
            if middle - self.pressure > loss:
                high = middle
            else:
                low = middle
        return flow, (low + high) / 2

    def run(self, pump: int, vent_closed: int, on_skin: int) -> float:
        """One tick of 1 ms steps; the vacuum at the skin at its end."""
        of = self.of
        air = of["atmosphere_pa"]
        open_share = of["seal_leak"] if on_skin else 1.0
        cd_area = 0.8 * area(of["nozzle_m"]) * of["nozzle_open"]
        cd_area += 0.7 * area(of["tip_m"]) * open_share
        drive = max(0.0, (pump / 1000 - of["pump_dead_band"]) / (1 - of["pump_dead_band"]))
        for _ in range(round(TICK_S / 0.001)):
            self.speed += 0.001 / of["pump_lag_s"] * (drive - self.speed)
            self.vent += 0.001 / of["vent_lag_s"] * ((0 if vent_closed else 1) - self.vent)
            flow, handpiece = self.handpiece(cd_area)
            mass_in = flow + orifice(0.7 * area(of["vent_m"]) * self.vent, air, self.pressure)
            vacuum = air - self.pressure
            rest = max(0.0, 1 - vacuum / (of["pump_ultimate"] * air))
            free = of["pump_free_flow_m3_s"] * air / (R * TEMPERATURE)
            mass_out = self.speed * free * of["pump_wear"] * of["supply"] * rest
            self.pressure += 0.001 * R * TEMPERATURE / of["volume_m3"] * (mass_in - mass_out)
            self.pressure = min(self.pressure, air)
            self.skin_pa = air - handpiece
        return self.skin_pa


def some_plants(count: int) -> Iterator[tuple[random.Random, dict[str, float]]]:
    """Plants that differ in everything, from seeds that never change."""
    for seed in range(count):
        chance = random.Random(seed)
        yield chance, {
            "atmosphere_pa": chance.uniform(65e3, 107e3),
            "pump_free_flow_m3_s": chance.uniform(2e-4, 6e-4),
            "pump_ultimate": chance.uniform(0.65, 0.9),
            "pump_lag_s": chance.uniform(0.05, 0.4),
            "pump_dead_band": chance.uniform(0.05, 0.25),
            "pump_wear": chance.uniform(0.6, 1.0),
            "supply": chance.uniform(0.8, 1.1),
            "volume_m3": chance.uniform(0.2e-3, 1.2e-3),
            "nozzle_m": chance.uniform(0.8e-3, 1.5e-3),
            "nozzle_open": chance.choice((0.0, 0.5, 1.0, 1.0)),
            "tip_m": chance.uniform(4e-3, 6e-3),
            "seal_leak": chance.uniform(0.002, 0.05),
            "filter_load": chance.uniform(1.0, 6.0),
            "vent_m": chance.uniform(3e-3, 5e-3),
            "vent_lag_s": chance.uniform(0.01, 0.05),
        }


def compare(plants: int, s: float) -> None:
    """At every tick within 2 % of the highest vacuum of the run."""
    for chance, parameters in some_plants(plants):
        plant = plant_of(**parameters)
        reference = Reference(**parameters)
        pump, vent_closed, on_skin = 1000, 1, 1
        worst_pa = highest_pa = 0.0
        for tick in range(round(s / TICK_S)):
            if tick % 300 == 299:
                pump = chance.choice((0, 300, 600, 1000))
                vent_closed = chance.choice((1, 1, 1, 0))
                on_skin = chance.choice((0, 1, 1))
            plant.on_skin = on_skin
            plant.run(pump, 0, vent_closed)
            expected_pa = reference.run(pump, vent_closed, on_skin)
            highest_pa = max(highest_pa, expected_pa)
            worst_pa = max(worst_pa, abs(plant.skin_pa - expected_pa))
        assert highest_pa > 3_000
        assert worst_pa < 0.02 * highest_pa, parameters


def test_the_closed_form_agrees_with_the_reference() -> None:
    compare(10, 6.0)


@pytest.mark.long
def test_the_closed_form_agrees_with_the_reference_for_many_plants() -> None:
    compare(60, 12.0)


def test_a_clogged_runaway_agrees_with_the_reference() -> None:
    # The worst case of all, and the one that a trip is timed by.
    parameters = {"nozzle_open": 0.0, "seal_leak": 0.002, "volume_m3": 0.3e-3}
    plant = plant_of(**parameters)
    plant.on_skin = 1
    reference = Reference(**parameters)
    for tick in range(600):
        pump, vent_closed = (1000, 1) if tick < 300 else (0, 0)
        plant.run(pump, 0, vent_closed)
        assert plant.skin_pa == pytest.approx(reference.run(pump, vent_closed, 1), abs=400)
        if tick == 299:
            assert plant.skin_pa > 60_000


# Common sense ----------------------------------------------------------------------------


def test_the_reference_device_reaches_what_it_was_sized_for() -> None:
    assert sealed() == pytest.approx(46_600, abs=1_500)
    plant = plant_of()
    assert run(plant, 5.0, 1000)[-1] == pytest.approx(650, abs=150)  # the tip in the air


def test_at_rest_there_is_no_vacuum() -> None:
    plant = plant_of()
    assert set(run(plant, 1.0, 0, 0)) == {0.0}
    assert run(plant, 1.0, 100)[-1] == 0.0  # within the dead-band


@pytest.mark.parametrize("altitude_pa", [61_000.0, 80_000.0, 101_325.0])
@pytest.mark.parametrize("ultimate", [0.6, 0.84])
def test_the_vacuum_never_passes_what_the_pump_can_do(altitude_pa: float, ultimate: float) -> None:
    plant = plant_of(
        atmosphere_pa=altitude_pa, pump_ultimate=ultimate, nozzle_open=0.0, seal_leak=0.0,
        pump_free_flow_m3_s=1e-3, volume_m3=1e-4,
    )
    plant.on_skin = 1
    highest = max(run(plant, 20.0, 1000))
    assert highest <= ultimate * altitude_pa * 1.0001
    assert highest > 0.95 * ultimate * altitude_pa


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("pump_free_flow_m3_s", 3e-4, 6e-4),
        ("pump_wear", 0.5, 1.0),
        ("supply", 0.7, 1.1),
        ("atmosphere_pa", 65_000.0, 105_000.0),
        ("pump_ultimate", 0.6, 0.85),
    ],
)
def test_more_pump_or_more_air_is_more_vacuum(name: str, low: float, high: float) -> None:
    steps = [low + (high - low) * part / 4 for part in range(5)]
    reached = [sealed(**{name: value}) for value in steps]
    assert reached == sorted(reached)
    assert reached[-1] > reached[0] * 1.1


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("nozzle_open", 0.0, 1.0),
        ("nozzle_m", 0.8e-3, 1.6e-3),
        ("seal_leak", 0.0, 0.1),
        ("filter_load", 1.0, 8.0),
        ("pump_dead_band", 0.0, 0.3),
    ],
)
def test_more_leak_or_more_loss_is_less_vacuum(name: str, low: float, high: float) -> None:
    steps = [low + (high - low) * part / 4 for part in range(5)]
    reached = [sealed(600, **{name: value}) for value in steps]
    assert reached == sorted(reached, reverse=True)
    assert reached[0] > reached[-1] * 1.02


def test_more_drive_is_more_vacuum_at_every_moment() -> None:
    runs = []
    for pump in (0, 200, 400, 600, 800, 1000):
        plant = plant_of()
        plant.on_skin = 1
        runs.append(run(plant, 3.0, pump))
    for lower, higher in itertools.pairwise(runs):
        assert all(a <= b + 1e-6 for a, b in zip(lower, higher, strict=True))


def test_a_larger_volume_is_slower_and_reaches_the_same() -> None:
    small, large = plant_of(volume_m3=0.3e-3), plant_of(volume_m3=1.2e-3)
    small.on_skin = large.on_skin = 1
    early = run(small, 0.3, 1000)[-1], run(large, 0.3, 1000)[-1]
    late = run(small, 20.0, 1000)[-1], run(large, 20.0, 1000)[-1]
    assert early[0] > 2 * early[1]
    assert late[0] == pytest.approx(late[1], rel=0.01)


@pytest.mark.parametrize(("pump", "within_s", "to_pa"), [(0, 0.35, 5_000), (1000, 1.0, 4_000)])
def test_the_vent_lets_go_even_of_a_pump_that_is_stuck(
    pump: int, within_s: float, to_pa: float
) -> None:
    plant = plant_of(nozzle_open=0.0)
    plant.on_skin = 1
    while plant.skin_pa < 50_000:
        plant.run(1000, 0, 1)
    falling = run(plant, within_s, pump, 0)
    assert falling[-1] < to_pa
    late = falling[len(falling) // 4 :]
    assert late == sorted(late, reverse=True)


def test_the_peak_is_the_highest_within_the_tick() -> None:
    plant = plant_of(nozzle_open=0.0, volume_m3=1e-4, vent_lag_s=0.002)
    plant.on_skin = 1
    run(plant, 0.5, 1000)
    before = plant.skin_pa
    plant.run(1000, 0, 0)
    assert plant.skin_peak_pa >= max(plant.skin_pa, before * 0.99)
    for _ in range(50):
        plant.run(1000, 0, 1)
        assert plant.skin_peak_pa >= plant.skin_pa


def crystals(plant: Plant, s: float, feed: int = 500, on_skin: int = 1) -> list[float]:
    found = []
    plant.on_skin = on_skin
    for _ in range(round(s / TICK_S)):
        plant.run(700, feed, 1)
        found.append(plant.crystals_mg_min)
    return found


def test_crystals_come_late_and_then_as_the_valve_says() -> None:
    plant = plant_of()
    crystals(plant, 3.0, feed=0)
    flow = crystals(plant, 3.0)
    delay_ticks = round(DEFAULTS["feed_delay_s"] / TICK_S)
    assert max(flow[: delay_ticks - 1]) == 0.0
    assert flow[delay_ticks + 2] > 0.0
    assert flow[-1] == pytest.approx(10_000, rel=0.01)
    assert flow == sorted(flow)
    after = crystals(plant, 3.0, feed=0)
    falling = after[delay_ticks + 2 :]
    assert falling == sorted(falling, reverse=True)
    assert after[-1] == 0.0


def test_an_open_tip_carries_no_crystals() -> None:
    plant = plant_of()
    crystals(plant, 2.0)
    run(plant, 1.0, 0, 0)
    assert max(crystals(plant, 3.0, on_skin=0)) == 0.0


def test_crystals_take_room_from_the_air() -> None:
    with_crystals, without = plant_of(), plant_of()
    crystals(with_crystals, 4.0, feed=1000)
    crystals(without, 4.0, feed=0)
    assert with_crystals.skin_pa > without.skin_pa * 1.02


def test_a_longer_hose_can_be_put_in_at_any_time() -> None:
    plant = plant_of()
    crystals(plant, 2.0)
    plant.set("feed_delay_s", 0.5)
    flow = crystals(plant, 2.0)
    assert flow[0] == 0.0
    assert flow[99 - 1] == 0.0
    assert flow[-1] > 9_000


def test_the_leak_of_the_seal_wanders_while_the_tip_is_on() -> None:
    def spread(noise: object) -> float:
        plant = Plant({}, noise, TICK_S)
        plant.on_skin = 1
        run(plant, 20.0, 700)
        skin = run(plant, 4.0, 700)
        return max(skin) - min(skin)

    assert spread(Silence()) < 100
    assert 200 < spread(Noise(1)) < 8_000


def test_the_same_seed_gives_the_same_device() -> None:
    one, two = Plant({}, Noise(3), TICK_S), Plant({}, Noise(3), TICK_S)
    one.on_skin = two.on_skin = 1
    assert run(one, 2.0, 700) == run(two, 2.0, 700)


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: row[0])
def test_every_parameter_has_a_range_a_default_and_a_word(
    row: tuple[str, str, float, float, float, str]
) -> None:
    name, _unit, low, high, default, meaning = row
    assert low <= default <= high
    assert meaning
    plant = plant_of()
    assert getattr(plant, name) == default
    plant.set(name, low)
    assert getattr(plant, name) == low
    # The ends of every range can be simulated.
    for value in (low, high):
        extreme = plant_of(**{name: value})
        extreme.on_skin = 1
        assert all(0.0 <= skin <= 101_325 for skin in run(extreme, 2.0, 1000, feed=1000))


def test_a_parameter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyError):
        plant_of().set("volumen_m3", 1.0)
    with pytest.raises(AttributeError):
        _ = plant_of().volumen_m3
