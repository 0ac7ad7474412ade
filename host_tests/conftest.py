"""What holds for every test.

Generated cases are the same on every run (profile `ci`), so that a red test is
red for everyone; `make test-long` looks further with the profile `nightly`,
whose failures print how to reproduce them.

On CI a skipped test is a failed test: a lane that quietly goes missing would
look like a lane that passes. A test that may really be skipped there carries
the marker `optional`.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import emery  # noqa: F401 - mounts firmware and hal before any test imports them
from emery.config.rows import SETTING_ROWS

# What a command writes is looked at as in a terminal of 80 columns without colours,
# whatever the one is from which the tests are run.
os.environ["COLUMNS"] = "80"
for _name in ("FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR", "PY_COLORS"):
    os.environ.pop(_name, None)

# No test writes into the ledgers or the cache of whoever runs it.
for _folder in ("EMERY_LEDGER", "EMERY_CACHE"):
    os.environ[_folder] = tempfile.mkdtemp(prefix="emery-test-")
    atexit.register(shutil.rmtree, os.environ[_folder], ignore_errors=True)

ON_CI = os.environ.get("CI", "").lower() in ("1", "true")

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, database=None, print_blob=True
)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=2000,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", metavar="PORT", help="host_tests/device: run on the hardware at this port"
    )
    parser.addoption(
        "--device-config", metavar="FILE", help="its board file (default: the Pico reference)"
    )


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if ON_CI and report.skipped and not hasattr(report, "wasxfail"):
        # A skip carries (file, line, reason).
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("optional") is None:
        _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.fixture
def result() -> dict[str, Any]:
    """A result of the shape that a simulation gives, of a made-up treatment."""
    zones = [
        {
            "name": name,
            "level": level,
            "set_pa": set_pa,
            "pass_time_ms": 60_000,
            "pass_crystals_mg": 10_000,
            "passes_allowed": 3,
            "passes_counted": 3,
            "passes_made": 3,
            "strokes": 57,
            "on_skin_ms": 130_000,
            "in_band_ms": 128_700,
            "crystals_mg": 12_345,
            "peak_pa": set_pa + 1_300,
        }
        for name, level, set_pa in (
            ("forehead", 4, 20_100),
            ("left cheek", 6, 27_100),
            ("chin and mouth 1", 3, 17_100),
        )
    ]
    return {
        "schema": "emery.simulate/1",
        "scenario": "nominal_facial",
        "title": "Nominal facial",
        "about": "Three zones, three passes over each, strokes of 1 to 3 s.",
        "board": "pico_reference",
        "protocol": "face",
        "seed": 1,
        "lane": "cpython",
        "interpreter": "CPython 3.11.7",
        "ticks": 360_000,
        "crc": "1a2b3c4d",
        "tick_ms": 5,
        "duration_ms": 1_800_000,
        "wall_s": 9.1,
        "final_state": "COMPLETE",
        "hard_limit_pa": 45_100,
        "soft_margin_pa": 3_000,
        "soft_margin_permille": 100,
        "session_ms": 1_800_000,
        "settings": {row.name: row.default for row in SETTING_ROWS},
        "world": {"plant.pump_wear": 0.2},
        "zones": zones,
        "peak_pa": 28_400,
        "on_skin_ms": 390_000,
        "in_band_ms": 386_100,
        "strokes": 171,
        "rise_ms": 840,
        "overshoot_pa": 1_300,
        "after_rise_ms": 260_000,
        "steady_ms": 258_700,
        "crystals_mg": 37_035,
        "off_skin_mg": 0,
        "suction_without_pass_ms": 0,
        "crystals_without_contact_ms": 0,
        "unsafe_in_fault_ms": 0,
        "crystals_after_lift_ms": 10,
        "held_after_stop_ms": 90,
        "refused_presses": 0,
        "power_cuts": 0,
        "commits": 11,
        "effects": {},
        "faults": [],
        "events": [],
        "requirements": [
            {
                "key": "peak_vacuum",
                "expected": "at most 40 kPa",
                "measured": "28.4 kPa",
                "passed": True,
                "line": 31,
            },
            {
                "key": "passes",
                "expected": "9",
                "measured": "9",
                "passed": True,
                "line": 32,
            },
        ],
        "margins": [
            {
                "origin": "device",
                "what": "vacuum at the skin",
                "limit_name": "hard limit",
                "relation": "below",
                "unit": "Pa",
                "reached": 28_400,
                "limit": 45_100,
                "at_ms": 754_321,
                "where": "left cheek, pass 2",
            },
            {
                "origin": "device",
                "what": "session time",
                "limit_name": "length of a session",
                "relation": "at most",
                "unit": "ms",
                "reached": 1_700_000,
                "limit": 1_800_000,
                "at_ms": None,
                "where": "",
            },
            {
                "origin": "scenario",
                "what": "peak vacuum",
                "limit_name": "required",
                "relation": "at most",
                "unit": "Pa",
                "reached": 28_400,
                "limit": 40_000.0,
                "at_ms": None,
                "where": "",
            },
        ],
        "passed": True,
        "reproduce": "emery simulate nominal_facial --seed 1",
        "state_names": ["BOOT", "COMPLETE"],
        "reason_names": ["NONE"],
        "fault_names": ["NONE"],
    }
