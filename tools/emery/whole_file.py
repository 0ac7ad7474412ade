"""Files that are the old one or the new one, whole, whatever ends the writing."""

import errno
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

# What some shared drives say to a folder that is to be settled: they do it by themselves.
_NO_SUCH_SERVICE = (errno.EINVAL, errno.ENOTSUP)


def write(path: Path, content: bytes, *, like: Path | None = None) -> None:
    """Put a file in the place of another in one step, with the permissions of the file
    `like`. A cut of power leaves the old one or the new one; `settle_folder` behind it
    leaves no choice but the new one. OSError: the old one is there as it was."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            settle(file)
        if like is not None:
            shutil.copymode(like, new)
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


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
