"""Whether the runs of a phase can be what they should be, before anything is fitted.

A cap that was left off, a clamp that was forgotten or a pump that stands would be fitted
as strange numbers. Each is told with the step to repeat. Rates are compared with the
pump's own, so that small and large devices are judged alike.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from emery.calibrate.verdict import Implausible
from emery.identify.excitation import AIR, CLOSED, ORIFICE, TARGET_PA, Run, rise_rate
from firmware.settings import Settings
from hal.contract import VENT_CLOSED

# All of these are [E].
_RISES_PA = 1_000.0  # less is no vacuum on a cap
_TURNS_PA_S = 1_500.0  # a pump that makes less does not turn, at 60 % and on any volume
_LEAKS_SHARE = 0.5  # of the pump's rate: what a leak may let in on the closed cap
_REACHES_SHARE = 0.5  # of the vacuum that the pump should reach on the closed cap
_HOLE_SHARE = 0.05  # the least that a hole or an open nozzle lets in besides
_CLOSED_SHARE = 0.6  # of the pump's rate: what it makes on a closed cap, all told
_FREE_TIP_PA = 9_000.0  # more is not a tip that is free in the air
_DIFFER_PA = 2_000.0  # both sensors at the same vacuum
_HELD_MS = 100  # between places on a held vacuum
_COASTED_MS = 250  # after it the pump has stopped


def check(runs: Sequence[Run], settings: Settings, phase: str) -> None:
    """Raise Implausible if the runs of this phase cannot be what they should be.

    The runs of the phases before it are there, too.
    """
    own = [run for run in runs if run.phase == phase]
    closed = [run for run in runs if run.phase == CLOSED]
    peak_pa = max(_peak(run, settings) for run in own)
    full_pa_s = max(rise_rate(run.recording, settings) for run in closed)
    _check_gauges(own, settings)
    if phase == CLOSED:
        if full_pa_s < _TURNS_PA_S and peak_pa < _RISES_PA:
            raise Implausible(
                f"with the pump at 60 % only {peak_pa / 1_000:.1f} kPa came up on the closed cap",
                "Is the cap on the tip, all the way? Does the pump turn (listen)? Does the vent "
                "close (it clicks)? Then repeat this step.",
            )
        driven_s = max(_driven_ms(run) for run in own) / 1_000.0
        expected_pa = min(TARGET_PA, full_pa_s * driven_s)
        lost_pa_s = _lost(own, settings)
        if lost_pa_s > _LEAKS_SHARE * full_pa_s or peak_pa < _REACHES_SHARE * expected_pa:
            raise Implausible(
                "too much air comes in beside the closed cap for a fit: the pump reaches "
                f"{peak_pa / 1_000:.1f} kPa, and {lost_pa_s / 1_000:.1f} kPa are lost in each "
                "second",
                "Clamp the crystal hose tightly and press the cap on; then repeat this step. If "
                "it stays so, the line leaks: emery calibrate leak tells where to look.",
            )
    elif phase == AIR:
        if peak_pa > _FREE_TIP_PA:
            raise Implausible(
                f"{peak_pa / 1_000:.1f} kPa came up with the tip in the air",
                "Take the cap off, and keep the tip free. Then repeat this step.",
            )
    else:
        tip = "orifice tip" if phase == ORIFICE else "cap"
        if peak_pa < _RISES_PA:
            raise Implausible(
                f"only {peak_pa / 1_000:.1f} kPa came up with the {tip} on",
                f"Put the {tip} on, all the way, and repeat this step. If it is on, filter or "
                "hose are blocked, and the pump draws no air through them: change the filter.",
            )
        more = _lost(own, settings) - _lost(closed, settings)
        quickest = max(rise_rate(run.recording, settings) for run in own)
        if more < _HOLE_SHARE * full_pa_s and quickest > _CLOSED_SHARE * full_pa_s:
            raise Implausible(
                "the vacuum is held as on the closed cap"
                if phase == ORIFICE
                else "the vacuum is held as with the crystal hose clamped",
                "Put the orifice tip on in place of the cap, its hole free. Then repeat this "
                "step."
                if phase == ORIFICE
                else "Open the clamp. If it is open, nozzle or crystal hose are blocked: clean "
                "them. If it was open in step 1, too, begin again.",
            )


def _check_gauges(runs: Sequence[Run], settings: Settings) -> None:
    apart = 0.0
    for run in runs:
        a, b = (
            np.array(run.recording.vacuum_pa(settings, channel)) for channel in "ab"
        )
        held = _held(run)
        if len(held) > 5:
            apart = max(apart, abs(float(np.mean(a[held] - b[held]))))
    if apart > _DIFFER_PA:
        raise Implausible(
            f"the two vacuum sensors differ by {apart / 1_000:.1f} kPa",
            "Calibrate them first: emery calibrate sensors. Is a port blocked by crystals?",
        )


def _peak(run: Run, settings: Settings) -> float:
    """The highest vacuum over some ticks, Pa above what there was before."""
    a, b = (np.array(run.recording.vacuum_pa(settings, channel)) for channel in "ab")
    vacuum = np.convolve(0.5 * (a + b), np.ones(5) / 5.0, mode="valid")
    before = np.array(run.recording.t_ms)[: len(vacuum)] < 0
    rest = float(vacuum[before].mean()) if before.any() else 0.0
    return float(vacuum.max()) - rest


def _driven_ms(run: Run) -> int:
    recording = run.recording
    return sum(
        dt for dt, drive in zip(recording.dt_ms, recording.pump_permille, strict=True) if drive
    )


def _held(run: Run) -> list[int]:
    """The ticks in which the pump has coasted down and the vent is closed still."""
    recording = run.recording
    found: list[int] = []
    since_ms = 0
    for at in range(1, len(recording)):
        if recording.vent[at] != VENT_CLOSED or recording.pump_permille[at]:
            since_ms = 0
            continue
        since_ms += recording.dt_ms[at]
        if since_ms >= _COASTED_MS:
            found.append(at)
    return found


def _lost(runs: Sequence[Run], settings: Settings) -> float:
    """The quickest that a held vacuum was lost in these runs, Pa/s."""
    quickest = 0.0
    for run in runs:
        recording = run.recording
        held = _held(run)
        a, b = (recording.vacuum_pa(settings, channel) for channel in "ab")
        ticks = max(2, _HELD_MS // max(recording.dt_ms[1], 1))
        means = [
            sum(0.5 * (a[at] + b[at]) for at in held[first : first + ticks]) / ticks
            for first in range(0, len(held) - ticks + 1, ticks)
        ]
        for before, after in pairwise(means):
            quickest = max(quickest, (before - after) * 1_000.0 / _HELD_MS)
    return quickest
