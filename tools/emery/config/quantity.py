"""Quantities as people write them: a number with its unit, as text.

A bare number is never accepted: settings mixing kPa, inHg and cmHg on one
panel are how a treatment goes wrong. The unit must be of the asked dimension
and is converted exactly (in fractions, so that "45000 Pa" is no hair more
than "45 kPa"). Whole numbers, which is all the firmware knows, are the
nearest one; an exact half goes to the even neighbour, and a value other than
zero never becomes zero.

The unit library takes about half a second to load, so it is loaded when the
first quantity is read, once.
"""

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from emery.config.problem import listed, quoted

# A plain decimal number. Its length is bounded so that no text can ask for
# astronomic arithmetic.
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,2})?")
_SYMBOL = r"(?:%|‰|[A-Za-zµμΩ°][A-Za-z0-9_]*)(?:(?:\^|\*\*)[1-9])?"
_UNIT = re.compile(rf"{_SYMBOL}(?:[*/·]{_SYMBOL})*")
_UNIT_PART = re.compile(rf"([*/·]?)({_SYMBOL})")

# Signs the unit library knows by a word.
_WORDS = {"%": "percent", "‰": "permille", "°C": "degC"}

# Kinds of quantity: the word for it, and units to propose. The first unit of
# each tells the kind.
_KINDS = (
    ("a pressure", ("kPa", "Pa", "mbar", "inHg", "mmHg", "cmHg")),
    ("a time", ("s", "ms", "min", "h")),
    ("a share", ("%", "permille", "ppm")),
    ("a mass", ("g", "mg", "kg")),
    ("a mass flow", ("g/min", "mg/min")),
    ("a volume", ("L", "mL")),
    ("a volume flow", ("L/min", "mL/min")),
    ("a length", ("mm", "cm", "m", "in")),
    ("an area", ("mm^2", "cm^2")),
    ("a voltage", ("V", "mV")),
    ("a current", ("A", "mA")),
    ("a resistance", ("ohm", "kohm")),
    ("a frequency", ("Hz", "kHz")),
    ("a temperature", ("degC", "K")),
    ("a share for each pressure", ("%/kPa", "permille/kPa")),
    ("a share for each pressure and time", ("%/kPa/s", "permille/kPa/s")),
    ("a pressure for each time", ("kPa/s", "Pa/s")),
)

# The unit a value is shown in, largest first, by the unit it is kept in.
_SHOWN: dict[str, tuple[tuple[str, int], ...]] = {
    "Pa": (("kPa", 1000), ("Pa", 1)),
    "ms": (("min", 60_000), ("s", 1000), ("ms", 1)),
    "permille": (("%", 10),),
    "ppm": (("%", 10_000),),
    "mV": (("V", 1000), ("mV", 1)),
    "us": (("s", 1_000_000), ("ms", 1000)),
    "um": (("mm", 1000),),
    "uL": (("mL", 1000),),
    "mL/min": (("L/min", 1000),),
    "Hz": (("kHz", 1000), ("Hz", 1)),
    "mg": (("g", 1000),),
    "mg/min": (("g/min", 1000),),
    "permille/kPa": (("%/kPa", 10),),
    "permille/kPa/s": (("%/kPa/s", 10),),
}


class QuantityError(ValueError):
    """A text is no quantity of the asked kind."""

    def __init__(self, what: str, expected: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.expected = expected
        self.remedy = remedy


def parse(text: str, unit: str) -> float:
    """The number of `unit` in `text`, such as 45000.0 for ("45 kPa", "Pa").

    Raises QuantityError for a bare number, an unknown unit or another kind of
    quantity.
    """
    return float(parse_exact(text, unit))


def parse_exact(text: str, unit: str) -> Fraction:
    """As `parse`, without any rounding: for comparing with a limit."""
    number, written_unit = _split(text, unit)
    found = _unit(written_unit)
    if found is None:
        raise QuantityError(
            f"{quoted(text)} has the unknown unit {quoted(written_unit)}",
            expected(unit),
            _did_you_mean(written_unit, unit, number) or "Use one of these units.",
        )
    asked = _unit(unit)
    if asked is None:
        raise KeyError(unit)
    if found.dimension != asked.dimension:
        raise QuantityError(
            f"{quoted(text)} is {_kind_word(found)}",
            expected(unit),
            _did_you_mean(written_unit, unit, number) or "Check that the value is for this key.",
        )
    return found.convert(Fraction(number), asked)


def parse_whole(text: str, unit: str) -> int:
    """The nearest whole number of `unit` in `text`; a half goes to the even
    one. A value other than zero that would round to zero is refused."""
    exact = parse_exact(text, unit)
    whole = round(exact)
    if exact and not whole:
        raise QuantityError(
            f"{quoted(text)} would round to zero",
            f"0, or at least {_exact_text(Fraction(1), unit)}",
            f"Write 0, or at least {_exact_text(Fraction(1), unit)}.",
        )
    return whole


def text(value: int | float, unit: str) -> str:
    """`value` with the unit people use for it: "45 kPa", "1.5 s", "66 %".

    Nothing is rounded away: reading the text back gives the same value.
    """
    return range_text((value,), unit)


def range_text(values: tuple[int | float, ...], unit: str) -> str:
    """Values in one common unit, as in "20 to 45 kPa"."""
    decimals = [Decimal(str(value)) for value in values]
    shown, factor = _shown_unit(decimals, unit)
    numbers = " to ".join(_plain(value / factor) for value in decimals)
    return f"{numbers} {shown}".rstrip()


def to_one_place(values: tuple[int | float, ...], unit: str) -> tuple[list[str], str]:
    """Values in one common unit, all to the same decimal place, and that unit:
    (["1.300", "1.275", "1.326"], "mm")."""
    decimals = [Decimal(str(value)) for value in values]
    shown, factor = _shown_unit(decimals, unit)
    places = max(len(_plain(value / factor).partition(".")[2]) for value in decimals)
    return [f"{value / factor:.{places}f}" for value in decimals], shown


def expected(unit: str) -> str:
    """What is expected where `unit` is asked for, with units to choose from."""
    for word, units in _KINDS:
        if unit in units or _same_kind(unit, units[0]):
            return f"{word} in {listed(units)}"
    return f"a quantity in {unit}"


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit of the library, with its dimension as a comparable key."""

    unit: Any
    dimension: tuple[tuple[str, Fraction], ...]

    def convert(self, number: Fraction, asked: "_Unit") -> Fraction:
        converted = _registry().Quantity(number, self.unit).to(asked.unit)
        return Fraction(converted.magnitude)


@lru_cache(maxsize=1)
def _registry() -> Any:
    # Imported here, since it is slow.
    import pint

    exact: Any = Fraction  # the library's own hint knows floats only
    return pint.UnitRegistry(non_int_type=exact)


@lru_cache(maxsize=256)
def _unit(written: str) -> _Unit | None:
    """The unit `written`, or None if there is none of that name."""
    if not _UNIT.fullmatch(written):
        return None
    registry = _registry()
    from pint.errors import PintError

    try:
        product = registry.Unit("dimensionless")
        for operator, factor in _UNIT_PART.findall(written):
            symbol, _, power = factor.replace("**", "^").partition("^")
            name = registry.get_name(_WORDS.get(symbol, symbol))
            if not name:
                return None
            exponent = int(power or 1)
            product *= registry.Unit(name) ** (-exponent if operator == "/" else exponent)
        _, root = registry.get_root_units(product)
        zero = registry.Quantity(Fraction(0), product).to_root_units()
    except PintError:  # unknown, or degrees of an offset scale in a product
        return None
    except TypeError:  # a logarithmic scale, whose logarithm NumPy takes of no fraction
        return None
    dimension = tuple(
        sorted((name, Fraction(power)) for name, power in product.dimensionality.items())
    )
    # Logarithmic scales have no zero; only temperatures may have it elsewhere.
    if zero.magnitude and dimension != (("[temperature]", Fraction(1)),):
        return None
    # Angles, bits and counts are plain numbers to the library: "5 rad" would
    # pass for a share. They are no units here.
    if any(not registry.Unit(name).dimensionality for name in root._units):
        return None
    return _Unit(product, dimension)


def _split(written: str, unit: str) -> tuple[str, str]:
    """Number and unit of a text."""
    stripped = written.strip()
    match = _NUMBER.match(stripped)
    if match is None:
        raise QuantityError(
            f"{quoted(written)} does not begin with a number",
            expected(unit),
            "Write a number and its unit, with a digit before any decimal point.",
        )
    number = match.group()
    rest = stripped[match.end() :].strip()
    if not rest:
        raise QuantityError(
            f"{quoted(written)} has no unit",
            expected(unit),
            f'Add the unit, as in "{number} {_first_unit(unit)}".',
        )
    if re.match(r",[0-9]", rest):
        raise QuantityError(
            f"{quoted(written)} has a decimal comma",
            expected(unit),
            "Write a decimal point.",
        )
    if re.match(r"[0-9._]|[eE][+-]?[0-9]", stripped[match.end() :]):
        raise QuantityError(
            f"{quoted(written)} has a number that cannot be read",
            expected(unit),
            "Write at most 15 digits before and after the decimal point, and nothing between.",
        )
    return number, rest


def _did_you_mean(written: str, unit: str, number: str) -> str:
    """What was probably meant by the unit `written`, or "" if nothing is near."""
    units = proposed_units(unit)
    # Minutes and metres are the pair that is mixed up most.
    if written == "m" and "min" in units:
        return f'Minutes are written "{number} min".'
    for candidate in units:
        if candidate.lower() == written.replace(" ", "").lower():
            return f'Write "{number} {candidate}".'
    near = difflib.get_close_matches(written, units, 1)
    return f'Did you mean "{number} {near[0]}"?' if near else ""


def proposed_units(unit: str) -> tuple[str, ...]:
    """The units that are proposed where `unit` is asked for."""
    for _, units in _KINDS:
        if unit in units or _same_kind(unit, units[0]):
            return units
    return (unit,)


def _first_unit(unit: str) -> str:
    return _SHOWN[unit][0][0] if unit in _SHOWN and unit != "ms" else unit


def _same_kind(one: str, other: str) -> bool:
    first, second = _unit(one), _unit(other)
    return first is not None and second is not None and first.dimension == second.dimension


def _kind_word(found: _Unit) -> str:
    for word, units in _KINDS:
        kind = _unit(units[0])
        if kind is not None and kind.dimension == found.dimension:
            return word
    return "another kind of quantity"


def _exact_text(value: Fraction, unit: str) -> str:
    return text(float(value), unit)


def _shown_unit(values: list[Decimal], unit: str) -> tuple[str, int]:
    choices = _SHOWN.get(unit, ((unit, 1),))
    for shown, factor in choices[:-1]:
        scaled = [abs(value) / factor for value in values if value]
        # Minutes only when they come out whole, seconds from one on; other
        # units down to a tenth.
        if shown == "min":
            fits = all(value == int(value) for value in scaled)
        else:
            fits = all(value >= (1 if shown == "s" else Decimal("0.1")) for value in scaled)
        if fits and scaled:
            return shown, factor
    return choices[-1]


def _plain(value: Decimal) -> str:
    written = f"{value:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written
