"""The wiring: its compiled form, and the rules of the chips."""

import struct
from binascii import crc32

import pytest

from hal import wiring
from hal.wiring import (
    BENCH,
    ESP32,
    ESP32S3,
    FACTS,
    LENGTH,
    NO_PIN,
    ROLES,
    RP2040,
    TREATMENT,
    WIRING_VERSION,
    Wiring,
    WiringError,
)
from host_tests.pins import reference_wiring

CHIPS = (RP2040, ESP32, ESP32S3)


@pytest.fixture(params=CHIPS, ids=wiring.CHIPS)
def wires(request: pytest.FixtureRequest) -> Wiring:
    return reference_wiring(request.param)


def refused(wires: Wiring) -> dict[str, str]:
    return dict(wiring.broken_rules(wires))


def test_the_compiled_form_comes_back(wires: Wiring) -> None:
    wires.pump_pwm_hz = 25_000
    wires.digital_vacuum = 2
    wires.led_ready = NO_PIN
    blob = wiring.encode(wires)
    assert len(blob) == LENGTH
    assert vars(wiring.decode(blob)) == vars(wires)
    assert vars(wiring.decode(blob + b"the settings follow")) == vars(wires)


def test_every_role_and_fact_is_in_it(wires: Wiring) -> None:
    before = wiring.encode(wires)
    for name, value in [(role[0], 77) for role in ROLES] + [(fact[0], 78) for fact in FACTS]:
        kept = getattr(wires, name)
        setattr(wires, name, value)
        assert wiring.encode(wires) != before, name
        setattr(wires, name, kept)


def test_every_flipped_bit_is_found(wires: Wiring) -> None:
    blob = wiring.encode(wires)
    for bit in range(8 * LENGTH):
        spoilt = bytearray(blob)
        spoilt[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WiringError):
            wiring.decode(bytes(spoilt))


@pytest.mark.parametrize(
    ("why", "at", "value"),
    [("magic", 0, b"EMRY"), ("version", 4, b"\x09"), ("chip", 5, b"\x07"), ("pump", 22, b"\x63")],
)
def test_a_head_that_is_of_something_else_is_named(
    wires: Wiring, why: str, at: int, value: bytes
) -> None:
    blob = wiring.encode(wires)[:-4]
    blob = blob[:at] + value + blob[at + len(value) :]
    with pytest.raises(WiringError) as caught:
        wiring.decode(blob + struct.pack("<I", crc32(blob)))
    assert caught.value.role == why


def test_damage_and_a_short_file_are_named(wires: Wiring) -> None:
    blob = wiring.encode(wires)
    for spoilt, why in ((blob[:-1] + b"\0", "crc"), (blob[:-1], "length"), (b"", "length")):
        with pytest.raises(WiringError) as caught:
            wiring.decode(spoilt)
        assert caught.value.role == why


def test_required_roles_need_a_pin(wires: Wiring) -> None:
    for name, _, is_required, _ in ROLES:
        kept = getattr(wires, name)
        setattr(wires, name, NO_PIN)
        assert (name in refused(wires)) is bool(is_required), name
        setattr(wires, name, kept)


def test_a_pin_serves_one_role(wires: Wiring) -> None:
    for number, one in enumerate(ROLES):
        for other in ROLES[:number]:
            kept = getattr(wires, one[0])
            setattr(wires, one[0], getattr(wires, other[0]))
            assert one[0] in refused(wires)
            setattr(wires, one[0], kept)


def test_facts_have_ranges(wires: Wiring) -> None:
    for name, _, low, high, default, _ in FACTS:
        assert low <= default <= high
        for value, is_good in ((low - 1, 0), (low, 1), (high, 1), (high + 1, 0)):
            setattr(wires, name, value)
            assert (name not in refused(wires)) is bool(is_good)
        setattr(wires, name, default)


# RP2040 data sheet, table of GPIO functions; Pico data sheet; ESP32 and ESP32-S3 data
# sheets.
@pytest.mark.parametrize(
    ("chip", "role", "pins"),
    [
        (RP2040, "pump", {*range(23), 26, 27, 28}),
        (RP2040, "vacuum_a", {26, 27, 28}),
        (ESP32, "pump", {4, 13, 16, 17, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33}),
        (ESP32, "vacuum_a", {32, 33, 34, 35, 36, 37, 38, 39}),
        (ESP32, "footswitch", {4, 13, 14, 16, 17, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33}),
        (ESP32S3, "pump", {1, 2, *range(4, 18), 21, 38, 41, 42, 47, 48}),
        (ESP32S3, "vacuum_a", {1, 2, *range(4, 11)}),
        (ESP32S3, "footswitch", {1, 2, *range(4, 19), 21, *range(38, 43), 47, 48}),
        (ESP32S3, "power_sense", {1, 2, *range(4, 19), 21, *range(38, 43), 47, 48}),
    ],
)
def test_the_pins_that_a_role_may_have(chip: int, role: str, pins: set[int]) -> None:
    wires = Wiring(chip, "bench")
    allowed = set()
    for pin in range(256):
        setattr(wires, role, pin)
        if role not in refused(wires):
            allowed.add(pin)
    assert allowed == pins


def test_sda_and_scl_are_those_of_one_i2c() -> None:
    wires = reference_wiring(RP2040)
    good = set()
    for sda in range(23):
        for scl in range(23):
            wires.i2c_sda, wires.i2c_scl = sda, scl
            if "no SDA and SCL" not in refused(wires).get("i2c_scl", ""):
                good.add((sda, scl))
    # I2C0 is on 0, 4, 8 .. (SDA) and 1, 5, 9 .. (SCL), I2C1 on 2, 6 .. and 3, 7 ..
    assert good == {
        (sda, scl)
        for sda in range(0, 23, 2)
        for scl in range(1, 23, 2)
        if (sda % 4 == 0) == (scl % 4 == 1)
    }


def test_the_buzzer_does_not_share_the_slice_of_the_pump() -> None:
    # Each tone would change the frequency of the pump's PWM.
    wires = reference_wiring(RP2040, pump=2, button_start=NO_PIN, led_fault=NO_PIN)
    for pin in (3, 19):
        wires.buzzer = pin
        wires.power_sense = 17
        assert "PWM slice" in refused(wires)["buzzer"]
    assert wiring.pwm_slice(2) == wiring.pwm_slice(18) == wiring.pwm_slice(19) == 1
    # The ESP32s give each frequency a timer of its own.
    assert refused(reference_wiring(ESP32)) == refused(reference_wiring(ESP32S3)) == {}


# Side by side on the header or the module: ESP32-WROOM-32E data sheet, pins 4 to 9;
# user guides of the boards. Between GP27 and GP28 there is analog ground.
NEIGHBOURS = {
    RP2040: {(26, 27)},
    ESP32: {(36, 39), (34, 39), (34, 35), (32, 35), (32, 33), (37, 38)},
    ESP32S3: {(4, 5), (5, 6), (6, 7), (3, 8), (9, 10), (1, 2)},
}


def test_no_bridge_of_solder_makes_one_channel_of_the_two(wires: Wiring) -> None:
    analog = [pin for pin in wiring._CHIP_PINS[wires.chip][5] if pin != NO_PIN]
    for role in wiring.ROLES:
        setattr(wires, role[0], NO_PIN)
    found = set()
    for one in analog:
        for other in analog:
            wires.vacuum_a, wires.vacuum_b = one, other
            if "stands beside" in refused(wires).get("vacuum_b", ""):
                found.add((min(one, other), max(one, other)))
    assert found == NEIGHBOURS[wires.chip]


# What a board is for --------------------------------------------------------------------


def test_a_board_treats_unless_it_says_otherwise(wires: Wiring) -> None:
    assert wires.purpose == TREATMENT == Wiring(wires.chip, "b").purpose
    assert dict(wiring.CHOICES)["purpose"][BENCH] == "bench"


def test_only_a_bench_rig_may_lack_a_sensor_and_only_the_second(wires: Wiring) -> None:
    wires.vacuum_b = NO_PIN
    assert refused(wires) == {"vacuum_b": "needs a pin"}
    with pytest.raises(WiringError, match="vacuum_b: needs a pin"):
        wiring.decode(wiring.encode(wires))
    wires.purpose = BENCH
    assert refused(wires) == {}
    assert wiring.decode(wiring.encode(wires)).vacuum_b == NO_PIN
    wires.vacuum_a = NO_PIN
    assert refused(wires) == {"vacuum_a": "needs a pin"}


def test_a_bench_rig_with_both_sensors_keeps_to_the_rules_of_both(wires: Wiring) -> None:
    wires.purpose = BENCH
    wires.vacuum_b = wires.vacuum_a
    assert "taken by vacuum_a" in refused(wires)["vacuum_b"]


def test_a_config_of_an_earlier_version_is_called_that(wires: Wiring) -> None:
    # Version 1 had no `purpose`, and so was two bytes shorter.
    blob = wiring.encode(wires)
    for version in range(WIRING_VERSION):
        former = blob[:4] + bytes([version]) + blob[5 : LENGTH - 6]
        former += struct.pack("<I", crc32(former))
        assert len(former) == LENGTH - 2
        with pytest.raises(WiringError, match=f"version: {version}, of an earlier Emery"):
            wiring.decode(former)
