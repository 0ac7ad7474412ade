"""The firmware's table of settings, with the key each has in a TOML file.

A key is the setting's name without the ending that tells its unit, since the
value carries its unit as text: `hard_limit_pa` is `hard_limit = "45 kPa"`.
Where that would give two settings of one table the same key, the kind of
quantity takes the ending's place: `contact_on_vacuum`, `contact_on_part` and
`contact_on_time`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from firmware.settings import SETTINGS, UNIT_SUFFIXES, ZONE_FIELDS

_KIND_ENDINGS = {"Pa": "_vacuum", "ms": "_time", "permille": "_part"}
_SUFFIXES = dict(UNIT_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: the firmware's name and the place it has in a file.

    `low`, `high` and `default` are whole numbers of `unit`; "" is a plain
    count. `who` may change it (`firmware.settings`), `purpose` says what it does.
    """

    name: str
    table: str
    key: str
    unit: str
    low: int
    high: int
    default: int
    who: str
    purpose: str


def _rows(settings: Iterable[tuple[str, str, str, int, int, int, str, str]]) -> tuple[Row, ...]:
    entries = list(settings)
    bare_keys = [(table, name.removesuffix(_SUFFIXES[unit])) for name, table, unit, *_ in entries]
    uses = Counter(bare_keys)
    rows = []
    for entry, (table, key) in zip(entries, bare_keys, strict=True):
        name, _, unit, low, high, default, who, purpose = entry
        ending = _KIND_ENDINGS[unit] if uses[table, key] > 1 else ""
        rows.append(Row(name, table, key + ending, unit, low, high, default, who, purpose))
    return tuple(rows)


SETTING_ROWS = _rows(SETTINGS)
ZONE_ROWS = _rows(ZONE_FIELDS)
