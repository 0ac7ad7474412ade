"""One run of the bench: the groups one after the other, and the document that
`--json` prints."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from emery import __version__
from emery.bench.keys import GROUPS, KEYS, Figure
from emery.exit_codes import ExitCode

SCHEMA = "emery.bench/1"
SEED = 1  # the seed of the baseline

Measure = Callable[[int, Callable[[float], None]], dict[str, Figure]]
Show = Callable[[float, str], None]


def _group(name: str) -> Measure:
    """What measures a group; imported only when it is asked for."""
    if name == "trip":
        from emery.bench import trip

        return trip.measure
    if name == "regulation":
        return _regulation()
    if name in ("handpiece", "feed"):
        from emery.bench import handpiece

        return handpiece.measure if name == "handpiece" else handpiece.measure_feed
    if name == "tick":
        from emery.bench import tick

        return tick.measure
    if name == "simulate":
        from emery.bench import simulation

        return simulation.measure
    from emery.bench import footprint

    return footprint.measure


def _regulation() -> Measure:
    """Plugged in here once it is there: see README.md."""
    if find_spec("emery.bench.regulation") is None:
        return lambda seed, progress: {
            key.name: Figure(None, "the regulator is not measured yet")
            for key in KEYS
            if key.group == "regulation"
        }
    measure: Measure = import_module("emery.bench.regulation").measure
    return measure


def run(seed: int, groups: Sequence[str], show: Show) -> dict[str, Any]:
    """Measure `groups`; `show` is told the share done and what is being done.

    Raises LaneFailed if an interpreter ended with an error.
    """
    began = time.perf_counter()
    figures: dict[str, Figure] = {}
    seconds: dict[str, float] = {}
    for number, group in enumerate(groups):
        start = time.perf_counter()

        def progress(part: float, number: int = number, group: str = group) -> None:
            show((number + part) / len(groups), f"measuring {group}")

        progress(0.0)
        figures |= _group(group)(seed, progress)
        seconds[group] = round(time.perf_counter() - start, 1)
    return {
        "schema": SCHEMA,
        "emery": __version__,
        "seed": seed,
        "machine": _machine(),
        "figures": {
            key.name: _row(key.name, figures) for key in KEYS if key.group in groups
        },
        "seconds": seconds,
        "wall_s": round(time.perf_counter() - began, 1),
    }


def _row(name: str, figures: dict[str, Figure]) -> dict[str, Any]:
    key = next(key for key in KEYS if key.name == name)
    figure = figures[name]
    return {
        "value": figure.value,
        "reason": figure.reason or None,
        "goal": key.goal,
        "stretch": key.stretch,
        "better": "lower" if key.most else "higher",
        "reaches_goal": key.reaches(figure.value, key.goal) if key.goal is not None else None,
        "references": figure.references,
        "quoted": figure.quoted,
        "detail": figure.detail,
    }


def _machine() -> dict[str, Any]:
    from emery.simulator import lanes

    try:
        micropython = lanes.interpreter("micropython")
    except lanes.LaneMissing:
        micropython = None
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "micropython": micropython,
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
    }


def chosen(only: str | None) -> Sequence[str]:
    """The groups to run. ValueError for a group that is not there."""
    if only is None:
        return GROUPS
    if only not in GROUPS:
        raise ValueError(f"there is no group {only!r}; there are {', '.join(GROUPS)}")
    return (only,)


def exit_code(document: dict[str, Any]) -> ExitCode:
    """How the command ends: 0, or what the check found."""
    check = document.get("check")
    if check is None:
        return ExitCode.PASS
    if check["worsened"]:
        return ExitCode.REQUIREMENT_FAILED
    return ExitCode.BAD_INPUT if check["not_measured"] else ExitCode.PASS
