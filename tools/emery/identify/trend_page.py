"""The trend as text of at most 80 columns, as JSON, and as a page with plots."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

from emery.config.problem import COLUMNS
from emery.identify.trend import DAY_S, Course, Measured, Says
from emery.plotted import Plot, page_html, place, table, write_page

_COLUMNS_SHOWN = 3
_CELL = 15
_SCHEMA = "emery.identify.trend/1"
_KIND = "what changed on a device, from one identification to the next"
_HALF_HOUR_S = 1_800.0


def text(device: str, found: Sequence[Course]) -> str:
    """The table, and what to service."""
    points = found[0].points
    shown = _shown(len(points))
    # Of several on one day the time tells which is which.
    days = {_day(points[at]) for at in shown}
    name = _day if len(days) == len(shown) else _short_time
    lines = [f"device {device}, {_how_often(points)}", ""]
    head = "".join(f"{name(points[at]):>{_CELL}}" for at in shown)
    lines += [f"{'':<18}{head}   change", "─" * COLUMNS]
    for course in found:
        values = _values(course)
        cells = "".join(f"{values[at]:>{_CELL}}" for at in shown)
        label = f"{course.quantity.words}"
        lines.append(f"{label:<18}{cells}   {_change(course):<14}".rstrip())
        lines.append(f"  {course.quantity.unit:<16}{'':{_CELL * len(shown)}}   {course.says}")
    lines.append("")
    for sentence in _advice(found):
        lines += wrap(sentence, COLUMNS, subsequent_indent="    ")
    return "".join(f"{line}\n" for line in lines)


def _advice(found: Sequence[Course]) -> list[str]:
    """What to service and what to watch, in sentences."""
    told = []
    for course in found:
        if not course.words:
            continue
        mark = "Service" if course.says is Says.SERVICE else "Watch"
        since = f" (since {_day(course.points[course.since])})" if course.since else ""
        told.append(f"{mark}: {course.quantity.words}{since}: {course.words}.")
    if not told:
        told.append("Nothing needs a service.")
    if len(found[0].points) == 1:
        told.append(
            "One measurement tells no change yet. Identify again in a month, with the same "
            "orifice tip."
        )
    return told


def document(device: str, found: Sequence[Course]) -> dict[str, Any]:
    """For JSON."""
    return {
        "schema": _SCHEMA,
        "device": device,
        "quantities": {
            course.quantity.name: {
                "unit": course.quantity.unit,
                "points": [
                    {"epoch": point.epoch, "value": point.value, "low": point.low,
                     "high": point.high}
                    for point in course.points
                ],
                "since": course.points[course.since].epoch,
                "change": course.change,
                "change_doubt": course.doubt,
                "change_is_share": course.quantity.by_share,
                "says": course.says.value,
                "words": course.words,
                "weeks": course.weeks,
            }
            for course in found
        },
    }  # fmt: skip


# The page ------------------------------------------------------------------------------


def write(path: Path, device: str, found: Sequence[Course]) -> None:
    """Write the page. Raises ReportError."""
    write_page(path, html(device, found))


def html(device: str, found: Sequence[Course], plotly: str | None = None) -> str:
    """The page as text; `plotly` as `page_html` takes it."""
    points = found[0].points
    values = [_values(course) for course in found]
    summary = table(
        ("What", "Last", "Counted since", "Change since then", "Says"),
        (
            (
                f"{escape(course.quantity.words)}, {escape(course.quantity.unit)}",
                row[-1], _day(course.points[course.since]), _change(course),
                course.says.value if course.says is Says.FINE else f"<b>{course.says.value}</b>",
            )
            for course, row in zip(found, values, strict=True)
        ),
        words=(4,),
    )  # fmt: skip
    measured = table(
        (
            "UTC",
            *(f"{escape(one.quantity.words)}, {escape(one.quantity.unit)}" for one in found),
        ),
        (
            (_time(point), *(row[at] for row in values))
            for at, point in enumerate(points)
        ),
    )
    plots = [_plot(course) for course in found]
    advice = "".join(f"<p>{escape(sentence)}</p>" for sentence in _advice(found))
    parts = [
        f"<section><h2>What to do</h2>{advice}{summary}</section>",
        "<section><h2>Over time</h2>"
        '<p class="quiet">Bars: 95 % intervals. Dashed: where a service is called for, if it is '
        "beyond doubt. Grey: before a service, from which on is counted anew.</p>",
        *(
            f"<h3>{escape(course.quantity.words)}: {course.says.value}</h3>{place(plot)}"
            for course, plot in zip(found, plots, strict=True)
        ),
        f"</section><section><h2>All measurements, +- 95 %</h2>{measured}</section>",
    ]
    lead = f'<p class="about">{escape(_how_often(points).capitalize())}.</p>{_verdict(found)}'
    return page_html(_KIND, f"Device {device}", lead, "".join(parts), plots, plotly)


def _verdict(found: Sequence[Course]) -> str:
    for says, kind in ((Says.SERVICE, "failed"), (Says.WATCH, "passed")):
        named = [course.quantity.words for course in found if course.says is says]
        if named:
            return _verdict_html(kind, says.value.upper(), ", ".join(named))
    return _verdict_html("passed", Says.FINE.value.upper(), "nothing needs a service")


def _verdict_html(kind: str, word: str, detail: str) -> str:
    return (
        f'<p class="verdict {kind}"><strong>{escape(word)}</strong>'
        f"<span>{escape(detail)}</span></p>"
    )


def _plot(course: Course) -> Plot:
    quantity, points, since = course.quantity, course.points, course.since
    digits = _digits(points)
    traces = []
    for part, color in ((points[:since], "--quiet"), (points[since:], "--accent")):
        if not part:
            continue
        traces.append(
            {
                "x": [_time(point) for point in part],
                "y": [round(point.value, digits + 1) for point in part],
                "error_y": {
                    "type": "data", "symmetric": False, "color": color, "width": 5,
                    "thickness": 1.5,
                    "array": [round(point.high - point.value, digits + 1) for point in part],
                    "arrayminus": [round(point.value - point.low, digits + 1) for point in part],
                },
                "mode": "lines+markers", "line": {"color": color, "width": 1.5},
                "marker": {"color": color, "size": 7},
                "text": [_value(point, digits) for point in part],
                "hovertemplate": f"%{{text}} {quantity.unit}<br>%{{x}} UTC<extra></extra>",
            }
        )  # fmt: skip
    layout = {
        "height": 280,
        "showlegend": False,
        "shapes": [
            {
                "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": due, "y1": due,
                "line": {"color": "--limit", "width": 1.5, "dash": "dash"},
            }
            for due in course.due
        ],
        "xaxis": {"type": "date", "range": _span(points), "nticks": 8},
        "yaxis": {"title": {"text": quantity.unit}, "range": _reach(course)},
    }  # fmt: skip
    words = f"{quantity.words}, {quantity.unit}, at each identification"
    return Plot(f"course-{quantity.name}", words, traces, layout)


def _span(points: Sequence[Measured]) -> list[str]:
    """From a little before the first to a little after the last; a day round a single one."""
    first, last = points[0].epoch, points[-1].epoch
    aside = 0.5 * DAY_S if first == last else max(0.05 * (last - first), _HALF_HOUR_S)
    return [_stamp(first - aside), _stamp(last + aside)]


def _reach(course: Course) -> list[float]:
    """From the least to the most, and where a service is due; what counts as it is, not as
    a share, from nothing."""
    low = min([point.low for point in course.points] + list(course.due))
    high = max([point.high for point in course.points] + list(course.due))
    if not course.quantity.by_share:
        low = min(low, 0.0)
    aside = 0.08 * (high - low)
    return [low if low == 0.0 else low - aside, high + aside]


# Words and numbers ---------------------------------------------------------------------


def _how_often(points: Sequence[Measured]) -> str:
    times = "once" if len(points) == 1 else f"{len(points)} times"
    return f"identified {times} since {_day(points[0])}"


def _shown(count: int) -> list[int]:
    """The first, one in the middle, and the last."""
    if count <= _COLUMNS_SHOWN:
        return list(range(count))
    return [0, count // 2, count - 1]


def _stamp(epoch: float) -> str:
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%d %H:%M}"


def _time(point: Measured) -> str:
    return _stamp(point.epoch)


def _day(point: Measured) -> str:
    return _stamp(point.epoch)[:10]


def _short_time(point: Measured) -> str:
    return _stamp(point.epoch)[5:]


def _digits(points: Sequence[Measured]) -> int:
    """Decimal places that the surest of them gives a meaning to: the same for all."""
    half = min(0.5 * (point.high - point.low) for point in points)
    return 0 if half >= 5 else 1 if half >= 0.5 else 2 if half >= 0.02 else 3


def _values(course: Course) -> list[str]:
    digits = _digits(course.points)
    return [_value(point, digits) for point in course.points]


def _value(point: Measured, digits: int) -> str:
    return f"{point.value:.{digits}f} +-{0.5 * (point.high - point.low):.{digits}f}"


def _change(course: Course) -> str:
    if len(course.points) - course.since < 2:
        return "-"
    if course.quantity.by_share:
        return f"{100 * course.change:+.0f} % +-{100 * course.doubt:.0f}"
    digits = 1 if course.doubt >= 0.5 else 2
    return f"{course.change:+.{digits}f} +-{course.doubt:.{digits}f}"
