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
        self.controller = Controller(bench_settings(), b"", 0)
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
        self.proof = self.controller.proof
        self.service = self.controller.service
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
            self.proof,
            self.service,
            outputs,
        )
        return outputs.pump_permille, outputs.feed_permille, outputs.vent, outputs.lease_ms


SAFE = (0, 0, VENT_OPEN, 0)


def in_proof() -> Wish:
    """The proof pulls with the tip on its cap."""
    wish = Wish()
    wish.treatment.state = treatment.PROOF
    wish.proof.drive_permille = FULL_PERMILLE
    wish.proof.vent = VENT_CLOSED
    return wish


def in_service(pump: int = 0, feed: int = 0, vent: int = VENT_OPEN) -> Wish:
    """SERVICE with these wishes."""
    wish = Wish()
    wish.treatment.state = treatment.SERVICE
    wish.service.pump_permille, wish.service.feed_permille, wish.service.vent = pump, feed, vent
    return wish


def test_what_is_allowed_passes() -> None:
    assert Wish().passed() == (600, 400, VENT_CLOSED, LEASE_MS)


def everything_wanted(state: int) -> Wish:
    """Treatment, proof and service all want all they can."""
    wish = Wish()
    wish.treatment.state = state
    wish.proof.drive_permille = wish.service.pump_permille = FULL_PERMILLE
    wish.service.feed_permille = FULL_PERMILLE
    wish.proof.vent = wish.service.vent = VENT_CLOSED
    return wish


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("state", STATES)
def test_any_fault_makes_safe_in_any_state(state: int, fault: int) -> None:
    wish = everything_wanted(state)
    wish.protection.fault = fault
    assert wish.passed() == SAFE


@pytest.mark.parametrize("state", STATES)
def test_three_states_pass_and_no_other(state: int) -> None:
    passes = (treatment.TREATING, treatment.PROOF, treatment.SERVICE)
    assert (everything_wanted(state).passed() != SAFE) == (state in passes)


def test_each_state_passes_its_own_wish() -> None:
    # What another state left behind in its part moves nothing.
    wish = Wish()
    wish.proof.drive_permille = wish.service.pump_permille = 777
    wish.service.feed_permille = 777
    wish.service.vent = VENT_CLOSED
    assert wish.passed() == (600, 400, VENT_CLOSED, LEASE_MS)
    wish.treatment.state = treatment.PROOF
    assert wish.passed() == SAFE
    assert in_proof().passed() == (FULL_PERMILLE, 0, VENT_CLOSED, LEASE_MS)
    assert in_service().passed() == SAFE


@pytest.mark.parametrize("state", [-1, len(treatment.STATES), 255])
def test_a_state_that_does_not_exist_is_safe(state: int) -> None:
    assert everything_wanted(state).passed() == SAFE


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


# The proof: the pump pulls on the cap, and a test instance of the protection
# must be able to stop it.


@pytest.mark.parametrize("fault", FAULTS)
def test_the_proof_is_stopped_by_its_test_instance(fault: int) -> None:
    # Were it not, the proof would show nothing of what stops a treatment.
    wish = in_proof()
    wish.proof.test.fault = fault
    assert wish.passed() == SAFE


def test_the_test_instance_stops_no_treatment() -> None:
    wish = Wish()
    wish.proof.test.fault = faults.OVER_VACUUM
    assert wish.passed() == (600, 400, VENT_CLOSED, LEASE_MS)


@pytest.mark.parametrize("drive", [0, 1, FULL_PERMILLE])
def test_the_proof_pulls_with_the_vent_closed_or_not_at_all(drive: int) -> None:
    wish = in_proof()
    wish.proof.drive_permille = drive
    assert wish.passed() == (drive, 0, VENT_CLOSED, LEASE_MS)
    wish.proof.vent = VENT_OPEN
    assert wish.passed() == SAFE


def test_no_crystals_in_the_proof_even_with_contact() -> None:
    # The cap looks like skin.
    wish = in_proof()
    wish.service.feed_permille = FULL_PERMILLE
    assert wish.contact.on_skin == 1
    assert wish.feed.valve_permille > 0
    assert wish.passed()[1] == 0


# SERVICE: one output at a time.


def test_service_runs_each_output_alone() -> None:
    assert in_service(pump=600, vent=VENT_CLOSED).passed() == (600, 0, VENT_CLOSED, LEASE_MS)
    assert in_service(vent=VENT_CLOSED).passed() == (0, 0, VENT_CLOSED, LEASE_MS)
    assert in_service(feed=400).passed() == (0, 400, VENT_OPEN, LEASE_MS)


def test_service_that_wants_nothing_gives_the_lease_back() -> None:
    assert in_service().passed() == SAFE


def test_service_never_runs_pump_and_crystals_together() -> None:
    assert in_service(600, 400, VENT_CLOSED).passed() == (600, 0, VENT_CLOSED, LEASE_MS)
    assert in_service(600, 400, VENT_OPEN).passed() == (0, 400, VENT_OPEN, LEASE_MS)


def test_service_weighs_crystals_with_the_pump_only_while_the_tip_is_sealed() -> None:
    wish = in_service(450, 0, VENT_CLOSED)
    wish.service.crystals_permille = 400
    assert wish.passed() == (450, 0, VENT_CLOSED, LEASE_MS)
    wish.service.is_sealed = 1
    assert wish.passed() == (450, 400, VENT_CLOSED, LEASE_MS)
    wish.service.vent = VENT_OPEN
    assert wish.passed() == SAFE
    wish.service.vent = VENT_CLOSED
    wish.protection.fault = faults.OVER_VACUUM
    assert wish.passed() == SAFE


@pytest.mark.parametrize("vent", [-1, 2, 255])
def test_a_vent_position_that_does_not_exist_is_open(vent: int) -> None:
    assert in_service(600, 0, vent).passed() == SAFE
    wish = in_proof()
    wish.proof.vent = vent
    assert wish.passed() == SAFE


@pytest.mark.parametrize(("wanted", "passed"), [(-1, 0), (1001, 1000), (10**9, 1000)])
def test_what_passes_in_proof_and_service_is_clamped(wanted: int, passed: int) -> None:
    wish = in_proof()
    wish.proof.drive_permille = wanted
    assert wish.passed()[0] == passed
    assert in_service(pump=wanted, vent=VENT_CLOSED).passed()[0] == passed
    assert in_service(feed=wanted).passed()[1] == passed


ABSURD = st.one_of(st.integers(-(2**30), 2**30), st.integers(-2, 14), st.just(600))
VENT = st.one_of(st.sampled_from((VENT_OPEN, VENT_CLOSED)), ABSURD)
MAYBE_FAULT = st.one_of(st.just(faults.NONE), st.sampled_from(FAULTS))


@given(
    state=st.one_of(
        ABSURD, st.sampled_from((treatment.TREATING, treatment.PROOF, treatment.SERVICE))
    ),
    set_pa=ABSURD,
    fault=MAYBE_FAULT,
    test_fault=MAYBE_FAULT,
    takes_suction=st.integers(0, 1),
    on_skin=st.integers(0, 1),
    is_open=st.sampled_from((1, 1, 1, 0)),
    drives=st.tuples(ABSURD, ABSURD, ABSURD),
    valves=st.tuples(ABSURD, ABSURD, ABSURD),
    is_sealed=st.integers(0, 1),
    vents=st.tuples(VENT, VENT),
)
def test_any_wish_at_all(
    state: int,
    set_pa: int,
    fault: int,
    test_fault: int,
    takes_suction: int,
    on_skin: int,
    is_open: int,
    drives: tuple[int, int, int],
    valves: tuple[int, int, int],
    is_sealed: int,
    vents: tuple[int, int],
) -> None:
    wish = Wish()
    wish.treatment.state = state
    wish.treatment.set_pa = set_pa
    wish.protection.fault = fault
    wish.protection.takes_suction = takes_suction
    wish.contact.on_skin = on_skin
    wish.passes.is_open = is_open
    wish.proof.test.fault = test_fault
    wish.regulator.drive_permille, wish.proof.drive_permille = drives[:2]
    wish.service.pump_permille = drives[2]
    wish.feed.valve_permille, wish.service.feed_permille = valves[:2]
    wish.service.crystals_permille = valves[2]
    wish.service.is_sealed = is_sealed
    wish.proof.vent, wish.service.vent = vents
    pump, feed, vent, lease_ms = wish.passed()
    assert 0 <= pump <= FULL_PERMILLE
    assert 0 <= feed <= FULL_PERMILLE
    assert vent in (VENT_OPEN, VENT_CLOSED)
    assert lease_ms in (0, LEASE_MS)
    assert (lease_ms == 0) == wish.outputs.are_safe()
    if pump:
        # With the vent open it would pull nothing, and hide that it runs.
        assert vent == VENT_CLOSED
    if fault:
        assert wish.outputs.are_safe()
    elif state == treatment.TREATING:
        assert wish.outputs.are_safe() == (set_pa == 0 or not is_open)
        if takes_suction:
            assert (pump, feed) == (0, 0)
        if not on_skin:
            assert feed == 0
    elif state == treatment.PROOF:
        assert feed == 0
        if test_fault:
            assert wish.outputs.are_safe()
    elif state == treatment.SERVICE:
        assert pump == 0 or feed == 0 or is_sealed
    else:
        assert wish.outputs.are_safe()


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
