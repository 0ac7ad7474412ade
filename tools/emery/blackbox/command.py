"""`emery log pull`, `emery log show` and `emery replay`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode
from emery.lane import Lane

if TYPE_CHECKING:
    from emery.blackbox.log_file import Log
    from emery.blackbox.replay import Difference, Outcome

log_app = typer.Typer(help="What a device remembers: pull it, and read it.", no_args_is_help=True)

_FIELDS_SHOWN = 12


@log_app.command()
def pull(
    file: Annotated[
        Path | None,
        typer.Argument(
            dir_okay=False,
            help="Where to. Default: named by device and time, here.",
            show_default=False,
        ),
    ] = None,
    *,
    port: Annotated[
        str | None,
        typer.Option(
            help="Serial port, path of a virtual board's terminal, or socket://host:port. "
            "Default: the only board there is.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
) -> None:
    """Pull black box, journal, config and records of a device into one file.

    Nothing is stopped by it, and nothing is cleared. While outputs are active the device
    refuses.
    """
    from emery.blackbox import log_file
    from emery.blackbox.pull import pull as pull_log
    from emery.blackbox.show import summary
    from emery.device.problem import DeviceProblem
    from emery.link.client import connected

    if file is not None:
        _refuse_file(file, force)
    try:
        with connected(port) as (client, hello), terminal.progress("black box") as show:
            if file is None:
                file = Path(_name(hello.board, hello.boots))
                _refuse_file(file, force)
            log = pull_log(client, hello, show)
    except DeviceProblem as problem:
        terminal.refuse(str(problem), problem.code)
    try:
        log_file.write(file, log.text(), over=force)
    except FileExistsError:
        _refuse_file(file, force)
    except OSError as error:
        terminal.refuse(f"cannot write {file}: {error.strerror}. Name another file")
    box = None
    if "box" in log.blobs:
        try:
            box = log.box()
        except log_file.LogFileError as error:
            terminal.complain(f"warning: {error}. It is in the file as the device gave it")
    for name, words in log.missing.items():
        terminal.complain(f"warning: the file has no {name}: the device said `{words}`")
    terminal.write(f"{file}: {summary(log, box)}\n")


def _name(board: str, start: int) -> str:
    """A name for a log, such as `bench-pico-start12-20261125T170409.emery-log`."""
    from datetime import datetime

    from emery.blackbox.log_file import ENDING

    plain = re.sub(r"[^A-Za-z0-9]+", "-", board).strip("-").lower() or "device"
    return f"{plain}-start{start}-{datetime.now():%Y%m%dT%H%M%S}{ENDING}"


def _refuse_file(file: Path, force: bool) -> None:
    """End here if the file may not be written."""
    if not file.parent.is_dir():
        terminal.refuse(f"there is no folder {file.parent}. Make it, or name another file")
    if file.exists() and not force:
        terminal.refuse(
            f"{file} is there already. Nothing was written; name another file, or write over "
            "it with --force"
        )


@log_app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A log that was pulled.")],
    *,
    ticks: Annotated[
        int, typer.Option(min=0, max=100_000, help="How many of the last ticks.")
    ] = 20,
) -> None:
    """Show a log: the device, its journal, its last faults and its last ticks."""
    from emery.blackbox.show import page

    terminal.write(page(_read(file), ticks))


def replay(
    file: Annotated[Path, typer.Argument(help="A log that was pulled.")],
    *,
    to_test: Annotated[
        Path | None,
        typer.Option(
            "--to-test",
            metavar="FILE.py",
            dir_okay=False,
            help="Make a regression test of it, with its data beside it.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a test.")] = False,
    lane: Annotated[
        Lane, typer.Option(help="Where it is replayed as well, to the same CRC.")
    ] = Lane.CPYTHON,
) -> None:
    """Run the black box of a log through this firmware again, tick by tick.

    The same inputs must bring the same decisions, and at every later keyframe the same
    state; exit code 1 at the first that differs.
    """
    from emery.blackbox.log_file import LogFileError
    from emery.blackbox.replay import replay as replay_log

    if to_test is not None:
        _refuse_test(to_test, force)
    log = _read(file)
    try:
        outcome = replay_log(log)
    except LogFileError as error:
        terminal.refuse(f"{file} cannot be replayed: {error}.")
    agreed = f"{outcome.ticks} ticks from {outcome.first_tick} on, CRC {outcome.crc:08X}"
    if outcome.difference is not None:
        _tell(outcome.difference, log)
        terminal.write(f"different after {agreed}\n")
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)
    if lane is not Lane.CPYTHON:
        _on_lane(log, lane, outcome)
    frames = f"{outcome.keyframes} keyframe" + ("s" if outcome.keyframes != 1 else "")
    terminal.write(f"same: {agreed}, {frames} compared\n")
    if to_test is not None:
        from emery.blackbox.log_file import write
        from emery.blackbox.regression import data_path, regression_text

        try:
            write(data_path(to_test), log.text(), over=force)
            write(to_test, regression_text(to_test, log, outcome), over=force)
        except OSError as error:
            terminal.refuse(f"cannot write {error.filename}: {error.strerror}. Name another file")
        terminal.write(f"test: {to_test}, with {data_path(to_test).name} beside it\n")


def _on_lane(log: "Log", lane: Lane, outcome: "Outcome") -> None:
    """End here if the ticks come out otherwise on the lane, or it cannot be had."""
    from emery.blackbox.replay import replay_on
    from emery.simulator.lanes import LaneFailed, LaneMissing, interpreter

    try:
        there = replay_on(log, lane.value)
        name = interpreter(lane.value)
    except LaneMissing as missing:
        terminal.refuse(f"{missing}")
    except LaneFailed as failed:
        terminal.refuse(f"{failed}", ExitCode.REQUIREMENT_FAILED)
    if (there["ticks"], there["crc"]) != (outcome.ticks, outcome.crc):
        at = there["first_difference"]
        where = f"tick {outcome.first_tick + at}" if at >= 0 else "the state of some tick"
        terminal.complain(f"{where} comes out otherwise on {name}")
        terminal.write(f"different on {lane.value}: CRC {there['crc']:08X}\n")
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)
    terminal.write(f"same on {name}\n")


def _refuse_test(test: Path, force: bool) -> None:
    from emery.blackbox.regression import data_path

    if test.suffix != ".py" or not test.name.startswith("test_"):
        terminal.refuse(
            f"{test.name} is no name that pytest finds; name the test test_SOMETHING.py"
        )
    _refuse_file(test, force)
    _refuse_file(data_path(test), force)


def _tell(difference: "Difference", log: "Log") -> None:
    """The first tick that came out otherwise."""
    from emery import __version__

    if difference.error:
        terminal.complain(f"tick {difference.tick}: the core ended with {difference.error}")
    else:
        what = "the state before it" if difference.in_state else "its decision"
        terminal.complain(f"tick {difference.tick}: {what} is not as recorded")
    for field in difference.fields[:_FIELDS_SHOWN]:
        terminal.complain(
            f"    {field.field}: recorded {field.recorded}, replayed {field.replayed}"
        )
    if len(difference.fields) > _FIELDS_SHOWN:
        terminal.complain(f"    and {len(difference.fields) - _FIELDS_SHOWN} more")
    if log.hello.version != __version__:
        terminal.complain(f"    The device ran Emery {log.hello.version}, this is {__version__}.")


def _read(file: Path) -> "Log":
    from emery.blackbox.log_file import LogFileError, read

    try:
        return read(file)
    except OSError as error:
        terminal.refuse(f"cannot read {file}: {error.strerror}. Name another file")
    except LogFileError as error:
        terminal.refuse(f"{error}.")
