"""The one thing device code asks of MicroPython's own module, for CPython."""

from typing import TypeVar

Value = TypeVar("Value")


def const(value: Value) -> Value:
    """MicroPython folds this at compile time; here it is the value itself."""
    return value
