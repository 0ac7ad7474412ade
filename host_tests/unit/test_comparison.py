"""Two runs side by side: what differs is told, in the words of the files, and
what does not is not; an earlier report is read as strictly as any input."""

import copy
import json
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emery.simulator import run as running
from emery.simulator.batch import Request
from emery.simulator.comparison import CompareError, figures_apart, names, set_apart
from emery.simulator.other_run import other_run
from emery.simulator.report import run_record, write_report
from emery.simulator.report.earlier import read_report
from emery.simulator.report.recording import COMPARED, STATES, RunRecord, selected
from emery.simulator.requirements import METRICS
from emery.simulator.wording import words
from host_tests.traces import IDLE, ON_SKIN, trace_of

TRACE = trace_of((IDLE, 10), (ON_SKIN, 100), (IDLE, 10))


@pytest.fixture
def real(result: dict[str, Any]) -> dict[str, Any]:
    """A result whose names cover every state and reason."""
    from firmware import faults, treatment

    return result | {
        "state_names": list(treatment.STATES),
        "reason_names": list(treatment.REASONS),
        "fault_names": [row[1] for row in faults.CATALOGUE],
    }


def test_a_run_differs_from_itself_in_nothing(result: dict[str, Any]) -> None:
    assert set_apart(result, copy.deepcopy(result)) == []
    assert figures_apart(result, copy.deepcopy(result)) == []
    assert names(result, result) == ("this run", "earlier run")


def test_a_changed_setting_is_told_in_the_words_of_its_file(result: dict[str, Any]) -> None:
    other = copy.deepcopy(result)
    other["settings"] |= {"hard_limit_pa": 40_000, "soft_time_ms": 80}
    other["board"] = "mine"
    told = [(row.what, row.this, row.other) for row in set_apart(result, other)]
    assert told == [
        ("board", "pico_reference", "mine"),
        ("protection.hard_limit", "45 kPa", "40 kPa"),
        ("protection.soft_time", "100 ms", "80 ms"),
    ]
    assert names(result, other) == ("this run: board pico_reference", "compared: board mine")


def test_a_setting_that_one_version_lacks_is_not_known(result: dict[str, Any]) -> None:
    other = copy.deepcopy(result)
    del other["settings"]["hard_limit_pa"]
    (row,) = set_apart(result, other)
    assert (row.what, row.other) == ("protection.hard_limit", "not known")


def test_a_figure_that_one_version_lacks_is_none(result: dict[str, Any]) -> None:
    other = copy.deepcopy(result)
    del other["overshoot_pa"]
    (row,) = figures_apart(result, other)
    assert (row.what, row.this, row.other, row.change) == ("overshoot", "1.3 kPa", "none", "")


def test_zones_and_the_modelled_world_are_compared_too(result: dict[str, Any]) -> None:
    other = copy.deepcopy(result)
    other["zones"][1] |= {"level": 9, "pass_time_ms": 90_000}
    other["world"] = {"plant.volume_m3": 0.0004}
    told = [(row.what, row.this, row.other) for row in set_apart(result, other)]
    assert told == [
        ("left cheek: level", "6", "9"),
        ("left cheek: pass time", "1:00 min", "1:30 min"),
        ("plant.pump_wear", "0.2", "as usual"),
        ("plant.volume_m3", "as usual", "0.0004"),
    ]
    other["zones"].pop()
    assert "zones" in [row.what for row in set_apart(result, other)]


PLAINLY = {
    "peak_vacuum": "peak_pa", "time_on_skin": "on_skin_ms", "share_in_band": "in_band_ms",
    "share_held": "steady_ms", "rise_time": "rise_ms", "overshoot": "overshoot_pa",
    "strokes": "strokes", "crystals": "crystals_mg", "off_skin_crystals": "off_skin_mg",
    "refused_presses": "refused_presses", "power_cuts": "power_cuts",
    "crystals_after_lift": "crystals_after_lift_ms", "held_after_stop": "held_after_stop_ms",
}  # fmt: skip


@pytest.mark.parametrize("key", PLAINLY)
def test_a_figure_that_differs_is_told_with_its_change(result: dict[str, Any], key: str) -> None:
    other = copy.deepcopy(result)
    other[PLAINLY[key]] += 1_300
    rows = {row.what: row for row in figures_apart(result, other)}
    assert rows[words(key)].change.startswith("-")
    back = {row.what: row for row in figures_apart(other, result)}
    assert back[words(key)].change == rows[words(key)].change.replace("-", "+")
    assert set(PLAINLY) <= set(METRICS)


def test_the_end_is_told_before_the_figures(result: dict[str, Any]) -> None:
    other = copy.deepcopy(result)
    other |= {"passed": False, "final_state": "FAULT", "rise_ms": None, "in_band_ms": 195_000}
    other["faults"] = [{"code": "OVER_VACUUM", "to_safe_ms": 15, "release_ms": 240,
                        "peak_pa": 45_400}]  # fmt: skip
    told = [(row.what, row.this, row.other, row.change) for row in figures_apart(result, other)]
    assert told[:3] == [
        ("verdict", "PASSED", "FAILED", ""),
        ("ended in", "COMPLETE", "FAULT", ""),
        ("faults", "none", "OVER_VACUUM", ""),
    ]
    assert ("rise time", "840 ms", "none", "") in told
    assert ("time to safe", "none", "15 ms", "") in told
    assert ("share in band", "99.0 %", "50.0 %", "+49.0 points") in told


# An earlier report -------------------------------------------------------------


@pytest.fixture
def earlier(tmp_path: Path, real: dict[str, Any]) -> Path:
    path = tmp_path / "before.html"
    write_report(path, real, TRACE)
    return path


def test_a_report_is_read_as_it_was_written(earlier: Path, real: dict[str, Any]) -> None:
    found = read_report(earlier)
    written = run_record(real, TRACE)
    assert found.result == real
    assert list(found.strokes) == list(written.strokes)
    assert len(found.strokes) == 1
    assert found.recording.blob == selected(written.recording).blob
    assert found.recording.directory == selected(written.recording).directory
    assert set(found.recording.directory["quantities"]) == set(COMPARED)
    assert set(found.recording.directory["states"]) == {"clock", *STATES}


def test_of_a_report_that_compares_its_own_run_is_read(
    tmp_path: Path, earlier: Path, real: dict[str, Any]
) -> None:
    after = tmp_path / "after.html"
    write_report(after, real | {"seed": 2}, TRACE, read_report(earlier))
    assert read_report(after).result["seed"] == 2


def test_what_was_thinned_can_be_compared(real: dict[str, Any]) -> None:
    from emery.simulator.report.recording import record

    whole = record(TRACE, [])
    thin = record(TRACE, [], budget_bytes=1)
    assert thin.directory["stride"] > 1
    assert selected(thin).directory["quantities"]["skin_pa"]["rows"] is not None
    assert selected(whole).directory["quantities"]["skin_pa"]["rows"] is None


def broken(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """A change of the data of a page."""

    def of_page(page: str) -> str:
        found = re.search(r'id="data">([^<]*)<', page)
        assert found
        data = json.loads(found[1])
        change(data["runs"][0])
        return page.replace(found[1], json.dumps(data).replace("<", "\\u003c"))

    return of_page


def lies_outside(run: dict[str, Any]) -> None:
    run["recording"]["states"]["zone"]["values"][0] = 10**9


@pytest.mark.parametrize(
    "change",
    [
        broken(lambda run: run.pop("strokes")),
        broken(lambda run: run["result"].pop("settings")),
        broken(lambda run: run["result"].update(schema="emery.simulate/0")),
        broken(lambda run: run["result"].update(peak_pa="much")),
        broken(lambda run: run["result"].update(state_names=[1])),
        broken(lambda run: run["result"]["zones"][0].update(name=["x"])),
        broken(lambda run: run["strokes"][0].pop()),
        broken(lambda run: run["strokes"][0].__setitem__(0, "<img>")),
        broken(lambda run: run["recording"].update(quantities={})),
        broken(lies_outside),
        lambda page: page.replace('"format":"emery.report/1"', '"format":"emery.report/0"'),
        lambda page: re.sub(r'(id="recording">)[^<]{40}', r"\1AAAA", page),
        lambda page: re.sub(r'(id="recording">)[^<]*', r"\1***", page),
        lambda page: re.sub(r'(id="recording">)[^<]*', rf"\1{b64encode(b'x').decode()}", page),
    ],
)
def test_a_broken_report_is_refused_in_words(
    earlier: Path, change: Callable[[str], str]
) -> None:
    page = earlier.read_text(encoding="utf-8")
    assert change(page) != page
    earlier.write_text(change(page), encoding="utf-8")
    with pytest.raises(CompareError, match=r"before.html was written by another version"):
        read_report(earlier)


def test_another_page_is_no_report(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>hello", encoding="utf-8")
    with pytest.raises(CompareError, match=r"page.html is no report of emery simulate"):
        read_report(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CompareError, match="cannot be read"):
        read_report(path)
    with pytest.raises(CompareError, match="cannot be read"):
        read_report(tmp_path / "nowhere.html")


# What --compare may name ---------------------------------------------------------


class Simulated(Exception):
    """What would be simulated."""


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """How a run is simulated for what was named."""

    def simulate(scenario: str, **how: Any) -> None:
        raise Simulated({"scenario": scenario, **how})

    monkeypatch.setattr(running, "simulate", simulate)

    def ask(what: str) -> dict[str, Any]:
        request = Request("nominal_facial", 7, "micropython", Path("b.toml"), compare=what)
        with pytest.raises(Simulated) as asked:
            other_run(request)
        how: dict[str, Any] = asked.value.args[0]
        assert (how["seed"], how["lane"]) == (7, "micropython")
        return how

    return ask


def test_one_thing_takes_the_place_of_another(
    named: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    def file(name: str, table: str) -> Path:
        path = tmp_path / name
        path.write_text(f"[{table}]\n", encoding="utf-8")
        return path

    how = named("clogged_runaway")
    assert (how["scenario"], how["board"]) == ("clogged_runaway", Path("b.toml"))
    case = file("case.toml", "scenario")
    assert named(str(case))["scenario"] == str(case)
    board = file("board.toml", "regulator")
    assert (named(str(board))["scenario"], named(str(board))["board"]) == ("nominal_facial", board)
    protocol = file("protocol.toml", "protocol")
    how = named(str(protocol))
    assert (how["board"], how["protocol"]) == (Path("b.toml"), protocol)


def test_what_is_not_there_is_told_with_what_could_be_meant() -> None:
    with pytest.raises(CompareError, match=r"there is no nominal_facal; did you mean nominal_fac"):
        other_run(Request("nominal_facial", compare="nominal_facal"))
    with pytest.raises(CompareError, match="Name an earlier report"):
        other_run(Request("nominal_facial", compare="zzz.toml"))


def test_an_earlier_report_is_not_simulated_again(
    earlier: Path, real: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "simulate", None)
    found = other_run(Request("nominal_facial", compare=str(earlier)))
    assert isinstance(found, RunRecord)
    assert found.result == real
