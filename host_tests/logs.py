"""Logs for tests: of a device in this process, without a link in between."""

import hashlib

from emery.blackbox.log_file import Log
from firmware.controller import Controller
from firmware.settings import Settings, encode
from hal import wiring
from host_tests.pins import reference_wiring
from host_tests.whole_device import WholeDevice

PULLED = "2026-11-25T17:04:09+00:00"


def log_of(
    controller: Controller,
    settings: Settings,
    *,
    journal: bytes = b"",
    crash: bytes = b"",
    in_service: int = 0,
) -> Log:
    """The log of a core that stands between two ticks."""
    config = wiring.encode(reference_wiring(wiring.RP2040)) + encode(settings)
    device = {
        "emery": "1", "version": "0.9", "chip": "rp2040", "board": "bench_pico", "slot": "a",
        "trial": "0", "state": str(controller.treatment.state), "service": str(in_service),
        "image": "a" * 16, "config": hashlib.sha256(config).hexdigest()[:16], "boots": "12",
        "unmarked": "0", "cause": "1", "barrier": "0", "period": str(settings.tick_period_ms),
    }  # fmt: skip
    box = bytes(controller.black_box.copy(settings.tick_period_ms))
    blobs = {"box": box, "journal": journal, "crash": crash, "config": config}
    return Log("0.1.0", PULLED, device, {}, blobs)


def treated_device() -> WholeDevice:
    """A device on the modelled plant, in the midst of a stroke."""
    device = WholeDevice()
    device.to_skin()
    device.run(1_500)
    assert device.state == "TREATING"
    return device


def tripped_device() -> WholeDevice:
    """The same after over-vacuum, with the black box stopped."""
    device = treated_device()
    device.inject("sensor_supply_open")
    device.run(1_500)
    assert device.controller.black_box.is_stopped
    return device
