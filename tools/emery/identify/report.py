"""The page of an identification: what was found, and the curves it was found from."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emery.identify.excitation import ASKED, PHASES
from emery.identify.fit import Fit
from emery.identify.page import cells, curve, remarks
from emery.identify.result import Identified
from emery.plotted import Plot, page_html, place, table, write_page

Array = NDArray[np.float64]

_KIND = "a device identified on the bench"
_MOST_DOTS = 1_400
# What is left over is shown as the mean of so many ticks.
_SMOOTHED = 9


def write(path: Path, device: str, fit: Fit, result: Identified) -> None:
    """Write the page. Raises ReportError."""
    write_page(path, html(device, fit, result))


def html(device: str, fit: Fit, result: Identified, plotly: str | None = None) -> str:
    """The page as text; `plotly` as `page_html` takes it."""
    pump = _pump(result)
    phases = [_phase(fit, phase) for phase in PHASES]
    lead = (
        f'<p class="about">Orifice {result.orifice_m * 1e3:g} mm, air pressure '
        f"{result.atmosphere_pa / 1e3:.1f} kPa.</p>"
    )
    found = table(
        ("What", "Measured", "95 % interval", "+-"),
        (tuple(map(escape, cells(one))) for one in result.found),
    )
    remarked = "".join(f"<p>{escape(words)}</p>" for words in remarks(result))
    vacuums, *flows = curve(result)
    parts = [
        f"<section><h2>What was found</h2>{found}{remarked}</section>",
        "<section><h2>The pump at full drive</h2>"
        '<p class="quiet">Line: the flow at each vacuum; band: its 95 % interval.</p>'
        f"{place(pump)}{table(vacuums, flows)}</section>",
        "<section><h2>The runs, and what the fitted plant would have read</h2>"
        '<p class="quiet">Dots: vacuum as the device recorded it, the mean of both sensors. '
        "Line: what the fitted plant would have read. Below: the difference in Pa, the "
        f"mean of {_SMOOTHED} ticks.</p>",
        *(
            f"<h3>Step {number}: {escape(ASKED[phase])}</h3>{place(plot)}"
            for number, (phase, plot) in enumerate(zip(PHASES, phases, strict=True), 1)
        ),
        "</section>",
    ]
    return page_html(_KIND, device, lead, "".join(parts), [pump, *phases], plotly)


def _phase(fit: Fit, phase: str) -> Plot:
    """The runs of a phase, one after the other."""
    end_s = 0.0
    rows: list[tuple[Array, Array, Array, Array]] = []
    for at, run in enumerate(fit.model.runs):
        if run.phase != phase:
            continue
        seconds = end_s + np.cumsum(run.steps_ms) * 1e-3
        end_s = float(seconds[-1])
        measured = 0.5 * (run.measured[0] + run.measured[1])
        first, second = fit.model.said_pa(fit.fitted, at)
        said = 0.5 * (first + second)
        left = np.convolve(measured - said, np.ones(_SMOOTHED) / _SMOOTHED, mode="same")
        rows.append((seconds, 1e-3 * measured, 1e-3 * said, left))
    every = 1 + sum(len(row[0]) for row in rows) // _MOST_DOTS
    times = _joined([row[0][::every] for row in rows], 3)
    traces: list[dict[str, Any]] = [
        {
            "name": "recorded", "x": times, "y": _joined([row[1][::every] for row in rows], 3),
            "mode": "markers", "marker": {"color": "--channel-b", "size": 4, "opacity": 0.6},
            "hovertemplate": "%{y:.2f} kPa at %{x:.2f} s<extra>recorded</extra>",
        },
        {
            "name": "fitted", "x": _joined([row[0] for row in rows], 3),
            "y": _joined([row[2] for row in rows], 3),
            "mode": "lines", "line": {"color": "--accent", "width": 1.5},
            "hovertemplate": "%{y:.2f} kPa at %{x:.2f} s<extra>fitted</extra>",
        },
        {
            "name": "difference", "x": times, "y": _joined([row[3][::every] for row in rows], 1),
            "yaxis": "y2", "mode": "lines", "line": {"color": "--quiet", "width": 1},
            "showlegend": False,
            "hovertemplate": "%{y:.0f} Pa at %{x:.2f} s<extra>difference</extra>",
        },
    ]  # fmt: skip
    layout = {
        "height": 380,
        "xaxis": {"title": {"text": "s, one run after the other"}, "anchor": "y2"},
        "yaxis": {
            "title": {"text": "vacuum, kPa"}, "domain": [0.36, 1.0], "rangemode": "tozero",
        },
        "yaxis2": {
            "title": {"text": "Pa"}, "domain": [0.0, 0.26], "nticks": 4,
            "zeroline": True, "zerolinecolor": "--hair",
        },
    }  # fmt: skip
    words = f"Vacuum over time, recorded and fitted. {ASKED[phase]}"
    return Plot(f"phase-{phase}", words, traces, layout)


def _joined(runs: list[Array], digits: int) -> list[float | None]:
    """One list, with a gap behind each run."""
    joined: list[float | None] = []
    for run in runs:
        joined += [*np.round(run, digits).tolist(), None]
    return joined


def _pump(result: Identified) -> Plot:
    kpa = [row[0] * 1e-3 for row in result.curve]
    flow, low, high = ([round(row[at] * 6e4, 3) for row in result.curve] for at in (1, 2, 3))
    traces = [
        {
            "x": [*kpa, *reversed(kpa)], "y": [*high, *reversed(low)], "mode": "lines",
            "line": {"width": 0}, "fill": "toself", "fillcolor": "--doubt", "hoverinfo": "skip",
        },
        {
            "x": kpa, "y": flow, "mode": "lines+markers", "line": {"color": "--accent"},
            "hovertemplate": "%{y:.1f} L/min at %{x:.0f} kPa<extra></extra>",
        },
    ]  # fmt: skip
    layout = {
        "height": 320,
        "showlegend": False,
        "xaxis": {"title": {"text": "vacuum, kPa"}},
        "yaxis": {"title": {"text": "L/min of outside air"}, "rangemode": "tozero"},
    }
    return Plot("pump", "Flow of the pump at full drive over vacuum", traces, layout)
