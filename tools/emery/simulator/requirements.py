"""What must hold at the end of a scenario.

    [require]
    final_state = "COMPLETE"
    faults = ["OVER_VACUUM"]                # all of them, in order
    passes = { forehead = 3, chin = 2 }     # counted by the device
    peak_vacuum = "at most 47 kPa"          # at least, at most or exactly

Some things must hold in every scenario and need not be written: no suction
without an open pass, no crystals commanded without a contact that is believed,
nor for long after a true lift, safe outputs under a fault, no zone over its
passes, and no pass made that was not counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emery.config import quantity
from emery.config.quantity import QuantityError
from emery.config.table import Table
from firmware import faults, treatment

# Crystals are commanded shut this long after a true lift at the latest. [E:
# hazard of crystals off the skin]
LONGEST_CRYSTALS_AFTER_LIFT_MS = 150

_RELATIONS = ("at most", "at least", "exactly")


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that can be required: its unit ("" for a count) and where it
    stands in the result; None there means that it was not reached."""

    unit: str
    value: Callable[[Mapping[str, Any]], int | float | None]


def _worst(key: str) -> Callable[[Mapping[str, Any]], int | None]:
    def value(result: Mapping[str, Any]) -> int | None:
        values = [fault[key] for fault in result["faults"]]
        return max(values) if values and None not in values else None

    return value


METRICS = {
    "peak_vacuum": Metric("Pa", lambda result: result["peak_pa"]),
    "time_on_skin": Metric("ms", lambda result: result["on_skin_ms"]),
    "share_in_band": Metric(
        "permille", lambda result: 1000 * result["in_band_ms"] // max(1, result["on_skin_ms"])
    ),
    "share_held": Metric(
        "permille", lambda result: 1000 * result["steady_ms"] // max(1, result["after_rise_ms"])
    ),
    "rise_time": Metric("ms", lambda result: result["rise_ms"]),
    "overshoot": Metric("Pa", lambda result: result["overshoot_pa"]),
    "strokes": Metric("", lambda result: result["strokes"]),
    "crystals": Metric("mg", lambda result: result["crystals_mg"]),
    "off_skin_crystals": Metric("mg", lambda result: result["off_skin_mg"]),
    "refused_presses": Metric("", lambda result: result["refused_presses"]),
    "power_cuts": Metric("", lambda result: result["power_cuts"]),
    "crystals_after_lift": Metric("ms", lambda result: result["crystals_after_lift_ms"]),
    "held_after_stop": Metric("ms", lambda result: result["held_after_stop_ms"]),
    "time_to_safe": Metric("ms", _worst("to_safe_ms")),
    "release_time": Metric("ms", _worst("release_ms")),
    "fault_peak": Metric("Pa", _worst("peak_pa")),
    "effects": Metric("", lambda result: sum(result["effects"].values())),
}

# Figures of METRICS' kind that must be zero in every scenario.
ALWAYS_ZERO = (
    ("suction_without_pass", "ms", "suction_without_pass_ms"),
    ("crystals_without_contact", "ms", "crystals_without_contact_ms"),
    ("unsafe_in_fault", "ms", "unsafe_in_fault_ms"),
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that must hold, and the line of the file that says so (0 for
    what every scenario requires)."""

    key: str
    expected: str
    line: int
    judge: Callable[[dict[str, Any]], tuple[bool, str]]

    def outcome(self, result: dict[str, Any]) -> dict[str, Any]:
        """How it came out, as the result's "requirements" hold it."""
        passed, measured = self.judge(result)
        return {
            "key": self.key,
            "expected": self.expected,
            "measured": measured,
            "passed": passed,
            "line": self.line,
        }


def read(table: Table, zones: list[str]) -> list[Requirement]:
    """The requirements of a scenario's [require]; problems go to the table."""
    wanted = []
    if table.has("final_state"):
        state = table.choice("final_state", treatment.STATES)
        wanted.append(_equal(table, "final_state", state, lambda result: result["final_state"]))
    if table.has("faults"):
        codes = table.texts("faults")
        known = [row[1] for row in faults.CATALOGUE if row[0]]
        for code in codes:
            if code not in known:
                table.problem("faults", f"{code!r} is no fault", f"one of {', '.join(known)}",
                              "Write codes of the catalogue.")
        wanted.append(
            _equal(table, "faults", ", ".join(codes) or "none",
                   lambda result: ", ".join(f["code"] for f in result["faults"]) or "none")
        )
    if table.has("passes"):
        wanted += _passes(table.table("passes"), zones)
    for key, metric in METRICS.items():
        if table.has(key):
            requirement = _comparison(table, key, metric)
            if requirement is not None:
                wanted.append(requirement)
    return wanted


def always() -> list[Requirement]:
    """What must hold in every scenario."""
    wanted = [
        Requirement(key, "none", 0, _zero(field, unit)) for key, unit, field in ALWAYS_ZERO
    ]
    wanted.append(
        Requirement(
            "crystals_after_lift",
            f"at most {LONGEST_CRYSTALS_AFTER_LIFT_MS} ms",
            0,
            _compare(METRICS["crystals_after_lift"], "at most", LONGEST_CRYSTALS_AFTER_LIFT_MS),
        )
    )
    wanted.append(Requirement("passes_within_limit", "no zone over its passes", 0, _within_limit))
    wanted.append(Requirement("passes_not_missed", "counted at least as made", 0, _not_missed))
    return wanted


def _passes(table: Table, zones: list[str]) -> list[Requirement]:
    wanted = []
    for name in (key for key in table.keys() if key in zones):  # noqa: SIM118 - no mapping
        count = table.integer(name, low=0)
        index = zones.index(name)
        wanted.append(
            Requirement(
                f"passes of {name}", str(count), table.line(name),
                _equals(str(count), _passes_counted(index)),
            )
        )
    for name in zones:
        table.has(name)  # makes it known, for the message about one that is not
    return wanted


def _passes_counted(index: int) -> Callable[[dict[str, Any]], str]:
    return lambda result: str(result["zones"][index]["passes_counted"])


def _equal(
    table: Table, key: str, expected: str, value: Callable[[dict[str, Any]], str]
) -> Requirement:
    return Requirement(key, expected, table.line(key), _equals(expected, value))


def _equals(
    expected: str, value: Callable[[dict[str, Any]], str]
) -> Callable[[dict[str, Any]], tuple[bool, str]]:
    def judge(result: dict[str, Any]) -> tuple[bool, str]:
        return value(result) == expected, value(result)

    return judge


def _comparison(table: Table, key: str, metric: Metric) -> Requirement | None:
    written = table.text(key)
    for relation in _RELATIONS:
        if not written.startswith(relation + " "):
            continue
        amount = written.removeprefix(relation).strip()
        try:
            limit = quantity.parse(amount, metric.unit) if metric.unit else int(amount)
        except QuantityError as error:
            table.problem(key, error.what, error.expected, error.remedy)
            return None
        except ValueError:
            table.problem(key, f"{amount!r} is not a count", "a whole number", "Write a count.")
            return None
        return Requirement(key, written, table.line(key), _compare(metric, relation, limit))
    table.problem(key, f"{written!r} does not say how to compare",
                  " or ".join(f'"{relation} ..."' for relation in _RELATIONS),
                  "Begin with one of these.")
    return None


def _compare(
    metric: Metric, relation: str, limit: float
) -> Callable[[dict[str, Any]], tuple[bool, str]]:
    def judge(result: dict[str, Any]) -> tuple[bool, str]:
        value = metric.value(result)
        if value is None:
            return False, "was not reached"
        if relation == "at most":
            passed = value <= limit
        elif relation == "at least":
            passed = value >= limit
        else:
            passed = value == limit
        return passed, quantity.text(value, metric.unit) if metric.unit else str(value)

    return judge


def _zero(field: str, unit: str) -> Callable[[dict[str, Any]], tuple[bool, str]]:
    def judge(result: dict[str, Any]) -> tuple[bool, str]:
        value = result[field]
        return value == 0, quantity.text(value, unit) if value else "none"

    return judge


def _within_limit(result: dict[str, Any]) -> tuple[bool, str]:
    over = [z["name"] for z in result["zones"] if z["passes_counted"] > z["passes_allowed"]]
    return not over, "over: " + ", ".join(over) if over else "none over"


def _not_missed(result: dict[str, Any]) -> tuple[bool, str]:
    missed = [z["name"] for z in result["zones"] if z["passes_counted"] < z["passes_made"]]
    return not missed, "missed: " + ", ".join(missed) if missed else "none missed"
