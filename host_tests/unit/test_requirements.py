"""Requirements: each metric can be passed and can be failed, and says what it
measured; nonsense in [require] is told with its line."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from emery.config.document import Document
from emery.config.problem import ConfigError
from emery.simulator import requirements
from emery.simulator.requirements import ALWAYS_ZERO, METRICS, Requirement, always

ZONES = ["forehead", "chin"]


def a_result() -> dict[str, Any]:
    """What `run` hands to the requirements."""
    fault = {
        "code": "OVER_VACUUM", "number": 1, "headline": "", "fix": [], "at_ms": 5_000,
        "to_safe_ms": 20, "release_ms": 240, "peak_pa": 46_000,
    }
    zone = {
        "level": 6, "set_pa": 27_000, "passes_allowed": 3, "passes_counted": 2, "passes_made": 2,
        "strokes": 10, "on_skin_ms": 20_000, "in_band_ms": 10_000, "crystals_mg": 900,
        "peak_pa": 28_000,
    }
    return {
        "final_state": "FAULT",
        "zones": [{"name": name, **zone} for name in ZONES],
        "faults": [fault],
        "peak_pa": 46_000,
        "on_skin_ms": 40_000,
        "in_band_ms": 20_000,
        "rise_ms": 800,
        "overshoot_pa": 1_200,
        "after_rise_ms": 10_000,
        "steady_ms": 9_000,
        "strokes": 20,
        "crystals_mg": 1_900,
        "off_skin_mg": 100,
        "refused_presses": 1,
        "power_cuts": 2,
        "crystals_after_lift_ms": 80,
        "held_after_stop_ms": 300,
        "effects": {"pump_stuck_full": 4, "tick_late": 3},
        "suction_without_pass_ms": 0,
        "crystals_without_contact_ms": 0,
        "unsafe_in_fault_ms": 0,
    }


def read(tmp_path: Path, text: str) -> list[Requirement]:
    """The requirements of a file whose [require] is `text`, from line 2 on."""
    path = tmp_path / "wanted.toml"
    path.write_text("[require]\n" + text, encoding="utf-8")
    document = Document.read(path)
    wanted = requirements.read(document.table("require"), ZONES)
    document.finish()
    return wanted


def outcome(tmp_path: Path, text: str, result: dict[str, Any] | None = None) -> dict[str, Any]:
    (wanted,) = read(tmp_path, text)
    return wanted.outcome(result or a_result())


# As it is, one unit below, and one above.
VALUES = {
    "peak_vacuum": ("46 kPa", "45.9 kPa", "46.1 kPa"),
    "time_on_skin": ("40 s", "39.9 s", "40.1 s"),
    "share_in_band": ("50 %", "49.9 %", "50.1 %"),
    "share_held": ("90 %", "89.9 %", "90.1 %"),
    "rise_time": ("800 ms", "799 ms", "801 ms"),
    "overshoot": ("1.2 kPa", "1.1 kPa", "1.3 kPa"),
    "strokes": ("20", "19", "21"),
    "crystals": ("1.9 g", "1.8 g", "2 g"),
    "off_skin_crystals": ("100 mg", "99 mg", "101 mg"),
    "refused_presses": ("1", "0", "2"),
    "power_cuts": ("2", "1", "3"),
    "crystals_after_lift": ("80 ms", "79 ms", "81 ms"),
    "held_after_stop": ("300 ms", "299 ms", "301 ms"),
    "time_to_safe": ("20 ms", "19 ms", "21 ms"),
    "release_time": ("240 ms", "239 ms", "241 ms"),
    "fault_peak": ("46 kPa", "45.9 kPa", "46.1 kPa"),
    "effects": ("7", "6", "8"),
}


def test_every_metric_is_tried() -> None:
    assert set(VALUES) == set(METRICS)


@pytest.mark.parametrize("key", METRICS)
def test_each_metric_passes_and_fails(tmp_path: Path, key: str) -> None:
    same, below, above = VALUES[key]
    expected = {
        f"at most {same}": True,
        f"at most {below}": False,
        f"at most {above}": True,
        f"at least {same}": True,
        f"at least {below}": True,
        f"at least {above}": False,
        f"exactly {same}": True,
        f"exactly {below}": False,
        f"exactly {above}": False,
    }
    for written, passed in expected.items():
        found = outcome(tmp_path, f'{key} = "{written}"')
        assert found["passed"] == passed, written
        assert (found["key"], found["expected"], found["line"]) == (key, written, 2)
        assert found["measured"]


@pytest.mark.parametrize("key", ["time_to_safe", "release_time", "fault_peak"])
def test_what_did_not_happen_fails_either_way(tmp_path: Path, key: str) -> None:
    none = a_result() | {"faults": []}
    one_of_two = copy.deepcopy(a_result())
    one_of_two["faults"].append(
        dict.fromkeys(("to_safe_ms", "release_ms", "peak_pa")) | {"code": "X"}
    )
    amount = VALUES[key][0]
    for result in (none, one_of_two):
        for relation in ("at most", "at least", "exactly"):
            found = outcome(tmp_path, f'{key} = "{relation} {amount}"', result)
            assert (found["passed"], found["measured"]) == (False, "was not reached")


def test_the_worst_of_several_faults_counts(tmp_path: Path) -> None:
    result = a_result()
    result["faults"].append(result["faults"][0] | {"to_safe_ms": 35})
    assert not outcome(tmp_path, 'time_to_safe = "at most 30 ms"', result)["passed"]


def test_a_treatment_that_never_touched_skin_has_no_share_in_band(tmp_path: Path) -> None:
    result = a_result() | {"on_skin_ms": 0, "in_band_ms": 0}
    assert not outcome(tmp_path, 'share_in_band = "at least 1 %"', result)["passed"]


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ('final_state = "FAULT"', True),
        ('final_state = "COMPLETE"', False),
        ('faults = ["OVER_VACUUM"]', True),
        ("faults = []", False),
        ('faults = ["OVER_VACUUM", "OVER_VACUUM"]', False),
        ('faults = ["SENSOR_SUPPLY"]', False),
        ("passes = { chin = 2 }", True),
        ("passes = { chin = 3 }", False),
        ("passes = { chin = 1 }", False),
    ],
)
def test_state_faults_and_passes(tmp_path: Path, text: str, passed: bool) -> None:
    found = outcome(tmp_path, text)
    assert found["passed"] == passed
    assert found["line"] == 2


def test_the_order_of_faults_counts(tmp_path: Path) -> None:
    result = a_result()
    result["faults"].append(result["faults"][0] | {"code": "SENSOR_SUPPLY"})
    right, wrong = '["OVER_VACUUM", "SENSOR_SUPPLY"]', '["SENSOR_SUPPLY", "OVER_VACUUM"]'
    assert outcome(tmp_path, f"faults = {right}", result)["passed"]
    assert not outcome(tmp_path, f"faults = {wrong}", result)["passed"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('peak_vacuum = "47 kPa"', "at most"),
        ('peak_vacuum = "below 47 kPa"', "at most"),
        ('peak_vacuum = "at most 47"', "unit"),
        ('peak_vacuum = "at most 47 s"', "47 s"),
        ('peak_vacuum = "at most"', "at most"),
        ("peak_vacuum = 47000", "text"),
        ('strokes = "at least many"', "whole number"),
        ('strokes = "at least 2.5"', "whole number"),
        ('final_state = "DONE"', "COMPLETE"),
        ('faults = ["OVERVACUUM"]', "OVER_VACUUM"),
        ('faults = ["NONE"]', "OVER_VACUUM"),
        ('faults = "OVER_VACUUM"', "OVER_VACUUM"),
        ("passes = { nose = 3 }", "chin"),
        ("passes = { chin = -1 }", "0"),
        ('passes = { chin = "3" }', "chin"),
        ('peak_vaccum = "at most 47 kPa"', "peak_vacuum"),
    ],
)
def test_nonsense_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    rendered = re.sub(r"\s+", " ", error.value.render())
    assert "wanted.toml:2:" in rendered
    assert told in rendered


# What every scenario requires -----------------------------------------------------------


def judged(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {found["key"]: found for found in (wanted.outcome(result) for wanted in always())}


def test_a_good_treatment_passes_what_is_always_required() -> None:
    assert all(found["passed"] for found in judged(a_result()).values())


@pytest.mark.parametrize(("key", "field"), [(key, field) for key, _, field in ALWAYS_ZERO])
def test_what_must_never_happen_fails_when_it_does(key: str, field: str) -> None:
    found = judged(a_result() | {field: 5})
    assert found[key]["passed"] is False
    assert "5 ms" in found[key]["measured"]
    assert [name for name in found if not found[name]["passed"]] == [key]


def test_crystals_may_not_go_on_for_long_after_a_lift() -> None:
    most = requirements.LONGEST_CRYSTALS_AFTER_LIFT_MS
    for late_ms, passed in ((most, True), (most + 5, False)):
        found = judged(a_result() | {"crystals_after_lift_ms": late_ms})
        assert found["crystals_after_lift"]["passed"] == passed


@pytest.mark.parametrize(
    ("counted", "made", "failed"),
    [(3, 3, []), (4, 3, ["passes_within_limit"]), (2, 3, ["passes_not_missed"]), (3, 0, [])],
)
def test_passes_are_neither_too_many_nor_missed(
    counted: int, made: int, failed: list[str]
) -> None:
    result = a_result()
    result["zones"][1] |= {"passes_counted": counted, "passes_made": made}
    found = judged(result)
    assert [key for key in found if not found[key]["passed"]] == failed
    for key in failed:
        assert "chin" in found[key]["measured"]
