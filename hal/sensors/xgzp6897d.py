"""Digital vacuum sensor for trends: CFSensor XGZP6897D, -100 to 100 kPa, I2C.

Too slow for protection: a measurement takes 20 ms. Registers and the divisor K:
CFSensor data sheet XGZP6897D, section on I2C and its table of K (64 from 65 to
131 kPa, by the positive end of the range).
"""

from micropython import const

from hal.contract import GAUGE_BAD, GAUGE_MISSING
from hal.sensors.device import GAUGE_PERIOD_MS, BadAnswer, Device

_XGZP_ADDRESS = const(0x6D)
_COMMAND = const(0x30)
_MEASURE = b"\x0a"  # temperature and pressure, once
_XGZP_BUSY = const(0x08)  # cleared by the sensor when it is done
_XGZP_MS = const(20)
_PRESSURE = const(0x06)
_K = const(64)
# What the range and a tenth of it can give. [E]
_XGZP_HIGHEST_PA = const(110_000)


class Xgzp6897d(Device):
    """`vacuum_pa` is the last vacuum."""

    MISSING = GAUGE_MISSING
    BAD = GAUGE_BAD

    def __init__(self) -> None:
        super().__init__()
        self.vacuum_pa = 0
        self._answer = bytearray(3)

    def transact(self, i2c) -> int:  # type: ignore[no-untyped-def]
        """By turns measure, see that it is done, and read."""
        if self.step == 0:
            i2c.writeto_mem(_XGZP_ADDRESS, _COMMAND, _MEASURE)
            self.step = 1
            return _XGZP_MS
        if self.step == 1:
            if i2c.readfrom_mem(_XGZP_ADDRESS, _COMMAND, 1)[0] & _XGZP_BUSY:
                raise BadAnswer
            self.step = 2
            return 0
        answer = self._answer
        i2c.readfrom_mem_into(_XGZP_ADDRESS, _PRESSURE, answer)
        counts = answer[0] << 16 | answer[1] << 8 | answer[2]
        if answer[0] & 0x80:
            counts -= 1 << 24
        vacuum_pa = -counts // _K
        if not -_XGZP_HIGHEST_PA <= vacuum_pa <= _XGZP_HIGHEST_PA:
            raise BadAnswer
        self.vacuum_pa = vacuum_pa
        self.is_fresh = True
        self.step = 0
        return GAUGE_PERIOD_MS - _XGZP_MS
