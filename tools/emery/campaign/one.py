"""One operator from seed to verdict: what was counted beside what was made.

The truth is the operator's own account: coverages of a zone with a stroke,
session by session. Besides, what holds in every scenario must hold here.
"""

from dataclasses import dataclass
from typing import Any

from emery.campaign.draw import Case, draw
from emery.simulator import analysis, loop, requirements
from emery.simulator.operator import ENDS_UNSAID
from emery.simulator.trace import Trace
from firmware import faults

# Who does not tell the device the truth, and why it cannot know.
UNTOLD = {
    "stamping": "a press opens a pass, and an opened pass counts; the foot also presses"
    " where no stroke will follow",
    ENDS_UNSAID: "the next pass follows without a pause or a word; only budgets end such a"
    " pass, so it may be counted too low",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one operator's passes were counted. `over` and `under` are passes,
    summed over zones and sessions; `broken` are the requirements that did not
    hold, in words. `group` is the style, or `unsaid` for who says nothing."""

    seed: int
    group: str
    made: int
    counted: int
    over: int
    under: int
    broken: tuple[str, ...]
    faults: tuple[str, ...]
    simulated_ms: int

    @property
    def is_equal(self) -> bool:
        """Was every zone counted as it was treated?"""
        return self.over == self.under == 0


def judge(seed: int) -> Verdict:
    """Draw the operator of a seed, let it work, and judge the count."""
    try:
        return judge_case(draw(seed))
    except Exception as error:
        error.add_note(f"The operator is that of seed {seed}.")
        raise


def judge_case(case: Case) -> Verdict:
    """Let the operator of a case work, and judge the count."""
    rows = bytearray()
    facts = loop.run(case.job, rows.extend)
    trace = Trace(rows, case.settings.tick_period_ms)
    figures = analysis.measure(trace, case.settings, facts["events"])
    sessions = [(facts["passes_counted"], facts["passes_made"]), *facts["earlier_sessions"]]
    pairs = [
        pair for counted, made in sessions for pair in zip(counted, made, strict=True)
    ]
    # Where nobody says that a pass has ended, none is missed.
    told = case.ending != ENDS_UNSAID
    broken = _broken(case, figures, pairs, told)
    if not facts["finished"]:
        broken.append(f"finished: expected within {case.job['duration_ms'] // 1000} s")
    return Verdict(
        seed=case.seed,
        group=case.style if told else ENDS_UNSAID,
        made=sum(made for _, made in pairs),
        counted=sum(counted for counted, _ in pairs),
        over=sum(max(0, counted - made) for counted, made in pairs),
        under=sum(max(0, made - counted) for counted, made in pairs),
        broken=tuple(broken),
        faults=tuple(faults.CATALOGUE[fault.number][1] for fault in figures.faults),
        simulated_ms=trace.columns["t_ms"][-1],
    )


def _broken(
    case: Case, figures: analysis.Figures, pairs: list[tuple[int, int]], told: bool
) -> list[str]:
    """What every scenario requires and did not hold here."""
    zones = case.settings.zones
    result: dict[str, Any] = {
        field: getattr(figures, field) for _, _, field in requirements.ALWAYS_ZERO
    }
    result["crystals_after_lift_ms"] = figures.crystals_after_lift_ms
    result["zones"] = [
        {
            "name": zones[index % len(zones)].name,
            "passes_allowed": zones[index % len(zones)].passes,
            "passes_counted": counted,
            "passes_made": made if told else 0,
        }
        for index, (counted, made) in enumerate(pairs)
    ]
    outcomes = [requirement.outcome(result) for requirement in requirements.always()]
    return [
        f"{outcome['key']}: expected {outcome['expected']}, measured {outcome['measured']}"
        for outcome in outcomes
        if not outcome["passed"]
    ]
