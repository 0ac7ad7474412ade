"""What a person reads off an instrument and types, with its unit and its resolution.

A gauge reading is compared with what the sensors say before it is believed: people read
kPa where the scale shows mmHg, and gauges of absolute pressure exist.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from emery.calibrate.technician import Technician
from emery.calibrate.verdict import Implausible
from emery.config import quantity

# Pa of each unit that a vacuum gauge has.
GAUGE_UNITS = (
    ("kPa", 1_000.0), ("mmHg", 133.322), ("inHg", 3_386.39), ("mbar", 100.0),
    ("cmHg", 1_333.22), ("hPa", 100.0), ("Pa", 1.0), ("psi", 6_894.76), ("bar", 1e5),
)  # fmt: skip

# Sensor, its zero taken off, and gauge differ by more than this only if one of them is
# not what it is taken for (see `sensor_fit`). [E]
_DIFFER_PA = 1_500.0
_DIFFER_SHARE = 0.12
# A unit is worth a hint if the reading in it comes this near. [E]
_UNIT_NEAR_PA = 2_500.0
_UNIT_NEAR_SHARE = 0.12


_ASKED_AT_MOST = 3

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Reading:
    """A value in the unit asked for; `resolution` is that of its last digit."""

    value: float
    resolution: float


def asked(
    technician: Technician, words: str, deed: str, taken: Callable[[str], Read]
) -> Read:
    """What somebody reads and types, as `taken` takes it. Where that is Implausible it is
    asked for again, if somebody can be asked: a slip must not cost what was measured before
    it. Raises Implausible, NoAnswer."""
    for _ in range(_ASKED_AT_MOST - 1):
        typed = technician.ask(words, deed)
        try:
            return taken(typed)
        except Implausible as slip:
            if not technician.can_be_asked_again:
                raise
            technician.tell(str(slip))
    return taken(technician.ask(words, deed))


def read(typed: str, unit: str) -> Reading:
    """The value of `typed` in `unit`. Implausible for what is none."""
    text = typed.strip()
    try:
        value = quantity.parse(text, unit)
    except quantity.QuantityError as error:
        raise Implausible(
            f"{error.what}. Expected: {error.expected}", error.remedy
        ) from None
    number = re.match(r"[+-]?\d*(?:\.(\d*))?", text)
    assert number is not None
    digits = len(number.group(1) or "")
    suffix = text[number.end() :].lstrip()
    per_unit = quantity.parse(f"1 {suffix}", unit) if suffix[:1].isalpha() else abs(value)
    return Reading(value, per_unit * 10.0**-digits)


def gauge(typed: str, sensor_pa: float, barometer_pa: float) -> Reading:
    """A gauge's vacuum in Pa, while the sensors read `sensor_pa`. Some gauges show a
    vacuum with a minus sign; here it is positive. Implausible if it cannot be, with the
    unit that would fit."""
    found = read(typed, "Pa")
    value = abs(found.value)
    if _is_near(value, sensor_pa, _DIFFER_PA, _DIFFER_SHARE):
        return Reading(value, found.resolution)
    shown = f"{sensor_pa / 1_000:.1f} kPa"
    what = f"the gauge is said to show {typed.strip()}, and the sensors read {shown}"
    if barometer_pa > 0 and _is_near(barometer_pa - value, sensor_pa, _UNIT_NEAR_PA, 0.0):
        raise Implausible(
            f"{what}: that is an absolute pressure",
            f"Subtract it from the air pressure, {barometer_pa / 1_000:.1f} kPa here, or "
            "take a gauge that shows 0 when it is open.",
        )
    number = re.match(r"[+-]?[\d.]+", typed.strip())
    if number is not None:
        plain = abs(float(number.group()))
        typed_unit = typed.strip()[number.end() :].strip().lower()
        off_pa, unit = min(
            (
                (abs(plain * pa - sensor_pa), unit)
                for unit, pa in GAUGE_UNITS
                if unit.lower() != typed_unit
            ),
            key=lambda one: one[0],
        )
        if off_pa <= _UNIT_NEAR_PA + _UNIT_NEAR_SHARE * sensor_pa:
            raise Implausible(
                f"{what}: it would fit in {unit}",
                f'See which scale of the gauge was read. Was it "{number.group()} {unit}"?',
            )
    raise Implausible(
        what,
        "See that the gauge is at the manifold beside the sensors and shows 0 when vented, "
        "and read it again. If it stays so, a sensor or its divider is broken.",
    )


def _is_near(value: float, other: float, pa: float, share: float) -> bool:
    return abs(value - other) <= pa + share * abs(other)
