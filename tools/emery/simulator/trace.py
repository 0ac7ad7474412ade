"""What a simulation leaves behind: one row for every control tick, in columns.

Times are in ms since power-on, vacuum in Pa, drives in permille. `skin_pa` is
the true vacuum at the skin, the highest within the tick; `vacuum_a_pa` and
`vacuum_b_pa` are what the firmware believes. `contact` is the firmware's belief,
`on_skin` the truth. `vent` is 0 open, 1 closed, as commanded.
"""

import struct
from array import array
from typing import Protocol

from emery.simulator.loop import ROW_BYTES, ROW_FORM

COLUMNS = (
    "t_ms",
    "skin_pa",
    "vacuum_a_pa",
    "vacuum_b_pa",
    "set_pa",
    "pump_permille",
    "feed_permille",
    "crystals_mg_min",
    "vent",
    "contact",
    "on_skin",
    "zone",
    "pass_number",
    "state",
    "reason",
    "fault",
    "footswitch",
)


class Columns(Protocol):
    """What readers need of a trace: columns of equal length, and the tick."""

    columns: "dict[str, array[int]]"
    tick_ms: int


class Trace:
    """The columns of a run, all of one length, and the tick they are spaced by."""

    def __init__(self, rows: bytes | bytearray, tick_ms: int) -> None:
        """From the rows that `emery.simulator.loop.run` wrote."""
        types = ROW_FORM[1:]
        if len(rows) % ROW_BYTES or len(types) != len(COLUMNS):
            raise ValueError("these rows are not a trace")
        fields = list(zip(*struct.iter_unpack(ROW_FORM, rows), strict=True))
        self.tick_ms = tick_ms
        self.columns: dict[str, array[int]] = {
            name: array(kind, fields[index] if fields else ())
            for index, (name, kind) in enumerate(zip(COLUMNS, types, strict=True))
        }

    def __len__(self) -> int:
        return len(self.columns["t_ms"])
