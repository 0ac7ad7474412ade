"""Where the device code comes from, in a checkout and in an installed package."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from emery import slot

CHECKOUT = Path(__file__).resolve().parents[2]
DEVICE_CODE = ("firmware", "hal")


def python(code: str, path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` with `path` first on the import path, in `folder`."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(path), "PATH": "", "SYSTEMROOT": ""},
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_a_checkout_is_its_own_slot() -> None:
    assert slot.ROOT == CHECKOUT
    import firmware.settings
    import hal.contract

    assert Path(firmware.settings.__file__).is_relative_to(CHECKOUT)
    assert Path(hal.contract.__file__).is_relative_to(CHECKOUT)


def test_mounting_twice_changes_nothing() -> None:
    before = list(sys.path)
    slot.mount()
    assert sys.path == before


def test_other_code_under_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "__init__.py").write_text("")
    done = python("import emery", tmp_path, tmp_path)
    assert done.returncode != 0
    assert "the device code 'firmware' should come from" in done.stderr
    assert str(tmp_path / "firmware") in done.stderr


def test_a_folder_of_the_same_name_does_not_get_in_the_way(tmp_path: Path) -> None:
    # Such as that of someone's own project, where the command is run.
    for name in DEVICE_CODE:
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.py").write_text("raise RuntimeError('not mine')")
    done = python("import emery, firmware.settings", tmp_path, tmp_path)
    assert done.stderr == ""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    )
    (built,) = folder.glob("emery-*.whl")
    return built


def sources(folder: Path) -> set[str]:
    """Files below `folder` that belong into a package."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.suffix != ".mpy"
    }


def test_the_wheel_installs_one_package_with_all_of_the_device_code(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"emery"}
    for folder in (*DEVICE_CODE, "board_configs"):
        expected = {f"emery/_slot/{folder}/{name}" for name in sources(CHECKOUT / folder)}
        assert expected
        assert expected <= names
    expected = {f"emery/{name}" for name in sources(CHECKOUT / "tools" / "emery")}
    assert expected <= names
    assert [name for name in names if name.endswith((".pyc", ".mpy"))] == []


def test_the_wheel_declares_a_light_default_and_the_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    needed = {
        line.removeprefix("Requires-Dist: ").split(">")[0]
        for line in lines
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    }
    assert needed == {
        "pint", "platformdirs", "rich", "tomlkit", "tree-sitter", "tree-sitter-toml", "typer"
    }
    assert "License-Expression: MIT" in lines
    (entry,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
    assert "emery = emery.cli:main" in archive.read(entry).decode()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as installed somewhere away from the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_an_installed_package_runs_the_device_code_it_carries(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "import emery.slot, firmware.settings, hal.contract, micropython\n"
        "print(emery.slot.ROOT, firmware.settings.__file__, hal.contract.__file__,\n"
        "      micropython.__file__, sep='\\n')"
    )
    done = python(code, installed, tmp_path)
    assert done.stderr == ""
    files = [Path(line) for line in done.stdout.splitlines()]
    assert len(files) == 4
    assert all(file.is_relative_to(installed.resolve()) for file in files)


def test_an_installed_package_simulates(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.argv = ['emery', 'simulate', 'clogged_runaway', '--json']\n"
        "from emery.cli import main\n"
        "main()"
    )
    done = python(code, installed, tmp_path)
    assert done.stderr == ""
    assert done.returncode == 0
    assert '"passed": true' in done.stdout
