"""Which kind of file a document is, told by its tables."""

from pathlib import Path

from emery.config import extends
from emery.config.document import Document
from emery.config.problem import ConfigError, Problem
from emery.config.rows import SETTING_ROWS

BOARD = "board"
PROTOCOL = "protocol"

_TABLES = {
    PROTOCOL: {"protocol", "zone"},
    BOARD: {"board", "pins", "wiring", "plant"} | {row.table for row in SETTING_ROWS},
}


def read_as(kind: str, path: Path | str) -> Document:
    """The document in a file, with what it extends. Raises ConfigError if it cannot be
    read, or is of the other kind: then each of its keys would be told as a mistake."""
    document = extends.read(path)
    keys = set(document.keys())
    other = PROTOCOL if kind == BOARD else BOARD
    if keys & _TABLES[other] and not keys & _TABLES[kind]:
        what = f"is a {other} file"
        problem = Problem(
            document.file, 0, 0, "", what, f"a {kind} file", f"Name a {kind} file."
        )
        raise ConfigError([problem])
    return document


def kind_of(document: Document) -> str:
    """BOARD or PROTOCOL. Raises ConfigError if it is neither."""
    keys = set(document.keys())
    for kind, tables in _TABLES.items():
        if keys & tables:
            return kind
    raise ConfigError(
        [
            Problem(
                document.file, 1, 1, "",
                "is neither a board nor a protocol",
                "[board], or [protocol] with its [[zone]] tables",
                "Start from a file in board_configs/.",
            )
        ]
    )  # fmt: skip
