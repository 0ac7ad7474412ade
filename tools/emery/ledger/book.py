"""Reading a ledger, and the one way to add to it.

A line is there when its end of line is: what a cut of power left of one behind the last
whole line is no entry. Reading reports it, and the next append sets it aside in a file
of its own before it writes. Nothing else ever changes or removes what was written.
"""

import getpass
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from emery import whole_file
from emery.ledger import durable, keys, place
from emery.ledger.entry import KINDS, Entry, NoEntry, digest, is_unchanged, read_line
from emery.ledger.place import LedgerError

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(slots=True)
class Ledger:
    """A ledger as it was read. `problems` says line by line what does not fit; `torn`
    is what a cut of power left of an entry, `tail` the SHA-256 that the next line
    follows."""

    device_id: str
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    torn: bytes = b""
    tail: str = ""


def read(device_id: str) -> Ledger:
    """The ledger of a device; an empty one if there is none. Raises LedgerError if it
    cannot be read; what is wrong inside is in its `problems`."""
    path = place.ledger_file(device_id)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise LedgerError(
            f"the ledger cannot be read: {path} ({error.strerror or error}). Get the right to "
            f"read it, or name another folder: {place.VARIABLE}=FOLDER"
        ) from None
    return parsed(device_id, content)


def entries(device_id: str) -> list[Entry]:
    """Every entry of a device that can be read, the oldest first. Raises LedgerError."""
    return read(device_id).entries


def last(device_id: str) -> Entry | None:
    """The newest entry of a device. Raises LedgerError."""
    found = entries(device_id)
    return found[-1] if found else None


def parsed(device_id: str, content: bytes) -> Ledger:
    """What the content of a ledger's file says."""
    *lines, torn = content.split(b"\n")
    made = Ledger(device_id, torn=torn)
    expected = digest(device_id.encode())
    is_sure = True  # that the line before is as it was written
    for number, raw in enumerate(lines, 1):
        line = raw.decode("utf-8", "replace")
        follows = ""
        is_good = True
        try:
            entry, follows = read_line(line)
        except NoEntry as problem:
            is_good = False
            made.problems.append(f"line {number} is no entry ({problem})")
        else:
            made.entries.append(entry)
            if not is_unchanged(line):
                is_good = False
                made.problems.append(
                    f"line {number} (entry {entry.number}) was changed after it was written"
                )
        if is_good and is_sure and follows != expected:
            made.problems.append(
                f"line {number} does not follow line {number - 1}: lines between them were taken "
                "out, put in or moved"
                if number > 1
                else "line 1 does not begin the ledger of this device: lines before it were taken "
                "out, or it is that of another device"
            )
        is_sure = is_good
        expected = digest(raw)
    made.tail = expected
    return made


def append(
    device_id: str,
    *,
    what: str,
    before: bytes,
    after: bytes,
    who: str = "",
    why: str = "",
    extra: Mapping[str, Any] | None = None,
    at: str = "",
) -> Entry:
    """Add an entry; it is on the disk when this returns.

    `what` is one of KINDS; `before` and `after` are compiled configs, `before` empty
    where nothing is known of it; `who` is the user of this computer unless named; `at`
    is now unless named. Raises LedgerError: nothing was added then.
    """
    if what not in KINDS:
        raise ValueError(f"{what!r} is none of {KINDS}")
    path = place.ledger_file(device_id)
    place.make_folder(path.parent)
    is_new = not path.exists()
    try:
        # Without a buffer, whose rest would be written after all when the file is closed.
        with path.open("a+b", buffering=0) as file, durable.locked(file):
            file.seek(0)
            ledger = parsed(device_id, file.readall())
            _set_aside(path, file, ledger.torn)
            entry = Entry(
                number=ledger.entries[-1].number + 1 if ledger.entries else 1,
                at=at or now(),
                what=what,
                who=who or user(),
                why=why,
                board=_board(after),
                before=before,
                after=after,
                changed=keys.changed_keys(before, after),
                certificate=keys.figures(after),
                extra=dict(extra or {}),
            )
            _add(file, f"{entry.line(ledger.tail)}\n".encode())
        if is_new:
            whole_file.settle_folder(path.parent)
    except OSError as error:
        raise place.cannot_write(path, error) from None
    return entry


def _add(file: FileIO, line: bytes) -> None:
    """All of the line, or nothing of it if the disk is full."""
    file.seek(0, 2)
    end = file.tell()
    try:
        written = 0
        while written < len(line):  # the last bytes that fit are written without an error
            written += file.write(line[written:])
        whole_file.settle(file)
    except OSError:
        file.truncate(end)
        raise


def _set_aside(path: Path, file: FileIO, torn: bytes) -> None:
    """Keep what was left of a line in a file of its own, and only then cut it off."""
    if not torn:
        return
    aside = path.with_name(f"{path.stem}.torn-{digest(torn)[:8]}")
    durable.write_whole(aside, torn)
    file.seek(0, 2)
    file.truncate(file.tell() - len(torn))
    whole_file.settle(file)


def torn_files(device_id: str) -> list[Path]:
    """What was set aside of entries that a cut of power had torn."""
    path = place.ledger_file(device_id)
    return sorted(path.parent.glob(f"{path.stem}.torn-*"))


def now() -> str:
    """The time as entries write it: UTC, to the second."""
    return datetime.now(UTC).strftime(_TIME)


def epoch_of(at: str) -> int:
    """A time as entries write it, in seconds of the Unix epoch."""
    return int(datetime.strptime(at, _TIME).replace(tzinfo=UTC).timestamp())


def user() -> str:
    """Whose account this is."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _board(blob: bytes) -> str:
    try:
        return keys.values(blob).get("board.name", "").strip('"')
    except keys.Unreadable:
        return ""
