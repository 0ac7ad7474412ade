"""The black box of a device, from the copy that it gives over the link.

The form is the firmware's (`firmware/black_box.py`). Nothing is taken from a copy before
its length and every number in its head have been checked.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from firmware import black_box

_FORM_VERSION = 1
_HEAD_BYTES = struct.calcsize(black_box.COPY_FORM)
_LONGEST_STATE = 4_096


class Record(NamedTuple):
    """One tick: what came in, and from `pump_permille` on what was decided. The fields are
    those of `black_box.RECORD_FORM`, by the names of `Readings`, `Outputs` and the core."""

    now_ms: int
    barometer_pa: int
    vacuum_a_raw: int
    vacuum_b_raw: int
    sensor_supply_raw: int
    barometer_age_ms: int
    main_turns: int
    committed_sequence: int
    dt_ms: int
    footswitch: int
    motion: int
    main_fault: int
    command: int
    argument: int
    pump_permille: int
    feed_permille: int
    vent: int
    lease_ms: int
    state: int
    reason: int
    fault: int


class BoxError(Exception):
    """A copy that this emery cannot read; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Box:
    """The last ticks of a device.

    `ticks` is the count of ticks recorded since its start. `records` are those still
    there, oldest first, and end with tick `ticks - 1`. `keyframes` are (tick, state): the
    full state of the core before that tick, oldest first, and only those that a record
    follows. `is_stopped`: the ring stands still, since a fault is latched.
    """

    ticks: int
    period_ms: int
    is_stopped: bool
    records: tuple[Record, ...]
    keyframes: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def first_tick(self) -> int:
        """The number of the oldest record."""
        return self.ticks - len(self.records)

    def record(self, tick: int) -> Record:
        """The record of a tick."""
        return self.records[tick - self.first_tick]

    @classmethod
    def of(cls, blob: bytes) -> "Box":
        """From a copy. Raises BoxError."""
        if len(blob) < _HEAD_BYTES:
            raise BoxError(f"it has {len(blob)} bytes, fewer than its head of {_HEAD_BYTES}")
        magic, version, record_bytes, records, size, ticks, place, period_ms, is_stopped = (
            struct.unpack_from(black_box.COPY_FORM, blob, 0)
        )
        if magic != black_box.COPY_MAGIC:
            raise BoxError("it does not begin as the copy of a black box does")
        if version != _FORM_VERSION:
            raise BoxError(f"its form has version {version}; this emery reads {_FORM_VERSION}")
        if record_bytes != black_box.RECORD_BYTES or records < 1:
            raise BoxError(
                f"its records have {record_bytes} bytes; those of this emery's firmware have "
                f"{black_box.RECORD_BYTES}"
            )
        if not 0 < size <= _LONGEST_STATE:
            raise BoxError(f"a state of {size} numbers cannot be")
        frame = struct.Struct(f"<i{size}i")
        ring_at = _HEAD_BYTES + black_box.KEYFRAMES * frame.size
        if len(blob) != ring_at + records * record_bytes:
            raise BoxError(
                f"it has {len(blob)} bytes; its head tells of {ring_at + records * record_bytes}"
            )
        if ticks < 0 or place % record_bytes or not 0 <= place < records * record_bytes:
            raise BoxError(f"tick {ticks} and place {place} in its head cannot be")
        rows = [Record(*row) for row in struct.iter_unpack(black_box.RECORD_FORM, blob[ring_at:])]
        newest = place // record_bytes
        rows = rows[newest:] + rows[:newest]
        held = min(ticks, records)
        rows = rows[len(rows) - held :]
        frames = []
        for index in range(black_box.KEYFRAMES):
            tick, *state = frame.unpack_from(blob, _HEAD_BYTES + index * frame.size)
            if ticks - held <= tick < ticks:
                frames.append((tick, tuple(state)))
        return cls(ticks, period_ms, bool(is_stopped), tuple(rows), tuple(sorted(frames)))
