"""MicroPython with the firmware on its flash, and the plant behind its pins.

The flash is what `emery flash` would leave on a Pico. The chip runs it from the first
instruction; in each tick, when it samples vacuum sensor A, the plant is brought up to
that time with what the pins did, and the converters get what the sensors read then.

Never tried with a real image: see README.md.
"""

import json
import statistics
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from emery.config.compile import compiled
from emery.config.load import load_device
from emery.flash import image as flash_content
from emery.hardware import parts
from emery.rp2040js.image import flash_image
from emery.rp2040js.lane import Answer, Job, run
from emery.simulator.noise import Noise
from emery.simulator.plant import Plant
from emery.simulator.sensors import Sensors
from emery.virtual_board.i2c import Bmp280
from emery.virtual_board.on_board.chip_facts import CHIP_FACTS
from hal.wiring import NO_PIN, ROLES, Wiring

_FLASH_MAPPED_AT = 0x1000_0000  # where the second stage of the boot loader begins
_WORLD_STEP_S = 0.001


@dataclass(frozen=True, slots=True)
class Report:
    """What a run showed, in microseconds of the chip's own time.

    `ticks_us` are the ticks from `sample` to `drive`; `periods_us` the times from
    one to the next. `text` is what the chip said on USB.
    """

    ticks_us: list[float]
    periods_us: list[float]
    edges: int
    erased_sectors: int
    text: str

    def lines(self) -> list[str]:
        """For a person."""
        if not self.ticks_us or not self.periods_us:
            return ["no tick was seen", *self.text.splitlines()[-5:]]
        return [
            f"{len(self.ticks_us)} ticks, each from sample to drive",
            f"  median {statistics.median(self.ticks_us):.0f} us,"
            f" longest {max(self.ticks_us):.0f} us",
            f"  period {statistics.median(self.periods_us):.0f} us,"
            f" {min(self.periods_us):.0f} to {max(self.periods_us):.0f} us",
            f"{self.edges} edges of the heartbeat, {self.erased_sectors} sectors erased",
        ]


def role_pins(wired: Wiring) -> dict[str, int]:
    """The GPIO of each role that has one, as chip.mjs takes them."""
    pins = {role: getattr(wired, role) for role, *_ in ROLES}
    drop_out_us = round(parts.drop_out_ms("rp2040").nominal * 1_000)
    return {role: pin for role, pin in pins.items() if pin != NO_PIN} | {
        "drop_out_us": drop_out_us
    }


def device_files(board: Path, protocol: Path) -> dict[str, bytes]:
    """Every file of a device that was flashed with these configs, by its path."""
    device = load_device(board, protocol)
    config = compiled(device)
    files = {"/slot.json": json.dumps({"active": "a", "trial": 0, "tries": 0}).encode()}
    with tempfile.TemporaryDirectory(prefix="emery-slot-") as name:
        folder = Path(name) / "image"
        flash_content.build(folder, "rp2040", CHIP_FACTS["rp2040"][2], config)
        for tree, place in ((folder / "slot", "/a/"), (folder / "root", "/")):
            for path in sorted(tree.rglob("*")):
                if path.is_file():
                    files[place + path.relative_to(tree).as_posix()] = path.read_bytes()
    return files


def boot(
    uf2: Path,
    bootrom: Path,
    board: Path,
    protocol: Path,
    *,
    seconds: float = 5.0,
    events: list[dict[str, Any]] | None = None,
) -> Report:
    """Run the image for some seconds of its own time.

    ImageRefused for a UF2 that is not for a Pico; ConfigError; what `lane.run` raises.
    """
    device = load_device(board, protocol)
    with tempfile.TemporaryDirectory(prefix="emery-boot-") as name:
        flash = Path(name) / "flash.bin"
        flash.write_bytes(flash_image(uf2.read_bytes(), device_files(board, protocol)))
        job: Job = {
            "wiring": role_pins(device.wiring),
            "flash": str(flash),
            "bootrom": str(bootrom),
            "pc": _FLASH_MAPPED_AT,
            "usb": True,
            "world": True,
            "i2c_bus": device.wiring.i2c_sda >> 1 & 1,
            "events": sorted(events or [], key=lambda event: event["at_us"]),
            "until_us": round(seconds * 1e6),
        }
        settings = vars(device.settings)
        result = run(job, world(settings))
    begins = result["tick_begins_ns"]
    return Report(
        ticks_us=[one / 1_000 for one in result["tick_ns"]],
        periods_us=[(after - before) / 1_000 for before, after in pairwise(begins)],
        edges=len(result["edges"]),
        erased_sectors=result["erased_sectors"],
        text=result["text"],
    )


def world(settings: dict[str, Any], seed: int = 1) -> Answer:
    """The plant, the sensors and the barometer, as an answer to the chip's questions."""
    plant = Plant({}, Noise(seed), _WORLD_STEP_S)
    sensors = Sensors({}, settings, "rp2040", Noise(seed + 1), _WORLD_STEP_S)
    barometer = Bmp280(lambda: plant.atmosphere_pa)
    now_ms = 0

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        nonlocal now_ms
        until_ms = int(question["ns"]) // 1_000_000
        if "i2c" in question:
            address, written, length = question["i2c"]
            if address != Bmp280.address:
                return {"bytes": None}
            read = barometer.transfer(until_ms * 1_000, bytes(written), length)
            return {"bytes": None if read is None else list(read)}
        power = question["power"]
        while now_ms < until_ms:
            plant.run(
                question["pump_permille"] * power,
                1_000 * question["feed"] * power,
                question["vent"] * power,
                1,
            )
            sensors.step(plant.skin_pa)
            now_ms += 1
        raws = (sensors.vacuum_a_raw, sensors.vacuum_b_raw, sensors.supply_raw)
        return {"counts": [raw >> 4 for raw in raws]}

    return answer
