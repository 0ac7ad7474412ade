"""NOR flash in a file: bits can only be cleared, and a power cut may tear anything.

The file is as long as the chip's file system and outlives every interpreter. A
program or erase that is cut leaves a part of it done: of a program, the first bytes
and one that is half programmed; of an erase, bits that have come back at random.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

from emery.virtual_board.on_board.chip_facts import BLOCK

# W25Q16JV data sheet, typical: 0.4 ms for a page of 256 bytes, 45 ms for a sector.
PROGRAM_US_PER_PAGE = 400
ERASE_US = 1_000 * 45
_PAGE = 256


class PowerLost(Exception):
    """The supply went away in the middle of a flash operation."""


class Flash:
    """The flash of one board."""

    def __init__(self, path: Path, blocks: int, seed: int = 1) -> None:
        self.path = path
        self.size = blocks * BLOCK
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\xff" * self.size)
        elif path.stat().st_size != self.size:
            raise ValueError(
                f"{path} has {path.stat().st_size} bytes, not the {self.size} of this chip's "
                f"flash. Use the folder of a board of the same chip, or an empty one."
            )
        self.descriptor = os.open(path, os.O_RDWR)
        self.programs = 0
        self.erases = 0
        self.erases_of = [0] * blocks
        self._random = random.Random(seed)
        self._cut_after = -1  # operations until the power is cut
        self.on_operation: Callable[[str, int, int], None] | None = None

    @property
    def operations(self) -> int:
        """Programs and erases so far."""
        return self.programs + self.erases

    def close(self) -> None:
        """Close the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def cut_at(self, operation: int) -> None:
        """Tear the n-th operation from now (1: the next)."""
        self._cut_after = operation

    def program(self, offset: int, data: bytes) -> int:
        """Program; how many us it takes. Raises PowerLost half-way through."""
        self._check(offset, len(data))
        self.programs += 1
        cut = self._is_cut()
        now = os.pread(self.descriptor, len(data), offset)
        done = self._random.randrange(len(data) + 1) if cut else len(data)
        # AND of all the bytes at once.
        after = bytearray(
            (int.from_bytes(now, "little") & int.from_bytes(data, "little")).to_bytes(
                len(data), "little"
            )
        )
        if cut:
            after[done:] = now[done:]
            if done < len(data):
                after[done] &= data[done] | self._random.getrandbits(8)
        os.pwrite(self.descriptor, after, offset)
        if cut:
            raise PowerLost
        if self.on_operation is not None:
            self.on_operation("program", offset, len(data))
        return -(-len(data) // _PAGE) * PROGRAM_US_PER_PAGE

    def erase(self, offset: int) -> int:
        """Erase one block; how many us it takes. Raises PowerLost half-way through."""
        self._check(offset, BLOCK)
        self.erases += 1
        self.erases_of[offset // BLOCK] += 1
        if self._is_cut():
            after = bytearray(os.pread(self.descriptor, BLOCK, offset))
            for place in range(BLOCK):
                if self._random.getrandbits(1):
                    after[place] |= self._random.getrandbits(8)
            os.pwrite(self.descriptor, after, offset)
            raise PowerLost
        os.pwrite(self.descriptor, b"\xff" * BLOCK, offset)
        if self.on_operation is not None:
            self.on_operation("erase", offset, BLOCK)
        return ERASE_US

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or offset + length > self.size:
            raise ValueError(f"flash offset {offset} with {length} bytes is outside the flash")

    def _is_cut(self) -> bool:
        if self._cut_after < 0:
            return False
        self._cut_after -= 1
        if self._cut_after > 0:
            return False
        self._cut_after = -1
        return True
