"""Compiled configs for tests, with and without a certificate."""

from firmware import certificate, config_file
from firmware.core_mark import CORE_MARK
from firmware.settings import decode, encode
from hal import wiring
from host_tests.bench import bench_settings
from host_tests.pins import reference_wiring

_SCATTER = bytes(8)
FIGURES = (200, 41_500, 1_234)


def blob(**changes: int) -> bytes:
    """A config of the bench for an RP2040, with other values for some settings; without
    a certificate."""
    settings = bench_settings()
    for name, value in changes.items():
        setattr(settings, name, value)
    return wiring.encode(reference_wiring(wiring.RP2040)) + encode(settings)


def payload(config: bytes, core_mark: str = CORE_MARK) -> bytes:
    """A certificate that nobody simulated anything for."""
    mark = certificate.settings_mark(
        decode(config_file.settings_of(config)), wiring.decode(config).chip
    )
    return certificate.encode(mark, bytes.fromhex(core_mark), _SCATTER, *FIGURES, 0)


def with_certificate(config: bytes, core_mark: str = CORE_MARK) -> bytes:
    """The config with one."""
    return config_file.with_section(config, config_file.CERTIFICATE, payload(config, core_mark))
