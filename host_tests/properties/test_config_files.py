"""Properties of config files: valid settings survive the way through TOML, and
nothing that a file may hold leads anywhere but to settings or a ConfigError.
"""

import copy
import random
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emery import slot
from emery.config.compile import compile_board
from emery.config.document import Document
from emery.config.load import finished_board, finished_protocol, load
from emery.config.pins import FACT_ROWS
from emery.config.places import Place, Places
from emery.config.problem import ConfigError
from emery.config.quantity import QuantityError, parse, parse_exact, parse_whole, text
from emery.config.rows import SETTING_ROWS, ZONE_ROWS, Row
from firmware import limits
from firmware.settings import NAME_BYTES, Settings, Zone, broken_rules, decode, encode
from hal import wiring

CONFIGS = Path(slot.ROOT) / "board_configs"
SHIPPED = [
    path.read_bytes()
    for path in (*CONFIGS.glob("*_reference.toml"), CONFIGS / "protocols" / "face.toml")
]


def row_value(row: Row) -> st.SearchStrategy[int]:
    return st.integers(row.low, row.high) | st.sampled_from([row.low, row.default, row.high])


names = st.text(
    st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=NAME_BYTES
).filter(lambda name: name == name.strip())


@st.composite
def valid_settings(draw: st.DrawFn) -> Settings:
    """Settings within their ranges that break no rule: drawn values are taken
    over as long as the rules allow it."""
    settings = Settings()
    for row in draw(st.permutations(SETTING_ROWS)):
        before = getattr(settings, row.name)
        setattr(settings, row.name, draw(row_value(row)))
        if broken_rules(settings):
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


def toml_text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def toml_line(row: Row, value: int) -> str:
    return f"{row.key} = {toml_text(text(value, row.unit)) if row.unit else value}\n"


def board_toml(settings: Settings) -> str:
    lines = ['[board]\nname = "b"\nchip = "rp2040"\n']
    for table in dict.fromkeys(row.table for row in SETTING_ROWS):
        lines.append(f"[{table}]\n")
        rows = [row for row in SETTING_ROWS if row.table == table]
        lines += [toml_line(row, getattr(settings, row.name)) for row in rows]
    return "".join(lines)


def protocol_toml(settings: Settings) -> str:
    lines = [f"[protocol]\nname = {toml_text(settings.protocol_name)}\n"]
    for zone in settings.zones:
        lines.append(f"[[zone]]\nname = {toml_text(zone.name)}\n")
        lines += [toml_line(row, getattr(zone, row.name)) for row in ZONE_ROWS]
    return "".join(lines)


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


@given(settings=valid_settings())
def test_settings_survive_the_way_through_toml(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round_trip")
    board, protocol = folder / "b.toml", folder / "p.toml"
    board.write_text(board_toml(settings), encoding="utf-8")
    protocol.write_text(protocol_toml(settings), encoding="utf-8")
    loaded = load(board, protocol)
    assert encode(loaded) == encode(settings)
    decode(encode(loaded))


@st.composite
def valid_wirings(draw: st.DrawFn) -> wiring.Wiring:
    """A wiring that breaks no rule: each role draws a pin among those that break none."""
    drawn = wiring.Wiring(draw(st.integers(0, len(wiring.CHIPS) - 1)), draw(names))
    for name, _, low, high, _, _ in wiring.FACTS:
        setattr(drawn, name, draw(st.integers(low, high)))
    # Analog roles first and outputs last: the fewer pins fit, the sooner.
    for role, _, required, _ in sorted(wiring.ROLES, key=lambda row: PICKED.index(row[1])):
        fit = [gpio for gpio in range(49) if fits(drawn, role, gpio)]
        if required or draw(st.booleans()):
            setattr(drawn, role, draw(st.sampled_from(fit)))
    assert wiring.broken_rules(drawn) == []
    return drawn


PICKED = (
    wiring.ANALOG, wiring.SENSE, wiring.BUS, wiring.DRIVE, wiring.PULLED_UP, wiring.SIGNAL
)  # fmt: skip


def fits(drawn: wiring.Wiring, role: str, gpio: int) -> bool:
    other = copy.copy(drawn)
    setattr(other, role, gpio)
    if role == "i2c_sda" and drawn.chip == wiring.RP2040:
        # Only with its partner free: the two are drawn one after the other.
        setattr(other, "i2c_scl", gpio + 1)  # noqa: B010 - a field of the table
    return all(problem == "needs a pin" for _, problem in wiring.broken_rules(other))


def wiring_toml(drawn: wiring.Wiring) -> str:
    chip = wiring.CHIPS[drawn.chip]
    lines = [f"[board]\nname = {toml_text(drawn.board_name)}\nchip = {toml_text(chip)}\n[pins]\n"]
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


@given(drawn=valid_wirings())
def test_a_wiring_survives_the_way_through_toml_to_the_device(
    drawn: wiring.Wiring, tmp_path_factory: pytest.TempPathFactory
) -> None:
    board = tmp_path_factory.mktemp("wiring") / "b.toml"
    board.write_text(wiring_toml(drawn), encoding="utf-8")
    protocol = CONFIGS / "protocols" / "hands.toml"
    blob = compile_board(board, protocol)
    assert vars(wiring.decode(blob)) == vars(drawn)
    assert blob == wiring.encode(drawn) + encode(load(board, protocol))


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


@given(st.randoms(use_true_random=False), st.integers(1, 12), st.sampled_from(SHIPPED))
def test_any_mutation_of_a_shipped_file(
    source: random.Random, edits: int, original: bytes
) -> None:
    content = bytearray(original)
    for _ in range(edits):
        start = source.randrange(len(content))
        stop = start + source.choice((0, 1, 1, 2, 20, 200))
        piece = source.choice(
            (b"", b'"', b"[", b"]", b"=", b"\n", b".", b" ", b"9", b"-", b"\x00", b"\xff", b"{",
             bytes(content[stop : stop + 30]), "é".encode(), b"kPa", b"#")
        )  # fmt: skip
        content[start:stop] = piece
    judged(bytes(content))


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
texts = st.text(max_size=30) | st.builds("{}{}{}{}".format, numbers, st.sampled_from(["", " "]),
                                         units, units | st.just(""))  # fmt: skip


@given(texts, st.sampled_from(["Pa", "ms", "permille", "mg/min", "permille/kPa", "K"]))
def test_any_text_is_a_quantity_or_a_quantity_error(written: str, unit: str) -> None:
    try:
        exact = parse_exact(written, unit)
    except QuantityError as error:
        assert error.what
        assert error.expected
        assert error.remedy
    else:
        assert parse(written, unit) == float(exact)
