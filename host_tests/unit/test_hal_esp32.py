"""What only the ESP32 board does: ticks paced by the main loop, the heartbeat by
the ticks, counts from millivolts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hal import contract, wiring
from hal.contract import FULL_PERMILLE, LEASE_MS, RAW_FULL_SCALE, VENT_CLOSED, Outputs, Readings
from host_tests.pins import Chip, on, reference_wiring


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    with on(Chip(reference_wiring(wiring.ESP32)), tmp_path) as chip:
        yield chip


def full() -> Outputs:
    outputs = Outputs()
    outputs.pump_permille = outputs.feed_permille = FULL_PERMILLE
    outputs.vent, outputs.lease_ms = VENT_CLOSED, LEASE_MS
    return outputs


class Late:
    """Ticks that sample, drive, and take their time."""

    def __init__(self, chip: Chip, tick_us: int = 0) -> None:
        self.board = chip.board()
        self.chip = chip
        self.tick_us = tick_us
        self.readings = Readings()
        self.dts: list[int] = []
        self.outputs = full()
        self.board.start(self)

    def __call__(self) -> None:
        self.board.sample(self.readings)
        self.dts.append(self.readings.dt_ms)
        self.board.drive(self.outputs)
        self.chip.sleep(self.tick_us)


def test_ticks_keep_their_deadlines_whatever_the_loop_takes(chip: Chip) -> None:
    late = Late(chip, tick_us=2_000)
    began_us = chip.now_us
    for turn in range(200):
        chip.sleep(turn % 7 * 1_000)  # what else the loop does
        late.board.pause()
    ms = (chip.now_us - began_us) / 1_000
    # None was left out, though some came late.
    assert len(late.dts) == pytest.approx(ms / 10, abs=2)
    assert sum(late.dts) == pytest.approx(ms, abs=25)
    assert max(late.dts) <= 17
    assert late.board.overruns == 0


def test_a_late_tick_is_measured_counted_and_not_caught_up(chip: Chip) -> None:
    late = Late(chip)
    for _ in range(5):
        late.board.pause()
    del late.dts[:]
    chip.sleep(137_000)  # a turn that hangs
    count = late.board.ticks
    late.board.pause()
    assert late.board.overruns == 1
    assert late.dts[0] >= 137
    assert late.board.ticks - count <= 3


def test_the_heartbeat_has_one_edge_a_tick(chip: Chip) -> None:
    late = Late(chip)
    for _ in range(20):
        late.board.pause()
    edges = [
        (us, value)
        for us, pin, what, value in chip.events
        if pin == chip.wires.heartbeat and what == "level"
    ][1:]
    assert [value for _, value in edges[:6]] == [1, 0, 1, 0, 1, 0]
    assert len(edges) == late.board.ticks
    assert LEASE_MS * 1_000 >= 10_000 + 40_000


def test_a_loop_that_hangs_has_no_power(chip: Chip) -> None:
    late = Late(chip)
    for _ in range(10):
        late.board.pause()
    assert chip.power()
    assert not chip.is_driven_safe()
    chip.sleep(LEASE_MS * 1_000)  # no turn comes any more: hung, Ctrl-C, a write to flash
    assert not chip.power()


def test_ctrl_c_within_a_tick_is_safe_and_reaches_the_main_loop(chip: Chip) -> None:
    board = chip.board()
    outputs = full()

    def tick() -> None:
        board.drive(outputs)
        if board.ticks == 5:
            raise KeyboardInterrupt

    board.start(tick)
    with pytest.raises(KeyboardInterrupt):
        for _ in range(10):
            board.pause()
    assert chip.is_driven_safe()
    chip.sleep(LEASE_MS * 1_000)
    assert not chip.power()


@pytest.mark.parametrize("role", ["pump", "feed", "vent", "heartbeat"])
@pytest.mark.parametrize("pin", [0, 2, 5, 12, 14, 15])
def test_no_actuator_hangs_on_a_pin_that_moves_at_boot(chip: Chip, role: str, pin: int) -> None:
    for other in ("led_ready", "led_fault", "buzzer"):
        setattr(chip.wires, other, wiring.NO_PIN)
    setattr(chip.wires, role, pin)
    with pytest.raises(wiring.WiringError, match="while the chip starts"):
        chip.board()
    assert chip.events == []


def test_there_is_no_hard_timer(chip: Chip) -> None:
    late = Late(chip)
    late.board.pause()
    assert chip.timers == []


def test_counts_are_parts_of_the_reference(chip: Chip) -> None:
    wires = chip.wires
    board = chip.board(adc_reference_mv=3_300)
    chip.uv = {
        wires.vacuum_a: [2_180_000],
        wires.vacuum_b: [1_000_000, 1_001_000, 1_002_000, 1_003_000],
        wires.sensor_supply: [0],
    }
    readings = Readings()
    board.sample(readings)
    assert readings.vacuum_a_raw == 2_180 * RAW_FULL_SCALE // 3_300
    # The mean of four is finer than a millivolt.
    assert readings.vacuum_b_raw == 4_006 * RAW_FULL_SCALE // (4 * 3_300)
    assert readings.sensor_supply_raw == 0


@pytest.mark.parametrize("reference_mv", [1_000, 3_300, 5_000])
def test_no_reading_leaves_the_counts_or_a_small_integer(chip: Chip, reference_mv: int) -> None:
    board = chip.board(adc_reference_mv=reference_mv)
    chip.uv = {pin: [4_000_000] for pin in (36, 34, 39)}
    readings = Readings()
    board.sample(readings)
    assert 0 < readings.vacuum_a_raw <= RAW_FULL_SCALE
    # The largest product and the largest sum of its arithmetic.
    assert 3_600 * 4 * RAW_FULL_SCALE < (1 << 30)
    assert 4 * 4_000_000 < (1 << 30)


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (1, contract.RESET_POWER_ON),
        (2, contract.RESET_HARD),
        (3, contract.RESET_WATCHDOG),
        (4, contract.RESET_UNKNOWN),
        (5, contract.RESET_SOFT),
    ],
)
def test_why_it_started(chip: Chip, cause: int, told: int) -> None:
    chip.cause = cause
    assert chip.board().reset_cause == told


def test_it_runs_at_full_speed_and_any_watchdog_will_do(chip: Chip) -> None:
    board = chip.board()
    assert chip.cpu_hz == 240_000_000
    board.watch(60_000)
    assert chip.watchdogs == [60_000]
    # A soft reset does not end it, and /boot.py has to know.
    assert chip.rtc_memory == b"watchdog"
