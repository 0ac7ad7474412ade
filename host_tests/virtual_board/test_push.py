"""Another config over the link onto a whole device: the power fails in the midst of the
writing, or the plug is pulled, and the device starts with one of both, whole.

Every operation of the flash in turn is torn in host_tests/safety/test_push_power_cuts.py;
here the firmware around it is the whole one.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from emery import slot
from emery.config.compile import compile_board
from emery.link import operate
from emery.link.client import Client
from emery.link.device_ledger import digest_of
from emery.link.line import framed
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.installed import install
from firmware import treatment
from host_tests.virtual_board.test_log import CONFIGS, BoardLine

BOARDS = slot.ROOT / "board_configs"
FACE, NECK = (BOARDS / "protocols" / f"{name}.toml" for name in ("face", "neck"))
COMMIT_MS = 2_000
START_MS = 4_500  # until it is seen healthy


class Pushed:
    """A device in SERVICE, and the config that is to be put on it."""

    def __init__(self, board: VirtualBoard, board_file: Path) -> None:
        self.board = board
        self.client = Client(BoardLine(board))
        self.configs = [compile_board(board_file, one) for one in (FACE, NECK)]
        operate.wait_for(self.client, treatment.STANDBY)

    def into_service(self) -> None:
        self.client.into_service()
        operate.wait_for(self.client, treatment.SERVICE)

    def commit(self, config: bytes) -> None:
        """Everything but the wait for an answer."""
        for at in range(0, len(config), 72):
            self.client.ask("put", at, base64.b64encode(config[at : at + 72]).decode())
        self.board.type(framed(f"7 commit {len(config)} {digest_of(config)} 0 me why"))

    def check(self) -> str:
        """The config that it has, after a start: one of both, and its ledger says so."""
        self.board.power_on()
        self.board.run_for(START_MS)
        if not self.board.is_running:
            # The writing had fewer operations than that: the start was cut instead.
            self.board.power_on()
            self.board.run_for(START_MS)
        operate.wait_for(self.client, treatment.STANDBY)
        hello = self.client.hello()
        assert hello.config in [digest_of(one) for one in self.configs]
        assert hello.certificate == "ok"
        assert digest_of(self.client.whole_blob("config")) == hello.config
        assert self.client.ledger()[-1].digest == hello.config
        return hello.config


@pytest.fixture
def device(chip: str, tmp_path: Path) -> Iterator[Pushed]:
    board_file = BOARDS / f"{CONFIGS[chip]}.toml"
    world = install(tmp_path, board_file, FACE)
    with VirtualBoard(chip, tmp_path, world=world, fast=True) as board:
        yield Pushed(board, board_file)
        assert board.crashes == []


def test_a_push_holds_from_the_next_start_on(device: Pushed) -> None:
    device.into_service()
    assert device.client.put_config(device.configs[1], "me", "the neck today")
    device.client.leave_service()
    device.client.hear(3.0)
    assert device.check() == digest_of(device.configs[1])
    ledger = device.client.ledger()
    assert [(entry.who, entry.why) for entry in ledger] == [
        ("device", "seen at start"), ("me", "the neck today"),
    ]  # fmt: skip


@pytest.mark.parametrize("cuts", [(3,), pytest.param(range(1, 9), marks=pytest.mark.long)])
def test_the_power_fails_while_it_is_written(cuts: tuple[int, ...], device: Pushed) -> None:
    had = digest_of(device.configs[0])
    ended = []
    for cut in cuts:
        device.into_service()
        wanted = next(one for one in device.configs if digest_of(one) != had)
        # The last `put` is answered before: nothing else is written meanwhile.
        device.board.cut_power_at(cut)
        device.commit(wanted)
        device.board.run_for(COMMIT_MS)
        ended.append(not device.board.is_running)
        device.board.cut_power()
        had = device.check()
    assert ended[0]
