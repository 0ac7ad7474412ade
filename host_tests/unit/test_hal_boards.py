"""What both real boards promise, on a chip without silicon."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal import contract, wiring
from hal.contract import (
    BUTTON_END,
    BUTTON_PASS,
    BUTTON_START,
    BUTTON_ZONE,
    DT_HIGHEST_MS,
    FULL_PERMILLE,
    LEASE_MS,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    VENT_OPEN,
    Outputs,
    Readings,
    StorageRefused,
)
from host_tests.pins import Chip, Reset, on, reference_wiring

CHIPS = (wiring.RP2040, wiring.ESP32)


@pytest.fixture(params=CHIPS, ids=wiring.CHIPS)
def chip(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chip]:
    """Each chip, with the HAL on it."""
    with on(Chip(reference_wiring(request.param)), tmp_path) as chip:
        yield chip


def wish(pump: int = 0, feed: int = 0, vent: int = VENT_OPEN, lease: int = LEASE_MS) -> Outputs:
    outputs = Outputs()
    outputs.pump_permille, outputs.feed_permille = pump, feed
    outputs.vent, outputs.lease_ms = vent, lease
    return outputs


FULL = wish(FULL_PERMILLE, FULL_PERMILLE, VENT_CLOSED)


class Ticks:
    """A tick that samples, drives what it is told, and may raise."""

    def __init__(self, board: Any) -> None:
        self.board = board
        self.readings = Readings()
        self.outputs = wish(lease=0)
        self.dts: list[int] = []
        self.raises: BaseException | None = None

    def __call__(self) -> None:
        self.board.sample(self.readings)
        self.dts.append(self.readings.dt_ms)
        if self.raises is not None:
            raise self.raises
        self.board.drive(self.outputs)


def started(board: Any) -> Ticks:
    ticks = Ticks(board)
    board.start(ticks)
    return ticks


def run(board: Any, chip: Chip, ms: int) -> None:
    """The main loop for this long."""
    end_us = chip.now_us + ms * 1000
    while chip.now_us < end_us:
        board.poll()
        board.pause()


def run_one_tick(board: Any, chip: Chip) -> None:
    """Time until the next tick, and it."""
    count = board.ticks
    while board.ticks == count:
        chip.sleep(1_000)
        if not chip.is_rp2040 and time.ticks_diff(time.ticks_ms(), board._due_ms) >= 0:  # type: ignore[attr-defined]
            board._due_ms = time.ticks_add(board._due_ms, 10)  # type: ignore[attr-defined]
            board._run_tick()


# Safe first --------------------------------------------------------------


def test_the_outputs_are_low_before_any_other_pin_moves(chip: Chip) -> None:
    chip.board()
    wires = chip.wires
    drives = [wires.pump, wires.feed, wires.vent, wires.heartbeat]
    first = [(pin, what, value) for _, pin, what, value in chip.events[:8]]
    assert first == [entry for pin in drives for entry in ((pin, "out", 0), (pin, "level", 0))]
    assert chip.is_driven_safe()
    # And none of them ever went high on the way.
    assert not [event for event in chip.events if event[1] in drives and event[3] == 1]


def test_the_pump_pwm_starts_at_no_duty(chip: Chip) -> None:
    chip.board()
    of_pump = [(what, value) for _, pin, what, value in chip.events if pin == chip.wires.pump]
    assert of_pump == [("out", 0), ("level", 0), ("duty", 0), ("pwm", 20_000)]


def test_a_wiring_that_breaks_a_rule_is_refused_before_any_pin_is_touched(chip: Chip) -> None:
    chip.wires.vent = chip.wires.pump
    with pytest.raises(wiring.WiringError, match="taken by pump"):
        chip.board()
    chip.wires = reference_wiring(1 - chip.wires.chip)
    with pytest.raises(wiring.WiringError, match="not for the chip"):
        chip.board()
    assert chip.events == []


# Driving --------------------------------------------------------------


def test_what_is_asked_for_is_what_the_pins_do(chip: Chip) -> None:
    board = chip.board()
    board.drive(wish(pump=500, vent=VENT_CLOSED))
    assert chip.pump_duty() == 500 * 65_535 // 1000
    assert chip.levels[chip.wires.vent] == 1
    assert chip.levels[chip.wires.feed] == 0
    assert not board.is_safe()
    board.drive(wish(pump=FULL_PERMILLE, vent=VENT_CLOSED))
    assert chip.pump_duty() == 65_535
    board.drive(wish(vent=VENT_OPEN))
    assert chip.is_driven_safe()
    assert board.is_safe()


@pytest.mark.parametrize("pump", [-1, 1001, 1 << 20])
def test_a_drive_out_of_range_is_clamped(chip: Chip, pump: int) -> None:
    board = chip.board()
    board.drive(wish(pump=pump, feed=pump, vent=VENT_CLOSED))
    assert chip.pump_duty() == (0 if pump < 0 else 65_535)
    assert chip.levels[chip.wires.feed] == (0 if pump < 0 else 1)


@pytest.mark.parametrize("way", ["lease 0", "make_safe", "stop"])
def test_every_way_to_safe(chip: Chip, way: str) -> None:
    board = chip.board()
    board.drive(FULL)
    assert not chip.is_driven_safe()
    chip.sleep(5_000)
    if way == "lease 0":
        board.drive(wish(FULL_PERMILLE, FULL_PERMILLE, VENT_CLOSED, lease=0))
    else:
        getattr(board, way)()
    assert chip.is_driven_safe()
    assert board.is_safe()
    assert chip.levels[chip.wires.heartbeat] == 0
    chip.power()
    edge_us = chip.last_edge_us
    chip.sleep(100_000)
    chip.power()
    assert chip.last_edge_us == edge_us
    assert not chip.power()


def test_power_is_gone_within_the_lease_after_the_last_drive(chip: Chip) -> None:
    # Whatever Python does then: nobody calls the board any more.
    for ticks in range(1, 12):
        board = chip.board()
        for _ in range(ticks):
            board.drive(FULL)
            chip.sleep(5_000 if chip.is_rp2040 else 10_000)
        chip.now_us -= 5_000 if chip.is_rp2040 else 10_000  # the moment of the last drive
        chip.power()
        assert ticks < 3 or chip.power()
        chip.sleep(LEASE_MS * 1000)
        assert not chip.power()


def test_the_heartbeat_has_no_gap_that_would_open_the_switch(chip: Chip) -> None:
    board = chip.board()
    period_us = 5_000 if chip.is_rp2040 else 10_000
    for tick in range(200):
        board.drive(FULL)
        for _ in range(5):
            chip.sleep(period_us // 5)
            assert tick < 2 or chip.power()


@pytest.mark.parametrize("permille", [1, 5, 50, 333, 500, 900, 999])
def test_the_crystal_valve_is_open_for_its_share(chip: Chip, permille: int) -> None:
    board = chip.board()
    ticks = started(board)
    ticks.outputs = wish(100, permille, VENT_CLOSED)
    opened_us = 0
    for _ in range(1_000):
        began_us = chip.now_us
        was_open = chip.levels[chip.wires.feed]
        run_one_tick(board, chip)
        opened_us += was_open * (chip.now_us - began_us)
    # To half a tick in each period of 500 ms.
    assert abs(opened_us * 1000 / chip.now_us - permille) <= (5 if chip.is_rp2040 else 10.5)


def test_the_crystal_valve_shuts_at_once(chip: Chip) -> None:
    board = chip.board()
    board.drive(FULL)
    assert chip.levels[chip.wires.feed] == 1
    board.drive(wish(pump=FULL_PERMILLE, vent=VENT_CLOSED))
    assert chip.levels[chip.wires.feed] == 0


def test_short_strokes_do_not_each_begin_with_an_open_valve(chip: Chip) -> None:
    # 100 ms of every 150 at a fifth: if each began anew, it would be open all along.
    board = chip.board()
    readings = Readings()
    opened = driven = 0
    for tick in range(6_000):
        chip.now_us += 5_000
        board.sample(readings)
        on_skin = tick % 30 < 20
        board.drive(wish(500, 200 if on_skin else 0, VENT_CLOSED))
        driven += on_skin
        opened += chip.levels[chip.wires.feed]
    assert opened / driven == pytest.approx(0.2, abs=0.05)


# An output that does not obey --------------------------------------------------------------


@pytest.mark.parametrize("role", ["pump", "feed", "vent", "heartbeat"])
def test_make_safe_never_raises_and_reaches_the_others(chip: Chip, role: str) -> None:
    board = chip.board()
    board.drive(FULL)
    chip.broken[getattr(chip.wires, role)] = 1
    board.make_safe()
    assert board.output_errors > 0
    assert chip.is_driven_safe()
    chip.sleep(LEASE_MS * 1000)
    assert not chip.power()


def test_ctrl_c_within_make_safe_is_told_by_the_next_pause(chip: Chip) -> None:
    board = chip.board()
    board.drive(FULL)
    set_feed = board._set_feed

    def struck_once(level: int) -> None:
        board._set_feed = set_feed
        raise KeyboardInterrupt

    board._set_feed = struck_once
    board.make_safe()
    assert chip.is_driven_safe()
    assert board.is_safe()
    # No output refused, so that the pump keeps its PWM.
    assert board.output_errors == 0
    assert chip.wires.pump in chip.pwm_pins
    with pytest.raises(KeyboardInterrupt):
        board.pause()
    board.pause()


def test_an_output_that_stays_broken_is_not_called_safe(chip: Chip) -> None:
    board = chip.board()
    board.drive(FULL)
    chip.broken[chip.wires.vent] = 1_000
    board.make_safe()
    assert not board.is_safe()
    assert chip.pump_duty() == 0
    assert chip.levels[chip.wires.feed] == 0
    with pytest.raises(StorageRefused):
        board.storage.commit(b"x")


def test_stop_takes_the_pump_pin_from_its_pwm(chip: Chip) -> None:
    board = chip.board()
    ticks = started(board)
    ticks.outputs = FULL
    run(board, chip, 100)
    board.show(1, 1, 2_000)
    assert chip.pump_duty() == 65_535
    began = len(chip.events)
    board.stop()
    of_pump = [event for event in chip.events[began:] if event[1] == chip.wires.pump]
    # No duty; the period of the PWM to its end; then the pin itself, low.
    assert [event[2:] for event in of_pump] == [("duty", 0), ("out", 0), ("level", 0)]
    assert of_pump[1][0] - of_pump[0][0] >= 1_000_000 // 15_000
    assert chip.wires.pump not in chip.pwm_pins
    assert chip.duties[chip.wires.buzzer] == 0
    count = len(ticks.dts)
    run(board, chip, 100)
    assert len(ticks.dts) == count
    assert chip.is_driven_safe()


# The tick --------------------------------------------------------------


def test_the_tick_is_called_every_period(chip: Chip) -> None:
    board = chip.board()
    chip.sleep(700_000)  # the way from power-on to here is excused
    ticks = started(board)
    run(board, chip, 4_000)
    period_ms = 5 if chip.is_rp2040 else 10
    assert board.ticks == len(ticks.dts)
    assert board.ticks == pytest.approx(4_000 / period_ms, rel=0.02)
    assert set(ticks.dts[1:]) <= {period_ms - 1, period_ms, period_ms + 1}
    assert not chip.is_rp2040 or set(ticks.dts) == {period_ms}
    assert board.overruns == 0
    assert ticks.readings.now_ms == pytest.approx(4_700, abs=25)


@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), SystemExit()])
def test_a_tick_that_raises_ends_the_ticks_and_is_safe(
    chip: Chip, error: BaseException
) -> None:
    board = chip.board()
    ticks = started(board)
    ticks.outputs = FULL
    run(board, chip, 200)
    assert not chip.is_driven_safe()
    board.watch(2_000)
    ticks.raises = error
    count = len(ticks.dts)
    run(board, chip, 300)
    assert len(ticks.dts) == count + 1
    assert board.tick_error is error
    assert chip.is_driven_safe()
    assert not chip.power()
    # The timer did not see it, and the watchdog is not fed any more.
    board.feed_watchdog()
    feeds = chip.feeds
    run(board, chip, 300)
    board.feed_watchdog()
    assert chip.feeds == feeds


def test_now_goes_on_through_the_wrap_of_the_ticks(chip: Chip) -> None:
    board = chip.board()
    ticks = started(board)
    seen = []
    for _ in range(40):
        run(board, chip, 100)
        seen.append(ticks.readings.now_ms)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(4_000, abs=30)
    board._now_ms = contract.NOW_MASK - 10
    run(board, chip, 100)
    assert ticks.readings.now_ms < 100


def test_a_long_gap_reads_as_the_longest_dt(chip: Chip) -> None:
    board = chip.board()
    readings = Readings()
    chip.now_us += 3_000_000
    board.sample(readings)
    assert readings.dt_ms == DT_HIGHEST_MS
    assert readings.now_ms == 3_000
    assert board.overruns == 1
    board.sample(readings)
    assert readings.dt_ms == 1


# Inputs --------------------------------------------------------------


def test_the_footswitch_is_pressed_when_it_is_closed_to_ground(chip: Chip) -> None:
    board = chip.board()
    readings = Readings()
    board.sample(readings)
    assert readings.footswitch == SWITCH_RELEASED
    chip.inputs[chip.wires.footswitch] = 0
    board.sample(readings)
    assert readings.footswitch == SWITCH_PRESSED


def test_a_button_counts_once_and_only_when_it_is_steady(chip: Chip) -> None:
    chip.inputs[chip.wires.button_zone] = 0  # stuck from power-on
    board = chip.board()
    roles = {"start": BUTTON_START, "pass": BUTTON_PASS, "end": BUTTON_END}
    for role, bit in roles.items():
        pin = getattr(chip.wires, "button_" + role)
        for level in (0, 1, 0, 1):  # bounces between the looks
            chip.inputs[pin] = level
            board.poll()
        assert board.buttons_pressed() == 0
        chip.inputs[pin] = 0
        for _ in range(50):
            board.poll()
        assert board.buttons_pressed() == bit
        assert board.buttons_pressed() == 0
        for level in (1, 0, 1, 0):  # a release that bounces is no press
            chip.inputs[pin] = level
            board.poll()
        assert board.buttons_pressed() == 0
        chip.inputs[pin] = 1
        for _ in range(3):
            board.poll()
    chip.inputs[chip.wires.button_zone] = 1
    for _ in range(3):
        board.poll()
    chip.inputs[chip.wires.button_zone] = 0
    for _ in range(3):
        board.poll()
    assert board.buttons_pressed() == BUTTON_ZONE


def test_lights_and_buzzer(chip: Chip) -> None:
    board = chip.board()
    board.show(1, 0, 2_000)
    assert (chip.levels[chip.wires.led_ready], chip.levels[chip.wires.led_fault]) == (1, 0)
    assert chip.duties[chip.wires.buzzer] == 32_768
    board.show(0, 1, 1)  # no slice goes that low
    board.show(0, 1, 0)
    assert (chip.levels[chip.wires.led_ready], chip.levels[chip.wires.led_fault]) == (0, 1)
    assert chip.duties[chip.wires.buzzer] == 0


def test_a_board_without_the_optional_parts(chip: Chip) -> None:
    optional = [role[0] for role in wiring.ROLES if not role[2]]
    for role in optional:
        setattr(chip.wires, role, wiring.NO_PIN)
    board = chip.board()
    board.show(1, 1, 1_000)
    started(board)
    run(board, chip, 100)
    assert board.buttons_pressed() == 0
    assert board.prove_barriers() == contract.BARRIERS_FINE
    board.stop()
    assert board.output_errors == 0


# Storage --------------------------------------------------------------


def test_a_commit_is_refused_unless_the_outputs_are_safe(chip: Chip) -> None:
    board = chip.board()
    ticks = started(board)
    ticks.outputs = wish(vent=VENT_CLOSED)
    run(board, chip, 50)
    with pytest.raises(StorageRefused):
        board.storage.commit(b"record")
    with pytest.raises(StorageRefused):
        board.boot_storage.commit(b"record")
    count = len(ticks.dts)
    run(board, chip, 100)
    assert len(ticks.dts) > count  # the tick goes on
    ticks.outputs = wish(lease=0)
    run(board, chip, 50)
    board.storage.commit(b"record")
    assert board.storage.load() == b"record"
    assert board.boot_storage.load() == b""


def test_the_tick_stands_still_in_a_commit_and_the_gap_is_excused(
    chip: Chip, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = chip.board()
    ticks = started(board)
    run(board, chip, 200)
    write = board.storage._write

    def slow(record: bytes) -> None:
        count = len(ticks.dts)
        chip.sleep(400_000)
        assert len(ticks.dts) == count
        write(record)

    monkeypatch.setattr(board.storage, "_write", slow)
    before_ms = ticks.readings.now_ms
    del ticks.dts[:]
    board.storage.commit(b"record")
    assert ticks.dts == []
    run(board, chip, 200)
    # No tick was caught up, none saw the gap, and time went on.
    period_ms = 5 if chip.is_rp2040 else 10
    assert max(ticks.dts) <= 2 * period_ms
    assert len(ticks.dts) <= 200 // period_ms + 2
    assert ticks.readings.now_ms - before_ms == pytest.approx(600, abs=30)
    assert board.overruns == 0


def test_a_commit_that_fails_lets_the_tick_go_on(
    chip: Chip, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = chip.board()
    ticks = started(board)

    def fails(record: bytes) -> None:
        raise OSError(28)

    monkeypatch.setattr(board.storage, "_write", fails)
    with pytest.raises(OSError, match="28"):
        board.storage.commit(b"record")
    run(board, chip, 100)
    assert len(ticks.dts) > 5


# Restart and watchdog --------------------------------------------------------------


@pytest.mark.parametrize("into_service", [0, 1])
def test_a_restart_is_safe_first_and_is_told_once(chip: Chip, into_service: int) -> None:
    board = chip.board()
    assert (board.in_service, board.reset_cause) == (0, contract.RESET_POWER_ON)
    ticks = started(board)
    ticks.outputs = FULL
    run(board, chip, 100)
    with pytest.raises(Reset):
        board.restart(into_service)
    assert chip.resets == 1
    assert chip.is_driven_safe()
    count = len(ticks.dts)
    chip.sleep(100_000)
    assert len(ticks.dts) == count
    after = chip.board()
    assert after.in_service == into_service
    assert after.reset_cause == contract.RESET_ASKED
    once_more = chip.board()
    assert (once_more.in_service, once_more.reset_cause) == (0, contract.RESET_POWER_ON)


def test_a_restart_that_cannot_keep_its_mark_is_a_restart_all_the_same(
    chip: Chip, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = chip.board()

    def fails(record: bytes) -> None:
        raise OSError(28)

    monkeypatch.setattr(board._mark, "_write", fails)
    with pytest.raises(Reset):
        board.restart(1)
    assert board.lost_marks == 1
    assert chip.board().in_service == 0


def test_a_damaged_mark_is_no_mark_and_is_mended(chip: Chip, tmp_path: Path) -> None:
    with pytest.raises(Reset):
        chip.board().restart(1)
    for place in tmp_path.glob("restart.*"):
        place.write_bytes(b"damaged")
    board = chip.board()
    assert (board.in_service, board.lost_marks) == (0, 1)
    assert chip.board().lost_marks == 0


def test_end_held_at_power_on_asks_for_service_and_is_no_press(chip: Chip) -> None:
    chip.inputs[chip.wires.button_end] = 0
    board = chip.board()
    assert board.in_service == 1
    for _ in range(5):
        board.poll()
    assert board.buttons_pressed() == 0


def test_the_watchdog_is_fed_only_when_ticks_came(chip: Chip) -> None:
    board = chip.board()
    board.feed_watchdog()  # none yet
    started(board)
    board.watch(3_000)
    assert chip.watchdogs == [3_000]
    board.feed_watchdog()
    assert chip.feeds == 0
    run(board, chip, 50)
    board.feed_watchdog()
    board.feed_watchdog()
    assert chip.feeds == 1
    run(board, chip, 50)
    board.feed_watchdog()
    assert chip.feeds == 2


# The barriers --------------------------------------------------------------


def test_the_barriers_are_proved_without_a_signal_to_any_actuator(chip: Chip) -> None:
    board = chip.board()
    began, began_us = len(chip.events), chip.now_us
    assert board.prove_barriers() == contract.BARRIERS_FINE
    wires = chip.wires
    actuators = (wires.pump, wires.feed, wires.vent)
    moved = [event for event in chip.events[began:] if event[1] in actuators and event[3]]
    assert moved == []
    assert chip.levels[wires.comparator_test] == 0
    assert chip.now_us - began_us < 500_000
    chip.sleep(LEASE_MS * 1_000)
    assert not chip.power()


def test_a_switch_that_always_has_power(chip: Chip) -> None:
    chip.switch_is_stuck = 1
    assert chip.board().prove_barriers() == contract.BARRIER_STUCK_ON


def test_a_switch_that_never_has_power(chip: Chip) -> None:
    chip.switch_is_stuck = 0
    assert chip.board().prove_barriers() == contract.BARRIER_STUCK_OFF


def test_a_switch_that_flickers(chip: Chip) -> None:
    # In the RP2040's words of this chip every moment is an edge, but their ends.
    chip.dropout_us = -1 if chip.is_rp2040 else 6_000
    assert chip.board().prove_barriers() == contract.BARRIER_STUCK_OFF


def test_a_switch_that_drops_out_too_late(chip: Chip) -> None:
    chip.dropout_us = 55_000
    assert chip.board().prove_barriers() == contract.BARRIER_SLOW


def test_a_comparator_that_does_not_cut_the_power(chip: Chip) -> None:
    chip.comparator_works = False
    board = chip.board()
    assert board.prove_barriers() == contract.BARRIER_COMPARATOR
    assert chip.levels[chip.wires.comparator_test] == 0
    chip.sleep(LEASE_MS * 1_000)
    assert not chip.power()
