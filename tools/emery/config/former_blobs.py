"""Compiled configs of earlier versions, brought to the form of today.

The layouts here are frozen: they say what a tool of then wrote. Settings and
wiring are taken over by name. What was at its default of then is at today's, since
the firmware has changed with it; what somebody had changed stays as it was set;
what has come since is at its default, and what is gone is told.
"""

import struct
from binascii import crc32
from dataclasses import dataclass

from emery.config import quantity
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from firmware import config_file
from firmware.limits import ZONES
from firmware.settings import MAGIC as SETTINGS_MAGIC
from firmware.settings import NAME_BYTES, Settings, SettingsError, Zone, encode
from firmware.settings import SCHEMA_VERSION as SETTINGS_VERSION
from hal import wiring
from hal.wiring import MAGIC as WIRING_MAGIC
from hal.wiring import WIRING_VERSION, Wiring, WiringError

_SETTINGS_HEAD = "<4sHH"
_CRC32_BYTES = 4


class NotAConfig(ValueError):
    """These bytes are no compiled config that can be read. Says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """A config in today's form. `notes` are whole sentences on what was changed on the
    way; none if it was of today already."""

    blob: bytes
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FormerSettings:
    """A layout of compiled settings: names in order, and defaults that were others."""

    rows: tuple[str, ...]
    zone_fields: tuple[str, ...]
    defaults: dict[str, int]


@dataclass(frozen=True, slots=True)
class FormerWiring:
    """A layout of a compiled wiring: chips, roles and facts in order."""

    chips: tuple[str, ...]
    roles: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def form(self) -> str:
        """For `struct`, without the checksum."""
        return f"<4sBB16s{len(self.roles)}B{len(self.facts)}H"

    @property
    def length(self) -> int:
        """Bytes with the checksum."""
        return struct.calcsize(self.form) + _CRC32_BYTES


FORMER_SETTINGS = {
    1: FormerSettings(
        rows=(
            "tick_period_ms", "adc_reference_mv", "sensor_supply_mv",
            "sensor_supply_tolerance_permille", "sensor_supply_divider_permille",
            "vacuum_a_zero_ppm", "vacuum_a_span_pa", "vacuum_a_divider_permille",
            "vacuum_b_zero_ppm", "vacuum_b_span_pa", "vacuum_b_divider_permille",
            "zero_tolerance_pa", "hard_limit_pa", "soft_margin_pa", "soft_margin_permille",
            "soft_time_ms", "soft_latch_ms", "disagreement_pa", "disagreement_ms",
            "contact_on_pa", "contact_on_permille", "contact_on_ms", "contact_off_pa",
            "contact_off_permille", "contact_off_ms", "stroke_ms", "pass_gap_ms", "session_ms",
            "hold_low_permille", "hold_high_permille", "gain_permille_per_kpa",
            "integral_permille_per_kpa_s", "lead_ms", "search_permille", "full_flow_mg_min",
            "band_pa",
        ),
        zone_fields=("level", "flow_mg_min", "passes", "pass_time_ms", "pass_crystals_mg"),
        defaults={"integral_permille_per_kpa_s": 100, "search_permille": 600},
    ),
}  # fmt: skip

FORMER_WIRINGS = {
    1: FormerWiring(
        chips=("rp2040", "esp32"),
        roles=(
            "pump", "feed", "vent", "heartbeat", "power_sense", "comparator_test", "vacuum_a",
            "vacuum_b", "sensor_supply", "footswitch", "i2c_sda", "i2c_scl", "button_start",
            "button_pass", "button_zone", "button_end", "led_ready", "led_fault", "buzzer",
        ),
        facts=("pump_pwm_hz", "feed_period_ms", "motion_sensor", "digital_vacuum"),
    ),
}  # fmt: skip


def migrated(blob: bytes) -> Migrated:
    """A whole compiled config, of today or of an earlier version, in today's form.

    Sections are kept, but for a certificate of settings that had to be changed: it is
    for others. Raises NotAConfig.
    """
    notes: list[str] = []
    wired, rest = _wiring(blob, notes)
    compiled, rest, changed = _settings(rest, notes)
    whole = wired + compiled + rest
    if changed:
        whole = config_file.with_section(whole, config_file.CERTIFICATE, b"")
    try:
        config_file.check(whole)
    except WiringError as error:
        raise NotAConfig(f"its wiring is refused: {error}") from None
    except SettingsError as error:
        raise NotAConfig(f"its settings are refused: {error}") from None
    return Migrated(whole, tuple(notes))


def _wiring(blob: bytes, notes: list[str]) -> tuple[bytes, bytes]:
    """The wiring in today's form, and what follows it."""
    if len(blob) < len(WIRING_MAGIC) + 2 or blob[: len(WIRING_MAGIC)] != WIRING_MAGIC:
        if blob[: len(SETTINGS_MAGIC)] == SETTINGS_MAGIC:
            raise NotAConfig(
                "these are settings without a wiring, from before boards stated their pins; "
                "compile them again from their TOML files"
            )
        raise NotAConfig("this is no compiled Emery config; name a config.bin")
    version = blob[len(WIRING_MAGIC)]
    if version == WIRING_VERSION:
        return blob[: wiring.LENGTH], blob[wiring.LENGTH :]
    form = FORMER_WIRINGS.get(version)
    if form is None:
        raise NotAConfig(f"its wiring is of version {version}: {_newer('wiring', WIRING_VERSION)}")
    if len(blob) < form.length:
        raise NotAConfig("its wiring ends in the midst; read it from the device again")
    own, rest = blob[: form.length], blob[form.length :]
    if crc32(own[:-_CRC32_BYTES]) != struct.unpack("<I", own[-_CRC32_BYTES:])[0]:
        raise NotAConfig("its wiring was damaged; read it from the device again")
    _, _, chip, name, *numbers = struct.unpack_from(form.form, own)
    if chip >= len(form.chips):
        raise NotAConfig(f"its chip {chip} is unknown")
    found = Wiring(wiring.CHIPS.index(form.chips[chip]), _text(name, "board name"))
    for key, number in zip((*form.roles, *form.facts), numbers, strict=True):
        setattr(found, key, number)
    notes.append(f"The wiring was of version {version}, and is of {WIRING_VERSION} now.")
    return wiring.encode(found), rest


def _settings(blob: bytes, notes: list[str]) -> tuple[bytes, bytes, bool]:
    """The settings in today's form, what follows them, and whether they were others."""
    head_bytes = struct.calcsize(_SETTINGS_HEAD)
    if len(blob) < head_bytes or blob[: len(SETTINGS_MAGIC)] != SETTINGS_MAGIC:
        raise NotAConfig("it ends before its settings; read it from the device again")
    _, version, count = struct.unpack_from(_SETTINGS_HEAD, blob)
    if version == SETTINGS_VERSION:
        end = config_file.settings_end(bytes(wiring.LENGTH) + blob) - wiring.LENGTH
        return blob[:end], blob[end:], False
    form = FORMER_SETTINGS.get(version)
    if form is None:
        raise NotAConfig(
            f"its settings are of version {version}: {_newer('settings', SETTINGS_VERSION)}"
        )
    if count != len(form.rows):
        raise NotAConfig(f"its settings of version {version} are {count}, not {len(form.rows)}")
    count_at = head_bytes + 4 * len(form.rows) + NAME_BYTES
    zone_bytes = NAME_BYTES + 4 * len(form.zone_fields)
    zones = blob[count_at] if count_at < len(blob) else 0
    end = count_at + 1 + zones * zone_bytes + _CRC32_BYTES
    if zones > ZONES or len(blob) < end:
        raise NotAConfig("its settings end in the midst; read it from the device again")
    if crc32(blob[: end - _CRC32_BYTES]) != struct.unpack_from("<I", blob, end - _CRC32_BYTES)[0]:
        raise NotAConfig("its settings were damaged; read it from the device again")
    values = dict(
        zip(form.rows, struct.unpack_from(f"<{count}i", blob, head_bytes), strict=True)
    )
    settings = Settings()
    settings.protocol_name = _text(blob[count_at - NAME_BYTES : count_at], "protocol name")
    found = []
    for number in range(zones):
        at = count_at + 1 + number * zone_bytes
        zone = Zone(_text(blob[at : at + NAME_BYTES], f"zone {number + 1} name"))
        fields = struct.unpack_from(f"<{len(form.zone_fields)}i", blob, at + NAME_BYTES)
        _fill_zone(zone, dict(zip(form.zone_fields, fields, strict=True)))
        found.append(zone)
    settings.zones = tuple(found)
    notes.append(f"The settings were of version {version}, and are of {SETTINGS_VERSION} now.")
    _fill(settings, form, values, notes)
    return encode(settings), blob[end:], True


def _fill(
    settings: Settings, form: FormerSettings, values: dict[str, int], notes: list[str]
) -> None:
    for row in SETTING_ROWS:
        if row.name not in values:
            continue
        value = values[row.name]
        if value == form.defaults.get(row.name):
            notes.append(
                f"{row.table}.{row.key} was at its default of then "
                f"({quantity.text(value, row.unit)}), and is at today's "
                f"({quantity.text(row.default, row.unit)})."
            )
            value = row.default
        setattr(settings, row.name, value)
    for row in SETTING_ROWS:
        if row.name not in values:
            value = _fitting(row.name, settings)
            setattr(settings, row.name, value)
            notes.append(
                f"{row.table}.{row.key} has come since: {quantity.text(value, row.unit)}."
            )
    if "lead_ms" in values:
        notes.append("regulator.lead is gone: regulator.pump_lag describes the pump instead.")
    if "dose_mg" not in form.zone_fields:
        notes.append("zone.dose has come since: all passes of a zone with all their crystals.")


def _fitting(name: str, settings: Settings) -> int:
    """A value for a setting that was not there: its default, unless that breaks a rule."""
    value: int = getattr(settings, name)
    if name == "pump_start_permille":
        return min(value, settings.hold_low_permille - 1)
    return value


def _fill_zone(zone: Zone, values: dict[str, int]) -> None:
    for row in ZONE_ROWS:
        if row.name in values:
            setattr(zone, row.name, values[row.name])
        elif row.name == "dose_mg":
            dose_mg = former_dose_mg(values["passes"], values["pass_crystals_mg"])
            setattr(zone, row.name, min(dose_mg, row.high))


def former_dose_mg(passes: int, pass_crystals_mg: int) -> int:
    """What a zone could get while there was no dose: its passes with all their crystals."""
    return passes * pass_crystals_mg


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.rstrip(b"\x00").decode("ascii")
    except UnicodeDecodeError:
        raise NotAConfig(f"its {what} is no plain text") from None


def _newer(what: str, version: int) -> str:
    return f"this tool knows {what} up to version {version}; use a newer emery"
