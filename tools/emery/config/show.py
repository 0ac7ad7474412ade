"""What `emery config show` prints: each value, and where it came from."""

import textwrap
from pathlib import Path
from typing import Any

from emery.config.effective import COMPILED, Source, Value
from emery.config.problem import COLUMNS

SCHEMA = "emery.config.show/1"

_OVER = " over "


def lines(source: Source) -> list[str]:
    """The values with their origin, within 80 columns where names of files allow it."""
    names = short_names(source.files)
    stated = sum(1 for value in source.values if value.file)
    found = [f"{source.title}: {stated} of {len(source.values)} values stated."]
    if source.kind == COMPILED:
        found = [f"{source.title}: {len(source.values)} values."]
    if len(source.files) > 1:
        found.append("The first of these files extends the next, and so on:")
    found += [f"  {names[file]:<24} {file}".rstrip() for file in source.files]
    for remark in source.remarks:
        found += textwrap.wrap(remark, COLUMNS)
    group = ""
    width = max(len(value.key.rpartition(".")[2]) for value in source.values)
    text_width = max(len(value.text) for value in source.values)
    for value in source.values:
        table, _, key = value.key.rpartition(".")
        if table != group:
            group = table
            found += ["", _header(table)]
        lead = f"  {key:<{width}}  {value.text:<{text_width}}  "
        found += _fitted(lead, _origin(value, names))
    return found


def document(source: Source) -> dict[str, Any]:
    """The same as plain data, for JSON."""
    return {
        "schema": SCHEMA,
        "kind": source.kind,
        "title": source.title,
        "files": list(source.files),
        "remarks": list(source.remarks),
        "values": [
            {
                "key": value.key,
                "value": value.text,
                "default": value.default or None,
                "file": value.file or None,
                "line": value.line or None,
                "over": [{"file": file, "line": line} for file, line in value.over],
            }
            for value in source.values
        ],
    }


def short_names(files: tuple[str, ...]) -> dict[str, str]:
    """Files by their last names, or in full where two have the same."""
    last = [Path(file).name for file in files]
    return {
        file: name if last.count(name) == 1 else file
        for file, name in zip(files, last, strict=True)
    }


def _fitted(lead: str, origin: str) -> list[str]:
    """A value and its origin; what the value takes the place of on a line of its own
    where all of it is too wide."""
    if len(lead) + len(origin) <= COLUMNS:
        return [(lead + origin).rstrip()]
    first, over, rest = origin.partition(_OVER)
    return [lead + first, *([" " * len(lead) + (over + rest).strip()] if over else [])]


def _header(table: str) -> str:
    word, _, number = table.partition(".")
    return f"[[{word}]] {number}" if number else f"[{word}]"


def _origin(value: Value, names: dict[str, str]) -> str:
    if not value.file:
        return "default"
    if not value.line:
        changed = value.default and value.text != value.default
        return f"default {value.default}" if changed else ""
    said = f"{names[value.file]}:{value.line}"
    if value.over:
        said += _OVER + ", ".join(f"{names[file]}:{line}" for file, line in value.over)
    return said
