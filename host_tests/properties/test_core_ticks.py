"""The whole core, tick by tick, under anything that may happen."""

import random

from hypothesis import given
from hypothesis import strategies as st

from firmware import faults
from firmware.controller import Controller
from firmware.settings import Settings
from firmware.treatment import STATES
from hal.contract import (
    COMMAND_LAST,
    DT_HIGHEST_MS,
    LEASE_MS,
    RAW_FULL_SCALE,
    SWITCH_PRESSED,
    VENT_CLOSED,
    VENT_OPEN,
    Outputs,
    Readings,
)
from host_tests.any_treatment import MOVES, Move, Watch, any_bench, make, recover
from host_tests.core_strategies import accepted_settings, edges, small, watch


@given(MOVES)
def test_from_power_on_anything_may_happen(moves: list[Move]) -> None:
    bench = any_bench()
    Watch(bench)
    for move in moves:
        make(bench, move)


@given(MOVES)
def test_from_a_treatment_under_way_anything_may_happen(moves: list[Move]) -> None:
    bench = any_bench()
    look = Watch(bench)
    bench.to_skin()
    for move in moves:
        make(bench, move)
    look.look_at_state()


@given(MOVES)
def test_no_number_leaves_the_small_integers(moves: list[Move]) -> None:
    bench = any_bench()
    for part in bench.controller.parts:
        watch(part)
    bench.to_skin()
    for move in moves:
        make(bench, move)
    assert bench.app.error is None


def test_enough_happens_for_that_to_mean_something() -> None:
    # The moves above, drawn by plain chance: do they get everywhere?
    seen: set[str] = set()
    kinds = ["press", "stroke", "recover"] * 3
    kinds += ["vacuum", "end", "supply", "late", "wait", "inject"]
    kinds += ["service", "pump", "fault", "time"]
    for seed in range(12):
        chance = random.Random(seed)
        bench = any_bench()
        look = Watch(bench)
        bench.to_skin()
        for _ in range(40):
            kind = chance.choice(kinds)
            vacuum_pa = chance.choice((None, 31e3, 46e3, 2e5, -9e4))
            move = {
                "press": ("press",),
                "stroke": ("stroke", 120),
                "recover": ("recover",),
                "vacuum": ("vacuum", vacuum_pa, chance.choice((None, None, 1e4))),
                "end": ("command", (chance.choice((4, 5, 6)), 0)),
                "supply": ("supply", chance.choice((-1, 0, 40_000))),
                "late": ("late", 100),
                "wait": ("wait", 100),
                "inject": ("inject", chance.choice(("tick_late", "vacuum_b_short"))),
                "service": ("command", (12, 0)),
                "pump": ("command", (13, 50)),
                "fault": ("fault", faults.VENT_FAILED),
                "time": ("time", "pump", 0),
            }[kind]
            make(bench, move)
        recover(bench)
        seen |= look.seen
    assert seen >= set(STATES) - {"BOOT"} | {"crystals", "proof", "service"}
    assert seen >= {
        "OVER_VACUUM",
        "SENSOR_A_RANGE",
        "SENSOR_B_RANGE",
        "SENSOR_SUPPLY",
        "TICK_OVERRUN",
        "VENT_FAILED",
    }


READING = st.fixed_dictionaries(
    {
        "now_ms": edges(0, 2**29 - 1),
        "dt_ms": edges(1, DT_HIGHEST_MS),
        "vacuum_a_raw": edges(0, RAW_FULL_SCALE),
        "vacuum_b_raw": edges(0, RAW_FULL_SCALE),
        "sensor_supply_raw": edges(0, RAW_FULL_SCALE),
        "barometer_pa": edges(0, 2**20),
        "barometer_age_ms": edges(0, 60_000),
        "footswitch": st.integers(0, 1),
        "main_turns": edges(0, 0xFFFF),
        "committed_sequence": edges(0, 0xFFFF),
        "motion": st.integers(0, 2),
        "main_fault": st.sampled_from([row[0] for row in faults.CATALOGUE]),
    }
)
STARTS = st.sampled_from(range(len(STATES)))


def in_any_state(settings: Settings, state: int, phase: int, fault: int) -> Controller:
    """A core put into a state by force, as if memory had been struck."""
    controller = Controller(settings, b"", 0)
    controller.passes.begin_session()
    controller.proof._enter(phase, 1_000, VENT_CLOSED)
    controller.service.step(13, 100, controller.sensing, 0)
    controller.passes.open_next()
    controller.treatment._treat()
    controller.treatment.state = state
    controller.protection.fault = fault
    return controller


@given(
    accepted_settings(),
    STARTS,
    st.integers(0, 7),
    st.sampled_from([row[0] for row in faults.CATALOGUE]),
    st.lists(
        st.tuples(READING, edges(0, COMMAND_LAST + 1), edges(0, 255)), min_size=1, max_size=12
    ),
)
def test_any_readings_in_any_state_give_outputs_in_range(
    settings: Settings,
    state: int,
    phase: int,
    fault: int,
    ticks: list[tuple[dict[str, int], int, int]],
) -> None:
    controller = in_any_state(settings, state, phase, fault)
    for part in controller.parts:
        watch(part)
    readings = Readings()
    outputs = Outputs()
    for fields, command, argument in ticks:
        for name, value in fields.items():
            setattr(readings, name, small(value))
        controller.step(readings, command, argument, outputs)
        assert 0 <= outputs.pump_permille <= 1000
        assert 0 <= outputs.feed_permille <= 1000
        assert outputs.vent in (VENT_OPEN, VENT_CLOSED)
        assert outputs.lease_ms == (0 if outputs.are_safe() else LEASE_MS)
        now = STATES[controller.treatment.state]
        if controller.protection.fault or now not in ("TREATING", "PROOF", "SERVICE"):
            assert outputs.are_safe()
        if now != "SERVICE" and readings.footswitch != SWITCH_PRESSED:
            assert outputs.are_safe()
        if outputs.feed_permille and now != "SERVICE":
            assert now == "TREATING"
            assert controller.contact.on_skin
        assert not (now == "SERVICE" and outputs.feed_permille and outputs.pump_permille)
