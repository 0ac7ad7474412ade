"""The device's own ledger, as `firmware.config_ledger` keeps it: which configs, from whom."""

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from firmware.config_ledger import WHO_BYTES, WHY_BYTES

_ENTRY = struct.Struct(f"<III8s{WHO_BYTES}s{WHY_BYTES}sI")
_DIGEST_DIGITS = 16


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """One config that the device has had. `digest` is the first 16 digits of its SHA-256,
    `boots` the number of starts then, `when` None where the device was not told."""

    number: int
    boots: int
    when: datetime | None
    digest: str
    who: str
    why: str


def entries_of(blob: bytes) -> list[DeviceEntry]:
    """The entries of a `blob ledger`, the oldest first."""
    whole = len(blob) // _ENTRY.size * _ENTRY.size
    return [
        DeviceEntry(
            number=number,
            boots=boots,
            when=datetime.fromtimestamp(epoch_s, UTC) if epoch_s else None,
            digest=digest.hex(),
            who=_words(who),
            why=_words(why),
        )
        for number, boots, epoch_s, digest, who, why, _ in _ENTRY.iter_unpack(blob[:whole])
    ]


def digest_of(config: bytes) -> str:
    """How `hello` and the ledger name a compiled config."""
    return hashlib.sha256(config).hexdigest()[:_DIGEST_DIGITS]


def _words(kept: bytes) -> str:
    return kept.rstrip(b"\x00").decode("ascii", "replace").replace("_", " ")
