"""Quantities as text: what each unit means, and what is refused how."""

import subprocess
import sys
from fractions import Fraction

import pytest

from emery.config.quantity import (
    QuantityError,
    expected,
    parse,
    parse_exact,
    parse_whole,
    range_text,
    text,
    to_one_place,
)


@pytest.mark.parametrize(
    ("written", "unit", "number"),
    [
        ("45 kPa", "Pa", 45_000),
        ("45kPa", "Pa", 45_000),
        ("  45   kPa ", "Pa", 45_000),
        ("+4.5e1 kPa", "Pa", 45_000),
        ("450 mbar", "Pa", 45_000),
        ("1 bar", "Pa", 100_000),
        ("-2 kPa", "Pa", -2_000),
        ("30 min", "ms", 1_800_000),
        ("0.5 h", "s", 1_800),
        ("250 ms", "s", 0.25),
        ("100 Hz", "Hz", 100),
        ("66 %", "permille", 660),
        ("66%", "permille", 660),
        ("66 percent", "permille", 660),
        ("920000 ppm", "permille", 920),
        ("920 ‰", "ppm", 920_000),
        ("25 %/kPa", "permille/kPa", 250),
        ("250 permille/kPa", "permille/kPa", 250),
        ("1 permille/Pa", "permille/kPa", 1_000),
        ("10 %/kPa/s", "permille/kPa/s", 100),
        ("10 g/min", "mg/min", 10_000),
        ("1 g/s", "mg/min", 60_000),
        ("0.65 L", "L", 0.65),
        ("650 mL", "L", 0.65),
        ("1.2 mm", "m", 0.0012),
        ("1.2 mm", "mm", 1.2),
        ("3 m", "mm", 3_000),
        ("12.6 mm^2", "mm**2", 12.6),
        ("3.3 V", "mV", 3_300),
        ("20 degC", "K", 293.15),
        ("20 °C", "K", 293.15),
        ("3e6 Pa*s/kg", "Pa*s/kg", 3_000_000),
        ("30 L/min", "L/min", 30),
    ],
)
def test_units(written: str, unit: str, number: float) -> None:
    assert parse(written, unit) == number


# Conventional mercury, 133.322387415 Pa for each mm.
@pytest.mark.parametrize(
    ("written", "pa"), [("12 inHg", 40_636.66), ("300 mmHg", 39_996.72), ("30 cmHg", 39_996.72)]
)
def test_mercury(written: str, pa: float) -> None:
    assert parse(written, "Pa") == pytest.approx(pa, abs=0.01)


def test_conversion_is_exact() -> None:
    assert parse_exact("0.1 kPa", "Pa") == Fraction(100)
    assert parse_exact("45000.1 Pa", "kPa") == Fraction(450_001, 10_000)


@pytest.mark.parametrize(
    ("written", "unit", "whole"),
    [
        ("12 inHg", "Pa", 40_637),
        ("1.4 ms", "ms", 1),
        ("1.5 ms", "ms", 2),
        ("2.5 ms", "ms", 2),
        ("0.51 ms", "ms", 1),
        ("0 ms", "ms", 0),
        ("-1.6 Pa", "Pa", -2),
    ],
)
def test_whole_numbers_are_the_nearest(written: str, unit: str, whole: int) -> None:
    assert parse_whole(written, unit) == whole


@pytest.mark.parametrize("written", ["0.5 ms", "0.4 ms", "1e-30 s", "-0.2 ms"])
def test_nothing_becomes_zero_unnoticed(written: str) -> None:
    with pytest.raises(QuantityError, match="would round to zero"):
        parse_whole(written, "ms")


@pytest.mark.parametrize(
    ("written", "unit", "what"),
    [
        ("45", "Pa", "has no unit"),
        ("kPa", "Pa", "does not begin with a number"),
        ("", "Pa", "does not begin with a number"),
        (".5 kPa", "Pa", "does not begin with a number"),
        ("nan kPa", "Pa", "does not begin with a number"),
        ("٤٥ kPa", "Pa", "does not begin with a number"),
        ("1,5 kPa", "Pa", "decimal comma"),
        ("1_000 Pa", "Pa", "cannot be read"),
        ("1e999 Pa", "Pa", "cannot be read"),
        ("1234567890123456 Pa", "Pa", "cannot be read"),
        ("4 + 4 Pa", "Pa", "unknown unit"),
        ("4 kPa 3", "Pa", "unknown unit"),
        ("4 kPa/", "Pa", "unknown unit"),
        ("4 Pa^9^9^9", "Pa", "unknown unit"),
        ("4 __import__", "Pa", "unknown unit"),
        ("4 per", "Pa", "unknown unit"),
        ("4 %%", "permille", "unknown unit"),
        ("4 rad", "permille", "unknown unit"),
        ("4 bit", "permille", "unknown unit"),
        ("4 rpm", "Hz", "unknown unit"),
        ("4 dimensionless", "permille", "unknown unit"),
        ("4 degC*m", "K*m", "unknown unit"),
        ("4 kdegC", "K", "unknown unit"),
        ("4 dB", "permille", "unknown unit"),
        ("4 s", "Pa", "is a time"),
        ("4 %", "Pa", "is a share"),
        ("4 kPa", "permille/kPa", "is a pressure"),
        ("4 %/kPa", "permille/kPa/s", "is a share for each pressure"),
        ("4 g", "mg/min", "is a mass"),
        ("4 Min", "ms", "is a length"),
        ("4 M", "ms", "is another kind of quantity"),
    ],
)
def test_what_is_refused(written: str, unit: str, what: str) -> None:
    with pytest.raises(QuantityError, match=what) as caught:
        parse(written, unit)
    assert caught.value.expected == expected(unit)
    assert caught.value.remedy.endswith((".", "?"))


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (45_000, "Pa", "45 kPa"),
        (130_685, "Pa", "130.685 kPa"),
        (500, "Pa", "0.5 kPa"),
        (50, "Pa", "50 Pa"),
        (0, "Pa", "0 Pa"),
        (-2_000, "Pa", "-2 kPa"),
        (45_712.5, "Pa", "45.7125 kPa"),
        (250, "ms", "250 ms"),
        (1_500, "ms", "1.5 s"),
        (90_000, "ms", "90 s"),
        (1_800_000, "ms", "30 min"),
        (333, "permille", "33.3 %"),
        (920_000, "ppm", "92 %"),
        (3_300, "mV", "3.3 V"),
        (8_000, "mg/min", "8 g/min"),
        (12_000, "mg", "12 g"),
        (250, "permille/kPa", "25 %/kPa"),
        (100, "permille/kPa/s", "10 %/kPa/s"),
        (3, "", "3"),
        (0.65, "L", "0.65 L"),
    ],
)
def test_values_are_shown_in_the_units_people_use(value: float, unit: str, shown: str) -> None:
    assert text(value, unit) == shown


def test_a_range_has_one_unit() -> None:
    assert range_text((20_000, 45_000), "Pa") == "20 to 45 kPa"
    assert range_text((20, 200), "ms") == "20 to 200 ms"
    assert range_text((200, 1_000), "ms") == "200 to 1000 ms"
    assert range_text((5_000, 180_000), "ms") == "5 to 180 s"
    assert range_text((60_000, 5_400_000), "ms") == "1 to 90 min"
    assert range_text((0, 200), "permille") == "0 to 20 %"
    assert range_text((1, 10), "") == "1 to 10"


def test_values_beside_each_other_end_at_the_same_place() -> None:
    assert to_one_place((1_300, 1_275, 1_326), "um") == (["1.300", "1.275", "1.326"], "mm")
    assert to_one_place((147_000, 155_100), "us") == (["147.0", "155.1"], "ms")
    assert to_one_place((2_120, 0), "ppm") == (["0.212", "0.000"], "%")
    assert to_one_place((819_000, 787_000), "uL") == (["819", "787"], "mL")


def test_the_unit_library_is_not_loaded_before_it_is_needed() -> None:
    code = (
        "import sys; import emery.config.check, emery.config.load; "
        "assert not {'pint', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
