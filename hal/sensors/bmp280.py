"""Barometer: Bosch BMP280, or the BME280, which has the same one inside.

Each measurement is asked for (forced mode) and read with the status and control
registers in front of it: a device that still measures, or that was reset in
between and gives its power-on value, is so told from one with a new value.

Registers, times and the integer compensation: Bosch BST-BMP280-DS001, sections
3.8.1, 3.11.3 and 4.3. Its products need more than 31 bits; that allocates, and is
done in the main loop alone.
"""

import struct

from micropython import const

from hal.contract import BAROMETER_BAD, BAROMETER_MISSING
from hal.sensors.device import BadAnswer, Device

_ADDRESSES = (0x76, 0x77)  # SDO low, SDO high
_ID = const(0xD0)
_BMP280 = const(0x58)
_BME280 = const(0x60)
_CALIBRATION = const(0x88)
_CALIBRATION_BYTES = const(24)
_CONTROL = const(0xF4)
# Temperature once, pressure four times, then back to sleep.
_MEASURE = b"\x2d"
# Standard resolution takes 13.3 ms at most (section 3.8.1).
_BMP280_MS = const(15)
_STATUS = const(0xF3)
_BMP280_BUSY = const(0x08)
_MODE = const(0x03)  # 0 once the measurement is done
_RESULT_BYTES = const(10)  # status, control, two unused, pressure, temperature
_BAROMETER_PERIOD_MS = const(200)
# Full scale of the sensor.
_AIR_LOWEST_PA = const(30_000)
_AIR_HIGHEST_PA = const(110_000)


class Bmp280(Device):
    """`pressure_pa` is the last absolute pressure."""

    MISSING = BAROMETER_MISSING
    BAD = BAROMETER_BAD

    def __init__(self) -> None:
        super().__init__()
        self.pressure_pa = 0
        self._place = 0  # in _ADDRESSES
        self._calibration: tuple = ()
        self._result = bytearray(_RESULT_BYTES)

    def transact(self, i2c) -> int:  # type: ignore[no-untyped-def]
        """Who is there; its calibration; then by turns measure and read."""
        address = _ADDRESSES[self._place]
        if self.step == 0:
            try:
                chip = i2c.readfrom_mem(address, _ID, 1)[0]
            except OSError:
                self._place = 1 - self._place
                raise
            if chip not in (_BMP280, _BME280):
                raise BadAnswer
            self.step = 1
            return 0
        if self.step == 1:
            raw = i2c.readfrom_mem(address, _CALIBRATION, _CALIBRATION_BYTES)
            self._calibration = struct.unpack("<HhhHhhhhhhhh", raw)
            # An empty memory would divide by zero, or give nonsense.
            if self._calibration[0] in (0, 0xFFFF) or self._calibration[3] in (0, 0xFFFF):
                raise BadAnswer
            self.step = 2
            return 0
        if self.step == 2:
            i2c.writeto_mem(address, _CONTROL, _MEASURE)
            self.step = 3
            return _BMP280_MS
        result = self._result
        i2c.readfrom_mem_into(address, _STATUS, result)
        # A device that was reset has forgotten what it was to measure.
        if result[0] & _BMP280_BUSY or result[1] != _MEASURE[0] & ~_MODE:
            raise BadAnswer
        pressure_pa = pascal(
            self._calibration,
            result[4] << 12 | result[5] << 4 | result[6] >> 4,
            result[7] << 12 | result[8] << 4 | result[9] >> 4,
        )
        if not _AIR_LOWEST_PA <= pressure_pa <= _AIR_HIGHEST_PA:
            raise BadAnswer
        self.pressure_pa = pressure_pa
        self.is_fresh = True
        self.step = 2
        return _BAROMETER_PERIOD_MS - _BMP280_MS


def pascal(calibration: tuple, raw_pressure: int, raw_temperature: int) -> int:
    """Pressure from the raw values (20 bits each), by section 3.11.3 of the
    data sheet; 0 where it would divide by zero."""
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9 = calibration
    coarse = ((raw_temperature >> 3) - (t1 << 1)) * t2 >> 11
    offset = (raw_temperature >> 4) - t1
    fine = coarse + ((offset * offset >> 12) * t3 >> 14)
    first = fine - 128_000
    second = first * first * p6
    second += first * p5 << 17
    second += p4 << 35
    first = (first * first * p3 >> 8) + (first * p2 << 12)
    first = ((1 << 47) + first) * p1 >> 33
    if first == 0:
        return 0
    pressure = 1_048_576 - raw_pressure
    pressure = ((pressure << 31) - second) * 3125 // first
    first = p9 * (pressure >> 13) * (pressure >> 13) >> 25
    second = p8 * pressure >> 19
    pressure = (pressure + first + second >> 8) + (p7 << 4)
    return pressure >> 8
