"""The black box of a device, from the copy that it gives over the link.

The form is the firmware's (`firmware/black_box.py`). Nothing is taken from a copy before
its length and every number in its head have been checked.
"""

import struct
from dataclasses import dataclass

from firmware import black_box

_FORM_VERSION = 1
_HEAD_BYTES = struct.calcsize(black_box.COPY_FORM)
_LONGEST_STATE = 4_096

Record = tuple[int, ...]


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
        rows = list(struct.iter_unpack(black_box.RECORD_FORM, blob[ring_at:]))
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
