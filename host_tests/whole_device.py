"""The whole device on the host: the real app, the mock board with its
electrical faults, the modelled plant and sensors, and a hand and a foot that a
test moves.

One turn is one control tick, in the order of the simulator's loop: time passes
in the plant, the sensors are sampled, the firmware ticks, and every few ticks
the main loop turns. A commit takes its time with the tick stopped. The power
may go at any tick or within a commit; storage, plant and broken parts outlive
it, nothing else does.

`before_power_on`, `after_ms` and `after_tick` tell a watcher what happens.
"""

from collections.abc import Callable

from emery.simulator.noise import Noise
from emery.simulator.plant import PARAMETERS as PLANT_PARAMETERS
from emery.simulator.plant import TIP_HOVERING, TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN, Plant
from emery.simulator.sensors import PARAMETERS as SENSOR_PARAMETERS
from emery.simulator.sensors import Sensors
from firmware import faults, limits, treatment
from firmware.app import App
from firmware.controller import Controller
from firmware.settings import Settings, encode
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_NONE,
    COMMAND_REPAIRED,
    COMMAND_RESTART,
    COMMAND_SELECT_ZONE,
    COMMAND_SERVICE,
    COMMAND_START,
    MOTION_UNKNOWN,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
)
from hal.mock import FAULTS, MockBoard, MockStorage, PowerCut
from host_tests.bench import CHECKLIST, CLIENT, RELEASE_MS, bench_settings, zone_of

TIP_PLACES = (TIP_IN_AIR, TIP_ON_SKIN, TIP_ON_CAP, TIP_HOVERING)

_TURN_MS = 20  # the main loop turns this often
_BAROMETER_TURNS = 10  # and polls the barometer this often

_WIRING = (
    "adc_reference_mv",
    "vacuum_a_divider_permille",
    "vacuum_b_divider_permille",
    "sensor_supply_divider_permille",
)

# The ESP32's converter sees no more than 2.45 V.
DIVIDERS = {"rp2040": 660, "esp32": 500}

# Parameters that a test may spoil, and what they are in a sound device.
SOUND_PLANT = {row[0]: row[4] for row in PLANT_PARAMETERS}
SOUND_SENSORS = {row[0]: row[4] for row in SENSOR_PARAMETERS}

# Long spans of time, taken at once: the part of the core that counts them, the
# attribute, and the limit. Nothing else happens in such a span.
LEAPS = {
    "pump on": ("pump_rest", "on_ms", limits.PUMP_ON_MS),
    "pump overdue": ("pump_rest", "on_ms", limits.PUMP_ON_LONGEST_MS),
    "pump rested": ("pump_rest", "off_ms", limits.PUMP_REST_MS),
    "idle": ("treatment", "_idle_ms", limits.IDLE_MS),
    "footswitch held": ("treatment", "_held_ms", limits.FOOTSWITCH_HELD_MS),
    "session": ("treatment", "session_ms", 0),
}


def quick_settings(tick_ms: int = 10, adc: str = "rp2040") -> Settings:
    """Short passes of few crystals, so that all that ends happens."""
    divider = DIVIDERS[adc]
    return bench_settings(
        (
            zone_of("chin", level=6, flow_mg_min=20_000, pass_time_ms=5_000,
                    pass_crystals_mg=600, dose_mg=1_000),
            zone_of("brow", level=10, flow_mg_min=5_000, passes=3, pass_time_ms=6_000),
            zone_of("neck", level=1, flow_mg_min=0, passes=2, pass_time_ms=5_000),
        ),
        tick_period_ms=tick_ms,
        session_ms=600_000,
        pass_gap_ms=2_000,
        vacuum_a_divider_permille=divider,
        vacuum_b_divider_permille=divider,
    )


class WholeDevice:
    """The device; the hand's `tip`, the `foot`, and what is broken."""

    def __init__(self, settings: Settings | None = None, seed: int = 1, adc: str = "rp2040",
                 **plant: float) -> None:
        self.settings = settings or quick_settings(adc=adc)
        self.tick_ms = self.settings.tick_period_ms
        tick_s = self.tick_ms * 0.001
        wiring = {name: getattr(self.settings, name) for name in _WIRING}
        self.site = dict(plant)  # what this device is when sound
        self.plant = Plant(plant, Noise(seed), tick_s)
        self.sensors = Sensors({}, wiring, adc, Noise(seed + 1), tick_s)
        self.storage = MockStorage()
        self.tip = TIP_IN_AIR
        self.foot = SWITCH_RELEASED
        self.motion = MOTION_UNKNOWN
        self.injected: set[str] = set()
        self.spoiled: set[str] = set()  # parameters that are not sound
        self.changes = 0  # of what is broken
        self.power_cuts = 0
        self.ticks = 0
        self._turn_ticks = _TURN_MS // self.tick_ms
        self.before_power_on: Callable[[int], None] = lambda in_service: None
        self.after_ms: Callable[[int, bool], None] = lambda ms, excused: None
        self.after_tick: Callable[[], None] = lambda: None
        self._start(0, None)

    @property
    def controller(self) -> Controller:
        """The core under test."""
        assert self.app.controller is not None
        return self.app.controller

    @property
    def state(self) -> str:
        """The treatment's state, in words."""
        name: str = treatment.STATES[self.controller.treatment.state]
        return name

    @property
    def fault(self) -> str:
        """The latched fault, in words."""
        code: str = faults.CATALOGUE[self.controller.protection.fault][1]
        return code

    # Power ------------------------------------------------------------------------

    def power_on(self, in_service: int = 0) -> None:
        """A fresh board and app; storage, plant and broken parts stay."""
        self.before_power_on(in_service)
        self._start(in_service, self.board)

    def _start(self, in_service: int, before: MockBoard | None) -> None:
        self._turns = 0
        self._ticks_to_turn = self._turn_ticks
        self.board = MockBoard(self.storage)
        self.board.barometer_pa = int(self.plant.atmosphere_pa)
        if before is not None:
            self.board.take_over(before)
        self._wire()
        self.app = App(self.board, encode(self.settings), in_service)

    def cut_power(self) -> None:
        """The power goes now, and comes back."""
        self.power_cuts += 1
        self.power_on()

    # Time -------------------------------------------------------------------------

    def tick(self, command: int = COMMAND_NONE, argument: int = 0, late_ms: int = 0) -> None:
        """One control tick, `late_ms` after its time, and a turn of the main
        loop when one is due."""
        for _ in range(1 + late_ms // self.tick_ms):
            self._pass_time(excused=False)
        if command != COMMAND_NONE:
            self.app.post(command, argument)
        if self.board.tick_comes():
            self.app.tick()
            self.ticks += 1
            self.after_tick()
        self._ticks_to_turn -= 1
        if self._ticks_to_turn == 0:
            self._ticks_to_turn = self._turn_ticks
            if self.board.main_loop_turns():
                self._turn()

    def run(self, ms: int) -> None:
        """Ticks for this long."""
        for _ in range(ms // self.tick_ms):
            self.tick()

    def run_until(self, wanted: Callable[[], bool], longest_ms: int) -> bool:
        """Ticks until `wanted`; False if that takes longer."""
        for _ in range(longest_ms // self.tick_ms):
            if wanted():
                return True
            self.tick()
        return wanted()

    def leap(self, name: str, short_of_ms: int = 0) -> None:
        """Let a long span of LEAPS pass at once, to this short of its limit."""
        part, attribute, limit = LEAPS[name]
        if name == "session":
            limit = self.controller.treatment.session_limit_ms
        owner = getattr(self.controller, part)
        setattr(owner, attribute, max(getattr(owner, attribute), limit - short_of_ms))

    def _pass_time(self, excused: bool) -> None:
        board = self.board
        self.plant.tip = self.tip
        self.plant.run(board.pump_permille, board.feed_permille, board.vent)
        self.sensors.step(self.plant.skin_pa)
        self._wire()
        if excused:
            board.excuse(self.tick_ms)
        board.advance(self.tick_ms)
        self.after_ms(self.tick_ms, excused)

    def _wire(self) -> None:
        board, sensors = self.board, self.sensors
        board.footswitch = self.foot
        board.motion = self.motion
        board.vacuum_a_raw = sensors.vacuum_a_raw
        board.vacuum_b_raw = sensors.vacuum_b_raw
        board.sensor_supply_raw = sensors.supply_raw

    def _turn(self) -> None:
        board = self.board
        self._turns += 1
        if self._turns % _BAROMETER_TURNS == 1:
            board.measure_barometer()
        try:
            self.app.turn()
        except PowerCut:
            self.cut_power()
            return
        if board.restarts:
            self.power_on(board.restarts[0])
            return
        gap_ms = board.pending_gap_ms
        board.pending_gap_ms = 0
        while gap_ms > 0:
            gap_ms -= self.tick_ms
            self._pass_time(excused=True)

    # What breaks, and is put right --------------------------------------------------

    def inject(self, name: str) -> None:
        """Break something electrical."""
        self.board.inject(name)
        self.injected.add(name)
        self.changes += 1

    def clear(self, name: str) -> None:
        """Put it right."""
        self.board.clear(name)
        self.injected.discard(name)
        self.changes += 1

    def spoil(self, name: str, value: float) -> None:
        """Change a parameter of the plant or the sensors."""
        (self.plant if name in SOUND_PLANT else self.sensors).set(name, value)
        self.spoiled.add(name)
        self.changes += 1

    def repair(self) -> None:
        """Put right whatever is broken, and take hand and foot off."""
        for name, _ in FAULTS:
            self.clear(name)
        for name in sorted(self.spoiled):
            sound = self.site.get(name, (SOUND_PLANT | SOUND_SENSORS)[name])
            (self.plant if name in SOUND_PLANT else self.sensors).set(name, sound)
        self.spoiled.clear()
        self.storage.cut_power = ""
        self.tip = TIP_IN_AIR
        self.foot = SWITCH_RELEASED

    # What people do -----------------------------------------------------------------

    def press(self, ms: int = 200) -> None:
        """A fresh press, the foot off before, held for so long and further."""
        self.foot = SWITCH_RELEASED
        self.run(RELEASE_MS + self.tick_ms)
        self.foot = SWITCH_PRESSED
        self.run(ms)

    def prove(self) -> None:
        """Work through the proof: tip on its cap, footswitch held."""
        self.tip = TIP_ON_CAP
        self.press()
        self.run_until(lambda: self.state != "PROOF", 12_000)
        self.foot = SWITCH_RELEASED
        self.tip = TIP_IN_AIR
        self.tick()

    def work_panel(self, client: int = CLIENT) -> None:
        """Do what the panel asks for next."""
        state = self.state
        exits = faults.CATALOGUE[self.controller.protection.fault][3]
        if state == "SERVICE":
            # The acknowledge lets outputs run again; the record is the rest.
            self.tick(COMMAND_ACKNOWLEDGE)
            self.tick(COMMAND_REPAIRED)
            self.run(600)
            self.tick(COMMAND_RESTART)
            self.run(100)
        elif state == "FAULT":
            self.run(RELEASE_MS + self.tick_ms)
            self.tick(COMMAND_SERVICE if exits == faults.EXIT_SERVICE else COMMAND_ACKNOWLEDGE)
            self.run(100)
        elif state in ("STANDBY", "COMPLETE"):
            self.tick(COMMAND_START)
        elif state == "CHECKLIST":
            self.tick(COMMAND_CLIENT, client)
            for item in CHECKLIST:
                self.tick(COMMAND_CONFIRM, item)
        elif state == "PROOF":
            self.prove()
        elif state == "RESTING":
            self.leap("pump rested")
            self.run(50)
        elif state == "ZONE_DONE":
            passes = self.controller.passes
            if not passes.session_is_open or min(passes.opened[:3]) >= 2:
                self.tick(COMMAND_END)
            else:
                self.tick(COMMAND_SELECT_ZONE, (passes.zone + 1) % 3)
        else:
            self.run(100)

    def recover(self, client: int = CLIENT) -> None:
        """Put right what is wrong, and work the panel as one should, to where
        a press gives suction. A sound device always gets there."""
        self.repair()
        self.run(700)  # the vacuum goes
        for _ in range(60):
            if self.state in ("READY", "PAUSED"):
                return
            self.work_panel(client)
        raise AssertionError(f"no way back from {self.state}, {self.fault}")

    def to_skin(self) -> None:
        """Suction on skin, from wherever the device is."""
        self.recover()
        self.press()
        self.run_until(lambda: self.state == "TREATING", 500)
        self.tip = TIP_ON_SKIN
        self.run(300)
