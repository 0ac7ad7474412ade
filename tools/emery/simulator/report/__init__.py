"""The report of a simulated treatment: one HTML file that needs nothing else.

It opens from a disk, an e-mail or a CI artifact, today and in ten years: the
drawing library and the whole trace travel inside, and the page forbids itself
every network access. It is written beside its place and then renamed, so that
a half-written report is never found.
"""

import importlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from emery.simulator.report.page import page_html
from emery.simulator.report.recording import RunRecord, record, selected
from emery.simulator.report.views import decisions, views
from emery.simulator.strokes import strokes
from emery.simulator.trace import Columns

__all__ = [
    "LARGEST_BYTES", "ReportError", "RunRecord", "plotly_script", "run_record", "write_page",
    "write_report",
]  # fmt: skip

# A report stays small enough to be mailed and kept with a build.
LARGEST_BYTES = 8_000_000


class ReportError(Exception):
    """The report could not be written. The text says why and what to do."""


def run_record(result: Mapping[str, Any], trace: Columns) -> RunRecord:
    """All that a report holds of a run; what is drawn of one that is compared."""
    moments_ms = [entry["at_ms"] for entry in (*result["faults"], *result["events"])]
    return RunRecord(result, strokes(trace), record(trace, moments_ms))


def write_report(
    path: Path, result: Mapping[str, Any], trace: Columns, other: RunRecord | None = None
) -> None:
    """Write the report of one simulated treatment to `path`.

    `result` is the result of a simulation (schema "emery.simulate/1"), `trace`
    its trace, and `other` the run to draw beside it. Raises ReportError when
    Plotly is not installed, when the report would be larger than LARGEST_BYTES,
    or when the file cannot be written; then nothing is left at `path` that was
    not there before.
    """
    script = plotly_script()
    if other is not None:
        other = replace(other, recording=selected(other.recording))
    page = page_html(
        run_record(result, trace), other, views(result, trace), decisions(result, trace),
        script,
    )  # fmt: skip
    write_page(path, page)


def write_page(path: Path, text: str) -> None:
    """Write a page beside its place and rename it. Raises ReportError, and leaves
    nothing at `path` that was not there before."""
    page = text.encode()
    if len(page) > LARGEST_BYTES:
        raise ReportError(
            f"cannot write report {path}: it would take {len(page) / 1e6:.1f} MB, "
            f"more than {LARGEST_BYTES / 1e6:.0f} MB; simulate a shorter treatment"
        )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.write_bytes(page)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(_cannot_write(path, error)) from error


def _cannot_write(path: Path, error: OSError) -> str:
    if not path.parent.is_dir():
        reason = f"there is no folder {path.parent}; make it first"
    elif path.is_dir():
        reason = "that is a folder; name a file, such as report.html in it"
    else:
        reason = f"{error.strerror or error}; choose a place you may write to"
    return f"cannot write report {path}: {reason}"


def plotly_script() -> str:
    """The text of plotly.js, as the Python package brings it along. Raises ReportError."""
    try:
        offline = importlib.import_module("plotly.offline")
    except ModuleNotFoundError as error:
        raise ReportError(
            "the report is drawn with Plotly, which is not installed. Install it: "
            "pip install 'emery[report]'"
        ) from error
    script: str = offline.get_plotlyjs()
    return script
