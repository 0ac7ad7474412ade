"""One page with what was measured and what the fitted device would have read."""

from html import escape
from pathlib import Path

import numpy as np

from emery.config.edit import write_bytes
from emery.identify import drawing
from emery.identify.drawing import Array, Axes, ticks
from emery.identify.excitation import ASKED, PHASES
from emery.identify.fit import Fit
from emery.identify.page import text
from emery.identify.result import Identified

_MOST_DOTS = 1_400
# What is left over is drawn enlarged, where the vacuum is not small itself.
_ENLARGED = 10.0
_SMALL_KPA = 3.0


def html(device: str, fit: Fit, result: Identified) -> str:
    """The page."""
    parts = [
        f"<p class='quiet'>Orifice {result.orifice_m * 1e3:g} mm, air pressure "
        f"{result.atmosphere_pa / 1e3:.1f} kPa. Dots: vacuum as the device recorded it (mean of "
        "both sensors). Line: what the fitted plant would have read. Brown: the difference, "
        f"{_ENLARGED:g} times enlarged where the vacuum is above {_SMALL_KPA:g} kPa.</p>"
        f"<pre>{escape(text(result))}</pre>",
    ]
    for phase in PHASES:
        parts.append(f"<h2>{escape(ASKED[phase])}</h2>{_phase(fit, phase)}")
    parts.append(f"<h2>The pump at full drive</h2>{_pump(result)}")
    return drawing.page(f"Identified: {escape(device)}", "".join(parts))


def write(path: Path, content: str) -> None:
    """Put a page into a file, whole or not at all. Raises ConfigError."""
    write_bytes(path, content.encode())


def _phase(fit: Fit, phase: str) -> str:
    """The runs of a phase, one after the other."""
    end_s = 0.0
    times: list[Array] = []
    measured: list[Array] = []
    said: list[Array] = []
    for at, run in enumerate(fit.model.runs):
        if run.phase != phase:
            continue
        times.append(end_s + np.cumsum(run.steps_ms) * 1e-3)
        end_s = float(times[-1][-1])
        measured.append(0.5 * (run.measured[0] + run.measured[1]) * 1e-3)
        first, second = fit.model.said_pa(fit.fitted, at)
        said.append(0.5 * (first + second) * 1e-3)
    highest = max(1.0, float(np.ceil(1.08 * max(row.max() for row in measured))))
    lowest = -0.18 * highest
    enlarged = _ENLARGED if highest > _SMALL_KPA else 1.0
    axes = Axes(0.0, end_s, lowest, highest)
    drawn = [axes.frame("kPa", [(value, f"{value:g}") for value in ticks(end_s)], "s")]
    every = max(1, sum(map(len, measured)) // _MOST_DOTS)
    for x, y, model in zip(times, measured, said, strict=True):
        drawn.append(axes.dots(x[::every], y[::every]))
        drawn.append(axes.line("line", x, model))
        left = np.convolve(enlarged * (y - model), np.ones(9) / 9.0, mode="same")
        drawn.append(axes.line("left", x, np.clip(left, lowest, highest)))
    return axes.svg(drawn)


def _pump(result: Identified) -> str:
    x = np.array([row[0] * 1e-3 for row in result.curve])
    flow, low, high = (np.array([row[at] * 6e4 for row in result.curve]) for at in (1, 2, 3))
    axes = Axes(0.0, float(x[-1]), 0.0, float(np.ceil(high.max() * 1.1)))
    below = [(value, f"{value:g}") for value in ticks(axes.last)]
    return axes.svg(
        [
            axes.band(x, low, high),
            axes.frame("L/min", below, "vacuum, kPa"),
            axes.line("line", x, flow),
        ]
    )
