"""What editors are given: schemas that accept every file in order and mark mistakes.
And the page with all keys.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from emery import slot
from emery.config.check import check
from emery.config.compile import compile_board
from emery.config.compiled import decompile
from emery.config.docs import page
from emery.config.edit import board_keys
from emery.config.kind import BOARD, PROTOCOL
from emery.config.load import load_board
from emery.config.pins import pin_text
from emery.config.problem import ConfigError
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from emery.config.schema import KINDS, schema
from emery.config.write import board_toml, protocol_toml
from hal.wiring import CHIPS, ROLES

CONFIGS = Path(slot.ROOT) / "board_configs"
BOARDS = sorted(CONFIGS.glob("*.toml"))
PROTOCOLS = sorted((CONFIGS / "protocols").glob("*.toml"))
ZONE = {
    "name": "nose", "level": 5, "flow": "6 g/min", "passes": 3, "pass_time": "90 s",
    "pass_crystals": "9 g", "dose": "22.5 g",
}  # fmt: skip
NAMED = {"name": "b", "chip": "rp2040"}


VALIDATORS = {kind: jsonschema.Draft202012Validator(schema(kind)) for kind in KINDS}


def errors(kind: str, document: dict[str, Any]) -> list[str]:
    return [error.message for error in VALIDATORS[kind].iter_errors(document)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_schemas_are_schemas_and_the_files_beside_the_boards_are_theirs(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    file = CONFIGS / f"{kind}.schema.json"
    written = file.read_text(encoding="utf-8")
    assert json.loads(written) == schema(kind), f"emery config schema {kind} > {file.name}"
    assert written == json.dumps(schema(kind), indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("path", [*BOARDS, *PROTOCOLS], ids=lambda path: path.stem)
def test_shipped_files_satisfy_their_schema(path: Path) -> None:
    kind = BOARD if path in BOARDS else PROTOCOL
    assert errors(kind, tomllib.loads(path.read_text(encoding="utf-8"))) == []


def test_written_files_satisfy_their_schema() -> None:
    config = decompile(compile_board(BOARDS[-1], PROTOCOLS[0]))
    assert errors(BOARD, tomllib.loads(board_toml(config))) == []
    assert errors(PROTOCOL, tomllib.loads(protocol_toml(config))) == []


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"board": {"name": "b"}},
        {"board": NAMED | {"chip": "rp2400"}},
        {"board": NAMED | {"name": "a name that is too long"}},
        {"board": NAMED | {"name": "é"}},
        {"board": NAMED, "protection": {"hard_limit": 45}},
        {"board": NAMED, "protection": {"hard_limit": "45"}},
        {"board": NAMED, "protection": {"hard_limit": "45 ms"}},
        {"board": NAMED, "protection": {"hard_limit": "4,5 kPa"}},
        {"board": NAMED, "protection": {"hard_limt": "45 kPa"}},
        {"board": NAMED, "protecton": {}},
        {"board": NAMED, "pins": {"pump": 2}},
        {"board": NAMED, "pins": {"pump": "GPIO25"}},  # of another chip
        {"board": NAMED, "pins": {"pump": "GP25"}},  # the Pico's own
        {"board": NAMED, "pins": {"vacuum_a": "GP2"}},  # no ADC
        {"board": NAMED | {"chip": "esp32"}, "pins": {"pump": "GPIO12"}},  # strapping
        {"board": NAMED | {"chip": "esp32"}, "pins": {"pump": "GPIO34"}},  # input only
        {"board": NAMED, "wiring": {"motion_sensor": "lis3dh"}},
        {"board": NAMED, "wiring": {"pump_pwm": 20_000}},
        {"board": NAMED, "plant": {"volume": 0.7}},
        {"board": NAMED, "plant": {"volume": "700 g"}},
        {"extends": 3},
        {"extends": ""},
    ],
)
def test_mistakes_in_a_board_are_marked(document: dict[str, Any]) -> None:
    good = {"board": NAMED, "protection": {"hard_limit": "42.5 kPa"}, "pins": {"pump": "GP2"}}
    assert errors(BOARD, good) == []
    assert errors(BOARD, {"extends": "x.toml", "protection": {"hard_limit": "40 mbar"}}) == []
    assert errors(BOARD, document) != []


@pytest.mark.parametrize(
    "document",
    [
        {"protocol": {"name": "p"}},
        {"protocol": {"name": "p"}, "zone": []},
        {"protocol": {"name": "p"}, "zone": ZONE},
        {"protocol": {"name": "p"}, "zone": [{**ZONE, "level": 11}]},
        {"protocol": {"name": "p"}, "zone": [{**ZONE, "passes": "3"}]},
        {"protocol": {"name": "p"}, "zone": [{**ZONE, "flow": 6}]},
        {"protocol": {"name": "p"}, "zone": [{key: ZONE[key] for key in ZONE if key != "dose"}]},
        {"protocol": {"name": "p"}, "zone": [ZONE] * 17},
        {"extends": "face.toml", "zone": [{"level": 3}]},
        {"extends": "face.toml", "zone": [{"name": "nose", "levl": 3}]},
    ],
)
def test_mistakes_in_a_protocol_are_marked(document: dict[str, Any]) -> None:
    assert errors(PROTOCOL, {"protocol": {"name": "p"}, "zone": [ZONE]}) == []
    assert errors(PROTOCOL, {"extends": "x", "zone": [{"name": "nose", "level": 3}]}) == []
    assert errors(PROTOCOL, document) != []


def test_every_key_is_explained_and_no_bare_number_passes() -> None:
    properties = schema(BOARD)["properties"]
    for key, purpose in board_keys().items():
        table, _, name = key.partition(".")
        told = properties[table]["properties"][name]
        assert told.get("description") or purpose == ""
        for bare in (1, 1.5, True):
            assert errors(BOARD, {"extends": "x", table: {name: bare}}) != [], key
    zone = schema(PROTOCOL)["properties"]["zone"]["items"]["properties"]
    assert set(zone) == {"name", *(row.key for row in ZONE_ROWS)}


@pytest.mark.parametrize("chip", CHIPS)
def test_the_pins_of_a_role_are_those_that_the_check_takes(chip: str, tmp_path: Path) -> None:
    reference = next(path for path in BOARDS if load_board(path).chip == chip)
    wiring = load_board(reference).wiring
    for role, pins in (("feed", (0, 7, 12, 25, 34, 48)), ("led_ready", (0, 7, 14, 26, 38, 46))):
        for gpio in pins:
            free = [
                other for other, *_ in ROLES if getattr(wiring, other) == gpio and other != role
            ]
            pin = pin_text(chip, gpio)
            lines = [f'extends = "{reference}"', "[pins]", f'{role} = "{pin}"']
            path = tmp_path / "b.toml"
            path.write_text("\n".join([*lines, *(f'{other} = "none"' for other in free)]))
            try:
                told: list[str] = []
                check(path)
            except ConfigError as error:
                told = [found.what for found in error.problems if found.key == f"pins.{role}"]
            document = {"board": {"name": "b", "chip": chip}, "pins": {role: pin}}
            assert bool(told) == bool(errors(BOARD, document)), (pin, told)


def test_the_page_of_all_keys_is_written_from_the_tables() -> None:
    file = CONFIGS / "SETTINGS.md"
    assert file.read_text(encoding="utf-8") == page(), f"emery config docs > {file.name}"
    keys = re.findall(r"^\| `(\w+)`", page(), re.MULTILINE)
    wanted = [key.partition(".")[2] for key in board_keys()][2:]
    assert keys == [*wanted, *(row.key for row in ZONE_ROWS)]
    assert len(keys) > len(SETTING_ROWS) + len(ROLES)
