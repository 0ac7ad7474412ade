"""`emery virtual-board`: a board without hardware in the foreground, until Ctrl-C.

Lines typed into its terminal are deeds of hands (`emery.virtual_board.hands`).
"""

import os
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emery.terminal import complain, refuse, write

if TYPE_CHECKING:
    from emery.virtual_board.hands import Hands
    from emery.virtual_board.world import World


class ChipName(StrEnum):
    """The chips there are."""

    RP2040 = "rp2040"
    ESP32 = "esp32"
    ESP32S3 = "esp32s3"


def virtual_board(
    *,
    board: Annotated[
        ChipName | None,
        typer.Option(help="The chip. Default: that of the board file, or an RP2040.",
                     show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Shipped board or file whose pins the modelled device is wired to. Default: "
            "the board of the chip.",
            show_default=False,
        ),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            help="A shipped scenario or a TOML file: its device, operator and events.",
            show_default=False,
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast/--realtime",
            help="Let time jump while the firmware sleeps, or keep to the wall's.",
        ),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder that keeps the flash. Default: blank, and forgotten at the end.",
            show_default=False,
        ),
    ] = None,
    tcp: Annotated[
        bool,
        typer.Option("--tcp", help="Serve a TCP socket instead of a pseudo-terminal."),
    ] = False,
    by_hand: Annotated[
        bool,
        typer.Option(
            "--by-hand", help="Leave the scenario's operator out: hands typed here do it all."
        ),
    ] = False,
    hands: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Make a named pipe here: what another program writes into it is typed to "
            "the hands, too, and their answers are in FILE.out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a board without hardware: MicroPython, flash, pins and a modelled device.

    Prints what to connect to, and stays until Ctrl-C. `mpremote connect` takes it. Lines
    typed here are a person's hands at the device: type help.
    """
    from emery.virtual_board.board import VirtualBoard
    from emery.virtual_board.hands import Hands, HandsServer
    from emery.virtual_board.interpreter import InterpreterMissing

    chip, world = _world(board, config, scenario, by_hand)
    with ExitStack() as stack:
        folder = state
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emery-board-")))
        try:
            device = VirtualBoard(chip, folder, world=world, fast=fast, tcp=tcp)
            stack.callback(device.close)
            device.start()
        except InterpreterMissing as missing:
            refuse(f"{missing}.")
        except (OSError, ValueError) as problem:
            refuse(str(problem))
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda *_: stop.set())
            stack.callback(signal.signal, number, before)
        write(f"{device.port}\n")
        kept = f"flash in {folder}" if state is not None else "flash blank, forgotten at the end"
        complain(
            f"virtual {chip}, {'fast' if fast else 'real time'}, {kept}.\n"
            f"Try: mpremote connect {device.port} repl      Ctrl-C here ends it.\n"
            "Hands at the device: type help, or such as: tip cap"
        )
        person = Hands(world, device.locked)
        if hands is not None:
            try:
                server = HandsServer(hands, person, complain)
            except FileExistsError:
                refuse(f"there is a {hands} already: remove it, or name another file")
            except OSError as problem:
                refuse(f"no pipe can be made at {hands}: {problem.strerror or problem}")
            stack.callback(server.close)
        _listen(person)
        told = 0
        while not stop.wait(0.2):
            device.check()
            for why in device.resets[told:]:
                complain(f"{device.now_us / 1e6:.3f} s: {why}")
            told = len(device.resets)


def _listen(hands: "Hands") -> None:
    """Take deeds from this terminal, for as long as it gives any."""
    # In the background a program that reads its terminal would be stopped.
    with suppress(AttributeError, ValueError):
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)

    def listen() -> None:
        with suppress(OSError, ValueError):
            for line in sys.stdin:
                answer = hands.told(line)
                if answer:
                    complain(answer)

    with suppress(OSError, ValueError, AttributeError):
        if os.isatty(sys.stdin.fileno()) and os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
            return
    threading.Thread(target=listen, name="hands' terminal", daemon=True).start()


def _world(
    board: ChipName | None, config: Path | None, scenario: str | None, by_hand: bool
) -> "tuple[str, World]":
    """The chip, and the world around it."""
    from emery.config.load import load_device
    from emery.config.named import config_file
    from emery.config.problem import ConfigError
    from emery.hardware.boards import FILES
    from emery.simulator import run
    from emery.slot import ROOT
    from emery.virtual_board.world import UnknownFault, World

    configs = ROOT / "board_configs"
    reference = configs / FILES[board.value if board is not None else "rp2040"]
    protocol = configs / "protocols" / "face.toml"
    job = None
    try:
        if scenario is not None:
            job, plan, _ = run.prepare(scenario)
            protocol = plan.protocol
            if config is None and board is None:
                reference = plan.board
        device = load_device(config_file(config or reference), protocol)
        if job is None:
            world = World(device.wiring, settings=device.settings, plant=device.plant)
        else:
            world = World(
                device.wiring,
                settings=device.settings,
                plant=job["plant"],
                sensors=job["sensors"],
                operator=None if by_hand else job["operator"],
                events=job["events"],
                seed=job["seed"],
            )
    except UnknownFault as unknown:
        refuse(
            f"{scenario} injects {unknown.name}, which a virtual board has not: there the real "
            f"firmware runs on its own timers and flash. Choose another scenario"
        )
    except ConfigError as error:
        complain(str(error))
        raise typer.Exit(2) from None
    except ValueError as error:
        refuse(str(error))
    if board is not None and device.chip != board.value:
        refuse(
            f"{config or reference} is for a board with an {device.chip}, and --board says "
            f"{board.value}. "
            f"Leave --board out, or name another board file"
        )
    return device.chip, world
