"""The flash as a block device for littlefs.

Reading goes straight to the image file; programming and erasing go by the host,
which lets bits only be cleared, and may cut the power in the middle. Nothing here
allocates: files may be closed while garbage is collected.
"""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors

from emery.virtual_board.on_board import ops
from emery.virtual_board.on_board.wire import LINE

_BLOCK = 4096
_COUNT_BLOCKS = 4
_BLOCK_SIZE = 5
_ERASE_BLOCK = 6


class BlockDevice:
    """Blocks of 4 kB of an open image file."""

    def __init__(self) -> None:
        self._file = None
        self._blocks = 0

    def open(self, file, blocks: int) -> None:
        """Read from this file."""
        self._file = file
        self._blocks = blocks

    def readblocks(self, block, buffer, offset=0):
        """Read into `buffer`."""
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buffer)
        return 0

    def writeblocks(self, block, buffer, offset=None):
        """Program; erases first if no offset is given."""
        if offset is None:
            LINE.ask(ops.OP_FLASH_ERASE, 0, 0, block * _BLOCK)
            offset = 0
        LINE.ask_data(ops.OP_FLASH_PROGRAM, 0, block * _BLOCK + offset, buffer, None)
        return 0

    def ioctl(self, what, argument=0):
        """The block protocol's questions."""
        if what == _COUNT_BLOCKS:
            return self._blocks
        if what == _BLOCK_SIZE:
            return _BLOCK
        if what == _ERASE_BLOCK:
            LINE.ask(ops.OP_FLASH_ERASE, 0, 0, argument * _BLOCK)
        return 0


DEVICE = BlockDevice()
