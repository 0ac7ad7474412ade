"""No tick of a real board allocates, on MicroPython of 64 and of 32 bits.

What is measured is the HAL's own code, from the timer's callback to the calls of
`machine`, which cost no memory on a chip (see locked_pins.py).
"""

import json
import shutil
from pathlib import Path

import pytest

from emery.simulator import lanes
from emery.slot import ROOT
from firmware.settings import encode
from hal import wiring
from host_tests.bench import bench_settings
from host_tests.pins import reference_wiring


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The compiled configs of both boards and of a bench rig with one sensor, one
    after the other."""
    file = tmp_path / "config.bin"
    file.write_bytes(
        b"".join(
            wiring.encode(wired) + encode(bench_settings())
            for wired in (
                reference_wiring(wiring.RP2040),
                reference_wiring(wiring.ESP32),
                reference_wiring(
                    wiring.RP2040, purpose=wiring.BENCH, vacuum_b=wiring.NO_PIN
                ),
            )
        )
    )
    return file


def run(slot: Path, lane: str, config: Path) -> list[str]:
    shutil.copy(Path(__file__).parent / "locked_pins.py", slot)
    wrong: list[str] = json.loads(lanes.far_end(slot, lane, "locked_pins", config, heap_kib=512))
    return wrong


def test_no_tick_of_a_board_allocates(slot: Path, lane: str, config: Path) -> None:
    assert run(slot, lane, config) == []


# One line spoilt, and it must say so.
SPOILT = {
    "a list in sample": (
        "board.py",
        "        readings.now_ms = self._now_ms\n",
        "        readings.now_ms = [self._now_ms][0]\n",
        "drive: needs memory",
    ),
    "a method looked up as a value in the heartbeat": (
        "rp2040.py",
        "        if machine.tx_fifo() == 0:\n",
        "        look = machine.tx_fifo\n        if look() == 0:\n",
        "drive: needs memory",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_the_measure_finds(
    name: str, slot: Path, lane: str, config: Path, tmp_path: Path
) -> None:
    file, line, worse, found = SPOILT[name]
    tree = tmp_path / "slot"
    shutil.copytree(slot, tree)
    source = (ROOT / "hal" / file).read_text(encoding="utf-8")
    assert source.count(line) == 1
    (tree / "hal" / file).with_suffix(".mpy").unlink()
    (tree / "hal" / file).write_text(source.replace(line, worse), encoding="utf-8")
    assert any(found in problem for problem in run(tree, lane, config))
