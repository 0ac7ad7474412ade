"""Which kind of file a document is, told by its tables."""

from emery.config.document import Document
from emery.config.problem import ConfigError, Problem
from emery.config.rows import SETTING_ROWS

BOARD = "board"
PROTOCOL = "protocol"

_PROTOCOL_TABLES = {"protocol", "zone"}
_BOARD_TABLES = {"board", "pins", "wiring", "plant"} | {row.table for row in SETTING_ROWS}


def kind_of(document: Document) -> str:
    """BOARD or PROTOCOL. Raises ConfigError if it is neither."""
    keys = set(document.keys())
    if keys & _PROTOCOL_TABLES:
        return PROTOCOL
    if keys & _BOARD_TABLES:
        return BOARD
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
