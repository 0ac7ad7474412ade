"""Crystal flow against the duty of the valve, by weighing the crystal cup.

On the parking cap, its nozzle open, the pump makes the vacuum that carries the crystals;
they go through the handpiece into the canister. The firmware opens the valve only while
both sensors show that the tip is sealed. Each duty runs for a while; what the cup has lost,
over the time for which the valve was asked to open, is the flow. Before and behind it the
pump runs alone, so that the valve opens into air that flows and closes in it, too: its lag
then takes as much away as it adds.

The firmware takes the flow to be in proportion to the duty (`firmware/crystal_feed.py`), so
the line goes through zero, and how far the points are from it is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from emery.calibrate import reading
from emery.calibrate.holding import Deed, HoldingBench, Seen
from emery.calibrate.sensor_fit import SURE_SD, copied
from emery.calibrate.technician import Technician
from emery.calibrate.verdict import Implausible
from emery.service_bench.bench import Step, pump
from firmware import limits
from firmware.settings import SETTINGS, Settings
from hal.contract import COMMAND_RUN_CRYSTALS

SETTING = "full_flow_mg_min"

# Duty in percent, and for how long: some grams each at 20 g/min. [E]
RUNS = ((25, 30), (50, 20), (75, 15), (100, 15))
# Until the vacuum carries, which thin air and a worn pump take longer for. [E]
_BEFORE_LONGEST_MS = 8_000
_CARRIES_PA = limits.SERVICE_FEED_SEALED_PA * 1.4
_BEHIND_MS = 1_500
_BEHIND_PERCENT = 38  # less air is lost to crystals then, but not much less
# Off the line through zero by this share of the full flow, a valve is none to meter with. [E]
_LINEAR = 0.15
_TRICKLE = 0.03
_RESOLUTION_MG = 100.0  # a coarser scale is none to calibrate with [E]
_LEAST_MG = 150.0  # less is taken for nothing [E]
_OPEN_SHARE = 0.9  # of the time asked for; the tip was not sealed else


@dataclass(frozen=True, slots=True)
class Weighed:
    """One duty: what the cup lost in the time in which the valve was asked to open."""

    percent: int
    open_s: float
    mg: float
    resolution_mg: float

    @property
    def mg_min(self) -> float:
        """Flow."""
        return self.mg * 60.0 / self.open_s


@dataclass(frozen=True, slots=True)
class FeedFound:
    """`full_mg_min` is the flow with the valve fully open; `sd` its standard deviation.
    `off`, one for each point: its distance from the line, as a share of the full flow."""

    points: tuple[Weighed, ...]
    full_mg_min: float
    sd: float
    off: tuple[float, ...]
    before: Settings
    settings: Settings

    def extra(self) -> dict[str, object]:
        """For the ledger."""
        return {
            "full_flow_mg_min": round(self.full_mg_min),
            "full_flow_sd_mg_min": round(self.sd),
            "flow_mg_min": {str(one.percent): round(one.mg_min) for one in self.points},
        }


def fit(points: Sequence[Weighed], settings: Settings) -> FeedFound:
    """The line through zero. Raises Implausible."""
    shares = [one.percent / 100 for one in points]
    flows = [one.mg_min for one in points]
    power = sum(share * share for share in shares)
    full = sum(share * flow for share, flow in zip(shares, flows, strict=True)) / power
    off = tuple((flow - share * full) / full for share, flow in zip(shares, flows, strict=True))
    missed = sum((one * full) ** 2 for one in off)
    sd = sqrt(missed / max(1, len(points) - 1) / power)
    row = next(row for row in SETTINGS if row[0] == SETTING)
    if full > row[4]:
        raise Implausible(
            f"{full / 1_000:.1f} g/min with the valve fully open; no device of this kind gives "
            f"more than {row[4] / 1_000:.0f}",
            "Was something else lifted off the scale, or grams read for tenths? Weigh again.",
        )
    if full < row[3]:
        raise Implausible(
            f"only {full / 1_000:.2f} g/min with the valve fully open",
            "The crystals are damp or the nozzle is clogged: dry them, clear it, weigh again.",
        )
    worst = max(range(len(off)), key=lambda at: abs(off[at]))
    if abs(off[worst]) > _LINEAR:
        raise Implausible(
            f"at {points[worst].percent} % the flow is {100 * off[worst]:+.0f} % of the full one "
            "off the line of all",
            "If it is too little, the cup ran empty or the crystals bridge: fill it, shake it. "
            "Else a weighing was misread. Then calibrate again.",
        )
    after = copied(settings)
    was: int = getattr(settings, SETTING)
    if abs(full - was) > SURE_SD * sd:
        setattr(after, SETTING, round(full))
    return FeedFound(tuple(points), full, sd, off, settings, after)


def measure(bench: HoldingBench, settings: Settings, technician: Technician) -> FeedFound:
    """The whole procedure. Raises Implausible, DeviceProblem, NoAnswer."""
    technician.please(
        "Fill the crystal cup with dry crystals. Put the tip on its parking cap, the nozzle "
        "open.",
        "fill; tip cap; open nozzle",
    )
    points = []
    before = _weigh(technician, "What does the crystal cup weigh?")
    for percent, seconds in RUNS:
        technician.please(f"Put the cup back: {seconds} s at {percent} %.", "")
        technician.meanwhile(f"crystals flow for {seconds} s")
        open_s = _run(bench, percent, seconds)
        after = _weigh(technician, "What does the crystal cup weigh now?")
        points.append(_weighed(percent, open_s, before, after))
        before = after
    technician.please("Put the cup back, and the tip in the air.", "tip air")
    return fit(points, settings)


def _weigh(technician: Technician, words: str) -> reading.Reading:
    return reading.asked(technician, words, "scale", _weight)


def _weight(typed: str) -> reading.Reading:
    found = reading.read(typed, "mg")
    if found.resolution > _RESOLUTION_MG:
        raise Implausible(
            f"the cup was weighed to {found.resolution / 1_000:g} g only",
            "Read one more digit, or take a scale with tenths of a gram.",
        )
    return found


def _weighed(
    percent: int, open_s: float, before: reading.Reading, after: reading.Reading
) -> Weighed:
    lost = before.value - after.value
    if lost < -before.resolution:
        raise Implausible(
            f"the cup is {-lost / 1_000:.2f} g heavier after {percent} % than before",
            "The two weighings were exchanged, or it was filled in between: calibrate again.",
        )
    if lost < _LEAST_MG:
        raise Implausible(
            f"nothing flowed at {percent} %: the cup lost {lost / 1_000:.2f} g in {open_s:.0f} s",
            "Hear whether the valve clicks: if not, see to its wires. If it does, the nozzle or "
            "the crystals' way is clogged, or the cup is empty.",
        )
    return Weighed(percent, open_s, lost, max(before.resolution, after.resolution))


def _run(bench: HoldingBench, percent: int, seconds: int) -> float:
    """Let crystals flow; for how long the valve was open, s."""
    first = pump(limits.SERVICE_PUMP_PERMILLE // 10, 0)
    last = pump(_BEHIND_PERCENT, 0)
    both = Step(COMMAND_RUN_CRYSTALS, percent, 0)
    seen: list[Seen] = []

    def deed() -> Deed:
        now = yield first
        while now.t_ms < _BEFORE_LONGEST_MS and min(now.a_pa, now.b_pa) < _CARRIES_PA:
            now = yield first
        begun_ms = now.t_ms
        while now.t_ms - begun_ms < seconds * 1_000:
            now = yield both
            seen.append(now)
        ended_ms = now.t_ms
        while now.t_ms - ended_ms < _BEHIND_MS:
            now = yield last
            seen.append(now)

    bench.hold(deed())
    open_ms = sum(
        (later.t_ms - one.t_ms) * (1 if one.feed_permille and later.feed_permille else 0.5)
        for one, later in pairwise(seen)
        if one.feed_permille or later.feed_permille
    )
    lowest_pa = min(min(one.a_pa, one.b_pa) for one in seen[: len(seen) // 2])
    if open_ms < _OPEN_SHARE * seconds * 1_000:
        raise Implausible(
            f"the device opened the valve for {open_ms / 1_000:.1f} of {seconds} s only: it "
            f"does so while both sensors show a sealed tip, and they showed down to "
            f"{lowest_pa / 1_000:.1f} kPa",
            "Put the tip on its cap firmly. If it is: emery calibrate leak; if that passes, the "
            f"pump is too weak at {limits.SERVICE_FEED_PUMP_PERMILLE // 10} %: worn, or too high "
            "above the sea for this. If it had run crystals before: each start of SERVICE lasts "
            "for one calibration only; restart it",
        )
    return open_ms / 1_000


def text(found: FeedFound) -> str:
    """Points, the line, and how far they are from it."""
    most = max(found.full_mg_min, *(one.mg_min for one in found.points))
    lines = ["  duty    time      lost       flow   off line"]
    lines += [
        f"  {one.percent:3d} %  {one.open_s:4.1f} s  {one.mg / 1_000:6.2f} g  "
        f"{one.mg_min / 1_000:5.1f} g/min  {100 * found.off[at]:+5.1f} %  "
        f"{_bar(one.mg_min / most, one.percent / 100 * found.full_mg_min / most)}"
        for at, one in enumerate(found.points)
    ]
    lines.append(
        f"full flow {found.full_mg_min / 1_000:.1f} g/min (+-{found.sd / 1_000:.1f})"
    )
    if found.off[0] > _TRICKLE:
        lines.append(
            "more than in proportion at the least duty: see that the valve shuts, or a trickle "
            "goes on"
        )
    return "\n".join(lines) + "\n"


_BAR = 30


def _bar(share: float, line: float) -> str:
    """Flow as a bar, with a `|` where the line has it."""
    row = list("#" * round(_BAR * share))
    row += " " * (_BAR + 1 - len(row))
    row[min(_BAR, round(_BAR * line))] = "|"
    return "".join(row).rstrip()
