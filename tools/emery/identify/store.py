"""Where the result goes: [plant] of the board file, and the device's ledger.

In the file each value has its interval beside it. The file is checked as it would be
before anything is written.
"""

from datetime import UTC, datetime
from pathlib import Path

from emery.config import edit
from emery.identify.result import Identified
from emery.ledger import book
from emery.ledger.entry import Entry


def content_with(path: Path, result: Identified) -> str:
    """The board file with the result in it. Raises ConfigError if it would not do."""
    today = datetime.now(UTC).date().isoformat()
    remarks = {key: f"{today}: {remark}" for key, remark in result.remarks().items()}
    return edit.content_with(path, result.board_values(), remarks)


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
