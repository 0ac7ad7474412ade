"""`emery config push`, `pull` and `undo`: configs onto a device and back."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from emery import terminal
from emery.link.command import Engineer, Port, Who, Why


def push(
    board: Annotated[Path, typer.Argument(help="The board file of the device, or a shipped one.")],
    *,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="A shipped protocol (face, neck, ...) or a TOML file. Default: the one on the "
            "device.",
            show_default=False,
        ),
    ] = None,
    port: Port = None,
    why: Why = "",
    who: Who = "",
    engineer: Engineer = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would change, certify it, change nothing."),
    ] = False,
) -> None:
    """Put a board file's settings on a device: with a backup, a certificate and an entry."""
    from emery.config.named import config_file, protocol_file
    from emery.ledger import keys, table
    from emery.transfer import wish
    from emery.transfer.bring import bring
    from emery.transfer.certified import certificate_words, certified
    from emery.transfer.push import refuse_other_core
    from emery.transfer.serviced import refuse_in_use
    from emery.transfer.told import note, told

    with told():
        zones = protocol_file(protocol) if protocol is not None else None
        made = wish.read(config_file(board), zones)
        with wish.reached(port, note) as (_, hello, before):
            blob = made.compiled(before, hello.chip)
            changes = keys.changes(before, blob)
            name = hello.board.replace("_", " ")
            terminal.write(f"changes on {name} ({hello.device_id}):\n")
            terminal.write(table.difference(changes))
            wish.refuse_engineers(changes, engineer=engineer)
            if not changes and hello.certificate == "ok":
                terminal.write("nothing to write: the device has all of it\n")
                return
            # Told before a certificate is worked on, which can take a minute.
            refuse_other_core(hello)
            if not dry_run:
                refuse_in_use(hello)
        with terminal.progress("certifying") as show:
            blob = certified(blob, show, before)
        if dry_run:
            terminal.write(f"{certificate_words(blob)}\nnothing was changed\n")
            return
        bring(
            blob, port, what="push", who=who, why=why, extra={"file": board.name},
            device_id=hello.device_id,
        )  # fmt: skip


def pull(
    *,
    port: Port = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", dir_okay=False, help="Board file to write. Default: stdout.",
            show_default=False,
        ),
    ] = None,
    protocol_out: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Protocol file to write.", show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that are there.")
    ] = False,
) -> None:
    """Bring a device's settings back as TOML, with the purpose of each key."""
    from emery.config.compiled import decompile
    from emery.config.write import board_toml, protocol_toml
    from emery.transfer import wish
    from emery.transfer.told import note, told

    files = [path for path in (output, protocol_out) if path is not None]
    for path in files:
        if os.path.exists(path) and not force:  # noqa: PTH110
            terminal.refuse(f"{path} is there already; name another file, or add --force")
    if len({path.absolute() for path in files}) < len(files):
        terminal.refuse("board and protocol cannot go into one file; name two")
    with told():
        with wish.reached(port, note) as (_, _, blob):
            pass
        config = decompile(blob)
        for text in config.notes:
            note(text.rstrip("."))
        if output is None and protocol_out is None:
            terminal.write(board_toml(config))
        if output is not None:
            _write(output, board_toml(config))
        if protocol_out is not None:
            _write(protocol_out, protocol_toml(config))


def undo(
    number: Annotated[
        int | None,
        typer.Argument(
            metavar="N",
            help="Bring back what was before entry N. Default: before the last change.",
            show_default=False,
        ),
    ] = None,
    *,
    port: Port = None,
    why: Why = "",
    who: Who = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
) -> None:
    """Bring back what a device had before a change; itself an entry, that can be undone."""
    from emery.ledger import book, keys, table
    from emery.transfer import wish
    from emery.transfer.bring import bring
    from emery.transfer.certified import certified
    from emery.transfer.serviced import refuse_in_use
    from emery.transfer.told import note, told

    with told():
        with wish.reached(port, note) as (_, hello, now):
            ledger = book.read(hello.device_id)
            for problem in ledger.problems:
                note(f"the ledger is not as it was written: {problem}")
            entry = wish.entry_to_undo(ledger.entries, number)
            blob = wish.todays(entry.before)
            changes = keys.changes(now, blob)
            terminal.write(
                f"back to what was before entry {entry.number} ({entry.what} of "
                f"{table.when(entry)} by {entry.who}):\n{table.difference(changes)}"
            )
            if not changes:
                terminal.write("nothing to write: the device has it already\n")
                return
            refuse_in_use(hello)
        if not yes:
            _ask("Do it?")
        with terminal.progress("certifying") as show:
            blob = certified(blob, show, now)
        why = why or f"undo of entry {entry.number}"
        bring(
            blob, port, what="undo", who=who, why=why, extra={"undone": entry.number},
            device_id=hello.device_id,
        )  # fmt: skip
        terminal.write("a board file that states them is as it was: change it there, too\n")


def _write(path: Path, text: str) -> None:
    """The whole file or the old one. Raises ConfigError."""
    from emery.config.edit import write_bytes

    with suppress(OSError):  # told by the writing
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())
    terminal.write(f"written: {path}\n")


def _ask(question: str) -> None:
    """End the command unless the person agrees."""
    if not sys.stdin.isatty():
        terminal.refuse("there is nobody to ask whether it shall be done; add --yes")
    if not typer.confirm(question):
        terminal.write("nothing was changed\n")
        raise typer.Exit
