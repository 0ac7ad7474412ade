"""`emery identify`: this device's own pneumatics, measured in two minutes; and their trend."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode
from emery.link.command import Port, Who, Why

if TYPE_CHECKING:
    from emery.calibrate.technician import Technician
    from emery.identify.fit import Fit
    from emery.identify.result import Identified

_NEED_SCIPY = (
    "the fit needs SciPy, which is not installed. Install it: pip install 'emery[identify]'"
)
# A hole that loads pumps of 10 to 60 L/min well, in mm. [E]
_ORIFICE = "1.5 mm"
_ORIFICE_UM = (700, 3_000)


def identify(
    board: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BOARD.toml]", dir_okay=False, show_default=False,
            help="The device's board file; --write puts what is found into it.",
        ),
    ] = None,
    *,
    port: Port = None,
    orifice: Annotated[
        str, typer.Option(metavar="SIZE", help="Bore of the hole in the orifice tip.")
    ] = _ORIFICE,
    write: Annotated[
        bool,
        typer.Option("--write", help="Put it into BOARD.toml, the device's simulator file."),
    ] = False,
    who: Who = "",
    why: Why = "",
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Take every prompt as done, for scripts that move the tip."),
    ] = False,
    hands: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, show_default=False,
            help="The pipe of `emery virtual-board --hands FILE`: its hands do what is asked.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, show_default=False,
            help="Write a page with measured and fitted curves (HTML).",
        ),
    ] = None,
    trend: Annotated[
        bool,
        typer.Option("--trend", help="Measure nothing: what changed over months, and what to do."),
    ] = False,
    device: Annotated[
        str,
        typer.Option(
            metavar="ID", show_default=False,
            help="With --trend: the device. Default: the one at the port, or the only one.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:  # fmt: skip
    """Measure this device's pump, leak, volume, nozzle and filter, with their doubt.

    Runs the pump in SERVICE, at most 60 % for 2 s and below 30 kPa. Needs the closed cap,
    a clamp for the crystal hose, and an orifice tip: one with a hole of known bore.
    """
    if trend:
        from emery.identify.trend_command import tell_trend

        tell_trend(device, port, report, as_json)
        return
    if device:
        terminal.refuse("--device names whose trend is wanted; give --trend too")
    if write and board is None:
        terminal.refuse("--write needs the board file to write to: emery identify BOARD.toml")
    if board is not None and not board.is_file():
        terminal.refuse(f"there is no board file {board}")
    orifice_m = _orifice_m(orifice)
    with _told():
        technician = _technician(yes, hands)
        _identify(board, port, orifice_m, write, who, why, technician, report, as_json)


def _identify(
    board: Path | None,
    port: str | None,
    orifice_m: float,
    write: bool,
    who: str,
    why: str,
    technician: "Technician",
    report: Path | None,
    as_json: bool,
) -> None:
    try:
        from emery.identify.fit import fit
        from emery.identify.verdict import judge
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("scipy", "numpy"):
            raise
        terminal.refuse(_NEED_SCIPY)
    from emery.config.compiled import decompile
    from emery.device.problem import DeviceProblem
    from emery.identify import guide, page, store
    from emery.identify.result import Identified
    from emery.ledger import place
    from emery.service_bench.linked import ServiceBench
    from emery.transfer.push import config_of
    from emery.transfer.serviced import serviced
    from emery.transfer.told import note

    with serviced(port, terminal.complain, lambda part, title: None) as session:
        hello = session.hello
        if hello.is_changed:
            raise DeviceProblem(
                "the settings on the device's flash are not those that it runs on",
                "Restart it (r in `emery monitor`, or off and on); then identify.",
            )
        blob = config_of(session.client, hello, note)
        config = decompile(blob)
        if board is not None and write:
            _check_same(board, config.name)
        bench = ServiceBench(session.client, hello)
        with terminal.progress("measuring") as show:
            runs = guide.measure(bench, config.settings, technician, orifice_m, show)
        device_id = hello.device_id
    with terminal.progress("fitting") as show:
        found = fit(runs, config.settings, config.chip, orifice_m, show=show)
    result = Identified.of(found, orifice_m)
    judge(result)
    content = store.content_with(board, result) if board is not None and write else ""
    if report is not None:
        _write_report(report, config.name, found, result)
    entry = store.keep(
        device_id, blob, result, who=who, why=why or "identify", board=board.name if board else ""
    )
    written = ""
    if board is not None and write:
        backup = store.write(board, content)
        written = f"written: {board} (as it was: {backup.name})\n"
    if as_json:
        document = {
            **result.document(), "device": device_id, "entry": entry.number,
            "written": str(board) if written else None,
        }
        terminal.write(json.dumps(document, indent=1) + "\n")
        return
    terminal.write(page.text(result))
    terminal.write(f"kept: entry {entry.number} of its ledger ({place.ledger_file(device_id)})\n")
    if report is not None:
        terminal.write(f"report: {report}\n")
    terminal.write(
        f"{written}Next: emery simulate --board {board}, emery tune {board}\n"
        if written
        else "Nothing was changed. --write puts it into the board file, for simulate and tune.\n"
    )


def _check_same(board: Path, name: str) -> None:
    """Refuse the file of another device before anything is measured. ConfigError."""
    from emery.config.document import Document
    from emery.config.extends import joined
    from emery.config.load import finished_board

    stated = finished_board(joined(Document.read(board), board)).name
    if stated != name:
        terminal.refuse(
            f'the device at the port is "{name}", and {board} is that of "{stated}". Name the '
            "device's own file; emery config pull writes one"
        )


def _write_report(path: Path, device: str, found: "Fit", result: "Identified") -> None:
    from emery.identify import report

    report.write(path, report.html(device, found, result))


def _technician(yes: bool, hands: Path | None) -> "Technician":
    from emery.calibrate.technician import Keyboard, VirtualHands
    from emery.identify.guide import AsIfDone
    from emery.virtual_board.hands import HandsPipe

    if yes and hands is not None:
        terminal.refuse("--yes and --hands both answer; name one of them")
    if hands is not None:
        return VirtualHands(HandsPipe(hands))
    return AsIfDone() if yes else Keyboard()


def _orifice_m(words: str) -> float:
    from emery.config import quantity

    try:
        bore_um = quantity.parse_whole(words, "um")
    except quantity.QuantityError as error:
        terminal.refuse(f"--orifice: {error}")
    low, high = _ORIFICE_UM
    if not low <= bore_um <= high:
        terminal.refuse(
            f"--orifice: {words} is not between {low / 1e3:g} and {high / 1e3:g} mm: a smaller "
            "hole tells too little beside a leak, a larger one loads the pump too much"
        )
    return bore_um * 1e-6


@contextmanager
def _told() -> Iterator[None]:
    """Problems in words, with their exit codes."""
    from emery.calibrate.technician import NoAnswer
    from emery.identify.plausible import Implausible
    from emery.transfer.told import told

    with told():
        try:
            yield
        except Implausible as refused:
            terminal.complain(f"refused: {refused}\n    Nothing was changed.")
            raise typer.Exit(ExitCode.REQUIREMENT_FAILED) from None
        except NoAnswer as problem:
            terminal.refuse(f"{problem}. Nothing was changed")


