"""The one table of settings, and the loading of compiled settings.

A technician writes TOML; the host checks it against this table and compiles it
to a small binary; the device loads that binary and checks everything again.
The table is the only place that names a setting, its unit, its range and its
default: the TOML loader, the documentation and the device all read it.

Compiled form, little-endian:
    magic "EMRY" | u16 schema version | u16 number of settings
    i32 for each setting, in table order
    16-byte protocol name | u8 number of zones
    for each zone: 16-byte name, then i32 for each zone field
    u32 CRC-32 of all before it
Nothing is taken from it before length and CRC agree, and every refusal names
the field it is about.
"""

import struct
from binascii import crc32

from firmware import limits

# Settings are set by name; only a type checker has to be told. (A class that
# really defines __getattr__ makes CPython read every attribute the slow way.)
TYPE_CHECKING = False

SCHEMA_VERSION = 2
MAGIC = b"EMRY"
NAME_BYTES = 16

# Units and the ending each gives to a name. TOML keys carry no ending, since
# the value there carries its unit as text.
UNIT_SUFFIXES = (
    ("Pa", "_pa"),
    ("ms", "_ms"),
    ("permille", "_permille"),
    ("ppm", "_ppm"),
    ("mV", "_mv"),
    ("mg/min", "_mg_min"),
    ("mg", "_mg"),
    ("permille/kPa", "_permille_per_kpa"),
    ("permille/kPa/s", "_permille_per_kpa_s"),
    ("", ""),
)

# Who may change a setting: everyday tuning, or with knowledge of the design.
TECHNICIAN = "technician"
ENGINEER = "engineer"

# name, TOML table, unit, lowest, highest, default, who, what it does
SETTINGS = (
    ("tick_period_ms", "timing", "ms", 5, 10, 5, ENGINEER,
     "period of the control tick"),
    ("adc_reference_mv", "sensors", "mV", 1000, 5000, 3300, ENGINEER,
     "ADC input that reads full scale"),
    ("sensor_supply_mv", "sensors", "mV", 4500, 5500, 5000, ENGINEER,
     "nominal supply of the vacuum sensors"),
    ("sensor_supply_tolerance_permille", "sensors", "permille", 20, 100, 80, ENGINEER,
     "how far the sensors' supply may stray before it is a fault"),
    ("sensor_supply_divider_permille", "sensors", "permille", 100, 1000, 333, TECHNICIAN,
     "part of the sensors' supply that reaches the ADC"),
    ("vacuum_a_zero_ppm", "sensors", "ppm", 500_000, 980_000, 920_000, TECHNICIAN,
     "channel A: output at zero vacuum, as a part of its supply"),
    ("vacuum_a_span_pa", "sensors", "Pa", 110_000, 250_000, 130_685, TECHNICIAN,
     "channel A: vacuum for an output change of the whole supply"),
    ("vacuum_a_divider_permille", "sensors", "permille", 300, 1000, 660, TECHNICIAN,
     "channel A: part of the output that reaches the ADC"),
    ("vacuum_b_zero_ppm", "sensors", "ppm", 500_000, 980_000, 920_000, TECHNICIAN,
     "channel B: output at zero vacuum, as a part of its supply"),
    ("vacuum_b_span_pa", "sensors", "Pa", 110_000, 250_000, 130_685, TECHNICIAN,
     "channel B: vacuum for an output change of the whole supply"),
    ("vacuum_b_divider_permille", "sensors", "permille", 300, 1000, 660, TECHNICIAN,
     "channel B: part of the output that reaches the ADC"),
    ("zero_tolerance_pa", "sensors", "Pa", 500, 2_500, 2_000, ENGINEER,
     "largest reading of a vented sensor that the self-test trims away"),
    ("hard_limit_pa", "protection", "Pa", 20_000, limits.HARD_VACUUM_PA, limits.HARD_VACUUM_PA,
     TECHNICIAN, "vacuum that trips at once, latched"),
    ("soft_margin_pa", "protection", "Pa", 1_000, 5_000, 3_000, TECHNICIAN,
     "over-vacuum begins at least this much above the set vacuum"),
    ("soft_margin_permille", "protection", "permille", 0, 200, 100, TECHNICIAN,
     "over-vacuum begins at least this part of the set vacuum above it"),
    ("soft_time_ms", "protection", "ms", 20, 200, 100, ENGINEER,
     "over-vacuum this long takes pump and crystals away"),
    ("soft_latch_ms", "protection", "ms", 200, 1_000, 500, ENGINEER,
     "over-vacuum this long is a latched fault, and the vent opens"),
    ("disagreement_pa", "protection", "Pa", 1_000, 6_000, 4_000, ENGINEER,
     "largest difference between the channels"),
    ("disagreement_ms", "protection", "ms", 20, 200, 100, ENGINEER,
     "a larger difference this long is a fault"),
    ("contact_on_pa", "contact", "Pa", 2_000, 8_000, 3_000, TECHNICIAN,
     "contact needs more vacuum than this"),
    ("contact_on_permille", "contact", "permille", 100, 500, 180, TECHNICIAN,
     "contact needs more than this part of the set vacuum, too"),
    ("contact_on_ms", "contact", "ms", 10, 200, 30, TECHNICIAN,
     "contact is believed after this long"),
    ("contact_off_pa", "contact", "Pa", 1_000, 6_000, 2_500, TECHNICIAN,
     "less vacuum than this is a lift"),
    ("contact_off_permille", "contact", "permille", 50, 400, 150, TECHNICIAN,
     "less than this part of the set vacuum is a lift, too"),
    ("contact_off_ms", "contact", "ms", 10, 200, 80, TECHNICIAN,
     "lift is believed after this long"),
    ("stroke_ms", "contact", "ms", 100, 1_000, 300, ENGINEER,
     "a contact this long is a stroke"),
    ("pass_gap_ms", "treatment", "ms", 2_000, 10_000, 4_000, TECHNICIAN,
     "off the skin this long after a stroke closes the pass"),
    ("session_ms", "treatment", "ms", 60_000, limits.SESSION_MS, 1_800_000, TECHNICIAN,
     "length of a session"),
    ("proof_share_permille", "proof", "permille", 200, 800, 460, TECHNICIAN,
     "vacuum that a sound pump reaches on the parking cap, as a part of the air pressure"),
    ("hold_low_permille", "regulator", "permille", 50, 900, 330, TECHNICIAN,
     "pump drive that holds level 1 on sealed skin"),
    ("hold_high_permille", "regulator", "permille", 100, 1000, 760, TECHNICIAN,
     "pump drive that holds level 10 on sealed skin"),
    ("pump_start_permille", "regulator", "permille", 0, 300, 110, TECHNICIAN,
     "pump drive below which the pump stands still"),
    ("pump_lag_ms", "regulator", "ms", 50, 400, 150, TECHNICIAN,
     "time in which the pump's speed follows its drive by two thirds"),
    ("gain_permille_per_kpa", "regulator", "permille/kPa", 10, 1_000, 250, TECHNICIAN,
     "pump drive for each kPa of error"),
    ("integral_permille_per_kpa_s", "regulator", "permille/kPa/s", 0, 1_000, 200, TECHNICIAN,
     "pump drive gained each second for each kPa of error"),
    ("search_permille", "regulator", "permille", 100, 900, 800, TECHNICIAN,
     "largest pump drive while the tip is open"),
    ("full_flow_mg_min", "feed", "mg/min", 1_000, 40_000, limits.FLOW_MG_MIN, TECHNICIAN,
     "crystal flow with the valve fully open"),
    ("band_pa", "feed", "Pa", 1_000, 8_000, 4_000, TECHNICIAN,
     "crystals flow only this close below the set vacuum"),
)

# The fields of one zone, in the same form; every zone states them all.
ZONE_FIELDS = (
    ("level", "zone", "", 1, len(limits.LEVEL_VACUUM_PA), 1, TECHNICIAN,
     "vacuum level 1 (10 kPa) to 10 (40 kPa)"),
    ("flow_mg_min", "zone", "mg/min", 0, limits.FLOW_MG_MIN, 0, TECHNICIAN,
     "crystal flow on the skin"),
    ("passes", "zone", "", 1, limits.PASSES_PER_ZONE, limits.PASSES_PER_ZONE, TECHNICIAN,
     "passes over this zone in a session"),
    ("pass_time_ms", "zone", "ms", 5_000, limits.PASS_TIME_MS, 60_000, TECHNICIAN,
     "time on skin that closes a pass"),
    ("pass_crystals_mg", "zone", "mg", 500, limits.PASS_CRYSTALS_MG, 10_000, TECHNICIAN,
     "crystals that close a pass"),
    ("dose_mg", "zone", "mg", 500, limits.DOSE_MG, 30_000, TECHNICIAN,
     "crystals of all passes that spend the zone"),
)

_HEADER = "<4sHH"

# At the highest vacuum it must show, a sensor still gives this part of its
# supply; a broken wire gives less. [E]
_LEAST_OUTPUT_PPM = 50_000


class SettingsError(Exception):
    """Compiled settings were refused. `field` names what was wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field + ": " + problem)
        self.field = field
        self.problem = problem


class Settings:
    """One integer attribute for each row of SETTINGS, and the zones.

    Made with the defaults of the table and no zones.
    """

    def __init__(self) -> None:
        self.protocol_name = ""
        self.zones: tuple = ()
        for row in SETTINGS:
            setattr(self, row[0], row[5])

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int: ...


class Zone:
    """One zone of a protocol: an attribute for each row of ZONE_FIELDS."""

    def __init__(self, name: str) -> None:
        self.name = name
        for row in ZONE_FIELDS:
            setattr(self, row[0], row[5])

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int: ...


def range_problem(row: tuple, value: int) -> str:
    """What is wrong with `value` for a table row, or "" if it is in range."""
    if row[3] <= value <= row[4]:
        return ""
    return "{} is outside {} to {} {}".format(value, row[3], row[4], row[2]).strip()


def broken_rules(settings: Settings) -> list:
    """Rules between fields that the ranges cannot express.

    Returns (field, problem) for each broken one: a setting's name, or
    "zone N FIELD" with zones counted from 1.
    """
    broken = []
    if settings.hold_low_permille >= settings.hold_high_permille:
        broken.append(("hold_low_permille", "must be below hold_high_permille"))
    if settings.pump_start_permille >= settings.hold_low_permille:
        broken.append(("pump_start_permille", "must be below hold_low_permille"))
    if settings.contact_off_pa >= settings.contact_on_pa:
        broken.append(("contact_off_pa", "must be below contact_on_pa"))
    if settings.contact_off_permille >= settings.contact_on_permille:
        broken.append(("contact_off_permille", "must be below contact_on_permille"))
    if settings.soft_time_ms >= settings.soft_latch_ms:
        broken.append(("soft_time_ms", "must be below soft_latch_ms"))
    supply_mv = settings.sensor_supply_mv * settings.sensor_supply_divider_permille // 1000
    if not settings.adc_reference_mv // 4 <= supply_mv < settings.adc_reference_mv:
        broken.append(
            ("sensor_supply_divider_permille",
             "puts the supply at {} mV, outside a quarter to all of adc_reference_mv".format(
                 supply_mv))
        )
    for channel in ("a", "b"):
        span = getattr(settings, "vacuum_" + channel + "_span_pa")
        divider = getattr(settings, "vacuum_" + channel + "_divider_permille")
        # Keeps every product of sensing and protection below 2^30: the slope of
        # sensing, span * supply divider / (8 * divider), times 65535.
        if span * settings.sensor_supply_divider_permille > 131_000 * divider:
            broken.append(
                ("vacuum_" + channel + "_divider_permille",
                 "is too small for this span: the ADC would see too little of the sensor")
            )
        # What the sensor gives at the ends of what it must be able to show.
        zero_ppm = getattr(settings, "vacuum_" + channel + "_zero_ppm")
        top_ppm = zero_ppm - limits.SENSOR_FLOOR_PA * 1_000_000 // span
        top_mv = settings.sensor_supply_mv * divider * (top_ppm // 100) // 10_000_000
        if top_mv >= settings.adc_reference_mv:
            broken.append(
                ("vacuum_" + channel + "_divider_permille",
                 "puts the vented sensor at up to {} mV, above adc_reference_mv".format(top_mv))
            )
        if zero_ppm - limits.SENSOR_CEILING_PA * 1_000_000 // span < _LEAST_OUTPUT_PPM:
            broken.append(
                ("vacuum_" + channel + "_span_pa",
                 "leaves the sensor no output at {} Pa, so that no trip could be seen".format(
                     limits.SENSOR_CEILING_PA))
            )
    number = 0
    names = []
    for zone in settings.zones:
        number += 1
        if zone.name in names:
            broken.append(
                ("zone {} name".format(number), "is the name of another zone as well")
            )
        names.append(zone.name)
        set_pa = limits.LEVEL_VACUUM_PA[zone.level - 1]
        if set_pa + soft_margin_pa(settings, set_pa) >= settings.hard_limit_pa:
            broken.append(
                ("zone {} level".format(number),
                 "sets {} Pa; with the over-vacuum margin that reaches hard_limit_pa".format(
                     set_pa))
            )
    return broken


def protocol_mark(settings: Settings) -> int:
    """CRC-32 over the names of the zones in order: whose counts a record holds."""
    mark = 0
    for zone in settings.zones:
        mark = crc32(zone.name.encode() + b"\x00", mark)
    return mark


def soft_margin_pa(settings: Settings, set_pa: int) -> int:
    """Over-vacuum margin above a set vacuum, in Pa: the larger of the two."""
    part_pa = set_pa * settings.soft_margin_permille // 1000
    return part_pa if part_pa > settings.soft_margin_pa else settings.soft_margin_pa


def compiled_length(zone_count: int) -> int:
    """Bytes of compiled settings with this many zones."""
    zone_bytes = NAME_BYTES + 4 * len(ZONE_FIELDS)
    fixed_bytes = struct.calcsize(_HEADER) + 4 * len(SETTINGS) + NAME_BYTES + 1 + 4
    return fixed_bytes + zone_count * zone_bytes


def encode(settings: Settings) -> bytes:
    """Compiled form of `settings`. The caller has checked it."""
    parts = [struct.pack(_HEADER, MAGIC, SCHEMA_VERSION, len(SETTINGS))]
    for row in SETTINGS:
        parts.append(struct.pack("<i", getattr(settings, row[0])))
    parts.append(struct.pack("<16sB", settings.protocol_name.encode(), len(settings.zones)))
    for zone in settings.zones:
        parts.append(struct.pack("<16s", zone.name.encode()))
        for row in ZONE_FIELDS:
            parts.append(struct.pack("<i", getattr(zone, row[0])))
    body = b"".join(parts)
    return body + struct.pack("<I", crc32(body))


def decode(blob: bytes) -> Settings:
    """Settings from their compiled form, or SettingsError naming the field."""
    if len(blob) < compiled_length(0):
        raise SettingsError("length", "{} bytes; at least {} expected".format(
            len(blob), compiled_length(0)))
    magic, schema, count = struct.unpack_from(_HEADER, blob, 0)
    if magic != MAGIC:
        raise SettingsError("magic", "these are not compiled Emery settings")
    if schema != SCHEMA_VERSION:
        raise SettingsError("schema", "version {}; this firmware reads version {}".format(
            schema, SCHEMA_VERSION))
    if count != len(SETTINGS):
        raise SettingsError("count", "{} settings; this firmware has {}".format(
            count, len(SETTINGS)))
    zone_count = blob[compiled_length(0) - 5]
    if zone_count > limits.ZONES:
        raise SettingsError("zones", "{} zones; at most {}".format(zone_count, limits.ZONES))
    if len(blob) != compiled_length(zone_count):
        raise SettingsError("length", "{} bytes; {} expected for {} zones".format(
            len(blob), compiled_length(zone_count), zone_count))
    if crc32(blob[:-4]) != struct.unpack_from("<I", blob, len(blob) - 4)[0]:
        raise SettingsError("crc", "the settings were damaged; compile and push them again")

    settings = Settings()
    offset = struct.calcsize(_HEADER)
    for row in SETTINGS:
        setattr(settings, row[0], _value(blob, offset, row, row[0]))
        offset += 4
    settings.protocol_name = _name(blob, offset, "protocol name")
    offset += NAME_BYTES + 1
    zones = []
    for number in range(1, zone_count + 1):
        where = "zone {} ".format(number)
        zone = Zone(_name(blob, offset, where + "name"))
        offset += NAME_BYTES
        for row in ZONE_FIELDS:
            setattr(zone, row[0], _value(blob, offset, row, where + row[0]))
            offset += 4
        zones.append(zone)
    if not zones:
        raise SettingsError("zones", "a protocol needs at least one zone")
    settings.zones = tuple(zones)
    for field, problem in broken_rules(settings):
        raise SettingsError(field, problem)
    return settings


def _value(blob: bytes, offset: int, row: tuple, field: str) -> int:
    value = struct.unpack_from("<i", blob, offset)[0]
    problem = range_problem(row, value)
    if problem:
        raise SettingsError(field, problem)
    return value


def _name(blob: bytes, offset: int, field: str) -> str:
    raw = bytes(blob[offset:offset + NAME_BYTES])
    text = raw.rstrip(b"\x00")
    for byte in text:
        if not 32 <= byte <= 126:
            raise SettingsError(field, "is not plain text")
    if not text:
        raise SettingsError(field, "is empty")
    return text.decode()
