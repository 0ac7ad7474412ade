"""`emery flash`: firmware and config onto a device.

The config has its certificate before anything is written: a known one at once, else one
that is made now. `--keep` takes the config that is on the device, in today's form.
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emery import terminal
from emery.link.command import Port, Who, Why

if TYPE_CHECKING:
    from emery.device.running import Link
    from emery.flash.session import Wish

SCHEMA = "emery.flash/1"


def flash(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="The board file of the device, or a shipped one; none with --keep.",
            show_default=False,
        ),
    ] = None,
    *,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="A shipped protocol (face, neck, ...) or a TOML file. Default: face.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Put new firmware on, and keep the settings that are on the device."
        ),
    ] = False,
    port: Port = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE", help="Put MicroPython on it first: a .uf2 (RP2040) or .bin (ESP32)."
        ),
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="With --base on an ESP32: erase all of it first.")
    ] = False,
    why: Why = "",
    who: Who = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Put firmware and config on a device; the old version stays until the new one works."""
    if erase and base is None:
        terminal.refuse("--erase goes with --base; leave it out, or name an image")
    if keep and (config is not None or protocol is not None):
        terminal.refuse("--keep keeps what is on the device; leave board file and protocol out")
    if keep and erase:
        terminal.refuse(
            "--erase takes off what --keep keeps; bring it into files first, and flash those: "
            "emery config pull -o BOARD --protocol-out PROTOCOL"
        )
    if config is None and not keep:
        terminal.refuse("name the board file of the device; or --keep what is on it")
    from emery.device import ports
    from emery.flash import session
    from emery.flash.base import put, read
    from emery.link.running import SerialLink
    from emery.slot_build import CompileFailed, CompilerMissing
    from emery.transfer.told import told

    def say(line: str) -> None:
        if line.startswith("note: "):
            terminal.complain(terminal.wrapped(line))
        elif not as_json:
            terminal.write(f"{line}\n")

    link = SerialLink()
    try:
        with told():
            wish = _of_files(config, protocol or "face", who, why) if config is not None else None
            with terminal.progress("looking for boards") as show:
                held = _held(port) if wish is not None else b""
                wish = _certified(wish or _of_device(link, port, who, why, say), held, say, show)
                if base is not None:
                    image = read(base, wish.chip)
                    if not ports.boot_drives():
                        session.refuse_while_used(link, ports.chosen(port))
                    chosen = put(image, port, say, show, erase=erase)
                else:
                    chosen = ports.chosen(port)
                say(f"port: {chosen}")
                outcome = session.Session(chosen, link, say, show).flash(wish)
    except (CompilerMissing, CompileFailed) as error:
        problem = session.wrong_build(error)
        terminal.refuse(str(problem), problem.code)
    if as_json:
        document = {"schema": SCHEMA, "board": wish.name, "chip": wish.chip, **asdict(outcome)}
        terminal.write(json.dumps(document, indent=1) + "\n")
    sys.stdout.flush()


def _of_files(config: Path, protocol: str, who: str, why: str) -> "Wish":
    """A board file with a protocol. Raises ConfigError."""
    from emery.config.compile import compiled
    from emery.config.load import load_device
    from emery.config.named import config_file, protocol_file
    from emery.flash.session import Wish

    try:
        board = load_device(config_file(config), protocol_file(protocol))
    except OSError as error:
        terminal.refuse(f"cannot read {error.filename}: {error.strerror}; name another file")
    return Wish(compiled(board), board.chip, board.name, who, why)


def _of_device(
    link: "Link", port: str | None, who: str, why: str, say: Callable[[str], None]
) -> "Wish":
    """What the device has, in today's form. Raises DeviceProblem."""
    from emery.config.compiled import decompile
    from emery.device import ports
    from emery.flash import kept
    from emery.flash.session import ANSWER_S, Wish

    chosen = ports.chosen(port)
    running = link.ask(chosen.device, ANSWER_S)
    found = kept.read(chosen)
    for note in found.notes:
        say(f"note: {note}")
    config = decompile(found.blob)
    say(f'keeps: the config of "{config.name}", protocol {config.settings.protocol_name}')
    device_id = running.device_id if running is not None else ""
    return Wish(found.blob, config.chip, config.name, who, why, device_id)


def _held(port: str | None) -> bytes:
    """What the device has now, whose certificate may serve; b"" if nothing answers yet."""
    from emery.device import ports
    from emery.device.problem import DeviceProblem
    from emery.flash import kept

    with suppress(DeviceProblem):
        return kept.of_link(ports.chosen(port).device)
    return b""


def _certified(
    wish: "Wish", held: bytes, say: Callable[[str], None], show: Callable[[float, str], None]
) -> "Wish":
    """The wish with a certificate. Raises NotCertified."""
    from emery.transfer.certified import certificate_words, certified

    blob = certified(wish.config, show, held)
    say(certificate_words(blob))
    return replace(wish, config=blob)
