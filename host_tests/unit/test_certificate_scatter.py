"""The scatter: the same plants for the same question, round the device's own, all sound."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

import emery
from emery import slot
from emery.certificate import scatter, world
from emery.certificate.course import levels
from emery.certificate.marks import marks, scatter_mark
from emery.certificate.scatter import (
    PLANT,
    SENSORS,
    SOUND,
    gauges,
    others,
    reached_share,
    trials,
)
from emery.certificate.world import mark_of
from emery.simulator import plant, sensors
from firmware.settings import SETTINGS, Settings

KNOWN = {"volume_m3": 0.9e-3, "pump_lag_s": 0.2, "pump_free_flow_m3_s": 4.4e-4}


def settings_with(**changes: int) -> Settings:
    settings = Settings()
    for name, value in changes.items():
        assert hasattr(settings, name)
        setattr(settings, name, value)
    return settings


def test_a_certificate_has_at_least_200_plants_and_always_the_same() -> None:
    found = trials({}, Settings())
    assert len(found) >= 200
    assert trials({}, Settings()) == found
    assert [trial.number for trial in found] == list(range(len(found)))


def test_another_draw_has_other_plants() -> None:
    one, two = others({}, Settings(), 30, 1), others({}, Settings(), 30, 2)
    assert others({}, Settings(), 30, 1) == one
    assert len({str(trial.plant) for trial in one + two}) == 60
    # The extremes meet every level; all others are plants of their own.
    certifying = trials({}, Settings())
    repeated = (len(scatter.EXTREMES)) * (scatter.LEVELS - 1)
    plants = {str((trial.plant, trial.sensors)) for trial in certifying}
    assert len(plants) == len(certifying) - repeated >= 200


def test_what_is_varied_is_the_simulators_own_and_within_its_ranges() -> None:
    for rows, table in ((PLANT, plant.PARAMETERS), (SENSORS, sensors.PARAMETERS)):
        ranges = {row[0]: row[2:4] for row in table} | {"altitude_m": (-100.0, 4_000.0)}
        assert {row.name for row in rows} <= set(ranges)
    ranges = {row[0]: row[2:4] for row in (*plant.PARAMETERS, *sensors.PARAMETERS)}
    for trial in trials({}, Settings()):
        for name, value in (trial.plant | trial.sensors).items():
            low, high = ranges[name]
            assert low <= value <= high, name


def test_everything_that_is_off_on_devices_is_off_on_some_plant() -> None:
    found = trials({}, Settings())
    for row in PLANT:
        name = "atmosphere_pa" if row.name == "altitude_m" else row.name
        assert len({trial.plant[name] for trial in found}) > 10, name
    for row in SENSORS:
        assert len({trial.sensors[row.name] for trial in found}) > 10, row.name
    assert set(Counter(trial.level for trial in found)) == set(range(1, 11))
    assert min(Counter(trial.level for trial in found).values()) >= 20
    runaways = [trial for trial in found if trial.runaway_ms >= 0]
    assert len(runaways) >= 100
    assert {trial.runaway_ms for trial in runaways} == set(range(5))
    assert {trial.level for trial in runaways} == set(range(1, 11))


def test_the_corners_are_balanced() -> None:
    corners = [scatter._corner(number) for number in range(scatter.CORNERS)]
    columns = list(zip(*corners, strict=True))
    assert len(columns) > len(PLANT) + len(SENSORS)
    low, high = scatter.CORNER_ENDS
    assert all(column.count(low) == column.count(high) == len(corners) / 2 for column in columns)
    for first in range(len(columns)):
        for second in range(first):
            pairs = zip(columns[first], columns[second], strict=True)
            both = sum(a == b == high for a, b in pairs)
            assert both == len(corners) / 4


def test_a_plant_that_was_measured_varies_less_and_round_itself() -> None:
    wide = [trial.plant["volume_m3"] for trial in trials({}, Settings())]
    narrow = [trial.plant["volume_m3"] for trial in trials(KNOWN, Settings())]
    assert max(narrow) / min(narrow) < 1.5 < 3.0 < max(wide) / min(wide)
    assert min(narrow) < KNOWN["volume_m3"] < max(narrow)
    steady = {**KNOWN, "feed_open": 0.5}
    assert {trial.plant["feed_open"] for trial in trials(steady, Settings())} == {0.5}


def test_every_plant_is_sound() -> None:
    for centre in ({}, KNOWN):
        least = SOUND * reached_share(centre)
        for trial in trials(centre, Settings()) + others(centre, Settings(), 300, 3):
            assert reached_share(trial.plant) >= 0.999 * least


def test_what_the_cap_shows_does_not_depend_on_the_air_pressure() -> None:
    weak = reached_share({"pump_wear": 0.8})
    assert reached_share({"pump_wear": 0.8, "atmosphere_pa": 80_000.0}) == weak
    assert weak < reached_share({}) < reached_share({"nozzle_m": 1.1e-3})


def test_a_calibrated_gauge_is_the_one_that_is_modelled() -> None:
    nominal = gauges(Settings())
    assert nominal["offset_a_pa"] == pytest.approx(0.0, abs=5)
    assert nominal["gain_a"] == pytest.approx(1.0, abs=1e-4)
    trimmed = gauges(settings_with(vacuum_a_zero_ppm=912_000, vacuum_a_span_pa=133_000))
    assert trimmed["offset_a_pa"] == pytest.approx(1_045, abs=10)
    assert trimmed["gain_a"] == pytest.approx(0.9826, abs=1e-3)
    assert trimmed["gain_b"] == nominal["gain_b"]


def test_a_gauge_cannot_be_as_far_off_as_a_mistake_is() -> None:
    wrong = gauges(settings_with(vacuum_a_zero_ppm=600_000, vacuum_b_span_pa=110_000))
    assert abs(wrong["offset_a_pa"]) <= 2_500
    assert wrong["gain_b"] <= 1.04


def test_the_valve_gives_what_the_settings_say() -> None:
    flows = [
        trial.plant["feed_full_mg_min"]
        for trial in trials({}, settings_with(full_flow_mg_min=9_000))
    ]
    assert 7_200 <= min(flows) < 7_300
    assert 10_700 < max(flows) <= 10_800


def test_a_lower_hard_limit_leaves_fewer_levels() -> None:
    settings = settings_with(hard_limit_pa=20_000)
    assert levels(settings) == [1, 2]
    assert {trial.level for trial in trials({}, settings)} == {1, 2}


def test_any_setting_chip_or_plant_makes_it_another_certificate() -> None:
    seen = {marks(Settings(), chip, {}) for chip in ("rp2040", "esp32", "esp32s3")}
    for row in SETTINGS:
        seen.add(marks(settings_with(**{row[0]: row[5] - 1}), "rp2040", {}))
    seen.add(marks(Settings(), "rp2040", KNOWN))
    seen.add(marks(Settings(), "rp2040", {**KNOWN, "volume_m3": 0.91e-3}))
    assert len(seen) == 3 + len(SETTINGS) + 2


def test_the_mark_is_of_this_world(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = scatter_mark({})
    monkeypatch.setattr("emery.certificate.marks.world_mark", lambda: b"another!")
    assert scatter_mark({}) != mark


def test_the_world_that_settings_are_tried_in_is_part_of_the_mark(tmp_path: Path) -> None:
    """It was two numbers to be raised by hand: with twice the scatter, or another model of
    the pump, certificates made before stayed valid."""
    package = Path(emery.__file__).parent
    names: list[str | Path] = [*world._MODULES, slot.ROOT / world._BOARD]
    files = [
        Path(shutil.copy(package / name, tmp_path / f"{place}.py"))
        for place, name in enumerate(names)
    ]
    assert {"scatter.py", "requirements.py", "plant.py"} <= {Path(name).name for name in names}
    seen = {mark_of(files)}
    for file in files:
        with file.open("a", encoding="utf-8") as end:
            end.write("\n# words change nothing\n")
        assert mark_of(files) in seen
        with file.open("a", encoding="utf-8") as end:
            end.write("\nchanged = 1\n")
        seen.add(mark_of(files))
    assert len(seen) == 1 + len(files)
    assert scatter_mark({}) != scatter_mark(KNOWN)
