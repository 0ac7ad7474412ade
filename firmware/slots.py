"""What the running firmware has to do with the slots: which it is in, and that it works.

A device has two, `/a` and `/b`, each with its own config, and `/slot.json` tells which
one is active, whether it is on trial, and how often it was started so. `/main.py`
decides by it, `emery flash` writes it, and the firmware says here that the trial is
over. It is written beside and renamed, so that the power may fail at any moment.
"""

import hashlib
import json
import os
from binascii import hexlify

from hal.contract import RunningBoard, StorageRefused

STATE_PATH = "/slot.json"
NEW_PATH = "/slot.new"


def running(module_path: str) -> str:
    """The slot that a module was imported from, "" if from none (a frozen build)."""
    return module_path[1] if module_path[:3] in ("/a/", "/b/") else ""


def folder(slot: str) -> str:
    """Where the files of a slot lie; those of a frozen build lie at the top."""
    return "/" + slot if slot else ""


def version(slot: str) -> str:
    """Version of the firmware in a slot, "?" if it cannot be told."""
    try:
        with open(folder(slot) + "/manifest.json") as file:
            return str(json.load(file)["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return "?"


def digest(path: str) -> str:
    """The first 16 digits of a file's SHA-256, by which tools know it; "" without it."""
    try:
        with open(path, "rb") as file:
            return digest_of(file.read())
    except OSError:
        return ""


def digest_of(content: bytes) -> str:
    """The same of what a file holds."""
    return hexlify(hashlib.sha256(content).digest()).decode()[:16]


def on_trial(slot: str) -> bool:
    """Is this slot, the active one, still on trial?"""
    state = _state()
    return state.get("active") == slot and bool(state.get("trial"))


def is_first_start(slot: str) -> bool:
    """Is this the first start of a slot on trial? `/main.py` has counted it."""
    return on_trial(slot) and _state().get("tries") == 1


def end_trial(slot: str, board: RunningBoard) -> None:
    """The firmware of this slot has proved itself: it stays. Nothing is written if it
    was not on trial. StorageRefused unless the outputs are safe; OSError."""
    if not on_trial(slot):
        return
    replace_file(STATE_PATH, NEW_PATH, json.dumps(
        {"active": slot, "trial": 0, "tries": 0}).encode(), board)


def replace_file(path: str, new_path: str, content: bytes, board: RunningBoard) -> None:
    """Put `content` in the place of a file: after a power cut it is the old one or the
    new one, whole. StorageRefused unless the outputs are safe; OSError, too, if it does
    not read back, and the old one stays."""
    if not board.open_storage_window():
        raise StorageRefused("the board's outputs are not safe")
    try:
        with open(new_path, "wb") as file:
            file.write(content)
        with open(new_path, "rb") as file:
            if file.read() != content:
                raise OSError(new_path + " does not read back as it was written")
        os.rename(new_path, path)
    except OSError:
        _leave_nothing(new_path)
        raise
    finally:
        board.close_storage_window()


def _leave_nothing(new_path: str) -> None:
    """Half a file takes room that a full flash needs for its records."""
    try:
        os.remove(new_path)
    except OSError:
        pass  # it was never made, or flash takes no write at all: that is told already


def _state() -> dict:
    try:
        with open(STATE_PATH) as file:
            state = json.load(file)
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}
