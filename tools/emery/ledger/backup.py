"""The config of a device as it was read before something was written to it.

The ledger has it too; this is the plain file, for the day on which nothing else works:
it is what lies on the device as config.bin.
"""

from pathlib import Path

from emery.ledger import durable, place
from emery.ledger.entry import digest


def keep(device_id: str, blob: bytes, at: str) -> Path:
    """Have a copy on the disk; its place. The same config is kept once a second at most.
    Raises LedgerError."""
    stamp = at.replace(":", "").replace("-", "")
    path = place.backup_folder(device_id) / f"{stamp}-{digest(blob)[:8]}.bin"
    durable.write_whole(path, blob)
    return path
