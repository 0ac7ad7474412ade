"""Reading a report again: it holds its whole run, so it is also its record.

Nothing is taken on trust, since a report travels: its lists must lie within
its recording, and all words are escaped again where they are shown.
"""

import json
import re
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

from emery.simulator.comparison import CompareError, figure
from emery.simulator.report.page import FORMAT
from emery.simulator.report.recording import Recording, RunRecord, selected
from emery.simulator.requirements import METRICS
from emery.simulator.run import SCHEMA
from emery.simulator.strokes import Stroke

__all__ = ["read_report"]

# Longer than any report that is written.
_LONGEST_BYTES = 50_000_000
_SCRIPT = r'<script type="[a-z/]+" id="{}">([^<]*)</script>'


def read_report(path: Path) -> RunRecord:
    """The run that the report at `path` was written of. Raises CompareError."""
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            raise CompareError(f"{path} is too large for a report")
        page = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CompareError(f"{path} cannot be read: {error}") from error
    data = _script(page, "data")
    blob = _script(page, "recording")
    if data is None or blob is None:
        raise CompareError(
            f"{path} is no report of emery simulate; give a page that --report wrote"
        )
    other_version = CompareError(
        f"{path} was written by another version of emery; write it again with this one"
    )
    try:
        found = json.loads(data)
        if found["format"] != FORMAT or found["runs"][0]["result"]["schema"] != SCHEMA:
            raise other_version
        run = found["runs"][0]
        recording = Recording(b64decode(blob, validate=True), run["recording"])
        strokes = [Stroke(*map(_whole, fields)) for fields in run["strokes"]]
        return RunRecord(_checked(run["result"]), strokes, selected(recording))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, zlib.error) as error:
        raise other_version from error


def _script(page: str, name: str) -> str | None:
    found = re.search(_SCRIPT.format(name), page)
    return None if found is None else found[1]


def _whole(value: object) -> Any:
    if value is not None and not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _checked(result: Any) -> dict[str, Any]:
    """A result with all that is told of a compared run, in its types."""
    for key in ("scenario", "board", "protocol", "lane", "final_state"):
        _expect(result[key], str)
    for key in ("seed", "duration_ms", "passed"):
        _expect(result[key], int)
    for key in ("state_names", "reason_names", "fault_names"):
        for name in result[key]:
            _expect(name, str)
    for key in ("settings", "world"):
        _expect(result[key], dict)
    for fault in result["faults"]:
        _expect(fault["code"], str)
    for zone in result["zones"]:
        _expect(zone["name"], str)
        for key in ("level", "passes_allowed", "pass_time_ms", "pass_crystals_mg"):
            _expect(zone[key], int)
    for key in METRICS:
        _expect(figure(key, result), int | float | None)
    return dict(result)


def _expect(value: object, kind: Any) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not of {kind}")
