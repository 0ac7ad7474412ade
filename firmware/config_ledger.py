"""The device's own ledger: which configs it has had lately, from whom, and why.

The host keeps the full one (`emery config history`); this short one stays with the
device, whichever computer it is connected to. The last LEDGER_ENTRIES configs that were
written over the link are in it, and those that a start found without having been told of
them: flashed, or copied by hand.

It is committed after the config, so that it never tells of what did not happen. If the
power fails between the two, the next start finds a config that the newest entry does not
name, and adds it. Such a start imports this module, and the link once it is asked for it,
but not while somebody is treated.

Form of the record, little-endian: first 8 bytes of the newest config's SHA-256 (all that a
start has to look at) | entries, oldest first. An entry: u32 number | u32 starts so
far | u32 seconds of the Unix epoch, 0 if unknown | first 8 bytes of the config's SHA-256 |
12-byte who | 24-byte why | u32 CRC-32 of the entry before it.
"""

import struct
from binascii import crc32, hexlify, unhexlify

from micropython import const

from hal.contract import Storage, StorageRefused

LEDGER_ENTRIES = const(16)
WHO_BYTES = const(12)
WHY_BYTES = const(24)
# Who and why of what nobody told the device of.
BY_ITSELF = "device"
SEEN = "seen_at_start"

_DIGEST_BYTES = const(8)
_ENTRY_LENGTH = const(60)
_ENTRY_CRC = const(4)
_CONFIG_AT = const(12)
_NUMBER_MASK = const(0xFFFFFFFF)


def entries(storage: Storage) -> bytes:
    """All intact entries, oldest first; b"" if there are none or they cannot be read."""
    try:
        record = storage.load()
    except OSError:
        return b""
    kept = bytearray()
    for at in range(_DIGEST_BYTES, len(record) - _ENTRY_LENGTH + 1, _ENTRY_LENGTH):
        crc_at = at + _ENTRY_LENGTH - _ENTRY_CRC
        if crc32(record[at:crc_at]) == struct.unpack_from("<I", record, crc_at)[0]:
            kept.extend(record[at : at + _ENTRY_LENGTH])
    return bytes(kept)


def newest(storage: Storage) -> str:
    """The config of the newest entry, as 16 hex digits; "" if there is none."""
    kept = entries(storage)
    at = len(kept) - _ENTRY_LENGTH + _CONFIG_AT
    return hexlify(kept[at : at + _DIGEST_BYTES]).decode() if kept else ""


def append(
    storage: Storage, boots: int, epoch_s: int, digest: str, who: str, why: str
) -> bool:
    """Add that the config is now the one of `digest` (16 hex digits). True if it is kept:
    after a power cut it is the old ledger or the new one."""
    before = entries(storage)
    number = struct.unpack_from("<I", before, len(before) - _ENTRY_LENGTH)[0] if before else 0
    config = unhexlify(digest)
    body = struct.pack(
        "<III8s12s24s", number + 1 & _NUMBER_MASK, boots, epoch_s, config, who.encode(),
        why.encode(),
    )
    keep = (LEDGER_ENTRIES - 1) * _ENTRY_LENGTH
    record = config + before[-keep:] + body + struct.pack("<I", crc32(body))
    try:
        storage.commit(record)
    except (OSError, StorageRefused):
        return False
    return True
