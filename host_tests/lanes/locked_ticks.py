"""Ticks that must not allocate: the far end of `test_allocation.py`.

Plain MicroPython. A file holds cases. Each is a full state of the core and
ticks to take from there: readings, command, and the decision that CPython came
to. Every tick goes through the whole of `App.tick`, twice: with the heap
locked, which also finds an intermediate that is no small integer; and with the
heap free and its use compared, which finds an exception raised and caught,
because those pass the lock.

The file, little-endian: u16 length of the settings, settings, cases. A case: u16
length of the state, u16 number of ticks, u16 1 if each tick starts from that
state afresh; state, ticks as black-box records.
"""

import gc
import json
import struct
from binascii import crc32

from micropython import heap_lock, heap_unlock

from firmware import black_box, state
from firmware.app import App
from hal.contract import Board, Storage

HEAD = "<HHH"
# A black box that has run for 31 days wraps in these ticks.
OLD_TICKS = 0x1FFFFFFF - 8
# A record is readings, command, argument and a decision of seven numbers.
COMMAND = -9
ARGUMENT = -8
# Two records are compared from here on: the black box masks what stands before,
# now_ms and barometer_pa.
_COMPARED = struct.calcsize("<ii")


class NoStorage(Storage):
    """Never written."""

    def load(self) -> bytes:
        return b""

    def commit(self, record: bytes) -> None:
        pass


class Given(Board):
    """A board that reads what a case says and drives nothing."""

    def __init__(self) -> None:
        self.storage = NoStorage()
        self.fields = ()

    def sample(self, readings) -> None:  # type: ignore[no-untyped-def]
        black_box.fill_readings(self.fields, readings)

    def drive(self, outputs) -> None:  # type: ignore[no-untyped-def]
        pass

    def make_safe(self) -> None:
        pass


def play(app, board, keyframe, afresh, count, file, is_locked):  # type: ignore[no-untyped-def]
    """Take the ticks of one case; "" or what is wrong, with the tick's number."""
    controller = app.controller
    record = bytearray(black_box.RECORD_BYTES)
    again = bytearray(black_box.RECORD_BYTES)
    for number in range(count):
        file.readinto(record)
        if number == 0 or afresh:
            app.error = None
            state.load(controller.parts, keyframe)
            controller.black_box.ticks = OLD_TICKS
        fields = struct.unpack_from(black_box.RECORD_FORM, record, 0)
        board.fields = fields
        app.post(fields[COMMAND], fields[ARGUMENT])
        used = 0
        if is_locked:
            heap_lock()
            try:
                app.tick()
            finally:
                heap_unlock()
        else:
            gc.disable()
            used = gc.mem_alloc()  # type: ignore[attr-defined]
            app.tick()
            used = gc.mem_alloc() - used  # type: ignore[attr-defined]
            gc.enable()
        if app.error is not None:
            return "tick {}: {}".format(number, repr(app.error))
        if used:
            return "tick {}: {} bytes allocated".format(number, used)
        black_box.write_record(
            again, 0, app.readings, app.command, app.argument, app.outputs,
            controller.treatment, controller.protection.fault,
        )
        if again[_COMPARED:] != record[_COMPARED:]:
            return "tick {}: decided otherwise than CPython".format(number)
    return ""


def steps(path: str):  # type: ignore[no-untyped-def]
    """Play all cases. Prints what is wrong, by number of the case, and a sum
    over the state at the end of each case."""
    wrong = []
    crc = 0
    case = 0
    with open(path, "rb") as file:
        board = Given()
        app = App(board, file.read(struct.unpack("<H", file.read(2))[0]))
        while True:
            head = file.read(struct.calcsize(HEAD))
            if not head:
                break
            state_bytes, count, afresh = struct.unpack(HEAD, head)
            keyframe = file.read(state_bytes)
            start = file.tell()
            for is_locked in (True, False):
                file.seek(start)
                problem = play(  # type: ignore[no-untyped-call]
                    app, board, keyframe, afresh, count, file, is_locked
                )
                if problem:
                    how = "heap locked" if is_locked else "heap free"
                    wrong.append((case, how + ", " + problem))
                    file.seek(start + count * black_box.RECORD_BYTES)
            snapshot = bytearray(state_bytes)
            state.save(app.controller.parts, snapshot)
            crc = crc32(snapshot, crc)
            case += 1
            gc.collect()
            yield
    print(json.dumps({"cases": case, "crc": crc, "wrong": wrong}))
