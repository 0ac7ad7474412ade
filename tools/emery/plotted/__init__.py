"""A page with tables and plots: what `emery tune` and `emery identify` show.

One HTML file that needs nothing else and asks the network for nothing, in the looks of
the reports of `emery simulate`. Plotly draws, and travels inside; what is said and the
tables need no script.

    body = f"<section>{table(heads, rows)}{place(plot)}</section>"
    write_page(path, page_html("kind of page", "title", lead, body, [plot]))
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from emery.simulator.report import ReportError, plotly_script, write_page
from emery.simulator.report.page import packed, policy, script_safe_json

__all__ = ["Plot", "ReportError", "page_html", "place", "plotly_script", "table", "write_page"]


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: `traces` and `layout` as plotly.js takes them. A text that begins with two
    dashes is a colour of report.css, so that it follows light, dark and paper. `words`
    say what it shows to who cannot see it; `name` is its place in the page."""

    name: str
    words: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]


def place(plot: Plot) -> str:
    """Where a plot stands in a page."""
    name, words = escape(plot.name), escape(plot.words)
    return f'<div id="{name}" class="plot" role="img" aria-label="{words}"></div>'


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[int] = ()
) -> str:
    """A table; heads and cells are HTML. The first column names the rows, the others hold
    numbers, which stand right, or `words` (columns counted from 0), which stand left."""

    def cell(tag: str, at: int, html: str) -> str:
        kind = ' class="words"' if at in words else ""
        return f"<{tag}{kind}>{html}</{tag.partition(' ')[0]}>"

    head = "".join(cell('th scope="col"', at, html) for at, html in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(cell("td" if at else 'th scope="row"', at, html) for at, html in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="values"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def page_html(
    kind: str,
    title: str,
    lead: str,
    body: str,
    plots: Sequence[Plot],
    plotly: str | None = None,
) -> str:
    """The whole page. `kind` and `title` are text; `lead`, which stands below the title, and
    `body`, which has a `place` for each plot, are HTML. Raises ReportError if Plotly is not
    installed and no `plotly` is given."""
    script = _asset("emery.plotted", "page.js")
    library = plotly_script() if plotly is None else plotly
    drawn = [
        {"name": plot.name, "traces": list(plot.traces), "layout": plot.layout} for plot in plots
    ]
    return Template(_asset("emery.plotted", "page.html")).substitute(
        policy=policy(script, library),
        style=_asset("emery.simulator.report", "report.css"),
        kind=escape(kind),
        title=escape(title),
        lead=lead,
        body=body,
        data=script_safe_json(drawn),
        plotly=packed(library),
        script=script,
    )


def _asset(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
