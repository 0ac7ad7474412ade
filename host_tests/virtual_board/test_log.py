"""The host's tools on a whole device: a treatment over the link, its black box pulled and
replayed on the host, and a setting changed on the flash.

The firmware runs on MicroPython with the board's HAL; its log replays on CPython.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emery import slot
from emery.blackbox.journal import entries
from emery.blackbox.log_file import Log
from emery.blackbox.pull import pull
from emery.blackbox.replay import replay
from emery.blackbox.show import page
from emery.device.problem import DeviceProblem
from emery.link import operate
from emery.link.client import Client
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.installed import install
from firmware import faults, journal, treatment
from hal.contract import COMMAND_RESTART

CONFIGS = {"rp2040": "pico_reference", "esp32": "esp32_devkitc"}
TURN_MS = 20


class BoardLine:
    """The console of a virtual board as a line, in the board's own time."""

    name = "a virtual board"

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        self.printed = bytearray()
        board.on_output = self.printed.extend

    def write(self, data: bytes) -> None:
        self.board.type(data)

    def read(self) -> bytes:
        if not self.printed:
            self.board.run_for(TURN_MS)
        data = bytes(self.printed)
        self.printed.clear()
        return data

    def now_s(self) -> float:
        return self.board.now_us / 1e6

    def close(self) -> None:
        """It stays."""


class Site:
    """A device with somebody who treats."""

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        self.client = Client(BoardLine(board))

    def foot(self, position: int) -> None:
        self.board.world.footswitch = position

    def tip(self, place: int) -> None:
        self.board.world.tip = place

    def to_treating(self) -> None:
        operate.to_ready(self.client, self.foot, self.tip)
        operate.to_treating(self.client, self.foot, self.tip, 1)
        self.client.hear(1.5)
        assert self.client.status().vacuum_pa > 10_000

    def log(self) -> Log:
        return pull(self.client, self.client.hello(), lambda part, title: None)


@pytest.fixture
def site(chip: str, tmp_path: Path) -> Iterator[Site]:
    configs = slot.ROOT / "board_configs"
    world = install(
        tmp_path, configs / f"{CONFIGS[chip]}.toml", configs / "protocols" / "face.toml"
    )
    with VirtualBoard(chip, tmp_path, world=world, fast=True) as board:
        yield Site(board)
        assert board.crashes == []


def test_a_treatment_on_a_board_replays_on_the_host(site: Site) -> None:
    site.to_treating()
    with pytest.raises(DeviceProblem, match="being used"):
        site.log()
    operate.pause(site.client, site.foot, site.tip)
    log = site.log()
    assert log.missing == {}
    states = {record[18] for record in log.box().records}
    outcome = replay(log)
    assert outcome.difference is None
    assert outcome.ticks >= 256
    assert states >= {treatment.TREATING, treatment.PAUSED}
    kinds = [entry.kind for entry in entries(log.blobs["journal"])]
    assert kinds == [journal.START, journal.SESSION_BEGUN]


def test_what_led_to_a_fault_on_a_board_replays_to_it(site: Site) -> None:
    site.to_treating()
    site.board.world.inject("vacuum_a_open")
    operate.wait_for(site.client, treatment.FAULT)
    site.client.hear(2.0)
    site.foot(0)
    log = site.log()
    fault = site.client.status().fault
    code = faults.CATALOGUE[fault][1]
    assert log.box().is_stopped
    assert replay(log).difference is None
    assert f"fault {code} in TREATING" in page(log, 40)
    assert f"latched: {code}" in page(log, 40)


def test_a_setting_that_was_changed_holds_from_the_next_start(site: Site) -> None:
    client = site.client
    operate.wait_for(client, treatment.STANDBY)
    before = client.hello()
    client.into_service()
    operate.wait_for(client, treatment.SERVICE)
    assert client.set("session_ms", 1_200_000) == 1_800_000
    assert client.get("session_ms") == 1_200_000
    assert client.status().session_limit_ms == 1_800_000
    client.do(COMMAND_RESTART)
    client.hear(3.0)
    # Changed by hand, the settings are not those of the certificate: SERVICE again.
    assert operate.wait_for(client, treatment.SERVICE).session_limit_ms == 1_200_000
    after = client.hello()
    assert (before.certificate, after.certificate) == ("ok", "settings")
    assert after.config != before.config
    assert (after.image, after.boots) == (before.image, before.boots + 2)
    assert replay(site.log()).difference is None
