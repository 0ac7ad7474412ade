"""What a tuning came to, as `--json` prints it; the table and the page are made of it."""

from collections import Counter
from typing import Any

from emery.bench import regulation
from emery.bench.regulation import Case, Emery
from emery.certificate.known import Certified
from emery.config import quantity
from emery.config.plant import PLANT_ROWS
from emery.config.rows import SETTING_ROWS
from emery.tune import figures
from emery.tune.formulas import TUNED, holds, with_values
from emery.tune.search import GATE_DAYS, Measured, Tuned, Worse, within_chance
from emery.tune.sliders import Sliders
from firmware import faults, limits

SCHEMA = "emery.tune/1"
# Levels whose strokes are drawn.
DRAWN_LEVELS = (2, 5, 8)
_DRAWN_S = (3.0, 1.0, 2.0)

_ROWS = {row.name: row for row in SETTING_ROWS}


def key_of(name: str) -> str:
    """A setting's key in a board file."""
    return f"{_ROWS[name].table}.{_ROWS[name].key}"


def value_text(name: str, value: int) -> str:
    """A setting's value as a board file has it."""
    return quantity.text(value, _ROWS[name].unit)


def document(board: str, made: Tuned, sliders: Sliders) -> dict[str, Any]:
    """All that is told of a tuning."""
    names = dict.fromkeys((*made.before.values, *made.after.values))
    return {
        "schema": SCHEMA,
        "board": board,
        "chip": made.adc,
        "plant": {
            row.key: quantity.text(row.whole(made.plant[row.name]), row.unit)
            for row in PLANT_ROWS
            if row.name in made.plant
        },
        "sliders": {"firmer": sliders.firmer or 0, "quicker": sliders.quicker},
        "settings": [
            {
                "key": key_of(name),
                "before": value_text(name, getattr(made.settings, name)),
                "after": value_text(
                    name, made.after.values.get(name, getattr(made.settings, name))
                ),
                "purpose": _ROWS[name].purpose,
            }
            for name in names
        ],
        "is_changed": bool(made.changed),
        "days": GATE_DAYS,
        "cases": len(made.cases),
        "tried": made.tried,
        "levels": [
            {"level": hold.level, "drive_permille": hold.drive_permille, "is_held": hold.is_held}
            for hold in holds(made.plant)
        ],
        "proof": _proof(made),
        "figures": [
            {
                "key": key,
                "decimals": figures.BOUNDS[key].decimals,
                "better": "lower" if figures.BOUNDS[key].is_most else "higher",
                "defaults": _rounded(made.defaults, key),
                "before": _rounded(made.before, key),
                "after": _rounded(made.after, key),
                "chance": round(figures.chance(key, GATE_DAYS), 3),
            }
            for key in made.before.figures
        ],
        "times_s": {
            name: {
                "before": round(made.before.times_s[name], 3),
                "after": round(made.after.times_s[name], 3),
            }
            for name in made.before.times_s
        },
        "wander_pa": {"before": round(made.wander_pa[0]), "after": round(made.wander_pa[1])},
        "worse": [_worse(one) for one in made.worse],
        "within_chance": within_chance(made.after, made.before),
        "refused": [
            {
                "settings": {
                    key_of(name): value_text(name, value) for name, value in one.values.items()
                },
                "worse": [_worse(figure) for figure in worse],
            }
            for one, worse in made.refused
        ],
        "uncertified": [
            {
                "settings": {
                    key_of(name): value_text(name, value) for name, value in one.values.items()
                },
                "is_gentler": one.is_gentler,
                "reasons": one.certified.reasons,
            }
            for one in made.uncertified
        ],
        "unusable": made.unusable.reasons if made.unusable is not None else None,
        "certificate": _certificate(made.certified),
        "pushed": False,
        "written": None,
        "backup": None,
    }


def _certificate(certified: Certified | None) -> dict[str, Any] | None:
    if certified is None:
        return None
    return {
        "passed": certified.passed,
        "plants": certified.plants,
        "peak_pa": certified.peak_pa,
        "settle_ms": certified.settle_ms,
        "reasons": certified.reasons,
    }


def _proof(made: Tuned) -> dict[str, Any]:
    """On how many days the proof refuses the device, and with which fault mostly."""
    settings = figures.on_the_bench(with_values(made.settings, made.after.values), TUNED)
    levels = len(regulation.SET_VACUUMS_PA)
    plants = {case.number // levels: case.parameters for case in made.cases}
    found = Counter(figures.refused_by_proof(settings, plant) for plant in plants.values())
    passed = found.pop(faults.NONE, 0)
    code = str(faults.CATALOGUE[found.most_common(1)[0][0]][1]) if found else ""
    return {"days": len(plants), "refused": len(plants) - passed, "code": code}


def _rounded(measured: Measured, key: str) -> float:
    return round(measured.figures[key], figures.BOUNDS[key].decimals + 1)


def _worse(one: Worse) -> dict[str, Any]:
    return {
        "key": one.key, "value": round(one.value, 3), "wanted": round(one.wanted, 3),
        "than": one.than,
    }  # fmt: skip


def courses(made: Tuned) -> dict[str, Any]:
    """Strokes on the device as it was identified, before and after, for the page: times
    in s, vacuums at the skin in kPa, and settling on each of the days."""
    sets_pa = [limits.LEVEL_VACUUM_PA[level - 1] for level in DRAWN_LEVELS]
    sides = {"before": made.before.values, "after": made.after.values}
    drawn = {}
    for side, values in sides.items():
        settings = with_values(made.settings, values)
        lines = []
        for case in _reachable(made.plant, sets_pa):
            course = regulation.course(
                Emery(settings, made.adc, case.number), case.parameters, case.set_pa,
                lengths_s=_DRAWN_S,
            )  # fmt: skip
            trace = [vacuum_pa for part in course.parts for vacuum_pa in part]
            lines.append(
                {
                    "set_kpa": case.set_pa / 1000,
                    "t_s": [round((at + 1) * course.tick_s, 3) for at in range(len(trace))],
                    "kpa": [round(vacuum_pa / 1000, 3) for vacuum_pa in trace],
                }
            )
        drawn[side] = lines
    return {
        "strokes": drawn,
        "band_kpa": regulation.BAND_PA / 1000,
        "parts_s": list(_DRAWN_S),
    }


def _reachable(plant: dict[str, float], sets_pa: list[int]) -> list[Case]:
    found = regulation.cases_on([dict(plant)], sets_pa)
    # On a device that reaches none of them its lowest level is drawn.
    return found or regulation.cases_on([dict(plant)], list(limits.LEVEL_VACUUM_PA[:1]))
