"""The descriptions for mip and for frozen builds name what a slot holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emery import slot, slot_build
from emery.flash import packages
from emery.virtual_board import image
from emery.virtual_board.board import IMAGE, VirtualBoard
from emery.virtual_board.interpreter import program

FOLDER = slot.ROOT / packages.FOLDER


def in_a_slot() -> set[str]:
    return {one.place for one in slot_build.sources()}


def described_for_mip() -> dict[str, Path]:
    """As mip reads it: where each file goes, and where it comes from."""
    document = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    return {place: (FOLDER / url).resolve() for place, url in document["urls"]}


def described_for_a_frozen_build() -> dict[str, Path]:
    """As MicroPython's manifestfile.py reads it."""
    found = {}
    included: list[str] = []

    def package(name: str, files: tuple[str, ...], base_path: str) -> None:
        for file in files:
            found[f"{name}/{file}"] = (FOLDER / base_path / name / file).resolve()

    text = (FOLDER / "manifest.py").read_text(encoding="utf-8")
    exec(text, {"package": package, "include": included.append})
    assert included == ["$(PORT_DIR)/boards/manifest.py"]
    return found


def test_a_slot_holds_all_device_code_but_what_never_runs_from_one() -> None:
    there = {
        path.relative_to(slot.ROOT).as_posix()
        for package in ("firmware", "hal")
        for path in (slot.ROOT / package).rglob("*.py")
    }
    assert there - in_a_slot() == {
        "firmware/root/boot.py", "firmware/root/main.py", "firmware/packages/manifest.py",
        "hal/mock.py",
    }  # fmt: skip
    assert "hal/sensors/bmp280.py" in in_a_slot()


@pytest.mark.parametrize("described", [described_for_mip, described_for_a_frozen_build])
def test_both_descriptions_name_the_files_of_a_slot(described) -> None:  # type: ignore[no-untyped-def]
    found = described()
    assert set(found) == in_a_slot(), "run: python -m emery.flash.packages"
    assert {place: path for place, path in found.items() if path != slot.ROOT / place} == {}


def test_they_are_as_the_generator_writes_them(tmp_path: Path) -> None:
    packages.write(tmp_path)
    for name in ("package.json", "manifest.py"):
        made = (tmp_path / packages.FOLDER / name).read_text(encoding="utf-8")
        assert (FOLDER / name).read_text(encoding="utf-8") == made, (
            "run: python -m emery.flash.packages"
        )


@pytest.mark.parametrize(
    ("mpy", "machine"),
    [(4870, "armv6m"), (2822, "x64"), (6 | 3 << 8 | 10 << 10, "xtensawin"), (6, ""), (0xFC06, "")],
)
def test_the_machine_of_native_code_is_known_by_number(mpy: int, machine: str) -> None:
    assert slot_build.machine(mpy) == machine


@pytest.mark.skipif(
    program("micropython") is None,
    reason="there is no MicroPython on this machine; see CONTRIBUTING.md",
)
def test_mip_installs_it_on_a_board(tmp_path: Path) -> None:
    with VirtualBoard("rp2040", tmp_path, fast=True) as board:
        done = subprocess.run(
            [
                sys.executable, "-m", "mpremote", "connect", board.port, "mip", "install",
                "--target", "/a", str(FOLDER / "package.json"),
            ],
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout, done.stderr)
    found = image.read_files(tmp_path / IMAGE, "rp2040")
    assert {name.removeprefix("/a/") for name in found if name.startswith("/a/")} == in_a_slot()
    for place in in_a_slot():
        assert found[f"/a/{place}"] == (slot.ROOT / place).read_bytes()
