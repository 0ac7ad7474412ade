"""The app: refused settings, the mailbox, errors in a tick, storage windows."""

from collections.abc import Callable

import pytest

from firmware import faults, limits
from firmware.app import App
from firmware.settings import SETTINGS, ZONE_FIELDS, encode
from firmware.treatment import RESTART
from hal.contract import (
    COMMAND_END,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_RESTART,
    COMMAND_RUN_PUMP,
    COMMAND_SELECT_ZONE,
    COMMAND_SERVICE,
    COMMAND_START,
    VENT_OPEN,
    Outputs,
    Readings,
    StorageRefused,
)
from hal.mock import MockBoard, MockStorage
from host_tests.bench import RELEASE_MS, Bench, bench_settings, zone_of


def driven_board() -> MockBoard:
    """A board that was left with everything on."""
    board = MockBoard(MockStorage())
    outputs = Outputs()
    outputs.pump_permille = outputs.feed_permille = 1000
    outputs.vent = 1
    outputs.lease_ms = 50
    board.drive(outputs)
    assert not board.is_safe()
    return board


def test_a_new_app_makes_the_board_safe_first() -> None:
    board = driven_board()
    App(board, encode(bench_settings()))
    assert board.is_safe()


BAD_SETTINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("length", lambda blob: b""),
    ("length", lambda blob: blob[:-1]),
    ("magic", lambda blob: b"\x00" + blob[1:]),
    ("schema", lambda blob: blob[:4] + b"\xff\xff" + blob[6:]),
    ("count", lambda blob: blob[:6] + b"\xff\xff" + blob[8:]),
    ("crc", lambda blob: blob[:20] + bytes([blob[20] ^ 1]) + blob[21:]),
    ("hard_limit_pa", lambda blob: encode(bench_settings(hard_limit_pa=45_001))),
    ("pass_gap_ms", lambda blob: encode(bench_settings(pass_gap_ms=0))),
    ("zone 1 passes", lambda blob: encode(bench_settings((zone_of(passes=4),)))),
    ("zone 2 level", lambda blob: encode(bench_settings(hard_limit_pa=44_000))),
    ("zone 2 name", lambda blob: encode(bench_settings((zone_of(), zone_of())))),
    ("soft_time_ms", lambda blob: encode(bench_settings(soft_time_ms=200, soft_latch_ms=200))),
]


@pytest.mark.parametrize(("field", "spoil"), BAD_SETTINGS, ids=[row[0] for row in BAD_SETTINGS])
def test_refused_settings_leave_the_device_safe_and_name_the_field(
    field: str, spoil: Callable[[bytes], bytes]
) -> None:
    board = driven_board()
    app = App(board, spoil(encode(bench_settings())))
    assert board.is_safe()
    assert app.refusal.startswith(field + ": ")
    assert app.controller is None
    board.footswitch = 1
    for _ in range(500):
        board.advance(5)
        app.post(COMMAND_START)
        app.tick()
        app.turn()
        assert board.is_safe()
    assert board.storage.commits == 0  # type: ignore[attr-defined]


def test_a_tick_makes_the_board_safe_even_when_the_settings_were_refused() -> None:
    board = MockBoard(MockStorage())
    app = App(board, b"")
    board.pump_permille = 1000
    app.tick()
    assert board.is_safe()


def test_good_settings_are_no_refusal() -> None:
    app = App(MockBoard(MockStorage()), encode(bench_settings()))
    assert app.refusal == ""
    assert app.controller is not None


def test_the_mailbox_holds_one_command() -> None:
    bench = Bench()
    bench.to_standby()
    app = bench.app
    assert app.post(COMMAND_START)
    assert not app.post(COMMAND_END, 3)
    bench.tick()
    assert (app.command, app.argument) == (COMMAND_START, 0)
    assert bench.state == "CHECKLIST"
    bench.tick()
    assert app.command == COMMAND_NONE
    for argument in (-1, 256, 10**6):  # one byte in the black box
        assert not app.post(COMMAND_SELECT_ZONE, argument)
    assert app.post(COMMAND_SELECT_ZONE, 1)
    bench.tick()
    assert (app.command, app.argument) == (COMMAND_SELECT_ZONE, 1)


class Broken(Exception):
    """Something that no one expected."""


def break_sampling(bench: Bench) -> None:
    def sample(readings: Readings) -> None:
        raise Broken

    bench.board.sample = sample  # type: ignore[method-assign]


def break_the_core(bench: Bench) -> None:
    def step(*_: object) -> None:
        bench.board.pump_permille = 1000  # as bad as can be
        raise Broken

    setattr(bench.controller.treatment, "step", step)  # noqa: B010 - of another shape


def break_driving(bench: Bench) -> None:
    def drive(outputs: Outputs) -> None:
        bench.board.feed_permille = 1000
        raise Broken

    bench.board.drive = drive  # type: ignore[method-assign]


@pytest.mark.parametrize("spoil", [break_sampling, break_the_core, break_driving])
def test_an_error_in_a_tick_makes_the_board_safe_and_stays(
    spoil: Callable[[Bench], None],
) -> None:
    bench = Bench()
    bench.to_skin()
    bench.run(2_000)
    assert bench.board.feed_permille > 0
    spoil(bench)
    bench.tick()
    assert bench.board.is_safe()
    assert bench.app.outputs.are_safe()
    assert isinstance(bench.app.error, Broken)
    assert (bench.state, bench.fault) == ("FAULT", faults.INTERNAL)
    for _ in range(50):
        bench.board.pump_permille = 1000
        bench.tick(COMMAND_START)
        assert bench.board.is_safe()
        bench.app._posted = COMMAND_NONE
    assert bench.app.controller is not None


def test_one_error_is_enough_to_stop_for_good() -> None:
    bench = Bench()
    bench.to_skin()
    sample = bench.board.sample
    break_sampling(bench)
    bench.tick()
    bench.board.sample = sample  # type: ignore[method-assign]
    box = bench.controller.black_box
    ticks = box.ticks
    for _ in range(1_000):
        bench.tick()
        assert bench.board.is_safe()
    # The core, left in the middle of a tick, is not run again.
    assert box.ticks == ticks
    assert isinstance(bench.app.error, Broken)


def test_an_error_makes_the_board_safe_before_anything_else() -> None:
    bench = Bench()
    bench.to_skin()
    seen = []
    latch = bench.controller.protection.latch

    def watched_latch(fault: int) -> None:
        seen.append(bench.board.is_safe())
        latch(fault)

    bench.controller.protection.latch = watched_latch  # type: ignore[method-assign]
    break_the_core(bench)
    bench.tick()
    assert seen == [True]


def test_after_an_error_nothing_is_committed() -> None:
    bench = Bench()
    bench.to_ready()
    commits = bench.storage.commits
    break_the_core(bench)
    bench.tick()
    bench.controller.passes.sequence += 1
    bench.run(1_000)
    assert bench.storage.commits == commits


def test_the_main_loop_counter_wraps() -> None:
    bench = Bench()
    bench.app.readings.main_turns = 0xFFFF
    bench.app.turn()
    assert bench.app.readings.main_turns == 0


# Storage windows -------------------------------------------------------------------


def test_a_record_is_committed_once_for_each_change() -> None:
    bench = Bench()
    bench.to_ready()
    assert bench.storage.commits == 1
    bench.run(1_000)
    assert bench.storage.commits == 1
    bench.press()
    assert bench.storage.commits == 2
    bench.run(1_000)
    assert bench.storage.commits == 2


@pytest.mark.parametrize("channel", "ab")
def test_nothing_is_committed_before_the_vacuum_is_released(channel: str) -> None:
    bench = Bench()
    bench.to_ready()
    bench.run(RELEASE_MS)
    bench.vacuum_pa = bench.vacuum_b_pa = 0.0
    name = "vacuum_pa" if channel == "a" else "vacuum_b_pa"
    bench.footswitch = 1
    bench.run(20)
    setattr(bench, name, limits.RELEASED_PA + 100.0)
    bench.run(500)
    assert bench.controller.passes.opened[0] == 1
    assert bench.storage.commits == 1
    assert bench.state == "READY"
    setattr(bench, name, limits.RELEASED_PA - 100.0)
    bench.run_until(lambda: bench.storage.commits == 2, 100)


@pytest.mark.parametrize("channel", "ab")
def test_nothing_is_committed_on_the_word_of_a_broken_sensor(channel: str) -> None:
    bench = Bench()
    bench.to_ready()
    sensor = getattr(bench.controller.sensing, channel)
    sensor.trim_pa = 10_000  # it reads -10 kPa
    bench.run(50)
    bench.controller.passes.sequence += 1
    bench.run(500)
    assert bench.storage.commits == 1
    sensor.trim_pa = 0
    bench.run(100)
    assert bench.storage.commits == 2


def test_a_refusing_storage_is_asked_again_until_it_takes_the_record() -> None:
    bench = Bench()
    bench.to_ready()
    bench.board.inject("storage_refuses")
    bench.run(RELEASE_MS)
    bench.footswitch = 1
    bench.run(1_500)
    assert (bench.state, bench.app.error) == ("READY", None)
    assert bench.board.effect("storage_refuses") == bench.app.refused_commits > 10
    assert not bench.is_committed()
    bench.board.clear("storage_refuses")
    bench.run_until(lambda: bench.state == "TREATING", 100)


class FailingStorage(MockStorage):
    """Flash that is worn out: it neither reads nor writes."""

    def load(self) -> bytes:
        raise OSError(5)

    def commit(self, record: bytes) -> None:
        raise OSError(5)


def test_a_storage_that_fails_to_read_means_that_all_passes_are_spent() -> None:
    bench = Bench(storage=FailingStorage())
    bench.run(100)
    assert (bench.state, bench.fault) == ("FAULT", faults.RECORD_DAMAGED)
    assert set(bench.controller.passes.opened) == {limits.PASSES_PER_ZONE}


def test_a_storage_that_fails_to_write_ends_in_a_fault_and_not_in_an_error() -> None:
    class WornOut(FailingStorage):
        def load(self) -> bytes:
            return b""

    bench = Bench(storage=WornOut())
    bench.to_standby()
    bench.tick(COMMAND_START)
    bench.confirm()
    bench.run(RELEASE_MS)
    bench.footswitch = 1
    bench.run_until(lambda: bench.state == "FAULT", 3_000)
    assert bench.fault == faults.STORAGE
    assert bench.app.error is None
    assert bench.app.refused_commits > 10


# Settings that change by themselves -------------------------------------------------


def pass_after(spoil: Callable[[App], None]) -> Bench:
    """READY for a pass; memory changes; then a press."""
    bench = Bench()
    bench.to_ready()
    spoil(bench.app)
    bench.run(RELEASE_MS)
    bench.footswitch = 1
    for _ in range(100):
        bench.tick()
        assert bench.board.is_safe()
    return bench


@pytest.mark.parametrize("name", [row[0] for row in SETTINGS])
def test_no_pass_begins_on_a_setting_that_has_changed(name: str) -> None:
    def spoil(app: App) -> None:
        setattr(app._settings, name, getattr(app._settings, name) ^ 1)

    bench = pass_after(spoil)
    assert (bench.state, bench.fault) == ("FAULT", faults.MEMORY)
    assert bench.controller.treatment.kept_fault == faults.MEMORY


@pytest.mark.parametrize("name", [row[0] for row in ZONE_FIELDS])
@pytest.mark.parametrize("zone", [0, 1])
def test_no_pass_begins_on_a_zone_that_has_changed(zone: int, name: str) -> None:
    # The treatment reads them as it goes: more passes, a higher level, no end.
    def spoil(app: App) -> None:
        changed = app._settings.zones[zone]
        setattr(changed, name, getattr(changed, name) ^ 4)

    bench = pass_after(spoil)
    assert (bench.state, bench.fault) == ("FAULT", faults.MEMORY)


def test_the_pass_after_the_first_looks_at_the_settings_again() -> None:
    bench = Bench()
    bench.to_skin()
    bench.run(1_000)
    bench.app._settings.zones[0].passes = 9
    bench.run(1_000)
    assert bench.fault == faults.NONE
    bench.tick(COMMAND_PASS_DONE)  # and its record is written
    bench.run(500)
    assert (bench.state, bench.fault) == ("FAULT", faults.MEMORY)


# Restarts ---------------------------------------------------------------------------


def test_service_is_entered_by_a_restart_from_standby_and_fault() -> None:
    bench = Bench()
    bench.to_standby()
    bench.tick(COMMAND_SERVICE)
    bench.run(50)
    assert bench.state == "STANDBY"  # until the processor is reset
    assert bench.board.restarts[0] is True
    bench = Bench()
    bench.to_standby()
    bench.controller.protection.latch(faults.BAROMETER)
    bench.run(50)
    bench.tick(COMMAND_SERVICE)
    bench.run(50)
    assert bench.board.restarts[0] is True


@pytest.mark.parametrize("journey", ["to_ready", "to_treating"])
def test_a_treatment_is_not_interrupted_by_a_restart(journey: str) -> None:
    bench = Bench()
    getattr(bench, journey)()
    for command in (COMMAND_SERVICE, COMMAND_RESTART):
        bench.tick(command)
        bench.run(100)
    assert bench.board.restarts == []


def test_service_is_left_by_a_restart_that_is_not_into_it() -> None:
    bench = Bench()
    bench.power_on(in_service=1)
    bench.run(100)
    assert bench.state == "SERVICE"
    bench.tick(COMMAND_RUN_PUMP, 50)
    bench.run(100)
    assert bench.board.pump_permille > 0
    bench.tick(COMMAND_RESTART)
    bench.run(50)
    assert bench.board.restarts[0] is False
    assert bench.board.is_safe()


def test_the_processor_is_reset_only_with_safe_outputs() -> None:
    # A reset with the pump on leaves it on until the pins have come up.
    bench = Bench()
    bench.to_skin()
    bench.controller.treatment.restart = RESTART
    bench.run(1_000)
    assert bench.state == "TREATING"
    assert bench.board.restarts == []
    bench.footswitch = 0
    bench.run(50)
    assert bench.board.restarts != []


@pytest.mark.parametrize("in_service", [0, 1])
def test_refused_settings_are_refused_in_service_too(in_service: int) -> None:
    board = driven_board()
    app = App(board, b"", in_service)
    assert (app.controller, board.is_safe()) == (None, True)


class WatchedStorage(MockStorage):
    """Storage that notes in which moments it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.outside_a_window = 0
        self.bench: Bench | None = None

    def commit(self, record: bytes) -> None:
        self.asked += 1
        bench = self.bench
        assert bench is not None
        sensing = bench.controller.sensing
        if not (
            bench.board.is_safe()
            and bench.app.outputs.lease_ms == 0
            and bench.app.outputs.vent == VENT_OPEN
            and max(sensing.a.vacuum_pa, sensing.b.vacuum_pa) <= limits.RELEASED_PA
        ):
            self.outside_a_window += 1
        super().commit(record)


def watched_bench() -> tuple[Bench, WatchedStorage]:
    store = WatchedStorage()
    bench = Bench(storage=store)
    store.bench = bench
    return bench, store


def test_the_app_asks_only_in_a_storage_window() -> None:
    bench, store = watched_bench()
    bench.to_skin()
    # A record falls due under suction, with the outputs on.
    bench.controller.passes.sequence += 1
    bench.run(1_000)
    assert store.asked == 2
    bench.tick(COMMAND_PASS_DONE)
    assert bench.state == "PAUSED"
    # The vent is open, but the line is not released yet.
    bench.vacuum_pa = 20_000.0
    bench.run(300)
    assert store.asked == 2
    bench.vacuum_pa = None
    bench.run(300)
    assert store.asked == 3
    bench.tick(COMMAND_END)
    bench.run(300)
    assert store.asked == 4
    assert store.outside_a_window == 0


def test_outputs_that_are_not_safe_keep_the_app_from_asking() -> None:
    # With no vacuum at all, only the outputs say that this is no window.
    bench, store = watched_bench()
    bench.to_treating()
    bench.vacuum_pa = 0.0
    bench.controller.passes.sequence += 1
    bench.run(500)
    assert (bench.state, store.asked) == ("TREATING", 2)


def test_a_count_that_changes_while_it_is_written_is_written_again() -> None:
    bench, store = watched_bench()
    bench.to_ready()
    commit = store.commit

    def slow_commit(record: bytes) -> None:
        commit(record)
        if store.commits == 2:
            bench.controller.passes.end_session()  # a tick came in between

    store.commit = slow_commit  # type: ignore[method-assign]
    bench.run(RELEASE_MS)
    bench.footswitch = 1
    bench.run(50)
    bench.footswitch = 0
    bench.run(100)
    assert store.commits == 3
    assert bench.is_committed()


def test_a_mock_storage_without_a_safe_board_raises_storage_refused() -> None:
    board = driven_board()
    with pytest.raises(StorageRefused):
        board.storage.commit(b"record")
    assert board.storage.load() == b""
