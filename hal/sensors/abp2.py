"""Digital vacuum sensor for trends: Honeywell ABP2, 1 bar differential, I2C.

Part ABP2xxxx001BD2A3xx: -1 to +1 bar, address 0x28; another range is two numbers
here. Commands, status byte and transfer function: Honeywell 32350268, sections
on I2C and on the output. Its port P1 is on the line, P2 open, so that vacuum is
negative there.
"""

from micropython import const

from hal.contract import GAUGE_BAD, GAUGE_MISSING
from hal.sensors.device import GAUGE_PERIOD_MS, BadAnswer, Device

_ABP2_ADDRESS = const(0x28)
_MEASURE = b"\xaa\x00\x00"
_ABP2_MS = const(10)  # 5 ms by the data sheet
_GOOD = const(0x40)  # powered; not busy, memory intact, no saturation
_ABP2_BUSY = const(0x20)
# 10 % and 90 % of 2^24 counts stand for the ends of the range.
_COUNTS_LOW = const(1_677_722)
_COUNTS_HIGH = const(15_099_494)
_RANGE_LOW_PA = const(-100_000)
_RANGE_PA = const(200_000)
# Beyond half of the margin at either end it is no pressure any more. [E]
_COUNTS_LOWEST = const(838_861)
_COUNTS_HIGHEST = const(15_938_355)


class Abp2(Device):
    """`vacuum_pa` is the last vacuum."""

    MISSING = GAUGE_MISSING
    BAD = GAUGE_BAD

    def __init__(self) -> None:
        super().__init__()
        self.vacuum_pa = 0
        self._answer = bytearray(7)

    def transact(self, i2c) -> int:  # type: ignore[no-untyped-def]
        """By turns measure and read."""
        if self.step == 0:
            i2c.writeto(_ABP2_ADDRESS, _MEASURE)
            self.step = 1
            return _ABP2_MS
        answer = self._answer
        i2c.readfrom_into(_ABP2_ADDRESS, answer)
        if answer[0] == _GOOD | _ABP2_BUSY and self.step == 1:
            # Once more is enough: it measures 200 times a second.
            self.step = 2
            return _ABP2_MS
        if answer[0] != _GOOD:
            raise BadAnswer
        counts = answer[1] << 16 | answer[2] << 8 | answer[3]
        if not _COUNTS_LOWEST <= counts <= _COUNTS_HIGHEST:
            raise BadAnswer
        pressure_pa = (counts - _COUNTS_LOW) * _RANGE_PA // (_COUNTS_HIGH - _COUNTS_LOW)
        self.vacuum_pa = -(pressure_pa + _RANGE_LOW_PA)
        self.is_fresh = True
        self.step = 0
        return GAUGE_PERIOD_MS - _ABP2_MS
