"""Recorded ticks through the whole app again, without plant or operator.

`RecordedBoard` gives the app the readings of a recording and keeps its outputs,
as lean as a board can be, so that a tick through it is a whole tick and little
else. Plain MicroPython; also used on CPython.
"""

import struct

from firmware import black_box, treatment
from firmware.app import App
from hal.contract import Board, Outputs, Readings, Storage


class _NoStorage(Storage):
    def load(self) -> bytes:
        return b""


class RecordedBoard(Board):
    """Readings from a record, outputs kept. `record` is set before each tick."""

    def __init__(self) -> None:
        self.storage = _NoStorage()
        self.record: tuple = ()
        self.lease_ms = 0
        self.pump_permille = 0
        self.feed_permille = 0
        self.vent = 0

    def sample(self, readings: Readings) -> None:
        """The readings of the record, but for what the app owns."""
        record = self.record
        readings.now_ms = record[0]
        readings.barometer_pa = record[1]
        readings.vacuum_a_raw = record[2]
        readings.vacuum_b_raw = record[3]
        readings.sensor_supply_raw = record[4]
        readings.barometer_age_ms = record[5]
        readings.dt_ms = record[8]
        readings.footswitch = record[9]
        readings.motion = record[10]

    def drive(self, outputs: Outputs) -> None:
        """Keep the outputs."""
        self.lease_ms = outputs.lease_ms
        self.pump_permille = outputs.pump_permille
        self.feed_permille = outputs.feed_permille
        self.vent = outputs.vent

    def make_safe(self) -> None:
        """Keep the safe outputs."""
        self.lease_ms = 0
        self.pump_permille = 0
        self.feed_permille = 0
        self.vent = 0


class Player:
    """An app on a recorded board, and the ticks of a recording."""

    def __init__(self, settings: bytes, records) -> None:  # type: ignore[no-untyped-def]
        self.board = RecordedBoard()
        self.app = App(self.board, settings)
        self._records = records

    def block(self, count: int) -> list:
        """The next records, fewer at the end."""
        rows: list = []
        while len(rows) < count:
            record = self._records.read(black_box.RECORD_BYTES)
            if len(record) < black_box.RECORD_BYTES:
                break
            rows.append(struct.unpack_from(black_box.RECORD_FORM, record, 0))
        return rows

    def prepare(self, record: tuple) -> None:
        """Everything of one tick but the tick."""
        app = self.app
        self.board.record = record
        app.readings.main_turns = record[6]
        app.readings.committed_sequence = record[7]
        app.readings.main_fault = record[11]
        if record[12]:
            app.post(record[12], record[13])

    def is_treating(self) -> bool:
        """On the skin, with suction."""
        core = self.app.controller
        return core.treatment.state == treatment.TREATING and core.contact.on_skin != 0
