"""The capped-tip proof: what passes it, and everything that must not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import faults, limits, proof
from firmware.proof import NOT_CAPPED, RUNNING, Proof
from firmware.sensing import Sensing
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_START,
    FULL_PERMILLE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    VENT_OPEN,
)
from host_tests.bench import (
    CHECKLIST,
    CLIENT,
    RELEASE_MS,
    Bench,
    bench_settings,
    readings_at,
    supply_raw,
)

TICK_MS = 5
PHASES = ("STILL", "TRIP", "RELEASE", "DRAW", "BLEED", "PULL", "VENTED")


class Line:
    """A capped tip, its pump, vent and nozzle, and the gate of the firmware;
    each of them can be made to fail. Vacuum in Pa, rates in Pa/ms."""

    def __init__(self) -> None:
        self.settings = bench_settings()
        self.proof = Proof(self.settings)
        self.sensing = Sensing(self.settings)
        self.barometer_pa = 101_325
        self.dead_head_pa = 46_000.0  # the most that the pump reaches
        self.rise = 60.0
        self.nozzle = 30.0
        self.vent = 250.0
        self.pump_runs_on = False
        self.gate_obeys = True
        self.is_capped = True
        self.b_reads = 1.0  # part of the vacuum that channel B shows
        self.vacuum_pa = 0.0
        self.peak_pa = 0.0
        self.ticks = 0
        self.phases: list[int] = []

    def step(self, held: int = 1, pressed: int = 0) -> int:
        """One tick; the verdict."""
        wish = self.proof
        takes = self.gate_obeys and wish.test.fault != faults.NONE
        drive = 0 if takes else wish.drive_permille
        is_open = takes or wish.vent != VENT_CLOSED
        if self.pump_runs_on:
            drive = FULL_PERMILLE
        top_pa = self.dead_head_pa if self.is_capped else 700.0
        if is_open and self.vent:
            self.vacuum_pa -= self.vent * TICK_MS
        elif drive:
            self.vacuum_pa += min(self.rise * TICK_MS, top_pa - self.vacuum_pa)
        else:
            self.vacuum_pa -= self.nozzle * TICK_MS
        self.vacuum_pa = max(self.vacuum_pa, 0.0)
        self.peak_pa = max(self.peak_pa, self.vacuum_pa)
        readings = readings_at(self.settings, self.vacuum_pa, self.vacuum_pa * self.b_reads)
        self.ticks += 1
        readings.sensor_supply_raw = supply_raw(self.settings) + (self.ticks & 1)
        readings.main_turns = self.ticks // 4
        readings.barometer_pa = self.barometer_pa
        readings.footswitch = held
        self.sensing.step(readings)
        if wish.phase not in self.phases[-1:]:
            self.phases.append(wish.phase)
        return int(wish.step(readings, self.sensing, held, pressed))

    def run(self, longest_ms: int = 20_000) -> int:
        """Press and hold until there is a verdict."""
        self.step(pressed=1)
        for _ in range(longest_ms // TICK_MS):
            found = self.step()
            if found != RUNNING:
                return found
        raise AssertionError(f"no verdict; phase {self.proof.phase}")

    def run_to(self, phase: int) -> None:
        """Press and hold up to a phase."""
        self.step(pressed=1)
        for _ in range(2_000):
            if self.proof.phase == phase:
                return
            assert self.step() == RUNNING
        raise AssertionError("not reached")


def test_a_sound_device_passes_every_phase_in_its_order() -> None:
    line = Line()
    assert line.run() == faults.NONE
    assert line.phases == [proof.WAITING, *(getattr(proof, name) for name in PHASES)]
    assert line.proof.available_level == 10
    assert 0 < line.proof.released_ms <= limits.VENTED_MS
    assert line.peak_pa < limits.HARD_VACUUM_PA
    assert (line.proof.drive_permille, line.proof.vent) == (0, VENT_OPEN)
    assert line.run() == faults.NONE  # and again, before the next treatment


def attributes(**values: object) -> Callable[[Line], None]:
    def set_them(line: Line) -> None:
        for name, value in values.items():
            setattr(line, name, value)

    return set_them


def blind(line: Line) -> None:
    """The test instance does not see what it should: as if its code were gone."""
    line.proof.test.step = lambda *_: None  # type: ignore[method-assign, assignment]


def raise_threshold(line: Line) -> None:
    """A bit of the test instance's threshold has flipped: it trips too late."""
    for channel in (line.proof.test.a, line.proof.test.b):
        channel._hard_ratio = channel.ratio(30_000)
        channel._hard_check = ~channel._hard_ratio


FAILURES = [
    ("the pump runs although it is off", "STILL", attributes(pump_runs_on=True),
     faults.PUMP_STUCK),
    ("the protection does not look", "TRIP", blind, faults.PROTECTION_FAILED),
    ("the protection trips too late", "TRIP", raise_threshold, faults.PROTECTION_FAILED),
    ("channel B does not see it", "TRIP", attributes(b_reads=0.5), faults.PROTECTION_FAILED),
    ("channel A does not see it", "TRIP", attributes(b_reads=2.0), faults.PROTECTION_FAILED),
    ("the gate does not obey", "RELEASE", attributes(gate_obeys=False),
     faults.PROTECTION_FAILED),
    ("the vent does not release the trip", "RELEASE", attributes(vent=1.0), faults.VENT_FAILED),
    ("the pump cannot draw half", "DRAW", attributes(dead_head_pa=19_000.0), faults.PUMP_WEAK),
    ("the nozzle is clogged", "BLEED", attributes(nozzle=0.0), faults.NOZZLE_CLOGGED),
    ("the nozzle is nearly clogged", "BLEED", attributes(nozzle=3.0), faults.NOZZLE_CLOGGED),
    ("the pump does not stop for the bleed", "BLEED", attributes(pump_runs_on=True),
     faults.NOZZLE_CLOGGED),
    ("the pump is weak", "PULL", attributes(dead_head_pa=34_000.0), faults.PUMP_WEAK),
    ("the vent does not release it all", "VENTED", attributes(vent=1.0), faults.VENT_FAILED),
    ("the vent is stuck shut", "VENTED", attributes(vent=0.0, nozzle=0.0), faults.VENT_FAILED),
]


@pytest.mark.parametrize(
    ("phase", "fail", "fault"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
def test_what_fails_is_found_in_its_phase(
    phase: str, fail: Callable[[Line], None], fault: int
) -> None:
    line = Line()
    line.run_to(getattr(proof, phase))
    fail(line)
    found = RUNNING
    for _ in range(2_000):
        assert line.proof.phase in (getattr(proof, phase), proof.WAITING)
        found = line.step()
        if found != RUNNING:
            break
    assert found == fault
    # It wants nothing any more, and nothing is proved.
    assert (line.proof.drive_permille, line.proof.vent) == (0, VENT_OPEN)
    assert line.proof.available_level == 0


def test_a_gate_that_does_not_obey_is_found_before_the_hard_limit() -> None:
    line = Line()
    line.gate_obeys = False
    assert line.run() == faults.PROTECTION_FAILED
    assert line.peak_pa < 25_000


def test_a_tip_that_is_not_capped_is_told_apart_from_a_fault() -> None:
    line = Line()
    line.is_capped = False
    assert line.run() == NOT_CAPPED
    assert (line.proof.drive_permille, line.proof.vent) == (0, VENT_OPEN)
    line.is_capped = True
    assert line.run() == faults.NONE


@pytest.mark.parametrize("phase", PHASES)
def test_lifting_the_foot_ends_the_proof_in_its_tick(phase: str) -> None:
    line = Line()
    line.run_to(getattr(proof, phase))
    assert line.step(held=0) == RUNNING
    wish = line.proof
    assert (wish.phase, wish.drive_permille, wish.vent) == (proof.WAITING, 0, VENT_OPEN)
    for _ in range(200):  # holding on is not a fresh press
        assert line.step() == RUNNING
        assert wish.phase == proof.WAITING
    assert line.run() == faults.NONE


@pytest.mark.parametrize(
    ("barometer_pa", "is_weak"), [(101_325, True), (84_000, True), (72_000, False)]
)
def test_the_air_pressure_tells_a_weak_pump_from_high_ground(
    barometer_pa: int, is_weak: bool
) -> None:
    line = Line()
    line.barometer_pa = barometer_pa
    line.dead_head_pa = 31_000.0
    assert line.run() == (faults.PUMP_WEAK if is_weak else faults.NONE)
    if not is_weak:
        assert line.proof.available_level == 6  # 27 kPa, and a tenth in reserve


@given(st.integers(20_500, 44_000), st.integers(0, 4_000))
def test_no_level_is_available_that_was_not_reached(dead_head_pa: int, share: int) -> None:
    line = Line()
    line.dead_head_pa = float(dead_head_pa)
    line.barometer_pa = 60_000 + share
    found = line.run()
    level = line.proof.available_level
    if found == faults.NONE:
        if level:
            assert limits.LEVEL_VACUUM_PA[level - 1] < line.peak_pa
        if level < 10:
            # The next one is out of reach, or in reach without its reserve.
            assert limits.LEVEL_VACUUM_PA[level] > line.peak_pa * 0.9 - 100
        assert line.proof.reached_pa <= line.peak_pa + 50
    else:
        assert (found, level) == (faults.PUMP_WEAK, 0)


# On the whole core ----------------------------------------------------------------


def proving() -> Bench:
    bench = Bench()
    bench.to_standby()
    bench.tick(COMMAND_START)
    bench.tick(COMMAND_CLIENT, CLIENT)
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    bench.run(RELEASE_MS)
    assert bench.state == "PROOF"
    return bench


def proving_in(phase: str) -> Bench:
    bench = proving()
    bench.footswitch = SWITCH_PRESSED
    bench.run_until(lambda: bench.controller.proof.phase == getattr(proof, phase))
    return bench


def test_the_proof_never_commands_crystals_and_opens_no_pass() -> None:
    bench = proving()
    bench.on_skin = True

    def look(bench: Bench) -> None:
        assert bench.app.outputs.feed_permille == 0
        assert bench.board.feed_permille == 0
        assert not bench.controller.passes.is_open
        assert bench.controller.treatment.set_pa == 0

    bench.after_tick = look
    bench.footswitch = SWITCH_PRESSED
    bench.run_until(lambda: bench.state == "READY", 10_000)


def test_the_trip_takes_the_outputs_away_in_its_tick() -> None:
    bench = proving_in("TRIP")
    bench.run_until(lambda: bench.controller.proof.phase == proof.RELEASE)
    assert bench.controller.proof.drive_permille == FULL_PERMILLE  # the wish stays
    assert bench.board.is_safe()


@pytest.mark.parametrize("phase", PHASES)
def test_letting_go_is_safe_in_every_phase(phase: str) -> None:
    bench = proving_in(phase)
    bench.footswitch = SWITCH_RELEASED
    bench.tick()
    assert bench.board.is_safe()
    bench.run(2_000)
    assert (bench.state, bench.board.is_safe()) == ("PROOF", True)
    bench.prove()


@pytest.mark.parametrize("phase", ["WAITING", *PHASES])
def test_end_leaves_the_proof_in_every_phase(phase: str) -> None:
    bench = proving()
    if phase != "WAITING":
        bench = proving_in(phase)
    bench.tick(COMMAND_END)
    assert (bench.state, bench.board.is_safe()) == ("STANDBY", True)
    bench.footswitch = SWITCH_RELEASED
    bench.run(500)
    bench.to_ready()


@pytest.mark.parametrize("phase", PHASES)
def test_the_real_protection_watches_in_every_phase(phase: str) -> None:
    bench = proving_in(phase)
    bench.vacuum_pa = 46_000.0
    bench.run(10)
    assert (bench.state, bench.fault) == ("FAULT", faults.OVER_VACUUM)
    assert bench.board.is_safe()


def test_a_proof_that_was_broken_off_begins_afresh() -> None:
    bench = proving_in("PULL")
    bench.controller.protection.latch(faults.SENSOR_DISAGREEMENT)
    bench.footswitch = SWITCH_RELEASED
    bench.run(RELEASE_MS)
    bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run_until(lambda: bench.state == "CHECKLIST")
    bench.confirm()


def test_nothing_is_proved_by_the_proof_of_the_last_session() -> None:
    bench = Bench()
    bench.to_ready()
    assert bench.controller.plan.available_level == 10
    bench.tick(COMMAND_END)
    bench.tick(COMMAND_START)
    bench.tick(COMMAND_START)
    assert bench.state == "CHECKLIST"
    assert bench.controller.plan.available_level == 0
