"""`emery identify`: this device's own pneumatics, measured in two minutes; and their trend."""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.calibrate.command import HandsPath
from emery.link.command import Port, Who, Why

if TYPE_CHECKING:
    from emery.calibrate.guided import FileToWrite
    from emery.calibrate.technician import Technician
    from emery.config.compiled import DeviceConfig
    from emery.device.problem import DeviceProblem
    from emery.identify.excitation import Run
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
            metavar="BOARD.toml", dir_okay=False, show_default=False,
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
    hands: HandsPath = None,
    report: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, show_default=False,
            help="Write a page with tables and curves (HTML; needs Plotly).",
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
    _refuse_without_scipy()
    if report is not None:
        from emery.plotted.option import refuse_without_plotly

        refuse_without_plotly()
    if trend:
        from emery.identify.trend_command import tell_trend

        tell_trend(device, port, report, as_json)
        return
    if device:
        terminal.refuse("--device names whose trend is wanted; give --trend too")
    if write and board is None:
        terminal.refuse("--write needs the board file to write to: emery identify BOARD.toml")
    orifice_m = _orifice_m(orifice)
    technician = _technician(yes, hands)
    _identify(board, port, orifice_m, write, who, why, technician, report, as_json)


def _refuse_without_scipy() -> None:
    for needed in ("numpy", "scipy"):
        if find_spec(needed) is None:
            terminal.refuse(_NEED_SCIPY)


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
    from emery.calibrate import guided
    from emery.config import edit
    from emery.identify import page, store
    from emery.identify.fit import fit
    from emery.identify.result import Identified
    from emery.identify.verdict import judge
    from emery.ledger import place

    with guided.told():
        file = _file(board, write=write)
        if report is not None:
            edit.check_folder(report)
        told = _measured(port, technician, file, orifice_m)
        config, device_id = told.config, told.device_id
        with terminal.progress("fitting") as show:
            found = fit(told.runs, config.settings, config.chip, orifice_m, show=show)
        result = Identified.of(found, orifice_m)
        judge(result)
        # First what cannot be had again: the measurement. Files can be written later.
        entry = store.keep(
            device_id, told.blob, result, who=who, why=why or "identify",
            board=board.name if board else "",
        )  # fmt: skip
        kept = f"kept: entry {entry.number} of its ledger ({place.ledger_file(device_id)})"
        if as_json:
            terminal.complain(kept)
        else:
            terminal.write(f"{page.text(result)}{kept}\n")
        backup = None
        if file is not None:
            content = store.content_with(file.path, result)
            backup = edit.replace_file(file.path, content)
        if report is not None:
            _write_report(report, config.name, found, result)
    if as_json:
        document = {
            **result.document(), "device": device_id, "entry": entry.number,
            "written": str(file.path) if file else None,
        }
        terminal.write(json.dumps(document, indent=1) + "\n")
    else:
        if report is not None:
            terminal.write(f"report: {report}\n")
        terminal.write(
            f"written: {file.path} (as it was: {backup.name})\n"
            f"Next: emery simulate --board {file.path}, emery tune {file.path}\n"
            if file and backup
            else "Nothing was changed. --write puts it into the board file, for simulate and "
            "tune.\n"
        )
    if told.trouble is not None:
        terminal.refuse(str(told.trouble), told.trouble.code)


@dataclass(slots=True)
class _Measured:
    """What was measured on which device. `trouble` is what went wrong after all of it."""

    runs: "list[Run]"
    blob: bytes
    config: "DeviceConfig"
    device_id: str
    trouble: "DeviceProblem | None" = None


def _measured(
    port: str | None, technician: "Technician", file: "FileToWrite | None", orifice_m: float
) -> _Measured:
    """Do all runs. Raises what `guide.measure` and `guided.at_device` do."""
    from emery.calibrate import guided
    from emery.config.compiled import decompile
    from emery.device.problem import DeviceProblem
    from emery.identify import guide
    from emery.service_bench.linked import ServiceBench

    told: _Measured | None = None
    try:
        with guided.at_device(port, technician) as (device, blob):
            config = decompile(blob)
            if file is not None:
                file.refuse_other_device(blob)
            bench = ServiceBench(device.client, device.hello)
            runs = guide.measure(
                bench, config.settings, technician, orifice_m, terminal.progress
            )
            told = _Measured(runs, blob, config, device.hello.device_id)
    except DeviceProblem as problem:
        if told is None:
            raise
        # Only the way out of SERVICE failed, and that costs no measurement.
        told.trouble = problem
    assert told is not None
    return told


def _file(board: Path | None, *, write: bool) -> "FileToWrite | None":
    """The board file to write to, if there is to be one. Raises ConfigError."""
    from emery.calibrate.guided import FileToWrite
    from emery.config.load import load_board
    from emery.config.named import config_file

    if board is not None and write:
        return FileToWrite.of(board)
    if board is not None:
        load_board(config_file(board))
    return None


def _write_report(path: Path, device: str, found: "Fit", result: "Identified") -> None:
    from emery.identify import report
    from emery.plotted import ReportError

    try:
        report.write(path, device, found, result)
    except ReportError as problem:
        terminal.refuse(str(problem))


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
