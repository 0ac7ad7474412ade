"""The bench: what it promises of its figures, without running all of it."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from emery import cli
from emery.bench import baseline, rp2040, tick, trip
from emery.bench import run as bench_run
from emery.bench.keys import GROUPS, KEYS, Figure, Key
from emery.bench.table import print_table
from emery.exit_codes import ExitCode
from emery.simulator import plant
from emery.simulator.lanes import LaneFailed
from firmware.limits import HARD_VACUUM_PA


def figures_of(group: str) -> dict[str, Figure]:
    """Every figure of a group, as good as its goal."""
    return {
        key.name: Figure(1 if key.goal is None else key.goal, references={"another": 2})
        for key in KEYS
        if key.group == group
    }


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """Takes the place of what the groups measure; a test may change it."""
    figures = {name: figure for group in GROUPS for name, figure in figures_of(group).items()}

    def group_of(group: str) -> bench_run.Measure:
        def measure(seed: int, progress: Callable[[float], None]) -> dict[str, Figure]:
            progress(0.5)
            return {name: value for name, value in figures.items() if name.startswith(group)}

        return measure

    monkeypatch.setattr(bench_run, "_group", group_of)
    return figures


@pytest.fixture
def emery(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command; its exit code, stdout, and stderr as one line."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["emery", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, " ".join(printed.err.split())

    return run


Emery = Callable[..., tuple[int, str, str]]


# The keys ---------------------------------------------------------------------


def test_keys_are_unique_and_a_stretch_is_at_least_its_goal() -> None:
    assert len({key.name for key in KEYS}) == len(KEYS)
    for key in KEYS:
        assert (key.goal is None) == (key.stretch is None)
        assert key.goal is None or key.reaches(key.stretch, key.goal)


@pytest.mark.parametrize(
    ("most", "value", "reached"),
    [(True, 3.0, True), (True, 3.1, False), (False, 3.0, True), (False, 2.9, False),
     (True, None, False)],
)
def test_a_goal_is_a_limit_on_one_side(most: bool, value: float | None, reached: bool) -> None:
    assert Key("a.b", 1, 3.0, 3.0, most=most).reaches(value, 3.0) is reached


def test_the_readme_tells_what_every_key_means() -> None:
    text = (Path(baseline.__file__).with_name("README.md")).read_text(encoding="utf-8")
    untold = [key.name for key in KEYS if key.group != "regulation" and key.name not in text]
    assert untold == []


# The baseline -----------------------------------------------------------------


def test_the_baseline_knows_its_keys_gives_reasons_and_has_no_wall_time() -> None:
    entries = baseline.read()
    assert set(entries) <= {key.name for key in KEYS}
    assert not set(entries) & set(baseline.NEVER_CHECKED)
    for entry in entries.values():
        assert entry.noise >= 0
        assert len(entry.reason) > 10


def test_every_figure_that_may_be_checked_is() -> None:
    assert {key.name for key in KEYS} - set(baseline.NEVER_CHECKED) == set(baseline.read())


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("tick.vs_simple_pid", 3.0, ""),
        ("tick.vs_simple_pid", 3.2, ""),
        ("tick.vs_simple_pid", 3.31, "worsened"),
        ("tick.vs_simple_pid", 2.69, "improved"),
        ("tick.vs_simple_pid", None, "not_measured"),
        ("simulate.lanes_equal", True, ""),
        ("simulate.lanes_equal", False, "worsened"),
        ("regulation.settle_ratio_within_1_1_pct", 89.0, "worsened"),
        ("regulation.settle_ratio_within_1_1_pct", 99.0, "improved"),
    ],
)
def test_only_what_is_worse_than_the_noise_has_worsened(
    key: str, value: Any, found: str
) -> None:
    entries = {
        "tick.vs_simple_pid": baseline.Entry(3.0, 0.3, "taken in turns"),
        "simulate.lanes_equal": baseline.Entry(True, 0, "equal or not"),
        "regulation.settle_ratio_within_1_1_pct": baseline.Entry(94.0, 2.0, "drawn"),
    }
    result = baseline.check({key: {"value": value}}, entries)
    for what in ("worsened", "improved", "not_measured"):
        assert bool(result[what]) == (what == found)


# The run ----------------------------------------------------------------------


def test_a_run_gives_every_key_of_the_groups_asked_for(measured: dict[str, Figure]) -> None:
    shown: list[float] = []
    document = bench_run.run(3, GROUPS, lambda part, title: shown.append(part))
    assert document["schema"] == "emery.bench/1"
    assert document["seed"] == 3
    assert list(document["figures"]) == [key.name for key in KEYS]
    assert shown == sorted(shown)
    assert max(shown) < 1
    json.dumps(document)
    only = bench_run.run(3, bench_run.chosen("firmware"), lambda part, title: None)
    assert list(only["figures"]) == ["firmware.mpy_kib", "firmware.retained_kib_32bit"]


def test_a_group_that_forgets_a_figure_is_an_error(measured: dict[str, Figure]) -> None:
    del measured["tick.unix_us"]
    with pytest.raises(KeyError, match=r"tick\.unix_us"):
        bench_run.run(1, ["tick"], lambda part, title: None)


def test_the_json_is_alone_on_stdout(emery: Emery, measured: dict[str, Figure]) -> None:
    code, out, err = emery("bench", "--json", "--only", "trip")
    assert (code, err) == (0, "")
    assert set(json.loads(out)["figures"]) == {k.name for k in KEYS if k.group == "trip"}


def test_the_table_is_80_columns_wide_and_tells_everything(
    emery: Emery, measured: dict[str, Figure]
) -> None:
    measured["tick.vs_simple_pid"] = Figure(None, "simple-pid is not installed")
    measured["simulate.sim_s_per_wall_s"].quoted["a ventilator"] = 26
    code, out, err = emery("bench")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for key in KEYS:
        assert re.search(rf"^ .* {key.name.split('.')[1]} ", out, re.MULTILINE)
    assert "not measured: tick.vs_simple_pid: simple-pid is not installed" in out
    assert "a ventilator 26*" in out


def test_a_word_says_how_good_a_figure_is(measured: dict[str, Figure]) -> None:
    measured["trip.peak_worst_kpa"].value = 46.9
    measured["trip.release_ratio_worst"].value = 1.0
    console = Console(width=200)
    with console.capture() as text:
        print_table(console, bench_run.run(1, ["trip"], lambda part, title: None))
    assert re.search(r"short\s+peak_worst_kpa\s+46\.90", text.get())
    assert re.search(r"great\s+release_ratio_worst\s+1\.000", text.get())


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [(0, ExitCode.PASS, "nothing has worsened"),
     (1, ExitCode.REQUIREMENT_FAILED, "worsened: tick.allocated_bytes 1"),
     (None, ExitCode.BAD_INPUT, "not measured: tick.allocated_bytes")],
)
def test_the_check_decides_the_exit_code(
    emery: Emery, measured: dict[str, Figure], monkeypatch: pytest.MonkeyPatch,
    value: float | None, code: ExitCode, said: str,
) -> None:
    entry = baseline.Entry(0, 0, "counted")
    monkeypatch.setattr(baseline, "read", lambda: {"tick.allocated_bytes": entry})
    measured["tick.allocated_bytes"] = Figure(value, "" if value is not None else "no lane")
    ended, out, _ = emery("bench", "--check", "--only", "tick")
    assert ended == code
    assert said in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--only", "tock"), "there is no group 'tock'; there are trip,"),
     (("--check", "--seed", "2"), "leave --seed out")],
)
def test_bad_input_is_told(
    emery: Emery, measured: dict[str, Figure], arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = emery("bench", *arguments)
    assert (code, out) == (ExitCode.BAD_INPUT, "")
    assert said in err


def test_an_interpreter_that_fails_is_an_internal_error(
    emery: Emery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(seed: int, progress: Callable[[float], None]) -> dict[str, Figure]:
        raise LaneFailed("micropython could not run the tick rig: MemoryError")

    monkeypatch.setattr(bench_run, "_group", lambda group: fails)
    code, out, err = emery("bench", "--json")
    assert (code, out) == (ExitCode.INTERNAL, "")
    assert "MemoryError" in err


# The trip ---------------------------------------------------------------------


def test_drawn_plants_follow_the_seed_and_are_plants() -> None:
    assert trip.drawn_plants(1) == trip.drawn_plants(1) != trip.drawn_plants(2)
    rows = {row[0]: row for row in plant.PARAMETERS}
    for drawn in trip.drawn_plants(1):
        for name, value in drawn.items():
            assert rows[name][2] <= value <= rows[name][3]


def test_a_trip_is_told_from_the_crossing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trip, "DRAWN_PLANTS", 0)
    figures = trip.measure(1, lambda part: None)
    assert set(figures) == {key.name for key in KEYS if key.group == "trip"}
    peaks = figures["trip.peak_worst_kpa"].detail["by_volume"]
    assert isinstance(peaks, dict)
    # A smaller volume rises faster, a slower tick sees it later, and nothing is
    # faster than no delay.
    assert peaks["0.2 L"] > peaks["0.3 L"] > peaks["0.65 L"] > HARD_VACUUM_PA / 1000
    worst, slower = figures["trip.peak_worst_kpa"], figures["trip.peak_10ms_esp32_kpa"]
    assert worst.value is not None
    assert slower.value is not None
    assert slower.value > worst.value
    ratio = figures["trip.release_ratio_worst"].value
    assert ratio is not None
    assert ratio > 1


def test_the_reference_with_a_longer_delay_rises_higher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trip, "DRAWN_PLANTS", 0)
    monkeypatch.setattr(trip, "VOLUMES_M3", (0.3e-3,))

    def reference(delay_ms: int) -> float:
        monkeypatch.setattr(trip, "_REFERENCE_DELAY_MS", delay_ms)
        (value,) = trip.measure(1, lambda part: None)["trip.peak_worst_kpa"].references.values()
        assert value is not None
        return value

    assert reference(0) < reference(10) < reference(30)


# The count --------------------------------------------------------------------


class Counted:
    """Something to count: one method, one store, a sum."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, value: int) -> None:
        self.total = self.total + value


def test_operations_are_counted_by_kind() -> None:
    thing = Counted()
    once = rp2040.counted(lambda: thing.add(3))
    assert thing.total == 3
    assert once["method"] == 1
    assert once["store"] == 1
    assert once["attribute"] == 1
    assert once["arithmetic"] == 1

    def twice() -> None:
        thing.add(3)
        thing.add(4)

    assert rp2040.counted(twice)["method"] == 2
    assert rp2040.price(rp2040.counted(twice)) > 1.5 * rp2040.price(once)
    assert rp2040.price(once) > rp2040.COSTS_US["method"]


def test_a_call_into_c_is_counted_with_what_it_packs() -> None:
    import struct

    buffer = bytearray(8)
    counts = rp2040.counted(lambda: struct.pack_into("<BBB", buffer, 0, 1, 2, 3))
    assert buffer[:3] == b"\x01\x02\x03"
    assert (counts["builtin"], counts["packed"]) == (1, 3)


def test_a_recording_is_priced_and_its_ticks_go_by_the_record() -> None:
    settings, records = tick.recording(1)
    # A third of it: the proof comes first.
    estimate = rp2040.estimate(settings, records[: len(records) // 3])
    assert estimate.tick_counts["packed"] == 21
    assert estimate.tick_counts["machine"] == 10
    assert estimate.tick_us == pytest.approx(
        sum(rp2040.COSTS_US[kind] * number for kind, number in estimate.tick_counts.items())
    )
    # The keyframe is in it.
    assert estimate.turn_us > 100 * rp2040.COSTS_US["subscript"]
