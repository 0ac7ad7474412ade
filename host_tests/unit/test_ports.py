"""Finding boards, and the adapter around mpremote: what is told when it goes wrong."""

import importlib.util
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from emery.device import ports
from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.device.remote import NoAnswer, Remote, ScriptFailed
from emery.exit_codes import ExitCode

Say = Callable[..., None]


def usb(device: str, vid: int | None, pid: int | None, serial: str | None = None) -> object:
    return SimpleNamespace(device=device, vid=vid, pid=pid, serial_number=serial)


PICO = usb("/dev/ttyACM0", 0x2E8A, 0x0005, "e66038b7")
OTHER_PICO = usb("/dev/ttyACM1", 0x2E8A, 0x0005, "e66038b8")
DEVKIT = usb("/dev/ttyUSB0", 0x10C4, 0xEA60, "0001")
MOUSE = usb("/dev/ttyS0", None, None)


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch) -> Say:
    def put(*found: object) -> None:
        monkeypatch.setattr(list_ports, "comports", lambda: list(found))
        monkeypatch.setattr(ports, "boot_drives", list)
        monkeypatch.setattr(ports, "_check_rights", lambda device: None)

    put()
    return put


@pytest.mark.parametrize(
    ("vid", "pid", "chip", "words"),
    [
        (0x2E8A, 0x0005, "rp2040", "MicroPython"),
        (0x2E8A, 0x000A, "", "Raspberry Pi"),
        (0x303A, 0x1001, "", "Espressif"),
        (0x10C4, 0xEA60, "", "CP210x"),
        (0x1A86, 0x7523, "", "CH340"),
    ],
)
def test_boards_are_known_by_their_usb_numbers(
    see: Say, vid: int, pid: int, chip: str, words: str
) -> None:
    see(MOUSE, usb("/dev/x", vid, pid), usb("/dev/y", 0x1234, pid))
    (found,) = ports.connected()
    assert (found.device, found.chip) == ("/dev/x", chip)
    assert words in str(found)


def test_the_only_board_is_the_one_that_is_meant(see: Say) -> None:
    see(MOUSE, DEVKIT)
    assert ports.chosen(None).device == "/dev/ttyUSB0"


def test_of_two_boards_none_is_guessed(see: Say) -> None:
    see(DEVKIT, PICO)
    with pytest.raises(DeviceProblem) as told:
        ports.chosen(None)
    text = str(told.value)
    assert "2 boards are connected" in text
    assert "/dev/ttyACM0: RP2040 with MicroPython, serial number e66038b7" in text
    assert "/dev/ttyUSB0: CP210x" in text
    assert told.value.remedy == "Name one: --port /dev/ttyACM0"
    assert told.value.code is ExitCode.DEVICE


def test_no_board_says_what_to_look_at(see: Say) -> None:
    with pytest.raises(DeviceProblem, match="no board is connected") as told:
        ports.chosen(None)
    assert "emery doctor" in told.value.remedy


def test_a_board_in_its_boot_loader_needs_an_image(
    see: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ports, "boot_drives", lambda: [tmp_path])
    with pytest.raises(DeviceProblem, match="BOOTSEL") as told:
        ports.chosen(None)
    assert "--base" in told.value.remedy


def test_a_port_that_is_not_there_is_told_with_those_that_are(see: Say) -> None:
    see(PICO)
    with pytest.raises(DeviceProblem, match="there is no port /dev/nowhere") as told:
        ports.chosen("/dev/nowhere")
    assert told.value.remedy == "Connected: /dev/ttyACM0."


def test_a_terminal_or_a_socket_can_be_named(see: Say, tmp_path: Path) -> None:
    (tmp_path / "pts").touch()
    assert ports.chosen(str(tmp_path / "pts")).device == str(tmp_path / "pts")
    assert ports.chosen("socket://127.0.0.1:9").device == "socket://127.0.0.1:9"


def test_a_port_without_rights_names_the_group(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(list_ports, "comports", list)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(ports, "owner_group", lambda device: "dialout")
    (tmp_path / "tty").touch()
    with pytest.raises(DeviceProblem, match="may not open") as told:
        ports.chosen(str(tmp_path / "tty"))
    assert "usermod -a -G dialout" in told.value.remedy
    assert told.value.code is ExitCode.BAD_INPUT


def test_the_same_board_is_found_under_another_name(see: Say) -> None:
    see(PICO, OTHER_PICO)
    before = Port("/dev/ttyACM7", "rp2040", "RP2040", "e66038b8")
    assert ports.again(before).device == "/dev/ttyACM1"
    see(PICO)
    assert ports.again(before) == before
    assert ports.again(Port("/dev/pts/3", "", "a port")) == Port("/dev/pts/3", "", "a port")


def test_drives_are_known_by_the_file_of_the_boot_loader(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, text in (("RPI-RP2", "Board-ID: RPI-RP2\n"), ("STICK", None), ("ARCH", "Board: X")):
        (tmp_path / name).mkdir()
        if text is not None:
            (tmp_path / name / "INFO_UF2.TXT").write_text(text)
    monkeypatch.setattr(ports, "_mounts", lambda: iter(sorted(tmp_path.iterdir())))
    assert ports.boot_drives() == [tmp_path / "RPI-RP2"]


# The adapter, with something else in the place of mpremote.


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run this program in place of mpremote."""

    def put(program: str) -> None:
        popen = subprocess.Popen

        def start(arguments: list[str], **rest: object) -> subprocess.Popen[bytes]:
            assert arguments[:4] == [sys.executable, "-P", "-m", "mpremote"]
            return popen([sys.executable, "-c", program, *arguments[4:]], **rest)  # type: ignore[call-overload]

        monkeypatch.setattr(subprocess, "Popen", start)

    return put


def test_commands_go_into_one_process(instead: Say) -> None:
    instead("import sys; print(sys.argv[1:])")
    lines: list[str] = []
    done = Remote("/dev/x").run(
        ["mount", "here"], ["run", "it"], ["umount"], limit_s=20, on_line=lines.append
    )
    assert done == "['connect', '/dev/x', 'mount', 'here', '+', 'run', 'it', '+', 'umount']\n"
    assert lines == done.splitlines()


@pytest.mark.parametrize(
    ("says", "kind", "words", "next_step"),
    [
        ("mpremote: failed to access /dev/x (it may be in use by another program)",
         DeviceProblem, "another program uses it", "Close"),
        ("mpremote: could not enter raw repl", NoAnswer, "does not answer", "--base"),
        ("Traceback (most\nserial.serialutil.SerialException: device reports", DeviceProblem,
         "was lost", "Plug the device in"),
        ("OSError: [Errno 5] Input/output error", DeviceProblem, "was lost", "Plug"),
        ("mpremote: timeout waiting for first EOF reception", DeviceProblem, "was lost", "Plug"),
        ("mpremote: what is this", DeviceProblem, "what is this", "emery doctor"),
        ("", DeviceProblem, "said nothing", "emery doctor"),
    ],
)  # fmt: skip
def test_words_of_mpremote_become_what_to_do(
    instead: Say, says: str, kind: type[DeviceProblem], words: str, next_step: str
) -> None:
    instead(f"import sys; print({says!r}, file=sys.stderr); sys.exit(1)")
    with pytest.raises(DeviceProblem) as told:
        Remote("/dev/x").run(["exec", "1"], limit_s=20)
    assert type(told.value) is kind
    assert words in told.value.what
    assert next_step in told.value.remedy


def test_an_exception_on_the_device_is_told_by_its_last_line(instead: Say) -> None:
    trace = "Traceback (most recent call last):\n  File, line 1\nOSError: [Errno 30] EROFS\n"
    instead(f"import sys; sys.stdout.write({trace!r}); sys.exit(1)")
    with pytest.raises(ScriptFailed, match="EROFS") as told:
        Remote("/dev/x").run(["exec", "1"], limit_s=20)
    assert told.value.output.startswith("Traceback")


@pytest.mark.parametrize(("limit_s", "silence_s"), [(1.0, 60.0), (60.0, 1.0)])
def test_a_device_that_is_silent_is_not_waited_for_for_ever(
    instead: Say, limit_s: float, silence_s: float
) -> None:
    instead("import time; print('one', flush=True); time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="does not answer any more"):
        Remote("/dev/x").run(["exec", "1"], limit_s=limit_s, silence_s=silence_s)
    assert time.monotonic() - began < 20


def test_without_mpremote_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeviceProblem, match="mpremote is not there") as told:
        Remote("/dev/x").run(["exec", "1"], limit_s=1)
    assert "pip install 'emery[board]'" in told.value.remedy
    assert told.value.code is ExitCode.BAD_INPUT


# And mpremote itself, against a terminal with nobody behind it.


@pytest.fixture
def terminal() -> Iterator[str]:
    ours, theirs = pty.openpty()
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_mpremote_at_a_port_that_is_in_use(terminal: str) -> None:
    import serial

    holder = serial.Serial(terminal, exclusive=True)
    try:
        with pytest.raises(DeviceProblem, match="another program uses it"):
            Remote(terminal).run(["exec", "1"], limit_s=30)
    finally:
        holder.close()


def test_mpremote_at_a_port_with_nobody(terminal: str) -> None:
    with pytest.raises(NoAnswer):
        Remote(terminal).run(["exec", "1"], limit_s=3)
