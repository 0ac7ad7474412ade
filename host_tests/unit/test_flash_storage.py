"""Storage in two places: which record wins, what is refused, power cuts, wear."""

import os
import struct
from binascii import crc32
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from littlefs import LittleFS
from littlefs.context import UserContext

from hal import flash_storage
from hal.contract import StorageRefused
from hal.flash_storage import FlashStorage

BLOCK = 4096
# Program size of the ports' file system, and blocks of it: 1.4 MB and 2 MB.
PORTS = {"rp2040": (256, 352), "esp32": (32, 512)}
# The longest session, eight times a day, for ten years; a pass record of 52 bytes,
# and the time that MicroPython notes with a file.
COMMITS = 98 * 8 * 365 * 10
RECORD_BYTES = 52 + 12


class Window:
    """A board that is safe, or not, and notes its storage windows."""

    def __init__(self, is_safe: bool = True) -> None:
        self.is_safe = is_safe
        self.log = ""

    def open_storage_window(self) -> bool:
        self.log += "o" if self.is_safe else "r"
        return self.is_safe

    def close_storage_window(self) -> None:
        self.log += "c"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def storage_in(folder: object, board: Window | None = None) -> FlashStorage:
    return FlashStorage(str(folder), "record", board or Window())


def form(sequence: int, record: bytes) -> bytes:
    body = struct.pack("<I", sequence) + record
    return body + struct.pack("<I", crc32(body))


def place(folder: Path, number: int) -> Path:
    return folder / f"record.{number}"


def test_nothing_was_ever_written(folder: Path) -> None:
    assert storage_in(folder).load() == b""
    assert not folder.exists()


def test_the_last_record_comes_back_after_a_restart(folder: Path) -> None:
    storage = storage_in(folder)
    for number in range(10):
        storage.commit(b"record %d" % number)
        assert storage.load() == b"record %d" % number
        assert storage_in(folder).load() == b"record %d" % number


def test_a_commit_without_a_load_before_it_follows_what_is_there(folder: Path) -> None:
    storage_in(folder).commit(b"one")
    storage_in(folder).commit(b"two")
    assert place(folder, 0).read_bytes() == form(1, b"one")
    assert place(folder, 1).read_bytes() == form(2, b"two")


def test_the_place_of_the_newest_record_is_left_alone(folder: Path) -> None:
    storage = storage_in(folder)
    storage.commit(b"zero")
    for number in range(6):
        newest = {path: path.read_bytes() for path in folder.iterdir()}
        storage.commit(b"%d" % number)
        changed = [path for path, content in newest.items() if path.read_bytes() != content]
        assert len(changed) == (0 if number == 0 else 1)
        assert form(number + 1, b"%d" % (number - 1) if number else b"zero") in newest.values()


@pytest.mark.parametrize("older", [0, 1])
@pytest.mark.parametrize("sequence", [1, 77, 0x7FFFFFFF, 0xFFFFFFFF])
def test_the_newer_sequence_wins_through_its_wrap(
    folder: Path, older: int, sequence: int
) -> None:
    folder.mkdir()
    place(folder, older).write_bytes(form(sequence, b"older"))
    place(folder, 1 - older).write_bytes(form((sequence + 1) & 0xFFFFFFFF, b"newer"))
    storage = storage_in(folder)
    assert storage.load() == b"newer"
    storage.commit(b"newest")
    assert storage_in(folder).load() == b"newest"
    assert b"newer" in place(folder, 1 - older).read_bytes()


@pytest.mark.parametrize("damage", ["bit", "short", "long", "empty", "folder"])
@pytest.mark.parametrize("number", [0, 1])
def test_one_damaged_place_is_made_up_for_by_the_other(
    folder: Path, damage: str, number: int
) -> None:
    storage = storage_in(folder)
    storage.commit(b"one")
    storage.commit(b"two")
    spoil(place(folder, number), damage)
    storage = storage_in(folder)
    assert storage.load() == (b"two" if number == 0 else b"one")
    if damage != "folder":
        # The damaged place is the one that is written next.
        storage.commit(b"three")
        assert storage_in(folder).load() == b"three"
        assert b"three" in place(folder, number).read_bytes()


def spoil(path: Path, damage: str) -> None:
    content = path.read_bytes()
    if damage == "bit":
        path.write_bytes(content[:5] + bytes((content[5] ^ 4,)) + content[6:])
    elif damage == "short":
        path.write_bytes(content[:7])
    elif damage == "long":
        path.write_bytes(content + bytes(5_000))
    elif damage == "empty":
        path.write_bytes(b"")
    else:  # it cannot be read at all
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("damages", [("bit", "bit"), ("short", "long"), ("empty", "bit"),
                                     ("folder", "short")])  # fmt: skip
def test_two_damaged_places_are_told(folder: Path, damages: tuple[str, str]) -> None:
    storage = storage_in(folder)
    storage.commit(b"one")
    storage.commit(b"two")
    for number, damage in enumerate(damages):
        spoil(place(folder, number), damage)
    storage = storage_in(folder)
    with pytest.raises(OSError, match="damaged"):
        storage.load()
    # SERVICE forgets it by a commit.
    if "folder" not in damages:
        storage.commit(b"new")
        assert storage_in(folder).load() == b"new"


def test_one_record_that_is_damaged_is_not_none(folder: Path) -> None:
    storage_in(folder).commit(b"one")
    spoil(place(folder, 0), "bit")
    with pytest.raises(OSError, match="damaged"):
        storage_in(folder).load()


def test_every_flipped_bit_is_found(folder: Path) -> None:
    storage_in(folder).commit(b"a record")
    content = place(folder, 0).read_bytes()
    for bit in range(8 * len(content)):
        spoilt = bytearray(content)
        spoilt[bit // 8] ^= 1 << bit % 8
        place(folder, 0).write_bytes(spoilt)
        with pytest.raises(OSError, match="damaged"):
            storage_in(folder).load()


def test_a_write_is_refused_unless_the_board_is_safe(folder: Path) -> None:
    board = Window(is_safe=False)
    with pytest.raises(StorageRefused):
        storage_in(folder, board).commit(b"one")
    assert not folder.exists()
    assert board.log == "r"
    board.is_safe = True
    storage_in(folder, board).commit(b"one")
    assert board.log == "roc"


def test_the_window_is_closed_when_a_write_fails(folder: Path) -> None:
    folder.write_text("a file in the way of the folder")
    board = Window()
    with pytest.raises(OSError, match="record"):
        storage_in(folder, board).commit(b"one")
    assert board.log == "oc"


def test_what_does_not_read_back_was_not_committed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = storage_in(folder)
    storage.commit(b"one")
    with monkeypatch.context() as patch:
        patch.setattr(flash_storage, "_content", lambda path: b"something else")
        with pytest.raises(OSError, match="read back"):
            storage.commit(b"two")
    storage.commit(b"three")
    assert storage_in(folder).load() == b"three"
    assert b"one" in place(folder, 0).read_bytes()


# On littlefs itself ------------------------------------------------------------------------


class Flash(UserContext):
    """NOR flash that counts its erases and, if told, keeps what a power cut in each
    operation would have left: the first half of it done."""

    def __init__(self, content: bytes | None, blocks: int) -> None:
        super().__init__(buffer=bytearray(content or b"\xff" * (BLOCK * blocks)))
        self.erases: Counter[int] = Counter()
        self.keeps_cuts = False
        self.cuts: list[bytes] = []

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        self._write(block * BLOCK + off, data[: len(data) // 2])
        self._cut()
        self._write(block * BLOCK + off, data)
        return 0

    def erase(self, cfg: Any, block: int) -> int:
        self.erases[block] += 1
        at = block * BLOCK
        self.buffer[at : at + BLOCK // 2] = b"\xff" * (BLOCK // 2)
        self._cut()
        self.buffer[at : at + BLOCK] = b"\xff" * BLOCK
        return 0

    def _write(self, at: int, data: bytes) -> None:
        for n, value in enumerate(data):
            self.buffer[at + n] &= value

    def _cut(self) -> None:
        if self.keeps_cuts:
            self.cuts.append(bytes(self.buffer))


def mounted(flash: Flash, port: str, is_new: bool) -> LittleFS:
    program, blocks = PORTS[port]
    fs = LittleFS(
        context=flash, mount=False, block_size=BLOCK, block_count=blocks, read_size=32,
        prog_size=program, cache_size=4 * max(32, program), lookahead_size=32, block_cycles=100,
    )  # fmt: skip
    if is_new:
        fs.format()
    fs.mount()
    return fs


@pytest.fixture
def on_littlefs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls with a file system: the module's files are in it from then on."""

    def put(fs: LittleFS) -> FlashStorage:
        def opened(path: str, mode: str) -> Any:
            try:
                return fs.open(path, mode)
            except OSError as error:
                raise OSError(2 if isinstance(error, FileNotFoundError) else 5) from error

        monkeypatch.setattr(flash_storage, "open", opened, raising=False)
        monkeypatch.setattr(flash_storage, "os", SimpleNamespace(mkdir=fs.mkdir))
        return storage_in("/state")

    return put


@pytest.mark.parametrize("port", PORTS)
def test_ten_years_are_within_the_life_of_the_flash(port: str, on_littlefs: Any) -> None:
    flash = Flash(None, PORTS[port][1])
    storage = on_littlefs(mounted(flash, port, True))
    storage.commit(bytes(RECORD_BYTES))
    flash.erases.clear()
    commits = 10_000
    for _ in range(commits):
        storage.commit(os.urandom(RECORD_BYTES))
    per_erase = commits / flash.erases.total()
    assert per_erase == pytest.approx({"rp2040": 15, "esp32": 39}[port], rel=0.1)
    # It moves on, too: the data sheet's 100 000, over 64 free blocks.
    assert len(flash.erases) > 2
    assert COMMITS / per_erase / 64 < 100_000 / 30


@pytest.mark.parametrize("port", PORTS)
def test_a_power_cut_leaves_the_record_before_or_the_new_one(
    port: str, on_littlefs: Any
) -> None:
    blocks = PORTS[port][1]
    flash = Flash(None, blocks)
    storage = on_littlefs(mounted(flash, port, True))
    before = b""
    cuts = 0
    for _ in range(100):
        record = os.urandom(RECORD_BYTES)
        flash.keeps_cuts = True
        storage.commit(record)
        flash.keeps_cuts = False
        for content in flash.cuts:
            after = on_littlefs(mounted(Flash(content, blocks), port, False))
            assert after.load() in (before, record)
            after.commit(b"and on")
            assert after.load() == b"and on"
        cuts += len(flash.cuts)
        flash.cuts.clear()
        storage = on_littlefs(mounted(Flash(bytes(flash.buffer), blocks), port, False))
        assert storage.load() == record
        storage = on_littlefs(mounted(flash, port, False))
        before = record
    # Compactions were among them, and so cut as well.
    assert cuts >= 100
    assert flash.erases.total() >= 4
