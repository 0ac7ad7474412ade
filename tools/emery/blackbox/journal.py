"""A device's journal in words. The form is the firmware's (`firmware/journal.py`)."""

import struct
from dataclasses import dataclass

from emery.link.said import cause_words, fault_name, state_name
from firmware import journal

_ENTRY = struct.Struct("<IIBBH")


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, by the number of the start and the seconds since then."""

    start: int
    s: int
    kind: int
    a: int
    b: int

    def words(self) -> str:
        """What it says to a person."""
        if self.kind == journal.START:
            return f"start: {cause_words(self.a)}"
        if self.kind == journal.FAULT_LATCHED:
            return f"fault {fault_name(self.a)} in {state_name(self.b)}"
        if self.kind == journal.SESSION_BEGUN:
            return "session begun"
        if self.kind == journal.SESSION_ENDED:
            zones = f"{self.a} zone" + ("s" if self.a != 1 else "")
            passes = f"{self.b} pass" + ("es" if self.b != 1 else "")
            return f"session ended: {zones} treated, {passes} opened"
        if self.kind == journal.CONFIG_WRITTEN:
            return "config written"
        if self.kind == journal.CRASH:
            return "the firmware ended with an error"
        return f"kind {self.kind}, {self.a}, {self.b}: of a later version"


def entries(blob: bytes) -> list[Entry]:
    """All whole entries, oldest first."""
    whole = len(blob) - len(blob) % _ENTRY.size
    return [Entry(*fields) for fields in _ENTRY.iter_unpack(blob[:whole])]
