"""Where a device loses its vacuum, and how much.

The pump makes a vacuum, stops, and the vent stays closed: what is lost then comes in
through holes. While the orifice does not choke, ISO 6358's ellipse has the flow at
sqrt(x (2 - x)) of the choked one, x = vacuum / knee; so with x = 1 - cos(theta), theta
falls evenly in time, and its slope over the volume is the area of the hole: a straight
line to fit (the model of `emery.simulator.plant`, isothermal, one volume).

Phases that shut off one part after another tell where: the cap with the crystal hose
clamped is everything; with the suction hose clamped at the handpiece, tip, cap and
handpiece are out; with a finger on the vent's port, the vent is out too. With the cap's
nozzle open the hole should be the nozzle; a smaller one is a clogged nozzle.
"""

import textwrap
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import acos, pi, sqrt
from statistics import fmean

from emery.calibrate.holding import Deed, HoldingBench, Seen, is_near_cut
from emery.calibrate.technician import Technician
from emery.calibrate.verdict import Implausible
from emery.service_bench.bench import closed_vent, pump
from emery.service_bench.recording import Recording
from firmware.settings import Settings

# Air as in `emery.simulator.plant`.
_AIR_GAS = 287.05
_AIR_K = 293.15
_CHOKED_FLOW = 0.0023606
_KNEE = 1.0 - 0.52828
_HOLE_CD = 0.7
_NOZZLE_HOLE_CD = 0.8

_VOLUME_M3 = 0.65e-3  # of the reference device [E]

# A hole of 0.3 mm takes a twentieth of the nozzle's air; the regulator makes good for
# that, and a larger one is worth a look. [E]
LIMIT_MM = 0.3
# Each way to lose vacuum is told from none by this much. [E]
_SEEN_MM = 0.08
# A nozzle whose hole is less than this share of its size is clogged. [E]
_CLOGGED_SHARE = 0.85
_WIDE_SHARE = 1.15

_WORTH = 0.3  # of the worst hole; less is not worth a look yet [E]
_GROSS_MM = 2.5  # what is called a hole of this size or more [E]

_FROM_PA = 16_500.0
_TO_PA = 1_500.0
_PUMP_PERCENT = 42
_PUMP_LONGEST_MS = 6_000
_COAST_MS = 900  # the pump's speed has fallen to nothing: 6 lags [E]
_DECAY_MS = 4_000
_FAST_COAST_MS = 450  # three lags: what the pump still takes is a twentieth [E]
_NOZZLE_PERCENT = 52  # it has to win against the nozzle
_LEAST_LOOKS = 8
# The pump has given what it can once these looks, of 100 ms, differ by no more. [E]
_PUMP_LEAST_MS = 1_500
_STALL_LOOKS = 8
_STALL_PA = 150.0


@dataclass(frozen=True, slots=True)
class Loss:
    """One phase: how fast it loses vacuum at its beginning, and the hole of that size
    with the device's volume; `sd_mm` is the fit's. `reached_pa` is where it began. A loss
    `is_gross` if it is larger than can be measured."""

    pa_s: float
    hole_mm: float
    sd_mm: float
    reached_pa: float
    is_gross: bool = False

    @property
    def area(self) -> float:
        """mm2, for differences between phases."""
        return pi / 4 * self.hole_mm**2


@dataclass(frozen=True, slots=True)
class Part:
    """Where vacuum is lost: its share as a hole of its own, and what to do there."""

    name: str
    hole_mm: float
    remedy: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a leak check found. `phases` by name; `parts`, the worst first, are empty for a
    device that passed. `nozzle_mm` is the nozzle's hole as it measures, 0 if it was not."""

    phases: dict[str, Loss]
    parts: tuple[Part, ...]
    passed: bool
    nozzle_mm: float
    nozzle_note: str
    volume_m3: float

    def extra(self) -> dict[str, object]:
        """For the ledger."""
        return {
            "leak_mm": round(self.phases["all"].hole_mm, 3),
            "leak_pa_s": round(self.phases["all"].pa_s),
            "nozzle_mm": round(self.nozzle_mm, 3),
            "passed": self.passed,
            "parts": {part.name: round(part.hole_mm, 3) for part in self.parts},
        }


_JOINTS = (
    ("handpiece", "tip, parking cap and handpiece",
     "Clean the tip's seat and its O-ring, and the cap's lip; press both on firmly."),
    ("vent", "the vent valve",
     "Blow out its seat; a grain of crystal keeps it open. Else put in another one."),
    ("canister", "canister lid, filter housing and the joints of the hose",
     "Look at the lid's gasket first, then the filter's; put soap on each joint while the "
     "pump holds a vacuum: where the foam is drawn in, it is."),
)  # fmt: skip


def loss(seen: Sequence[Seen], zero_pa: float, volume_m3: float, cd: float = _HOLE_CD) -> Loss:
    """The hole through which vacuum was lost; `seen` begins after the pump has stopped."""
    barometer = fmean(one.barometer_pa for one in seen)
    knee = _KNEE * barometer
    points = [
        (one.t_ms / 1_000, acos(1 - min(max((one.vacuum_pa - zero_pa) / knee, 0.0), 1.0)))
        for one in seen
        if one.vacuum_pa - zero_pa > _TO_PA
    ]
    reached_pa = seen[0].vacuum_pa - zero_pa
    t_mean = fmean(t for t, _ in points)
    y_mean = fmean(y for _, y in points)
    spread = sum((t - t_mean) ** 2 for t, _ in points)
    slope = sum((t - t_mean) * (y - y_mean) for t, y in points) / spread
    free = max(1, len(points) - 2)
    missed = sum((y - y_mean - slope * (t - t_mean)) ** 2 for t, y in points)
    sd = sqrt(missed / free / spread)
    rate = max(0.0, -slope)
    # theta' = cd area choked R T / (volume knee)
    per_m2 = cd * _CHOKED_FLOW * barometer * _AIR_GAS * _AIR_K / (volume_m3 * knee)
    area = rate / per_m2
    hole = sqrt(area * 4 / pi)
    wide = sqrt((area + sd / per_m2) * 4 / pi)
    sin = sqrt(max(0.0, 1 - (1 - min(reached_pa, knee) / knee) ** 2))
    return Loss(knee * sin * rate, hole * 1_000, (wide - hole) * 1_000, reached_pa)


def check(
    bench: HoldingBench,
    technician: Technician,
    settings: Settings,
    volume_m3: float,
    nozzle_m: float,
) -> Checked:
    """The whole procedure. Raises Implausible, DeviceProblem, NoAnswer."""
    technician.please(
        "Put the tip in the air, everything open.",
        "tip air; open nozzle; open hose; unplug vent",
    )
    technician.meanwhile("zero of the sensors")
    losing = Losing.of(bench, settings, volume_m3)
    technician.please(
        "Put the tip on its parking cap and clamp the crystal hose.", "tip cap; clamp nozzle"
    )
    watching = "making a vacuum and watching it go"
    technician.meanwhile(watching)
    phases = {"all": losing.phase()}
    whole = phases["all"]
    if whole.hole_mm <= LIMIT_MM and not whole.is_gross:
        technician.please("Open the crystal hose.", "open nozzle")
        technician.meanwhile(watching)
        found_mm, note = _nozzle(
            losing.phase(percent=_NOZZLE_PERCENT, cd=_NOZZLE_HOLE_CD), whole, nozzle_m * 1_000
        )
        technician.please("Put the tip in the air.", "tip air")
        return Checked(phases, (), True, found_mm, note, volume_m3)
    technician.tell(f"It leaks like a hole of {_size(whole)}. Now where.")
    technician.please("Clamp the suction hose at the handpiece.", "clamp hose")
    technician.meanwhile(watching)
    phases["manifold"] = losing.phase()
    technician.please(
        "Close the vent valve's port with a finger, and keep it there.", "plug vent"
    )
    technician.meanwhile(watching)
    phases["plugged"] = losing.phase(finger=technician)
    technician.please(
        "Open both hoses, and put the tip in the air.", "open hose; open nozzle; tip air"
    )
    return Checked(phases, _parts(phases), False, 0.0, "", volume_m3)


def _zero(bench: HoldingBench) -> float:
    def rest() -> Deed:
        for _ in range(10):
            yield closed_vent(0)

    held = bench.hold(rest())
    zero_pa = fmean(one.vacuum_pa for one in held.seen[3:])
    if abs(zero_pa) > 3_000:
        raise Implausible(
            f"the sensors show {zero_pa / 1_000:+.1f} kPa with the line vented",
            "If the pump turns by itself, its drive is broken: switch off. Else calibrate the "
            "sensors first: emery calibrate sensors",
        )
    return zero_pa


@dataclass(frozen=True, slots=True)
class Losing:
    """Phases on one device."""

    bench: HoldingBench
    settings: Settings
    zero_pa: float
    volume_m3: float

    @classmethod
    def of(
        cls, bench: HoldingBench, settings: Settings, volume_m3: float = _VOLUME_M3
    ) -> "Losing":
        """The same with the zero measured; the line is vented."""
        return cls(bench, settings, _zero(bench), volume_m3)

    def phase(
        self,
        *,
        percent: int = _PUMP_PERCENT,
        cd: float = _HOLE_CD,
        finger: Technician | None = None,
    ) -> Loss:
        """Make a vacuum, stop, and watch it go. With a `finger` on the vent's port the line
        lets go only when the finger does, so that is asked for while the vent is closed."""
        zero_pa = self.zero_pa
        stopped_ms = ended_ms = 0
        highest_pa = 0.0

        def deed() -> Deed:
            nonlocal stopped_ms, ended_ms, highest_pa
            rising: deque[float] = deque([0.0] * _STALL_LOOKS, maxlen=_STALL_LOOKS)
            seen = yield pump(percent, 0)
            while (
                seen.vacuum_pa - zero_pa < _FROM_PA
                and seen.t_ms < _PUMP_LONGEST_MS
                and not is_near_cut(max(seen.a_pa, seen.b_pa))
            ):
                rising.append(seen.vacuum_pa)
                if seen.t_ms > _PUMP_LEAST_MS and rising[-1] - rising[0] < _STALL_PA:
                    break
                seen = yield pump(percent, 0)
            stopped_ms = seen.t_ms
            highest_pa = seen.vacuum_pa - zero_pa
            while seen.t_ms - stopped_ms < _COAST_MS + _DECAY_MS:
                seen = yield closed_vent(0)
                if seen.vacuum_pa - zero_pa < _TO_PA / 2:
                    break
            ended_ms = seen.t_ms
            if finger is not None:
                finger.begin("Take the finger off the vent's port. Then Enter.", "unplug vent")
                while finger.poll() is None:
                    yield closed_vent(0)
                for _ in range(5):
                    yield closed_vent(0)

        held = self.bench.hold(deed())
        if any(not one.vent for one in held.seen[1:] if one.t_ms <= ended_ms):
            raise Implausible(
                "the vacuum was let go before it was measured: the firmware does so at 30 kPa, "
                "and when this computer pauses for more than a second",
                "See that the hose is not kinked and nothing else keeps the computer busy; then "
                "check again.",
            )
        slow = [
            one
            for one in held.seen
            if stopped_ms + _COAST_MS <= one.t_ms <= ended_ms
            and one.vacuum_pa - zero_pa > _TO_PA
        ]
        if len(slow) < _LEAST_LOOKS:
            slow = self._ticks(held.last)
        if len(slow) < _LEAST_LOOKS:
            # Gone while the pump was still coasting: more than can be measured.
            return Loss(highest_pa / (_COAST_MS / 1_000), _GROSS_MM, 0.0, highest_pa, True)
        return loss(slow, zero_pa, self.volume_m3, cd)

    def _ticks(self, last: Recording) -> list[Seen]:
        """A fast loss, tick by tick, from the time when the pump has nearly stopped."""
        a_pa = last.vacuum_pa(self.settings, "a")
        b_pa = last.vacuum_pa(self.settings, "b")
        ran = [at for at in range(len(last)) if last.pump_permille[at]]
        if not ran:
            return []
        from_ms = last.t_ms[ran[-1]] + _FAST_COAST_MS
        found = []
        for at in range(ran[-1], len(last)):
            seen = Seen(
                last.t_ms[at], round(a_pa[at]), round(b_pa[at]), last.barometer_pa[at], 0, 0, 1
            )
            if seen.t_ms >= from_ms:
                if seen.vacuum_pa - self.zero_pa < _TO_PA:
                    break
                found.append(seen)
        return found


def _parts(phases: dict[str, Loss]) -> tuple[Part, ...]:
    """How the whole leak is shared out, the worst first."""
    if phases["plugged"].is_gross:
        name, remedy = _JOINTS[-1][1:]
        return (Part(name, _GROSS_MM, f"{remedy} Hear, too, whether the pump turns."),)
    whole, manifold, plugged = (
        phases[name].area for name in ("all", "manifold", "plugged")
    )
    areas = {
        "handpiece": whole - manifold,
        "vent": manifold - plugged,
        "canister": plugged,
    }
    parts = [
        Part(name, sqrt(max(0.0, areas[key]) * 4 / pi), remedy) for key, name, remedy in _JOINTS
    ]
    parts.sort(key=lambda part: -part.hole_mm)
    worst = parts[0].hole_mm
    return tuple(
        part for part in parts if part.hole_mm > max(_SEEN_MM, _WORTH * worst)
    ) or (parts[0],)


def _nozzle(measured: Loss, whole: Loss, nozzle_mm: float) -> tuple[float, str]:
    """Its hole, less the leak that is there anyway, and what to say of it."""
    found_mm = sqrt(max(0.0, measured.hole_mm**2 - whole.hole_mm**2 * _HOLE_CD / _NOZZLE_HOLE_CD))
    share = found_mm / nozzle_mm
    if share < _CLOGGED_SHARE:
        return found_mm, (
            "clogged: clear it with its needle, and see that the crystals are dry"
        )
    if share > _WIDE_SHARE:
        return found_mm, "wider than it should be: worn, or the crystal hose is not closed"
    return found_mm, "clear"


def _size(one: Loss) -> str:
    return f"{one.hole_mm:.1f} mm or more" if one.is_gross else f"{one.hole_mm:.2f} mm"


_PHASES = {
    "all": "cap on, crystal hose clamped",
    "manifold": "suction hose clamped too",
    "plugged": "vent's port closed too",
}


def text(found: Checked) -> str:
    """The result for people."""
    lines = [f"{'':<30}    from    loses at first   like a hole of"]
    for name, one in found.phases.items():
        row = f"{_PHASES[name]:<30}{one.reached_pa / 1_000:5.1f} kPa"
        row += f"  {one.pa_s / 1_000:8.2f} kPa/s    {_size(one)}"
        lines.append(row if one.is_gross else f"{row} (+-{one.sd_mm:.2f})")
    lines.append(
        f"for a volume of {found.volume_m3 * 1e6:.0f} mL; up to {LIMIT_MM} mm is tight"
    )
    if found.passed:
        lines += textwrap.wrap(
            f"the nozzle measures {found.nozzle_mm:.2f} mm: {found.nozzle_note}", 78,
            subsequent_indent="    ",
        )  # fmt: skip
        lines.append("tight")
    else:
        lines.append("")
        for at, part in enumerate(found.parts, 1):
            order = "look first at" if at == 1 else "then at"
            lines.append(f"{order} {part.name} ({part.hole_mm:.2f} mm)")
            lines += textwrap.wrap(
                part.remedy, 78, initial_indent="    ", subsequent_indent="    "
            )
    return "\n".join(lines) + "\n"
