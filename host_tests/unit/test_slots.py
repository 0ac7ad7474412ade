"""The running firmware and its slot."""

import pytest

from firmware import slots
from hal.contract import StorageRefused
from host_tests.board_files import BoardFiles, Boot
from host_tests.running_board import RunningMock


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> BoardFiles:
    made = BoardFiles()
    monkeypatch.setattr(slots, "open", made.open, raising=False)
    monkeypatch.setattr(slots, "os", made.os)
    return made


@pytest.mark.parametrize(
    ("path", "slot"),
    [
        ("/a/firmware/main.mpy", "a"),
        ("/b/firmware/main.py", "b"),
        ("firmware/main.py", ""),  # frozen
        ("/lib/firmware/main.py", ""),
        ("", ""),
    ],
)
def test_a_module_knows_its_slot(path: str, slot: str) -> None:
    assert slots.running(path) == slot


def test_the_version_is_the_manifests(files: BoardFiles) -> None:
    files.put_slot("a", version="0.7.1")
    assert slots.version("a") == "0.7.1"


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b"\xff"])
def test_a_version_that_cannot_be_told(content: bytes | None, files: BoardFiles) -> None:
    if content is not None:
        files.files["/a/manifest.json"] = content
    assert slots.version("a") == "?"


def test_a_digest_is_the_beginning_of_the_sha_256(files: BoardFiles) -> None:
    files.files["/a/config.bin"] = b"abc"
    assert slots.digest("/a/config.bin") == "ba7816bf8f01cfea"  # FIPS 180-2, appendix B.1
    assert slots.digest("/b/config.bin") == ""


def test_the_trial_ends_and_boot_understands_it(
    files: BoardFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.put_slot("b")
    files.set_slot_state("b", 1, 1)
    assert slots.on_trial("b")
    slots.end_trial("b", RunningMock())
    assert not slots.on_trial("b")
    writes = files.writes
    boot = Boot(files)
    boot.power_on(monkeypatch)
    assert boot.started == ["b"]
    assert files.writes == writes  # nothing is counted any more


def test_only_the_first_start_on_trial_is_one(files: BoardFiles) -> None:
    for trial, tries, is_first in ((1, 1, True), (1, 2, False), (0, 0, False)):
        files.set_slot_state("b", trial, tries)
        assert slots.is_first_start("b") == is_first
        assert not slots.is_first_start("a")


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"null"])
def test_without_a_sensible_slot_file_nothing_is_on_trial(
    content: bytes | None, files: BoardFiles
) -> None:
    if content is not None:
        files.files["/slot.json"] = content
    assert not slots.on_trial("a")
    slots.end_trial("a", RunningMock())
    assert files.writes == 0


def test_nothing_is_written_while_outputs_are_not_safe(files: BoardFiles) -> None:
    files.set_slot_state("a", 1, 1)
    board = RunningMock()
    board.pump_permille = 1000
    with pytest.raises(StorageRefused):
        slots.end_trial("a", board)
    assert files.writes == 0
    assert files.slot_state()["trial"] == 1


def test_the_window_is_closed_whatever_happens(files: BoardFiles) -> None:
    files.set_slot_state("a", 1, 1)
    files.full = True
    board = RunningMock()
    with pytest.raises(OSError, match="ENOSPC"):
        slots.end_trial("a", board)
    assert board.acts == ["window closed"]
    assert files.slot_state()["trial"] == 1


def test_what_does_not_read_back_leaves_the_old_file(
    files: BoardFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.files["/a/config.bin"] = b"old"

    def worn_out(path: str, mode: str = "r") -> object:
        if mode == "rb":
            files.files[path] = b"nex"
        return files.open(path, mode)

    monkeypatch.setattr(slots, "open", worn_out, raising=False)
    with pytest.raises(OSError, match="does not read back"):
        slots.replace_file("/a/config.bin", "/a/config.new", b"new", RunningMock())
    assert files.files == {"/a/config.bin": b"old"}


def test_a_full_flash_keeps_the_old_file_and_no_half_of_the_new(files: BoardFiles) -> None:
    files.files["/a/config.bin"] = b"old"
    files.full = True
    with pytest.raises(OSError, match="ENOSPC"):
        slots.replace_file("/a/config.bin", "/a/config.new", b"new", RunningMock())
    assert files.files == {"/a/config.bin": b"old"}
