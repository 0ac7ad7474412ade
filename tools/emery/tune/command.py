"""`emery tune`: a board's settings worked out from what was measured on the device."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emery import terminal
from emery.exit_codes import ExitCode
from emery.link.command import Port, Who, Why

if TYPE_CHECKING:
    from emery.calibrate.guided import FileToWrite
    from emery.config.board import Board
    from emery.tune.search import Certify, Show, Tuned
    from emery.tune.sliders import Sliders


def _slider(words: str) -> Any:
    return typer.Option(min=0, max=3, metavar="N", help=words, show_default=False)


def tune(
    board: Annotated[
        Path,
        typer.Argument(
            metavar="BOARD", show_default=False,
            help="A board file with a table `plant`, as `emery identify` writes it.",
        ),
    ],
    *,
    softer: Annotated[int, _slider("Hold the vacuum more loosely, 0 to 3.")] = 0,
    firmer: Annotated[int, _slider("Hold it more stiffly, 0 to 3.")] = 0,
    slower: Annotated[int, _slider("Suction comes more gently, 0 to 3.")] = 0,
    quicker: Annotated[int, _slider("Suction comes sooner, 0 to 3.")] = 0,
    report: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write before and after as a self-contained HTML page.",
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the settings into the board file.")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Put them on the connected device (see --port).")
    ] = False,
    port: Port = None,
    why: Why = "",
    who: Who = "",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, show_default=False,
            help="Processes at once. Default: one for each processor.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Work out settings for a device, and compare them on days of it before and after.

    If the best settings are refused a certificate, the next best are tried, then gentler
    ones. Nothing is written without --write or --push, nor if none gets one; then the
    exit code is 1. What the sliders do not reach: edit the board file, or `emery set KEY
    VALUE --engineer`.
    """
    from emery.calibrate.guided import FileToWrite
    from emery.config import edit
    from emery.plotted import ReportError
    from emery.plotted.option import refuse_without_plotly
    from emery.processes import processors
    from emery.transfer.told import told as ends_with_words
    from emery.tune import document, page, table
    from emery.tune.search import CannotTune
    from emery.tune.search import tune as tune_it

    sliders = _sliders(softer, firmer, slower, quicker)
    meant, path = _board(board, write=write)
    with ends_with_words():
        if report is not None:
            refuse_without_plotly()
            edit.check_folder(report)
        try:
            with terminal.progress(f"tuning {meant.name}") as show:
                made = tune_it(
                    meant.plant, meant.settings, meant.chip, sliders, jobs or processors(), show,
                    _certify(meant, jobs, show),
                )  # fmt: skip
        except CannotTune as reason:
            terminal.refuse(f"{path}: {reason}.")
        told = document.document(meant.name, made, sliders)
        if not as_json:
            terminal.write(table.text(told))
        if report is not None:
            try:
                page.write(report, told, document.courses(made))
            except ReportError as error:
                terminal.refuse(str(error))
        certified = made.certified is not None and made.certified.passed
        if not certified:
            terminal.complain(table.no_certificate(told))
        # The device first: what fails there leaves the file as it was, too.
        if certified and push:
            _push(made, FileToWrite(path, meant.name), port, who, why, told)
        if certified and write:
            _write(made, path, told)
    if as_json:
        terminal.write(json.dumps(told, indent=1) + "\n")
    else:
        terminal.write(table.ending(told, report))
    if not certified:
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)


def _sliders(softer: int, firmer: int, slower: int, quicker: int) -> "Sliders":
    from emery.tune.sliders import Sliders

    if softer and firmer:
        terminal.refuse("--softer and --firmer are the two ends of one slider; give one of them")
    if slower and quicker:
        terminal.refuse("--slower and --quicker are the two ends of one slider; give one of them")
    return Sliders((firmer - softer) or None, quicker - slower)


def _board(named: Path, *, write: bool) -> "tuple[Board, Path]":
    from emery.config.document import ConfigError
    from emery.config.load import load_board, refuse_bench_rig
    from emery.config.named import config_file, own_file

    try:
        path = own_file(named) if write else config_file(named)
        meant = load_board(path)
        refuse_bench_rig(meant)
    except ConfigError as error:
        terminal.complain(error.render())
        raise typer.Exit(ExitCode.BAD_INPUT) from None
    # What `emery calibrate pump` writes alone is not enough to tune by.
    if meant.plant.keys() <= {"pump_dead_band", "pump_lag_s"}:
        terminal.refuse(
            f"{path} has no [plant], or only its pump's start and lag: too little was\n"
            "measured on this device to tune by. Measure it first (two minutes, with the\n"
            f"calibrated orifice tip): emery identify {path} --write"
        )
    return meant, path


def _certify(meant: "Board", jobs: int | None, show: "Show") -> "Certify":
    """How candidates are certified, and the progress told."""
    from emery.certificate.make import certify
    from emery.tune.formulas import with_values

    return lambda values: certify(
        with_values(meant.settings, values), meant.chip, meant.plant,
        lambda part, title: show(0.9, f"certifying, {title}"), processes=jobs,
    )  # fmt: skip


def _write(made: "Tuned", path: Path, told: dict[str, Any]) -> None:
    """Raises ConfigError."""
    from emery.config.edit import set_values
    from emery.tune.document import key_of, value_text

    if made.changed:
        values = {key_of(name): value_text(name, value) for name, value in made.changed.items()}
        told["backup"] = str(set_values(path, values))
    told["written"] = str(path)


def _push(
    made: "Tuned", file: "FileToWrite", port: str | None, who: str, why: str,
    told: dict[str, Any],
) -> None:
    """The tuned settings, and the plant they are for, into what the device of this board
    file has."""
    from emery.config.compiled import decompile
    from emery.config.plant import encode_plant
    from emery.transfer import wish
    from emery.transfer.bring import bring
    from emery.transfer.certified import certified
    from emery.transfer.serviced import refuse_in_use
    from emery.transfer.told import note
    from emery.tune.formulas import with_values
    from firmware import config_file
    from firmware.settings import encode

    with wish.reached(port, note) as (_, hello, before):
        refuse_in_use(hello)
        blob = wish.todays(before)
        file.refuse_other_device(blob)
    config = decompile(blob)
    settings = with_values(config.settings, made.after.values)
    blob = config_file.with_settings(blob, encode(settings))
    blob = config_file.with_section(blob, config_file.PLANT, encode_plant(made.plant))
    with terminal.progress("certifying") as show:
        blob = certified(blob, show)
    extra = {"settings": told["settings"], "plant": told["plant"], "sliders": told["sliders"]}
    bring(
        blob, port, what="tune", who=who, why=why, extra=extra, device_id=hello.device_id
    )
    told["pushed"] = True
