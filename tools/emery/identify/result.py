"""What an identification found, in the units people use: for the page, the file, the ledger.

A value that the runs did not tell (its interval is hardly narrower than what was known
before, or wider than the value itself) is said to be unknown, and is written nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor, log10
from typing import Any

from emery.config import quantity
from emery.config.plant import PLANT_ROWS, PlantRow
from emery.identify.fit import Estimate, Fit, pump_flow
from emery.identify.parameters import BY_NAME

SCHEMA = "emery.identify/1"
ROWS = {row.name: row for row in PLANT_ROWS}

# A parameter counts as told if the measurement took this much of the doubt before. [E]
_TOLD = 0.5
# What is near nothing is told by its upper end: a leak, a clean filter.
_MAY_BE_NOTHING = ("hose_leak", "filter_load", "pump_dead_band")
# Half of an interval over the value: more is no value.
_WIDEST = 0.5
CURVE_PA = (0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0)
FLOW_PA = 20_000.0  # the vacuum at which pumps are compared over months


@dataclass(frozen=True, slots=True)
class Found:
    """One parameter as it is told. `low` and `high` end the 95 % interval; all in SI."""

    name: str
    value: float
    low: float
    high: float
    is_told: bool

    @property
    def row(self) -> PlantRow:
        """Key and unit in a board file."""
        return ROWS[self.name]

    @property
    def words(self) -> str:
        """What it is."""
        return BY_NAME[self.name].words

    @property
    def doubt(self) -> float:
        """Half of the interval, over the value."""
        return 0.5 * (self.high - self.low) / self.value if self.value else float("inf")


@dataclass(frozen=True, slots=True)
class Identified:
    """The result of one identification."""

    found: tuple[Found, ...]
    curve: tuple[tuple[float, float, float, float], ...]  # vacuum, flow, low, high; full drive
    misfit: float
    orifice_m: float
    atmosphere_pa: float

    @classmethod
    def of(cls, fit: Fit, orifice_m: float) -> "Identified":
        """From a fit."""
        atmosphere = fit.model.runs[0].atmosphere_pa
        return cls(
            tuple(_found(one) for one in fit.estimates.values()),
            tuple((pa, *pump_flow(fit, pa, 1.0, atmosphere)) for pa in CURVE_PA),
            fit.misfit,
            orifice_m,
            atmosphere,
        )

    def board_values(self) -> dict[str, str]:
        """Keys and values for a board file: only what was told."""
        return {
            f"plant.{one.row.key}": texts(one)[0]
            for one in self.found
            if one.is_told
        }

    def remarks(self) -> dict[str, str]:
        """Of the same keys: the interval, as a comment."""
        return {
            f"plant.{one.row.key}": f"measured; 95 %: {texts(one)[1]}"
            for one in self.found
            if one.is_told
        }

    def document(self) -> dict[str, Any]:
        """For JSON and for the ledger."""
        return {
            "schema": SCHEMA,
            "plant": {
                one.row.key: {
                    "value": one.value, "low": one.low, "high": one.high, "told": one.is_told,
                    "text": texts(one)[0],
                }
                for one in self.found
            },
            "pump_curve": [
                {"vacuum_pa": pa, "flow_m3_s": flow, "low": low, "high": high}
                for pa, flow, low, high in self.curve
            ],
            "misfit": self.misfit,
            "orifice_m": self.orifice_m,
            "atmosphere_pa": self.atmosphere_pa,
        }  # fmt: skip


def read(document: Mapping[str, Any]) -> Identified:
    """The result in a ledger's entry. ValueError if it is none that this emery reads."""
    if document.get("schema") != SCHEMA:
        raise ValueError(f'"{SCHEMA}" is expected')
    by_key = {row.key: row for row in PLANT_ROWS}
    try:
        found = tuple(
            Found(
                by_key[key].name, float(one["value"]), float(one["low"]), float(one["high"]),
                bool(one["told"]),
            )
            for key, one in document["plant"].items()
            if key in by_key and by_key[key].name in BY_NAME
        )
        curve = tuple(
            (float(row["vacuum_pa"]), float(row["flow_m3_s"]), float(row["low"]),
             float(row["high"]))
            for row in document["pump_curve"]
        )
        return Identified(
            found, curve, float(document["misfit"]), float(document["orifice_m"]),
            float(document["atmosphere_pa"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"it lacks or garbles {problem}") from None


def _found(one: Estimate) -> Found:
    half = 0.5 * (one.high - one.low)
    is_narrow = one.name in _MAY_BE_NOTHING or half <= _WIDEST * one.value
    return Found(one.name, one.value, one.low, one.high, one.told >= _TOLD and is_narrow)


def texts(one: Found) -> tuple[str, str]:
    """Value and interval in one unit and to the same decimal place, with no more digits than
    the interval gives a meaning to: ("1.300 mm", "1.275 to 1.326 mm")."""
    row = one.row
    step = _step((one.high - one.low) * row.per_si)
    value = round(row.whole(one.value) / step) * step
    low = floor(row.whole(one.low) / step) * step
    high = -floor(-row.whole(one.high) / step) * step
    within = tuple(min(max(number, row.low), row.high) for number in (value, low, high))
    (value_text, *ends), unit = quantity.to_one_place(within, row.unit)
    return f"{value_text} {unit}", f"{' to '.join(ends)} {unit}"


def _step(width: float) -> int:
    """A tenth of the width at most, as a power of ten: 1, 10, 100."""
    if width < 100:
        return 1
    return int(Fraction(10) ** (floor(log10(width)) - 1))
