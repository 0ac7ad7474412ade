"""What is done to the device: four phases of short runs, from which all can be told.

closed cap, crystal hose clamped   nothing lets air in but a leak: pump over volume,
                                   its dead band and lag; held vacuum shows the leak
orifice tip, crystal hose clamped  a hole that is known: litres for what the first phase
                                   has told in kPa
closed cap, crystal hose open      the nozzle
tip in the air                     most air: the loss of filter and line, and the tip

Drives and times follow from a first short run, so that small and large devices come to
about 25 kPa, below the 30 kPa at which the firmware lets go. In each run the pump stops
before the vent opens: it coasts down, and what the air does alone is seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from emery.service_bench.bench import PUMP_HIGHEST_PERCENT, Bench, Step, longest_ms, pump
from emery.service_bench.recording import Recording
from firmware.settings import Settings
from hal.contract import VENT_CLOSED

CLOSED = "c"
ORIFICE = "o"
NOZZLE = "n"
AIR = "a"
PHASES = (CLOSED, ORIFICE, NOZZLE, AIR)

# What is asked of the operator before each phase.
ASKED = {
    CLOSED: "Clamp the crystal hose, and put the tip on its closed cap.",
    ORIFICE: "Leave the hose clamped. Put the orifice tip on in place of the cap.",
    NOZZLE: "Open the clamp of the crystal hose. Put the tip on its closed cap again.",
    AIR: "Take the cap off, and hold the tip free in the air.",
}

TARGET_PA = 25_000.0
_LOOK_MS = 200  # the first run
_SHORTEST_MS = 150
_COAST_MS = 450  # at least, the pump off and the vent still closed

# Drives of each phase, percent of the highest that SERVICE allows.
_SHARES = {
    CLOSED: (100, 78, 61, 48, 38, 30),
    ORIFICE: (100, 82, 66, 53, 42),
    NOZZLE: (100, 75, 55),
    AIR: (100, 100),
}
RUNS = 1 + sum(map(len, _SHARES.values()))  # with the first look


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a phase."""

    phase: str
    recording: Recording


class Excitation:
    """The runs, in order, on a device whose tip is as each phase wants it."""

    def __init__(self, bench: Bench, settings: Settings) -> None:
        self._bench = bench
        self._settings = settings
        # A run is no longer on a slow tick: two seconds are what SERVICE allows.
        self._longest_ms = min(2_000, longest_ms(bench.tick_ms))
        self._rate_pa_s = 0.0  # rise on the closed cap at the highest drive

    def runs(self, phase: str) -> Iterator[Run]:
        """Do a phase, run by run."""
        return self._closed() if phase == CLOSED else self._loaded(phase)

    def _closed(self) -> Iterator[Run]:
        look = self._run(CLOSED, [pump(PUMP_HIGHEST_PERCENT, _LOOK_MS), pump(0, 600)])
        self._rate_pa_s = rise_rate(look.recording, self._settings)
        yield look
        for share in _SHARES[CLOSED]:
            percent = PUMP_HIGHEST_PERCENT * share // 100
            # As if there were no dead band: that ends lower, and never higher.
            rate = max(self._rate_pa_s * share / 100.0, 1.0)
            ms = self._fitting(1_000.0 * TARGET_PA / rate)
            yield self._run(CLOSED, [pump(percent, ms), pump(0, self._longest_ms - ms)])

    def _loaded(self, phase: str) -> Iterator[Run]:
        ms = self._longest_ms - _COAST_MS
        highest = PUMP_HIGHEST_PERCENT
        for share in _SHARES[phase]:
            percent = highest * share // 100
            run = self._run(phase, [pump(percent, ms), pump(0, _COAST_MS)])
            yield run
            if run.recording.was_cut and share == 100:
                # A strong pump: the others begin where this one would have stayed below.
                highest = max(25, highest * 80 // 100)

    def _fitting(self, ms: float) -> int:
        return int(min(max(ms, _SHORTEST_MS), self._longest_ms - _COAST_MS))

    def _run(self, phase: str, steps: list[Step]) -> Run:
        return Run(phase, self._bench.run(steps))


def rise_rate(recording: Recording, settings: Settings) -> float:
    """Pa/s that the pump made while it ran, its coasting down counted in: what the vacuum
    came to, over the time with a drive."""
    vacuum = [
        0.5 * (a + b)
        for a, b in zip(
            recording.vacuum_pa(settings, "a"), recording.vacuum_pa(settings, "b"), strict=True
        )
    ]
    before = [value for value, t in zip(vacuum, recording.t_ms, strict=True) if t < 0]
    closed = [
        value
        for value, vent in zip(vacuum, recording.vent, strict=True)
        if vent == VENT_CLOSED
    ]
    driven_ms = sum(
        dt for dt, drive in zip(recording.dt_ms, recording.pump_permille, strict=True) if drive
    )
    if not before or not closed or not driven_ms:
        return 0.0
    highest = sorted(closed)[-min(len(closed), 10) :]
    rise_pa = sum(highest) / len(highest) - sum(before) / len(before)
    return max(0.0, 1_000.0 * rise_pa / driven_ms)
