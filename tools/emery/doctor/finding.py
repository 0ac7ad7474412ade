"""One thing that was looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What it is, what was found, and what to do about it ("" if it is in order).

    `is_needed` is False for what only some need.
    """

    name: str
    found: str
    remedy: str = ""
    is_needed: bool = True
