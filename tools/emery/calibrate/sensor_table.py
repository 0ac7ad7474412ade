"""Points and residuals of a calibration of the sensors, for people."""

from collections.abc import Sequence

from emery.calibrate.sensor_fit import CHANNELS, Calibrated

_PLOT_HALF = 16


def text(found: Calibrated) -> str:
    """Points and residuals as a table, with a plot of them beside it."""
    most = max(
        50.0, *(abs(one) for of in found.channels.values() for one in of.residuals_pa)
    )  # fmt: skip
    lines = [
        "   gauge    read before, kPa     residual, Pa",
        f"     kPa        A        B        A      B   {-most:+.0f}{'Pa':>{_PLOT_HALF - 5}}"
        f"{most:>+{_PLOT_HALF - 1}.0f}",
    ]
    for at, point in enumerate(found.points):
        read = [point.vacuum_pa(channel, found.before) / 1_000 for channel in CHANNELS]
        residuals = [found.channels[channel].residuals_pa[at] for channel in CHANNELS]
        lines.append(
            f"  {point.gauge_pa / 1_000:6.2f}   {read[0]:6.2f}   {read[1]:6.2f}   "
            f"{residuals[0]:+6.0f} {residuals[1]:+6.0f}   {_plotted(residuals, most)}"
        )
    noise = " and ".join(f"{name.upper()} {found.noise_pa[name]:.0f} Pa" for name in CHANNELS)
    sd = " and ".join(
        f"{name.upper()} {100 * of.span_sd_pa / of.span_pa:.2f} %"
        for name, of in found.channels.items()
    )
    lines += [f"noise at rest: {noise} rms", f"span known to: {sd} (1 sd)", ""]
    return "\n".join(lines)


def _plotted(residuals: Sequence[float], most: float) -> str:
    """`A` and `B` around the middle; `*` where they meet."""
    row = [" "] * (2 * _PLOT_HALF + 1)
    row[_PLOT_HALF] = "|"
    for name, residual in zip("AB", residuals, strict=True):
        at = _PLOT_HALF + round(residual / most * _PLOT_HALF)
        row[at] = "*" if row[at] in "AB" else name
    return "".join(row).rstrip()
