"""The certificate of a config: these settings, on this control core, passed a scatter of plants.

It is made on the host (`emery certify`, `emery tune`), by simulation, and travels with
the settings in a section of the config. The device cannot repeat that; it can see that
the certificate is about the settings that it has and the core that it runs. Without one
it stays in SERVICE.

It shows mistakes: settings changed by hand, a firmware that behaves differently, a config
of another build. It is no seal against who wants to deceive: whoever can write a config
can write a certificate.

Payload, little-endian: u8 version | 8-byte mark of the settings | 8-byte mark of the core |
8-byte mark of the scatter | u16 plants | i32 worst peak in Pa | i32 worst settling in ms |
u32 when it was made, in seconds of the Unix epoch. The mark of the settings is over the
chip and the values of SETTINGS, in table order: not over pins and zones, since a
certificate is for every protocol.
"""

import struct
from binascii import hexlify
from hashlib import sha256

from micropython import const

from firmware.settings import SETTINGS, Settings

CERTIFICATE_VERSION = const(1)
FORM = "<B8s8s8sHiiI"
_MARK_LENGTH = const(8)

# What `standing` may say.
VALID = "ok"
MISSING = "none"
OTHER_VERSION = "version"
OTHER_SETTINGS = "settings"
OTHER_CORE = "firmware"


def settings_mark(settings: Settings, chip: int) -> bytes:
    """The mark of settings on a chip (its number in `hal.wiring`)."""
    values = [getattr(settings, row[0]) for row in SETTINGS]
    packed = struct.pack("<{}i".format(len(values)), *values)
    return sha256(bytes([chip]) + packed).digest()[:_MARK_LENGTH]


def encode(
    of_settings: bytes,
    of_core: bytes,
    of_scatter: bytes,
    plants: int,
    peak_pa: int,
    settle_ms: int,
    made_s: int,
) -> bytes:
    """The payload of a certificate: three marks, and what was found."""
    return struct.pack(
        FORM, CERTIFICATE_VERSION, of_settings, of_core, of_scatter, plants, peak_pa,
        settle_ms, made_s,
    )


def standing(payload: bytes, settings: Settings, chip: int, core_mark: str) -> str:
    """VALID if this certificate is about these settings, on this chip and this core; else
    one word for why not. `core_mark` is in hex."""
    if not payload:
        return MISSING
    if payload[0] != CERTIFICATE_VERSION or len(payload) != struct.calcsize(FORM):
        return OTHER_VERSION
    fields = struct.unpack(FORM, payload)
    if fields[1] != settings_mark(settings, chip):
        return OTHER_SETTINGS
    if hexlify(fields[2]).decode() != core_mark:
        return OTHER_CORE
    return VALID


def figures(payload: bytes) -> tuple:
    """Plants, worst peak in Pa, worst settling in ms, of a certificate of this version."""
    return struct.unpack(FORM, payload)[4:7]
