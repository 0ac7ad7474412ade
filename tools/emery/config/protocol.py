"""A protocol file: the zones of a treatment, in the order they are done.

    [protocol]
    name = "face"

    [[zone]]
    name = "forehead"
    level = 6
    flow = "8 g/min"
    passes = 3
    pass_time = "90 s"
    pass_crystals = "12 g"

Each zone states everything: what is done to skin is never left to a default.
No two zones share a name.
"""

from dataclasses import dataclass

from emery.config.board import row_value
from emery.config.document import Document
from emery.config.name import device_name
from emery.config.problem import quoted
from emery.config.rows import ZONE_ROWS
from emery.config.table import Table
from firmware.limits import ZONES
from firmware.settings import Zone


@dataclass(frozen=True, slots=True)
class Protocol:
    """What a protocol file says. `tables` holds the table of each zone."""

    name: str
    zones: tuple[Zone, ...]
    document: Document
    tables: tuple[Table, ...]


def read_protocol(document: Document) -> Protocol:
    """The protocol in `document`. Problems are noted there, not raised."""
    head = document.table("protocol", required=True)
    name = device_name(head) if head.present else ""
    tables = document.tables("zone", at_least=1, at_most=ZONES)
    zones = []
    firsts: dict[str, Table] = {}
    for table in tables:
        zone = Zone(device_name(table))
        first = firsts.setdefault(zone.name.casefold(), table)
        if zone.name and first is not table:
            what = f"{quoted(zone.name)} is already the zone on line {first.line('name')}"
            if first.file_of("name") != table.file_of("name"):
                what += f" of {first.file_of('name')}"
            table.problem("name", what, "a name of its own", "Give each zone another name.")
        for row in ZONE_ROWS:
            setattr(zone, row.name, row_value(table, row, None))
        zones.append(zone)
    return Protocol(name, tuple(zones), document, tuple(tables))
