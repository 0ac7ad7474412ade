"""The chip inside the test's own process."""

import sys
import time
from pathlib import Path

import pytest

from emery.virtual_board import inside
from emery.virtual_board.inside import ResetAsked
from hal.wiring import RP2040
from host_tests.pins import reference_wiring


def test_only_device_code_sees_the_boards_clock() -> None:
    with inside.board("rp2040") as board:
        import time as ours

        assert ours is time
        from hal.sensors import device

        assert vars(device)["ticks_ms"] is board.time.ticks_ms
        assert "machine" in sys.modules
    assert "machine" not in sys.modules
    assert "hal.sensors.device" not in sys.modules or (
        sys.modules["hal.sensors.device"] is not device
    )


def test_time_passes_in_sleeps_and_a_little_in_calls() -> None:
    with inside.board("esp32") as board:
        begun = board.now_us
        for _ in range(100):
            board.time.ticks_us()
        assert 100 <= board.now_us - begun <= 2_000
        board.time.sleep_ms(250)
        board.run_for(250)
        assert 500_000 <= board.now_us - begun <= 503_000


def test_timers_call_back_and_their_errors_are_kept() -> None:
    with inside.board("rp2040") as board:
        times: list[int] = []

        def tick(timer: object) -> None:
            times.append(board.time.ticks_us())
            if len(times) == 4:
                raise ValueError("a bug")

        board.machine.Timer(period=5, callback=tick, hard=True)
        begun = board.now_us
        board.run_for(100)
        assert [(us - begun) // 1_000 for us in times] == [5, 10, 15, 20]
        assert [str(error) for error in board.errors] == ["a bug"]


def test_a_reset_ends_the_code_under_test() -> None:
    with inside.board("rp2040") as board:
        board.machine.Pin(2, board.machine.Pin.OUT, value=1)
        with pytest.raises(ResetAsked, match=r"machine\.reset"):
            board.machine.reset()
        assert board.permille(2) == 0
        board.machine.WDT(timeout=100)
        with pytest.raises(ResetAsked, match="watchdog"):
            board.run_for(200)
        assert board.machine.reset_cause() == board.machine.WDT_RESET


def test_a_soft_reset_stops_timers_and_leaves_pins() -> None:
    with inside.board("rp2040") as board:
        calls: list[object] = []
        board.machine.Pin(2, board.machine.Pin.OUT, value=1)
        board.machine.Timer(period=5, callback=calls.append, hard=True)
        board.soft_reset()
        board.run_for(50)
        assert calls == []
        assert board.level(2) == 1


def test_what_never_comes_is_told_and_does_not_hang() -> None:
    with inside.board("rp2040") as board:
        machine = board.chip_module.StateMachine(0)
        for _ in range(4):
            machine.put(1)
        with pytest.raises(RuntimeError, match="a FIFO that stays full"):
            machine.put(1)


def test_files_of_the_device_stay_in_their_folder(tmp_path: Path) -> None:
    wiring = reference_wiring(RP2040)
    for turn in range(2):
        with inside.board("rp2040", wiring=wiring, folder=tmp_path):
            from hal.rp2040 import Rp2040Board

            device = Rp2040Board(wiring, 5)
            if turn == 0:
                device.storage.commit(b"kept")
            else:
                assert device.storage.load() == b"kept"
    assert (tmp_path / "files" / "state").is_dir()
    assert not Path("/state").exists()
