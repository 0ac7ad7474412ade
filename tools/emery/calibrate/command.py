"""`emery calibrate sensors|pump|feed|controls|leak`: a device measured and trimmed, guided."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emery import terminal
from emery.exit_codes import ExitCode
from emery.link.command import Port, Who, Why

if TYPE_CHECKING:
    from emery.calibrate.holding import LinkedHold
    from emery.calibrate.offer import Measured
    from emery.calibrate.technician import Technician
    from emery.transfer.serviced import Serviced
    from firmware.settings import Settings

    Measure = Callable[[LinkedHold, Settings, Technician], Measured]

calibrate_app = typer.Typer(
    help="Measure a device in SERVICE, step by step, and offer what follows from it.",
    no_args_is_help=True,
)

Board = Annotated[
    Path | None,
    typer.Argument(
        metavar="BOARD.toml", show_default=False,
        help="The device's board file; --write puts the values there, too.",
    ),
]
Write = Annotated[
    bool, typer.Option("--write", help="Put what is found on the device and into BOARD.toml.")
]
AnswersFile = Annotated[
    Path | None,
    typer.Option(
        "--answers", exists=True, dir_okay=False, show_default=False,
        help="Answers for a script: a line for each prompt, in order.",
    ),
]
HandsPath = Annotated[
    Path | None,
    typer.Option(
        "--hands", dir_okay=False, show_default=False,
        help="The pipe of `emery virtual-board --hands FILE`: its hands do what is asked for.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
_SCHEMA = "emery.calibrate/1"


def _sensors(bench: "LinkedHold", settings: "Settings", technician: "Technician") -> "Measured":
    from emery.calibrate import sensor_table
    from emery.calibrate import sensors as procedure
    from emery.calibrate.offer import Measured

    found = procedure.measure(bench, settings, technician)
    if not found.points:
        words = "The dividers come first: put them into force, then calibrate the sensors again.\n"
        return Measured(
            words, found.settings, procedure.DIVIDERS, {}, {"dividers_first": True}
        )
    # Zero and span hold with the dividers that they were counted with, measured or not.
    names = (*procedure.DIVIDERS, *procedure.ZEROS_AND_SPANS)
    return Measured(sensor_table.text(found), found.settings, names, {}, found.extra())


def _pump(bench: "LinkedHold", settings: "Settings", technician: "Technician") -> "Measured":
    from emery.calibrate import pump as procedure
    from emery.calibrate.offer import Measured

    found = procedure.measure(bench, settings, technician)
    return Measured(
        procedure.text(found), found.settings, found.names, found.plant, found.extra()
    )


def _feed(bench: "LinkedHold", settings: "Settings", technician: "Technician") -> "Measured":
    from emery.calibrate import feed as procedure
    from emery.calibrate.offer import Measured

    found = procedure.measure(bench, settings, technician)
    return Measured(
        procedure.text(found), found.settings, (procedure.SETTING,), {}, found.extra()
    )


def _add(name: str, words: str, measure: "Measure") -> None:
    """A command that measures settings; all of these have the same options."""

    @calibrate_app.command(name, help=words)
    def command(
        board: Board = None, *, port: Port = None, write: Write = False, who: Who = "",
        why: Why = "", answers: AnswersFile = None, hands: HandsPath = None,
        as_json: AsJson = False,
    ) -> None:  # fmt: skip
        _calibrate(name, measure, board, port, write, who, why, answers, hands, as_json)


_add("sensors", "Zero and span of both vacuum sensors, against a reference gauge.", _sensors)
_add("pump", "The drive at which the pump starts, and its lag.", _pump)
_add("feed", "Crystal flow against the valve's duty, by weighing the crystal cup.", _feed)


@calibrate_app.command()
def leak(
    board: Board = None, *, port: Port = None, write: Write = False, who: Who = "",
    why: Why = "", answers: AnswersFile = None, hands: HandsPath = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """How much vacuum is lost, and which joint to look at first.

    The volume and the nozzle are those of [plant], in the board file or on the device.
    --write keeps the result in the device's ledger. Exit code 1 if it leaks.
    """
    from emery.calibrate import guided, offer
    from emery.calibrate import leak as procedure
    from emery.config.compiled import decompile
    from emery.simulator.plant import PARAMETERS

    plant = {row[0]: row[4] for row in PARAMETERS}
    with guided.told():
        stated = _plant(board)
        with _session(port, answers, hands) as session:
            plant |= decompile(session.blob).plant
            plant |= stated
            found = procedure.check(
                session.bench, session.technician, session.settings, plant["volume_m3"],
                plant["nozzle_m"],
            )  # fmt: skip
            if as_json:
                _write_json("leak", found.extra(), [], found.passed)
            else:
                terminal.write(procedure.text(found))
            if write:
                tell = terminal.complain if as_json else _tell
                offer.noted(
                    session.device.hello.device_id, session.blob, who, why, found.extra(), tell
                )
    if not found.passed:
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)


@calibrate_app.command()
def controls(
    *, port: Port = None, answers: AnswersFile = None, hands: HandsPath = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Footswitch and buttons, one by one. Exit code 1 if one is not in order."""
    from emery.calibrate import controls as procedure
    from emery.calibrate import guided
    from emery.config.compiled import decompile
    from emery.config.pins import pin_text
    from emery.link.client import connected
    from firmware.treatment import SERVICE
    from hal.contract import BUTTON_END

    with guided.told():
        with _session(port, answers, hands) as session:
            device = decompile(session.blob)
            every = procedure.controls_of(
                device.wiring, lambda number: pin_text(device.chip, number)
            )
            client = session.device.client
            found = procedure.stuck(client, every, session.technician)
            is_stuck = bool(found)
            for one in every if not is_stuck else ():
                if one.bit != BUTTON_END:
                    found.append(procedure.try_one(client, one, every, session.technician))
        end = [one for one in every if one.bit == BUTTON_END]
        was_left_out = ""
        if end and not is_stuck:
            with connected(port) as (client, hello):
                if hello.state == SERVICE:
                    was_left_out = (
                        "END was not tried: in SERVICE it restarts the device. Leave SERVICE, "
                        "and\ntry again.\n"
                    )
                else:
                    found.append(procedure.try_one(client, end[0], every, session.technician))
        passed = not any(one.problems for one in found)
        if as_json:
            extra: dict[str, object] = {
                one.control.name: {
                    "pin": one.control.pin,
                    "pressed": one.pressed,
                    "released": one.released,
                    "bounce_ms": list(one.bounce_ms),
                    "problems": one.problems,
                }
                for one in found
            }
            _write_json("controls", extra, [], passed)
            if was_left_out:
                terminal.complain(was_left_out.rstrip())
        else:
            terminal.write(procedure.text(found) + was_left_out)
    if not passed:
        raise typer.Exit(ExitCode.REQUIREMENT_FAILED)


class _Session:
    """A device in SERVICE, and whoever stands at it."""

    def __init__(self, device: "Serviced", blob: bytes, technician: "Technician") -> None:
        from emery.calibrate.holding import LinkedHold
        from emery.config.compiled import decompile

        self.device = device
        self.blob = blob
        self.settings = decompile(blob).settings
        self.technician = technician
        self.bench = LinkedHold(device.client, device.hello)


@contextmanager
def _session(
    port: str | None, answers: Path | None, hands: Path | None, *, write: bool = False
) -> "Iterator[_Session]":
    from emery.calibrate import guided
    from emery.transfer.push import refuse_other_core

    technician = _technician(answers, hands)
    with guided.at_device(port, technician) as (device, blob):
        if write:
            # Before anybody measures for minutes.
            refuse_other_core(device.hello)
        yield _Session(device, blob, technician)


def _tell(line: str) -> None:
    terminal.write(f"{line}\n")


def _technician(answers: Path | None, hands: Path | None) -> "Technician":
    from emery.calibrate.technician import Answers, Keyboard, VirtualHands
    from emery.virtual_board.hands import HandsPipe

    if answers is not None and hands is not None:
        terminal.refuse("--answers and --hands both answer; name one of them")
    if hands is not None:
        return VirtualHands(HandsPipe(hands))
    if answers is not None:
        try:
            return Answers(answers)
        except (OSError, UnicodeDecodeError) as problem:
            terminal.refuse(f"cannot read {answers}: {problem}")
    return Keyboard()


def _calibrate(
    name: str,
    measure: "Measure",
    board: Path | None,
    port: str | None,
    write: bool,
    who: str,
    why: str,
    answers: Path | None,
    hands: Path | None,
    as_json: bool,
) -> None:
    """Measure, offer, and put."""
    from emery.calibrate import guided, offer
    from emery.calibrate.technician import Keyboard

    with guided.told():
        file = guided.FileToWrite.of(board) if board is not None else None
    with guided.told(), _session(port, answers, hands, write=write) as session:
        if file is not None:
            file.refuse_other_device(session.blob)
        found = measure(session.bench, session.settings, session.technician)
        made = offer.Offer.of(session.blob, found)
        if as_json:
            _write_json(name, found.extra, made.changes, True)
        else:
            terminal.write(found.text)
            terminal.write(made.shown())
        if not made.changes and not write:
            return
        is_wanted = write
        if not write and isinstance(session.technician, Keyboard) and sys.stdin.isatty():
            typed = session.technician.ask("Put this on the device? (y, or Enter for no)", "")
            is_wanted = typed.lower() in ("y", "yes")
        if not is_wanted:
            terminal.complain("Nothing was changed. With --write it is put there.")
            return
        with terminal.progress("certifying") as show:
            offer.put(
                session.device, made, file.path if file else None, who=who,
                why=why or f"calibrate {name}", extra={name: found.extra}, show=show,
                tell=terminal.complain if as_json else _tell,
            )  # fmt: skip


def _plant(board: Path | None) -> dict[str, float]:
    """What a board file states of its device's pneumatics."""
    if board is None:
        return {}
    from emery.config.load import load_board
    from emery.config.named import config_file

    return load_board(config_file(board)).plant


def _write_json(
    name: str, extra: dict[str, object], changes: "list[Any]", passed: bool
) -> None:
    document = {
        "schema": _SCHEMA,
        "calibration": name,
        "passed": passed,
        "found": extra,
        "changes": {
            change.key: {"before": change.before, "after": change.after} for change in changes
        },
    }
    terminal.write(json.dumps(document, indent=1) + "\n")
