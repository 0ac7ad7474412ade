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
from emery.simulator.plant import Plant
from emery.simulator.sensors import Sensors
from firmware import black_box, state
from firmware.app import App
from firmware.settings import decode
from hal.contract import COMMAND_NONE
from hal.mock import FAULTS, MockBoard, MockStorage

# One row of the trace; emery.simulator.trace names the columns.
ROW_FORM = "<IiiiiHHHBBBBBBBBB"
ROW_BYTES = struct.calcsize(ROW_FORM)
_ROWS_AT_ONCE = 400

TURN_MS = 20  # the main loop turns this often
_BAROMETER_MS = 200  # and polls the barometer this often
_AFTER_END_MS = 2_000  # what is simulated on after the operator has finished

# Actions of an event, besides the parameters of plant and sensors.
INJECT = "inject"
CLEAR = "clear"
SET_PLANT = "plant"
SET_SENSORS = "sensors"
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
        self.operator = Operator(job["operator"], len(settings.zones), Noise(seed + 2))
        self.storage = MockStorage()
        self.storage.record = bytes(job.get("record", b""))
        self.power_cuts = 0
        self.effects = [0] * len(FAULTS)  # of boards that lost their power
        self.ticks = 0
        self.crc = 0
        self._state_every = job["state_every"]
        self._turn_ticks = TURN_MS // self.tick_ms
        self._barometer_ticks = _BAROMETER_MS // self.tick_ms
        self._gap_ms = 0  # what is left of a commit
        self._record = bytearray(black_box.RECORD_BYTES)
        self.power_on()
        self._snapshot = bytearray(state.size(self.app.controller.parts))

    def power_on(self) -> None:
        """A fresh board and a fresh app; only the storage remembers."""
        self.app = None  # a board has no room for two
        gc.collect()
        self._gap_ms = 0
        self.board = MockBoard(self.storage)
        self.board.barometer_pa = int(self.plant.atmosphere_pa)
        self.app = App(self.board, self._compiled)

    def outside(self) -> None:
        """One tick of everything but the firmware."""
        board = self.board
        plant = self.plant
        operator = self.operator
        controller = self.app.controller
        plant.on_skin = operator.on_skin
        plant.run(board.pump_permille, board.feed_permille, board.vent)
        operator.step(controller.treatment.state, controller.passes.zone, self.tick_ms)
        if operator.command != COMMAND_NONE and self.app.post(operator.command, operator.argument):
            operator.command = COMMAND_NONE
        board.footswitch = operator.footswitch
        sensors = self.sensors
        sensors.step(plant.skin_pa)
        board.vacuum_a_raw = sensors.vacuum_a_raw
        board.vacuum_b_raw = sensors.vacuum_b_raw
        board.sensor_supply_raw = sensors.supply_raw
        board.advance(self.tick_ms)

    def inside(self, keep_record) -> None:  # type: ignore[no-untyped-def]
        """One tick of the firmware, and a turn of its main loop when due."""
        app = self.app
        board = self.board
        if self._gap_ms > 0:
            # A commit is under way: time passes, the tick is stopped.
            self._gap_ms -= self.tick_ms
            board.excuse(self.tick_ms)
            return
        app.tick()
        if app.error is not None:
            raise app.error
        controller = app.controller
        ticks = self.ticks + 1
        self.ticks = ticks
        record = self._record
        black_box.write_record(
            record, 0, app.readings, app.command, app.argument, app.outputs,
            controller.treatment, controller.protection.fault,
        )
        if keep_record is not None and not self.power_cuts:
            keep_record(record)
        crc = crc32(record, self.crc)
        if ticks % self._state_every == 0:
            state.save(controller.parts, self._snapshot)
            crc = crc32(self._snapshot, crc)
        self.crc = crc
        if ticks % self._turn_ticks == 0:
            if ticks % self._barometer_ticks == 0:
                board.measure_barometer()
            app.turn()
            self._gap_ms = board.pending_gap_ms
            board.pending_gap_ms = 0

    def write_row(self, rows: bytearray, offset: int, time_ms: int) -> None:
        """The trace row of this tick."""
        controller = self.app.controller
        treatment = controller.treatment
        outputs = self.app.outputs
        sensing = controller.sensing
        passes = controller.passes
        struct.pack_into(
            ROW_FORM, rows, offset,
            time_ms,
            int(self.plant.skin_peak_pa),
            sensing.a.vacuum_pa,
            sensing.b.vacuum_pa,
            treatment.set_pa,
            outputs.pump_permille,
            outputs.feed_permille,
            int(self.plant.crystals_mg_min),
            outputs.vent,
            controller.contact.on_skin,
            self.operator.on_skin,
            passes.zone,
            passes.number(),
            treatment.state,
            treatment.reason,
            controller.protection.fault,
            self.operator.footswitch,
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
        elif action == SLIP:
            self.operator.slip_off_footswitch()
        elif action == POWER_CUT:
            self.power_cuts += 1
            self.effects = self.total_effects()
            self.power_on()
        else:
            raise ValueError(action)


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
    PARAMETERS), adc, duration_ms, events, state_every, and optionally record.
    An event is (at_ms or -1, stroke or 0, after_ms, action, argument, value):
    at a time since power-on, or after the start of the operator's n-th stroke.
    `write(rows)` gets the trace, a whole number of rows at a time;
    `keep_record` gets the black-box record of each tick, up to a power cut.
    Returns the facts that the trace lacks.
    """
    world = World(job)
    tick_ms = world.tick_ms
    duration_ms = job["duration_ms"]
    rows = bytearray(ROW_BYTES * _ROWS_AT_ONCE)
    row_offset = 0
    time_ms = 0
    end_ms = -1
    stroke_began_ms: dict = {}
    waiting = list(job["events"])
    happened = []
    operator = world.operator

    while time_ms < duration_ms:
        for event in waiting:
            at_ms, stroke, after_ms, action, argument, value = event
            if stroke:
                if stroke not in stroke_began_ms:
                    continue
                at_ms = stroke_began_ms[stroke] + after_ms
            if time_ms >= at_ms:
                world.do(action, argument, value)
                happened.append((time_ms, action, argument, value))
                waiting.remove(event)
                break  # the next one, if due too, in the next tick
        world.outside()
        time_ms += tick_ms
        if operator.strokes not in stroke_began_ms:
            stroke_began_ms[operator.strokes] = time_ms
        world.inside(keep_record)

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
    controller = world.app.controller
    zone_count = len(operator.passes_made)
    effects = world.total_effects()
    return {
        "ticks": world.ticks,
        "crc": world.crc,
        "final_state": controller.treatment.state,
        "passes_counted": list(controller.passes.opened)[:zone_count],
        "passes_made": list(operator.passes_made),
        "events": happened,
        "effects": [(FAULTS[i][0], effects[i]) for i in range(len(FAULTS)) if effects[i]],
        "commits": world.storage.commits,
        "power_cuts": world.power_cuts,
    }
