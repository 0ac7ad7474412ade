"""A board's files without a board, and `boot.py` and `main.py` run on them.

`BoardFiles` behaves as littlefs does for what Emery asks of it: a file is what it was
until the new one is closed, a rename is whole, and the power may fail before or after
either. `Boot` runs the files outside the slots on CPython, with a `machine` that only
notes what is asked of it; slots hold a firmware that does what a test says.
"""

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from emery import slot

SOURCES = slot.ROOT / "firmware" / "root"
# What a board is called here, and its chip, its `_mpy` and its machine.
MPY = {"rp2": 0x1306, "esp32": 0x2B06, "esp32s3": 0x2B06}
CHIPS = {"rp2": "rp2040", "esp32": "esp32", "esp32s3": "esp32s3"}
MACHINES = {
    "rp2": "Raspberry Pi Pico with RP2040",
    "esp32": "Generic ESP32 module with SPIRAM with ESP32",
    "esp32s3": "Generic ESP32S3 module with Octal-SPIRAM with ESP32S3",
}


class PowerLost(BaseException):
    """The supply went away at a write."""


class Reset(BaseException):
    """`machine.reset()`."""


class BoardFiles:
    """The files of one device."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.writes = 0
        self.cut_at = -1  # the write in which the power fails, from 0; -1 for none
        self.cut_after = False  # once it is done, instead of before
        self.is_off = False  # the power has failed: nothing is written any more
        self.full = False  # no file gets more than half of what is written to it

    def slot_state(self) -> dict[str, Any]:
        """What `/slot.json` says."""
        state: dict[str, Any] = json.loads(self.files["/slot.json"])
        return state

    def set_slot_state(self, active: str, trial: int = 0, tries: int = 0) -> None:
        """Write `/slot.json` as the host does."""
        state = {"active": active, "trial": trial, "tries": tries}
        self.files["/slot.json"] = json.dumps(state).encode()

    def put_slot(self, name: str, platform: str = "rp2", **changes: Any) -> None:
        """A whole slot; `changes` are made to its manifest afterwards."""
        files = {
            "firmware/main.mpy": f"main of {name}".encode() * 100,
            "firmware/app.mpy": f"app of {name}".encode() * 100,
            "hal/contract.mpy": b"contract",
            "hal/sensors/bus.mpy": b"bus",
        }
        for path, content in files.items():
            self.files[f"/{name}/{path}"] = content
        manifest = {
            "schema": 1,
            "version": "1.0",
            "chip": CHIPS[platform],
            "mpy": MPY[platform],
            "files": [
                [path, len(content), hashlib.sha256(content).hexdigest()]
                for path, content in files.items()
            ],
        }
        self.files[f"/{name}/manifest.json"] = json.dumps({**manifest, **changes}).encode()

    # What device code calls

    def _write(self, act: Callable[[], None]) -> None:
        if self.is_off:
            raise PowerLost
        mine = self.writes
        self.writes += 1
        if mine == self.cut_at:
            self.cut_at = -1
            self.is_off = True
            if self.cut_after:
                act()
            raise PowerLost
        act()

    def open(self, path: str, mode: str = "r") -> Any:
        """`open`, for reading or for writing anew."""
        if "w" in mode:
            return self._writer(path, mode)
        if path not in self.files:
            raise OSError(2, "ENOENT")
        content = self.files[path]
        return io.BytesIO(content) if "b" in mode else io.StringIO(content.decode("latin-1"))

    @contextmanager
    def _writer(self, path: str, mode: str) -> Iterator[Any]:
        buffer: Any = io.BytesIO() if "b" in mode else io.StringIO()
        yield buffer
        written = buffer.getvalue()
        content = written if "b" in mode else written.encode()
        if self.full:
            self._write(lambda: self.files.update({path: content[: len(content) // 2]}))
            raise OSError(28, "ENOSPC")
        self._write(lambda: self.files.update({path: content}))

    def rename(self, old: str, new: str) -> None:
        """`os.rename`."""
        if old not in self.files:
            raise OSError(2, "ENOENT")

        def act() -> None:
            self.files[new] = self.files.pop(old)

        self._write(act)

    def remove(self, path: str) -> None:
        """`os.remove`."""
        if path not in self.files:
            raise OSError(2, "ENOENT")

        def act() -> None:
            del self.files[path]

        self._write(act)

    @property
    def os(self) -> Any:
        """Of the module `os`, what lies in this file system."""
        return SimpleNamespace(
            rename=self.rename, remove=self.remove, ilistdir=self.ilistdir
        )

    def ilistdir(self, folder: str) -> Iterator[tuple[str, int, int]]:
        """`os.ilistdir`."""
        names = {
            path[len(folder) + 1 :].split("/")[0]: "/" in path[len(folder) + 1 :]
            for path in self.files
            if path.startswith(folder + "/")
        }
        if not names:
            raise OSError(2, "ENOENT")
        for name, is_folder in names.items():
            yield name, 0x4000 if is_folder else 0x8000, 0


class Boot:
    """Starts of one device. `firmware` is what the started slot's `main.run` does."""

    def __init__(self, files: BoardFiles, platform: str = "rp2") -> None:
        self.files = files
        self.platform = platform
        self.firmware: Callable[[str, Any], bool] = lambda slot_name, keeper: True
        self.console = ""
        self.pins: list[tuple[int, str, str]] = []
        self.acts: list[str] = []  # everything that was asked of `machine`, in order
        self.watched = False
        self.soft = False  # the reset before was a soft one
        self.rtc = b""
        self.started: list[str] = []  # slots whose firmware was run
        self.path: list[str] = []
        self.timers: list[Any] = []
        self.frozen = False  # is there a firmware in the interpreter itself?

    def power_on(self, monkeypatch: pytest.MonkeyPatch, *, raw: bool = False) -> dict[str, Any]:
        """One start; names of `__main__`. With `raw`, `main.py` is not run.

        Reset or PowerLost if it ends so, whoever caught it on the board.
        """
        self.files.is_off = False
        self.console = ""
        self.pins.clear()
        self.acts.clear()
        self.timers.clear()
        self.path = ["", ".frozen", "/lib"]
        names: dict[str, Any] = {"__name__": "__main__", "open": self.files.open}
        with monkeypatch.context() as patch:
            for name, module in self._modules().items():
                patch.setitem(sys.modules, name, module)
            for name in ("boot.py", *(() if raw else ("main.py",))):
                source = (SOURCES / name).read_text(encoding="utf-8")
                try:
                    exec(compile(source, name, "exec"), names)
                finally:
                    if self.files.is_off:
                        raise PowerLost
        return names

    def settle(self, monkeypatch: pytest.MonkeyPatch, starts: int = 8) -> str:
        """Starts until one ends in the REPL; the slot that ran then, "" for none."""
        for _ in range(starts):
            self.started.clear()
            try:
                self.power_on(monkeypatch)
            except Reset:
                continue
            return self.started[-1] if self.started else ""
        raise AssertionError("it starts again and again")

    def _modules(self) -> dict[str, Any]:
        return {
            "sys": SimpleNamespace(
                platform="rp2" if self.platform == "rp2" else "esp32",
                path=self.path,
                implementation=SimpleNamespace(
                    _mpy=MPY[self.platform], _machine=MACHINES[self.platform]
                ),
                stdout=SimpleNamespace(write=self._print),
                print_exception=lambda error: self._print(f"{error!r}\n"),
            ),
            "os": self.files.os,
            "machine": self._machine(),
            "micropython": SimpleNamespace(kbd_intr=lambda key: self.acts.append(f"key {key}")),
            **self._firmware(),
        }

    def _print(self, text: str) -> None:
        self.console += text

    def _firmware(self) -> dict[str, ModuleType | None]:
        def run(keeper: Any) -> bool:
            name = "" if self.path[0] == ".frozen" else self.path[0][1:]
            self.acts.append("firmware")
            self.started.append(name)
            return self.firmware(name, keeper)

        package = ModuleType("firmware")
        main = SimpleNamespace(run=run)

        def found(name: str) -> Any:
            if name == "main" and (self.path[0] != ".frozen" or self.frozen):
                return main
            raise AttributeError(name)

        package.__getattr__ = found  # type: ignore[method-assign]
        package.__path__ = []
        # The real one, which another test may have imported, is not on this board.
        return {"firmware": package, "firmware.main": None}

    def _machine(self) -> Any:
        boot = self

        class Pin:
            IN = "in"
            PULL_DOWN = "down"

            def __init__(self, number: int, mode: str, pull: str) -> None:
                boot.acts.append(f"pin {number}")
                if boot.platform == "esp32" and number in (16, 17):
                    raise ValueError("invalid pin")  # a module with PSRAM
                boot.pins.append((number, mode, pull))

        class Timer:
            PERIODIC = 1

            def __init__(self, number: int, **how: Any) -> None:
                assert number == (-1 if boot.platform == "rp2" else 0)
                assert how["mode"] == self.PERIODIC
                self.period = how["period"]
                self.callback = how["callback"]
                self.is_on = True
                boot.acts.append("timer")
                boot.timers.append(self)

            def deinit(self) -> None:
                self.is_on = False

        class WDT:
            def __init__(self, timeout: int) -> None:
                assert timeout <= 8388
                boot.acts.append("watchdog")

            def feed(self) -> None:
                boot.acts.append("feed")

        class Rtc:
            def memory(self, *content: bytes) -> bytes:
                if content:
                    boot.rtc = content[0]
                return boot.rtc

        class Registers:
            def __getitem__(self, address: int) -> int:
                assert address == 0x40058000
                return 0x40000000 if boot.watched else 0

        def reset() -> None:
            raise Reset

        return SimpleNamespace(
            Pin=Pin,
            Timer=Timer,
            WDT=WDT,
            RTC=Rtc,
            mem32=Registers(),
            reset=reset,
            SOFT_RESET=5,
            reset_cause=lambda: 5 if self.soft else 1,
        )
