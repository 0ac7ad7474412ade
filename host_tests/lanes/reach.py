"""How to get to every pair of state and fault, and why some pairs cannot be.

A pair is the state that a tick begins in and the fault that is latched when it
ends. States and faults are those of `firmware/treatment.py` and
`firmware/faults.py`: a new one needs a row in these three tables, which is what
the tests say when it is missing.

- JOURNEYS: from power-on into each state, on a bench.
- CAUSES: what brings each fault about, from any state where it can come.
- UNREACHABLE: the pairs that no run of the firmware makes, with the reason.
"""

from collections.abc import Callable

from firmware import black_box, faults, limits, proof, state, storage, treatment
from firmware.app import App
from firmware.self_test import HELD_LONGEST_MS
from firmware.settings import Settings, encode
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_START,
    COUNTER_MASK,
    DT_HIGHEST_MS,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
)
from hal.mock import MockBoard, MockStorage
from host_tests.bench import (
    CHECKLIST,
    CLIENT,
    RELEASE_MS,
    Bench,
    bench_settings,
    zone_of,
)

Pair = tuple[str, str]

STATES: tuple[str, ...] = treatment.STATES
FAULTS: tuple[str, ...] = tuple(row[1] for row in faults.CATALOGUE)

# The longest way to a fault, and a little more.
_LONGEST_MS = HELD_LONGEST_MS + 1_000
# A tick of 10 ms takes half the ticks of one of 5 ms.
_TICK_MS = 10


class Recorded(Bench):
    """A bench that keeps what a case needs: the core's state at a mark, and
    every tick since. Its counters are old and about to wrap."""

    def __init__(self, settings: Settings) -> None:
        self.keyframe = b""
        self.before_last = b""  # the state that the newest tick began in
        self.records: list[bytes] = []
        self.pairs: list[Pair] = []
        self.is_frozen = False
        super().__init__(settings, old_storage(settings))
        self.after_tick = _record
        self.mark()

    def power_on(self, in_service: int = 0) -> None:
        super().power_on(in_service)
        self.app.readings.main_turns = COUNTER_MASK - 1

    def mark(self) -> None:
        """Let a case begin here."""
        self.keyframe = self.snapshot()
        self.records = []
        self.pairs = []

    def snapshot(self) -> bytes:
        """The full state of the core."""
        buffer = bytearray(state.size(self.controller.parts))
        state.save(self.controller.parts, buffer)
        return bytes(buffer)

    def tick(self, command: int = COMMAND_NONE, argument: int = 0) -> None:
        began_in = self.state
        self.before_last = self.snapshot()
        if self.is_frozen:
            self.ticks = 0  # the bench's converter moves with them
        super().tick(command, argument)
        if self.is_frozen:
            self.app.turn()
        self.pairs.append((began_in, FAULTS[self.fault]))


def _record(bench: Bench) -> None:
    assert isinstance(bench, Recorded)
    assert bench.app.error is None
    record = bytearray(black_box.RECORD_BYTES)
    core = bench.controller
    black_box.write_record(
        record, 0, bench.app.readings, bench.app.command, bench.app.argument, bench.app.outputs,
        core.treatment, core.protection.fault,
    )
    bench.records.append(bytes(record))


def old_storage(settings: Settings) -> MockStorage:
    """A record of a closed session; the next numbers wrap."""
    found = MockStorage()
    core = App(MockBoard(found), encode(settings)).controller
    assert core is not None
    core.passes.sequence = COUNTER_MASK - 1
    core.passes.session = 0x3FFFFFFF
    found.record = storage.encode(
        core.passes, core.treatment, core.pump_rest, core.protocol_mark
    )
    return found


def settings_of_cases() -> Settings:
    """A zone with crystals and passes, and one of a single pass."""
    return bench_settings(
        (zone_of("chin", level=6, flow_mg_min=8_000), zone_of("nose", level=1, passes=1)),
        tick_period_ms=_TICK_MS,
    )


# How to get into each state -----------------------------------------------------


def _paused(bench: Bench) -> None:
    bench.to_skin()
    bench.stroke()
    bench.tick(COMMAND_PASS_DONE)  # so that the next press opens another pass
    bench.footswitch = SWITCH_RELEASED
    bench.run(RELEASE_MS)


def _zone_done(bench: Bench) -> None:
    bench.to_ready()
    bench.controller.passes.select(1)
    bench.press()
    bench.tick(COMMAND_PASS_DONE)


def _complete(bench: Bench) -> None:
    bench.to_ready()
    bench.tick(COMMAND_END)


def _proof(bench: Bench) -> None:
    _checklist(bench)
    bench.tick(COMMAND_CLIENT, CLIENT)
    for item in CHECKLIST:
        bench.tick(COMMAND_CONFIRM, item)
    bench.run_until(lambda: bench.state == "PROOF")
    bench.run(RELEASE_MS)


def _resting(bench: Bench) -> None:
    bench.to_ready()
    bench.controller.pump_rest.on_ms = limits.PUMP_ON_MS
    bench.run_until(lambda: bench.state == "RESTING")


def _service(bench: Recorded) -> None:
    bench.power_on(in_service=1)
    bench.run_until(lambda: bench.state == "SERVICE")


def _checklist(bench: Bench) -> None:
    bench.to_standby()
    bench.tick(COMMAND_START)


def _fault(bench: Bench) -> None:
    bench.to_skin()
    _over_vacuum(bench)
    bench.run_until(lambda: bench.state == "FAULT")
    bench.vacuum_pa = None
    bench.footswitch = SWITCH_RELEASED
    bench.run(2 * RELEASE_MS)


JOURNEYS: dict[str, Callable[[Recorded], None]] = {
    "BOOT": lambda bench: None,
    "SELF_TEST": lambda bench: bench.tick(),
    "STANDBY": Bench.to_standby,
    "CHECKLIST": _checklist,
    "PROOF": _proof,
    "READY": Bench.to_ready,
    "TREATING": Bench.to_skin,
    "PAUSED": _paused,
    "ZONE_DONE": _zone_done,
    "RESTING": _resting,
    "COMPLETE": _complete,
    "FAULT": _fault,
    "SERVICE": _service,
}


# How each fault comes about -----------------------------------------------------


def _over_vacuum(bench: Bench) -> None:
    bench.vacuum_pa = 50_000


def _soft_over_vacuum(bench: Bench) -> None:
    bench.vacuum_pa = bench.set_pa() + 5_000


def _disagreement(bench: Bench) -> None:
    bench.vacuum_b_pa = bench.vacuum_now_pa() + 8_000
    # So late a first tick is enough; the same lateness again would be a fault.
    if bench.state == "BOOT":
        bench.board.advance(DT_HIGHEST_MS)


def _sensor_zero(bench: Bench) -> None:
    bench.vacuum_pa = 2_300


def _barometer(bench: Bench) -> None:
    bench.board.barometer_pa = 50_000


def _footswitch_held(bench: Recorded) -> None:
    # The self-test finds it in 10 s. Elsewhere it takes a minute, so the time
    # is put forward; and a press would not be one without a release before.
    if bench.state != "SELF_TEST":
        bench.controller.footswitch.armed = 0
        bench.controller.treatment._held_ms = limits.FOOTSWITCH_HELD_MS - 200
        bench.mark()
    bench.footswitch = SWITCH_PRESSED
    bench.tick()
    if bench.state != "SELF_TEST":
        bench.controller.treatment._held_ms = limits.FOOTSWITCH_HELD_MS - 200
        bench.mark()


def _internal(bench: Recorded) -> None:
    # What only memory that was struck can hold: FAULT, and nothing latched.
    bench.controller.treatment.fail()
    bench.controller.protection.clear()
    bench.mark()


def _in_phase(phase: int, then: Callable[[Bench], None]) -> Callable[[Bench], None]:
    """Proving, up to a phase of the proof; the tip is on its cap."""

    def cause(bench: Bench) -> None:
        bench.footswitch = SWITCH_PRESSED
        bench.run_until(lambda: bench.controller.proof.phase == phase)
        then(bench)

    return cause


def _vacuum(pa: float) -> Callable[[Bench], None]:
    def cause(bench: Bench) -> None:
        bench.vacuum_pa = pa

    return cause


def _frozen(bench: Recorded) -> None:
    bench.is_frozen = True


def _memory(bench: Bench) -> None:
    # What App.turn tells when it finds the settings changed.
    bench.app.readings.main_fault = faults.MEMORY


def _kept(bench: Recorded, fault: str) -> None:
    core = bench.controller
    core.treatment.kept_fault = FAULTS.index(fault)
    bench.storage.record = storage.encode(
        core.passes, core.treatment, core.pump_rest, core.protocol_mark
    )
    bench.power_on()
    bench.mark()


def _main_loop_silent(bench: Bench) -> None:
    bench.main_loop_runs = False


def _storage(bench: Bench) -> None:
    bench.board.inject("storage_refuses")
    bench.footswitch = SWITCH_RELEASED
    bench.run(2 * RELEASE_MS)
    bench.footswitch = SWITCH_PRESSED


def _record_damaged(bench: Recorded) -> None:
    bench.storage.record = b"\xff"
    bench.power_on()
    bench.mark()


def _protocol_changed(bench: Recorded) -> None:
    """Written with the zones of another one, in an open session."""
    core = Bench().controller
    core.passes.begin_session()
    bench.storage.record = storage.encode(
        core.passes, core.treatment, core.pump_rest, core.protocol_mark ^ 1
    )
    bench.power_on()
    bench.mark()


def _inject(name: str) -> Callable[[Bench], None]:
    return lambda bench: bench.board.inject(name)


def _acknowledged(bench: Bench) -> None:
    if bench.state == "FAULT":
        bench.tick(COMMAND_ACKNOWLEDGE)


# In the order of the catalogue. "NONE" is how a tick ends without one.
CAUSES: dict[str, Callable[[Recorded], None]] = {
    "NONE": _acknowledged,
    "OVER_VACUUM": _over_vacuum,
    "SOFT_OVER_VACUUM": _soft_over_vacuum,
    "SENSOR_A_RANGE": _inject("vacuum_a_short"),
    "SENSOR_B_RANGE": _inject("vacuum_b_short"),
    "SENSOR_SUPPLY": _inject("sensor_supply_open"),
    "SENSOR_DISAGREEMENT": _disagreement,
    "TICK_OVERRUN": _inject("tick_late"),
    "SENSOR_ZERO": _sensor_zero,
    "BAROMETER": _barometer,
    "FOOTSWITCH_HELD": _footswitch_held,
    "INTERNAL": _internal,
    "MAIN_LOOP_SILENT": _main_loop_silent,
    "STORAGE": _storage,
    "RECORD_DAMAGED": _record_damaged,
    "VENT_FAILED": _vacuum(9_000),
    "PUMP_STUCK": _in_phase(proof.STILL, _vacuum(3_000)),
    "PUMP_WEAK": _in_phase(proof.DRAW, _vacuum(5_000)),
    "NOZZLE_CLOGGED": _in_phase(proof.BLEED, _vacuum(20_000)),
    "PROTECTION_FAILED": _in_phase(proof.TRIP, _vacuum(24_000)),
    "READINGS_FROZEN": _frozen,
    "MEMORY": _memory,
    "PROTOCOL_CHANGED": _protocol_changed,
}


# Which pairs cannot be, and why -------------------------------------------------


def _all_but(*names: str) -> tuple[str, ...]:
    return tuple(name for name in STATES if name not in names)


# A fault that only service ends is kept through a restart, and latched at once.
_KEPT = tuple(row[1] for row in faults.CATALOGUE if row[3] == faults.EXIT_SERVICE)
_WARNINGS = tuple(row[1] for row in faults.CATALOGUE if row[3] == faults.EXIT_NONE)

# states, faults, reason. In FAULT every fault stands latched, wherever it came
# from, so only the warnings' row names FAULT.
UNREACHABLE: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (STATES, _WARNINGS, "a warning is shown, never latched"),
    (("BOOT",),
     ("OVER_VACUUM", "SENSOR_A_RANGE", "SENSOR_B_RANGE", "SENSOR_SUPPLY", "TICK_OVERRUN"),
     "BOOT is one tick, and these need two bad samples"),
    (("BOOT",), ("MAIN_LOOP_SILENT", "READINGS_FROZEN", "FOOTSWITCH_HELD"),
     "BOOT is one tick, and no dt_ms is as long as these take"),
    (_all_but("TREATING", "FAULT"), ("SOFT_OVER_VACUUM",),
     "over-vacuum is above the level in force, and only TREATING has one"),
    (_all_but("SELF_TEST", "FAULT"), ("SENSOR_ZERO", "BAROMETER"),
     "found by the self-test alone"),
    (("TREATING", "PROOF", "SERVICE"), ("FOOTSWITCH_HELD",),
     "the footswitch is held for a purpose, or does nothing"),
    (_all_but("READY", "PAUSED", "FAULT"), ("STORAGE",),
     "latched while a press waits for the record of its pass, in READY or PAUSED"),
    (_all_but("BOOT", "FAULT"), ("RECORD_DAMAGED", "PROTOCOL_CHANGED"),
     "latched at power-on; the first tick leaves for FAULT"),
    (_all_but("PROOF", "BOOT", "FAULT"), ("PUMP_STUCK", "PROTECTION_FAILED"),
     "found by the proof alone, or kept through a restart"),
    (_all_but("PROOF", "FAULT"), ("PUMP_WEAK", "NOZZLE_CLOGGED"), "found by the proof alone"),
    (("TREATING",), ("VENT_FAILED",), "the vent is not told to open"),
    (_all_but("BOOT", "FAULT"), ("INTERNAL",),
     "latched in a tick for a state that is not known, or that is FAULT without a fault;"
     " else by an exception, and that is no normal tick but the last of the core"),
)


def why_not(pair: Pair) -> str:
    """The reason that a pair cannot be reached, "" if there is none."""
    reasons = [why for states, names, why in UNREACHABLE if pair[0] in states and pair[1] in names]
    return reasons[0] if reasons else ""


def drive(pair: Pair) -> Recorded:
    """Drive a bench to a pair: its newest tick is of that pair. Fails with
    AssertionError if it does not get there."""
    began_in, fault = pair
    bench = Recorded(settings_of_cases())
    journey = JOURNEYS.get(began_in)
    cause = CAUSES.get(fault)
    assert journey, f"state {began_in}: JOURNEYS must say how to get there"
    assert cause, f"fault {fault}: CAUSES must say how it comes about"
    if began_in == "FAULT" and fault != "NONE":
        # It stands latched: from the first state that it can come from.
        source = next((name for name in STATES if name != "FAULT" and not why_not((name, fault))),
                      "FAULT")
        if source != "FAULT":
            bench = drive((source, fault))
            bench.mark()
            bench.tick()
            return bench
    journey(bench)
    bench.mark()
    if began_in == "BOOT" and fault in _KEPT:
        _kept(bench, fault)
    else:
        cause(bench)
    longest = _LONGEST_MS // _TICK_MS
    while pair not in bench.pairs and longest:
        bench.tick()
        longest -= 1
    assert pair in bench.pairs, (
        f"{pair}: not reached from {began_in} by {fault}'s cause in CAUSES; seen were "
        f"{sorted(set(bench.pairs))}. Mend the row, or say in UNREACHABLE why it cannot be."
    )
    return bench
