"""One start of a board under MicroPython, with littlefs on flash that may lose its power.

    micropython boot_once.py IMAGE CUT SEED

Mounts the image, runs `/boot.py` and `/main.py` as a board does, and ends where a board
would be in the REPL. In the flash operation CUT (from 0) the process is killed, half-way
through a program or erase; -1 for none. `machine` is nothing but a reset here, which
ends the process with code 3.
"""
# ruff: noqa: PTH123, RUF012, SIM115, T201 - it runs under MicroPython

import os
import random
import sys

import vfs  # type: ignore[import-not-found]

BLOCK = 4096


class Flash:
    """NOR flash in a file: a program clears bits, an erase sets those of a block."""

    def __init__(self, path: str, cut: int) -> None:
        self.file = open(path, "r+b")
        self.blocks = self.file.seek(0, 2) // BLOCK
        self.left = cut

    def readblocks(self, block: int, buffer: bytearray, offset: int = 0) -> None:
        self.file.seek(block * BLOCK + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block: int, buffer: bytearray, offset: int = 0) -> None:
        cut = self._is_cut()
        length = len(buffer)
        self.file.seek(block * BLOCK + offset)
        now = bytearray(length)
        self.file.readinto(now)
        done = random.randrange(length + 1) if cut else length
        for at in range(done):
            now[at] &= buffer[at]
        if done < length:
            now[done] &= buffer[done] | random.getrandbits(8)
        self._put(block * BLOCK + offset, now, cut)

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == 4:
            return self.blocks
        if operation == 5:
            return BLOCK
        if operation == 6:
            cut = self._is_cut()
            erased = bytearray(b"\xff" * BLOCK)
            if cut:
                self.file.seek(argument * BLOCK)
                self.file.readinto(erased)
                for at in range(BLOCK):
                    if random.getrandbits(1):
                        erased[at] |= random.getrandbits(8)
            self._put(argument * BLOCK, erased, cut)
        return 0

    def _is_cut(self) -> bool:
        self.left -= 1
        return self.left == -1

    def _put(self, at: int, content: bytearray, cut: bool) -> None:
        self.file.seek(at)
        self.file.write(content)
        self.file.flush()
        if cut:
            os.system("kill -9 $PPID")


class Any:
    """Pins, timers and what else is only set up here."""

    IN = PULL_DOWN = PERIODIC = SOFT_RESET = 0

    def __init__(self, *arguments, **named) -> None:  # type: ignore[no-untyped-def]
        pass


class Machine:
    """`machine`."""

    Pin = Timer = WDT = Any
    SOFT_RESET = 5
    mem32 = {0x40058000: 0}

    def reset(self) -> None:
        sys.exit(3)


class System:
    """`sys`, of a chip."""

    platform = "rp2"

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(sys, name)


flash = Flash(sys.argv[1], int(sys.argv[2]))
random.seed(int(sys.argv[3]))
system = vfs.VfsLfs2(flash, progsize=256, readsize=32, lookahead=32)
vfs.umount("/")
vfs.mount(system, "/")
os.chdir("/")
sys.path[:] = ["", "/lib"]
sys.modules["machine"] = Machine()  # type: ignore[assignment]
sys.modules["sys"] = System()  # type: ignore[assignment]
names = {"__name__": "__main__"}
for name in ("boot.py", "main.py"):
    with open(name) as file:
        source = file.read()
    exec(compile(source, name, "exec"), names)
print("OPERATIONS", -1 - flash.left)
