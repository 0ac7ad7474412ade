"""From a plant to settings: what its physics says, before anything is tried.

`plant` holds what is known of the device, by the simulator's names and in SI
(`emery.simulator.plant.PARAMETERS`); what it leaves out is nominal.

    pump_start   the dead band and a little more: the pump must turn in the search
    pump_lag     the pump's lag
    hold         the straight line nearest to the drives that hold the levels
    search       as fast as an open tip still shows less than a sealing one
    proof_share  what a sound pump reaches on the parking cap on a bad day

Gain and integral are not among them: up to twice the default they move no figure
of the bench (README.md), so the plant does not determine them. They are the slider
"firmer".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from emery.bench.references import Silence, drive_that_holds
from emery.config.rows import SETTING_ROWS
from emery.simulator.plant import PARAMETERS, TIP_IN_AIR, TIP_ON_CAP, Plant
from firmware import limits
from firmware.settings import Settings
from hal.contract import FULL_PERMILLE, VENT_CLOSED

# Settings that a plant determines, in the order of the table.
TUNED = (
    "proof_share_permille",
    "hold_low_permille",
    "hold_high_permille",
    "pump_start_permille",
    "pump_lag_ms",
    "search_permille",
)

# A good seal. What a hold that is too low lacks is learnt within a rise; one that
# is too high has overshot by then. The defaults are those of such a seal. [E]
_SEAL = 0.004
# A level is one of this device's if it takes no more than this to hold it. [E]
_MOST_PERMILLE = 970
# At a drive just above the dead band the pump must turn, at a low supply too. [E]
_START_MARGIN_PERMILLE = 10
# firmware/vacuum_regulator.py takes 1 kPa for a sealing tip. [E, the margin]
_OPEN_TIP_PA = 800
_SEARCH_LEAST_PERMILLE = 300
# The proof pulls for 6 s (firmware/proof.py) and calls a pump weak at 0.85 of this
# share. A bad day has a filter of twice the loss and 95 % of the supply; what is
# left is for the sensors. The nominal plant gives the default. [E]
_PULL_S = 6.0
_BAD_DAY = {"filter_load": 2.0, "supply": 0.95}
_SHARE_MARGIN = 0.97
_STEADY_TICK_S = 0.02

_ROWS = {row.name: row for row in SETTING_ROWS}
_NOMINAL: dict[str, float] = {row[0]: row[4] for row in PARAMETERS}


@dataclass(frozen=True, slots=True)
class Hold:
    """How a level is held: its vacuum, and the drive that does it on a good seal.
    `is_held` is false for a level that takes all the pump has."""

    level: int
    set_pa: int
    drive_permille: int

    @property
    def is_held(self) -> bool:
        """Does the pump hold it with something in hand?"""
        return self.drive_permille <= _MOST_PERMILLE


def holds(plant: Mapping[str, float]) -> list[Hold]:
    """What holds each level on this plant."""
    sealed = {**plant, "seal_leak": _SEAL}
    return [
        Hold(level, set_pa, drive_that_holds(sealed, set_pa))
        for level, set_pa in enumerate(limits.LEVEL_VACUUM_PA, 1)
    ]


def proposal(plant: Mapping[str, float]) -> dict[str, int]:
    """The settings of TUNED for this plant, in range and within the rules."""
    low, high = _hold_line(holds(plant))
    start = round(1000 * _value(plant, "pump_dead_band")) + _START_MARGIN_PERMILLE
    return fitted(
        {
            "proof_share_permille": _proof_share(plant),
            "hold_low_permille": low,
            "hold_high_permille": high,
            "pump_start_permille": start,
            "pump_lag_ms": round(1000 * _value(plant, "pump_lag_s")),
            "search_permille": _search(plant),
        }
    )


def fitted(values: Mapping[str, float]) -> dict[str, int]:
    """Whole values in the ranges of the table that keep the rules between them."""
    found = {
        name: min(max(round(value), _ROWS[name].low), _ROWS[name].high)
        for name, value in values.items()
    }
    # firmware.settings.broken_rules: start below low below high.
    order = ("hold_high_permille", "hold_low_permille", "pump_start_permille")
    for above, below in pairwise(name for name in order if name in found):
        found[below] = min(found[below], found[above] - 1)
    return found


def with_values(settings: Settings, values: Mapping[str, int]) -> Settings:
    """A copy of settings with these values."""
    made = Settings()
    for name in vars(made):
        setattr(made, name, values.get(name, getattr(settings, name)))
    return made


def _value(plant: Mapping[str, float], name: str) -> float:
    return plant.get(name, _NOMINAL[name])


def _hold_line(found: list[Hold]) -> tuple[float, float]:
    """Drives at level 1 and level 10 of the line that fits the levels which are
    held best; the curve bends upwards, so a chord would lie above it."""
    held = [hold for hold in found if hold.is_held]
    if len(held) < 2:
        return found[0].drive_permille, found[-1].drive_permille
    middle_pa = sum(hold.set_pa for hold in held) / len(held)
    middle = sum(hold.drive_permille for hold in held) / len(held)
    slope = sum(
        (hold.set_pa - middle_pa) * (hold.drive_permille - middle) for hold in held
    ) / sum((hold.set_pa - middle_pa) ** 2 for hold in held)
    ends = limits.LEVEL_VACUUM_PA[0], limits.LEVEL_VACUUM_PA[-1]
    low, high = (middle + slope * (end - middle_pa) for end in ends)
    return low, high


def _search(plant: Mapping[str, float]) -> float:
    """The largest drive at which the open tip shows no more than _OPEN_TIP_PA."""
    low, high = _SEARCH_LEAST_PERMILLE, _ROWS["search_permille"].high
    if _reached_pa({**plant, "filter_load": 1.0}, TIP_IN_AIR, 2.0, high) <= _OPEN_TIP_PA:
        return high
    while high - low > 5:
        middle = (low + high) // 2
        if _reached_pa({**plant, "filter_load": 1.0}, TIP_IN_AIR, 2.0, middle) <= _OPEN_TIP_PA:
            low = middle
        else:
            high = middle
    return low


def _proof_share(plant: Mapping[str, float]) -> float:
    bad_day = {
        **plant, **{name: _value(plant, name) * worse for name, worse in _BAD_DAY.items()}
    }
    reached_pa = _reached_pa(bad_day, TIP_ON_CAP, _PULL_S, FULL_PERMILLE)
    return 1000 * _SHARE_MARGIN * reached_pa / _value(plant, "atmosphere_pa")


def _reached_pa(plant: Mapping[str, float], tip: int, seconds: float, permille: int) -> float:
    """The vacuum at the handpiece after so long at a constant drive."""
    device = Plant(dict(plant), Silence(), _STEADY_TICK_S)
    device.tip = tip
    for _ in range(round(seconds / _STEADY_TICK_S)):
        device.run(permille, 0, VENT_CLOSED)
    return device.skin_pa
