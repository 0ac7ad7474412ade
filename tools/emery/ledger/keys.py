"""A compiled config as keys and values, as a person knows them, and what differs.

Keys are those of a board file with their table, `protection.hard_limit`; a protocol's
are `protocol.name` and `zone.1.level`.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from emery.config.compiled import certificate_figures, decompile, texts
from firmware import config_file


@dataclass(frozen=True, slots=True)
class Change:
    """One key; `before` and `after` are texts, "" where there is no such key."""

    key: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.key}: {self.before or 'not there'} -> {self.after or 'not there'}"


class Unreadable(Exception):
    """A config that this emery cannot take apart; why."""


def values(blob: bytes) -> dict[str, str]:
    """Every key of a config with its value; none for no config. Raises Unreadable."""
    if not blob:
        return {}
    try:
        return texts(decompile(blob))
    except ValueError as error:
        raise Unreadable(str(error)) from None


def changes(before: bytes, after: bytes) -> list[Change]:
    """What differs, in the order of a board file. Raises Unreadable."""
    was, now = values(before), values(after)
    keys = [*now, *(key for key in was if key not in now)]
    return [
        Change(key, was.get(key, ""), now.get(key, ""))
        for key in keys
        if was.get(key) != now.get(key)
    ]


def changed_keys(before: bytes, after: bytes) -> tuple[str, ...]:
    """The keys alone; none where one of the two cannot be read, or was not known."""
    if not before or not after:
        return ()
    try:
        return tuple(change.key for change in changes(before, after))
    except Unreadable:
        return ()


def figures(blob: bytes) -> dict[str, int] | None:
    """What the certificate of a config says; None if it has none that can be read."""
    payload = config_file.section(blob, config_file.CERTIFICATE) if blob else b""
    found = certificate_figures(payload)
    if found is None:
        return None
    plants, peak_pa, settle_ms = found
    return {"plants": plants, "worst_peak_pa": peak_pa, "worst_settle_ms": settle_ms}


def nearest(key: str, known: Iterable[str]) -> list[str]:
    """The keys that `key` may mean: the one itself, all that end with it, or, if there
    is neither, none."""
    wanted = key.strip().lower()
    keys = list(known)
    if wanted in keys:
        return [wanted]
    return [one for one in keys if one.rpartition(".")[2] == wanted]


def alike(key: str, known: Iterable[str]) -> list[str]:
    """Keys that look like one that is not known."""
    forms = {form: one for one in known for form in (one.rpartition(".")[2], one)}
    return list(
        dict.fromkeys(forms[form] for form in difflib.get_close_matches(key, forms, 3, 0.6))
    )
