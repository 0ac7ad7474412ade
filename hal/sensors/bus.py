"""The I2C bus of the sensors: one transaction a turn, and a way out when it hangs.

The main loop polls; the tick never touches the bus, because a stuck one would
hold it for longer than a tick lasts. A device (see `device.py`) is asked when it
is due, the one that has waited longest first, and does one transaction.

A line that is held low is seen before a transaction. A device that lost count
of the clocks lets go after at most nine of them (UM10204, section 3.1.16); then a
stop condition, and the peripheral is set up anew. If that does not help, it is
tried again a second later.
"""

from time import sleep_us, ticks_add, ticks_diff, ticks_ms

from machine import Pin
from micropython import const

from hal.contract import SENSOR_BUS_STUCK, SENSORS_FINE

_FREEING_CLOCKS = const(9)
_HALF_CLOCK_US = const(5)  # 100 kHz
_STUCK_AGAIN_MS = const(1_000)


class Bus:
    """A bus with its devices. `open_bus` makes its I2C object, each time anew."""

    def __init__(self, sda: int, scl: int, open_bus, devices: tuple) -> None:  # type: ignore[no-untyped-def]
        self._sda = sda
        self._scl = scl
        self._open_bus = open_bus
        self._devices = devices
        self._i2c = open_bus()
        # Without a mode the pins are looked at, and stay with the peripheral.
        self._sda_pin = Pin(sda)
        self._scl_pin = Pin(scl)
        self._is_stuck = False
        self._again_ms = ticks_ms()
        self.recoveries = 0  # tries to free the bus

    def poll(self) -> None:
        """One transaction of the device that is most overdue, if one is due."""
        now_ms = ticks_ms()
        if self._is_stuck and ticks_diff(now_ms, self._again_ms) < 0:
            return
        if self._is_held():
            self._free()
            self._is_stuck = self._is_held()
            self._again_ms = ticks_add(now_ms, _STUCK_AGAIN_MS)
            return
        self._is_stuck = False
        chosen = None
        longest_ms = -1
        for device in self._devices:
            waited_ms = ticks_diff(now_ms, device.due_ms)
            if waited_ms > longest_ms:
                chosen = device
                longest_ms = waited_ms
        if chosen is not None:
            chosen.turn(self._i2c)

    def fault(self) -> int:
        """The gravest of what is wrong now, by its number in `hal.contract`."""
        if self._is_stuck:
            return SENSOR_BUS_STUCK
        gravest = SENSORS_FINE
        for device in self._devices:
            if device.fault != SENSORS_FINE and not 0 < gravest < device.fault:
                gravest = device.fault
        return gravest

    def _is_held(self) -> bool:
        return not (self._sda_pin.value() and self._scl_pin.value())

    def _free(self) -> None:
        self.recoveries += 1
        sda = Pin(self._sda, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
        scl = Pin(self._scl, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
        for _ in range(_FREEING_CLOCKS):
            scl.value(0)
            sleep_us(_HALF_CLOCK_US)
            scl.value(1)
            sleep_us(_HALF_CLOCK_US)
        sda.value(0)
        sleep_us(_HALF_CLOCK_US)
        sda.value(1)
        sleep_us(_HALF_CLOCK_US)
        self._i2c = self._open_bus()
