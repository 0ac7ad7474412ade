"""JSON Schemas of board and protocol files, so that an editor completes and explains
keys and marks mistakes while they are typed.

A schema knows names, units, choices and pins; ranges and everything that ties keys
together are what `emery config check` is for. Every file that is in order satisfies
its schema, as long as its quantities are written in the units that are proposed.
"""

from typing import Any

from emery.config import quantity
from emery.config.kind import BOARD, PROTOCOL
from emery.config.pinout import may_serve
from emery.config.pins import FACT_ROWS, HIGHEST_GPIO, NO_PIN_TEXT, pin_text
from emery.config.plant import PLANT_ROWS
from emery.config.rows import SETTING_ROWS, ZONE_ROWS, Row
from firmware.limits import ZONES
from firmware.settings import NAME_BYTES
from hal.wiring import CHIPS, ROLES

DIALECT = "https://json-schema.org/draft/2020-12/schema"

KINDS = (BOARD, PROTOCOL)

# An exponent is allowed in a file; nobody has to be proposed it.
_NUMBER = r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?"

_EXTENDS = {
    "type": "string",
    "minLength": 1,
    "description": "A file of the same kind, by its path from this one, or one that comes "
    "with Emery by its name without .toml. Only what differs from it stands here.",
}


def schema(kind: str) -> dict[str, Any]:
    """The schema of BOARD or PROTOCOL files."""
    return {
        "$schema": DIALECT,
        "title": f"Emery {kind} file",
        "type": "object",
        "additionalProperties": False,
        # What another file states needs not be here.
        "if": {"not": {"required": ["extends"]}},
        **(_board() if kind == BOARD else _protocol()),
    }


def _board() -> dict[str, Any]:
    tables: dict[str, Any] = {
        "extends": _EXTENDS,
        "board": _table(
            "What the device is.",
            {
                "name": _name("The device's name, as it shows it."),
                "chip": {"enum": list(CHIPS), "description": "The chip it is built with."},
            },
        ),
        "pins": _table(
            "Which pin serves what, as printed on the board.",
            {
                role: {"$ref": _pins_ref(asks), "description": _sentence(purpose)}
                for role, asks, _, purpose in ROLES
            },
        ),
        "wiring": _table(
            "What hangs on the pins.",
            {
                fact.key: {
                    "enum": list(fact.choices),
                    "description": fact.purpose,
                    "default": fact.choices[fact.default],
                }
                if fact.choices
                else _quantity(fact.unit, fact.low, fact.high, fact.default, fact.purpose)
                for fact in FACT_ROWS
            },
        ),
    }
    for name in dict.fromkeys(row.table for row in SETTING_ROWS):
        rows = [row for row in SETTING_ROWS if row.table == name]
        tables[name] = _table(f"Settings: {name}.", {row.key: _setting(row) for row in rows})
    tables["plant"] = _table(
        "This device's own pneumatics, as emery identify measured them.",
        {
            row.key: _quantity(row.unit, row.low, row.high, row.default, row.purpose)
            for row in PLANT_ROWS
        },
    )
    return {
        "properties": tables,
        "then": {
            "required": ["board"],
            "properties": {"board": {"required": ["name", "chip"]}},
        },
        "allOf": [_pins_of(chip) for chip in CHIPS],
        "$defs": {
            _pins_name(kind, *chip): _pins(kind, chip or CHIPS)
            for kind in dict.fromkeys(asks for _, asks, *_ in ROLES)
            for chip in ((), *((chip,) for chip in CHIPS))
        },
    }


def _protocol() -> dict[str, Any]:
    zone = _table(
        "One zone. Each states everything; in a file that extends another, a zone of a name "
        "that is there already states what differs.",
        {
            "name": _name("The zone's name, one of its own."),
            **{row.key: _setting(row, default=False) for row in ZONE_ROWS},
        },
    )
    zone["required"] = ["name"]
    return {
        "properties": {
            "extends": _EXTENDS,
            "protocol": _table(
                "What the treatment is.", {"name": _name("The protocol's name.")}
            ),
            "zone": {
                "type": "array",
                "items": zone,
                "maxItems": ZONES,
                "description": "The zones in the order in which they are treated.",
            },
        },
        "then": {
            "required": ["protocol", "zone"],
            "properties": {
                "protocol": {"required": ["name"]},
                "zone": {
                    "minItems": 1,
                    "items": {"required": ["name", *(row.key for row in ZONE_ROWS)]},
                },
            },
        },
    }


def _table(purpose: str, keys: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": purpose,
        "properties": keys,
        "additionalProperties": False,
    }


def _name(purpose: str) -> dict[str, Any]:
    return {
        "type": "string",
        "pattern": r"^[!-~]([ -~]*[!-~])?$",
        "maxLength": NAME_BYTES,
        "description": f"{purpose} At most {NAME_BYTES} plain characters.",
    }


def _setting(row: Row, *, default: bool = True) -> dict[str, Any]:
    if row.unit:
        value = row.default if default else None
        return _quantity(row.unit, row.low, row.high, value, row.purpose)
    return {
        "type": "integer",
        "minimum": row.low,
        "maximum": row.high,
        "description": _sentence(row.purpose),
    }


def _quantity(
    unit: str, low: int, high: int, default: int | None, purpose: str
) -> dict[str, Any]:
    units = "|".join(_escaped(shown) for shown in quantity.proposed_units(unit))
    found: dict[str, Any] = {
        "type": "string",
        "pattern": f"^ *{_NUMBER} *({units}) *$",
        "description": f"{_sentence(purpose)} {quantity.range_text((low, high), unit)}.",
    }
    if default is not None:
        found["default"] = quantity.text(default, unit)
        found["examples"] = [quantity.text(default, unit)]
    return found


def _pins(kind: str, chips: tuple[str, ...]) -> dict[str, Any]:
    """The pins that may have a role of this kind."""
    pins = [
        pin_text(chip, gpio)
        for chip in chips
        for gpio in range(HIGHEST_GPIO + 1)
        if may_serve(chip, kind, gpio)
    ]
    return {"enum": [*dict.fromkeys(pins), NO_PIN_TEXT]}


def _pins_name(kind: str, chip: str = "") -> str:
    return f"pins_{kind.replace(' ', '_')}{f'_{chip}' if chip else ''}"


def _pins_ref(kind: str, chip: str = "") -> str:
    return f"#/$defs/{_pins_name(kind, chip)}"


def _pins_of(chip: str) -> dict[str, Any]:
    """The pins that each role may have, once the file says which chip it is."""
    return {
        "if": {
            "properties": {
                "board": {"properties": {"chip": {"const": chip}}, "required": ["chip"]}
            },
            "required": ["board"],
        },
        "then": {
            "properties": {
                "pins": {
                    "properties": {
                        role: {"$ref": _pins_ref(asks, chip)} for role, asks, *_ in ROLES
                    }
                }
            }
        },
    }


def _sentence(purpose: str) -> str:
    return f"{purpose[0].upper()}{purpose[1:]}." if purpose else ""


def _escaped(unit: str) -> str:
    return unit.replace("^", r"\^").replace("/", r"\/").replace(".", r"\.")
