"""The state machine, explored under every event until nothing new comes: no
dead end, no state out of reach, no way round the checklist and the proof."""

from collections import deque
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emery.cli import app
from emery.exit_codes import ExitCode
from emery.states import diagram, exploration
from emery.states.exploration import POWER_LOSS, Device, Found, Situation, Ways, explore
from firmware import faults
from firmware.treatment import STATES
from hal.contract import CONFIRM_ALL, SWITCH_PRESSED

# Where a device may be left: it is idle, or in the hands of a technician.
RESTS = {"STANDBY", "COMPLETE", "SERVICE"}
SVG = Path(__file__).parents[2] / "firmware" / "states.svg"


def look(device: Device) -> None:
    """What must hold in every tick of the search."""
    core, outputs, state = device.core, device.outputs, device.state
    wish = core.treatment
    if core.protection.fault or state not in ("TREATING", "PROOF", "SERVICE"):
        assert outputs.are_safe()
    if state == "TREATING":
        assert device.foot == SWITCH_PRESSED
        assert core.passes.is_open
        assert core.passes.sequence == device.readings.committed_sequence
        assert wish.confirmed == CONFIRM_ALL
        assert core.plan.skin_type
        assert wish.level <= core.plan.available_level
        assert wish.session_ms < wish.session_limit_ms
    elif state == "PROOF":
        assert wish.confirmed == CONFIRM_ALL
        assert outputs.feed_permille == 0
    elif state == "SERVICE":
        assert device.in_service
    if wish.kept_fault:
        # Known to be broken: nothing but FAULT, and SERVICE by a restart.
        assert state in ("BOOT", "FAULT", "SERVICE")
        assert state != "FAULT" or core.protection.fault


@cache
def found() -> Found:
    return explore(look)


def reached(ways: Ways, start: str, without: str = "") -> set[str]:
    """The states that can be reached from one, never through another."""
    seen = {start}
    todo = deque(seen)
    while todo:
        here = todo.popleft()
        for a, b in ways:
            if a == here and b not in seen and b != without:
                seen.add(b)
                todo.append(b)
    return seen


def dead_ends(found: Found) -> list[Situation]:
    """Situations from which no events lead to rest, power loss apart."""
    back: dict[Situation, set[Situation]] = {}
    for here, after in found.after.items():
        for event, there in after.items():
            if event != POWER_LOSS:
                back.setdefault(there, set()).add(here)
    lives = {here for here, state in found.states.items() if state in RESTS}
    todo = deque(lives)
    while todo:
        for before in back.get(todo.popleft(), ()):
            if before not in lives:
                lives.add(before)
                todo.append(before)
    return [here for here in found.states if here not in lives]


def test_there_is_no_dead_end() -> None:
    ends = dead_ends(found())
    assert not ends, f"{found().states[ends[0]]} after {found().path(ends[0])}"


def test_every_state_is_reached_and_the_search_came_to_its_end() -> None:
    assert set(found().states.values()) == set(STATES)
    assert set(found().after) == set(found().states)
    assert len(found().states) > 300
    for after in found().after.values():
        assert set(after.values()) <= set(found().states)


def test_the_search_has_tried_everything_that_ends_a_pass_or_a_session() -> None:
    ways = found().ways
    assert ways["TREATING", "PAUSED"] >= {
        "release", "PASS DONE", "one spot", "no contact", "pass gap", "pass time",
        "pass crystals", "session time",
    }
    assert ways["TREATING", "ZONE_DONE"] >= {"PASS DONE", "pass gap", "pass time", "dose"}
    assert ways["TREATING", "COMPLETE"] == {"END", "90 minutes"}
    assert ways["READY", "RESTING"] >= {"zone 2"}
    assert ways["TREATING", "RESTING"] == {"rest overdue"}
    assert ways["ZONE_DONE", "RESTING"] >= {"press"}
    assert ("PAUSED", "RESTING") in ways
    assert ways["READY", "FAULT"] >= {"record too late", "foot too long"}
    assert ways["FAULT", "SELF_TEST"] == {"ACKNOWLEDGE"}
    assert ways["CHECKLIST", "STANDBY"] == ways["PROOF", "STANDBY"] == {"END"}
    names = {row[1] for row in faults.CATALOGUE if row[0] and row[3] != faults.EXIT_NONE}
    for state in set(STATES) - {"BOOT", "FAULT", "SERVICE"}:
        # A fault that is latched already stays; every other one is told.
        assert names <= ways[state, "FAULT"] | {"FOOTSWITCH_HELD"}


@pytest.mark.parametrize("gate", ["CHECKLIST", "PROOF"])
def test_no_way_to_suction_goes_round(gate: str) -> None:
    ways = found().ways
    assert "TREATING" in reached(ways, "BOOT")
    for state in set(STATES) - set(diagram.SESSION) - {gate, "PROOF"}:
        assert "TREATING" not in reached(ways, state, without=gate)


def test_service_is_entered_and_left_by_a_restart_alone() -> None:
    ways = found().ways
    assert {a for a, b in ways if b == "SERVICE"} == {"BOOT"}
    assert {b for a, b in ways if a == "SERVICE"} == {"BOOT"}
    assert {a for a, b in ways if b == "BOOT"} == {"STANDBY", "FAULT", "SERVICE"}


def test_a_dead_end_would_be_seen() -> None:
    here, there = (0,), (1,)
    lost = Found({here: "READY", there: "STANDBY"}, {here: {POWER_LOSS: there}, there: {}})
    assert dead_ends(lost) == [here]


@pytest.mark.long
def test_nor_does_any_of_it_happen_when_rare_things_come_together() -> None:
    deep = explore(look, together=True)
    assert not dead_ends(deep)
    assert set(deep.ways) == set(found().ways)
    assert len(deep.states) > len(found().states)


# The picture ----------------------------------------------------------------------


def test_the_committed_picture_is_what_the_code_gives() -> None:
    assert SVG.read_text(encoding="utf-8") == diagram.draw(found().ways), (
        "make it anew: emery states --svg firmware/states.svg"
    )


def test_a_way_that_the_picture_does_not_know_is_an_error() -> None:
    ways = found().ways
    with pytest.raises(diagram.OutOfDate, match="leads from SERVICE to READY"):
        diagram.draw({**ways, ("SERVICE", "READY"): set()})
    for way in ways:
        if way[1] != "FAULT":
            fewer = {other: by for other, by in ways.items() if other != way}
            with pytest.raises(diagram.OutOfDate, match=f"from {way[0]} to {way[1]}"):
                diagram.draw(fewer)
    with pytest.raises(diagram.OutOfDate, match="no box for LOST"):
        diagram.draw({**ways, ("LOST", "FAULT"): set()})


def test_the_picture_tells_which_states_a_fault_leaves_alone() -> None:
    ways = {way: by for way, by in found().ways.items() if way != ("READY", "FAULT")}
    assert "from every other state but READY and SERVICE" in diagram.draw(ways)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(exploration, "explore", found)
    return CliRunner()


def test_the_command_lists_the_ways_and_draws_them(ask: CliRunner, tmp_path: Path) -> None:
    result = ask.invoke(app, ["states"])
    assert result.exit_code == ExitCode.PASS
    assert len(result.stdout.splitlines()) == len(found().ways)
    assert "FAULT -> SELF_TEST: ACKNOWLEDGE\n" in result.stdout
    file = tmp_path / "states.svg"
    assert ask.invoke(app, ["states", "--svg", str(file)]).exit_code == ExitCode.PASS
    assert file.read_text(encoding="utf-8") == SVG.read_text(encoding="utf-8")
    nowhere = ask.invoke(app, ["states", "--svg", str(tmp_path / "no" / "states.svg")])
    assert nowhere.exit_code == ExitCode.BAD_INPUT
    assert "cannot write" in nowhere.stderr


def test_a_picture_out_of_date_is_not_drawn(
    ask: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagram, "SESSION", diagram.SESSION[1:])
    file = tmp_path / "states.svg"
    result = ask.invoke(app, ["states", "--svg", str(file)])
    assert result.exit_code == ExitCode.REQUIREMENT_FAILED
    assert "from READY to COMPLETE" in result.stderr
    assert not file.exists()
