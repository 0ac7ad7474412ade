"""Generated configs: any that a board file and a protocol file can state, out to the
corners of every range, within the rules of the firmware and of the chip.
"""

import copy
from functools import cache

from hypothesis import strategies as st

from emery.config import chip as chip_rules
from emery.config.compiled import DeviceConfig
from emery.config.pinout import may_serve
from emery.config.plant import PLANT_ROWS
from emery.config.rows import SETTING_ROWS, ZONE_ROWS, Row
from firmware import limits
from firmware.settings import NAME_BYTES, Settings, Zone, broken_rules
from hal import wiring

# What a chip needs otherwise than by default (`emery.config.chip`).
_OF_CHIP = {
    "rp2040": {},
    "esp32": {
        "tick_period_ms": 10, "vacuum_a_divider_permille": 474, "vacuum_b_divider_permille": 474
    },
    "esp32s3": {
        "tick_period_ms": 10, "vacuum_a_divider_permille": 474, "vacuum_b_divider_permille": 474
    },
}  # fmt: skip

# Analog roles first and outputs last: the fewer pins fit, the sooner.
_PICKED = (
    wiring.ANALOG, wiring.SENSE, wiring.BUS, wiring.DRIVE, wiring.PULLED_UP, wiring.SIGNAL
)  # fmt: skip

_HIGHEST_GPIO = 48

names = st.text(
    st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=NAME_BYTES
).filter(lambda name: name == name.strip())


def row_value(row: Row) -> st.SearchStrategy[int]:
    """Any value of a row, its ends and its default more often."""
    return st.integers(row.low, row.high) | st.sampled_from([row.low, row.default, row.high])


@st.composite
def valid_settings(draw: st.DrawFn, chip: str = "") -> Settings:
    """Settings within their ranges that break no rule, of a chip if one is named: drawn
    values are taken over as long as the rules allow it."""
    settings = Settings()
    for name, value in _OF_CHIP.get(chip, {}).items():
        setattr(settings, name, value)
    for row in draw(st.permutations(SETTING_ROWS)):
        before = getattr(settings, row.name)
        setattr(settings, row.name, draw(row_value(row)))
        if broken_rules(settings) or chip_rules.broken_rules(chip, settings):
            setattr(settings, row.name, before)
    settings.protocol_name = draw(names)
    zones: list[Zone] = []
    for name in draw(st.lists(names, min_size=1, max_size=limits.ZONES, unique_by=str.casefold)):
        zone = Zone(name)
        for row in ZONE_ROWS:
            setattr(zone, row.name, draw(row_value(row)))
        settings.zones = (*zones, zone)
        while broken_rules(settings):
            setattr(zone, "level", zone.level - 1)  # noqa: B010 - a field of the table
        zones.append(zone)
    return settings


@st.composite
def valid_wirings(draw: st.DrawFn, chip: str = "") -> wiring.Wiring:
    """A wiring that breaks no rule, of a chip if one is named: each role draws a pin
    among those that break none."""
    named = chip or draw(st.sampled_from(wiring.CHIPS))
    drawn = wiring.Wiring(wiring.CHIPS.index(named), draw(names))
    for name, _, low, high, _, _ in wiring.FACTS:
        setattr(drawn, name, draw(st.integers(low, high)))
    for role, asks, required, _ in sorted(wiring.ROLES, key=lambda row: _PICKED.index(row[1])):
        fit = [gpio for gpio in _pins(named, asks) if _fits(drawn, role, gpio)]
        if required or draw(st.booleans()):
            setattr(drawn, role, draw(st.sampled_from(fit)))
    assert wiring.broken_rules(drawn) == []
    return drawn


@cache
def _pins(chip: str, kind: str) -> list[int]:
    return [gpio for gpio in range(_HIGHEST_GPIO + 1) if may_serve(chip, kind, gpio)]


def _fits(drawn: wiring.Wiring, role: str, gpio: int) -> bool:
    other = copy.copy(drawn)
    setattr(other, role, gpio)
    if role == "i2c_sda" and drawn.chip == wiring.RP2040:
        # Only with its partner free: the two are drawn one after the other.
        setattr(other, "i2c_scl", gpio + 1)  # noqa: B010 - a field of the table
    return all(problem == "needs a pin" for _, problem in wiring.broken_rules(other))


plants = st.fixed_dictionaries(
    {},
    optional={
        row.name: st.integers(row.low, row.high).map(row.si) for row in PLANT_ROWS
    },
)


@st.composite
def device_configs(draw: st.DrawFn, chip: str | None = None) -> DeviceConfig:
    """Any config that a device of a chip can hold, without a certificate."""
    named = chip or draw(st.sampled_from(wiring.CHIPS))
    wired = draw(valid_wirings(named))
    settings = draw(valid_settings(named))
    return DeviceConfig(wired.board_name, named, wired, settings, draw(plants), b"")
