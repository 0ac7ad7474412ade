"""The closed loop: firmware, mock board, plant, sensors and operator.

One turn of the loop is one control tick: the plant runs with what the board
applied, the operator acts on what the panel shows, the sensors are sampled,
time advances, the firmware ticks. The main loop turns every few ticks, and a
commit of the pass record takes its time with the tick stopped, as a flash
write does on a board.

It runs alike on CPython and MicroPython: it takes a plain dict, gives back a
plain dict, and hands each tick's trace row to `write`. Over all ticks it keeps
a rolling CRC-32 of inputs, command, outputs, decision and, every
`state_every` ticks, the full state of the core: two interpreters that agree on
it have computed the same treatment.
"""

import gc
import struct
from binascii import crc32

from emery.simulator.noise import Noise
from emery.simulator.operator import Operator
from emery.simulator.plant import TIP_ON_SKIN, Plant
from emery.simulator.sensors import Sensors
from firmware import black_box, state
from firmware.app import App
from firmware.settings import decode
from hal.contract import COMMAND_NONE
from hal.mock import FAULTS, MockBoard, MockStorage

# One row of the trace; emery.simulator.trace names the columns.
ROW_FORM = "<IiiiiHHHBBBBBBBBB"
ROW_BYTES = struct.calcsize(ROW_FORM)
_ROWS_AT_ONCE = 100

TURN_MS = 20  # the main loop turns this often
_BAROMETER_MS = 200  # and polls the barometer this often
_AFTER_END_MS = 2_000  # what is simulated on after the operator has finished
_NEVER_MS = 1 << 29
_MG_MIN_MS = 60_000  # mg/min times ms in one mg

# name, unit, lowest, highest, default, what it is
PARAMETERS = (
    ("tick_jitter_ms", "ms", 0, 20, 0,
     "how much later than its time a tick may come: other interrupts and the"
     " collector of a soft timer [E]"),
)

# Actions of an event.
INJECT = "inject"
CLEAR = "clear"
SET_PLANT = "plant"
SET_SENSORS = "sensors"
SET_TIMING = "timing"
SLIP = "slip_off_footswitch"
POWER_CUT = "power_cut"


class World:
    """Everything outside the firmware, and the app that a power cut replaces."""

    def __init__(self, job: dict) -> None:
        self._compiled = bytes(job["settings"])
        settings = decode(self._compiled)
        self.tick_ms = settings.tick_period_ms
        tick_s = self.tick_ms * 0.001
        wiring = {}
        for name in (
            "adc_reference_mv",
            "vacuum_a_divider_permille",
            "vacuum_b_divider_permille",
            "sensor_supply_divider_permille",
        ):
            wiring[name] = getattr(settings, name)
        seed = job["seed"]
        self.plant = Plant(job["plant"], Noise(seed), tick_s)
        self.sensors = Sensors(job["sensors"], wiring, job["adc"], Noise(seed + 1), tick_s)
        self.zone_count = len(settings.zones)
        self.operator = Operator(job["operator"], self.zone_count, Noise(seed + 2))
        self.tick_jitter_ms = 0
        for row in PARAMETERS:
            setattr(self, row[0], int(job.get("timing", {}).get(row[0], row[4])))
        self._noise = Noise(seed + 3)
        self._late_ms = 0  # how much later than its time the last tick came
        self.storage = MockStorage()
        self.storage.record = bytes(job.get("record", b""))
        self.power_cuts = 0
        self.effects = [0] * len(FAULTS)  # of boards that lost their power
        self.ticks = 0
        self.crc = 0
        self.earlier_sessions: list = []  # (passes counted, passes made) by zone
        self._state_every = job["state_every"]
        self._turn_ticks = TURN_MS // self.tick_ms
        self._barometer_turns = _BAROMETER_MS // TURN_MS
        self._gap_ms = 0  # what is left of a commit
        self._record = bytearray(black_box.RECORD_BYTES)
        self.board: MockBoard | None = None
        self.power_on()
        self._snapshot = bytearray(state.size(self._controller.parts))
        self._note_passes()

    def power_on(self) -> None:
        """A fresh board and a fresh app; only storage, wires and faults remain."""
        self.app = None  # a board has no room for two
        self._controller = self._treatment = self._passes = None
        self._channel_a = self._channel_b = self._records = None
        gc.collect()
        self._gap_ms = 0
        self._ticks_to_turn = self._turn_ticks
        self._turns = 0
        before = self.board
        board = MockBoard(self.storage)
        board.barometer_pa = int(self.plant.atmosphere_pa)
        if before is not None:
            board.take_over(before)
        self.board = board
        app = App(board, self._compiled)
        self.app = app
        controller = app.controller
        self._controller = controller
        self._treatment = controller.treatment
        self._passes = controller.passes
        self._channel_a = controller.sensing.a
        self._channel_b = controller.sensing.b
        self._records = memoryview(controller.black_box.records)

    def outside(self) -> int:
        """One tick of everything but the firmware; how many ms it took."""
        ms = self.tick_ms
        if self.tick_jitter_ms:
            ms = self._jitter()
        board = self.board
        plant = self.plant
        operator = self.operator
        plant.tip = operator.tip
        plant.run(board.pump_permille, board.feed_permille, board.vent, ms)
        treatment = self._treatment
        operator.step(treatment.state, treatment.reason, self._passes.zone, ms)
        if operator.command != COMMAND_NONE and self.app.post(operator.command, operator.argument):
            operator.command = COMMAND_NONE
        board.footswitch = operator.footswitch
        sensors = self.sensors
        sensors.step(plant.skin_pa)
        board.vacuum_a_raw = sensors.vacuum_a_raw
        board.vacuum_b_raw = sensors.vacuum_b_raw
        board.sensor_supply_raw = sensors.supply_raw
        board.advance(ms)
        return ms

    def _jitter(self) -> int:
        """A tick is due every `tick_ms`; each comes late by chance, but none
        before the one ahead of it."""
        late_ms = self._noise.between(0, self.tick_jitter_ms)
        if late_ms < self._late_ms + 1 - self.tick_ms:
            late_ms = self._late_ms + 1 - self.tick_ms
        ms = self.tick_ms + late_ms - self._late_ms
        self._late_ms = late_ms
        return ms

    def inside(self, ms: int, keep_record) -> None:  # type: ignore[no-untyped-def]
        """One tick of the firmware, and a turn of its main loop when due."""
        board = self.board
        if self._gap_ms > 0:
            # A commit is under way: time passes, the tick is stopped.
            self._gap_ms -= ms
            board.excuse(ms)
            return
        if not board.any_fault or board.tick_comes():
            self._tick(keep_record)
        self._ticks_to_turn -= 1
        if self._ticks_to_turn == 0:
            self._ticks_to_turn = self._turn_ticks
            if not board.any_fault or board.main_loop_turns():
                self._turn(board)

    def _tick(self, keep_record) -> None:  # type: ignore[no-untyped-def]
        app = self.app
        controller = self._controller
        box = controller.black_box
        place = box.ticks
        app.tick()
        if app.error is not None:
            raise app.error
        ticks = self.ticks + 1
        self.ticks = ticks
        if box.ticks != place:
            place = place % black_box.RECORDS * black_box.RECORD_BYTES
            record = self._records[place : place + black_box.RECORD_BYTES]
        else:
            # It has stopped after a fault; the sum goes on.
            record = memoryview(self._record)
            black_box.write_record(
                self._record, 0, app.readings, app.command, app.argument, app.outputs,
                self._treatment, controller.protection.fault,
            )
        if keep_record is not None and not self.power_cuts:
            keep_record(record)
        crc = crc32(record, self.crc)
        if ticks % self._state_every == 0:
            state.save(controller.parts, self._snapshot)
            crc = crc32(self._snapshot, crc)
        self.crc = crc

    def _turn(self, board) -> None:  # type: ignore[no-untyped-def]
        """A turn of the main loop: it polls the barometer, and may commit."""
        self._turns += 1
        if self._turns % self._barometer_turns == 0:
            board.barometer_pa = int(self.plant.atmosphere_pa)
            board.measure_barometer()
        self.app.turn()
        self._gap_ms = board.pending_gap_ms
        board.pending_gap_ms = 0
        if self._passes.session != self._session:
            made = self.operator.passes_made
            if any(self._counted) or any(made):
                self.earlier_sessions.append((list(self._counted), list(made)))
            self.operator.begin_account()
        self._note_passes()

    def _note_passes(self) -> None:
        """What the device has counted: a new session sets it to zero."""
        passes = self._passes
        self._session = passes.session
        self._counted = bytes(passes.opened[: self.zone_count])

    def write_row(self, rows: bytearray, offset: int, time_ms: int) -> None:
        """The trace row of this tick; the operator takes account of it too."""
        controller = self._controller
        treatment = self._treatment
        passes = self._passes
        outputs = self.app.outputs
        operator = self.operator
        plant = self.plant
        crystals_mg_min = int(plant.crystals_mg_min)
        state_now = treatment.state
        zone = passes.zone
        tip = operator.tip
        if tip == TIP_ON_SKIN or operator.contact_ms:
            operator.account(state_now, zone, self.tick_ms, crystals_mg_min)
        struct.pack_into(
            ROW_FORM, rows, offset,
            time_ms,
            int(plant.skin_peak_pa),
            self._channel_a.vacuum_pa,
            self._channel_b.vacuum_pa,
            treatment.set_pa,
            outputs.pump_permille,
            outputs.feed_permille,
            crystals_mg_min,
            outputs.vent,
            controller.contact.on_skin,
            tip == TIP_ON_SKIN,
            zone,
            passes.number(),
            state_now,
            treatment.reason,
            controller.protection.fault,
            operator.footswitch,
        )

    def total_effects(self) -> list:
        """What each fault of the mock has changed, over all power-ons."""
        return [self.effects[i] + self.board.effects[i] for i in range(len(FAULTS))]

    def do(self, action: str, argument: str, value: float) -> None:
        """Carry out one event."""
        if action == INJECT:
            self.board.inject(argument)
        elif action == CLEAR:
            self.board.clear(argument)
        elif action == SET_PLANT:
            self.plant.set(argument, value)
        elif action == SET_SENSORS:
            self.sensors.set(argument, value)
        elif action == SET_TIMING:
            if argument not in [row[0] for row in PARAMETERS]:
                raise KeyError(argument)
            setattr(self, argument, int(value))
        elif action == SLIP:
            self.operator.slip_off_footswitch()
        elif action == POWER_CUT:
            self.power_cuts += 1
            self.effects = self.total_effects()
            self.power_on()
        else:
            raise ValueError(action)


class Agenda:
    """The events that are still to come, by time or by the operator's strokes."""

    def __init__(self, events: list) -> None:
        self._for_strokes = [event for event in events if event[1]]
        self._timed = [(event[0], event) for event in events if not event[1]]
        self.next_ms = 0
        self._find_next()

    def stroke(self, strokes: int, time_ms: int) -> None:
        """The operator has begun another stroke, which is number `strokes`."""
        for event in self._for_strokes:
            if event[1] == strokes:
                self._timed.append((time_ms + event[2], event))
        self._find_next()

    def take(self) -> tuple:
        """The event that is due next."""
        for place in range(len(self._timed)):
            if self._timed[place][0] == self.next_ms:
                event = self._timed.pop(place)[1]
                self._find_next()
                return event
        raise IndexError

    def _find_next(self) -> None:
        self.next_ms = min([row[0] for row in self._timed]) if self._timed else _NEVER_MS


def run(job: dict, write, progress=None, keep_record=None) -> dict:  # type: ignore[no-untyped-def]
    """Run one job to its end, as `steps` does; `progress` is called with the
    share done."""
    work = steps(job, write, keep_record)
    while True:
        try:
            share = next(work)
        except StopIteration as end:
            return end.value
        if progress is not None:
            progress(share)


def steps(job: dict, write, keep_record=None):  # type: ignore[no-untyped-def]
    """One job to its end, in pieces: a generator of the share done.

    `job`: settings (compiled), seed, plant, sensors, operator (dicts of
    PARAMETERS), adc, duration_ms, events, state_every, and optionally timing
    (PARAMETERS of this module) and record.
    An event is (at_ms or -1, stroke or 0, after_ms, action, argument, value):
    at a time since power-on, or after the start of the operator's n-th stroke.
    `write(rows)` gets the trace, a whole number of rows at a time;
    `keep_record` gets the black-box record of each tick, up to a power cut.
    Returns the facts that the trace lacks.
    """
    world = World(job)
    duration_ms = job["duration_ms"]
    rows = bytearray(ROW_BYTES * _ROWS_AT_ONCE)
    row_offset = 0
    time_ms = 0
    end_ms = -1
    agenda = Agenda(job["events"])
    happened = []
    operator = world.operator
    strokes = 0

    while time_ms < duration_ms:
        if time_ms >= agenda.next_ms:
            # Another one that is due waits for the next tick.
            _, _, _, action, argument, value = agenda.take()
            world.do(action, argument, value)
            happened.append((time_ms, action, argument, value))
        ms = world.outside()
        time_ms += ms
        if operator.strokes != strokes:
            strokes = operator.strokes
            agenda.stroke(strokes, time_ms)
        world.inside(ms, keep_record)

        world.write_row(rows, row_offset, time_ms)
        row_offset += ROW_BYTES
        if row_offset == len(rows):
            write(rows)
            row_offset = 0
            yield time_ms / duration_ms
        if operator.finished:
            if end_ms < 0:
                end_ms = time_ms + _AFTER_END_MS
            elif time_ms >= end_ms:
                break

    write(memoryview(rows)[:row_offset])
    passes = world.app.controller.passes
    zone_count = world.zone_count
    effects = world.total_effects()
    return {
        "ticks": world.ticks,
        "crc": world.crc,
        "final_state": world.app.controller.treatment.state,
        "passes_counted": list(passes.opened)[:zone_count],
        # The ground truth, by zone.
        "passes_made": list(operator.passes_made),
        "strokes_made": list(operator.strokes_made),
        "on_skin_ms": list(operator.on_skin_ms),
        "crystals_mg": [flow // _MG_MIN_MS for flow in operator.crystals_mg_min_ms],
        # Sessions that were ended before: passes counted and made in each.
        "earlier_sessions": world.earlier_sessions,
        "finished": operator.finished,
        "events": happened,
        "effects": [(FAULTS[i][0], effects[i]) for i in range(len(FAULTS)) if effects[i]],
        "commits": world.storage.commits,
        "power_cuts": world.power_cuts,
    }
