"""Properties of config files: valid settings survive the way through TOML, and
nothing that a file may hold leads anywhere but to settings or a ConfigError.
"""

import json
import random
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from emery import slot
from emery.config.command import config_app
from emery.config.compile import compile_board
from emery.config.compiled import DeviceConfig, NotAConfig, decompile, encode_config, texts
from emery.config.document import Document
from emery.config.edit import board_keys, set_values
from emery.config.load import finished_board, finished_protocol
from emery.config.pins import FACT_ROWS
from emery.config.places import Place, Places
from emery.config.problem import ConfigError
from emery.config.quantity import QuantityError, parse, parse_exact, parse_whole, text
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from emery.config.write import board_toml, protocol_toml, text_value
from firmware.settings import encode
from hal import wiring
from host_tests.config_strategies import device_configs

CONFIGS = Path(slot.ROOT) / "board_configs"
SHIPPED = [
    path.read_bytes()
    for path in (*sorted(CONFIGS.glob("*.toml")), CONFIGS / "protocols" / "face.toml")
]

COMPILED = compile_board(CONFIGS / "pico_w.toml", CONFIGS / "protocols" / "face.toml")


def judged(content: bytes) -> None:
    """Read `content` as either kind of file; only a ConfigError may come out."""
    for finished in (finished_board, finished_protocol):
        try:
            finished(Document.from_bytes(content, "file.toml"))
        except ConfigError as error:
            assert error.problems
            for problem in error.problems:
                assert problem.file == "file.toml"
                assert problem.remedy
                assert problem.line >= 0
            lines = error.render().split("\n")
            assert all(line.isprintable() for line in lines)


def wiring_toml(drawn: wiring.Wiring) -> str:
    chip = wiring.CHIPS[drawn.chip]
    name = text_value(drawn.board_name)
    lines = [f"[board]\nname = {name}\nchip = {text_value(chip)}\n[pins]\n"]
    prefix = "GP" if chip == "rp2040" else "GPIO"
    for role, *_ in wiring.ROLES:
        gpio = getattr(drawn, role)
        if gpio != wiring.NO_PIN:
            lines.append(f'{role} = "{prefix}{gpio}"\n')
    lines.append(f'[wiring]\npump_pwm = "{drawn.pump_pwm_hz} Hz"\n')
    lines.append(f'feed_period = "{drawn.feed_period_ms} ms"\n')
    for name, choices in wiring.CHOICES:
        lines.append(f'{name} = "{choices[getattr(drawn, name)]}"\n')
    if chip != "rp2040":
        lines.append(
            '[timing]\ntick_period = "10 ms"\n'
            '[sensors]\nvacuum_a_divider = "47 %"\nvacuum_b_divider = "47 %"\n'
        )
    return "".join(lines)


@given(config=device_configs())
def test_nothing_is_lost_between_toml_and_the_compiled_form(
    config: DeviceConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round_trip")
    board, protocol = folder / "b.toml", folder / "p.toml"
    board.write_text(board_toml(config), encoding="utf-8")
    protocol.write_text(protocol_toml(config), encoding="utf-8")
    again = decompile(compile_board(board, protocol))
    assert (again.name, again.chip, again.plant) == (config.name, config.chip, config.plant)
    assert vars(again.wiring) == vars(config.wiring)
    assert encode(again.settings) == encode(config.settings)
    assert texts(again) == texts(config)
    assert encode_config(again) == encode_config(config)
    assert board_toml(again) == board_toml(config)
    assert protocol_toml(again) == protocol_toml(config)


@given(config=device_configs(), source=st.randoms(use_true_random=False))
def test_it_does_not_matter_in_which_file_of_a_chain_a_key_stands(
    config: DeviceConfig, source: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("chain")
    whole = tomllib.loads(board_toml(config))
    upper, lower = {}, {}
    for table, keys in whole.items():
        chosen = {key for key in keys if source.random() < 0.5}
        upper[table] = {key: value for key, value in keys.items() if key in chosen}
        # Some of what the upper file states stands in the lower one, too, and is wrong.
        lower[table] = {
            key: value if key not in chosen else 3
            for key, value in keys.items()
            if key not in chosen or source.random() < 0.3
        }
    (folder / "lower.toml").write_text(plain_toml(lower), encoding="utf-8")
    board = folder / "upper.toml"
    board.write_text('extends = "lower.toml"\n' + plain_toml(upper), encoding="utf-8")
    protocol = folder / "p.toml"
    protocol.write_text(protocol_toml(config), encoding="utf-8")
    again = decompile(compile_board(board, protocol))
    assert encode_config(again) == encode_config(config)


@settings(max_examples=15)  # each sets every key of a board
@given(pair=st.sampled_from(wiring.CHIPS).flatmap(
    lambda chip: st.tuples(device_configs(chip), device_configs(chip))
))  # fmt: skip
def test_an_edit_makes_one_board_of_another_and_keeps_its_comments(
    pair: tuple[DeviceConfig, DeviceConfig], tmp_path_factory: pytest.TempPathFactory
) -> None:
    before, after = pair
    folder = tmp_path_factory.mktemp("edit")
    board, protocol = folder / "b.toml", folder / "p.toml"
    written = board_toml(before)
    board.write_text(written, encoding="utf-8")
    protocol.write_text(protocol_toml(after), encoding="utf-8")
    wanted = {f"pins.{role}": "none" for role, *_ in wiring.ROLES} | texts(after)
    set_values(board, {key: value for key, value in wanted.items() if key in board_keys()})
    again = decompile(compile_board(board, protocol))
    assert again.plant == before.plant | after.plant
    assert encode_config(replace(again, plant=after.plant)) == encode_config(after)
    kept = board.read_text(encoding="utf-8").split("\n")
    for line in written.split("\n"):
        if line.startswith(("#", "[")):
            assert line in kept


def plain_toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    lines = []
    for table, keys in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join([*lines, ""])


@given(
    chip=st.integers(0, len(wiring.CHIPS) - 1),
    pins=st.lists(st.integers(0, 254), min_size=len(wiring.ROLES), max_size=len(wiring.ROLES)),
)
def test_what_the_host_refuses_the_device_refuses_too(chip: int, pins: list[int]) -> None:
    drawn = wiring.Wiring(chip, "b")
    for (role, *_), gpio in zip(wiring.ROLES, pins, strict=True):
        setattr(drawn, role, gpio)
    document = Document.from_bytes(wiring_toml(drawn).encode(), "file.toml")
    if wiring.broken_rules(drawn):
        with pytest.raises(ConfigError) as caught:
            finished_board(document)
        told = {problem.key for problem in caught.value.problems}
        assert told == {f"pins.{role}" for role, _ in wiring.broken_rules(drawn)}
        with pytest.raises(wiring.WiringError):
            wiring.decode(wiring.encode(drawn))
    else:
        assert finished_board(document).has_pins


@given(st.binary(max_size=400))
def test_any_bytes(content: bytes) -> None:
    judged(content)


@given(st.text(max_size=200))
def test_any_text(content: str) -> None:
    judged(content.encode("utf-8", "surrogatepass"))


values = st.recursive(
    st.sampled_from(
        ['"45 kPa"', '"12 inHg"', '"x"', '""', "3", "-7", "1e400", "nan", "-inf", "true", "0xff",
         '"GP2"', '"GPIO25"', '"LIS3DH"', "2020-01-02", "07:08:09", "'4 %'",
         '"4 g/min"', '"4 ms"', '"\\u001b"', '"nose"']
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    | st.lists(inner, max_size=3).map(
        lambda items: "{" + ", ".join(f"k{i} = {item}" for i, item in enumerate(items)) + "}"
    ),
    max_leaves=6,
)  # fmt: skip
keys = st.sampled_from(
    ["name", "chip", "zone", "protocol", "board", "a", "é", "level", '"q.r"', "flow", "k0"]
    + [row.key for row in SETTING_ROWS]
    + ["pins", "wiring", *(role[0] for role in wiring.ROLES), *(fact.key for fact in FACT_ROWS)]
).map(lambda key: key if key.isascii() else f'"{key}"')
dotted_keys = st.lists(keys, min_size=1, max_size=3).map(".".join)
toml_lines = st.one_of(
    st.builds("{} = {} # é".format, dotted_keys, values),
    st.builds("[{}]".format, dotted_keys),
    st.builds("[[{}]]".format, dotted_keys),
    st.sampled_from(
        ["[board]", "[protocol]", "[[zone]]", "[sensors]", "[protection]", "[pins]", "[wiring]"]
    ),
)


@given(st.lists(toml_lines, max_size=14).map("\n".join))
def test_any_toml(content: str) -> None:
    judged(content.encode())


def assert_placed(value: object, place: Place, lines: list[str]) -> None:
    """Every key and value has a place of its own, inside the text."""
    assert 1 <= place.line <= len(lines)
    assert 1 <= place.column <= len(lines[place.line - 1])
    assert (place.value_line, place.value_column) >= (place.line, place.column)
    if isinstance(value, Mapping):
        assert place.members.keys() == value.keys()
        for key, inner in value.items():
            assert_placed(inner, place.members[key], lines)
    elif isinstance(value, list):
        assert len(place.items) == len(value)
        for item, inner_place in zip(value, place.items, strict=True):
            assert_placed(item, inner_place, lines)
    else:
        assert not place.members
        assert not place.items


@given(st.lists(toml_lines, min_size=1, max_size=14).map("\n".join))
def test_the_places_have_the_shape_of_the_values(content: str) -> None:
    try:
        value = tomllib.loads(content)
    except tomllib.TOMLDecodeError:
        return
    if value:
        assert_placed(value, Places(content).root, content.split("\n"))


def mutated(source: random.Random, edits: int, original: bytes) -> bytes:
    content = bytearray(original)
    for _ in range(edits):
        start = source.randrange(len(content) + 1)
        stop = start + source.choice((0, 1, 1, 2, 20, 200))
        piece = source.choice(
            (b"", b'"', b"[", b"]", b"=", b"\n", b".", b" ", b"9", b"-", b"\x00", b"\xff", b"{",
             bytes(content[stop : stop + 30]), "é".encode(), b"kPa", b"#")
        )  # fmt: skip
        content[start:stop] = piece
    return bytes(content)


@given(st.randoms(use_true_random=False), st.integers(1, 12), st.sampled_from(SHIPPED))
def test_any_mutation_of_a_shipped_file(
    source: random.Random, edits: int, original: bytes
) -> None:
    judged(mutated(source, edits, original))


COMMANDS = (
    ["check", "FILE"],
    ["show", "FILE"],
    ["show", "FILE", "--json"],
    ["diff", "FILE"],
    ["diff", "FILE", str(CONFIGS / "pico_w.toml")],
    ["diff", str(CONFIGS / "pico_w.toml"), "FILE"],
    ["pins", "FILE"],
    ["compile", "FILE", "--output", "OUTPUT"],
    ["compile", str(CONFIGS / "pico_w.toml"), "--protocol", "FILE", "--output", "OUTPUT"],
    ["migrate", "FILE"],
    ["check", "EXTENDING"],
)


@given(
    source=st.randoms(use_true_random=False),
    edits=st.integers(0, 4),
    original=st.sampled_from([*SHIPPED, COMPILED]),
    words=st.sampled_from(COMMANDS),
)
def test_every_command_ends_well_or_with_exit_code_2(
    source: random.Random,
    edits: int,
    original: bytes,
    words: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("commands")
    for shipped in CONFIGS.glob("*.toml"):  # what a file may extend
        (folder / shipped.name).write_bytes(shipped.read_bytes())
    file = folder / "file.toml"
    file.write_bytes(mutated(source, edits, original))
    (folder / "extending.toml").write_text('extends = "file.toml"\n', encoding="utf-8")
    places = {"FILE": file, "OUTPUT": folder / "x.bin", "EXTENDING": folder / "extending.toml"}
    result = CliRunner().invoke(config_app, [str(places.get(word, word)) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.exit_code in (0, 2), result.output
    if result.exit_code:
        assert result.stderr.strip()
        assert not result.stdout.strip()
        assert not (folder / "x.bin").exists()
    else:
        assert not result.stderr.strip()


@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_any_mutation_of_a_compiled_config(source: random.Random, edits: int) -> None:
    try:
        config = decompile(mutated(source, edits, COMPILED))
    except NotAConfig as error:
        assert str(error).isprintable()
    else:
        assert encode_config(config) == encode_config(decompile(COMPILED))


@given(st.integers(1, 2_000), st.sampled_from(["[", "{a=", "[[[\n"]))
def test_any_depth(depth: int, opening: str) -> None:
    closing = {"[": "]", "{a=": "}", "[[[\n": "]]]\n"}[opening]
    judged(f"a = {opening * depth}1{closing * depth}".encode())


@given(st.data())
def test_shown_quantities_read_back(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from([row for row in (*SETTING_ROWS, *ZONE_ROWS) if row.unit]))
    value = data.draw(st.integers(-(2**30), 2**30))
    assert parse_whole(text(value, row.unit), row.unit) == value
    assert parse(text(value, row.unit), row.unit) == value


units = st.sampled_from(
    ["Pa", "kPa", "inHg", "dB", "dBm", "kdegC", "ms", "s", "min", "m", "%", "permille", "ppm",
     "g/min", "permille/kPa", "L", "V", "degC", "rad", "pA", "Min", "kPa/", "*", "^2", "x", "q"]
)  # fmt: skip
numbers = st.sampled_from(["45", "-3", "0.5", "1e99", "1e-99", "1e999", "1,5", "", ".", "+", "0"])
written = st.text(max_size=30) | st.builds("{}{}{}{}".format, numbers, st.sampled_from(["", " "]),
                                         units, units | st.just(""))  # fmt: skip


@given(written, st.sampled_from(["Pa", "ms", "permille", "mg/min", "permille/kPa", "K"]))
def test_any_text_is_a_quantity_or_a_quantity_error(written: str, unit: str) -> None:
    try:
        exact = parse_exact(written, unit)
    except QuantityError as error:
        assert error.what
        assert error.expected
        assert error.remedy
    else:
        assert parse(written, unit) == float(exact)
