"""The same firmware, bit for bit, on real MicroPython.

The unix port (64-bit, its heap capped) and the WebAssembly build (32-bit) load
the firmware from .mpy. Each is given what CPython recorded, and must come to the
same ticks and the same CRC over inputs, outputs and the full state of every
tick, without allocating in any; and each runs a whole closed loop, plant and
operator included, to the same treatment.
"""

import shutil
import struct
from binascii import crc32
from io import BytesIO
from pathlib import Path

import pytest

from emery.simulator import lanes, loop
from emery.simulator.replay import replay
from emery.simulator.run import prepare, scenario_names, simulate
from emery.slot import ROOT
from firmware import black_box, state
from firmware.controller import Controller
from firmware.settings import decode
from hal.contract import Outputs, Readings
from host_tests.lanes.conftest import needed

# Covers every injected fault; refused passes, budgets and the power cut come
# later, and `make test-long` replays those (up to a power cut). A window of
# this length takes 1 s on the unix port and 3 s on the WebAssembly build.
WINDOW_MS = 60_000


def record(name: str, most_ms: int) -> tuple[bytes, bytes]:
    """Compiled settings and the recorded ticks of a scenario on CPython."""
    job, plan, _ = prepare(name)
    job["duration_ms"] = min(most_ms, plan.duration_ms)
    records = bytearray()
    loop.run(job, lambda rows: None, None, records.extend)
    return job["settings"], bytes(records)


def check_replay(name: str, most_ms: int, slot: Path, lane: str, folder: Path) -> None:
    settings, records = record(name, most_ms)
    here = replay(settings, b"", BytesIO(records))
    assert here["ticks"] == len(records) // black_box.RECORD_BYTES > 0
    assert here["first_difference"] == -1
    file = folder / "records.bin"
    file.write_bytes(records)
    assert lanes.replay(slot, lane, settings, b"", file) == here


@pytest.mark.parametrize("name", scenario_names())
def test_recorded_inputs_replay_to_the_same_state(
    name: str, slot: Path, lane: str, tmp_path: Path
) -> None:
    check_replay(name, WINDOW_MS, slot, lane, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", scenario_names())
def test_whole_scenarios_replay_to_the_same_state(
    name: str, slot: Path, lane: str, tmp_path: Path
) -> None:
    check_replay(name, 10 * 3_600_000, slot, lane, tmp_path)


def test_the_sum_of_a_replay_holds_every_record_and_every_state() -> None:
    """Worked out here a second time, and by the loop that recorded it."""
    job, _, _ = prepare("clogged_runaway")
    job["duration_ms"] = 8_000
    job["state_every"] = 1
    records = bytearray()
    facts = loop.run(job, lambda rows: None, None, records.extend)
    core = Controller(decode(job["settings"]), b"", 0)
    readings, outputs, crc = Readings(), Outputs(), 0
    for start in range(0, len(records), black_box.RECORD_BYTES):
        record = bytes(records[start : start + black_box.RECORD_BYTES])
        fields = struct.unpack(black_box.RECORD_FORM, record)
        black_box.fill_readings(fields, readings)
        core.step(readings, fields[12], fields[13], outputs)
        snapshot = bytearray(state.size(core.parts))
        state.save(core.parts, snapshot)
        crc = crc32(record + snapshot, crc)
    assert crc == replay(job["settings"], b"", BytesIO(records))["crc"] == facts["crc"]


def test_the_heap_is_that_of_a_board(slot: Path) -> None:
    """128 KiB on a board hold what 176 KiB hold on the 64-bit build."""
    (slot / "too_large.py").write_text("bytearray(200 * 1024)\n")
    assert "heapsize=176k" in lanes.command(slot, needed("micropython"), "too_large")
    with pytest.raises(lanes.LaneFailed, match="MemoryError"):
        lanes.far_end(slot, "micropython", "too_large")


def test_the_lanes_are_of_64_and_of_32_bits() -> None:
    bits = [lanes.interpreter(needed(lane)).split()[-1] for lane in lanes.LANES[1:]]
    assert bits == ["64-bit", "32-bit"]


def test_small_integers_of_the_32_bit_lane_have_31_bits(tmp_path: Path) -> None:
    """What makes the locked heap a proof there: a larger one needs the heap."""
    (tmp_path / "product.py").write_text(
        "import micropython\n"
        "def product(a, b):\n"
        "    micropython.heap_lock()\n"
        "    try:\n"
        "        a * b\n"
        "        return 'small'\n"
        "    except MemoryError:\n"
        "        return 'large'\n"
        "    finally:\n"
        "        micropython.heap_unlock()\n"
        "def steps():\n"
        "    print(product(2**15, 2**15 - 1), product(2**15, 2**15))\n"
        "    yield\n"
    )
    assert lanes.far_end(tmp_path, needed("webassembly"), "product") == "small large\n"
    assert lanes.far_end(tmp_path, needed("micropython"), "product") == "small small\n"


def test_a_changed_record_is_noticed(slot: Path, lane: str, tmp_path: Path) -> None:
    """The comparison itself: one wrong decision in a recording is found."""
    settings, records = record("clogged_runaway", 10_000)
    spoilt = bytearray(records)
    tick = 900
    spoilt[tick * black_box.RECORD_BYTES + black_box.RECORD_BYTES - 3] ^= 1  # the state
    file = tmp_path / "records.bin"
    file.write_bytes(spoilt)
    assert replay(settings, b"", BytesIO(spoilt))["first_difference"] == tick
    assert lanes.replay(slot, lane, settings, b"", file)["first_difference"] == tick


@pytest.mark.parametrize("name", ["clogged_runaway", "power_cut_mid_pass"])
def test_the_closed_loop_runs_there_too(name: str, lane: str) -> None:
    here, there = (simulate(name, lane=where).result for where in ("cpython", lane))
    assert there["interpreter"] == lanes.interpreter(lane)
    for result in (here, there):
        assert result["passed"]
        for own in ("lane", "interpreter", "wall_s", "reproduce"):
            del result[own]
    assert here == there


def test_a_tick_that_allocates_ends_the_replay(slot: Path, lane: str, tmp_path: Path) -> None:
    """The lock itself: a step that makes a list does not get through."""
    spoilt = tmp_path / "slot"
    shutil.copytree(slot, spoilt)
    (spoilt / "firmware" / "gate.mpy").unlink()
    source = (ROOT / "firmware" / "gate.py").read_text()
    allocating = source.replace("    outputs.make_safe()", "    [outputs][0].make_safe()")
    assert allocating != source
    (spoilt / "firmware" / "gate.py").write_text(allocating)
    settings, records = record("clogged_runaway", 1_000)
    file = tmp_path / "records.bin"
    file.write_bytes(records)
    with pytest.raises(lanes.LaneFailed, match="MemoryError"):
        lanes.replay(spoilt, lane, settings, b"", file)


def test_an_error_over_there_is_told(slot: Path, lane: str, tmp_path: Path) -> None:
    job, _, _ = prepare("clogged_runaway")
    file = tmp_path / "records.bin"
    file.write_bytes(b"")
    with pytest.raises(lanes.LaneFailed, match="SettingsError"):
        lanes.replay(slot, lane, job["settings"][:-1], b"", file)
