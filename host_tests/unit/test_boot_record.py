"""The boot record: what is counted, what leads to SERVICE, what is forgotten."""

import pytest

from firmware.boot_record import CAUSES, MOST_BAD, BootRecord
from hal.contract import RESET_POWER_ON, RESET_SOFT, RESET_UNKNOWN, RESET_WATCHDOG
from hal.mock import MockStorage
from host_tests.running_board import RunningMock


@pytest.fixture
def board() -> RunningMock:
    return RunningMock()


def start(board: RunningMock, cause: int = RESET_POWER_ON) -> BootRecord:
    record = BootRecord(board.boot_storage)
    record.begin(cause)
    return record


def test_a_new_device(board: RunningMock) -> None:
    record = start(board)
    assert (record.boots, record.unmarked, record.crashes, record.crash) == (1, 1, 0, "")
    assert not record.needs_service
    assert record.is_kept


def test_a_start_is_counted_before_anything_else_is_tried(board: RunningMock) -> None:
    start(board)
    assert start(board).boots == 2
    assert start(board).unmarked == 3


def test_the_last_causes_are_kept_the_newest_first(board: RunningMock) -> None:
    start(board, RESET_POWER_ON)
    start(board, RESET_WATCHDOG)
    record = start(board, RESET_SOFT)
    assert list(record.causes[:4]) == [RESET_SOFT, RESET_WATCHDOG, RESET_POWER_ON, RESET_UNKNOWN]
    for _ in range(CAUSES):
        record = start(board)
    assert list(record.causes) == [RESET_POWER_ON] * CAUSES


def test_a_health_mark_forgets_bad_starts(board: RunningMock) -> None:
    start(board)
    start(board).mark_healthy()
    assert start(board).unmarked == 1


def test_bad_starts_of_another_version_do_not_count_against_a_new_one(
    board: RunningMock,
) -> None:
    for _ in range(MOST_BAD):
        start(board)
    record = BootRecord(board.boot_storage)
    record.begin(RESET_POWER_ON, True)
    assert (record.boots, record.unmarked, record.needs_service) == (MOST_BAD + 1, 1, False)


def test_after_three_bad_starts_comes_service_until_it_was_healthy(board: RunningMock) -> None:
    for _ in range(MOST_BAD):
        assert not start(board).needs_service
    assert start(board).needs_service
    record = start(board)
    assert record.needs_service
    record.mark_healthy()
    assert not start(board).needs_service


def test_a_rollback_that_works_is_no_way_into_service(board: RunningMock) -> None:
    # Two starts of a slot on trial, then the old one: MOST_TRIES in /main.py.
    start(board)
    start(board)
    record = start(board)
    assert not record.needs_service
    record.mark_healthy()


def test_three_crashes_lead_to_service_although_each_run_was_healthy(board: RunningMock) -> None:
    for number in range(MOST_BAD):
        record = start(board)
        assert not record.needs_service
        record.mark_healthy()
        record.note_crash(f"crash {number}")
    record = start(board)
    assert record.needs_service
    assert record.crash == "crash 2"
    record.mark_healthy()
    record = start(board)
    assert not record.needs_service
    assert record.crash == "crash 2"  # to be read for as long as no other comes


def test_crashes_are_forgotten_when_asked(board: RunningMock) -> None:
    record = start(board)
    record.note_crash("a bug")
    record.forget_crashes()
    assert start(board).crashes == 0


def test_a_long_text_is_cut_to_its_end(board: RunningMock) -> None:
    record = start(board)
    record.note_crash("the beginning" + "\u00b5" * 1_000 + "the end")
    assert len(board.boot_storage.record) < 400
    found = start(board).crash
    assert found.endswith("\u00b5the end")
    assert "beginning" not in found


@pytest.mark.parametrize("content", [b"\x01", b"\x00" * 13, b"\x00" * 14 + b"\xff\xfe"])
def test_a_record_of_another_form_is_begun_anew(content: bytes, board: RunningMock) -> None:
    board.boot_storage.record = content
    record = start(board)
    assert record.crash == "the boot record was damaged"
    assert record.is_kept
    assert start(board).boots == 2


def test_storage_that_fails_keeps_nothing_from_starting(board: RunningMock) -> None:
    class Broken(MockStorage):
        def load(self) -> bytes:
            raise OSError(5, "EIO")

        def commit(self, record: bytes) -> None:
            raise OSError(5, "EIO")

    record = BootRecord(Broken())
    record.begin(RESET_POWER_ON)
    record.mark_healthy()
    record.note_crash("a bug")
    assert not record.is_kept
    assert record.unmarked == 0


def test_counts_do_not_run_over(board: RunningMock) -> None:
    record = start(board)
    record.boots = 0x3FFFFFFF
    record.unmarked = record.crashes = 255
    record.note_crash("a bug")
    record = start(board)
    assert (record.boots, record.unmarked, record.crashes) == (0, 255, 255)


def test_nothing_is_written_while_outputs_are_not_safe(board: RunningMock) -> None:
    record = start(board)
    board.pump_permille = 500
    before = board.boot_storage.record
    record.mark_healthy()
    assert not record.is_kept
    assert board.boot_storage.record == before
