"""Where the result goes: [plant] of the board file, and the device's ledger.

In the file each value has its interval beside it. The file is checked as it would be
before anything is written.
"""

from datetime import UTC, datetime
from pathlib import Path

import tomlkit
from tomlkit.items import Item

from emery.config import edit, extends
from emery.config.document import Document, file_text
from emery.config.load import finished_board
from emery.identify.result import Identified
from emery.ledger import book
from emery.ledger.entry import Entry


def content_with(path: Path, result: Identified) -> str:
    """The board file with the result in it. Raises ConfigError if it would not do."""
    text = edit.with_values(file_text(path), result.board_values(), str(path))
    document = tomlkit.parse(text)
    today = datetime.now(UTC).date().isoformat()
    for key, remark in result.remarks().items():
        table, _, name = key.partition(".")
        place = document[table]
        item = place.get(name) if hasattr(place, "get") else None
        if isinstance(item, Item):
            item.comment(f"{today}: {remark}")
    text = tomlkit.dumps(document)
    finished_board(extends.joined(Document.from_bytes(text.encode(), str(path)), path))
    return text


def keep(
    device_id: str, blob: bytes, result: Identified, *, who: str, why: str, board: str
) -> Entry:
    """An entry in the device's ledger. Raises LedgerError."""
    extra = {"identify": result.document()}
    if board:
        extra["file"] = {"name": board}
    return book.append(
        device_id, what="identify", who=who, why=why, before=blob, after=blob, extra=extra
    )
