"""A TOML file, read strictly: whatever nobody asked for is an error.

    document = Document.read("my_board.toml")
    limit_pa = document.table("protection").whole_quantity("hard_limit", "Pa", high=45_000)
    document.finish()

The standard library's reader of TOML decides what the file says and whether
it is TOML at all. A misspelt limit must never be passed over in silence, so
`finish` refuses each key that was not read.
"""

import difflib
import re
import stat
import tomllib
from pathlib import Path
from typing import NoReturn

from emery.config.places import Place, Places
from emery.config.problem import ConfigError, Problem
from emery.config.table import Table

__all__ = ["ConfigError", "Document", "Table"]

# Far above any real file, low enough to refuse a wrong one at once.
LARGEST_FILE_BYTES = 1_000_000
# Nobody can read a longer line, and the reader's time grows with its square.
LONGEST_LINE = 1_000

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

# What the standard reader says, and what to do about it. The first pattern
# found in its message counts.
_REMEDIES = (
    (
        "Invalid value",
        'Put text and quantities in double quotes, as in "45 kPa".',
    ),
    (
        "Expected newline or end of document",
        'Put text and quantities in double quotes, as in "45 kPa", each key on its own line.',
    ),
    (
        "Unterminated|[Ii]nvalid character '\\\\n'|Illegal character '\\\\n'|Expected \"'",
        "Close the text with the same quotes it began with, on the same line.",
    ),
    ("Expected '=' after a key", 'Write key = "value", one on each line.'),
    ("end of a table declaration", "Close the table's name, as in [name] or [[name]]."),
    ("Unescaped '\\\\'", "Write a backslash as two, or use single quotes."),
)
_CURLY_QUOTES = "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
_TWICE = re.compile("Cannot (?:overwrite|declare|mutate|redefine)|Duplicate")
_OTHER_REMEDY = "Correct this line; comments begin with #."
_STANDARD_PLACE = re.compile(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)$")


class Document(Table):
    """The outermost table of a file, and everything noted about the file.

    `files` are its own name and those of the files that it extends (see `extends`).
    """

    def __init__(
        self,
        file: str,
        problems: list[Problem],
        values: dict[str, object],
        place: Place,
        extended: tuple[str, ...] = (),
    ) -> None:
        super().__init__(file, problems, values, place)
        self.file = file
        self.files = (file, *extended)

    @classmethod
    def read(cls, path: Path | str) -> "Document":
        """The document in the file `path`; ConfigError if it cannot be read
        or is not TOML."""
        return cls.from_bytes(file_bytes(Path(path), str(path)), str(path))

    @classmethod
    def from_bytes(cls, content: bytes, file: str) -> "Document":
        """The document in `content`, named `file` in errors."""
        text = _decoded(content, file)
        try:
            values = tomllib.loads(text)
            places = Places(text)
        except ValueError as error:
            _refuse_syntax(file, text, str(error))
        except RecursionError:
            _refuse(file, 0, 0, "", "nests tables or arrays too deeply", "Write it flat.")
        return cls(file, [], values, places.root)

    @property
    def troubled(self) -> bool:
        """True once a problem was noted."""
        return bool(self._problems)

    @property
    def noted(self) -> tuple[Problem, ...]:
        """The problems that were noted so far."""
        return tuple(self._problems)

    def finish(self) -> None:
        """Raise ConfigError with all problems, by position, if there are any:
        those noted so far and every key that was not read."""
        homes: dict[str, list[str]] = {}
        self.add_homes(homes)
        self.note_unknown(homes)
        if self._problems:
            order = {file: number for number, file in enumerate(self.files)}
            raise ConfigError(
                sorted(
                    self._problems, key=lambda item: (order[item.file], item.line, item.column)
                )
            )

    @property
    def tree(self) -> tuple[dict[str, object], Place]:
        """The values as TOML gives them, and their places in the same shape."""
        return self._values, self._place


def file_text(path: Path) -> str:
    """The text of a file that is to be edited; ConfigError if there is none. Its line
    ends are kept as they are."""
    return _decoded(file_bytes(path, str(path)), str(path))


def file_bytes(path: Path, file: str) -> bytes:
    """The content of a file, named `file` in errors; ConfigError if it cannot be read."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            _refuse(file, 0, 0, "a TOML file", "is a directory", "Name a file in it.")
        if not stat.S_ISREG(mode):
            _refuse(file, 0, 0, "a TOML file", "is not a file", "Save it to a file first.")
        with path.open("rb") as stream:
            return stream.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        _refuse(file, 0, 0, "a TOML file", "does not exist", _did_you_mean(path))
    except PermissionError:
        _refuse(
            file, 0, 0, "a TOML file", "may not be read", "Give yourself permission to read it."
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        _refuse(file, 0, 0, "a TOML file", f"cannot be read ({reason})", "Name another file.")


def nearest_file(path: Path) -> Path | None:
    """The TOML file beside one that is not there that may be meant; None if none is near."""
    try:
        names = [entry.name for entry in path.parent.glob("*.toml")]
    except (OSError, ValueError):
        names = []
    near = difflib.get_close_matches(path.name, names, 1)
    return path.with_name(near[0]) if near else None


def _did_you_mean(path: Path) -> str:
    near = nearest_file(path)
    return f"Did you mean {near}?" if near else "Check the path."


def _decoded(content: bytes, file: str) -> str:
    """The text of a file, refused if it is none."""
    if len(content) > LARGEST_FILE_BYTES:
        largest = f"at most {LARGEST_FILE_BYTES // 1_000_000} MB"
        _refuse(file, 0, 0, largest, "is too large for a config file", "Name another file.")
    if content.startswith(_UTF16_MARKS):
        _refuse(file, 0, 0, "UTF-8 text", "is UTF-16 text", "Save it as UTF-8.")
    content = content.removeprefix(_UTF8_MARK)  # some editors put it there
    if b"\x00" in content:
        _refuse(file, 0, 0, "UTF-8 text", "is a binary file", "Name a TOML file.")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line, column = _end_of(before)
        what = f"the byte 0x{content[error.start]:02x} is not UTF-8 text"
        _refuse(file, line, column, "UTF-8 text", what, "Save the file as UTF-8.")
    if not text.strip():
        _refuse(file, 0, 0, "a TOML file", "is empty", "Start from one in board_configs/.")
    for number, line_text in enumerate(text.split("\n"), 1):
        if len(line_text) > LONGEST_LINE:
            _refuse(
                file,
                number,
                LONGEST_LINE + 1,
                f"at most {LONGEST_LINE} characters",
                f"a line of {len(line_text)} characters",
                "Break the line.",
            )
    return text


def _refuse_syntax(file: str, text: str, message: str) -> NoReturn:
    """Refuse text that is not TOML, at the place the message names."""
    match = _STANDARD_PLACE.search(message)
    what = f"is not TOML here: {message[: match.start()] if match else message}"
    remedy = _OTHER_REMEDY
    for pattern, known_remedy in _REMEDIES:
        if re.search(pattern, message):
            remedy = known_remedy
            break
    if match and match[1]:
        line, column = int(match[1]), int(match[2])
    else:
        line, column = _end_of(text.rstrip())
    if _curly_at(text, line, column):
        remedy = 'Write straight quotes, as in "45 kPa", not curly ones.'
    key = ""
    if _TWICE.search(message):
        remedy = "Set every key and table once."
        # The standard reader notices a repetition only after it.
        repeats = [repeat for repeat in _repeats(text) if repeat[0] <= line]
        if repeats:
            line, column, key, first_line = repeats[0]
            what = f"is set a second time; first on line {first_line}"
            remedy = "Keep one of the two."
    _refuse(file, line, column, "", what, remedy, key)


def _curly_at(text: str, line: int, column: int) -> bool:
    """True if a quote that a word processor has bent stands where reading failed."""
    lines = text.split("\n")
    return line <= len(lines) and lines[line - 1][column - 1 : column] in set(_CURLY_QUOTES)


def _repeats(text: str) -> list[tuple[int, int, str, int]]:
    try:
        repeats = Places(text).repeats
    except RecursionError:
        return []
    return sorted((item.line, item.column, item.key, item.first_line) for item in repeats)


def _end_of(text: str) -> tuple[int, int]:
    """Line and column of the first character after `text`."""
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def _refuse(
    file: str, line: int, column: int, expected: str, what: str, remedy: str, key: str = ""
) -> NoReturn:
    raise ConfigError([Problem(file, line, column, key, what, expected, remedy)])
