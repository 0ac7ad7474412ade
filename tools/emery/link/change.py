"""One setting of a device: found by its key, read and judged before it is sent.

Keys and values are those of a board file. What the firmware and the chip ask of the
settings together is judged here as for a file; the device judges the firmware's rules
again.
"""

import difflib
from collections import Counter

from emery.config import chip as chip_rules
from emery.config import quantity
from emery.config.load import said_in_keys
from emery.config.problem import listed, quoted
from emery.config.rows import SETTING_ROWS, Row
from firmware.settings import Settings, broken_rules

_KEY_USES = Counter(row.key for row in SETTING_ROWS)


class ChangeError(Exception):
    """What is wrong with a key or a value, what is expected, and what to do."""


def named(row: Row) -> str:
    """The key with its table."""
    return f"{row.table}.{row.key}"


def shown(row: Row, value: int) -> str:
    """A line as it would stand in a board file, with its table before the key."""
    return f'{named(row)} = "{quantity.text(value, row.unit)}"'


def find(key: str) -> Row:
    """The setting of a key: `protection.hard_limit`, `hard_limit` where that is only one,
    or the firmware's `hard_limit_pa`. Raises ChangeError."""
    wanted = key.strip().lower()
    found = [row for row in SETTING_ROWS if wanted in (named(row), row.key, row.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ChangeError(f"{quoted(key)} is {listed(map(named, found))}: write the whole of it.")
    # A key may be near in any of its forms; what is offered is the whole of it.
    forms = {form: row for row in SETTING_ROWS for form in (row.name, row.key, named(row))}
    near = difflib.get_close_matches(wanted, forms, 3, 0.6)
    rows = list(dict.fromkeys(named(forms[form]) for form in near))
    meant = f"Did you mean {listed(rows)}? " if rows else ""
    raise ChangeError(f"there is no setting {quoted(key)}. {meant}`emery get` lists them all.")


def parsed(row: Row, text: str) -> int:
    """The number that a value means, in range. Raises ChangeError."""
    allowed = quantity.range_text((row.low, row.high), row.unit)
    try:
        value = quantity.parse_whole(text, row.unit)
    except quantity.QuantityError as error:
        raise ChangeError(
            f"{named(row)}: {error.what}. Expected: {allowed}. {error.remedy}"
        ) from None
    if not row.low <= value <= row.high:
        raise ChangeError(
            f"{named(row)}: {quoted(text)} is outside the allowed range. Expected: {allowed}."
        )
    return value


def check_together(row: Row, value: int, settings: Settings, chip: str) -> None:
    """ChangeError if `value` does not fit the other settings of the device; `settings`
    has it afterwards."""
    setattr(settings, row.name, value)
    for field, rule in [*broken_rules(settings), *chip_rules.broken_rules(chip, settings)]:
        subject = "it" if field == row.name else said_in_keys(field, settings)
        raise ChangeError(
            f"{named(row)}: {quoted(quantity.text(value, row.unit))} does not fit what else is "
            f"set on the device: {subject} {said_in_keys(rule, settings)}. Change the other one "
            "first; or flash a board file or a protocol in which they fit."
        )
