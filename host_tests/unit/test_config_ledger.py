"""The device's own ledger: the last sixteen configs, from whom and why."""

import hashlib
from pathlib import Path

import pytest

from emery.link.device_ledger import digest_of, entries_of
from firmware import config_ledger
from firmware.config_ledger import LEDGER_ENTRIES, append, entries
from hal.flash_storage import FlashStorage
from hal.mock import MockStorage
from host_tests.running_board import RunningMock


@pytest.fixture
def storage() -> MockStorage:
    made = MockStorage()
    RunningMock(ledger_storage=made)
    return made


def digest(number: int) -> str:
    return hashlib.sha256(bytes([number])).hexdigest()[:16]


def test_it_begins_empty(storage: MockStorage) -> None:
    assert entries(storage) == b""
    assert entries_of(b"") == []


def test_an_entry_reads_back_as_it_was_told(storage: MockStorage) -> None:
    why = "quicker_on_the_cheek_of_"
    assert append(storage, 12, 1_764_000_000, digest(1), "a_technician", why)
    (entry,) = entries_of(entries(storage))
    assert (entry.number, entry.boots, entry.digest) == (1, 12, digest(1))
    assert (entry.who, entry.why) == ("a technician", "quicker on the cheek of ")
    assert entry.when is not None
    assert entry.when.isoformat() == "2025-11-24T16:00:00+00:00"


def test_a_time_that_nobody_told_is_none(storage: MockStorage) -> None:
    append(storage, 1, 0, digest(1), config_ledger.BY_ITSELF, config_ledger.SEEN)
    (entry,) = entries_of(entries(storage))
    assert (entry.when, entry.who, entry.why) == (None, "device", "seen at start")


def test_it_keeps_the_last_sixteen_and_counts_on(storage: MockStorage) -> None:
    for number in range(40):
        assert append(storage, number, number, digest(number), "me", "why")
    kept = entries_of(entries(storage))
    assert [entry.number for entry in kept] == list(range(25, 41))
    assert [entry.digest for entry in kept] == [digest(number) for number in range(24, 40)]
    assert len(kept) == LEDGER_ENTRIES


def test_a_start_need_only_look_at_the_first_bytes(storage: MockStorage) -> None:
    for number in range(3):
        append(storage, 1, 0, digest(number), "me", "why")
        assert bytes(storage.load()[:8]).hex() == digest(number)


def test_a_damaged_entry_is_left_out_and_the_others_stay(storage: MockStorage) -> None:
    for number in range(4):
        append(storage, 1, 0, digest(number), "me", "why")
    record = bytearray(storage.load())
    record[8 + 60 + 20] ^= 1
    storage.record = bytes(record)
    assert [entry.number for entry in entries_of(entries(storage))] == [1, 3, 4]


def test_a_storage_that_cannot_be_read_begins_anew(storage: MockStorage) -> None:
    def broken() -> bytes:
        raise OSError(5, "EIO")

    storage.load = broken  # type: ignore[method-assign]
    assert entries(storage) == b""
    assert append(storage, 1, 0, digest(1), "me", "why")


def test_one_that_cannot_be_written_is_told(storage: MockStorage) -> None:
    def broken(record: bytes) -> None:
        raise OSError(28, "ENOSPC")

    storage.commit = broken  # type: ignore[method-assign]
    assert not append(storage, 1, 0, digest(1), "me", "why")


def test_all_of_it_fits_into_a_place_of_the_flash(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    storage = FlashStorage(str(folder), "ledger", RunningMock())
    for number in range(LEDGER_ENTRIES + 3):
        assert append(storage, 1, 0, digest(number), "x" * 12, "y" * 24)
    again = FlashStorage(str(folder), "ledger", RunningMock())
    assert len(entries_of(entries(again))) == LEDGER_ENTRIES


def test_the_host_names_a_config_as_the_device_does() -> None:
    from firmware.slots import digest_of as of_device

    assert digest_of(b"a config") == of_device(b"a config")
