"""What `emery config check FILE` prints: what the file is, that it is in
order, and what it will mean on the skin, in the units people use.
"""

import textwrap
from dataclasses import dataclass
from pathlib import Path

from emery.config import extends, quantity
from emery.config.board import Board
from emery.config.document import Document
from emery.config.kind import BOARD, PROTOCOL, known_kind
from emery.config.load import finished_board, finished_protocol
from emery.config.pins import FACT_ROWS, pin_text
from emery.config.problem import COLUMNS
from emery.config.protocol import Protocol
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from firmware.limits import LEVEL_VACUUM_PA
from firmware.settings import compiled_length
from hal.wiring import BENCH, NO_PIN, ROLES

# The tables that decide how hard and how long skin is treated.
_KEY_TABLES = ("protection", "treatment")


@dataclass(frozen=True, slots=True)
class Report:
    """A file in order. `kind` is "board" or "protocol"; `lines` fit 80 columns."""

    kind: str
    name: str
    lines: list[str]


def check(path: Path | str) -> Report:
    """Check a board or protocol file, told apart by its tables.

    Raises ConfigError with everything that is wrong in it.
    """
    document = extends.read(path)
    if known_kind(document) == PROTOCOL:
        protocol = finished_protocol(document)
        return Report(PROTOCOL, protocol.name, _protocol_lines(protocol))
    board = finished_board(document)
    return Report(BOARD, board.name, _board_lines(board))


def _board_lines(board: Board) -> list[str]:
    values = {row.name: getattr(board.settings, row.name) for row in SETTING_ROWS}
    changed = [row for row in SETTING_ROWS if values[row.name] != row.default]
    lines = [
        f'Board "{board.name}" ({board.chip}) is in order.',
        *_wrapped(_extends_said(board.document), 0),
        f"{len(board.stated)} of {len(SETTING_ROWS)} settings stated, "
        f"{len(changed)} of them other than the default.",
    ]
    for row in changed:
        value = quantity.text(values[row.name], row.unit)
        default = quantity.text(row.default, row.unit)
        lines += _wrapped(f"  {row.table}.{row.key}: {value} (default {default})", 4)
    for name in _KEY_TABLES:
        lines += ["", f"[{name}]"]
        for row in SETTING_ROWS:
            if row.table == name:
                value = quantity.text(values[row.name], row.unit)
                lines += _wrapped(f"  {row.key:<20} {value:<9} {row.purpose}", 33)
    return lines + _wiring_lines(board)


def _wiring_lines(board: Board) -> list[str]:
    if not board.has_pins:
        return ["", "No [pins]: it can be simulated, but not flashed."]
    lines = ["", "[pins]"]
    for role, _, _, purpose in ROLES:
        gpio = getattr(board.wiring, role)
        pin = "none" if gpio == NO_PIN else pin_text(board.chip, gpio)
        lines += _wrapped(f"  {role:<20} {pin:<9} {purpose}", 33)
    lines += ["", "[wiring]"]
    for fact in FACT_ROWS:
        value = fact.text(getattr(board.wiring, fact.name))
        lines += _wrapped(f"  {fact.key:<20} {value:<9} {fact.purpose}", 33)
    if board.wiring.purpose == BENCH:
        lines += ["", "A bench rig: a device that it is flashed to stays in SERVICE."]
    return lines


def _protocol_lines(protocol: Protocol) -> list[str]:
    # "pass_time" on two lines, or the widest protocol would not fit.
    heads = [row.key.rpartition("_") for row in ZONE_ROWS]
    rows = [
        ["", "", *(head[0] for head in heads)],
        ["zone", "vacuum", *(head[2] for head in heads)],
    ]
    for zone in protocol.zones:
        vacuum = quantity.text(LEVEL_VACUUM_PA[zone.level - 1], "Pa")
        fields = [quantity.text(getattr(zone, row.name), row.unit) for row in ZONE_ROWS]
        rows.append([zone.name, vacuum, *fields])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        f'Protocol "{protocol.name}" is in order with the default board settings.',
        *_wrapped(_extends_said(protocol.document), 0),
        "",
    ]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= COLUMNS else " "
        lines.append(gap.join(cells).rstrip())
    on_skin_ms = sum(zone.passes * zone.pass_time_ms for zone in protocol.zones)
    crystals_mg = sum(
        min(zone.passes * zone.pass_crystals_mg, zone.dose_mg) for zone in protocol.zones
    )
    bytes_compiled = compiled_length(len(protocol.zones))
    lines += [
        "",
        f"At most {quantity.text(on_skin_ms, 'ms')} on skin and "
        f"{quantity.text(crystals_mg, 'mg')} of crystals; {bytes_compiled} bytes compiled.",
    ]
    return lines


def _extends_said(document: Document) -> str:
    """Which files a file extends; "" for none."""
    names = [Path(file).name for file in document.files[1:]]
    return f"It extends {', which extends '.join(names)}." if names else ""


def _wrapped(line: str, indent: int) -> list[str]:
    return textwrap.wrap(line, COLUMNS, subsequent_indent=" " * indent, break_on_hyphens=False)
