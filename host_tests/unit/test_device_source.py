"""What goes onto a device is what was written, less the words for people."""

import ast
from pathlib import Path
from typing import Any

import pytest

from emery.device_source import device_source
from emery.slot import ROOT
from firmware import faults, settings, treatment

TABLES: dict[str, dict[str, tuple[tuple[Any, ...], ...]]] = {
    "firmware/settings.py": {"SETTINGS": settings.SETTINGS, "ZONE_FIELDS": settings.ZONE_FIELDS},
    "firmware/faults.py": {"CATALOGUE": faults.CATALOGUE},
}


def on_device(place: str) -> dict[str, Any]:
    module: dict[str, Any] = {"__name__": "on_device"}
    exec(device_source(ROOT / place, place), module)
    return module


@pytest.mark.parametrize("place", TABLES)
def test_tables_keep_everything_but_the_words(place: str) -> None:
    module = on_device(place)
    words = 7 if place.endswith("settings.py") else 4
    for name, table in TABLES[place].items():
        assert [row[:words] for row in module[name]] == [row[:words] for row in table]
        assert all(len(row) == len(whole) for row, whole in zip(module[name], table, strict=True))
        assert not any(any(row[words:]) for row in module[name])
        assert any(any(row[words:]) for row in table)


def test_tables_of_nothing_but_words_are_empty() -> None:
    module = on_device("firmware/treatment.py")
    assert (module["STATES"], module["REASONS"]) == ((), ())
    assert module["SERVICE"] == treatment.SERVICE


@pytest.mark.parametrize("place", [*TABLES, "firmware/treatment.py"])
def test_the_rest_stands_where_it_stood(place: str) -> None:
    """A traceback from a device names the line in the checkout."""
    whole = ast.parse((ROOT / place).read_text(encoding="utf-8")).body
    stripped = ast.parse(device_source(ROOT / place, place)).body
    assert [node.lineno for node in stripped] == [node.lineno for node in whole]
    for ours, theirs in zip(stripped, whole, strict=True):
        if not isinstance(ours, ast.Assign):
            assert ast.dump(ours) == ast.dump(theirs)


def test_a_module_without_such_tables_goes_as_it_is() -> None:
    path = Path(ROOT, "firmware", "gate.py")
    assert device_source(path, "firmware/gate.py") == path.read_text(encoding="utf-8")
