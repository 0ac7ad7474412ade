"""`esp32` of a virtual board: what little of it is needed."""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors

from emery.virtual_board.on_board import flash


class Partition:
    """The partition of the file system."""

    BOOT, RUNNING = 0, 1
    TYPE_APP, TYPE_DATA = 0, 1

    def __init__(self, id="vfs", block_size=4096) -> None:  # noqa: A002
        self._device = flash.DEVICE

    @classmethod
    def find(cls, type=1, subtype=255, label=None, block_size=4096):  # noqa: A002
        """All partitions of that kind."""
        if type == cls.TYPE_DATA and label in (None, "vfs"):
            return [cls()]
        return []

    def info(self):
        """Type, subtype, address, size, label, encrypted."""
        return (1, 129, 0x200000, self._device.ioctl(4, 0) * 4096, "vfs", False)

    def readblocks(self, block_num, buf, offset=0):
        """Read."""
        return self._device.readblocks(block_num, buf, offset)

    def writeblocks(self, block_num, buf, offset=None):
        """Program; erases first if no offset is given."""
        return self._device.writeblocks(block_num, buf, offset)

    def ioctl(self, op, arg=0):
        """The block protocol's questions."""
        return self._device.ioctl(op, arg)
