"""The command `emery`: what can be asked, and how every answer ends.

Exit codes: 0 passed, 1 a requirement failed, 2 bad input (or this machine
lacks what was asked for, such as a MicroPython), 3 an internal error, 4 a
device failed, 130 interrupted. Results go to stdout; errors and progress go to
stderr, progress only to a terminal. With `--json` the JSON is alone on stdout.

Each command imports what it needs when it runs, so that `emery --help` stays
quick.
"""

import json
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from emery import __version__, terminal
from emery.blackbox.command import log_app, replay
from emery.calibrate.command import calibrate_app
from emery.certificate.command import certify
from emery.config.command import config_app
from emery.doctor.command import doctor
from emery.exit_codes import ExitCode
from emery.flash.command import flash
from emery.identify.command import identify
from emery.lane import Lane
from emery.link.command import get, set_value
from emery.monitor.command import monitor
from emery.stops.command import stops
from emery.tune.command import tune
from emery.virtual_board.command import virtual_board

if TYPE_CHECKING:
    from emery.campaign.one import Verdict
    from emery.simulator.batch import Outcome, Request

DEFAULT_SCENARIO = "nominal_facial"

app = typer.Typer(
    name="emery",
    help="Simulate, check and tune crystal microdermabrasion controllers.",
    epilog="Exit codes: 0 passed, 1 a requirement failed, 2 bad input, 3 internal error, "
    "4 device, 130 interrupted.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(config_app, name="config")
app.add_typer(log_app, name="log")
app.add_typer(calibrate_app, name="calibrate")
for _name, _command in (
    ("flash", flash),
    ("doctor", doctor),
    ("monitor", monitor),
    ("get", get),
    ("set", set_value),
    ("replay", replay),
    ("virtual-board", virtual_board),
    ("stops", stops),
    ("certify", certify),
    ("tune", tune),
    ("identify", identify),
):
    app.command(_name)(_command)


def main() -> NoReturn:
    """Run the command line and exit; no traceback ever reaches a person."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a letter of a title is no error.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last line of defence
        from emery.crash import crash_message

        terminal.complain(crash_message(error))
        sys.exit(ExitCode.INTERNAL)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(ExitCode.PASS)


def _print_version(wanted: bool) -> None:
    if wanted:
        terminal.write(f"emery {__version__}\n")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def simulate(
    scenario: Annotated[
        str | None,
        typer.Argument(
            help=f"A shipped scenario (see --list) or a TOML file. Default: {DEFAULT_SCENARIO}.",
            show_default=False,
        ),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Run every shipped scenario.")] = False,
    list_them: Annotated[bool, typer.Option("--list", help="List the shipped scenarios.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="With --all: processes at once. Default: one for each processor.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Start of the noise. Default: the scenario's.", show_default=False
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a self-contained HTML page; with --all, one for each scenario into "
            "this folder."
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            help="Set another run beside this one: an earlier report (.html), a scenario, or a "
            "board or protocol that takes the place of this run's.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    junit: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write JUnit XML as well.")
    ] = None,
    lane: Annotated[Lane, typer.Option(help="What runs the firmware.")] = Lane.CPYTHON,
    board: Annotated[
        Path | None,
        typer.Option(help="Board in place of the scenario's: a shipped one, or a file."),
    ] = None,
    protocol: Annotated[
        Path | None,
        typer.Option(help="Protocol in place of the scenario's: a shipped one, or a file."),
    ] = None,
) -> None:
    """Run the control firmware through a treatment on a modelled device."""
    if list_them:
        _list_scenarios(as_json)
        return
    from emery.processes import processors
    from emery.simulator import batch

    board = _named("--board", board)
    protocol = _named("--protocol", protocol)
    scenarios = _chosen_scenarios(scenario, every)
    if jobs is not None and not every:
        terminal.refuse("-j runs scenarios side by side; give --all too")
    if compare is not None and every:
        terminal.refuse("--compare sets one run beside another; leave --all out")
    reports = _report_files(report, scenarios, every)
    requests = [
        batch.Request(name, seed, lane.value, board, protocol, file, compare)
        for name, file in zip(scenarios, reports, strict=True)
    ]
    outcomes = _run(requests, jobs or processors())
    if as_json:
        terminal.write(json.dumps(batch.document(outcomes), indent=1) + "\n")
    _show(outcomes, as_json)
    if report is not None and not as_json and not any(o.message for o in outcomes):
        terminal.write(f"report: {report}\n")
    if junit is not None:
        from emery.simulator.junit import junit_xml

        try:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_bytes(junit_xml(outcomes))
        except OSError as error:
            terminal.refuse(f"cannot write {junit}: {error.strerror or error}; name another file")
    raise typer.Exit(batch.exit_code(outcomes))


@app.command()
def faults(
    code: Annotated[
        str | None,
        typer.Argument(help="A fault's code or number. Default: all.", show_default=False),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Tell what a fault means and what to do about it, step by step."""
    from emery import fault_list

    try:
        rows = fault_list.everything() if code is None else [fault_list.find(code)]
    except fault_list.NoSuchFault as error:
        terminal.refuse(str(error))
    if as_json:
        terminal.write(json.dumps(fault_list.document(rows), indent=1) + "\n")
    else:
        terminal.write(fault_list.table() if code is None else fault_list.page(rows[0]))


@app.command()
def bench(
    *,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Draws other plants. Default: that of the baseline.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    only: Annotated[
        str | None, typer.Option(metavar="GROUP", help="Measure one group only.")
    ] = None,
    check_it: Annotated[
        bool,
        typer.Option("--check", help="Fail if a figure is worse than the reviewed baseline."),
    ] = False,
) -> None:
    """Measure everything in one run, with the references beside it."""
    from emery.bench import baseline
    from emery.bench import run as bench_run
    from emery.simulator.lanes import LaneFailed

    if check_it and seed not in (None, bench_run.SEED):
        terminal.refuse(f"--check compares with plants of seed {bench_run.SEED}; leave --seed out")
    try:
        groups = bench_run.chosen(only)
    except ValueError as unknown:
        terminal.refuse(str(unknown))
    try:
        with terminal.progress("measuring") as show:
            document = bench_run.run(bench_run.SEED if seed is None else seed, groups, show)
    except LaneFailed as error:
        terminal.complain(f"error: {error}")
        raise typer.Exit(ExitCode.INTERNAL) from None
    if check_it:
        document["check"] = baseline.check(document["figures"], baseline.read())
    if as_json:
        terminal.write(json.dumps(document, indent=1) + "\n")
    else:
        from emery.bench.table import print_table

        console = terminal.console(sys.stdout)
        with console.capture() as text:
            print_table(console, document)
        terminal.write("".join(f"{line.rstrip()}\n" for line in text.get().splitlines()))
    raise typer.Exit(bench_run.exit_code(document))


@app.command()
def campaign(
    *,
    operators: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="How many random operators.")
    ] = 1_000,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the first operator; the next has the next one.")
    ] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1,
            help="Processes at once. Default: one for each processor.", show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Let random operators work, and compare the passes counted with those made."""
    from emery.campaign import run as campaign_run
    from emery.campaign.table import text
    from emery.processes import ProcessLost, processors

    ended = 0
    try:
        with terminal.progress(f"{operators} operators") as show:

            def finished(verdict: "Verdict") -> None:
                nonlocal ended
                ended += 1
                show(ended / operators, f"{ended} of {operators} operators")

            verdicts = campaign_run.run(seed, operators, jobs or processors(), finished)
    except ProcessLost as error:
        terminal.refuse(str(error), ExitCode.INTERNAL)
    document = campaign_run.document(seed, verdicts)
    terminal.write(json.dumps(document, indent=1) + "\n" if as_json else text(document))
    raise typer.Exit(campaign_run.exit_code(document))


@app.command()
def states(
    svg: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Draw them into this file instead.")
    ] = None,
) -> None:
    """List every way between the firmware's states, found by trying (some seconds)."""
    from emery.states import diagram, exploration

    ways = exploration.explore().ways
    if svg is None:
        told = exploration.told(ways)
        terminal.write("".join(f"{a} -> {b}: {', '.join(by)}\n" for (a, b), by in told))
        return
    try:
        svg.write_text(diagram.draw(ways), encoding="utf-8")
    except diagram.OutOfDate as error:
        terminal.complain(f"error: {error}")
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED) from None
    except OSError as error:
        terminal.refuse(f"cannot write {svg}: {error.strerror or error}; name another file")


def _list_scenarios(as_json: bool) -> None:
    from emery.simulator.run import SCHEMA, scenario_names

    names = scenario_names()
    if as_json:
        terminal.write(json.dumps({"schema": SCHEMA, "scenarios": names}) + "\n")
    else:
        terminal.write("".join(f"{name}\n" for name in names))


def _named(option: str, path: Path | None) -> Path | None:
    """The board or protocol that is meant, shipped or a file. Ends the command if there
    is none."""
    if path is None:
        return None
    from emery.config.named import config_file

    file = config_file(path)
    if file.is_dir():
        terminal.refuse(f"{option}: {path} is a directory; name a file in it")
    if not file.exists():
        terminal.refuse(
            f"{option}: {path} does not exist; name a file, or one that comes with Emery, such "
            "as pico_w or face"
        )
    return file


def _chosen_scenarios(scenario: str | None, every: bool) -> list[str]:
    from emery.simulator.run import scenario_names

    shipped = scenario_names()
    if every:
        if scenario is not None:
            terminal.refuse(
                f"give either a scenario or --all, not both ({scenario} is among them)"
            )
        return shipped
    chosen = scenario or DEFAULT_SCENARIO
    if chosen in shipped:
        return [chosen]
    if chosen.endswith(".toml") or os.sep in chosen or Path(chosen).exists():
        if Path(chosen).is_file():
            return [chosen]
        terminal.refuse(f"there is no scenario file {chosen}")
    from difflib import get_close_matches

    near = get_close_matches(chosen, shipped, n=1, cutoff=0.5)
    terminal.refuse(
        f"there is no scenario {chosen!r}"
        + (f"; did you mean {near[0]}?" if near else ".")
        + f"\nShipped are: {', '.join(shipped)}."
        + "\nName a scenario of your own by its file, ending in .toml."
    )


def _report_files(report: Path | None, scenarios: list[str], every: bool) -> list[Path | None]:
    if report is None:
        return [None for _ in scenarios]
    if not every:
        if report.is_dir():
            terminal.refuse(
                f"--report {report} is a folder; name a file, such as {report}/report.html"
            )
        return [report]
    if report.suffix or report.is_file():
        terminal.refuse(
            f"with --all, --report names a folder for one page each; {report} is a file name"
        )
    return [report / f"{name}.html" for name in scenarios]


def _run(requests: list["Request"], workers: int) -> list["Outcome"]:
    """Run one here or many in processes, with a progress bar meanwhile."""
    from emery.simulator import batch

    title = f"simulating {requests[0].scenario}" if len(requests) == 1 else ""
    with terminal.progress(title) as show:
        if len(requests) == 1:
            return [batch.run(requests[0], lambda part: show(part, ""))]
        ended = 0

        def finished(outcome: "Outcome") -> None:
            nonlocal ended
            ended += 1
            show(ended / len(requests), f"{ended} of {len(requests)}: {outcome.scenario}")

        return batch.run_all(requests, workers, finished)


def _show(outcomes: list["Outcome"], as_json: bool) -> None:
    """The summary to stdout; what went wrong in a single run to stderr."""
    if not as_json and (len(outcomes) > 1 or outcomes[0].result is not None):
        from emery.simulator.summary import print_summary

        console = terminal.console(sys.stdout)
        with console.capture() as text:
            print_summary(console, outcomes)
        terminal.write("".join(f"{line.rstrip()}\n" for line in text.get().splitlines()))
    if as_json or len(outcomes) == 1:
        for outcome in outcomes:
            if outcome.message:
                terminal.complain(outcome.message)
