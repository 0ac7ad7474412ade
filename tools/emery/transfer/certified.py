"""A config with the certificate that is due to it, or why it gets none.

Known certificates are put in at once; a new one costs a simulation of the scatter.
"""

from collections.abc import Callable

from emery.config.compiled import DeviceConfig, decompile
from firmware import certificate, config_file
from firmware.core_mark import CORE_MARK
from hal import wiring


class NotCertified(Exception):
    """The settings break a requirement on some plant of the scatter: which, and where."""


def standing(blob: bytes) -> str:
    """How the certificate in a config stands with this emery's control core:
    `firmware.certificate.VALID`, or one of its words for why not."""
    config = decompile(blob)
    return certificate.standing(
        config.certificate, config.settings, wiring.CHIPS.index(config.chip), CORE_MARK
    )


def never_treats(config: DeviceConfig) -> bool:
    """Is it for a bench rig?"""
    return config.wiring.purpose == wiring.BENCH


def certified(blob: bytes, show: Callable[[float, str], None]) -> bytes:
    """The config with a valid certificate: its own, a known one, or a new one. `show` is
    told the progress of the last. Raises NotCertified. A bench rig needs none, since it
    never treats."""
    if standing(blob) == certificate.VALID or never_treats(decompile(blob)):
        return blob
    from emery.certificate import known

    config = decompile(blob)
    payload = known.find(config.settings, config.chip, config.plant)
    if not payload:
        from emery.certificate.make import certify

        made = certify(config.settings, config.chip, config.plant, show)
        if not made.payload:
            raise NotCertified(made.reasons)
        payload = made.payload
    return config_file.with_section(blob, config_file.CERTIFICATE, payload)
