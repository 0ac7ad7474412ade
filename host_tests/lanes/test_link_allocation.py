"""Garbage on the link costs no memory, on MicroPython of 64 and of 32 bits.

While outputs may be active nothing is collected, so that what allocates for garbage
would end a treatment when the heap is full.
"""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from emery.link.line import framed
from emery.simulator import lanes
from emery.slot import ROOT
from firmware.settings import encode
from host_tests.bench import bench_settings
from host_tests.lanes.conftest import needed

HERE = Path(__file__).parent


def garbage() -> bytes:
    """Random bytes, random text, and what looks like lines and is none."""
    dice = random.Random(17)
    likely = framed("17 do 1").replace(b"*", b"*1")
    pieces = [
        dice.randbytes(4_000),
        bytes(dice.choices(b"@*0123456789ABCDEF dowatch\n\r", k=4_000)),
        b"@" * 200,
        b"@" + b"x" * 300,
        *(likely for _ in range(50)),
        *(framed(f"{number} hello").replace(b"hello", b"hullo") for number in range(50)),
    ]
    return b"".join(pieces)


def run(tree: Path, lane: str, folder: Path, data: bytes) -> dict[str, Any]:
    shutil.copy(HERE / "locked_link.py", tree)
    settings = folder / "settings.bin"
    settings.write_bytes(encode(bench_settings()))
    file = folder / "garbage.bin"
    file.write_bytes(data)
    facts: dict[str, Any] = json.loads(
        lanes.far_end(tree, lane, "locked_link", settings, file, heap_kib=512)
    )
    return facts


def test_garbage_allocates_nothing(slot: Path, lane: str, tmp_path: Path) -> None:
    facts = run(slot, lane, tmp_path, garbage())
    assert facts["wrong"] == ""
    assert facts["answers"] == 0
    assert facts["read"] >= 100_000
    assert facts["dropped"] > 100


# What the measure must find.
SPOILT = {
    "a slice of each line": (
        "                    if not is_whole(line, length):\n",
        "                    if not is_whole(bytearray(line[:length]), length):\n",
    ),
    "a byte of each byte": (
        "            if byte == AT:\n",
        "            if bytes([byte]) == b'@':\n",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_the_measure_finds(name: str, slot: Path, lane: str, tmp_path: Path) -> None:
    good, worse = SPOILT[name]
    tree = tmp_path / "slot"
    shutil.copytree(slot, tree)
    source = (ROOT / "firmware" / "link.py").read_text(encoding="utf-8")
    assert source.count(good) == 1
    (tree / "firmware" / "link.mpy").unlink()
    (tree / "firmware" / "link.py").write_text(source.replace(good, worse), encoding="utf-8")
    assert run(tree, lane, tmp_path, garbage())["wrong"]


def test_the_real_console_gives_every_byte_back_and_allocates_nothing(
    slot: Path, tmp_path: Path
) -> None:
    lane = needed("micropython")
    shutil.copy(HERE / "console_echo.py", slot)
    data = random.Random(3).randbytes(20_000)
    done = subprocess.run(
        lanes.command(slot, lane, "console_echo", str(len(data))),
        input=data, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == data
    assert done.stderr == b"0"
