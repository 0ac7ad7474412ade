"""The states of a treatment: every way from one to another, and no other way."""

from collections.abc import Callable

import pytest

from firmware import faults, proof, treatment
from firmware import passes as pass_states
from firmware.limits import (
    CONTACT_STOP_MS,
    EXTENSION_MS,
    FOOTSWITCH_HELD_MS,
    IDLE_MS,
    PUMP_ON_MS,
    RECORD_WAIT_MS,
    SESSION_MS,
)
from firmware.self_test import HELD_LONGEST_MS, MEASURE_MS, SETTLE_MS
from hal.contract import (
    CLIENT_FIRST_SESSION,
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CLOSE_VENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_EXTEND,
    COMMAND_FLOW,
    COMMAND_LEVEL,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_REPAIRED,
    COMMAND_RESTART,
    COMMAND_RUN_CRYSTALS,
    COMMAND_RUN_FEED,
    COMMAND_RUN_PUMP,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
    COMMAND_SERVICE,
    COMMAND_START,
    CONFIRM_ALL,
    CONFIRM_EYEWEAR,
    STEP_DOWN,
    STEP_UP,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
)
from host_tests.bench import CHECKLIST, CLIENT, RELEASE_MS, Bench, bench_settings, zone_of

# Commands with an argument that means something, and with one that does not.
ASKED = [
    (COMMAND_NONE, 0),
    (COMMAND_START, 0),
    (COMMAND_CONFIRM, CONFIRM_ALL),
    (COMMAND_CONFIRM, CONFIRM_EYEWEAR),
    (COMMAND_CONFIRM, 0),
    (COMMAND_SELECT_ZONE, 1),
    (COMMAND_SELECT_ZONE, 9),
    (COMMAND_PASS_DONE, 0),
    (COMMAND_SAME_PASS, 0),
    (COMMAND_END, 0),
    (COMMAND_ACKNOWLEDGE, 0),
    (COMMAND_CLIENT, CLIENT | CLIENT_FIRST_SESSION),
    (COMMAND_CLIENT, 0),
    (COMMAND_LEVEL, STEP_DOWN),
    (COMMAND_LEVEL, STEP_UP),
    (COMMAND_LEVEL, 0),
    (COMMAND_FLOW, STEP_DOWN),
    (COMMAND_FLOW, 0),
    (COMMAND_EXTEND, 0),
    (COMMAND_SERVICE, 0),
    (COMMAND_RUN_PUMP, 50),
    (COMMAND_RUN_FEED, 50),
    (COMMAND_RUN_CRYSTALS, 50),
    (COMMAND_CLOSE_VENT, 0),
    (COMMAND_REPAIRED, 0),
    (COMMAND_RESTART, 0),
    (99, 0),
]


def in_self_test() -> Bench:
    bench = Bench()
    bench.tick()
    return bench


def in_standby() -> Bench:
    bench = Bench()
    bench.to_standby()
    return bench


def in_checklist() -> Bench:
    bench = in_standby()
    bench.tick(COMMAND_START)
    return bench


def in_proof() -> Bench:
    """Everything confirmed; the tip is not yet proved."""
    bench = in_checklist()
    bench.tick(COMMAND_CLIENT, CLIENT)
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    assert bench.state == "PROOF"
    return bench


def in_proof_pulling() -> Bench:
    """In the proof, with the pump at full drive on the capped tip."""
    bench = in_proof()
    bench.run(RELEASE_MS)
    bench.footswitch = SWITCH_PRESSED
    bench.run_until(lambda: bench.controller.proof.phase == proof.PULL)
    return bench


def in_ready() -> Bench:
    bench = Bench()
    bench.to_ready()
    return bench


def in_treating() -> Bench:
    bench = Bench()
    bench.to_treating()
    return bench


def in_paused() -> Bench:
    """Footswitch released after a stroke, the pass still open."""
    bench = in_treating()
    bench.stroke()
    bench.footswitch = SWITCH_RELEASED
    bench.tick()
    return bench


def in_paused_with_a_closed_pass() -> Bench:
    bench = in_paused()
    bench.tick(COMMAND_PASS_DONE)
    assert bench.controller.passes.is_open == 0
    return bench


def in_zone_done() -> Bench:
    """All passes of the first zone spent, the last closed by the operator."""
    bench = Bench(bench_settings((zone_of(passes=1), zone_of("neck"))))
    bench.to_treating()
    bench.stroke()
    bench.tick(COMMAND_PASS_DONE)
    bench.footswitch = SWITCH_RELEASED
    bench.tick()
    return bench


def in_resting() -> Bench:
    """The pump has run for as long as it may, and no pass is under way."""
    bench = in_ready()
    bench.controller.pump_rest.on_ms = PUMP_ON_MS
    bench.tick()
    return bench


def in_service() -> Bench:
    bench = Bench()
    bench.power_on(in_service=1)
    bench.tick()
    return bench


def in_complete() -> Bench:
    bench = in_ready()
    bench.tick(COMMAND_END)
    return bench


def in_fault() -> Bench:
    bench = in_treating()
    bench.vacuum_pa = 50_000
    bench.tick()
    bench.tick()
    bench.vacuum_pa = None
    bench.footswitch = SWITCH_RELEASED
    bench.run(RELEASE_MS)
    return bench


START: dict[str, tuple[str, Callable[[], Bench]]] = {
    "BOOT": ("BOOT", Bench),
    "SELF_TEST": ("SELF_TEST", in_self_test),
    "STANDBY": ("STANDBY", in_standby),
    "CHECKLIST": ("CHECKLIST", in_checklist),
    "PROOF": ("PROOF", in_proof),
    "PROOF, pulling": ("PROOF", in_proof_pulling),
    "READY": ("READY", in_ready),
    "TREATING": ("TREATING", in_treating),
    "PAUSED": ("PAUSED", in_paused),
    "PAUSED, pass closed": ("PAUSED", in_paused_with_a_closed_pass),
    "ZONE_DONE": ("ZONE_DONE", in_zone_done),
    "RESTING": ("RESTING", in_resting),
    "COMPLETE": ("COMPLETE", in_complete),
    "FAULT": ("FAULT", in_fault),
    "SERVICE": ("SERVICE", in_service),
}

# Where the line is not safe: suction, or the proof at work.
UNDER_SUCTION = ("TREATING", "PROOF, pulling")

# Everything else leaves the state as it is.
WAYS: dict[tuple[str, tuple[int, int]], tuple[str, int]] = {
    ("STANDBY", (COMMAND_START, 0)): ("CHECKLIST", treatment.WHY_UNCONFIRMED),
    ("CHECKLIST", (COMMAND_END, 0)): ("STANDBY", treatment.WHY_IDLE),
    ("PROOF", (COMMAND_END, 0)): ("STANDBY", treatment.WHY_IDLE),
    ("PROOF, pulling", (COMMAND_END, 0)): ("STANDBY", treatment.WHY_IDLE),
    ("RESTING", (COMMAND_END, 0)): ("COMPLETE", treatment.WHY_ENDED),
    ("READY", (COMMAND_SELECT_ZONE, 1)): ("READY", treatment.WHY_WAITING),
    ("READY", (COMMAND_END, 0)): ("COMPLETE", treatment.WHY_ENDED),
    ("TREATING", (COMMAND_PASS_DONE, 0)): ("PAUSED", treatment.WHY_PASS_DONE),
    ("TREATING", (COMMAND_END, 0)): ("COMPLETE", treatment.WHY_ENDED),
    ("PAUSED", (COMMAND_PASS_DONE, 0)): ("PAUSED", treatment.WHY_PASS_DONE),
    ("PAUSED", (COMMAND_SELECT_ZONE, 1)): ("READY", treatment.WHY_WAITING),
    ("PAUSED", (COMMAND_END, 0)): ("COMPLETE", treatment.WHY_ENDED),
    ("PAUSED", (COMMAND_LEVEL, STEP_DOWN)): ("PAUSED", treatment.WHY_WAITING),
    ("PAUSED", (COMMAND_FLOW, STEP_DOWN)): ("PAUSED", treatment.WHY_WAITING),
    ("PAUSED, pass closed", (COMMAND_LEVEL, STEP_DOWN)): ("PAUSED", treatment.WHY_WAITING),
    ("PAUSED, pass closed", (COMMAND_FLOW, STEP_DOWN)): ("PAUSED", treatment.WHY_WAITING),
    ("PAUSED, pass closed", (COMMAND_SELECT_ZONE, 1)): ("READY", treatment.WHY_WAITING),
    ("PAUSED, pass closed", (COMMAND_SAME_PASS, 0)): ("PAUSED", treatment.WHY_WAITING),
    ("PAUSED, pass closed", (COMMAND_END, 0)): ("COMPLETE", treatment.WHY_ENDED),
    ("ZONE_DONE", (COMMAND_SELECT_ZONE, 1)): ("READY", treatment.WHY_WAITING),
    ("ZONE_DONE", (COMMAND_SAME_PASS, 0)): ("PAUSED", treatment.WHY_WAITING),
    ("ZONE_DONE", (COMMAND_END, 0)): ("COMPLETE", treatment.WHY_ENDED),
    ("COMPLETE", (COMMAND_START, 0)): ("STANDBY", treatment.WHY_IDLE),
    ("FAULT", (COMMAND_ACKNOWLEDGE, 0)): ("SELF_TEST", treatment.WHY_TESTING),
}


@pytest.mark.parametrize("start", START)
def test_every_state_is_reached(start: str) -> None:
    state, reach = START[start]
    assert reach().state == state


@pytest.mark.parametrize("asked", ASKED, ids=lambda pair: f"{pair[0]}-{pair[1]}")
@pytest.mark.parametrize("start", START)
def test_every_command_in_every_state(start: str, asked: tuple[int, int]) -> None:
    state, reach = START[start]
    bench = reach()
    reason = bench.controller.treatment.reason
    bench.tick(*asked)
    if start == "BOOT":
        assert bench.state == "SELF_TEST"
        return
    expected = WAYS.get((start, asked), (state, reason))
    assert (bench.state, bench.controller.treatment.reason) == expected
    runs_an_output = bench.state == "SERVICE" and asked[0] in (
        COMMAND_RUN_PUMP, COMMAND_RUN_FEED, COMMAND_RUN_CRYSTALS, COMMAND_CLOSE_VENT
    )
    stays = bench.state == state and start in UNDER_SUCTION
    assert bench.board.is_safe() == (not stays and not runs_an_output)


RESTARTS = {
    ("STANDBY", COMMAND_SERVICE): [1],
    ("FAULT", COMMAND_SERVICE): [1],
    ("SERVICE", COMMAND_RESTART): [0],
}


@pytest.mark.parametrize("command", [COMMAND_SERVICE, COMMAND_RESTART])
@pytest.mark.parametrize("start", START)
def test_a_restart_is_asked_for_where_it_may_be(start: str, command: int) -> None:
    bench = START[start][1]()
    bench.tick(command)
    bench.run(20)
    assert bench.board.restarts[:1] == RESTARTS.get((start, command), [])
    assert bench.board.is_safe() or start in UNDER_SUCTION


@pytest.mark.parametrize("asked", ASKED, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_letting_go_comes_before_every_command(asked: tuple[int, int]) -> None:
    bench = in_treating()
    bench.footswitch = SWITCH_RELEASED
    bench.tick(*asked)
    assert bench.state == "PAUSED"
    assert bench.board.is_safe()


def test_the_names_of_states_and_reasons_are_whole() -> None:
    states = [name for name in vars(treatment) if name in treatment.STATES]
    assert {name: getattr(treatment, name) for name in states} == {
        name: number for number, name in enumerate(treatment.STATES)
    }
    whys = [value for name, value in vars(treatment).items() if name.startswith("WHY_")]
    assert sorted(whys) == list(range(len(treatment.REASONS)))
    assert len(set(treatment.REASONS)) == len(treatment.REASONS)


# The footswitch ----------------------------------------------------------------


def test_suction_starts_on_a_press_of_30_ms() -> None:
    bench = in_ready()
    bench.run(RELEASE_MS)
    bench.footswitch = SWITCH_PRESSED
    bench.run(25)
    assert bench.controller.passes.opened[0] == 0
    bench.run(5)
    assert bench.controller.passes.opened[0] == 1
    assert bench.run_until(lambda: bench.state == "TREATING", 100) <= 30
    assert bench.controller.treatment.set_pa == 27_000
    assert bench.controller.treatment.level == 6
    assert bench.reason == treatment.REASONS[treatment.WHY_TREATING]
    assert bench.board.pump_permille > 0


@pytest.mark.parametrize("released_ms", [5, 25, 100])
def test_a_press_that_bounces_starts_nothing(released_ms: int) -> None:
    bench = in_ready()
    for _ in range(200):
        bench.footswitch = SWITCH_PRESSED
        bench.run(25)
        bench.footswitch = SWITCH_RELEASED
        bench.run(released_ms)
    assert bench.state == "READY"
    assert bench.controller.passes.opened[0] == 0


@pytest.mark.parametrize("released_ms", [5, 25, 50])
def test_a_release_that_bounces_is_no_fresh_press(released_ms: int) -> None:
    # A switch with a loose contact, held down by a foot.
    bench = in_treating()
    bench.footswitch = SWITCH_RELEASED
    bench.run(released_ms)
    assert bench.state == "PAUSED"
    bench.footswitch = SWITCH_PRESSED
    bench.run(2_000)
    assert bench.state == "PAUSED"


def test_letting_go_ends_suction_in_the_same_tick() -> None:
    bench = Bench()
    bench.to_skin()
    bench.run(2_000)  # the bench's vacuum is there before its pump: blocked at first
    assert bench.board.pump_permille > 0
    assert bench.board.feed_permille > 0
    bench.footswitch = SWITCH_RELEASED
    bench.tick()
    assert bench.board.is_safe()
    assert bench.state == "PAUSED"
    assert bench.reason == treatment.REASONS[treatment.WHY_RELEASED]
    treating = bench.controller.treatment
    assert (treating.level, treating.set_pa, treating.flow_mg_min) == (0, 0, 0)


def test_a_press_held_on_from_before_starts_nothing() -> None:
    # Held through the end of a pass: it must be let go and pressed again.
    bench = Bench()
    bench.to_skin()
    bench.run(500)
    bench.tick(COMMAND_PASS_DONE)
    assert bench.state == "PAUSED"
    bench.run(10_000)
    assert bench.state == "PAUSED"
    assert bench.controller.passes.opened[0] == 1
    bench.press()
    assert bench.controller.passes.opened[0] == 2


def test_a_press_held_through_the_choice_of_a_zone_starts_nothing() -> None:
    bench = in_zone_done()
    bench.footswitch = SWITCH_PRESSED
    bench.run(1_000)
    assert bench.state == "ZONE_DONE"
    bench.tick(COMMAND_SELECT_ZONE, 1)
    bench.run(5_000)
    assert bench.state == "READY"
    bench.press()


def test_a_footswitch_held_at_power_on_starts_nothing() -> None:
    bench = Bench()
    bench.footswitch = SWITCH_PRESSED
    bench.run(HELD_LONGEST_MS - 100)
    assert bench.state == "SELF_TEST"
    bench.footswitch = SWITCH_RELEASED
    bench.to_standby()


def test_a_press_while_confirming_waits_for_a_fresh_one() -> None:
    bench = in_checklist()
    bench.footswitch = SWITCH_PRESSED
    bench.tick(COMMAND_CLIENT, CLIENT)
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    bench.run(1_000)
    assert bench.state == "CHECKLIST"
    bench.footswitch = SWITCH_RELEASED
    bench.run(100)
    assert bench.state == "PROOF"


def test_a_press_held_through_the_proof_starts_nothing() -> None:
    bench = in_proof_pulling()
    bench.run_until(lambda: bench.state == "READY")
    bench.run(5_000)
    assert bench.state == "READY"
    assert bench.board.is_safe()


@pytest.mark.parametrize(
    "start", [name for name in START if name not in ("BOOT", "SELF_TEST", "FAULT", "SERVICE")]
)
def test_a_footswitch_held_where_it_does_nothing_is_stuck(start: str) -> None:
    bench = START[start][1]()
    bench.footswitch = SWITCH_PRESSED
    bench.run(FOOTSWITCH_HELD_MS - 500)
    assert bench.fault == faults.NONE
    bench.run(FOOTSWITCH_HELD_MS + 8_000)  # a treatment idles out first, a proof passes
    assert bench.fault == faults.FOOTSWITCH_HELD
    assert bench.board.is_safe()


def test_the_time_of_a_held_footswitch_does_not_add_up() -> None:
    bench = in_standby()
    for _ in range(3):
        bench.footswitch = SWITCH_PRESSED
        bench.run(FOOTSWITCH_HELD_MS - 1_000)
        bench.footswitch = SWITCH_RELEASED
        bench.tick()
    assert bench.state == "STANDBY"


# The record comes first ---------------------------------------------------------


def test_suction_waits_for_its_record() -> None:
    bench = in_ready()
    bench.run(RELEASE_MS)
    bench.main_loop_runs = False
    bench.footswitch = SWITCH_PRESSED
    bench.run(200)
    assert bench.state == "READY"
    assert bench.reason == treatment.REASONS[treatment.WHY_RECORDING]
    assert bench.board.is_safe()
    assert not bench.is_committed()
    bench.main_loop_runs = True
    bench.run_until(lambda: bench.state == "TREATING", 100)
    assert bench.is_committed()


def test_a_record_that_is_not_kept_in_time_is_a_fault() -> None:
    bench = in_ready()
    bench.run(RELEASE_MS)
    bench.board.inject("storage_refuses")
    bench.footswitch = SWITCH_PRESSED
    bench.run(RECORD_WAIT_MS)
    assert bench.state == "READY"
    bench.run_until(lambda: bench.state == "FAULT", 100)
    assert bench.fault == faults.STORAGE
    assert bench.board.is_safe()
    assert not bench.controller.passes.is_open
    bench.board.clear("storage_refuses")
    bench.run(1_000)
    assert bench.state == "FAULT"


def test_letting_go_while_the_record_is_written_takes_the_press_back() -> None:
    bench = in_ready()
    bench.run(RELEASE_MS)
    bench.main_loop_runs = False
    bench.footswitch = SWITCH_PRESSED
    bench.run(100)
    assert bench.reason == treatment.REASONS[treatment.WHY_RECORDING]
    bench.footswitch = SWITCH_RELEASED
    bench.run(50)
    bench.main_loop_runs = True
    bench.run(1_000)
    assert bench.state == "READY"
    assert bench.reason == treatment.REASONS[treatment.WHY_WAITING]
    # A touch of the switch is not the rest of that press.
    bench.footswitch = SWITCH_PRESSED
    bench.run(25)
    bench.footswitch = SWITCH_RELEASED
    assert bench.state == "READY"
    # The pass is open and recorded, and there to be used.
    bench.press()
    assert bench.controller.passes.opened[0] == 1


def test_another_zone_takes_the_press_back() -> None:
    bench = in_ready()
    bench.main_loop_runs = False
    bench.run(RELEASE_MS)
    bench.footswitch = SWITCH_PRESSED
    bench.run(50)
    assert bench.reason == treatment.REASONS[treatment.WHY_RECORDING]
    bench.tick(COMMAND_SELECT_ZONE, 1)
    bench.main_loop_runs = True
    bench.run(2_000)
    assert bench.state == "READY"
    assert bench.board.is_safe()


def test_every_press_has_its_whole_time_for_the_record() -> None:
    bench = in_ready()
    bench.board.inject("storage_refuses")
    for _ in range(4):
        bench.footswitch = SWITCH_RELEASED
        bench.run(RELEASE_MS)
        bench.footswitch = SWITCH_PRESSED
        bench.run(RECORD_WAIT_MS - 100)
        assert bench.state == "READY"


@pytest.mark.parametrize("closes", ["gap", "operator"])
def test_no_suction_when_the_pass_closes_after_the_press(closes: str) -> None:
    bench = in_paused()
    bench.run(RELEASE_MS)
    if closes == "gap":
        bench.run_until(lambda: bench.controller.passes._off_skin_ms >= 4_000 - 35)
    bench.footswitch = SWITCH_PRESSED
    unsafe = 0
    for n in range(40):
        bench.tick(COMMAND_PASS_DONE if closes == "operator" and n == 6 else COMMAND_NONE)
        if not bench.controller.passes.is_open:
            unsafe += bench.state == "TREATING" or not bench.board.is_safe()
    assert bench.controller.passes.is_open == 0
    assert unsafe == 0


# The checklist -------------------------------------------------------------------

@pytest.mark.parametrize("missing", CHECKLIST)
def test_the_checklist_wants_every_item(missing: int) -> None:
    bench = in_checklist()
    bench.tick(COMMAND_CLIENT, CLIENT)
    for _ in range(3):
        for item in CHECKLIST:
            if item != missing:
                bench.tick(COMMAND_CONFIRM, item)
    for no_item in (0, 8, 128, ~CONFIRM_ALL & 0xFF):
        bench.tick(COMMAND_CONFIRM, no_item)
    bench.run(100)
    assert bench.state == "CHECKLIST"
    bench.tick(COMMAND_CONFIRM, missing)
    assert bench.state == "PROOF"


def test_the_checklist_wants_to_know_who_is_treated() -> None:
    bench = in_checklist()
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    for nobody in (0, 7, CLIENT_FIRST_SESSION, CLIENT_FIRST_SESSION + 7, 16, 255):
        bench.tick(COMMAND_CLIENT, nobody)
    bench.run(100)
    assert bench.state == "CHECKLIST"
    assert bench.reason == treatment.REASONS[treatment.WHY_CLIENT_UNKNOWN]
    bench.tick(COMMAND_CLIENT, CLIENT)
    assert bench.state == "PROOF"


def test_who_was_treated_before_is_not_who_is_treated_now() -> None:
    bench = in_checklist()
    bench.tick(COMMAND_CLIENT, CLIENT | CLIENT_FIRST_SESSION)
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    bench.prove()
    bench.tick(COMMAND_END)
    bench.tick(COMMAND_START)
    bench.tick(COMMAND_START)
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    bench.run(100)
    assert bench.state == "CHECKLIST"
    plan = bench.controller.plan
    assert (plan.skin_type, plan.is_first_session, plan.available_level) == (0, 0, 0)


@pytest.mark.parametrize(
    ("client", "level", "passes"),
    [
        (2, 6, 3),
        (2 | CLIENT_FIRST_SESSION, 5, 3),
        (4, 4, 2),
        (6 | CLIENT_FIRST_SESSION, 4, 1),
    ],
)
def test_the_client_takes_away_from_the_protocol(client: int, level: int, passes: int) -> None:
    bench = in_checklist()
    bench.tick(COMMAND_CLIENT, client)
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    bench.prove()
    bench.tick(COMMAND_LEVEL, STEP_UP)
    for _ in range(passes):
        make_a_pass(bench, level)
    assert bench.state == "ZONE_DONE"
    bench.run(RELEASE_MS)
    bench.footswitch = SWITCH_PRESSED
    bench.run(500)
    assert bench.controller.passes.opened[0] == passes
    assert bench.board.is_safe()


# Level and flow ------------------------------------------------------------------

@pytest.mark.parametrize("several", [CONFIRM_ALL, 3, 5, 6, 255])
def test_items_are_confirmed_one_at_a_time(several: int) -> None:
    bench = in_checklist()
    bench.tick(COMMAND_CONFIRM, several)
    assert bench.controller.treatment.confirmed == 0


def test_the_checklist_is_asked_anew_for_each_session() -> None:
    bench = in_complete()
    bench.tick(COMMAND_START)
    bench.tick(COMMAND_START)
    assert bench.state == "CHECKLIST"
    # Whoever is treated is told, and nothing else: that alone must not do.
    bench.tick(COMMAND_CLIENT, CLIENT)
    bench.run(100)
    assert bench.state == "CHECKLIST"


def test_a_confirmation_before_the_checklist_is_worth_nothing() -> None:
    bench = in_standby()
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    bench.tick(COMMAND_START)
    bench.tick(COMMAND_CLIENT, CLIENT)
    bench.run(100)
    assert bench.state == "CHECKLIST"


def test_a_step_down_is_taken_while_treating_and_back_up() -> None:
    bench = Bench()
    bench.to_skin()
    bench.run(600)
    wish = bench.controller.treatment
    bench.tick(COMMAND_LEVEL, STEP_DOWN)
    assert (wish.level, wish.set_pa) == (5, 24_000)
    bench.run(600)
    bench.tick(COMMAND_FLOW, STEP_DOWN)
    assert wish.flow_mg_min == 7_000
    bench.run(600)
    bench.tick(COMMAND_LEVEL, STEP_UP)
    bench.run(600)
    bench.tick(COMMAND_LEVEL, STEP_UP)
    assert (wish.level, wish.set_pa) == (6, 27_000)
    assert (bench.state, wish.reason) == ("TREATING", treatment.WHY_TREATING)


def test_steps_under_suction_come_one_by_one() -> None:
    bench = Bench()
    bench.to_skin()
    bench.run(600)
    for _ in range(20):
        bench.tick(COMMAND_LEVEL, STEP_DOWN)
    assert bench.controller.treatment.level == 5


def test_a_level_that_is_not_proved_is_refused_and_a_lower_one_is_not() -> None:
    bench = in_ready()
    bench.controller.plan.available_level = 5  # as at 2000 m
    bench.run(RELEASE_MS)
    bench.footswitch = SWITCH_PRESSED
    bench.run(500)
    assert bench.reason == treatment.REASONS[treatment.WHY_LEVEL_UNAVAILABLE]
    assert bench.board.is_safe()
    assert bench.controller.passes.opened[0] == 0  # and it cost no pass
    bench.tick(COMMAND_LEVEL, STEP_DOWN)
    bench.press()
    assert bench.controller.treatment.level == 5


def test_no_step_under_suction_reaches_a_level_that_is_not_proved() -> None:
    # The zone allows level 6, the pump proved 5: a step up went to 6 unasked.
    bench = in_ready()
    bench.controller.plan.available_level = 5
    bench.tick(COMMAND_LEVEL, STEP_DOWN)
    bench.press()
    bench.run(600)
    bench.tick(COMMAND_LEVEL, STEP_UP)
    assert bench.controller.treatment.level == 5


def test_no_crystals_at_a_flow_of_nothing() -> None:
    bench = in_ready()
    for _ in range(8):
        bench.tick(COMMAND_FLOW, STEP_DOWN)
    bench.press()
    bench.on_skin = True
    bench.run(1_000)
    assert bench.controller.contact.on_skin
    assert bench.board.feed_permille == 0


# Passes and zones -------------------------------------------------------------------


def make_a_pass(bench: Bench, level: int = 6) -> None:
    bench.press()
    assert bench.controller.treatment.level == level
    bench.stroke()
    bench.tick(COMMAND_PASS_DONE)
    bench.footswitch = SWITCH_RELEASED
    bench.tick()


def test_the_fourth_pass_is_refused() -> None:
    bench = in_ready()
    for number in (1, 2, 3):
        make_a_pass(bench)
        assert bench.controller.passes.opened[0] == number
    assert bench.state == "ZONE_DONE"
    for _ in range(5):
        bench.footswitch = SWITCH_RELEASED
        bench.run(RELEASE_MS)
        bench.footswitch = SWITCH_PRESSED
        bench.run(500)
        assert bench.state == "ZONE_DONE"
        assert bench.reason == treatment.REASONS[treatment.WHY_PASSES_SPENT]
        assert bench.board.is_safe()
    assert bench.controller.passes.opened[0] == 3


def test_a_spent_zone_stays_spent_when_it_is_chosen_again() -> None:
    bench = in_ready()
    for _ in range(3):
        make_a_pass(bench)
    bench.tick(COMMAND_SELECT_ZONE, 1)
    make_a_pass(bench, 10)
    bench.tick(COMMAND_SELECT_ZONE, 0)
    assert bench.state == "READY"
    bench.run(RELEASE_MS)
    bench.footswitch = SWITCH_PRESSED
    bench.run(500)
    assert bench.state == "ZONE_DONE"
    assert bench.board.is_safe()
    assert list(bench.controller.passes.opened[:2]) == [3, 1]


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("gap", treatment.WHY_PASS_GAP),
        ("time", treatment.WHY_PASS_TIME),
        ("crystals", treatment.WHY_PASS_CRYSTALS),
        ("operator", treatment.WHY_PASS_DONE),
    ],
)
@pytest.mark.parametrize(("passes", "state"), [(2, "PAUSED"), (1, "ZONE_DONE")])
def test_a_closed_pass_ends_suction_and_says_why(
    way: str, why: int, passes: int, state: str
) -> None:
    most_mg = 500 if way == "crystals" else 30_000
    zone = zone_of(
        passes=passes, flow_mg_min=20_000, pass_time_ms=5_000, pass_crystals_mg=most_mg
    )
    bench = Bench(bench_settings((zone,)))
    bench.to_skin()
    if way in ("gap", "operator"):
        bench.run(400)
        bench.on_skin = False
    if way == "operator":
        bench.run(500)
        bench.tick(COMMAND_PASS_DONE)
    bench.run_until(lambda: bench.state != "TREATING", 6_000)
    assert (bench.state, bench.reason) == (state, treatment.REASONS[why])
    assert bench.board.is_safe()
    assert bench.controller.passes.is_open == 0


def test_same_pass_takes_the_last_closing_back() -> None:
    bench = in_zone_done()
    bench.tick(COMMAND_SAME_PASS)
    assert bench.state == "PAUSED"
    assert bench.controller.passes.number() == 1
    bench.press()
    assert bench.controller.passes.opened[0] == 1


def test_the_zone_that_is_chosen_gives_the_level() -> None:
    bench = in_ready()
    bench.tick(COMMAND_SELECT_ZONE, 1)
    bench.press()
    assert bench.controller.treatment.set_pa == 40_000
    assert bench.controller.treatment.flow_mg_min == 10_000


def test_a_pause_says_when_its_pass_closes() -> None:
    # An operator let go of the footswitch in the midst of a zone, for a word with
    # the client. The gap closed the pass, the panel went on saying "released", and
    # the next press cost the zone a second pass for one coverage.
    bench = Bench(bench_settings((zone_of(passes=3),)))
    bench.to_treating()
    bench.stroke()
    bench.footswitch = SWITCH_RELEASED
    bench.run(bench.settings.pass_gap_ms // 2)
    assert (bench.state, bench.reason) == ("PAUSED", treatment.REASONS[treatment.WHY_RELEASED])
    bench.run(bench.settings.pass_gap_ms)
    assert (bench.state, bench.reason) == ("PAUSED", treatment.REASONS[treatment.WHY_PASS_GAP])
    bench.tick(COMMAND_SAME_PASS)
    bench.press()
    assert bench.state == "TREATING"
    assert bench.controller.passes.opened[0] == 1
    # Taken back, and closed once more: it is said once more.
    bench.footswitch = SWITCH_RELEASED
    bench.tick()
    bench.tick(COMMAND_PASS_DONE)
    assert bench.reason == treatment.REASONS[treatment.WHY_PASS_DONE]


def test_a_last_pass_that_is_closed_in_a_pause_ends_the_zone() -> None:
    bench = Bench(bench_settings((zone_of(passes=1), zone_of("neck"))))
    bench.to_treating()
    bench.stroke()
    bench.footswitch = SWITCH_RELEASED
    bench.tick()
    assert bench.state == "PAUSED"
    bench.tick(COMMAND_PASS_DONE)
    assert bench.state == "ZONE_DONE"
    assert bench.reason == treatment.REASONS[treatment.WHY_PASS_DONE]
    bench.run(1_000)  # only a press is refused, not waiting
    assert bench.reason == treatment.REASONS[treatment.WHY_PASS_DONE]


def test_a_zone_can_not_be_changed_under_suction() -> None:
    bench = in_treating()
    bench.tick(COMMAND_SELECT_ZONE, 1)
    assert (bench.state, bench.controller.passes.zone) == ("TREATING", 0)


# The session ----------------------------------------------------------------------


def test_suction_ends_at_the_end_of_the_session_time() -> None:
    bench = in_treating()
    bench.controller.treatment.session_ms = bench.settings.session_ms - 15
    bench.run(10)
    assert bench.state == "TREATING"
    bench.tick()
    assert bench.state == "PAUSED"
    assert bench.reason == treatment.REASONS[treatment.WHY_SESSION_OVER]
    assert bench.board.is_safe()
    assert bench.controller.passes.session_is_open == 1  # more time may be confirmed


@pytest.mark.parametrize("start", ["READY", "PAUSED"])
def test_a_session_whose_time_is_over_gives_no_more_suction(start: str) -> None:
    bench = START[start][1]()
    opened = bench.controller.passes.opened[0]
    bench.controller.treatment.session_ms = bench.settings.session_ms
    for _ in range(3):
        bench.footswitch = SWITCH_RELEASED
        bench.run(RELEASE_MS)
        bench.footswitch = SWITCH_PRESSED
        bench.run(200)
        assert bench.state == start
        assert bench.reason == treatment.REASONS[treatment.WHY_SESSION_OVER]
        assert bench.board.is_safe()
    assert bench.controller.passes.opened[0] == opened


@pytest.mark.parametrize("start", ["READY", "PAUSED"])
def test_confirmed_time_is_time_for_suction(start: str) -> None:
    bench = START[start][1]()
    wish = bench.controller.treatment
    wish.session_ms = bench.settings.session_ms
    bench.footswitch = SWITCH_RELEASED
    bench.run(RELEASE_MS)
    bench.tick(COMMAND_EXTEND)
    assert wish.session_limit_ms == bench.settings.session_ms + EXTENSION_MS
    bench.press()
    wish.session_ms = wish.session_limit_ms - 5
    bench.tick()
    assert (bench.state, wish.reason) == ("PAUSED", treatment.WHY_SESSION_OVER)


def test_time_is_confirmed_near_its_end_and_not_in_advance() -> None:
    bench = in_ready()
    wish = bench.controller.treatment
    for _ in range(5):
        bench.tick(COMMAND_EXTEND)
    assert wish.session_limit_ms == bench.settings.session_ms
    wish.session_ms = wish.session_limit_ms - 300_000
    bench.tick()
    assert wish.warning == faults.SESSION_ENDING
    bench.tick(COMMAND_EXTEND)
    bench.tick(COMMAND_EXTEND)
    assert wish.session_limit_ms == bench.settings.session_ms + EXTENSION_MS
    bench.tick()
    assert wish.warning == faults.NONE


@pytest.mark.parametrize("start", ["READY", "TREATING", "PAUSED", "ZONE_DONE"])
def test_no_extension_reaches_past_90_minutes(start: str) -> None:
    bench = START[start][1]()
    wish = bench.controller.treatment
    if start != "TREATING":
        wish.session_ms = SESSION_MS - 1_000
        for _ in range(10):
            bench.tick(COMMAND_EXTEND)
    assert wish.session_limit_ms <= SESSION_MS
    wish.session_limit_ms = SESSION_MS + EXTENSION_MS  # even if it were
    wish.session_ms = SESSION_MS - (0 if start == "READY" else 15)
    bench.run(15)
    assert bench.state == "COMPLETE"
    assert bench.reason == treatment.REASONS[treatment.WHY_SESSION_OVER]
    assert bench.board.is_safe()
    assert bench.controller.passes.session_is_open == 0


def test_a_session_that_was_extended_does_not_extend_the_next_one() -> None:
    bench = in_ready()
    wish = bench.controller.treatment
    wish.session_ms = bench.settings.session_ms
    bench.tick(COMMAND_EXTEND)
    bench.tick(COMMAND_END)
    bench.tick(COMMAND_START)
    bench.to_ready()
    assert wish.session_limit_ms == bench.settings.session_ms


@pytest.mark.parametrize("start", ["READY", "TREATING", "PAUSED", "ZONE_DONE", "RESTING"])
def test_session_time_runs_while_treating_and_pausing(start: str) -> None:
    bench = START[start][1]()
    before_ms = bench.controller.treatment.session_ms
    bench.run(1_000)
    expected_ms = 0 if start in ("READY", "RESTING") else 1_000
    assert bench.controller.treatment.session_ms - before_ms == expected_ms


def test_a_new_session_starts_with_its_whole_time_and_all_passes() -> None:
    bench = in_ready()
    make_a_pass(bench)
    bench.tick(COMMAND_END)
    assert bench.controller.treatment.session_ms > 0
    bench.tick(COMMAND_START)
    bench.to_ready()
    assert bench.controller.treatment.session_ms == 0
    assert bench.controller.passes.opened[0] == 0


def test_a_session_ended_in_standby_lets_the_next_one_begin() -> None:
    bench = in_ready()
    make_a_pass(bench)
    bench.run(200)
    bench.power_on()
    bench.to_standby()
    assert bench.controller.passes.session_is_open == 1
    bench.tick(COMMAND_END)
    assert bench.controller.passes.session_is_open == 0
    bench.to_ready()
    assert bench.controller.passes.opened[0] == 0


# Limits of suction ---------------------------------------------------------------


def test_a_tip_that_stays_on_one_spot_is_let_go() -> None:
    bench = Bench()
    bench.to_skin()
    took_ms = bench.run_until(lambda: bench.state == "PAUSED", CONTACT_STOP_MS + 100)
    assert took_ms >= CONTACT_STOP_MS - 100
    assert bench.reason == treatment.REASONS[treatment.WHY_DWELL]
    assert bench.board.is_safe()
    # The pass goes on after a fresh press, and the foot that is still down is none.
    bench.run(1_000)
    assert bench.state == "PAUSED"
    bench.press()
    assert bench.controller.passes.opened[0] == 1


def test_suction_that_finds_no_skin_for_a_minute_ends() -> None:
    bench = in_treating()
    bench.run(IDLE_MS - 500)
    assert bench.state == "TREATING"
    bench.run(500)
    assert (bench.state, bench.reason) == (
        "PAUSED", treatment.REASONS[treatment.WHY_NO_CONTACT]
    )
    assert bench.board.is_safe()
    bench.press()
    assert bench.controller.passes.opened[0] == 1


def test_the_dose_of_a_zone_is_spent_over_its_passes() -> None:
    bench = Bench(bench_settings((zone_of(flow_mg_min=20_000, dose_mg=1_000),)))
    bench.to_skin()
    bench.run_until(lambda: bench.state != "TREATING", 6_000)
    assert (bench.state, bench.reason) == ("ZONE_DONE", treatment.REASONS[treatment.WHY_DOSE])
    assert 1_000 <= bench.controller.passes.zone_crystals_mg[0] <= 1_010
    for command in (COMMAND_SAME_PASS, COMMAND_SELECT_ZONE):
        bench.tick(command, 0)
        bench.footswitch = SWITCH_RELEASED
        bench.run(RELEASE_MS)
        bench.footswitch = SWITCH_PRESSED
        bench.run(500)
        assert bench.state == "ZONE_DONE"
        assert bench.board.is_safe()


# Faults ----------------------------------------------------------------------------


def test_a_fault_ends_suction_in_its_tick_and_closes_the_pass() -> None:
    bench = Bench()
    bench.to_skin()
    bench.run(500)
    bench.vacuum_pa = 46_000
    bench.tick()
    assert bench.state == "TREATING"
    bench.tick()
    assert (bench.state, bench.fault) == ("FAULT", faults.OVER_VACUUM)
    assert bench.board.is_safe()
    assert bench.controller.passes.closed_by == pass_states.CLOSED_BY_FAULT


@pytest.mark.parametrize(
    "start", [name for name in START if name not in ("BOOT", "FAULT", "SERVICE")]
)
def test_a_fault_is_told_in_every_state(start: str) -> None:
    bench = START[start][1]()
    bench.controller.protection.latch(faults.SENSOR_DISAGREEMENT)
    bench.tick()
    assert bench.state == "FAULT"
    assert bench.reason == treatment.REASONS[treatment.WHY_FAULT]
    assert bench.board.is_safe()


def test_an_acknowledge_wants_the_footswitch_up_for_a_while() -> None:
    bench = in_fault()
    bench.footswitch = SWITCH_PRESSED
    bench.run(100)
    bench.footswitch = SWITCH_RELEASED
    bench.run(40)
    bench.tick(COMMAND_ACKNOWLEDGE)
    assert bench.state == "FAULT"
    bench.run(RELEASE_MS)
    bench.tick(COMMAND_ACKNOWLEDGE)
    assert bench.state == "SELF_TEST"


@pytest.mark.parametrize("asked", ASKED, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_nothing_leaves_a_fault_while_the_footswitch_is_held(asked: tuple[int, int]) -> None:
    bench = in_fault()
    bench.footswitch = SWITCH_PRESSED
    bench.tick(*asked)
    bench.run(1_000)
    assert (bench.state, bench.fault) == ("FAULT", faults.OVER_VACUUM)


def test_a_fault_is_left_through_self_test_and_checklist() -> None:
    bench = in_fault()
    bench.tick(COMMAND_ACKNOWLEDGE)
    assert bench.fault == faults.NONE
    took_ms = bench.run_until(lambda: bench.state != "SELF_TEST", 2_000)
    assert took_ms > SETTLE_MS + MEASURE_MS  # the whole of it, once more
    assert bench.state == "CHECKLIST"
    assert bench.controller.treatment.confirmed == 0
    bench.confirm()
    # The session goes on, and the pass that the fault closed stays counted.
    assert bench.controller.passes.session_is_open == 1
    bench.press()
    assert bench.controller.passes.opened[0] == 2


def test_a_fault_gives_no_session_time_back() -> None:
    bench = in_treating()
    bench.controller.treatment.session_ms = 600_000
    bench.controller.protection.latch(faults.SENSOR_DISAGREEMENT)
    bench.footswitch = SWITCH_RELEASED
    bench.run(RELEASE_MS)
    bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run_until(lambda: bench.state == "CHECKLIST")
    assert bench.reason == treatment.REASONS[treatment.WHY_UNCONFIRMED]
    bench.confirm()
    assert bench.controller.treatment.session_ms >= 600_000


def test_the_first_self_test_ends_in_an_idle_device() -> None:
    bench = in_standby()
    assert bench.reason == treatment.REASONS[treatment.WHY_IDLE]


def test_a_fault_that_is_still_there_comes_back() -> None:
    bench = in_fault()
    bench.supply = 0
    bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run(50)
    assert (bench.state, bench.fault) == ("FAULT", faults.SENSOR_SUPPLY)


def test_a_self_test_that_fails_is_a_fault() -> None:
    bench = Bench()
    bench.vacuum_pa = 3_000
    bench.run_until(lambda: bench.state == "FAULT", 2_000)
    assert bench.fault == faults.SENSOR_ZERO
    assert bench.board.is_safe()


@pytest.mark.parametrize("start", [name for name in START if name != "SERVICE"])
def test_an_internal_fault_is_never_left(start: str) -> None:
    bench = START[start][1]()
    bench.controller.protection.clear()
    bench.controller.protection.latch(faults.INTERNAL)
    for command, argument in ASKED * 3:
        bench.tick(command, argument)
        bench.run(50)
        assert (bench.state, bench.fault) == ("FAULT", faults.INTERNAL)
        assert bench.board.is_safe()


@pytest.mark.parametrize("state", [len(treatment.STATES), -1, 255])
def test_a_state_that_does_not_exist_is_an_internal_fault(state: int) -> None:
    bench = in_treating()
    bench.controller.treatment.state = state
    bench.tick()
    assert (bench.state, bench.fault) == ("FAULT", faults.INTERNAL)
    assert bench.board.is_safe()


def test_a_fault_state_without_a_fault_is_an_internal_fault() -> None:
    bench = in_fault()
    bench.controller.protection.clear()
    bench.tick()
    assert (bench.state, bench.fault) == ("FAULT", faults.INTERNAL)


def kept(fault: int) -> Bench:
    """A device that found `fault`, kept it, and was switched off and on."""
    bench = in_standby()
    bench.controller.protection.latch(fault)
    bench.run(100)
    assert bench.is_committed()
    bench.power_on()
    bench.run(100)
    return bench


def test_a_record_of_another_protocol_does_not_hide_a_kept_fault() -> None:
    # PROTOCOL_CHANGED stood in its place: acknowledged, the device treated on
    # with a vent that was known not to release.
    bench = in_treating()
    bench.controller.protection.latch(faults.VENT_FAILED)
    bench.footswitch = SWITCH_RELEASED
    bench.run(100)
    bench.settings.zones[0].level = 5
    bench.power_on()
    bench.run(100)
    assert (bench.state, bench.fault) == ("FAULT", faults.VENT_FAILED)
    bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run(100)
    assert (bench.state, bench.fault) == ("FAULT", faults.VENT_FAILED)


@pytest.mark.parametrize("fault", [row[0] for row in faults.CATALOGUE if row[3] == 0 and row[0]])
def test_a_fault_that_the_self_test_clears_is_not_kept(fault: int) -> None:
    assert kept(fault).state == "SELF_TEST"
