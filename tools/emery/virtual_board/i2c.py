"""The sensors on the board's I2C bus, register by register.

Each device answers as its data sheet says, and can be missing, frozen, or give a bad
status or check. Times are the board's.
"""

import math
from collections.abc import Callable

# What each device can have, by the end of the fault's name.
MISSING = "missing"
BAD = "bad"
FROZEN = "frozen"
KINDS = (MISSING, BAD, FROZEN)


class Device:
    """One device: a pointer into its registers, as most have."""

    name = ""
    address = 0

    def __init__(self) -> None:
        self.faults: set[str] = set()
        self._pointer = 0

    def transfer(self, us: int, data: bytes, length: int) -> bytes | None:
        """Write `data`, then read; None if it does not acknowledge."""
        if MISSING in self.faults:
            return None
        if data:
            self._pointer = data[0]
            for offset, value in enumerate(data[1:]):
                self.write(us, data[0] + offset, value)
        answer = bytearray()
        for _ in range(length):
            answer.append(self.read(us, self._pointer))
            self._pointer = self._pointer + 1 & 255
        return bytes(answer)

    def write(self, us: int, register: int, value: int) -> None:
        """Set a register."""

    def read(self, us: int, register: int) -> int:
        """A register's value."""
        return 0


class Bmp280(Device):
    """Bosch BMP280 (BST-BMP280-DS001), with the calibration of the data sheet's own
    example. `air_pa` gives the pressure."""

    name = "barometer"
    address = 0x76
    # dig_T1..T3, dig_P1..P9, section 3.12.
    _T = (27_504, 26_435, -1_000)
    _P = (36_477, -10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000)
    _RAW_TEMPERATURE = 519_888  # 25.08 degrees
    _MEASURES_US = 13_300

    def __init__(self, air_pa: Callable[[], float]) -> None:
        super().__init__()
        self._air_pa = air_pa
        self._control = 0
        self._configuration = 0
        self._ready_us = 0
        # Its power-on value: no measurement yet.
        self._pressure = 0x80000
        self._temperature = 0x80000
        self._calibration = b"".join(
            (value & 0xFFFF).to_bytes(2, "little") for value in (*self._T, *self._P)
        )

    def write(self, us: int, register: int, value: int) -> None:
        """Control, configuration or reset."""
        if register == 0xF4:
            self._control = value
            if value & 3:
                self._ready_us = us + self._MEASURES_US
                if FROZEN not in self.faults or self._pressure == 0x80000:
                    self._pressure = self._raw_pressure(self._air_pa())
                    self._temperature = self._RAW_TEMPERATURE
        elif register == 0xF5:
            self._configuration = value
        elif register == 0xE0 and value == 0xB6:
            self._control = self._configuration = 0

    def read(self, us: int, register: int) -> int:
        """Identity, calibration, status or the last measurement."""
        if register == 0xD0:
            return 0x00 if BAD in self.faults else 0x58
        if 0x88 <= register < 0x88 + len(self._calibration):
            return self._calibration[register - 0x88]
        if register == 0xF3:
            return 0x08 if us < self._ready_us or BAD in self.faults else 0
        if register == 0xF4:
            # A forced measurement ends in sleep mode.
            if self._control & 3 in (1, 2) and us >= self._ready_us:
                return self._control & 0xFC
            return self._control
        if register == 0xF5:
            return self._configuration
        if 0xF7 <= register <= 0xFC:
            raw = self._pressure if register < 0xFA else self._temperature
            return (raw >> 12, raw >> 4, raw << 4)[(register - 0xF7) % 3] & 255
        return 0

    def _raw_pressure(self, wanted_pa: float) -> int:
        low, high = 0, 0xFFFFF
        while low < high:
            middle = (low + high) // 2
            if self._compensated(middle) > wanted_pa:
                low = middle + 1
            else:
                high = middle
        return low

    def _compensated(self, raw: int) -> float:
        """Section 8.1 of the data sheet, in floating point."""
        t1, t2, t3 = self._T
        one = (self._RAW_TEMPERATURE / 16_384 - t1 / 1_024) * t2
        two = (self._RAW_TEMPERATURE / 131_072 - t1 / 8_192) ** 2 * t3
        p1, p2, p3, p4, p5, p6, p7, p8, p9 = self._P
        first = (one + two) / 2 - 64_000
        second = first * first * p6 / 32_768 + first * p5 * 2
        second = second / 4 + p4 * 65_536
        first = (p3 * first * first / 524_288 + p2 * first) / 524_288
        first = (1 + first / 32_768) * p1
        pressure = (1_048_576 - raw - second / 4_096) * 6_250 / first
        first = p9 * pressure * pressure / 2_147_483_648
        second = pressure * p8 / 32_768
        return pressure + (first + second + p7) / 16


class Lis3dh(Device):
    """ST LIS3DH (DocID17530): gravity, its own noise, and a hand that moves or not."""

    name = "motion"
    address = 0x18

    def __init__(self, moves: Callable[[], bool], gauss: Callable[[], float]) -> None:
        super().__init__()
        self._moves = moves
        self._gauss = gauss
        self._registers = {0x0F: 0x33, 0x20: 0x07}
        self._sampled_us = -1
        self._axes = (0, 0, 1_000)

    def transfer(self, us: int, data: bytes, length: int) -> bytes | None:
        """As any device, but that the pointer moves only if its top bit is set."""
        if data and length > 1 and not data[0] & 0x80:
            answer = super().transfer(us, data, 1)
            return None if answer is None else answer * length
        if data:
            data = bytes((data[0] & 0x7F,)) + data[1:]
        return super().transfer(us, data, length)

    def write(self, us: int, register: int, value: int) -> None:
        """Any control register."""
        self._registers[register] = value

    def read(self, us: int, register: int) -> int:
        """Identity, status or an axis."""
        if register == 0x0F:
            return 0x00 if BAD in self.faults else 0x33
        if register == 0x27:
            runs = self._registers.get(0x20, 0) >> 4
            return 0x0F if runs and us - self._sampled_us >= 10_000 else 0
        if 0x28 <= register <= 0x2D:
            if register == 0x28:
                self._sample(us)
            value = self._axes[(register - 0x28) // 2] << 4
            return (value >> 8 if register & 1 else value) & 255
        return self._registers.get(register, 0)

    def _sample(self, us: int) -> None:
        self._sampled_us = us
        if FROZEN in self.faults:
            return
        swing = 300 * math.sin(us / 1e6 * 2 * math.pi * 1.5) if self._moves() else 0.0
        self._axes = (
            int(swing + 2 * self._gauss()),
            int(0.5 * swing + 2 * self._gauss()),
            int(1_000 + 2 * self._gauss()),
        )


class Abp2(Device):
    """Honeywell ABP2xxxx001BD2A3 (32350268): -1 to 1 bar, its port on the line."""

    name = "gauge"
    address = 0x28
    _LOW, _HIGH = 0.1 * 2**24, 0.9 * 2**24
    _MEASURES_US = 5_000

    def __init__(self, vacuum_pa: Callable[[], float]) -> None:
        super().__init__()
        self._vacuum_pa = vacuum_pa
        self._ready_us = 0
        self._counts = 0

    def transfer(self, us: int, data: bytes, length: int) -> bytes | None:
        """Measure with 0xAA 0 0, then read status, pressure and temperature."""
        if MISSING in self.faults:
            return None
        if data[:1] == b"\xaa":
            self._ready_us = us + self._MEASURES_US
            if FROZEN not in self.faults or not self._counts:
                share = (100_000 - self._vacuum_pa()) / 200_000
                self._counts = int(self._LOW + share * (self._HIGH - self._LOW))
        if not length:
            return b""
        status = 0x40 | (0x20 if us < self._ready_us else 0) | (0x04 if BAD in self.faults else 0)
        answer = bytes((status,)) + self._counts.to_bytes(3, "big") + b"\x66\x66\x66"
        return answer[:length].ljust(length, b"\xff")


class Xgzp6897d(Device):
    """CFSensor XGZP6897D, -100 to 100 kPa: K is 64."""

    name = "gauge"
    address = 0x6D
    _MEASURES_US = 15_000

    def __init__(self, vacuum_pa: Callable[[], float]) -> None:
        super().__init__()
        self._vacuum_pa = vacuum_pa
        self._command = 0
        self._ready_us = 0
        self._counts = 0

    def write(self, us: int, register: int, value: int) -> None:
        """The command register."""
        if register == 0x30:
            self._command = value
            self._ready_us = us + self._MEASURES_US
            if FROZEN not in self.faults or not self._counts:
                self._counts = int(-self._vacuum_pa() * 64) & 0xFFFFFF

    def read(self, us: int, register: int) -> int:
        """The command register with its busy bit, or the pressure."""
        if register == 0x30:
            busy = us < self._ready_us or BAD in self.faults
            return self._command if busy else self._command & ~0x08
        if 0x06 <= register <= 0x08:
            return self._counts >> 8 * (0x08 - register) & 255
        return 0
