"""What a certificate is about: marks of settings, of the core and of the scatter."""

import hashlib
from collections.abc import Mapping

from emery.certificate.core import MARK_BYTES, core_mark
from emery.certificate.world import world_mark
from firmware import certificate
from firmware.settings import Settings
from hal.wiring import CHIPS


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
