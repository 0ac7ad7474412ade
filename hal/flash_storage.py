"""One small record in two files, written in turn: the storage of a real board.

A commit goes to the place that does not hold the newest record, is closed and
read back. So the record before it stays whole until the new one is whole, and
nothing has to be renamed. At load the newest intact record wins.

Form of a place, little-endian: u32 sequence | record | u32 CRC-32 of all before
it. An empty file is one whose first write never came to an end: no record.

What cannot be known: of two places of which one is damaged, which was the newer.
littlefs keeps a file whole through a power cut, so that a damaged one is flash
that lost its charge; the record that is left may then be one commit old.

Wear. littlefs keeps a file this small inside its folder's pair of blocks and
appends every write to it, rounded up to the program size: 256 bytes on the
RP2040, 32 on the ESP32 (`_boot.py` of the ports). Only a block that is full is
compacted into its twin, which is one erase of 4 kB, and after 100 of them the pair
moves to other blocks. host_tests/unit/test_flash_storage.py counts on littlefs
itself: an erase for every 15 commits on the RP2040, for every 39 on the ESP32.
Eight sessions of the longest kind a day, of 98 commits each (see
firmware/storage.py), are 2.9 million commits in ten years and so 190 000 erases.
Spread over 64 free blocks that is 3 000 each, of the 100 000 that the W25Q16JV data
sheet promises: 33 times what is needed. [E]
"""

import os
import struct
from binascii import crc32

from micropython import const

from hal.contract import Storage, StorageRefused

_NO_SUCH_FILE = const(2)
_EIO = const(5)
_SEQUENCE_BYTES = const(4)
_SUM_BYTES = const(4)
# No record of this firmware comes near; a longer file is not read to its end.
_FILE_HIGHEST_BYTES = const(1024)
_SEQUENCE_MASK = const(0xFFFFFFFF)
_HALF_WAY = const(0x80000000)  # sequences wrap: less than this ahead is newer


class FlashStorage(Storage):
    """A `hal.contract.Storage` in the files `name`.0 and `name`.1 of `folder`.

    `board` is the one whose outputs must be safe for a commit; it stops its
    tick for it (`open_storage_window`). The folder is made by the first commit.
    """

    def __init__(self, folder: str, name: str, board) -> None:  # type: ignore[no-untyped-def]
        self._folder = folder
        self._paths = (folder + "/" + name + ".0", folder + "/" + name + ".1")
        self._board = board
        self._is_read = False
        self._newest = 1  # the place that the next commit leaves alone
        self._sequence = 0

    def load(self) -> bytes:
        """The newest intact record, or b"" if none was ever committed.

        OSError if there is something, and nothing of it is intact.
        """
        record = b""
        is_found = False
        is_damaged = False
        self._newest = 1
        self._sequence = 0
        for place in range(2):
            content = _content(self._paths[place])
            if not content:
                continue
            if not _is_intact(content):
                is_damaged = True
                continue
            sequence = struct.unpack_from("<I", content, 0)[0]
            if is_found and (sequence - self._sequence) & _SEQUENCE_MASK >= _HALF_WAY:
                continue
            is_found = True
            self._newest = place
            self._sequence = sequence
            record = content[_SEQUENCE_BYTES : len(content) - _SUM_BYTES]
        self._is_read = True
        if is_damaged and not is_found:
            raise OSError(_EIO, "both places of " + self._paths[0][:-2] + " are damaged")
        return record

    def commit(self, record: bytes) -> None:
        """Keep `record`. StorageRefused and OSError as in `hal.contract.Storage`;
        OSError, too, if the record does not read back."""
        if not self._board.open_storage_window():
            raise StorageRefused("the board's outputs are not safe")
        try:
            self._write(record)
        finally:
            self._board.close_storage_window()

    def _write(self, record: bytes) -> None:
        if not self._is_read:
            try:
                self.load()
            except OSError:
                # Both damaged: the next two commits write over them.
                self._is_read = True
        place = 1 - self._newest
        sequence = (self._sequence + 1) & _SEQUENCE_MASK
        content = struct.pack("<I", sequence) + record
        content += struct.pack("<I", crc32(content))
        path = self._paths[place]
        try:
            file = open(path, "wb")
        except OSError as error:
            if error.args[0] != _NO_SUCH_FILE:
                raise
            os.mkdir(self._folder)
            file = open(path, "wb")
        # Closed here and not by the garbage collector, which would write at some
        # other time; and closed whatever happens.
        try:
            file.write(content)
        finally:
            file.close()
        if _content(path) != content:
            raise OSError(_EIO, path + " does not read back as it was written")
        self._newest = place
        self._sequence = sequence


def _content(path: str) -> bytes:
    """All of a file, b"" if there is none, b"?" if it cannot be read."""
    try:
        file = open(path, "rb")
    except OSError as error:
        return b"" if error.args[0] == _NO_SUCH_FILE else b"?"
    try:
        return file.read(_FILE_HIGHEST_BYTES)
    except OSError:
        return b"?"
    finally:
        file.close()


def _is_intact(content: bytes) -> bool:
    length = len(content) - _SUM_BYTES
    if length < _SEQUENCE_BYTES:
        return False
    return crc32(content[:length]) == struct.unpack_from("<I", content, length)[0]
