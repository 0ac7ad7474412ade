"""No tick allocates, and none leaves the small integers.

For every pair of state and fault that can be reached, CPython drives the device
there and says what each tick decides; MicroPython then takes the same ticks
through `App.tick` from the same state (see locked_ticks.py). From each pair come, too,
single ticks of the most extreme readings and of every command; and from each
state the extreme ticks under settings at the corners of their ranges. On the
32-bit build a locked heap also proves that no intermediate leaves 31 bits.
"""

import itertools
import json
import random
import shutil
import struct
from binascii import crc32
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest

from emery.simulator import lanes
from emery.slot import ROOT
from firmware import black_box, state
from firmware.app import App
from firmware.limits import LEVEL_VACUUM_PA
from firmware.settings import SETTINGS, Settings, broken_rules, encode, soft_margin_pa
from hal import contract
from hal.contract import (
    COUNTER_MASK,
    RAW_FULL_SCALE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    Outputs,
    Readings,
)
from hal.mock import MockBoard, MockStorage
from host_tests.any_treatment import make
from host_tests.bench import bench_settings, with_values, zone_of
from host_tests.core_strategies import ROWS, SMALL_HIGHEST, steepest_settings
from host_tests.lanes import locked_ticks
from host_tests.lanes.conftest import needed
from host_tests.lanes.reach import (
    FAULTS,
    STATES,
    UNREACHABLE,
    Pair,
    Recorded,
    drive,
    settings_of_cases,
    why_not,
)

PAIRS = [pair for pair in itertools.product(STATES, FAULTS) if not why_not(pair)]
COMMANDS = sorted(
    value for name, value in vars(contract).items() if name.startswith("COMMAND_")
)
# The ends of each field of the readings, or further out than a board goes.
RANGES = {
    "now_ms": (0, SMALL_HIGHEST),
    "dt_ms": (1, 255),
    "vacuum_a_raw": (0, RAW_FULL_SCALE),
    "vacuum_b_raw": (0, RAW_FULL_SCALE),
    "sensor_supply_raw": (0, RAW_FULL_SCALE),
    "barometer_pa": (0, SMALL_HIGHEST),
    "barometer_age_ms": (0, 0xFFFF),
    "footswitch": (SWITCH_RELEASED, SWITCH_PRESSED),
    "main_turns": (0, COUNTER_MASK),
    "committed_sequence": (0, COUNTER_MASK),
}
# A tick: its readings by name, its command and the argument.
Tick = tuple[dict[str, int], int, int]


@dataclass(frozen=True, slots=True)
class Case:
    """Ticks from one state to another; `is_afresh` if each starts from the first."""

    name: str
    settings: bytes
    keyframe: bytes
    records: tuple[bytes, ...]
    end: bytes
    is_afresh: bool


# The cases --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Visit:
    """A pair that was driven to: the state before its tick, the tick, all pairs
    on the way, and the case of the whole way and some ticks more."""

    before: bytes
    tick: bytes
    pairs: frozenset[Pair]
    case: Case


@cache
def visits() -> dict[Pair, Visit]:
    """Every pair that can be reached. AssertionError if one is not."""
    return {pair: visit(pair) for pair in PAIRS}


def visit(pair: Pair) -> Visit:
    bench = drive(pair)
    before, tick, pairs = bench.before_last, bench.records[-1], frozenset(bench.pairs)
    # On for a while; in FAULT until the black box has stopped.
    more = black_box.AFTER_FAULT if pair[0] == "FAULT" else 20
    bench.run(more * bench.settings.tick_period_ms)
    bench.on_skin = not bench.on_skin
    bench.run(20 * bench.settings.tick_period_ms)
    way = Case(
        " ".join(pair),
        encode(bench.settings),
        bench.keyframe,
        tuple(bench.records),
        bench.snapshot(),
        False,
    )
    return Visit(before, tick, pairs, way)


def journey_cases() -> tuple[Case, ...]:
    """The way into each pair, its tick, and what follows."""
    return tuple(visited.case for visited in visits().values())


def extreme_cases() -> tuple[Case, ...]:
    """Extreme ticks and every command, in place of the tick of each pair."""
    return tuple(
        answered(
            f"{' '.join(pair)}, extreme",
            settings_of_cases(),
            visited.before,
            (*extremes(), *commands(visited.tick)),
        )
        for pair, visited in visits().items()
    )


def corner_cases() -> tuple[Case, ...]:
    """Extreme ticks in each state under settings at the corners."""
    ways = {name: visits()[name, "NONE"].before for name in STATES}
    return tuple(
        answered(f"{name}, corner {number}", settings, keyframe, extremes())
        for number, settings in enumerate(corners())
        for name, keyframe in ways.items()
    )


def extremes() -> Iterator[Tick]:
    """Ticks of readings as far out as they may be, or further."""
    assert set(RANGES) == set(Readings.FIELDS), "RANGES must name every field of Readings"
    crossed = ("vacuum_a_raw", "vacuum_b_raw", "dt_ms", "footswitch")
    for values in itertools.product(*(RANGES[name] for name in crossed)):
        # What is not crossed goes with the footswitch: all low, all high.
        readings = {name: ends[values[-1]] for name, ends in RANGES.items()}
        readings |= dict(zip(crossed, values, strict=True))
        for supply_raw in (0, 30_000, RAW_FULL_SCALE):
            yield {**readings, "sensor_supply_raw": supply_raw}, 0, 0


def commands(record: bytes) -> Iterator[Tick]:
    """Every command and one that is none, with the readings of a record."""
    readings = Readings()
    black_box.fill_readings(struct.unpack(black_box.RECORD_FORM, record), readings)
    for command, argument in itertools.product((*COMMANDS, 255), (1, 255)):
        yield vars(readings), command, argument


def answered(name: str, settings: Settings, keyframe: bytes, ticks: Iterable[Tick]) -> Case:
    """The case of single ticks from one state, with what CPython decides."""
    core = App(MockBoard(MockStorage()), encode(settings)).controller
    assert core is not None
    readings, outputs = Readings(), Outputs()
    records = []
    for fields, command, argument in ticks:
        state.load(core.parts, bytearray(keyframe))
        for field, value in fields.items():
            setattr(readings, field, value)
        core.step(readings, command, argument, outputs)
        record = bytearray(black_box.RECORD_BYTES)
        black_box.write_record(
            record, 0, readings, command, argument, outputs, core.treatment, core.protection.fault
        )
        # As given: the black box masks these two.
        struct.pack_into("<ii", record, 0, readings.now_ms, readings.barometer_pa)
        records.append(bytes(record))
    end = bytearray(len(keyframe))
    state.save(core.parts, end)
    return Case(name, encode(settings), keyframe, tuple(records), bytes(end), True)


@cache
def corners() -> tuple[Settings, ...]:
    """Settings with as many values at an end of their range as the rules allow:
    low first, high first, and by chance, so that most pairs of ends are met."""
    chance = random.Random(1)
    ways = [[(row[0], int(row[end])) for row in SETTINGS] for end in (3, 4)]
    for _ in range(14):
        ways.append([(row[0], int(row[chance.choice((3, 4))])) for row in SETTINGS])
        chance.shuffle(ways[-1])
    found = [with_levels(cornered(bench_settings((zone_of(level=1),)), way)) for way in ways]
    # Some ends need their neighbours moved as well, and not to an end.
    for name, value in sorted(ends() - ends_in(found)):
        settings = bench_settings((zone_of(level=1),), **{name: value})
        for _ in range(3_000):
            row = chance.choice([row for row in SETTINGS if row[1] == "sensors"])
            drawn = chance.choice((*row[3:6], chance.randint(row[3], row[4])))
            tried = with_values(copy(settings), **{row[0]: drawn})
            setattr(tried, name, value)
            if len(broken_rules(tried)) <= len(broken_rules(settings)):
                settings = tried
        if not broken_rules(settings):
            found.append(with_levels(settings))
    return (*found, *(with_levels(settings) for settings in steepest_settings()))


def cornered(settings: Settings, way: list[tuple[str, int]]) -> Settings:
    """`settings` with each value taken over that the rules allow then. Twice,
    since one may make room for another."""
    for name, value in 2 * way:
        before = getattr(settings, name)
        setattr(settings, name, value)
        if broken_rules(settings):
            setattr(settings, name, before)
    return settings


def ends() -> set[tuple[str, int]]:
    return {(name, int(row[end])) for name, row in ROWS.items() for end in (3, 4)}


def ends_in(many: Iterable[Settings]) -> set[tuple[str, int]]:
    return {(name, getattr(settings, name)) for settings in many for name in ROWS} & ends()


def with_levels(settings: Settings) -> Settings:
    """The highest level that the limits leave room for, and the lowest."""
    levels = [
        level
        for level, set_pa in enumerate(LEVEL_VACUUM_PA, 1)
        if set_pa + soft_margin_pa(settings, set_pa) < settings.hard_limit_pa
    ]
    settings.zones = (
        zone_of("one", level=levels[-1], flow_mg_min=20_000),
        zone_of("two", level=1, passes=1),
    )
    return settings


# The proof --------------------------------------------------------------------


def prove(cases: Iterable[Case], tree: Path, lane: str, folder: Path) -> list[str]:
    """Take the ticks of all cases on a lane, those of one settings after the
    other. What is wrong, if anything."""
    shutil.copy(locked_ticks.__file__, tree / "locked_ticks.py")
    file = folder / "cases.bin"
    found = []
    for settings, group in itertools.groupby(cases, lambda case: case.settings):
        played = list(group)
        with file.open("wb") as out:
            out.write(struct.pack("<H", len(settings)) + settings)
            for case in played:
                sizes = (len(case.keyframe), len(case.records), case.is_afresh)
                out.write(struct.pack(locked_ticks.HEAD, *sizes) + case.keyframe)
                out.write(b"".join(case.records))
        answer: dict[str, Any] = json.loads(lanes.far_end(tree, lane, "locked_ticks", file))
        assert answer["cases"] == len(played)
        ends_here = reduce(lambda crc, case: crc32(case.end, crc), played, 0)
        assert answer["wrong"] or answer["crc"] == ends_here
        found += [f"{played[number].name}: {problem}" for number, problem in answer["wrong"]]
    return found


def test_every_pair_is_reached_or_has_a_reason_not_to_be() -> None:
    """A state or fault that was added without a row in reach.py fails here."""
    assert set(visits()) == set(PAIRS)
    named = {name for states, names, _ in UNREACHABLE for name in (*states, *names)}
    assert named <= {*STATES, *FAULTS}
    assert all(reason for *_, reason in UNREACHABLE)


def test_no_pair_that_is_called_unreachable_is_ever_seen() -> None:
    """In the ways to all others, and in treatments in which anything happens."""
    seen = {pair for visited in visits().values() for pair in visited.pairs}
    for seed in range(12):
        chance = random.Random(seed)
        bench = Recorded(settings_of_cases())
        bench.to_skin()
        for _ in range(40):
            make(bench, chance.choice((
                ("press",), ("stroke", 60), ("recover",), ("wait", 60),
                ("vacuum", chance.choice((None, 31e3, 46e3, -9e4)), None),
                ("command", (chance.choice((4, 5, 6)), 0)),
                ("supply", chance.choice((-1, 0, 40_000))),
                ("inject", chance.choice(("tick_late", "vacuum_b_short"))),
            )))
        seen |= set(bench.pairs)
    assert len(seen) > len(PAIRS) - 10
    assert [pair for pair in sorted(seen) if why_not(pair)] == []


def test_the_corners_hold_every_end_that_the_rules_allow() -> None:
    assert not any(broken_rules(settings) for settings in corners())
    # So small a span leaves the sensor no output at the ceiling, by any zero.
    never = {(f"vacuum_{channel}_span_pa", ROWS["vacuum_a_span_pa"][3]) for channel in "ab"}
    assert ends() - ends_in(corners()) == never


def test_no_tick_allocates_in_any_pair(slot: Path, lane: str, tmp_path: Path) -> None:
    assert prove(journey_cases(), slot, lane, tmp_path) == []


def test_no_extreme_tick_allocates(slot: Path, lane: str, tmp_path: Path) -> None:
    assert prove(extreme_cases(), slot, lane, tmp_path) == []


def test_no_tick_allocates_at_the_corners_of_the_settings(
    slot: Path, lane: str, tmp_path: Path
) -> None:
    assert prove(corner_cases(), slot, lane, tmp_path) == []


# The proof itself: one line spoilt, and it must say so. What is found on which
# lane, the case that finds it, the line, and what stands in its place.
_LOCKED = "MemoryError"
SPOILT = {
    "a list in the tick that latches STORAGE": (
        "READY STORAGE", {"micropython": _LOCKED, "webassembly": _LOCKED}, "treatment.py",
        "            protection.latch(faults.STORAGE)",
        "            protection.latch([faults.STORAGE][0])",
    ),
    "an exception that is raised and caught": (
        "TREATING OVER_VACUUM",
        {"micropython": "bytes allocated", "webassembly": "bytes allocated"}, "protection.py",
        "            self.fault = faults.OVER_VACUUM",
        "            try:\n"
        "                raise ValueError\n"
        "            except ValueError:\n"
        "                self.fault = faults.OVER_VACUUM",
    ),
    "a product that needs 32 bits": (
        "TREATING NONE", {"micropython": "", "webassembly": _LOCKED}, "sensing.py",
        "        ratio = (raw << _RATIO_BITS) // supply_raw",
        "        ratio = (raw << _RATIO_BITS + 4) // supply_raw >> 4",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_the_proof_finds(name: str, slot: Path, lane: str, tmp_path: Path) -> None:
    wanted, verdicts, file, line, worse = SPOILT[name]
    tree = tmp_path / "slot"
    shutil.copytree(slot, tree)
    source = (ROOT / "firmware" / file).read_text(encoding="utf-8")
    assert source.count(line) == 1
    (tree / "firmware" / file).with_suffix(".mpy").unlink()
    (tree / "firmware" / file).write_text(source.replace(line, worse), encoding="utf-8")
    cases = tuple(case for case in journey_cases() if case.name == wanted)
    found = prove(cases, tree, needed(lane), tmp_path)
    if verdicts[lane]:
        assert any(verdicts[lane] in problem for problem in found)
    else:
        assert found == []
