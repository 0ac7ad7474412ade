"""The wiring: which pin of the chip serves what, and the chip's own rules.

A technician writes pin numbers into the board's TOML file; the host checks them
against this table and compiles them, with the settings, into one file; the board
checks everything again before it touches a pin. This is the only place that
names a role of a pin or a rule of a chip.

Compiled form, little-endian:
    magic "EMRW" | u8 version | u8 chip | 16-byte name of the board, printable ASCII
    u8 for each role, in table order: GPIO number, or NO_PIN
    u16 for each fact, in table order
    u32 CRC-32 of all before it
The compiled settings follow it in the same file, so that a board never runs on
the settings of one build and the pins of another; then what `firmware/config_file.py`
calls sections.
"""

import struct
from binascii import crc32

from micropython import const

MAGIC = b"EMRW"
WIRING_VERSION = const(2)
NO_PIN = const(255)

# What a role asks of its pin.
DRIVE = "drive"  # an actuator, or what gives one its power: never to move at boot
SIGNAL = "signal"  # an output that can hurt nobody
PULLED_UP = "pulled up"  # a switch to ground, released when its wire breaks
SENSE = "sense"  # a digital input that something drives
ANALOG = "analog"
BUS = "bus"

# name, what it asks of its pin, must it be there, what it is
ROLES = (
    ("pump", DRIVE, 1, "gate of the pump's MOSFET, PWM"),
    ("feed", DRIVE, 1, "gate of the crystal valve; high opens"),
    ("vent", DRIVE, 1, "gate of the normally-open vent; high closes"),
    ("heartbeat", DRIVE, 1, "toggles while the lease lasts; its stop cuts the actuators' power"),
    ("power_sense", SENSE, 1, "high while the actuators have power, behind the protection switch"),
    ("comparator_test", SIGNAL, 0, "high makes the vacuum comparator trip at once, to prove it"),
    ("vacuum_a", ANALOG, 1, "vacuum sensor A"),
    ("vacuum_b", ANALOG, 1, "vacuum sensor B"),
    ("sensor_supply", ANALOG, 1, "supply of the vacuum sensors"),
    ("footswitch", PULLED_UP, 1, "footswitch, closed to ground while pressed"),
    ("i2c_sda", BUS, 1, "data of the barometer's bus"),
    ("i2c_scl", BUS, 1, "clock of the barometer's bus"),
    ("button_start", PULLED_UP, 0, "start, confirm, acknowledge"),
    ("button_pass", PULLED_UP, 0, "the zone has been covered once; twice: same pass"),
    ("button_zone", PULLED_UP, 0, "next zone"),
    ("button_end", PULLED_UP, 0, "end of the session; held at power-on: SERVICE"),
    ("led_ready", SIGNAL, 0, "lit when ready, blinking while treating"),
    ("led_fault", SIGNAL, 0, "lit in a fault, blinking for a warning"),
    ("buzzer", SIGNAL, 0, "passive buzzer, PWM"),
)

# name, unit, lowest, highest, default, what it is
FACTS = (
    ("pump_pwm_hz", "Hz", 15_000, 25_000, 20_000, "PWM of the pump: above hearing, below the"
     " switching losses of a small MOSFET"),
    ("feed_period_ms", "ms", 200, 2_000, 500, "period in which the crystal valve is open for its"
     " share"),
    ("motion_sensor", "", 0, 1, 0, "an accelerometer at the handpiece"),
    ("digital_vacuum", "", 0, 2, 0, "third vacuum sensor, on the bus, for trends"),
    ("purpose", "", 0, 1, 0, "what the device is for: a bench rig never treats, and may lack"
     " vacuum sensor B"),
)

# The numbers of `purpose`.
TREATMENT = const(0)
BENCH = const(1)

# What a technician writes for the facts that are a choice, in the order of
# their numbers. The first is what a board has that does not say.
CHOICES = (
    ("motion_sensor", ("none", "LIS3DH")),
    ("digital_vacuum", ("none", "ABP2", "XGZP6897D")),
    ("purpose", ("treatment", "bench")),
)

RP2040 = const(0)
ESP32 = const(1)
ESP32S3 = const(2)
CHIPS = ("rp2040", "esp32", "esp32s3")

# Of each chip: GPIO that a board may use; those an actuator may not have; those
# that must be left alone while the chip starts; inputs only; inputs with
# glitches of their own; analog inputs, in the order in which they stand side by
# side on the boards, with NO_PIN where something else stands between.
# RP2040 and Pico data sheets: 23 to 25 and 29 serve the Pico itself, or the radio
# of a Pico W; 26 to 28 are the ADC, with analog ground between 27 and 28. Every
# pin is an input with a pull-down from reset on.
# ESP32 data sheet, section on strapping pins, and ESP32-WROOM-32 data sheet: 6 to
# 11 are the flash; 34 to 39 have no output and no pull; ADC1 is on 32 to 39 (ADC2
# does not work beside Wi-Fi). Pins 0, 2, 5, 12 and 15 are sampled at reset, so
# that a switch or the pull-up of a bus on one of them can keep the chip from
# starting; even an LED does so on 0, where the boards have their BOOT button;
# 1 and 3 are the serial console; 14 gives pulses at boot.
# ESP32 errata, "GPIO36 and GPIO39": their digital inputs fall for some 80 ns
# whenever certain analog parts of the chip are switched on.
# 34 and 35 serve a sense: what drives it brings its own pull-down.
# ESP32-S3 data sheet v2.2 and ESP-IDF's GPIO guide: 22 to 25 do not exist, 26 to 37
# are flash and PSRAM (33 to 37 of modules with octal memory), 19 and 20 are USB, 43
# and 44 the serial console; 0, 3, 45 and 46 are sampled at reset, and 0 has the BOOT
# button; ADC1 is on 1 to 10. Table 2-2, power-up glitches: 18 is driven high for
# 60 us. Table 2-1, pins: 39 is pulled up at reset; in the boot loader 40 is so, too
# (seen on boards). Its note 4: 47 and 48 have 1.8 V on chips with such a PSRAM.
_RP2040_PINS = tuple(range(23)) + (26, 27, 28)
_ESP32_PINS = (
    (2, 4, 5) + tuple(range(12, 20)) + (21, 22, 23, 25, 26, 27) + tuple(range(32, 40))
)
_ESP32_RESTLESS = (2, 5, 12, 14, 15)
_ESP32_STRAPPING = (2, 5, 12, 15)
_ESP32_INPUTS = (34, 35, 36, 37, 38, 39)
_ESP32_GLITCHING = (36, 39)
_ESP32S3_PINS = tuple(range(1, 19)) + (21, 38, 39, 40, 41, 42, 45, 46, 47, 48)
_ESP32S3_RESTLESS = (3, 18, 39, 40, 45, 46)
_ESP32S3_STRAPPING = (3, 45, 46)
_CHIP_PINS = (
    (_RP2040_PINS, (), (), (), (), (26, 27, NO_PIN, 28)),
    (_ESP32_PINS, _ESP32_RESTLESS, _ESP32_STRAPPING, _ESP32_INPUTS, _ESP32_GLITCHING,
     (36, 39, 34, 35, 32, 33, NO_PIN, 37, 38)),
    (_ESP32S3_PINS, _ESP32S3_RESTLESS, _ESP32S3_STRAPPING, (), (),
     (4, 5, 6, 7, NO_PIN, 8, 3, NO_PIN, 9, 10, NO_PIN, 1, 2)),
)  # fmt: skip

_FORM = "<4sBB16s{}B{}H".format(len(ROLES), len(FACTS))
LENGTH = struct.calcsize(_FORM) + 4

# Roles and facts are set by name; only a type checker has to be told.
TYPE_CHECKING = False


class WiringError(Exception):
    """The wiring was refused. `role` names what was wrong."""

    def __init__(self, role: str, problem: str) -> None:
        super().__init__(role + ": " + problem)
        self.role = role
        self.problem = problem


class Wiring:
    """One attribute for each role (a GPIO number or NO_PIN) and each fact.

    Made with no pins and the facts' defaults.
    """

    def __init__(self, chip: int, board_name: str) -> None:
        self.chip = chip
        self.board_name = board_name
        for role in ROLES:
            setattr(self, role[0], NO_PIN)
        for fact in FACTS:
            setattr(self, fact[0], fact[4])

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int: ...

        def __setattr__(self, name: str, value: object) -> None: ...


def broken_rules(wiring: Wiring) -> list:
    """(role or fact, problem) for everything that this chip cannot do."""
    broken = []
    usable, restless, strapping, inputs, glitching, analog = _CHIP_PINS[wiring.chip]
    taken: list = []
    for name, asks, required, _ in ROLES:
        pin = getattr(wiring, name)
        if pin == NO_PIN:
            if name == "vacuum_b" and wiring.purpose == BENCH:
                continue
            if required:
                broken.append((name, "needs a pin"))
            continue
        if pin not in usable:
            broken.append((name, "GPIO {} cannot be used on this chip".format(pin)))
            continue
        for other, its_pin in taken:
            if its_pin == pin:
                broken.append((name, "GPIO {} is taken by {}".format(pin, other)))
                break
        taken.append((name, pin))
        if asks == ANALOG and pin not in analog:
            broken.append(
                (name, "GPIO {} has no usable ADC, only {}".format(
                    pin, ", ".join(["GPIO {}".format(one) for one in sorted(analog)
                                    if one != NO_PIN])))
            )
        if asks == DRIVE and pin in restless:
            broken.append(
                (name, "GPIO {} moves or is sampled while the chip starts: an actuator"
                 " must not hang on it".format(pin))
            )
        if asks in (BUS, PULLED_UP, SENSE, ANALOG) and pin in strapping:
            broken.append(
                (name, "GPIO {} is sampled while the chip starts: a level from outside could"
                 " keep it from starting".format(pin))
            )
        if asks == SENSE and pin in glitching:
            broken.append((name, "GPIO {} has glitches as a digital input".format(pin)))
        if asks in (DRIVE, SIGNAL, BUS, PULLED_UP) and pin in inputs:
            broken.append((name, "GPIO {} can neither drive nor pull".format(pin)))
    if wiring.vacuum_b != NO_PIN and _side_by_side(wiring.vacuum_a, wiring.vacuum_b, analog):
        broken.append(
            ("vacuum_b", "GPIO {} stands beside GPIO {} of vacuum_a: a bridge of solder would"
             " make one channel of the two".format(wiring.vacuum_b, wiring.vacuum_a))
        )
    if wiring.chip == RP2040:
        _rp2040_rules(wiring, broken)
    for name, unit, low, high, _, _ in FACTS:
        value = getattr(wiring, name)
        if not low <= value <= high:
            problem = "{} is outside {} to {} {}".format(value, low, high, unit)
            broken.append((name, problem.strip()))
    return broken


def _side_by_side(one: int, other: int, order: tuple) -> bool:
    """Do two pins stand beside each other, with nothing between?"""
    return (
        one in order and other in order and abs(order.index(one) - order.index(other)) == 1
    )


def _rp2040_rules(wiring: Wiring, broken: list) -> None:
    """PWM slices and buses (RP2040 data sheet, GPIO functions)."""
    if wiring.buzzer != NO_PIN and pwm_slice(wiring.buzzer) == pwm_slice(wiring.pump):
        broken.append(
            ("buzzer", "GPIO {} shares a PWM slice, and so its frequency, with the pump's".format(
                wiring.buzzer))
        )
    sda = wiring.i2c_sda
    scl = wiring.i2c_scl
    if NO_PIN not in (sda, scl) and (sda & 1 or scl & 3 != sda & 3 | 1):
        broken.append(
            ("i2c_scl", "GPIO {} and GPIO {} are no SDA and SCL of one I2C".format(sda, scl))
        )


def pwm_slice(pin: int) -> int:
    """The PWM slice of an RP2040's pin; both pins of a slice share a frequency."""
    return pin >> 1 & 7


def encode(wiring: Wiring) -> bytes:
    """Compiled form of `wiring`. The caller has checked it."""
    body = struct.pack(
        _FORM, MAGIC, WIRING_VERSION, wiring.chip, wiring.board_name.encode(),
        *([getattr(wiring, role[0]) for role in ROLES]
          + [getattr(wiring, fact[0]) for fact in FACTS])
    )  # fmt: skip
    return body + struct.pack("<I", crc32(body))


def decode(blob: bytes) -> Wiring:
    """The wiring at the start of a compiled config, or WiringError."""
    if len(blob) > 4 and blob[:4] == MAGIC and blob[4] < WIRING_VERSION:
        # It is shorter as well, which would tell nobody what to do.
        raise WiringError(
            "version", "{}, of an earlier Emery; this firmware reads {}".format(
                blob[4], WIRING_VERSION)
        )
    if len(blob) < LENGTH:
        raise WiringError("length", "{} bytes; at least {} expected".format(len(blob), LENGTH))
    fields = struct.unpack_from(_FORM, blob, 0)
    if fields[0] != MAGIC:
        raise WiringError("magic", "this is no compiled Emery config")
    if fields[1] != WIRING_VERSION:
        raise WiringError(
            "version", "{}; this firmware reads {}".format(fields[1], WIRING_VERSION)
        )
    if crc32(blob[: LENGTH - 4]) != struct.unpack_from("<I", blob, LENGTH - 4)[0]:
        raise WiringError("crc", "the config was damaged; flash it again")
    if fields[2] >= len(CHIPS):
        raise WiringError("chip", "{} is unknown to this firmware".format(fields[2]))
    name = fields[3].rstrip(b"\x00")
    for byte in name:
        # It stands in lines of the link and on the console.
        if not 32 <= byte <= 126:
            raise WiringError("name", "is not plain text")
    wiring = Wiring(fields[2], name.decode())
    at = 4
    for role in ROLES:
        setattr(wiring, role[0], fields[at])
        at += 1
    for fact in FACTS:
        setattr(wiring, fact[0], fields[at])
        at += 1
    for role_name, problem in broken_rules(wiring):
        raise WiringError(role_name, problem)
    return wiring
