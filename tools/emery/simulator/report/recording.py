"""The trace in the form in which the page carries it.

Quantities are stored row by row, state-like columns as the rows where they
change. Neighbouring values are close together, so each list is stored as
differences, folded so that small negative ones stay small, and split into
byte planes; what is left is mostly zeros and deflates to about a seventh.
A half-hour treatment fits whole, every tick of it. Only when a trace does not
fit its budget are the quantities thinned, by `decimate.kept_rows`, and then
everything near a fault, an event or the highest vacuum is still kept whole.
"""

import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import sub
from typing import Any

from emery.simulator.decimate import change_rows, kept_rows
from emery.simulator.strokes import Stroke
from emery.simulator.trace import Columns

__all__ = ["COMPARED", "QUANTITIES", "STATES", "Recording", "RunRecord", "record", "selected"]

# Drawn as lines; thinned when there is no room for every row.
QUANTITIES = (
    "skin_pa",
    "vacuum_a_pa",
    "vacuum_b_pa",
    "pump_permille",
    "feed_permille",
    "crystals_mg_min",
)

# Of a run that is drawn for comparison.
COMPARED = ("skin_pa", "pump_permille")

# Hold one value for a while; always exact.
STATES = (
    "set_pa",
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

# A packed list is never longer than this; a recording of hours is shorter.
_LONGEST_PLANES = 400_000_000

# Bytes of deflated trace a page may carry. As text it is a third more; with
# plotly.js (about 2 MB as deflated text) the page stays below 7 MB.
BUDGET_BYTES = 3_500_000

# Kept whole on each side of whatever happened.
WINDOW_MS = 2_000

# Rows in a bucket, tried in turn until the trace fits. Two would save nothing.
STRIDES = (1, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Recording:
    """A packed trace: `blob`, and where in it each list lies.

    `directory` is JSON-able: {"rows", "tick_ms", "stride", "quantities",
    "states"}; each column there has "values" and "rows" as [byte offset,
    number of values], and "rows" is None where every row is kept.
    """

    def __init__(self, blob: bytes, directory: dict[str, Any]) -> None:
        self.blob = blob
        self.directory = directory


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that a report holds of one run: its result, strokes and recording."""

    result: Mapping[str, Any]
    strokes: Sequence[Stroke]
    recording: Recording


def record(
    trace: Columns, moments_ms: Sequence[int], budget_bytes: int = BUDGET_BYTES
) -> Recording:
    """Pack `trace` into at most `budget_bytes`, as finely as that allows.

    `moments_ms` are the times of faults and events. The coarsest stride is
    used when nothing fits; the caller checks the size of the page.
    """
    windows = _windows(trace, moments_ms)
    recording = _record(trace, STRIDES[0], windows)
    for stride in STRIDES[1:]:
        if len(recording.blob) <= budget_bytes:
            break
        recording = _record(trace, stride, windows)
    return recording


def _windows(trace: Columns, moments_ms: Sequence[int]) -> list[tuple[int, int]]:
    """Rows around each moment and around the highest vacuum at the skin."""
    times = trace.columns["t_ms"]
    if not times:
        return []
    skin = trace.columns["skin_pa"]
    reach = WINDOW_MS // trace.tick_ms
    middles = [(moment - times[0]) // trace.tick_ms for moment in moments_ms]
    middles.append(skin.index(max(skin)))
    return [(middle - reach, middle + reach + 1) for middle in middles]


def _record(trace: Columns, stride: int, windows: Sequence[tuple[int, int]]) -> Recording:
    planes = bytearray()

    def put(values: "array[int]") -> list[int]:
        offset = len(planes)
        planes.extend(_byte_planes(values))
        return [offset, len(values)]

    columns = trace.columns
    count = len(columns["t_ms"])
    quantities: dict[str, dict[str, list[int] | None]] = {}
    for name in QUANTITIES:
        column = columns[name]
        if stride == 1:
            quantities[name] = {"rows": None, "values": put(column)}
        else:
            rows = kept_rows(column, stride, windows)
            kept = array("i", [column[row] for row in rows])
            quantities[name] = {"rows": put(rows), "values": put(kept)}
    states: dict[str, dict[str, list[int]]] = {}
    # The clock as what it has over row x tick: a gap in time is a change.
    regular = range(0, count * trace.tick_ms, trace.tick_ms)
    clock = array("i", map(sub, columns["t_ms"], regular))
    for name, column in [("clock", clock), *((name, columns[name]) for name in STATES)]:
        rows = change_rows(column)
        kept = array("i", [column[row] for row in rows])
        states[name] = {"rows": put(rows), "values": put(kept)}
    directory = {
        "rows": count,
        "tick_ms": trace.tick_ms,
        "stride": stride,
        "quantities": quantities,
        "states": states,
    }
    return Recording(zlib.compress(bytes(planes), 6), directory)


def selected(recording: Recording, quantities: Sequence[str] = COMPARED) -> Recording:
    """A recording of only these quantities, and of all states.

    Raises ValueError, KeyError, TypeError or zlib.error for one that is broken.
    """
    inflater = zlib.decompressobj()
    old = inflater.decompress(recording.blob, _LONGEST_PLANES)
    planes = bytearray()

    def moved(place: Sequence[int] | None) -> list[int] | None:
        if place is None:
            return None
        offset, count = place
        end = offset + 4 * count
        if not 0 <= offset <= end <= len(old):
            raise ValueError("a list lies outside its recording")
        at = len(planes)
        planes.extend(old[offset:end])
        return [at, count]

    directory = recording.directory
    numbers = {name: int(directory[name]) for name in ("rows", "tick_ms", "stride")}
    columns = {
        group: {
            name: {part: moved(directory[group][name][part]) for part in ("rows", "values")}
            for name in names
        }
        for group, names in (("quantities", quantities), ("states", ("clock", *STATES)))
    }
    return Recording(zlib.compress(bytes(planes), 6), {**numbers, **columns})


def _byte_planes(values: "array[int]") -> bytes:
    """Differences, folded to 0, -1, 1, -2, ... -> 0, 1, 2, 3, ..., by plane.

    Values are within +-2^30, as every number of the firmware is.
    """
    if not values:
        return b""
    differences = [values[0], *map(sub, values[1:], values)]
    folded = array("I", [(step << 1) ^ (step >> 31) for step in differences])
    if sys.byteorder == "big":
        folded.byteswap()
    raw = folded.tobytes()
    return raw[0::4] + raw[1::4] + raw[2::4] + raw[3::4]
