"""`emery config`: everything around the files that a technician edits."""

import itertools
import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emery import terminal
from emery.exit_codes import ExitCode
from emery.ledger.command import blame, history
from emery.link.command import Port
from emery.transfer.command import pull, push, undo

if TYPE_CHECKING:
    from emery.config.effective import Source

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]

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
    """Check files as the firmware's loader would, and say what is wrong where.

    A board and a protocol named together are also checked against each other.
    """
    from emery.config.check import check as check_file
    from emery.config.document import ConfigError
    from emery.config.kind import BOARD, PROTOCOL
    from emery.config.load import load_device
    from emery.config.named import config_file

    named = [config_file(file) for file in files]
    kinds: dict[str, list[Path]] = {BOARD: [], PROTOCOL: []}
    refused = False
    for number, file in enumerate(named):
        try:
            report = check_file(file)
        except ConfigError as error:
            terminal.complain(error.render())
            refused = True
            continue
        kinds[report.kind].append(file)
        gap = "\n" if number else ""
        terminal.write(gap + "".join(f"{line}\n" for line in report.lines))
    for board, protocol in itertools.product(kinds[BOARD], kinds[PROTOCOL]):
        try:
            load_device(board, protocol, pins_required=False)
        except ConfigError as error:
            terminal.complain(f"{protocol.name} with {board.name}:\n{error.render()}")
            refused = True
    if refused:
        raise typer.Exit(ExitCode.BAD_INPUT)


@config_app.command()
def show(
    file: Annotated[
        Path,
        typer.Argument(help="A board or protocol file, or a compiled config.", show_default=False),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a file comes to, and where each value came from."""
    from emery.config import show as showing
    from emery.config.effective import read_source
    from emery.config.named import config_file

    with _refusals():
        source = read_source(config_file(file))
    _print(showing.document(source) if as_json else showing.lines(source))


@config_app.command()
def diff(
    file: Annotated[
        Path,
        typer.Argument(help="A board or protocol file, or a compiled config.", show_default=False),
    ],
    other: Annotated[
        Path | None,
        typer.Argument(
            help="What to compare it with. Default: the defaults.", show_default=False
        ),
    ] = None,
    *,
    on_device: Annotated[
        bool, typer.Option("--on-device", help="Compare with what is on the device.")
    ] = False,
    port: Port = None,
    only_same: Annotated[
        bool, typer.Option("--check", help="Fail (exit code 1) if anything differs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell in which values a file differs from another, the defaults, or a device."""
    from emery.config import diff as comparing
    from emery.config.effective import of_defaults, read_source
    from emery.config.kind import PROTOCOL
    from emery.config.named import config_file
    from emery.config.show import short_names

    on_device = on_device or port is not None
    if other is not None and on_device:
        terminal.refuse("compare with a file or with what is on the device, not with both")
    with _refusals():
        left = read_source(config_file(file))
        right_name = str(other) if other is not None else "defaults"
        right = read_source(config_file(other)) if other is not None else of_defaults()
    if on_device:
        right, right_name = _held_by_device(port)
    elif left.kind == PROTOCOL and other is None:
        terminal.refuse("a protocol has no defaults; name a second protocol, or --on-device")
    try:
        compared = comparing.compare(left, right)
    except comparing.NotComparable as error:
        terminal.refuse(str(error))
    short = short_names((str(file), right_name))
    names = short[str(file)], short[right_name]
    _print(
        comparing.document(compared, *names) if as_json else comparing.lines(compared, *names)
    )
    if only_same and compared.differences:
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)


@config_app.command()
def pins(
    file: Annotated[Path, typer.Argument(help="A board file.", show_default=False)],
) -> None:
    """Draw the board with what hangs on its pins, and which are free."""
    from emery.config.load import load_board
    from emery.config.named import config_file
    from emery.config.pinout import lines

    with _refusals():
        board = load_board(config_file(file))
    _print(lines(board))


@config_app.command()
def schema(
    kind: Annotated[
        str, typer.Argument(help='"board" or "protocol".', show_default=False)
    ],
) -> None:
    """Write the JSON Schema of a kind of file, for editors that complete and explain."""
    from emery.config.schema import KINDS
    from emery.config.schema import schema as schema_of

    if kind not in KINDS:
        terminal.refuse(f"there is no schema of {kind!r}; name {' or '.join(KINDS)}")
    _print(schema_of(kind))


@config_app.command()
def docs() -> None:
    """Write the table of all keys, in Markdown."""
    from emery.config.docs import page

    terminal.write(page())


@config_app.command()
def compile(  # noqa: A001 - the name of the command
    file: Annotated[Path, typer.Argument(help="A board file with pins.", show_default=False)],
    *,
    protocol: Annotated[
        str, typer.Option(help="A shipped protocol (face, neck, ...) or a TOML file.")
    ] = "face",
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="Where to write it.")
    ] = Path("config.bin"),
) -> None:
    """Compile a board file and a protocol to what a device keeps."""
    from emery.config.compile import compile_board
    from emery.config.compiled import decompile
    from emery.config.edit import write_bytes
    from emery.config.named import config_file, protocol_file
    from hal.wiring import BENCH

    with _refusals():
        blob = compile_board(config_file(file), protocol_file(protocol))
        write_bytes(output, blob)
    config = decompile(blob)
    certificate = f"{'with' if config.certificate else 'without'} a certificate"
    if config.wiring.purpose == BENCH:
        certificate = "for a bench rig"
    terminal.write(
        f'{output}: {len(blob)} bytes, "{config.name}" ({config.chip}) with the protocol '
        f'"{config.settings.protocol_name}", {certificate}.\n'
    )


@config_app.command()
def migrate(
    file: Annotated[
        Path, typer.Argument(help="A board or protocol file of an earlier version.",
                             show_default=False)
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be done.")
    ] = False,
) -> None:
    """Rewrite a file of an earlier version for today's firmware, with a backup."""
    from emery.config.migrate import migrate as migrate_file
    from emery.config.problem import COLUMNS

    with _refusals():
        done = migrate_file(file, write=not dry_run)
    _print([line for note in done.notes for line in textwrap.wrap(note, COLUMNS)])
    if not done.notes:
        terminal.write(f"{file} is of today already; nothing was written.\n")
    elif done.backup is None:
        terminal.write("Nothing was written yet: leave --dry-run out to do it.\n")
    else:
        terminal.write(f"The file as it was: {done.backup}\n")


def _held_by_device(port: str | None) -> "tuple[Source, str]":
    """The config of the device at a port, or the only one, and what to call it."""
    from emery.config.compiled import decompile
    from emery.config.effective import of_device
    from emery.link.client import connected
    from emery.transfer.told import told

    with told(), connected(port) as (client, _):
        config = decompile(client.whole_blob("config"))
    return of_device(config, f"the device at {client.name}"), f"device {config.name}"


@contextmanager
def _refusals() -> Iterator[None]:
    """Ends the command with every problem of a file, if there are any."""
    from emery.config.problem import ConfigError

    try:
        yield
    except ConfigError as error:
        terminal.complain(error.render())
        raise typer.Exit(ExitCode.BAD_INPUT) from None


def _print(result: dict[str, Any] | list[str]) -> None:
    if isinstance(result, dict):
        terminal.write(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    else:
        terminal.write("".join(f"{line}\n" for line in result))


# What needs a device or its ledger: push, pull, undo, history, blame.
for _command in (push, pull, undo, history, blame):
    config_app.command()(_command)
