"""`emery flash`: firmware and config onto a device."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from emery import terminal
from emery.exit_codes import ExitCode

SCHEMA = "emery.flash/1"


def flash(
    config: Annotated[Path, typer.Argument(help="The board file of the device.")],
    *,
    protocol: Annotated[
        str,
        typer.Option(help="A shipped protocol (face, neck, ...) or a TOML file."),
    ] = "face",
    port: Annotated[
        str | None,
        typer.Option(
            help="Serial port, path of a virtual board's terminal, or socket://host:port. "
            "Default: the only board there is.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE", help="Put MicroPython on it first: a .uf2 (RP2040) or .bin (ESP32)."
        ),
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="With --base on an ESP32: erase all of it first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Put firmware and config on a device; the old version stays until the new one works."""
    if erase and base is None:
        terminal.refuse("--erase goes with --base; leave it out, or name an image")
    from emery.config.compile import compile_board
    from emery.config.document import ConfigError
    from emery.config.load import load_device
    from emery.device import ports
    from emery.device.problem import DeviceProblem
    from emery.flash import session
    from emery.flash.base import put, read
    from emery.link.running import SerialLink
    from emery.slot_build import CompileFailed, CompilerMissing

    protocol_file = _protocol_file(protocol)
    try:
        board = load_device(config, protocol_file)
        compiled = compile_board(config, protocol_file)
    except ConfigError as error:
        terminal.complain(error.render())
        raise typer.Exit(ExitCode.BAD_INPUT) from None
    except OSError as error:
        terminal.refuse(f"cannot read {error.filename}: {error.strerror}; name another file")
    wish = session.Wish(compiled, board.chip, board.name)

    def say(line: str) -> None:
        if not as_json:
            terminal.write(f"{line}\n")

    link = SerialLink()
    try:
        with terminal.progress("looking for boards") as show:
            if base is not None:
                image = read(base, wish.chip)
                if not ports.boot_drives():
                    session.refuse_while_used(link, ports.chosen(port))
                chosen = put(image, port, say, show, erase=erase)
            else:
                chosen = ports.chosen(port)
            say(f"port: {chosen}")
            outcome = session.Session(chosen, link, say, show).flash(wish)
    except DeviceProblem as problem:
        terminal.refuse(str(problem), problem.code)
    except (CompilerMissing, CompileFailed) as error:
        told = session.wrong_build(error)
        terminal.refuse(str(told), told.code)
    if as_json:
        document = {"schema": SCHEMA, "board": wish.name, "chip": wish.chip, **asdict(outcome)}
        terminal.write(json.dumps(document, indent=1) + "\n")
    sys.stdout.flush()


def _protocol_file(name: str) -> Path:
    """A shipped protocol by its name, or a file."""
    from emery import slot

    folder = slot.ROOT / "board_configs" / "protocols"
    shipped = folder / f"{name}.toml"
    if shipped.is_file() and not name.endswith(".toml"):
        return shipped
    file = Path(name)
    if not file.is_file():
        names = ", ".join(sorted(path.stem for path in folder.glob("*.toml")))
        terminal.refuse(f"there is no protocol {name}. Shipped are: {names}; or name a file.")
    return file
