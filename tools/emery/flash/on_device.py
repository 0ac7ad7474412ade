"""What `emery flash` runs on the device: look at the slots, fill one, switch to it.

Plain MicroPython, sent to the raw REPL by mpremote; it runs on CPython as well,
where `root` names a folder that stands for the device. What it finds and does is
told in lines that begin with "=" and hold one JSON list each.

Power may fail at any point. These rules make that harmless:

- Only the slot that would not be started is written. If that is the active one
  (on trial, or damaged), `/slot.json` names the other one first.
- Its manifest is removed before its first file is touched, and written after its
  last has been read back: a slot without a manifest is no version.
- The compiled config lies in the slot, so that code and config switch together.
- `/boot.py` and `/main.py` come next, by rename. A newer pair starts older slots.
- `/slot.json`, by rename, is the last write and the only one that switches.

Before the last rename the device starts what it started before, after it what is
new; and what is new is on trial until it has proved itself.
"""

# MicroPython has neither pathlib nor contextlib.
# ruff: noqa: PTH102, PTH104, PTH107, PTH116, PTH123, PTH208, SIM105

import binascii
import errno
import hashlib
import json
import os
import sys

# Only a type checker has to be told.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SLOTS = ("a", "b")
SLOT_STATE = "slot.json"
ROOT_FILES = ("boot.py", "main.py")
# mpremote's mounted files travel through a buffer of 256 bytes of an ESP32.
_PIECE_BYTES = 240
_IS_FOLDER = 0x4000
_MOST_READ = 4096  # more than any config has
_ENOSPC = 28  # MicroPython's `errno` has no name for it


def tell(*items: object) -> None:
    """One line for the host."""
    sys.stdout.write("=" + json.dumps(items) + "\n")


def digest(path: str) -> tuple[int, str]:
    """(size, SHA-256 in hexadecimal) of a file; (-1, "") if it cannot be read."""
    sha = hashlib.sha256()
    size = 0
    piece = bytearray(512)
    view = memoryview(piece)
    try:
        with open(path, "rb") as file:
            while True:
                count = file.readinto(piece)
                if not count:
                    break
                size += count
                sha.update(view[:count])
    except OSError:
        return -1, ""
    return size, binascii.hexlify(sha.digest()).decode()


def files(folder: str, inside: str = "") -> list[str]:
    """Every file below `folder`, as its path in there. Sorted."""
    found: list[str] = []
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in sorted(names):
        path = folder + "/" + name
        if os.stat(path)[0] & _IS_FOLDER:
            found += files(path, inside + name + "/")
        else:
            found.append(inside + name)
    return found


def content(path: str) -> str | None:
    """The text of a file; None if there is none, "?" if it cannot be read."""
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        return None if error.errno == errno.ENOENT else "?"
    except ValueError:
        return "?"


def unique_id() -> str:
    """The chip's own number in hexadecimal; "" where there is no chip."""
    try:
        import machine  # type: ignore[import-not-found, unused-ignore]

        return binascii.hexlify(machine.unique_id()).decode()
    except (ImportError, AttributeError):
        return ""


def look(root: str = "") -> None:
    """Tell what this device is and what lies on it. Writes nothing."""
    version = [str(part) for part in sys.implementation.version]
    machine = os.uname()[4] if hasattr(os, "uname") else ""
    mpy = getattr(sys.implementation, "_mpy", 0)
    tell("interpreter", sys.implementation.name, version, sys.platform, machine, mpy)
    tell("id", unique_id())
    space = os.statvfs(root + "/")
    tell("space", space[1], space[4], space[2])
    tell("active", content(root + "/" + SLOT_STATE))
    for name in ROOT_FILES:
        tell("root", name, *digest(root + "/" + name))
    for slot in SLOTS:
        _look_at_slot(root, slot)
    for name in files(root + "/state"):
        with open(root + "/state/" + name, "rb") as file:
            tell("state", name, binascii.hexlify(file.read()).decode())
    tell("looked")


def _look_at_slot(root: str, slot: str) -> None:
    folder = root + "/" + slot
    try:
        with open(folder + "/config.bin", "rb") as file:
            tell("config", slot, binascii.hexlify(file.read(_MOST_READ)).decode())
    except OSError:
        pass  # there is none, or none that could be kept
    found = {}
    for name in files(folder):
        found[name] = digest(folder + "/" + name)
        tell("file", slot, name, *found[name])
    text = content(folder + "/manifest.json")
    if text is None:
        tell("slot", slot, "no manifest", "", "")
        return
    wrong = ""
    version = ""
    chip = ""
    try:
        manifest = json.loads(text)
        version = str(manifest["version"])
        chip = str(manifest["chip"])
        listed = set()
        for name, size, sha in manifest["files"]:
            listed.add(name)
            if not wrong and found.get(name) != (size, sha):
                wrong = name + (" is damaged" if name in found else " is missing")
        for name in sorted(found):
            if not wrong and "/" in name and name not in listed:
                wrong = name + " is not in its manifest"
    except (ValueError, KeyError, TypeError, AttributeError):
        wrong = "its manifest cannot be read"
    tell("slot", slot, wrong, version, chip)


def install(source: str, root: str = "") -> None:
    """Do what `plan.json` in the folder `source` says, with the files beside it.

    The plan:
        first    active slot to write to /slot.json before anything else, or ""
        slot     the slot to fill, or "" to leave both alone
        remove   files of that slot to remove first
        files    [path, size, sha, from]: "" keep, "copy" from the other slot, "wire"
        config   [size, sha, from] of config.bin, or null
        manifest [size, sha] or null: the slot has it
        root     [name, size, sha] of what is to lie outside the slots
        state    text of /slot.json, or ""
    """
    plan = json.loads(_read(source + "/plan.json"))
    try:
        _install(plan, source, root)
    except _Differs as error:
        tell("failed", "differs", 0, error.args[0])
    except OSError as error:
        if plan["slot"] and error.errno == _ENOSPC:
            _clear(root + "/" + plan["slot"], plan)
        tell("failed", "os", error.errno or 0, str(error))


class _Differs(Exception):
    """A file does not read back as it was written."""


def _install(plan: "dict[str, Any]", source: str, root: str) -> None:
    if plan["first"]:
        _put_text(root, SLOT_STATE, json.dumps(
            {"active": plan["first"], "trial": 0, "tries": 0}))
        tell("did", "first", 0)
    if plan["slot"]:
        folder = root + "/" + plan["slot"]
        if plan["manifest"] is not None:
            _fill(plan, source, root, folder)
        elif plan["config"] is not None:
            _put_config(plan["config"], source, root, plan["slot"])
    for name, size, sha in plan["root"]:
        _copy(source + "/root/" + name, root + "/" + name + ".new")
        _replace(root + "/" + name + ".new", root + "/" + name, size, sha)
        tell("did", name, size)
    if plan["state"]:
        _put_text(root, SLOT_STATE, plan["state"])
    tell("done")


def _fill(plan: "dict[str, Any]", source: str, root: str, folder: str) -> None:
    _remove(folder + "/manifest.json")
    for name in plan["remove"]:
        _remove(folder + "/" + name)
    _make_folder(folder)
    made = set()
    for name, size, _, origin in plan["files"]:
        inner = name.split("/")[:-1]
        for depth in range(len(inner)):
            path = "/".join(inner[: depth + 1])
            if path not in made:
                _make_folder(folder + "/" + path)
                made.add(path)
        if origin == "wire":
            _copy(source + "/slot/" + name, folder + "/" + name)
        elif origin == "copy":
            _copy(root + "/" + _other(plan["slot"]) + "/" + name, folder + "/" + name)
        if origin:
            tell("did", name, size if origin == "wire" else 0)
    # All of it is read back, also what was there before.
    for name, size, sha, _ in plan["files"]:
        if digest(folder + "/" + name) != (size, sha):
            raise _Differs(plan["slot"] + "/" + name)
    tell("did", "verified", 0)
    if plan["config"] is not None:
        _put_config(plan["config"], source, root, plan["slot"])
    size, sha = plan["manifest"]
    _copy(source + "/slot/manifest.json", folder + "/manifest.new")
    _replace(folder + "/manifest.new", folder + "/manifest.json", size, sha)
    tell("did", "manifest.json", size)


def _put_config(config: "list[Any]", source: str, root: str, slot: str) -> None:
    size, sha, origin = config
    folder = root + "/" + slot
    if origin == "copy":
        _copy(root + "/" + _other(slot) + "/config.bin", folder + "/config.new")
    else:
        _copy(source + "/slot/config.bin", folder + "/config.new")
    _replace(folder + "/config.new", folder + "/config.bin", size, sha)
    tell("did", "config.bin", size if origin == "wire" else 0)


def _other(slot: str) -> str:
    return "b" if slot == "a" else "a"


def _read(path: str) -> bytes:
    """All of a file, in pieces: `json.load` would ask for each byte by itself."""
    pieces: list[bytes] = []
    with open(path, "rb") as file:
        while True:
            piece = file.read(_PIECE_BYTES)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)


def _copy(source: str, target: str) -> None:
    piece = bytearray(_PIECE_BYTES)
    view = memoryview(piece)
    with open(source, "rb") as old, open(target, "wb") as new:
        while True:
            count = old.readinto(piece)
            if not count:
                break
            new.write(view[:count])


def _replace(new: str, path: str, size: int, sha: str) -> None:
    """Rename `new` to `path` once it reads back right."""
    if digest(new) != (size, sha):
        _remove(new)
        raise _Differs(path)
    os.rename(new, path)


def _put_text(root: str, name: str, text: str) -> None:
    new = root + "/" + name[: name.rfind(".")] + ".new"
    with open(new, "wb") as file:
        file.write(text.encode())
    if content(new) != text:
        raise _Differs(name)
    os.rename(new, root + "/" + name)


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _clear(folder: str, plan: "dict[str, Any]") -> None:
    """Give back what has filled the flash: the device needs room for its records. Only
    from a slot without a manifest."""
    if content(folder + "/manifest.json") is not None:
        return
    for row in plan["files"]:
        try:
            os.remove(folder + "/" + row[0])
        except OSError:
            pass  # it was never written


def switch(slot: str, root: str = "") -> None:
    """Make `slot` the active one, no longer on trial."""
    text = json.dumps({"active": slot, "trial": 0, "tries": 0})
    state = content(root + "/" + SLOT_STATE)
    try:
        if state is None or json.loads(state) != json.loads(text):
            _put_text(root, SLOT_STATE, text)
    except (ValueError, OSError, _Differs):
        _put_text(root, SLOT_STATE, text)
    tell("switched", slot)
