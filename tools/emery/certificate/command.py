"""`emery certify`: a board's settings on the certificate's scatter of plants."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode

if TYPE_CHECKING:
    from emery.config.board import Board


def certify(
    board: Annotated[
        Path | None,
        typer.Argument(
            help="A board file, or a shipped board by name. Default: pico_reference.",
            show_default=False,
        ),
    ] = None,
    *,
    plants: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000, show_default=False,
            help="Try so many other plants instead, by the bare limits. It certifies nothing.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, show_default=False, help="Which other plants. Default: 1, and 2,000 of them."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Try settings on 240 plants: leaks, clogs, altitude, wear, sensors, a runaway.

    What passes gets a certificate, without which a device stays in SERVICE. Exit code 1
    if a requirement fails. The [plant] of the board file is the middle of the scatter.
    """
    from emery.certificate import known, table
    from emery.certificate.make import certified, try_out
    from emery.certificate.marks import settings_mark
    from emery.certificate.scatter import others, trials
    from emery.transfer.told import told as ends_with_words

    with ends_with_words():
        meant = _board(board)
    settings, chip, plant = meant.settings, meant.chip, meant.plant
    certifies = plants is None and seed is None
    if certifies:
        tried = trials(plant, settings)
        scatter = "the certificate's scatter: extremes, corners and the inside of all ranges"
    else:
        count = 2_000 if plants is None else plants
        seed = 1 if seed is None else seed
        tried = others(plant, settings, count, seed)
        scatter = f"another scatter: {count} plants, seed {seed}"
    with ends_with_words(), terminal.progress(f"certifying {meant.name}") as show:
        outcome = try_out(settings, chip, tried, show, spared=certifies)
    if certifies and known.recall(settings, chip, plant) is None:
        known.remember(settings, chip, plant, certified(outcome, settings, chip, plant))
    told = table.Told(
        meant.name, chip, _said(plant), scatter, certifies, outcome,
        settings_mark(settings, chip).hex(),
    )
    terminal.write(
        json.dumps(table.document(told), indent=1) + "\n" if as_json else table.text(told)
    )
    if not outcome.passed:
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)


def _board(path: Path | None) -> "Board":
    """Raises ConfigError."""
    from emery.config.load import load_board, refuse_bench_rig
    from emery.config.named import config_file

    meant = load_board(config_file(path or Path("pico_reference")))
    refuse_bench_rig(meant)
    return meant


def _said(plant: dict[str, float]) -> dict[str, str]:
    """What a board file states of its plant, in its own words."""
    from emery.config import quantity
    from emery.config.plant import PLANT_ROWS

    return {
        row.key: quantity.text(row.whole(plant[row.name]), row.unit)
        for row in PLANT_ROWS
        if row.name in plant
    }
