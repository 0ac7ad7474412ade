"""What goes wrong with a config, a device or a ledger, told as every command tells it."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from emery import terminal
from emery.config.compiled import NotAConfig
from emery.config.document import ConfigError
from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode
from emery.ledger.keys import Unreadable
from emery.ledger.place import LedgerError
from emery.processes import ProcessLost
from emery.transfer.certified import NotCertified


@contextmanager
def told() -> Iterator[None]:
    """Ends the command with words and the exit code that belongs to the problem."""
    try:
        yield
    except DeviceProblem as problem:
        terminal.refuse(str(problem), problem.code)
    except NotCertified as problem:
        terminal.refuse(str(problem), ExitCode.REQUIREMENT_FAILED)
    except ProcessLost as lost:
        terminal.refuse(str(lost), ExitCode.INTERNAL)
    except ConfigError as error:
        terminal.complain(error.render())
        raise typer.Exit(ExitCode.BAD_INPUT) from None
    except (LedgerError, Unreadable) as problem:
        terminal.refuse(str(problem))
    except NotAConfig as problem:
        terminal.refuse(f"the device's config cannot be read: {problem}", ExitCode.DEVICE)


def note(text: str) -> None:
    """Something to know that is no result."""
    terminal.complain(terminal.wrapped(f"note: {text}."))
