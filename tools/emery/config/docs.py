"""The table of all keys as a page (`board_configs/SETTINGS.md`), written from the same
rows that files are checked against.
"""

from collections.abc import Iterable

from emery.config import quantity
from emery.config.pins import FACT_ROWS
from emery.config.plant import PLANT_ROWS
from emery.config.problem import listed
from emery.config.rows import SETTING_ROWS, ZONE_ROWS, Row
from firmware.limits import ZONES
from firmware.settings import ENGINEER, NAME_BYTES
from hal.wiring import ANALOG, BUS, CHIPS, DRIVE, PULLED_UP, ROLES, SENSE, SIGNAL

_KINDS = {
    DRIVE: "output, quiet while the chip starts",
    SIGNAL: "output",
    PULLED_UP: "input with a pull-up",
    SENSE: "digital input",
    ANALOG: "analog input",
    BUS: "I2C",
}

_OPENING = f"""\
# All keys of board and protocol files

Written by `emery config docs` from the tables that files are checked against; a test
holds this page equal. Quantities carry their unit as text, such as `"45 kPa"`, in any
unit of that kind. What a board file does not state is at its default. Keys marked
*design* ask for knowledge of the design; the others are everyday tuning. What files
are and how to work with them is in [README.md](README.md).

Any file may begin with `extends = "other.toml"`, or with the name of one that comes with
Emery, `extends = "pico_reference"`: then it states only what differs.

A board file has `[board]` with `name` (at most {NAME_BYTES} plain characters) and
`chip` ({listed(f'`"{chip}"`' for chip in CHIPS)}), and any of the tables below. A
protocol file has `[protocol]` with `name`, and one to {ZONES} `[[zone]]`.
"""


def page() -> str:
    """The page in Markdown."""
    lines = [_OPENING]
    lines += _table(
        '`[pins]` of a board; `"none"` takes a pin away',
        ("key", "needed", "kind of pin", "what it serves"),
        (
            (f"`{role}`", "yes" if needed else "", _KINDS[asks], purpose)
            for role, asks, needed, purpose in ROLES
        ),
    )
    lines += _table(
        "`[wiring]` of a board",
        ("key", "values", "default", "what it is"),
        (
            (
                f"`{fact.key}`",
                listed(f'`"{choice}"`' for choice in fact.choices)
                or quantity.range_text((fact.low, fact.high), fact.unit),
                f'`"{fact.choices[fact.default]}"`'
                if fact.choices
                else quantity.text(fact.default, fact.unit),
                fact.purpose,
            )
            for fact in FACT_ROWS
        ),
    )
    for table in dict.fromkeys(row.table for row in SETTING_ROWS):
        rows = [row for row in SETTING_ROWS if row.table == table]
        lines += _table(
            f"`[{table}]` of a board",
            ("key", "range", "default", "", "what it does"),
            (
                (
                    f"`{row.key}`", _range(row), quantity.text(row.default, row.unit),
                    "*design*" if row.who == ENGINEER else "", row.purpose,
                )
                for row in rows
            ),
        )  # fmt: skip
    lines += _table(
        "`[plant]` of a board: its own pneumatics, for the simulator",
        ("key", "range", "nominal", "what it is"),
        (
            (
                f"`{row.key}`", quantity.range_text((row.low, row.high), row.unit),
                quantity.text(row.default, row.unit), row.purpose,
            )
            for row in PLANT_ROWS
        ),
    )  # fmt: skip
    lines += _table(
        "`[[zone]]` of a protocol; each states every key, and a `name`",
        ("key", "range", "what it does"),
        ((f"`{row.key}`", _range(row), row.purpose) for row in ZONE_ROWS),
    )
    return "\n".join(lines)


def _range(row: Row) -> str:
    return quantity.range_text((row.low, row.high), row.unit)


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    cells = [heads, *rows]
    lines = [f"## {title}", ""]
    for number, row in enumerate(cells):
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |")
        if not number:
            lines.append("|---" * len(heads) + "|")
    return [*lines, ""]
