"""The gate: safe unless everything allows more, and never out of range."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import faults, gate, treatment
from firmware.controller import Controller
from hal.contract import FULL_PERMILLE, LEASE_MS, VENT_CLOSED, VENT_OPEN, Outputs
from host_tests.bench import bench_settings

FAULTS = [row[0] for row in faults.CATALOGUE if row[0] != faults.NONE]
STATES = range(len(treatment.STATES))


class Wish:
    """A controller that wants suction and crystals; every part can be changed."""

    def __init__(self) -> None:
        self.controller = Controller(bench_settings(), b"")
        self.treatment = self.controller.treatment
        self.treatment.state = treatment.TREATING
        self.treatment.set_pa = 27_000
        self.protection = self.controller.protection
        self.contact = self.controller.contact
        self.contact.on_skin = 1
        self.passes = self.controller.passes
        self.passes.begin_session()
        self.passes.open_next()
        self.regulator = self.controller.vacuum_regulator
        self.regulator.drive_permille = 600
        self.feed = self.controller.crystal_feed
        self.feed.valve_permille = 400
        self.outputs = Outputs()
        # What an earlier tick left behind.
        self.outputs.pump_permille = self.outputs.feed_permille = FULL_PERMILLE
        self.outputs.vent = VENT_CLOSED
        self.outputs.lease_ms = LEASE_MS

    def passed(self) -> tuple[int, int, int, int]:
        outputs = self.outputs
        gate.pass_through(
            self.treatment,
            self.protection,
            self.contact,
            self.passes,
            self.regulator,
            self.feed,
            outputs,
        )
        return outputs.pump_permille, outputs.feed_permille, outputs.vent, outputs.lease_ms


SAFE = (0, 0, VENT_OPEN, 0)


def test_what_is_allowed_passes() -> None:
    assert Wish().passed() == (600, 400, VENT_CLOSED, LEASE_MS)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("state", STATES)
def test_any_fault_makes_safe_in_any_state(state: int, fault: int) -> None:
    wish = Wish()
    wish.treatment.state = state
    wish.protection.fault = fault
    assert wish.passed() == SAFE


@pytest.mark.parametrize("state", STATES)
def test_only_treating_passes(state: int) -> None:
    wish = Wish()
    wish.treatment.state = state
    assert (wish.passed() != SAFE) == (state == treatment.TREATING)


@pytest.mark.parametrize("state", [-1, len(treatment.STATES), 255])
def test_a_state_that_does_not_exist_is_safe(state: int) -> None:
    wish = Wish()
    wish.treatment.state = state
    assert wish.passed() == SAFE


def test_no_set_vacuum_is_safe() -> None:
    wish = Wish()
    wish.treatment.set_pa = 0
    assert wish.passed() == SAFE


def test_no_open_pass_is_safe() -> None:
    wish = Wish()
    wish.passes.close(1)
    assert wish.passed() == SAFE


def test_soft_over_vacuum_takes_pump_and_crystals_and_keeps_the_lease() -> None:
    # The vent stays shut for now: it opens when the fault is latched.
    wish = Wish()
    wish.protection.takes_suction = 1
    assert wish.passed() == (0, 0, VENT_CLOSED, LEASE_MS)


def test_no_crystals_without_contact() -> None:
    wish = Wish()
    wish.contact.on_skin = 0
    assert wish.passed() == (600, 0, VENT_CLOSED, LEASE_MS)


@pytest.mark.parametrize(
    ("wanted", "passed"),
    [(-(10**9), 0), (-1, 0), (0, 0), (1, 1), (1000, 1000), (1001, 1000), (10**9, 1000)],
)
def test_what_passes_is_clamped(wanted: int, passed: int) -> None:
    wish = Wish()
    wish.regulator.drive_permille = wanted
    assert wish.passed()[0] == passed
    wish = Wish()
    wish.feed.valve_permille = wanted
    assert wish.passed()[1] == passed


ABSURD = st.one_of(st.integers(-(2**30), 2**30), st.integers(-2, 12), st.just(600))


@given(
    state=ABSURD,
    set_pa=ABSURD,
    fault=st.sampled_from([faults.NONE, *FAULTS]),
    takes_suction=st.integers(0, 1),
    on_skin=st.integers(0, 1),
    is_open=st.sampled_from((1, 1, 1, 0)),
    drive=ABSURD,
    valve=ABSURD,
)
def test_any_wish_at_all(
    state: int,
    set_pa: int,
    fault: int,
    takes_suction: int,
    on_skin: int,
    is_open: int,
    drive: int,
    valve: int,
) -> None:
    wish = Wish()
    wish.treatment.state = state
    wish.treatment.set_pa = set_pa
    wish.protection.fault = fault
    wish.protection.takes_suction = takes_suction
    wish.contact.on_skin = on_skin
    wish.passes.is_open = is_open
    wish.regulator.drive_permille = drive
    wish.feed.valve_permille = valve
    pump, feed, vent, lease_ms = wish.passed()
    assert 0 <= pump <= FULL_PERMILLE
    assert 0 <= feed <= FULL_PERMILLE
    assert vent in (VENT_OPEN, VENT_CLOSED)
    assert lease_ms in (0, LEASE_MS)
    assert (lease_ms == 0) == wish.outputs.are_safe()
    if fault or state != treatment.TREATING or set_pa == 0 or not is_open:
        assert (pump, feed, vent, lease_ms) == SAFE
    if takes_suction or not on_skin:
        assert feed == 0
    if takes_suction:
        assert pump == 0


def test_every_gate_in_the_way_is_enough_alone() -> None:
    ways: dict[str, Callable[[Wish], None]] = {
        "fault": lambda wish: setattr(wish.protection, "fault", faults.OVER_VACUUM),
        "state": lambda wish: setattr(wish.treatment, "state", treatment.PAUSED),
        "set": lambda wish: setattr(wish.treatment, "set_pa", 0),
        "pass": lambda wish: wish.passes.close(1),
    }
    for count in (1, 2, 3, 4):
        for names in itertools.combinations(ways, count):
            wish = Wish()
            for name in names:
                ways[name](wish)
            assert wish.passed() == SAFE
