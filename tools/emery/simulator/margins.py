"""Every limit of a run, what came nearest to it, and the margin that was left.

The limits of the device are those of its settings and its protocol; the bounds
of the scenario are the comparisons among its requirements. Vacuum and crystals
are the truth of the model, as everywhere in a result; time on skin and session
time are what the device counts by.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emery.config import quantity
from emery.simulator.analysis import BENCH_STATES, milligrams
from emery.simulator.requirements import METRICS
from emery.simulator.trace import Columns
from firmware import treatment

__all__ = ["AT_LEAST", "DEVICE", "SCENARIO", "Margin", "left", "margins", "share_used"]

DEVICE = "device"
SCENARIO = "scenario"

AT_MOST = "at most"
AT_LEAST = "at least"
BELOW = "below"

# What hurts is told even where no scenario bounds it, if it happened.
_ALWAYS_TOLD = ("time_to_safe", "release_time", "off_skin_crystals")

# While these last, firmware/treatment.py counts session time.
_SESSION_STATES = (treatment.TREATING, treatment.PAUSED, treatment.ZONE_DONE)


@dataclass(frozen=True, slots=True)
class Margin:
    """One limit, as a result carries it.

    `reached` is the nearest to `limit` that the run came, both in `unit` ("" is
    a count). `reached` is None where nothing of the kind happened, `limit`
    where nobody set one. `relation` is what was to hold between them. `at_ms`
    and `where` say when and where that was, as far as it is one moment.
    """

    origin: str
    what: str
    limit_name: str
    relation: str
    unit: str
    reached: int | float | None
    limit: int | float | None
    at_ms: int | None = None
    where: str = ""


def left(margin: Mapping[str, Any]) -> int | float | None:
    """What was left up to the limit; negative where it was passed."""
    reached, limit = margin["reached"], margin["limit"]
    if reached is None or limit is None:
        return None
    found: int | float = reached - limit if margin["relation"] == AT_LEAST else limit - reached
    return found


def share_used(margin: Mapping[str, Any]) -> float | None:
    """How much of a limit is used up: 1 is at the limit, more is past it."""
    reached, limit = margin["reached"], margin["limit"]
    if reached is None or limit is None:
        return None
    part, whole = (limit, reached) if margin["relation"] == AT_LEAST else (reached, limit)
    if whole <= 0:
        return 0.0 if part <= whole else float("inf")
    return max(0.0, float(part / whole))


def margins(result: Mapping[str, Any], trace: Columns) -> list[Margin]:
    """The margins of a run, those of the device first. `result` is complete
    but for them, with its requirements judged."""
    return [*_of_device(result, trace), *_of_scenario(result)]


# The device's own limits -----------------------------------------------------------


def _of_device(result: Mapping[str, Any], trace: Columns) -> Iterator[Margin]:
    if not trace.columns["t_ms"]:
        return
    yield _vacuum(result, trace)
    yield from _over_vacuum(result, trace)
    zones = result["zones"]
    most = max(zones, key=lambda zone: zone["passes_counted"] / max(1, zone["passes_allowed"]))
    yield Margin(
        DEVICE, "passes over one zone", "passes of the zone", AT_MOST, "",
        most["passes_counted"], most["passes_allowed"], where=most["name"],
    )  # fmt: skip
    tick_ms = trace.tick_ms
    on_skin_ms = _by_pass(trace, "contact")
    yield _nearest_pass(
        result, "time on skin in one pass", "time of a pass", "ms", "pass_time_ms",
        {place: ticks * tick_ms for place, ticks in on_skin_ms.items()},
    )  # fmt: skip
    yield _nearest_pass(
        result, "crystals in one pass", "crystals of a pass", "mg", "pass_crystals_mg",
        {
            place: milligrams(flow * tick_ms)
            for place, flow in _by_pass(trace, "crystals_mg_min").items()
        },
    )  # fmt: skip
    session_ticks = sum(trace.columns["state"].count(state) for state in _SESSION_STATES)
    yield Margin(
        DEVICE, "session time", "length of a session", AT_MOST, "ms",
        session_ticks * tick_ms, result["session_ms"],
    )  # fmt: skip


def _place(result: Mapping[str, Any], trace: Columns, row: int) -> str:
    zone = result["zones"][trace.columns["zone"][row]]["name"]
    number = trace.columns["pass_number"][row]
    return f"{zone}, pass {number}" if number else str(zone)


def _vacuum(result: Mapping[str, Any], trace: Columns) -> Margin:
    columns = trace.columns
    skin = [
        0 if state in BENCH_STATES else skin_pa
        for skin_pa, state in zip(columns["skin_pa"], columns["state"], strict=True)
    ]
    row = skin.index(max(skin))
    return Margin(
        DEVICE, "vacuum at the skin", "hard limit", BELOW, "Pa",
        skin[row], result["hard_limit_pa"],
        trace.columns["t_ms"][row], _place(result, trace, row),
    )  # fmt: skip


def _over_vacuum(result: Mapping[str, Any], trace: Columns) -> Iterator[Margin]:
    """The vacuum above the set one, and how long it stayed beyond the margin."""
    settings = result["settings"]
    columns = trace.columns
    allowed_pa = {
        set_pa: max(settings["soft_margin_pa"], set_pa * settings["soft_margin_permille"] // 1000)
        for set_pa in set(columns["set_pa"])
    }
    nearest, nearest_row = float("-inf"), None
    ticks = longest = longest_row = 0
    for row, (skin_pa, set_pa) in enumerate(
        zip(columns["skin_pa"], columns["set_pa"], strict=True)
    ):
        if not set_pa:
            ticks = 0
            continue
        part = (skin_pa - set_pa) / allowed_pa[set_pa]
        if part > nearest:
            nearest, nearest_row = part, row
        ticks = ticks + 1 if part > 1 else 0
        if ticks > longest:
            longest, longest_row = ticks, row
    if nearest_row is None:
        return
    set_pa = columns["set_pa"][nearest_row]
    yield Margin(
        DEVICE, "vacuum above set", "over-vacuum margin", AT_MOST, "Pa",
        max(0, columns["skin_pa"][nearest_row] - set_pa), allowed_pa[set_pa],
        columns["t_ms"][nearest_row], _place(result, trace, nearest_row),
    )  # fmt: skip
    yield Margin(
        DEVICE, "time above that margin", "until suction is taken", BELOW, "ms",
        longest * trace.tick_ms, settings["soft_time_ms"],
        columns["t_ms"][longest_row] if longest else None,
        _place(result, trace, longest_row) if longest else "",
    )  # fmt: skip


def _by_pass(trace: Columns, name: str) -> dict[tuple[int, int], int]:
    """A column summed over the ticks of each pass, by (zone, pass number)."""
    columns = trace.columns
    sums: dict[tuple[int, int], int] = defaultdict(int)
    for value, zone, number in zip(
        columns[name], columns["zone"], columns["pass_number"], strict=True
    ):
        if value and number:
            sums[zone, number] += value
    return sums


def _nearest_pass(
    result: Mapping[str, Any],
    what: str,
    limit_name: str,
    unit: str,
    limit_key: str,
    sums: Mapping[tuple[int, int], int],
) -> Margin:
    zones: Sequence[Mapping[str, Any]] = result["zones"]
    if not sums:
        return Margin(DEVICE, what, limit_name, AT_MOST, unit, 0, zones[0][limit_key])
    zone, number = max(sums, key=lambda place: sums[place] / zones[place[0]][limit_key])
    return Margin(
        DEVICE, what, limit_name, AT_MOST, unit,
        sums[zone, number], zones[zone][limit_key],
        where=f"{zones[zone]['name']}, pass {number}",
    )  # fmt: skip


# What the scenario requires --------------------------------------------------------


def _of_scenario(result: Mapping[str, Any]) -> Iterator[Margin]:
    told = set()
    for requirement in result["requirements"]:
        key, expected = requirement["key"], requirement["expected"]
        relation = next((r for r in (AT_MOST, AT_LEAST) if expected.startswith(f"{r} ")), None)
        if relation is None or key not in METRICS:
            continue
        metric = METRICS[key]
        amount = expected.removeprefix(relation).strip()
        limit = quantity.parse(amount, metric.unit) if metric.unit else int(amount)
        told.add(key)
        yield Margin(
            SCENARIO, key.replace("_", " "), "required", relation, metric.unit,
            metric.value(result), limit,
        )  # fmt: skip
    for key in _ALWAYS_TOLD:
        metric = METRICS[key]
        value = metric.value(result)
        if key not in told and (value is not None or result["faults"]):
            yield Margin(
                SCENARIO, key.replace("_", " "), "", AT_MOST, metric.unit, value, None
            )
