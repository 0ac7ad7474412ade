"""What device code and replay ask of MicroPython's own module, for CPython."""

from typing import TypeVar

Value = TypeVar("Value")


def const(value: Value) -> Value:
    """MicroPython folds this at compile time; here it is the value itself."""
    return value


def heap_lock() -> None:
    """MicroPython then refuses every allocation; CPython has no such thing."""


def heap_unlock() -> None:
    """The end of `heap_lock`."""


def kbd_intr(chr: int) -> None:  # noqa: A002 - as MicroPython calls it
    """Which character interrupts the program; on CPython the terminal decides."""
