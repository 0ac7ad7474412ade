"""The journal: what gets in, what stays, and when it is written."""

import struct
from collections.abc import Iterator

import pytest

from firmware import faults
from firmware.journal import (
    CONFIG_WRITTEN,
    CRASH,
    ENTRIES,
    FAULT_LATCHED,
    SESSION_BEGUN,
    SESSION_ENDED,
    START,
    Journal,
)
from firmware.treatment import TREATING
from hal.contract import COMMAND_ACKNOWLEDGE, COMMAND_END, RESET_POWER_ON, StorageRefused
from hal.flash_storage import FlashStorage
from hal.mock import MockStorage
from host_tests.linked import LinkedDevice, linked_device


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with linked_device() as device:
        device.run_until("STANDBY")
        yield device


def entries(journal: Journal) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack("<IIBBH", journal.entries()))


def kinds(journal: Journal) -> list[int]:
    return [entry[2] for entry in entries(journal)]


class Fails(MockStorage):
    """Fails on demand."""

    error: Exception | None = None

    def commit(self, record: bytes) -> None:
        if self.error is not None:
            raise self.error
        super().commit(record)


def journal_on(storage: MockStorage, device: LinkedDevice, boots: int = 1) -> Journal:
    storage.board = device.board
    return Journal(storage, device.app, boots)


def test_a_start_is_in_it_with_its_cause(device: LinkedDevice) -> None:
    assert [entry[2:] for entry in entries(device.journal)] == [(START, RESET_POWER_ON, 0)]
    assert entries(device.journal)[0][0] == 1


def test_a_session_is_in_it_with_what_it_came_to(device: LinkedDevice) -> None:
    device.to_treating()
    device.run(2_000)
    device._post(COMMAND_END)
    device.run(1_000)
    assert kinds(device.journal) == [START, SESSION_BEGUN, SESSION_ENDED]
    assert entries(device.journal)[-1][3:] == (1, 1)  # one zone, one pass
    assert entries(device.journal)[-1][1] >= 2  # seconds since the start


def test_a_fault_is_in_it_with_the_state_it_came_in(device: LinkedDevice) -> None:
    device.to_treating()
    device.board.inject("sensor_supply_open")
    device.run_until("FAULT")
    device.run(100)
    assert entries(device.journal)[-1][2:] == (FAULT_LATCHED, faults.SENSOR_SUPPLY, TREATING)
    device.run(3_000)
    assert kinds(device.journal).count(FAULT_LATCHED) == 1


def test_the_same_fault_again_is_in_it_again(device: LinkedDevice) -> None:
    for _ in range(2):
        device.board.inject("sensor_supply_open")
        device.run_until("FAULT")
        device.board.clear("sensor_supply_open")
        device.run(1_000)
        device._post(COMMAND_ACKNOWLEDGE)
        device.run_until("CHECKLIST")
    assert kinds(device.journal) == [START, FAULT_LATCHED, FAULT_LATCHED]


def test_what_is_noted_outlives_a_restart_oldest_first(device: LinkedDevice) -> None:
    storage = Fails()
    first = journal_on(storage, device, 1)
    first.note(CRASH)
    first.keep()
    second = journal_on(storage, device, 2)
    second.note(CONFIG_WRITTEN)
    assert kinds(second) == [CRASH, CONFIG_WRITTEN]
    assert [entry[0] for entry in entries(second)] == [1, 2]


def test_only_the_last_entries_are_kept(device: LinkedDevice) -> None:
    journal = journal_on(Fails(), device)
    for number in range(3 * ENTRIES):
        journal.note(FAULT_LATCHED, number & 0xFF, number)
    assert [entry[4] for entry in entries(journal)] == list(range(2 * ENTRIES, 3 * ENTRIES))


def test_what_does_not_fit_is_clamped(device: LinkedDevice) -> None:
    journal = journal_on(Fails(), device)
    journal.note(SESSION_ENDED, 3, 1_000_000)
    assert entries(journal)[-1][3:] == (3, 0xFFFF)


def test_it_fits_its_places_in_flash(device: LinkedDevice) -> None:
    from hal import flash_storage

    assert ENTRIES * 12 + 8 <= flash_storage._FILE_HIGHEST_BYTES
    assert FlashStorage.__doc__


# When it is written ---------------------------------------------------------------


def test_news_are_written_once_together_after_a_second_of_safe_outputs(
    device: LinkedDevice,
) -> None:
    storage = Fails()
    journal = journal_on(storage, device)
    device.board.make_safe()
    journal.note(CRASH)
    journal.turn(True)
    journal.note(CONFIG_WRITTEN)
    for _ in range(48):
        journal.turn(True)
    assert storage.commits == 0
    journal.turn(True)
    assert storage.commits == 1
    for _ in range(200):
        journal.turn(True)
    assert storage.commits == 1
    assert bytes(storage.load()) == journal.entries()


def test_it_is_not_written_while_outputs_are_active_nor_soon_after(device: LinkedDevice) -> None:
    storage = Fails()
    journal = journal_on(storage, device)
    journal.note(CRASH)
    for _ in range(30):
        journal.turn(True)
    for _ in range(500):
        journal.turn(False)
    for _ in range(49):
        journal.turn(True)
    assert storage.commits == 0
    journal.turn(True)
    assert storage.commits == 1


@pytest.mark.parametrize("error", [OSError(5), StorageRefused("no")])
def test_one_that_cannot_be_written_stops_nothing(error: Exception, device: LinkedDevice) -> None:
    storage = Fails()
    journal = journal_on(storage, device)
    storage.error = error
    journal.note(CRASH)
    journal.keep()
    assert not journal.is_kept
    assert kinds(journal) == [CRASH]
    storage.error = None
    journal.keep()
    assert journal.is_kept


def test_one_that_cannot_be_read_begins_anew(device: LinkedDevice) -> None:
    class Unreadable(Fails):
        def load(self) -> bytes:
            raise OSError(5)

    journal = journal_on(Unreadable(), device)
    assert journal.entries() == b""
    journal.note(CRASH)
    assert kinds(journal) == [CRASH]


def test_a_piece_of_an_entry_is_left_out(device: LinkedDevice) -> None:
    storage = Fails()
    storage.board = device.board
    storage.commit(bytes(12) + b"\x01\x02")
    assert len(journal_on(storage, device).entries()) == 12


def test_a_treatment_writes_it_only_between_strokes(device: LinkedDevice) -> None:
    storage = Fails()
    storage.board = device.board
    device.journal._storage = storage
    device.to_treating()
    during = storage.commits
    device.run(5_000)
    assert device.state == "TREATING"
    assert storage.commits == during
