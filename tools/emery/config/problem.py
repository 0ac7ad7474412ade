"""What is wrong in a file, said so that its reader can put it right.

Every problem states where it is, what is wrong, what was expected there and
what to do next. A file is checked to its end, so that one error carries all
its problems: a technician corrects them in one go.
"""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

# The width of the plainest terminal.
COLUMNS = 80

# A value is quoted to be recognised, not to be repeated in full.
LONGEST_QUOTE = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong.

    `line` and `column` count from 1, columns in characters; both are 0 where
    the file as a whole is meant. `key` is the path of the key, such as
    `protection.hard_limit` or `zone 2.level` (counted from 1), or "".
    `what` follows the key in a sentence, `expected` names what would be
    right, `remedy` says what to do; only `remedy` ends with a full stop.
    """

    file: str
    line: int
    column: int
    key: str
    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        """One line, free of control characters: where it breaks is for the terminal."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        sentence = f"{self.key}: {self.what}." if self.key else f"{self.what}."
        if self.expected and self.expected not in self.what:
            sentence += f" Expected: {self.expected}."
        return printable(f"{place}  {sentence} {self.remedy}")

    def render(self) -> str:
        """The line wrapped to 80 columns."""
        return textwrap.fill(
            str(self),
            COLUMNS,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )


class ConfigError(Exception):
    """A file was refused. `problems` holds at least one problem, in order of
    position within each file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """A line for each problem."""
        return "\n".join(map(str, self.problems))

    def render(self) -> str:
        """All problems wrapped to 80 columns, each beginning on its own line."""
        return "\n".join(problem.render() for problem in self.problems)


def printable(text: str) -> str:
    """`text` with everything a terminal would act on, or could not encode,
    written as an escape. Line breaks too: one problem is one paragraph."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def quoted(value: object) -> str:
    """A TOML value as its author would recognise it, shortened if long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_shortened(value)}"'
    return _shortened(str(value))


def listed(names: Iterable[str]) -> str:
    """Names as a choice, such as "a, b or c"."""
    items = list(names)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} or {items[-1]}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."
