"""The page of a tuning: before and after in one plot, the tables beneath it.

One file that needs nothing else, as the reports of `emery simulate` are, and written
by the same hand (`emery.simulator.report`).
"""

import json
import zlib
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from emery.simulator.report import plotly_script, write_page
from emery.simulator.report.page import NOT_CLINICAL, source_hash
from emery.tune.table import TIMES, WORDS


def write(path: Path, told: dict[str, Any], drawn: dict[str, Any]) -> None:
    """Write the page of a document and of its courses. Raises ReportError."""
    write_page(path, page_html(told, drawn, plotly_script()))


def page_html(told: dict[str, Any], drawn: dict[str, Any], plotly: str) -> str:
    """The whole page as text."""
    script = _asset("emery.tune", "page.js")
    hashes = " ".join(source_hash(source) for source in (script, plotly))
    word, is_good, detail = _verdict(told)
    plant = ", ".join(f"{key} {value}" for key, value in told["plant"].items())
    return Template(_asset("emery.tune", "page.html")).substitute(
        policy=f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'",
        style=_asset("emery.simulator.report", "report.css"),
        title=escape(told["board"]),
        about=escape(f"Measured on it: {plant}."),
        not_clinical=escape(NOT_CLINICAL),
        verdict_class="passed" if is_good else "failed",
        verdict_word=word,
        verdict=escape(detail),
        settings="".join(
            _row(row["key"], (row["before"], _strong(row), escape(row["purpose"])))
            for row in told["settings"]
        ),
        cases=told["cases"],
        days=told["days"],
        times="".join(
            _row(words, (f"{times['before']:.2f} s", f"{times['after']:.2f} s"))
            for name, words in TIMES.items()
            for times in (told["times_s"][name],)
        ),
        figures="".join(
            _row(
                WORDS[row["key"]][0],
                (
                    f"{row[side]:.{row['decimals']}f} {WORDS[row['key']][1]}"
                    for side in ("defaults", "before", "after")
                ),
            )
            for row in told["figures"]
        ),
        data=json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c"),
        plotly=b64encode(zlib.compress(plotly.encode())).decode(),
        script=script,
    )


def _verdict(told: dict[str, Any]) -> tuple[str, bool, str]:
    if not told["is_changed"]:
        return "KEPT", True, "no other settings are as good on every figure and quicker"
    if told["worse"]:
        worse = ", ".join(WORDS[one["key"]][0] for one in told["worse"])
        return "AS WISHED", False, f"by the sliders, and worse than before in: {worse}"
    if told["within_chance"]:
        return "BETTER", True, "no figure of the bench is worse by more than chance makes it"
    return "BETTER", True, "no figure of the bench is worse than before"


def _strong(row: dict[str, Any]) -> str:
    text = escape(row["after"])
    return text if row["after"] == row["before"] else f"<b>{text}</b>"


def _row(head: str, cells: Iterable[str]) -> str:
    return f"<tr><th>{escape(head)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _asset(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")

