"""How every command speaks: results to stdout, errors and progress to stderr.

Progress goes to a terminal only; colour is never the only sign of anything.
"""

import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from emery.config.problem import COLUMNS
from emery.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

# What is to be typed as it stands: in backticks, or behind a colon up to the end of the
# clause.
_COMMAND = re.compile(r"`[^`\n]+`|(?<=: )(?:emery|pip|sudo|--\w\S*) (?:\S*[^\s.,;)] )*\S+")
# No place to break a line for `textwrap`.
_UNBROKEN = "\u00a0"


def write(text: str) -> None:
    """Print to stdout. A reader that has left (`| head`) is no error: the exit
    code still says how the run ended."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Keeps the interpreter from failing on the same pipe when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str) -> None:
    """Tell what went wrong, on stderr."""
    print(message, file=sys.stderr)  # noqa: T201 - this is where errors go


def refuse(problem: str, code: ExitCode = ExitCode.BAD_INPUT) -> NoReturn:
    """Tell a problem and end the command: bad input, unless `code` says other."""
    complain(wrapped(f"error: {problem}"))
    raise typer.Exit(code)


def wrapped(text: str) -> str:
    """Text in 80 columns, each of its lines by itself and as far in as it begins. No
    command and no word, such as a path, is broken: they can be copied."""
    return "\n".join(map(_wrapped, text.split("\n")))


def _wrapped(line: str) -> str:
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _UNBROKEN), line)
    filled = textwrap.fill(
        whole,
        COLUMNS,
        subsequent_indent=line[: len(line) - len(line.lstrip())],
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(_UNBROKEN, " ")


def console(stream: object) -> "Console":
    """A plain Rich console on `sys.stdout` or `sys.stderr`."""
    from rich.console import Console

    return Console(stderr=stream is sys.stderr, markup=False, highlight=False, emoji=False)


@contextmanager
def progress(title: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on stderr if that is a terminal. Yields show(part, title)."""
    on_stderr = console(sys.stderr)
    if not on_stderr.is_terminal:
        yield lambda part, title: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        console=on_stderr,
        transient=True,
    )
    with bar:
        task = bar.add_task(title or "starting", total=1.0)

        def show(part: float, title: str) -> None:
            bar.update(task, completed=part)
            if title:
                bar.update(task, description=title)

        yield show
