"""How what a plant did is said: values with units, plants in a line."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from emery.certificate.course import Figures, Trial
from emery.certificate.requirements import LOOK_AT_FOR_FAULT, PLANTS, Requirement, Verdict
from firmware import faults, treatment

if TYPE_CHECKING:
    from emery.certificate.make import Outcome

# Name of the simulator, what it is called, factor, unit.
_SAID = (
    ("volume_m3", "volume", 1e3, "L"),
    ("canister_fill", "fill", 1e2, "%"),
    ("filter_load", "filter", 1e2, "%"),
    ("seal_leak", "seal leak", 1e2, "%"),
    ("atmosphere_pa", "air", 1e-3, "kPa"),
    ("pump_wear", "pump", 1e2, "%"),
    ("pump_lag_s", "pump lag", 1e3, "ms"),
)


def failures(outcome: "Outcome") -> str:
    """What broke, a line for each requirement; "" if all holds."""
    return "\n".join(
        failure(verdict, outcome.trials, outcome.figures)
        for verdict in outcome.verdicts
        if not verdict.passed
    )


def failure(verdict: Verdict, trials: Sequence[Trial], figures: Sequence[Figures]) -> str:
    """One requirement that does not hold, on which plant, and what to look at."""
    asked = verdict.requirement
    text = f"{asked.title}: {value(verdict.worst, asked)}, {expected(verdict)}"
    if verdict.plant >= 0 and not asked.of_all:
        word = "first" if asked.unit == PLANTS else "worst"
        text += f"; {word} on plant {verdict.plant}"
        if asked.unit == PLANTS:
            text += f", {fate(figures[verdict.plant])}"
    look_at = asked.look_at
    if asked.unit == PLANTS and verdict.plant >= 0:
        look_at = LOOK_AT_FOR_FAULT.get(figures[verdict.plant].fault, look_at)
    if look_at:
        text += f"; look at {', '.join(look_at[:4])}"
    return text


def expected(verdict: Verdict) -> str:
    """What is asked, in words."""
    asked = verdict.requirement
    if verdict.bound == 0.0:
        return "expected none"
    words = "at least" if asked.at_least else "at most"
    return f"expected {words} {value(verdict.bound, asked)}"


def value(worst: float | None, asked: Requirement) -> str:
    """A value of a requirement, with its unit."""
    if worst is None:
        return "-"
    if asked.unit == "Pa":
        return f"{worst / 1000:.2f} kPa"
    if asked.unit == "times":
        return f"{worst:.2f}"
    if not worst:
        return "none"
    if asked.unit == PLANTS and worst == 1:
        return "1 plant"
    return f"{worst:.0f} {asked.unit}"


def fate(figures: Figures) -> str:
    """How a course ended that did not end well."""
    if figures.fault != faults.NONE:
        return str(faults.CATALOGUE[figures.fault][1])
    if figures.stuck_in >= 0:
        return f"stayed in {treatment.STATES[figures.stuck_in]}"
    return "treated"


def plant(trial: Trial, figures: Figures) -> str:
    """A plant in a line."""
    said: Mapping[str, float] = trial.plant
    parts = [f"level {figures.level or trial.level}"]
    parts += [f"{word} {said[name] * factor:.3g} {unit}" for name, word, factor, unit in _SAID]
    return ", ".join(parts)
