"""`emery calibrate` as it is typed, at a virtual board in real time, by its hands."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emery import slot
from emery.ledger import book
from emery.virtual_board import installed
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.hands import Hands, HandsServer
from firmware import treatment

LIMIT_S = 240.0


@pytest.fixture
def device(tmp_path: Path) -> Iterator[tuple[VirtualBoard, Path, Hands]]:
    """A Pico whose vent leaks and whose PASS and ZONE have exchanged their wires."""
    configs = slot.ROOT / "board_configs"
    world = installed.install(
        tmp_path, configs / "pico_reference.toml", configs / "protocols" / "face.toml"
    )
    world.plant.set("vent_leak", 0.02)
    with VirtualBoard("rp2040", tmp_path, world=world) as board:
        hands = Hands(world, board.locked)
        hands.crossed = {"pass": "zone", "zone": "pass"}
        server = HandsServer(tmp_path / "hands", hands, lambda line: None)
        try:
            yield board, tmp_path / "hands", hands
        finally:
            server.close()


def emery(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emery", *words], capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip


@pytest.mark.long
def test_a_leak_and_exchanged_buttons_are_found_over_the_link(
    device: tuple[VirtualBoard, Path, Hands],
) -> None:
    board, pipe, _ = device
    _device_id(board.port)
    at = ("--port", board.port, "--hands", str(pipe))
    told = emery("calibrate", "leak", *at, "--write", "--who", "ann", "--json")
    assert told.returncode == 1, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert found["schema"] == "emery.calibrate/1"
    assert not found["passed"]
    assert next(iter(found["found"]["parts"])) == "the vent valve"
    assert found["found"]["leak_mm"] == pytest.approx(4 * 0.02**0.5, rel=0.1)
    assert "Clamp the suction hose" in told.stderr
    assert board.world.power == 0

    entry = book.entries(_device_id(board.port))[-1]
    assert (entry.what, entry.who) == ("calibrate", "ann")
    assert entry.extra["leak_mm"] == found["found"]["leak_mm"]
    assert entry.before == entry.after

    told = emery("calibrate", "controls", *at)
    assert told.returncode == 1, told.stdout + told.stderr
    lines = told.stdout.splitlines()
    for name, verdict in (("footswitch", "ok"), ("START", "ok"), ("PASS", "WRONG"),
                          ("ZONE", "WRONG"), ("END", "ok")):  # fmt: skip
        assert any(name in line and verdict in line for line in lines), told.stdout
    assert "PASS (GP11) was pressed, and ZONE (GP12) was seen" in " ".join(told.stdout.split())
    assert all(len(line) <= 80 for line in lines)
    assert board.crashes == []


def _device_id(port: str) -> str:
    """Who it is, once it is in STANDBY."""
    from emery.link.client import connected
    from emery.link.operate import wait_for

    with connected(port) as (client, hello):
        wait_for(client, treatment.STANDBY)
        return hello.device_id
