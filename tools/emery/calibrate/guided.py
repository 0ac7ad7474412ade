"""A guided measurement as a command: what `emery calibrate` and `emery identify` share.

The board file that values go into, the device in SERVICE with whoever stands at it, and
what goes wrong, in words. What can be refused is refused before anybody measures.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from emery import terminal
from emery.calibrate.technician import NoAnswer, Technician
from emery.calibrate.verdict import Implausible
from emery.config import edit
from emery.config.compiled import decompile
from emery.config.load import load_board
from emery.config.named import own_file
from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode
from emery.transfer import serviced
from emery.transfer.push import config_of
from emery.transfer.serviced import Serviced
from emery.transfer.told import note
from emery.transfer.told import told as told_of_devices


@contextmanager
def told() -> Iterator[None]:
    """Problems of a measurement in words, with their exit codes."""
    with told_of_devices():
        try:
            yield
        except Implausible as refused:
            remedy = f"{refused.remedy}{'' if refused.remedy[-1] in '.?' else '.'}"
            terminal.complain(terminal.wrapped(f"refused: {refused.what}."))
            terminal.complain(terminal.wrapped(f"    {remedy} Nothing was changed."))
            raise typer.Exit(ExitCode.REQUIREMENT_FAILED) from None
        except NoAnswer as problem:
            terminal.refuse(f"{problem}. Nothing was changed")


@dataclass(frozen=True, slots=True)
class FileToWrite:
    """A board file that values are to go into, and the device that it says it is of."""

    path: Path
    device: str

    @classmethod
    def of(cls, named: Path) -> "FileToWrite":
        """The one that is meant. Ends the command if it comes with Emery; ConfigError if
        it is not in order, or its folder takes no files."""
        path = own_file(named)
        device = load_board(path).name
        edit.check_folder(path)
        return cls(path, device)

    def refuse_other_device(self, blob: bytes) -> None:
        """End the command if this is the file of another device than the one with this
        config."""
        name = decompile(blob).name
        if name != self.device:
            terminal.refuse(
                f'the device at the port is "{name}", and {self.path} is that of '
                f'"{self.device}". Name the device\'s own file; emery config pull writes one'
            )


@contextmanager
def at_device(
    port: str | None, technician: Technician
) -> Iterator[tuple[Serviced, bytes]]:
    """The device at `port`, or the only one, in SERVICE, and the config that it runs on.
    Raises DeviceProblem, LedgerError."""

    def restarts(part: float, title: str) -> None:
        if title:
            technician.meanwhile(title)

    with serviced.serviced(port, terminal.complain, restarts) as device:
        if device.hello.is_changed:
            raise DeviceProblem(
                "the settings on the device's flash are not those that it runs on",
                "Restart it (r in `emery monitor`, or off and on); then begin again.",
            )
        yield device, config_of(device.client, device.hello, note)
