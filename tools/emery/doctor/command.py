"""`emery doctor`: what is connected, what this computer lacks, and what to do."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode

if TYPE_CHECKING:
    from emery.doctor.board import BoardFindings
    from emery.doctor.finding import Finding

SCHEMA = "emery.doctor/1"

_NAME_WIDTH = 14


def doctor(
    *,
    port: Annotated[
        str | None,
        typer.Option(
            help="Look at this port only: a serial port, path of a virtual board's terminal, or "
            "socket://host:port. Default: every board there is.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Say what is connected, what runs on it, what this computer lacks, and what to do."""
    from emery.device import ports
    from emery.device.problem import DeviceProblem
    from emery.doctor import board, computer

    with terminal.progress("looking at this computer") as show:
        here = computer.examine()
        drives = [str(drive) for drive in ports.boot_drives()]
        boards: list[BoardFindings] = []
        try:
            found = [ports.chosen(port)] if port is not None else ports.connected()
        except DeviceProblem as problem:
            if port is not None:
                terminal.refuse(str(problem), problem.code)
            found = []  # without pyserial, which is told already
        for number, one in enumerate(found):
            show(number / len(found), f"asking {one.device}")
            boards.append(board.examine(one))
    if as_json:
        document = {
            "schema": SCHEMA,
            "computer": [asdict(finding) for finding in here],
            "boards": [asdict(one) for one in boards],
            "boot_drives": drives,
        }
        terminal.write(json.dumps(document, indent=1) + "\n")
    else:
        terminal.write(_page(here, boards, drives))
    if port is not None and not boards[0].answers:
        raise typer.Exit(ExitCode.DEVICE)
    if any(finding.remedy and finding.is_needed for finding in here):
        raise typer.Exit(ExitCode.BAD_INPUT)


def _page(here: list["Finding"], boards: list["BoardFindings"], drives: list[str]) -> str:
    lines = ["This computer", *(_line(finding) for finding in here), "", "Boards"]
    todo = [f"{finding.name}: {finding.remedy}" for finding in here if finding.remedy]
    for drive in drives:
        lines.append(f"  {drive}: an RP2040 in its boot loader, waiting for an image")
        todo.append(f"{drive}: Put MicroPython on it: emery flash CONFIG --base IMAGE.uf2")
    for one in boards:
        lines.append(f"  {one.title}")
        lines += [f"  {_line(finding)}" for finding in one.findings]
        todo += [f"{one.port}: {finding.remedy}" for finding in one.findings if finding.remedy]
    if not boards and not drives:
        lines.append("  none is connected, or none that is known")
        todo.append(
            "No board: connect one with a USB cable that carries data, or name its port with "
            "--port; without hardware, `emery virtual-board` makes one."
        )
    lines += ["", "What to do", *_numbered(todo)]
    return "".join(f"{line}\n" for line in lines)


def _line(finding: "Finding") -> str:
    return f"  {finding.name:<{_NAME_WIDTH}}{finding.found}"


def _numbered(todo: list[str]) -> list[str]:
    if not todo:
        return ["  Nothing: all of it is in order."]
    import textwrap

    lines = []
    for number, text in enumerate(todo, 1):
        lines += textwrap.wrap(
            text, 80, initial_indent=f"  {number}. ", subsequent_indent="     ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return lines
