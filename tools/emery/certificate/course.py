"""One plant's course: the whole firmware, from power-on to the last release.

The device powers on, tests itself, is taken through the checklist and proves
itself on the capped tip; then a pass at one level: the tip searches in the air,
comes onto the skin until the vacuum has settled, lifts shortly, comes back,
lifts for longer, comes back, and the foot lets go on the skin. On some plants a
last stroke runs away: the pump sticks at full and the nozzle clogs.

Crystals are on throughout. While the vacuum settles the seal's leak is constant,
so that what swings then is the regulator's own doing; later the leak wanders.

    run(settings, trial) -> Figures

Figures are the truth of the model at the skin, not what a sensor shows; None is
what could not be judged on this plant.
"""

from collections.abc import Callable
from dataclasses import dataclass

from emery.bench.regulation import REACH_MARGIN_PA, settle_s
from emery.simulator.analysis import IN_BAND_PA, SKIN_FREE_PA
from emery.simulator.loop import TURN_MS
from emery.simulator.noise import Noise
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN, Plant
from emery.simulator.sensors import Sensors
from firmware import faults, limits, treatment
from firmware.app import App
from firmware.settings import Settings, Zone, encode, soft_margin_pa
from hal.contract import (
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_NONE,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
    CONFIRM_CONSULTATION,
    CONFIRM_EYEWEAR,
    CONFIRM_FRESH_TIP,
    FULL_PERMILLE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
)
from hal.mock import MockBoard, MockStorage

_BOUND_STEP_MS = 5
# No vacuum is asked to settle faster than in this. [E]
QUICKEST_MS = 250.0
# So much of the settled time must crystals flow to count as flowing.
FLOWS_SHARE = 0.5
_REACH_MS = 4_000  # in which full drive has shown what it can
_READY_MS = 2_500  # from power-on to STANDBY; the self-test takes 0.9 s
_PROOF_MS = 15_000  # no proof takes as long
_TO_SUCTION_MS = 3_000  # from a press to suction, the record's commit included
_CAPPED_MS = 100
_RELEASED_MS = 200  # of the footswitch; a commit stops the tick meanwhile
_IN_AIR_MS = 250
# What a vacuum is given to settle, times the shortest there is; then crystals come,
# and disturb it; then it must be steady.
_SETTLING = 1.5
_CRYSTALS_MS = 700
_HOLDING_MS = 800
# A contact that is not believed by then is missed.
FOUND_LATEST_MS = 600
_SHORT_LIFT_MS = 150
_LONG_LIFT_MS = 500
_NEXT_CONTACT_MS = 700
_STOP_MS = 700  # from letting go, or from the runaway, to a skin that must be free
_AWAY_MS = 3_000
# Truly so far over the hard limit both gauges must see it: MPXV6115V data sheet.
GAUGE_ERROR_PA = 1_700
# A runaway that stays within this of the set vacuum need not be seen: the highest soft
# margin there may be, and the error of a gauge.
_UNSEEN_PA = 10_000
_SKIN_TYPE = 2
_CHECKLIST = (CONFIRM_CONSULTATION, CONFIRM_EYEWEAR, CONFIRM_FRESH_TIP)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: a plant with its sensors, by the simulator's names and in SI,
    the level that is wanted, the crystals' flow, and where the runaway falls.

    `runaway_ms` is the place within a tick at which the pump sticks; -1 is none.
    """

    number: int
    seed: int
    plant: dict[str, float]
    sensors: dict[str, float]
    level: int
    flow_mg_min: int
    runaway_ms: int


@dataclass(slots=True)
class Figures:
    """What one plant did. Pressures in Pa at the skin, times in ms."""

    fault: int = faults.NONE  # on a sound plant: a false trip, or a refused proof
    stuck_in: int = -1  # the state it never left, or fell into, without a fault
    is_blocked: bool = False  # suction went because the handpiece seemed clogged
    level: int = 0  # that was treated; the pump may not prove the one that was wanted
    set_pa: int = 0
    peak_pa: float = 0.0  # in treatment
    over_pa: float = 0.0  # the peak over the set vacuum
    settle_ms: float | None = None
    bound_ms: float | None = None  # the shortest there is on this plant
    steady_error_pa: float | None = None
    ripple_pa: float | None = None
    feed_share: float | None = None  # of the settled time that crystals flow
    found_ms: float | None = None  # from the touch until contact is believed
    lost_ms: float = 0.0  # contact not believed on the skin once it was found
    ghost_ms: float = 0.0  # contact believed in the air, later than a lift may take
    lift_ms: float | None = None  # from the lift until contact is given up
    shut_ms: float = 0.0  # crystals commanded after a lift
    off_skin_ms: float = 0.0  # crystals commanded in the air before any contact
    soft_percent: float = 0.0  # longest time over the margin, of what latches
    taken_ms: float = 0.0  # in all, that protection took suction away
    apart_percent: float = 0.0  # longest disagreement of the channels, of what latches
    free_ms: float | None = None  # from letting the foot go to a free skin
    runaway_peak_pa: float | None = None
    runaway_free_ms: float | None = None  # from when it had to trip, or did

    @property
    def is_sound(self) -> bool:
        """Did it treat to the end, without a fault? A handpiece that seems clogged is
        no fault: see `flowing`."""
        return self.fault == faults.NONE and (self.stuck_in < 0 or self.is_blocked)

    @property
    def settle_ratio(self) -> float | None:
        """The settling over the shortest there is."""
        if self.settle_ms is None or self.bound_ms is None:
            return None
        return self.settle_ms / max(self.bound_ms, QUICKEST_MS)

    @property
    def flowing(self) -> float | None:
        """1 if crystals flowed while the vacuum was settled."""
        if self.is_blocked:
            return 0.0
        return None if self.feed_share is None else float(self.feed_share >= FLOWS_SHARE)


@dataclass(slots=True)
class _Row:
    """One tick of treatment."""

    skin_pa: float
    on_skin: int
    feed_permille: int


class _Leak:
    """The seal's leak: constant until `wanders`."""

    def __init__(self, seed: int) -> None:
        self._noise = Noise(seed)
        self.wanders = False

    def gauss(self) -> float:
        """What the leak is pushed by in this tick."""
        return self._noise.gauss() if self.wanders else 0.0


def levels(settings: Settings) -> list[int]:
    """The levels that a protocol may have under these settings."""
    return [
        number
        for number, set_pa in enumerate(limits.LEVEL_VACUUM_PA, 1)
        if set_pa + soft_margin_pa(settings, set_pa) < settings.hard_limit_pa
    ]


def compiled(settings: Settings, flow_mg_min: int) -> bytes:
    """The settings with a zone for each level: a certificate is for every protocol."""
    own = Settings()
    for name in vars(own):
        setattr(own, name, getattr(settings, name))
    zones = []
    for level in levels(settings):
        zone = Zone(f"level {level}")
        for name, value in (
            ("level", level),
            ("flow_mg_min", flow_mg_min),
            ("passes", 1),
            ("pass_time_ms", limits.PASS_TIME_MS),
            ("pass_crystals_mg", limits.PASS_CRYSTALS_MG),
            ("dose_mg", limits.DOSE_MG),
        ):
            setattr(zone, name, value)
        zones.append(zone)
    own.zones = tuple(zones)
    own.protocol_name = "certificate"
    return encode(own)


class _StuckError(Exception):
    """The device did not come where it should have."""


class _Device:
    """The firmware on this plant. `rows` are the ticks since the last `watch`."""

    def __init__(self, settings: Settings, adc: str, trial: Trial) -> None:
        tick_ms = settings.tick_period_ms
        self.tick_ms = tick_ms
        self.leak = _Leak(3 * trial.seed)
        self.plant = Plant(trial.plant, self.leak, tick_ms * 0.001)
        self._sensors = Sensors(
            trial.sensors, vars(settings), adc, Noise(3 * trial.seed + 1), tick_ms * 0.001
        )
        self.board = MockBoard(MockStorage())
        self.board.barometer_pa = int(self.plant.atmosphere_pa)
        self.app = App(self.board, compiled(settings, trial.flow_mg_min))
        assert self.app.controller is not None, self.app.refusal
        self.controller = self.app.controller
        self._turn_ticks = TURN_MS // tick_ms
        self._ticks = 0
        self._gap_ms = 0  # what is left of a commit, with the tick stopped
        self.rows: list[_Row] = []
        self.peak_pa = 0.0  # since the last `watch`
        self.soft_ms = 0
        self.apart_ms = 0
        self.taken_ms = 0

    @property
    def fault(self) -> int:
        """What protection has latched."""
        return self.controller.protection.fault

    @property
    def state(self) -> int:
        """Of the treatment."""
        return self.controller.treatment.state

    def watch(self) -> None:
        """Begin the rows and the peak anew."""
        self.rows = []
        self.peak_pa = 0.0

    def run(self, ms: int) -> None:
        """Let this much time pass, in whole ticks."""
        for _ in range(-(-ms // self.tick_ms)):
            self.step()

    def step(self) -> None:
        """One tick: plant, sensors, firmware, and a turn of its main loop when due."""
        board = self.board
        self.plant.run(board.pump_permille, board.feed_permille, board.vent)
        self.think()

    def think(self) -> None:
        """The firmware's part of a tick, at the end of it."""
        board, plant, ms = self.board, self.plant, self.tick_ms
        board.advance(ms)
        if plant.skin_peak_pa > self.peak_pa:
            self.peak_pa = plant.skin_peak_pa
        if self._gap_ms > 0:
            self._gap_ms -= ms
            board.excuse(ms)
            return
        sensors = self._sensors
        sensors.step(plant.skin_pa)
        board.vacuum_a_raw = sensors.vacuum_a_raw
        board.vacuum_b_raw = sensors.vacuum_b_raw
        board.sensor_supply_raw = sensors.supply_raw
        app = self.app
        app.tick()
        if app.error is not None:
            raise app.error
        controller = self.controller
        protection = controller.protection
        if protection.soft_ms > self.soft_ms:
            self.soft_ms = protection.soft_ms
        if protection.disagree_ms > self.apart_ms:
            self.apart_ms = protection.disagree_ms
        if protection.takes_suction:
            self.taken_ms += ms
        self.rows.append(
            _Row(plant.skin_pa, controller.contact.on_skin, app.outputs.feed_permille)
        )
        self._ticks += 1
        if self._ticks % self._turn_ticks == 0:
            board.measure_barometer()
            app.turn()
            self._gap_ms = board.pending_gap_ms
            board.pending_gap_ms = 0

    def share(self, is_so: Callable[[_Row], int]) -> float:
        """Ms of the ticks watched in which this is so."""
        return float(self.tick_ms * sum(1 for row in self.rows if is_so(row)))

    def ask(self, command: int, argument: int = COMMAND_NONE) -> None:
        """Press a button, for one tick."""
        self.app.post(command, argument)
        self.step()

    def until(self, state: int, ms: int) -> None:
        """Run to this state. Raises _StuckError at a fault, or after so many ms."""
        for _ in range(-(-ms // self.tick_ms)):
            if self.state == state:
                return
            if self.fault != faults.NONE:
                break
            self.step()
        raise _StuckError

    def must_treat(self) -> None:
        """Raises _StuckError if suction went away by itself."""
        if self.state != treatment.TREATING:
            raise _StuckError

    def split_step(self, at_ms: int) -> None:
        """One tick, so many ms into which the pump sticks and the nozzle clogs."""
        board, plant = self.board, self.plant
        outputs = (board.pump_permille, board.feed_permille, board.vent)
        if at_ms:
            plant.run(*outputs, at_ms)
            self.peak_pa = max(self.peak_pa, plant.skin_peak_pa)
        board.inject("pump_stuck_full")
        plant.set("nozzle_open", 0.0)
        plant.run(FULL_PERMILLE, *outputs[1:], self.tick_ms - at_ms)
        board.pump_permille = FULL_PERMILLE
        self.think()


def run(settings: Settings, adc: str, trial: Trial) -> Figures:
    """Take one plant through its course."""
    figures = Figures()
    device = _Device(settings, adc, trial)
    try:
        _to_suction(device, trial, figures)
        _first_contact(device, trial, figures)
        device.leak.wanders = True
        for lift_ms in (_SHORT_LIFT_MS, _LONG_LIFT_MS):
            _lift(device, lift_ms, figures)
            _contact(device, _NEXT_CONTACT_MS, figures)
        _let_go(device, figures)
        _note_near_trips(device, settings, figures)
        if trial.runaway_ms >= 0:
            _run_away(device, trial, figures, settings.hard_limit_pa)
    except _StuckError:
        figures.fault = device.fault
        if device.fault == faults.NONE:
            figures.stuck_in = device.state
            figures.is_blocked = device.controller.treatment.reason == treatment.WHY_BLOCKED
    return figures


def shortest_ms(plant: dict[str, float], set_pa: int) -> float | None:
    """When full drive enters the band around a set vacuum; None where it does not
    take this plant clearly above it."""
    model = Plant(plant, _Leak(0), _BOUND_STEP_MS * 0.001)
    model.tip = TIP_ON_SKIN
    aim_pa = set_pa - IN_BAND_PA
    entered: float | None = None
    before = 0.0
    for step in range(_REACH_MS // _BOUND_STEP_MS):
        model.run(FULL_PERMILLE, 0, VENT_CLOSED)
        skin_pa = model.skin_pa
        if entered is None and skin_pa >= aim_pa:
            entered = _BOUND_STEP_MS * (step + (aim_pa - before) / (skin_pa - before))
        if skin_pa >= set_pa + REACH_MARGIN_PA:
            return entered
        before = skin_pa
    return None


def _to_suction(device: _Device, trial: Trial, figures: Figures) -> None:
    """From power-on through self-test, checklist and proof to suction in the air."""
    device.until(treatment.STANDBY, _READY_MS)
    device.ask(COMMAND_START)
    for item in _CHECKLIST:
        device.ask(COMMAND_CONFIRM, item)
    device.ask(COMMAND_CLIENT, _SKIN_TYPE)
    device.until(treatment.PROOF, _TO_SUCTION_MS)
    device.plant.tip = TIP_ON_CAP
    device.run(_CAPPED_MS)
    device.board.footswitch = SWITCH_PRESSED
    device.until(treatment.READY, _PROOF_MS)
    device.plant.tip = TIP_IN_AIR
    device.board.footswitch = SWITCH_RELEASED
    device.run(_RELEASED_MS)
    level = min(trial.level, device.controller.plan.available_level)
    if level < 1:
        raise _StuckError
    figures.level = level
    figures.set_pa = limits.LEVEL_VACUUM_PA[level - 1]
    device.ask(COMMAND_SELECT_ZONE, level - 1)
    _press(device)
    device.watch()
    device.run(_IN_AIR_MS)
    figures.off_skin_ms = device.share(lambda row: row.feed_permille > 0)
    figures.ghost_ms = device.share(lambda row: row.on_skin)


def _press(device: _Device) -> None:
    device.board.footswitch = SWITCH_PRESSED
    device.until(treatment.TREATING, _TO_SUCTION_MS)


def _first_contact(device: _Device, trial: Trial, figures: Figures) -> None:
    """Onto the skin, until the vacuum has settled, and for a while after."""
    set_pa = figures.set_pa
    bound_ms = shortest_ms(trial.plant, set_pa)
    if bound_ms is None:
        _contact(device, _NEXT_CONTACT_MS, figures)
        return
    figures.bound_ms = bound_ms
    settling_ms = int(_SETTLING * max(bound_ms, QUICKEST_MS))
    rows = _contact(device, settling_ms + _CRYSTALS_MS + _HOLDING_MS, figures)
    trace = [row.skin_pa for row in rows]
    figures.settle_ms = 1000.0 * settle_s(trace, set_pa, device.tick_ms * 0.001)
    steady = rows[-(_HOLDING_MS // device.tick_ms) :]
    figures.steady_error_pa = abs(sum(row.skin_pa for row in steady) / len(steady) - set_pa)
    figures.ripple_pa = max(row.skin_pa for row in steady) - min(row.skin_pa for row in steady)
    if trial.flow_mg_min:
        figures.feed_share = sum(row.feed_permille > 0 for row in steady) / len(steady)


def _contact(device: _Device, ms: int, figures: Figures) -> list[_Row]:
    """The tip on the skin for this long."""
    device.watch()
    device.plant.tip = TIP_ON_SKIN
    device.run(ms)
    device.must_treat()
    rows = device.rows
    figures.peak_pa = max(figures.peak_pa, device.peak_pa)
    figures.over_pa = figures.peak_pa - figures.set_pa
    off = [place for place, row in enumerate(rows) if not row.on_skin]
    early = [place for place in off if (place + 1) * device.tick_ms <= FOUND_LATEST_MS]
    found_ms = float((early[-1] + 2 if early else 1) * device.tick_ms)
    figures.found_ms = max(figures.found_ms or 0.0, found_ms)
    figures.lost_ms = max(figures.lost_ms, float((len(off) - len(early)) * device.tick_ms))
    return rows


def _lift(device: _Device, ms: int, figures: Figures) -> None:
    """The tip in the air for this long."""
    device.watch()
    device.plant.tip = TIP_IN_AIR
    device.run(ms)
    device.must_treat()
    rows = device.rows
    # A contact that a short lift does not end was none that ended.
    if ms >= _LONG_LIFT_MS:
        believed = sum(1 for row in rows if row.on_skin)
        figures.lift_ms = max(figures.lift_ms or 0.0, float(believed * device.tick_ms))
    fed = [place for place, row in enumerate(rows) if row.feed_permille > 0]
    if fed:
        figures.shut_ms = max(figures.shut_ms, float((fed[-1] + 1) * device.tick_ms))


def _let_go(device: _Device, figures: Figures) -> None:
    """The foot lets go while the tip is on the skin."""
    device.board.footswitch = SWITCH_RELEASED
    figures.free_ms = _free_ms(device, lambda: True)
    device.plant.tip = TIP_IN_AIR
    device.run(_RELEASED_MS)


def _free_ms(device: _Device, has_begun: Callable[[], bool]) -> float:
    """Ms until the skin is free, from the first tick in which `has_begun`."""
    ms = 0
    counts = False
    for _ in range(_STOP_MS // device.tick_ms):
        counts = counts or has_begun()
        device.step()
        ms += device.tick_ms if counts else 0
        if counts and device.plant.skin_pa < SKIN_FREE_PA:
            break
    return float(ms)


def _note_near_trips(device: _Device, settings: Settings, figures: Figures) -> None:
    """How near a sound plant came to protection's slow rules."""
    figures.soft_percent = 100.0 * device.soft_ms / settings.soft_latch_ms
    figures.taken_ms = float(device.taken_ms)
    figures.apart_percent = 100.0 * device.apart_ms / settings.disagreement_ms
    if device.fault != faults.NONE:
        raise _StuckError


def _run_away(device: _Device, trial: Trial, figures: Figures, limit_pa: int) -> None:
    """In mid-stroke the pump sticks at full and the nozzle clogs."""
    _press(device)
    device.plant.tip = TIP_ON_SKIN
    device.run(_NEXT_CONTACT_MS)
    device.must_treat()
    device.watch()
    device.split_step(trial.runaway_ms)
    ms = 0
    crossed_ms = -1
    while ms < _AWAY_MS:
        if crossed_ms < 0 and (
            device.peak_pa >= limit_pa + GAUGE_ERROR_PA or device.fault != faults.NONE
        ):
            crossed_ms = ms
        if crossed_ms >= 0 and device.plant.skin_pa < SKIN_FREE_PA:
            break
        device.step()
        ms += device.tick_ms
    figures.runaway_peak_pa = device.peak_pa
    if crossed_ms >= 0:
        figures.runaway_free_ms = float(ms - crossed_ms)
    elif device.peak_pa > figures.set_pa + _UNSEEN_PA:
        figures.runaway_free_ms = float(_AWAY_MS)
