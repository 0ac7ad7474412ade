"""Configs onto a whole device and back, as a technician does it: the commands over the
port of a virtual board, with the firmware on MicroPython behind it.

What each of them refuses, and every step at which it may end, is tried without a board:
host_tests/unit/test_transfer.py.
"""

import json
import struct
import subprocess
import sys
import time
from binascii import crc32
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emery import slot, slot_build
from emery.cli import app
from emery.config.compile import compile_board
from emery.config.compiled import decompile, encode_config
from emery.config.edit import set_values
from emery.config.former_blobs import FORMER_WIRINGS
from emery.flash import image as slot_image
from emery.ledger import book, pending, place
from emery.link.client import Client
from emery.link.port import SerialPort
from emery.virtual_board import image
from emery.virtual_board.board import IMAGE, VirtualBoard
from emery.virtual_board.installed import install
from firmware import config_file
from hal import wiring
from host_tests.compiled_once import compiled_once

pytestmark = pytest.mark.skipif(
    slot_build.program("mpy-cross") is None,
    reason="there is no mpy-cross on this machine; see CONTRIBUTING.md",
)

BOARDS = slot.ROOT / "board_configs"
PICO = BOARDS / "pico_reference.toml"
FACE = BOARDS / "protocols" / "face.toml"


@pytest.fixture(scope="module", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with compiled_once(tmp_path_factory.mktemp):
        yield


@dataclass
class Site:
    """A device in a workshop, and the folder that one works in."""

    board: VirtualBoard
    folder: Path

    @property
    def config(self) -> bytes:
        """What lies on its flash."""
        files = image.read_files(self.folder / IMAGE, "rp2040")
        return files[f"/{json.loads(files['/slot.json'])['active']}/config.bin"]

    def __call__(self, *words: str) -> tuple[str, str]:
        """A command that succeeds; what it printed, and its notes."""
        done = CliRunner().invoke(app, [*words, "--port", self.board.port])
        assert done.exit_code == 0, (words, done.stdout, done.stderr, done.exception)
        return done.stdout, " ".join(done.stderr.split())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A certified Pico in STANDBY, and a ledger of its own."""
    with powered(tmp_path, monkeypatch) as made:
        _wait(made.board, "STANDBY")
        yield made


@contextmanager
def powered(
    folder: Path, monkeypatch: pytest.MonkeyPatch, config: bytes = b""
) -> Iterator[Site]:
    """A Pico with the firmware, and with a config in the place of its own."""
    monkeypatch.setenv(place.VARIABLE, str(folder / "ledger"))
    device = folder / "device"
    device.mkdir()
    world = install(device, PICO, FACE)
    if config:
        image.write_files(device / IMAGE, "rp2040", {"/a/config.bin": config})
    with VirtualBoard("rp2040", device, world=world, fast=True) as board:
        yield Site(board, device)
        assert board.crashes == []


def _wait(board: VirtualBoard, state: str) -> None:
    from emery.link.operate import wait_for
    from firmware import treatment

    client = Client(SerialPort(board.port))
    try:
        wait_for(client, treatment.STATES.index(state))
    finally:
        client.close()


def test_push_history_blame_undo_and_pull(site: Site, tmp_path: Path) -> None:
    before = site.config
    mine = tmp_path / "mine.toml"
    site("config", "pull", "-o", str(mine))
    out, _ = site("config", "push", str(mine))
    assert "nothing to write" in out

    # Another protocol needs no other certificate.
    out, err = site("config", "push", str(mine), "--protocol", "neck", "--who", "anna",
                    "--why", "for the neck")  # fmt: skip
    assert "protocol.name" in out
    assert "written and verified: entry 2" in out
    assert "restarted, and is in STANDBY" in out
    assert err == ""
    assert decompile(site.config).settings.protocol_name == "neck"

    out, _ = site("config", "history", "--json")
    seen, pushed = json.loads(out)["entries"]
    assert (seen["what"], pushed["what"], pushed["who"]) == ("seen", "push", "anna")
    out, _ = site("config", "history", "--on-device")
    assert "for the neck" in out
    out, _ = site("config", "blame", "protocol.name")
    assert "face -> neck" in out
    assert "push by anna: for the neck" in out

    out, _ = site("config", "undo", "--yes")
    assert "neck -> face" in out
    assert site.config == before
    back = tmp_path / "back.toml"
    site("config", "pull", "-o", str(back))
    assert back.read_bytes() == mine.read_bytes()

    set_values(mine, {"protection.hard_limit": "20 kPa"})
    done = CliRunner().invoke(app, ["config", "push", str(mine), "--port", site.board.port])
    assert done.exit_code == 2  # the levels of the protocol on the device need more
    assert "the protocol on the device" in done.stderr
    assert site.config == before


def test_a_killed_push_is_settled_by_the_next_command(site: Site, tmp_path: Path) -> None:
    """The process itself ends, at whatever it was doing."""
    site("config", "history")
    first = site.config
    command = [
        sys.executable, "-m", "emery", "config", "push", str(PICO), "--protocol", "neck",
        "--port", site.board.port,
    ]  # fmt: skip
    began = time.monotonic()
    device_id = place.devices()[0]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as push:
        while pending.of(device_id) is None and time.monotonic() - began < 30:
            time.sleep(0.005)
        push.kill()
    _, err = site("config", "history")
    assert pending.of(device_id) is None
    entries = book.entries(device_id)
    assert entries[-1].after == site.config
    if site.config == first:
        assert "the device has what it had before" in err
        assert len(entries) == 1
    else:
        assert "Entry 2 tells of it now" in err
        assert entries[-1].what == "push"
    site("config", "push", str(PICO), "--protocol", "neck")
    assert decompile(site.config).settings.protocol_name == "neck"


def test_new_firmware_keeps_what_is_on_the_device(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site("config", "push", str(PICO), "--protocol", "neck")
    before = site.config
    out, _ = site("flash", "--keep")
    assert 'keeps: the config of "Pico reference", protocol neck' in out
    assert "nothing to write" in out

    real = slot_image.manifest_text
    monkeypatch.setattr(
        slot_image, "manifest_text", lambda chip, mpy, files: real(chip, mpy, files, "9.9.9")
    )
    out, err = site("flash", "--keep", "--why", "new firmware")
    assert "runs: Emery 9.9.9 in slot b, STANDBY" in out
    assert "entry 3 of its ledger" in out
    assert err == ""
    assert site.config == before
    _, pushed, flashed = book.entries(place.devices()[0])
    assert (flashed.what, flashed.why) == ("flash", "new firmware")
    assert flashed.before == flashed.after == pushed.after == before


def test_new_firmware_takes_over_the_config_of_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its wiring is of version 1, which today's firmware refuses."""
    blob = compile_board(PICO, FACE)
    with powered(tmp_path, monkeypatch, older(blob)) as site:
        site.board.wait_until(lambda: site.board.at_prompt)
        done = CliRunner().invoke(app, ["flash", "--keep", "--port", site.board.port])
        assert done.exit_code == 0, (done.stdout, done.stderr)
        assert "note: " in done.stderr
        assert "STANDBY, healthy after" in done.stdout
        assert encode_config(decompile(site.config)) == encode_config(decompile(blob))
        entries = book.entries(place.devices()[0])
        assert [entry.what for entry in entries] == ["seen", "flash"]
        assert entries[0].after == older(blob)


def older(blob: bytes) -> bytes:
    """A config with a wiring of version 1, without a certificate."""
    blob = config_file.with_section(blob, config_file.CERTIFICATE, b"")
    wired = wiring.decode(blob)
    form = FORMER_WIRINGS[1]
    body = struct.pack(
        form.form, wiring.MAGIC, 1, wired.chip, wired.board_name.encode(),
        *[getattr(wired, name) for name in (*form.roles, *form.facts)],
    )  # fmt: skip
    return body + struct.pack("<I", crc32(body)) + blob[wiring.LENGTH :]
