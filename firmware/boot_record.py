"""The boot record: how the last starts went.

Every start is counted before anything else is tried, and stands as a bad one until
the firmware has seen itself healthy. After three bad starts in a row, or three runs
that ended with an exception, the next start is SERVICE: outputs safe, no watchdog,
and reachable. SERVICE seen healthy forgets both.

Form, little-endian: u32 starts so far | u8 starts in a row without a health mark |
u8 runs in a row that ended with an exception | 8 x u8 reset causes, the newest first |
what the last exception said, UTF-8. The storage adds sequence and CRC.
"""

import struct

from micropython import const

from hal.contract import RESET_UNKNOWN, Storage, StorageRefused

_FORM = "<IBB8s"
CAUSES = const(8)
MOST_BAD = const(3)
_HIGHEST = const(255)
_STARTS_MASK = const(0x3FFFFFFF)
_TEXT_LONGEST = const(160)


class BootRecord:
    """The record, kept in `storage`. Nothing here raises: a device whose record cannot
    be kept starts all the same, and `is_kept` tells."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.boots = 0  # starts so far, this one too
        self.unmarked = 0  # starts in a row, this one too, that were not healthy (yet)
        self.crashes = 0  # runs in a row that ended with an exception
        self.causes = bytes([RESET_UNKNOWN] * CAUSES)  # RESET_, the newest first
        self.crash = ""  # what the last of them said
        self.is_kept = True
        self.needs_service = False

    def begin(self, reset_cause: int, is_new: bool = False) -> None:
        """Count this start. The bad ones before it were another's if `is_new`: the first
        start of a slot on trial."""
        try:
            self._take(self._storage.load())
        except (OSError, ValueError):
            self.crash = "the boot record was damaged"
        if is_new:
            self.unmarked = 0
            self.crashes = 0
        self.needs_service = self.unmarked >= MOST_BAD or self.crashes >= MOST_BAD
        self.boots = (self.boots + 1) & _STARTS_MASK
        self.unmarked = min(self.unmarked + 1, _HIGHEST)
        self.causes = bytes([reset_cause]) + self.causes[: CAUSES - 1]
        self._keep()

    def mark_healthy(self) -> None:
        """This start is a good one."""
        self.unmarked = 0
        if self.needs_service:
            self.crashes = 0
        self._keep()

    def note_crash(self, text: str) -> None:
        """A run ended with an exception, or its tick did."""
        self.crashes = min(self.crashes + 1, _HIGHEST)
        self.crash = text
        self._keep()

    def forget_crashes(self) -> None:
        """It has run well for long enough. `crash` stays, to be read."""
        self.crashes = 0
        self._keep()

    def _take(self, record: bytes) -> None:
        head = struct.calcsize(_FORM)
        if not record:
            return  # the first start of all
        if len(record) < head:
            raise ValueError
        self.boots, self.unmarked, self.crashes, self.causes = struct.unpack_from(
            _FORM, record, 0
        )
        self.crash = str(record[head:], "utf-8")

    def encode(self) -> bytes:
        """The record in the form told above."""
        record = struct.pack(_FORM, self.boots, self.unmarked, self.crashes, self.causes)
        return record + self.crash[-_TEXT_LONGEST:].encode()

    def _keep(self) -> None:
        try:
            self._storage.commit(self.encode())
            self.is_kept = True
        except (OSError, StorageRefused):
            self.is_kept = False
