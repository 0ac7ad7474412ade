"""The operator model: works down the protocol, and keeps an honest count."""

import itertools
from typing import Any

import pytest

from emery.simulator import operator as operator_module
from emery.simulator.noise import Noise
from emery.simulator.operator import ENDINGS, PARAMETERS, STYLES, Operator
from emery.simulator.plant import TIP_HOVERING, TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN
from firmware import treatment
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
)
from host_tests.bench import CHECKLIST, Bench, bench_settings, zone_of

TICK_MS = 5
SHORT = {"passes": 2, "pass_on_skin_ms": 4_000, "rest_ms": 1_000, "zone_rest_ms": 1_000}


def operator_of(count: int = 2, seed: int = 1, **parameters: Any) -> Operator:
    return Operator({**SHORT, **parameters}, count, Noise(seed))


class Work:
    """An operator at a bench: the real firmware, and a perfect hand for a plant."""

    def __init__(self, operator: Operator, bench: Bench) -> None:
        self.operator = operator
        self.bench = bench
        self.commands: list[tuple[int, int]] = []
        self.on_skin_ms: list[int] = []
        self.off_skin_ms: list[int] = []
        self.refused = 0
        self.was_refused = False

    def tick(self) -> None:
        bench, operator = self.bench, self.operator
        before = operator.tip
        treatment_now, passes = bench.controller.treatment, bench.controller.passes
        operator.step(treatment_now.state, treatment_now.reason, passes.zone, TICK_MS)
        command = (operator.command, operator.argument)
        if command[0] != COMMAND_NONE:
            self.commands.append(command)
            operator.command = COMMAND_NONE
        bench.footswitch = operator.footswitch
        bench.on_skin = operator.tip == TIP_ON_SKIN
        lengths = self.on_skin_ms if bench.on_skin else self.off_skin_ms
        if operator.tip != before:
            lengths.append(0)
        if lengths:
            lengths[-1] += TICK_MS
        bench.tick(*(command if command[0] != COMMAND_NONE else ()))
        operator.account(bench.controller.treatment.state, passes.zone, TICK_MS, 0)
        spent = bench.reason == treatment.REASONS[treatment.WHY_PASSES_SPENT]
        refused = bool(operator.footswitch) and spent
        self.refused += refused and not self.was_refused
        self.was_refused = refused

    def until_finished(self, longest_ms: int = 600_000) -> None:
        for _ in range(longest_ms // TICK_MS):
            if self.operator.finished:
                return
            self.tick()
        raise AssertionError(f"the operator does not finish; device in {self.bench.state}")


def at_work(count: int = 2, **parameters: Any) -> Work:
    """At a protocol of `count` zones."""
    zones = [zone_of(f"zone {n}", level=3, pass_time_ms=60_000) for n in range(count)]
    return Work(operator_of(count, **parameters), Bench(bench_settings(zones)))


@pytest.mark.parametrize("ending", ["gap", "button"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_protocol_is_worked_down_to_its_end(seed: int, ending: str) -> None:
    work = at_work(seed=seed, ending=ending)
    work.until_finished()
    assert work.bench.state == "COMPLETE"
    assert work.operator.passes_made == [2, 2]
    assert list(work.bench.controller.passes.opened[:2]) == [2, 2]
    assert work.refused == 0
    zones = work.bench.controller.passes
    assert sum(zones.zone_strokes) == work.operator.strokes == len(work.on_skin_ms)


def test_the_panel_is_used_in_its_order() -> None:
    work = at_work(passes=1, ending="button")
    work.until_finished()
    assert [command for command, _ in work.commands] == [
        COMMAND_START,
        *(COMMAND_CONFIRM for _ in CHECKLIST),
        COMMAND_CLIENT,
        COMMAND_PASS_DONE,
        COMMAND_SELECT_ZONE,
        COMMAND_PASS_DONE,
        COMMAND_END,
    ]
    items = [argument for command, argument in work.commands if command == COMMAND_CONFIRM]
    assert items == list(CHECKLIST)


def test_strokes_and_lifts_have_their_lengths() -> None:
    work = at_work(
        1, passes=3, pass_on_skin_ms=20_000, stroke_shortest_ms=1_000,
        stroke_longest_ms=3_000, lift_shortest_ms=300, lift_longest_ms=900,
    )
    work.until_finished()
    strokes = work.on_skin_ms
    assert len(strokes) > 20
    assert min(strokes) >= 1_000
    assert max(strokes) <= 3_000 + TICK_MS
    assert max(strokes) - min(strokes) > 1_000
    lifts = [ms for ms in work.off_skin_ms if ms < 1_500]
    assert len(lifts) > 15
    assert min(lifts) >= 300


def test_a_fourth_pass_is_tried_refused_and_not_counted_as_made() -> None:
    work = at_work(1, passes=5, rest_ms=500)
    work.until_finished()
    assert work.operator.passes_made == [3]
    assert work.refused >= 2
    assert work.bench.state == "COMPLETE"


def test_only_the_zones_asked_for_are_treated() -> None:
    work = at_work(3, zones=[2, 0])
    work.until_finished()
    assert work.operator.passes_made == [2, 0, 2]
    chosen = [argument for command, argument in work.commands if command == COMMAND_SELECT_ZONE]
    assert chosen == [2, 0]


def test_what_touches_skin_without_suction_is_no_pass() -> None:
    operator = operator_of()
    for state in range(len(treatment.STATES)):
        if state == treatment.TREATING:
            continue
        for _ in range(2_000):
            operator.step(state, 0, 0, TICK_MS)
            operator.command = COMMAND_NONE
            assert operator.tip != TIP_ON_SKIN
    assert operator.passes_made == [0, 0]
    assert operator.strokes == 0


def test_a_pass_is_made_with_its_first_stroke_and_once() -> None:
    operator = operator_of(stroke_shortest_ms=400, stroke_longest_ms=800)
    operator.footswitch = 1
    contact_ms = on_skin_ms = strokes = 0
    for _ in range(600):
        operator.step(treatment.TREATING, 0, 1, TICK_MS)
        operator.account(treatment.TREATING, 1, TICK_MS, 6_000)
        touching = operator.tip == TIP_ON_SKIN
        contact_ms = contact_ms + TICK_MS if touching else 0
        on_skin_ms += TICK_MS if touching else 0
        strokes += contact_ms == 300
        assert operator.passes_made == [0, 1 if strokes else 0]
        assert operator.strokes_made == [0, strokes]
        assert operator.on_skin_ms == [0, on_skin_ms]
        assert operator.crystals_mg_min_ms == [0, on_skin_ms * 6_000]
    assert strokes > 1


def test_a_touch_is_no_stroke_and_no_pass() -> None:
    operator = operator_of(stroke_shortest_ms=100, stroke_longest_ms=290)
    operator.footswitch = 1
    for _ in range(1_000):
        operator.step(treatment.TREATING, 0, 0, TICK_MS)
        operator.account(treatment.TREATING, 0, TICK_MS, 0)
    assert operator.strokes > 3
    assert operator.on_skin_ms[0] > 500
    assert operator.passes_made == operator.strokes_made == [0, 0]


def test_the_tip_stays_on_for_a_while_when_the_suction_goes() -> None:
    operator = operator_of(hold_on_ms=1_000)
    operator.footswitch = 1
    while operator.tip != TIP_ON_SKIN:
        operator.step(treatment.TREATING, 0, 0, TICK_MS)
    held = 0
    while operator.tip == TIP_ON_SKIN:
        operator.step(treatment.FAULT, 0, 0, TICK_MS)
        held += TICK_MS
    assert held == pytest.approx(1_000, abs=2 * TICK_MS)


def test_the_foot_can_slip_off_and_the_operator_presses_again() -> None:
    work = at_work(1, passes=1)
    while work.operator.tip != TIP_ON_SKIN:
        work.tick()
    work.operator.slip_off_footswitch()
    work.tick()
    assert work.bench.state == "PAUSED"
    assert work.operator.tip == TIP_ON_SKIN
    work.until_finished()
    assert work.bench.state == "COMPLETE"
    assert work.bench.controller.passes.opened[0] == 1


def trip(work: Work) -> None:
    while work.operator.tip != TIP_ON_SKIN:
        work.tick()
    work.bench.vacuum_pa = 50_000
    work.tick()
    work.tick()
    assert work.bench.state == "FAULT"
    work.bench.vacuum_pa = None


def test_an_operator_who_stops_at_a_fault_is_finished() -> None:
    work = at_work(on_fault="stop")
    trip(work)
    work.until_finished()
    assert work.bench.state == "FAULT"
    assert (work.operator.footswitch, work.operator.tip) == (0, TIP_IN_AIR)
    assert (COMMAND_ACKNOWLEDGE, 0) not in work.commands


def test_an_operator_who_acknowledges_goes_on() -> None:
    work = at_work(on_fault="acknowledge")
    trip(work)
    work.until_finished()
    assert work.bench.state == "COMPLETE"
    assert work.commands.count((COMMAND_ACKNOWLEDGE, 0)) >= 1
    counted = list(work.bench.controller.passes.opened[:2])
    assert all(
        made <= count for made, count in zip(work.operator.passes_made, counted, strict=True)
    )


def test_everything_takes_a_reaction_time() -> None:
    operator = operator_of(reaction_ms=400)
    for n in range(400 // TICK_MS):
        operator.step(treatment.STANDBY, 0, 0, TICK_MS)
        if n == 0:
            assert operator.command == COMMAND_NONE
    operator.step(treatment.STANDBY, 0, 0, TICK_MS)
    assert operator.command == COMMAND_START


def test_the_same_seed_is_the_same_operator() -> None:
    runs = []
    for _ in range(2):
        work = at_work(seed=8)
        work.until_finished()
        runs.append((work.on_skin_ms, work.bench.ticks))
    assert runs[0] == runs[1]
    other = at_work(seed=9)
    other.until_finished()
    assert other.on_skin_ms != runs[0][0]


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: row[0])
def test_every_parameter_has_a_range_and_a_default(
    row: tuple[str, str, int, int, int, str]
) -> None:
    name, _unit, low, high, default, meaning = row
    assert low <= default <= high
    assert meaning
    assert getattr(Operator({}, 1, Noise(1)), name) == default


def test_a_parameter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AttributeError):
        _ = operator_of().strokes_per_pass


def test_nobody_presses_for_ever() -> None:
    # A device that never answers: the foot comes off after a while.
    operator = operator_of(reaction_ms=100)
    pressed_ms = 0
    for _ in range(4_000 // TICK_MS):
        operator.step(treatment.READY, 0, 0, TICK_MS)
        pressed_ms = pressed_ms + TICK_MS if operator.footswitch else 0
        assert pressed_ms <= 1_000
    assert operator.strokes == 0


# The proof of the checklist --------------------------------------------------------------


class ProvingPanel:
    """A device that asks for the capped-tip proof, as far as its panel shows it."""

    def __init__(self, operator: Operator, *, needs_ms: int = 3_000) -> None:
        self.operator = operator
        self.needs_ms = needs_ms
        self.state = treatment.STANDBY
        self.confirmed = 0
        self.proved_ms = 0
        self.presses = 0

    def run(self, ms: int) -> None:
        for _ in range(ms // TICK_MS):
            self.tick()

    def tick(self) -> None:
        operator = self.operator
        before = operator.footswitch
        operator.step(self.state, 0, 0, TICK_MS)
        command, argument = operator.command, operator.argument
        operator.command = COMMAND_NONE
        self.presses += operator.footswitch > before
        if self.state == treatment.STANDBY and command == COMMAND_START:
            self.state = treatment.CHECKLIST
        elif self.state == treatment.CHECKLIST:
            if command == COMMAND_CONFIRM:
                self.confirmed |= argument
            elif operator.footswitch:
                assert operator.tip == TIP_ON_CAP
                assert self.confirmed == sum(CHECKLIST)
                self.proved_ms += TICK_MS
                if self.proved_ms >= self.needs_ms:
                    self.state = treatment.READY
            else:
                self.proved_ms = 0


def test_the_proof_is_made_with_the_tip_on_its_cap() -> None:
    operator: Any = operator_of()
    panel = ProvingPanel(operator)
    while panel.state != treatment.READY:
        panel.tick()
    assert panel.presses == 1
    # Let go in READY, the tip taken off the cap, and only then a fresh press.
    while operator.footswitch:
        assert operator.tip == TIP_ON_CAP
        panel.tick()
    while not operator.footswitch:
        panel.tick()
    assert operator.tip == TIP_IN_AIR


def test_a_reason_of_the_panel_can_end_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_module, "ASKS_RELEASE", 77)
    operator: Any = operator_of()
    panel = ProvingPanel(operator, needs_ms=10**6)
    while not operator.footswitch:
        panel.tick()
    panel.run(1_000)
    assert operator.footswitch == 1
    operator.step(treatment.CHECKLIST, 77, 0, TICK_MS)
    assert operator.footswitch == 0


def test_a_proof_that_never_comes_is_given_up() -> None:
    operator = operator_of()
    panel = ProvingPanel(operator, needs_ms=10**6)
    panel.run(90_000)
    assert operator.finished
    assert panel.presses == 3
    assert operator.footswitch == 0


def test_a_device_that_asks_for_no_proof_gets_none() -> None:
    work = at_work(passes=1)
    tips = set()
    while not work.operator.finished:
        work.tick()
        tips.add(work.operator.tip)
    assert tips == {TIP_IN_AIR, TIP_ON_SKIN}


# What else a panel may ask ---------------------------------------------------------------


def test_a_resting_pump_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_module, "ASKS_REST", 77)
    operator = operator_of()
    for _ in range(5_000):
        operator.step(treatment.READY, 77, 0, TICK_MS)
        assert (operator.footswitch, operator.command) == (0, COMMAND_NONE)
    for _ in range(1_000 // TICK_MS):
        operator.step(treatment.READY, 0, 0, TICK_MS)
    assert operator.footswitch == 1


def test_a_longer_session_is_confirmed_as_often_as_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operator_module, "ASKS_EXTENSION", 77)
    monkeypatch.setattr(operator_module, "EXTEND", 9)
    monkeypatch.setattr(operator_module, "EXTEND_ARGUMENT", 15)
    for state in (treatment.PAUSED, treatment.TREATING):
        operator = operator_of(extensions=2)
        operator.footswitch = 1
        taken = []
        for _ in range(6_000):
            operator.step(state, 77, 0, TICK_MS)
            if operator.command != COMMAND_NONE:
                taken.append((operator.command, operator.argument))
                operator.command = COMMAND_NONE
        assert taken[:2] == [(9, 15), (9, 15)]
        assert (9, 15) not in taken[2:]


def test_a_tip_that_stays_is_lifted_when_the_panel_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_module, "ASKS_LIFT", 77)
    operator = operator_of(
        stroke_shortest_ms=60_000, stroke_longest_ms=60_000, pass_on_skin_ms=60_000
    )
    operator.footswitch = 1
    for _ in range(1_000):
        operator.step(treatment.TREATING, 0, 0, TICK_MS)
    assert operator.tip == TIP_ON_SKIN
    ticks = 0
    while operator.tip == TIP_ON_SKIN:
        operator.step(treatment.TREATING, 77, 0, TICK_MS)
        ticks += 1
    assert ticks * TICK_MS == pytest.approx(operator.reaction_ms, abs=2 * TICK_MS)


# Operators of several kinds --------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_kind_of_operator_gets_to_the_end(style: str, seed: int) -> None:
    work = at_work(style=style, seed=seed)
    work.until_finished()
    assert work.bench.state == "COMPLETE"
    assert sum(work.operator.passes_made) >= 2
    counted = list(work.bench.controller.passes.opened[:2])
    made = work.operator.passes_made
    assert all(one <= other for one, other in zip(made, counted, strict=True))


def test_who_drags_hardly_lifts() -> None:
    work = at_work(1, style="dragging", pass_on_skin_ms=40_000)
    work.until_finished()
    assert max(work.on_skin_ms) > 4_000
    assert sum(ms <= 165 for ms in work.off_skin_ms) > 5


def test_the_seal_of_who_hovers_flickers_within_a_stroke() -> None:
    operator = operator_of(style="hovering", stroke_shortest_ms=3_000)
    operator.footswitch = 1
    seen = []
    for _ in range(4_000):
        operator.step(treatment.TREATING, 0, 0, TICK_MS)
        operator.account(treatment.TREATING, 0, TICK_MS, 0)
        seen.append(operator.tip)
    assert seen.count(TIP_HOVERING) > 200
    assert sum(one != other for one, other in itertools.pairwise(seen)) > 5 * operator.strokes
    # Only the sealed part is contact.
    assert operator.on_skin_ms[0] == seen.count(TIP_ON_SKIN) * TICK_MS


def test_who_presses_wrong_sends_what_the_state_does_not_take() -> None:
    work = at_work(3, style="pressing_wrong", seed=4)
    work.until_finished()
    sent = {command for command, _ in work.commands}
    assert len(sent) >= 7
    assert max(sent) > COMMAND_ACKNOWLEDGE  # some that do not exist
    chosen = [argument for command, argument in work.commands if command == COMMAND_SELECT_ZONE]
    assert len(chosen) > 3
    assert sum(work.operator.passes_made) > 6  # a wrong zone is worked on as well


def test_who_stamps_presses_and_lets_go_in_every_state() -> None:
    operator = operator_of(style="stamping")
    for state in (treatment.STANDBY, treatment.CHECKLIST, treatment.FAULT, treatment.TREATING):
        changes = 0
        for _ in range(10_000):
            before = operator.footswitch
            operator.step(state, 0, 0, TICK_MS)
            operator.command = COMMAND_NONE
            changes += operator.footswitch != before
        assert changes > 10


def test_a_habit_that_is_given_goes_before_that_of_the_style() -> None:
    operator = Operator({"style": "hurried", "rest_ms": 7_000}, 1, Noise(1))
    assert (operator.rest_ms, operator.reaction_ms, operator.ending) == (7_000, 200, "button")


@pytest.mark.parametrize("style", STYLES)
def test_every_style_keeps_to_the_ranges(style: str) -> None:
    rows = {row[0]: row for row in PARAMETERS}
    for name, value in STYLES[style].items():
        if name == "ending":
            assert value in ENDINGS
        else:
            assert rows[name][2] <= value <= rows[name][3]


def test_who_says_nothing_between_passes_makes_more_than_are_counted() -> None:
    """The limit of what a device without eyes can know, and what the ground
    truth is for: only time and crystals bound such an operator."""
    work = at_work(1, passes=3, ending="unsaid")
    work.until_finished()
    assert work.operator.passes_made == [3]
    assert work.bench.controller.passes.opened[0] < 3


def test_a_lost_footswitch_does_not_end_the_coverage() -> None:
    work = at_work(1, passes=1, pass_on_skin_ms=8_000)
    while not (work.operator.strokes == 2 and work.operator.tip == TIP_ON_SKIN):
        work.tick()
    work.bench.board.inject("footswitch_stuck_released")
    work.tick()
    work.tick()
    assert work.bench.state == "PAUSED"
    work.bench.board.clear("footswitch_stuck_released")
    work.until_finished()
    assert work.operator.passes_made == [1]
    assert work.operator.coverage == 2  # of which the second never began
