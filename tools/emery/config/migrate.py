"""A file of an earlier version brought to today's: `emery config migrate`.

What has another name today is renamed, what is gone is taken out, and what a file of
then could not state is put in so that the device does what it did. Everything else
stays as it is, the comments too. The file must be in order afterwards, or nothing is
written.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from emery.config import extends, quantity
from emery.config.document import Document, file_text
from emery.config.edit import line_below, parsed, replace_file, with_values
from emery.config.former_blobs import FORMER_SETTINGS, former_dose_mg
from emery.config.former_keys import found_former
from emery.config.kind import PROTOCOL, known_kind
from emery.config.load import finished_board, finished_protocol
from emery.config.places import Places
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from emery.config.write import text_value, with_remark


@dataclass(frozen=True, slots=True)
class Migration:
    """What was done, in sentences; `backup` is the file as it was. Neither for a file
    that is of today already, and no backup if nothing was to be written."""

    notes: tuple[str, ...]
    backup: Path | None


def migrate(path: Path | str, *, write: bool = True) -> Migration:
    """Rewrite a board or protocol file. Only this one: a file that it extends is
    migrated by its own name. Raises ConfigError, and then nothing was written."""
    path = Path(path)
    text = file_text(path)
    document = Document.from_bytes(text.encode(), str(path))
    is_protocol = known_kind(document) == PROTOCOL
    notes: list[str] = []
    content = _with_doses(text, notes) if is_protocol else _without_former(document, text, notes)
    whole = extends.joined(Document.from_bytes(content.encode(), str(path)), path)
    if is_protocol:
        finished_protocol(whole)
    else:
        finished_board(whole)
    if not notes or not write:
        return Migration(tuple(notes), None)
    return Migration(tuple(notes), replace_file(path, content))


def _without_former(document: Document, text: str, notes: list[str]) -> str:
    """A board file's text without the keys that are none any more."""
    for former in found_former(document):
        toml = parsed(text, document.file)
        table = toml[former.table]
        value = table[former.key]
        table.remove(former.key)
        if not table.unwrap():
            toml.remove(former.table)
        text = tomlkit.dumps(toml)
        name = f"{former.table}.{former.key}"
        if not former.now:
            notes.append(f"{name} is taken out. {former.instead}")
            continue
        into, _, key = former.now.partition(".")
        if key in toml.get(into, {}):
            notes.append(f"{name} is taken out: {former.now} is there already.")
            continue
        text = with_values(text, {former.now: str(value)}, document.file)
        notes.append(f"{name} is called {former.now} now.")
    if notes:
        notes += _former_defaults(text)
    return text


def _former_defaults(text: str) -> list[str]:
    """Values that were the default of then, and are stated: they stay."""
    toml = tomllib.loads(text)
    found = []
    for row in SETTING_ROWS:
        then = FORMER_SETTINGS[1].defaults.get(row.name)
        stated = toml.get(row.table, {}).get(row.key)
        if then is None or not isinstance(stated, str):
            continue
        try:
            same = quantity.parse_whole(stated, row.unit) == then
        except quantity.QuantityError:
            continue
        if same:
            found.append(
                f'{row.table}.{row.key} stays at "{stated}", which was the default then; '
                f"today's is {quantity.text(row.default, row.unit)}."
            )
    return found


def _with_doses(text: str, notes: list[str]) -> str:
    """A protocol's text with a dose in each zone: all its passes with all their
    crystals, as it was while there was no dose."""
    zones = tomllib.loads(text).get("zone")
    if not isinstance(zones, list):
        return text
    places = Places(text).root.member("zone").items
    (dose,) = (row for row in ZONE_ROWS if row.name == "dose_mg")
    # From the last to the first, so that the lines above stay where they are.
    for zone, place in reversed(list(zip(zones, places, strict=False))):
        if dose.key in zone or not {row.key for row in ZONE_ROWS} - {dose.key} <= set(zone):
            continue
        try:
            crystals_mg = quantity.parse_whole(str(zone["pass_crystals"]), "mg")
            dose_mg = min(former_dose_mg(int(zone["passes"]), crystals_mg), dose.high)
        except (quantity.QuantityError, TypeError, ValueError):
            continue  # told by the check of the whole
        written = quantity.text(dose_mg, "mg")
        line = with_remark(f"{dose.key} = {text_value(written)}", dose.purpose)
        text = line_below(text, place, [line])
        notes.insert(0, f'Zone "{zone.get("name")}" gets its {dose.key}: {written}, as before.')
    return text
