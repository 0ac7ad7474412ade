"""What a user would take instead of Emery's regulator, and the best possible.

Each reference is a controller as in a user's loop: 100 Hz, the vacuum at the
skin with a noise of 0.04 kPa rms read in steps of 0.032 kPa (a 12-bit ADC), no
lag, and the drive applied at once. That is kinder than what Emery is given.

- `simple-pid` 2.0 (PyPI, the extra `bench`), limited to 0..1, with two tunings
  on the nominal plant: SIMC (Skogestad, J. Process Control 13, 2003) from a step
  of 5 % of drive at 24 kPa, and the best of a grid of gains for settling with
  little overshoot.
- Bang-bang with 1 kPa of hysteresis around the set vacuum.
- Fixed duty: what holds the set vacuum on the nominal plant.
- The bound: full drive from the start, which enters the band at the earliest.

They are told nothing of lifts and contacts, as a plain loop is not.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Protocol

from emery.simulator.noise import Noise
from emery.simulator.plant import TIP_ON_SKIN, Plant
from hal.contract import FULL_PERMILLE

TICK_MS = 10
_NOISE_PA = 40.0
_STEP_PA = 32.0

# Gains in drive/kPa and drive/(kPa s).
SIMC = (0.0635, 0.0557)
GRID = (0.35, 0.01)

_HYSTERESIS_PA = 1_000.0
_HOLD_S = 12.0  # in which any duty has settled on the nominal plant


class Silence:
    """No noise: the leak of the seal stays what it is."""

    def gauss(self) -> float:
        """Nothing."""
        return 0.0


class Controller(Protocol):
    """What regulates: told the set vacuum and the true vacuum at the skin once a
    tick, it answers with the drive in permille."""

    tick_ms: int

    def drive(self, set_pa: int, skin_pa: float) -> int:
        """One tick."""


class _Reading:
    """A reference's view of the vacuum."""

    tick_ms = TICK_MS

    def __init__(self, seed: int) -> None:
        self._noise = Noise(seed)

    def _read_pa(self, skin_pa: float) -> float:
        return round((skin_pa + _NOISE_PA * self._noise.gauss()) / _STEP_PA) * _STEP_PA


class SimplePid(_Reading):
    """simple-pid with given gains."""

    def __init__(self, gains: tuple[float, float], seed: int) -> None:
        super().__init__(seed)
        self._pid = import_module("simple_pid").PID(
            gains[0], gains[1], 0.0, sample_time=None, output_limits=(0.0, 1.0)
        )

    def drive(self, set_pa: int, skin_pa: float) -> int:
        """One tick."""
        self._pid.setpoint = set_pa / 1000.0
        output: float = self._pid(self._read_pa(skin_pa) / 1000.0, dt=TICK_MS / 1000.0)
        return round(output * FULL_PERMILLE)


class BangBang(_Reading):
    """Full drive below, none above, with hysteresis."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._drive = FULL_PERMILLE

    def drive(self, set_pa: int, skin_pa: float) -> int:
        """One tick."""
        read_pa = self._read_pa(skin_pa)
        if read_pa > set_pa + _HYSTERESIS_PA / 2:
            self._drive = 0
        elif read_pa < set_pa - _HYSTERESIS_PA / 2:
            self._drive = FULL_PERMILLE
        return self._drive


class FixedDuty:
    """One drive for each set vacuum, found on the nominal plant."""

    tick_ms = TICK_MS

    def drive(self, set_pa: int, skin_pa: float) -> int:
        """One tick."""
        return holding_permille(set_pa)


@cache
def holding_permille(set_pa: int) -> int:
    """The drive that holds a vacuum on the nominal plant."""
    return drive_that_holds({}, set_pa)


def drive_that_holds(parameters: dict[str, float], set_pa: int) -> int:
    """The drive that holds a vacuum on sealed skin, by bisection; full drive if
    that does not reach it."""
    low, high = 0, FULL_PERMILLE
    while high - low > 1:
        middle = (low + high) // 2
        if full_drive(parameters, _HOLD_S, 0.02, middle)[-1] < set_pa:
            low = middle
        else:
            high = middle
    return high


def full_drive(
    parameters: dict[str, float], seconds: float, tick_s: float, permille: int = FULL_PERMILLE
) -> list[float]:
    """True vacuums on skin at a constant drive, one a tick."""
    plant = Plant(parameters, Silence(), tick_s)
    plant.tip = TIP_ON_SKIN
    found = []
    for _ in range(round(seconds / tick_s)):
        plant.run(permille, 0, 1)
        found.append(plant.skin_pa)
    return found


def entry_s(course: Sequence[float], level_pa: float, tick_s: float) -> float:
    """When a rising course comes to a level, between samples by a straight line."""
    before = 0.0
    for place, vacuum_pa in enumerate(course):
        if vacuum_pa >= level_pa:
            return (place + (level_pa - before) / (vacuum_pa - before)) * tick_s
        before = vacuum_pa
    raise ValueError(f"{level_pa} Pa is never reached")


# Name, and how to make one for a case from the seed of its noise.
REFERENCES: tuple[tuple[str, Callable[[int], Controller]], ...] = (
    ("simple_pid_simc", lambda seed: SimplePid(SIMC, seed)),
    ("simple_pid_grid", lambda seed: SimplePid(GRID, seed)),
    ("bang_bang", lambda seed: BangBang(seed)),
    ("fixed_duty", lambda seed: FixedDuty()),
)
