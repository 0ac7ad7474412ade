"""`micropython` of a virtual board: Ctrl-C is a matter between board and host."""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors

from micropython import *  # noqa: F403

from emery.virtual_board.on_board import ops
from emery.virtual_board.on_board.wire import LINE


def kbd_intr(chr: int) -> None:  # noqa: A002
    """Which character interrupts the program; -1 for none."""
    LINE.ask(ops.OP_KBD_INTR, 0, chr & 0xFFFF, 0)


def alloc_emergency_exception_buf(size: int) -> None:
    """Nothing: this build always has one."""
