"""How well the vacuum is regulated on plants that nobody tuned for.

A case is one plant and one set vacuum: vented, pump still, tip sealed on skin;
10 s of contact, 3 s of lift, 6 s of re-contact. The plants are the nominal one
and 15 drawn from the seed by Latin-hypercube sampling. Judged is the true
vacuum at the skin, not what a sensor shows:

- settle time: the last time outside +-2 kPa, over the time-optimal bound, which
  is when full drive enters that band on the same plant;
- overshoot of the first contact, mean error and ripple (peak to peak) over its
  last 3 s, and the peak above the set vacuum of the re-contact.

Only cases that the plant can reach count: full drive must end 0.5 kPa or more
above the set vacuum.

Emery is measured as the device runs it: sensor models with lag, noise and the
wide codes of the ADC, two channels trimmed as by the self-test, and Sensing,
Contact and VacuumRegulator in the controller's order. The references see the
true vacuum with a little noise (see `references`).

The figures are for a seal whose leak is constant, without crystals, at a tick
of 5 ms on an RP2040. The same on a tick of 10 ms with the ADC of an ESP32, with
a leak that wanders as it does in the simulator (a third of it within 0.2 s, a
disturbance that no pump with a lag of 0.15 s can follow), and with 10 g/min of
crystals, is told in the detail of each figure.

    measure(seed, progress) -> {"regulation.settle_ratio_worst": Figure, ...}

has the six keys of the group `regulation`; a Figure's `references` has a value
for each of `references.REFERENCES`, its `detail` one for each of VARIANTS.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from emery.bench import references
from emery.bench.keys import Figure
from emery.bench.references import Controller, Silence
from emery.simulator.noise import Noise
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_SKIN, Plant
from emery.simulator.sensors import Sensors
from firmware import limits
from firmware.contact import Contact
from firmware.sensing import Sensing
from firmware.settings import Settings
from firmware.vacuum_regulator import VacuumRegulator
from hal.contract import Readings

# 10, 17, 24, 30 and 37 kPa.
SET_VACUUMS_PA = tuple(limits.LEVEL_VACUUM_PA[level - 1] for level in (1, 3, 5, 7, 9))
VARIATIONS = 15
CONTACT_S = 10.0
LIFT_S = 3.0
RECONTACT_S = 6.0
BAND_PA = 2_000
STEADY_S = 3.0
RATIO_LIMIT = 1.1
REACH_MARGIN_PA = 500
_BOUND_STEP_S = 0.001
_FEED_PERMILLE = 500  # 10 g/min on the modelled valve
# The ESP32's ADC ends at 2450 mV: the sensors need a smaller divider.
_ESP32_SETTINGS = (
    ("tick_period_ms", 10),
    ("vacuum_a_divider_permille", 480),
    ("vacuum_b_divider_permille", 480),
)

# What varies: plant parameter, lowest, highest, whether evenly in the logarithm.
# The altitude is in metres and stands for the parameter atmosphere_pa.
Varied = tuple[str, float, float, bool]
VARIED: tuple[Varied, ...] = (
    ("filter_load", 1.0, 4.0, False),
    ("seal_leak", 0.002, 0.03, True),
    ("altitude_m", 0.0, 2_000.0, False),
    ("pump_wear", 0.8, 1.0, False),
    ("volume_m3", 0.3e-3, 1.0e-3, False),
)

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """Another way to run Emery on the same plants."""

    name: str
    adc: str = "rp2040"
    wanders: bool = False
    feed_permille: int = 0


OFFICIAL = Variant("rp2040_5ms")
VARIANTS = (
    Variant("esp32_10ms", adc="esp32"),
    Variant("leak_wanders", wanders=True),
    Variant("crystals_10_g_min", feed_permille=_FEED_PERMILLE),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One plant and one set vacuum, with the time-optimal bound."""

    number: int
    parameters: dict[str, float]
    set_pa: int
    bound_s: float


@dataclass(frozen=True, slots=True)
class Course:
    """The true vacuums at the skin in the three parts of a case, one a tick: the
    first contact, the lift, the re-contact; and the peak of each part."""

    tick_s: float
    parts: list[list[float]]
    peaks: list[float]


@dataclass(frozen=True, slots=True)
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


def plants(
    seed: int, varied: Sequence[Varied] = VARIED, count: int = VARIATIONS
) -> list[dict[str, float]]:
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
    controller: Controller,
    parameters: dict[str, float],
    set_pa: int,
    leak: Noise | Silence | None = None,
    feed_permille: int = 0,
) -> Figures:
    """One controller in one case; `leak` is what the seal's leak wanders by."""
    return judged(course(controller, parameters, set_pa, leak, feed_permille), set_pa)


def course(
    controller: Controller,
    parameters: dict[str, float],
    set_pa: int,
    leak: Noise | Silence | None = None,
    feed_permille: int = 0,
    lengths_s: Sequence[float] = (CONTACT_S, LIFT_S, RECONTACT_S),
) -> Course:
    """What the vacuum does with this controller."""
    tick_s = controller.tick_ms * 0.001
    plant = Plant(parameters, leak or Silence(), tick_s)
    parts: list[list[float]] = []
    drive = controller.drive
    peaks: list[float] = []
    for seconds, tip in zip(lengths_s, (TIP_ON_SKIN, TIP_IN_AIR, TIP_ON_SKIN), strict=True):
        plant.tip = tip
        peak = 0.0
        trace: list[float] = []
        for _ in range(round(seconds / tick_s)):
            permille = drive(set_pa, plant.skin_pa)
            plant.run(permille, feed_permille, 1)
            trace.append(plant.skin_pa)
            if plant.skin_peak_pa > peak:
                peak = plant.skin_peak_pa
        parts.append(trace)
        peaks.append(peak)
    return Course(tick_s, parts, peaks)


def judged(found: Course, set_pa: int) -> Figures:
    """The figures of a course."""
    first = found.parts[0]
    last = first[-round(STEADY_S / found.tick_s) :]
    return Figures(
        settle_s=settle_s(first, set_pa, found.tick_s),
        overshoot_pa=found.peaks[0] - set_pa,
        steady_error_pa=abs(math.fsum(last) / len(last) - set_pa),
        ripple_pa=max(last) - min(last),
        recontact_pa=found.peaks[2] - set_pa,
    )


def settle_s(
    trace: list[float], set_pa: float, tick_s: float, band_pa: float = BAND_PA
) -> float:
    """The last time outside the band, between samples by a straight line; the
    length of the trace if it ends outside."""
    for place in range(len(trace) - 1, -1, -1):
        beyond = abs(trace[place] - set_pa) - band_pa
        if beyond > 0.0:
            if place == len(trace) - 1:
                return len(trace) * tick_s
            inside = band_pa - abs(trace[place + 1] - set_pa)
            return (place + 1 + beyond / (beyond + inside)) * tick_s
    return 0.0


def cases(
    seed: int,
    sets_pa: Sequence[int] = SET_VACUUMS_PA,
    varied: Sequence[Varied] = VARIED,
) -> list[Case]:
    """All cases of a seed that the plant can reach."""
    return cases_on(plants(seed, varied), sets_pa)


def cases_on(
    drawn: Sequence[dict[str, float]], sets_pa: Sequence[int] = SET_VACUUMS_PA
) -> list[Case]:
    """All cases of these plants that the plant can reach."""
    found = []
    for number, parameters in enumerate(drawn):
        full = references.full_drive(parameters, CONTACT_S, _BOUND_STEP_S)
        for place, set_pa in enumerate(sets_pa):
            if full[-1] >= set_pa + REACH_MARGIN_PA:
                bound_s = references.entry_s(full, set_pa - BAND_PA, _BOUND_STEP_S)
                found.append(Case(number * len(sets_pa) + place, parameters, set_pa, bound_s))
    return found


def settings_for(adc: str) -> Settings:
    """The default settings, on the board that has this ADC."""
    settings = Settings()
    if adc != "rp2040":
        for name, value in _ESP32_SETTINGS:
            setattr(settings, name, value)
    return settings


def run_emery(case: Case, variant: Variant, seed: int) -> Figures:
    """Emery in one case."""
    noise = 1_000 * seed + 2 * case.number
    return run_case(
        Emery(settings_for(variant.adc), variant.adc, noise),
        case.parameters,
        case.set_pa,
        Noise(noise + 1) if variant.wanders else None,
        variant.feed_permille,
    )


def summary(found: Sequence[tuple[Case, Figures]]) -> dict[str, float]:
    """The figures of one controller over all cases, by the names of the keys."""
    ratios = [figures.settle_s / case.bound_s for case, figures in found]
    return {
        "settle_ratio_within_1_1_pct": round(
            100.0 * sum(ratio <= RATIO_LIMIT for ratio in ratios) / len(ratios), 1
        ),
        "settle_ratio_worst": round(max(ratios), 3),
        "overshoot_worst_kpa": _worst_kpa(figures.overshoot_pa for _, figures in found),
        "steady_error_worst_kpa": _worst_kpa(figures.steady_error_pa for _, figures in found),
        "ripple_worst_kpa": _worst_kpa(figures.ripple_pa for _, figures in found),
        "recontact_worst_kpa": _worst_kpa(figures.recontact_pa for _, figures in found),
    }


def _worst_kpa(values_pa: Iterable[float]) -> float:
    return round(max(values_pa) / 1000.0, 3)


def measure(seed: int, progress: Progress) -> dict[str, Figure]:
    """The group `regulation` of the bench; about half a minute."""
    all_cases = cases(seed)
    runs: dict[str, list[tuple[Case, Figures]]] = {}
    steps = len(all_cases) * (1 + len(VARIANTS) + len(references.REFERENCES))
    done = 0
    for case in all_cases:
        for variant in (OFFICIAL, *VARIANTS):
            runs.setdefault(variant.name, []).append((case, run_emery(case, variant, seed)))
        for name, make in references.REFERENCES:
            controller = make(1_000 * seed + 2 * case.number)
            figures = run_case(controller, case.parameters, case.set_pa)
            runs.setdefault(name, []).append((case, figures))
        done += 1 + len(VARIANTS) + len(references.REFERENCES)
        progress(done / steps)
    summaries = {name: summary(found) for name, found in runs.items()}
    return {
        f"regulation.{name}": Figure(
            value,
            references={other: summaries[other][name] for other, _ in references.REFERENCES},
            detail={
                "cases": len(all_cases),
                **{variant.name: summaries[variant.name][name] for variant in VARIANTS},
            },
        )
        for name, value in summaries[OFFICIAL.name].items()
    }
