"""What happens when Emery itself is at fault: a file for the developers.

A person who runs a command is shown one line, never a traceback; the traceback
goes into a file that can be sent along with a report.
"""

import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from emery import __version__


def write_crash_file(error: BaseException) -> Path:
    """Keep the traceback of `error` with what is needed to reproduce it.

    The file lies in the folder for temporary files, or, where that cannot be
    written, in the current one. Raises OSError if neither can.
    """
    text = "\n".join(
        (
            f"emery {__version__}",
            f"{platform.python_implementation()} {platform.python_version()} on "
            f"{platform.platform()}",
            f"command: {sys.argv}",
            "",
            *traceback.format_exception(error),
        )
    )
    try:
        handle, name = tempfile.mkstemp(prefix="emery-crash-", suffix=".txt")
        os.close(handle)
        path = Path(name)
    except OSError:
        path = Path("emery-crash.txt")
    path.write_text(text, encoding="utf-8")
    return path


def crash_message(error: BaseException) -> str:
    """The line a person is shown for `error`; writes the crash file."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        where = f"please report it with the file {write_crash_file(error)}"
    except OSError:
        where = "please report it with the command you gave (no crash file could be written)"
    return f"internal error: {what}; this is a fault in Emery, {where}"
