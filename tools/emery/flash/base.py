"""`--base IMAGE`: putting MicroPython itself on a board.

The image is looked at before anything else happens. An RP2040 shows a drive when it
is powered on with its BOOTSEL button held (a running MicroPython can be asked to go
there): the image is copied to it, and the chip restarts by itself. An ESP32 or
ESP32-S3 is written by esptool through its serial port. Neither touches the files on
the device, with the counts of passes among them. An ESP32 that never had MicroPython
may hold something else where those belong, which keeps MicroPython from starting;
that is erased when `--erase` says so.
"""

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emery.device import ports
from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.device.remote import Remote
from emery.exit_codes import ExitCode

# "USB Flashing Format (UF2)": every block of 512 bytes has these at its ends, and the
# family of chips it is for; flag 0x2000 says that the family is there.
_UF2_BLOCK = 512
_UF2_BEGINS = bytes.fromhex("5546320a 57515d9e")
_UF2_ENDS = bytes.fromhex("306fb10a")
_UF2_HAS_FAMILY = 0x2000
_RP2040_FAMILY = 0xE48BFF56

# esptool's documentation, "Firmware Image Format": the first byte of an image, and
# where its header names the chip, by these numbers (ESP-IDF, esp_app_format.h).
_ESP_MAGIC = 0xE9
_ESP_CHIP_AT = 12
_ESP_HEADER = 24
_ESP_CHIPS = {"esp32": 0, "esp32s3": 9}
_ESP_NAMES = {"esp32": "ESP32", "esp32s3": "ESP32-S3"}
# The boot loader, with which MicroPython's images begin, lies there (the same page).
_ESP_ADDRESSES = {"esp32": "0x1000", "esp32s3": "0x0"}
_ESP_BAUD = "460800"

_WHERE = {
    "rp2040": "For a Raspberry Pi Pico it is the .uf2 file of RPI_PICO, for a Pico W that of "
    "RPI_PICO_W",
    "esp32": "For an ESP32 DevKit it is the .bin file of ESP32_GENERIC",
    "esp32s3": "For an ESP32-S3 DevKit it is the .bin file of ESP32_GENERIC_S3",
}
_WAIT_S = 20.0
_COPY_S = 120.0
_PROBE_S = 10.0
_POLL_S = 0.3
_STARTS = 3

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Base:
    """An image of MicroPython that was looked at, and the chip it is for."""

    path: Path
    chip: str


def read(path: Path, chip: str) -> Base:
    """Look at an image for `chip`. DeviceProblem if it is missing or something else."""
    where = (
        f"{_WHERE[chip]}, version 1.28 or later, from micropython.org/download; download it, and "
        "name it with --base."
    )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DeviceProblem(
            f"there is no image {path} ({error.strerror or error})", where, ExitCode.BAD_INPUT
        ) from None
    wrong = _wrong_uf2(content) if chip == "rp2040" else _wrong_esp(content, chip)
    if wrong:
        raise DeviceProblem(
            f"{path} is no image for an {chip}: {wrong}. Nothing was changed",
            where,
            ExitCode.BAD_INPUT,
        )
    return Base(path, chip)


def _wrong_uf2(content: bytes) -> str:
    if content[:1] == bytes([_ESP_MAGIC]):
        return "it looks like one for an ESP32"
    if content[:8] != _UF2_BEGINS:
        return "it does not begin as a UF2 file does"
    if len(content) % _UF2_BLOCK:
        return "it is cut off in the middle of a block; download it again"
    blocks = [content[at : at + _UF2_BLOCK] for at in range(0, len(content), _UF2_BLOCK)]
    for number, block in enumerate(blocks):
        words = [int.from_bytes(block[at : at + 4], "little") for at in range(0, 32, 4)]
        if block[:8] != _UF2_BEGINS or block[-4:] != _UF2_ENDS:
            return f"block {number} of it is damaged; download it again"
        if words[5] != number or words[6] != len(blocks):
            return f"it has {len(blocks)} blocks and should have {words[6]}; download it again"
        if words[2] & _UF2_HAS_FAMILY and words[7] != _RP2040_FAMILY:
            return "it is for another chip than the RP2040"
    return ""


def _wrong_esp(content: bytes, chip: str) -> str:
    if content[:8] == _UF2_BEGINS:
        return "it is a UF2 file, as for an RP2040"
    if len(content) < _ESP_HEADER or content[0] != _ESP_MAGIC:
        return "it does not begin as one does"
    number = int.from_bytes(content[_ESP_CHIP_AT : _ESP_CHIP_AT + 2], "little")
    if number != _ESP_CHIPS[chip]:
        for other, its_number in _ESP_CHIPS.items():
            if its_number == number:
                return f"it is for an {_ESP_NAMES[other]}"
        return "it is for another chip of the family"
    return ""


def put(
    base: Base,
    named_port: str | None,
    say: Callable[[str], None],
    show: Callable[[float, str], None],
    *,
    erase: bool = False,
) -> Port:
    """Put MicroPython on the board that is meant; the port it then has. `erase` takes
    everything off an ESP32 first.

    Raises DeviceProblem.
    """
    if base.chip == "rp2040":
        return _put_uf2(base, named_port, say, show)
    return _put_esp(base, ports.chosen(named_port), say, show, erase=erase)


def _put_uf2(
    base: Base,
    named_port: str | None,
    say: Callable[[str], None],
    show: Callable[[float, str], None],
) -> Port:
    drives = ports.boot_drives()
    if not drives:
        port = ports.chosen(named_port)
        say(f"found: {port}; asking it for its boot loader")
        with suppress(DeviceProblem):  # a board without MicroPython cannot be asked
            Remote(port.device).run(["bootloader"], limit_s=_PROBE_S)
        drives = _wait(ports.boot_drives, show, "waiting for the drive of the boot loader")
    if not drives:
        raise DeviceProblem(
            "the board does not show the drive of its boot loader",
            "Unplug it, hold its BOOTSEL button, plug it in, let go; then do it again. On Linux "
            "the drive RPI-RP2 may have to be opened in the file manager once.",
        )
    if len(drives) > 1:
        raise DeviceProblem(
            f"{len(drives)} boards wait in their boot loaders: "
            f"{', '.join(str(drive) for drive in drives)}",
            "Unplug all but the one that is meant.",
        )
    before = {port.device for port in ports.connected()}
    show(0.0, f"copying {base.path.name}")
    try:
        shutil.copyfile(base.path, drives[0] / base.path.name)
    except OSError as error:
        # The chip restarts as soon as it has the last block; the drive is gone then.
        say(f"the drive went away ({error.strerror or error}), as it does at the end")

    def new_ports() -> list[Port]:
        found = [port for port in ports.connected() if port.chip == "rp2040"]
        return [port for port in found if port.device not in before] or found

    found = _wait(new_ports, show, "waiting for MicroPython to start")
    if named_port is not None:
        return ports.chosen(named_port)
    if not found:
        raise DeviceProblem(
            "MicroPython was copied, but the board did not come back as a serial port",
            "Unplug it and plug it in again; then do it again without --base.",
        )
    say(f"MicroPython is on it: {found[0]}")
    return found[0]


def _put_esp(
    base: Base,
    port: Port,
    say: Callable[[str], None],
    show: Callable[[float, str], None],
    *,
    erase: bool,
) -> Port:
    if importlib.util.find_spec("esptool") is None:
        raise DeviceProblem(
            "esptool is not there, which writes to an ESP32", ports.INSTALL, ExitCode.BAD_INPUT
        )
    say(f"writing MicroPython to {port.device}" + (", after erasing all of it" if erase else ""))
    show(0.0, "writing MicroPython; this takes a minute")
    command = [
        sys.executable, "-P", "-m", "esptool", "--chip", base.chip, "--port", port.device,
        "--baud", _ESP_BAUD, "write-flash", "--no-progress",
        *(["--erase-all"] if erase else []), _ESP_ADDRESSES[base.chip], str(base.path),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_COPY_S
        )
    except subprocess.TimeoutExpired:
        raise DeviceProblem(
            f"esptool did not come to an end within {_COPY_S:.0f} s",
            "Unplug the board, plug it in, and do it again.",
        ) from None
    if done.returncode:
        raise _esptool_problem(base.chip, port, done.stdout + done.stderr)
    for _ in range(_STARTS):  # the first start makes the file system
        with suppress(DeviceProblem):
            Remote(port.device).run(["exec", "pass"], limit_s=_PROBE_S)
            say("MicroPython is on it")
            return port
    raise DeviceProblem(
        "MicroPython was written, but does not answer",
        "If this board never had MicroPython before, do it again with --erase, which takes "
        "everything off it. Else unplug it, plug it in, and do it again without --base.",
    )


def _esptool_problem(chip: str, port: Port, output: str) -> DeviceProblem:
    name = _ESP_NAMES[chip]
    told = " ".join(line.strip() for line in output.splitlines() if "error" in line.lower())
    if "not ESP32" in told or "This chip is" in told:
        return DeviceProblem(
            f"the chip at {port.device} is no {name}: {told}",
            f"Connect a board with an {name}, or name the port of one with --port.",
        )
    if "Failed to connect" in told or "No serial data" in told:
        return DeviceProblem(
            f"the {name} at {port.device} does not go into its boot loader",
            "Hold its BOOT button (IO0), press EN (or RST) once, let go of BOOT; then do it "
            "again.",
        )
    return DeviceProblem(
        f"esptool could not write to {port.device}: {told or 'it did not say why'}",
        "Close what else uses the port, unplug the board, plug it in, and do it again.",
    )


def _wait(
    what: Callable[[], list[_Found]], show: Callable[[float, str], None], title: str
) -> list[_Found]:
    began = time.monotonic()
    while (waited := time.monotonic() - began) < _WAIT_S:
        if found := what():
            return found
        show(waited / _WAIT_S, title)
        time.sleep(_POLL_S)
    return []
