"""Zero and span of both vacuum sensors from points against a reference gauge.

A channel is a straight line (`firmware/sensing.py`): what it gives, as a share of its
supply, is zero - vacuum / span, and the ADC sees

    count / count of the supply = (divider / divider of the supply) * share

So with `y` the counts' ratio over the dividers' one, a least-squares line through
(gauge, y) gives zero and span. Both are counted with the dividers as they will stand in
the settings: what is left of their error goes into zero and span, where it does no harm.

Nothing is believed that cannot be: see `judge`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import fmean

from emery.calibrate.verdict import Implausible
from firmware.settings import SETTINGS, Settings, broken_rules

_LEAST_POINTS = 3
_LEAST_RANGE_PA = 12_000.0
_DRIFT_PA = 500.0
# A line through the points may miss one by this, and by half of the gauge's last digit:
# the wide codes of the RP2040's converter are worth 140 Pa either way, a good gauge (0.5 %
# of 100 kPa) another 250. [E]
RESIDUAL_PA = 400.0
_RESOLUTION_PA = 500.0  # a coarser gauge is none to calibrate with [E]
# Both converters have 35 to 150 Pa of noise (`emery.simulator.sensors`). [E]
_NOISE_PA = 500.0
# Sensor 1.7 kPa (1.5 % of full scale, MPXV6115V data sheet), and dividers of 1 %. What the
# scatter of a certificate takes for calibrated, too (`emery.certificate.scatter`). [E]
ZERO_SHIFT_PA = 2_500.0
SPAN_SHARE = 0.04
_SAME_SENSOR = 0.1  # settings this near to the table's are of the table's sensor [E]
# What is left between the channels at a point. [E]
_CHANNELS_APART_PA = 500.0
SURE_SD = 2.0  # less than this is no reason to change a setting
CHANNELS = ("a", "b")


@dataclass(frozen=True, slots=True)
class Point:
    """One vacuum: what the gauge showed, and the mean counts of that time."""

    gauge_pa: float
    resolution_pa: float
    a_raw: float
    b_raw: float
    supply_raw: float
    drift_pa: float = 0.0

    def share(self, channel: str, settings: Settings) -> float:
        """`y`: output over supply, with the dividers of `settings`."""
        raw = self.a_raw if channel == "a" else self.b_raw
        divider: float = getattr(settings, f"vacuum_{channel}_divider_permille")
        dividers = settings.sensor_supply_divider_permille / divider
        return raw / self.supply_raw * dividers

    def vacuum_pa(self, channel: str, settings: Settings) -> float:
        """What the device reads here with these settings."""
        zero_ppm: float = getattr(settings, f"vacuum_{channel}_zero_ppm")
        span_pa: float = getattr(settings, f"vacuum_{channel}_span_pa")
        return span_pa * (zero_ppm * 1e-6 - self.share(channel, settings))


@dataclass(frozen=True, slots=True)
class Channel:
    """A fitted channel. `residuals_pa`, one for each point: what it would read more than
    the gauge. The `_sd` are standard deviations of the fit."""

    zero: float
    span_pa: float
    residuals_pa: tuple[float, ...]
    zero_sd_pa: float
    span_sd_pa: float


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of it: `settings` with the new values, and what they rest on."""

    points: tuple[Point, ...]
    noise_pa: dict[str, float]
    channels: dict[str, Channel]
    before: Settings
    settings: Settings

    def extra(self) -> dict[str, object]:
        """For the ledger."""
        return {
            "points": [
                {
                    "gauge_pa": round(point.gauge_pa, 1),
                    "residual_a_pa": round(self.channels["a"].residuals_pa[at], 1),
                    "residual_b_pa": round(self.channels["b"].residuals_pa[at], 1),
                }
                for at, point in enumerate(self.points)
            ],
            "noise_pa": {name: round(value, 1) for name, value in self.noise_pa.items()},
            "span_sd_pa": {
                name: round(channel.span_sd_pa, 1) for name, channel in self.channels.items()
            },
        }


def as_read(pa: float, channel: str, before: Settings, settings: Settings) -> float:
    """A vacuum that the device told by the settings `before`, as `settings` would have it."""
    zero: float = getattr(before, f"vacuum_{channel}_zero_ppm") * 1e-6
    span_pa: float = getattr(before, f"vacuum_{channel}_span_pa")
    share = zero - pa / span_pa
    for has, factor in ((before, 1), (settings, -1)):
        divider: float = getattr(has, f"vacuum_{channel}_divider_permille")
        share *= (divider / has.sensor_supply_divider_permille) ** factor
    zero = getattr(settings, f"vacuum_{channel}_zero_ppm") * 1e-6
    span_pa = getattr(settings, f"vacuum_{channel}_span_pa")
    return span_pa * (zero - share)


def fit(points: Sequence[Point], channel: str, settings: Settings) -> Channel:
    """The line of a channel through the points, by least squares."""
    xs = [point.gauge_pa for point in points]
    ys = [point.share(channel, settings) for point in points]
    x_mean, y_mean = fmean(xs), fmean(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread
    if slope >= 0.0:
        raise Implausible(
            f"sensor {channel.upper()} does not read more when the gauge does",
            "See that it is connected to the line, and that its output goes to the pin of "
            f"vacuum_{channel}.",
        )
    span_pa = -1.0 / slope
    zero = y_mean - slope * x_mean
    residuals = tuple(
        span_pa * (zero - y) - x for x, y in zip(xs, ys, strict=True)
    )  # fmt: skip
    free = max(1, len(points) - 2)
    sd_pa = sqrt(sum(one * one for one in residuals) / free)
    return Channel(
        zero, span_pa, residuals,
        zero_sd_pa=sd_pa * sqrt(1 / len(points) + x_mean**2 / spread),
        span_sd_pa=sd_pa * span_pa / sqrt(spread),
    )  # fmt: skip



def judge(
    points: Sequence[Point], noise_pa: dict[str, float], before: Settings, settings: Settings
) -> Calibrated:
    """Fit both channels and refuse what cannot be. `before` are the settings of now,
    `settings` the same with the dividers as they are to stand; both are left as they are.
    Raises Implausible."""
    _judge_points(points)
    fitted = {channel: fit(points, channel, settings) for channel in CHANNELS}
    # A wrong gauge is wrong for both channels: that is to be said rather than "A is broken".
    ratios = {
        channel: fitted[channel].span_pa / getattr(nominal(settings), f"vacuum_{channel}_span_pa")
        for channel in CHANNELS
    }
    if all(abs(ratio - 1) > SPAN_SHARE for ratio in ratios.values()):
        percent = 100 * (fmean(ratios.values()) - 1)
        raise Implausible(
            f"both sensors would need a span {percent:+.0f} % from the data sheet's: rather the "
            "gauge is wrong than both of them",
            "See which scale was read and that the gauge is sound; then the dividers, with a "
            "voltmeter.",
        )
    for channel in CHANNELS:
        _judge_channel(channel, fitted[channel], points, settings)
    for at, point in enumerate(points):
        apart_pa = fitted["a"].residuals_pa[at] - fitted["b"].residuals_pa[at]
        if abs(apart_pa) > _CHANNELS_APART_PA + point.resolution_pa / 2:
            raise Implausible(
                f"at {kpa(point.gauge_pa)} the channels are {abs(apart_pa):.0f} Pa apart even "
                "when each is calibrated by itself",
                "One of them has a slow or blocked port, or is not linear: blow its tube "
                "free, and calibrate again.",
            )
    after = copied(settings)
    for channel in CHANNELS:
        if _is_known(channel, fitted[channel], settings):
            continue
        setattr(after, f"vacuum_{channel}_zero_ppm", round(fitted[channel].zero * 1e6))
        setattr(after, f"vacuum_{channel}_span_pa", round(fitted[channel].span_pa))
    for field, problem in broken_rules(after):
        raise Implausible(
            f"{field.removesuffix('_permille')} of what was measured {problem}",
            "See which resistors are fitted; then calibrate again.",
        )
    return Calibrated(tuple(points), dict(noise_pa), fitted, before, after)


def nominal(settings: Settings) -> Settings:
    """The settings that a sound sensor is near to: those of the data sheet where the board
    has that sensor, so that many small steps do not lead away from it; else its own."""
    found = copied(settings)
    defaults = Settings()
    for channel in CHANNELS:
        zero, span = f"vacuum_{channel}_zero_ppm", f"vacuum_{channel}_span_pa"
        span_off: float = getattr(settings, span) / getattr(defaults, span) - 1
        zero_off: float = getattr(settings, zero) - getattr(defaults, zero)
        if abs(span_off) < _SAME_SENSOR and abs(zero_off) < _SAME_SENSOR * 1e6:
            setattr(found, zero, getattr(defaults, zero))
            setattr(found, span, getattr(defaults, span))
    return found


def judge_zero(channel: str, shift_pa: float) -> None:
    """Raises Implausible for a channel that reads that much with the line vented."""
    if abs(shift_pa) > ZERO_SHIFT_PA:
        raise Implausible(
            f"the zero of sensor {channel.upper()} is {shift_pa:+.0f} Pa from its data sheet; a "
            f"sound sensor and divider stay within {ZERO_SHIFT_PA:.0f}",
            "Measure the dividers with a voltmeter (answer those questions); if they are right, "
            "put in another sensor.",
        )


def judge_noise(noise_pa: dict[str, float]) -> None:
    """Raises Implausible for a channel that is not at rest when the line is."""
    for channel in CHANNELS:
        if noise_pa[channel] > _NOISE_PA:
            raise Implausible(
                f"sensor {channel.upper()} is noisy: {noise_pa[channel]:.0f} Pa rms at rest, "
                f"at most {_NOISE_PA:.0f} are usual",
                "See to its wires and the capacitor at its pin; then calibrate again.",
            )


def _is_known(channel: str, fitted: Channel, settings: Settings) -> bool:
    """Whether the settings have it as well as it can be measured."""
    was_zero: float = getattr(settings, f"vacuum_{channel}_zero_ppm") * 1e-6
    was_span: float = getattr(settings, f"vacuum_{channel}_span_pa")
    return (
        abs(fitted.zero - was_zero) * fitted.span_pa < SURE_SD * fitted.zero_sd_pa
        and abs(fitted.span_pa - was_span) < SURE_SD * fitted.span_sd_pa
    )


def _judge_points(points: Sequence[Point]) -> None:
    ordered = sorted(points, key=lambda point: -(point.a_raw + point.b_raw) / point.supply_raw)
    for low, high in pairwise(ordered):
        if high.gauge_pa <= low.gauge_pa:
            raise Implausible(
                f"the gauge went from {kpa(low.gauge_pa)} to {kpa(high.gauge_pa)} while both "
                "sensors went up",
                "One of the two was misread, or the gauge sticks: tap it, and read again.",
            )
    reach_pa = ordered[-1].gauge_pa - ordered[0].gauge_pa
    if len(points) < _LEAST_POINTS or reach_pa < _LEAST_RANGE_PA:
        raise Implausible(
            f"{len(points)} points over {kpa(reach_pa)} are too few for a span",
            f"At least {_LEAST_POINTS} over {kpa(_LEAST_RANGE_PA)} are due. If the pump does "
            "not get there: emery calibrate leak.",
        )
    for point in points:
        if point.resolution_pa > _RESOLUTION_PA:
            raise Implausible(
                f"the gauge was read to {kpa(point.resolution_pa)} only",
                "Read one more digit, or take a finer gauge.",
            )
        if point.drift_pa > _DRIFT_PA:
            raise Implausible(
                f"the vacuum moved by {point.drift_pa:.0f} Pa while the gauge was read at "
                f"{kpa(point.gauge_pa)}",
                "Put the cap on firmly and leave the hose alone; then calibrate again.",
            )


def _judge_channel(
    channel: str, fitted: Channel, points: Sequence[Point], settings: Settings
) -> None:
    name = f"sensor {channel.upper()}"
    for at, point in enumerate(points):
        residual_pa = fitted.residuals_pa[at]
        if abs(residual_pa) > RESIDUAL_PA + point.resolution_pa / 2:
            raise Implausible(
                f"{name} is {residual_pa:+.0f} Pa off a straight line at "
                f"{kpa(point.gauge_pa)}; at most {RESIDUAL_PA:.0f} are plausible",
                "That reading of the gauge is the first suspect: calibrate again. If it comes "
                "again, the sensor or its port is not in order.",
            )
    sound = nominal(settings)
    was_zero = getattr(sound, f"vacuum_{channel}_zero_ppm") * 1e-6
    was_span: float = getattr(sound, f"vacuum_{channel}_span_pa")
    shift_pa = (was_zero - fitted.zero) * fitted.span_pa
    judge_zero(channel, shift_pa)
    share = fitted.span_pa / was_span - 1
    if abs(share) > SPAN_SHARE:
        raise Implausible(
            f"the span of {name} is {100 * share:+.1f} % from its data sheet; a sound sensor and "
            f"divider stay within {100 * SPAN_SHARE:.0f} %, and the other one does",
            "Measure its divider with a voltmeter; blow its tube free; then put in another "
            "sensor.",
        )
    for setting, value in (("zero_ppm", fitted.zero * 1e6), ("span_pa", fitted.span_pa)):
        row = next(row for row in SETTINGS if row[0] == f"vacuum_{channel}_{setting}")
        if not row[3] <= value <= row[4]:
            raise Implausible(
                f"{name} would need {setting.partition('_')[0]} {value:.0f} {row[2]}, outside "
                f"{row[3]} to {row[4]}",
                "See which sensor is fitted and what its data sheet says.",
            )


def copied(settings: Settings) -> Settings:
    """The same settings, to be changed."""
    made = Settings()
    made.__dict__.update(settings.__dict__)
    return made


def kpa(pa: float) -> str:
    """As people read it."""
    return f"{pa / 1_000:.1f} kPa"
