"""Values of a board file changed in place: comments, order and layout stay.

    backup = set_values("clinic_2.toml", {"regulator.hold_low": "30 %"})

The file as it would be is checked before anything is written, so that no tool
leaves a file behind that a person then has to mend. It is replaced in one step,
and the file as it was stays beside it as a backup.
"""

import difflib
import shutil
import tempfile
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Item, Table

from emery import whole_file
from emery.config import extends
from emery.config.document import Document, file_text
from emery.config.load import finished_board
from emery.config.pins import FACT_ROWS
from emery.config.places import Place, Places
from emery.config.plant import PLANT_ROWS
from emery.config.problem import COLUMNS, ConfigError, Problem, listed
from emery.config.rows import SETTING_ROWS
from emery.config.write import comment, text_value, with_remark
from hal.wiring import ROLES

_TRIAL_BYTES = 20_000  # more than a board file and its backup have [E]
_NO_REMARKS: Mapping[str, str] = {}


def board_keys() -> dict[str, str]:
    """Every key that a board file may have, such as "protection.hard_limit", with its
    purpose, in the order of a board file."""
    return {
        "board.name": "the device's name",
        "board.chip": "the chip it is built with",
        **{f"pins.{role}": purpose for role, _, _, purpose in ROLES},
        **{f"wiring.{fact.key}": fact.purpose for fact in FACT_ROWS},
        **{f"{row.table}.{row.key}": row.purpose for row in SETTING_ROWS},
        **{f"plant.{row.key}": row.purpose for row in PLANT_ROWS},
    }


def set_values(
    path: Path | str, values: Mapping[str, str], remarks: Mapping[str, str] = _NO_REMARKS
) -> Path:
    """Set keys of a board file to texts such as "30 %", and return the backup. Raises
    what `content_with` does, with nothing written, and ConfigError if that is not possible.
    """
    path = Path(path)
    return replace_file(path, content_with(path, values, remarks))


def content_with(
    path: Path, values: Mapping[str, str], remarks: Mapping[str, str] = _NO_REMARKS
) -> str:
    """The text of a board file with other values, found to be in order.

    A key that the file does not have goes into its table with its purpose as a comment; a
    key in `remarks` has that comment behind it, in place of the one that told of the value
    before. Raises ConfigError if a key is unknown or the file would not be in order.
    """
    text = file_text(path)
    Document.from_bytes(text.encode(), str(path))  # is TOML at all
    content = with_values(text, values, str(path))
    if remarks:
        content = _remarked(parsed(content, str(path)), remarks)
    finished_board(extends.joined(Document.from_bytes(content.encode(), str(path)), path))
    return content


def _remarked(document: tomlkit.TOMLDocument, remarks: Mapping[str, str]) -> str:
    for key, remark in remarks.items():
        table_name, _, name = key.partition(".")
        table = document.get(table_name)
        item = table.get(name) if isinstance(table, MutableMapping) else None
        if isinstance(item, Item):
            item.comment(remark)
    return tomlkit.dumps(document)


def with_values(text: str, values: Mapping[str, str], file: str) -> str:
    """The text of a board file with other values; ConfigError for an unknown key."""
    purposes = board_keys()
    unknown = [key for key in values if key not in purposes]
    if unknown:
        raise ConfigError([_unknown(file, key, list(purposes)) for key in unknown])
    document = parsed(text, file)
    new: dict[str, str] = {}
    for key, value in values.items():
        table_name, _, name = key.partition(".")
        table = document.get(table_name)
        if not isinstance(table, MutableMapping):
            new[key] = value  # `content_with` refuses what then does not fit
        elif name in table or not _has_header(table):
            table[name] = value
        else:
            new[key] = value
    content = tomlkit.dumps(document)
    for key, value in new.items():
        content = _with_line(content, key, value, purposes[key])
    return content


def parsed(text: str, file: str) -> tomlkit.TOMLDocument:
    """The text of a file, to be changed with its layout kept. Raises ConfigError."""
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:  # it knows less than the reader that judges files
        what = f"cannot be changed by a tool ({error})"
        problem = Problem(file, 0, 0, "", what, "plain TOML", "Change it by hand.")
        raise ConfigError([problem]) from None


def replace_file(path: Path, content: str) -> Path:
    """Put `content` in a file's place in one step; the backup of what was there.

    Raises ConfigError, with the file as it was, if that is not possible.
    """
    # Through a link, the file it points to is meant.
    target = path.resolve()
    backup = _free_name(target)
    try:
        shutil.copy2(target, backup)
    except OSError as error:
        with suppress(OSError):
            backup.unlink(missing_ok=True)
        raise _unwritable(path, error) from None
    try:
        write_bytes(target, content.encode(), like=backup)
    except ConfigError:
        backup.unlink(missing_ok=True)
        raise
    return backup


def check_folder(path: Path) -> None:
    """ConfigError if no file can be written beside this one, or in its place: for what
    takes minutes before there is anything to write."""
    try:
        with tempfile.TemporaryFile(dir=path.resolve().parent) as trial:
            trial.write(bytes(_TRIAL_BYTES))
            trial.flush()
    except OSError as error:
        raise _unwritable(path, error) from None


def write_bytes(path: Path, content: bytes, *, like: Path | None = None) -> None:
    """Write a file in one step, with the permissions of the file `like`: afterwards there
    is the old one or the new one, whole. Raises ConfigError if that is not possible."""
    try:
        whole_file.write(path, content, like=like)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ConfigError:
    what = f"cannot be written ({error.strerror or error})"
    remedy = "Make room or get the right to write there, or name another file."
    return ConfigError([Problem(str(path), 0, 0, "", what, "a file that may be written", remedy)])


def _free_name(path: Path) -> Path:
    """Where the backup goes: beside the file, by the time, never over another one."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    number = 0
    while True:
        extra = f"-{number}" if number else ""
        backup = path.with_name(f"{path.name}.{stamp}{extra}.bak")
        if not backup.exists():
            return backup
        number += 1


def _has_header(table: object) -> bool:
    """Whether a table is written as [name], so that a line can go under it."""
    return isinstance(table, Table) and not table.is_super_table()


def _with_line(text: str, key: str, value: str, purpose: str) -> str:
    """`text` with a new key at the end of its table, above the comments that lead to
    the next one; in a new table at the end of the file if there is none yet."""
    table_name, _, name = key.partition(".")
    line = f"{name} = {text_value(value)}"
    remarked = with_remark(line, purpose)
    added = [remarked] if len(remarked) <= COLUMNS else [*comment(purpose), line]
    place = Places(text).root.members.get(table_name)
    if place is not None:
        return line_below(text, place, added)
    end = _line_end(text)
    return end.join([*text.rstrip().split(end), "", f"[{table_name}]", *added, ""])


def line_below(text: str, place: Place, added: list[str]) -> str:
    """`text` with lines below the last key of the table at `place`."""
    end = _line_end(text)
    lines = text.rstrip().split(end)
    below = max([place.line, *(member.value_line for member in place.members.values())])
    return end.join([*lines[:below], *added, *lines[below:], ""])


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unknown(file: str, key: str, known: list[str]) -> Problem:
    near = difflib.get_close_matches(key, known, 3)
    remedy = f"Did you mean {listed(near)}?" if near else "See `emery config docs`."
    return Problem(file, 0, 0, key, "is no key of a board file", "a key of a board file", remedy)

