"""The simulated `machine` inside this very process, for tests of device code on CPython.

    with inside.board("rp2040", wiring=wiring) as board:
        from hal.rp2040 import Rp2040Board        # imports machine, rp2, time, ...
        device = Rp2040Board(wiring, 5)
        ...
        board.run_for(20)                         # 20 ms of the board's time
        assert board.level(wiring.vent) == 0

No child process, no wall clock: time passes in `run_for` and in the sleeps of the
code under test, and each call costs its few microseconds. Timers call back from
there. `hal` and `firmware` see the board's modules and a file system of their own;
everybody else keeps those of CPython. Modules of `hal` are imported afresh for each
board. What CPython cannot show: the locked heap of a hard callback, and what
MicroPython itself does differently.
"""

import builtins
import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from emery.virtual_board.chips import CHIPS
from emery.virtual_board.flash import Flash
from emery.virtual_board.mcu import RESET, WATCHDOG, Mcu
from emery.virtual_board.on_board import chip_facts, ops
from emery.virtual_board.pins import Change, Pins
from emery.virtual_board.world import World
from hal.wiring import Wiring

_ON_BOARD = "emery.virtual_board.on_board."
_FRESH = ("wire", "machine", "clock", "rp2", "esp32", "flash")
_CHIP_MODULES = {"rp2040": "rp2", "esp32": "esp32", "esp32s3": "esp32"}
_DEVICE_CODE = ("hal", "firmware")
# Their classes are those of the tests as well.
_KEPT = ("hal", "hal.contract", "hal.wiring", "hal.mock")


class ResetAsked(BaseException):
    """The code under test has reset the chip, or the watchdog has; `why` says how.
    The pins are as that leaves them."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class InsideBoard:
    """The chip, as a test sees it. `machine`, `time` and `rp2` or `esp32` (`chip_module`)
    are the modules that device code imports; `files` is the folder of its files."""

    machine: Any
    time: Any
    chip_module: Any
    line: Any

    def __init__(self, mcu: Mcu, world: World, flash: Flash, files: Path) -> None:
        self.mcu = mcu
        self.world = world
        self.flash = flash
        self.files = files
        self.errors: list[BaseException] = []  # that callbacks let out

    @property
    def now_us(self) -> int:
        """The board's time."""
        return self.mcu.now_us

    @property
    def pins(self) -> Pins:
        """The pins of the chip."""
        return self.mcu.pins

    @property
    def trace(self) -> list[Change]:
        """Every change of what a pin gives out: (us, pin, permille)."""
        return self.mcu.pins.trace

    def level(self, pin: int) -> int:
        """What a meter at this pin shows, 0 or 1."""
        return self.mcu.pins.level(pin)

    def permille(self, pin: int) -> int:
        """What this pin gives out: 0, 1000, or a PWM's share between."""
        return self.mcu.pins[pin].permille

    def run_for(self, ms: float) -> None:
        """Let time pass; timers call back."""
        self.time.sleep_us(int(ms * 1000))

    def soft_reset(self) -> None:
        """What a soft reset does to the chip; make the code under test anew then."""
        self.mcu.soft_reset()
        self.line.timers.clear()
        self.mcu.start()

    def reset(self, why: str = "reset button") -> None:
        """What a reset does to the chip; make the code under test anew then."""
        chip = self.mcu.chip
        cause = {WATCHDOG: chip.watchdog_cause, RESET: chip.reset_cause}
        self.mcu.hard_reset(
            cause.get(why, chip.power_on_cause), why, power_lost=why.startswith("power cut")
        )
        self.line.timers.clear()
        self.line.busy = 0
        self.line.depth = 0
        self.mcu.start()

    # The line

    def send(self, buffer: Any, length: int) -> int:
        """Records of the code under test."""
        self.mcu.feed(bytes(memoryview(buffer).cast("B")[:length]))
        return length

    def receive(self, buffer: Any) -> int:
        """Answers to it, as many bytes as the buffer holds."""
        mcu = self.mcu
        wanted = len(buffer)
        while len(mcu.to_main) < wanted:
            if mcu.ended:
                why = mcu.ended
                self.reset(why)
                raise ResetAsked(why)
            before = mcu.now_us
            mcu.progress()
            if mcu.now_us == before and len(mcu.to_main) < wanted and not mcu.ended:
                raise RuntimeError(
                    "the code under test waits for what never comes: a state machine that "
                    "does not run, or a FIFO that stays full"
                )
        buffer[:] = mcu.to_main[:wanted]
        del mcu.to_main[:wanted]
        return wanted


@contextmanager
def board(
    chip: str,
    *,
    wiring: Wiring | None = None,
    world: World | None = None,
    folder: Path | None = None,
    on_error: Callable[[BaseException], None] | None = None,
) -> Iterator[InsideBoard]:
    """A chip in this process.

    Give a World, or a wiring to make the usual one of it. `folder` keeps the files
    of the device from one board to the next. An exception that a callback lets out
    goes to `errors` of the board, and to `on_error`.
    """
    before = {name: module for name, module in sys.modules.items() if _is_ours(name)}
    usual_import = builtins.__import__
    with tempfile.TemporaryDirectory(prefix="emery-inside-") as temporary:
        files = (folder or Path(temporary)) / "files"
        files.mkdir(parents=True, exist_ok=True)
        flash = Flash(files.parent / "flash.img", CHIPS[chip].flash_blocks)
        try:
            mcu = Mcu(
                CHIPS[chip], flash, world or World(wiring), fast=True, wall_us=lambda: 0
            )
            inside = InsideBoard(mcu, mcu.world, flash, files)

            def report(error: BaseException) -> None:
                inside.errors.append(error)
                if on_error is not None:
                    on_error(error)

            for name in before:
                del sys.modules[name]
            chip_facts.chosen[0] = chip
            mcu.start()
            inside.line = importlib.import_module(_ON_BOARD + "wire").LINE
            inside.line.connect(inside.send, inside.receive, report)
            inside.machine = importlib.import_module(_ON_BOARD + "machine")
            inside.time = importlib.import_module(_ON_BOARD + "clock")
            chip_name = _CHIP_MODULES[chip]
            inside.chip_module = importlib.import_module(_ON_BOARD + chip_name)
            served = _served(inside, chip_name)
            named_sys = ModuleType("sys")
            named_sys.implementation = SimpleNamespace(  # type: ignore[attr-defined]
                _machine=chip_facts.CHIP_FACTS[chip][1]
            )
            sys.modules["machine"] = inside.machine
            sys.modules[chip_name] = inside.chip_module

            def import_for_device(
                name: str, names: Any = None, *rest: Any, **more: Any
            ) -> ModuleType:
                importer = (names or {}).get("__name__", "") if names else ""
                if name == "sys" and importer == "hal.esp32":
                    return named_sys
                if name in served and importer.split(".")[0] in _DEVICE_CODE:
                    if name == "os":
                        names["open"] = served["open"]
                    return served[name]  # type: ignore[no-any-return]
                return usual_import(name, names, *rest, **more)

            builtins.__import__ = import_for_device  # type: ignore[assignment]
            yield inside
        finally:
            builtins.__import__ = usual_import
            flash.close()
            for name in [one for one in sys.modules if _is_ours(one)]:
                del sys.modules[name]
            sys.modules.update(before)


def _is_ours(name: str) -> bool:
    if name in ("machine", "rp2", "esp32") or name == "firmware.main":
        return True
    if name.startswith(_ON_BOARD):
        return name[len(_ON_BOARD) :] in _FRESH
    return name.startswith("hal.") and name not in _KEPT


def _served(inside: InsideBoard, chip_name: str) -> dict[str, Any]:
    """What device code gets when it imports these names."""
    usual = importlib.import_module("micropython")
    micropython = SimpleNamespace(**vars(usual))
    micropython.kbd_intr = lambda character: inside.line.ask(
        ops.OP_KBD_INTR, 0, character & 0xFFFF, 0
    )
    micropython.alloc_emergency_exception_buf = lambda size: None
    micropython.schedule = lambda function, argument: function(argument)

    def place(path: str) -> Path:
        return inside.files / path.lstrip("/")

    files = SimpleNamespace(
        mkdir=lambda path: place(path).mkdir(),
        remove=lambda path: place(path).unlink(),
        rmdir=lambda path: place(path).rmdir(),
        rename=lambda old, new: place(old).replace(place(new)),
        listdir=lambda path="/": sorted(one.name for one in place(path).iterdir()),
        stat=lambda path: place(path).stat(),
        sync=lambda: None,
    )
    return {
        "machine": inside.machine,
        "time": inside.time,
        chip_name: inside.chip_module,
        "micropython": micropython,
        "os": files,
        "open": lambda path, mode="r": place(path).open(mode),
    }
