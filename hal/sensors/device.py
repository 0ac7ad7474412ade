"""A sensor on the bus: what is common to all of them.

A device is a chain of steps, each of one transaction. A step that fails goes
back to the first one, so that a sensor that was unplugged or lost its supply is
found and set up again by itself; until then its last value grows older, which is
what whoever reads it looks at.
"""

from time import ticks_add, ticks_ms

from micropython import const

from hal.contract import SENSORS_FINE

# As many failures in a row are a fault. [E]
_FAILURES = const(3)
_AGAIN_MS = const(200)

# How often a digital vacuum sensor is read: it shows trends.
GAUGE_PERIOD_MS = const(200)


class BadAnswer(Exception):
    """The device answered, but nothing that can be used."""


class Device:
    """`is_fresh` is set with every new value; whoever took it clears it."""

    MISSING = SENSORS_FINE  # its number in `hal.contract` when it does not answer
    BAD = SENSORS_FINE  # and when it answers what cannot be

    def __init__(self) -> None:
        self.due_ms = ticks_ms()
        self.fault = SENSORS_FINE
        self.is_fresh = False
        self.step = 0
        self._failures = 0

    def turn(self, i2c) -> None:  # type: ignore[no-untyped-def]
        """One step. Never raises for what a bus or a device can do."""
        try:
            wait_ms = self.transact(i2c)
        except OSError:
            self._failed(self.MISSING)
        except BadAnswer:
            self._failed(self.BAD)
        else:
            self.due_ms = ticks_add(ticks_ms(), wait_ms)
            if self.is_fresh:
                self._failures = 0
                self.fault = SENSORS_FINE

    def transact(self, i2c) -> int:  # type: ignore[no-untyped-def]
        """The transaction of `step`, and on to the next one; how many ms to wait
        for that. OSError from the bus, BadAnswer from the device."""
        raise NotImplementedError

    def _failed(self, fault: int) -> None:
        self.step = 0
        self.due_ms = ticks_add(ticks_ms(), _AGAIN_MS)
        self._failures += 1
        if self._failures >= _FAILURES:
            self.fault = fault
