"""One scenario, or many side by side: from what was asked to how it ended.

Whatever goes wrong in a run becomes an Outcome with its exit code, in the
process where it happened, so that one bad scenario never hides the others.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emery.crash import crash_message
from emery.exit_codes import ExitCode
from emery.processes import side_by_side

if TYPE_CHECKING:
    from emery.simulator.report import RunRecord
    from emery.simulator.trace import Trace

_FEWER = "try fewer at once, with -j 1"


@dataclass(frozen=True)
class Request:
    """One run: a scenario (shipped name or TOML file) and what differs from it."""

    scenario: str
    seed: int | None = None
    lane: str = "cpython"
    board: Path | None = None
    protocol: Path | None = None
    report: Path | None = None
    compare: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    `message` says what went wrong beside the simulation itself. Where there is
    none, there is a result; where only the report failed, there are both.
    `other` is the result of the run it is compared with, if any.
    """

    scenario: str
    exit_code: ExitCode
    result: dict[str, Any] | None
    message: str = ""
    other: Mapping[str, Any] | None = None


def run(request: Request, progress: Callable[[float], None] | None = None) -> Outcome:
    """Simulate once. `progress` is given the finished part, 0 to 1."""
    try:
        return _run(request, progress)
    except Exception as error:  # noqa: BLE001 - one broken run must not stop the others
        return Outcome(request.scenario, ExitCode.INTERNAL, None, crash_message(error))


def _run(request: Request, progress: Callable[[float], None] | None) -> Outcome:
    from emery.config.document import ConfigError
    from emery.simulator.comparison import CompareError
    from emery.simulator.lanes import LaneFailed, LaneMissing
    from emery.simulator.run import simulate

    try:
        other = None
        if request.compare is not None:
            from emery.simulator.other_run import other_run

            other = other_run(request, progress)
        done = simulate(
            request.scenario,
            seed=request.seed,
            lane=request.lane,
            board=request.board,
            protocol=request.protocol,
            progress=progress,
        )
    except ConfigError as error:
        return Outcome(request.scenario, ExitCode.BAD_INPUT, None, error.render())
    except (LaneMissing, CompareError) as error:
        return Outcome(request.scenario, ExitCode.BAD_INPUT, None, f"error: {error}")
    except LaneFailed as error:
        return Outcome(request.scenario, ExitCode.INTERNAL, None, f"error: {error}")
    code = ExitCode.PASS if done.result["passed"] else ExitCode.REQUIREMENT_FAILED
    message = ""
    if request.report is not None:
        message = _report(request.report, done.result, done.trace, other)
        if message:
            code = ExitCode.BAD_INPUT
    return Outcome(
        done.result["scenario"], code, done.result, message, other.result if other else None
    )


def _report(
    path: Path, result: dict[str, Any], trace: "Trace", other: "RunRecord | None"
) -> str:
    """Write the report; what kept it from being written, or ""."""
    from emery.simulator.report import ReportError, write_report

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(path, result, trace, other)
    except ReportError as error:
        return f"error: {error}"
    except OSError as error:
        return f"error: cannot make the folder {path.parent}: {error.strerror or error}"
    return ""


def run_all(
    requests: Sequence[Request],
    workers: int,
    finished: Callable[[Outcome], None],
    work: Callable[[Request], Outcome] = run,
) -> list[Outcome]:
    """Run all of `requests` in at most `workers` processes.

    `finished` is called as each one ends; the list is in the order asked.
    """
    outcomes: dict[int, Outcome] = {}
    with side_by_side(min(workers, len(requests)), "the runs", _FEWER) as executor:
        futures: dict[Future[Outcome], int] = {
            executor.submit(work, request): number for number, request in enumerate(requests)
        }
        for future in as_completed(futures):
            number = futures[future]
            try:
                outcome = future.result()
            except BrokenProcessPool:
                outcome = Outcome(
                    requests[number].scenario,
                    ExitCode.INTERNAL,
                    None,
                    "error: the process of this run, or of one beside it, was killed; often that "
                    f"is memory running out: {_FEWER}",
                )
            outcomes[number] = outcome
            finished(outcome)
    return [outcomes[number] for number in range(len(requests))]


def exit_code(outcomes: Sequence[Outcome]) -> ExitCode:
    """The exit code of a command that had these outcomes: the worst of them."""
    return max((outcome.exit_code for outcome in outcomes), default=ExitCode.PASS)


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What `--json` prints, in one shape for one run or many.

    `runs` holds every result there is, `compared` those of runs set beside
    them, `errors` what kept a run from having a result, or its report from
    being written.
    """
    from emery.simulator.run import SCHEMA

    return {
        "schema": SCHEMA,
        "runs": [outcome.result for outcome in outcomes if outcome.result is not None],
        "compared": [outcome.other for outcome in outcomes if outcome.other is not None],
        "errors": [
            {
                "scenario": outcome.scenario,
                "exit_code": int(outcome.exit_code),
                "message": outcome.message,
            }
            for outcome in outcomes
            if outcome.message
        ],
    }
