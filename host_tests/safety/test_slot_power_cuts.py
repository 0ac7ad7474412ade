"""A power cut at any write of what decides about starting: always one whole version.

First on files that change as littlefs changes them, at every write and at every two;
then on littlefs itself under MicroPython, torn at every operation of its flash.
"""

import hashlib
import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from littlefs import LittleFS

from emery import slot, slot_build
from firmware import slots
from host_tests.board_files import SOURCES, BoardFiles, Boot, PowerLost, Reset
from host_tests.running_board import RunningMock
from host_tests.unit.test_boot_files import damage

# On files -----------------------------------------------------------------------------


class Device:
    """A device whose slots hold good firmware or such that raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, active: str, trial: int) -> None:
        self.patch = monkeypatch
        self.files = BoardFiles()
        self.files.put_slot("a")
        self.files.put_slot("b")
        self.files.set_slot_state(active, trial)
        self.boot = Boot(self.files)
        self.good = {"a", "b"}
        self.boot.firmware = self._run
        monkeypatch.setattr(slots, "open", self.files.open, raising=False)
        monkeypatch.setattr(slots, "os", self.files.os)

    def _run(self, name: str, keeper: Any) -> bool:
        if name not in self.good:
            raise ValueError("a bug")
        slots.end_trial(name, RunningMock())
        return True

    def settle(self) -> str:
        """Power on until it stays on; the slot that runs then."""
        for _ in range(12):
            self.boot.started.clear()
            try:
                self.boot.power_on(self.patch)
            except (Reset, PowerLost):
                continue
            return self.boot.started[-1] if self.boot.started else ""
        raise AssertionError("it starts again and again")


def good_trial(patch: pytest.MonkeyPatch) -> Device:
    return Device(patch, "b", 1)


def bad_trial(patch: pytest.MonkeyPatch) -> Device:
    device = Device(patch, "b", 1)
    device.good = {"a"}
    return device


def damaged(patch: pytest.MonkeyPatch) -> Device:
    device = Device(patch, "a", 0)
    damage(device.boot, "a")
    return device


# How it begins, and the slot that must run in the end.
WAYS = {"good trial": (good_trial, "b"), "bad trial": (bad_trial, "a"), "damaged": (damaged, "b")}


def writes_of(way: str, patch: pytest.MonkeyPatch) -> int:
    device = WAYS[way][0](patch)
    device.settle()
    return device.files.writes


@pytest.mark.parametrize("way", WAYS)
def test_a_cut_at_any_write(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, wanted = WAYS[way]
    count = writes_of(way, monkeypatch)
    assert count >= 2
    for write in range(count):
        for after in (False, True):
            device = make(monkeypatch)
            device.files.cut_at = write
            device.files.cut_after = after
            assert device.settle() == wanted
            assert device.files.cut_at == -1  # the power did fail
            assert device.files.slot_state() == {"active": wanted, "trial": 0, "tries": 0}
            # And it stays so.
            assert device.settle() == wanted


@pytest.mark.parametrize("way", WAYS)
def test_a_cut_at_any_two_writes_still_leaves_a_whole_version(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, wanted = WAYS[way]
    for first in range(writes_of(way, monkeypatch)):
        for second in range(first + 1, first + 5):
            device = make(monkeypatch)
            device.files.cut_at = first
            while device.files.cut_at >= 0:
                with suppress(PowerLost, Reset):
                    device.boot.power_on(monkeypatch)
            device.files.cut_at = second
            device.files.cut_after = True
            # A good slot may have spent its tries on cuts; the old one is whole, too.
            found = device.settle()
            assert found == wanted or (way == "good trial" and found == "a")
            assert device.files.slot_state() == {"active": found, "trial": 0, "tries": 0}


def test_a_file_is_the_old_one_or_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for write in range(2):
        for after in (False, True):
            device = good_trial(monkeypatch)
            device.files.files["/a/config.bin"] = b"old"
            device.files.cut_at = write
            device.files.cut_after = after
            with pytest.raises(PowerLost):
                slots.replace_file("/a/config.bin", "/a/config.new", b"new", RunningMock())
            expected = b"new" if write == 1 and after else b"old"
            assert device.files.files["/a/config.bin"] == expected


# On littlefs --------------------------------------------------------------------------

_BLOCKS = 48

# The firmware of a slot: it writes everything that a real one writes at a start.
_MAIN = '''
from firmware import slots
from firmware.boot_record import BootRecord
from hal.flash_storage import FlashStorage


class Board:
    def open_storage_window(self):
        return True

    def close_storage_window(self):
        pass


def run(keeper):
    board = Board()
    record = BootRecord(FlashStorage("/state", "boot_record", board))
    record.begin(1)
    slot = slots.running(__file__)
    with open("/" + slot + "/config.bin") as file:
        config = file.read()
    print("RUN", slot, record.boots, record.unmarked, int(config[:6]))
    assert config == config[:6] * 100 and "damaged" not in record.crash
    print("COUNTED", record.boots)
    if not {good}:
        record.note_crash("a bug")
        raise ValueError("a bug")
    folder = "/" + slot
    number = int(config[:6]) + 1
    slots.replace_file(
        folder + "/config.bin", folder + "/config.new", b"%06d" % number * 100, board
    )
    print("WROTE", number)
    slots.end_trial(slot, board)
    print("HEALTHY")
    record.mark_healthy()
    print("MARKED")
    return True
'''


def _usual(is_good: bool) -> dict[str, bytes]:
    content = {"firmware/main.py": _MAIN.replace("{good}", str(is_good)).encode()}
    for place in ("firmware/slots.py", "firmware/boot_record.py", "hal/contract.py",
                  "hal/flash_storage.py"):  # fmt: skip
        content[place] = (slot.ROOT / place).read_bytes()
    return content


@dataclass
class Told:
    """What one start printed."""

    runs: list[tuple[str, int, int, int]]  # slot, starts, unmarked, config
    lines: list[str]
    code: int

    def last(self, word: str) -> int:
        """The number in the last line with this word; 0 without one."""
        numbers = [int(line.split()[1]) for line in self.lines if line.startswith(word + " ")]
        return numbers[-1] if numbers else 0


class FlashedDevice:
    """A device in a flash image of its own. `good` tells of each slot whether its
    firmware works; `contents` are files of the slot in the place of the usual ones."""

    def __init__(
        self,
        folder: Path,
        good: dict[str, bool],
        trial: bool,
        contents: dict[str, bytes] | None = None,
        config: bytes = b"000001" * 100,
        blocks: int = _BLOCKS,
    ) -> None:
        self.image = folder / "flash.img"
        files: dict[str, bytes] = {
            f"/{name}": (SOURCES / name).read_bytes() for name in ("boot.py", "main.py")
        }
        active = "b" if trial else "a"
        state = {"active": active, "trial": int(trial), "tries": 0}
        files["/slot.json"] = json.dumps(state).encode()
        for name, is_good in good.items():
            content = contents or _usual(is_good)
            manifest = {
                "schema": 1, "version": "1", "chip": "rp2040", "mpy": None,
                "files": [
                    [place, len(text), hashlib.sha256(text).hexdigest()]
                    for place, text in content.items()
                ],
            }  # fmt: skip
            files.update({f"/{name}/{place}": text for place, text in content.items()})
            files[f"/{name}/manifest.json"] = json.dumps(manifest).encode()
            files[f"/{name}/config.bin"] = config
        system = LittleFS(
            block_size=4096, block_count=blocks, prog_size=256, read_size=32, lookahead_size=32
        )
        for path, text in files.items():
            system.makedirs(path.rsplit("/", 1)[0] or "/", exist_ok=True)
            with system.open(path, "wb") as file:
                file.write(text)
        self.fresh = bytes(system.context.buffer)
        self.power_on_afresh()

    def power_on_afresh(self) -> None:
        """The device as it was made."""
        self.image.write_bytes(self.fresh)

    def start(self, cut: int = -1, seed: int = 1) -> Told:
        """One start, with the power cut in a flash operation or not at all."""
        interpreter = slot_build.program("micropython")
        if interpreter is None:
            pytest.skip("there is no micropython")
        done = subprocess.run(
            [interpreter, str(Path(__file__).with_name("boot_once.py")), str(self.image),
             str(cut), str(seed)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        lines = done.stdout.splitlines()
        runs = [line.split() for line in lines if line.startswith("RUN ")]
        found = [(run[1], int(run[2]), int(run[3]), int(run[4])) for run in runs]
        told = Told(found, lines, done.returncode)
        assert told.code in (0, 3, -9), done.stdout + done.stderr
        assert "AssertionError" not in done.stdout, done.stdout
        return told

    def settle(self) -> Told:
        """Starts until one ends in the REPL."""
        for _ in range(6):
            told = self.start()
            if told.code == 0:
                return told
        raise AssertionError("it starts again and again")


CASES = {
    "good trial": ({"a": True, "b": True}, True, "b"),
    "bad trial": ({"a": True, "b": False}, True, "a"),
    "every day": ({"a": True, "b": True}, False, "a"),
}


def operations(told: Told) -> int:
    return told.last("OPERATIONS")


def check_cut(device: FlashedDevice, cuts: list[int], seed: int, wanted: str) -> bool:
    """Cut the power in these operations of as many starts; False if one had fewer."""
    device.power_on_afresh()
    counted = wrote = 0
    for cut in cuts:
        told = device.start(cut, seed)
        if told.code != -9:
            return False
        # What was told as done is done.
        counted = max(counted, told.last("COUNTED"))
        if told.runs and told.runs[0][0] == wanted:
            wrote = max(wrote, told.last("WROTE"))
    told = device.settle()
    name, starts, _, config = told.runs[-1]
    if len(cuts) == 1:
        assert name == wanted
    assert starts > counted
    assert name != wanted or config >= wrote
    assert "HEALTHY" in told.lines
    assert device.start().runs[0][0] == name
    return True


@pytest.mark.parametrize("case", CASES)
def test_littlefs_torn_at_any_operation(case: str, tmp_path: Path) -> None:
    good, trial, wanted = CASES[case]
    device = FlashedDevice(tmp_path, good, trial)
    whole = device.start()
    cut = 0
    while check_cut(device, [cut], cut, wanted):
        cut += 1
    assert cut >= 8
    if case == "every day":
        assert cut == operations(whole)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_littlefs_torn_again_and_again(case: str, tmp_path: Path) -> None:
    good, trial, wanted = CASES[case]
    device = FlashedDevice(tmp_path, good, trial)
    seeds = int(os.environ.get("EMERY_CUTS", "60"))
    done = 0
    for seed in range(seeds):
        cuts = [(seed * 7 + n * 3) % 11 for n in range(1 + seed % 3)]
        done += check_cut(device, cuts, seed, wanted)
    assert done > seeds // 3
