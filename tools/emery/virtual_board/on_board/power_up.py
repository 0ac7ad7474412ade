"""The interpreter of a virtual board comes up: from here on it behaves as a board."""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors
# ruff: noqa: PTH123, SIM105, SIM115, T201, UP032

import _thread
import gc
import io
import os
import select
import sys
import time  # the interpreter's own: the board's takes its place later

import micropython
import vfs

from emery.virtual_board.on_board import (
    board_micropython,
    board_os,
    board_sys,
    chip_facts,
    clock,
    flash,
    machine,
    ops,
)
from emery.virtual_board.on_board.prompt import Prompt, SoftReset
from emery.virtual_board.on_board.wire import LINE

# A call that main has not taken by then finds it outside Python.
_PATIENCE_MS = 20


def _helper(descriptor: int) -> None:
    """The second thread: announces the calls that fall due while main computes."""
    line = open(descriptor, "r+b")
    head = bytearray(ops.RECORD)
    snapshot = bytearray(ops.SNAPSHOT)
    schedule = micropython.schedule
    scheduled = LINE.scheduled
    sleep_ms = time.sleep_ms
    while line.readinto(head) == ops.RECORD:  # else the host is gone
        line.readinto(snapshot)
        number = LINE.announce(head, snapshot)
        try:
            schedule(scheduled, number)
        except RuntimeError:
            pass
        for _ in range(_PATIENCE_MS):
            if not LINE.is_open(number):
                break
            sleep_ms(1)
        else:
            if not LINE.busy:
                _in_place_of_main(number)
    _end_process()


# The host is gone, and the program may be in a loop: no way out but this one. Taken
# from the real module, before the board's own is in its place.
_system = os.system


def _end_process() -> None:
    _system("kill -9 $PPID")


_stand_in = _thread.allocate_lock()


def _in_place_of_main(number: int) -> None:
    """Main is in a system call. If it comes back meanwhile it waits at the line."""
    _stand_in.acquire()
    me = _thread.get_ident()

    def wait() -> None:
        if _thread.get_ident() != me:
            _stand_in.acquire()
            _stand_in.release()

    LINE.main_waits = wait
    try:
        LINE.scheduled(number)
    finally:
        LINE.main_waits = None
        _stand_in.release()


def _report(error: BaseException) -> None:
    text = io.StringIO()
    sys.print_exception(error, text)
    for line in text.getvalue().split("\n")[:-1]:
        if "emery/virtual_board/on_board/" not in line:
            print(line)


def _mount(chip: str) -> None:
    """The file system at the root; a blank flash is formatted, as by the ports."""
    _, program = chip_facts.FLASH_LAYOUT[chip]
    device = flash.DEVICE
    made = False
    try:
        system = vfs.VfsLfs2(device, progsize=program)
    except OSError:
        if chip != "rp2040":
            first = bytearray(4096)
            device.readblocks(0, first)
            while first != b"\xff" * 4096:
                print("The filesystem appears to be corrupted.")
                clock.sleep(3)
        vfs.VfsLfs2.mkfs(device, progsize=program)
        system = vfs.VfsLfs2(device, progsize=program)
        made = True
    vfs.umount("/")
    vfs.mount(flash.FileSystem(system), "/")
    os.chdir("/")
    if made and chip != "rp2040":
        with open("boot.py", "w") as file:
            file.write("# This file is executed on every boot\n")


def power_up(arguments: list, main: dict) -> None:
    """Become a board. `main` is where programs run.

    Arguments: the tree of these modules, chip, file descriptors of the line, of the
    helper's line and of the flash image, 1 for the raw REPL, the chip's number in hex.
    """
    chip = arguments[2]
    line = open(int(arguments[3]), "r+b")
    LINE.connect(line.write, line.readinto, _report)
    flash.DEVICE.open(open(int(arguments[5]), "rb"), chip_facts.FLASH_LAYOUT[chip][0])
    raw = int(arguments[6])
    stdin = sys.stdin.buffer
    poller = select.poll()
    poller.register(stdin, select.POLLIN)
    output = sys.stdout.buffer

    def waiting() -> bytearray:
        left = bytearray()
        while poller.poll(0):
            one = stdin.read(1)
            if not one:
                break
            left += one
        return left

    def write(text) -> None:
        # The host puts a carriage return before a line feed that has none.
        output.write(text)

    for name, module in (
        ("machine", machine),
        ("time", clock),
        ("sys", board_sys),
        ("os", board_os),
        ("micropython", board_micropython),
    ):
        sys.modules[name] = sys.modules["u" + name] = module
    if chip == "rp2040":
        from emery.virtual_board.on_board import rp2

        sys.modules["rp2"] = rp2
    else:
        from emery.virtual_board.on_board import esp32

        sys.modules["esp32"] = esp32
    _mount(chip)
    _thread.start_new_thread(_helper, (int(arguments[4]),))
    sys.argv[:] = []
    sys.path[:] = ["", ".frozen", "/lib"]
    main.clear()
    main["__name__"] = "__main__"
    banner = "MicroPython {}; {}\r\nType \"help()\" for more information.\r\n".format(
        board_os.NAME.version, board_os.NAME.machine
    )
    prompt = Prompt(main, banner, raw, write, waiting)
    gc.collect()
    try:
        if prompt.run_file("boot.py") and not prompt.raw:
            prompt.run_file("main.py")
        while True:
            try:
                prompt.serve()
            except KeyboardInterrupt:
                pass  # it was for a program that has ended
    except SoftReset:
        pass
    # What a board's own sweep does: files that are still open are closed.
    main.clear()
    gc.collect()
    LINE.ask(ops.OP_SOFT_RESET, 0, 0, prompt.raw)

