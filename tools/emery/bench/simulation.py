"""Group `simulate`: how fast a treatment runs here, and that every interpreter
computes the same one."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

from emery.bench.keys import Figure
from emery.bench.tick import recording
from emery.simulator import lanes, loop
from emery.simulator.replay import replay
from emery.simulator.run import prepare

_STRETCH_MS = 120_000  # of the nominal facial: strokes, lifts, a rest
_TIMES = 5
# ControlModuleSimulator of the People's Ventilator Project with its controller at
# 10 ms, on a comparable machine.
_PVP = {"PVP ventilator": 26.0}


def measure(seed: int, progress: Callable[[float], None]) -> dict[str, Figure]:
    """The figures of this group."""
    speeds = []
    for number in range(_TIMES):
        speeds.append(_speed(seed))
        progress(0.8 * (number + 1) / _TIMES)
    # The best: whatever else the machine does only ever makes it slower.
    return {
        "simulate.sim_s_per_wall_s": Figure(
            round(max(speeds), 1),
            quoted=dict(_PVP),
            detail={"runs": [round(speed, 1) for speed in speeds]},
        ),
        "simulate.lanes_equal": _lanes_equal(seed),
    }


def _speed(seed: int) -> float:
    """Simulated seconds in one second, of firmware, plant and operator."""
    job, _, _ = prepare("nominal_facial", seed=seed)
    job["duration_ms"] = _STRETCH_MS
    began = time.perf_counter()
    loop.run(job, lambda rows: None)
    return _STRETCH_MS / 1000 / (time.perf_counter() - began)


def _on_cpython(settings: bytes, records: bytes) -> dict[str, object]:
    return replay(settings, b"", BytesIO(records))


def _on_micropython(lane: str, settings: bytes, records: bytes) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="emery-bench-") as folder:
        tree = Path(folder) / "slot"
        lanes.build_slot(tree)
        file = Path(folder) / "records.bin"
        file.write_bytes(records)
        return lanes.replay(tree, lane, settings, b"", file)


# Every lane replays the same recording: ticks, and a CRC over inputs, outputs and
# the full state of every tick. A new lane is one more row.
LANES = (
    ("CPython", _on_cpython),
    ("MicroPython unix, 64-bit", partial(_on_micropython, "micropython")),
    ("MicroPython WebAssembly, 32-bit", partial(_on_micropython, "webassembly")),
)


def _lanes_equal(seed: int) -> Figure:
    settings, records = recording(seed)
    told: dict[str, object] = {}
    missing: dict[str, object] = {}
    for name, run in LANES:
        try:
            told[name] = run(settings, records)
        except lanes.LaneMissing as reason:
            missing[name] = str(reason)
    detail: dict[str, object] = {"lanes": told, "missing": missing}
    if missing:
        return Figure(None, "; ".join(map(str, missing.values())), detail=detail)
    first = told[LANES[0][0]]
    return Figure(all(facts == first for facts in told.values()), detail=detail)
