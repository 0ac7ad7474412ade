"""Board and protocol files to the settings a board runs on.

First every value is judged by itself; only when all are good, the rules
between settings, which the firmware owns (`broken_rules`). A broken rule is
told where the setting stands in the file, or, if it is at its default, at the
table where it would be set.
"""

import re
from pathlib import Path

from emery.config import chip, extends, quantity
from emery.config.board import Board, read_board
from emery.config.document import Document
from emery.config.kind import BOARD, PROTOCOL, TABLES
from emery.config.problem import ConfigError, Problem
from emery.config.protocol import Protocol, read_protocol
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from emery.config.table import Table
from firmware.settings import UNIT_SUFFIXES, Settings, broken_rules
from hal.wiring import BENCH, NO_PIN

_SETTING_ROWS = {row.name: row for row in SETTING_ROWS}
_ZONE_ROWS = {row.name: row for row in ZONE_ROWS}
_ZONE_FIELD = re.compile(r"zone ([0-9]+) (\w+)")
_UNITS = "|".join(sorted((re.escape(unit) for unit, _ in UNIT_SUFFIXES if unit), key=len)[::-1])
_AMOUNT = re.compile(rf"\b([0-9]+) ({_UNITS})(?![\w/])")


def load(board_path: Path | str, protocol_path: Path | str) -> Settings:
    """Checked settings with their zones, ready for `firmware.settings.encode`, of a
    board that may treat.

    Raises one ConfigError with the problems of both files; a bench rig is one.
    """
    return load_device(board_path, protocol_path, pins_required=False, to_treat=True).settings


def load_device(
    board_path: Path | str,
    protocol_path: Path | str,
    *,
    pins_required: bool = True,
    to_treat: bool = False,
) -> Board:
    """A checked board with the zones of a protocol in its settings, and with
    pins unless they are not required. Only with `to_treat` is a bench rig refused.

    Raises one ConfigError with the problems of both files.
    """
    problems: list[Problem] = []
    board: Board | None = None
    protocol: Protocol | None = None
    try:
        board = finished_board(read_as(BOARD, board_path), pins_required=pins_required)
        if to_treat:
            refuse_bench_rig(board)
    except ConfigError as error:
        problems += error.problems
    try:
        protocol = read_protocol(read_as(PROTOCOL, protocol_path))
        protocol.document.finish()
    except ConfigError as error:
        problems += error.problems
        protocol = None
    if problems or board is None or protocol is None:
        raise ConfigError(problems)
    _join(board.settings, protocol)
    return board


def load_board(path: Path | str) -> Board:
    """A checked board, without zones. Raises ConfigError."""
    return finished_board(read_as(BOARD, path))


def finished_board(document: Document, *, pins_required: bool = False) -> Board:
    """The checked board in `document`. Raises ConfigError."""
    board = read_board(document, pins_required=pins_required)
    if not document.troubled:
        rules = broken_rules(board.settings)
        if board.has_pins and not rules:
            rules = chip.broken_rules(board.chip, board.settings)
        for field, rule in rules:
            _note_rule(board.tables, field, rule, board.settings)
    document.finish()
    return board


def refuse_bench_rig(board: Board) -> None:
    """ConfigError, where the file says so, if a board may not treat."""
    if board.wiring.purpose != BENCH:
        return
    sensors = "one vacuum sensor, which nothing checks" if board.wiring.vacuum_b == NO_PIN else ""
    board.document.table("wiring").problem(
        "purpose",
        f'"bench": a bench rig never treats{sensors and " (" + sensors + ")"}',
        "a board for treatment",
        "Use another board file. On a device it stays in SERVICE: emery flash puts it there.",
    )
    board.document.finish()


def read_as(kind: str, path: Path | str) -> Document:
    """The document in a file, with what it extends. Raises ConfigError if it cannot be
    read, or is of the other kind: then each of its keys would be told as a mistake."""
    document = extends.read(path)
    keys = set(document.keys())
    other = PROTOCOL if kind == BOARD else BOARD
    if keys & TABLES[other] and not keys & TABLES[kind]:
        what = f"is a {other} file"
        problem = Problem(
            document.file, 0, 0, "", what, f"a {kind} file", f"Name a {kind} file."
        )
        raise ConfigError([problem])
    return document


def load_protocol(path: Path | str) -> Protocol:
    """A checked protocol, judged against the firmware's default settings.
    Raises ConfigError."""
    return finished_protocol(read_as(PROTOCOL, path))


def finished_protocol(document: Document) -> Protocol:
    """The checked protocol in `document`. Raises ConfigError."""
    protocol = read_protocol(document)
    document.finish()
    _join(Settings(), protocol)
    return protocol


def _join(settings: Settings, protocol: Protocol) -> None:
    """Put the zones into `settings` and judge the rules that involve them."""
    settings.protocol_name = protocol.name
    settings.zones = protocol.zones
    for field, rule in broken_rules(settings):
        match = _ZONE_FIELD.fullmatch(field)
        if match is None:
            raise ValueError(f"no zone field {field}")
        table = protocol.tables[int(match[1]) - 1]
        row = _ZONE_ROWS[match[2]]
        table.problem(
            row.key,
            f"{table.value(row.key)} {said_in_keys(rule, settings)}",
            "settings that fit together",
            "Change this value, or the board's setting named here.",
        )
    protocol.document.finish()


def _note_rule(tables: dict[str, Table], field: str, rule: str, settings: Settings) -> None:
    row = _SETTING_ROWS[field]
    table = tables[row.table]
    others = [other for name, other in _SETTING_ROWS.items() if re.search(rf"\b{name}\b", rule)]
    value = quantity.text(getattr(settings, field), row.unit)
    written = f'"{value}"' if table.has(row.key) else f'"{value}" (its default)'
    table.problem(
        row.key,
        f"{written} {said_in_keys(rule, settings)}",
        "settings that fit together",
        "Change this value or the one it does not fit.",
        (tables[others[0].table], others[0].key) if others else None,
    )


def said_in_keys(rule: str, settings: Settings) -> str:
    """A rule in the words of the files: keys with their values for the
    firmware's names, and amounts in the units people use."""
    rule = _AMOUNT.sub(lambda match: quantity.text(int(match[1]), match[2]), rule)
    for row in SETTING_ROWS:
        value = quantity.text(getattr(settings, row.name), row.unit)
        rule = re.sub(rf"\b{row.name}\b", f"{row.table}.{row.key} ({value})", rule)
    return rule
