"""A board file: one device build, as what differs from the firmware's defaults.

    [board]
    name = "Clinic 2"
    chip = "rp2040"

    [protection]
    hard_limit = "42 kPa"

Every table, key, unit, range and default comes from the firmware's own table.
The wiring, which a board needs that is really built, is read by `pins`.
"""

from dataclasses import dataclass

from emery.config.document import Document
from emery.config.former_keys import note_former
from emery.config.name import device_name
from emery.config.pins import read_wiring
from emery.config.plant import read_plant
from emery.config.rows import SETTING_ROWS, Row
from emery.config.table import Table
from firmware.settings import Settings
from hal.wiring import CHIPS, Wiring


@dataclass(frozen=True, slots=True)
class Board:
    """What a board file says. `settings` has no zones yet; `stated` names the
    settings that the file gives itself. `wiring` has no pins unless `has_pins`.
    `plant` has what was measured of this device, in SI by the simulator's names."""

    name: str
    chip: str
    wiring: Wiring
    has_pins: bool
    settings: Settings
    stated: frozenset[str]
    plant: dict[str, float]
    document: Document
    tables: dict[str, Table]


def read_board(document: Document, *, pins_required: bool = False) -> Board:
    """The board in `document`. Problems are noted there, not raised."""
    head = document.table("board", required=True)
    name = chip = ""
    if head.present:
        name = device_name(head)
        chip = head.choice("chip", CHIPS)
    known_chip = chip if head.value("chip") == chip else ""
    wiring = read_wiring(document, known_chip, name, required=pins_required)
    has_pins = document.table("pins").present
    settings = Settings()
    tables = {row.table: document.table(row.table) for row in SETTING_ROWS}
    stated = set()
    for row in SETTING_ROWS:
        table = tables[row.table]
        if table.has(row.key):
            stated.add(row.name)
        setattr(settings, row.name, row_value(table, row, row.default))
    plant = read_plant(document)
    note_former(document)
    return Board(
        name, chip, wiring, has_pins, settings, frozenset(stated), plant, document, tables
    )


def row_value(table: Table, row: Row, default: int | None) -> int:
    """The value of a row of the firmware's table, required without a default."""
    reason = "The firmware takes no other."
    if row.unit:
        return table.whole_quantity(
            row.key, row.unit, low=row.low, high=row.high, default=default, reason=reason
        )
    return table.integer(row.key, low=row.low, high=row.high, default=default, reason=reason)
