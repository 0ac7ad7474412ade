"""What a calibration found, offered: shown beside what there is, and then put where it is
wanted: on the device, with a certificate and an entry in its ledger, and into the board
file, so that a flash does not bring the old values back.

The file is checked first, the device comes next, and the file last: whatever is refused on
the way leaves both as they were.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emery.config import edit
from emery.config.compiled import config_of_board, decompile, texts
from emery.config.load import load_board
from emery.config.plant import PLANT_ROWS, encode_plant
from emery.config.rows import SETTING_ROWS
from emery.ledger import book, keys, table
from emery.transfer import bring
from emery.transfer.serviced import Serviced
from firmware import config_file
from firmware.settings import Settings, encode


@dataclass(frozen=True, slots=True)
class Measured:
    """What a procedure found. `names` are the settings that it has measured, changed or
    not; `plant` is the same of the pneumatics, by the simulator's names, each with what
    another value may differ by and still be the same; `extra` goes into the ledger."""

    text: str
    settings: Settings
    names: Collection[str]
    plant: Mapping[str, tuple[float, float]]
    extra: dict[str, Any]

    def of_plant_but(self, known: Mapping[str, float]) -> dict[str, float]:
        """What of the plant is not known already as well as it was measured here: one that
        was identified is known better."""
        return {
            name: value
            for name, (value, same) in self.plant.items()
            if name not in known or abs(value - known[name]) > same
        }


@dataclass(frozen=True, slots=True)
class Offer:
    """The device's config with what was measured, and what differs from the one before."""

    found: Measured
    after: bytes
    changes: list[keys.Change]

    @classmethod
    def of(cls, blob: bytes, found: Measured) -> "Offer":
        """For a device with this config."""
        after = config_file.with_settings(blob, encode(found.settings))
        known = decompile(blob).plant
        new = found.of_plant_but(known)
        if new:
            after = config_file.with_section(
                after, config_file.PLANT, encode_plant({**known, **new})
            )
        return cls(found, after, keys.changes(blob, after))

    def values_for(self, path: Path) -> dict[str, str]:
        """What of it a board file has otherwise, by its keys. Raises ConfigError."""
        board = load_board(path)
        there, now = texts(config_of_board(board)), keys.values(self.after)
        new = self.found.of_plant_but(board.plant)
        measured = [
            f"{row.table}.{row.key}" for row in SETTING_ROWS if row.name in self.found.names
        ]
        measured += [f"plant.{row.key}" for row in PLANT_ROWS if row.name in new]
        return {key: now[key] for key in measured if there.get(key) != now[key]}

    def shown(self) -> str:
        """Before and after."""
        return "offered:\n" + table.difference(self.changes)


def put(
    device: Serviced,
    offer: Offer,
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
    values = offer.values_for(path) if path is not None else {}
    # What [plant] says of a value that was measured before is not true of this one.
    today = datetime.now(UTC).date().isoformat()
    remarks = {key: f"{today}: emery calibrate" for key in values if key.startswith("plant.")}
    if path is not None and values:
        edit.content_with(path, values, remarks)  # it could take them
    bring.put(
        device, offer.after, what="calibrate", who=who, why=why, extra=extra, show=show, say=tell
    )
    if path is not None and values:
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
