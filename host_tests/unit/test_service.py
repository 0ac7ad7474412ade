"""SERVICE: one output at a time, briefly, little, and by a restart alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emery import slot
from emery.calibrate.feed import RUNS
from firmware import faults, limits
from firmware.treatment import STATES
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLOSE_VENT,
    COMMAND_END,
    COMMAND_LAST,
    COMMAND_NONE,
    COMMAND_REPAIRED,
    COMMAND_RESTART,
    COMMAND_RUN_CRYSTALS,
    COMMAND_RUN_FEED,
    COMMAND_RUN_PUMP,
    COMMAND_SELECT_ZONE,
    COMMAND_SERVICE,
    COMMAND_START,
    FULL_PERMILLE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    VENT_OPEN,
)
from host_tests.bench import RELEASE_MS, Bench

TICK_MS = 5
OUTPUT_COMMANDS = (
    COMMAND_RUN_PUMP, COMMAND_RUN_FEED, COMMAND_RUN_CRYSTALS, COMMAND_CLOSE_VENT,
)  # fmt: skip
KEPT = [row[0] for row in faults.CATALOGUE if row[3] == faults.EXIT_SERVICE]


def in_service(bench: Bench | None = None) -> Bench:
    bench = bench or Bench()
    bench.power_on(in_service=1)
    bench.tick()
    assert bench.state == "SERVICE"
    return bench


def kept(fault: int) -> Bench:
    """A device that has found a fault that only service may clear."""
    bench = Bench()
    bench.to_standby()
    bench.controller.protection.latch(fault)
    bench.run(100)
    return bench


def restarted(bench: Bench) -> Bench:
    """The restart that the firmware has asked its board for."""
    bench.run(20)
    into_service = bench.board.restarts[0]
    assert bench.board.is_safe()
    bench.power_on(into_service)
    bench.run(20)
    return bench


@pytest.mark.parametrize("command", [COMMAND_NONE, *range(1, COMMAND_LAST + 1)])
def test_nothing_but_a_restart_leads_into_it_or_out_of_it(command: int) -> None:
    bench = in_service()
    for argument in (0, 1, 2, 4, 7, 255):
        bench.tick(command, argument)
        bench.run(1_000)
        assert bench.state == "SERVICE"
    other = Bench()
    other.to_standby()
    other.tick(command, 1)
    other.run(1_000)
    assert other.state != "SERVICE"


def test_it_is_asked_for_in_standby_and_left_by_a_restart() -> None:
    bench = Bench()
    bench.to_standby()
    bench.tick(COMMAND_SERVICE)
    assert restarted(bench).state == "SERVICE"
    bench.tick(COMMAND_RESTART)
    assert restarted(bench).state == "SELF_TEST"


def test_a_restart_waits_for_safe_outputs() -> None:
    bench = in_service()
    bench.tick(COMMAND_RUN_FEED, 50)
    bench.tick(COMMAND_RESTART)
    assert bench.board.is_safe()
    assert restarted(bench).state == "SELF_TEST"


@pytest.mark.parametrize(
    ("command", "pump", "feed", "vent"),
    [
        (COMMAND_RUN_PUMP, 500, 0, VENT_CLOSED),
        (COMMAND_RUN_FEED, 0, 500, VENT_OPEN),
        (COMMAND_RUN_CRYSTALS, 450, 0, VENT_CLOSED),
        (COMMAND_CLOSE_VENT, 0, 0, VENT_CLOSED),
    ],
)
def test_an_output_runs_for_two_seconds(command: int, pump: int, feed: int, vent: int) -> None:
    bench = in_service()
    bench.vacuum_pa = 0.0  # the hose is off
    bench.tick(command, 50)
    for _ in range(limits.SERVICE_RUN_MS // TICK_MS):
        board = bench.board
        assert (board.pump_permille, board.feed_permille, board.vent) == (pump, feed, vent)
        bench.tick()
    assert bench.board.is_safe()
    bench.run(1_000)
    assert bench.board.is_safe()


@given(
    st.lists(
        st.tuples(
            st.sampled_from((*OUTPUT_COMMANDS, COMMAND_NONE, COMMAND_START, COMMAND_RESTART)),
            st.sampled_from((0, 1, 30, 59, 60, 61, 100, 200, 255)),
            st.integers(0, 500),
            st.sampled_from((SWITCH_RELEASED, SWITCH_PRESSED)),
        ),
        max_size=12,
    )
)
def test_one_output_at_a_time_within_its_bounds(steps: list[tuple[int, int, int, int]]) -> None:
    bench = in_service()
    on_ms = 0
    asked = COMMAND_NONE

    def look(bench: Bench) -> None:
        nonlocal on_ms, asked
        outputs = bench.app.outputs
        asked = bench.app.command if bench.app.command in OUTPUT_COMMANDS else asked
        if outputs.vent == VENT_CLOSED and outputs.feed_permille:
            assert asked == COMMAND_RUN_CRYSTALS
            assert outputs.pump_permille in (0, limits.SERVICE_FEED_PUMP_PERMILLE)
            assert bench.controller.sensing.a.vacuum_pa > limits.SERVICE_FEED_SEALED_PA
            assert bench.controller.sensing.b.vacuum_pa > limits.SERVICE_FEED_SEALED_PA
        elif outputs.feed_permille:
            assert outputs.pump_permille == 0
        assert outputs.pump_permille <= limits.SERVICE_PUMP_PERMILLE < FULL_PERMILLE
        assert outputs.feed_permille <= limits.SERVICE_FEED_PERMILLE
        on_ms = 0 if outputs.are_safe() or bench.app.command in OUTPUT_COMMANDS else on_ms + 5
        assert on_ms <= limits.SERVICE_RUN_MS
        assert bench.state == "SERVICE"

    bench.after_tick = look
    for command, argument, ticks, foot in steps:
        bench.footswitch = foot
        bench.tick(command, argument)
        for _ in range(ticks):
            bench.tick()


def weighing(vacuum_a_pa: float, vacuum_b_pa: float) -> Bench:
    """In SERVICE, crystals asked for, and these two readings."""
    bench = in_service()
    bench.vacuum_pa, bench.vacuum_b_pa = vacuum_a_pa, vacuum_b_pa
    bench.run(50)
    bench.tick(COMMAND_RUN_CRYSTALS, 40)
    bench.run(20)
    return bench


SEALED_PA = limits.SERVICE_FEED_SEALED_PA + 500.0
OPEN_PA = limits.SERVICE_FEED_SEALED_PA - 500.0


def test_crystals_are_weighed_in_the_air_of_a_sealed_tip() -> None:
    bench = weighing(SEALED_PA, SEALED_PA)
    board = bench.board
    assert (board.pump_permille, board.feed_permille, board.vent) == (450, 400, VENT_CLOSED)
    assert board.pump_permille == limits.SERVICE_FEED_PUMP_PERMILLE


@pytest.mark.parametrize("readings", [(0.0, 0.0), (SEALED_PA, OPEN_PA), (OPEN_PA, SEALED_PA)])
def test_no_crystals_into_the_air_of_an_open_tip(readings: tuple[float, float]) -> None:
    bench = weighing(*readings)
    for _ in range(limits.SERVICE_RUN_MS // TICK_MS + 10):
        bench.tick()
        assert bench.board.feed_permille == 0


def test_a_tip_that_is_lifted_ends_the_crystals_and_not_the_pump() -> None:
    bench = weighing(SEALED_PA, SEALED_PA)
    bench.vacuum_pa = bench.vacuum_b_pa = OPEN_PA
    bench.run(15)  # the median of three
    assert (bench.board.pump_permille, bench.board.feed_permille) == (450, 0)
    bench.vacuum_pa = bench.vacuum_b_pa = SEALED_PA
    bench.run(15)
    assert bench.board.feed_permille == 400


def test_the_pump_waits_while_there_is_vacuum_enough_for_the_crystals() -> None:
    bench = weighing(SEALED_PA, SEALED_PA)
    for channel in ("vacuum_pa", "vacuum_b_pa"):
        setattr(bench, channel, limits.SERVICE_FEED_TOP_PA + 500.0)
        bench.run(15)
        board = bench.board
        assert (board.pump_permille, board.feed_permille, board.vent) == (0, 400, VENT_CLOSED)
        setattr(bench, channel, SEALED_PA)
        bench.run(15)
        assert (bench.board.pump_permille, bench.board.feed_permille) == (450, 400)


def test_the_vacuum_bound_and_the_end_hold_for_crystals_too() -> None:
    bench = weighing(SEALED_PA, SEALED_PA)
    bench.vacuum_pa = bench.vacuum_b_pa = limits.SERVICE_VACUUM_PA + 500.0
    bench.run(15)
    assert bench.board.is_safe()
    bench = weighing(SEALED_PA, SEALED_PA)
    bench.run(limits.SERVICE_RUN_MS)
    assert bench.board.is_safe()


def test_crystals_asked_for_again_flow_on_without_a_gap() -> None:
    bench = weighing(SEALED_PA, SEALED_PA)
    for _ in range(5):
        bench.tick(COMMAND_RUN_CRYSTALS, 40)
        for _ in range(limits.SERVICE_RUN_MS // TICK_MS - 10):
            assert (bench.board.pump_permille, bench.board.feed_permille) == (450, 400)
            bench.tick()
    bench.tick(COMMAND_RUN_FEED, 0)
    assert bench.board.is_safe()


def test_crystals_end_with_their_budget_until_service_is_started_again() -> None:
    """A host may prolong each two seconds; SERVICE cannot tell skin from the cap, and on
    skin that was abrasion without a zone, a dose or an end."""
    bench = weighing(SEALED_PA, SEALED_PA)
    opened_ms = 0
    for tick in range(2 * limits.SERVICE_CRYSTALS_MS // TICK_MS):
        bench.tick(COMMAND_RUN_CRYSTALS if tick % 300 == 0 else 0, 100)
        opened_ms += bench.board.feed_permille * TICK_MS // 1_000
    assert limits.SERVICE_CRYSTALS_MS - 200 <= opened_ms <= limits.SERVICE_CRYSTALS_MS
    assert bench.board.is_safe()
    bench.tick(COMMAND_RUN_CRYSTALS, 1)
    assert bench.board.is_safe()
    assert weighing(SEALED_PA, SEALED_PA).board.feed_permille == 400


@pytest.mark.parametrize("channel", ["a", "b"])
def test_the_valve_alone_draws_on_the_budget_while_there_is_vacuum(channel: str) -> None:
    """Pump and valve in turn: what was left of the vacuum carried crystals, to no end."""
    bench = in_service()
    opened_ms = 0
    for tick in range(4 * limits.SERVICE_CRYSTALS_MS // TICK_MS):
        is_feed = tick % 20 >= 10
        bench.vacuum_pa = bench.vacuum_b_pa = 0.0
        setattr(bench, "vacuum_pa" if channel == "a" else "vacuum_b_pa", 1_500.0)
        command = (COMMAND_RUN_FEED if is_feed else COMMAND_RUN_PUMP) if tick % 10 == 0 else 0
        bench.tick(command, 100 if is_feed else 60)
        opened_ms += bench.board.feed_permille * TICK_MS // 1_000
    assert limits.SERVICE_CRYSTALS_MS - 200 <= opened_ms <= limits.SERVICE_CRYSTALS_MS + 200


def test_without_vacuum_the_valve_alone_may_be_tried_for_long() -> None:
    bench = in_service()
    for tick in range(2 * limits.SERVICE_CRYSTALS_MS // TICK_MS):
        bench.tick(COMMAND_RUN_FEED if tick % 300 == 0 else 0, 100)
        assert bench.board.feed_permille == 1_000


def test_asking_for_one_stops_the_other() -> None:
    bench = in_service()
    bench.tick(COMMAND_RUN_PUMP, 60)
    bench.tick(COMMAND_RUN_FEED, 100)
    assert (bench.board.pump_permille, bench.board.feed_permille) == (0, 1000)
    bench.tick(COMMAND_RUN_PUMP, 60)
    assert (bench.board.pump_permille, bench.board.feed_permille) == (600, 0)


@pytest.mark.parametrize("channel", ["a", "b"])
def test_the_vacuum_has_a_bound_of_its_own(channel: str) -> None:
    bench = in_service()
    bench.tick(COMMAND_RUN_PUMP, 60)
    high, low = limits.SERVICE_VACUUM_PA + 500.0, limits.SERVICE_VACUUM_PA - 3_000.0
    bench.vacuum_pa, bench.vacuum_b_pa = (high, low) if channel == "a" else (low, high)
    bench.run(15)
    assert bench.board.is_safe()
    bench.vacuum_pa = bench.vacuum_b_pa = 0.0
    bench.run(500)
    assert bench.board.is_safe()  # and does not come back by itself


def test_the_pump_on_a_closed_tip_stays_below_the_bound() -> None:
    bench = in_service()
    bench.tick(COMMAND_RUN_PUMP, 60)
    highest = 0.0
    for _ in range(600):
        bench.tick()
        highest = max(highest, bench.capped_pa)
    assert 25_000 < highest < 32_000
    assert bench.board.is_safe()


def test_the_footswitch_is_dead() -> None:
    bench = in_service()
    for _ in range(5):
        bench.footswitch = SWITCH_RELEASED
        bench.run(RELEASE_MS)
        bench.footswitch = SWITCH_PRESSED
        bench.run(1_000)
        assert (bench.state, bench.board.is_safe()) == ("SERVICE", True)
    bench.run(limits.FOOTSWITCH_HELD_MS + 1_000)  # a brick on it is no fault here
    assert (bench.state, bench.fault) == ("SERVICE", faults.NONE)


@pytest.mark.parametrize("command", OUTPUT_COMMANDS)
def test_a_fault_takes_every_output_and_the_technician_stays(command: int) -> None:
    bench = in_service()
    bench.board.inject("vacuum_a_open")  # the sensor that is to be replaced
    bench.run(50)
    assert (bench.state, bench.fault) == ("SERVICE", faults.SENSOR_A_RANGE)
    bench.tick(command, 50)
    bench.run(100)
    assert bench.board.is_safe()
    bench.board.clear("vacuum_a_open")
    bench.run(50)
    bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run(50)
    assert bench.fault == faults.NONE
    bench.tick(command, 50)
    assert not bench.board.is_safe()


def test_a_fault_during_a_run_ends_it() -> None:
    bench = in_service()
    bench.tick(COMMAND_RUN_PUMP, 60)
    bench.board.inject("vacuum_b_short")
    bench.run(10)
    assert bench.board.is_safe()


def test_nothing_in_service_begins_or_ends_a_session() -> None:
    bench = Bench()
    bench.to_treating()
    bench.footswitch = SWITCH_RELEASED
    bench.run(100)
    in_service(bench)
    before = (bench.storage.record, list(bench.controller.passes.opened))
    for command in (COMMAND_START, COMMAND_END, COMMAND_SELECT_ZONE, COMMAND_REPAIRED):
        bench.tick(command, 1)
        bench.run(100)
    assert (bench.storage.record, list(bench.controller.passes.opened)) == before


# Kept faults ----------------------------------------------------------------------


@pytest.mark.parametrize("fault", KEPT)
def test_a_kept_fault_survives_power_loss_and_every_command_but_one(fault: int) -> None:
    bench = kept(fault)
    for command in range(COMMAND_LAST + 1):
        if command != COMMAND_SERVICE:
            bench.tick(command, 1)
            bench.run(50)
            assert (bench.state, bench.fault) == ("FAULT", fault)
    for _ in range(3):
        bench.power_on()
        bench.run(2_000)
        assert (bench.state, bench.fault) == ("FAULT", fault)
        assert bench.board.is_safe()
        bench.tick(COMMAND_ACKNOWLEDGE)
        bench.run(100)
        assert bench.state == "FAULT"
    bench.tick(COMMAND_SERVICE)
    assert restarted(bench).state == "SERVICE"
    for command in range(COMMAND_LAST + 1):
        if command not in (COMMAND_REPAIRED, COMMAND_RESTART):
            bench.tick(command, 1)
            bench.run(50)
    assert bench.controller.treatment.kept_fault == fault
    bench.tick(COMMAND_RESTART)  # nothing was repaired
    assert restarted(bench).fault == fault
    bench.tick(COMMAND_SERVICE)
    restarted(bench)
    bench.tick(COMMAND_REPAIRED)
    bench.tick(COMMAND_RESTART)
    assert restarted(bench).state == "SELF_TEST"
    bench.to_standby()
    bench.power_on()
    bench.to_standby()


def test_repaired_is_not_said_outside_service() -> None:
    for name in STATES:
        bench = kept(faults.PUMP_STUCK)
        bench.controller.treatment.state = STATES.index(name)
        if name != "SERVICE":
            bench.tick(COMMAND_REPAIRED)
            bench.tick()
            assert bench.controller.treatment.kept_fault == faults.PUMP_STUCK


def test_a_power_cut_before_repaired_is_recorded_forgets_nothing() -> None:
    bench = kept(faults.VENT_FAILED)
    bench.tick(COMMAND_SERVICE)
    restarted(bench)
    bench.main_loop_runs = False
    bench.tick(COMMAND_REPAIRED)
    bench.power_on()
    bench.run(100)
    assert (bench.state, bench.fault) == ("FAULT", faults.VENT_FAILED)


def test_a_restart_does_not_forget_a_fault_that_is_not_on_record_yet() -> None:
    # The vent held 6 kPa, in which no record is written: SERVICE and back, and
    # the device treated on with that vent.
    bench = Bench()
    bench.to_treating()
    bench.footswitch = SWITCH_RELEASED
    bench.vacuum_pa = 6_000.0
    bench.run(1_000)
    assert bench.fault == faults.VENT_FAILED
    bench.board.inject("storage_refuses")
    bench.tick(COMMAND_SERVICE)
    bench.run(3_000)
    assert bench.board.restarts == []
    bench.board.clear("storage_refuses")
    bench.run(100)
    assert restarted(bench).state == "SERVICE"
    assert bench.controller.treatment.kept_fault == faults.VENT_FAILED


@pytest.mark.parametrize("broken", ["vacuum_a_open", "vacuum_b_short", "sensor_supply_open"])
def test_a_kept_fault_gets_on_record_although_a_sensor_is_broken(broken: str) -> None:
    # No storage window ever came, no record was written, and no command led
    # from FAULT to SERVICE.
    bench = Bench()
    bench.to_treating()
    bench.footswitch = SWITCH_RELEASED
    bench.main_loop_runs = False
    bench.controller.protection.latch(faults.VENT_FAILED)
    bench.tick()
    bench.board.inject(broken)
    bench.run(100)
    bench.main_loop_runs = True
    bench.tick(COMMAND_SERVICE)
    bench.run(limits.FAULT_RECORD_MS - 200)
    assert bench.board.restarts == []
    bench.run(300)
    assert any(bench.board.restarts)
    assert restarted(bench).state == "SERVICE"
    assert bench.controller.treatment.kept_fault == faults.VENT_FAILED


def test_the_vacuum_must_be_seen_to_go_outside_a_fault() -> None:
    bench = Bench()
    bench.to_ready()
    commits = bench.storage.commits
    bench.vacuum_pa = limits.RELEASED_PA + 500.0
    bench.controller.passes.ask_for_commit()
    bench.run(limits.FAULT_RECORD_MS + 1_000)
    assert (bench.state, bench.storage.commits) == ("READY", commits)


def test_the_page_tells_the_bounds_as_they_are() -> None:
    page = (slot.ROOT / "firmware" / "README.md").read_text(encoding="utf-8")
    (bounds,) = re.findall(r"^## Outputs in SERVICE$(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    words = " ".join(bounds.split())
    asked_s = sum(percent * seconds for percent, seconds in RUNS) / 100
    assert asked_s * 1_000 < limits.SERVICE_CRYSTALS_MS
    for said in (
        f"at most {limits.SERVICE_PUMP_PERMILLE // 10} % |",
        f"| {limits.SERVICE_FEED_PUMP_PERMILLE // 10} %; off above "
        f"{limits.SERVICE_FEED_TOP_PA / 1_000} kPa |",
        f"read more than {limits.SERVICE_FEED_SEALED_PA / 1_000} kPa",
        f"ends after {limits.SERVICE_RUN_MS // 1_000} s by itself",
        f"Above {limits.SERVICE_VACUUM_PA // 1_000} kPa on either channel",
        f"{limits.SERVICE_CRYSTALS_MS // 1_000} s of full opening",
        f"`emery calibrate feed` uses {asked_s:.0f}",
    ):
        assert said in words
