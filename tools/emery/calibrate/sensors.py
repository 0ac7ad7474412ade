"""The sensors' procedure: zero with the line vented, dividers against a voltmeter, and
points of a held vacuum against a reference gauge. What is made of it: `sensor_fit`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean, pstdev

from emery.calibrate import reading
from emery.calibrate.holding import Deed, Held, HoldingBench, Seen, is_near_cut
from emery.calibrate.sensor_fit import (
    CHANNELS,
    ZERO_SHIFT_PA,
    Calibrated,
    Point,
    as_read,
    copied,
    judge,
    judge_noise,
    judge_zero,
    kpa,
    nominal,
)
from emery.calibrate.technician import Technician
from emery.calibrate.verdict import Implausible
from emery.service_bench.bench import pump
from emery.service_bench.recording import Recording
from firmware import limits
from firmware.settings import Settings
from hal.contract import RAW_FULL_SCALE

# Where the gauge is read, by what the sensors say; the firmware lets go at 30 kPa.
TARGETS_PA = (7_000, 13_500, 20_500, 27_500)
_NEAR_TARGET_PA = 1_500.0
_TARGET_HIGHEST_PA = 28_700.0  # a device that reads 30 kPa lets go

# Of a drive that is held: time to settle, by how much the means of two times five looks
# may differ then, drive for each Pa, and how long the black box is averaged. [E]
_HELD_SETTLE_MS = 1_500
_SETTLE_LONGEST_MS = 8_000
_STILL_LOOKS = 5
_HOLD_STILL_PA = 80.0
_PERCENT_PER_PA = 1 / 1_200.0
_PERCENT_PER_PA_NEXT = 1 / 1_000.0
_TRIES = 10
_POINTS_APART_PA = 2_000.0  # points nearer than that are the same one
_HELD_STEADY_MS = 1_700
_AVERAGE_MS = 1_400
_ZERO_MS = 1_500

# Resistors of 5 % at worst, both the wrong way round. [E]
_DIVIDER_SHARE = 0.10
_DIVIDER_LEAST = 2  # permille; less is left to zero and span
_DIVIDER_FIRST = 0.015  # a larger change is put into force before anything else [E]
_SUPPLY_V = (4.5, 5.5)
_METERED = (
    ("supply", "the sensors' supply", "sensor_supply_divider_permille"),
    ("a", "the output of sensor A", "vacuum_a_divider_permille"),
    ("b", "the output of sensor B", "vacuum_b_divider_permille"),
)
# The settings that are measured, by the firmware's names.
DIVIDERS = tuple(name for _, _, name in _METERED)
ZEROS_AND_SPANS = tuple(
    f"vacuum_{channel}_{what}" for channel in CHANNELS for what in ("zero_ppm", "span_pa")
)


def measure(bench: HoldingBench, settings: Settings, technician: Technician) -> Calibrated:
    """The whole procedure. Raises Implausible, DeviceProblem, NoAnswer."""
    technician.please(
        "Connect the reference gauge to the manifold, beside the sensors. Put the tip in the "
        "air, everything open.",
        "tip air; open nozzle; open hose; unplug vent",
    )
    before = settings
    settings = copied(settings)
    technician.meanwhile("zero of the sensors")
    zero, noise_pa = vented(bench, settings)
    judge_noise(noise_pa)
    trim_dividers(zero, settings, technician)
    if any(
        abs(getattr(settings, name) / getattr(before, name) - 1) > _DIVIDER_FIRST
        for _, _, name in _METERED
    ):
        # What the device reads now is too far off to run a pump by.
        return Calibrated((), noise_pa, {}, before, settings)
    for channel in CHANNELS:
        judge_zero(channel, zero.vacuum_pa(channel, nominal(settings)))
    rest = reading.asked(
        technician, "What does the gauge show with the line vented?", "gauge", _at_rest
    )
    points = [Point(rest.value, rest.resolution, zero.a_raw, zero.b_raw, zero.supply_raw)]
    technician.please(
        "Put the tip on its parking cap, the nozzle open.", "tip cap; open nozzle"
    )
    # The cap needs a little more than skin does.
    percent = settings.hold_low_permille / 10 - (10_000 - TARGETS_PA[0]) * _PERCENT_PER_PA
    held_pa = _mean_pa(points[0], settings)
    for target_pa in TARGETS_PA:
        if percent >= limits.SERVICE_PUMP_PERMILLE // 10:
            break  # there is no more than that
        if len(points) > 1:
            percent = round(percent + (target_pa - held_pa) * _PERCENT_PER_PA_NEXT)
        technician.meanwhile(f"going to about {kpa(target_pa)}; the pump turns")
        point, percent = _at(bench, before, settings, zero, technician, target_pa, percent)
        if point is None or _mean_pa(point, settings) < held_pa + _POINTS_APART_PA:
            break
        points.append(point)
        held_pa = _mean_pa(point, settings)
    return judge(points, noise_pa, before, settings)


def _at_rest(typed: str) -> reading.Reading:
    """What the gauge shows with the line vented."""
    rest = reading.read(typed, "Pa")
    if abs(rest.value) > ZERO_SHIFT_PA / 2:
        raise Implausible(
            f"the gauge shows {typed.strip()} with the line vented",
            "Zero it, or take a gauge of relative pressure; then calibrate again.",
        )
    return rest


def _mean_pa(point: Point, settings: Settings) -> float:
    return fmean(point.vacuum_pa(channel, settings) for channel in CHANNELS)


def vented(bench: HoldingBench, settings: Settings) -> tuple[Point, dict[str, float]]:
    """The zero of both channels, and their noise in Pa."""
    recording = bench.at_rest(_ZERO_MS)
    noise_pa = {
        channel: pstdev(recording.vacuum_pa(settings, channel)) for channel in CHANNELS
    }
    return _averaged(recording, range(len(recording)), 0.0, 0.0), noise_pa


def _averaged(recording: Recording, places: Sequence[int], gauge_pa: float, resolution: float,
              drift_pa: float = 0.0) -> Point:  # fmt: skip
    return Point(
        gauge_pa,
        resolution,
        fmean(recording.vacuum_a_raw[at] for at in places),
        fmean(recording.vacuum_b_raw[at] for at in places),
        fmean(recording.supply_raw[at] for at in places),
        drift_pa,
    )


@dataclass(slots=True)
class _Hold:
    """What happens while the pump holds one vacuum: see `_at`."""

    percent: float
    asked_ms: int = -1  # when the gauge was asked for, -1 for not at all
    first_pa: float = 0.0
    answer: str = ""
    shown_pa: dict[str, float] = field(default_factory=dict)
    barometer_pa: float = 0.0


def _at(
    bench: HoldingBench,
    before: Settings,
    settings: Settings,
    zero: Point,
    technician: Technician,
    target_pa: float,
    percent: float,
) -> tuple[Point | None, float]:
    """Hold a vacuum and have the gauge read; None if the pump does not get there."""
    for again in range(3):
        state = _Hold(min(round(percent), limits.SERVICE_PUMP_PERMILLE // 10))
        held = bench.hold(_holding(state, technician, target_pa))
        if state.asked_ms < 0:
            if target_pa == TARGETS_PA[0]:
                raise Implausible(
                    f"with {state.percent:.0f} % of drive the sensors read "
                    f"{kpa(held.seen[-1].vacuum_pa)}, and {kpa(target_pa)} were wanted",
                    "See that the tip sits on its cap; then: emery calibrate leak",
                )
            return None, state.percent
        places = _steady(held, state.percent)
        try:
            shown_pa = fmean(
                as_read(state.shown_pa[channel], channel, before, settings)
                - zero.vacuum_pa(channel, settings)
                for channel in CHANNELS
            )
            gauge = reading.gauge(state.answer, shown_pa, state.barometer_pa)
        except Implausible as error:
            if again == 2 or not technician.can_be_asked_again:
                raise
            technician.tell(f"{error}")
            percent = state.percent
            continue
        drift_pa = abs(held.seen[-1].vacuum_pa - state.first_pa)
        return _averaged(held.last, places, gauge.value, gauge.resolution, drift_pa), state.percent
    raise AssertionError("unreachable")


def _holding(state: _Hold, technician: Technician, target_pa: float) -> Deed:
    """Bring the pump to a vacuum, have the gauge read, and hold until it is."""
    step = pump(round(state.percent), 0)
    for _ in range(_TRIES):
        newest: deque[float] = deque(maxlen=2 * _STILL_LOOKS)
        begun_ms = -1
        while True:
            seen = yield step
            newest.append(seen.vacuum_pa)
            begun_ms = seen.t_ms if begun_ms < 0 else begun_ms
            if is_near_cut(max(seen.a_pa, seen.b_pa)):
                break
            if seen.t_ms - begun_ms > _SETTLE_LONGEST_MS:
                break
            if seen.t_ms - begun_ms >= _HELD_SETTLE_MS and _moves_pa(newest) < _HOLD_STILL_PA:
                break
        off_pa = target_pa - seen.vacuum_pa
        is_high = _is_high(seen)
        if abs(off_pa) <= _NEAR_TARGET_PA and not is_high:
            break
        change = round(off_pa * _PERCENT_PER_PA) or (1 if off_pa > 0 else -1)
        if is_high:
            # One channel reads more than the other: this is as high as it goes.
            target_pa -= _NEAR_TARGET_PA
            change = -2
        wanted = min(max(round(state.percent) + change, 1), limits.SERVICE_PUMP_PERMILLE // 10)
        if wanted == state.percent:
            # The most that SERVICE gives; worth a point if it is a vacuum at all.
            if seen.vacuum_pa < TARGETS_PA[0] - _NEAR_TARGET_PA:
                return
            break
        state.percent = wanted
        step = pump(wanted, 0)
    else:
        return
    begun_ms = seen.t_ms
    shown: list[Seen] = []
    while seen.t_ms - begun_ms < _HELD_STEADY_MS:
        seen = yield step
        shown.append(seen)
    state.first_pa = seen.vacuum_pa
    state.shown_pa = {
        "a": fmean(one.a_pa for one in shown), "b": fmean(one.b_pa for one in shown)
    }  # fmt: skip
    state.barometer_pa = seen.barometer_pa
    state.asked_ms = seen.t_ms
    technician.begin("What does the gauge show now?", "gauge")
    while True:
        answer = technician.poll()
        if answer is not None:
            state.answer = answer
            return
        seen = yield step


def _moves_pa(newest: Sequence[float]) -> float:
    """How far the mean of the last looks is from that of those before."""
    values = list(newest)
    if len(values) < 2 * _STILL_LOOKS:
        return float("inf")
    return abs(fmean(values[_STILL_LOOKS:]) - fmean(values[:_STILL_LOOKS]))


def _is_high(seen: Seen) -> bool:
    """Would the firmware soon let go?"""
    return max(seen.a_pa, seen.b_pa) > _TARGET_HIGHEST_PA


def _steady(held: Held, percent: float) -> list[int]:
    """The places in the last recording with this drive, the newest of them."""
    last = held.last
    places = [at for at in range(len(last)) if last.pump_permille[at] == round(percent) * 10]
    if not places or places[-1] != len(last) - 1:
        raise Implausible(
            "the firmware let the pump go before the gauge had been read",
            "Above 30 kPa it does so by itself. See that the hose is free; calibrate again.",
        )
    newest_ms = last.t_ms[places[-1]]
    return [at for at in places if newest_ms - last.t_ms[at] <= _AVERAGE_MS]


def trim_dividers(zero: Point, settings: Settings, technician: Technician) -> None:
    """Dividers by a voltmeter, if there is one; `settings` have them afterwards. Raises
    Implausible."""
    raws = {"supply": zero.supply_raw, "a": zero.a_raw, "b": zero.b_raw}
    for what, words, name in _METERED:
        was: int = getattr(settings, name)
        # mV at the pin over V at the sensor is permille.
        pin_mv = raws[what] / RAW_FULL_SCALE * settings.adc_reference_mv
        found = reading.asked(
            technician,
            f"What does a voltmeter show at {words}? (Enter alone leaves this out.)",
            f"meter {what}",
            partial(_divider, what, words, name, was, pin_mv),
        )
        if found is None:
            return
        if abs(found - was) >= _DIVIDER_LEAST:
            setattr(settings, name, round(found))


def _divider(
    what: str, words: str, name: str, was: int, pin_mv: float, typed: str
) -> float | None:
    """The divider in permille by what the voltmeter shows, None if it is left out."""
    if not typed.strip():
        return None
    volts = reading.read(typed, "V").value
    if what == "supply" and not _SUPPLY_V[0] <= volts <= _SUPPLY_V[1]:
        raise Implausible(
            f"the sensors' supply is said to be {typed.strip()}",
            "The sensors need 4.75 to 5.25 V (MPXV6115V data sheet). See to the supply, or "
            "measure again.",
        )
    if volts <= 0:
        raise Implausible(f"{words} is said to be {typed.strip()}", "Measure it against ground.")
    found = pin_mv / volts
    if abs(found / was - 1) > _DIVIDER_SHARE:
        raise Implausible(
            f"{words} would be divided to {found / 10:.1f} %, and the setting is "
            f"{was / 10:.1f} %",
            "Was it measured at the sensor, against its ground? If so, see which resistors "
            f"are fitted, and put {name.removesuffix('_permille')} into the board file.",
        )
    return found
