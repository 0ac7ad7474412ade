"""Every part of the reference hardware, and what the parts work out to.

Values stand here once: the drawings, the parts list and the tables of
`hal/README.md` are made from them, and a test holds them to the board configs, the
lease and the heartbeat. [E] marks an estimate of this project; everything else
names its source.
"""

from dataclasses import dataclass

from hal.contract import LEASE_MS

KOHM = 1_000.0

# What differs between the boards is of two kinds: whose heartbeat is made by the chip
# by itself, and whose by the tick. Each chip has one of these circuits.
CIRCUITS = {"rp2040": "Pico", "esp32": "ESP32"}
CIRCUIT_OF = {"rp2040": "rp2040", "esp32": "esp32", "esp32s3": "esp32"}

# MPXV6115V data sheet: output over supply = 0.92 - 0.007652 for each kPa of vacuum.
SENSOR_AT_REST = 0.92
SENSOR_PER_KPA = 0.007652
SENSOR_SUPPLY_V = 5.0
# MPX4115 and MPXx6115 data sheets: 1.5 % of the full span of 115 kPa; an output
# source current of 0.1 mA.
SENSOR_ERROR_KPA = 0.015 * 115.0
SENSOR_OUTPUT_MA = 0.1

# The vacuum at which things happen, as the design has it: the firmware trips, the
# comparator cuts the power, the relief valve opens. Its 50 kPa is where an ex-vivo
# study began to do harm (PMC3596453).
COMPARATOR_KPA = 50.0
RELIEF_KPA = 55.0

# Dividers, in kohm: from the source to the ADC, from there to ground.
VACUUM_DIVIDER = {"rp2040": (20.0, 39.0), "esp32": (30.0, 27.0)}
SUPPLY_DIVIDER = (20.0, 10.0)
POWER_SENSE_DIVIDER = (30.0, 10.0)
COMPARATOR_DIVIDER = (13.0, 15.0)
ADC_NANOFARAD = 100.0

# Nexperia 74HCT4538 data sheet: pulse width = 0.7 R C after the last edge.
# ON Semiconductor MC74HC4538A data sheet: within 10 % from part to part.
PULSE_SHARE = 0.7
ONE_SHOT_KOHM = {"rp2040": 49.9, "esp32": 100.0}
ONE_SHOT_NANOFARAD = 470.0
_ONE_SHOT_TOLERANCE = 0.10
_RESISTOR_TOLERANCE = 0.01
_CAPACITOR_TOLERANCE = 0.05
_LEAKAGE = 0.02  # leakage of pin and capacitor makes it longer only [E]

# How long after its last lease a board goes on toggling: of the RP2040 two words
# (hal/rp2040.py), of an ESP32 nothing.
TAIL_MS = {"rp2040": 28.4, "esp32": 0.0}
# What the drop-out may take then.
DROP_OUT_MS = {"rp2040": 20.0, "esp32": 40.0}
# The longest time between two edges while all is well: a pulse of the RP2040 is
# 1 ms; an ESP32 toggles in each tick.
EDGES_MS = {"rp2040": 1.0, "esp32": 10.0}

# LM393 data sheet: offset of 9 mV and bias of 400 nA over the temperature range;
# the divider's resistors are of 0.1 %.
_OFFSET_V = 0.009
_BIAS_A = 400e-9
_COMPARATOR_SERIES_KOHM = 10.0
_COMPARATOR_RESISTOR_TOLERANCE = 0.001


@dataclass(frozen=True, slots=True)
class Range:
    """A figure with the ends that the tolerances of its parts allow."""

    low: float
    nominal: float
    high: float


def share(divider: tuple[float, float]) -> float:
    """The part of a voltage that a divider gives on."""
    top, bottom = divider
    return bottom / (top + bottom)


def drop_out_ms(chip: str) -> Range:
    """How long after the last edge the one-shot lets go of the power."""
    nominal = PULSE_SHARE * ONE_SHOT_KOHM[chip] * ONE_SHOT_NANOFARAD / 1_000
    low = nominal
    high = nominal * (1 + _LEAKAGE)
    for tolerance in (_ONE_SHOT_TOLERANCE, _RESISTOR_TOLERANCE, _CAPACITOR_TOLERANCE):
        low *= 1 - tolerance
        high *= 1 + tolerance
    return Range(low, nominal, high)


def power_off_ms(chip: str) -> Range:
    """How long after the last lease the actuators have lost their power."""
    drop_out = drop_out_ms(chip)
    tail = TAIL_MS[chip]
    return Range(drop_out.low, tail + drop_out.nominal, tail + drop_out.high)


def sensor_v(kpa: float) -> float:
    """Output of a vacuum sensor on its nominal supply."""
    return SENSOR_SUPPLY_V * (SENSOR_AT_REST - SENSOR_PER_KPA * kpa)


def comparator_kpa() -> Range:
    """The vacuum at which the comparator trips. Sensor and divider hang on one
    supply, so that the supply does not count."""
    ratio = share(COMPARATOR_DIVIDER)
    nominal = (SENSOR_AT_REST - ratio) / SENSOR_PER_KPA
    of_divider = 2 * _COMPARATOR_RESISTOR_TOLERANCE * ratio * (1 - ratio) / SENSOR_PER_KPA
    volts = _OFFSET_V + _BIAS_A * _COMPARATOR_SERIES_KOHM * KOHM
    of_comparator = volts / (SENSOR_SUPPLY_V * SENSOR_PER_KPA)
    error = SENSOR_ERROR_KPA + of_divider + of_comparator
    return Range(nominal - error, nominal, nominal + error)


def adc_lag_ms(divider: tuple[float, float]) -> float:
    """The time constant of a divider with its capacitor."""
    top, bottom = divider
    return top * bottom / (top + bottom) * ADC_NANOFARAD / 1_000


def sensor_load_ma(divider: tuple[float, float]) -> float:
    """What a divider draws from a sensor at most, which is at rest."""
    return sensor_v(0) / sum(divider)


def power_sense_v(supply_v: float) -> float:
    """What the controller sees of the actuators' power."""
    return supply_v * share(POWER_SENSE_DIVIDER)


@dataclass(frozen=True, slots=True)
class Part:
    """A line of the parts list. `note` names the data sheet, or [E]."""

    refs: str
    value: str
    purpose: str
    note: str


def _kohm(value: float) -> str:
    return f"{value:g} kohm"


def _both(values: dict[str, str]) -> str:
    return " / ".join(values[chip] for chip in CIRCUITS)


_TIMING = _both({chip: f"{_kohm(value)}" for chip, value in ONE_SHOT_KOHM.items()})
_TOPS = _both({chip: _kohm(divider[0]) for chip, divider in VACUUM_DIVIDER.items()})
_BOTTOMS = _both({chip: _kohm(divider[1]) for chip, divider in VACUUM_DIVIDER.items()})

# Where a value differs between the boards: Pico / ESP32 and ESP32-S3.
PARTS = (
    Part("A1", "Raspberry Pi Pico (W) / ESP32-DevKitC V4 (WROOM-32E) or ESP32-S3-DevKitC-1"
         " (WROOM-1)", "controller",
         "Pico, Pico W, ESP32-WROOM-32E and ESP32-S3-WROOM-1 data sheets"),
    Part("PS1", "12 V, 5 A, double-insulated", "supply", "[E]: pump 3 A, valves 1 A"),
    Part("U6", "TSR 1-2450", "5 V, 1 A, for the controller and the sensors",
         "Traco TSR-1 data sheet: input 6.5 to 36 V"),
    Part("D9", "SS14", "keeps USB and U6 apart (Pico: into VSYS; DevKitC: into 5V)",
         "Pico data sheet, section 4.5"),
    Part("F1", "5 A, slow", "fuse", "[E]"),
    Part("M1", "diaphragm pump, 12 V, 30 L/min, 3 A at most", "suction", "[E]"),
    Part("Y1", "2/2 solenoid valve, normally open, 4 mm, direct acting, 12 V, 0.5 A",
         "vent", "3 mm is the least that beats a pump stuck on [E: simulated]"),
    Part("Y2", "pinch valve, normally closed, 12 V, 0.5 A", "crystal valve",
         "nothing abrasive on a seat [E]"),
    Part("V1", "vacuum relief valve, 55 kPa, no power", "relief", "spring and seat only"),
    Part("U4, U5", "MPXV6115V", "vacuum sensors A and B, a port each", "NXP MPXV6115V data sheet"),
    Part("U3", "MPXV6115V", "vacuum sensor C of the comparator, its own port",
         "NXP MPXV6115V data sheet"),
    Part("U7", "BMP280 module, 3.3 V", "barometer on I2C", "Bosch BMP280 data sheet"),
    Part("U1", "74HCT4538, on 5 V", "one-shots of the heartbeat: rising and falling edge",
         "Nexperia 74HCT4538 data sheet: 0.7 R C, TTL levels"),
    Part("R4, R5", f"{_TIMING}, 1 %", "their time", "see the sum below"),
    Part("C1, C2", f"{ONE_SHOT_NANOFARAD:g} nF, film, 5 %", "their time", "see the sum below"),
    Part("D1", "BAT54C", "either one-shot keeps the power", "two Schottky diodes, one cathode"),
    Part("U2", "LM393, on 5 V", "vacuum comparator, and its latch",
         "TI LM393 data sheet: inputs up to 3 V of 5 V; one input may be above"),
    Part("R9, R10", f"{_kohm(COMPARATOR_DIVIDER[0])}, {_kohm(COMPARATOR_DIVIDER[1])}, 0.1 %",
         "threshold of the comparator", "see the sum below"),
    Part("D2", "BAT54C", "latch or test trips the comparator", ""),
    Part("Q1", "Si4435DDY, p-channel, 30 V, 24 mohm at 10 V", "protection switch",
         "Vishay Si4435DDY data sheet: gate to source 20 V at most"),
    Part("Q2, Q3, Q4", "BSS138", "latch and heartbeat hold Q1 on; Q4 trips the comparator",
         "threshold 0.8 to 1.5 V"),
    Part("Q5, Q6, Q7", "IRLML6344, n-channel, 30 V, 37 mohm at 2.5 V",
         "pump, vent, crystal valve", "Infineon IRLML6344 data sheet"),
    Part("D3", "SS54", "keeps the coasting pump from feeding the valves", "[E]: 1.5 W at 3 A"),
    Part("D4", "SS54", "the pump's flyback", ""),
    Part("D5, D6 and D7, D8", "1N4007 and BZX85C10",
         "flyback of the valves; 10 V more make them let go sooner",
         "26 V on Q6, Q7 of their 30 V"),
    Part("R1", "10 kohm", "holds Q1 off", "30 us with its gate charge [E]"),
    Part("R2, R14", "1 kohm", "limit the current", ""),
    Part("R3", "1 kohm", "from the heartbeat's pin to U1", ""),
    Part("R6, R7, R13", "100 kohm", "pull-downs: no wire, no power", ""),
    Part("R8", "10 kohm", "sensor C to the comparator", "with C3: 0.1 ms"),
    Part("C3, C4", "10 nF", "filter the comparator's input and the power sense", ""),
    Part("R11", "10 kohm", "the comparator's output", ""),
    Part("R12", "22 kohm", "the latch lives from the heartbeat", ""),
    Part("R15, R16", f"{_kohm(POWER_SENSE_DIVIDER[0])}, {_kohm(POWER_SENSE_DIVIDER[1])}",
         "power sense; R16 is its pull-down", "see the sum below"),
    Part("R17", "4.7 kohm, 0.25 W", "empties the rail", "no capacitor stands behind Q1"),
    Part("R18, R20, R22", "220 ohm", "gates of Q5 to Q7", ""),
    Part("R19, R21, R23", "10 kohm", "pull-downs at the gates", "off while the chip starts"),
    Part("R24, R26", f"{_TOPS}, 1 %", "vacuum sensors A, B to the ADC", "see the sum below"),
    Part("R25, R27", f"{_BOTTOMS}, 1 %", "the same; a broken wire reads 0 V, a trip", ""),
    Part("R28, R29", f"{_kohm(SUPPLY_DIVIDER[0])}, {_kohm(SUPPLY_DIVIDER[1])}, 1 %",
         "the sensors' supply to the ADC", ""),
    Part("C5, C6, C7", f"{ADC_NANOFARAD:g} nF", "at the ADC's pins", ""),
    Part("C8, C9, C10", "1 uF and 10 nF each", "at the supply of U3 to U5",
         "MPX data sheets, recommended decoupling"),
    Part("R30, R31", "4.7 kohm to 3.3 V", "pull-ups of the I2C bus", "100 kHz over a cable [E]"),
    Part("R32, R33, C11", "10 kohm to 3.3 V, 1 kohm, 100 nF", "footswitch: pull-up and filter",
         "1 ms"),
    Part("S1", "footswitch, closes while pressed", "held to treat", ""),
    Part("S2 to S5", "push buttons", "start, pass, zone, end", "the chip's pull-ups"),
    Part("H1, H2", "LED green and red, 1 kohm each", "ready, fault", ""),
    Part("B1", "passive piezo buzzer, 100 ohm", "tones", ""),
)  # fmt: skip


def holds() -> list[str]:
    """What is wrong with the sums; nothing, or the circuit is not right."""
    wrong = []
    for chip in CIRCUITS:
        if drop_out_ms(chip).high > DROP_OUT_MS[chip]:
            wrong.append(f"{chip}: the one-shot can take more than {DROP_OUT_MS[chip]} ms")
        if power_off_ms(chip).high > LEASE_MS:
            wrong.append(f"{chip}: the power can outlast the lease")
        if drop_out_ms(chip).low < 2 * EDGES_MS[chip]:
            wrong.append(f"{chip}: one late edge would let the power fall")
        if sensor_load_ma(VACUUM_DIVIDER[chip]) > SENSOR_OUTPUT_MA:
            wrong.append(f"{chip}: the divider draws more than the sensor gives")
    trips = comparator_kpa()
    if trips.high > RELIEF_KPA:
        wrong.append("the relief valve could open before the comparator trips")
    return wrong
