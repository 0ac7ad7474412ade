"""The core mark: what changes it, what does not, and that the one kept is true."""

import shutil
from pathlib import Path

import pytest

from emery import slot
from emery.certificate.core import PLACE, closure, core_mark, mark_of, module_source
from emery.slot_build import Source, build
from firmware.core_mark import CORE_MARK


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The device code, to be changed."""
    for folder in ("firmware", "hal"):
        shutil.copytree(
            slot.ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def edit(root: Path, place: str, find: str, replace: str) -> None:
    source = (root / place).read_text(encoding="utf-8")
    assert find in source
    (root / place).write_text(source.replace(find, replace, 1), encoding="utf-8")


def test_the_mark_that_is_kept_is_that_of_the_sources() -> None:
    told = "run: python -m emery.certificate.shipped"
    assert core_mark().hex() == CORE_MARK, told
    assert (slot.ROOT / PLACE).read_text(encoding="utf-8") == module_source(core_mark()), told


def test_the_core_is_all_that_the_app_imports_and_nothing_around_it() -> None:
    places = closure(slot.ROOT)
    assert {"firmware/app.py", "firmware/protection.py", "firmware/settings.py",
            "firmware/limits.py", "hal/contract.py"} <= set(places)
    assert not {"firmware/main.py", "firmware/link.py", "firmware/certificate.py",
                "hal/rp2040.py", "hal/board.py", PLACE} & set(places)


def test_any_module_of_the_core_changes_the_mark(copy: Path) -> None:
    marks = {mark_of(copy)}
    for place in closure(copy):
        with (copy / place).open("a", encoding="utf-8") as file:
            file.write("\nchanged = 1\n")
        marks.add(mark_of(copy))
    assert len(marks) == len(closure(copy)) + 1


@pytest.mark.parametrize(
    ("place", "find", "replace"),
    [
        ("firmware/limits.py", "45_000", "45_001"),
        ("firmware/protection.py", "coming <= hard_ratio", "coming < hard_ratio"),
        ("firmware/settings.py", "3_000, TECHNICIAN", "3_001, TECHNICIAN"),
        ("firmware/vacuum_regulator.py", "return _BRAKE if", "return _RISE if"),
    ],
)
def test_what_it_does_counts(copy: Path, place: str, find: str, replace: str) -> None:
    edit(copy, place, find, replace)
    assert mark_of(copy) != core_mark()


@pytest.mark.parametrize(
    ("place", "find", "replace"),
    [
        ("firmware/limits.py", "# Software trip.", "# The trip of the software.\n\n#"),
        ("firmware/contact.py", '"""Is the tip on the skin', '"""Is it on the skin'),
        ("firmware/controller.py", '"""The control core: a pure step', '"""The core: a step'),
        ("firmware/settings.py", '"vacuum that trips at once, latched"', '"another word"'),
        ("firmware/main.py", "def ", "changed = 1\n\n\ndef "),
        ("hal/rp2040.py", "def ", "changed = 1\n\n\ndef "),
    ],
)
def test_words_and_what_lies_around_do_not(
    copy: Path, place: str, find: str, replace: str
) -> None:
    edit(copy, place, find, replace)
    assert mark_of(copy) == core_mark()


def test_a_string_that_does_something_is_no_docstring(copy: Path) -> None:
    before = mark_of(copy)
    edit(copy, "firmware/handpiece.py", '"DEAD_HEAD")', '"DEAD")')
    assert mark_of(copy) != before


def test_a_slot_gets_the_true_mark_whatever_the_file_says(tmp_path: Path) -> None:
    stale = tmp_path / "core_mark.py"
    stale.write_text('CORE_MARK = "0123456789abcdef"\n', encoding="utf-8")
    build(tmp_path / "slot", [Source(stale, PLACE)])
    (compiled,) = (tmp_path / "slot").rglob("*.mpy")
    assert core_mark().hex().encode() in compiled.read_bytes()
    assert b"0123456789abcdef" not in compiled.read_bytes()
