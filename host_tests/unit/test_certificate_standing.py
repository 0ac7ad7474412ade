"""A certificate on the device: about these settings, this chip and this core, or none."""

import struct

import pytest

from firmware import certificate
from firmware.certificate import FORM, standing
from firmware.settings import SETTINGS
from hal import wiring
from host_tests.bench import bench_settings

CORE = "00112233445566ff"
SCATTER = bytes(range(8))


def payload(**changes: int) -> bytes:
    """One of the bench's settings with `changes`, on an RP2040 and the core CORE."""
    mark = certificate.settings_mark(bench_settings(**changes), wiring.RP2040)
    return certificate.encode(
        mark, bytes.fromhex(CORE), SCATTER, 240, 41_500, 1_240, 1_764_000_000
    )


def test_one_about_what_is_there_is_valid() -> None:
    assert standing(payload(), bench_settings(), wiring.RP2040, CORE) == "ok"
    assert certificate.figures(payload()) == (240, 41_500, 1_240)


def test_without_one_there_is_none() -> None:
    assert standing(b"", bench_settings(), wiring.RP2040, CORE) == "none"


@pytest.mark.parametrize("name", [row[0] for row in SETTINGS])
def test_any_other_value_of_any_setting_makes_it_another_ones(name: str) -> None:
    settings = bench_settings()
    setattr(settings, name, getattr(settings, name) + 1)
    assert standing(payload(), settings, wiring.RP2040, CORE) == "settings"


def test_it_is_for_every_protocol_and_for_one_chip() -> None:
    settings = bench_settings()
    settings.zones = settings.zones[:1]
    settings.protocol_name = "another"
    assert standing(payload(), settings, wiring.RP2040, CORE) == "ok"
    assert standing(payload(), settings, wiring.ESP32, CORE) == "settings"


def test_another_core_is_told_apart_from_other_settings() -> None:
    for at in range(0, len(CORE), 2):
        other = CORE[:at] + f"{int(CORE[at : at + 2], 16) ^ 1:02x}" + CORE[at + 2 :]
        assert standing(payload(), bench_settings(), wiring.RP2040, other) == "firmware"
    other_settings = bench_settings(pass_gap_ms=5_000)
    assert standing(payload(), other_settings, wiring.RP2040, "ff" * 8) == "settings"


def test_another_form_is_not_guessed_at() -> None:
    good = payload()
    for blob in (b"\x02" + good[1:], good[:-1], good + b"\x00", b"\x01", b"\x00"):
        assert standing(blob, bench_settings(), wiring.RP2040, CORE) == "version"


def test_every_bit_of_its_marks_counts() -> None:
    good = payload()
    scatter = range(17, 25)
    for at in range(struct.calcsize(FORM)):
        damaged = bytearray(good)
        damaged[at] ^= 1
        found = standing(bytes(damaged), bench_settings(), wiring.RP2040, CORE)
        if at == 0:
            assert found == "version"
        elif at < 9:
            assert found == "settings"
        elif at < 17:
            assert found == "firmware"
        else:
            # Which scatter it was is for the host; the figures are what it says.
            assert found == "ok"
    assert good[scatter[0] : scatter[-1] + 1] == SCATTER
