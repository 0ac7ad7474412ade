"""From full suction with crystals on the skin, everything that can go wrong
ends in safe outputs, within its time."""

from collections.abc import Callable

import pytest

from firmware import faults, limits, proof
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_END,
    COMMAND_PASS_DONE,
    COMMAND_RUN_CRYSTALS,
    COMMAND_RUN_FEED,
    COMMAND_RUN_PUMP,
    LEASE_MS,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_OPEN,
    Outputs,
    Readings,
)
from host_tests.bench import RELEASE_MS, TURN_TICKS, Bench, bench_settings, zone_of

TICK_MS = 5


def full_suction() -> Bench:
    """Level 10, on the skin, crystals flowing."""
    bench = Bench(bench_settings([zone_of(level=10, flow_mg_min=20_000)]))
    bench.to_skin()
    bench.run(1_000)
    assert bench.board.pump_permille > 0
    assert bench.board.feed_permille == 1000
    assert bench.board.vent != VENT_OPEN
    return bench


def inject(name: str) -> Callable[[Bench], None]:
    return lambda bench: bench.board.inject(name)


def command(number: int) -> Callable[[Bench], None]:
    def post(bench: Bench) -> None:
        assert bench.app.post(number)

    return post


def attributes(**values: object) -> Callable[[Bench], None]:
    def set_them(bench: Bench) -> None:
        for name, value in values.items():
            setattr(bench, name, value)

    return set_them


def corrupt_state(bench: Bench) -> None:
    bench.controller.treatment.state = 77


def break_the_core(bench: Bench) -> None:
    bench.controller.treatment.step = None  # type: ignore[assignment, method-assign]


def end_the_session_time(bench: Bench) -> None:
    bench.controller.treatment.session_ms = bench.settings.session_ms


def reach_90_minutes(bench: Bench) -> None:
    bench.controller.treatment.session_limit_ms = 2 * limits.SESSION_MS
    bench.controller.treatment.session_ms = limits.SESSION_MS


def stay_on_one_spot(bench: Bench) -> None:
    bench.controller.contact.contact_ms = limits.CONTACT_STOP_MS


def spend_the_dose(bench: Bench) -> None:
    bench.controller.passes.zone_crystals_mg[0] = bench.settings.zones[0].dose_mg


def flip_a_count(bench: Bench) -> None:
    bench.controller.passes.opened[0] ^= 2


def flip_the_threshold(bench: Bench) -> None:
    bench.controller.protection.a._hard_ratio ^= 1 << 11


def tell_of_changed_settings(bench: Bench) -> None:
    bench.app.readings.main_fault = faults.MEMORY


# What happens, and in how many ticks the outputs must be safe.
WAYS: list[tuple[str, Callable[[Bench], None], int]] = [
    ("footswitch released", attributes(footswitch=SWITCH_RELEASED), 1),
    ("footswitch wire broken", inject("footswitch_stuck_released"), 1),
    ("PASS DONE", command(COMMAND_PASS_DONE), 1),
    ("END", command(COMMAND_END), 1),
    ("session time over", end_the_session_time, 1),
    ("hard limit", attributes(vacuum_pa=45_000.0), 2),
    ("hard limit on A", attributes(vacuum_pa=45_000.0, vacuum_b_pa=42_000.0), 2),
    ("hard limit on B", attributes(vacuum_pa=42_000.0, vacuum_b_pa=45_000.0), 2),
    ("sensor A open", inject("vacuum_a_open"), 2),
    ("sensor A short", inject("vacuum_a_short"), 2),
    ("sensor B open", inject("vacuum_b_open"), 2),
    ("sensor B short", inject("vacuum_b_short"), 2),
    ("sensor supply lost", inject("sensor_supply_open"), 2),
    ("late ticks", inject("tick_late"), 2),
    ("channels disagree", attributes(vacuum_pa=40_000.0, vacuum_b_pa=30_000.0), 20),
    ("soft over-vacuum", attributes(vacuum_pa=44_500.0), 100),
    (
        "main loop stops",
        attributes(main_loop_runs=False),
        limits.MAIN_LOOP_SILENCE_MS // TICK_MS + TURN_TICKS,
    ),
    ("90 minutes", reach_90_minutes, 1),
    ("one spot too long", stay_on_one_spot, 1),
    ("the dose is spent", spend_the_dose, 1),
    ("a count in memory changes", flip_a_count, 1),
    ("a threshold in memory changes", flip_the_threshold, 1),
    ("the settings in memory change", tell_of_changed_settings, 1),
    ("state is corrupted", corrupt_state, 1),
    ("an error in the core", break_the_core, 1),
]


@pytest.mark.parametrize(("happens", "ticks"), [way[1:] for way in WAYS], ids=[w[0] for w in WAYS])
def test_the_outputs_are_safe_in_time(happens: Callable[[Bench], None], ticks: int) -> None:
    bench = full_suction()
    happens(bench)
    for n in range(1, ticks + 1):
        assert not bench.board.is_safe(), f"safe after {n - 1} ticks already"
        bench.tick()
        if bench.board.is_safe():
            break
    assert bench.board.is_safe()
    assert bench.app.outputs.are_safe()
    # And they stay so, while nobody does anything.
    for _ in range(1_000):
        bench.tick()
        assert bench.board.is_safe()


def test_soft_over_vacuum_takes_pump_and_crystals_well_before_the_vent_opens() -> None:
    bench = full_suction()
    bench.vacuum_pa = 44_500.0
    bench.run(bench.settings.soft_time_ms)
    assert (bench.board.pump_permille, bench.board.feed_permille) == (0, 0)
    assert bench.board.vent != VENT_OPEN
    bench.run(bench.settings.soft_latch_ms - bench.settings.soft_time_ms)
    assert bench.board.vent == VENT_OPEN
    assert bench.state == "FAULT"


@pytest.mark.parametrize("stuck", ["pump_stuck_full", "feed_stuck_open"])
def test_a_stuck_drive_is_stopped_by_the_lease(stuck: str) -> None:
    bench = full_suction()
    bench.board.inject(stuck)
    bench.footswitch = SWITCH_RELEASED
    bench.tick()
    assert bench.board.is_safe()


def test_a_tick_that_stops_is_stopped_by_the_lease() -> None:
    bench = full_suction()
    bench.board.advance(LEASE_MS - 1)
    assert not bench.board.is_safe()
    bench.board.advance(1)
    assert bench.board.is_safe()
    assert bench.board.lease_expiries == 1


def test_the_lease_is_given_back_and_not_left_to_run_out() -> None:
    bench = full_suction()
    bench.footswitch = SWITCH_RELEASED
    bench.run(1_000)
    assert bench.board.lease_expiries == 0
    assert bench.app.outputs.lease_ms == 0


def test_one_bad_sample_of_anything_changes_nothing() -> None:
    for name in ("vacuum_a_open", "vacuum_b_short", "sensor_supply_open", "tick_late"):
        bench = full_suction()
        bench.board.inject(name)
        bench.tick()
        bench.board.clear(name)
        bench.run(100)
        assert bench.state == "TREATING", name
        assert bench.board.pump_permille > 0


def test_a_sampled_board_is_driven_once_a_tick() -> None:
    bench = full_suction()
    driven: list[tuple[int, ...]] = []
    drive = bench.board.drive

    def noted(outputs: Outputs) -> None:
        driven.append(tuple(getattr(outputs, name) for name in Outputs.FIELDS))
        drive(outputs)

    bench.board.drive = noted  # type: ignore[method-assign]
    bench.run(100)
    assert len(driven) == 20
    assert all(outputs[3] == LEASE_MS for outputs in driven)


# Every fault, wherever something is not safe ----------------------------------------


def proving() -> Bench:
    """The pump at full drive on the capped tip."""
    bench = full_suction()
    bench.controller.protection.latch(faults.SENSOR_DISAGREEMENT)
    bench.footswitch = SWITCH_RELEASED
    bench.on_skin = False
    bench.run(RELEASE_MS)
    bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run_until(lambda: bench.state == "CHECKLIST")
    confirm_up_to_the_pull(bench)
    return bench


def confirm_up_to_the_pull(bench: Bench) -> None:
    class Pulling(Exception):
        pass

    def look(bench: Bench) -> None:
        if bench.controller.proof.phase == proof.PULL:
            raise Pulling

    bench.after_tick = look
    with pytest.raises(Pulling):
        bench.confirm()
    bench.after_tick = None
    bench.footswitch = SWITCH_PRESSED


def serving(command_: int) -> Callable[[], Bench]:
    def run_an_output() -> Bench:
        bench = Bench()
        bench.power_on(in_service=1)
        bench.tick()
        bench.tick(command_, 50)
        return bench

    return run_an_output


UNSAFE: dict[str, Callable[[], Bench]] = {
    "TREATING": full_suction,
    "PROOF": proving,
    "SERVICE, pump": serving(COMMAND_RUN_PUMP),
    "SERVICE, feed": serving(COMMAND_RUN_FEED),
    "SERVICE, crystals": serving(COMMAND_RUN_CRYSTALS),
}
LATCHED = [row[:2] for row in faults.CATALOGUE if row[0] and row[3] != faults.EXIT_NONE]


@pytest.mark.parametrize("fault", [row[0] for row in LATCHED], ids=[row[1] for row in LATCHED])
@pytest.mark.parametrize("start", UNSAFE)
def test_every_fault_is_safe_in_its_tick(start: str, fault: int) -> None:
    bench = UNSAFE[start]()
    assert not bench.board.is_safe()
    bench.controller.protection.latch(fault)
    bench.tick()
    assert bench.board.is_safe()
    assert bench.state == ("SERVICE" if start.startswith("SERVICE") else "FAULT")
    for _ in range(400):
        bench.tick()
        assert bench.board.is_safe()
    # And one that only service may clear is on record, unless a technician is there.
    is_kept = faults.CATALOGUE[fault][3] == faults.EXIT_SERVICE and bench.state == "FAULT"
    bench.run(200)
    bench.power_on()
    assert bench.controller.treatment.kept_fault == (fault if is_kept else faults.NONE)


@pytest.mark.parametrize("start", UNSAFE)
def test_a_lease_that_runs_out_and_an_error_are_safe_everywhere(start: str) -> None:
    bench = UNSAFE[start]()
    bench.board.advance(LEASE_MS)
    assert bench.board.is_safe()
    bench = UNSAFE[start]()
    break_the_core(bench)
    bench.tick()
    assert bench.board.is_safe()
    assert bench.app.error is not None


@pytest.mark.parametrize("happens", ["pump runs on", "vent is blocked"])
def test_a_vacuum_that_is_not_let_go_is_told_and_kept(happens: str) -> None:
    bench = full_suction()
    bench.footswitch = SWITCH_RELEASED
    bench.vacuum_pa = 20_000.0 if happens == "pump runs on" else 38_000.0
    bench.run(limits.VENTED_MS - 50)
    assert bench.fault == faults.NONE
    bench.run(100)
    assert (bench.state, bench.fault) == ("FAULT", faults.VENT_FAILED)
    bench.vacuum_pa = 0.0  # the hose is off: now it can be recorded
    bench.run(200)
    bench.power_on()
    bench.run(50)
    assert (bench.state, bench.fault) == ("FAULT", faults.VENT_FAILED)


def test_readings_that_stand_still_end_suction_in_half_a_second() -> None:
    bench = full_suction()
    sample = bench.board.sample
    raws = ("vacuum_a_raw", "vacuum_b_raw", "sensor_supply_raw")
    last = {name: getattr(bench.app.readings, name) for name in raws}

    def frozen(readings: Readings) -> None:
        sample(readings)
        for name, raw in last.items():
            setattr(readings, name, raw)

    bench.board.sample = frozen  # type: ignore[method-assign]
    took_ms = bench.run_until(bench.board.is_safe, 1_000)
    assert 450 <= took_ms <= 510
    assert bench.fault == faults.READINGS_FROZEN
