"""The full state: nothing that changes is missing from it."""

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from firmware import faults, state
from firmware.black_box import BlackBox
from firmware.controller import Controller
from firmware.settings import Settings, Zone
from hal.contract import (
    CLIENT_FIRST_SESSION,
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CLOSE_VENT,
    COMMAND_EXTEND,
    COMMAND_PASS_DONE,
    COMMAND_RESTART,
    COMMAND_RUN_CRYSTALS,
    COMMAND_RUN_FEED,
    COMMAND_RUN_PUMP,
    COMMAND_SELECT_ZONE,
    COMMAND_SERVICE,
    COMMAND_START,
    MOTION_STILL,
    MOTION_UNKNOWN,
)
from host_tests.bench import CLIENT, Bench, bench_settings

# Constants of a part that refer to another one, or to the settings.
APART = (BlackBox, Settings, Zone)


def objects_of(root: object) -> Iterator[object]:
    """Every object of the firmware that is reachable from `root`."""
    waiting, seen = [root], {id(root)}
    while waiting:
        found = waiting.pop()
        yield found
        for value in vars(found).values():
            for item in value if isinstance(value, tuple) else (value,):
                ours = type(item).__module__.startswith("firmware.")
                if ours and not isinstance(item, APART) and id(item) not in seen:
                    seen.add(id(item))
                    waiting.append(item)


def snapshot(controller: Controller) -> dict[tuple[str, str], Any]:
    """Every attribute of every part that is data."""
    data: dict[tuple[str, str], Any] = {}
    for number, part in enumerate(objects_of(controller)):
        for name, value in vars(part).items():
            if isinstance(value, int | str):
                data[f"{number} {type(part).__name__}", name] = value
            elif isinstance(value, bytes | bytearray | list):
                data[f"{number} {type(part).__name__}", name] = tuple(value)
    return data


def watch(bench: Bench, changed: set[tuple[str, str]]) -> None:
    """Add to `changed` whatever a tick changes from now on."""
    before = snapshot(bench.controller)

    def note(bench: Bench) -> None:
        nonlocal before
        now = snapshot(bench.controller)
        assert now.keys() == before.keys()
        changed.update(key for key in now if now[key] != before[key])
        before = now

    bench.after_tick = note


def service(changed: set[tuple[str, str]]) -> None:
    """Every output in SERVICE, and the way out of it."""
    bench = Bench()
    bench.power_on(in_service=1)
    watch(bench, changed)
    bench.run(100)
    for command in (
        COMMAND_RUN_PUMP, COMMAND_RUN_FEED, COMMAND_RUN_CRYSTALS, COMMAND_CLOSE_VENT
    ):
        bench.tick(command, 30)
        bench.vacuum_pa = 10_000.0  # a sealed tip
        bench.run(100)
        bench.vacuum_pa = None
    bench.tick(COMMAND_RESTART)


def eventful() -> tuple[Bench, set[tuple[str, str]]]:
    """A treatment in which everything happens that can, and what it changed."""
    bench = Bench(
        bench_settings(sensor_supply_tolerance_permille=50, session_ms=240_000)
    )
    changed: set[tuple[str, str]] = set()
    service(changed)
    watch(bench, changed)
    bench.vacuum_pa = 120.0
    bench.footswitch = 1
    bench.run(200)
    bench.footswitch = 0
    bench.to_standby()
    bench.vacuum_pa = None
    bench.tick(COMMAND_START)
    bench.tick(COMMAND_CLIENT, CLIENT + CLIENT_FIRST_SESSION)
    bench.confirm()
    bench.run_until(bench.is_committed)
    bench.tick(COMMAND_SELECT_ZONE, 1)
    bench.tick(COMMAND_EXTEND)
    bench.press()
    for vacuum_pa in range(0, 5_000, 100):  # a pump that spins up, as it is learnt
        bench.vacuum_pa = float(vacuum_pa)
        bench.tick()
    bench.vacuum_pa = None
    bench.board.motion = MOTION_STILL
    bench.stroke(2_500)
    bench.board.motion = MOTION_UNKNOWN
    bench.stroke(2_000)
    bench.vacuum_pa, bench.vacuum_b_pa = 44_900.0, 39_000.0
    bench.run(80)
    bench.vacuum_pa = bench.vacuum_b_pa = None
    bench.stroke(1_000)
    bench.tick(COMMAND_PASS_DONE)
    bench.press()
    bench.on_skin = True
    bench.run(1_000)
    bench.vacuum_pa = 44_500.0
    bench.run(450)
    bench.vacuum_pa = 46_000.0
    bench.run_until(lambda: bench.fault != faults.NONE, 100)
    bench.vacuum_pa = None
    bench.footswitch = 0
    for supply in (0, 65_535):
        bench.supply = supply
        bench.run(10)
    bench.supply = Bench().supply
    bench.board.inject("tick_late")
    bench.tick()
    bench.board.clear("tick_late")
    bench.run(200)
    bench.tick(COMMAND_ACKNOWLEDGE)
    bench.run(2_000)
    bench.vacuum_pa = 9_000.0
    bench.run_until(lambda: bench.fault == faults.VENT_FAILED, 1_000)
    bench.tick(COMMAND_SERVICE)
    return bench, changed


def test_everything_that_changes_is_part_of_the_state() -> None:
    bench, changed = eventful()
    named = set()
    missing = set()
    # The proof's own protection judges in one step of it, and only the vacuum.
    test = bench.controller.proof.test
    for number, part in enumerate(objects_of(bench.controller)):
        key = f"{number} {type(part).__name__}"
        listed = set(getattr(part, "STATE", ()))
        if part not in (test, test.a, test.b):
            named |= {(key, name) for name in listed}
        missing |= {name for name in changed if name[0] == key} - {(key, n) for n in listed}
    assert missing == set()
    # And the scenario is eventful enough to say so: it moved nearly all of it.
    assert {f"{part.split()[1]}.{name}" for part, name in named - changed} <= {
        "Treatment._after_test",
        "ChannelGuard.is_damaged",  # only memory that flips sets it
        # The bench is at sea level, and its pump never has to give all it has.
        "Handpiece._knee_pa",
        "Handpiece._nothing_left_pa",
        "Handpiece.low_ms",
    }


def test_every_part_is_listed_once() -> None:
    controller = Bench().controller
    stateful = {id(part) for part in objects_of(controller) if hasattr(part, "STATE")}
    assert sorted(id(part) for part in controller.parts) == sorted(stateful)


def test_no_part_names_what_it_does_not_have() -> None:
    for part in Bench().controller.parts:
        assert len(set(part.STATE)) == len(part.STATE)
        assert set(part.STATE) <= set(vars(part))


def test_what_is_saved_is_loaded() -> None:
    bench, _ = eventful()
    parts = bench.controller.parts
    saved = bytearray(state.size(parts))
    state.save(parts, saved)
    fresh = Controller(bench.settings, b"", 0)
    before = snapshot(fresh)
    state.load(fresh.parts, saved)
    assert snapshot(fresh) == snapshot(bench.controller) != before
    again = bytearray(state.size(fresh.parts))
    state.save(fresh.parts, again)
    assert again == saved


def test_a_snapshot_holds_what_is_saved_and_is_restored_alike() -> None:
    bench, _ = eventful()
    parts = bench.controller.parts
    row = [0] * state.count(parts)
    state.snapshot(parts, row)
    saved = bytearray(state.size(parts))
    state.save(parts, saved)
    assert row == [number for (number,) in struct.iter_unpack("<i", saved)]
    fresh = Controller(bench.settings, b"", 0)
    state.restore(fresh.parts, row)
    assert snapshot(fresh) == snapshot(bench.controller)


def test_loading_keeps_the_arrays_themselves() -> None:
    # The core holds references to them.
    controller = Bench().controller
    arrays = [
        controller.passes.opened,
        controller.passes.zone_strokes,
        controller.passes._inverted,
    ]
    state.load(controller.parts, bytearray(state.size(controller.parts)))
    assert controller.passes.opened is arrays[0]
    assert controller.passes.zone_strokes is arrays[1]
    assert controller.passes._inverted is arrays[2]


@pytest.mark.parametrize("value", [-(2**31), -1, 0, 1, 2**31 - 1])
def test_every_32_bit_value_comes_back(value: int) -> None:
    controller = Bench().controller
    controller.vacuum_regulator.hold_ppm = value
    saved = bytearray(state.size(controller.parts))
    state.save(controller.parts, saved)
    controller.vacuum_regulator.hold_ppm = 7
    state.load(controller.parts, saved)
    assert controller.vacuum_regulator.hold_ppm == value
