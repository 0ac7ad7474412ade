"""What a certificate is about: marks of settings, of the core and of the scatter."""

import hashlib
import struct
from collections.abc import Mapping

from emery.certificate.core import MARK_BYTES, core_mark
from emery.certificate.world import world_mark
from firmware import certificate
from firmware.settings import Settings
from hal.wiring import CHIPS

# Of `firmware.certificate.FORM`: the version and three marks come first.
_MARKS_END = 4


def settings_mark(settings: Settings, chip: str) -> bytes:
    """The mark of these settings on a chip of `hal.wiring.CHIPS`."""
    return certificate.settings_mark(settings, CHIPS.index(chip))


def scatter_mark(plant: Mapping[str, float]) -> bytes:
    """The mark of what settings are tried on, round this plant, and of what is asked."""
    return hashlib.sha256(world_mark() + repr(sorted(plant.items())).encode()).digest()[
        :MARK_BYTES
    ]


def marks(
    settings: Settings, chip: str, plant: Mapping[str, float]
) -> tuple[bytes, bytes, bytes]:
    """Of the settings, the core and the scatter, as they stand in a certificate."""
    return settings_mark(settings, chip), core_mark(), scatter_mark(plant)


def marks_in(payload: bytes) -> tuple[bytes, bytes, bytes] | None:
    """The same as they stand in this one; None if it is no certificate of today's form."""
    if len(payload) != struct.calcsize(certificate.FORM):
        return None
    version, *found = struct.unpack(certificate.FORM, payload)[:_MARKS_END]
    of_settings, of_core, of_scatter = found
    if version != certificate.CERTIFICATE_VERSION:
        return None
    return of_settings, of_core, of_scatter
