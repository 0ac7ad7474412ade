"""From a trace to figures: what was done to the skin, and how fast it ended.

Vacuum, crystals, contact and strokes are the truth of the model, not what the
firmware believes. Outputs are as commanded; a pass is one the device has open.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from emery.simulator.trace import Trace
from firmware import faults, treatment
from firmware.settings import Settings
from hal.contract import VENT_OPEN

# "In band" is within this of the set vacuum. [E: regulation, +-2 kPa steady]
IN_BAND_PA = 2_000
# A vacuum below this lets go of the skin. [E]
SKIN_FREE_PA = 5_000
# A true contact this long is a stroke. [E: as the firmware's default]
STROKE_MS = 300
_MG_MIN_MS = 60_000
# The peak of a fault is looked for from this long before it was latched.
_BEFORE_FAULT_MS = 500

_MEASURED = (
    "skin_pa",
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


@dataclass(slots=True)
class ZoneFigures:
    """What one zone got."""

    on_skin_ms: int = 0
    in_band_ms: int = 0
    strokes: int = 0
    crystals_mg_min_ms: int = 0
    peak_pa: int = 0


@dataclass(slots=True)
class FaultFigures:
    """One latched fault: when, and what it took to be safe.

    Both times run from its onset: the hard limit truly crossed, or the last
    event before it. `to_safe_ms` ends with outputs commanded safe, `release_ms`
    with less than 5 kPa at the skin; None if there is no onset or no end.
    """

    number: int
    at_ms: int
    to_safe_ms: int | None
    release_ms: int | None
    peak_pa: int


@dataclass(slots=True)
class Figures:
    """All figures of a run."""

    zones: list[ZoneFigures]
    faults: list[FaultFigures] = field(default_factory=list)
    peak_pa: int = 0
    cap_peak_pa: int = 0
    off_skin_mg_min_ms: int = 0
    suction_without_pass_ms: int = 0
    crystals_without_contact_ms: int = 0
    unsafe_in_fault_ms: int = 0
    crystals_after_lift_ms: int = 0
    held_after_stop_ms: int = 0
    refused_presses: int = 0


def measure(trace: Trace, settings: Settings, events: list[tuple[Any, ...]]) -> Figures:
    """Measure a trace. `events` are those that happened: (at_ms, ...)."""
    columns = trace.columns
    tick_ms = trace.tick_ms
    figures = Figures([ZoneFigures() for _ in settings.zones])
    contact_ms = 0
    lifted_ms = 0
    stopped_ms = 0
    before_refused = False
    for row in zip(*(columns[name] for name in _MEASURED), strict=True):
        skin_pa, set_pa, pump, feed, crystals, vent, contact = row[:7]
        on_skin, zone, number, state, reason, fault, footswitch = row[7:]
        figure = figures.zones[zone]
        # On its cap, or in SERVICE, the tip holds no skin.
        is_bench = state in (treatment.PROOF, treatment.SERVICE)
        if is_bench:
            figures.cap_peak_pa = max(figures.cap_peak_pa, skin_pa)
        elif skin_pa > figure.peak_pa:
            figure.peak_pa = skin_pa
        if on_skin and state == treatment.TREATING:
            figure.on_skin_ms += tick_ms
            if abs(skin_pa - set_pa) <= IN_BAND_PA:
                figure.in_band_ms += tick_ms
            contact_ms += tick_ms
            if contact_ms - tick_ms < STROKE_MS <= contact_ms:
                figure.strokes += 1
        else:
            contact_ms = 0
        # How long crystals were still commanded after the tip was truly lifted.
        lifted_ms = 0 if on_skin else lifted_ms + tick_ms
        if feed and lifted_ms > figures.crystals_after_lift_ms:
            figures.crystals_after_lift_ms = lifted_ms
        # How long skin under the tip was held after the device had let go.
        stopped_ms = 0 if vent != VENT_OPEN else stopped_ms + tick_ms
        if on_skin and stopped_ms and skin_pa >= SKIN_FREE_PA:
            figures.held_after_stop_ms = max(figures.held_after_stop_ms, stopped_ms)
        if crystals:
            if on_skin:
                figure.crystals_mg_min_ms += crystals * tick_ms
            else:
                figures.off_skin_mg_min_ms += crystals * tick_ms
        if pump or feed or vent != VENT_OPEN:
            if not number and not is_bench:
                figures.suction_without_pass_ms += tick_ms
            if feed and not contact:
                figures.crystals_without_contact_ms += tick_ms
            if fault:
                figures.unsafe_in_fault_ms += tick_ms
        refused = bool(footswitch) and reason == treatment.WHY_PASSES_SPENT
        if refused and not before_refused:
            figures.refused_presses += 1
        before_refused = refused
    figures.peak_pa = max((zone.peak_pa for zone in figures.zones), default=0)
    figures.faults = _faults(trace, settings, events)
    return figures


def milligrams(mg_min_ms: int) -> int:
    """Whole mg from a flow in mg/min summed over ms."""
    return mg_min_ms // _MG_MIN_MS


def _faults(trace: Trace, settings: Settings, events: list[tuple[Any, ...]]) -> list[FaultFigures]:
    column = trace.columns["fault"]
    found = []
    for index, (before, now) in enumerate(pairwise([0, *column])):
        if now and now != before:
            found.append(_fault(trace, settings, events, index))
    return found


def _fault(
    trace: Trace, settings: Settings, events: list[tuple[Any, ...]], index: int
) -> FaultFigures:
    columns = trace.columns
    times = columns["t_ms"]
    skin = columns["skin_pa"]
    at_ms = times[index]
    onset_ms: int | None = None
    if columns["fault"][index] == faults.OVER_VACUUM:
        crossed = index
        while crossed > 0 and skin[crossed - 1] >= settings.hard_limit_pa:
            crossed -= 1
        if skin[crossed] >= settings.hard_limit_pa:
            onset_ms = times[crossed]
    if onset_ms is None:
        onset_ms = max((event[0] for event in events if event[0] <= at_ms), default=None)
    safe = index
    while safe < len(times) and (
        columns["pump_permille"][safe] or columns["feed_permille"][safe]
        or columns["vent"][safe] != VENT_OPEN
    ):
        safe += 1
    released = safe
    while released < len(times) and skin[released] >= SKIN_FREE_PA:
        released += 1
    is_safe = safe < len(times)
    is_released = released < len(times)
    window = skin[max(0, index - _BEFORE_FAULT_MS // trace.tick_ms) : released + 1]
    return FaultFigures(
        number=columns["fault"][index],
        at_ms=at_ms,
        to_safe_ms=times[safe] - onset_ms if is_safe and onset_ms is not None else None,
        release_ms=times[released] - onset_ms if is_released and onset_ms is not None else None,
        peak_pa=max(window, default=0),
    )
