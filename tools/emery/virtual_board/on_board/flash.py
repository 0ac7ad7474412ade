"""The flash as a block device for littlefs, and the file system on it.

Reading goes straight to the image file; programming and erasing go by the host,
which lets bits only be cleared, and may cut the power in the middle. Nothing here
allocates: files may be closed while garbage is collected.
"""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors

from emery.virtual_board.on_board import ops
from emery.virtual_board.on_board.chip_facts import BLOCK
from emery.virtual_board.on_board.wire import LINE

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
        self._file.seek(block * BLOCK + offset)
        self._file.readinto(buffer)
        return 0

    def writeblocks(self, block, buffer, offset=None):
        """Program; erases first if no offset is given."""
        if offset is None:
            LINE.ask(ops.OP_FLASH_ERASE, 0, 0, block * BLOCK)
            offset = 0
        LINE.ask_data(ops.OP_FLASH_PROGRAM, 0, block * BLOCK + offset, buffer, None)
        return 0

    def ioctl(self, what, argument=0):
        """The block protocol's questions."""
        if what == _COUNT_BLOCKS:
            return self._blocks
        if what == _BLOCK_SIZE:
            return BLOCK
        if what == _ERASE_BLOCK:
            LINE.ask(ops.OP_FLASH_ERASE, 0, 0, argument * BLOCK)
        return 0


DEVICE = BlockDevice()


class FileSystem:
    """littlefs, with a place before each operation where Ctrl-C may strike: within
    one it may not."""

    def __init__(self, system) -> None:
        self._system = system

    def __repr__(self):
        return "<VfsLfs2>"

    def open(self, path, mode):
        """A file."""
        LINE.raise_kept_interrupt()
        return self._system.open(path, mode)

    def ilistdir(self, path=""):
        """What is in a folder."""
        LINE.raise_kept_interrupt()
        return self._system.ilistdir(path)

    def mkdir(self, path):
        """Make a folder."""
        LINE.raise_kept_interrupt()
        self._system.mkdir(path)

    def rmdir(self, path):
        """Remove an empty folder."""
        LINE.raise_kept_interrupt()
        self._system.rmdir(path)

    def remove(self, path):
        """Remove a file."""
        LINE.raise_kept_interrupt()
        self._system.remove(path)

    def rename(self, old, new):
        """Rename, over what is there."""
        LINE.raise_kept_interrupt()
        self._system.rename(old, new)

    def stat(self, path):
        """Kind and size."""
        return self._system.stat(path)

    def statvfs(self, path):
        """Blocks, and how many are free."""
        return self._system.statvfs(path)

    def chdir(self, path):
        """Go to a folder."""
        self._system.chdir(path)

    def getcwd(self):
        """Where we are."""
        return self._system.getcwd()

    def mount(self, readonly, mkfs):
        """Begin."""
        self._system.mount(readonly, mkfs)

    def umount(self):
        """End."""
        self._system.umount()
