"""The core mark: which control core it is that a certificate speaks of.

The first 8 bytes of SHA-256 over the sources of everything that `firmware.app`
imports of the firmware and of `hal.contract`, by path, each as a device gets it
and without comments, docstrings and blank lines: words do not change what the
core does, and must not take a certificate away.

Tokens are summed and not a syntax tree, whose text differs between versions of
Python. `firmware/core_mark.py` keeps the mark for the device; it is written by
`python -m emery.certificate.shipped` and no part of the sum itself.
"""

import ast
import hashlib
import io
import tokenize
from functools import cache
from pathlib import Path

from emery import slot
from emery.device_source import device_source

START = "firmware/app.py"
PLACE = "firmware/core_mark.py"
MARK_BYTES = 8

_SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}


@cache
def core_mark() -> bytes:
    """The mark of the core that this process runs: of `slot.ROOT`, read once."""
    return mark_of(slot.ROOT)


def module_source(mark: bytes) -> str:
    """The text of `firmware/core_mark.py` with this mark."""
    return (
        '"""Which control core this is: the mark that certificates name.\n'
        "\n"
        "Written by `python -m emery.certificate.shipped`, not by hand; a test holds it\n"
        "equal to the sources. A slot gets the true one when it is built.\n"
        '"""\n'
        "\n"
        f'CORE_MARK = "{mark.hex()}"\n'
    )


def closure(root: Path) -> list[str]:
    """Places of the modules of the core, START first among what it reaches."""
    found: set[str] = set()
    todo = [START]
    while todo:
        place = todo.pop()
        if place not in found:
            found.add(place)
            todo += _imported(root, place)
    return sorted(found)


def mark_of(root: Path) -> bytes:
    """The mark of the core that lies in this folder now."""
    total = hashlib.sha256()
    for place in closure(root):
        total.update(place.encode() + b"\n")
        total.update("\n".join(acting(device_source(root / place, place))).encode() + b"\n")
    return total.digest()[:MARK_BYTES]


def _imported(root: Path, place: str) -> list[str]:
    """What of the firmware and of `hal.contract` a module imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse((root / place).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    places = {name.replace(".", "/") + ".py" for name in names}
    return [
        path
        for path in places
        if path.startswith(("firmware/", "hal/contract")) and (root / path).is_file()
    ]


def acting(source: str) -> list[str]:
    """The tokens of a module that do something: no comments, docstrings, blank lines."""
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _SILENT
    ]
    said: list[str] = []
    statement: list[tokenize.TokenInfo] = []
    for token in tokens:
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            said.append(">" if token.type == tokenize.INDENT else "<")
            continue
        statement.append(token)
        if token.type == tokenize.NEWLINE:
            # A statement that is nothing but text is a docstring.
            if any(part.type != tokenize.STRING for part in statement[:-1]):
                said += [part.string for part in statement[:-1]] + [";"]
            statement = []
    return said
