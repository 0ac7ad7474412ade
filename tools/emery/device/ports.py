"""Which boards are connected, and which one is meant.

A board is told by the numbers of its USB interface. An RP2040 has its own; it shows
as a serial port while MicroPython runs, and as a small drive while its BOOTSEL
button was held at power-on. An ESP32 sits behind a USB-to-serial converter, which
does not tell what is behind it: the interpreter has to be asked.
"""

import os
import re
import string
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode

# USB vendor and product (0 for any), the chip if that tells it, what it is.
_KNOWN = (
    (0x2E8A, 0x0005, "rp2040", "RP2040 with MicroPython"),
    (0x2E8A, 0, "", "board of Raspberry Pi"),
    (0x303A, 0, "", "Espressif chip with USB of its own"),
    (0x10C4, 0xEA60, "", "CP210x, as on many ESP32 boards"),
    (0x1A86, 0, "", "CH340 or CH910x, as on many ESP32 boards"),
)

# The file by which the boot loader of an RP2040 is known, on its drive.
_DRIVE_MARK = "INFO_UF2.TXT"

INSTALL = "Install what talks to boards with: pip install 'emery[board]'"


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port with something like a board on it. `chip` is "" if it does not
    tell by itself."""

    device: str
    chip: str
    what: str
    serial_number: str = ""

    def __str__(self) -> str:
        number = f", serial number {self.serial_number}" if self.serial_number else ""
        return f"{self.device}: {self.what}{number}"


def connected() -> list[Port]:
    """Every port with a board that is known, by name. Raises DeviceProblem if this
    computer lacks pyserial."""
    try:
        from serial.tools import list_ports
    except ImportError:
        raise DeviceProblem(
            "pyserial is not there, so boards cannot be looked for", INSTALL, ExitCode.BAD_INPUT
        ) from None
    found = []
    for port in list_ports.comports():
        for vendor, product, chip, what in _KNOWN:
            if port.vid == vendor and product in (0, port.pid):
                found.append(Port(port.device, chip, what, port.serial_number or ""))
                break
    return sorted(found, key=lambda port: port.device)


def boot_drives() -> list[Path]:
    """Drives of boards that wait for an image (RP2040 in BOOTSEL)."""
    drives = []
    for place in _mounts():
        try:
            text = (place / _DRIVE_MARK).read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        if "RP2" in text:
            drives.append(place)
    return sorted(set(drives))


def _mounts() -> Iterator[Path]:
    """Where drives may be mounted."""
    if sys.platform == "win32":
        yield from (Path(f"{letter}:/") for letter in string.ascii_uppercase[3:])
    elif sys.platform == "darwin":
        yield from _folders(Path("/Volumes"))
    else:
        try:
            lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            _, place, kind = line.split()[:3]
            if kind in ("vfat", "msdos", "fuseblk"):
                yield Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place))


def _folders(place: Path) -> list[Path]:
    try:
        return [path for path in place.iterdir() if path.is_dir()]
    except OSError:
        return []


def chosen(named: str | None) -> Port:
    """The port that is meant: the one named, or the only one there is.

    Raises DeviceProblem if there is none, or more than one.
    """
    if named is not None:
        return _named(named)
    found = connected()
    if len(found) == 1:
        return found[0]
    if found:
        listed = "".join(f"\n        {port}" for port in found)
        raise DeviceProblem(
            f"{len(found)} boards are connected, and it is not told which is meant:{listed}",
            f"Name one: --port {found[0].device}",
        )
    if boot_drives():
        raise DeviceProblem(
            "a board waits in its boot loader (BOOTSEL), without MicroPython",
            "Put MicroPython on it first: --base IMAGE.uf2",
        )
    raise DeviceProblem(
        "no board is connected, or none that is known",
        "Connect it with a USB cable that carries data, not only power; or name its port with "
        "--port. `emery doctor` tells what this computer sees.",
    )


def again(port: Port) -> Port:
    """The same board after a restart, which USB may have given another name."""
    if port.serial_number:
        for found in connected():
            if found.serial_number == port.serial_number:
                return found
    return port


def _named(named: str) -> Port:
    if "://" in named:
        return Port(named, "", "as named with --port")
    for port in connected():
        if port.device == named:
            _check_rights(named)
            return port
    if sys.platform != "win32":
        if not Path(named).exists():
            others = connected()
            raise DeviceProblem(
                f"there is no port {named}",
                f"Connected: {', '.join(port.device for port in others)}."
                if others
                else "No board is connected; `emery doctor` tells what this computer sees.",
            )
        _check_rights(named)
    return Port(named, "", "as named with --port")


def _check_rights(device: str) -> None:
    if sys.platform == "win32" or os.access(device, os.R_OK | os.W_OK):
        return
    group = owner_group(device)
    raise DeviceProblem(
        f"this user may not open {device}",
        f"Join the group it belongs to: sudo usermod -a -G {group} $USER, then log in again."
        if group
        else f"Ask for the right to read and write {device}.",
        ExitCode.BAD_INPUT,
    )


def owner_group(device: str) -> str:
    """The group that may use a port ("dialout" on most Linux), "" if unknown."""
    try:
        return Path(device).group()
    except (OSError, KeyError, NotImplementedError):
        return ""
