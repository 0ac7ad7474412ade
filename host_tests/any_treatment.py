"""A treatment in which anything may happen, and what must hold in every tick.

`MOVES` draws what people, sensors and boards may do, in any order; `Watch`
looks at every tick of a bench with its own idea of what is safe.
"""

from typing import Any

from hypothesis import strategies as st

from firmware import faults, limits
from firmware.limits import PASSES_PER_ZONE
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_PASS_DONE,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
    CONFIRM_ALL,
    FULL_PERMILLE,
    LEASE_MS,
    RAW_FULL_SCALE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    VENT_OPEN,
)
from hal.mock import FAULTS
from host_tests.bench import CHECKLIST, RELEASE_MS, Bench, bench_settings, supply_raw, zone_of
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
    (77, 0),
]

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
    """Make one move."""
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
        make(bench, ("wait", move[1]))
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
    elif kind == "recover":
        recover(bench)


def recover(bench: Bench) -> None:
    """Put right what is wrong, and work the panel as one should."""
    for name in _FAULTS:
        bench.board.clear(name)
    bench.vacuum_pa = bench.vacuum_b_pa = None
    bench.supply = supply_raw(bench.settings)
    bench.footswitch = SWITCH_RELEASED
    bench.main_loop_runs = True
    bench.run(RELEASE_MS + 20)
    if bench.state == "FAULT":
        bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run(1_000)
    if bench.state == "COMPLETE":
        bench.tick(COMMAND_START)
    if bench.state == "STANDBY":
        bench.tick(COMMAND_START)
    if bench.state == "CHECKLIST":
        for item in CHECKLIST:
            bench.tick(COMMAND_CONFIRM, item)
    if bench.state == "ZONE_DONE":
        bench.tick(COMMAND_SELECT_ZONE, 1 - bench.controller.passes.zone)


class Watch:
    """Looks at every tick of a bench. `seen` is what came to pass."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.seen: set[str] = set()
        self.confirmed = 0
        self.state = bench.state
        self.fault = bench.fault
        self.session = bench.controller.passes.session
        self.opened = bytes(bench.controller.passes.opened)
        bench.after_tick = self.look

    def look(self, bench: Bench) -> None:
        """What must hold after a tick."""
        app, controller = bench.app, bench.controller
        outputs, readings = app.outputs, app.readings
        assert app.error is None
        self._note_checklist()
        self.seen.add(bench.state)
        if bench.fault:
            self.seen.add(faults.CATALOGUE[bench.fault][1])

        assert 0 <= outputs.pump_permille <= FULL_PERMILLE
        assert 0 <= outputs.feed_permille <= FULL_PERMILLE
        assert outputs.vent in (VENT_OPEN, VENT_CLOSED)
        assert outputs.lease_ms in (0, LEASE_MS)
        assert (outputs.lease_ms == 0) == outputs.are_safe()
        if outputs.feed_permille:
            assert controller.contact.on_skin
            assert outputs.vent == VENT_CLOSED

        if bench.fault or bench.state != "TREATING":
            assert outputs.are_safe()
            assert bench.board.is_safe()
        if bench.state == "TREATING":
            passes = controller.passes
            assert readings.footswitch == SWITCH_PRESSED
            assert passes.is_open
            assert 1 <= passes.number() <= min(
                PASSES_PER_ZONE, bench.settings.zones[passes.zone].passes
            )
            assert readings.committed_sequence == passes.sequence
            assert self.confirmed == CONFIRM_ALL
            assert self.state in ("TREATING", "READY", "PAUSED")
            assert controller.treatment.session_ms < bench.settings.session_ms
            if outputs.feed_permille:
                self.seen.add("crystals")

        if self.fault and not bench.fault:
            # Only an acknowledge takes a fault back, and only towards a self-test.
            assert app.command == COMMAND_ACKNOWLEDGE
            assert readings.footswitch == SWITCH_RELEASED
            assert bench.state == "SELF_TEST"
        elif self.fault:
            assert bench.fault == self.fault
        self.fault = bench.fault
        self.state = bench.state
        self._look_at_counts()
        if bench.ticks % 50 == 0:
            self.look_at_state()

    def _note_checklist(self) -> None:
        app = self.bench.app
        if self.state in ("STANDBY", "SELF_TEST"):
            self.confirmed = 0
        elif self.state == "CHECKLIST" and app.command == COMMAND_CONFIRM:
            self.confirmed |= app.argument & CONFIRM_ALL

    def _look_at_counts(self) -> None:
        passes = self.bench.controller.passes
        opened = bytes(passes.opened)
        if passes.session == self.session:
            assert all(now >= before for now, before in zip(opened, self.opened, strict=True))
        assert max(opened) <= limits.PASSES_PER_ZONE
        self.session = passes.session
        self.opened = opened

    def look_at_state(self) -> None:
        """Nothing of the state is near the end of the small integers."""
        for part in self.bench.controller.parts:
            for name in part.STATE:
                value = getattr(part, name)
                for item in (value,) if isinstance(value, int) else value:
                    assert SMALL_LOWEST <= item <= SMALL_HIGHEST, f"{name} is {item}"
