"""Traces made by hand, from rows that are the same for a while."""

import struct

from emery.simulator.loop import ROW_FORM
from emery.simulator.trace import COLUMNS, Trace
from firmware import faults, treatment

SET_PA = 27_000

IDLE: dict[str, int] = dict.fromkeys(COLUMNS, 0) | {"state": treatment.PAUSED}
TREATING = IDLE | {
    "set_pa": SET_PA,
    "pump_permille": 600,
    "vent": 1,
    "pass_number": 1,
    "state": treatment.TREATING,
    "reason": treatment.WHY_TREATING,
    "footswitch": 1,
}
ON_SKIN = TREATING | {"skin_pa": SET_PA, "on_skin": 1, "contact": 1}
FAULT = IDLE | {"state": treatment.FAULT, "fault": faults.OVER_VACUUM}


def trace_of(*stretches: tuple[dict[str, int], int], tick_ms: int = 5) -> Trace:
    """A trace of stretches: what is the same in each row, and how many rows."""
    rows = bytearray()
    time_ms = 0
    for row, count in stretches:
        for _ in range(count):
            time_ms += tick_ms
            rows += struct.pack(ROW_FORM, time_ms, *(row[name] for name in COLUMNS[1:]))
    return Trace(rows, tick_ms)
