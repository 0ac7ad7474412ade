"""What passes on the plants of a certificate breaks no limit on 2,000 others.

Defaults are far from every limit and show little. So settings are sought at the
border: in a drawn direction (one to three settings towards an end of their ranges, on
a drawn chip, round a drawn plant) as far as the certificate still passes. There its
spare must be enough. A few minutes each; a fast test holds what is drawn.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from emery.bench.regulation import settings_for
from emery.certificate.make import Outcome, try_out
from emery.certificate.scatter import CORNERS, EXTREMES, LEVELS, others, trials
from emery.certificate.wording import failures
from emery.processes import processors
from firmware.settings import SETTINGS, Settings, broken_rules
from host_tests.bench import with_values

OTHERS = 2_000
CHIPS = ("rp2040", "rp2040", "esp32", "esp32s3")
# What changes how a plant is treated; ends of ranges that only a rule or a converter
# bounds (dividers, supply) are no border of the certificate's.
SOUGHT = (
    "soft_margin_pa", "soft_time_ms", "soft_latch_ms", "disagreement_pa", "disagreement_ms",
    "contact_on_pa", "contact_on_permille", "contact_on_ms", "contact_off_pa",
    "contact_off_permille", "contact_off_ms", "proof_share_permille", "hold_low_permille",
    "hold_high_permille", "pump_start_permille", "pump_lag_ms", "gain_permille_per_kpa",
    "integral_permille_per_kpa_s", "search_permille", "band_pa", "zero_tolerance_pa",
    "vacuum_a_zero_ppm", "vacuum_b_span_pa", "hard_limit_pa",
    "sensor_supply_tolerance_permille",
)  # fmt: skip
_ROWS = {row[0]: row for row in SETTINGS}
_FEW = slice(0, len(EXTREMES) * LEVELS + CORNERS, 2)
_HALVINGS = 5


@dataclass(frozen=True)
class Direction:
    """Where to look for the border: settings and the end that each goes towards."""

    seed: int
    chip: str
    plant: Mapping[str, float]
    ends: Mapping[str, int]

    def at(self, share: float) -> Settings:
        """The settings this far towards the ends."""
        settings = settings_for(self.chip)
        changes = {}
        for name, end in self.ends.items():
            begin = getattr(settings, name)
            changes[name] = round(begin + share * (end - begin))
        return with_values(settings, **changes)


def direction(seed: int) -> Direction:
    """The direction of a seed, always the same."""
    chance = random.Random(f"border {seed}")
    names = chance.sample(SOUGHT, chance.choice((1, 1, 2, 3)))
    plant = {}
    if chance.random() < 0.4:
        plant = {
            "volume_m3": chance.uniform(0.35e-3, 1.0e-3),
            "pump_lag_s": chance.uniform(0.12, 0.19),
            "pump_free_flow_m3_s": chance.uniform(4.6e-4, 5.6e-4),
        }
    ends = {name: int(_ROWS[name][chance.choice((3, 4))]) for name in names}
    return Direction(seed, chance.choice(CHIPS), plant, ends)


def passes(where: Direction, share: float, part: slice) -> Outcome | None:
    """The certificate's outcome there, on a part of its plants; None if a rule of the
    settings forbids them."""
    settings = where.at(share)
    if broken_rules(settings):
        return None
    chosen = trials(where.plant, settings)[part]
    return try_out(settings, where.chip, chosen, processes=processors())


def border(where: Direction) -> float:
    """How far the certificate passes: the share of the way to the ends."""
    low, high = 0.0, 1.0
    found = passes(where, 1.0, _FEW)
    if found is not None and _holds(found):
        low = 1.0
    else:
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            found = passes(where, middle, _FEW)
            low, high = (middle, high) if found is not None and _holds(found) else (low, middle)
    while low > 0.05:
        found = passes(where, low, slice(None))
        if found is not None and found.passed:
            return low
        low *= 0.85
    return 0.0


def _holds(found: Outcome) -> bool:
    # A share of all plants means nothing for a few of them.
    return all(v.passed for v in found.verdicts if not v.requirement.of_all)


def on_others(where: Direction, share: float) -> Outcome:
    """2,000 other plants, by the bare limits."""
    settings = where.at(share)
    drawn = others(where.plant, settings, OTHERS, 1_000 + where.seed)
    return try_out(settings, where.chip, drawn, spared=False, processes=processors())


def test_directions_are_drawn_over_all_that_is_sought() -> None:
    drawn = [direction(seed) for seed in range(200)]
    assert drawn == [direction(seed) for seed in range(200)]
    assert {name for where in drawn for name in where.ends} == set(SOUGHT)
    assert {where.chip for where in drawn} == set(CHIPS)
    assert {bool(where.plant) for where in drawn} == {True, False}
    assert set(SOUGHT) <= set(_ROWS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_what_just_passes_breaks_no_limit_on_2000_others(seed: int) -> None:
    where = direction(seed)
    assert failures(on_others(where, border(where))) == ""
