"""`sys` of a virtual board: it names the chip, and can print bytes as they are."""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors
# ruff: noqa: UP032

import io
import sys as _sys
from sys import *  # noqa: F403

from emery.virtual_board.on_board import chip_facts, ops
from emery.virtual_board.on_board.wire import LINE

platform, _machine, _mpy, _build, _ = chip_facts.CHIP_FACTS[chip_facts.chosen[0]]
path = _sys.path
argv = _sys.argv


class _Implementation:
    name = "micropython"
    version = tuple(_sys.implementation[1])
    _machine = _machine
    _mpy = _mpy
    _build = _build

    def __getitem__(self, place: int):
        return (self.name, self.version, self._machine, self._mpy, self._build)[place]

    def __repr__(self) -> str:
        return "(name='{}', version={}, _machine='{}', _mpy={}, _build='{}')".format(
            self.name, self.version, self._machine, self._mpy, self._build
        )


_GET_FILENO = 10  # MP_STREAM_GET_FILENO, py/stream.h
_write_text = _sys.stdout.write
_write_bytes = _sys.stdout.buffer.write


class _Stdout(io.IOBase):
    def ioctl(self, request, argument):
        """What `select` asks: it is to look at the real one."""
        return 1 if request == _GET_FILENO else -22

    def flush(self) -> None:
        pass


class _Bytes(_Stdout):
    """stdout for bytes: the host adds no carriage return to them.

    That has to be told only where it would: at a line feed without one before it.
    """

    last = 0

    def write(self, data, length=None):
        if length is not None:
            data = memoryview(data)[:length]
        if not data:
            return 0
        last = self.last
        self.last = data[-1]
        if len(data) == 1:  # nothing is allocated for a single byte
            if self.last != 10 or last == 13:
                return _write_bytes(data)
        elif b"\n" not in bytes(data):
            return _write_bytes(data)
        LINE.ask(ops.OP_COOK, 0, 0, 0)
        try:
            return _write_bytes(data)
        finally:
            LINE.ask(ops.OP_COOK, 0, 1, 0)


class _Text(_Stdout):
    buffer = _Bytes()

    def write(self, text):
        self.buffer.last = 0
        return _write_text(text)


implementation = _Implementation()
stdout = _Text()
