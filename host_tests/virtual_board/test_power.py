"""Power cuts: at any moment, and in the middle of a flash operation."""

import time
from pathlib import Path

import pytest

from emery.virtual_board import image
from emery.virtual_board.board import IMAGE, VirtualBoard
from emery.virtual_board.console import Console

# Counts up in a file that is replaced by rename, and logs each count behind.
WRITER = b"""
import os
try:
    n = int(open('/count').read().split()[0])
except OSError:
    n = 0
print('begins with', n)
while True:
    n += 1
    with open('/new', 'w') as file:
        file.write((str(n) + ' ') * 20)
    os.rename('/new', '/count')
    with open('/log', 'a') as file:
        file.write('{}\\n'.format(n))
    print('done', n)
"""


def count_in(path: Path, chip: str) -> int:
    """The count that the image holds: whole, or not there at all."""
    files = image.read_files(path, chip)
    if "/count" not in files:
        return 0
    numbers = files["/count"].split()
    assert len(numbers) == 20
    assert len(set(numbers)) == 1
    lines = files.get("/log", b"").split(b"\n")
    assert lines[-1] == b""
    logged = [int(line) for line in lines[:-1]]
    # A cut between file and log leaves one out.
    assert logged == sorted(set(logged))
    return int(numbers[0])


@pytest.mark.parametrize("cuts", [12, pytest.param(150, marks=pytest.mark.long)])
def test_a_cut_in_any_flash_operation_leaves_the_old_or_the_new(
    cuts: int, chip: str, tmp_path: Path
) -> None:
    image.make_image(tmp_path / IMAGE, chip, {"/main.py": WRITER})
    with VirtualBoard(chip, tmp_path, fast=True, powered=False, seed=cuts) as board:
        console = Console(board)
        done = 0
        for cut in range(cuts):
            del console.printed[:]
            board.cut_power_at(1 + cut * 7 % 23)
            board.power_on()
            board.wait_until(lambda: not board.is_running)
            assert board.resets[-1] == "power cut in a flash operation"
            told = [int(line.split()[1]) for line in console.printed.decode().splitlines()
                    if line.startswith("done ")]  # fmt: skip
            done = max([done, *told])
            kept = count_in(board.flash.path, chip)
            # What was told done is kept; the next one may be, too.
            assert done <= kept <= done + 1
            done = kept
        assert board.crashes == []


def test_a_cut_while_nothing_is_written(chip: str, tmp_path: Path) -> None:
    image.make_image(tmp_path / IMAGE, chip, {"/keep": b"kept"})
    with VirtualBoard(chip, tmp_path, fast=True) as board:
        for _ in range(5):
            board.wait_until(lambda: board.at_prompt)
            board.cut_power()
            assert not board.is_running
            assert board.pid == 0
            board.power_on()
        board.wait_until(lambda: board.at_prompt)
        assert board.starts == 6
    assert image.read_files(tmp_path / IMAGE, chip)["/keep"] == b"kept"


def test_the_flash_outlives_the_virtual_board(chip: str, tmp_path: Path) -> None:
    for turn in range(2):
        with VirtualBoard(chip, tmp_path, fast=True) as board:
            console = Console(board)
            board.wait_until(lambda: board.at_prompt)
            console.interrupt()
            if turn == 0:
                console.run("f = open('/note', 'w'); f.write('from before'); f.close()")
            else:
                assert console.run("print(open('/note').read())") == "from before\n"


def test_flash_writes_take_time_and_make_ticks_late(chip: str, tmp_path: Path) -> None:
    hard = ", hard=True" if chip == "rp2040" else ""
    number = "0" if chip == "esp32" else "-1"
    timer = f"t = machine.Timer({number}, mode=1, period=10, callback=tick{hard})"
    with VirtualBoard(chip, tmp_path, fast=True) as board:
        console = Console(board)
        board.wait_until(lambda: board.at_prompt)
        console.interrupt()
        told = console.run(
            "import machine, time\nlongest = 0\nlast = time.ticks_us()\n"
            "def tick(t):\n    global longest, last\n    now = time.ticks_us()\n"
            "    longest = max(longest, time.ticks_diff(now, last))\n    last = now\n"
            f"{timer}\ntime.sleep_ms(100)\nprint(longest < 12000)\n"
            "f = open('/x', 'wb'); f.write(bytes(20000)); f.close()\n"
            "time.sleep_ms(50)\nprint(longest > 44000)\nt.deinit()"
        )
        # An erase keeps interrupts off for 45 ms.
        assert told == "True\nTrue\n"


def test_a_realtime_board_starts_within_a_blink(chip: str, tmp_path: Path) -> None:
    image.make_image(tmp_path / IMAGE, chip, {})
    best = 10.0
    for _ in range(3):
        began = time.monotonic()
        with VirtualBoard(chip, tmp_path) as board:
            board.wait_until(lambda: board.at_prompt)
            best = min(best, time.monotonic() - began)
    assert best < 1.0  # 0.1 s on an idle computer
