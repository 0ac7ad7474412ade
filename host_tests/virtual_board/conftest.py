"""Boards for the tests of this folder, and the command line of mpremote."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.console import Console
from emery.virtual_board.interpreter import program

CALL_LIMIT_S = 30.0

Mpremote = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _interpreter() -> None:
    if program("micropython") is None:
        pytest.skip("there is no MicroPython on this machine; see CONTRIBUTING.md")


@pytest.fixture(params=["rp2040", "esp32"])
def chip(request: pytest.FixtureRequest) -> str:
    """Either chip."""
    name: str = request.param
    return name


@pytest.fixture
def board(chip: str, tmp_path: Path) -> Iterator[VirtualBoard]:
    """A blank board in fast pace. It must not crash."""
    with VirtualBoard(chip, tmp_path, fast=True) as made:
        yield made
        assert made.crashes == []


@pytest.fixture
def console(board: VirtualBoard) -> Console:
    """Its console, in the raw REPL."""
    made = Console(board)
    board.wait_until(lambda: board.at_prompt)
    made.interrupt()
    return made


@pytest.fixture
def mpremote(board: VirtualBoard) -> Mpremote:
    """Runs mpremote against the board: `mpremote("exec", "print(1)")`."""
    return lambda *words: call_mpremote(board.port, *words)


def call_mpremote(port: str, *words: str) -> subprocess.CompletedProcess[str]:
    """One call of mpremote, as a user makes it. It must succeed."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "mpremote"), "connect", port, *words],
        capture_output=True,
        text=True,
        timeout=CALL_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done
