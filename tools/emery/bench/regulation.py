"""How well the vacuum is regulated on plants that nobody tuned for.

A case is one plant and one set vacuum: vented, pump still, tip sealed on skin;
10 s of contact, 3 s of lift, 6 s of re-contact. The plants are the nominal one
and 15 drawn from the seed by Latin-hypercube sampling. Judged is the true
vacuum at the skin, not what a sensor shows:

- settle time: the last time outside +-2 kPa, over the time-optimal bound, which
  is when full drive enters that band on the same plant;
- overshoot of the first contact, steady error (mean) and ripple (peak to peak)
  over its last 3 s, and the peak above the set vacuum of the re-contact.

Only cases that the plant can reach count: full drive must end 0.5 kPa or more
above the set vacuum.

Emery is measured as the device runs it: sensor models with lag, noise and the
faults of the ADC, two channels trimmed as by the self-test, and Sensing,
Contact and VacuumRegulator in the controller's order. The references see the
true vacuum with a little noise (see `references`). The seal's leak is constant,
unless a variant says that it wanders as it does in the simulator.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emery.bench import references
from emery.simulator.noise import Noise
from emery.simulator.plant import Plant
from emery.simulator.sensors import Sensors
from firmware.contact import Contact
from firmware.sensing import Sensing
from firmware.settings import Settings
from firmware.vacuum_regulator import VacuumRegulator
from hal.contract import Readings

SET_VACUUMS_PA = (10_000, 17_000, 24_000, 30_000, 37_000)
VARIATIONS = 15
CONTACT_S = 10.0
LIFT_S = 3.0
RECONTACT_S = 6.0
BAND_PA = 2_000
STEADY_S = 3.0
RATIO_LIMIT = 1.1
REACH_MARGIN_PA = 500.0

# What varies: plant parameter, lowest, highest, whether evenly in the logarithm.
# The altitude is in metres and stands for the parameter atmosphere_pa.
VARIED = (
    ("filter_load", 1.0, 4.0, False),
    ("seal_leak", 0.002, 0.03, True),
    ("altitude_m", 0.0, 2_000.0, False),
    ("pump_wear", 0.8, 1.0, False),
    ("volume_m3", 0.3e-3, 1.0e-3, False),
)

Progress = Callable[[float], None]


class Silence:
    """No noise: the leak of the seal stays what it is."""

    def gauss(self) -> float:
        return 0.0


@dataclass(frozen=True)
class Figures:
    """What one controller did in one case; pressures in Pa, times in s."""

    settle_s: float
    overshoot_pa: float
    steady_error_pa: float
    ripple_pa: float
    recontact_pa: float


def air_pressure_pa(altitude_m: float) -> float:
    """Standard atmosphere, ISO 2533, up to 11 km."""
    return float(101_325.0 * (1.0 - 2.25577e-5 * altitude_m) ** 5.2559)


def plants(seed: int, varied: Sequence[tuple[str, float, float, bool]] = VARIED,
           count: int = VARIATIONS) -> list[dict[str, float]]:
    """Parameters of the nominal plant and of `count` variations of it."""
    chance = random.Random(seed)
    columns = {}
    for name, low, high, in_log in varied:
        places = [(i + chance.random()) / count for i in range(count)]
        chance.shuffle(places)
        if in_log:
            columns[name] = [low * (high / low) ** place for place in places]
        else:
            columns[name] = [low + (high - low) * place for place in places]
    found: list[dict[str, float]] = [{}]
    for number in range(count):
        plant = {name: column[number] for name, column in columns.items()}
        if "altitude_m" in plant:
            plant["atmosphere_pa"] = air_pressure_pa(plant.pop("altitude_m"))
        found.append(plant)
    return found


class Emery:
    """The firmware's regulation, with its sensors, as a controller to measure."""

    def __init__(self, settings: Settings, adc: str, seed: int) -> None:
        self.tick_ms = settings.tick_period_ms
        wiring = {
            name: getattr(settings, name)
            for name in (
                "adc_reference_mv",
                "vacuum_a_divider_permille",
                "vacuum_b_divider_permille",
                "sensor_supply_divider_permille",
            )
        }
        self._sensors = Sensors({}, wiring, adc, Noise(seed), self.tick_ms * 0.001)
        self._readings = Readings()
        self._readings.dt_ms = self.tick_ms
        self.sensing = Sensing(settings)
        self.contact = Contact(settings)
        self.regulator = VacuumRegulator(settings)
        # The self-test's trim: the mean of the vented readings.
        sums = [0, 0]
        for tick in range(120):
            self._sense(0.0)
            if tick >= 20:
                sums[0] += self.sensing.a.vacuum_pa
                sums[1] += self.sensing.b.vacuum_pa
        self.sensing.trim(sums[0] // 100, sums[1] // 100)
        for _ in range(20):
            self.drive(0, 0.0)

    def _sense(self, skin_pa: float) -> None:
        sensors, readings = self._sensors, self._readings
        sensors.step(skin_pa)
        readings.vacuum_a_raw = sensors.vacuum_a_raw
        readings.vacuum_b_raw = sensors.vacuum_b_raw
        readings.sensor_supply_raw = sensors.supply_raw
        self.sensing.step(readings)

    def drive(self, set_pa: int, skin_pa: float) -> int:
        """One tick: the drive for this true vacuum at the skin."""
        self._sense(skin_pa)
        vacuum_pa = self.sensing.vacuum_pa
        self.contact.step(vacuum_pa, set_pa, self.tick_ms)
        self.regulator.step(set_pa, vacuum_pa, self.contact.on_skin, self.tick_ms)
        drive: int = self.regulator.drive_permille
        return drive


def run_case(
    controller: Emery, parameters: dict[str, float], set_pa: int, leak_noise: object = None,
    feed_permille: int = 0,
) -> Figures:
    """One case."""
    tick_s = controller.tick_ms * 0.001
    plant = Plant(parameters, leak_noise or Silence(), tick_s)
    trace: list[float] = []
    drive = controller.drive
    peaks = [0.0, 0.0, 0.0]
    for part, (seconds, on_skin) in enumerate(
        ((CONTACT_S, 1), (LIFT_S, 0), (RECONTACT_S, 1))
    ):
        plant.on_skin = on_skin
        peak = 0.0
        for _ in range(round(seconds / tick_s)):
            permille = drive(set_pa, plant.skin_pa)
            plant.run(permille, feed_permille, 1)
            trace.append(plant.skin_pa)
            if plant.skin_peak_pa > peak:
                peak = plant.skin_peak_pa
        peaks[part] = peak
    first = trace[: round(CONTACT_S / tick_s)]
    last = first[-round(STEADY_S / tick_s):]
    return Figures(
        settle_s=settle_s(first, set_pa, tick_s),
        overshoot_pa=peaks[0] - set_pa,
        steady_error_pa=abs(math.fsum(last) / len(last) - set_pa),
        ripple_pa=max(last) - min(last),
        recontact_pa=peaks[2] - set_pa,
    )


def settle_s(trace: list[float], set_pa: float, tick_s: float) -> float:
    """The last time outside the band, between samples by a straight line; the
    length of the trace if it ends outside."""
    for place in range(len(trace) - 1, -1, -1):
        beyond = abs(trace[place] - set_pa) - BAND_PA
        if beyond > 0.0:
            if place == len(trace) - 1:
                return len(trace) * tick_s
            inside = BAND_PA - abs(trace[place + 1] - set_pa)
            return (place + 1 + beyond / (beyond + inside)) * tick_s
    return 0.0
