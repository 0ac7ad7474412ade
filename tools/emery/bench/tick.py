"""Group `tick`: what one control tick costs, beside one call of simple-pid.

A stretch of the nominal facial is recorded on CPython. MicroPython's unix port
plays it through the whole app again (`tick_rig`), and times ticks and calls of
simple-pid in turns. What a tick would take on an RP2040 is counted, not
measured (`rp2040`).
"""

import importlib.util
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from emery.bench import rp2040
from emery.bench.keys import Figure
from emery.simulator import lanes, loop
from emery.simulator.run import prepare
from firmware.black_box import RECORD_BYTES
from firmware.settings import decode

_RECORDED_MS = 50_000
_COUNTED_MS = 25_000  # of it, the part that is counted operation by operation
_RIG_RUNS = 5  # of the rig, each a process of its own; their median counts
_NO_PID = "simple-pid is not installed: pip install 'emery[bench]'"


@cache
def recording(seed: int) -> tuple[bytes, bytes]:
    """Compiled settings and the recorded ticks of the stretch."""
    job, _, _ = prepare("nominal_facial", seed=seed)
    job["duration_ms"] = _RECORDED_MS
    records = bytearray()
    loop.run(job, lambda rows: None, None, records.extend)
    return job["settings"], bytes(records)


def measure(seed: int, progress: Callable[[float], None]) -> dict[str, Figure]:
    """The figures of this group."""
    settings, records = recording(seed)
    progress(0.1)
    counted = rp2040.estimate(
        settings, records[: _COUNTED_MS // decode(settings).tick_period_ms * RECORD_BYTES]
    )
    progress(0.5)
    figures = _counted(counted)
    try:
        figures |= _timed(settings, records, lambda part: progress(0.5 + 0.5 * part))
    except lanes.LaneMissing as missing:
        for name in ("tick.allocated_bytes", "tick.vs_simple_pid", "tick.unix_us"):
            figures[name] = Figure(None, str(missing))
    return figures


def _counted(counted: rp2040.Estimate) -> dict[str, Figure]:
    return {
        "tick.rp2040_estimate_us": Figure(
            round(counted.tick_us),
            detail={"counts": counted.tick_counts, "costs_us": rp2040.COSTS_US},
        ),
        "tick.turn_rp2040_estimate_us": Figure(
            round(counted.turn_us), detail={"counts": counted.turn_counts}
        ),
    }


def _timed(
    settings: bytes, records: bytes, progress: Callable[[float], None]
) -> dict[str, Figure]:
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="emery-bench-") as folder:
        tree = Path(folder) / "slot"
        lanes.build_slot(tree)
        (tree / "emery" / "bench").mkdir()
        for name in ("player.py", "tick_rig.py"):
            shutil.copy(Path(__file__).with_name(name), tree / "emery" / "bench")
        pid = _simple_pid()
        if pid is not None:
            # Alone and under another name, it imports as it is; its package does not.
            shutil.copy(pid, tree / "reference_pid.py")
        settings_file = Path(folder) / "settings.bin"
        settings_file.write_bytes(settings)
        records_file = Path(folder) / "records.bin"
        records_file.write_bytes(records)
        for number in range(_RIG_RUNS):
            told = lanes.far_end(
                tree, "micropython", "emery.bench.tick_rig", settings_file, records_file,
                heap_kib=lanes.HEAP_KIB + lanes.WORLD_KIB,
            )
            runs.append(json.loads(told))
            progress((number + 1) / _RIG_RUNS)
    block = runs[0]["block"]
    locked = [row for run in runs for row in run["blocks"] if row[0]]
    tick_us = statistics.median(row[1] for row in locked) / block
    figures = {
        "tick.allocated_bytes": Figure(
            max(run["allocated_bytes"] for run in runs), detail={"ticks": runs[0]["ticks"]}
        ),
        "tick.unix_us": Figure(round(tick_us, 2)),
        "tick.vs_simple_pid": Figure(None, _NO_PID),
    }
    if pid is not None:
        name = f"simple-pid {version('simple-pid')}"
        pid_us = statistics.median(row[2] for row in locked) / block
        figures["tick.allocated_bytes"].references[name] = runs[0]["pid_bytes"]
        figures["tick.unix_us"].references[name] = round(pid_us, 2)
        figures["tick.vs_simple_pid"] = Figure(
            round(_ratio(runs, locked=True), 2),
            references={name: 1.0},
            detail={
                "heap_locked": [round(_ratio([run], locked=True), 3) for run in runs],
                "heap_open": [round(_ratio([run], locked=False), 3) for run in runs],
            },
        )
    return figures


def _ratio(runs: list[dict[str, Any]], *, locked: bool) -> float:
    ratio: float = statistics.median(
        statistics.median(row[1] / row[2] for row in run["blocks"] if row[0] == locked)
        for run in runs
    )
    return ratio


def _simple_pid() -> Path | None:
    """The pid.py of the installed simple-pid."""
    found = importlib.util.find_spec("simple_pid")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).with_name("pid.py")
