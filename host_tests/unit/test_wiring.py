"""The wiring: its compiled form, and the rules of the chips."""

import struct
from binascii import crc32

import pytest

from hal import wiring
from hal.wiring import ESP32, FACTS, LENGTH, NO_PIN, ROLES, RP2040, Wiring, WiringError
from host_tests.pins import reference_wiring

CHIPS = (RP2040, ESP32)


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


# RP2040 data sheet, table of GPIO functions; Pico data sheet; ESP32 data sheet.
@pytest.mark.parametrize(
    ("chip", "role", "pins"),
    [
        (RP2040, "pump", {*range(23), 26, 27, 28}),
        (RP2040, "vacuum_a", {26, 27, 28}),
        (ESP32, "pump", {4, 13, 16, 17, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33}),
        (ESP32, "vacuum_a", {32, 33, 34, 35, 36, 37, 38, 39}),
        (ESP32, "footswitch", {4, 13, 14, 16, 17, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33}),
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
    # The ESP32 gives each frequency a timer of its own.
    assert refused(reference_wiring(ESP32)) == {}
