"""`sys` of a virtual board: it names the chip, and can print bytes as they are."""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors
# ruff: noqa: UP032

import io
import select as _select
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


class _Bytes:
    """stdout for bytes: the host adds no carriage return to them."""

    def write(self, data, length=None):
        if length is not None:
            data = memoryview(data)[:length]
        LINE.ask(ops.OP_COOK, 0, 0, 0)
        try:
            return _sys.stdout.buffer.write(data)
        finally:
            LINE.ask(ops.OP_COOK, 0, 1, 0)


_POLL = 3  # MP_STREAM_POLL, py/stream.h
_writable = _select.poll()
_writable.register(_sys.stdout, _select.POLLOUT)


class _Out(io.IOBase):
    buffer = _Bytes()

    def ioctl(self, request, argument):
        """What `select` asks: would a write be taken now?"""
        if request != _POLL:
            return 0
        return argument & _select.POLLOUT if _writable.poll(0) else 0

    def write(self, text):
        return _sys.stdout.write(text)

    def flush(self) -> None:
        pass


implementation = _Implementation()
stdout = _Out()
