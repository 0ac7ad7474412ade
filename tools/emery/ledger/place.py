"""Where the ledgers lie: one file for each device, by the id of its chip.

A folder of the user's, or the one that EMERY_LEDGER names, so that a workshop can keep
one on a shared drive.
"""

import os
import re
from pathlib import Path

VARIABLE = "EMERY_LEDGER"

# The unique id of a chip in hexadecimal: 8 bytes of an RP2040, 6 of an ESP32.
_DEVICE_ID = re.compile(r"[0-9a-f]{4,64}")


class LedgerError(Exception):
    """What is wrong with a ledger, and what to do next."""


def folder() -> Path:
    """The folder of all ledgers; it need not be there yet."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("emery", appauthor=False)) / "ledger"


def ledger_file(device_id: str) -> Path:
    """The ledger of a device."""
    return folder() / f"{checked(device_id)}.jsonl"


def pending_file(device_id: str) -> Path:
    """What is being done to the device now, while it is."""
    return folder() / f"{checked(device_id)}.pending.json"


def backup_folder(device_id: str) -> Path:
    """The configs of the device as they were read before each write."""
    return folder() / "backups" / checked(device_id)


def checked(device_id: str) -> str:
    """The id, which becomes the name of a file. LedgerError if it is none."""
    if not _DEVICE_ID.fullmatch(device_id):
        raise LedgerError(
            f"{device_id[:40]!r} is no id of a device: those are 4 to 64 hexadecimal digits. "
            "`emery config history` lists the devices that have a ledger."
        )
    return device_id


def devices() -> list[str]:
    """The ids of all devices with a ledger here. LedgerError if that cannot be seen."""
    try:
        return sorted(
            path.stem for path in folder().glob("*.jsonl") if _DEVICE_ID.fullmatch(path.stem)
        )
    except OSError as error:
        raise LedgerError(
            f"the ledgers cannot be read: {folder()} ({error.strerror or error}). Name another "
            f"folder: {VARIABLE}=FOLDER"
        ) from None


def make_folder(path: Path) -> None:
    """See that a folder is there. LedgerError if it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> LedgerError:
    """The words for a ledger that cannot be written; nothing goes to a device then."""
    return LedgerError(
        f"the ledger cannot be written: {path} ({error.strerror or error}). Make room or get the "
        f"right to write there; or name another folder: {VARIABLE}=FOLDER"
    )
