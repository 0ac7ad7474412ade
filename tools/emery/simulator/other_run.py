"""The run to compare with, from what stands after `--compare`.

An earlier report is read, since it holds its whole run. Anything else is
simulated as this run is, but with one thing in the place of another: a
scenario, a board file or a protocol file.
"""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from emery.config import extends
from emery.config.named import config_file
from emery.simulator import run as running
from emery.simulator.comparison import CompareError
from emery.simulator.report import RunRecord, run_record
from emery.simulator.report.earlier import read_report

if TYPE_CHECKING:
    from emery.simulator.batch import Request

__all__ = ["other_run"]

_REPORTS = (".html", ".htm")


def other_run(request: "Request", progress: Callable[[float], None] | None = None) -> RunRecord:
    """Read or simulate what `request.compare` names.

    Raises CompareError, or whatever `simulate` raises.
    """
    what = request.compare or ""
    path = config_file(Path(what))
    if path.suffix in _REPORTS:
        return read_report(path)
    scenario, board, protocol = request.scenario, request.board, request.protocol
    if what in running.scenario_names():
        scenario = what
    elif not path.is_file():
        near = get_close_matches(what, running.scenario_names(), n=1, cutoff=0.5)
        raise CompareError(
            f"--compare: there is no {what}" + (f"; did you mean {near[0]}?" if near else ".")
            + "\nName an earlier report (.html), a scenario, or a board or protocol file."
        )
    else:
        tables = set(extends.read(path).keys())
        if "scenario" in tables:
            scenario = what
        elif tables & {"protocol", "zone"}:
            protocol = path
        else:
            board = path
    run = running.simulate(
        scenario, seed=request.seed, lane=request.lane, board=board, protocol=protocol,
        progress=progress,
    )  # fmt: skip
    return run_record(run.result, run.trace)
