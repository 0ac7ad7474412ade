"""The fit: SciPy's least squares on the simulated plant, and how sure it is.

An interval comes from the curvature at the best point, widened where the residuals last
longer than noise does. It counts what is not known of sensors and orifice too. Whatever
the runs do not tell keeps the spread it had before them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emery.identify.excitation import CLOSED, NOZZLE, ORIFICE, PHASES, Run, rise_rate
from emery.identify.model import COUNT, GAIN_SPREAD, ORIFICE_SPREAD, Array, Model
from emery.identify.parameters import BY_NAME, FITTED, NAMES, SURE, Parameter
from firmware.settings import Settings

_LONGEST = 40  # evaluations, of each part of the fit
_USUAL = 10
_ORIFICE_STEP = 1e-3
# What cannot be told more finely, as standard deviations: a vent moves within some ticks,
# outputs act between them, drives are whole permille, and no cap is quite tight. [E]
_ROUNDED = {
    "vent_lag_s": 0.001, "pump_lag_s": 0.002, "pump_dead_band": 0.0003, "hose_leak": 5e-5,
}  # fmt: skip
# Where the fit may begin.
_MOVES_PA_S = 300.0
_LITRES = (0.2, 0.32, 0.5, 0.8, 1.25, 2.0)
_LOADS = (1.0, 5.0, 20.0)
_BORES_M = (0.7e-3, 0.9e-3, 1.1e-3, 1.35e-3, 1.65e-3)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One parameter: its value and its 95 % interval, in the simulator's unit."""

    name: str
    value: float
    low: float
    high: float
    told: float  # how much narrower the measurement made it: 1 tells all, 0 nothing


@dataclass(frozen=True, slots=True)
class Fit:
    """The result. `estimates` by the simulator's names. `fitted` and `covariance` are of
    the whole vector of the model; `misfit` is 1 if the noise model explains all that is
    left, more if the device differs from the model."""

    estimates: dict[str, Estimate]
    fitted: Array
    covariance: Array
    misfit: float
    model: Model
    evaluations: int


def fit(
    runs: Sequence[Run],
    settings: Settings,
    chip: str,
    orifice_m: float,
    *,
    orifice_spread: float = ORIFICE_SPREAD,
    gain_spread: float = GAIN_SPREAD,
    show: Callable[[float, str], None] | None = None,
) -> Fit:
    """Fit the plant to these runs. `orifice_m` is the bore of the known hole."""
    evaluations = 0

    def counted(part: float) -> None:
        nonlocal evaluations
        evaluations += 1
        if show is not None:
            show(part, "fitting")

    # Every other run brings it near, at half the cost of a step.
    rough = Model(_every_other(runs), settings, chip, orifice_m, gain_spread)
    near = _least(rough, _start(rough, runs, settings), 1e-3, counted, 0.0)
    model = Model(runs, settings, chip, orifice_m, gain_spread)
    fitted = _least(model, near, 1e-6, counted, 0.5)
    return concluded(model, fitted, orifice_spread, evaluations)


def concluded(
    model: Model, fitted: Array, orifice_spread: float = ORIFICE_SPREAD, evaluations: int = 0
) -> Fit:
    """The estimates at the best point, and how sure they are."""
    rows = model.jacobian(fitted)
    misfit = model.lasting(fitted)
    scale = max(1.0, misfit)
    # Priors are no measurement: they are not widened by the residuals.
    measured = rows[:-COUNT]
    information = measured.T @ measured / scale + np.diag(model.prior_spread**-2.0)
    covariance: Array = np.asarray(np.linalg.inv(information), dtype=np.float64)
    # What the whole result would be if the hole were a little larger: all litres scale
    # with it. The fit has no say in how large it is.
    covariance += np.outer(*[_per_orifice(model, fitted, covariance / scale) * orifice_spread] * 2)
    for name, spread in _ROUNDED.items():
        at = NAMES.index(name)
        row = BY_NAME[name]
        if row.by_log:
            spread /= row.value(float(fitted[at]))
        covariance[at, at] += spread**2
    estimates = {
        row.name: _estimate(row, at, fitted, covariance, model) for at, row in enumerate(FITTED)
    }
    return Fit(estimates, fitted, covariance, misfit, model, evaluations)


def _least(
    model: Model, start: Array, tolerance: float, counted: Callable[[float], None], part: float
) -> Array:
    """The best point from `start` on, to a relative change of the cost."""
    from scipy.optimize import least_squares

    low = np.full(COUNT, -np.inf)
    high = np.full(COUNT, np.inf)
    for at, row in enumerate(FITTED):
        low[at], high[at] = row.bounds()
    done = 0

    def jacobian(fitted: Array) -> Array:
        nonlocal done
        done += 1
        counted(part + 0.5 * min(1.0, done / _USUAL))
        return model.jacobian(fitted)

    result = least_squares(
        model.residuals, start, jacobian, bounds=(low, high), x_scale="jac", method="trf",
        max_nfev=_LONGEST, xtol=1e-5, ftol=tolerance,
    )  # fmt: skip
    found: Array = result.x
    return found


def _every_other(runs: Sequence[Run]) -> list[Run]:
    """Some runs of each phase."""
    found = []
    for phase in PHASES:
        own = [run for run in runs if run.phase == phase]
        # The first of the closed ones is the short look.
        found += own[1::2] if phase == CLOSED and len(own) > 1 else own[::2]
    return found


def _per_orifice(model: Model, fitted: Array, covariance: Array) -> Array:
    """Derivative of the best point with respect to the logarithm of the hole's bore."""
    before = model.residuals(fitted)
    model.orifice_m *= 1.0 + _ORIFICE_STEP
    change = (model.residuals(fitted) - before) / _ORIFICE_STEP
    model.orifice_m /= 1.0 + _ORIFICE_STEP
    moved: Array = -covariance @ (model.jacobian(fitted).T @ change)
    return moved


def _start(model: Model, runs: Sequence[Run], settings: Settings) -> Array:
    """Where to begin: the pump over the volume as the closed runs show it; then volume,
    filter and nozzle from a coarse grid, each by the runs that tell it."""
    start = model.prior_centre.copy()
    drives: list[tuple[float, float]] = []
    for run in runs:
        if run.phase != CLOSED:
            continue
        rate = rise_rate(run.recording, settings)
        mean_pa = 0.5 * max(run.recording.vacuum_pa(settings, "a"))
        rate /= max(0.3, 1.0 - mean_pa / (0.8 * model.runs[0].atmosphere_pa))
        drives.append((max(run.recording.pump_permille) * 0.001, rate))
    moving = [(drive, rate) for drive, rate in drives if rate > _MOVES_PA_S]
    full = 5e-4 * model.runs[0].atmosphere_pa / 0.65e-3
    if len(moving) >= 3:
        slope, offset = np.polyfit([d for d, _ in moving], [r for _, r in moving], 1)
        if slope > 0.0:
            dead = min(max(-offset / slope, 0.0), 0.4)
            full = float(slope) * (1.0 - dead)  # Pa/s at full drive
            start[NAMES.index("pump_dead_band")] = dead
    free = NAMES.index("pump_free_flow_m3_s")
    volume = NAMES.index("volume_m3")
    low, high = FITTED[free].bounds()

    def of_volume(litres: float, load: float) -> Array:
        tried = start.copy()
        tried[volume] = np.log(litres * 1e-3)
        tried[free] = min(
            max(np.log(full * litres * 1e-3 / model.runs[0].atmosphere_pa), low), high
        )
        tried[NAMES.index("filter_load")] = load
        return tried

    start = _best(
        model, ORIFICE, [of_volume(litres, load) for load in _LOADS for litres in _LITRES]
    )
    tries = []
    for bore_m in _BORES_M:
        tried = start.copy()
        tried[NAMES.index("nozzle_m")] = np.log(bore_m)
        tries.append(tried)
    return _best(model, NOZZLE, tries)


def _best(model: Model, phase: str, tries: Sequence[Array]) -> Array:
    """That which fits the runs of a phase best."""
    places = [at for at, run in enumerate(model.runs) if run.phase == phase]

    def cost(fitted: Array) -> float:
        return sum(float(np.square(model.run_residuals(fitted, at)).sum()) for at in places)

    return min(tries, key=cost)


def _estimate(
    row: Parameter, at: int, fitted: Array, covariance: Array, model: Model
) -> Estimate:
    half = SURE * float(np.sqrt(covariance[at, at]))
    centre = float(fitted[at])
    low, value, high = (row.value(one) for one in (centre - half, centre, centre + half))
    told = 1.0 - half / SURE / float(model.prior_spread[at])
    return Estimate(
        row.name,
        min(max(value, row.lowest), row.highest),
        max(low, row.lowest) if low < row.highest else row.highest,
        min(high, row.highest) if high > row.lowest else row.lowest,
        max(0.0, told),
    )


def pump_flow(
    found: Fit, vacuum_pa: float, drive: float, atmosphere_pa: float
) -> tuple[float, float, float]:
    """Flow of the pump, m^3/s of outside air, at a vacuum and a drive (0 to 1), and the
    ends of its 95 % interval."""
    names = ("pump_free_flow_m3_s", "pump_ultimate", "pump_dead_band")
    places = [NAMES.index(name) for name in names]

    def flow(fitted: Array) -> float:
        free, ultimate, dead = (
            BY_NAME[name].value(float(fitted[at])) for name, at in zip(names, places, strict=True)
        )
        speed = max(0.0, (drive - dead) / (1.0 - dead))
        return free * speed * max(0.0, 1.0 - vacuum_pa / (ultimate * atmosphere_pa))

    centre = flow(found.fitted)
    slope = np.zeros(len(found.fitted))
    for name, at in zip(names, places, strict=True):
        moved = found.fitted.copy()
        moved[at] += BY_NAME[name].step
        slope[at] = (flow(moved) - centre) / BY_NAME[name].step
    half = SURE * float(np.sqrt(slope @ found.covariance @ slope))
    return centre, max(0.0, centre - half), centre + half
