"""A board without hardware: settable readings, recorded outputs, virtual time.

It keeps every promise of `hal.contract.Board` and has no physics: whoever
holds it sets the raw counts, reads what is *applied* (the outputs after lease
and faults), and advances the clock.

Electrical faults are injected by name. Acceptance is no proof that a fault did
anything, so each counts its effect: how many samples or drives came out other
than they would have without it.
"""

from micropython import const

from hal.contract import (
    DT_HIGHEST_MS,
    FULL_PERMILLE,
    MOTION_UNKNOWN,
    RAW_FULL_SCALE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_OPEN,
    Board,
    Outputs,
    Readings,
    Storage,
    StorageRefused,
)

_A_OPEN = const(0)
_A_SHORT = const(1)
_A_FROZEN = const(2)
_B_OPEN = const(3)
_B_SHORT = const(4)
_B_FROZEN = const(5)
_SUPPLY_OPEN = const(6)
_BAROMETER_SILENT = const(7)
_SWITCH_STUCK_PRESSED = const(8)
_SWITCH_STUCK_RELEASED = const(9)
_PUMP_STUCK_FULL = const(10)
_FEED_STUCK_OPEN = const(11)
_TICK_LATE = const(12)
_STORAGE_REFUSES = const(13)

# name, what it does
FAULTS = (
    ("vacuum_a_open", "sensor A reads 0 V, as an open wire with a pull-down"),
    ("vacuum_a_short", "sensor A reads full scale"),
    ("vacuum_a_frozen", "sensor A repeats its last count"),
    ("vacuum_b_open", "sensor B reads 0 V, as an open wire with a pull-down"),
    ("vacuum_b_short", "sensor B reads full scale"),
    ("vacuum_b_frozen", "sensor B repeats its last count"),
    ("sensor_supply_open", "the sense of the sensors' supply reads 0 V"),
    ("barometer_silent", "the barometer gives no new value"),
    ("footswitch_stuck_pressed", "the footswitch reads pressed"),
    ("footswitch_stuck_released", "the footswitch reads released"),
    ("pump_stuck_full", "the pump signal is full whatever is commanded; only the"
     " lease, which powers the drive, can stop it"),
    ("feed_stuck_open", "the crystal valve is driven fully open while the lease lasts"),
    ("tick_late", "every tick comes 40 ms late"),
    ("storage_refuses", "the storage accepts no record"),
)

_LATE_MS = const(40)
_NOW_MASK = const(0x1FFFFFFF)
_AGE_HIGHEST_MS = const(60_000)


class PowerCut(Exception):
    """The power failed in a commit, as the test asked."""


class MockStorage(Storage):
    """Storage that outlives the board, as flash does.

    `cut_power` fails the power in the next commit: "before" the record is
    kept or "after" it.
    """

    def __init__(self) -> None:
        self.record = b""
        self.commits = 0
        self.cut_power = ""
        self.board: MockBoard | None = None

    def load(self) -> bytes:
        """The last committed record."""
        return self.record

    def commit(self, record: bytes) -> None:
        """Keep `record`; refused unless the board's applied outputs are safe."""
        board = self.board
        if board is None or not board.is_safe():
            raise StorageRefused("the board's outputs are not safe")
        if board.is_injected(_STORAGE_REFUSES):
            board.effects[_STORAGE_REFUSES] += 1
            raise StorageRefused("storage_refuses is injected")
        cut = self.cut_power
        self.cut_power = ""
        if cut == "before":
            raise PowerCut
        self.record = bytes(record)
        self.commits += 1
        board.pending_gap_ms += board.commit_ms
        if cut == "after":
            raise PowerCut


class MockBoard(Board):
    """The mock. Public attributes up to `motion` are there to be set."""

    def __init__(self, storage: MockStorage) -> None:
        # Settable readings.
        self.vacuum_a_raw = 0
        self.vacuum_b_raw = 0
        self.sensor_supply_raw = 0
        self.barometer_pa = 101_325
        self.footswitch = SWITCH_RELEASED
        self.motion = MOTION_UNKNOWN
        # Time one commit takes: a 4 kB flash erase, 45 ms typical in the
        # W25Q16JV data sheet. The tick is stopped meanwhile.
        self.commit_ms = 45
        # Applied outputs: what pump, valve and vent really get.
        self.pump_permille = 0
        self.feed_permille = 0
        self.vent = VENT_OPEN
        # What happened.
        self.lease_expiries = 0
        self.restarts: list = []  # into_service of each restart asked for
        self.pending_gap_ms = 0  # commit time that has not passed yet
        self.effects = [0] * len(FAULTS)
        self.now_ms = 0
        self._sampled_ms = 0
        self._excused_ms = 0
        self._barometer_age_ms = 0
        self._lease_ms = 0
        self._injected = bytearray(len(FAULTS))
        self._any_fault = False
        self._frozen_a_raw = 0
        self._frozen_b_raw = 0
        self.storage = storage
        storage.board = self

    # The promises -------------------------------------------------------------

    def sample(self, readings: Readings) -> None:
        """Fill `readings` from the settable readings, through the faults."""
        dt_ms = self.now_ms - self._sampled_ms - self._excused_ms
        self._sampled_ms = self.now_ms
        self._excused_ms = 0
        readings.now_ms = self.now_ms & _NOW_MASK
        readings.dt_ms = 1 if dt_ms < 1 else dt_ms if dt_ms < DT_HIGHEST_MS else DT_HIGHEST_MS
        readings.vacuum_a_raw = self.vacuum_a_raw
        readings.vacuum_b_raw = self.vacuum_b_raw
        readings.sensor_supply_raw = self.sensor_supply_raw
        readings.barometer_pa = self.barometer_pa
        readings.footswitch = self.footswitch
        readings.motion = self.motion
        readings.barometer_age_ms = self._barometer_age_ms
        if self._any_fault:
            self._spoil(readings)

    def drive(self, outputs: Outputs) -> None:
        """Apply `outputs` through lease and faults."""
        self._lease_ms = outputs.lease_ms
        if outputs.lease_ms <= 0:
            self._apply_safe()
            return
        pump = outputs.pump_permille
        feed = outputs.feed_permille
        if self._any_fault:
            if self._injected[_PUMP_STUCK_FULL] and pump != FULL_PERMILLE:
                self.effects[_PUMP_STUCK_FULL] += 1
                pump = FULL_PERMILLE
            if self._injected[_FEED_STUCK_OPEN] and feed != FULL_PERMILLE:
                self.effects[_FEED_STUCK_OPEN] += 1
                feed = FULL_PERMILLE
        self.pump_permille = pump
        self.feed_permille = feed
        self.vent = outputs.vent

    def make_safe(self) -> None:
        """Pump off, feed closed, vent open, lease given back."""
        self._lease_ms = 0
        self._apply_safe()

    def restart(self, into_service: int) -> None:
        """Note what was asked; whoever holds the mock powers it on again."""
        self.make_safe()
        self.restarts.append(into_service)

    # What a test or a simulation does with it ---------------------------------

    def advance(self, ms: int) -> None:
        """Let virtual time pass; a lease that is not renewed runs out."""
        self.now_ms += ms
        if self._barometer_age_ms < _AGE_HIGHEST_MS:
            self._barometer_age_ms += ms
        if self._lease_ms > 0:
            self._lease_ms -= ms
            if self._lease_ms <= 0:
                self.lease_expiries += 1
                self._apply_safe()

    def excuse(self, ms: int) -> None:
        """Time that passed in a commit: not counted in the next `dt_ms`."""
        self._excused_ms += ms

    def measure_barometer(self) -> None:
        """The main loop has polled the barometer."""
        if self._injected[_BAROMETER_SILENT]:
            self.effects[_BAROMETER_SILENT] += 1
        else:
            self._barometer_age_ms = 0

    def inject(self, name: str) -> None:
        """Turn a fault of FAULTS on. KeyError for a name that is not there."""
        self._injected[fault_index(name)] = 1
        self._any_fault = True
        if name == FAULTS[_A_FROZEN][0]:
            self._frozen_a_raw = self.vacuum_a_raw
        elif name == FAULTS[_B_FROZEN][0]:
            self._frozen_b_raw = self.vacuum_b_raw

    def clear(self, name: str) -> None:
        """Turn a fault off again."""
        self._injected[fault_index(name)] = 0
        self._any_fault = any(self._injected)

    def is_injected(self, index: int) -> bool:
        """Is the fault with this place in FAULTS turned on?"""
        return self._injected[index] != 0

    def effect(self, name: str) -> int:
        """Samples or drives that this fault has changed so far."""
        return self.effects[fault_index(name)]

    def is_safe(self) -> bool:
        """True while nothing applied can pull a vacuum or move a crystal."""
        return self.pump_permille == 0 and self.feed_permille == 0 and self.vent == VENT_OPEN

    def _apply_safe(self) -> None:
        self.pump_permille = 0
        self.feed_permille = 0
        self.vent = VENT_OPEN

    def _spoil(self, readings: Readings) -> None:
        injected = self._injected
        raw = readings.vacuum_a_raw
        if injected[_A_OPEN]:
            raw = 0
            self._count(_A_OPEN, raw != readings.vacuum_a_raw)
        elif injected[_A_SHORT]:
            raw = RAW_FULL_SCALE
            self._count(_A_SHORT, raw != readings.vacuum_a_raw)
        elif injected[_A_FROZEN]:
            raw = self._frozen_a_raw
            self._count(_A_FROZEN, raw != readings.vacuum_a_raw)
        readings.vacuum_a_raw = raw
        raw = readings.vacuum_b_raw
        if injected[_B_OPEN]:
            raw = 0
            self._count(_B_OPEN, raw != readings.vacuum_b_raw)
        elif injected[_B_SHORT]:
            raw = RAW_FULL_SCALE
            self._count(_B_SHORT, raw != readings.vacuum_b_raw)
        elif injected[_B_FROZEN]:
            raw = self._frozen_b_raw
            self._count(_B_FROZEN, raw != readings.vacuum_b_raw)
        readings.vacuum_b_raw = raw
        if injected[_SUPPLY_OPEN]:
            self._count(_SUPPLY_OPEN, readings.sensor_supply_raw != 0)
            readings.sensor_supply_raw = 0
        if injected[_SWITCH_STUCK_PRESSED]:
            self._count(_SWITCH_STUCK_PRESSED, readings.footswitch != SWITCH_PRESSED)
            readings.footswitch = SWITCH_PRESSED
        elif injected[_SWITCH_STUCK_RELEASED]:
            self._count(_SWITCH_STUCK_RELEASED, readings.footswitch != SWITCH_RELEASED)
            readings.footswitch = SWITCH_RELEASED
        if injected[_TICK_LATE]:
            self.effects[_TICK_LATE] += 1
            readings.dt_ms = min(readings.dt_ms + _LATE_MS, DT_HIGHEST_MS)

    def _count(self, index: int, changed: bool) -> None:
        if changed:
            self.effects[index] += 1


def fault_index(name: str) -> int:
    """Place of a fault in FAULTS. KeyError with the names that exist."""
    for index in range(len(FAULTS)):
        if FAULTS[index][0] == name:
            return index
    raise KeyError("no fault {!r}; there are {}".format(name, ", ".join(row[0] for row in FAULTS)))
