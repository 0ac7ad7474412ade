"""Motion of the handpiece: ST LIS3DH, still or moving.

Gravity points somewhere else in every grip, so nothing is made of the
acceleration itself: moving is a change of it between two reads. At 100 Hz in high
resolution the sensor passes a ninth of that, 11 Hz: a hand's strokes, and not the
pump, which turns several times as fast. [E]

Registers, bandwidth and sensitivity (1 mg a digit at 2 g in high resolution, 12 bits
left-justified in 16): ST data sheet LIS3DH, DocID17530.
"""

import struct
from time import ticks_diff, ticks_ms

from micropython import const

from hal.contract import MOTION_BAD, MOTION_MISSING, MOTION_MOVING, MOTION_STILL, MOTION_UNKNOWN
from hal.sensors.device import BadAnswer, Device

_ADDRESSES = (0x18, 0x19)  # SDO low, SDO high
_WHO_AM_I = const(0x0F)
_LIS3DH = const(0x33)
_CTRL_REG1 = const(0x20)
_RATE_100_HZ = b"\x57"  # all three axes
_CTRL_REG4 = const(0x23)
_HIGH_RESOLUTION = b"\x88"  # 2 g; a value is not changed while it is read
_STATUS_AND_OUT = const(0x27 | 0x80)  # and on to the next register with every byte
_NEW_VALUES = const(0x08)
_MOTION_PERIOD_MS = const(50)
# Together over the axes. A hand that rests on the skin stays below. [E]
_MOVING_MG = const(60)
# A stroke reverses and pauses; shorter than this it has not become still. [E]
_STILL_AFTER_MS = const(300)
# As many equal reads are no sensor: its noise alone is 1 mg. [E]
_FROZEN_READS = const(20)


class Lis3dh(Device):
    """`motion` is one of MOTION_ in `hal.contract`."""

    MISSING = MOTION_MISSING
    BAD = MOTION_BAD

    def __init__(self) -> None:
        super().__init__()
        self.motion = MOTION_UNKNOWN
        self._place = 0  # in _ADDRESSES
        self._out = bytearray(7)
        self._before: tuple = ()
        self._moved_ms = ticks_ms()
        self._equal = 0

    def transact(self, i2c) -> int:  # type: ignore[no-untyped-def]
        """Who is there; set it up; then read, again and again."""
        address = _ADDRESSES[self._place]
        if self.step == 0:
            try:
                chip = i2c.readfrom_mem(address, _WHO_AM_I, 1)[0]
            except OSError:
                self._place = 1 - self._place
                raise
            if chip != _LIS3DH:
                raise BadAnswer
            self.step = 1
            return 0
        if self.step == 1:
            i2c.writeto_mem(address, _CTRL_REG4, _HIGH_RESOLUTION)
            self.step = 2
            return 0
        if self.step == 2:
            i2c.writeto_mem(address, _CTRL_REG1, _RATE_100_HZ)
            self.step = 3
            return _MOTION_PERIOD_MS
        i2c.readfrom_mem_into(address, _STATUS_AND_OUT, self._out)
        if not self._out[0] & _NEW_VALUES:
            raise BadAnswer
        self._judge(struct.unpack_from("<hhh", self._out, 1))
        return _MOTION_PERIOD_MS

    def _judge(self, axes: tuple) -> None:
        before = self._before
        self._before = axes
        if not before:
            return
        # Kept when it is set up again, which does not help a frozen one.
        self._equal = self._equal + 1 if axes == before else 0
        if self._equal >= _FROZEN_READS:
            raise BadAnswer
        change_mg = 0
        for axis in range(3):
            change_mg += abs((axes[axis] >> 4) - (before[axis] >> 4))
        now_ms = ticks_ms()
        if change_mg >= _MOVING_MG:
            self._moved_ms = now_ms
            self.motion = MOTION_MOVING
        elif ticks_diff(now_ms, self._moved_ms) >= _STILL_AFTER_MS:
            self.motion = MOTION_STILL
        self.is_fresh = True
