"""The trend as a page of at most 80 columns, as JSON, and as a drawing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from textwrap import wrap
from typing import Any

from emery.config.problem import COLUMNS
from emery.identify.trend import Course, Measured, Says

_COLUMNS_SHOWN = 3
_CELL = 15
_SCHEMA = "emery.identify.trend/1"


def text(device: str, found: Sequence[Course]) -> str:
    """The table, and what to service."""
    points = found[0].points
    shown = _shown(len(points))
    count = len(points)
    times = "once" if count == 1 else f"{count} times"
    lines = [f"device {device}, identified {times} since {_day(points[0])}", ""]
    head = "".join(f"{_day(points[at]):>{_CELL}}" for at in shown)
    lines += [f"{'':<18}{head}   change", "─" * COLUMNS]
    for course in found:
        cells = "".join(f"{_value(course.points[at]):>{_CELL}}" for at in shown)
        label = f"{course.quantity.words}"
        lines.append(f"{label:<18}{cells}   {_change(course):<14}".rstrip())
        lines.append(f"  {course.quantity.unit:<16}{'':{_CELL * len(shown)}}   {course.says}")
    lines.append("")
    due = [course for course in found if course.words]
    for course in due:
        mark = "Service" if course.says is Says.SERVICE else "Watch"
        since = f" (since {_day(course.points[course.since])})" if course.since else ""
        lines += wrap(
            f"{mark}: {course.quantity.words}{since}: {course.words}.", COLUMNS,
            subsequent_indent="    ",
        )  # fmt: skip
    if not due:
        lines.append("Nothing needs a service.")
    if count == 1:
        lines += wrap(
            "One measurement tells no change yet. Identify again in a month, with the same "
            "orifice tip.", COLUMNS,
        )  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


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


def html(device: str, found: Sequence[Course]) -> str:
    """The page with a drawing of each quantity."""
    import numpy as np

    from emery.identify import drawing

    parts = [f"<pre>{escape(text(device, found))}</pre>"]
    for course in found:
        points = course.points
        days = np.array([(point.epoch - points[0].epoch) / 86_400.0 for point in points])
        value, low, high = (
            np.array([getattr(point, name) for point in points])
            for name in ("value", "low", "high")
        )
        last = max(float(days[-1]), 1.0)
        top = float(max(high.max(), 1e-6)) * 1.15
        axes = drawing.Axes(-0.03 * last, 1.03 * last, 0.0, top)
        below = [(float(days[at]), _day(points[at])) for at in _shown(len(points))]
        parts.append(
            f"<h2>{escape(course.quantity.words)}: {course.says.value}</h2>"
            + axes.svg(
                [
                    axes.band(days, low, high),
                    axes.frame(course.quantity.unit, below),
                    axes.line("line", days, value),
                    axes.dots(days, value, 3.5),
                ]
            )
        )
        if course.words:
            parts.append(f"<p>{escape(course.words)}.</p>")
    return drawing.page(f"Trend of {escape(device)}", "".join(parts))


def _shown(count: int) -> list[int]:
    """The first, one in the middle, and the last."""
    if count <= _COLUMNS_SHOWN:
        return list(range(count))
    return [0, count // 2, count - 1]


def _day(point: Measured) -> str:
    return datetime.fromtimestamp(point.epoch, UTC).date().isoformat()


def _value(point: Measured) -> str:
    half = 0.5 * (point.high - point.low)
    digits = 0 if half >= 5 else 1 if half >= 0.5 else 2 if half >= 0.02 else 3
    return f"{point.value:.{digits}f} +-{half:.{digits}f}"


def _change(course: Course) -> str:
    if len(course.points) - course.since < 2:
        return "-"
    if course.quantity.by_share:
        return f"{100 * course.change:+.0f} % +-{100 * course.doubt:.0f}"
    digits = 1 if course.doubt >= 0.5 else 2
    return f"{course.change:+.{digits}f} +-{course.doubt:.{digits}f}"
