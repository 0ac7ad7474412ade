"""Settings that are known to be bad fail, each by the right requirement, and the
defaults do not.

A few plants of the scatter are enough to see it, and quick.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from emery.bench.regulation import settings_for
from emery.certificate import course
from emery.certificate.course import Figures, Trial
from emery.certificate.make import Outcome, try_out
from emery.certificate.requirements import REQUIREMENTS, judge
from emery.certificate.scatter import CORNERS, EXTREMES, LEVELS, trials
from emery.certificate.wording import failures, fate
from firmware import faults
from firmware.settings import SETTINGS, Settings, broken_rules, range_problem
from host_tests.bench import with_values

# Of the extremes and the corners, a few of each.
QUICK = slice(0, len(EXTREMES) * LEVELS + CORNERS, 8)


def outcome(chip: str, places: Iterable[int], **changes: int) -> Outcome:
    settings = with_values(settings_for(chip), **changes)
    assert broken_rules(settings) == []
    all_of_them = trials({}, settings)
    return try_out(settings, chip, [all_of_them[place] for place in places], processes=1)


def failed(what: str) -> set[str]:
    """The requirements that these bad settings fail, on the plants named there."""
    changes, _, places = BAD[what]
    verdicts = outcome("rp2040", places, **changes).verdicts
    return {verdict.requirement.key for verdict in verdicts if not verdict.passed}


@pytest.mark.parametrize("chip", ["rp2040", "esp32", "esp32s3"])
def test_the_defaults_hold_on_every_adc(chip: str) -> None:
    settings = settings_for(chip)
    if chip != "rp2040":
        assert settings.tick_period_ms == 10
    found = try_out(settings, chip, trials({}, settings)[QUICK], processes=1)
    # A share of all plants means nothing for a few of them.
    assert {v.requirement.key for v in found.verdicts if not v.passed} <= {"flowing"}
    # Not because nothing happened.
    assert all(fate(figures) == "treated" for figures in found.figures)
    assert 45_000 < found.peak_pa < 50_000
    assert 1_000 < found.settle_ms < 4_000
    assert all(verdict.worst is not None for verdict in found.verdicts)


# What is wrong, a requirement that must say so, and plants of the scatter that show it.
BAD: dict[str, tuple[dict[str, int], str, tuple[int, ...]]] = {
    "a gain that only creeps": ({"gain_permille_per_kpa": 10}, "steady", (2, 4, 66)),
    "a pump that is slower than the settings know": ({"pump_lag_ms": 50}, "over", (0, 2, 4)),
    "a pump that is quicker than they know": ({"pump_lag_ms": 400}, "settle", (42, 190)),
    "a dead band that is not there": ({"pump_start_permille": 300}, "ripple", (160,)),
    "a search that does not reach the skin": ({"search_permille": 100}, "settle", (20, 22)),
    "hold drives far too low": (
        {"hold_low_permille": 150, "hold_high_permille": 300, "integral_permille_per_kpa_s": 0},
        "ripple", (46, 95),
    ),
    "hold drives far too high": (
        {"hold_low_permille": 600, "hold_high_permille": 1_000, "integral_permille_per_kpa_s": 0},
        "settle", (72, 82),
    ),
    "a soft margin in which sound gauges trip": (
        {"soft_margin_pa": 1_000, "soft_margin_permille": 0}, "chopped", (10, 12),
    ),
    "the span of another gauge": (
        {"vacuum_a_span_pa": 150_000, "vacuum_b_span_pa": 150_000}, "steady", (6, 8),
    ),
    "the zero of another gauge": ({"vacuum_a_zero_ppm": 880_000}, "sound", (0, 2)),
    "a contact that is never seen": (
        {"contact_on_pa": 8_000, "contact_on_permille": 500}, "found", (24, 26),
    ),
    "a contact that is believed too late": ({"contact_on_ms": 200}, "found", (28, 86)),
    "a lift that is not seen": (
        {"contact_off_pa": 1_000, "contact_off_permille": 50, "contact_on_pa": 2_000,
         "contact_on_permille": 100},
        "lifted", (74, 76),
    ),
    "a lift that is believed too late": ({"contact_off_ms": 200}, "lifted", (82, 116)),
    "a contact that drops out as it comes": (
        {"contact_on_pa": 8_000, "contact_off_pa": 6_000, "contact_on_permille": 500,
         "contact_off_permille": 400},
        "lost", (24, 26),
    ),
    "a zero tolerance that refuses sound gauges": ({"zero_tolerance_pa": 500}, "sound", (0,)),
    "a disagreement that sound gauges have": ({"disagreement_pa": 1_000}, "sound", (10, 12)),
    "a supply tolerance that USB does not keep": (
        {"sensor_supply_tolerance_permille": 20}, "sound", (40, 42),
    ),
    "a supply that is another one": ({"sensor_supply_mv": 4_500}, "sound", (0,)),
    "a proof that asks too much": ({"proof_share_permille": 800}, "sound", (92, 184)),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_settings_fail_by_the_right_requirement(what: str) -> None:
    changes, requirement, _ = BAD[what]
    for name, value in changes.items():
        row = next(row for row in SETTINGS if row[0] == name)
        assert range_problem(row, value) == "", "only what the ranges let through counts"
    assert requirement in failed(what)


def test_on_the_same_plants_the_defaults_do_not_fail() -> None:
    places = sorted({place for _, _, plants in BAD.values() for place in plants})
    settings = settings_for("rp2040")
    chosen = [trials({}, settings)[place] for place in places]
    found = try_out(settings, "rp2040", chosen, processes=1)
    # A share of all plants means nothing for a few of them.
    assert {v.requirement.key for v in found.verdicts if not v.passed} <= {"flowing"}


def test_a_refusal_names_the_plant_the_fault_and_what_to_look_at() -> None:
    text = failures(outcome("rp2040", range(2), zero_tolerance_pa=500))
    said = "no fault on a sound plant: 2 plants, expected none; first on plant 0, SENSOR_ZERO"
    assert said in text
    assert "sensors.zero_tolerance" in text


def test_what_a_requirement_tells_to_look_at_are_keys_of_a_board_file() -> None:
    from emery.config.rows import SETTING_ROWS

    keys = {f"{row.table}.{row.key}" for row in SETTING_ROWS}
    for requirement in REQUIREMENTS:
        assert set(requirement.look_at) <= keys, requirement.key
        assert requirement.reason
        assert requirement.spare >= 0


def test_every_requirement_is_failed_by_something() -> None:
    """Figures that are bad in one way only."""
    bad: dict[str, dict[str, Any]] = {
        "sound": {"fault": faults.OVER_VACUUM},
        "peak": {"peak_pa": 44_500.0},
        "over": {"over_pa": 2_900.0},
        "runaway_peak": {"runaway_peak_pa": 49_900.0},
        "runaway_free": {"runaway_free_ms": 590.0},
        "settle": {"settle_ms": 1_350.0},
        "steady": {"steady_error_pa": 1_900.0},
        "ripple": {"ripple_pa": 1_900.0},
        "over_margin": {"soft_percent": 90.0},
        "chopped": {"taken_ms": 150.0},
        "apart": {"apart_percent": 95.0},
        "found": {"found_ms": 430.0},
        "lost": {"lost_ms": 5.0},
        "lifted": {"lift_ms": 400.0},
        "ghost": {"ghost_ms": 5.0},
        "off_skin": {"off_skin_ms": 5.0},
        "shut": {"shut_ms": 130.0},
        "flowing": {"feed_share": 0.1},
        "free": {"free_ms": 450.0},
    }
    assert set(bad) == {requirement.key for requirement in REQUIREMENTS}
    good: dict[str, Any] = {
        "level": 5, "set_pa": 24_000, "peak_pa": 24_500.0, "over_pa": 500.0, "settle_ms": 900.0,
        "bound_ms": 1_000.0, "steady_error_pa": 100.0, "ripple_pa": 100.0, "feed_share": 1.0,
        "found_ms": 100.0, "lift_ms": 100.0, "free_ms": 100.0, "runaway_peak_pa": 46_000.0,
        "runaway_free_ms": 300.0,
    }  # fmt: skip
    for key, change in bad.items():
        for spared in (True, False):
            verdicts = judge(Settings(), [Figures(**{**good, **change})], spared=spared)
            names = [v.requirement.key for v in verdicts if not v.passed]
            # Beyond what a certificate asks for, and within the limit itself.
            within = not spared and key not in ("sound", "lost", "ghost", "off_skin", "flowing")
            assert names == ([] if within else [key]), (key, spared)


def test_what_could_not_be_judged_breaks_nothing() -> None:
    verdicts = judge(Settings(), [Figures(level=5, set_pa=24_000)], spared=True)
    assert all(verdict.passed for verdict in verdicts)
    assert any(verdict.worst is None for verdict in verdicts)


def trial(**changes: object) -> Trial:
    """A nominal plant at level 5, with a runaway, and what differs."""
    told = {"number": 0, "seed": 3, "plant": {}, "sensors": {}, "level": 5,
            "flow_mg_min": 10_000, "runaway_ms": 2}  # fmt: skip
    return Trial(**{**told, **changes})  # type: ignore[arg-type]


def test_the_figures_are_the_truth_and_not_what_a_sensor_shows() -> None:
    true = course.run(Settings(), "rp2040", trial())
    low = course.run(Settings(), "rp2040", trial(sensors={"gain_a": 0.96, "gain_b": 0.96}))
    assert true.steady_error_pa is not None
    assert true.steady_error_pa < 300
    assert low.steady_error_pa is not None
    assert low.steady_error_pa > 700
    assert true.runaway_peak_pa is not None
    assert low.runaway_peak_pa is not None
    assert low.runaway_peak_pa > true.runaway_peak_pa + 1_000 > 46_000


def test_a_course_is_the_same_each_time_and_not_on_another_plant() -> None:
    one = course.run(Settings(), "rp2040", trial())
    assert course.run(Settings(), "rp2040", trial()) == one
    assert course.run(Settings(), "rp2040", trial(plant={"volume_m3": 0.9e-3})) != one
    assert course.run(Settings(), "rp2040", trial(seed=4)) != one


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        ({"pump_wear": 0.5}, "PUMP_WEAK"),
        ({"vent_open": 0.02}, "VENT_FAILED"),
        ({"nozzle_open": 0.05}, "NOZZLE_CLOGGED"),
    ],
)
def test_a_broken_plant_ends_in_its_fault(plant: dict[str, float], told: str) -> None:
    assert fate(course.run(Settings(), "rp2040", trial(plant=plant))) == told


def test_a_level_that_is_not_proved_is_replaced_by_one_that_is() -> None:
    found = course.run(Settings(), "rp2040", trial(level=10, plant={"atmosphere_pa": 80_000.0}))
    assert found.fault == faults.NONE
    assert 5 < found.level < 10


def test_without_a_runaway_there_is_none() -> None:
    found = course.run(Settings(), "rp2040", trial(runaway_ms=-1))
    assert found.runaway_peak_pa is None
    assert found.free_ms is not None
    assert found.stuck_in < 0
