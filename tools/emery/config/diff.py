"""What `emery config diff` tells: the keys in which two sources differ.

Board values are compared with board values and zones with zones, by their names; a
source that has only one of the two is compared in that. Values are compared as
they are kept, so that "1 min" and "60 s" are the same.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emery.config.effective import Source, nominal_plant
from emery.config.kind import BOARD, PROTOCOL
from emery.config.problem import COLUMNS

SCHEMA = "emery.config.diff/1"

# A value that one side does not have.
NONE = "-"

_ZONE_ORDER = "order of zones"

# A wider cell does not make its column wider.
_WIDEST = 34


class NotComparable(ValueError):
    """The two have nothing in common. Says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A key, and what each side has for it; NONE for nothing."""

    key: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared, and where the two differ. `count` is of the keys compared."""

    left: str
    right: str
    differences: tuple[Difference, ...]
    count: int


def compare(left: Source, right: Source) -> Compared:
    """Raises NotComparable for a board and a protocol."""
    kinds = _parts(left) & _parts(right)
    if not kinds:
        raise NotComparable(
            f"{left.title} and {right.title} have nothing in common; name two boards or two "
            "protocols"
        )
    one, other = _comparable(left, kinds), _comparable(right, kinds)
    if not right.files:  # the defaults know no name, and no pins
        one = {key: text for key, text in one.items() if key in other or _is_plant(key)}
        other |= {key: text for key, text in nominal_plant().items() if key in one}
    one, other = _without_lone_zones(one, other), _without_lone_zones(other, one)
    keys = list(dict.fromkeys([*one, *other]))
    differences = [
        Difference(key, one.get(key, NONE), other.get(key, NONE))
        for key in keys
        if one.get(key, NONE) != other.get(key, NONE)
    ]
    return Compared(left.title, right.title, tuple(differences), len(keys))


def lines(compared: Compared, left_name: str, right_name: str) -> list[str]:
    """The differences as a table of 80 columns where the names allow it."""
    if not compared.differences:
        return [f"No difference in {compared.count} values."]
    rows = [("", left_name, right_name)]
    rows += [(item.key, item.left, item.right) for item in compared.differences]
    widths = [
        max(len(row[column]) for row in rows if len(row[column]) <= _WIDEST) for column in (0, 1)
    ]
    found = []
    for key, left, right in rows:
        line = f"{key:<{widths[0]}}  {left:<{widths[1]}}  {right}"
        if len(line) <= COLUMNS:
            found.append(line)
            continue
        found.append(key)
        for text in (left, right):
            found += textwrap.wrap(
                text, COLUMNS, initial_indent="    ", subsequent_indent="      "
            )
    number = len(compared.differences)
    verb = "differs" if number == 1 else "differ"
    return [*found, *textwrap.wrap(f"{number} of {compared.count} values {verb}.", COLUMNS)]


def document(compared: Compared, left_name: str, right_name: str) -> dict[str, Any]:
    """The same as plain data, for JSON."""
    return {
        "schema": SCHEMA,
        "left": {"name": left_name, "title": compared.left},
        "right": {"name": right_name, "title": compared.right},
        "compared": compared.count,
        "differences": [
            {
                "key": item.key,
                "left": None if item.left == NONE else item.left,
                "right": None if item.right == NONE else item.right,
            }
            for item in compared.differences
        ],
    }


def _parts(source: Source) -> set[str]:
    return {source.kind} if source.kind in (BOARD, PROTOCOL) else {BOARD, PROTOCOL}


def _comparable(source: Source, kinds: set[str]) -> dict[str, str]:
    return {
        key: text
        for key, text in by_zone_name(source.texts()).items()
        if (PROTOCOL if _is_protocol(key) else BOARD) in kinds
    }


def by_zone_name(texts: Mapping[str, str]) -> dict[str, str]:
    """The keys with zones by their names: `zone "nose".level`. Their order is one value."""
    found: dict[str, str] = {}
    names = []
    name = ""
    for key, text in texts.items():
        if not key.startswith("zone."):
            found[key] = text
            continue
        field = key.rpartition(".")[2]
        if field == "name":
            name = text
            names.append(name)
        else:
            found[f'zone "{name}".{field}'] = text
    if names:
        found[_ZONE_ORDER] = ", ".join(names)
    return found


def _without_lone_zones(texts: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """`texts` with one key for each zone that `other` does not have at all."""
    found: dict[str, str] = {}
    for key, text in texts.items():
        zone, _, field = key.rpartition(".")
        if zone.startswith("zone ") and f"{zone}.{field}" not in other:
            found[zone] = "is there"
        else:
            found[key] = text
    return found


def _is_protocol(key: str) -> bool:
    return key.startswith(("protocol.", "zone ")) or key == _ZONE_ORDER


def _is_plant(key: str) -> bool:
    return key.startswith("plant.")
