"""From a seed to one operator with a client, a protocol and a device.

Everything is drawn: the style and how far its habits are taken, how passes are
ended, one or two zones with their level, flow and budgets, the plant, the board
with its tick of 5 or 10 ms, late ticks, and a foot that now and then slips. The
treatments are short, because what is looked at is how passes begin and end. The
plant stays within what a sound device may be; faults are for the scenarios.
"""

import random
from dataclasses import dataclass
from typing import Any

from emery.bench.regulation import VARIED, air_pressure_pa, settings_for
from emery.simulator import loop
from emery.simulator.operator import (
    ENDINGS,
    ENDS_BY_BUTTON,
    ENDS_BY_GAP,
    ENDS_UNSAID,
    ON_FAULT_ACKNOWLEDGE,
    PARAMETERS,
    STYLES,
)
from firmware import limits
from firmware.settings import Settings, Zone, broken_rules, encode

# An operator who has not finished by then never will. [E]
GIVEN_UP_MS = 300_000

# Tick and ADC come together: RP2040 5 ms, ESP32 10 ms.
_BOARDS = ("rp2040", "esp32")
# One in so many says nothing at the end of a pass; slips off; has late ticks. [E]
_UNSAID = 12
_SLIP = 4
_LATE = 3
_LATE_BY_MS = 3
# Habits of a style are stretched by this much, in percent. [E]
_STRETCH = (60, 160)
# Times of the style that are; the rest is drawn for all styles alike.
_STRETCHED = (
    "stroke_shortest_ms", "stroke_longest_ms", "lift_shortest_ms", "lift_longest_ms",
    "hover_shortest_ms", "hover_longest_ms", "stamp_shortest_ms", "stamp_longest_ms",
    "reaction_ms", "hold_on_ms", "zone_rest_ms",
)
_ROWS = {row[0]: row for row in PARAMETERS}


@dataclass(frozen=True, slots=True)
class Case:
    """One operator: what `loop.run` takes, and what is told about it."""

    seed: int
    style: str
    ending: str
    settings: Settings
    job: dict[str, Any]


def draw(seed: int) -> Case:
    """The case of a seed; the same one each time."""
    chance = random.Random(f"campaign {seed}")
    style = chance.choice(list(STYLES))
    habits = _habits(style, chance)
    adc = chance.choice(_BOARDS)
    settings = settings_for(adc)
    settings.protocol_name = "drawn"
    settings.zones = tuple(_zone(f"zone {number}", chance) for number in (1, 2))
    broken = broken_rules(settings)
    if broken:
        raise ValueError(f"seed {seed} draws settings that break a rule: {broken}")
    events = []
    if chance.randrange(_SLIP) == 0:
        # Strokes are counted from the start of the treatment.
        events.append((-1, chance.randint(1, 9), chance.randint(0, 900), loop.SLIP, "", 0.0))
    job = {
        "settings": encode(settings),
        "seed": seed,
        "plant": _plant(chance),
        "sensors": {},
        "timing": {
            "tick_jitter_ms": chance.randint(1, _LATE_BY_MS) if not chance.randrange(_LATE) else 0
        },
        "operator": habits,
        "adc": adc,
        "duration_ms": GIVEN_UP_MS,
        "events": events,
        "state_every": 200,
    }
    return Case(seed, style, habits["ending"], settings, job)


def _habits(style: str, chance: random.Random) -> dict[str, Any]:
    habits: dict[str, Any] = {"style": style}
    usual = {name: row[4] for name, row in _ROWS.items()} | STYLES[style]
    stretch = chance.randint(*_STRETCH)
    for name in _STRETCHED:
        if usual[name]:
            low, high = _ROWS[name][2:4]
            habits[name] = min(high, max(low, usual[name] * stretch // 100))
    habits["ending"] = usual.get("ending", ENDINGS[0])
    if "ending" not in STYLES[style]:
        habits["ending"] = chance.choice((ENDS_BY_GAP, ENDS_BY_BUTTON))
    if chance.randrange(_UNSAID) == 0:
        habits["ending"] = ENDS_UNSAID
    habits["passes"] = chance.randint(1, limits.PASSES_PER_ZONE + 1)
    habits["pass_on_skin_ms"] = chance.randint(1_500, 9_000)
    habits["rest_ms"] = chance.randint(500, 7_000)
    habits["zones"] = chance.choice(([0], [1], [0, 1], [1, 0]))
    habits["skin_type"] = chance.randint(1, 6)
    habits["first_session"] = chance.randint(0, 1)
    habits["on_fault"] = ON_FAULT_ACKNOWLEDGE
    return habits


def _zone(name: str, chance: random.Random) -> Zone:
    zone = Zone(name)
    values = {
        "level": chance.randint(1, len(limits.LEVEL_VACUUM_PA)),
        "flow_mg_min": chance.choice((0, chance.randint(1_000, 20_000))),
        "passes": chance.randint(1, limits.PASSES_PER_ZONE),
        "pass_time_ms": chance.randint(5_000, 60_000),
        "pass_crystals_mg": chance.randint(500, 10_000),
    }
    crystals_mg = values["pass_crystals_mg"]
    values["dose_mg"] = chance.randint(3 * crystals_mg // 2, 3 * crystals_mg)
    for field, value in values.items():
        setattr(zone, field, value)
    return zone


def _plant(chance: random.Random) -> dict[str, float]:
    plant = {}
    for name, low, high, in_log in VARIED:
        place = chance.random()
        plant[name] = low * (high / low) ** place if in_log else low + (high - low) * place
    plant["atmosphere_pa"] = air_pressure_pa(plant.pop("altitude_m"))
    return plant
