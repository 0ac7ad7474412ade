"""Replay: recorded inputs through the core again, on any interpreter.

A recording is the compiled settings, the pass record at power-on, and one
black-box record for every tick. The core is made afresh, given each record's
readings and command, and must come to the same decision. The rolling CRC-32
covers inputs, outputs, decision and the full state of every single tick, so
two interpreters with one CRC have agreed on everything. Each step runs with the
heap locked: on MicroPython a step that allocates ends the replay.

Plain MicroPython; the records are read from a file, since a board's heap does
not hold them.
"""

import struct
from binascii import crc32

from micropython import heap_lock, heap_unlock

from firmware import black_box, state
from firmware.controller import Controller
from firmware.settings import decode
from hal.contract import Outputs, Readings

_TICKS_AT_ONCE = 1000  # what one step reads is free again after it


def replay(settings: bytes, pass_record: bytes, records) -> dict:  # type: ignore[no-untyped-def]
    """Replay the records of an open binary file to its end.

    Returns ticks, crc, and first_difference: the number of the first tick
    whose decision came out otherwise, -1 for none.
    """
    work = steps(settings, pass_record, records)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def steps(  # type: ignore[no-untyped-def]
    settings: bytes, pass_record: bytes, records, start: bytes = b"", in_service: int = 0
):
    """The same in pieces: a generator that returns what `replay` does.

    A recording that does not begin at power-on begins with the full state that
    `start` holds, as `state.save` writes it.
    """
    controller = Controller(decode(settings), pass_record, in_service)
    if start:
        state.load(controller.parts, bytearray(start))
    readings = Readings()
    outputs = Outputs()
    snapshot = bytearray(state.size(controller.parts))
    again = bytearray(black_box.RECORD_BYTES)
    crc = 0
    ticks = 0
    first_difference = -1
    while True:
        record = records.read(black_box.RECORD_BYTES)
        if len(record) < black_box.RECORD_BYTES:
            break
        fields = struct.unpack_from(black_box.RECORD_FORM, record, 0)
        black_box.fill_readings(fields, readings)
        command = fields[12]
        argument = fields[13]
        heap_lock()
        try:
            controller.step(readings, command, argument, outputs)
        finally:
            # Nothing can tell an error while the heap is locked.
            heap_unlock()
        black_box.write_record(
            again, 0, readings, command, argument, outputs, controller.treatment,
            controller.protection.fault,
        )
        state.save(controller.parts, snapshot)
        crc = crc32(snapshot, crc32(again, crc))
        if first_difference < 0 and again != record:
            first_difference = ticks
        ticks += 1
        if ticks % _TICKS_AT_ONCE == 0:
            yield
    return {"ticks": ticks, "crc": crc, "first_difference": first_difference}
