"""What a file comes to: every key with its value, and where the value came from.

    source = read_source("clinic_2.toml")
    for value in source.values:
        print(value.key, value.text, value.file, value.line)

A source is a board file, a protocol file, or a compiled config (a backup, or what a
device holds). Each has the same keys: "protection.hard_limit", "zone.1.level".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emery.config import extends, quantity
from emery.config.board import Board
from emery.config.compiled import (
    DeviceConfig,
    NotAConfig,
    certificate_figures,
    config_of_board,
    decompile,
    texts,
    zone_texts,
)
from emery.config.document import Document, file_bytes
from emery.config.kind import BOARD, PROTOCOL, known_kind
from emery.config.load import finished_board, finished_protocol
from emery.config.pins import FACT_ROWS, NO_PIN_TEXT
from emery.config.plant import PLANT_ROWS
from emery.config.problem import ConfigError, Problem
from emery.config.protocol import Protocol
from emery.config.rows import SETTING_ROWS
from emery.config.table import Table
from hal.wiring import MAGIC as COMPILED_MAGIC
from hal.wiring import NO_PIN, ROLES

COMPILED = "compiled config"


@dataclass(frozen=True, slots=True)
class Value:
    """One key. `text` is its value as a file would have it. `default` is "" where there
    is none, `file` is "" for a value that no file states; `over` are the places in
    extended files that it takes the place of."""

    key: str
    text: str
    default: str
    file: str = ""
    line: int = 0
    over: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """What was read: its kind, what it is called, the files it came from (the first
    extends the second, and so on), and its values in the order of a file. `remarks`
    are sentences on a compiled config: its certificate, and what was changed on the way
    from an earlier version."""

    kind: str
    title: str
    files: tuple[str, ...]
    values: tuple[Value, ...]
    remarks: tuple[str, ...] = ()

    def texts(self) -> dict[str, str]:
        """Key to value."""
        return {value.key: value.text for value in self.values}


def read_source(path: Path | str) -> Source:
    """A board file, a protocol file or a compiled config. Raises ConfigError."""
    content = file_bytes(Path(path), str(path))
    if content.startswith(COMPILED_MAGIC):
        try:
            return of_device(decompile(content), str(path))
        except NotAConfig as error:
            problem = Problem(
                str(path), 0, 0, "", str(error), "a compiled config", "Name another file."
            )
            raise ConfigError([problem]) from None
    document = extends.joined(Document.from_bytes(content, str(path)), path)
    if known_kind(document) == PROTOCOL:
        return of_protocol(finished_protocol(document))
    return of_board(finished_board(document))


def of_board(board: Board) -> Source:
    """The values of a checked board file."""
    document = board.document
    found = texts(config_of_board(board)) | _taken_away(board)
    # In the order of a board file, where the pins come before what hangs on them.
    order = list(dict.fromkeys(key.partition(".")[0] for key in found))
    found = dict(sorted(found.items(), key=lambda item: order.index(item[0].partition(".")[0])))
    return Source(
        BOARD,
        f'Board "{board.name}" ({board.chip})',
        document.files,
        tuple(_values(found, document, defaults())),
    )


def of_protocol(protocol: Protocol) -> Source:
    """The values of a checked protocol file."""
    values = []
    head = protocol.document.table("protocol")
    values.append(_value("protocol.name", protocol.name, "", head, "name"))
    for number, (zone, table) in enumerate(zip(protocol.zones, protocol.tables, strict=True), 1):
        values += [
            _value(f"zone.{number}.{key}", text, "", table, key)
            for key, text in zone_texts(zone).items()
        ]
    return Source(
        PROTOCOL, f'Protocol "{protocol.name}"', protocol.document.files, tuple(values)
    )


def of_device(config: DeviceConfig, name: str) -> Source:
    """The values of a compiled config; `name` says where it was read."""
    known = defaults()
    values = [Value(key, text, known.get(key, ""), name) for key, text in texts(config).items()]
    return Source(
        COMPILED,
        f'Config of "{config.name}" ({config.chip})',
        (name,),
        tuple(values),
        (*config.notes, _certificate_said(config)),
    )


def _certificate_said(config: DeviceConfig) -> str:
    if not config.certificate:
        return "It has no certificate."
    figures = certificate_figures(config.certificate)
    if figures is None:
        return "It has a certificate of another version."
    plants, peak_pa, settle_ms = figures
    return (
        f"Certificate: {plants} plants, worst peak {quantity.text(peak_pa, 'Pa')}, worst "
        f"settling {quantity.text(settle_ms, 'ms')}."
    )


def of_defaults() -> Source:
    """What a board file that states nothing comes to."""
    values = [Value(key, text, text) for key, text in defaults().items()]
    return Source(BOARD, "The defaults", (), tuple(values))


def defaults() -> dict[str, str]:
    """The default of every key that has one, in the order of a board file."""
    found = {f"wiring.{fact.key}": fact.text(fact.default) for fact in FACT_ROWS}
    for row in SETTING_ROWS:
        found[f"{row.table}.{row.key}"] = quantity.text(row.default, row.unit)
    return found


def nominal_plant() -> dict[str, str]:
    """What the simulator takes for a plant value that is not stated."""
    return {f"plant.{row.key}": quantity.text(row.default, row.unit) for row in PLANT_ROWS}


def _taken_away(board: Board) -> dict[str, str]:
    """Roles whose pin a file takes away from one that it extends."""
    pins = board.document.table("pins")
    return {
        f"pins.{role}": NO_PIN_TEXT
        for role, *_ in ROLES
        if pins.has(role) and getattr(board.wiring, role) == NO_PIN
    }


def _values(
    found: Mapping[str, str], document: Document, known: Mapping[str, str]
) -> list[Value]:
    values = []
    for path, text in found.items():
        table, _, key = path.partition(".")
        values.append(_value(path, text, known.get(path, ""), document.table(table), key))
    return values


def _value(path: str, text: str, default: str, table: Table, key: str) -> Value:
    places = table.places(key)
    if not places:
        return Value(path, text, default)
    (file, line), *over = places
    return Value(path, text, default, file, line, tuple(over))
