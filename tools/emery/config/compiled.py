"""A compiled config read back: what a device runs on, in the words of the files.

    config = decompile(client.whole_blob("config"))
    config.settings.hard_limit_pa, config.plant, texts(config)["pins.pump"]

Configs of earlier versions are brought to today's form on the way (`former_blobs`).
"""

import struct
from dataclasses import dataclass

from emery.config import quantity
from emery.config.board import Board
from emery.config.former_blobs import NotAConfig, migrated
from emery.config.pins import FACT_ROWS, pin_text
from emery.config.plant import PLANT_ROWS, decode_plant, encode_plant
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from firmware import certificate, config_file
from firmware.settings import Settings, Zone, decode, encode
from hal import wiring
from hal.wiring import CHIPS, NO_PIN, ROLES, Wiring

__all__ = [
    "DeviceConfig", "NotAConfig", "certificate_figures", "config_of_board", "decompile",
    "encode_config", "texts", "zone_texts",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """All that a compiled config holds. `settings` has its zones; `plant` is in SI by
    the simulator's names; `certificate` is the payload, b"" if there is none; `notes`
    tell what was changed on the way from an earlier version."""

    name: str
    chip: str
    wiring: Wiring
    settings: Settings
    plant: dict[str, float]
    certificate: bytes
    notes: tuple[str, ...] = ()


def decompile(blob: bytes) -> DeviceConfig:
    """What is in a compiled config. Raises NotAConfig."""
    found = migrated(blob)
    wired = wiring.decode(found.blob)
    try:
        plant = decode_plant(config_file.section(found.blob, config_file.PLANT))
    except ValueError as error:
        raise NotAConfig(str(error)) from None
    return DeviceConfig(
        wired.board_name,
        CHIPS[wired.chip],
        wired,
        decode(config_file.settings_of(found.blob)),
        plant,
        config_file.section(found.blob, config_file.CERTIFICATE),
        found.notes,
    )


def config_of_board(board: Board) -> DeviceConfig:
    """What a device has that is built as a checked board file says."""
    return DeviceConfig(
        board.name, board.chip, board.wiring, board.settings, board.plant, certificate=b""
    )


def encode_config(config: DeviceConfig) -> bytes:
    """The compiled form of today, without a certificate: whoever writes it to a device
    puts the one in that is known for it."""
    blob = wiring.encode(config.wiring) + encode(config.settings)
    return config_file.with_section(blob, config_file.PLANT, encode_plant(config.plant))


def certificate_figures(payload: bytes) -> tuple[int, int, int] | None:
    """Plants, worst peak in Pa and worst settling in ms of a certificate; None if there is
    none, or none of today's form."""
    if len(payload) != struct.calcsize(certificate.FORM):
        return None
    if payload[0] != certificate.CERTIFICATE_VERSION:
        return None
    plants, peak_pa, settle_ms = certificate.figures(payload)
    return plants, peak_pa, settle_ms


def texts(config: DeviceConfig) -> dict[str, str]:
    """Every key with its value as a file would have it, in the order of a board file and
    then of a protocol, if it has zones. They are counted from 1: "zone.1.level". Roles
    without a pin and plant values that are not stated are left out."""
    found = {"board.name": config.name, "board.chip": config.chip}
    for role, *_ in ROLES:
        gpio = getattr(config.wiring, role)
        if gpio != NO_PIN:
            found[f"pins.{role}"] = pin_text(config.chip, gpio)
    for fact in FACT_ROWS:
        found[f"wiring.{fact.key}"] = fact.text(getattr(config.wiring, fact.name))
    for row in SETTING_ROWS:
        value = getattr(config.settings, row.name)
        found[f"{row.table}.{row.key}"] = quantity.text(value, row.unit)
    for plant_row in PLANT_ROWS:
        if plant_row.name in config.plant:
            number = plant_row.whole(config.plant[plant_row.name])
            found[f"plant.{plant_row.key}"] = quantity.text(number, plant_row.unit)
    if config.settings.zones:
        found["protocol.name"] = config.settings.protocol_name
    for number, zone in enumerate(config.settings.zones, 1):
        found |= {f"zone.{number}.{key}": text for key, text in zone_texts(zone).items()}
    return found


def zone_texts(zone: Zone) -> dict[str, str]:
    """The keys of a zone with their values as a file would have them."""
    found = {"name": zone.name}
    for row in ZONE_ROWS:
        found[row.key] = quantity.text(getattr(zone, row.name), row.unit)
    return found
