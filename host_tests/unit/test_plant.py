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
from emery.simulator.plant import (
    PARAMETERS,
    TIP_HOVERING,
    TIP_IN_AIR,
    TIP_ON_CAP,
    TIP_ON_SKIN,
    Plant,
)

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
    plant.tip = TIP_ON_SKIN
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
        self.tip = TIP_IN_AIR
        self.settling_s = 0.0
        self.loss = self.of["filter_load"] + 5.0 * self.of["canister_fill"]
        self.volume = self.of["volume_m3"] * (1 - 0.6 * self.of["canister_fill"])

    def handpiece(self, cd_area: float) -> tuple[float, float]:
        """Flow and absolute pressure at the handpiece."""
        air = self.of["atmosphere_pa"]
        low, high = self.pressure, air
        flow = 0.0
        for _ in range(24):
            middle = (low + high) / 2
            flow = orifice(cd_area, air, middle)
            loss = (LINE_LINEAR * flow + LINE_SQUARE * flow**2) * self.loss
            if middle - self.pressure > loss:
                high = middle
            else:
                low = middle
        return flow, (low + high) / 2

    def open_share(self, tip: int) -> float:
        """Share of the tip's area that is open, in this tick."""
        if tip != self.tip:
            self.tip = tip
            self.settling_s = self.of["touch_s"] if tip in (TIP_ON_SKIN, TIP_ON_CAP) else 0.0
        share = {
            TIP_IN_AIR: 1.0,
            TIP_ON_SKIN: self.of["seal_leak"],
            TIP_ON_CAP: self.of["cap_leak"],
            TIP_HOVERING: self.of["hover_leak"],
        }[tip]
        if self.settling_s > 0:
            share += self.of["touch_leak"] * self.settling_s / self.of["touch_s"]
            self.settling_s -= TICK_S
        return min(share, 1.0)

    def run(self, pump: int, vent_closed: int, tip: int) -> float:
        """One tick of 1 ms steps; the vacuum at the skin at its end."""
        of = self.of
        air = of["atmosphere_pa"]
        nozzle = of["nozzle_open"] * (of["cap_nozzle"] if tip == TIP_ON_CAP else 1.0)
        cd_area = 0.8 * area(of["nozzle_m"]) * nozzle
        cd_area += 0.7 * area(of["tip_m"]) * self.open_share(tip)
        leak_area = 0.7 * (area(of["vent_m"]) * of["vent_leak"] + area(6e-3) * of["hose_leak"])
        drive = (pump / 1000 - of["pump_dead_band"]) / (1 - of["pump_dead_band"])
        drive = max(of["pump_welded"], drive)
        for _ in range(round(TICK_S / 0.001)):
            self.speed += 0.001 / of["pump_lag_s"] * (drive - self.speed)
            self.vent += 0.001 / of["vent_lag_s"] * ((0 if vent_closed else 1) - self.vent)
            flow, handpiece = self.handpiece(cd_area)
            vent_area = 0.7 * area(of["vent_m"]) * of["vent_open"] * self.vent + leak_area
            mass_in = flow + orifice(vent_area, air, self.pressure)
            vacuum = air - self.pressure
            rest = max(0.0, 1 - vacuum / (of["pump_ultimate"] * air))
            free = of["pump_free_flow_m3_s"] * air / (R * TEMPERATURE)
            mass_out = self.speed * free * of["pump_wear"] * of["supply"] * rest
            self.pressure += 0.001 * R * TEMPERATURE / self.volume * (mass_in - mass_out)
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
            "touch_leak": chance.uniform(0.0, 0.5),
            "touch_s": chance.uniform(0.01, 0.2),
        }


def faulty(chance: random.Random, parameters: dict[str, float]) -> dict[str, float]:
    """The same plant with several things wrong with it."""
    return parameters | {
        "pump_welded": chance.choice((0.0, 0.3)),
        "canister_fill": chance.uniform(0.0, 1.0),
        "hose_leak": chance.choice((0.0, 0.02)),
        "hover_leak": chance.uniform(0.1, 0.5),
        "cap_leak": chance.uniform(0.0, 0.02),
        "cap_nozzle": chance.choice((0.0, 1.0)),
        "vent_open": chance.uniform(0.2, 1.0),
        "vent_leak": chance.choice((0.0, 0.02)),
    }


def compare(plants: int, s: float, *, with_faults: bool = False) -> None:
    """At every tick within 2 % of the highest vacuum of the run."""
    for chance, well in some_plants(plants):
        parameters = faulty(chance, well) if with_faults else well
        plant = plant_of(**parameters)
        reference = Reference(**parameters)
        pump, vent_closed, tip = 1000, 1, TIP_ON_SKIN
        worst_pa = highest_pa = 0.0
        for tick in range(round(s / TICK_S)):
            if tick % 300 == 299:
                pump = chance.choice((0, 300, 600, 1000))
                vent_closed = chance.choice((1, 1, 1, 0))
                tip = chance.choice(
                    (TIP_IN_AIR, TIP_ON_SKIN, TIP_ON_CAP, TIP_HOVERING)
                    if with_faults
                    else (TIP_IN_AIR, TIP_ON_SKIN, TIP_ON_SKIN)
                )
            plant.tip = tip
            plant.run(pump, 0, vent_closed)
            expected_pa = reference.run(pump, vent_closed, tip)
            highest_pa = max(highest_pa, expected_pa)
            worst_pa = max(worst_pa, abs(plant.skin_pa - expected_pa))
        assert highest_pa > 3_000
        assert worst_pa < 0.02 * highest_pa, parameters


def test_the_closed_form_agrees_with_the_reference() -> None:
    compare(10, 6.0)


def test_it_does_so_with_anything_wrong_and_the_tip_anywhere() -> None:
    compare(10, 6.0, with_faults=True)


@pytest.mark.long
@pytest.mark.parametrize("with_faults", [False, True])
def test_the_closed_form_agrees_with_the_reference_for_many_plants(with_faults: bool) -> None:
    compare(60, 12.0, with_faults=with_faults)


def test_a_clogged_runaway_agrees_with_the_reference() -> None:
    # The worst case of all, and the one that a trip is timed by.
    parameters = {"nozzle_open": 0.0, "seal_leak": 0.002, "volume_m3": 0.3e-3}
    plant = plant_of(**parameters)
    plant.tip = TIP_ON_SKIN
    reference = Reference(**parameters)
    for tick in range(600):
        pump, vent_closed = (1000, 1) if tick < 300 else (0, 0)
        plant.run(pump, 0, vent_closed)
        expected_pa = reference.run(pump, vent_closed, TIP_ON_SKIN)
        assert plant.skin_pa == pytest.approx(expected_pa, abs=400)
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
    plant.tip = TIP_ON_SKIN
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
        plant.tip = TIP_ON_SKIN
        runs.append(run(plant, 3.0, pump))
    for lower, higher in itertools.pairwise(runs):
        assert all(a <= b + 1e-6 for a, b in zip(lower, higher, strict=True))


def test_a_larger_volume_is_slower_and_reaches_the_same() -> None:
    small, large = plant_of(volume_m3=0.3e-3), plant_of(volume_m3=1.2e-3)
    small.tip = large.tip = TIP_ON_SKIN
    early = run(small, 0.3, 1000)[-1], run(large, 0.3, 1000)[-1]
    late = run(small, 20.0, 1000)[-1], run(large, 20.0, 1000)[-1]
    assert early[0] > 2 * early[1]
    assert late[0] == pytest.approx(late[1], rel=0.01)


@pytest.mark.parametrize(("pump", "within_s", "to_pa"), [(0, 0.35, 5_000), (1000, 1.0, 4_000)])
def test_the_vent_lets_go_even_of_a_pump_that_is_stuck(
    pump: int, within_s: float, to_pa: float
) -> None:
    plant = plant_of(nozzle_open=0.0)
    plant.tip = TIP_ON_SKIN
    while plant.skin_pa < 50_000:
        plant.run(1000, 0, 1)
    falling = run(plant, within_s, pump, 0)
    assert falling[-1] < to_pa
    late = falling[len(falling) // 4 :]
    assert late == sorted(late, reverse=True)


def test_the_peak_is_the_highest_within_the_tick() -> None:
    plant = plant_of(nozzle_open=0.0, volume_m3=1e-4, vent_lag_s=0.002)
    plant.tip = TIP_ON_SKIN
    run(plant, 0.5, 1000)
    before = plant.skin_pa
    plant.run(1000, 0, 0)
    assert plant.skin_peak_pa >= max(plant.skin_pa, before * 0.99)
    for _ in range(50):
        plant.run(1000, 0, 1)
        assert plant.skin_peak_pa >= plant.skin_pa


def crystals(plant: Plant, s: float, feed: int = 500, on_skin: int = 1) -> list[float]:
    found = []
    plant.tip = TIP_ON_SKIN if on_skin else TIP_IN_AIR
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
        plant.tip = TIP_ON_SKIN
        run(plant, 20.0, 700)
        skin = run(plant, 4.0, 700)
        return max(skin) - min(skin)

    assert spread(Silence()) < 100
    assert 200 < spread(Noise(1)) < 8_000


def test_the_same_seed_gives_the_same_device() -> None:
    one, two = Plant({}, Noise(3), TICK_S), Plant({}, Noise(3), TICK_S)
    one.tip = two.tip = TIP_ON_SKIN
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
        extreme.tip = TIP_ON_SKIN
        assert all(0.0 <= skin <= 101_325 for skin in run(extreme, 2.0, 1000, feed=1000))


def test_a_parameter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyError):
        plant_of().set("volumen_m3", 1.0)
    with pytest.raises(AttributeError):
        _ = plant_of().volumen_m3


# What may be wrong with it ---------------------------------------------------------------


def held(pump: int = 1000, s: float = 3.0, /, **parameters: float) -> Plant:
    """A plant after this long at full drive with the tip sealed."""
    plant = plant_of(**parameters)
    plant.tip = TIP_ON_SKIN
    run(plant, s, pump)
    return plant


def released(plant: Plant, s: float = 0.4) -> float:
    """What is left of the vacuum this long after pump and vent were let go."""
    return run(plant, s, 0, 0)[-1]


def test_a_vent_lets_go_by_as_much_as_it_opens() -> None:
    left = []
    for share in (1.0, 0.5, 0.2, 0.05, 0.0):
        plant = held()
        plant.set("vent_open", share)
        left.append(released(plant))
    assert left == sorted(left)
    assert left[0] < 500
    assert left[-1] > 25_000


def test_a_sticky_vent_lets_go_late() -> None:
    clogged = {"nozzle_open": 0.0, "seal_leak": 0.002}
    well, sticky = held(1000, 1.0, **clogged), held(1000, 1.0, **clogged)
    sticky.set("vent_lag_s", 5.0)
    assert released(well) < 500
    assert released(sticky) > 10_000
    assert released(sticky, 5.0) < 500


def test_a_vent_that_leaks_costs_vacuum() -> None:
    reached = [held(1000, 6.0, vent_leak=share).skin_pa for share in (0.0, 0.02, 0.1, 1.0)]
    assert reached == sorted(reached, reverse=True)
    assert reached[-1] < 4_000


def test_a_welded_pump_runs_on_without_a_drive() -> None:
    plant = plant_of(pump_welded=1.0)
    plant.tip = TIP_ON_SKIN
    assert run(plant, 6.0, 0, 1)[-1] > 40_000
    assert run(plant, 1.0, 0, 0)[-1] < 4_000  # the vent still lets go
    # It may weld in the middle of a stroke.
    plant = held(500)
    plant.set("pump_welded", 1.0)
    assert run(plant, 6.0, 0, 1)[-1] > 40_000


def test_a_stalled_pump_pulls_nothing() -> None:
    plant = held()
    plant.set("pump_wear", 0.0)
    assert run(plant, 20.0, 1000)[-1] < 100


def test_a_hose_that_is_off_holds_no_skin() -> None:
    assert held(1000, 6.0, hose_leak=1.0).skin_pa < 500
    reached = [held(1000, 6.0, hose_leak=share).skin_pa for share in (0.0, 0.01, 0.1, 1.0)]
    assert reached == sorted(reached, reverse=True)


def test_a_full_canister_is_faster_and_weaker() -> None:
    empty, full = plant_of(), plant_of(canister_fill=1.0)
    empty.tip = full.tip = TIP_ON_SKIN
    assert run(full, 0.3, 1000)[-1] > run(empty, 0.3, 1000)[-1] * 1.2
    assert run(full, 8.0, 1000)[-1] < run(empty, 8.0, 1000)[-1] * 0.98


def test_a_blocked_filter_leaves_nothing_at_the_skin() -> None:
    assert held(1000, 8.0, filter_load=1000.0).skin_pa < 2_000


@pytest.mark.parametrize("atmosphere_pa", [70_000.0, 101_325.0])
def test_a_capped_tip_shows_the_dead_head_of_the_pump(atmosphere_pa: float) -> None:
    plant = plant_of(atmosphere_pa=atmosphere_pa, cap_nozzle=0.0)
    plant.tip = TIP_ON_CAP
    dead_head = DEFAULTS["pump_ultimate"] * atmosphere_pa
    assert run(plant, 30.0, 1000)[-1] == pytest.approx(dead_head, rel=0.01)
    # With the nozzle left open it is what a perfect seal reaches.
    plant = plant_of(atmosphere_pa=atmosphere_pa)
    plant.tip = TIP_ON_CAP
    open_nozzle = run(plant, 30.0, 1000)[-1]
    assert sealed(1000, 30.0, atmosphere_pa=atmosphere_pa) < open_nozzle < 0.75 * dead_head


def test_a_leaking_cap_shows() -> None:
    for leak, least, most in ((0.0, 30_000, 60_000), (0.5, 0, 5_000)):
        plant = plant_of(cap_leak=leak)
        plant.tip = TIP_ON_CAP
        assert least < run(plant, 10.0, 1000)[-1] < most


def test_close_to_the_skin_is_between_air_and_skin() -> None:
    reached = []
    for tip in (TIP_IN_AIR, TIP_HOVERING, TIP_ON_SKIN):
        plant = plant_of()
        plant.tip = tip
        reached.append(run(plant, 5.0, 1000)[-1])
    assert reached[0] * 2 < reached[1] < reached[2] / 4


@pytest.mark.parametrize("tip", [TIP_ON_SKIN, TIP_ON_CAP])
def test_a_tip_leaks_until_it_has_settled(tip: int) -> None:
    calm, burst = plant_of(touch_leak=0.0), plant_of(touch_leak=1.0, touch_s=0.1)
    for plant in (calm, burst):
        run(plant, 1.0, 700)
        plant.tip = tip
    assert run(burst, 0.1, 700)[-1] < run(calm, 0.1, 700)[-1] / 2
    late = run(burst, 8.0, 700)[-1], run(calm, 8.0, 700)[-1]
    assert late[0] == pytest.approx(late[1], rel=0.01)
    # Only when it is put on, not while it stays.
    assert run(burst, 1.0, 700)[-1] == pytest.approx(run(calm, 1.0, 700)[-1], rel=0.01)


def test_a_valve_that_is_stuck_does_not_obey() -> None:
    shut, leaking = plant_of(feed_open=0.0), plant_of(feed_leak=1.0)
    assert max(crystals(shut, 4.0, feed=1000)) == 0.0
    assert crystals(leaking, 4.0, feed=0)[-1] == pytest.approx(20_000, rel=0.02)


def test_a_clogged_nozzle_lets_no_crystals_through() -> None:
    plant = plant_of()
    crystals(plant, 3.0)
    plant.set("nozzle_open", 0.0)
    assert crystals(plant, 2.0)[-1] == 0.0


def test_a_longer_tick_is_only_more_of_the_same() -> None:
    one, other = held(700, 1.0), held(700, 1.0)
    for ms in (5, 2, 9, 1, 4):
        one.run(300, 0, 1, ms)
    for ms in (1, 4, 9, 2, 5):
        other.run(300, 0, 1, ms)
    assert one.skin_pa == other.skin_pa


def test_nothing_comes_from_nothing() -> None:
    """Whatever fails and whenever: no vacuum below zero nor above the pump's
    ultimate, and no more crystals out than in."""
    rows = [row for row in PARAMETERS if row[0] not in ("atmosphere_pa", "pump_ultimate")]
    ultimate_pa = DEFAULTS["pump_ultimate"] * DEFAULTS["atmosphere_pa"]
    reached, delivered = [], []
    for seed in range(12):
        chance = random.Random(seed)
        plant = Plant({}, Noise(seed), TICK_S)
        for _ in range(50):
            name, _unit, low, high, default, _ = chance.choice(rows)
            plant.set(name, chance.choice((low, high)))
            plant.tip = chance.choice(
                (TIP_IN_AIR, TIP_ON_SKIN, TIP_ON_SKIN, TIP_ON_CAP, TIP_HOVERING)
            )
            pump, feed = chance.choice((0, 400, 1000)), chance.choice((0, 500, 1000))
            vent_closed = chance.choice((0, 1, 1))
            for _ in range(60):
                plant.run(pump, feed, vent_closed, chance.randint(1, 12))
                assert 0.0 <= plant.skin_pa <= plant.skin_peak_pa * 1.000001
                assert plant.skin_peak_pa <= ultimate_pa * 1.0001
                assert 0.0 <= plant.volume_pa <= ultimate_pa * 1.0001
                assert plant.crystals_mg_min >= 0.0
            assert plant.delivered_mg <= plant.fed_mg * 1.000001
            reached.append(plant.skin_pa)
            if chance.random() < 0.8:
                plant.set(name, default)
        delivered.append(plant.delivered_mg)
    assert max(reached) > 60_000
    assert max(delivered) > 100
