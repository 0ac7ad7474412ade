"""What both real boards promise, on the virtual chip."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from emery.virtual_board.inside import ResetAsked
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
    Readings,
    StorageRefused,
)
from host_tests.pins import Rig, Ticks, loop, reference_wiring, rig, wish

FULL = wish(FULL_PERMILLE, FULL_PERMILLE, VENT_CLOSED)


@pytest.fixture(params=range(len(wiring.CHIPS)), ids=wiring.CHIPS)
def bench(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Each chip."""
    with rig(request.param) as made:
        yield made


def tick_for(bench: Rig, board: Any, ms: float) -> None:
    """Ticks at their times, whoever has to call them, and no main loop."""
    end_ms = bench.now_ms + ms
    while bench.now_ms < end_ms:
        if bench.is_rp2040:
            bench.run(1)
        else:
            board.pause()


# Safe first ------------------------------------------------------------------------------


def test_the_outputs_are_low_before_any_other_pin_is_touched(
    bench: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = bench.chip.pins
    touched: list[tuple[str, int, tuple[int, ...]]] = []

    def log(name: str) -> None:
        real = getattr(pins, name)

        def logged(us: int, number: int, *rest: int, **more: int) -> None:
            touched.append((name, number, (*rest, *more.values())))
            real(us, number, *rest, **more)

        monkeypatch.setattr(pins, name, logged)

    for name in ("setup", "write", "set_pwm", "connect_pwm", "give_to_pio"):
        log(name)
    bench.board()
    wires = bench.wires
    drives = (wires.pump, wires.feed, wires.vent, wires.heartbeat)
    assert [(name, number) for name, number, _ in touched[:4]] == [
        ("setup", pin) for pin in drives
    ]
    # An output (mode 1), driven low with that.
    assert all(how[0] == 1 and how[2] == 0 for _, _, how in touched[:4])
    assert bench.pins_are_safe()
    # None of them went high on the way, and the pump's PWM began without a duty.
    assert [change for change in bench.chip.trace if change.pin in drives] == []
    of_pump = [(name, how) for name, number, how in touched if number == wires.pump]
    assert ("set_pwm", (0,)) in of_pump
    assert of_pump[-1] == ("connect_pwm", ())


def test_a_wiring_that_breaks_a_rule_is_refused_before_any_pin_is_touched(bench: Rig) -> None:
    bench.wires.vent = bench.wires.pump
    with pytest.raises(wiring.WiringError, match="taken by pump"):
        bench.board()
    bench.wires = reference_wiring(1 - bench.wires.chip)
    with pytest.raises(wiring.WiringError, match="not for the chip"):
        bench.board()
    assert not any(bench.chip.pins[pin].drives for pin in bench.chip.mcu.chip.pins)


# Driving ---------------------------------------------------------------------------------


def test_what_is_asked_for_is_what_the_actuators_get(bench: Rig) -> None:
    board = bench.board()
    ticks = Ticks(board, wish(pump=500, vent=VENT_CLOSED))
    tick_for(bench, board, 30)
    world = bench.world
    assert (world.pump_permille, world.feed_permille, world.vent) == (500, 0, 1)
    assert not board.is_safe()
    ticks.outputs = wish(FULL_PERMILLE, FULL_PERMILLE, VENT_CLOSED)
    tick_for(bench, board, 30)
    assert (world.pump_permille, world.feed_permille, world.vent) == (1000, 1000, 1)
    ticks.outputs = wish(vent=VENT_OPEN)
    tick_for(bench, board, 30)
    assert (world.pump_permille, world.feed_permille, world.vent) == (0, 0, 0)
    assert board.is_safe()


@pytest.mark.parametrize("wanted", [-1, 1001, 1 << 20])
def test_a_drive_out_of_range_is_clamped(bench: Rig, wanted: int) -> None:
    board = bench.board()
    duties = []
    set_pump = board._set_pump

    def noted(duty: int) -> None:
        duties.append(duty)
        set_pump(min(max(duty, 0), 65_535))

    board._set_pump = noted
    board.drive(wish(pump=wanted, feed=wanted, vent=VENT_CLOSED))
    # The ESP32's PWM raises for more, that of the RP2040 wraps.
    assert duties == [0 if wanted < 0 else 65_535]
    clamped = 0 if wanted < 0 else 1000
    assert (bench.permille("pump"), bench.permille("feed")) == (clamped, clamped)


@pytest.mark.parametrize("way", ["no lease", "make_safe", "stop"])
def test_every_way_to_safe(bench: Rig, way: str) -> None:
    board = bench.board()
    Ticks(board, FULL)
    tick_for(bench, board, 50)
    assert bench.world.power
    assert not bench.pins_are_safe()
    board._is_ticking = False
    bench.chip.mcu.timers.clear()
    if way == "no lease":
        board.drive(wish(FULL_PERMILLE, FULL_PERMILLE, VENT_CLOSED, lease=0))
    else:
        getattr(board, way)()
    assert bench.pins_are_safe()
    assert board.is_safe()
    assert bench.level("heartbeat") == 0
    edges = bench.edges()
    bench.run(LEASE_MS)
    assert edges == []
    assert not bench.world.power


@pytest.mark.parametrize("after", range(12))
def test_the_power_is_gone_within_the_lease_after_the_last_drive(bench: Rig, after: int) -> None:
    # Whatever Python does then: nobody calls the board any more.
    board = bench.board()
    for _ in range(20 + after):
        bench.run(bench.period_ms)
        board.drive(FULL)
    assert bench.power()
    bench.run(LEASE_MS - 1)
    assert not bench.world.power
    assert bench.world.pump_permille == 0


def test_the_heartbeat_has_no_gap(bench: Rig) -> None:
    board = bench.board()
    Ticks(board, FULL)
    tick_for(bench, board, 100)
    edges = bench.edges()
    tick_for(bench, board, 1_000)
    longest_ms = max(b - a for a, b in pairwise(edges))
    assert longest_ms <= (1.5 if bench.is_rp2040 else 12)
    assert len([one for one in bench.world.applied if one.us > 100_000 and not one.power]) == 0


@pytest.mark.parametrize("permille", [1, 5, 50, 333, 500, 900, 999])
def test_the_crystal_valve_is_open_for_its_share(bench: Rig, permille: int) -> None:
    board = bench.board()
    Ticks(board, wish(100, permille, VENT_CLOSED))
    tick_for(bench, board, 1)
    began_us, at = bench.chip.now_us, len(bench.chip.trace)
    level, since_us, open_us = bench.level("feed"), began_us, 0
    tick_for(bench, board, 10_000)
    for change in bench.chip.trace[at:]:
        if change.pin == bench.wires.feed:
            open_us += (change.us - since_us) * level
            level, since_us = change.permille // 1000, change.us
    open_us += (bench.chip.now_us - since_us) * level
    # To half a tick in each period of 500 ms, and the jitter of a tick.
    share = open_us * 1000 / (bench.chip.now_us - began_us)
    assert share == pytest.approx(permille, abs=6 if bench.is_rp2040 else 13)


def test_the_crystal_valve_shuts_at_once(bench: Rig) -> None:
    board = bench.board()
    board.drive(FULL)
    assert bench.level("feed") == 1
    board.drive(wish(pump=FULL_PERMILLE, vent=VENT_CLOSED))
    assert bench.level("feed") == 0


def test_short_strokes_do_not_each_begin_with_an_open_valve(bench: Rig) -> None:
    # 100 ms of every 150 at a fifth: if each began anew, it would be open all along.
    board = bench.board()
    readings = Readings()
    opened = driven = 0
    for tick in range(6_000):
        bench.run(5)
        board.sample(readings)
        on_skin = tick % 30 < 20
        board.drive(wish(500, 200 if on_skin else 0, VENT_CLOSED))
        driven += on_skin
        opened += bench.level("feed")
    assert opened / driven == pytest.approx(0.2, abs=0.05)


# An output that does not obey ------------------------------------------------------------


def broken(*_: object, **__: object) -> None:
    raise OSError(5, "this output is broken")


class BrokenPin:
    """A pin that cannot even be taken back."""

    init = staticmethod(broken)


@pytest.mark.parametrize("output", ["_set_pump", "_set_feed", "_set_vent", "_hush"])
def test_make_safe_never_raises_and_reaches_the_others(bench: Rig, output: str) -> None:
    board = bench.board()
    Ticks(board, FULL)
    tick_for(bench, board, 50)
    board._is_ticking = False
    bench.chip.mcu.timers.clear()
    setattr(board, output, broken)
    try:
        board.make_safe()
    except OSError:
        pytest.fail("make_safe has raised")
    assert board.output_errors > 0
    assert bench.pins_are_safe()
    bench.run(LEASE_MS)
    assert not bench.world.power


def test_an_output_that_stays_broken_is_not_called_safe(bench: Rig) -> None:
    board = bench.board()
    board.drive(FULL)
    board._set_vent = broken
    board._output_pins = (*board._output_pins[:2], BrokenPin())
    board.make_safe()
    assert not board.is_safe()
    assert bench.permille("pump") == bench.permille("feed") == 0
    with pytest.raises(StorageRefused):
        board.storage.commit(b"x")


def test_ctrl_c_within_make_safe_is_told_by_the_next_pause(bench: Rig) -> None:
    board = bench.board()
    board.drive(FULL)
    set_feed = board._set_feed

    def struck_once(level: int) -> None:
        board._set_feed = set_feed
        raise KeyboardInterrupt

    board._set_feed = struck_once
    board.make_safe()
    assert bench.pins_are_safe()
    assert board.is_safe()
    # No output refused, so that the pump keeps its PWM.
    assert board.output_errors == 0
    with pytest.raises(KeyboardInterrupt):
        board.pause()
    board.pause()
    board.drive(FULL)
    assert bench.permille("pump") == 1000


def test_stop_takes_the_pump_pin_from_its_pwm(
    bench: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = bench.board()
    ticks = Ticks(board, FULL)
    loop(bench, board, 100)
    board.show(1, 1, 2_000)
    pins = bench.chip.pins
    pump = bench.wires.pump
    no_duty_us, taken_us = [], []
    set_pwm, setup = pins.set_pwm, pins.setup

    def duty_set(us: int, number: int, hz: int | None = None, duty: int | None = None) -> None:
        if number == pump and duty == 0:
            no_duty_us.append(us)
        set_pwm(us, number, hz=hz, duty=duty)

    def set_up(us: int, number: int, mode: int, pull: int, value: int) -> None:
        if number == pump:
            assert (mode, value) == (1, 0)
            taken_us.append(us)
        setup(us, number, mode, pull, value)

    monkeypatch.setattr(pins, "set_pwm", duty_set)
    monkeypatch.setattr(pins, "setup", set_up)
    board.stop()
    assert len(taken_us) == 1
    # No duty, a whole period of the slowest PWM, and then the pin itself, low.
    assert taken_us[0] - no_duty_us[0] >= 1_000_000 // 15_000
    assert pins[pump].function == "gpio"
    assert bench.permille("buzzer") == bench.level("led_ready") == 0
    count = len(ticks.dts)
    loop(bench, board, 100)
    assert len(ticks.dts) == count
    assert bench.pins_are_safe()
    # Whoever drives a stopped board has no pump.
    board.drive(FULL)
    assert bench.permille("pump") == 0


# The tick --------------------------------------------------------------------------------


def test_the_tick_is_called_every_period(bench: Rig) -> None:
    board = bench.board()
    bench.run(700)  # the way from power-on to here is excused
    ticks = Ticks(board)
    loop(bench, board, 4_000)
    period_ms = bench.period_ms
    assert board.ticks == len(ticks.dts)
    assert board.ticks == pytest.approx(4_000 / period_ms, rel=0.02)
    # A transaction on the bus may delay a tick of the ESP32.
    allowed = 0 if bench.is_rp2040 else 3
    assert {dt for dt in ticks.dts[1:] if abs(dt - period_ms) > allowed} == set()
    assert board.overruns == 0
    assert ticks.readings.now_ms == pytest.approx(4_700, abs=30)


@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), SystemExit()])
def test_a_tick_that_raises_ends_the_ticks_and_is_safe(
    bench: Rig, error: BaseException
) -> None:
    board = bench.board()
    ticks = Ticks(board, FULL)
    loop(bench, board, 200)
    assert not bench.pins_are_safe()
    board.watch(2_000)
    ticks.raises = error
    count = len(ticks.dts)
    loop(bench, board, LEASE_MS + 2 * bench.period_ms)
    assert len(ticks.dts) == count + 1
    assert board.tick_error is error
    assert bench.pins_are_safe()
    assert not bench.world.power
    # The watchdog is not fed any more, however often it is asked for.
    with pytest.raises(ResetAsked, match="watchdog"):
        for _ in range(200):
            loop(bench, board, 20)
            board.feed_watchdog()


def test_now_goes_on_through_the_wrap_of_the_ticks(bench: Rig) -> None:
    bench.begin_before_the_wrap()
    board = bench.board()
    ticks = Ticks(board)
    seen = []
    for _ in range(40):
        loop(bench, board, 100)
        seen.append(ticks.readings.now_ms)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(bench.now_ms, abs=40)
    assert max(ticks.dts) <= bench.period_ms + 3
    board._now_ms = contract.NOW_MASK - 10
    loop(bench, board, 100)
    assert ticks.readings.now_ms < 100


def test_a_long_gap_reads_as_the_longest_dt(bench: Rig) -> None:
    board = bench.board()
    readings = Readings()
    board.sample(readings)
    before_ms = readings.now_ms
    bench.run(3_000)
    board.sample(readings)
    assert readings.dt_ms == DT_HIGHEST_MS
    assert readings.now_ms - before_ms == pytest.approx(3_000, abs=1)
    assert board.overruns == 1
    board.sample(readings)
    assert readings.dt_ms == 1


# Inputs ----------------------------------------------------------------------------------


def test_the_footswitch_is_pressed_when_it_is_closed_to_ground(bench: Rig) -> None:
    board = bench.board()
    readings = Readings()
    for pressed, read in ((0, SWITCH_RELEASED), (1, SWITCH_PRESSED), (0, SWITCH_RELEASED)):
        bench.world.footswitch = pressed
        board.sample(readings)
        assert readings.footswitch == read


def test_a_button_counts_once_and_only_when_it_is_steady(bench: Rig) -> None:
    world = bench.world
    world.press("button_zone")  # stuck from power-on
    board = bench.board()

    def hold(button: str, looks: str) -> None:
        """A look at the button in each state: d down, u up."""
        for look in looks:
            if look == "d":
                world.press(button)
            else:
                world.release(button)
            board.poll()

    for button, bit in (
        ("button_start", BUTTON_START), ("button_pass", BUTTON_PASS), ("button_end", BUTTON_END),
    ):  # fmt: skip
        hold(button, "dudu")
        assert board.buttons_pressed() == 0
        hold(button, "d" * 50)
        assert board.buttons_pressed() == bit
        assert board.buttons_pressed() == 0
        hold(button, "udud")  # a release that bounces is no press
        assert board.buttons_pressed() == 0
        hold(button, "uuu")
    hold("button_zone", "uuuddd")
    assert board.buttons_pressed() == BUTTON_ZONE


def test_lights_and_buzzer(bench: Rig) -> None:
    board = bench.board()
    board.show(1, 0, 2_000)
    assert (bench.level("led_ready"), bench.level("led_fault")) == (1, 0)
    assert bench.permille("buzzer") == 500
    assert bench.chip.pins[bench.wires.buzzer].hz == 2_000
    board.show(0, 1, 1)  # no slice goes that low
    board.show(0, 1, 0)
    assert (bench.level("led_ready"), bench.level("led_fault")) == (0, 1)
    assert bench.permille("buzzer") == 0
    # The pump's PWM is as it was.
    assert bench.chip.pins[bench.wires.pump].hz == bench.wires.pump_pwm_hz


@pytest.mark.parametrize("chip", [wiring.RP2040, wiring.ESP32])
def test_a_board_without_the_optional_parts(chip: int) -> None:
    optional = dict.fromkeys((role[0] for role in wiring.ROLES if not role[2]), wiring.NO_PIN)
    with rig(chip, **optional) as bench:
        board = bench.board()
        board.show(1, 1, 1_000)
        assert board.prove_barriers() == contract.BARRIERS_FINE
        Ticks(board)
        loop(bench, board, 100)
        assert board.buttons_pressed() == 0
        board.stop()
        assert board.output_errors == 0


# A bench rig -----------------------------------------------------------------------------


@pytest.mark.parametrize("chip", range(len(wiring.CHIPS)))
def test_a_bench_rig_begins_every_start_in_service(chip: int) -> None:
    with rig(chip, purpose=wiring.BENCH) as bench:
        assert bench.board().in_service == 1  # power-on
        with pytest.raises(ResetAsked):
            bench.board().restart(0)  # the ordinary way out of SERVICE
        board = bench.board()
        assert board.reset_cause == contract.RESET_ASKED
        assert board.in_service == 1


@pytest.mark.parametrize("chip", range(len(wiring.CHIPS)))
def test_the_one_sensor_of_a_bench_rig_stands_for_both(
    chip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig(chip, purpose=wiring.BENCH, vacuum_b=wiring.NO_PIN) as bench:
        board = bench.board()
        counts = iter(range(20_000, 60_000, 100))
        monkeypatch.setattr(bench.world, "adc_counts", lambda pin: next(counts))
        monkeypatch.setattr(bench.world, "adc_uv", lambda pin: next(counts) * 50)
        monkeypatch.setattr(bench.chip.mcu, "fast", False)
        readings = Readings()
        for _ in range(3):
            board.sample(readings)
            # Not a second look at A, whose noise would be another.
            assert readings.vacuum_a_raw == readings.vacuum_b_raw
            assert 0 < readings.vacuum_a_raw != readings.sensor_supply_raw


# Storage ---------------------------------------------------------------------------------


def test_a_commit_is_refused_unless_the_outputs_are_safe(bench: Rig) -> None:
    board = bench.board()
    ticks = Ticks(board, wish(vent=VENT_CLOSED))
    loop(bench, board, 50)
    with pytest.raises(StorageRefused):
        board.storage.commit(b"record")
    with pytest.raises(StorageRefused):
        board.boot_storage.commit(b"record")
    assert list((bench.chip.files).rglob("*record*")) == []
    count = len(ticks.dts)
    loop(bench, board, 100)
    assert len(ticks.dts) > count  # the tick goes on
    ticks.outputs = wish(lease=0)
    loop(bench, board, 50)
    board.storage.commit(b"record")
    assert board.storage.load() == b"record"
    assert board.boot_storage.load() == b""
    assert bench.board().storage.load() == b"record"


def test_the_tick_stands_still_in_a_commit_and_the_gap_is_excused(
    bench: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = bench.board()
    ticks = Ticks(board)
    loop(bench, board, 200)
    write = board.storage._write

    def slow(record: bytes) -> None:
        count = len(ticks.dts)
        bench.run(400)
        assert len(ticks.dts) == count
        write(record)

    monkeypatch.setattr(board.storage, "_write", slow)
    before_ms = ticks.readings.now_ms
    del ticks.dts[:]
    board.storage.commit(b"record")
    assert ticks.dts == []
    loop(bench, board, 200)
    # No tick was caught up, none saw the gap, and time went on.
    assert max(ticks.dts) <= 2 * bench.period_ms
    assert len(ticks.dts) <= 220 // bench.period_ms
    assert ticks.readings.now_ms - before_ms == pytest.approx(600, abs=40)
    assert board.overruns == 0


def test_a_commit_that_fails_lets_the_tick_go_on(
    bench: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = bench.board()
    ticks = Ticks(board)
    monkeypatch.setattr(board.storage, "_write", broken)
    with pytest.raises(OSError, match="broken"):
        board.storage.commit(b"record")
    loop(bench, board, 100)
    assert len(ticks.dts) > 5


# Restart and watchdog --------------------------------------------------------------------


@pytest.mark.parametrize("into_service", [0, 1])
def test_a_restart_is_safe_first_and_is_told_once(bench: Rig, into_service: int) -> None:
    board = bench.board()
    assert (board.in_service, board.reset_cause) == (0, contract.RESET_POWER_ON)
    Ticks(board, FULL)
    loop(bench, board, 100)
    began_us = bench.chip.now_us
    safe_us: list[int] = []
    mark = board._mark.commit

    def marked(record: bytes) -> None:
        assert bench.pins_are_safe()
        safe_us.append(bench.chip.now_us)
        mark(record)

    board._mark.commit = marked
    with pytest.raises(ResetAsked, match="reset"):
        board.restart(into_service)
    assert safe_us[0] - began_us < 5_000
    after = bench.board()
    assert after.in_service == into_service
    assert after.reset_cause == contract.RESET_ASKED
    once_more = bench.board()
    assert once_more.in_service == 0
    assert once_more.reset_cause == contract.RESET_HARD


def test_a_restart_that_cannot_keep_its_mark_is_a_restart_all_the_same(
    bench: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = bench.board()
    monkeypatch.setattr(board._mark, "_write", broken)
    with pytest.raises(ResetAsked):
        board.restart(1)
    assert board.lost_marks == 1
    assert bench.board().in_service == 0


def test_a_damaged_mark_is_no_mark_and_is_mended(bench: Rig) -> None:
    with pytest.raises(ResetAsked):
        bench.board().restart(1)
    places: list[Path] = list(bench.chip.files.rglob("restart.*"))
    assert places
    for place in places:
        place.write_bytes(b"damaged")
    board = bench.board()
    assert (board.in_service, board.lost_marks) == (0, 1)
    assert bench.board().lost_marks == 0


def test_end_held_at_power_on_asks_for_service_and_is_no_press(bench: Rig) -> None:
    bench.world.press("button_end")
    board = bench.board()
    assert board.in_service == 1
    for _ in range(5):
        board.poll()
    assert board.buttons_pressed() == 0


def test_the_watchdog_is_fed_only_when_ticks_came(bench: Rig) -> None:
    board = bench.board()
    board.feed_watchdog()  # none yet
    Ticks(board)
    board.watch(500)
    for _ in range(50):
        loop(bench, board, 40)
        board.feed_watchdog()
    board._is_ticking = False
    bench.chip.mcu.timers.clear()
    with pytest.raises(ResetAsked, match="watchdog"):
        for _ in range(50):
            loop(bench, board, 40)
            board.feed_watchdog()
    # The chip's reset let every pin go, and the next start knows why.
    assert bench.pins_are_safe()
    assert bench.board().reset_cause == contract.RESET_WATCHDOG


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("power cut", contract.RESET_POWER_ON),
        ("machine.reset", contract.RESET_HARD),
        ("watchdog", contract.RESET_WATCHDOG),
    ],
)
def test_why_it_started(bench: Rig, why: str, told: int) -> None:
    bench.board()
    bench.chip.reset(why)
    assert bench.board().reset_cause == told


def test_a_soft_reset_is_told_from_a_reset(bench: Rig) -> None:
    board = bench.board()
    board.watch(4_000)  # by it the RP2040 knows: a reset would have ended it
    bench.chip.soft_reset()
    assert bench.board().reset_cause == contract.RESET_SOFT


# The barriers ----------------------------------------------------------------------------


def test_the_barriers_are_proved_without_a_signal_to_any_actuator(bench: Rig) -> None:
    board = bench.board()
    began_ms, at = bench.now_ms, len(bench.world.applied)
    assert board.prove_barriers() == contract.BARRIERS_FINE
    assert bench.now_ms - began_ms < 500
    assert {one[1:4] for one in bench.world.applied[at:]} == {(0, 0, 0)}
    assert {one.power for one in bench.world.applied[at:]} == {0, 1}
    assert bench.level("comparator_test") == 0
    bench.run(LEASE_MS)
    assert bench.world.applied[-1].power == 0
    # The comparator's latch is ready again: a treatment right after it has power.
    Ticks(board, FULL)
    tick_for(bench, board, 50)
    assert bench.world.power
    assert bench.world.pump_permille == 1000


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("switch_stuck_on", contract.BARRIER_STUCK_ON),
        ("switch_stuck_off", contract.BARRIER_STUCK_OFF),
        ("power_sense_open", contract.BARRIER_STUCK_OFF),
        ("one_shot_slow", contract.BARRIER_SLOW),
        ("comparator_dead", contract.BARRIER_COMPARATOR),
    ],
)
def test_a_barrier_that_fails_is_found(bench: Rig, fault: str, found: int) -> None:
    board = bench.board()
    bench.world.inject(fault)
    assert board.prove_barriers() == found
    assert bench.level("comparator_test") == 0
    assert bench.level("heartbeat") == 0
    assert bench.pins_are_safe()


def test_a_switch_that_flickers_with_the_heartbeat_is_found(bench: Rig) -> None:
    bench.drops_out_after(0.3 if bench.is_rp2040 else 6)
    assert bench.board().prove_barriers() == contract.BARRIER_STUCK_OFF


def test_a_switch_that_is_a_little_too_slow_is_found(bench: Rig) -> None:
    # After the RP2040's last word of pulses; after the ESP32's last edge.
    bench.drops_out_after(40 if bench.is_rp2040 else 53)
    assert bench.board().prove_barriers() == contract.BARRIER_SLOW
