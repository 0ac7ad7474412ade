"""The sections of a config: kept whole, kept when unknown, and refused when damaged."""

import struct
from binascii import crc32

from hypothesis import given
from hypothesis import strategies as st

from firmware import config_file
from firmware.config_file import CONFIG_LONGEST, section, settings_of, with_section, with_settings
from firmware.settings import SettingsError, encode
from hal import wiring
from hal.wiring import WiringError
from host_tests.bench import bench_settings
from host_tests.pins import reference_wiring

WIRED = wiring.encode(reference_wiring(wiring.RP2040))
SETTINGS = encode(bench_settings())
BARE = WIRED + SETTINGS
OTHER = encode(bench_settings(pass_gap_ms=5_000))

MAGICS = st.sampled_from((config_file.CERTIFICATE, config_file.PLANT, b"NEXT", b"\x00\xff?!"))
SECTIONS = st.dictionaries(MAGICS, st.binary(min_size=1, max_size=200), max_size=4)


def built(sections: dict[bytes, bytes]) -> bytes:
    blob = BARE
    for magic, payload in sections.items():
        blob = with_section(blob, magic, payload)
    return blob


def is_taken(blob: bytes) -> bool:
    try:
        config_file.check(blob)
    except (SettingsError, WiringError):
        return False
    return True


@given(SECTIONS)
def test_what_is_put_in_is_found_and_nothing_else(sections: dict[bytes, bytes]) -> None:
    blob = built(sections)
    config_file.check(blob)
    assert settings_of(blob) == SETTINGS
    assert blob[: len(BARE)] == BARE
    for magic in (config_file.CERTIFICATE, config_file.PLANT, b"NEXT", b"none"):
        assert section(blob, magic) == sections.get(magic, b"")


@given(SECTIONS, MAGICS, st.binary(max_size=200))
def test_one_section_changes_alone_and_in_its_place(
    sections: dict[bytes, bytes], magic: bytes, payload: bytes
) -> None:
    blob = with_section(built(sections), magic, payload)
    config_file.check(blob)
    expected = {**sections, magic: payload}
    assert blob == built({name: kept for name, kept in expected.items() if kept})


@given(SECTIONS)
def test_other_settings_keep_every_section(sections: dict[bytes, bytes]) -> None:
    blob = with_settings(built(sections), OTHER)
    config_file.check(blob)
    assert settings_of(blob) == OTHER
    assert with_settings(blob, SETTINGS) == built(sections)


@given(SECTIONS, st.data())
def test_damage_anywhere_is_refused(sections: dict[bytes, bytes], data: st.DataObject) -> None:
    blob = bytearray(built(sections))
    at = data.draw(st.integers(0, len(blob) - 1), "at")
    blob[at] ^= data.draw(st.integers(1, 255), "how")
    assert not is_taken(bytes(blob))


def test_every_flipped_bit_is_refused() -> None:
    blob = built({config_file.CERTIFICATE: bytes(39), b"NEXT": b"later"})
    for at in range(len(blob)):
        for bit in range(8):
            damaged = bytearray(blob)
            damaged[at] ^= 1 << bit
            assert not is_taken(bytes(damaged)), (at, bit)


@given(SECTIONS)
def test_a_file_that_ends_too_early_is_refused(sections: dict[bytes, bytes]) -> None:
    blob = built(sections)
    whole = {len(BARE)}
    for count in range(1, len(sections) + 1):
        whole.add(len(built(dict(list(sections.items())[:count]))))
    for length in range(len(blob)):
        # Where a section ends the file is one that never had the next.
        assert is_taken(blob[:length]) == (length in whole)


@given(SECTIONS, st.binary(min_size=1, max_size=9))
def test_what_is_no_section_is_refused(sections: dict[bytes, bytes], rest: bytes) -> None:
    assert not is_taken(built(sections) + rest)


def test_a_section_that_is_there_twice_is_refused() -> None:
    once = with_section(BARE, b"NEXT", b"a")
    assert not is_taken(once + with_section(BARE, b"NEXT", b"b")[len(BARE) :])


def test_the_longest_config_is_taken_and_a_longer_one_is_not() -> None:
    head = len(with_section(BARE, b"NEXT", b"x")) - 1
    assert is_taken(with_section(BARE, b"NEXT", bytes(CONFIG_LONGEST - head)))
    assert not is_taken(with_section(BARE, b"NEXT", bytes(CONFIG_LONGEST - head + 1)))


@given(st.binary(min_size=16, max_size=16), st.integers(0, 255), st.integers(0, 255))
def test_whole_but_absurd_wiring_is_refused_or_taken_and_never_a_crash(
    name: bytes, chip: int, version: int
) -> None:
    body = bytearray(WIRED[:-4])
    body[4], body[5] = version, chip
    body[6:22] = name
    blob = bytes(body) + struct.pack("<I", crc32(body)) + SETTINGS
    if is_taken(blob):
        assert (version, chip) == (wiring.WIRING_VERSION, wiring.RP2040)
        assert wiring.decode(blob).board_name.encode() == name.rstrip(b"\x00")


@given(st.binary(max_size=700))
def test_rubbish_is_refused_in_words(rubbish: bytes) -> None:
    for blob in (rubbish, WIRED + rubbish, WIRED + b"EMRY" + rubbish):
        assert not is_taken(blob)
        settings_of(blob)
        section(blob, b"NEXT")
