"""The table of mistakes that a board or protocol file can hold: where each is told,
with which key, in which words and with which remedy.

`test_config_mistakes.py` holds every one; `config_mistakes.txt` shows their messages
as people see them, and is written by

    python -m host_tests.config_mistakes
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path

from emery import slot
from emery.config.check import check
from emery.config.load import load
from emery.config.problem import ConfigError, Problem

MESSAGES = Path(slot.ROOT) / "host_tests" / "unit" / "config_mistakes.txt"

# Four lines before the line a mistake stands on.
BOARD = '[board]\nname = "b"\nchip = "rp2040"\n\n'
PROTECTION = BOARD + "[protection]\n"  # a mistake on line 6
ZONE = (
    '[protocol]\nname = "p"\n[[zone]]\nname = "nose"\nlevel = 5\nflow = "6 g/min"\n'
    'passes = 3\npass_time = "90 s"\npass_crystals = "9 g"\n'
    'dose = "22.5 g"\n'
)


# The roles that a board cannot do without, four lines before a mistake as above,
# on one pin each that the chip allows.
PICO_PINS = {
    "pump": "GP2", "feed": "GP6", "vent": "GP5", "heartbeat": "GP22", "power_sense": "GP18",
    "vacuum_a": "GP26", "vacuum_b": "GP28", "sensor_supply": "GP27", "footswitch": "GP16",
    "i2c_sda": "GP20", "i2c_scl": "GP21",
}  # fmt: skip
ESP32_PINS = {
    "pump": "GPIO25", "feed": "GPIO13", "vent": "GPIO27", "heartbeat": "GPIO23",
    "power_sense": "GPIO35", "vacuum_a": "GPIO36", "vacuum_b": "GPIO34",
    "sensor_supply": "GPIO39", "footswitch": "GPIO32", "i2c_sda": "GPIO21", "i2c_scl": "GPIO19",
}  # fmt: skip
ESP32S3_PINS = {
    "pump": "GPIO47", "feed": "GPIO41", "vent": "GPIO12", "heartbeat": "GPIO2",
    "power_sense": "GPIO16", "vacuum_a": "GPIO4", "vacuum_b": "GPIO8",
    "sensor_supply": "GPIO6", "footswitch": "GPIO17", "i2c_sda": "GPIO9", "i2c_scl": "GPIO10",
}  # fmt: skip
# What the ESP32's ADC and tick ask for.
ESP32_SETTINGS = (
    '[timing]\ntick_period = "10 ms"\n'
    '[sensors]\nvacuum_a_divider = "47.4 %"\nvacuum_b_divider = "47.4 %"\n'
)


def pico(mistake: str) -> str:
    """A Pico whose first pin, on line 6, is `mistake`."""
    return BOARD + pins_with(PICO_PINS, mistake)


def esp32(mistake: str) -> str:
    """As `pico`, for an ESP32."""
    return BOARD.replace("rp2040", "esp32") + pins_with(ESP32_PINS, mistake) + ESP32_SETTINGS


def esp32s3(mistake: str) -> str:
    """As `pico`, for an ESP32-S3."""
    head = BOARD.replace("rp2040", "esp32s3")
    return head + pins_with(ESP32S3_PINS, mistake) + ESP32_SETTINGS


def pins_with(pins: dict[str, str], mistake: str) -> str:
    role = mistake.split(" = ")[0]
    kept = [f'{name} = "{pin}"' for name, pin in pins.items() if name != role]
    return "\n".join(["[pins]", mistake, *kept, ""])


@dataclass(frozen=True)
class Mistake:
    """One mistake in `file.toml`, and what must be said of it.

    `others` are files beside it; `told_in` is the one of them that is told, if it is
    not `file.toml` itself. `protocol` is what a board in `file.toml` is loaded with.
    """

    label: str
    text: str | bytes
    line: int
    column: int
    key: str
    what: str
    remedy: str
    others: tuple[tuple[str, str], ...] = ()
    told_in: str = "file.toml"
    protocol: str = ""


def zone_with(old: str, new: str) -> str:
    assert ZONE.count(old) == 1
    return ZONE.replace(old, new)


BOARD_MISTAKES = (
    Mistake("above the range", PROTECTION + 'hard_limit = "50 kPa"', 6, 14,
            "protection.hard_limit", '"50 kPa" is outside 20 to 45 kPa', "takes no other"),
    Mistake("a hair above the range", PROTECTION + 'hard_limit = "45.0004 kPa"', 6, 14,
            "protection.hard_limit", "outside 20 to 45 kPa", "in that range"),
    Mistake("above, in another unit", PROTECTION + 'hard_limit = "14 inHg"', 6, 14,
            "protection.hard_limit", '"14 inHg" is outside 20 to 45 kPa', "in that range"),
    Mistake("negative vacuum", PROTECTION + 'hard_limit = "-40 kPa"', 6, 14,
            "protection.hard_limit", '"-40 kPa" is outside', "without the minus sign"),
    Mistake("another dimension", PROTECTION + 'hard_limit = "250 ms"', 6, 14,
            "protection.hard_limit", '"250 ms" is a time', "value is for this key"),
    Mistake("metres for minutes", BOARD + '[treatment]\nsession = "30 m"', 6, 11,
            "treatment.session", '"30 m" is a length', '"30 min"'),
    Mistake("wrong case of a unit", PROTECTION + 'hard_limit = "40 kpa"', 6, 14,
            "protection.hard_limit", 'unknown unit "kpa"', 'Write "40 kPa"'),
    Mistake("spaced unit", PROTECTION + 'hard_limit = "11 in Hg"', 6, 14,
            "protection.hard_limit", 'unknown unit "in Hg"', 'Write "11 inHg"'),
    Mistake("unknown unit", PROTECTION + 'hard_limit = "40 apples"', 6, 14,
            "protection.hard_limit", 'unknown unit "apples"', "one of these units"),
    Mistake("an angle for a share", PROTECTION + 'soft_margin_part = "0.1 rad"', 6, 20,
            "protection.soft_margin_part", 'unknown unit "rad"', "one of these units"),
    Mistake("text without unit", PROTECTION + 'hard_limit = "45"', 6, 14,
            "protection.hard_limit", '"45" has no unit', 'as in "45 kPa"'),
    Mistake("bare number", PROTECTION + "hard_limit = 45", 6, 14,
            "protection.hard_limit", "is the bare number 45", 'as in "20 kPa"'),
    Mistake("bare decimal", PROTECTION + "hard_limit = 4.5e4", 6, 14,
            "protection.hard_limit", "is the bare number 45000.0", "with its unit"),
    Mistake("nan", PROTECTION + "hard_limit = nan", 6, 14,
            "protection.hard_limit", "is the bare number nan", "with its unit"),
    Mistake("nan in text", PROTECTION + 'hard_limit = "nan kPa"', 6, 14,
            "protection.hard_limit", "does not begin with a number", "a number and its unit"),
    Mistake("infinity in text", PROTECTION + 'hard_limit = "inf kPa"', 6, 14,
            "protection.hard_limit", "does not begin with a number", "a number and its unit"),
    Mistake("decimal comma", PROTECTION + 'hard_limit = "42,5 kPa"', 6, 14,
            "protection.hard_limit", "has a decimal comma", "decimal point"),
    Mistake("two decimal points", PROTECTION + 'hard_limit = "4.2.5 kPa"', 6, 14,
            "protection.hard_limit", "cannot be read", "15 digits"),
    Mistake("a flag", PROTECTION + "hard_limit = true", 6, 14,
            "protection.hard_limit", "is the flag true", "with its unit"),
    Mistake("a date", PROTECTION + "hard_limit = 2020-01-02", 6, 14,
            "protection.hard_limit", "is the date or time 2020-01-02", "with its unit"),
    Mistake("an array", PROTECTION + 'hard_limit = ["45 kPa"]', 6, 14,
            "protection.hard_limit", "is an array", "with its unit"),
    Mistake("a table for a value", BOARD + '[protection.hard_limit]\nvalue = "45 kPa"', 5, 13,
            "protection.hard_limit", "is a table", "with its unit"),
    Mistake("empty text", PROTECTION + 'hard_limit = ""', 6, 14,
            "protection.hard_limit", '"" does not begin with a number', "a number and its unit"),
    Mistake("rounds to zero", PROTECTION + 'soft_margin_part = "0.04 %"', 6, 20,
            "protection.soft_margin_part", "would round to zero", "at least 0.1 %"),
    Mistake("misspelt key", PROTECTION + 'hard_limt = "40 kPa"', 6, 1,
            "protection.hard_limt", "is no known key", "Did you mean hard_limit?"),
    Mistake("the firmware's name", PROTECTION + 'hard_limit_pa = "40 kPa"', 6, 1,
            "protection.hard_limit_pa", "is no known key", "Did you mean hard_limit?"),
    Mistake("key of another table", PROTECTION + 'pass_gap = "4 s"', 6, 1,
            "protection.pass_gap", "is no known key", "belongs in [treatment]"),
    Mistake("unheard-of key", PROTECTION + "zzz = 1", 6, 1,
            "protection.zzz", "is no known key", "Remove it"),
    Mistake("key above all tables", 'colour = "red"\n' + BOARD, 1, 1,
            "colour", "is no known key", "Remove it"),
    Mistake("misspelt table", BOARD + '[sensor]\nadc_reference = "3.3 V"', 5, 2,
            "sensor", "is no known table", "Did you mean [sensors]?"),
    Mistake("a value for a table", 'treatment = 3\n' + BOARD, 1, 13,
            "treatment", "is the bare number 3", "Write [treatment]"),
    Mistake("an array of tables for one", BOARD + '[[treatment]]\npass_gap = "4 s"', 5, 3,
            "treatment", "is an array of tables", "Write [treatment], once"),
    Mistake("no [board]", '[treatment]\npass_gap = "4 s"', 1, 1,
            "board", "is missing", "Add [board] and its keys"),
    Mistake("no name", '[board]\nchip = "esp32"', 1, 2,
            "board.name", "is missing", 'Add name = "..." under [board]'),
    Mistake("name is a number", '[board]\nname = 2\nchip = "esp32"', 2, 8,
            "board.name", "is the bare number 2", "in double quotes"),
    Mistake("name is blank", '[board]\nname = "  "\nchip = "esp32"', 2, 8,
            "board.name", "is empty", "at least one character"),
    Mistake("no chip", '[board]\nname = "b"', 1, 2,
            "board.chip", "is missing", 'Add chip = "rp2040" under [board]'),
    Mistake("unknown chip", '[board]\nname = "b"\nchip = "rp2400"', 3, 8,
            "board.chip", '"rp2400" is not known', 'Did you mean "rp2040"?'),
    Mistake("chip is a flag", '[board]\nname = "b"\nchip = false', 3, 8,
            "board.chip", "is the flag false", "one of these"),
    Mistake("inline table", BOARD + 'protection = { soft_time = "1 s" }', 5, 1,
            "board.protection", "is no known table", "Remove it"),
    Mistake("dotted key", 'protection.soft_time = "1 s"\n' + BOARD, 1, 24,
            "protection.soft_time", '"1 s" is outside 20 to 200 ms', "in that range"),
    Mistake("after accents", BOARD + '[protection] # é\n"hard_limit" = "é" # è', 6, 16,
            "protection.hard_limit", '"é" does not begin with a number', "a number and its unit"),
    Mistake("rule, both stated",
            BOARD + '[regulator]\nhold_low = "80 %"\nhold_high = "70 %"', 6, 12,
            "regulator.hold_low", '"80 %" must be below regulator.hold_high (70 %)', "Change"),
    Mistake("rule on a default", BOARD + '[contact]\ncontact_on_vacuum = "2 kPa"', 5, 2,
            "contact.contact_off_vacuum",
            '"2.5 kPa" (its default) must be below contact.contact_on_vacuum (2 kPa)', "Change"),
    Mistake("a share beyond the range", BOARD + '[proof]\nproof_share = "81 %"', 6, 15,
            "proof.proof_share", '"81 %" is outside 20 to 80 %', "in that range"),
    Mistake("a pressure for a share", BOARD + '[proof]\nproof_share = "46 kPa"', 6, 15,
            "proof.proof_share", '"46 kPa" is a pressure', "value is for this key"),
    Mistake("rule on the supply", BOARD + '[sensors]\nsensor_supply_divider = "15 %"', 6, 25,
            "sensors.sensor_supply_divider", "puts the supply at 0.75 V", "Change"),
)  # fmt: skip

PIN_MISTAKES = (
    Mistake("unknown role", pico('pumpe = "GP7"'), 6, 1,
            "pins.pumpe", "is no known key", "Did you mean pump?"),
    Mistake("a pin's bare number", pico("buzzer = 7"), 6, 10,
            "pins.buzzer", "is the bare number 7", 'Write it as text: "GP7".'),
    Mistake("an ESP32's bare number", esp32("buzzer = 26"), 6, 10,
            "pins.buzzer", "is the bare number 26", 'Write it as text: "GPIO26".'),
    Mistake("a flag for a pin", pico("buzzer = true"), 6, 10,
            "pins.buzzer", "is the flag true", 'as in "GP2"'),
    Mistake("a negative pin", pico("buzzer = -1"), 6, 10,
            "pins.buzzer", "is the bare number -1", 'as in "GP2"'),
    Mistake("a number as text", pico('buzzer = "7"'), 6, 10,
            "pins.buzzer", '"7" is no pin of the rp2040', 'Did you mean "GP7"?'),
    Mistake("the other chip's name of a pin", pico('buzzer = "GPIO7"'), 6, 10,
            "pins.buzzer", '"GPIO7" is no pin of the rp2040', 'Did you mean "GP7"?'),
    Mistake("the Pico's name on an ESP32", esp32('buzzer = "GP26"'), 6, 10,
            "pins.buzzer", '"GP26" is no pin of the esp32', 'Did you mean "GPIO26"?'),
    Mistake("lower case", pico('buzzer = "gp7"'), 6, 10,
            "pins.buzzer", '"gp7" is no pin of the rp2040', 'Did you mean "GP7"?'),
    Mistake("no pin at all", pico('buzzer = "yes"'), 6, 10,
            "pins.buzzer", '"yes" is no pin', 'as it is printed on the board: "GP2"'),
    Mistake("an empty pin", pico('buzzer = ""'), 6, 10,
            "pins.buzzer", '"" is no pin', 'as it is printed on the board: "GP2"'),
    Mistake("the mark for no pin", pico('buzzer = "GP255"'), 6, 10,
            "pins.buzzer", '"GP255" is no pin of the rp2040', "one that the board has"),
    Mistake("a number out of the chip", pico('buzzer = "GP30"'), 6, 10,
            "pins.buzzer", "GP30 cannot be used on this chip", "Free and fit for it: GP0"),
    Mistake("a pin of the Pico itself", pico('pump = "GP25"'), 6, 8,
            "pins.pump", "GP25 cannot be used on this chip", "Free and fit for it: GP0, GP1, GP2"),
    Mistake("a pin of the flash", esp32('buzzer = "GPIO6"'), 6, 10,
            "pins.buzzer", "GPIO6 cannot be used on this chip", "Free and fit for it"),
    Mistake("a required role is missing", pico('buzzer = "GP7"').replace('pump = "GP2"\n', ""),
            5, 2, "pins.pump", "is missing", 'Add pump = "GP0" under [pins].'),
    Mistake("no ADC", pico('vacuum_a = "GP4"'), 6, 12,
            "pins.vacuum_a", "GP4 has no usable ADC, only GP26, GP27, GP28",
            "Free and fit for it: GP26."),
    Mistake("ADC2", esp32('vacuum_a = "GPIO14"'), 6, 12,
            "pins.vacuum_a", "GPIO14 has no usable ADC, only GPIO32", "Free and fit for it"),
    Mistake("an actuator on a strapping pin", esp32('pump = "GPIO12"'), 6, 8,
            "pins.pump", "an actuator must not hang on it", "Free and fit for it: GPIO4, GPIO16"),
    Mistake("an actuator on a pin that pulses", esp32('heartbeat = "GPIO14"'), 6, 13,
            "pins.heartbeat", "GPIO14 moves or is sampled", "Free and fit for it"),
    Mistake("a switch on a strapping pin", esp32('footswitch = "GPIO5"'), 6, 14,
            "pins.footswitch", "could keep it from starting", "Free and fit for it"),
    Mistake("an output on an input", esp32('led_ready = "GPIO38"'), 6, 13,
            "pins.led_ready", "GPIO38 can neither drive nor pull", "Free and fit for it: GPIO2"),
    Mistake("a light on the boot loader's pin", esp32('led_ready = "GPIO0"'), 6, 13,
            "pins.led_ready", "GPIO0 cannot be used on this chip", "Free and fit for it: GPIO2"),
    Mistake("a pull-up where there is none", esp32('footswitch = "GPIO38"'), 6, 14,
            "pins.footswitch", "GPIO38 can neither drive nor pull", "Free and fit for it"),
    Mistake("a digital input with glitches",
            esp32('power_sense = "GPIO36"').replace("GPIO36", "GPIO33", 2)
            .replace("GPIO33", "GPIO36", 1), 6, 15,
            "pins.power_sense", "GPIO36 has glitches", "Free and fit for it"),
    Mistake("USB of the ESP32-S3", esp32s3('buzzer = "GPIO19"'), 6, 10,
            "pins.buzzer", "GPIO19 cannot be used on this chip", "Free and fit for it: GPIO1"),
    Mistake("memory of the ESP32-S3", esp32s3('buzzer = "GPIO35"'), 6, 10,
            "pins.buzzer", "GPIO35 cannot be used on this chip", "Free and fit for it"),
    Mistake("a pump on a pin that is high at power-on", esp32s3('pump = "GPIO18"'), 6, 8,
            "pins.pump", "GPIO18 moves or is sampled", "Free and fit for it: GPIO1, GPIO5"),
    Mistake("a heartbeat on a pin that is pulled up", esp32s3('heartbeat = "GPIO39"'), 6, 13,
            "pins.heartbeat", "GPIO39 moves or is sampled", "Free and fit for it"),
    Mistake("a sensor on a strapping pin", esp32s3('sensor_supply = "GPIO3"'), 6, 17,
            "pins.sensor_supply", "could keep it from starting", "Free and fit for it: GPIO1"),
    Mistake("ADC2 of the ESP32-S3", esp32s3('vacuum_b = "GPIO11"'), 6, 12,
            "pins.vacuum_b", "GPIO11 has no usable ADC, only GPIO1, GPIO2, GPIO3",
            "Free and fit for it: GPIO1"),
    Mistake("both sensors on one ADC pin", pico('vacuum_b = "GP26"'), 6, 12,
            "pins.vacuum_b", "GP26 is taken by vacuum_a", "Free and fit for it: GP28."),
    Mistake("the sensors side by side",
            pico('vacuum_b = "GP27"').replace('supply = "GP27"', 'supply = "GP28"'), 6, 12,
            "pins.vacuum_b", "GP27 stands beside GP26 of vacuum_a", "move another role first"),
    Mistake("the sensors side by side on an ESP32", esp32s3('vacuum_b = "GPIO5"'), 6, 12,
            "pins.vacuum_b", "a bridge of solder would make one channel", "Free and fit for it"),
    Mistake("a sensor on the bus for a channel", pico('vacuum_b = "ABP2"'), 6, 12,
            "pins.vacuum_b", '"ABP2" is a sensor on the bus, too slow to protect anybody',
            "Wire an analog sensor"),
    Mistake("one sensor, to treat with", pico('vacuum_b = "none"'), 6, 12,
            "pins.vacuum_b", "has no pin", 'says purpose = "bench" under [wiring]'),
    Mistake("no heartbeat", pico('heartbeat = "none"'), 6, 13,
            "pins.heartbeat", "has no pin", 'Write "GP0" for it'),
    Mistake("neither sensor, on the bench",
            pico('vacuum_a = "none"').replace('vacuum_b = "GP28"\n', "")
            + '[wiring]\npurpose = "bench"', 6, 12,
            "pins.vacuum_a", "has no pin", 'Write "GP26" for it'),
    Mistake("an unknown purpose", BOARD + '[wiring]\npurpose = "benhc"', 6, 11,
            "wiring.purpose", '"benhc" is not known here', 'Did you mean "bench"?'),
    Mistake("no pair", pico('i2c_scl = "GP3"'), 6, 11,
            "pins.i2c_scl", "GP20 and GP3 are no SDA and SCL of one I2C",
            "Free and fit for it: GP1, GP9, GP13, GP17 and others."),
    Mistake("the pair the wrong way round",
            pico('i2c_scl = "GP20"').replace('i2c_sda = "GP20"', 'i2c_sda = "GP21"'), 6, 11,
            "pins.i2c_scl", "GP21 and GP20 are no SDA and SCL", "No free pin fits"),
    Mistake("two frequencies of one slice", pico('buzzer = "GP3"'), 6, 10,
            "pins.buzzer", "GP3 shares a PWM slice", "Free and fit for it: GP0, GP1, GP4, GP7"),
    Mistake("two frequencies of one slice, far apart",
            pico('buzzer = "GP18"').replace('power_sense = "GP18"', 'power_sense = "GP19"'), 6, 10,
            "pins.buzzer", "GP18 shares a PWM slice", "Free and fit for it"),
    Mistake("unknown sensor", BOARD + '[wiring]\nmotion_sensor = "lis3"', 6, 17,
            "wiring.motion_sensor", '"lis3" is not known here', 'Did you mean "LIS3DH"?'),
    Mistake("a number for a sensor", BOARD + "[wiring]\ndigital_vacuum = 1", 6, 18,
            "wiring.digital_vacuum", "is the bare number 1", "one of these, in double quotes"),
    Mistake("a whistling pump", BOARD + '[wiring]\npump_pwm = "8 kHz"', 6, 12,
            "wiring.pump_pwm", '"8 kHz" is outside 15 to 25 kHz', "in that range"),
    Mistake("a time for a frequency", BOARD + '[wiring]\npump_pwm = "50 us"', 6, 12,
            "wiring.pump_pwm", '"50 us" is a time', "value is for this key"),
    Mistake("a fact under its firmware's name", BOARD + '[wiring]\nfeed_period_ms = "1 s"', 6, 1,
            "wiring.feed_period_ms", "is no known key", "Did you mean feed_period?"),
    Mistake("a pin among the settings", BOARD + '[sensors]\nvacuum_a = "GP26"', 6, 1,
            "sensors.vacuum_a", "is no known key", "It belongs in [pins]."),
    Mistake("a long name", BOARD.replace('"b"', '"Clinic 2, upstairs"'), 2, 8,
            "board.name", "has 18 characters", "Shorten it"),
    Mistake("a tick the ESP32 cannot keep", esp32('pump = "GPIO25"').replace('"10 ms"', '"8 ms"'),
            18, 15, "timing.tick_period", '"8 ms" is shorter than the esp32 can keep', "Change"),
    Mistake("more than the ESP32's ADC sees",
            esp32('pump = "GPIO25"').replace('b_divider = "47.4 %"', 'b_divider = "55 %"'), 21, 20,
            "sensors.vacuum_b_divider", '"55 %" puts up to 2.732 V on the ADC', "Change"),
    Mistake("more than the ESP32-S3's ADC sees",
            esp32s3('pump = "GPIO47"').replace('b_divider = "47.4 %"', 'b_divider = "60 %"'),
            21, 20, "sensors.vacuum_b_divider", '"60 %" puts up to 2.98 V on the ADC', "Change"),
    Mistake("a tick the ESP32-S3 cannot keep",
            esp32s3('pump = "GPIO47"').replace('"10 ms"', '"5 ms"'),
            18, 15, "timing.tick_period", '"5 ms" is shorter than the esp32s3 can keep', "Change"),
)  # fmt: skip

PROTOCOL_MISTAKES = (
    Mistake("fourth pass", zone_with("passes = 3", "passes = 4"), 7, 10,
            "zone 1.passes", "4 is outside 1 to 3", "firmware takes no other"),
    Mistake("level 11", zone_with("level = 5", "level = 11"), 5, 9,
            "zone 1.level", "11 is outside 1 to 10", "in that range"),
    Mistake("level as text", zone_with("level = 5", 'level = "5"'), 5, 9,
            "zone 1.level", 'is the text "5"', "a whole number, without quotes"),
    Mistake("half a level", zone_with("level = 5", "level = 5.5"), 5, 9,
            "zone 1.level", "is the bare number 5.5", "a whole number"),
    Mistake("level is a flag", zone_with("level = 5", "level = true"), 5, 9,
            "zone 1.level", "is the flag true", "a whole number"),
    Mistake("negative flow", zone_with('"6 g/min"', '"-6 g/min"'), 6, 8,
            "zone 1.flow", '"-6 g/min" is outside 0 to 20 g/min', "without the minus sign"),
    Mistake("litres a minute", zone_with('"6 g/min"', '"6 L/min"'), 6, 8,
            "zone 1.flow", "is a volume flow", 'Did you mean "6 g/min"?'),
    Mistake("missing field", zone_with("level = 5\n", ""), 3, 3,
            "zone 1.level", "is missing", "Add level = 1 under [[zone]]"),
    Mistake("missing budget", zone_with('pass_time = "90 s"\n', ""), 3, 3,
            "zone 1.pass_time", "is missing", 'Add pass_time = "5 s" under [[zone]]'),
    Mistake("missing dose", zone_with('dose = "22.5 g"\n', ""), 3, 3,
            "zone 1.dose", "is missing", 'Add dose = "0.5 g" under [[zone]]'),
    Mistake("a dose beyond the limit", zone_with('"22.5 g"', '"90.1 g"'), 10, 8,
            "zone 1.dose", '"90.1 g" is outside 0.5 to 90 g', "firmware takes no other"),
    Mistake("one [zone]", ZONE.replace("[[zone]]", "[zone]"), 3, 2,
            "zone", "is a table", "Write [[zone]]"),
    Mistake("no zone", '[protocol]\nname = "p"', 1, 1,
            "zone", "is missing", "Add [[zone]] and its keys"),
    Mistake("no [protocol]", ZONE.split("\n", 2)[2], 1, 1,
            "protocol", "is missing", "Add [protocol]"),
    Mistake("no zone name", zone_with('name = "nose"\n', ""), 3, 3,
            "zone 1.name", "is missing", "under [[zone]]"),
    Mistake("long name", zone_with('"nose"', '"left cheek and chin"'), 4, 8,
            "zone 1.name", "has 19 characters", "Shorten it"),
    Mistake("accented name", zone_with('"nose"', '"décolleté"'), 4, 8,
            "zone 1.name", "other than plain characters", "without accents"),
    Mistake("control character", zone_with('"nose"', r'"no\u0007se"'), 4, 8,
            "zone 1.name", "other than plain characters", "without accents"),
    Mistake("spaces around a name", zone_with('"nose"', '" nose"'), 4, 8,
            "zone 1.name", "spaces at its ends", "Remove them"),
    Mistake("long protocol name", zone_with('"p"', '"face of a grown-up"'), 2, 8,
            "protocol.name", "has 18 characters", "Shorten it"),
    Mistake("the same name twice", ZONE + ZONE.split("\n", 2)[2].replace("nose", "Nose"), 12, 8,
            "zone 2.name", '"Nose" is already the zone on line 4', "another name"),
    Mistake("misspelt zone key", ZONE + "pases = 2", 11, 1,
            "zone 1.pases", "is no known key", "Did you mean passes?"),
    Mistake("board table in a protocol", ZONE + "[board]", 11, 2,
            "board", "is no known table", "Remove it"),
    Mistake("too many zones",
            ZONE + "".join(
                ZONE.split("\n", 2)[2].replace("nose", f"n{number}") for number in range(17)
            ), 131, 3,
            "zone 17", "is one of 18 [[zone]]", "Remove 2 of them"),
)  # fmt: skip

PICO = pico('pump = "GP2"')
FORMER = (
    Mistake("a key with another name today", BOARD + '[passes]\npass_gap = "4 s"', 6, 1,
            "passes.pass_gap", "was a key up to settings of version 1",
            "called treatment.pass_gap now. To rewrite the file: emery config migrate file.toml"),
    Mistake("a key that is gone", BOARD + '[regulator]\nlead = "70 ms"', 6, 1,
            "regulator.lead", "was a key up to settings of version 1", "pump_lag"),
)  # fmt: skip

CROSS_MISTAKES = (
    Mistake("a share that ends above where it begins",
            BOARD + '[contact]\ncontact_off_part = "18 %"', 6, 20, "contact.contact_off_part",
            '"18 %" must be below contact.contact_on_part (18 %)', "Change this value"),
    Mistake("a latch no later than its warning",
            BOARD + '[protection]\nsoft_latch = "200 ms"\nsoft_time = "200 ms"', 7, 13,
            "protection.soft_time", "must be below protection.soft_latch", "Change"),
    Mistake("a pump that starts where it should hold",
            BOARD + '[regulator]\npump_start = "20 %"\nhold_low = "20 %"', 6, 14,
            "regulator.pump_start", "must be below regulator.hold_low (20 %)", "Change"),
    Mistake("a sensor of which the ADC sees too little",
            BOARD + '[sensors]\nvacuum_a_divider = "31 %"', 6, 20,
            "sensors.vacuum_a_divider", "is too small for this span", "Change"),
    Mistake("a sensor beyond the ADC's reference",
            BOARD + '[sensors]\nvacuum_b_divider = "100 %"', 6, 20,
            "sensors.vacuum_b_divider", "above sensors.adc_reference (3.3 V)", "Change"),
    Mistake("a sensor that cannot show a trip",
            BOARD + '[sensors]\nvacuum_a_span = "110 kPa"\nvacuum_a_zero = "50 %"', 6, 17,
            "sensors.vacuum_a_span", "no trip could be seen", "Change"),
    Mistake("a level that reaches the hard limit",
            PROTECTION + 'hard_limit = "26 kPa"', 5, 9,
            "zone 1.level", "5 sets 24 kPa; with the over-vacuum margin that reaches "
            "protection.hard_limit (26 kPa)", "the board's setting named here",
            protocol=ZONE, told_in="protocol.toml"),
    Mistake("a margin that reaches the hard limit",
            PROTECTION + 'hard_limit = "28 kPa"\nsoft_margin_vacuum = "5 kPa"', 5, 9,
            "zone 1.level", "5 sets 24 kPa; with the over-vacuum margin", "Change this value",
            protocol=ZONE, told_in="protocol.toml"),
    Mistake("a bench rig to treat with", PICO + '[wiring]\npurpose = "bench"', 18, 11,
            "wiring.purpose", "a bench rig never treats", "Use another board file",
            protocol=ZONE),
)  # fmt: skip

PLANT = BOARD + "[plant]\n"
PLANT_MISTAKES = (
    Mistake("a bare number in the plant", PLANT + "volume = 700", 6, 10,
            "plant.volume", "is the bare number 700", 'as in "100 mL"'),
    Mistake("a mass for a volume", PLANT + 'volume = "700 g"', 6, 10,
            "plant.volume", '"700 g" is a mass', "Check that the value is for this key"),
    Mistake("a plant that no device has", PLANT + 'volume = "5 L"', 6, 10,
            "plant.volume", '"5 L" is outside 100 to 3000 mL', "The simulator takes no other"),
    Mistake("a flow that was a speed", PLANT + 'pump_free_flow = "5 m/s"', 6, 18,
            "plant.pump_free_flow", "is another kind of quantity", "Check"),
    Mistake("a bore in the wrong unit", PLANT + 'nozzle = "12 mm"', 6, 10,
            "plant.nozzle", '"12 mm" is outside 0.5 to 2 mm', "in that range"),
    Mistake("the simulator's name of a value", PLANT + 'volume_m3 = "0.7 L"', 6, 1,
            "plant.volume_m3", "is no known key", "Did you mean volume?"),
    Mistake("a negative leak", PLANT + 'hose_leak = "-1 %"', 6, 13,
            "plant.hose_leak", '"-1 %" is outside 0 to 100 %', "without the minus sign"),
    Mistake("two tables of the plant", PLANT + 'tip = "5 mm"\n[plant]\nvent = "4 mm"', 7, 2,
            "plant", "is set a second time; first on line 5", "Keep one of the two"),
    Mistake("a plant in a protocol", ZONE + '[plant]\ntip = "5 mm"', 11, 2,
            "plant", "is no known table", "Remove it"),
)  # fmt: skip

BASE = (("base.toml", PICO),)
FACE = (("face.toml", ZONE),)
EXTENDS_MISTAKES = (
    Mistake("extends a file that is not there", 'extends = "bse.toml"\n', 1, 11,
            "extends", '"bse.toml" does not exist', 'Did you mean "base.toml"?', others=BASE),
    Mistake("extends a board that Emery has not", 'extends = "pico_refrence"\n', 1, 11,
            "extends", '"pico_refrence" is none that comes with Emery',
            'Did you mean "pico_reference"? A file of your own ends in .toml.'),
    Mistake("extends a number", "extends = 3\n[board]\n", 1, 11,
            "extends", "is the bare number 3", "in double quotes"),
    Mistake("extends nothing", 'extends = " "\n[board]\n', 1, 11,
            "extends", "is empty", "remove the line"),
    Mistake("extends itself", 'extends = "file.toml"\n', 1, 11,
            "extends", "leads back to where it began: file.toml -> file.toml", "Remove it"),
    Mistake("extends in a circle", 'extends = "a.toml"\n', 1, 11,
            "extends", "file.toml -> a.toml -> file.toml", "Remove it here",
            others=(("a.toml", 'extends = "file.toml"\n'),), told_in="a.toml"),
    Mistake("extends without end", 'extends = "1.toml"\n', 1, 11,
            "extends", "is the 6th that is extended in a row", "Put what several of them say",
            others=tuple((f"{n}.toml", f'extends = "{n + 1}.toml"\n') for n in range(1, 7)),
            told_in="5.toml"),
    Mistake("a board that extends a protocol", 'extends = "face.toml"\n[board]\nname = "x"', 1, 11,
            "extends", '"face.toml" is a protocol, and this is a board', "of the same kind",
            others=FACE),
    Mistake("extends below a table", BOARD + 'extends = "base.toml"\n', 5, 1,
            "board.extends", "is no known key", "It belongs at the top of the file",
            others=BASE),
    Mistake("a mistake in the file below", 'extends = "base.toml"\n[board]\nname = "x"', 18, 14,
            "protection.hard_limit", '"50 kPa" is outside', "Or state another in file.toml.",
            others=(("base.toml", PICO + '[protection]\nhard_limit = "50 kPa"'),),
            told_in="base.toml"),
    Mistake("a misspelt key in the file below", 'extends = "base.toml"\n[board]\nname = "x"',
            18, 1, "feed.bnad", "is no known key", "Did you mean band?",
            others=(("base.toml", PICO + '[feed]\nbnad = "4 kPa"'),), told_in="base.toml"),
    Mistake("a pin that the file below uses", 'extends = "base.toml"\n[pins]\nbuzzer = "GP6"',
            3, 10, "pins.buzzer", "GP6 is taken by feed", "Free and fit for it", others=BASE),
    Mistake("a value where the other file has a table",
            'extends = "base.toml"\n[treatment]\npass_gap = "5 s"', 1, 13,
            "treatment", "is the bare number 4, and a table in file.toml", "Write [treatment]",
            others=(("base.toml", "treatment = 4\n" + PICO),), told_in="base.toml"),
    Mistake("no TOML in the file below", 'extends = "base.toml"\n', 2, 8,
            "", "is not TOML here", "double quotes",
            others=(("base.toml", "[board]\nname = b\n"),), told_in="base.toml"),
    Mistake("a new zone that states too little",
            'extends = "face.toml"\n[[zone]]\nname = "nse"\n' + ZONE.split("\n", 4)[4]
            .replace('dose = "22.5 g"\n', ""), 2, 3,
            "zone 2.dose", "is missing", "Add dose", others=FACE),
    Mistake("a change of a zone that is out of range",
            'extends = "face.toml"\n[[zone]]\nname = "nose"\nlevel = 11', 4, 9,
            "zone 1.level", "11 is outside 1 to 10", "in that range", others=FACE),
)  # fmt: skip

FILE_MISTAKES = (
    Mistake("an empty file", " \n", 0, 0, "", "is empty", "Start from one in board_configs/"),
    Mistake("only comments", "# nothing yet\n", 1, 1,
            "", "is neither a board nor a protocol", "Start from a file"),
    Mistake("no such kind of file", "[bord]\n", 1, 1,
            "", "is neither a board nor a protocol", "Start from a file in board_configs/."),
    Mistake("UTF-16", "[board]\n".encode("utf-16"), 0, 0, "", "is UTF-16 text", "as UTF-8"),
    Mistake("Latin-1", '[board]\nname = "Zürich"\n'.encode("latin-1"), 2, 10,
            "", "the byte 0xfc is not UTF-8 text", "Save the file as UTF-8"),
    Mistake("a binary file", b"UF2\n\x00\x01", 0, 0, "", "is a binary file", "Name a TOML file"),
    Mistake("a file for something else", "# x\n" * 300_000, 0, 0,
            "", "is too large for a config file", "Name another file"),
    Mistake("a line without end", BOARD + "#" + "x" * 2_000, 5, 1_001,
            "", "a line of 2001 characters", "Break the line"),
    Mistake("tables in tables without end", "a = " + "[\n" * 2_000 + "]\n" * 2_000, 0, 0,
            "", "nests tables or arrays too deeply", "Write it flat"),
    Mistake("text without quotes", PROTECTION + "hard_limit = 45 kPa", 6, 17,
            "", "is not TOML here", "double quotes"),
    Mistake("a name without quotes", "[board]\nname = Clinic\n", 2, 8,
            "", "is not TOML here", "double quotes"),
    Mistake("quotes of a word processor", PROTECTION + "hard_limit = “45 kPa”", 6, 14,
            "", "is not TOML here", "Write straight quotes"),
    Mistake("a quote that is not closed", PROTECTION + 'hard_limit = "45 kPa\n', 6, 21,
            "", "is not TOML here", "Close the text with the same quotes"),
    Mistake("a colon for an equals sign", PROTECTION + 'hard_limit: "45 kPa"', 6, 11,
            "", "is not TOML here", 'Write key = "value"'),
    Mistake("a key without a value", PROTECTION + "hard_limit =\n", 6, 13,
            "", "is not TOML here", "double quotes"),
    Mistake("a table that is not closed", BOARD + "[protection\n", 5, 12,
            "", "is not TOML here", "Close the table's name"),
    Mistake("two keys on a line", '[board]\nname = "b" chip = "rp2040"', 2, 12,
            "", "is not TOML here", "each key on its own line"),
    Mistake("a path with backslashes", 'extends = "boards\\pico.toml"\n[board]\n', 1, 20,
            "", "is not TOML here", "Write a backslash as two"),
    Mistake("a key set twice", PROTECTION + 'hard_limit = "44 kPa"\nhard_limit = "43 kPa"', 7, 1,
            "protection.hard_limit", "is set a second time; first on line 6", "Keep one"),
    Mistake("a table opened twice", PROTECTION + "[contact]\n[protection]\n", 7, 2,
            "protection", "is set a second time; first on line 5", "Keep one"),
    Mistake("zones as texts", '[protocol]\nname = "p"\n[zone]\nnose = "5"', 3, 2,
            "zone", "is a table", "Write [[zone]]"),
)  # fmt: skip

SECTIONS = (
    ("Values and keys of a board", BOARD_MISTAKES),
    ("Keys of earlier versions", FORMER),
    ("Values that do not fit together", CROSS_MISTAKES),
    ("Pins and wiring", PIN_MISTAKES),
    ("The device's own plant", PLANT_MISTAKES),
    ("Protocols", PROTOCOL_MISTAKES),
    ("Files that extend others", EXTENDS_MISTAKES),
    ("Files that are no TOML", FILE_MISTAKES),
)

# Mistakes that are of the same kind as another one, in other clothes.
VARIANTS = {
    *("a hair above the range", "above, in another unit", "spaced unit", "bare decimal", "nan"),
    *("infinity in text", "a date", "an array", "empty text", "the firmware's name"),
    *("a share beyond the range", "a pressure for a share", "rule, both stated", "dotted key"),
    *("an ESP32's bare number", "a flag for a pin", "the Pico's name on an ESP32"),
    *("no pin at all", "an empty pin", "a number out of the chip", "memory of the ESP32-S3"),
    *("USB of the ESP32-S3", "ADC2 of the ESP32-S3", "a heartbeat on a pin that is pulled up"),
    *("an actuator on a pin that pulses", "a pull-up where there is none", "no heartbeat"),
    *("two frequencies of one slice, far apart", "the sensors side by side on an ESP32"),
    *("neither sensor, on the bench", "an unknown purpose", "a time for a frequency"),
    *("a fact under its firmware's name", "a tick the ESP32-S3 cannot keep", "after accents"),
    *("more than the ESP32-S3's ADC sees", "half a level", "level is a flag", "missing budget"),
    *("missing dose", "no zone name", "a dose beyond the limit", "long protocol name"),
    *("level 11", "chip is a flag", "metres for minutes", "a name without quotes"),
    *("a bore in the wrong unit", "a plant that no device has", "zones as texts"),
    *("a margin that reaches the hard limit", "two tables of the plant", "no [protocol]"),
}


def every() -> list[Mistake]:
    """All mistakes of the table."""
    return [mistake for _, mistakes in SECTIONS for mistake in mistakes]


def told(mistake: Mistake, folder: Path) -> tuple[Problem, ...]:
    """What is said of a mistake, with its files in `folder` and that as the current
    folder, so that messages name the files alone."""
    for name, text in (*mistake.others, ("file.toml", mistake.text)):
        content = text if isinstance(text, bytes) else text.encode()
        (folder / name).write_bytes(content)
    with chdir(folder):
        try:
            if mistake.protocol:
                Path("protocol.toml").write_text(mistake.protocol, encoding="utf-8")
                load("file.toml", "protocol.toml")
            else:
                check("file.toml")
        except ConfigError as error:
            return error.problems
    return ()


def page() -> Iterator[str]:
    """The lines of `config_mistakes.txt`."""
    for title, mistakes in SECTIONS:
        yield from ("", title, "=" * len(title))
        for mistake in mistakes:
            with tempfile.TemporaryDirectory() as folder:
                problems = told(mistake, Path(folder))
            yield from ("", f"-- {mistake.label}")
            for problem in problems:
                # The words of Python's own reader change with its version.
                what = re.sub("(is not TOML here): .*", r"\1: ...", problem.what)
                yield from replace(problem, what=what).render().split("\n")


if __name__ == "__main__":
    MESSAGES.write_text("\n".join([*page(), ""]).lstrip(), encoding="utf-8")
