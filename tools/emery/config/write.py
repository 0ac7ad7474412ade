"""Board and protocol files written from a config: every key with its purpose.

What is written reads back to the same config. Every setting is stated, the
defaults too: the file says what a device runs on, also to an emery of later that
has other defaults.
"""

import json
import textwrap
from collections.abc import Iterable

from emery.config import quantity
from emery.config.compiled import DeviceConfig
from emery.config.pins import FACT_ROWS, pin_text
from emery.config.plant import PLANT_ROWS
from emery.config.problem import COLUMNS, listed
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from firmware.limits import LEVEL_VACUUM_PA
from hal.wiring import NO_PIN, ROLES

_REMARK_COLUMN = 36


def board_toml(config: DeviceConfig) -> str:
    """The board file of a config."""
    lines = [
        *comment(f'"{config.name}", written from its compiled config. Every setting is stated.'),
        "",
        "[board]",
        f"name = {text_value(config.name)}",
        f"chip = {text_value(config.chip)}",
    ]
    pins = [
        (role, pin_text(config.chip, getattr(config.wiring, role)), purpose, "")
        for role, _, _, purpose in ROLES
        if getattr(config.wiring, role) != NO_PIN
    ]
    if pins:
        lines += _table("pins", pins)
    facts = []
    for fact in FACT_ROWS:
        number = getattr(config.wiring, fact.name)
        if fact.choices:
            choices = listed(f'"{choice}"' for choice in fact.choices)
            facts.append((fact.key, fact.choices[number], fact.purpose, choices))
        else:
            facts.append((fact.key, *_written(number, fact.unit, fact.default, fact.purpose)))
    lines += _table("wiring", facts)
    for table in dict.fromkeys(row.table for row in SETTING_ROWS):
        settings = [
            (
                row.key,
                *_written(getattr(config.settings, row.name), row.unit, row.default, row.purpose),
            )
            for row in SETTING_ROWS
            if row.table == table
        ]
        lines += _table(table, settings)
    if config.plant:
        lines += ["", *comment("This device's own pneumatics, as they were measured.")]
        plant = [
            (row.key, quantity.text(row.whole(config.plant[row.name]), row.unit), row.purpose, "")
            for row in PLANT_ROWS
            if row.name in config.plant
        ]
        lines += _table("plant", plant)[1:]
    return "".join(f"{line}\n" for line in lines)


def protocol_toml(config: DeviceConfig) -> str:
    """The protocol file of a config."""
    lines = comment("Written from a compiled config. Of each zone:")
    for row in ZONE_ROWS:
        lines += comment(f"{row.key}: {row.purpose}", "#   ")
    lines += ["", "[protocol]", f"name = {text_value(config.settings.protocol_name)}"]
    for zone in config.settings.zones:
        lines += ["", "[[zone]]", f"name = {text_value(zone.name)}"]
        for row in ZONE_ROWS:
            value = getattr(zone, row.name)
            if row.unit:
                lines.append(f"{row.key} = {text_value(quantity.text(value, row.unit))}")
            else:
                vacuum = LEVEL_VACUUM_PA[value - 1] if row.name == "level" else 0
                remark = quantity.text(vacuum, "Pa") if vacuum else ""
                lines.append(with_remark(f"{row.key} = {value}", remark))
    return "".join(f"{line}\n" for line in lines)


def text_value(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text)


def with_remark(line: str, remark: str) -> str:
    """A line with a comment behind it, the line alone without one."""
    return f"{line:<{_REMARK_COLUMN}}# {remark}" if remark else line


def comment(text: str, start: str = "# ") -> list[str]:
    """A text as lines of a comment, within 80 columns."""
    return textwrap.wrap(
        text, COLUMNS, initial_indent=start, subsequent_indent=start, break_on_hyphens=False
    )


def _written(value: int, unit: str, default: int, purpose: str) -> tuple[str, str, str]:
    remark = "" if value == default else f"default {quantity.text(default, unit)}"
    return quantity.text(value, unit), purpose, remark


def _table(name: str, rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
    """A table from key, value, purpose and what is remarked behind the value."""
    lines = ["", f"[{name}]"]
    for key, value, purpose, remark in rows:
        lines += comment(purpose)
        lines.append(with_remark(f"{key} = {text_value(value)}", remark))
    return lines
