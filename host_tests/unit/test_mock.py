"""The mock keeps every promise of a board, and its faults do what they say."""

import ast
import inspect
from collections.abc import Callable

import pytest

from emery import slot
from hal import contract, mock
from hal.contract import (
    DT_HIGHEST_MS,
    FULL_PERMILLE,
    LEASE_MS,
    MOTION_STILL,
    MOTION_UNKNOWN,
    RAW_FULL_SCALE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    VENT_OPEN,
    Board,
    Outputs,
    Readings,
    Storage,
    StorageRefused,
)
from hal.mock import FAULTS, MockBoard, MockStorage, PowerCut

NAMES = [row[0] for row in FAULTS]


def board_of() -> MockBoard:
    board = MockBoard(MockStorage())
    board.vacuum_a_raw = 40_000
    board.vacuum_b_raw = 41_000
    board.sensor_supply_raw = 33_000
    return board


def wanted(pump: int = 600, feed: int = 300, lease_ms: int = LEASE_MS) -> Outputs:
    outputs = Outputs()
    outputs.pump_permille = pump
    outputs.feed_permille = feed
    outputs.vent = VENT_CLOSED
    outputs.lease_ms = lease_ms
    return outputs


def sampled(board: MockBoard) -> Readings:
    readings = Readings()
    board.sample(readings)
    return readings


def applied(board: MockBoard) -> tuple[int, int, int]:
    return board.pump_permille, board.feed_permille, board.vent


SAFE = (0, 0, VENT_OPEN)


# The promises ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("promised", "kept"), [(Board, MockBoard), (Storage, MockStorage)], ids=["Board", "Storage"]
)
def test_the_mock_has_every_method_of_the_contract(promised: type, kept: type) -> None:
    methods = {name for name, value in vars(promised).items() if inspect.isfunction(value)}
    assert methods
    for name in methods:
        assert name in vars(kept), f"{kept.__name__} does not implement {name}"
        assert inspect.signature(vars(kept)[name]) == inspect.signature(vars(promised)[name])


def test_the_contract_itself_promises_without_doing() -> None:
    tree = ast.parse((slot.ROOT / "hal" / "contract.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in ("Board", "Storage"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    assert isinstance(method.body[-1], ast.Raise)


def test_the_fields_of_readings_and_outputs_are_all_named() -> None:
    for kind in (Readings, Outputs):
        assert set(kind.FIELDS) == set(vars(kind()))
    assert all(getattr(Outputs(), name) == 0 for name in Outputs.FIELDS)
    assert Outputs().are_safe()


@pytest.mark.parametrize("field", ["pump_permille", "feed_permille", "vent"])
def test_any_output_alone_is_not_safe(field: str) -> None:
    outputs = Outputs()
    setattr(outputs, field, 1)
    assert not outputs.are_safe()
    outputs.make_safe()
    assert outputs.are_safe()
    assert outputs.lease_ms == 0


def test_a_new_board_is_safe() -> None:
    board = board_of()
    assert applied(board) == SAFE
    assert board.is_safe()


def test_drive_takes_effect_at_once() -> None:
    board = board_of()
    board.drive(wanted())
    assert applied(board) == (600, 300, VENT_CLOSED)
    assert not board.is_safe()


def test_a_lease_that_is_not_renewed_runs_out() -> None:
    board = board_of()
    board.drive(wanted())
    board.advance(LEASE_MS - 1)
    assert applied(board) == (600, 300, VENT_CLOSED)
    assert board.lease_expiries == 0
    board.advance(1)
    assert applied(board) == SAFE
    assert board.lease_expiries == 1
    board.advance(1_000)
    assert board.lease_expiries == 1


def test_a_lease_that_is_renewed_lasts() -> None:
    board = board_of()
    for _ in range(100):
        board.drive(wanted())
        board.advance(LEASE_MS - 1)
        assert applied(board) == (600, 300, VENT_CLOSED)
    assert board.lease_expiries == 0


@pytest.mark.parametrize("lease_ms", [0, -1])
def test_a_lease_given_back_is_safe_at_once(lease_ms: int) -> None:
    board = board_of()
    board.drive(wanted())
    board.drive(wanted(lease_ms=lease_ms))
    assert applied(board) == SAFE
    board.advance(LEASE_MS)
    assert board.lease_expiries == 0


def test_make_safe_gives_the_lease_back() -> None:
    board = board_of()
    board.drive(wanted())
    board.make_safe()
    assert applied(board) == SAFE
    board.advance(LEASE_MS)
    assert board.lease_expiries == 0


def test_sample_fills_every_field_but_the_three_of_the_app() -> None:
    board = board_of()
    board.advance(5)
    board.footswitch = SWITCH_PRESSED
    board.motion = MOTION_STILL
    readings = Readings()
    for name in Readings.FIELDS:
        setattr(readings, name, -77)
    board.sample(readings)
    untouched = {name for name in Readings.FIELDS if getattr(readings, name) == -77}
    assert untouched == {"main_turns", "committed_sequence", "main_fault"}
    assert (readings.vacuum_a_raw, readings.vacuum_b_raw) == (40_000, 41_000)
    assert (readings.sensor_supply_raw, readings.footswitch) == (33_000, SWITCH_PRESSED)
    assert readings.motion == MOTION_STILL
    assert (readings.now_ms, readings.dt_ms, readings.barometer_pa) == (5, 5, 101_325)


def test_without_a_motion_sensor_nothing_is_known_of_motion() -> None:
    # Zero, so that a reading that nobody fills is the stricter case.
    assert sampled(board_of()).motion == MOTION_UNKNOWN == 0


@pytest.mark.parametrize("into_service", [0, 1])
def test_a_restart_is_safe_and_noted(into_service: int) -> None:
    board = board_of()
    board.drive(wanted())
    board.restart(into_service)
    assert applied(board) == SAFE
    assert board.restarts == [into_service]
    # The lease went with it: no stuck drive is powered on.
    board.inject("pump_stuck_full")
    board.advance(1)
    assert applied(board) == SAFE


def test_dt_is_the_time_between_samples_from_1_to_its_highest() -> None:
    board = board_of()
    sampled(board)
    board.advance(7)
    assert sampled(board).dt_ms == 7
    assert sampled(board).dt_ms == 1
    board.advance(60)
    board.excuse(45)
    assert sampled(board).dt_ms == 15
    board.advance(20)
    assert sampled(board).dt_ms == 20
    for gap_ms in (DT_HIGHEST_MS, DT_HIGHEST_MS + 1, 10**6):
        board.advance(gap_ms)
        assert sampled(board).dt_ms == DT_HIGHEST_MS


def test_now_wraps_as_the_contract_says() -> None:
    board = board_of()
    board.advance(2**29 - 1)
    assert sampled(board).now_ms == 2**29 - 1
    board.advance(6)
    readings = sampled(board)
    assert (readings.now_ms, readings.dt_ms) == (5, 6)


def test_the_barometer_grows_old_until_it_is_measured() -> None:
    board = board_of()
    board.measure_barometer()
    board.advance(300)
    assert sampled(board).barometer_age_ms == 300
    board.measure_barometer()
    board.advance(5)
    assert sampled(board).barometer_age_ms == 5
    board.advance(10**6)
    board.advance(10**6)
    assert sampled(board).barometer_age_ms <= 1_100_000


# Storage -----------------------------------------------------------------------------


def test_storage_outlives_its_board() -> None:
    board = board_of()
    assert board.storage.load() == b""
    board.storage.commit(b"one")
    store = board.storage
    assert isinstance(store, MockStorage)
    again = MockBoard(store)
    assert again.storage.load() == b"one"
    again.storage.commit(b"two")
    assert store.record == b"two"
    assert store.commits == 2


def test_nothing_is_written_while_the_outputs_are_not_safe() -> None:
    board = board_of()
    board.storage.commit(b"one")
    board.drive(wanted())
    with pytest.raises(StorageRefused):
        board.storage.commit(b"two")
    assert board.storage.load() == b"one"
    # The board's own outputs count, after lease and faults.
    board.advance(LEASE_MS)
    board.storage.commit(b"two")
    assert board.storage.load() == b"two"


def test_storage_of_no_board_refuses() -> None:
    with pytest.raises(StorageRefused):
        MockStorage().commit(b"one")


def test_a_commit_takes_its_time() -> None:
    board = board_of()
    board.storage.commit(b"one")
    assert board.pending_gap_ms == board.commit_ms > 0


@pytest.mark.parametrize(("when", "kept"), [("before", b"one"), ("after", b"two")])
def test_the_power_can_fail_in_a_commit(when: str, kept: bytes) -> None:
    board = board_of()
    store = board.storage
    assert isinstance(store, MockStorage)
    store.commit(b"one")
    store.cut_power = when
    with pytest.raises(PowerCut):
        store.commit(b"two")
    assert store.record == kept
    store.commit(b"three")
    assert store.record == b"three"


# Faults -------------------------------------------------------------------------------


def field(name: str) -> Callable[[MockBoard], int]:
    def value(board: MockBoard) -> int:
        found: int = getattr(sampled(board), name)
        return found

    return value


# What to read, what it is without the fault, and what with it.
READING_FAULTS = {
    "vacuum_a_open": (field("vacuum_a_raw"), 40_000, 0),
    "vacuum_a_short": (field("vacuum_a_raw"), 40_000, RAW_FULL_SCALE),
    "vacuum_b_open": (field("vacuum_b_raw"), 41_000, 0),
    "vacuum_b_short": (field("vacuum_b_raw"), 41_000, RAW_FULL_SCALE),
    "sensor_supply_open": (field("sensor_supply_raw"), 33_000, 0),
    "footswitch_stuck_pressed": (field("footswitch"), SWITCH_RELEASED, SWITCH_PRESSED),
}


@pytest.mark.parametrize("name", READING_FAULTS)
def test_a_reading_is_spoilt_and_counted(name: str) -> None:
    read, well, spoilt = READING_FAULTS[name]
    board = board_of()
    assert read(board) == well
    assert board.effect(name) == 0
    board.inject(name)
    assert board.effect(name) == 0  # turning it on is no effect yet
    for n in range(1, 4):
        assert read(board) == spoilt
        assert board.effect(name) == n
    board.clear(name)
    assert read(board) == well
    assert board.effect(name) == 3


@pytest.mark.parametrize("name", READING_FAULTS)
def test_a_fault_that_changes_nothing_is_not_counted(name: str) -> None:
    read, _, spoilt = READING_FAULTS[name]
    board = board_of()
    board.vacuum_a_raw = board.vacuum_b_raw = spoilt
    board.sensor_supply_raw = 0
    board.footswitch = SWITCH_PRESSED
    board.inject(name)
    assert read(board) == spoilt
    assert board.effect(name) == 0


@pytest.mark.parametrize("channel", "ab")
def test_a_frozen_sensor_repeats_its_last_count(channel: str) -> None:
    name = f"vacuum_{channel}_frozen"
    read = field(f"vacuum_{channel}_raw")
    other = field(f"vacuum_{'b' if channel == 'a' else 'a'}_raw")
    board = board_of()
    frozen = read(board)
    board.inject(name)
    assert read(board) == frozen
    assert board.effect(name) == 0
    board.vacuum_a_raw = board.vacuum_b_raw = 12_345
    assert (read(board), other(board)) == (frozen, 12_345)
    assert board.effect(name) == 2
    board.clear(name)
    assert read(board) == 12_345


def test_a_frozen_sensor_stays_frozen_when_another_fault_is_injected() -> None:
    board = board_of()
    board.inject("vacuum_a_frozen")
    board.vacuum_a_raw = 12_345
    board.inject("tick_late")
    assert sampled(board).vacuum_a_raw == 40_000


def test_a_stuck_footswitch_reads_released() -> None:
    board = board_of()
    board.footswitch = SWITCH_PRESSED
    board.inject("footswitch_stuck_released")
    assert sampled(board).footswitch == SWITCH_RELEASED
    assert board.effect("footswitch_stuck_released") == 1


def test_a_silent_barometer_only_grows_older() -> None:
    board = board_of()
    board.measure_barometer()
    board.inject("barometer_silent")
    for n in range(1, 4):
        board.advance(100)
        board.measure_barometer()
        assert sampled(board).barometer_age_ms == 100 * n
        assert board.effect("barometer_silent") == n
    board.clear("barometer_silent")
    board.measure_barometer()
    assert sampled(board).barometer_age_ms == 0


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("pump_stuck_full", (FULL_PERMILLE, 300, VENT_CLOSED)),
        ("feed_stuck_open", (600, FULL_PERMILLE, VENT_CLOSED)),
    ],
)
def test_a_stuck_drive_is_full_until_the_lease_ends(
    name: str, full: tuple[int, int, int]
) -> None:
    board = board_of()
    board.inject(name)
    assert board.is_safe()
    board.drive(wanted())
    assert applied(board) == full
    assert board.effect(name) == 1
    everything = wanted(FULL_PERMILLE, FULL_PERMILLE)
    board.drive(everything)
    assert board.effect(name) == 1  # what was asked for anyway
    # Asked to stop with the lease running, it does not.
    board.drive(wanted(0, 0))
    assert not board.is_safe()
    assert board.effect(name) == 2
    board.drive(Outputs())
    assert board.is_safe()
    board.drive(wanted())
    board.advance(LEASE_MS)
    assert board.is_safe()
    board.drive(wanted())
    board.make_safe()
    assert board.is_safe()


def test_a_late_tick_comes_40_ms_late() -> None:
    board = board_of()
    sampled(board)
    board.inject("tick_late")
    for n in range(1, 4):
        board.advance(5)
        assert sampled(board).dt_ms == 45
        assert board.effect("tick_late") == n
    board.advance(DT_HIGHEST_MS)
    assert sampled(board).dt_ms == DT_HIGHEST_MS


def test_refusing_storage_keeps_what_it_has() -> None:
    board = board_of()
    board.storage.commit(b"one")
    board.inject("storage_refuses")
    with pytest.raises(StorageRefused):
        board.storage.commit(b"two")
    assert board.storage.load() == b"one"
    assert board.effect("storage_refuses") == 1


@pytest.mark.parametrize("channel", "ab")
def test_a_drifting_sensor_reads_less_vacuum_every_second(channel: str) -> None:
    name = f"vacuum_{channel}_drifting"
    read = field(f"vacuum_{channel}_raw")
    board = board_of()
    well = read(board)
    board.inject(name)
    found = []
    for _ in range(8):
        board.advance(DT_HIGHEST_MS)
        found.append(read(board) - well)
    assert found[3] == 250  # half a kPa in a second
    assert found[7] == 500
    assert found == sorted(found)
    board.vacuum_a_raw = board.vacuum_b_raw = RAW_FULL_SCALE
    assert read(board) == RAW_FULL_SCALE
    # Injected again it begins again.
    board.vacuum_a_raw = board.vacuum_b_raw = 40_000
    board.inject(name)
    board.advance(4)
    assert read(board) == 40_001


@pytest.mark.parametrize("channel", "ab")
def test_a_slow_sensor_follows_late(channel: str) -> None:
    name = f"vacuum_{channel}_slow"
    read = field(f"vacuum_{channel}_raw")
    board = board_of()
    board.vacuum_a_raw = board.vacuum_b_raw = 50_000
    board.inject(name)
    board.vacuum_a_raw = board.vacuum_b_raw = 20_000
    found = []
    for _ in range(400):
        board.advance(5)
        found.append(read(board))
    assert found == sorted(found, reverse=True)
    assert found[59] == pytest.approx(20_000 + 30_000 * 0.37, abs=300)  # after 300 ms
    assert found[-1] == pytest.approx(20_000, abs=100)
    assert board.effect(name) > 300


@pytest.mark.parametrize("channel", "ab")
def test_a_noisy_sensor_is_right_on_average(channel: str) -> None:
    name = f"vacuum_{channel}_noisy"
    read = field(f"vacuum_{channel}_raw")
    board = board_of()
    well = read(board)
    board.inject(name)
    off = [read(board) - well for _ in range(2_000)]
    assert -2_048 <= min(off) < -1_900
    assert 1_900 < max(off) <= 2_048
    assert abs(sum(off) / len(off)) < 80
    assert board.effect(name) == 2_000
    again = board_of()
    again.inject(name)
    assert [read(again) - well for _ in range(50)] == off[:50]


def test_swapped_wires_give_each_the_other_s_count() -> None:
    board = board_of()
    board.inject("vacuum_swapped")
    readings = sampled(board)
    assert (readings.vacuum_a_raw, readings.vacuum_b_raw) == (41_000, 40_000)
    assert board.effect("vacuum_swapped") == 1
    # What is wrong with a sensor goes with its wires.
    board.inject("vacuum_a_open")
    readings = sampled(board)
    assert (readings.vacuum_a_raw, readings.vacuum_b_raw) == (41_000, 0)
    board.clear("vacuum_a_open")
    board.vacuum_b_raw = 40_000
    sampled(board)
    assert board.effect("vacuum_swapped") == 2


def test_stale_samples_repeat_while_time_goes_on() -> None:
    board = board_of()
    board.inject("samples_stale")
    sampled(board)
    assert board.effect("samples_stale") == 0
    board.vacuum_a_raw = board.vacuum_b_raw = board.sensor_supply_raw = 7
    board.footswitch = SWITCH_PRESSED
    board.advance(5)
    readings = sampled(board)
    assert (readings.vacuum_a_raw, readings.vacuum_b_raw) == (40_000, 41_000)
    assert readings.sensor_supply_raw == 33_000
    assert (readings.now_ms, readings.footswitch) == (5, SWITCH_PRESSED)
    assert board.effect("samples_stale") == 1


def test_a_supply_that_sags_takes_its_sensors_along() -> None:
    board = board_of()
    board.inject("sensor_supply_sags")
    readings = sampled(board)
    assert (readings.vacuum_a_raw, readings.vacuum_b_raw) == (32_000, 32_800)
    assert readings.sensor_supply_raw == 26_400
    assert board.effect("sensor_supply_sags") == 1


def test_a_wrong_barometer_is_still_believable() -> None:
    board = board_of()
    board.inject("barometer_wrong")
    assert sampled(board).barometer_pa == 81_325
    board.barometer_pa = 10_000
    assert sampled(board).barometer_pa == 0
    assert board.effect("barometer_wrong") == 2


def test_a_bouncing_footswitch_settles() -> None:
    board = board_of()
    board.inject("footswitch_bounces")
    read = field("footswitch")
    for pressed in (SWITCH_PRESSED, SWITCH_RELEASED) * 20:
        before = read(board)
        board.footswitch = pressed
        found = []
        for _ in range(20):
            board.advance(5)
            found.append(read(board))
        assert before == 1 - pressed
        assert set(found[8:]) == {pressed}
    assert 100 < board.effect("footswitch_bounces") < 220


def test_a_flickering_footswitch_drops_out_only_while_pressed() -> None:
    board = board_of()
    board.inject("footswitch_flickers")
    read = field("footswitch")
    assert {read(board) for _ in range(200)} == {SWITCH_RELEASED}
    assert board.effect("footswitch_flickers") == 0
    board.footswitch = SWITCH_PRESSED
    dropped = [read(board) for _ in range(1_600)].count(SWITCH_RELEASED)
    assert 60 < dropped < 140
    assert board.effect("footswitch_flickers") == dropped


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("pump_dead", (0, 300, VENT_CLOSED)),
        ("pump_weak", (300, 300, VENT_CLOSED)),
        ("feed_stuck_shut", (600, 0, VENT_CLOSED)),
        ("vent_stuck_open", (600, 300, VENT_OPEN)),
    ],
)
def test_a_drive_that_does_not_come(name: str, instead: tuple[int, int, int]) -> None:
    board = board_of()
    board.inject(name)
    board.drive(Outputs())
    assert board.effect(name) == 0
    board.drive(wanted())
    assert applied(board) == instead
    assert board.effect(name) == 1
    board.clear(name)
    board.drive(wanted())
    assert applied(board) == (600, 300, VENT_CLOSED)


def test_a_vent_that_is_stuck_closed_stays_so_without_a_lease() -> None:
    board = board_of()
    board.inject("vent_stuck_closed")
    board.drive(wanted())
    assert board.effect("vent_stuck_closed") == 0  # it was to be closed anyway
    board.advance(LEASE_MS)
    assert applied(board) == (0, 0, VENT_CLOSED)
    board.make_safe()
    assert applied(board) == (0, 0, VENT_CLOSED)
    assert board.effect("vent_stuck_closed") == 2
    # The board cannot know: its own outputs are safe, and it would write.
    assert board.is_safe()
    board.storage.commit(b"one")
    board.clear("vent_stuck_closed")
    board.make_safe()
    assert applied(board) == SAFE


@pytest.mark.parametrize(
    ("name", "comes"),
    [("tick_stopped", "tick_comes"), ("main_loop_stopped", "main_loop_turns")],
)
def test_what_has_stopped_does_not_come(name: str, comes: str) -> None:
    board = board_of()
    assert getattr(board, comes)()
    assert board.effect(name) == 0
    board.inject(name)
    assert not getattr(board, comes)()
    assert not getattr(board, comes)()
    assert board.effect(name) == 2
    board.clear(name)
    assert getattr(board, comes)()


def test_failing_storage_breaks_off_and_keeps_what_it_has() -> None:
    board = board_of()
    board.storage.commit(b"one")
    board.inject("storage_fails")
    with pytest.raises(OSError, match="storage_fails"):
        board.storage.commit(b"two")
    assert board.storage.load() == b"one"
    assert board.effect("storage_fails") == 1


def test_slow_storage_takes_its_time_and_keeps_it() -> None:
    board = board_of()
    board.inject("storage_slow")
    board.storage.commit(b"one")
    assert board.pending_gap_ms == board.commit_ms + 400
    assert board.storage.load() == b"one"
    assert board.effect("storage_slow") == 1


def test_unreadable_storage_tells_so() -> None:
    board = board_of()
    board.storage.commit(b"one")
    board.inject("storage_unreadable")
    with pytest.raises(OSError, match="storage_unreadable"):
        board.storage.load()
    assert board.effect("storage_unreadable") == 1
    board.clear("storage_unreadable")
    assert board.storage.load() == b"one"


def test_a_power_cut_mends_no_wire() -> None:
    board = board_of()
    board.inject("vacuum_a_frozen")
    board.inject("pump_dead")
    store = board.storage
    assert isinstance(store, MockStorage)
    after = MockBoard(store)
    after.take_over(board)
    after.vacuum_a_raw = 12_345
    assert sampled(after).vacuum_a_raw == 40_000
    after.drive(wanted())
    assert after.pump_permille == 0
    assert (after.effect("vacuum_a_frozen"), after.effect("pump_dead")) == (1, 1)
    assert board.effect("pump_dead") == 0


def test_every_fault_of_the_catalogue_is_tried_here() -> None:
    of_a_channel = {
        f"vacuum_{channel}_{kind}"
        for channel in "ab"
        for kind in ("frozen", "drifting", "slow", "noisy")
    }
    elsewhere = {
        "vacuum_swapped",
        "samples_stale",
        "sensor_supply_sags",
        "barometer_silent",
        "barometer_wrong",
        "footswitch_stuck_released",
        "footswitch_bounces",
        "footswitch_flickers",
        "pump_stuck_full",
        "pump_dead",
        "pump_weak",
        "feed_stuck_open",
        "feed_stuck_shut",
        "vent_stuck_closed",
        "vent_stuck_open",
        "tick_late",
        "tick_stopped",
        "main_loop_stopped",
        "storage_refuses",
        "storage_fails",
        "storage_slow",
        "storage_unreadable",
    }
    assert set(READING_FAULTS) | of_a_channel | elsewhere == set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_is_known_by_its_place(name: str) -> None:
    # The mock's own constants are those places.
    board = board_of()
    index = mock.fault_index(name)
    board.inject(name)
    assert board.is_injected(index)
    assert [board.is_injected(n) for n in range(len(FAULTS))].count(True) == 1
    board.clear(name)
    assert not board.is_injected(index)


def test_a_fault_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(KeyError, match="pump_stuck_full"):
        board_of().inject("pump_on_fire")


def test_zero_is_the_safe_position_of_everything() -> None:
    # Memory full of zeros must command nothing.
    assert contract.VENT_OPEN == contract.SWITCH_RELEASED == contract.COMMAND_NONE == 0
