"""The source of a module as a device gets it: without what only people read.

The tables of the firmware hold each fact once, and with it words: what a setting
does, what a fault is called and how it is mended. The host shows them; on a
device they would fill a tenth of the memory that the firmware keeps. So they are
taken out where the module is compiled. Numbers of lines stay.
"""

import ast
from pathlib import Path

# Which columns of which tables are words, by module; () for a table of nothing else.
_WORDS: dict[str, dict[str, tuple[int, ...]]] = {
    "firmware/treatment.py": {"STATES": (), "REASONS": ()},
    "firmware/settings.py": {"SETTINGS": (7,), "ZONE_FIELDS": (7,)},
    "firmware/faults.py": {"CATALOGUE": (4, 5)},
    "hal/wiring.py": {"ROLES": (3,), "FACTS": (5,)},
}


def device_source(path: Path, place: str) -> str:
    """What to compile of the file at `path`, which goes to `place` in a slot.

    Words become "", and a tuple of them becomes ().
    """
    source = path.read_text(encoding="utf-8")
    tables = _WORDS.get(place, {})
    words: list[ast.expr] = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
            continue
        for target in node.targets:
            columns = tables.get(target.id) if isinstance(target, ast.Name) else None
            if columns == ():
                words.append(node.value)
            elif columns:
                rows = [row for row in node.value.elts if isinstance(row, ast.Tuple)]
                words += [row.elts[column] for row in rows for column in columns]
    lines = source.encode().splitlines(keepends=True)
    for word in sorted(words, key=lambda word: (word.lineno, word.col_offset), reverse=True):
        first, last = word.lineno - 1, (word.end_lineno or word.lineno) - 1
        empty = b"()" if isinstance(word, ast.Tuple) else b'""'
        after = lines[last][word.end_col_offset :]
        lines[first : last + 1] = [
            lines[first][: word.col_offset] + empty + b"\n" * (last - first) + after
        ]
        lines[first : first + 1] = lines[first].splitlines(keepends=True)
    return b"".join(lines).decode()
