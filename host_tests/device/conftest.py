"""One suite for every board: the two virtual ones, or hardware with `--device PORT`.

    pytest host_tests/device                                  both virtual boards
    pytest host_tests/device --device /dev/ttyACM0            the Pico reference build
    pytest host_tests/device --device PORT --device-config BOARD.toml

A board is flashed first, by the command that everybody uses. What needs a hand or a
foot is done on a virtual board by the test, and left out on hardware, which says so.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emery import slot
from emery.config.compile import compile_board
from emery.config.load import load_board
from emery.stops.ways import BOARDS
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.world import World
from firmware.config_file import settings_of
from firmware.settings import decode
from hal import wiring

CONFIGS = slot.ROOT / "board_configs"
_FLASH_S = 180.0


@dataclass
class Device:
    """A board that runs the firmware. `board` is None on hardware."""

    chip: str
    config: Path
    port: str
    board: VirtualBoard | None

    def emery(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `emery`; its output."""
        return subprocess.run(
            [sys.executable, "-m", "emery", *arguments],
            capture_output=True, text=True, timeout=_FLASH_S, check=False,
        )  # fmt: skip

    def flash(self) -> subprocess.CompletedProcess[str]:
        """Flash it with its config."""
        return self.emery("flash", str(self.config), "--port", self.port)

    def mpremote(self, *arguments: str) -> str:
        """Run mpremote on it; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", self.port, *arguments],
            capture_output=True, text=True, timeout=_FLASH_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def needs_hands(self) -> VirtualBoard:
        """The virtual board; on hardware the test ends here, with the reason."""
        if self.board is None:
            pytest.skip("needs a hand, a foot or a look at the pins: virtual boards only")
        return self.board


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device" in metafunc.fixturenames:
        port = metafunc.config.getoption("--device")
        names = ["hardware"] if port else list(BOARDS)
        metafunc.parametrize("device", names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def device(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Device]:
    """A board with the firmware flashed onto it."""
    if request.param == "hardware":
        config = Path(
            request.config.getoption("--device-config") or CONFIGS / "pico_reference.toml"
        )
        found = Device(
            load_board(config).chip, config, request.config.getoption("--device"), None
        )
        done = found.flash()
        assert done.returncode == 0, done.stdout + done.stderr
        yield found
        return
    chip = request.param
    config = CONFIGS / f"{BOARDS[chip]}.toml"
    compiled = compile_board(config, CONFIGS / "protocols" / "face.toml")
    world = World(wiring.decode(compiled), settings=decode(settings_of(compiled)))
    folder = tmp_path_factory.mktemp(chip)
    with VirtualBoard(chip, folder, world=world, fast=True) as board:
        found = Device(chip, config, board.port, board)
        done = found.flash()
        assert done.returncode == 0, done.stdout + done.stderr
        yield found
        assert board.crashes == []
