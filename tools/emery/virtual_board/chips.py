"""What the host knows of each chip beyond what its interpreter says."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from emery.virtual_board.on_board.chip_facts import (
    ADC_PINS,
    CHIP_FACTS,
    CHIP_PINS,
    FLASH_LAYOUT,
)

# The world goes on in steps of this; what is due at NEVER is not due.
STEP_US = 1_000
NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Chip:
    """Facts of one chip."""

    name: str
    pins: tuple[int, ...]
    adc_pins: tuple[int, ...]
    flash_blocks: int
    program_bytes: int  # littlefs' smallest program
    frequency_hz: int
    pulls_at_reset: int  # 0 none, 2 down
    # How long after its last edge a heartbeat keeps the protection switch closed.
    drop_out_us: int
    # What machine.reset_cause() says of each start.
    power_on_cause: int
    reset_cause: int
    watchdog_cause: int
    soft_reset_cause: int | None  # None: it says what it said before
    no_answer_errno: int  # of an I2C address where nothing is


# RP2040 data sheet: every GPIO is an input with a pull-down from reset on. There
# machine.reset() is done by the watchdog, so that both look alike (MicroPython's rp2
# port, modmachine.c). The ESP32's pins are taken as floating inputs; drop-out times
# are those of the reference hardware in hal/README.md.
CHIPS = {
    "rp2040": Chip(
        name="rp2040",
        pins=CHIP_PINS["rp2040"],
        adc_pins=ADC_PINS["rp2040"],
        flash_blocks=FLASH_LAYOUT["rp2040"][0],
        program_bytes=FLASH_LAYOUT["rp2040"][1],
        frequency_hz=125_000_000,
        pulls_at_reset=2,
        drop_out_us=20_000,
        power_on_cause=1,
        reset_cause=3,
        watchdog_cause=3,
        soft_reset_cause=None,
        no_answer_errno=5,
    ),
    "esp32": Chip(
        name="esp32",
        pins=CHIP_PINS["esp32"],
        adc_pins=ADC_PINS["esp32"],
        flash_blocks=FLASH_LAYOUT["esp32"][0],
        program_bytes=FLASH_LAYOUT["esp32"][1],
        frequency_hz=160_000_000,
        pulls_at_reset=0,
        drop_out_us=40_000,
        power_on_cause=1,
        reset_cause=2,
        watchdog_cause=3,
        soft_reset_cause=5,
        no_answer_errno=19,
    ),
}
# MicroPython has one port for both, and the board that hangs on them is the same.
CHIPS["esp32s3"] = replace(
    CHIPS["esp32"],
    name="esp32s3",
    pins=CHIP_PINS["esp32s3"],
    adc_pins=ADC_PINS["esp32s3"],
    flash_blocks=FLASH_LAYOUT["esp32s3"][0],
    program_bytes=FLASH_LAYOUT["esp32s3"][1],
)


def own_id(chip: str, folder: Path) -> bytes:
    """The number of the board whose flash lies in `folder`: that of its maker, and
    then what no other folder has."""
    known = CHIP_FACTS[chip][4]
    kept = known[: len(known) // 2]
    return kept + hashlib.sha256(str(folder.resolve()).encode()).digest()[: len(known) - len(kept)]
