"""A real board on the virtual chip, in this very process (`emery.virtual_board.inside`).

`rig` gives the chip with its world around it, and `board` of it the HAL on top, as
often as a test wants to start it anew. What a test asks of a pin is asked of the chip,
not of the code that drives it.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from emery.virtual_board import inside
from emery.virtual_board.inside import InsideBoard
from emery.virtual_board.world import World
from hal import wiring
from hal.contract import LEASE_MS, VENT_OPEN, Outputs, Readings
from hal.wiring import Wiring

# MicroPython's ticks wrap at 2^30 ms. The clock of a rig that asks for it begins
# this long before.
WRAP_MS = 2_000
_TICKS_MS = 1 << 30


def reference_wiring(chip: int, **changes: int) -> Wiring:
    """A wiring that the chip can do, with every role, and `changes`."""
    made = Wiring(chip, "bench")
    rp2040 = (2, 6, 5, 22, 18, 9, 26, 28, 27, 16, 20, 21, 10, 11, 12, 13, 14, 15, 0)
    esp32 = (25, 13, 27, 23, 35, 33, 36, 34, 39, 32, 21, 19, 18, 17, 16, 4, 2, 15, 5)
    esp32s3 = (47, 41, 12, 2, 16, 13, 4, 8, 6, 17, 9, 10, 39, 38, 5, 7, 3, 46, 15)
    for role, pin in zip(wiring.ROLES, (rp2040, esp32, esp32s3)[chip], strict=True):
        setattr(made, role[0], pin)
    for name, value in changes.items():
        setattr(made, name, value)
    assert wiring.broken_rules(made) == []
    return made


def wish(pump: int = 0, feed: int = 0, vent: int = VENT_OPEN, lease: int = LEASE_MS) -> Outputs:
    """Outputs as a tick may want them."""
    outputs = Outputs()
    outputs.pump_permille, outputs.feed_permille = pump, feed
    outputs.vent, outputs.lease_ms = vent, lease
    return outputs


class Rig:
    """One chip, what is wired to it, and the boards that were started on it."""

    def __init__(self, chip: InsideBoard, wires: Wiring) -> None:
        self.chip = chip
        self.wires = wires
        self.world: World = chip.world
        self.is_rp2040 = wires.chip == wiring.RP2040
        self.period_ms = 5 if self.is_rp2040 else 10

    def board(self, **more: int) -> Any:
        """The HAL of this chip, started."""
        module = importlib.import_module("hal.rp2040" if self.is_rp2040 else "hal.esp32")
        made = module.Rp2040Board if self.is_rp2040 else module.Esp32Board
        return made(self.wires, self.period_ms, **more)

    @property
    def now_ms(self) -> float:
        """Time of the board."""
        return self.chip.now_us / 1_000

    def run(self, ms: float) -> None:
        """Time passes; the RP2040's timer calls back. No main loop."""
        self.chip.run_for(ms)

    def level(self, role: str) -> int:
        """The level of a role's pin."""
        return self.chip.level(getattr(self.wires, role))

    def permille(self, role: str) -> int:
        """What a role's pin gives out."""
        return self.chip.permille(getattr(self.wires, role))

    def pins_are_safe(self) -> bool:
        """No pin drives pump, valve or vent."""
        return not (self.permille("pump") or self.permille("feed") or self.permille("vent"))

    def power(self) -> int:
        """Have the actuators power, now? (A millisecond passes.)"""
        self.run(1)
        return self.world.power

    def drops_out_after(self, ms: float) -> None:
        """Another time of the heartbeat's one-shots."""
        self.chip.mcu.chip = replace(self.chip.mcu.chip, drop_out_us=int(ms * 1_000))

    def begin_before_the_wrap(self) -> None:
        """The ticks of the chip are about to wrap."""
        self.chip.mcu._started_us = self.chip.now_us - (_TICKS_MS - WRAP_MS) * 1_000

    def edges(self) -> list[float]:
        """From now on, the times in ms at which the heartbeat changes."""
        seen: list[float] = []
        pins = self.chip.pins
        tell = pins.on_change
        heartbeat = self.wires.heartbeat

        def watch(us: int, pin: Any) -> None:
            if pin.number == heartbeat:
                seen.append(us / 1_000)
            if tell is not None:
                tell(us, pin)

        pins.on_change = watch
        return seen


@contextmanager
def rig(chip: int, **changes: int) -> Iterator[Rig]:
    """A chip of `hal.wiring`, wired by its reference wiring with `changes`. No callback
    may have let an exception out."""
    wires = reference_wiring(chip, **changes)
    with inside.board(wiring.CHIPS[chip], wiring=wires) as made:
        yield Rig(made, wires)
        assert made.errors == []


class Ticks:
    """A tick that samples, drives what it is told, and may raise."""

    def __init__(self, board: Any, outputs: Outputs | None = None) -> None:
        self.board = board
        self.readings = Readings()
        self.outputs = outputs or wish(lease=0)
        self.dts: list[int] = []
        self.raises: BaseException | None = None
        board.start(self)

    def __call__(self) -> None:
        self.board.sample(self.readings)
        self.dts.append(self.readings.dt_ms)
        if self.raises is not None:
            raise self.raises
        self.board.drive(self.outputs)


def loop(rig: Rig, board: Any, ms: float) -> None:
    """The main loop for this long."""
    end_ms = rig.now_ms + ms
    while rig.now_ms < end_ms:
        board.poll()
        board.pause()
