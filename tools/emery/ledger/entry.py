"""One entry of a ledger, and the line of JSON that keeps it.

A line names the SHA-256 of the line before it (`follows`; of the device's id in the
first) and ends with that of all its own text before (`sum`). So a line that was changed
and lines that were taken out, put in or moved can be told apart. It detects mistakes,
not tampering: who means to can compute all of it anew.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

LINE_SCHEMA = 1

# What an entry is about.
KINDS = ("push", "flash", "set", "calibrate", "identify", "tune", "undo", "seen")

_SUM = re.compile(r',"sum":"([0-9a-f]{64})"\}')
_SUM_LENGTH = len(',"sum":"') + 64 + len('"}')


class NoEntry(ValueError):
    """A line is no entry; why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a device. `before` and `after` are compiled configs; `before` is
    empty where nothing was known. `certificate` has its figures, None if `after` has
    none; `extra` is whatever else belongs to it, such as identified values."""

    number: int
    at: str
    what: str
    who: str
    why: str
    board: str
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    changed: tuple[str, ...] = ()
    certificate: dict[str, int] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def line(self, follows: str) -> str:
        """The line that keeps it, behind the one whose SHA-256 is `follows`."""
        fields = {"schema": LINE_SCHEMA, **self.document(), "follows": follows}
        text = json.dumps(fields, separators=(",", ":"))
        return f'{text[:-1]},"sum":"{digest(text[:-1].encode())}"}}'

    def document(self) -> dict[str, Any]:
        """As `--json` shows it; a line has the same, in this order."""
        return {
            "number": self.number,
            "at": self.at,
            "what": self.what,
            "who": self.who,
            "why": self.why,
            "board": self.board,
            "changed": list(self.changed),
            "certificate": self.certificate,
            "extra": self.extra,
            "before": base64.b64encode(self.before).decode(),
            "after": base64.b64encode(self.after).decode(),
        }


def _figures(told: Any) -> dict[str, int] | None:
    return None if told is None else {str(name): int(value) for name, value in told.items()}


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def is_unchanged(line: str) -> bool:
    """Does the sum at the end of a line fit it?"""
    found = _SUM.fullmatch(line[-_SUM_LENGTH:])
    return found is not None and found[1] == digest(line[:-_SUM_LENGTH].encode())


def read_line(line: str) -> tuple[Entry, str]:
    """The entry of a line, and what it follows. Raises NoEntry."""
    try:
        fields = json.loads(line)
        if fields["schema"] != LINE_SCHEMA:
            raise NoEntry(
                f"it is of schema {fields['schema']!r}, and this emery reads {LINE_SCHEMA}: use "
                "the emery that wrote it"
            )
        entry = Entry(
            number=int(fields["number"]),
            at=str(fields["at"]),
            what=str(fields["what"]),
            who=str(fields["who"]),
            why=str(fields["why"]),
            board=str(fields["board"]),
            before=base64.b64decode(fields["before"], validate=True),
            after=base64.b64decode(fields["after"], validate=True),
            changed=tuple(str(key) for key in fields["changed"]),
            certificate=_figures(fields["certificate"]),
            extra=dict(fields["extra"]),
        )
        return entry, str(fields["follows"])
    except NoEntry:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise NoEntry(f"{type(error).__name__}: {error}") from None
