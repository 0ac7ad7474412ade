"""`emery stops`: every way a treatment can stop, on both boards, in one table."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode
from emery.virtual_board.command import ChipName

if TYPE_CHECKING:
    from emery.stops.ways import Stop

SCHEMA = "emery.stops/1"


def stops(
    *,
    board: Annotated[
        ChipName | None,
        typer.Option(help="Only this chip. Default: rp2040 and esp32.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Stop a treatment in every way on virtual boards: how long do actuators go on?

    Takes some minutes. Exit code 1 if one way is not safe in time.
    """
    from emery.slot_build import CompileFailed, CompilerMissing
    from emery.stops import ways
    from emery.virtual_board.interpreter import InterpreterMissing

    chips = [board.value] if board is not None else list(ways.USUAL)
    todo = [(chip, way) for way in ways.WAYS for chip in chips]
    seen: list[Stop] = []
    try:
        with terminal.progress("stopping") as show:
            for done, (chip, way) in enumerate(todo):
                show(done / len(todo), f"{chip}: {way.name}")
                seen.append(ways.stop(chip, way))
    except (InterpreterMissing, CompilerMissing) as missing:
        terminal.refuse(str(missing))
    except CompileFailed as failed:
        terminal.refuse(str(failed), ExitCode.INTERNAL)
    terminal.write(_document(seen) if as_json else _table(seen))
    if not all(one.passed for one in seen):
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)


def _document(seen: "list[Stop]") -> str:
    rows = [
        {
            "way": one.way.name, "what": one.way.what, "board": one.chip, "safe_ms": one.ms,
            "pump_off_ms": one.pump_ms, "crystals_shut_ms": one.feed_ms,
            "vent_open_ms": one.vent_ms, "limit_ms": one.way.limit_ms, "by": one.by,
            "then": one.after, "passed": one.passed,
        }
        for one in seen
    ]  # fmt: skip
    return json.dumps({"schema": SCHEMA, "stops": rows}, indent=1) + "\n"


# What made them safe, so that a line has 80 columns.
_SHORT = {"protection switch": "switch", "no power at all": "no power"}


def _table(seen: "list[Stop]") -> str:
    lines = [
        "From the moment it happens until pump, crystals and vent are safe for good,",
        "in ms; tip on the skin at 27 kPa. Virtual boards, whose firmware takes no time.",
        "",
        f"    {'way':<19} {'board':<7} {'pump':>5} {'cryst':>5} {'vent':>5} {'limit':>5}"
        "  safe by       then",
        "─" * 80,
    ]
    before = ""
    for one in seen:
        name = "" if one.way.name == before else one.way.name
        before = one.way.name
        times = " ".join(
            f"{'never' if ms is None else f'{ms:.1f}':>5}"
            for ms in (one.pump_ms, one.feed_ms, one.vent_ms)
        )
        lines.append(
            f"{'ok' if one.passed else 'BAD':<3} {name:<19} {one.chip:<7} {times}"
            f" {one.way.limit_ms:>5.0f}  {_SHORT.get(one.by, one.by):<12}  {one.after}"
        )
    good = sum(one.passed for one in seen)
    lines += ["", f"{good} of {len(seen)} safe in time"]
    return "".join(f"{line}\n" for line in lines)
