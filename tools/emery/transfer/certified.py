"""A config with the certificate that is due to it, or why it gets none.

Known certificates are put in at once; a new one costs a simulation of the scatter.
"""

import struct
from collections.abc import Callable

from emery.config.compiled import DeviceConfig, decompile
from emery.ledger.keys import figures
from firmware import certificate, config_file
from firmware.core_mark import CORE_MARK
from hal import wiring

# The place of the scatter's mark in `firmware.certificate.FORM`.
_SCATTER_MARK = 3


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
    """The config with a valid certificate that was made on today's scatter round its
    plant: its own, a known one, or a new one. `show` is told the progress of the last.
    Raises NotCertified, ProcessLost. A bench rig needs none, since it never treats."""
    from emery.certificate import known, make, marks

    config = decompile(blob)
    if never_treats(config):
        return blob
    if standing(blob) == certificate.VALID:
        tried_on = struct.unpack(certificate.FORM, config.certificate)[_SCATTER_MARK]
        if tried_on == marks.scatter_mark(config.plant):
            return blob
    payload = known.find(config.settings, config.chip, config.plant)
    if not payload:
        made = make.certify(config.settings, config.chip, config.plant, show)
        if not made.passed:
            raise NotCertified(
                f"these settings get no certificate, and nothing was changed:\n{made.reasons}"
            )
        payload = made.payload
    return config_file.with_section(blob, config_file.CERTIFICATE, payload)


def certificate_words(blob: bytes) -> str:
    """What the certificate of a config says, for a person."""
    found = figures(blob)
    if found is None:
        return "no certificate, as a bench rig needs none"
    return (
        f"certificate: {found['plants']} plants, worst peak {found['worst_peak_pa'] / 1_000:.1f} "
        f"kPa, settled within {found['worst_settle_ms'] / 1_000:.2f} s"
    )
