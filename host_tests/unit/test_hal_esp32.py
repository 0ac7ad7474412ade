"""What only the ESP32 board does: ticks paced by the main loop, the heartbeat by
the ticks, counts from millivolts."""

import sys
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace

import pytest

from hal import wiring
from hal.contract import FULL_PERMILLE, LEASE_MS, RAW_FULL_SCALE, VENT_CLOSED, Readings
from host_tests.pins import Rig, Ticks, reference_wiring, rig, wish

FULL = wish(FULL_PERMILLE, FULL_PERMILLE, VENT_CLOSED)


@pytest.mark.parametrize("chip", [wiring.ESP32, wiring.ESP32S3])
def test_each_chip_knows_itself_and_takes_no_wiring_of_the_other(chip: int) -> None:
    other = wiring.ESP32 + wiring.ESP32S3 - chip
    with rig(chip) as bench:
        mine, bench.wires = bench.wires, reference_wiring(other)
        with pytest.raises(wiring.WiringError, match="not for the chip of this board"):
            bench.board()
        assert not any(bench.chip.pins[one].drives for one in bench.chip.mcu.chip.pins)
        bench.wires = mine
        assert chip == bench.board().CHIP


@pytest.mark.parametrize(
    ("machine", "chip"),
    [
        ("Generic ESP32 module with ESP32", wiring.ESP32),
        ("Generic ESP32 module with SPIRAM with ESP32", wiring.ESP32),
        ("Generic ESP32S3 module with ESP32S3", wiring.ESP32S3),
        ("Generic ESP32S3 module with Octal-SPIRAM with ESP32S3", wiring.ESP32S3),
        ("Generic ESP32S3 module with ESP32-S3", wiring.ESP32S3),
        ("Generic ESP32C3 module with ESP32C3", wiring.NO_PIN),
        ("ESP32S3", wiring.ESP32S3),
        ("", wiring.NO_PIN),
    ],
)
def test_the_chip_is_told_by_the_name_of_the_machine(
    machine: str, chip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig(wiring.ESP32) as bench:
        bench.board()
        module = sys.modules["hal.esp32"]
        implementation = SimpleNamespace(_machine=machine)
        monkeypatch.setattr(module, "sys", SimpleNamespace(implementation=implementation))
        assert module._this_chip() == chip


@pytest.mark.parametrize("pin", [3, 18, 39, 40, 45, 46])
def test_no_actuator_of_an_esp32_s3_hangs_on_a_pin_that_moves_at_boot(pin: int) -> None:
    with rig(wiring.ESP32S3, led_ready=wiring.NO_PIN, led_fault=wiring.NO_PIN,
             button_start=wiring.NO_PIN) as bench:  # fmt: skip
        bench.wires.pump = pin
        with pytest.raises(wiring.WiringError, match="while the chip starts"):
            bench.board()
        assert not any(bench.chip.pins[one].drives for one in bench.chip.mcu.chip.pins)


@pytest.fixture
def bench() -> Iterator[Rig]:
    with rig(wiring.ESP32) as made:
        yield made


class Late(Ticks):
    """Ticks that take their time."""

    def __init__(self, bench: Rig, tick_ms: int = 0) -> None:
        self.bench = bench
        self.tick_ms = tick_ms
        super().__init__(bench.board(), FULL)

    def __call__(self) -> None:
        super().__call__()
        self.bench.run(self.tick_ms)


def test_ticks_keep_their_deadlines_whatever_the_loop_takes(bench: Rig) -> None:
    late = Late(bench, tick_ms=2)
    began_ms = bench.now_ms
    for turn in range(200):
        bench.run(turn % 7)  # what else the loop does
        late.board.pause()
    ms = bench.now_ms - began_ms
    # None was left out, though some came late.
    assert len(late.dts) == pytest.approx(ms / 10, abs=2)
    assert sum(late.dts) == pytest.approx(ms, abs=25)
    assert max(late.dts) <= 17
    assert late.board.overruns == 0


def test_a_late_tick_is_measured_counted_and_not_caught_up(bench: Rig) -> None:
    late = Late(bench)
    for _ in range(5):
        late.board.pause()
    del late.dts[:]
    bench.run(137)  # a turn that hangs
    count = late.board.ticks
    late.board.pause()
    assert late.board.overruns == 1
    assert late.dts[0] >= 137
    assert late.board.ticks - count <= 3


def test_the_heartbeat_has_one_edge_a_tick(bench: Rig) -> None:
    late = Late(bench)
    edges = bench.edges()
    for _ in range(20):
        late.board.pause()
    assert len(edges) == late.board.ticks
    gaps = [b - a for a, b in pairwise(edges)]
    assert max(gaps) <= 12
    assert LEASE_MS >= 10 + 40


def test_a_loop_that_hangs_has_no_power(bench: Rig) -> None:
    late = Late(bench)
    for _ in range(10):
        late.board.pause()
    assert bench.world.pump_permille == 1000
    # No turn comes any more: it hangs, it ended, or flash is written.
    bench.run(LEASE_MS)
    assert not bench.pins_are_safe()
    last = bench.world.applied[-1]
    assert (last.pump_permille, last.feed_permille, last.vent_closed) == (0, 0, 0)


def test_a_soft_reset_ends_the_pwm_and_the_heartbeat(bench: Rig) -> None:
    late = Late(bench)
    for _ in range(10):
        late.board.pause()
    bench.chip.soft_reset()
    assert bench.permille("pump") == 0
    assert bench.permille("vent") == 1000  # a GPIO drives on
    bench.run(LEASE_MS)
    assert bench.world.applied[-1][1:] == (0, 0, 0, 0)
    bench.board()
    assert bench.pins_are_safe()


def test_ctrl_c_within_a_tick_is_safe_and_reaches_the_main_loop(bench: Rig) -> None:
    board = bench.board()

    def tick() -> None:
        board.drive(FULL)
        if board.ticks == 5:
            raise KeyboardInterrupt

    board.start(tick)
    with pytest.raises(KeyboardInterrupt):
        for _ in range(10):
            board.pause()
    assert bench.pins_are_safe()
    bench.run(LEASE_MS)
    assert not bench.world.power


@pytest.mark.parametrize("role", ["pump", "feed", "vent", "heartbeat"])
@pytest.mark.parametrize("pin", [2, 5, 12, 14, 15])
def test_no_actuator_hangs_on_a_pin_that_moves_at_boot(bench: Rig, role: str, pin: int) -> None:
    for other in ("led_ready", "led_fault", "buzzer"):
        setattr(bench.wires, other, wiring.NO_PIN)
    setattr(bench.wires, role, pin)
    with pytest.raises(wiring.WiringError, match="while the chip starts"):
        bench.board()
    assert not any(bench.chip.pins[one].drives for one in bench.chip.mcu.chip.pins)


def test_there_is_no_timer(bench: Rig) -> None:
    late = Late(bench)
    late.board.pause()
    assert bench.chip.mcu.timers == {}


def test_counts_are_parts_of_the_reference(bench: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    wires = bench.wires
    board = bench.board(adc_reference_mv=3_300)
    mv = {
        wires.vacuum_a: [2_180] * 4,
        wires.vacuum_b: [1_000, 1_001, 1_002, 1_003],
        wires.sensor_supply: [0] * 4,
    }
    monkeypatch.setattr(bench.world, "adc_uv", lambda pin: mv[pin].pop() * 1_000)
    # In fast pace a converter's value stands for the rest of its millisecond.
    monkeypatch.setattr(bench.chip.mcu, "fast", False)
    readings = Readings()
    board.sample(readings)
    assert readings.vacuum_a_raw == 2_180 * RAW_FULL_SCALE // 3_300
    # The mean of four is finer than a millivolt.
    assert readings.vacuum_b_raw == 4_006 * RAW_FULL_SCALE // (4 * 3_300)
    assert readings.sensor_supply_raw == 0


@pytest.mark.parametrize("reference_mv", [1_000, 3_300, 5_000])
def test_no_reading_leaves_the_counts_or_a_small_integer(
    bench: Rig, monkeypatch: pytest.MonkeyPatch, reference_mv: int
) -> None:
    board = bench.board(adc_reference_mv=reference_mv)
    monkeypatch.setattr(bench.world, "adc_uv", lambda pin: 4_000_000)
    readings = Readings()
    board.sample(readings)
    assert 0 < readings.vacuum_a_raw <= RAW_FULL_SCALE
    # The largest product and the largest sum of its arithmetic.
    assert 3_600 * 4 * RAW_FULL_SCALE < (1 << 30)
    assert 4 * 4_000_000 < (1 << 30)


def test_it_runs_at_full_speed_and_any_watchdog_will_do(bench: Rig) -> None:
    board = bench.board()
    assert bench.chip.mcu.frequency_hz == 240_000_000
    board.watch(60_000)
    assert bench.chip.mcu.watchdog_us == 60_000_000
