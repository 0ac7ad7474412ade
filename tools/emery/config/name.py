"""A name that the device shows and keeps: of a board, a protocol or a zone.

It stands on a small display and in the compiled config, so it is short plain
text.
"""

from emery.config.problem import quoted
from emery.config.table import Table
from firmware.settings import NAME_BYTES


def device_name(table: Table) -> str:
    """The `name` of a table, with a problem noted where the device could not keep it."""
    name = table.text("name")
    expected = f"at most {NAME_BYTES} plain characters (letters, digits, spaces, signs)"
    if not (name.isascii() and name.isprintable()):
        what = f"{quoted(name)} holds other than plain characters"
        table.problem("name", what, expected, "Write it without accents and special signs.")
    elif len(name) > NAME_BYTES:
        what = f"{quoted(name)} has {len(name)} characters"
        table.problem("name", what, expected, "Shorten it.")
    elif name != name.strip():
        what = f"{quoted(name)} has spaces at its ends"
        table.problem("name", what, expected, "Remove them.")
    return name
