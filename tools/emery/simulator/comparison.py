"""Two runs side by side: what was set differently, and what came of it.

The run to compare with is an earlier report, which holds its whole run, or is
simulated for the purpose: another scenario, or the same one with another board
or protocol file. So a change of settings, of a plant or of the firmware itself
is seen as before and after.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emery.config import quantity
from emery.config.rows import SETTING_ROWS
from emery.simulator.requirements import METRICS
from emery.simulator.wording import amount, words

__all__ = ["CompareError", "Difference", "figure", "figures_apart", "names", "set_apart"]

_IDENTITY = ("scenario", "board", "protocol", "seed", "lane")
_ZONE_SETTINGS = (
    ("level", ""), ("passes_allowed", ""), ("pass_time_ms", "ms"), ("pass_crystals_mg", "mg"),
)  # fmt: skip


class CompareError(Exception):
    """There is nothing to compare with. The text says why and what to name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A thing that is not the same in two runs, in words. `change` is from the
    other to this run, or "" where there is no number to subtract."""

    what: str
    this: str
    other: str
    change: str = ""


def names(this: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, str]:
    """What to call each run, by what tells them apart."""
    keys = [key for key in _IDENTITY if this[key] != other[key]]
    if not keys:
        return "this run", "earlier run"
    key = keys[0]
    return f"this run: {key} {this[key]}", f"compared: {key} {other[key]}"


def set_apart(this: Mapping[str, Any], other: Mapping[str, Any]) -> list[Difference]:
    """What was given to the two runs that was not the same."""
    found = [
        Difference(key, str(this[key]), str(other[key]))
        for key in _IDENTITY
        if this[key] != other[key]
    ]
    for row in SETTING_ROWS:
        mine, theirs = (run["settings"].get(row.name) for run in (this, other))
        if mine != theirs:
            texts = [
                "not known" if value is None else quantity.text(value, row.unit)
                for value in (mine, theirs)
            ]
            found.append(Difference(f"{row.table}.{row.key}", texts[0], texts[1]))
    found += _zones_set_differently(this, other)
    for key in sorted(this["world"] | other["world"]):
        mine, theirs = (run["world"].get(key, "as usual") for run in (this, other))
        if mine != theirs:
            found.append(Difference(key, _plain(mine), _plain(theirs)))
    return found


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _zones_set_differently(
    this: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[Difference]:
    mine = {zone["name"]: zone for zone in this["zones"]}
    theirs = {zone["name"]: zone for zone in other["zones"]}
    if mine.keys() != theirs.keys():
        yield Difference("zones", ", ".join(mine), ", ".join(theirs))
        return
    for name, zone in mine.items():
        for key, unit in _ZONE_SETTINGS:
            values = zone[key], theirs[name][key]
            if values[0] != values[1]:
                what = f"{name}: {words(key.removesuffix('_' + unit))}"
                yield Difference(what, *(amount(value, unit) for value in values))


def figure(key: str, result: Mapping[str, Any]) -> int | float | None:
    """A figure of METRICS; None if it was not reached, or if the run is of a
    version that did not measure it."""
    try:
        return METRICS[key].value(result)
    except KeyError:
        return None


def figures_apart(this: Mapping[str, Any], other: Mapping[str, Any]) -> list[Difference]:
    """The figures that came out differently: the verdict and the end first,
    then all that a scenario can require."""
    found = []
    for what, values in (
        ("verdict", ["PASSED" if run["passed"] else "FAILED" for run in (this, other)]),
        ("ended in", [run["final_state"] for run in (this, other)]),
        ("faults", [", ".join(f["code"] for f in run["faults"]) or "none"
                    for run in (this, other)]),
        ("passes counted", [str(sum(zone["passes_counted"] for zone in run["zones"]))
                            for run in (this, other)]),
    ):  # fmt: skip
        if values[0] != values[1]:
            found.append(Difference(what, *values))
    measured = [("duration", "ms", this["duration_ms"], other["duration_ms"])]
    measured += [
        (words(key), metric.unit, figure(key, this), figure(key, other))
        for key, metric in METRICS.items()
    ]
    for what, unit, mine, theirs in measured:
        if mine == theirs:
            continue
        texts = ["none" if value is None else amount(value, unit) for value in (mine, theirs)]
        change = ""
        if mine is not None and theirs is not None:
            # Two shares differ by points, not by a share of one of them.
            size = amount(mine - theirs, unit).replace("%", "points")
            change = f"{'+' if mine > theirs else ''}{size}"
        found.append(Difference(what, texts[0], texts[1], change))
    return found
