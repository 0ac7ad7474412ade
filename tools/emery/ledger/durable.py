"""The ledger's files, whole after a cut of power, and a lock between two commands."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from emery import whole_file
from emery.ledger.place import LedgerError, cannot_write, make_folder

_LOCK_WAIT_S = 10.0
_LOCK_PAUSE_S = 0.05


def write_whole(path: Path, content: bytes) -> None:
    """Have a whole file on the disk when this returns. LedgerError."""
    make_folder(path.parent)
    try:
        whole_file.write(path, content)
        whole_file.settle_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from None


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
