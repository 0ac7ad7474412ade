"""The link fed with garbage, in a locked heap: the far end of `test_link_allocation.py`.

Plain MicroPython. Each turn of the link is done with the heap locked, which also finds
an intermediate that is no small integer, and then again with the heap free and its
use compared.
"""

import gc
import json
import sys

from micropython import heap_lock, heap_unlock

from firmware.app import App
from firmware.link import Link
from hal.contract import Board, Storage

TURNS = 1_000


class NoStorage(Storage):
    def load(self) -> bytes:
        return b""

    def commit(self, record: bytes) -> None:
        pass


class Quiet(Board):
    """A board whose outputs are active, so that garbage is not collected."""

    def __init__(self) -> None:
        self.storage = NoStorage()
        self.ticks = 0
        self.overruns = 0
        self.sensor_fault = 0
        self.in_service = 0

    def make_safe(self) -> None:
        pass

    def is_safe(self) -> bool:
        return False


class Given:
    """A console that gives the bytes of a buffer again and again, and takes every line.

    `fresh` bytes come in each turn.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.fresh = 0
        self.lines = 0

    def read_byte(self) -> int:
        if self.fresh == 0:
            return -1
        self.fresh -= 1
        byte = self.data[self.at]
        self.at += 1
        if self.at == len(self.data):
            self.at = 0
        return byte

    def write(self, line: bytes, length: int = -1) -> bool:
        self.lines += 1
        return True

    def send(self) -> None:
        pass


def steps(settings_path: str, garbage_path: str):  # type: ignore[no-untyped-def]
    """Read the garbage of a file; prints what is wrong, and how much was read."""
    with open(settings_path, "rb") as file:  # noqa: PTH123 - MicroPython has no pathlib
        settings = file.read()
    with open(garbage_path, "rb") as file:  # noqa: PTH123
        garbage = file.read()
    console = Given(garbage)
    app = App(Quiet(), settings)
    link = Link(app, app._board, console, {})  # type: ignore[arg-type]
    wrong = ""
    read = 0
    link.turn()
    gc.collect()
    yield
    for turn in range(TURNS):
        console.fresh = 300
        if turn & 1:
            gc.disable()
            used = gc.mem_alloc()  # type: ignore[attr-defined]
            link.turn()
            used = gc.mem_alloc() - used  # type: ignore[attr-defined]
            gc.enable()
            if used:
                wrong = f"turn {turn}: {used} bytes allocated"
        else:
            needs_memory = False
            heap_lock()
            try:
                link.turn()
            except MemoryError:
                needs_memory = True  # nothing can be put in words yet
            finally:
                heap_unlock()
            if needs_memory:
                wrong = f"turn {turn}: needs memory"
        read += 300 - console.fresh
        if wrong:
            break
    sys.stdout.write(
        json.dumps({
            "wrong": wrong, "read": read, "answers": console.lines, "dropped": link.dropped,
        }) + "\n"
    )  # fmt: skip
