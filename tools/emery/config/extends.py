"""A file that extends another: only the differences stand in it.

    extends = "pico_reference.toml"

    [protection]
    hard_limit = "42 kPa"

The key stands above all tables; its path is relative to the file, and a name without
".toml" is that of a file that comes with Emery. Files may extend files that extend
others. A key of the file that extends wins; everything else comes from the file that is
extended, and what is wrong there is told there. In a protocol, a zone of a name that is
there already changes that zone, where it stands; zones of other names come behind.

What a chain gives is one document with the places of all its files, so that whoever
reads it needs not know of them.
"""

import difflib
import os
from pathlib import Path
from typing import NoReturn

from emery import slot
from emery.config.document import Document, nearest_file
from emery.config.kind import BOARD, PROTOCOL, kind_of
from emery.config.places import Place
from emery.config.problem import ConfigError, Problem, listed, quoted
from emery.config.table import described

KEY = "extends"

# More files than this in a chain means that somebody has lost track. A chain is a
# device, its clinic, its board, its chip.
DEEPEST_CHAIN = 6

SHIPPED = slot.ROOT / "board_configs"

_SUFFIX = ".toml"
_EXPECTED = 'a file in double quotes, such as "pico_reference.toml"'


def read(path: Path | str) -> Document:
    """The document in a file and in those that it extends; ConfigError if one cannot
    be read, or the chain is not in order."""
    return joined(Document.read(path), path)


def joined(document: Document, path: Path | str) -> Document:
    """A document that stands for the file `path`, with what it extends."""
    chain = [document]
    paths = [Path(path)]
    while chain[-1].value(KEY) is not None:
        paths.append(_extended(chain, paths))
        chain.append(Document.read(paths[-1]))
        kind, kind_below = kind_of(document), kind_of(chain[-1])
        if kind and kind_below not in ("", kind):
            what = f"{quoted(str(paths[-1]))} is a {kind_below}, and this is a {kind}"
            _refuse(chain[-2], what, "a file of the same kind", "Name one of the same kind.")
    if len(chain) == 1:
        return document
    values, place = chain[-1].tree
    _set_file(place, chain[-1].file)
    problems: list[Problem] = []
    for number in range(len(chain) - 2, -1, -1):
        upper_values, upper_place = chain[number].tree
        if number:
            _set_file(upper_place, chain[number].file)
        values = _laid_over(upper_values, upper_place, values, place, document.file, problems)
        place = upper_place
    whole = Document(
        document.file, problems, values, place, tuple(lower.file for lower in chain[1:])
    )
    whole.value(KEY)  # known, and read
    return whole


def _extended(chain: list[Document], paths: list[Path]) -> Path:
    """The file that the last of a chain extends."""
    written = chain[-1].value(KEY)
    if not isinstance(written, str):
        _refuse(chain[-1], f"is {described(written)}", _EXPECTED, "Put the file in double quotes.")
    if not written.strip():
        _refuse(chain[-1], "is empty", _EXPECTED, "Name a file, or remove the line.")
    if written.endswith(_SUFFIX):
        path = _beside(chain, paths[-1].parent / written)
    else:
        path = _shipped(chain, written)
    real = os.path.realpath(path)
    for number, earlier in enumerate(paths):
        if os.path.realpath(earlier) == real:
            round_about = " -> ".join(item.name for item in (*paths[number:], path))
            what = f"leads back to where it began: {round_about}"
            _refuse(chain[-1], what, "files that end in one which extends none", "Remove it here.")
    if len(chain) == DEEPEST_CHAIN:
        what = f"is the {DEEPEST_CHAIN}th that is extended in a row"
        expected = f"a chain of at most {DEEPEST_CHAIN} files"
        _refuse(chain[-1], what, expected, "Put what several of them say into one.")
    return path


def _beside(chain: list[Document], named: Path) -> Path:
    """A file by its path from the one that extends it."""
    path = Path(os.path.normpath(named))
    # `os.path` takes what no system accepts as a name for a file that is not there.
    if not os.path.isfile(path):  # noqa: PTH113
        missing = "is a directory" if os.path.isdir(path) else "does not exist"  # noqa: PTH112
        near = nearest_file(path)
        meant = f"Did you mean {quoted(near.name)}?" if near else "Check the path."
        remedy = f"{meant} The path is relative to this file."
        _refuse(chain[-1], f"{quoted(str(path))} {missing}", "a TOML file", remedy)
    return path


def _shipped(chain: list[Document], name: str) -> Path:
    """A file that comes with Emery: a protocol for a protocol, else a board."""
    kind = next((kind for kind in map(kind_of, chain) if kind), BOARD)
    folder = SHIPPED / "protocols" if kind == PROTOCOL else SHIPPED
    path = folder / f"{name}{_SUFFIX}"
    names = sorted(file.stem for file in folder.glob(f"*{_SUFFIX}"))
    if name not in names:
        what = f"{quoted(name)} is none that comes with Emery"
        near = difflib.get_close_matches(name, names, 1)
        meant = f"Did you mean {quoted(near[0])}? " if near else ""
        remedy = f"{meant}A file of your own ends in {_SUFFIX}."
        _refuse(chain[-1], what, listed(names), remedy)
    return path


def _laid_over(
    values: dict[str, object],
    place: Place,
    lower: dict[str, object],
    lower_place: Place,
    file: str,
    problems: list[Problem],
) -> dict[str, object]:
    """`values` with what only `lower` has; the places of both are in `place` then.

    The order is that of `lower`, so that a zone stays where it is in a treatment.
    """
    merged: dict[str, object] = {}
    for key, under in lower.items():
        under_place = lower_place.members.get(key)
        if key not in values:
            merged[key] = under
            if under_place is not None:
                place.members[key] = under_place
            continue
        own = values[key]
        own_place = place.members.get(key)
        merged[key] = own
        if own_place is None or under_place is None:
            continue
        own_place.under = under_place
        if isinstance(own, dict) and isinstance(under, dict):
            merged[key] = _laid_over(own, own_place, under, under_place, file, problems)
        elif _is_tables(own) and _is_tables(under):
            merged[key] = _zones(own, own_place, under, under_place, file, problems)  # type: ignore[arg-type]
        elif isinstance(own, dict):
            problems.append(_clash(key, under, under_place, file))
    return merged | {key: own for key, own in values.items() if key not in lower}


def _zones(
    own: list[dict[str, object]],
    own_place: Place,
    under: list[dict[str, object]],
    under_place: Place,
    file: str,
    problems: list[Problem],
) -> list[object]:
    """Zones of the same name laid over each other, and the new ones behind."""
    merged: list[object] = list(under)
    places = list(under_place.items)
    names = [_name(zone) for zone in under]
    taken: set[int] = set()
    for zone, place in zip(own, own_place.items, strict=True):
        name = _name(zone)
        at = names.index(name) if name in names else -1
        if at < 0 or at in taken:
            merged.append(zone)
            places.append(place)
            continue
        taken.add(at)
        merged[at] = _laid_over(zone, place, under[at], under_place.items[at], file, problems)
        places[at] = place
    own_place.items = places
    return merged


def _name(zone: dict[str, object]) -> str:
    name = zone.get("name")
    return name.casefold() if isinstance(name, str) else ""


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _clash(key: str, under: object, place: Place, file: str) -> Problem:
    return Problem(
        place.file, place.value_line, place.value_column, key,
        f"is {described(under)}, and a table in {file}, which extends this file",
        f"one table [{key}]", f"Write [{key}], once.",
    )  # fmt: skip


def _set_file(place: Place, file: str) -> None:
    place.file = file
    for inner in (*place.members.values(), *place.items):
        _set_file(inner, file)


def _refuse(document: Document, what: str, expected: str, remedy: str) -> NoReturn:
    document.problem(KEY, what, expected, remedy)
    raise ConfigError(document.noted)
