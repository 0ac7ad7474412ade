"""Sensor models: from the vacuum at the skin to raw counts.

Each channel is a ratiometric gauge (MPXV6115V: output = supply (0.92 -
0.007652 vacuum/kPa)) with a lag of its tube and RC filter, an offset, a gain
error and noise, seen through a divider by the ADC of the board.

The RP2040's ADC has four codes that are far too wide (512, 1536, 2560, 3584 of
4095; DNL 8.9 LSB and noise about 1.1 LSB rms: pico-adc.markomo.me), between
which its error runs back. The ESP32's ADC is read in whole millivolts, with
noise estimated at 3.8 mV rms, and sees at most 2450 mV (ESP-IDF ADC guide). [E]

Plain MicroPython; one call a tick.
"""

_FULL_SCALE = 65_535.0

# name, unit, lowest, highest, default, what it is
PARAMETERS = (
    ("offset_a_pa", "Pa", -5_000.0, 5_000.0, 0.0, "what channel A reads too much"),
    ("offset_b_pa", "Pa", -5_000.0, 5_000.0, 0.0, "what channel B reads too much"),
    ("gain_a", "", 0.5, 1.5, 1.0, "gain of channel A over its nominal"),
    ("gain_b", "", 0.5, 1.5, 1.0, "gain of channel B over its nominal"),
    ("lag_s", "s", 0.001, 5.0, 0.008, "lag of tube and RC: 5 to 10 ms [E]"),
    ("noise", "", 0.0, 10.0, 1.0, "noise over that of the board's ADC"),
    ("supply_v", "V", 3.0, 6.0, 5.0, "supply of the sensors"),
)

# ADC, counts of one code, noise in counts rms, DNL of the wide codes in codes,
# highest voltage it sees
_ADCS = (
    ("rp2040", 16.0, 17.6, 8.9, 3.3),
    ("esp32", _FULL_SCALE / 3300.0, 75.0, 0.0, 2.45),
)

# The gauge: output over supply at zero vacuum, and change per Pa.
_ZERO = 0.92
_PER_PA = 0.007652e-3


class Sensors:
    """Both channels and the sense of their supply, on one kind of ADC."""

    def __init__(self, parameters: dict, wiring: dict, adc: str, noise, tick_s: float) -> None:  # type: ignore[no-untyped-def]
        for row in PARAMETERS:
            setattr(self, row[0], parameters.get(row[0], row[4]))
        for name, code, rms, wide, highest_v in _ADCS:
            if name == adc:
                self._code = code
                self._rms = rms
                self._wide = wide
                self._highest_v = highest_v
        self._noise = noise
        self._tick_s = tick_s
        self._reference_v = wiring["adc_reference_mv"] * 0.001
        self._divider_a = wiring["vacuum_a_divider_permille"] * 0.001
        self._divider_b = wiring["vacuum_b_divider_permille"] * 0.001
        self._supply_divider = wiring["sensor_supply_divider_permille"] * 0.001
        self._seen_pa = 0.0  # vacuum after the lag
        self.vacuum_a_raw = 0
        self.vacuum_b_raw = 0
        self.supply_raw = 0

    def __getattr__(self, name: str) -> float:
        raise AttributeError(name)

    def set(self, name: str, value: float) -> None:
        """Change one parameter of PARAMETERS."""
        for row in PARAMETERS:
            if row[0] == name:
                setattr(self, name, value)
                return
        raise KeyError(name)

    def step(self, skin_pa: float) -> None:
        """Sample at the end of a tick with this vacuum at the skin."""
        share = self._tick_s / (self._tick_s + self.lag_s)
        seen_pa = self._seen_pa + share * (skin_pa - self._seen_pa)
        self._seen_pa = seen_pa
        volts = self.supply_v
        a = _ZERO - _PER_PA * (seen_pa * self.gain_a + self.offset_a_pa)
        b = _ZERO - _PER_PA * (seen_pa * self.gain_b + self.offset_b_pa)
        self.vacuum_a_raw = self._convert(volts * a * self._divider_a)
        self.vacuum_b_raw = self._convert(volts * b * self._divider_b)
        self.supply_raw = self._convert(volts * self._supply_divider)

    def _convert(self, volts: float) -> int:
        if volts > self._highest_v:
            volts = self._highest_v
        counts = volts / self._reference_v * _FULL_SCALE
        counts += self._rms * self.noise * self._noise.gauss()
        code = counts / self._code
        wide = self._wide
        if wide:
            # Distance behind the last wide code, as a share of their spacing.
            behind = (code - 512.0) * 0.0009765625
            behind -= int(behind)
            if behind < 0.0:
                behind += 1.0
            code += wide * (behind - 0.5)
            if behind * 1024.0 < 0.5 * wide:
                code -= behind * 1024.0 + wide * behind - 0.5 * wide
            elif (1.0 - behind) * 1024.0 < 0.5 * wide:
                code += (1.0 - behind) * 1024.0 - wide * (behind - 0.5)
        raw = int(int(code + 0.5) * self._code)
        if raw < 0:
            return 0
        return raw if raw < 65_535 else 65_535
