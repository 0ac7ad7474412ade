"""The self-test: is the idle device fit to be used?

No suction is made. With everything off and vented it waits for the line to be
at rest, then averages both sensors: each must read zero within the tolerance,
and what is left is trimmed away. A press of the footswitch starts the test
again, and a long one is a fault. The barometer must give a recent, believable
pressure. Whatever protection latches meanwhile fails the test as well.
"""

from micropython import const

from firmware import faults, limits
from firmware.sensing import Sensing
from firmware.settings import Settings
from hal.contract import SWITCH_RELEASED, Readings

# Longer than the vent takes to release the full line (0.3 s with a 4 mm vent
# and 0.65 L) and than the sensors' warm-up (20 ms, MPX4115 data sheet). [E]
SETTLE_MS = const(600)
MEASURE_MS = const(300)
# A foot may still be on the switch after a power cut; longer, it is stuck. [E]
HELD_LONGEST_MS = const(10_000)

RUNNING = const(-1)


class SelfTest:
    """One run of the self-test; `start` it, then `step` it each tick."""

    STATE = ("_elapsed_ms", "_held_ms", "_samples", "_sum_a_pa", "_sum_b_pa")

    def __init__(self, settings: Settings) -> None:
        self._tolerance_pa = settings.zero_tolerance_pa
        self.start()

    def start(self) -> None:
        """Begin afresh."""
        self._held_ms = 0
        self._begin()

    def _begin(self) -> None:
        self._elapsed_ms = 0
        self._samples = 0
        self._sum_a_pa = 0
        self._sum_b_pa = 0

    def step(self, readings: Readings, sensing: Sensing) -> int:
        """One tick. RUNNING, or the fault found, or `faults.NONE` for passed."""
        if readings.footswitch != SWITCH_RELEASED:
            self._held_ms += readings.dt_ms
            self._begin()
            return faults.FOOTSWITCH_HELD if self._held_ms > HELD_LONGEST_MS else RUNNING
        self._elapsed_ms += readings.dt_ms
        if self._elapsed_ms <= SETTLE_MS:
            return RUNNING
        self._samples += 1
        self._sum_a_pa += sensing.a.vacuum_pa
        self._sum_b_pa += sensing.b.vacuum_pa
        if self._elapsed_ms <= SETTLE_MS + MEASURE_MS:
            return RUNNING
        if (
            readings.barometer_age_ms > limits.BAROMETER_STALE_MS
            or not limits.BAROMETER_LOW_PA <= readings.barometer_pa <= limits.BAROMETER_HIGH_PA
        ):
            return faults.BAROMETER
        a_pa = self._sum_a_pa // self._samples
        b_pa = self._sum_b_pa // self._samples
        # The tolerance is for the sensor itself, trims of earlier tests included.
        if (
            abs(a_pa + sensing.a.trim_pa) > self._tolerance_pa
            or abs(b_pa + sensing.b.trim_pa) > self._tolerance_pa
        ):
            return faults.SENSOR_ZERO
        sensing.trim(a_pa, b_pa)
        return faults.NONE
