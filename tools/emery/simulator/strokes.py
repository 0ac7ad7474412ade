"""The strokes of a treatment, one by one: how the vacuum came up, and how it held.

A stroke is a true contact of at least 300 ms while the device treats. It has
reached its set vacuum when it first comes within the band around it; from
there on it should stay in it. These are the figures that a regulator is tuned
by.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import Any

from emery.simulator.analysis import IN_BAND_PA, SKIN_FREE_PA
from emery.simulator.decimate import change_rows
from emery.simulator.operator import STROKE_MS
from emery.simulator.trace import Columns
from firmware import treatment

__all__ = ["Stroke", "regulation", "strokes"]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke. `from_ms` is the contact, `to_ms` its end or that of treating.

    `rise_ms` is from contact into the band, None if it was not reached;
    `after_rise_ms` is what came then, `steady_ms` how much of that was in the
    band. `peak_pa` is the highest until the skin was free again.
    """

    from_ms: int
    to_ms: int
    zone: int
    pass_number: int
    set_pa: int
    peak_pa: int
    rise_ms: int | None
    after_rise_ms: int
    steady_ms: int


def strokes(trace: Columns) -> list[Stroke]:
    """All strokes of a trace, in order."""
    return [_stroke(trace, first, after) for first, after in _contacts(trace)]


def regulation(found: Sequence[Stroke]) -> dict[str, Any]:
    """What all strokes say together: the median rise (None if none arrived),
    the highest overshoot, and how much of the time after the rise was in band."""
    rises = [stroke.rise_ms for stroke in found if stroke.rise_ms is not None]
    return {
        "rise_ms": median_low(rises) if rises else None,
        "overshoot_pa": max((max(s.peak_pa - s.set_pa, 0) for s in found), default=0),
        "after_rise_ms": sum(stroke.after_rise_ms for stroke in found),
        "steady_ms": sum(stroke.steady_ms for stroke in found),
    }


def _contacts(trace: Columns) -> Iterator[tuple[int, int]]:
    """(first row, row after the last) of each contact while treating."""
    columns = trace.columns
    touches = bytearray(
        on_skin and state == treatment.TREATING
        for on_skin, state in zip(columns["on_skin"], columns["state"], strict=True)
    )
    edges = [*change_rows(touches), len(touches)]
    for first, after in pairwise(edges):
        if touches[first] and (after - first) * trace.tick_ms >= STROKE_MS:
            yield first, after


def _stroke(trace: Columns, first: int, after: int) -> Stroke:
    columns = trace.columns
    times = columns["t_ms"]
    skin = columns["skin_pa"]
    in_band = [
        abs(skin_pa - set_pa) <= IN_BAND_PA
        for skin_pa, set_pa in zip(
            skin[first:after], columns["set_pa"][first:after], strict=True
        )
    ]
    reached = in_band.index(True) if True in in_band else None
    free = after
    while free < len(skin) and skin[free] >= SKIN_FREE_PA:
        free += 1
    return Stroke(
        from_ms=times[first],
        to_ms=times[after - 1] + trace.tick_ms,
        zone=columns["zone"][first],
        pass_number=columns["pass_number"][first],
        set_pa=columns["set_pa"][first],
        peak_pa=max(skin[first:free]),
        rise_ms=None if reached is None else reached * trace.tick_ms,
        after_rise_ms=0 if reached is None else (len(in_band) - reached) * trace.tick_ms,
        steady_ms=sum(in_band) * trace.tick_ms,
    )
