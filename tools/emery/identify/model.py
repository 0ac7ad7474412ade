"""The simulated plant beside the recordings: what it would have read.

Each run begins at rest and vented, so it is simulated by itself, from the outputs that
the device recorded, tick by tick. What hangs between plant and count is fitted as well:
a lag, an offset and a gain of each sensor, and the slow bends of its scale, each held by
what is known of it. The plant alone decides what takes long; it is asked only for the
runs that a parameter touches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emery.identify.excitation import AIR, NOZZLE, ORIFICE, Run
from emery.identify.parameters import FITTED
from emery.service_bench.recording import Recording
from emery.simulator.noise import Noise
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, Plant
from firmware.settings import Settings
from hal.contract import VENT_CLOSED

Array = NDArray[np.float64]

# What is known of a sensor and its converter before the measurement. The gauge is good
# for 1.5 % of full scale (MPXV6115V data sheet), most of which is gain and offset. [E]
GAIN_SPREAD = 0.01
OFFSET_SPREAD_PA = 1_000.0
LAG_S = 0.008
LAG_SPREAD = 0.5  # of the logarithm
_PORT_STEP = 1e-4  # of lag (its logarithm) and timing
# How much earlier or later than at a tick's end the sample is taken. [E]
TIMING_SPREAD_S = 0.0015
# Bends of the scale besides, between places so far apart; of sensor and divider. [E]
BEND_SPREAD_PA = 40.0
BEND_SPACING_PA = 5_000.0
BEND_PLACES = 8
# The RP2040's converter has four codes that are far too wide, between which its error
# runs back: 8.9 of 4096 (pico-adc.markomo.me); so much less or more it may be. [E]
WIDE_CODES = 8.9
WIDE_SPREAD = 3.0
_WIDE_SPACING = 1024.0
_IN_WIDE_PA = 600.0  # half of 9 codes, and it lasts
_CODE_COUNTS = 16.0
# A hole that is drilled and reamed is known to 1 % of its diameter. [E]
ORIFICE_SPREAD = 0.01
# The model and a device differ, in ways that last for about so many ticks: so much at
# rest, and so much of the vacuum's change (timing of valves and of samples). [E]
_MISFIT_PA = 8.0
_MISFIT_S = 0.0004
_MISFIT_SHARE = 0.0005
_MISFIT_TICKS = 20
# The noise of the supply's count is still there after averaging, it lasts, and both
# channels have it: twice the variance that each would have of its own. Taken for less it
# made the intervals of the ESP32 a third too narrow, whose supply is the noisiest count.
_SUPPLY_WEIGHT = 2**0.5
# The reduced time grid.
_BLOCK_MS = 20
_QUICK_PA_S = 60_000.0

PLANT_COUNT = len(FITTED)
LAG_AT = PLANT_COUNT  # of both channels
TIMING_AT = LAG_AT + 2
LINEAR_AT = TIMING_AT + 2
_LINEAR_EACH = 3 + BEND_PLACES  # offset, gain, wide codes, bends
COUNT = LINEAR_AT + 2 * _LINEAR_EACH


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A run as the model needs it. `bases` are the columns of what is linear, one table
    for each channel: offset, gain (filled in later), wide codes, bends. `blocks`
    are the ticks with which a block of the reduced time grid begins: several ticks where
    nothing is quick, one where the vent lets go."""

    phase: str
    outputs: tuple[tuple[int, int, int, int], ...]
    steps_ms: Array
    measured: tuple[Array, Array]
    sigma: tuple[Array, Array]
    bases: tuple[Array, Array]
    blocks: NDArray[np.intp]
    atmosphere_pa: float


class Model:
    """Residuals of the recordings, over their noise, and their derivatives."""

    def __init__(
        self,
        runs: Sequence[Run],
        settings: Settings,
        chip: str,
        orifice_m: float,
        gain_spread: float = GAIN_SPREAD,
    ) -> None:
        self.runs = [_prepared(run, settings, chip) for run in runs]
        self.orifice_m = orifice_m
        self._tick_s = settings.tick_period_ms * 0.001
        self._cache: dict[tuple[int, float, bytes], Array] = {}
        self.prior_centre = np.zeros(COUNT)
        self.prior_spread = np.ones(COUNT)
        for at, row in enumerate(FITTED):
            self.prior_centre[at] = row.fitted(row.start)
            self.prior_spread[at] = row.prior
        self.prior_centre[LAG_AT : LAG_AT + 2] = np.log(LAG_S)
        self.prior_spread[LAG_AT : LAG_AT + 2] = LAG_SPREAD
        self.prior_spread[TIMING_AT : TIMING_AT + 2] = TIMING_SPREAD_S
        for channel in range(2):
            at = LINEAR_AT + channel * _LINEAR_EACH
            self.prior_spread[at : at + _LINEAR_EACH] = [
                OFFSET_SPREAD_PA, gain_spread, WIDE_SPREAD if chip == "rp2040" else 1e-3,
                *[BEND_SPREAD_PA] * BEND_PLACES,
            ]  # fmt: skip
            self.prior_centre[at + 2] = WIDE_CODES if chip == "rp2040" else 0.0
        self._rows = [2 * len(run.blocks) for run in self.runs]

    # The plant --------------------------------------------------------------------

    def plant_parameters(self, fitted: Array, run: _Prepared) -> dict[str, float]:
        """The simulator's parameters for one run."""
        found = {
            row.name: row.value(float(value))
            for row, value in zip(FITTED, fitted[:PLANT_COUNT], strict=True)
        }
        found["atmosphere_pa"] = run.atmosphere_pa
        found["touch_leak"] = 0.0
        found["cap_nozzle"] = 1.0 if run.phase == NOZZLE else 0.0
        if run.phase == ORIFICE:
            found["cap_leak"] = (self.orifice_m / found["tip_m"]) ** 2
        return found

    def skin_pa(self, fitted: Array, at: int) -> Array:
        """Vacuum at the skin in each tick of a run."""
        run = self.runs[at]
        used = fitted[:PLANT_COUNT].copy()
        for place, row in enumerate(FITTED):
            if run.phase not in row.phases:
                used[place] = self.prior_centre[place]
        key = (at, self.orifice_m if run.phase == ORIFICE else 0.0, used.tobytes())
        known = self._cache.get(key)
        if known is None:
            if len(self._cache) > 4_000:
                self._cache.clear()
            known = self._cache[key] = self._simulated(self.plant_parameters(used, run), run)
        return known

    def _simulated(self, parameters: dict[str, float], run: _Prepared) -> Array:
        plant = Plant(parameters, _SILENCE, self._tick_s)
        plant.tip = TIP_IN_AIR if run.phase == AIR else TIP_ON_CAP
        found = np.empty(len(run.outputs))
        step = plant.run
        for at, (pump, feed, vent, ms) in enumerate(run.outputs):
            step(pump, feed, vent, ms)
            found[at] = plant.skin_pa
        return found

    def port_pa(self, fitted: Array, at: int) -> tuple[Array, Array]:
        """The same behind the lag of each sensor's port."""
        skin = self.skin_pa(fitted, at)
        run = self.runs[at]
        first, second = (
            _lagged(
                skin,
                run.steps_ms,
                1_000.0 * float(np.exp(fitted[LAG_AT + channel])),
                1_000.0 * float(fitted[TIMING_AT + channel]),
            )
            for channel in range(2)
        )
        return first, second

    # Residuals --------------------------------------------------------------------

    def run_residuals(self, fitted: Array, at: int) -> Array:
        """(model - measured) over the noise, channel A and then B, of one run."""
        run = self.runs[at]
        return np.concatenate([_blocked(left, run) for left in self._left(fitted, at)])

    def said_pa(self, fitted: Array, at: int) -> tuple[Array, Array]:
        """What both channels would have read in each tick of a run."""
        run = self.runs[at]
        ports = self.port_pa(fitted, at)
        said = []
        for channel in range(2):
            own = fitted[LINEAR_AT + channel * _LINEAR_EACH :][:_LINEAR_EACH]
            said.append(
                ports[channel] * (1.0 + own[1])
                + own[0]
                + run.bases[channel][:, 2:] @ own[2:]
            )
        return said[0], said[1]

    def _left(self, fitted: Array, at: int) -> list[Array]:
        """(model - measured) over the noise in each tick, of each channel."""
        run = self.runs[at]
        return [
            (said - measured) / sigma
            for said, measured, sigma in zip(
                self.said_pa(fitted, at), run.measured, run.sigma, strict=True
            )
        ]

    def residuals(self, fitted: Array) -> Array:
        """Of all runs, and how far each parameter is from what is known before."""
        parts = [self.run_residuals(fitted, at) for at in range(len(self.runs))]
        parts.append((fitted - self.prior_centre) / self.prior_spread)
        return np.concatenate(parts)

    def jacobian(self, fitted: Array) -> Array:
        """Derivatives of the residuals."""
        total = sum(self._rows)
        found = np.zeros((total + COUNT, COUNT))
        row = 0
        for at, run in enumerate(self.runs):
            rows = self._rows[at]
            base = self.run_residuals(fitted, at)
            for place in range(LINEAR_AT):
                if place < PLANT_COUNT and run.phase not in FITTED[place].phases:
                    continue
                step = FITTED[place].step if place < PLANT_COUNT else _PORT_STEP
                moved = fitted.copy()
                moved[place] += step
                found[row : row + rows, place] = (self.run_residuals(moved, at) - base) / step
            ports = self.port_pa(fitted, at)
            half = rows // 2
            for channel in range(2):
                first = LINEAR_AT + channel * _LINEAR_EACH
                columns = run.bases[channel].copy()
                columns[:, 1] = ports[channel]
                part = slice(row + channel * half, row + (channel + 1) * half)
                found[part, first : first + _LINEAR_EACH] = _blocked(
                    columns / run.sigma[channel][:, None], run
                )
            row += rows
        found[total:] = np.diag(1.0 / self.prior_spread)
        return found

    def lasting(self, fitted: Array) -> float:
        """How much more is left over than the noise model says, of what lasts: the mean
        square of sums over some ticks, 1 if the model is right."""
        squares = []
        for at in range(len(self.runs)):
            for left in self._left(fitted, at):
                whole = len(left) // _MISFIT_TICKS * _MISFIT_TICKS
                sums = left[:whole].reshape(-1, _MISFIT_TICKS).sum(axis=1)
                squares.append(sums * sums / _MISFIT_TICKS)
        return float(np.concatenate(squares).mean())


class _Silence(Noise):
    """Nothing here is left to chance."""

    def __init__(self) -> None:
        super().__init__(1)


_SILENCE = _Silence()


def _blocked(rows: Array, run: _Prepared) -> Array:
    """Sums over the blocks, of variance 1 if that of each tick is."""
    sizes = np.diff(run.blocks, append=len(rows))
    sums: Array = np.add.reduceat(rows, run.blocks, axis=0)
    return sums / (np.sqrt(sizes) if rows.ndim == 1 else np.sqrt(sizes)[:, None])


def _lagged(skin: Array, steps_ms: Array, lag_ms: float, later_ms: float) -> Array:
    """Behind a first-order lag, with the vacuum straight from tick to tick, sampled so
    much later."""
    from scipy.signal import lfilter

    step_ms = float(np.median(steps_ms))
    ratio = step_ms / lag_ms
    keeps = float(np.exp(-ratio))
    # y' = (x - y) / lag with x linear over the tick.
    newest = 1.0 - (1.0 - keeps) / ratio + (1.0 - keeps) * later_ms / step_ms
    found: Any = lfilter([newest, 1.0 - keeps - newest], [1.0, -keeps], skin)
    return np.asarray(found, dtype=np.float64)


def _prepared(run: Run, settings: Settings, chip: str) -> _Prepared:
    recording = run.recording
    length = len(recording)
    # What was decided in a tick acts until the next one.
    outputs = tuple(
        (
            recording.pump_permille[at - 1] if at else 0,
            recording.feed_permille[at - 1] if at else 0,
            1 if at and recording.vent[at - 1] == VENT_CLOSED else 0,
            recording.dt_ms[at],
        )
        for at in range(length)
    )
    measured = []
    sigmas = []
    bases = []
    for channel in "ab":
        vacuum = np.array(recording.vacuum_pa(settings, channel))
        measured.append(vacuum)
        smooth = _smooth(vacuum)
        rest = np.array(recording.t_ms) < 0
        noise = max(15.0, float(np.std(vacuum[rest]))) if rest.sum() > 5 else 50.0
        supply_pa = (
            _SUPPLY_WEIGHT
            * float(np.std(recording.supply_raw) / np.mean(recording.supply_raw))
            * getattr(settings, f"vacuum_{channel}_zero_ppm") * 1e-6
            * getattr(settings, f"vacuum_{channel}_span_pa")
        )  # fmt: skip
        rate = np.gradient(smooth) / settings.tick_period_ms * 1_000.0
        misfit = (
            _MISFIT_PA**2 + (_MISFIT_SHARE * smooth) ** 2 + (_MISFIT_S * rate) ** 2
        )
        sigmas.append(np.sqrt(noise**2 + supply_pa**2 + _MISFIT_TICKS * misfit))
        basis = np.zeros((length, _LINEAR_EACH))
        basis[:, 0] = 1.0
        if chip == "rp2040":
            basis[:, 2], is_wide = _wide_codes(recording, settings, channel)
            sigmas[-1][is_wide] = _IN_WIDE_PA
        places = np.arange(BEND_PLACES) * BEND_SPACING_PA
        basis[:, 3:] = np.clip(1.0 - np.abs(smooth[:, None] - places) / BEND_SPACING_PA, 0.0, 1.0)
        bases.append(basis)
    return _Prepared(
        run.phase,
        outputs,
        np.array(recording.dt_ms, dtype=np.float64),
        (measured[0], measured[1]),
        (sigmas[0], sigmas[1]),
        (bases[0], bases[1]),
        _blocks(0.5 * (measured[0] + measured[1]), settings.tick_period_ms),
        float(np.median(recording.barometer_pa)),
    )


def _smooth(row: Array, ticks: int = 5) -> Array:
    """The mean over some ticks, an odd number."""
    padded = np.pad(row, ticks // 2, mode="edge")
    return np.convolve(padded, np.ones(ticks) / ticks, mode="valid")


def _blocks(vacuum: Array, tick_ms: int) -> NDArray[np.intp]:
    rate = np.abs(np.gradient(_smooth(vacuum))) / tick_ms * 1_000.0
    begins = [0]
    for at in range(1, len(vacuum)):
        if at - begins[-1] >= _BLOCK_MS // tick_ms or rate[at] > _QUICK_PA_S:
            begins.append(at)
    return np.array(begins, dtype=np.intp)


def _wide_codes(
    recording: Recording, settings: Settings, channel: str
) -> tuple[Array, NDArray[np.bool_]]:
    """What one code of too much width makes of each count, Pa; and which counts are in or
    beside a wide code, where it does not say where in it the voltage was.

    The error runs from half a width below to half a width above from one wide code to
    the next.
    """
    raw = recording.vacuum_a_raw if channel == "a" else recording.vacuum_b_raw
    code = _smooth(np.array(raw, dtype=np.float64)) / _CODE_COUNTS
    supply = np.array(recording.supply_raw, dtype=np.float64).mean() / _CODE_COUNTS
    per_pa = (
        supply
        * getattr(settings, f"vacuum_{channel}_divider_permille")
        / settings.sensor_supply_divider_permille
        / getattr(settings, f"vacuum_{channel}_span_pa")
    )
    behind = code / _WIDE_SPACING + 0.5
    behind -= np.floor(behind)
    from_wide = np.minimum(behind, 1.0 - behind) * _WIDE_SPACING
    return (0.5 - behind) / per_pa, from_wide < WIDE_CODES
