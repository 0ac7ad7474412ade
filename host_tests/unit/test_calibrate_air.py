"""Pump, crystal feed and leaks: the truth is found on modelled devices, what cannot be is
refused, and each leak is looked for where it is."""

from math import sqrt

import pytest

from emery.calibrate import feed, leak, pump
from emery.calibrate.holding import Deed
from emery.calibrate.verdict import Implausible
from emery.service_bench.bench import Step
from firmware import limits
from firmware.settings import Settings
from hal.contract import COMMAND_RUN_CRYSTALS
from host_tests.bench import bench_settings
from host_tests.held_bench import HeldModel, Scripted

ESP32 = {
    "vacuum_a_divider_permille": 474, "vacuum_b_divider_permille": 474, "tick_period_ms": 10,
}  # fmt: skip


def settings_for(adc: str) -> Settings:
    return bench_settings(**(ESP32 if adc == "esp32" else {}))


# Pump -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("adc", "plant"),
    [
        ("rp2040", {}),
        ("rp2040", {"pump_dead_band": 0.19, "pump_lag_s": 0.25}),
        ("rp2040", {"pump_dead_band": 0.05, "pump_lag_s": 0.1, "volume_m3": 1.2e-3}),
        ("rp2040", {"pump_dead_band": 0.27, "atmosphere_pa": 80_000.0, "pump_wear": 0.7}),
        ("esp32", {"pump_dead_band": 0.15}),
    ],
)
def test_the_dead_band_and_the_lag_are_found(adc: str, plant: dict[str, float]) -> None:
    settings = settings_for(adc)
    bench = HeldModel(settings, plant, adc=adc, seed=5)
    found = pump.measure(bench, settings, Scripted(bench))
    assert found.start_permille == pytest.approx(1_000 * bench.plant.pump_dead_band, abs=8)
    assert found.lag_ms == pytest.approx(1_000 * bench.plant.pump_lag_s, rel=0.2)
    assert found.settings.pump_start_permille == pytest.approx(found.start_permille, abs=10)
    assert found.settings.pump_lag_ms == pytest.approx(found.lag_ms, rel=0.16)
    dead_band, _ = found.plant["pump_dead_band"]
    assert dead_band == pytest.approx(found.start_permille / 1_000, abs=1e-4)
    assert bench.most_percent <= limits.SERVICE_PUMP_PERMILLE // 10
    assert all(len(line) <= 80 for line in pump.text(found).splitlines())


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        ({"pump_wear": 0.0}, "Does the pump turn"),
        ({"hose_leak": 0.02}, "Make it tight first"),
        ({"pump_welded": 0.1}, "If the pump turns by itself"),
        ({"pump_dead_band": 0.34}, "hold_low|outside 0 to 300"),
    ],
)
def test_a_pump_that_cannot_be_measured_is_refused(plant: dict[str, float], words: str) -> None:
    settings = bench_settings()
    bench = HeldModel(settings, plant)
    with pytest.raises(Implausible, match=words):
        pump.measure(bench, settings, Scripted(bench))


def test_a_pump_whose_speed_does_not_follow_is_refused() -> None:
    with pytest.raises(Implausible, match="more drive does not pump more"):
        pump.fit([(percent, [(s / 10, 0.0) for s in range(10)]) for percent in (14, 17, 20)])


# Leaks ----------------------------------------------------------------------------

HANDPIECE = "tip, parking cap and handpiece"
VENT = "the vent valve"
CANISTER = "canister lid, filter housing and the joints of the hose"


def checked(plant: dict[str, float], adc: str = "rp2040") -> tuple[leak.Checked, HeldModel]:
    settings = settings_for(adc)
    bench = HeldModel(settings, plant, adc=adc, seed=2)
    found = leak.check(
        bench, Scripted(bench), settings, float(bench.plant.volume_m3),
        float(bench.plant.nozzle_m),
    )  # fmt: skip
    assert all(len(line) <= 80 for line in leak.text(found).splitlines())
    return found, bench


@pytest.mark.parametrize("adc", ["rp2040", "esp32"])
def test_a_tight_device_passes(adc: str) -> None:
    found, _ = checked({}, adc)
    assert found.passed
    assert found.parts == ()
    assert found.phases["all"].hole_mm < leak.LIMIT_MM / 2
    assert found.nozzle_mm == pytest.approx(1.2, rel=0.06)
    assert found.nozzle_note == "clear"
    assert leak.text(found).endswith("tight\n")


@pytest.mark.parametrize(
    ("plant", "where", "mm"),
    [
        ({"hose_leak": 0.01}, CANISTER, 0.6),
        ({"hose_leak": 0.03, "volume_m3": 1.2e-3}, CANISTER, 6 * sqrt(0.03)),
        ({"vent_leak": 0.02}, VENT, 4 * sqrt(0.02)),
        ({"vent_leak": 0.08, "atmosphere_pa": 80_000.0}, VENT, 4 * sqrt(0.08)),
        ({"cap_leak": 0.02}, HANDPIECE, 5 * sqrt(0.02)),
        ({"cap_leak": 0.08}, HANDPIECE, 5 * sqrt(0.08)),
    ],
)
def test_a_leak_is_measured_and_looked_for_where_it_is(
    plant: dict[str, float], where: str, mm: float
) -> None:
    found, bench = checked(plant)
    assert not found.passed
    assert found.parts[0].name == where
    assert found.parts[0].hole_mm == pytest.approx(mm, rel=0.1)
    assert len(found.parts) == 1
    # What the hands see with soap is the same place.
    word = {HANDPIECE: "cap", VENT: "vent", CANISTER: "canister lid"}[where]
    bench.hands.do("tip cap")
    assert word in bench.hands.leaks()[0][0]


def test_of_two_leaks_the_larger_one_comes_first() -> None:
    found, _ = checked({"cap_leak": 0.04, "hose_leak": 0.01})
    assert [part.name for part in found.parts] == [HANDPIECE, CANISTER]
    text = leak.text(found)
    assert text.index("look first at tip") < text.index("then at canister")


@pytest.mark.parametrize("plant", [{"hose_leak": 1.0}, {"hose_leak": 0.3}, {"pump_wear": 0.0}])
def test_a_hose_that_is_off_is_more_than_can_be_measured(plant: dict[str, float]) -> None:
    found, _ = checked(plant)
    assert found.phases["all"].is_gross
    assert found.parts[0].name == CANISTER
    assert "whether the pump turns" in found.parts[0].remedy


def test_a_clogged_nozzle_is_told_of() -> None:
    found, _ = checked({"nozzle_open": 0.5})
    assert found.passed
    assert "clogged" in found.nozzle_note
    assert found.nozzle_mm == pytest.approx(1.2 * sqrt(0.5), rel=0.08)


def test_sensors_that_are_off_do_not_make_a_leak() -> None:
    settings = bench_settings()
    bench = HeldModel(settings, {}, {"offset_a_pa": 1_500.0, "offset_b_pa": -1_000.0})
    found = leak.check(bench, Scripted(bench), settings, 0.65e-3, 1.2e-3)
    assert found.passed


# Crystals -------------------------------------------------------------------------


def weighed(plant: dict[str, float]) -> feed.FeedFound:
    settings = bench_settings()
    bench = HeldModel(settings, plant)
    return feed.measure(bench, settings, Scripted(bench))


@pytest.mark.parametrize(
    "plant",
    [
        {},
        {"feed_full_mg_min": 13_000.0},
        {"feed_full_mg_min": 32_000.0, "volume_m3": 0.3e-3},
        {"feed_full_mg_min": 9_000.0, "atmosphere_pa": 80_000.0, "hose_leak": 0.005},
    ],
)
def test_the_full_flow_is_found(plant: dict[str, float]) -> None:
    found = weighed(plant)
    true = plant.get("feed_full_mg_min", 20_000.0)
    assert found.full_mg_min == pytest.approx(true, rel=0.02)
    assert found.settings.full_flow_mg_min == round(found.full_mg_min)
    assert max(abs(one) for one in found.off) < 0.02
    assert all(len(line) <= 80 for line in feed.text(found).splitlines())


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        ({"feed_open": 0.0}, "nothing flowed at 25 %"),
        ({"feed_full_mg_min": 0.0}, "nothing flowed"),
        ({"feed_full_mg_min": 55_000.0}, "no device of this kind"),
        ({"hose_leak": 0.06}, "sealed tip"),
    ],
)
def test_a_flow_that_cannot_be_is_refused(plant: dict[str, float], words: str) -> None:
    with pytest.raises(Implausible, match=words):
        weighed(plant)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["250.00 g", "252.00 g"], "heavier after"),
        (["250 g", "247 g"], "to 1 g only"),
        (["250.00", "247.00"], "has no unit"),
        (["250.00 mL", "247.00 mL"], "a volume"),
    ],
)
def test_a_weighing_that_cannot_be_is_refused(typed: list[str], words: str) -> None:
    settings = bench_settings()
    bench = HeldModel(settings)
    left = list(typed)
    technician = Scripted(bench, lambda deed, found: left.pop(0) if deed == "scale" else found)
    with pytest.raises(Implausible, match=words):
        feed.measure(bench, settings, technician)


def test_a_weighing_that_is_none_is_asked_for_again() -> None:
    settings = bench_settings()
    bench = HeldModel(settings)
    slips = ["250 g", "250.00"]
    technician = Scripted(
        bench, lambda deed, found: slips.pop(0) if deed == "scale" and slips else found
    )
    technician.can_be_asked_again = True
    assert len(feed.measure(bench, settings, technician).points) == len(feed.RUNS)
    assert slips == []


def test_a_flow_that_the_settings_have_already_is_left_alone() -> None:
    settings = bench_settings()
    was = settings.full_flow_mg_min
    for factor, is_other in ((1.0, False), (1.05, True)):
        points = [
            feed.Weighed(percent, 60.0, percent * 0.01 * was * factor + off, 10.0)
            for percent, off in ((25, 40.0), (50, -30.0), (75, 60.0), (100, -20.0))
        ]
        found = feed.fit(points, settings)
        assert found.sd > 0
        assert (found.settings.full_flow_mg_min != was) == is_other


def test_a_cup_that_runs_empty_is_noticed() -> None:
    points = [
        feed.Weighed(percent, 20.0, mg, 10.0)
        for percent, mg in ((25, 1_700.0), (50, 3_350.0), (75, 5_000.0), (100, 3_000.0))
    ]
    with pytest.raises(Implausible, match="the cup ran empty"):
        feed.fit(points, bench_settings())


def test_a_valve_that_trickles_is_told_of() -> None:
    assert "see that the valve shuts" in feed.text(weighed({"feed_leak": 0.3}))


def test_crystals_never_flow_without_a_sealed_tip() -> None:
    bench = HeldModel(bench_settings())
    bench.hands.do("tip air")

    def deed() -> Deed:
        for _ in range(30):
            seen = yield Step(COMMAND_RUN_CRYSTALS, 100, 0)
            assert seen.feed_permille == 0

    bench.hold(deed())
    assert bench.plant.fed_mg == 0.0
