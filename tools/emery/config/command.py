"""`emery config`: everything around the files that a technician edits."""

from pathlib import Path
from typing import Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode
from emery.ledger.command import blame, history
from emery.transfer.command import pull, push, undo

config_app = typer.Typer(
    help="Check, compare and compile board and protocol files.", no_args_is_help=True
)


@config_app.command()
def check(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help="Board or protocol TOML files.", show_default=False
        )
    ],
) -> None:
    """Check files as the firmware's loader would, and say what is wrong where."""
    from emery.config.check import check as check_file
    from emery.config.document import ConfigError

    refused = False
    for number, file in enumerate(files):
        try:
            report = check_file(file)
        except ConfigError as error:
            terminal.complain(error.render())
            refused = True
            continue
        gap = "\n" if number else ""
        terminal.write(gap + "".join(f"{line}\n" for line in report.lines))
    if refused:
        raise typer.Exit(ExitCode.BAD_INPUT)


# What needs a device or its ledger: push, pull, undo, history, blame.
for _command in (push, pull, undo, history, blame):
    config_app.command()(_command)
