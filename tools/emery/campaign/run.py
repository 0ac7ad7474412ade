"""A campaign: operators of many seeds, side by side, and how it came out."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from typing import Any

from emery.campaign.one import UNTOLD, Verdict, judge
from emery.exit_codes import ExitCode
from emery.processes import side_by_side
from emery.simulator.operator import STYLES

SCHEMA = "emery.campaign/1"
# Of the operators who tell the device the truth, so many are counted exactly.
# [E: goal of this project]
GOAL_PERMILLE = 980
GROUPS = (*(style for style in STYLES if style not in UNTOLD), *UNTOLD)


def run(
    seed: int, operators: int, workers: int, finished: Callable[[Verdict], None]
) -> list[Verdict]:
    """The verdicts on the operators of `seed` and the seeds after it, in order.

    `finished` is called as each one ends. Raises ProcessLost.
    """
    seeds = range(seed, seed + operators)
    verdicts = []
    for verdict in _judged(seeds, min(workers, operators)):
        finished(verdict)
        verdicts.append(verdict)
    return sorted(verdicts, key=lambda verdict: verdict.seed)


def _judged(seeds: range, workers: int) -> Iterator[Verdict]:
    if workers == 1:
        yield from map(judge, seeds)
        return
    with side_by_side(workers, "the campaign", "try fewer at once, with -j 1") as executor:
        for future in as_completed([executor.submit(judge, seed) for seed in seeds]):
            yield future.result()


def document(seed: int, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """How the campaign came out, in the shape that `--json` prints."""
    told = [verdict for verdict in verdicts if verdict.group not in UNTOLD]
    equal = sum(verdict.is_equal for verdict in told)
    violations = [
        {"seed": verdict.seed, "group": verdict.group, "what": list(verdict.broken)}
        for verdict in verdicts
        if verdict.broken
    ]
    reached = 1000 * equal >= GOAL_PERMILLE * len(told)
    return {
        "schema": SCHEMA,
        "seed": seed,
        "operators": len(verdicts),
        "simulated_s": sum(verdict.simulated_ms for verdict in verdicts) // 1000,
        "told": {"operators": len(told), "equal": equal},
        "goal_permille": GOAL_PERMILLE,
        "groups": [
            _group(group, [verdict for verdict in verdicts if verdict.group == group])
            for group in GROUPS
        ],
        "violations": violations,
        "faults": [
            {"seed": verdict.seed, "codes": list(verdict.faults)}
            for verdict in verdicts
            if verdict.faults
        ],
        "passed": reached and not violations,
    }


def _group(group: str, verdicts: list[Verdict]) -> dict[str, Any]:
    worst = max(
        (verdict for verdict in verdicts if not verdict.is_equal),
        key=lambda verdict: (verdict.under, verdict.over),
        default=None,
    )
    return {
        "name": group,
        "told": group not in UNTOLD,
        "why_not": UNTOLD.get(group, ""),
        "operators": len(verdicts),
        "idle": sum(verdict.made == verdict.counted == 0 for verdict in verdicts),
        "equal": sum(verdict.is_equal for verdict in verdicts),
        "over": sum(verdict.over > 0 for verdict in verdicts),
        "under": sum(verdict.under > 0 for verdict in verdicts),
        "passes_made": sum(verdict.made for verdict in verdicts),
        "passes_over": sum(verdict.over for verdict in verdicts),
        "worst": None
        if worst is None
        else {"seed": worst.seed, "counted": worst.counted, "made": worst.made},
    }


def exit_code(told: dict[str, Any]) -> ExitCode:
    """Of a campaign that came out like this."""
    return ExitCode.PASS if told["passed"] else ExitCode.REQUIREMENT_FAILED
