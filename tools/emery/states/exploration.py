"""Every way between the states, found by trying: the firmware's state machine
explored breadth first.

The core runs on a world as small as can be: a hand, a foot, a cap, a record
that outlives the power. From each situation that was not seen before, every
event is tried: each command with each kind of argument, foot and hand, each
fault, the next of each time limit, a storage that fails, power loss. What
counts as the same situation is `Device.situation`: whatever the treatment
decides by, in coarse classes. The search ends when no event leads to a new
situation; nothing limits its depth.

Times are not waited for: the clock of a limit is set just before its end.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from firmware import faults, limits, passes, state, storage, treatment
from firmware.controller import Controller
from firmware.settings import Settings, Zone
from hal.contract import (
    CLIENT_FIRST_SESSION,
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CLOSE_VENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_EXTEND,
    COMMAND_FLOW,
    COMMAND_LEVEL,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_REPAIRED,
    COMMAND_RESTART,
    COMMAND_RUN_CRYSTALS,
    COMMAND_RUN_FEED,
    COMMAND_RUN_PUMP,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
    COMMAND_SERVICE,
    COMMAND_START,
    CONFIRM_CONSULTATION,
    CONFIRM_EYEWEAR,
    CONFIRM_FRESH_TIP,
    COUNTER_MASK,
    FULL_PERMILLE,
    RAW_FULL_SCALE,
    STEP_DOWN,
    STEP_UP,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_OPEN,
    Outputs,
    Readings,
)

# A coarse tick: a quarter of the search's time, and below what counts as late.
_STRIDE_MS = 20
_PRESS_TICKS = 4  # a press that counts, its record, and one to be sure
_RELEASE_TICKS = 5
_SKIN_TICKS = 6
_STROKE_TICKS = 25
_SETTLE_TICKS = 2
_PATIENCE_TICKS = 350  # longer than a self-test or a phase of the proof

# The capped line, in Pa per ms.
_PUMP = 60
_NOZZLE = 30
_VENT = 250
_OPEN_TIP_PA = 650

POWER_LOSS = "power loss"

# Where a session is under way.
_IN_SESSION = ("READY", "TREATING", "PAUSED", "ZONE_DONE", "RESTING")
_ENDING_MS = 200_000

Situation = tuple[int, ...]
Event = Callable[["Device"], None]
Ways = dict[tuple[str, str], set[str]]  # from a state to a state, by which events


def _settings() -> Settings:
    """Two zones: one with a pass to come after the first, one without."""
    settings = Settings()
    settings.protocol_name = "exploration"
    settings.zones = (Zone("two passes"), Zone("one pass"))
    for zone, passes_of, level in zip(settings.zones, (2, 1), (2, 1), strict=True):
        setattr(zone, "passes", passes_of)  # noqa: B010 - its columns are made from a table
        setattr(zone, "level", level)  # noqa: B010
    return settings


class Snapshot(NamedTuple):
    """A device at one moment."""

    in_service: int
    row: bytearray  # the core's full state
    outputs: tuple[int, ...]
    readings: tuple[int, ...]
    record: bytes
    world: tuple[int, int, int, int]  # foot, on skin, vacuum on the cap, storage works


class Device:
    """The core, its record, and who works with it."""

    def __init__(self, look: Callable[["Device"], None]) -> None:
        self.settings = _settings()
        self.look = look  # called after each tick
        self.ways: set[tuple[str, str]] = set()  # taken since last asked
        self.readings = Readings()
        self.outputs = Outputs()
        supply_mv = self.settings.sensor_supply_mv * self.settings.sensor_supply_divider_permille
        self._supply_raw = supply_mv * RAW_FULL_SCALE // self.settings.adc_reference_mv // 1000
        self._cores = [Controller(self.settings, b"", 0), Controller(self.settings, b"", 1)]
        self.record = b""
        self.foot = SWITCH_RELEASED
        self.on_skin = 0
        self.capped_pa = 0
        self.storage_works = 1
        self.power_on(0)

    def power_on(self, in_service: int) -> None:
        """A fresh core; only the record and the world outlive it."""
        self.in_service = in_service
        self.core = self._cores[in_service] = Controller(self.settings, self.record, in_service)
        self.readings.committed_sequence = self.core.passes.sequence
        self.readings.main_turns = 0
        self.outputs.make_safe()

    @property
    def state(self) -> str:
        """The state, by name."""
        name: str = treatment.STATES[self.core.treatment.state]
        return name

    def tick(self, command: int = COMMAND_NONE, argument: int = 0) -> None:
        """One tick of the core, and one turn of its main loop."""
        before = self.state
        core, readings = self.core, self.readings
        self._sample()
        core.step(readings, command, argument, self.outputs)
        if before != self.state:
            self.ways.add((before, self.state))
        if self.state != "TREATING":
            self.on_skin = 0  # the hand follows
        if not core.treatment._wants_suction:
            self.storage_works |= self.foot == SWITCH_RELEASED  # put right meanwhile
        self.look(self)
        self._turn()

    def _sample(self) -> None:
        readings, outputs = self.readings, self.outputs
        if outputs.vent == VENT_OPEN:
            rate = -_VENT
        else:
            rate = _PUMP if outputs.pump_permille == FULL_PERMILLE else -_NOZZLE
        self.capped_pa = max(0, self.capped_pa + rate * _STRIDE_MS)
        vacuum_pa = 0
        if self.state == "PROOF":
            vacuum_pa = self.capped_pa
        elif outputs.vent != VENT_OPEN and self.state == "TREATING":
            vacuum_pa = self.core.treatment.set_pa if self.on_skin else _OPEN_TIP_PA
        readings.now_ms += _STRIDE_MS
        readings.dt_ms = _STRIDE_MS
        # A converter's noise: no reading stays the same for ever.
        supply_raw = self._supply_raw + (readings.now_ms // _STRIDE_MS & 1)
        readings.sensor_supply_raw = supply_raw
        readings.vacuum_a_raw = self._raw("a", vacuum_pa, supply_raw)
        readings.vacuum_b_raw = self._raw("b", vacuum_pa, supply_raw)
        readings.barometer_pa = 101_325
        readings.footswitch = self.foot

    def _raw(self, channel: str, vacuum_pa: int, supply_raw: int) -> int:
        of = self.settings
        zero_ppm = getattr(of, f"vacuum_{channel}_zero_ppm")
        span_pa = getattr(of, f"vacuum_{channel}_span_pa")
        divider = getattr(of, f"vacuum_{channel}_divider_permille")
        output_ppm = zero_ppm - vacuum_pa * 1_000_000 // span_pa
        raw: int = (
            supply_raw * output_ppm * divider // of.sensor_supply_divider_permille // 1_000_000
        )
        return raw

    def _turn(self) -> None:
        """What `App.turn` does: commit in a storage window, restart if asked."""
        core, readings = self.core, self.readings
        readings.main_turns = (readings.main_turns + 1) & COUNTER_MASK
        if not self.outputs.are_safe():
            return
        if (
            core.passes.sequence != readings.committed_sequence
            and self.storage_works
            and (
                core.treatment.has_long_failed()
                or core.sensing.a.vacuum_pa <= limits.RELEASED_PA
            )
        ):
            self.record = storage.encode(
                core.passes, core.treatment, core.pump_rest, core.protocol_mark
            )
            readings.committed_sequence = core.passes.sequence
        if core.treatment.restart != treatment.NO_RESTART and (
            core.treatment.kept_fault == faults.NONE
            or core.passes.sequence == readings.committed_sequence
        ):
            self.ways.add((self.state, "BOOT"))
            self.power_on(int(core.treatment.restart == treatment.RESTART_IN_SERVICE))

    def run(self, ticks: int) -> None:
        """Let time pass."""
        for _ in range(ticks):
            self.tick()

    def run_while(self, same: Callable[[], object]) -> None:
        """Let time pass until `same` gives something else."""
        was = same()
        for _ in range(_PATIENCE_TICKS):
            self.tick()
            if same() != was:
                return

    def save(self) -> Snapshot:
        """Everything, to come back to."""
        row = bytearray(state.size(self.core.parts))
        state.save(self.core.parts, row)
        return Snapshot(
            self.in_service,
            row,
            tuple(getattr(self.outputs, name) for name in Outputs.FIELDS),
            tuple(getattr(self.readings, name) for name in Readings.FIELDS),
            self.record,
            (self.foot, self.on_skin, self.capped_pa, self.storage_works),
        )

    def load(self, snapshot: Snapshot) -> None:
        """Back to what was saved."""
        self.in_service = snapshot.in_service
        self.core = self._cores[self.in_service]
        state.load(self.core.parts, snapshot.row)
        for name, value in zip(Outputs.FIELDS, snapshot.outputs, strict=True):
            setattr(self.outputs, name, value)
        for name, value in zip(Readings.FIELDS, snapshot.readings, strict=True):
            setattr(self.readings, name, value)
        self.record = snapshot.record
        self.foot, self.on_skin, self.capped_pa, self.storage_works = snapshot.world

    def situation(self) -> Situation:
        """What the treatment decides by in this state, in coarse classes."""
        core = self.core
        wish, of_passes = core.treatment, core.passes
        fault = core.protection.fault
        everywhere = (
            wish.state,
            self.in_service,
            self.foot,
            core.footswitch.armed,
            faults.CATALOGUE[fault][3] + 1 if fault else 0,
            int(wish.kept_fault != faults.NONE),
            wish.restart,
            of_passes.session_is_open,
        )
        if self.state == "SERVICE":
            of_service = core.service
            return (
                *everywhere,
                int(of_service.pump_permille > 0),
                int(of_service.feed_permille > 0),
                int(of_service.crystals_permille > 0),
                of_service.vent,
            )
        other = 1 - of_passes.zone
        others_left = of_passes.opened[other] < self.settings.zones[other].passes
        if self.state not in _IN_SESSION:
            return (
                *everywhere,
                int(of_passes.may_open() or others_left),
                wish._after_test if self.state == "SELF_TEST" else 0,
                wish.confirmed if self.state == "CHECKLIST" else 0,
                int(core.plan.skin_type > 0) if self.state == "CHECKLIST" else 0,
                core.proof.phase if self.state == "PROOF" else 0,
                int(wish.reason == treatment.WHY_NOT_CAPPED),
            )
        return (
            *everywhere,
            self.on_skin,
            core.contact.on_skin,
            of_passes.is_open,
            int(of_passes.strokes > 0),
            int(of_passes.closed_by in (passes.CLOSED_BY_GAP, passes.CLOSED_BY_OPERATOR)),
            int(of_passes.may_open()),
            int(others_left),
            self.session_class(),
            wish._wants_suction,
            int(core.plan.is_available()),
            int(core.pump_rest.is_due()) + int(core.pump_rest.is_overdue()),
        )

    def session_class(self) -> int:
        """0 with time left, 1 near its end, 2 when it is over, 3 for good."""
        wish = self.core.treatment
        left_ms = wish.session_limit_ms - wish.session_ms
        if left_ms > _ENDING_MS:
            return 0
        if left_ms > 0:
            return 1
        return 2 if wish.session_limit_ms < limits.SESSION_MS else 3

    def is_ordinary(self) -> bool:
        """Nothing is running out that does not run out every day."""
        return (
            self.session_class() == 0
            and not self.core.pump_rest.is_due()
            and self.core.plan.is_available()
        )


# The events ------------------------------------------------------------------------


def _command(number: int, argument: int = 0) -> Event:
    def post(device: Device) -> None:
        device.tick(number, argument)

    return post


def _press(device: Device) -> None:
    device.foot = SWITCH_PRESSED
    device.run(_PRESS_TICKS)


def _release(device: Device) -> None:
    device.foot = SWITCH_RELEASED
    device.run(_RELEASE_TICKS)


def _touch(device: Device) -> None:
    device.on_skin = 1
    device.run(_SKIN_TICKS)


def _stroke(device: Device) -> None:
    device.on_skin = 1
    device.run(_STROKE_TICKS)
    device.on_skin = 0
    device.run(_SKIN_TICKS)


def _wait(device: Device) -> None:
    """Until the self-test, or a phase of the proof, is over."""
    device.run_while(lambda: (device.state, device.core.proof.phase))


def _fault(number: int) -> Event:
    def latch(device: Device) -> None:
        device.core.protection.latch(number)
        device.tick()

    return latch


def _time(part: str, name: str, limit: Callable[[Device], int]) -> Event:
    """The clock of a limit comes to its end, in a session; it never runs back."""

    def pass_by(device: Device) -> None:
        if not device.core.passes.session_is_open and part != "treatment":
            return
        owner = getattr(device.core, part)
        if getattr(owner, name) < limit(device):
            setattr(owner, name, limit(device))
        device.run(_SETTLE_TICKS)

    return pass_by


def _dose(device: Device) -> None:
    of_passes = device.core.passes
    of_passes.zone_crystals_mg[of_passes.zone] = device.settings.zones[of_passes.zone].dose_mg
    device.tick()


def _thin_air(device: Device) -> None:
    """What a proof on high ground would have found."""
    if device.state == "READY":
        device.core.plan.available_level = 1
    device.tick()


def _press_in_vain(device: Device) -> None:
    """The record of the press is not kept."""
    device.storage_works = 0
    _press(device)


def _power_loss(device: Device) -> None:
    device.power_on(0)


def _zone(device: Device) -> Zone:
    zone: Zone = device.settings.zones[device.core.passes.zone]
    return zone


FAULTS = [row for row in faults.CATALOGUE if row[0] and row[3] != faults.EXIT_NONE]

EVENTS: dict[str, Event] = {
    "START": _command(COMMAND_START),
    "consultation": _command(COMMAND_CONFIRM, CONFIRM_CONSULTATION),
    "eyewear": _command(COMMAND_CONFIRM, CONFIRM_EYEWEAR),
    "fresh tip": _command(COMMAND_CONFIRM, CONFIRM_FRESH_TIP),
    "everything at once": _command(COMMAND_CONFIRM, 255),
    "client": _command(COMMAND_CLIENT, 2),
    "client, first session": _command(COMMAND_CLIENT, 5 | CLIENT_FIRST_SESSION),
    "no client": _command(COMMAND_CLIENT, 0),
    "zone 1": _command(COMMAND_SELECT_ZONE, 0),
    "zone 2": _command(COMMAND_SELECT_ZONE, 1),
    "no zone": _command(COMMAND_SELECT_ZONE, 255),
    "PASS DONE": _command(COMMAND_PASS_DONE),
    "SAME PASS": _command(COMMAND_SAME_PASS),
    "END": _command(COMMAND_END),
    "ACKNOWLEDGE": _command(COMMAND_ACKNOWLEDGE),
    "level up": _command(COMMAND_LEVEL, STEP_UP),
    "level down": _command(COMMAND_LEVEL, STEP_DOWN),
    "no step": _command(COMMAND_LEVEL, 0),
    "flow down": _command(COMMAND_FLOW, STEP_DOWN),
    "EXTEND": _command(COMMAND_EXTEND),
    "SERVICE": _command(COMMAND_SERVICE),
    "RUN PUMP": _command(COMMAND_RUN_PUMP, 60),
    "RUN FEED": _command(COMMAND_RUN_FEED, 100),
    "RUN CRYSTALS": _command(COMMAND_RUN_CRYSTALS, 100),
    "CLOSE VENT": _command(COMMAND_CLOSE_VENT),
    "REPAIRED": _command(COMMAND_REPAIRED),
    "RESTART": _command(COMMAND_RESTART),
    "no command": _command(99),
    "press": _press,
    "release": _release,
    "touch": _touch,
    "stroke": _stroke,
    "wait": _wait,
    "session ending": _time("treatment", "session_ms",
                            lambda d: d.core.treatment.session_limit_ms - _ENDING_MS),
    "session time": _time("treatment", "session_ms",
                          lambda d: d.core.treatment.session_limit_ms),
    "90 minutes": _time("treatment", "session_ms", lambda _: limits.SESSION_MS),
    "one spot": _time("contact", "contact_ms", lambda _: limits.CONTACT_STOP_MS),
    "no contact": _time("treatment", "_idle_ms", lambda _: limits.IDLE_MS),
    "pass gap": _time("passes", "_off_skin_ms", lambda d: d.settings.pass_gap_ms),
    "pass time": _time("passes", "contact_ms", lambda d: _zone(d).pass_time_ms),
    "pass crystals": _time("passes", "crystals_mg", lambda d: _zone(d).pass_crystals_mg),
    "dose": _dose,
    "pump time": _time("pump_rest", "on_ms", lambda _: limits.PUMP_ON_MS),
    "rest overdue": _time("pump_rest", "on_ms", lambda _: limits.PUMP_ON_LONGEST_MS),
    "rest": _time("pump_rest", "off_ms", lambda _: limits.PUMP_REST_MS),
    "record too late": _time("treatment", "_recording_ms", lambda _: limits.RECORD_WAIT_MS),
    "foot too long": _time("treatment", "_held_ms", lambda _: limits.FOOTSWITCH_HELD_MS),
    "output time": _time("service", "left_ms", lambda _: 0),
    "thin air": _thin_air,
    "press, record refused": _press_in_vain,
    POWER_LOSS: _power_loss,
    **{row[1]: _fault(row[0]) for row in FAULTS},
}
# What rarely comes together, and is then tried alone unless asked for otherwise.
_RARE = {"session ending", "session time", "90 minutes", "pump time", "rest overdue",
         "thin air",
         "press, record refused"}
# One fault of each way out; the others are tried once in each state.
_SAMPLES = {faults.CATALOGUE[number][1] for number in
            (faults.SENSOR_DISAGREEMENT, faults.VENT_FAILED)}
_FAULT_NAMES = {row[1] for row in FAULTS}


@dataclass
class Found:
    """What the search has found."""

    # Each situation: its state, and the situation that each event leads to.
    states: dict[Situation, str] = field(default_factory=dict)
    after: dict[Situation, dict[str, Situation]] = field(default_factory=dict)
    # Each way between two states, and the events that take it.
    ways: Ways = field(default_factory=dict)
    # How each situation was first reached.
    reached_by: dict[Situation, tuple[Situation, str] | None] = field(default_factory=dict)

    def path(self, situation: Situation) -> list[str]:
        """The events that lead to a situation, from the first power-on."""
        events: list[str] = []
        step = self.reached_by[situation]
        while step is not None:
            events.append(step[1])
            step = self.reached_by[step[0]]
        return events[::-1]


def explore(look: Callable[[Device], None] = lambda _: None, together: bool = False) -> Found:
    """Search until nothing new comes; `look` sees every tick. `together` lets
    all that is rare come together: many times the work."""
    device = Device(look)
    found = Found()
    first = device.situation()
    found.states[first] = device.state
    found.reached_by[first] = None
    todo = deque([(first, device.save())])
    tried: set[tuple[str, str]] = set()  # of state and fault
    while todo:
        here, snapshot = todo.popleft()
        state_here = found.states[here]
        after = found.after[here] = {}
        for name, event in EVENTS.items():
            if name in _FAULT_NAMES and name not in _SAMPLES:
                if (state_here, name) in tried:
                    continue
                tried.add((state_here, name))
            device.load(snapshot)
            if name in _RARE and not (together or device.is_ordinary()):
                continue
            device.ways.clear()
            event(device)
            if name == POWER_LOSS:
                device.ways.clear()
            else:
                device.run(_SETTLE_TICKS)
            for way in device.ways:
                found.ways.setdefault(way, set()).add(name)
            there = device.situation()
            after[name] = there
            if there not in found.states:
                found.states[there] = device.state
                found.reached_by[there] = (here, name)
                todo.append((there, device.save()))
    return found


def told(ways: Ways) -> list[tuple[tuple[str, str], list[str]]]:
    """The ways in order, with their events; a fault's many names as one."""
    order = {name: number for number, name in enumerate(treatment.STATES)}
    rows = []
    for way in sorted(ways, key=lambda way: (order[way[0]], order[way[1]])):
        events = ways[way]
        if events >= _SAMPLES:
            events = events - _FAULT_NAMES | {"any fault"}
        rows.append((way, sorted(events)))
    return rows
