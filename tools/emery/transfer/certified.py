"""A config with the certificate that is due to it, or why it gets none.

Known certificates are put in at once; a new one costs a simulation of the scatter.
"""

from collections.abc import Callable

from emery.config.compiled import DeviceConfig, decompile
from emery.ledger.keys import figures
from firmware import config_file
from hal import wiring


class NotCertified(Exception):
    """The settings break a requirement on some plant of the scatter: which, and where."""


def never_treats(config: DeviceConfig) -> bool:
    """Is it for a bench rig?"""
    return config.wiring.purpose == wiring.BENCH


def certified(blob: bytes, show: Callable[[float, str], None], held: bytes = b"") -> bytes:
    """The config with a certificate for its settings, this control core, and today's
    scatter round its plant: its own, the one in `held` (what the device has now), a known
    one, or a new one, of which `show` is told the progress.

    Raises NotCertified, ProcessLost. A bench rig needs none, since it never treats.
    """
    from emery.certificate import known, make

    config = decompile(blob)
    if never_treats(config) or _is_for(config.certificate, config):
        return blob
    payload = config_file.section(held, config_file.CERTIFICATE) if held else b""
    if not _is_for(payload, config):
        payload = known.find(config.settings, config.chip, config.plant)
    if not payload:
        made = make.certify(config.settings, config.chip, config.plant, show)
        if not made.passed:
            raise NotCertified(
                f"these settings get no certificate, and nothing was changed:\n{made.reasons}"
            )
        payload = made.payload
    return config_file.with_section(blob, config_file.CERTIFICATE, payload)


def _is_for(payload: bytes, config: DeviceConfig) -> bool:
    """Is this a certificate of these settings on this core, tried round this plant?"""
    from emery.certificate.marks import marks, marks_in

    return marks_in(payload) == marks(config.settings, config.chip, config.plant)


def certificate_words(blob: bytes) -> str:
    """What the certificate of a config says, for a person."""
    found = figures(blob)
    if found is None:
        return "no certificate, as a bench rig needs none"
    return (
        f"certificate: {found['plants']} plants, worst peak {found['worst_peak_pa'] / 1_000:.1f} "
        f"kPa, settled within {found['worst_settle_ms'] / 1_000:.2f} s"
    )
