"""Files that are whole after a cut of power, and a lock between two commands."""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from emery.ledger.place import LedgerError, cannot_write, make_folder

_LOCK_WAIT_S = 10.0
_LOCK_PAUSE_S = 0.05
# What some shared drives say to a folder that is to be settled: they do it by themselves.
_NO_SUCH_SERVICE = (errno.EINVAL, errno.ENOTSUP)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is the old one or the new one, whole. LedgerError."""
    make_folder(path.parent)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            settle(file)
        new.replace(path)
        settle_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise cannot_write(path, error) from None


def settle(file: BinaryIO) -> None:
    """Return when what was written to a file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def settle_folder(folder: Path) -> None:
    """The same for the names in a folder, where the system can do that."""
    if sys.platform == "win32":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _NO_SUCH_SERVICE:
            raise
    finally:
        os.close(number)


@contextmanager
def locked(file: BinaryIO) -> Iterator[None]:
    """Nobody else writes to the file meanwhile; the system lifts the lock of a process
    that ends. LedgerError if another keeps it for long."""
    end = time.monotonic() + _LOCK_WAIT_S
    while not _try_lock(file):
        if time.monotonic() >= end:
            raise LedgerError(
                f"another emery has been writing to {file.name} for {_LOCK_WAIT_S:.0f} s. "
                "Let it end, or end it; then do this again."
            )
        time.sleep(_LOCK_PAUSE_S)
    try:
        yield
    finally:
        _unlock(file)


if sys.platform == "win32":
    import msvcrt

    # Far behind any ledger's end: Windows locks bytes, and forbids others to read them.
    _LOCK_AT = 1 << 40

    def _try_lock(file: BinaryIO) -> bool:
        file.seek(_LOCK_AT)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: BinaryIO) -> None:
        file.seek(_LOCK_AT)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
