"""Exit codes of the command `emery`. They are part of its interface."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the end of a command means to a script; the larger wins."""

    PASS = 0
    REQUIREMENT_FAILED = 1
    BAD_INPUT = 2  # also: this machine lacks what was asked for
    INTERNAL = 3
    DEVICE = 4
    INTERRUPTED = 130  # as shells report Ctrl-C
