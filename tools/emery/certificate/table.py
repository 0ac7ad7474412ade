"""A certificate for a terminal of 80 columns, and as JSON."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from emery.certificate import wording
from emery.certificate.make import Outcome
from emery.certificate.requirements import Verdict
from emery.terminal import wrapped

SCHEMA = "emery.certify/1"
_WIDE = 78


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of an outcome: whose settings, round which plant, which scatter.

    `certifies` is off for other scatters than the certificate's; `mark` is that of the
    settings.
    """

    board: str
    chip: str
    plant: dict[str, str]
    scatter: str
    certifies: bool
    outcome: Outcome
    mark: str


def text(told: Told) -> str:
    """What `emery certify` prints."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(told))


def document(told: Told) -> dict[str, Any]:
    """What `emery certify --json` prints."""
    outcome = told.outcome
    return {
        "schema": SCHEMA,
        "board": told.board,
        "chip": told.chip,
        "plant": told.plant,
        "scatter": told.scatter,
        "certifies": told.certifies,
        "plants": len(outcome.trials),
        "peak_pa": outcome.peak_pa,
        "settle_ms": outcome.settle_ms,
        "settings_mark": told.mark,
        "passed": outcome.passed,
        "requirements": [_requirement(verdict, outcome) for verdict in outcome.verdicts],
    }


def _requirement(verdict: Verdict, outcome: Outcome) -> dict[str, Any]:
    asked = verdict.requirement
    place = verdict.plant
    return {
        "key": asked.key,
        "title": asked.title,
        "unit": asked.unit,
        "limit": verdict.limit,
        "asked": verdict.bound,
        "at_least": asked.at_least,
        "worst": verdict.worst,
        "passed": verdict.passed,
        "reason": asked.reason,
        "look_at": list(asked.look_at),
        "worst_plant": None
        if place < 0
        else {
            "number": place,
            "level": outcome.figures[place].level or outcome.trials[place].level,
            "fate": wording.fate(outcome.figures[place]),
            "plant": outcome.trials[place].plant,
            "sensors": outcome.trials[place].sensors,
        },
    }


def _lines(told: Told) -> Iterator[str]:
    outcome = told.outcome
    word = "PASSED" if outcome.passed else "FAILED"
    yield f"{told.board:<{_WIDE - len(word)}}{word}"
    if told.plant:
        said = ", ".join(f"{key} {value}" for key, value in told.plant.items())
        yield from textwrap.wrap(f"round this device: {said}", _WIDE)
    yield from textwrap.wrap(told.scatter, _WIDE)
    yield ""
    asked = "certificate" if told.certifies else "limit"
    yield f"    {'requirement':<38} {asked:>15} {'worst':>11}  plant"
    for verdict in outcome.verdicts:
        yield _row(verdict)
    yield ""
    named = _named(outcome)
    if named:
        yield "worst plants"
        for place in named:
            line = wording.plant(outcome.trials[place], outcome.figures[place])
            yield from textwrap.wrap(
                f"{place:>5}  {line}", _WIDE, subsequent_indent=" " * 7
            )
        yield ""
    for verdict in outcome.verdicts:
        if not verdict.passed:
            yield from textwrap.wrap(
                "FAILED " + wording.failure(verdict, outcome.trials, outcome.figures), _WIDE,
                subsequent_indent="       ", break_on_hyphens=False,
            )
            yield from textwrap.wrap(
                verdict.requirement.reason, _WIDE, initial_indent="       ",
                subsequent_indent="       ",
            )
    yield from wrapped(_end(told)).split("\n")


def _row(verdict: Verdict) -> str:
    asked = verdict.requirement
    word = "ok" if verdict.passed else "NO"
    if verdict.bound == 0.0:
        bound = "none"
    else:
        bound = f"{'>=' if asked.at_least else '<='} {wording.value(verdict.bound, asked)}"
    shows_plant = verdict.plant >= 0 and not asked.of_all and (verdict.worst or not verdict.passed)
    plant = f"{verdict.plant:>6}" if shows_plant else ""
    worst = wording.value(verdict.worst, asked)
    return f" {word} {asked.title:<38} {bound:>15} {worst:>11} {plant}"


def _named(outcome: Outcome) -> list[int]:
    """The plants that a failure, or else the highest peak or the longest settling, is of."""
    failed = {
        verdict.plant
        for verdict in outcome.verdicts
        if not verdict.passed and verdict.plant >= 0
    }
    if failed:
        return sorted(failed)[:6]
    return sorted(
        {
            verdict.plant
            for verdict in outcome.verdicts
            if verdict.requirement.key in ("over", "runaway_peak", "settle")
            and verdict.plant >= 0
        }
    )


def _end(told: Told) -> str:
    outcome = told.outcome
    figures = (
        f"{len(outcome.trials)} plants, worst peak {outcome.peak_pa / 1000:.1f} kPa, worst "
        f"settling {outcome.settle_ms / 1000:.1f} s"
    )
    if not told.certifies:
        word = "all limits hold" if outcome.passed else "a limit is broken"
        return f"{figures}: {word}. Another scatter than the certificate's: none was made."
    if outcome.passed:
        return (
            f"certificate: {figures}. It goes onto the device with these settings: emery config"
            " push, emery flash."
        )
    return f"no certificate: {figures}. A device with these settings stays in SERVICE."
