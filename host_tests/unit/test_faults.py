"""The catalogue of faults: whole, and numbered for good."""

import ast

import pytest

from emery import slot
from firmware import faults

ROWS = faults.CATALOGUE
CONSTANTS = {
    name: value
    for name, value in vars(faults).items()
    if name.isupper() and isinstance(value, int) and not name.startswith("EXIT_")
}

# Numbers stand in logs and records. One that is given away is never used again.
NUMBERS = {
    "NONE": 0,
    "OVER_VACUUM": 1,
    "SOFT_OVER_VACUUM": 2,
    "SENSOR_A_RANGE": 3,
    "SENSOR_B_RANGE": 4,
    "SENSOR_SUPPLY": 5,
    "SENSOR_DISAGREEMENT": 6,
    "TICK_OVERRUN": 7,
    "SENSOR_ZERO": 8,
    "BAROMETER": 9,
    "FOOTSWITCH_HELD": 10,
    "INTERNAL": 11,
    "MAIN_LOOP_SILENT": 12,
    "STORAGE": 13,
    "RECORD_DAMAGED": 14,
    "VENT_FAILED": 15,
    "PUMP_STUCK": 16,
    "PUMP_WEAK": 17,
    "NOZZLE_CLOGGED": 18,
    "PROTECTION_FAILED": 19,
    "READINGS_FROZEN": 20,
    "MEMORY": 21,
    "PROTOCOL_CHANGED": 26,
}
# Shown, never latched.
WARNINGS = {
    "DWELL_LONG": 22,
    "SESSION_ENDING": 23,
    "REST_DUE": 24,
    "VACUUM_LOW": 25,
    "SEAL_LEAKING": 27,
    "NOZZLE_CLOG_LIKELY": 28,
    "LINE_BLOCKED": 29,
}

# What a self-test with the pump off cannot see, and no one may acknowledge away.
SERVICE_ONLY = {
    "INTERNAL", "RECORD_DAMAGED", "VENT_FAILED", "PUMP_STUCK", "PROTECTION_FAILED", "MEMORY",
}


def test_numbers_are_stable() -> None:
    assert CONSTANTS == NUMBERS | WARNINGS


def test_the_catalogue_holds_every_fault_at_its_number() -> None:
    # The firmware looks a fault up by its number as the place.
    assert [row[0] for row in ROWS] == list(range(len(ROWS)))
    assert {row[1]: row[0] for row in ROWS} == CONSTANTS


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[1])
def test_a_row_tells_a_person_what_to_do(row: tuple[int, str, str, int, str, tuple[str]]) -> None:
    _number, code, priority, leaving, headline, fix = row
    assert code == code.upper()
    if code in WARNINGS:
        assert priority in (faults.LOW, faults.MEDIUM)
        assert leaving == faults.EXIT_NONE
    else:
        assert priority in (faults.HIGH, faults.MEDIUM)
        assert leaving in (faults.EXIT_SELF_TEST, faults.EXIT_SERVICE)
    assert headline
    assert not headline.endswith(".")
    assert len(headline) <= 72
    assert fix
    assert all(step.endswith(".") for step in fix)


def test_only_service_leaves_what_no_self_test_can_see() -> None:
    assert {row[1] for row in ROWS if row[3] == faults.EXIT_SERVICE} == SERVICE_ONLY


def test_whoever_must_stop_now_is_told_with_the_highest_priority() -> None:
    assert all(row[2] == faults.HIGH for row in ROWS if row[1] in SERVICE_ONLY)


def names_used(function: str) -> set[str]:
    """Faults named in a call of `function` anywhere in the firmware."""
    return {
        argument.attr
        for path in (slot.ROOT / "firmware").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == function
        for argument in node.args
        if isinstance(argument, ast.Attribute) and getattr(argument.value, "id", "") == "faults"
    }


def test_a_warning_is_never_latched() -> None:
    latched = names_used("latch") | names_used("_fail_with") | names_used("_found")
    assert latched
    assert latched & set(WARNINGS) == set()


def test_every_fault_and_warning_is_used_somewhere() -> None:
    used = set()
    for path in (slot.ROOT / "firmware").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "faults":
                used.add(node.attr)
    assert set(NUMBERS | WARNINGS) <= used
