"""Has a change made a figure worse? `emery bench --check`.

`baseline.toml` holds figures as they were when last reviewed. Only ratios and
figures that come out the same on every machine stand there; a wall time never
does, since it says as much about the machine. Each has a noise and the reason
for it; a figure that is worse by more has worsened, and the check fails. A
change that is meant to cost something says so by changing the baseline.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emery.bench.keys import KEYS

FILE = Path(__file__).with_name("baseline.toml")
# Wall times of this machine, as they come.
NEVER_CHECKED = ("tick.unix_us", "simulate.sim_s_per_wall_s")


@dataclass(frozen=True, slots=True)
class Entry:
    """One figure of the baseline; `noise` is in the figure's own unit."""

    value: float | bool
    noise: float
    reason: str


def read(path: Path = FILE) -> dict[str, Entry]:
    """The baseline, by key."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Entry(row["value"], row["noise"], row["reason"]) for name, row in rows.items()}


def check(figures: dict[str, dict[str, Any]], baseline: dict[str, Entry]) -> dict[str, Any]:
    """Compare what was measured with the baseline.

    Returns `worsened`, `improved` (each a list of key, value, baseline, noise)
    and `not_measured`, a list of keys.
    """
    lower_is_better = {key.name: key.most for key in KEYS}
    result: dict[str, Any] = {"worsened": [], "improved": [], "not_measured": []}
    for name, entry in baseline.items():
        if name not in figures:
            continue  # its group was not asked for
        value = figures[name]["value"]
        if value is None:
            result["not_measured"].append(name)
            continue
        worse_by = value - entry.value if lower_is_better[name] else entry.value - value
        row = {"key": name, "value": value, "baseline": entry.value, "noise": entry.noise}
        if worse_by > entry.noise:
            result["worsened"].append(row)
        elif -worse_by > entry.noise:
            result["improved"].append(row)
    return result
