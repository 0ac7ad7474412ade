"""The firmware on a bench: the app on the mock board, driven tick by tick.

There is no plant here. The vacuum is what a test says it is, or, when it says
nothing, what a perfect pump and a perfect hand would give at once: the set
vacuum on skin, next to nothing off it, none with the vent open. Raw counts
follow from it by the law of the sensors' data sheet, written here a second
time on purpose.
"""

from collections.abc import Callable, Iterable

from firmware import treatment
from firmware.app import App
from firmware.controller import Controller
from firmware.limits import LEVEL_VACUUM_PA
from firmware.settings import Settings, Zone, encode
from hal.contract import (
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_NONE,
    COMMAND_START,
    CONFIRM_CONSULTATION,
    CONFIRM_EYEWEAR,
    CONFIRM_FRESH_TIP,
    RAW_FULL_SCALE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_OPEN,
    Readings,
)
from hal.mock import MockBoard, MockStorage

# The main loop turns this often, as in the simulator.
TURN_TICKS = 4

# The items of the checklist, each confirmed by itself.
CHECKLIST = (CONFIRM_CONSULTATION, CONFIRM_EYEWEAR, CONFIRM_FRESH_TIP)

# Longer than a release must be to count as one before a press.
RELEASE_MS = 60

# Who is treated, unless a test says otherwise: skin type II, not the first time.
CLIENT = 2

# The capped tip on a perfect pump: how fast the vacuum comes and goes, in Pa/ms.
CAP_RISE = 60
CAP_BLEED = 20
CAP_VENT = 250

# An open tip with the pump searching: about what the reference device shows.
OPEN_TIP_PA = 650


def zone_of(name: str = "chin", /, **values: int) -> Zone:
    """A zone at the defaults of its table, and `values` in place of some."""
    zone = Zone(name)
    for key, value in values.items():
        setattr(zone, key, value)
    return zone


def bench_settings(zones: Iterable[Zone] = (), /, **values: int) -> Settings:
    """The default settings with two zones, or `zones`, and `values`."""
    settings = Settings()
    settings.protocol_name = "bench"
    settings.zones = tuple(zones) or (
        zone_of("chin", level=6, flow_mg_min=8_000, pass_time_ms=20_000),
        zone_of("forehead", level=10, flow_mg_min=10_000, passes=2, pass_time_ms=20_000),
    )
    return with_values(settings, **values)


def with_values(settings: Settings, **values: int) -> Settings:
    """`settings`, with `values` in place of some."""
    for key, value in values.items():
        setattr(settings, key, value)
    return settings


def supply_raw(settings: Settings, part: float = 1.0) -> int:
    """Raw count of the sensors' supply, or of this part of it."""
    supply_mv = settings.sensor_supply_mv * settings.sensor_supply_divider_permille / 1000
    raw: float = supply_mv * part / settings.adc_reference_mv * RAW_FULL_SCALE
    return round(raw)


def raw_at(settings: Settings, channel: str, vacuum_pa: float, supply: float) -> float:
    """Raw count, before rounding, of channel "a" or "b" at a vacuum, by
    output / supply = zero - vacuum / span, each through its divider."""
    span_pa: int = getattr(settings, f"vacuum_{channel}_span_pa")
    zero_ppm: int = getattr(settings, f"vacuum_{channel}_zero_ppm")
    divider: int = getattr(settings, f"vacuum_{channel}_divider_permille")
    output = zero_ppm / 1e6 - vacuum_pa / span_pa
    return supply * output * divider / settings.sensor_supply_divider_permille


def vacuum_of(settings: Settings, channel: str, raw: float, supply: float) -> float:
    """The vacuum in Pa that a raw count means: `raw_at` turned round."""
    zero = raw_at(settings, channel, 0.0, supply)
    per_pa = (zero - raw_at(settings, channel, 1000.0, supply)) / 1000.0
    return (zero - raw) / per_pa


def readings_at(settings: Settings, a_pa: float = 0.0, b_pa: float | None = None) -> Readings:
    """One good tick's readings with these vacuums at the two channels."""
    readings = Readings()
    readings.dt_ms = settings.tick_period_ms
    readings.barometer_pa = 101_325
    readings.sensor_supply_raw = supply = supply_raw(settings)
    readings.vacuum_a_raw = round(raw_at(settings, "a", a_pa, supply))
    readings.vacuum_b_raw = round(raw_at(settings, "b", a_pa if b_pa is None else b_pa, supply))
    return readings


class Bench:
    """The app on a mock board, its main loop, and a perfect hand."""

    def __init__(
        self, settings: Settings | None = None, storage: MockStorage | None = None
    ) -> None:
        self.settings = settings or bench_settings()
        self.storage = storage or MockStorage()
        self.on_skin = False
        self.footswitch = SWITCH_RELEASED
        self.vacuum_pa: float | None = None  # None: what a perfect hand gives
        self.vacuum_b_pa: float | None = None  # None: the same as channel A
        self.supply = supply_raw(self.settings)
        self.main_loop_runs = True
        self.capped_pa = 0.0  # vacuum in the line while the tip is on its cap
        self.ticks = 0
        self.after_tick: Callable[[Bench], None] | None = None
        self.power_on()

    def power_on(self, in_service: int = 0) -> None:
        """A fresh board and app; only the storage remembers."""
        self.board = MockBoard(self.storage)
        self.app = App(self.board, encode(self.settings), in_service)
        self.main_loop_runs = True

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
    def reason(self) -> str:
        """The treatment's reason, in words."""
        words: str = treatment.REASONS[self.controller.treatment.reason]
        return words

    @property
    def fault(self) -> int:
        """The latched fault, 0 for none."""
        fault: int = self.controller.protection.fault
        return fault

    def vacuum_now_pa(self) -> float:
        """The vacuum at both sensor ports in this tick."""
        if self.vacuum_pa is not None:
            return self.vacuum_pa
        if self.controller.treatment.state in (treatment.PROOF, treatment.SERVICE):
            return self.capped_pa
        if self.board.vent == VENT_OPEN:
            return 0.0
        set_pa = self.controller.treatment.set_pa
        return set_pa if self.on_skin else min(OPEN_TIP_PA, set_pa)

    def _converted(self, channel: str, vacuum_pa: float) -> int:
        raw = round(raw_at(self.settings, channel, vacuum_pa, self.supply))
        return min(max(raw, 0), RAW_FULL_SCALE)

    def tick(self, command: int = COMMAND_NONE, argument: int = 0) -> None:
        """One control tick, with a command or without, and a turn of the main
        loop when one is due."""
        board = self.board
        if board.vent == VENT_OPEN:
            rate = -CAP_VENT
        else:
            rate = CAP_RISE if board.pump_permille else -CAP_BLEED
        self.capped_pa = max(0.0, self.capped_pa + rate * self.settings.tick_period_ms)
        a_pa = self.vacuum_now_pa()
        b_pa = a_pa if self.vacuum_b_pa is None else self.vacuum_b_pa
        board.vacuum_a_raw = self._converted("a", a_pa)
        board.vacuum_b_raw = self._converted("b", b_pa)
        # No converter gives the same count for ever.
        board.sensor_supply_raw = min(self.supply + (self.ticks & 1), RAW_FULL_SCALE)
        board.footswitch = self.footswitch
        board.advance(self.settings.tick_period_ms)
        if command != COMMAND_NONE:
            assert self.app.post(command, argument)
        self.app.tick()
        self.ticks += 1
        if self.after_tick is not None:
            self.after_tick(self)
        if self.main_loop_runs and self.ticks % TURN_TICKS == 0:
            board.measure_barometer()
            self.app.turn()
            # A commit stops the tick and its time is excused.
            board.advance(board.pending_gap_ms)
            board.excuse(board.pending_gap_ms)
            board.pending_gap_ms = 0

    def run(self, ms: int) -> None:
        """Ticks for this long."""
        for _ in range(ms // self.settings.tick_period_ms):
            self.tick()

    def run_until(self, wanted: Callable[[], bool], longest_ms: int = 20_000) -> int:
        """Ticks until `wanted`; returns the ms it took. Fails if it takes longer."""
        tick_ms = self.settings.tick_period_ms
        for n in range(longest_ms // tick_ms + 1):
            if wanted():
                return n * tick_ms
            self.tick()
        raise AssertionError(f"did not happen within {longest_ms} ms; state {self.state}")

    # Journeys -------------------------------------------------------------------

    def to_standby(self) -> None:
        """From power-on through the self-test."""
        self.run_until(lambda: self.state == "STANDBY")

    def to_ready(self) -> None:
        """Start and confirm, from power-on or STANDBY; session record committed."""
        self.to_standby()
        self.tick(COMMAND_START)
        self.confirm()
        self.run_until(self.is_committed)

    def confirm(self) -> None:
        """Through the checklist to READY."""
        assert self.state == "CHECKLIST"
        self.tick(COMMAND_CLIENT, CLIENT)
        for item in CHECKLIST:
            self.tick(COMMAND_CONFIRM, item)
        self.prove()

    def prove(self) -> None:
        """Through the capped-tip proof to READY, with the foot off again."""
        self.footswitch = SWITCH_RELEASED
        self.run_until(lambda: self.state == "PROOF", 1_000)
        self.run(RELEASE_MS)
        self.footswitch = SWITCH_PRESSED
        self.run_until(lambda: self.state != "PROOF", 10_000)
        assert self.state == "READY", self.reason
        self.footswitch = SWITCH_RELEASED

    def press(self) -> None:
        """Press the footswitch, seen released before, and wait for suction."""
        self.footswitch = SWITCH_RELEASED
        self.run(RELEASE_MS)
        self.footswitch = SWITCH_PRESSED
        self.run_until(lambda: self.state == "TREATING", 1_000)

    def to_treating(self) -> None:
        """From power-on to suction with the tip in the air."""
        self.to_ready()
        self.press()

    def to_skin(self) -> None:
        """From power-on to a believed contact at the set vacuum."""
        self.to_treating()
        self.on_skin = True
        self.run_until(lambda: self.controller.contact.on_skin == 1, 1_000)

    def stroke(self, ms: int = 500) -> None:
        """On the skin for about this long, then off it and the lift believed."""
        self.on_skin = True
        self.run(ms)
        self.on_skin = False
        self.run_until(lambda: self.controller.contact.on_skin == 0, 1_000)

    def is_committed(self) -> bool:
        """Has the pass record been committed?"""
        return self.app.readings.committed_sequence == self.controller.passes.sequence

    def set_pa(self) -> int:
        """Set vacuum of the chosen zone."""
        zone = self.settings.zones[self.controller.passes.zone]
        set_pa: int = LEVEL_VACUUM_PA[zone.level - 1]
        return set_pa
