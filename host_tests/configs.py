"""Compiled configs for tests, and certificates that cost no simulation."""

from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from emery.certificate import known, make, marks
from firmware import certificate, config_file
from firmware.core_mark import CORE_MARK
from firmware.settings import Settings, decode, encode
from hal import wiring
from host_tests.bench import bench_settings
from host_tests.pins import reference_wiring

_SCATTER = bytes(8)
# A session of this length fails, with these words.
FAILING_SESSION_MS = 780_000
REASONS = "settle: 9 s on plant 17, at most 3 s"
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


def standing(config: bytes) -> str:
    """What a device with this control core says of the certificate."""
    told: str = certificate.standing(
        config_file.section(config, config_file.CERTIFICATE),
        decode(config_file.settings_of(config)), wiring.decode(config).chip, CORE_MARK,
    )  # fmt: skip
    return told


def certify_without_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every certificate is known, but for a session of FAILING_SESSION_MS, which fails."""

    def find(settings: Settings, chip: str, plant: Mapping[str, float]) -> bytes:
        del plant
        if settings.session_ms == FAILING_SESSION_MS:
            return b""
        mark = certificate.settings_mark(settings, wiring.CHIPS.index(chip))
        return certificate.encode(mark, bytes.fromhex(CORE_MARK), _SCATTER, *FIGURES, 0)

    failed = SimpleNamespace(passed=False, payload=b"", reasons=REASONS)
    monkeypatch.setattr(known, "find", find)
    monkeypatch.setattr(marks, "scatter_mark", lambda *around: _SCATTER)
    monkeypatch.setattr(make, "certify", lambda settings, chip, plant, show: failed)
