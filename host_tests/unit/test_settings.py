"""Compiled settings: whatever is not exactly right is refused by name."""

import struct
from binascii import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware import limits
from firmware.settings import (
    MAGIC,
    NAME_BYTES,
    SCHEMA_VERSION,
    SETTINGS,
    UNIT_SUFFIXES,
    ZONE_FIELDS,
    Settings,
    SettingsError,
    Zone,
    broken_rules,
    compiled_length,
    decode,
    encode,
    range_problem,
)

NAMES = [row[0] for row in SETTINGS]
I32 = st.integers(-(2**31), 2**31 - 1)


def a_zone(name: str = "chin", **values: int) -> Zone:
    zone = Zone(name)
    for key, value in values.items():
        setattr(zone, key, value)
    return zone


def good_settings(**values: int) -> Settings:
    """The defaults with two zones, and `values` in place of some."""
    settings = Settings()
    settings.protocol_name = "face"
    settings.zones = (a_zone("chin", level=3, flow_mg_min=6_000), a_zone("forehead", level=10))
    for key, value in values.items():
        setattr(settings, key, value)
    return settings


def sealed(body: bytes) -> bytes:
    """`body` with a CRC that agrees with it."""
    return body + struct.pack("<I", crc32(body))


def patched(blob: bytes, offset: int, data: bytes) -> bytes:
    """`blob` with `data` at `offset`, and its CRC made to agree."""
    body = bytearray(blob[:-4])
    body[offset : offset + len(data)] = data
    return sealed(bytes(body))


def setting_offset(name: str) -> int:
    return 8 + 4 * NAMES.index(name)


def zone_offset(number: int) -> int:
    return compiled_length(number - 1) - 4


def field_of(blob: bytes) -> str:
    """The field that decode names when it refuses `blob`."""
    try:
        decode(blob)
    except SettingsError as error:
        assert str(error) == f"{error.field}: {error.problem}"
        return error.field
    return "(accepted)"


def as_data(settings: Settings) -> list[object]:
    data: list[object] = [settings.protocol_name]
    data += [getattr(settings, name) for name in NAMES]
    for zone in settings.zones:
        data += [zone.name, *(getattr(zone, row[0]) for row in ZONE_FIELDS)]
    return data


def test_defaults_keep_every_range_and_rule() -> None:
    settings = good_settings()
    assert [range_problem(row, row[5]) for row in SETTINGS] == [""] * len(SETTINGS)
    assert broken_rules(settings) == []
    assert as_data(decode(encode(settings))) == as_data(settings)


def test_every_single_bit_flip_is_refused() -> None:
    blob = encode(good_settings())
    accepted = []
    for bit in range(len(blob) * 8):
        damaged = bytearray(blob)
        damaged[bit // 8] ^= 1 << bit % 8
        if field_of(bytes(damaged)) == "(accepted)":
            accepted.append(bit)
    assert accepted == []


def test_damage_is_named_as_damage() -> None:
    blob = bytearray(encode(good_settings()))
    # A change that would still be in range: only the CRC can tell.
    blob[setting_offset("pass_gap_ms")] ^= 1
    assert field_of(bytes(blob)) == "crc"


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_out_of_range_is_named(name: str) -> None:
    row = SETTINGS[NAMES.index(name)]
    blob = encode(good_settings())
    for value in (row[3] - 1, row[4] + 1, -(2**31), 2**31 - 1):
        assert field_of(patched(blob, setting_offset(name), struct.pack("<i", value))) == name


@pytest.mark.parametrize("index", range(len(ZONE_FIELDS)))
@pytest.mark.parametrize("number", [1, 2])
def test_a_zone_field_out_of_range_is_named_with_its_zone(number: int, index: int) -> None:
    row = ZONE_FIELDS[index]
    blob = encode(good_settings())
    offset = zone_offset(number) + NAME_BYTES + 4 * index
    for value in (row[3] - 1, row[4] + 1, -(2**31), 2**31 - 1):
        blamed = field_of(patched(blob, offset, struct.pack("<i", value)))
        assert blamed == f"zone {number} {row[0]}"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("hold_low_permille", {"hold_low_permille": 400, "hold_high_permille": 400}),
        ("pump_start_permille", {"pump_start_permille": 300, "hold_low_permille": 300}),
        ("contact_off_pa", {"contact_off_pa": 4_000, "contact_on_pa": 4_000}),
        ("contact_off_permille", {"contact_off_permille": 250, "contact_on_permille": 250}),
        ("soft_time_ms", {"soft_time_ms": 200, "soft_latch_ms": 200}),
        # The supply must use the converter, and stay inside it.
        ("sensor_supply_divider_permille", {"sensor_supply_divider_permille": 100}),
        ("sensor_supply_divider_permille", {"sensor_supply_divider_permille": 660}),
        ("vacuum_a_divider_permille", {"vacuum_a_divider_permille": 300}),
        ("vacuum_b_divider_permille", {"vacuum_b_divider_permille": 300}),
        ("vacuum_a_divider_permille", {"vacuum_a_divider_permille": 1000}),
        ("vacuum_b_divider_permille", {"vacuum_b_divider_permille": 1000}),
        # Level 10 with its margin of 4 kPa needs more than 44 kPa.
        ("zone 2 level", {"hard_limit_pa": 44_000}),
    ],
)
def test_a_broken_rule_is_named(field: str, values: dict[str, int]) -> None:
    settings = good_settings(**values)
    assert [name for name, _ in broken_rules(settings)] == [field]
    assert field_of(encode(settings)) == field


def test_a_rule_is_broken_by_equality_and_kept_one_step_further() -> None:
    assert broken_rules(good_settings(contact_off_pa=3_999, contact_on_pa=4_000)) == []
    assert broken_rules(good_settings(hold_low_permille=399, hold_high_permille=400)) == []
    assert broken_rules(good_settings(pump_start_permille=299, hold_low_permille=300)) == []
    assert broken_rules(good_settings(soft_time_ms=199, soft_latch_ms=200)) == []
    assert broken_rules(good_settings(hard_limit_pa=44_001)) == []


def test_wrong_heads_are_named() -> None:
    blob = encode(good_settings())
    assert field_of(patched(blob, 0, b"YRME")) == "magic"
    assert field_of(patched(blob, 4, struct.pack("<H", SCHEMA_VERSION + 1))) == "schema"
    assert field_of(patched(blob, 4, struct.pack("<H", 0))) == "schema"
    assert field_of(patched(blob, 6, struct.pack("<H", len(SETTINGS) + 1))) == "count"
    assert field_of(patched(blob, 6, struct.pack("<H", len(SETTINGS) - 1))) == "count"


@pytest.mark.parametrize("length", [0, 1, 7, 8, compiled_length(0) - 1])
def test_too_little_is_named_as_length(length: int) -> None:
    blob = encode(good_settings())
    assert field_of(blob[:length]) == "length"


def test_every_cut_and_every_tail_is_refused() -> None:
    blob = encode(good_settings())
    assert {field_of(blob[:length]) for length in range(len(blob))} == {"length"}
    assert field_of(blob + b"\x00") == "length"
    assert field_of(sealed(blob)) == "length"


def test_zones_are_counted() -> None:
    one_too_many = good_settings()
    one_too_many.zones = tuple(a_zone(f"zone {n}") for n in range(limits.ZONES + 1))
    assert field_of(encode(one_too_many)) == "zones"
    full = good_settings()
    full.zones = one_too_many.zones[:-1]
    assert len(decode(encode(full)).zones) == limits.ZONES
    none = good_settings()
    none.zones = ()
    assert field_of(encode(none)) == "zones"


def test_names_must_be_plain_text() -> None:
    blob = encode(good_settings())
    protocol_name = compiled_length(0) - 4 - 1 - NAME_BYTES
    for raw in (bytes(NAME_BYTES), b"\x07".ljust(NAME_BYTES, b"\0"), b"\xff" * NAME_BYTES):
        assert field_of(patched(blob, protocol_name, raw)) == "protocol name"
        assert field_of(patched(blob, zone_offset(2), raw)) == "zone 2 name"
    inside = b"ch\x00n".ljust(NAME_BYTES, b"\0")
    assert field_of(patched(blob, zone_offset(1), inside)) == "zone 1 name"
    longest = "f" * NAME_BYTES
    settings = good_settings()
    settings.protocol_name = longest
    assert decode(encode(settings)).protocol_name == longest


@given(st.binary(max_size=400))
@example(b"")
@example(MAGIC)
def test_random_bytes_raise_settings_error_only(data: bytes) -> None:
    assert field_of(data) != "(accepted)"
    # Nor do they where the CRC agrees by chance, or by intent.
    assert field_of(sealed(data)) != "(accepted)"


@given(st.data())
def test_random_values_under_a_good_seal_raise_settings_error_only(data: st.DataObject) -> None:
    zone_count = data.draw(st.integers(0, 3))
    head = struct.pack("<4sHH", MAGIC, SCHEMA_VERSION, len(SETTINGS))
    drawn = [
        data.draw(st.one_of(st.sampled_from((row[3], row[4], row[5])), I32)) for row in SETTINGS
    ]
    body = head + struct.pack(f"<{len(drawn)}i", *drawn)
    body += data.draw(st.binary(min_size=NAME_BYTES, max_size=NAME_BYTES)) + bytes([zone_count])
    size = compiled_length(zone_count) - compiled_length(0)
    blob = sealed(body + data.draw(st.binary(min_size=size, max_size=size)))
    assert len(blob) == compiled_length(zone_count)
    if field_of(blob) == "(accepted)":
        accepted = decode(blob)
        assert broken_rules(accepted) == []
        assert all(not range_problem(row, getattr(accepted, row[0])) for row in SETTINGS)


PLAIN_NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=16)


@st.composite
def in_range_settings(draw: st.DrawFn) -> Settings:
    settings = Settings()
    settings.protocol_name = draw(PLAIN_NAMES)
    # Few at a time stray from the defaults: otherwise some rule is always broken.
    for row in draw(st.lists(st.sampled_from(SETTINGS), max_size=6)):
        setattr(settings, row[0], draw(st.integers(row[3], row[4])))
    zones = []
    for name in draw(st.lists(PLAIN_NAMES, min_size=1, max_size=4)):
        zone = Zone(name)
        for row in ZONE_FIELDS:
            setattr(zone, row[0], draw(st.integers(row[3], row[4])))
        zones.append(zone)
    settings.zones = tuple(zones)
    return settings


def in_order(settings: Settings) -> Settings:
    """`settings` with whatever a rule blames put back to its default."""
    defaults = {row[0]: row[5] for row in SETTINGS}
    while broken := broken_rules(settings):
        field = broken[0][0]
        if field.endswith(" name"):
            zone = settings.zones[int(field.split()[1]) - 1]
            zone.name = field  # such as "zone 3 name": no other zone has it
        elif field.startswith("zone "):
            settings.zones[int(field.split()[1]) - 1].level = 1
        elif getattr(settings, field) != defaults[field]:
            setattr(settings, field, defaults[field])
        else:
            # The other side of the rule is the one that strayed.
            for name, default in defaults.items():
                setattr(settings, name, default)
    return settings


@given(in_range_settings().map(in_order))
def test_what_is_encoded_is_decoded(settings: Settings) -> None:
    assert as_data(decode(encode(settings))) == as_data(settings)


@given(in_range_settings())
def test_settings_are_accepted_exactly_when_no_rule_is_broken(settings: Settings) -> None:
    broken = broken_rules(settings)
    assert field_of(encode(settings)) == (broken[0][0] if broken else "(accepted)")


@given(in_range_settings().map(in_order), st.integers(0), st.integers(1, 255))
def test_no_changed_byte_is_accepted(settings: Settings, place: int, change: int) -> None:
    blob = bytearray(encode(settings))
    blob[place % len(blob)] ^= change
    assert field_of(bytes(blob)) != "(accepted)"


def test_a_name_that_is_no_setting_is_an_error() -> None:
    with pytest.raises(AttributeError, match="vacum_pa"):
        _ = Settings().vacum_pa
    with pytest.raises(AttributeError, match="levl"):
        _ = Zone("chin").levl


@pytest.mark.parametrize("row", [*SETTINGS, *ZONE_FIELDS], ids=lambda row: row[0])
def test_a_row_of_the_table_is_whole(row: tuple[str, str, str, int, int, int, str, str]) -> None:
    name, _table, unit, lowest, highest, default, who, meaning = row
    suffixes = dict(UNIT_SUFFIXES)
    assert name.endswith(suffixes[unit])
    # The longest ending that fits is the one of the unit.
    fitting = [suffix for suffix in suffixes.values() if suffix and name.endswith(suffix)]
    assert max(fitting, key=len, default="") == suffixes[unit]
    assert lowest < highest
    assert lowest <= default <= highest
    assert who in ("technician", "engineer")
    assert meaning


def test_names_and_places_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)
    keys = [(row[1], row[0]) for row in SETTINGS]
    assert len(set(keys)) == len(keys)
    fields = [row[0] for row in ZONE_FIELDS]
    assert len(set(fields)) == len(fields)
