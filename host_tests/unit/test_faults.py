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
}


def test_numbers_are_stable() -> None:
    assert {name: CONSTANTS[name] for name in NUMBERS} == NUMBERS


def test_the_catalogue_holds_every_fault_at_its_number() -> None:
    # The firmware looks a fault up by its number as the place.
    assert [row[0] for row in ROWS] == list(range(len(ROWS)))
    assert {row[1]: row[0] for row in ROWS} == CONSTANTS


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[1])
def test_a_row_tells_a_person_what_to_do(row: tuple[int, str, str, int, str, tuple[str]]) -> None:
    _number, code, priority, leaving, headline, fix = row
    assert code == code.upper()
    assert priority in (faults.HIGH, faults.MEDIUM)
    assert leaving in (faults.EXIT_SELF_TEST, faults.EXIT_SERVICE)
    assert headline
    assert not headline.endswith(".")
    assert len(headline) <= 72
    assert fix
    assert all(step.endswith(".") for step in fix)


def test_nothing_leaves_an_internal_fault_but_service() -> None:
    leaving = {row[1]: row[3] for row in ROWS}
    assert leaving["INTERNAL"] == faults.EXIT_SERVICE


def test_every_fault_is_latched_somewhere() -> None:
    used = set()
    for path in (slot.ROOT / "firmware").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "faults":
                used.add(node.attr)
    assert set(NUMBERS) <= used
