"""Sensor models: from the vacuum at the skin to raw counts.

Each channel is a ratiometric gauge (MPXV6115V: output = supply (0.92 -
0.007652 vacuum/kPa)) at a port of its own, with the lag of its tube and RC
filter, an offset, a gain error and noise, seen through a divider by the ADC of
the board. Crystals may block a port: the narrower, the slower, and a blocked
one holds its pressure.

The RP2040's ADC has four codes that are far too wide (512, 1536, 2560, 3584 of
4095; DNL 8.9 LSB and noise about 1.1 LSB rms: pico-adc.markomo.me), between
which its error runs back. The ESP32's ADC is read in whole millivolts, with
noise estimated at 3.8 mV rms, and sees at most 2450 mV (ESP-IDF ADC guide). [E] The
ESP32-S3's is read likewise, is estimated to be as noisy, and sees at most 2900 mV
(data sheet v2.2, table 5-6). [E]

Plain MicroPython; one call a tick.
"""

from hal.contract import RAW_FULL_SCALE

# Parameters are set by name; only a type checker has to be told. (A class that
# really defines __getattr__ makes CPython read every attribute the slow way.)
TYPE_CHECKING = False

# name, unit, lowest, highest, default, what it is
PARAMETERS = (
    ("offset_a_pa", "Pa", -5_000.0, 5_000.0, 0.0, "what channel A reads too much"),
    ("offset_b_pa", "Pa", -5_000.0, 5_000.0, 0.0, "what channel B reads too much"),
    ("gain_a", "", 0.5, 1.5, 1.0, "gain of channel A over its nominal"),
    ("gain_b", "", 0.5, 1.5, 1.0, "gain of channel B over its nominal"),
    ("lag_a_s", "s", 0.001, 5.0, 0.007, "lag of tube and RC of channel A: 5 to 10 ms [E]"),
    ("lag_b_s", "s", 0.001, 5.0, 0.009, "lag of channel B, whose tube is longer [E]"),
    ("port_a_open", "", 0.0, 1.0, 1.0, "1 free, 0 blocked: channel A holds its pressure"),
    ("port_b_open", "", 0.0, 1.0, 1.0, "1 free, 0 blocked: channel B holds its pressure"),
    ("noise", "", 0.0, 10.0, 1.0, "noise over that of the board's ADC"),
    ("supply_v", "V", 3.0, 6.0, 5.0, "supply of the sensors"),
)

# ADC, counts of so many codes, noise in counts rms, DNL of the wide codes in
# codes, highest voltage it sees
_ADCS = (
    ("rp2040", 16, 1, 17.6, 8.9, 3.3),
    ("esp32", RAW_FULL_SCALE, 3_300, 75.0, 0.0, 2.45),
    ("esp32s3", RAW_FULL_SCALE, 3_300, 75.0, 0.0, 2.9),
)
# The wide codes: one every 1024, the first at 512.
_WIDE_SPACING = 1024.0
_PER_WIDE_SPACING = 1.0 / 1024.0

# The gauge: output over supply at zero vacuum, and change per Pa.
_ZERO = 0.92
_PER_PA = 0.007652e-3


class Sensors:
    """Both channels and the sense of their supply, on one kind of ADC."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> float: ...

    def __init__(self, parameters: dict, wiring: dict, adc: str, noise, tick_s: float) -> None:  # type: ignore[no-untyped-def]
        for row in PARAMETERS:
            setattr(self, row[0], parameters.get(row[0], row[4]))
        for name, counts, codes, rms, wide, highest_v in _ADCS:
            if name == adc:
                self._counts = counts
                self._codes = codes
                self._rms = rms
                self._wide = wide
                self._highest_v = highest_v
        self._three = noise.three
        self._tick_s = tick_s
        self._reference_v = wiring["adc_reference_mv"] * 0.001
        self._divider_a = wiring["vacuum_a_divider_permille"] * 0.001
        self._divider_b = wiring["vacuum_b_divider_permille"] * 0.001
        self._supply_divider = wiring["sensor_supply_divider_permille"] * 0.001
        self._port_a_pa = 0.0  # vacuum behind the lag of each port
        self._port_b_pa = 0.0
        self.vacuum_a_raw = 0
        self.vacuum_b_raw = 0
        self.supply_raw = 0
        self._prepare()

    def set(self, name: str, value: float) -> None:
        """Change one parameter of PARAMETERS."""
        for row in PARAMETERS:
            if row[0] == name:
                setattr(self, name, value)
                self._prepare()
                return
        raise KeyError(name)

    def _prepare(self) -> None:
        """Work out what stays the same until a parameter changes.

        Each channel becomes a straight line from Pa to codes of the ADC.
        """
        tick_s = self._tick_s
        # A port half as open takes twice as long; a blocked one, for ever.
        self._share_a = tick_s * self.port_a_open / (tick_s * self.port_a_open + self.lag_a_s)
        self._share_b = tick_s * self.port_b_open / (tick_s * self.port_b_open + self.lag_b_s)
        per_count = self._codes / self._counts
        per_volt = RAW_FULL_SCALE / self._reference_v * per_count
        per_output_a = self.supply_v * self._divider_a * per_volt
        per_output_b = self.supply_v * self._divider_b * per_volt
        self._zero_a = per_output_a * (_ZERO - _PER_PA * self.offset_a_pa)
        self._zero_b = per_output_b * (_ZERO - _PER_PA * self.offset_b_pa)
        self._per_pa_a = per_output_a * _PER_PA * self.gain_a
        self._per_pa_b = per_output_b * _PER_PA * self.gain_b
        self._supply_code = self.supply_v * self._supply_divider * per_volt
        self._adc = (
            self._highest_v * per_volt,
            self._rms * self.noise * per_count,
            self._wide,
            0.5 * self._wide,
            self._counts,
            self._codes,
        )

    def step(self, skin_pa: float) -> None:
        """Sample at the end of a tick with this vacuum at the skin."""
        port_a_pa = self._port_a_pa
        port_a_pa += self._share_a * (skin_pa - port_a_pa)
        self._port_a_pa = port_a_pa
        port_b_pa = self._port_b_pa
        port_b_pa += self._share_b * (skin_pa - port_b_pa)
        self._port_b_pa = port_b_pa
        self.vacuum_a_raw, self.vacuum_b_raw, self.supply_raw = self._convert(
            self._zero_a - self._per_pa_a * port_a_pa,
            self._zero_b - self._per_pa_b * port_b_pa,
            self._supply_code,
        )

    def output_share(self, channel: str) -> float:
        """What a voltmeter finds at a gauge: output over supply; for `a` and `b`."""
        if channel == "a":
            return float(_ZERO - _PER_PA * (self.offset_a_pa + self.gain_a * self._port_a_pa))
        return float(_ZERO - _PER_PA * (self.offset_b_pa + self.gain_b * self._port_b_pa))

    def _convert(self, a: float, b: float, supply: float) -> list:
        """The counts that the ADC reports for what would be these codes."""
        highest, noise, wide, half, counts, codes = self._adc
        noise_a, noise_b, noise_supply = self._three()
        raws = []
        for code, deviate in ((a, noise_a), (b, noise_b), (supply, noise_supply)):
            if code > highest:
                code = highest
            code += noise * deviate
            if wide:
                # Distance behind the last wide code, as a share of their spacing.
                behind = code * _PER_WIDE_SPACING + 0.5
                behind -= int(behind)
                code += wide * behind - half
                # Within a wide code itself the count stands still.
                inside = behind * _WIDE_SPACING
                if inside < half:
                    code -= inside + wide * behind - half
                elif inside > _WIDE_SPACING - half:
                    code += _WIDE_SPACING - inside - wide * behind + half
            raw = int(code + 0.5) * counts // codes
            if raw < 0:
                raw = 0
            raws.append(raw if raw < RAW_FULL_SCALE else RAW_FULL_SCALE)
        return raws
