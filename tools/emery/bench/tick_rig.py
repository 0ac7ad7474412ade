"""What recorded ticks cost under MicroPython: the far end of `emery.bench.tick`.

Started with the compiled settings and the recording, both files; prints one line
of JSON. Beside the ticks it times calls of simple-pid, if its pid.py is there as
`reference_pid`: one by one, in blocks that alternate, each right after a garbage
collection, so that both meet the same machine.

Every other block of ticks runs with the heap locked, as it is inside a hard
timer. It matters: MicroPython takes the frame of all but the smallest functions
from the heap, looking through it for room, unless the heap is locked.

Only MicroPython runs this, and only the types of the device code check it.
"""

import gc
import json
from time import ticks_diff, ticks_us

from micropython import const, heap_lock, heap_unlock

from emery.bench.player import Player

_TICKS_AT_A_TIME = const(50)  # ticks, or calls, between two collections
# simple-pid as one would use it here: kPa in, 0 to 1 out, with the SIMC gains of
# the nominal plant.
_SET_KPA = 30.0
_GAINS = (0.0635, 0.0557, 0.0)
_DT_S = 0.005


def _allocated(player: Player) -> dict:
    """The most that any tick of the recording allocated, and their number."""
    most = 0
    ticks = 0
    mem_alloc = gc.mem_alloc
    app = player.app
    while True:
        gc.collect()
        rows = player.block(_TICKS_AT_A_TIME)
        for record in rows:
            player.prepare(record)
            before = mem_alloc()
            app.tick()
            allocated = mem_alloc() - before
            if allocated > most:
                most = allocated
        if app.error is not None:
            raise app.error
        ticks += len(rows)
        if len(rows) < _TICKS_AT_A_TIME:
            return {"allocated_bytes": most, "ticks": ticks}


def _timed(player: Player, pid) -> dict:  # type: ignore[no-untyped-def]
    """Blocks of ticks on the skin and of calls, in us a block."""
    app = player.app
    blocks = []
    locks = True
    rows = player.block(_TICKS_AT_A_TIME)
    while len(rows) == _TICKS_AT_A_TIME:
        was_treating = player.is_treating()
        gc.collect()
        tick_us = 0
        if locks:
            heap_lock()
        for record in rows:
            player.prepare(record)
            began = ticks_us()
            app.tick()
            tick_us += ticks_diff(ticks_us(), began)
        if locks:
            heap_unlock()
        if was_treating and player.is_treating():
            gc.collect()
            pid_us = 0
            if pid is not None:
                for record in rows:
                    value = 0.001 * record[2]
                    began = ticks_us()
                    pid(value, dt=_DT_S)
                    pid_us += ticks_diff(ticks_us(), began)
            nothing_us = 0
            for _ in rows:
                began = ticks_us()
                nothing_us += ticks_diff(ticks_us(), began)
            blocks.append((locks, tick_us - nothing_us, pid_us - nothing_us))
            locks = not locks
        rows = player.block(_TICKS_AT_A_TIME)
    return {"block": _TICKS_AT_A_TIME, "blocks": blocks}


def _pid_bytes(pid) -> int:  # type: ignore[no-untyped-def]
    """What one call of simple-pid allocates, on the average."""
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(_TICKS_AT_A_TIME):
        pid(_SET_KPA - 1.0, dt=_DT_S)
    return (gc.mem_alloc() - before) // _TICKS_AT_A_TIME


def steps(settings_path: str, records_path: str):  # type: ignore[no-untyped-def]
    """Measure and print, in one step."""
    with open(settings_path, "rb") as file:
        settings = file.read()
    facts: dict = {}
    pid = None
    try:
        from reference_pid import PID  # type: ignore[import-not-found]

        pid = PID(*_GAINS, setpoint=_SET_KPA)
        pid.output_limits = (0, 1)
        pid.sample_time = None
    except ImportError:
        pass
    gc.collect()
    gc.disable()
    if pid is not None:
        pid(_SET_KPA, dt=_DT_S)
        facts["pid_bytes"] = _pid_bytes(pid)
    with open(records_path, "rb") as records:
        facts.update(_allocated(Player(settings, records)))
    gc.collect()
    with open(records_path, "rb") as records:
        facts.update(_timed(Player(settings, records), pid))
    print(json.dumps(facts))
    yield
