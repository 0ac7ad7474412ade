"""What a device is and what lies on it, as `on_device.look` tells it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emery.device.problem import DeviceProblem
from emery.device.remote import Remote
from emery.flash import on_device
from emery.flash.image import Fingerprint

_LIMIT_S = 60.0

# By the names that MicroPython gives its ports, and that it gives the chips.
_CHIPS = {"rp2": "rp2040", "esp32": "esp32"}
_CHIP_NAMES = {
    "RP2040": "rp2040", "ESP32": "esp32", "ESP32S3": "esp32s3", "ESP32-S3": "esp32s3",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SlotState:
    """What `/slot.json` says."""

    active: str
    on_trial: bool
    tries: int

    def text(self) -> str:
        """The content of the file."""
        state = {"active": self.active, "trial": int(self.on_trial), "tries": self.tries}
        return json.dumps(state)


@dataclass(slots=True)
class Slot:
    """One slot: its files by path, and what keeps it from being a whole version."""

    files: dict[str, Fingerprint] = field(default_factory=dict)
    problem: str = "no manifest"
    version: str = ""
    chip: str = ""
    config: bytes = b""

    @property
    def is_whole(self) -> bool:
        """Would it be started?"""
        return not self.problem

    @property
    def is_empty(self) -> bool:
        """Was nothing ever put there?"""
        return not self.files


@dataclass(slots=True)
class Looked:
    """A device as it was when it was looked at."""

    interpreter: str = ""
    version: tuple[int, ...] = ()
    version_text: str = ""
    platform: str = ""
    machine: str = ""
    mpy: int = 0
    device_id: str = ""
    block_bytes: int = 0
    free_bytes: int = 0
    size_bytes: int = 0
    state: SlotState | None = None
    root: dict[str, Fingerprint] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=lambda: {name: Slot() for name in "ab"})
    records: dict[str, bytes] = field(default_factory=dict)

    @property
    def chip(self) -> str:
        """The chip as boards' configs call it, or what MicroPython calls it."""
        named = self.machine.rpartition(" with ")[2]
        if " with " in self.machine:
            return _CHIP_NAMES.get(named, named)
        return _CHIPS.get(self.platform, self.platform)

    @property
    def config(self) -> bytes:
        """The config that it would start with; b"" if it would not start."""
        active = self.slots[self.state.active if self.state else "a"]
        return active.config if active.is_whole else b""

    @property
    def is_bare(self) -> bool:
        """Was no firmware ever put here?"""
        return all(slot.is_empty for slot in self.slots.values())


def script(call: str) -> str:
    """What to run on the device for a call of a function of `on_device`."""
    return Path(on_device.__file__).read_text(encoding="utf-8") + f"\n\n{call}\n"


def told(line: str) -> list[Any] | None:
    """What a line of the device's says, if it is one of `on_device.tell`."""
    if not line.startswith("=["):
        return None
    try:
        items: list[Any] = json.loads(line[1:])
    except ValueError:
        return None
    return items


def look(remote: Remote, folder: Path, *, gently: bool = False) -> Looked:
    """Look at the device, writing nothing there. `gently`: without the soft reset
    that mpremote begins with. `folder` is for the script.

    Raises DeviceProblem.
    """
    file = folder / "look.py"
    file.write_text(script("look()"), encoding="utf-8")
    commands = [["resume"]] if gently else []
    output = remote.run(*commands, ["run", str(file)], limit_s=_LIMIT_S)
    return parsed(output)


def parsed(output: str) -> Looked:
    """What the lines of `on_device.look` say. Raises DeviceProblem if the end is missing."""
    looked = Looked()
    is_complete = False
    for line in output.splitlines():
        items = told(line)
        if not items:
            continue
        kind, rest = items[0], items[1:]
        if kind == "interpreter":
            name, version, looked.platform, looked.machine, looked.mpy = rest
            looked.interpreter = name
            looked.version = tuple(int(part) for part in version if part.isdigit())[:3]
            looked.version_text = ".".join(str(part) for part in looked.version)
        elif kind == "id":
            looked.device_id = rest[0]
        elif kind == "config":
            looked.slots[rest[0]].config = bytes.fromhex(rest[1])
        elif kind == "space":
            looked.block_bytes = rest[0]
            looked.free_bytes = rest[0] * rest[1]
            looked.size_bytes = rest[0] * rest[2]
        elif kind == "active":
            looked.state = _slot_state(rest[0])
        elif kind == "root":
            if rest[1] >= 0:
                looked.root[rest[0]] = Fingerprint(rest[1], rest[2])
        elif kind == "file":
            looked.slots[rest[0]].files[rest[1]] = Fingerprint(rest[2], rest[3])
        elif kind == "slot":
            slot = looked.slots[rest[0]]
            slot.problem, slot.version, slot.chip = rest[1:]
        elif kind == "state":
            looked.records[rest[0]] = bytes.fromhex(rest[1])
        is_complete = kind == "looked"
    if not is_complete:
        raise DeviceProblem(
            "the device did not tell all that it was asked",
            "Reset it, and try again.",
        )
    return looked


def _slot_state(text: str | None) -> SlotState | None:
    """None if there is no such file, or nothing sensible in it."""
    try:
        state = json.loads(text or "")
        if state["active"] in ("a", "b"):
            trial, tries = int(state.get("trial", 0)), int(state.get("tries", 0))
            return SlotState(state["active"], bool(trial), tries)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return None
