"""The campaign: what it draws, that it notices a wrong count, and what it says.

That the firmware counts rightly is shown by a few operators here, and by many
in the long test.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from emery import cli
from emery.campaign import run as campaign_run
from emery.campaign.draw import Case, draw
from emery.campaign.one import UNTOLD, Verdict, judge
from emery.campaign.table import text
from emery.simulator import loop
from emery.simulator.operator import ENDINGS, ENDS_UNSAID, STYLES

DRAWN = range(1, 301)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [draw(seed) for seed in DRAWN]


def group(case: Case) -> str:
    return ENDS_UNSAID if case.ending == ENDS_UNSAID else case.style


def first(cases: list[Case], name: str) -> int:
    """Seed of the first operator of a group."""
    return next(case.seed for case in cases if group(case) == name)


def test_a_seed_is_always_the_same_operator(cases: list[Case]) -> None:
    again = [draw(seed) for seed in DRAWN]
    assert [case.job for case in again] == [case.job for case in cases]
    assert len({str(case.job) for case in cases}) == len(cases)


def test_everything_is_drawn(cases: list[Case]) -> None:
    jobs = [case.job for case in cases]
    assert {group(case) for case in cases} == {*STYLES, ENDS_UNSAID}
    assert {case.ending for case in cases} == set(ENDINGS)
    assert {case.settings.tick_period_ms for case in cases} == {5, 10}
    assert {zone.passes for case in cases for zone in case.settings.zones} == {1, 2, 3}
    levels = {zone.level for case in cases for zone in case.settings.zones}
    assert levels == set(range(1, 11))
    assert {tuple(job["operator"]["zones"]) for job in jobs} == {(0,), (1,), (0, 1), (1, 0)}
    assert {bool(job["events"]) for job in jobs} == {True, False}
    assert {job["timing"]["tick_jitter_ms"] for job in jobs} == {0, 1, 2, 3}
    assert {job["operator"]["passes"] for job in jobs} == {1, 2, 3, 4}


def test_each_group_has_its_place_in_the_table() -> None:
    assert set(campaign_run.GROUPS) == {*STYLES, ENDS_UNSAID}
    assert campaign_run.GROUPS[-len(UNTOLD) :] == tuple(UNTOLD)


@pytest.mark.parametrize("name", [name for name in STYLES if name not in UNTOLD])
def test_who_tells_the_truth_is_counted_exactly(name: str, cases: list[Case]) -> None:
    verdict = judge(first(cases, name))
    assert verdict.group == name
    assert verdict.made == verdict.counted > 0
    assert verdict.is_equal
    assert (verdict.broken, verdict.faults) == ((), ())


@pytest.mark.parametrize("seed", [262, 332])
def test_who_leaves_a_coverage_says_so(seed: int) -> None:
    # These gave a covered zone up when a press was refused, rested, and began the
    # next coverage without a word. The device took the two for one pass.
    verdict = judge(seed)
    assert verdict.made == verdict.counted > 0
    assert verdict.broken == ()


def test_a_stamping_foot_is_never_counted_too_low(cases: list[Case]) -> None:
    verdict = judge(first(cases, "stamping"))
    assert verdict.made > 0
    assert verdict.under == 0
    assert verdict.broken == ()


def tampered(change: Callable[[dict[str, Any]], None]) -> Callable[..., dict[str, Any]]:
    real = loop.run

    def run(job: dict[str, Any], write: Any) -> dict[str, Any]:
        facts = real(job, write)
        change(facts)
        return facts

    return run


def test_a_pass_that_was_missed_is_found(
    monkeypatch: pytest.MonkeyPatch, cases: list[Case]
) -> None:
    def one_less(facts: dict[str, Any]) -> None:
        # In the session before, and in the other zone one too many, for balance.
        facts["earlier_sessions"] = [([0, 1], [1, 0])]

    monkeypatch.setattr(loop, "run", tampered(one_less))
    verdict = judge(first(cases, "careful"))
    assert (verdict.under, verdict.over) == (1, 1)
    assert not verdict.is_equal
    assert [what.split(":")[0] for what in verdict.broken] == ["passes_not_missed"]


def test_who_never_finishes_is_told(monkeypatch: pytest.MonkeyPatch, cases: list[Case]) -> None:
    monkeypatch.setattr(
        loop, "run", tampered(lambda facts: facts.__setitem__("finished", False))
    )
    assert judge(first(cases, "careful")).broken == ("finished: expected within 300 s",)


def test_who_crashes_is_told_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(job: object, write: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(loop, "run", crash)
    with pytest.raises(ZeroDivisionError) as crashed:
        judge(77)
    assert crashed.value.__notes__ == ["The operator is that of seed 77."]


def verdict_of(seed: int, group: str, **what: Any) -> Verdict:
    usual: dict[str, Any] = {
        "made": 2, "counted": 2, "over": 0, "under": 0, "broken": (), "faults": (),
        "simulated_ms": 60_000,
    }
    return Verdict(seed=seed, group=group, **usual | what)


def test_the_worst_of_a_group_is_one_who_was_counted_too_low() -> None:
    verdicts = [
        verdict_of(1, "stamping", counted=6, over=4),
        verdict_of(2, "unsaid", made=3, under=1),
        verdict_of(3, "unsaid", counted=8, over=6),
    ]
    groups = {row["name"]: row for row in campaign_run.document(1, verdicts)["groups"]}
    assert groups["stamping"]["worst"] == {"seed": 1, "counted": 6, "made": 2}
    assert groups["unsaid"]["worst"]["seed"] == 2
    assert groups["careful"]["worst"] is None
    assert (groups["unsaid"]["over"], groups["unsaid"]["under"]) == (1, 1)


@pytest.mark.parametrize(("over", "passed"), [(2, True), (3, False)])
def test_the_goal_is_98_in_100_of_those_who_tell(over: int, passed: bool) -> None:
    verdicts = [verdict_of(n, "careful", over=int(n < over)) for n in range(100)]
    verdicts += [verdict_of(n, "stamping", over=1) for n in range(100, 150)]
    told = campaign_run.document(0, verdicts)
    assert told["told"] == {"operators": 100, "equal": 100 - over}
    assert told["passed"] is passed
    assert campaign_run.exit_code(told) == (0 if passed else 1)


def test_a_violation_is_told_with_its_seed_and_fails() -> None:
    broken = verdict_of(41, "unsaid", broken=("unsafe_in_fault: expected none, measured 5 ms",))
    told = campaign_run.document(40, [verdict_of(40, "careful"), broken])
    assert campaign_run.exit_code(told) == 1
    printed = text(told)
    assert "unsaid, seed 41" in printed
    assert "unsafe_in_fault" in printed
    assert "all hold" not in printed


def test_the_table_fits_a_terminal() -> None:
    verdicts = [
        verdict_of(123_456 + n, name, counted=12, over=10, faults=("OVER_VACUUM",))
        for n, name in enumerate(campaign_run.GROUPS)
    ]
    lines = text(campaign_run.document(123_456, verdicts)).splitlines()
    assert max(len(line) for line in lines) <= 80
    assert all(line == line.rstrip() for line in lines)
    assert "12 / 2 (123456)" in "\n".join(lines)


def test_many_processes_find_what_one_does() -> None:
    seen: list[int] = []
    alone = campaign_run.run(5, 2, 1, lambda verdict: seen.append(verdict.seed))
    assert seen == [5, 6]
    assert campaign_run.run(5, 2, 2, lambda verdict: None) == alone


def test_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def judged(seed: int) -> Verdict:
        return verdict_of(seed, "hurried", broken=("x: y",) if seed == 9 else ())

    def emery(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["emery", "campaign", "-j", "1", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert printed.err == ""
        return int(ended.value.code or 0), printed.out

    monkeypatch.setattr(campaign_run, "judge", judged)
    code, out = emery("--operators", "3", "--seed", "7", "--json")
    assert code == 1
    document = json.loads(out)
    assert document["schema"] == campaign_run.SCHEMA
    assert document["violations"] == [{"seed": 9, "group": "hurried", "what": ["x: y"]}]
    code, out = emery("--operators", "2")
    assert code == 0
    assert "2 operators (seeds 1 to 2)" in out


@pytest.mark.long
def test_many_operators_are_counted_rightly() -> None:
    verdicts = campaign_run.run(10_000, 300, 1, lambda verdict: None)
    told = campaign_run.document(10_000, verdicts)
    assert told["passed"], text(told)
    assert not [verdict for verdict in verdicts if verdict.faults]
    assert not [v for v in verdicts if v.under and v.group != ENDS_UNSAID]
