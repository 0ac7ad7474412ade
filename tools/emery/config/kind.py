"""Which kind of file a document is, told by its tables."""

from emery.config.document import Document
from emery.config.problem import ConfigError, Problem
from emery.config.rows import SETTING_ROWS

BOARD = "board"
PROTOCOL = "protocol"

TABLES = {
    PROTOCOL: {"protocol", "zone"},
    BOARD: {"board", "pins", "wiring", "plant"} | {row.table for row in SETTING_ROWS},
}


def kind_of(document: Document) -> str:
    """BOARD or PROTOCOL, "" if it has no table of either."""
    keys = set(document.keys())
    for kind, tables in TABLES.items():
        if keys & tables:
            return kind
    return ""


def known_kind(document: Document) -> str:
    """BOARD or PROTOCOL. Raises ConfigError if it is neither."""
    kind = kind_of(document)
    if kind:
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
