"""The catalogue of faults for a person: what each means and what to do.

The rows are the firmware's own (`firmware/faults.py`), so what a device shows
by number can be looked up here by number or by code.
"""

from difflib import get_close_matches
from textwrap import wrap
from typing import Any

from emery.config.problem import COLUMNS
from firmware import faults

SCHEMA = 1
_EXITS = {
    faults.EXIT_SELF_TEST: "after the tip is off the skin and the self-test has passed",
    faults.EXIT_SERVICE: "through SERVICE only; a restart does not clear it",
    faults.EXIT_NONE: "by itself; this is a warning and nothing is latched",
}
_ROWS = [row for row in faults.CATALOGUE if row[0] != faults.NONE]


class NoSuchFault(Exception):
    """There is no such fault; the text says which there are."""


def find(wanted: str) -> tuple[Any, ...]:
    """The row of a code, in any case, or of a number. Raises NoSuchFault."""
    for row in _ROWS:
        if wanted.upper() == row[1] or wanted == str(row[0]):
            return row
    codes = [row[1] for row in _ROWS]
    near = get_close_matches(wanted.upper(), codes, n=1, cutoff=0.5)
    raise NoSuchFault(
        f"there is no fault {wanted!r}"
        + (f"; did you mean {near[0]}?" if near else ".")
        + f"\nExpected a code, or a number from 1 to {_ROWS[-1][0]}; `emery faults` lists them."
    )


def table() -> str:
    """All faults, one a line or two, for 80 columns."""
    code_width = max(len(row[1]) for row in _ROWS)
    lines = [f" no  {'priority':8}  {'code':{code_width}}  what it means"]
    indent = " " * (len(lines[0]) - len("what it means"))
    for number, code, priority, _, headline, _ in _ROWS:
        first, *rest = wrap(headline, COLUMNS - len(indent))
        lines.append(f"{number:3}  {priority:8}  {code:{code_width}}  {first}")
        lines += [indent + line for line in rest]
    lines += ["", "emery faults CODE tells what to do about one."]
    return "\n".join(lines) + "\n"


def page(row: tuple[Any, ...]) -> str:
    """One fault with its ordered steps."""
    number, code, priority, leave, headline, steps = row
    lines = [f"{code} ({number}), {priority} priority", "", *wrap(headline, COLUMNS), ""]
    for place, step in enumerate(steps, 1):
        lines += wrap(step, COLUMNS, initial_indent=f"{place:2}. ", subsequent_indent="    ")
    lines += ["", *wrap(f"It is left {_EXITS[leave]}.", COLUMNS)]
    return "\n".join(lines) + "\n"


def document(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The same as data."""
    return {"schema": SCHEMA, "faults": [_as_data(row) for row in rows]}


def everything() -> list[tuple[Any, ...]]:
    """All rows."""
    return list(_ROWS)


def _as_data(row: tuple[Any, ...]) -> dict[str, Any]:
    number, code, priority, leave, headline, steps = row
    return {
        "number": number,
        "code": code,
        "priority": priority,
        "is_warning": leave == faults.EXIT_NONE,
        "needs_service": leave == faults.EXIT_SERVICE,
        "headline": headline,
        "fix": list(steps),
    }
