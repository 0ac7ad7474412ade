"""A treatment in which anything may happen, and what must hold in every tick.

`MOVES` draws what people, sensors and boards may do, in any order; `Watch`
looks at every tick of a bench with its own idea of what is safe.
"""

from typing import Any

from hypothesis import strategies as st

from firmware import faults, limits
from firmware.limits import LEVEL_VACUUM_PA, PASSES_PER_ZONE
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
    FULL_PERMILLE,
    LEASE_MS,
    MOTION_MOVING,
    MOTION_STILL,
    MOTION_UNKNOWN,
    RAW_FULL_SCALE,
    STEP_DOWN,
    STEP_UP,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    VENT_OPEN,
)
from hal.mock import FAULTS
from host_tests.bench import (
    CHECKLIST,
    CLIENT,
    RELEASE_MS,
    Bench,
    bench_settings,
    supply_raw,
    zone_of,
)
from host_tests.core_strategies import SMALL_HIGHEST, SMALL_LOWEST

Move = tuple[Any, ...]

# Injected into the board; the storage is left alone, so that treatments begin.
_FAULTS = [row[0] for row in FAULTS if row[0] != "storage_refuses"]

_COMMANDS = [
    (COMMAND_START, 0),
    *((COMMAND_CONFIRM, item) for item in (*CHECKLIST, CONFIRM_ALL)),
    *((COMMAND_SELECT_ZONE, zone) for zone in (0, 1, 2, 255)),
    (COMMAND_PASS_DONE, 0),
    (COMMAND_SAME_PASS, 0),
    (COMMAND_END, 0),
    (COMMAND_ACKNOWLEDGE, 0),
    *((COMMAND_CLIENT, who) for who in (1, 4, 6, 3 | CLIENT_FIRST_SESSION, 0, 255)),
    *((COMMAND_LEVEL, step) for step in (STEP_UP, STEP_DOWN, 0)),
    *((COMMAND_FLOW, step) for step in (STEP_UP, STEP_DOWN, 0)),
    (COMMAND_EXTEND, 0),
    (COMMAND_SERVICE, 0),
    (COMMAND_RUN_PUMP, 255),
    (COMMAND_RUN_FEED, 50),
    (COMMAND_RUN_CRYSTALS, 50),
    (COMMAND_CLOSE_VENT, 0),
    (COMMAND_REPAIRED, 0),
    (COMMAND_RESTART, 0),
    (77, 0),
]

# Found by the firmware itself, and kept until SERVICE forgets them.
_SERVICE_FAULTS = [row[0] for row in faults.CATALOGUE if row[3] == faults.EXIT_SERVICE]

# Near the end of which time a jump may lead: an attribute of a part, and its limit.
_TIMES = {
    "session": ("treatment", "session_ms", limits.SESSION_MS),
    "pump": ("pump_rest", "on_ms", limits.PUMP_ON_MS),
    "overdue": ("pump_rest", "on_ms", limits.PUMP_ON_LONGEST_MS),
    "rest": ("pump_rest", "off_ms", limits.PUMP_REST_MS),
    "idle": ("treatment", "_idle_ms", limits.IDLE_MS),
    "held": ("treatment", "_held_ms", limits.FOOTSWITCH_HELD_MS),
}

MOVE: st.SearchStrategy[Move] = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 120)),
    st.tuples(st.just("press")),
    st.tuples(st.just("press")),
    st.tuples(st.just("stroke"), st.integers(40, 120)),
    st.tuples(st.just("stroke"), st.integers(40, 120)),
    st.tuples(st.just("skin"), st.booleans()),
    st.tuples(st.just("foot"), st.sampled_from((SWITCH_RELEASED, SWITCH_PRESSED))),
    st.tuples(st.just("command"), st.sampled_from(_COMMANDS)),
    st.tuples(
        st.just("vacuum"),
        st.one_of(st.none(), st.sampled_from((0.0, 31e3, 44.9e3, 46e3)), st.floats(-9e4, 2e5)),
        st.one_of(st.none(), st.none(), st.floats(-9e4, 2e5)),
    ),
    st.tuples(st.just("supply"), st.one_of(st.just(-1), st.integers(0, RAW_FULL_SCALE))),
    st.tuples(st.just("inject"), st.sampled_from(_FAULTS)),
    st.tuples(st.just("late"), st.integers(1, 400)),
    st.tuples(st.just("main loop"), st.booleans()),
    st.tuples(st.just("motion"), st.sampled_from((MOTION_UNKNOWN, MOTION_STILL, MOTION_MOVING))),
    st.tuples(st.just("fault"), st.sampled_from(_SERVICE_FAULTS)),
    st.tuples(st.just("time"), st.sampled_from(sorted(_TIMES)), st.integers(0, 400)),
    st.tuples(st.just("proof"), st.integers(1, 900)),
    st.tuples(st.just("power cut")),
    st.tuples(st.just("recover")),
    st.tuples(st.just("recover")),
)
MOVES = st.lists(MOVE, max_size=40)


def any_bench() -> Bench:
    """Short passes of few crystals, so that everything that ends them happens."""
    return Bench(
        bench_settings(
            (
                zone_of("chin", level=6, flow_mg_min=20_000, pass_time_ms=5_000,
                        pass_crystals_mg=500),
                zone_of("neck", level=1, flow_mg_min=0, passes=2, pass_time_ms=5_000),
            ),
            session_ms=60_000,
            pass_gap_ms=2_000,
        )
    )


def make(bench: Bench, move: Move) -> None:
    """Make one move, and the restart that may have come of it."""
    _make(bench, move)
    restart(bench)


def restart(bench: Bench) -> None:
    """Restart as the firmware has asked its board to, if it has."""
    if bench.board.restarts:
        bench.power_on(bench.board.restarts[0])


def _make(bench: Bench, move: Move) -> None:
    kind = move[0]
    if kind == "wait":
        for _ in range(move[1]):
            bench.tick()
    elif kind == "press":
        bench.footswitch = SWITCH_RELEASED
        bench.run(RELEASE_MS)
        bench.footswitch = SWITCH_PRESSED
        bench.run(60)
    elif kind == "stroke":
        bench.on_skin = True
        _make(bench, ("wait", move[1]))
        bench.on_skin = False
        bench.run(100)
    elif kind == "skin":
        bench.on_skin = move[1]
    elif kind == "foot":
        bench.footswitch = move[1]
    elif kind == "command":
        bench.tick(*move[1])
    elif kind == "vacuum":
        bench.vacuum_pa, bench.vacuum_b_pa = move[1:]
        bench.run(20)
    elif kind == "supply":
        bench.supply = supply_raw(bench.settings) if move[1] < 0 else move[1]
        bench.run(20)
    elif kind == "inject":
        bench.board.inject(move[1])
        bench.run(20)
    elif kind == "late":
        bench.board.advance(move[1])
        bench.tick()
    elif kind == "main loop":
        bench.main_loop_runs = move[1]
    elif kind == "motion":
        bench.board.motion = move[1]
    elif kind == "fault":
        bench.controller.protection.latch(move[1])
        bench.tick()
    elif kind == "time":
        part, name, limit_ms = _TIMES[move[1]]
        near_ms = limit_ms - move[2]
        if near_ms > getattr(getattr(bench.controller, part), name):
            setattr(getattr(bench.controller, part), name, near_ms)
    elif kind == "proof":
        # To the proof, and some way into it.
        recover(bench, proving=False)
        bench.run(RELEASE_MS)
        bench.footswitch = SWITCH_PRESSED
        _make(bench, ("wait", move[1]))
    elif kind == "power cut":
        bench.power_on()
    elif kind == "recover":
        recover(bench)


def recover(bench: Bench, proving: bool = True) -> None:
    """Put right what is wrong, and work the panel as one should; up to the
    proof, or through it."""
    for name in _FAULTS:
        bench.board.clear(name)
    bench.vacuum_pa = bench.vacuum_b_pa = None
    bench.supply = supply_raw(bench.settings)
    bench.footswitch = SWITCH_RELEASED
    bench.main_loop_runs = True
    bench.run(RELEASE_MS + 20)
    restart(bench)
    if bench.state == "FAULT":
        leave = faults.CATALOGUE[bench.fault][3]
        bench.tick(COMMAND_SERVICE if leave == faults.EXIT_SERVICE else COMMAND_ACKNOWLEDGE)
        bench.run(20)
        restart(bench)
        bench.run(20)
    if bench.state == "SERVICE":
        bench.tick(COMMAND_ACKNOWLEDGE)
        bench.tick(COMMAND_REPAIRED)
        bench.run(20)
        bench.tick(COMMAND_RESTART)
        bench.run(20)
        restart(bench)
    bench.run(1_000)
    if bench.state == "RESTING":
        bench.controller.pump_rest.off_ms = limits.PUMP_REST_MS
        bench.run(20)
    if bench.state == "COMPLETE":
        bench.tick(COMMAND_START)
    if bench.state == "STANDBY":
        bench.tick(COMMAND_START)
    if bench.state == "CHECKLIST":
        bench.tick(COMMAND_CLIENT, CLIENT)
        for item in CHECKLIST:
            bench.tick(COMMAND_CONFIRM, item)
    if bench.state == "PROOF" and proving:
        bench.prove()
    if bench.state == "ZONE_DONE":
        bench.tick(COMMAND_SELECT_ZONE, 1 - bench.controller.passes.zone)


def highest_level(level: int, client: int) -> int:
    """The highest level of a zone for a client, by the words of `limits.py`."""
    if client & ~CLIENT_FIRST_SESSION >= 4:
        level -= 2
    if client & CLIENT_FIRST_SESSION:
        level = min(level, 5)
    return max(level, 1)


class Watch:
    """Looks at every tick of a bench. `seen` is what came to pass."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.seen: set[str] = set()
        self.session = bench.controller.passes.session
        self.opened = bytes(bench.controller.passes.opened)
        self.session_ms = 0
        self._power_on()
        bench.after_tick = self.look

    def _power_on(self) -> None:
        bench = self.bench
        self.app = bench.app
        self.confirmed = 0
        self.client = 0
        self.proved_pa = 0.0  # most vacuum on the cap, in the proof that was passed
        self.has_proved = False
        self.in_proof = 0  # ticks of the proof with the foot down
        self.state = bench.state
        self.fault = bench.fault
        self.session_ms = bench.controller.treatment.session_ms

    def look(self, bench: Bench) -> None:
        """What must hold after a tick."""
        if bench.app is not self.app:
            self._power_on()
        app, controller = bench.app, bench.controller
        outputs = app.outputs
        assert app.error is None
        self._note_checklist()
        self._note_proof()
        self.seen.add(bench.state)
        if bench.fault:
            self.seen.add(faults.CATALOGUE[bench.fault][1])

        assert 0 <= outputs.pump_permille <= FULL_PERMILLE
        assert 0 <= outputs.feed_permille <= FULL_PERMILLE
        assert outputs.vent in (VENT_OPEN, VENT_CLOSED)
        assert outputs.lease_ms in (0, LEASE_MS)
        assert (outputs.lease_ms == 0) == outputs.are_safe()
        if outputs.feed_permille and bench.state != "SERVICE":
            assert controller.contact.on_skin
            assert outputs.vent == VENT_CLOSED

        if bench.fault or bench.state not in ("TREATING", "PROOF", "SERVICE"):
            assert outputs.are_safe()
            assert bench.board.is_safe()
        elif bench.state == "TREATING":
            self._look_at_treating()
        elif bench.state == "PROOF":
            self._look_at_proof()
        else:
            self._look_at_service()

        self._look_at_fault()
        self.fault = bench.fault
        self.state = bench.state
        self._look_at_counts()
        if bench.ticks % 50 == 0:
            self.look_at_state()

    def _look_at_treating(self) -> None:
        bench = self.bench
        app, controller = bench.app, bench.controller
        passes, wish, readings = controller.passes, controller.treatment, app.readings
        zone = bench.settings.zones[passes.zone]
        assert readings.footswitch == SWITCH_PRESSED
        assert passes.is_open
        assert 1 <= passes.number() <= min(PASSES_PER_ZONE, zone.passes)
        assert passes.zone_crystals_mg[passes.zone] < zone.dose_mg
        assert readings.committed_sequence == passes.sequence
        assert self.confirmed == CONFIRM_ALL
        assert self.client
        assert self.has_proved
        assert self.state in ("TREATING", "READY", "PAUSED")
        assert 1 <= wish.level <= highest_level(zone.level, self.client)
        assert wish.set_pa == LEVEL_VACUUM_PA[wish.level - 1] < self.proved_pa
        assert 0 <= wish.flow_mg_min <= zone.flow_mg_min
        assert wish.session_ms < wish.session_limit_ms <= limits.SESSION_MS
        if app.outputs.feed_permille:
            self.seen.add("crystals")

    def _look_at_proof(self) -> None:
        bench = self.bench
        controller, outputs = bench.controller, bench.app.outputs
        assert self.confirmed == CONFIRM_ALL
        assert self.client
        assert outputs.feed_permille == 0
        assert bench.board.feed_permille == 0
        assert not controller.passes.is_open
        if not outputs.are_safe():
            assert bench.app.readings.footswitch == SWITCH_PRESSED
            assert controller.proof.test.fault == faults.NONE
            self.seen.add("proof")

    def _look_at_service(self) -> None:
        outputs = self.bench.app.outputs
        assert not (outputs.pump_permille and outputs.feed_permille)
        assert outputs.pump_permille <= limits.SERVICE_PUMP_PERMILLE
        assert outputs.feed_permille <= limits.SERVICE_FEED_PERMILLE
        if not outputs.are_safe():
            self.seen.add("service")

    def _look_at_fault(self) -> None:
        bench = self.bench
        if self.fault and not bench.fault:
            # Only an acknowledge takes a fault back, and only towards a self-test;
            # in SERVICE, towards the technician who caused it.
            assert bench.app.command == COMMAND_ACKNOWLEDGE
            if bench.state != "SERVICE":
                assert faults.CATALOGUE[self.fault][3] == faults.EXIT_SELF_TEST
                assert bench.app.readings.footswitch == SWITCH_RELEASED
                assert bench.state == "SELF_TEST"
        elif self.fault:
            assert bench.fault == self.fault
        if self.state == "SERVICE":
            assert bench.state == "SERVICE"  # left by a restart alone
        elif self.state != "BOOT":
            assert bench.state != "SERVICE"

    def _note_checklist(self) -> None:
        app = self.bench.app
        if self.state in ("STANDBY", "SELF_TEST", "FAULT", "COMPLETE", "BOOT"):
            self.confirmed = 0
            self.client = 0
            self.has_proved = False
        elif self.state == "CHECKLIST":
            if app.command == COMMAND_CONFIRM:
                self.confirmed |= app.argument & CONFIRM_ALL
            elif (
                app.command == COMMAND_CLIENT
                and 1 <= app.argument & ~CLIENT_FIRST_SESSION <= 6
            ):
                self.client = app.argument

    def _note_proof(self) -> None:
        """A proof takes a while with the foot down, and shows a vacuum."""
        bench = self.bench
        if self.state == "PROOF" and bench.app.readings.footswitch == SWITCH_PRESSED:
            self.in_proof += 1
            self.proved_pa = max(self.proved_pa, bench.vacuum_now_pa(), bench.capped_pa)
            if bench.state == "READY":
                assert self.in_proof * bench.settings.tick_period_ms > 1_000
                self.has_proved = True
        else:
            self.in_proof = 0
            if self.state == "PROOF" or not self.has_proved:
                self.proved_pa = 0.0

    def _look_at_counts(self) -> None:
        passes = self.bench.controller.passes
        opened = bytes(passes.opened)
        if passes.session == self.session:
            assert all(now >= before for now, before in zip(opened, self.opened, strict=True))
            assert self.bench.controller.treatment.session_ms >= self.session_ms
        assert max(opened) <= limits.PASSES_PER_ZONE
        self.session_ms = self.bench.controller.treatment.session_ms
        self.session = passes.session
        self.opened = opened

    def look_at_state(self) -> None:
        """Nothing of the state is near the end of the small integers."""
        for part in self.bench.controller.parts:
            for name in part.STATE:
                value = getattr(part, name)
                for item in (value,) if isinstance(value, int) else value:
                    assert SMALL_LOWEST <= item <= SMALL_HIGHEST, f"{name} is {item}"
