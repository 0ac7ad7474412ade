"""Figures as people read them, the same in the terminal and in the report."""

from collections.abc import Mapping
from typing import Any

from emery.simulator.margins import AT_LEAST, left

# Shorter times are told in ms, longer ones in minutes and seconds.
_LONGEST_IN_MS = 10_000


def clock(time_ms: int, *, tenths: bool = False) -> str:
    """Minutes and seconds, cut off rather than rounded: `12:05`, or `12:05.3`."""
    minutes, rest_ms = divmod(time_ms, 60_000)
    seconds, rest_ms = divmod(rest_ms, 1000)
    return f"{minutes}:{seconds:02}" + (f".{rest_ms // 100}" if tenths else "")


def kpa(vacuum_pa: int) -> str:
    """Pa as kPa with one decimal."""
    return f"{vacuum_pa / 1000:.1f}"


def grams(mass_mg: int) -> str:
    """Milligrams as grams with one decimal."""
    return f"{mass_mg / 1000:.1f}"


def share(part: int, whole: int) -> str:
    """A part in percent, cut off rather than rounded; `-` of nothing.

    Cut off, so that 100 % is said only of the whole.
    """
    return f"{part * 100 // whole} %" if whole else "-"


def words(code: str) -> str:
    """A code of a catalogue or a key as plain words: `ZONE_DONE` -> `zone done`."""
    return code.replace("_", " ").lower()


def amount(value: float, unit: str, beside: float = 0) -> str:
    """A figure with its unit; the units are Pa, ms, mg, permille and "" for a count.

    Times get the form of the longer of this and `beside`, so that a time and
    its limit read alike.
    """
    if unit == "Pa":
        return f"{value / 1000:.1f} kPa"
    if unit == "mg":
        return f"{value / 1000:.1f} g"
    if unit == "permille":
        return f"{value / 10:.1f} %"
    if unit == "ms" and max(abs(value), abs(beside)) >= _LONGEST_IN_MS:
        return f"{'-' if value < 0 else ''}{clock(abs(round(value)))} min"
    return f"{value:g} {unit}".rstrip()


def margin_text(margin: Mapping[str, Any]) -> str:
    """How near a limit was come to: `30.7 of 45.0 kPa`, `57.6 % (min. 45.0 %)`."""
    reached, limit, unit = margin["reached"], margin["limit"], margin["unit"]
    if reached is None:
        return "not reached"
    if limit is None:
        return amount(reached, unit)
    if margin["relation"] == AT_LEAST:
        return f"{amount(reached, unit, limit)} (min. {amount(limit, unit, reached)})"
    number = amount(reached, unit, limit).split(" ")[0]
    return f"{number} of {amount(limit, unit, reached)}"


def left_text(margin: Mapping[str, Any]) -> str:
    """The margin left, or by how much a limit was passed."""
    rest = left(margin)
    if rest is None:
        return "no bound" if margin["reached"] is not None else "-"
    least = margin["relation"] == AT_LEAST
    if rest == 0:
        return "just reached" if least else "none left"
    size = amount(abs(rest), margin["unit"], margin["limit"])
    if rest < 0:
        return f"{size} {'short' if least else 'over'}"
    return f"{size} {'more' if least else 'left'}"
