"""The parts of a session worth looking at, each as one window of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emery.simulator.decimate import change_rows
from emery.simulator.trace import Columns
from emery.simulator.wording import words

__all__ = ["Decision", "View", "around", "decisions", "views"]

# A trip is over in half a second; this shows what led to it and the release.
AROUND_MS = 1_200
STROKE_BEFORE_MS = 500
STROKE_AFTER_MS = 1_000
STROKE_LONGEST_MS = 8_000

# Faults with a button of their own; the others are reached from their cards.
FAULT_VIEWS = 6


@dataclass(frozen=True)
class View:
    """A named window of time, in ms since power-on."""

    label: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True)
class Decision:
    """From `at_ms` on the device was in `state`, because of `reason`."""

    at_ms: int
    state: str
    reason: str
    zone: str


def decisions(result: Mapping[str, Any], trace: Columns) -> list[Decision]:
    """Every change of state, reason, zone, pass or fault, in order."""
    columns = trace.columns
    rows = sorted({
        row
        for name in ("state", "reason", "zone", "pass_number", "fault")
        for row in change_rows(columns[name])
    })
    found = []
    for row in rows:
        zone = result["zones"][columns["zone"][row]]["name"]
        number = columns["pass_number"][row]
        reason = result["reason_names"][columns["reason"][row]]
        fault = columns["fault"][row]
        found.append(
            Decision(
                at_ms=columns["t_ms"][row],
                state=words(result["state_names"][columns["state"][row]]),
                reason=f"{reason}: {result['fault_names'][fault]}" if fault else reason,
                zone=f"{zone}, {number}" if number else zone,
            )
        )
    return found


def around(label: str, at_ms: int) -> View:
    """The window that shows what happened at `at_ms`."""
    return View(label, at_ms - AROUND_MS, at_ms + AROUND_MS)


def views(result: Mapping[str, Any], trace: Columns) -> list[View]:
    """The whole session first, then what most readers look for."""
    times = trace.columns["t_ms"]
    if not times:
        return []
    found = [View("Whole session", 0, times[-1] + trace.tick_ms)]
    stroke = _first_stroke(trace)
    if stroke:
        found.append(stroke)
    skin = trace.columns["skin_pa"]
    peak_ms = times[skin.index(max(skin))]
    faults = result["faults"][:FAULT_VIEWS]
    if all(abs(peak_ms - fault["at_ms"]) > AROUND_MS for fault in faults):
        found.append(around("Highest vacuum", peak_ms))
    for number, fault in enumerate(faults, start=1):
        found.append(around(f"Fault {number}: {fault['code']}", fault["at_ms"]))
    return found


def _first_stroke(trace: Columns) -> View | None:
    """The first time the tip is on the skin while suction is wanted."""
    times = trace.columns["t_ms"]
    on_skin = trace.columns["on_skin"]
    wanted = trace.columns["set_pa"]
    rows = range(len(times))
    start = next((row for row in rows if on_skin[row] and wanted[row]), None)
    if start is None:
        return None
    end = next((row for row in rows[start:] if not on_skin[row]), len(times) - 1)
    to_ms = min(times[end] + STROKE_AFTER_MS, times[start] + STROKE_LONGEST_MS)
    return View("First stroke", times[start] - STROKE_BEFORE_MS, to_ms)
