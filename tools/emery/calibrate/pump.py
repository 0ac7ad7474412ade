"""The pump's dead-band, and its lag if it can be seen.

On the closed cap with the crystal hose clamped whatever the pump moves gathers as vacuum,
so that a pump that hardly turns is seen. The drive is raised, one percent at a time, until
the vacuum moves. Then some short runs above it: with the volume closed the vacuum rises at
a rate in proportion to the speed, and the speed to the drive above the dead-band; so a
straight line through (drive, rate) has its zero at the dead-band, finer than a percent.

While a vacuum is small against the pump's ultimate one U, u = -U ln(1 - vacuum / U) rises
exactly with the speed. After a step of the drive that is R (t - lag (1 - exp(-t / lag))).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean

from emery.calibrate.holding import Deed, HoldingBench
from emery.calibrate.leak import LIMIT_MM, Losing
from emery.calibrate.sensor_fit import copied
from emery.calibrate.technician import Technician
from emery.calibrate.verdict import Implausible
from emery.service_bench.bench import closed_vent, pump
from emery.service_bench.recording import Recording
from firmware.settings import SETTINGS, Settings

# The ramp: a percent for so long, and what is taken for a pump that turns. A percent above
# the dead-band makes 0.9 kPa in a second (0.65 L, 30 L/min: simulated). [E]
_RAMP_MS = 700
_RAMP_FIRST = 1
_RAMP_LAST = 40
_MOVED_PA = 500.0  # four and a half times the noise of five looks on an ESP32
_RAMP_LOOKS = 5
# Runs above the drive at which it turned. [E]
_ABOVE = (3, 6, 10, 14, 18, 22)
_RUN_MS = 1_000
_ULTIMATE_SHARE = 0.8  # of the air pressure; its error matters little at a few kPa [E]
_AGREE_PERCENT = 4.5
_VENT_MS = 250  # it takes some lags until it has closed for certain
_LAG_STEP_MS = 5
_LAG_LONGEST_MS = 800
_LEAST_SD = 0.1  # percent; no fit is better than that [E]
_DELAY_S = 0.008  # of tubes and sensors [E]
# What the settings have already, as well as it can be measured. [E]
_SAME_PERMILLE = 5.0
_SAME_LAG = 0.1
_START, _LAG = "pump_start_permille", "pump_lag_ms"
_LAG_SD = 0.15  # a lag that is known no better is not offered


# A run: percent of drive, and (s, u in Pa) since the pump was asked for.
Run = tuple[int, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class PumpFound:
    """Dead-band in permille of the drive with its standard deviation; lag in ms.
    `turned_percent` is where the ramp saw it turn; `rates` are
    (percent, Pa/s) of the runs above. `plant` is the same as the pneumatics of the device,
    by the simulator's names, each with what a value may differ by and still be the same:
    what its certificate is made on."""

    turned_percent: int
    start_permille: float
    start_sd: float
    rates: tuple[tuple[int, float], ...]
    lag_ms: float
    lag_sd_ms: float
    plant: dict[str, tuple[float, float]]
    before: Settings
    settings: Settings

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that were measured, by the firmware's names."""
        return (_START, _LAG) if "pump_lag_s" in self.plant else (_START,)

    def extra(self) -> dict[str, object]:
        """For the ledger."""
        return {
            "pump_start_permille": round(self.start_permille, 1),
            "pump_start_sd": round(self.start_sd, 1),
            "pump_lag_ms": round(self.lag_ms),
            "pump_lag_sd_ms": round(self.lag_sd_ms),
            "rates_pa_s": {str(percent): round(rate) for percent, rate in self.rates},
        }


def measure(bench: HoldingBench, settings: Settings, technician: Technician) -> PumpFound:
    """The whole procedure. Raises Implausible, DeviceProblem, NoAnswer."""
    technician.please(
        "Put the tip on its parking cap and clamp the crystal hose.", "tip cap; clamp nozzle"
    )
    technician.meanwhile("is the line tight?")
    lost = Losing.of(bench, settings).phase()
    if lost.is_gross:
        raise Implausible(
            f"no vacuum to speak of comes: {lost.reached_pa / 1_000:.1f} kPa",
            "Does the pump turn? If not, see to its power and wires; if it does, the tip is "
            "not on its cap or the line is open: emery calibrate leak",
        )
    if lost.hole_mm > LIMIT_MM:
        raise Implausible(
            f"the line loses its vacuum as through a hole of {lost.hole_mm:.1f} mm, by which "
            "the pump would seem to start later",
            "Make it tight first: emery calibrate leak",
        )
    technician.meanwhile("raising the drive from nothing")
    turned = _turned(bench)
    runs = []
    for above in _ABOVE:
        technician.meanwhile(f"a run at {turned + above} %")
        recording = bench.run([closed_vent(_VENT_MS), pump(turned + above, _RUN_MS)])
        runs.append((turned + above, _risen(recording, settings)))
    fitted = fit(runs)
    start, start_sd = fitted.start_percent, fitted.start_sd
    if abs(start - turned) > _AGREE_PERCENT:
        raise Implausible(
            f"the pump was seen to turn at {turned} %, and from how fast it pumps above that "
            f"it should at {start:.1f} %",
            "Its speed does not follow its drive: see to its power and wires; or the line "
            "leaks: emery calibrate leak",
        )
    rates = [(percent, rate_of(risen, fitted.lag_ms)) for percent, risen in runs]
    lag_ms, lag_sd_ms = fitted.lag_ms, fitted.lag_sd_ms
    technician.please("Put the tip in the air and open the crystal hose.",
                      "tip air; open nozzle")  # fmt: skip
    after = copied(settings)
    same = max(_SAME_PERMILLE, 20 * start_sd)
    plant = {"pump_dead_band": (round(start / 100, 4), same / 1_000)}
    _take(after, _START, 10 * start, same)
    if lag_sd_ms < _LAG_SD * lag_ms:
        same = max(_SAME_LAG * lag_ms, 2 * lag_sd_ms)
        plant["pump_lag_s"] = (round(lag_ms / 1_000, 4), same / 1_000)
        _take(after, _LAG, lag_ms, same)
    if after.pump_start_permille >= after.hold_low_permille:
        raise Implausible(
            f"the pump starts at {start:.1f} % of drive, and hold_low holds level 1 with "
            f"{after.hold_low_permille / 10:g} %",
            "Measure the device and let its settings be worked out: emery identify, then emery "
            "tune",
        )
    return PumpFound(
        turned, 10 * start, 10 * start_sd, tuple(rates), lag_ms, lag_sd_ms, plant, settings, after
    )


def _take(settings: Settings, name: str, value: float, same: float) -> None:
    """Another value for a setting, if it is another one. Raises Implausible."""
    row = next(row for row in SETTINGS if row[0] == name)
    if not row[3] <= value <= row[4]:
        raise Implausible(
            f"{name.rpartition('_')[0]} would be {value:.0f} {row[2]}, outside {row[3]} to "
            f"{row[4]}",
            "See that the pump is the one that the board file is for, and that its power "
            "supply is sound.",
        )
    if abs(value - getattr(settings, name)) > same:
        setattr(settings, name, round(value))


def _turned(bench: HoldingBench) -> int:
    """The least drive, in percent, at which the vacuum moves."""
    found = 0

    def ramp() -> Deed:
        nonlocal found
        zeros = []
        seen = yield closed_vent(0)
        for _ in range(3 * _RAMP_LOOKS):
            seen = yield closed_vent(0)
            zeros.append(seen.vacuum_pa)
        zero_pa = fmean(zeros[_RAMP_LOOKS:])
        newest: list[float] = []
        for percent in range(_RAMP_FIRST, _RAMP_LAST + 1):
            begun_ms = seen.t_ms
            while seen.t_ms - begun_ms < _RAMP_MS:
                seen = yield pump(percent, 0)
                newest = [*newest[1 - _RAMP_LOOKS :], seen.vacuum_pa]
                if len(newest) == _RAMP_LOOKS and fmean(newest) - zero_pa > _MOVED_PA:
                    found = percent
                    return

    bench.hold(ramp())
    if not found:
        raise Implausible(
            f"no vacuum came up to {_RAMP_LAST} % of drive",
            "Does the pump turn? If not, see to its power and wires; if it does, the tip is "
            "not on its cap or the line is open: emery calibrate leak",
        )
    if found <= _RAMP_FIRST:
        raise Implausible(
            f"there is vacuum with {found} % of drive already",
            "See that the tip is not covered by anything else, that the drive's wire goes to "
            "the pump, and that its MOSFET is not shorted.",
        )
    return found


def _risen(recording: Recording, settings: Settings) -> list[tuple[float, float]]:
    """(s since the pump was asked for, u in Pa), its zero taken off."""
    if recording.was_cut:
        raise Implausible(
            "the firmware let the pump go at 30 kPa", "See that the cap fits, and begin again."
        )
    runs = [at for at in range(len(recording)) if recording.pump_permille[at]]
    first = runs[0]
    a_pa = recording.vacuum_pa(settings, "a")
    b_pa = recording.vacuum_pa(settings, "b")
    mean = [(a + b) / 2 for a, b in zip(a_pa, b_pa, strict=True)]
    zero = fmean(mean[at] for at in range(first) if recording.t_ms[at] > _VENT_MS / 3)
    ultimate = _ULTIMATE_SHARE * fmean(recording.barometer_pa)
    return [
        (
            (recording.t_ms[at] - recording.t_ms[first]) / 1_000,
            -ultimate * log(max(1 - (mean[at] - zero) / ultimate, 0.1)),
        )
        for at in runs
    ]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Dead-band in percent, and lag; each with its standard deviation."""

    start_percent: float
    start_sd: float
    lag_ms: float
    lag_sd_ms: float


def fit(runs: Sequence[Run]) -> Fitted:
    """The dead-band and the lag that fit all runs best, and how far they move when one of
    the runs is left out: what is wrong with a converter's codes is no noise."""
    start, lag_ms = _fit_once(runs)
    others = [_fit_once([*runs[:at], *runs[at + 1 :]]) for at in range(len(runs))]
    factor = (len(runs) - 1) / len(runs)
    start_sd = sqrt(factor * sum((one[0] - start) ** 2 for one in others))
    lag_sd = sqrt(factor * sum((one[1] - lag_ms) ** 2 for one in others))
    return Fitted(start, max(start_sd, _LEAST_SD), lag_ms, max(lag_sd, _LAG_STEP_MS))


def _fit_once(runs: Sequence[Run]) -> tuple[float, float]:
    best = (float("inf"), 0.0, 0.0)
    for lag_ms in range(_LAG_STEP_MS * 4, _LAG_LONGEST_MS, _LAG_STEP_MS):
        # u = (gain percent - offset) f(t): linear in gain and offset.
        pp = p1 = one = pu = u1 = uu = 0.0
        for percent, risen in runs:
            shape = [_shape(s, lag_ms) for s, _ in risen]
            power = sum(f * f for f in shape)
            along = sum(f * u for f, (_, u) in zip(shape, risen, strict=True))
            pp += percent * percent * power
            p1 += percent * power
            one += power
            pu += percent * along
            u1 += along
            uu += sum(u * u for _, u in risen)
        determinant = pp * one - p1 * p1
        gain = (pu * one - u1 * p1) / determinant
        offset = (pu * p1 - u1 * pp) / determinant
        error = uu - gain * pu + offset * u1
        if error < best[0] and gain > 0:
            best = (error, offset / gain, float(lag_ms))
    if best[0] == float("inf"):
        raise Implausible(
            "more drive does not pump more",
            "See to the pump's wires and power; the line may be open: emery calibrate leak",
        )
    return best[1], best[2]


def _shape(s: float, lag_ms: float) -> float:
    """What gathers in `s` seconds of a speed that rises to 1."""
    lag = lag_ms / 1_000
    s = max(0.0, s - _DELAY_S)
    return s - lag * (1 - exp(-s / lag))


def rate_of(risen: Sequence[tuple[float, float]], lag_ms: float) -> float:
    """Pa/s of one run once the speed has settled."""
    shape = [_shape(s, lag_ms) for s, _ in risen]
    along = sum(f * u for f, (_, u) in zip(shape, risen, strict=True))
    return along / sum(f * f for f in shape)


def text(found: PumpFound) -> str:
    """Rates above the dead-band, and what follows from them."""
    most = max(rate for _, rate in found.rates)
    lines = [
        f"the pump was seen to turn at {found.turned_percent} % of drive",
        "  drive   vacuum gained",
    ]
    lines += [
        f"   {percent:3d} %   {rate / 1_000:6.2f} kPa/s   {'#' * round(40 * rate / most)}"
        for percent, rate in found.rates
    ]
    lines.append(
        f"it starts at {found.start_permille / 10:.1f} % (+-{found.start_sd / 10:.1f})"
    )
    lines.append(
        f"its speed follows in {found.lag_ms:.0f} ms (+-{found.lag_sd_ms:.0f})"
        + ("" if "pump_lag_s" in found.plant else ": not known well enough")
    )
    return "\n".join(lines) + "\n"
