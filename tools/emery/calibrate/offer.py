"""What a calibration found, offered: shown beside what there is, and then put where it is
wanted: on the device, with a certificate and an entry in its ledger, and into the board
file, so that a flash does not bring the old values back.

The file is checked first, the device comes next, and the file last: whatever is refused on
the way leaves both as they were.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emery.config import edit
from emery.config.compiled import decompile
from emery.config.plant import encode_plant
from emery.ledger import book, keys, table
from emery.transfer import bring
from emery.transfer.serviced import Serviced
from firmware import config_file
from firmware.settings import Settings, encode


def offered(
    blob: bytes, settings: Settings, plant: Mapping[str, float]
) -> tuple[bytes, list[keys.Change]]:
    """The device's config with other settings and more of its plant, and what differs."""
    after = config_file.with_settings(blob, encode(settings))
    if plant:
        known = encode_plant({**decompile(blob).plant, **plant})
        after = config_file.with_section(after, config_file.PLANT, known)
    return after, keys.changes(blob, after)


def shown(changes: list[keys.Change]) -> str:
    """Before and after."""
    return "offered:\n" + table.difference(changes)


def put(
    device: Serviced,
    after: bytes,
    changes: list[keys.Change],
    path: Path | None,
    *,
    who: str,
    why: str,
    extra: Mapping[str, Any],
    show: Callable[[float, str], None],
    tell: Callable[[str], None],
) -> None:
    """Put it on the device and into the file, and tell so. Raises what `push` does, and
    ConfigError."""
    values = {change.key: change.after for change in changes}
    # What [plant] says of a value that was measured before is not true of this one.
    today = datetime.now(UTC).date().isoformat()
    remarks = {key: f"{today}: emery calibrate" for key in values if key.startswith("plant.")}
    if path is not None:
        edit.content_with(path, values, remarks)  # it could take them
    bring.put(
        device, after, what="calibrate", who=who, why=why, extra=extra, show=show, say=tell
    )
    if path is not None and changes:
        backup = edit.set_values(path, values, remarks)
        tell(f"written: {path} (as it was: {backup.name})")


def noted(
    device_id: str,
    blob: bytes,
    who: str,
    why: str,
    extra: Mapping[str, Any],
    tell: Callable[[str], None],
) -> None:
    """Keep a measurement that changes nothing in the device's ledger. Raises LedgerError."""
    entry = book.append(
        device_id, what="calibrate", who=who, why=why, before=blob, after=blob, extra=extra
    )
    tell(f"kept: entry {entry.number} of its ledger")
