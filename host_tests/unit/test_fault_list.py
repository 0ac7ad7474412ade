"""`emery faults`: every fault can be looked up by code and by number, and each
page says what to do, in order, within 80 columns."""

import json

import pytest
from typer.testing import CliRunner

from emery import fault_list
from emery.cli import app
from emery.exit_codes import ExitCode
from firmware import faults

ROWS = [row for row in faults.CATALOGUE if row[0]]


def ask(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["faults", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_all_are_listed_in_80_columns() -> None:
    code, text, _ = ask()
    assert code == ExitCode.PASS
    for row in ROWS:
        assert row[1] in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_a_fault_is_found_by_code_and_by_number(row: tuple) -> None:  # type: ignore[type-arg]
    by_code = ask(row[1].lower())
    assert by_code[0] == ExitCode.PASS
    assert by_code == ask(str(row[0]))
    text = " ".join(by_code[1].split())
    assert " ".join(row[4].split()) in text
    places = [text.index(" ".join(step.split())) for step in row[5]]
    assert places == sorted(places)
    assert max(len(line) for line in by_code[1].splitlines()) <= 80


def test_a_service_fault_says_that_a_restart_does_not_clear_it() -> None:
    for row in ROWS:
        told = "SERVICE" in ask(row[1])[1].splitlines()[-1]
        assert told == (row[3] == faults.EXIT_SERVICE)


@pytest.mark.parametrize(
    ("wanted", "told"), [("VENT_FAILD", "did you mean VENT_FAILED?"), ("0", "1 to"), ("99", "1 to")]
)
def test_an_unknown_fault_is_refused_with_what_there_is(wanted: str, told: str) -> None:
    code, text, error = ask(wanted)
    assert code == ExitCode.BAD_INPUT
    assert text == ""
    assert told in error


def test_as_data() -> None:
    document = json.loads(ask("--json")[1])
    assert document["schema"] == fault_list.SCHEMA
    assert [fault["number"] for fault in document["faults"]] == [row[0] for row in ROWS]
    one = json.loads(ask("VENT_FAILED", "--json")[1])["faults"]
    assert len(one) == 1
    assert one[0]["needs_service"]
    assert one[0]["fix"]
