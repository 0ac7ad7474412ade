"""The scatter: the plants that settings are tried on.

Each is the centre plant (the nominal one, or what a board file's [plant] states)
with everything off that may be off on a device, at a site and on a day: leaks,
clogs, altitude, wear, fill of the canister, both sensors, both supplies. All of
them are sound: nothing is broken, nothing is worn out. [E, all ranges]

    trials(centre, settings) -> the 240 of a certificate, always the same
    others(centre, settings, count, seed) -> as many of another draw

A certificate's scatter has three parts: EXTREMES, where the quickest, the
slowest, the tightest and the leakiest plant meet each level; CORNERS, where each
parameter is near one of its two ends (a Hadamard matrix and its opposite, so that
each pair of ends occurs equally often); and a Latin hypercube for the inside. So
what 2,000 other plants can do lies between what these do, nearly always.

A parameter that the centre states has been measured, and varies less.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from emery.bench.regulation import air_pressure_pa
from emery.certificate.course import Trial, levels
from emery.simulator import plant, sensors
from firmware.settings import Settings

INSIDE = 136
CORNERS = 64
LEVELS = 10
_INSIDE_SEED = 6


@dataclass(frozen=True, slots=True)
class Varied:
    """One parameter: by what its centre is multiplied, or what is added to it, or
    what it is itself; between these ends, and between `known` if it was measured."""

    name: str
    how: str
    low: float
    high: float
    reason: str
    known: tuple[float, float] | None = None
    in_log: bool = False


TIMES, PLUS, IS = "times", "plus", "is"

PLANT = (
    Varied("volume_m3", TIMES, 0.5, 1.6, "0.33 to 1.04 L: canisters and hoses of hobby and"
           " clinic builds", (0.85, 1.15)),
    Varied("canister_fill", IS, 0.0, 0.5, "spent crystals, until it must be emptied"),
    Varied("filter_load", TIMES, 1.0, 2.0, "a filter until it is changed"),
    Varied("hose_leak", PLUS, 0.0, 0.003, "joints that seep: up to 7 % of the nozzle's air"),
    Varied("seal_leak", IS, 0.002, 0.03, "skin, hair, and how the tip is held", None, True),
    Varied("tip_m", IS, 4e-3, 6e-3, "tips of 4 to 6 mm: The Dermatologist, 2003",),
    Varied("touch_s", IS, 0.02, 0.08, "how quickly the tip settles"),
    Varied("nozzle_m", TIMES, 0.97, 1.03, "drilling, and wear by crystals", (0.98, 1.02)),
    Varied("nozzle_open", IS, 0.92, 1.0, "a film of crystals"),
    Varied("altitude_m", IS, 0.0, 2_000.0, "sites up to 2,000 m"),
    Varied("pump_free_flow_m3_s", TIMES, 0.92, 1.08, "pumps of one type", (0.95, 1.05)),
    Varied("pump_ultimate", TIMES, 0.97, 1.03, "pumps of one type", (0.98, 1.02)),
    Varied("pump_lag_s", TIMES, 0.8, 1.25, "pumps of one type, cold and warm", (0.85, 1.15)),
    Varied("pump_dead_band", PLUS, -0.02, 0.02, "pumps of one type", (-0.015, 0.015)),
    Varied("pump_wear", IS, 0.85, 1.0, "wear until it must be serviced"),
    Varied("supply", IS, 0.95, 1.05, "supplies of 12 V are good to 5 %"),
    Varied("vent_m", TIMES, 0.95, 1.05, "vents of one type", (0.98, 1.02)),
    Varied("vent_lag_s", TIMES, 0.7, 1.6, "cold and warm", (0.8, 1.3)),
    Varied("feed_lag_s", TIMES, 0.8, 1.2, "valves of one type"),
    Varied("feed_delay_s", TIMES, 0.7, 1.3, "hoses of 1 to 2 m"),
    Varied("feed_full_mg_min", TIMES, 0.8, 1.2, "crystals of different size, damp or dry"),
)  # fmt: skip
SENSORS = (
    # What is off after calibrating, on a day. MPXV6115V data sheet: 1.5 % of full scale,
    # 1.7 kPa, for everything together; at 45 kPa these two make 1.55.
    Varied("offset_a_pa", PLUS, -1_100.0, 1_100.0, "MPXV6115V data sheet, with the gain"),
    Varied("offset_b_pa", PLUS, -1_100.0, 1_100.0, "as channel A"),
    Varied("gain_a", TIMES, 0.99, 1.01, "MPXV6115V data sheet, with the offset"),
    Varied("gain_b", TIMES, 0.99, 1.01, "as channel A"),
    Varied("lag_a_s", TIMES, 0.75, 1.35, "tube and RC: 5 to 10 ms"),
    Varied("lag_b_s", TIMES, 0.6, 1.1, "tube and RC: 5 to 10 ms"),
    Varied("noise", TIMES, 0.7, 1.5, "ADCs of one type, and wiring"),
    Varied("supply_v", IS, 4.8, 5.2, "USB and a regulator; the gauge takes 4.75 to 5.25 V"),
)  # fmt: skip
FLOWS_MG_MIN = (2_000, 20_000)

# How far towards the ends the EXTREMES and the CORNERS lie, as shares of the ranges. All
# parameters at their very ends at once is a plant that nobody has: of 2,000 drawn ones
# none comes near these. [E]
EXTREME_ENDS = (0.2, 0.8)
CORNER_ENDS = (0.1, 0.9)
# Which end each parameter has in the EXTREMES, 0 for the low one; the others are as
# in the centre.
_QUICK = {
    "volume_m3": 0, "canister_fill": 1, "seal_leak": 0, "hose_leak": 0, "pump_wear": 1,
    "pump_free_flow_m3_s": 1, "supply": 1, "pump_lag_s": 1, "altitude_m": 0, "filter_load": 0,
    "nozzle_m": 0, "nozzle_open": 0, "pump_dead_band": 0, "touch_s": 0, "tip_m": 0,
}  # fmt: skip
_SLOW = {name: 1 - end for name, end in _QUICK.items()} | {"pump_ultimate": 0}
_READ_LOW = {"offset_a_pa": 0, "offset_b_pa": 0, "gain_a": 0, "gain_b": 0}
_READ_HIGH = dict.fromkeys(_READ_LOW, 1)
_READ_APART = {"offset_a_pa": 0, "offset_b_pa": 1, "gain_a": 0, "gain_b": 1}
EXTREMES: tuple[dict[str, int], ...] = (
    _QUICK | _READ_LOW,
    _QUICK | _READ_APART,
    _SLOW | _READ_HIGH,
    _SLOW | _READ_APART,
)

# A plant that reaches less than this part of what the centre reaches on its parking
# cap is worn out: the proof is there to refuse it. It refuses below 0.85. [E]
SOUND = 0.9
# What makes it reach less, and so is taken back, step by step, until it is sound.
_STRENGTH = (
    "pump_wear", "supply", "pump_free_flow_m3_s", "pump_ultimate", "nozzle_m", "nozzle_open",
    "hose_leak",
)  # fmt: skip
_STEPS = 10
# MPXV6115V, the gauge that is modelled: how far a calibration may be away from its
# data sheet before it is a mistake. 1.7 kPa of error, and dividers of 1 %. [E]
_ZERO_LARGEST_PA = 2_500.0
_GAIN_LARGEST = 0.04
_GAUGE_ZERO = 0.92
_GAUGE_SPAN_PA = 1.0 / 0.007652e-3


def trials(centre: Mapping[str, float], settings: Settings) -> list[Trial]:
    """The plants of a certificate, always the same."""
    found: list[Trial] = []

    def add(shares: Mapping[str, float], level: int, flow_share: float, runs_away: bool) -> None:
        number = len(found)
        found.append(
            _trial(number, number, centre, settings, shares, level, flow_share, runs_away)
        )

    for place, ends in enumerate(EXTREMES):
        for level in range(1, LEVELS + 1):
            shares = {name: EXTREME_ENDS[end] for name, end in ends.items()}
            add(shares, level, level / LEVELS, (place + level) % 2 == 0)
    for number in range(CORNERS):
        corner = _corner(number)
        shares = dict(zip(_NAMES, corner, strict=False))
        add(shares, number % LEVELS + 1, corner[len(_NAMES)], number // 2 % 2 == 0)
    for drawn in _hypercube(INSIDE, _INSIDE_SEED):
        add(drawn.shares, drawn.level, drawn.flow_share, len(found) % 2 == 0)
    return found


def others(
    centre: Mapping[str, float], settings: Settings, count: int, seed: int
) -> list[Trial]:
    """`count` plants of another draw: a Latin hypercube."""
    return [
        _trial(
            number, 100_000 * (seed + 1) + number, centre, settings, drawn.shares, drawn.level,
            drawn.flow_share, number % 2 == 1,
        )
        for number, drawn in enumerate(_hypercube(count, seed))
    ]


def gauges(settings: Settings) -> dict[str, float]:
    """The sensors that these settings speak of, by the simulator's names.

    A calibrated board says what its gauges are; where that is further from the data
    sheet than a gauge and its divider can be, it is a mistake, and the gauges are as
    far off as they can be.
    """
    found = {row[0]: float(row[4]) for row in sensors.PARAMETERS}
    for channel in "ab":
        zero = getattr(settings, f"vacuum_{channel}_zero_ppm") / 1e6
        span_pa = getattr(settings, f"vacuum_{channel}_span_pa")
        found[f"offset_{channel}_pa"] = _within(
            (_GAUGE_ZERO - zero) * _GAUGE_SPAN_PA, 0.0, _ZERO_LARGEST_PA
        )
        found[f"gain_{channel}"] = _within(_GAUGE_SPAN_PA / span_pa, 1.0, _GAIN_LARGEST)
    return found


def reached_share(of_plant: Mapping[str, float]) -> float:
    """The vacuum that full drive reaches on the parking cap, over the air pressure.

    Pump, nozzle and leak all scale with the air pressure, so it does not matter here.
    """
    get = _NOMINAL | dict(of_plant)
    pump = get["pump_free_flow_m3_s"] * get["pump_wear"] * get["supply"] / _GAS_TERM
    nozzle = 0.8 * get["nozzle_m"] ** 2 * get["nozzle_open"]
    hose = 0.7 * 6e-3**2 * get["hose_leak"]
    low, high = 0.0, get["pump_ultimate"]
    for _ in range(30):
        share = 0.5 * (low + high)
        x = min(share / _CHOKES, 1.0)
        taken = pump * (1.0 - share / get["pump_ultimate"])
        low, high = (share, high) if taken > (nozzle + hose) * math.sqrt(x * (2.0 - x)) else (
            low, share)
    return low


@dataclass(frozen=True, slots=True)
class _Drawn:
    shares: dict[str, float]
    level: int
    flow_share: float


_ROWS = (*PLANT, *SENSORS)
_NAMES = tuple(row.name for row in _ROWS)
_NOMINAL: dict[str, float] = {row[0]: float(row[4]) for row in plant.PARAMETERS}
_CHOKES = 1.0 - 0.52828
# Volume flow at the air pressure to the choked flow of a square metre and Cd 4/pi.
_GAS_TERM = 287.05 * 293.15 * 0.0023606 * 0.25 * 3.141592653589793


def _hypercube(count: int, seed: int) -> list[_Drawn]:
    chance = random.Random(f"scatter {seed}")
    columns = []
    for _ in range(len(_NAMES) + 1):
        places = [(number + chance.random()) / count for number in range(count)]
        chance.shuffle(places)
        columns.append(places)
    wanted = [number % LEVELS + 1 for number in range(count)]
    chance.shuffle(wanted)
    return [
        _Drawn(
            {name: column[number] for name, column in zip(_NAMES, columns, strict=False)},
            wanted[number], columns[-1][number],
        )
        for number in range(count)
    ]


def _corner(number: int) -> list[float]:
    """One row of a Hadamard matrix of order 32 (Sylvester), or its opposite."""
    half = CORNERS // 2
    row = number % half
    flip = number // half
    return [
        CORNER_ENDS[(row & column).bit_count() + flip & 1] for column in range(1, half)
    ]


def _trial(
    number: int,
    seed: int,
    centre: Mapping[str, float],
    settings: Settings,
    shares: Mapping[str, float],
    level: int,
    flow_share: float,
    runs_away: bool,
) -> Trial:
    """The plant whose parameters lie at these shares of their ranges."""
    # How much the valve gives is weighed (`emery calibrate feed`): the settings know it.
    centre = {"feed_full_mg_min": float(settings.full_flow_mg_min), **centre}
    of_plant = dict(centre)
    for row in PLANT:
        around = centre.get(row.name, _NOMINAL.get(row.name, 0.0))
        of_plant[row.name] = _value(row, around, shares.get(row.name), row.name in centre)
    of_plant["atmosphere_pa"] = round(air_pressure_pa(of_plant.pop("altitude_m")))
    _make_sound(of_plant, centre)
    of_sensors = gauges(settings)
    for row in SENSORS:
        of_sensors[row.name] = _value(row, of_sensors[row.name], shares.get(row.name), False)
    allowed = levels(settings)
    low, high = FLOWS_MG_MIN
    tick_ms = settings.tick_period_ms
    return Trial(
        number, seed, of_plant, of_sensors, allowed[min(level, len(allowed)) - 1],
        round(low + (high - low) * flow_share), number // 2 % tick_ms if runs_away else -1,
    )


def _make_sound(of_plant: dict[str, float], centre: Mapping[str, float]) -> None:
    """Take back what makes the pump weak, until it is a sound one."""
    least = SOUND * reached_share(centre)
    drawn = {name: of_plant[name] for name in _STRENGTH}
    middle = {name: centre.get(name, _NOMINAL[name]) for name in _STRENGTH}
    for step in range(1, _STEPS + 1):
        if reached_share(of_plant) >= least:
            return
        back = step / _STEPS
        for name in _STRENGTH:
            value = drawn[name] + back * (middle[name] - drawn[name])
            of_plant[name] = float(f"{value:.7g}")


def _value(row: Varied, around: float, share: float | None, is_known: bool) -> float:
    """A parameter at this share of its range; without one, as in the centre."""
    low, high = row.known if is_known and row.known else (row.low, row.high)
    if share is None:
        return around
    if row.in_log:
        value = low * math.pow(high / low, share)
    else:
        value = low + (high - low) * share
    if row.how == TIMES:
        value *= around
    elif row.how == PLUS:
        value += around
    return float(f"{value:.7g}")


def _within(value: float, middle: float, most: float) -> float:
    return max(middle - most, min(middle + most, value))
