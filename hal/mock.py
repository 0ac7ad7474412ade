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
    AGE_HIGHEST_MS,
    DT_HIGHEST_MS,
    FULL_PERMILLE,
    MOTION_UNKNOWN,
    NOW_MASK,
    RAW_FULL_SCALE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    VENT_OPEN,
    Board,
    Outputs,
    Readings,
    Storage,
    StorageRefused,
)

# Places in FAULTS. Those of a vacuum channel stand in one order for both.
_OPEN = const(0)
_SHORT = const(1)
_FROZEN = const(2)
_DRIFTING = const(3)
_SLOW = const(4)
_NOISY = const(5)
_A = const(0)
_B = const(6)
_CHANNELS_SWAPPED = const(12)
_SAMPLES_STALE = const(13)
_SUPPLY_OPEN = const(14)
_SUPPLY_SAGS = const(15)
_BAROMETER_SILENT = const(16)
_BAROMETER_WRONG = const(17)
_SWITCH_STUCK_PRESSED = const(18)
_SWITCH_STUCK_RELEASED = const(19)
_SWITCH_BOUNCES = const(20)
_SWITCH_FLICKERS = const(21)
_PUMP_STUCK_FULL = const(22)
_PUMP_DEAD = const(23)
_PUMP_HALF = const(24)
_FEED_STUCK_OPEN = const(25)
_FEED_STUCK_SHUT = const(26)
_VENT_STUCK_CLOSED = const(27)
_VENT_STUCK_OPEN = const(28)
_TICK_LATE = const(29)
_TICK_STOPPED = const(30)
_MAIN_LOOP_STOPPED = const(31)
_STORAGE_REFUSES = const(32)
_STORAGE_FAILS = const(33)
_STORAGE_SLOW = const(34)
_STORAGE_UNREADABLE = const(35)

# name, what it does
FAULTS = (
    ("vacuum_a_open", "sensor A reads 0 V, as an open wire with a pull-down"),
    ("vacuum_a_short", "sensor A reads full scale"),
    ("vacuum_a_frozen", "sensor A repeats its last count"),
    ("vacuum_a_drifting", "sensor A reads 0.5 kPa less vacuum with every second"),
    ("vacuum_a_slow", "sensor A follows with a lag of 300 ms"),
    ("vacuum_a_noisy", "sensor A reads up to 4 kPa too much or too little, at random"),
    ("vacuum_b_open", "sensor B reads 0 V, as an open wire with a pull-down"),
    ("vacuum_b_short", "sensor B reads full scale"),
    ("vacuum_b_frozen", "sensor B repeats its last count"),
    ("vacuum_b_drifting", "sensor B reads 0.5 kPa less vacuum with every second"),
    ("vacuum_b_slow", "sensor B follows with a lag of 300 ms"),
    ("vacuum_b_noisy", "sensor B reads up to 4 kPa too much or too little, at random"),
    ("vacuum_swapped", "the wires of sensors A and B are exchanged"),
    ("samples_stale", "all counts of the converter repeat while time goes on"),
    ("sensor_supply_open", "the sense of the sensors' supply reads 0 V"),
    ("sensor_supply_sags", "the sensors' supply falls to 80 %, and with it all their counts"),
    ("barometer_silent", "the barometer gives no new value"),
    ("barometer_wrong", "the barometer reads 20 kPa too little"),
    ("footswitch_stuck_pressed", "the footswitch reads pressed"),
    ("footswitch_stuck_released", "the footswitch reads released"),
    ("footswitch_bounces", "for 40 ms after each change the footswitch reads at random"),
    ("footswitch_flickers", "while it is pressed the footswitch reads released now and then"),
    ("pump_stuck_full", "the pump signal is full whatever is commanded; only the"
     " lease, which powers the drive, can stop it"),
    ("pump_dead", "the pump gets no drive"),
    ("pump_weak", "the pump gets half the drive that is commanded"),
    ("feed_stuck_open", "the crystal valve is driven fully open while the lease lasts"),
    ("feed_stuck_shut", "the crystal valve gets no drive"),
    ("vent_stuck_closed", "the vent stays closed whatever is commanded, lease or not"),
    ("vent_stuck_open", "the vent stays open whatever is commanded"),
    ("tick_late", "every tick comes 40 ms late"),
    ("tick_stopped", "no tick comes any more"),
    ("main_loop_stopped", "the main loop hangs"),
    ("storage_refuses", "the storage accepts no record"),
    ("storage_fails", "the storage breaks off every write with an error"),
    ("storage_slow", "a commit takes 400 ms more: a worn flash sector"),
    ("storage_unreadable", "the storage cannot be read at power-on"),
)

_LATE_MS = const(40)
_LAG_MS = const(300)
# With the reference sensor 500 counts are 1 kPa; more counts are less vacuum.
DRIFT_PER_S = const(250)
_NOISE_MASK = const(4_095)  # counts from end to end
_BOUNCE_MS = const(40)
_FLICKER_MASK = const(15)  # released in one of 16 samples
TOO_LITTLE_PA = const(20_000)
_SLOW_COMMIT_MS = const(400)  # a flash erase on the RP2040 can stall that long
_DRIFT_LONGEST_MS = const(300_000)


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
        if self.board is not None and self.board.happens(_STORAGE_UNREADABLE):
            raise OSError("storage_unreadable is injected")
        return self.record

    def commit(self, record: bytes) -> None:
        """Keep `record`; refused unless the board's applied outputs are safe."""
        board = self.board
        if board is None or not board.is_safe():
            raise StorageRefused("the board's outputs are not safe")
        if board.happens(_STORAGE_REFUSES):
            raise StorageRefused("storage_refuses is injected")
        if board.happens(_STORAGE_FAILS):
            raise OSError("storage_fails is injected")
        cut = self.cut_power
        self.cut_power = ""
        if cut == "before":
            raise PowerCut
        self.record = bytes(record)
        self.commits += 1
        board.pending_gap_ms += board.commit_ms
        if board.happens(_STORAGE_SLOW):
            board.pending_gap_ms += _SLOW_COMMIT_MS
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
        self._barometer_age_ms = AGE_HIGHEST_MS  # never measured yet
        self._lease_ms = 0
        self._injected = bytearray(len(FAULTS))
        self.any_fault = False  # one at least is injected
        self._vent_signal = VENT_OPEN  # what the board tells the vent
        # What the faults of the readings remember, channel A at 0 and B at 1.
        self._frozen_raw = [0, 0]
        self._drifting_ms = [0, 0]
        self._slow_raw16 = [0, 0]  # 16 times the count
        self._stale_raw = [0, 0, 0]
        self._switch_before = SWITCH_RELEASED
        self._bouncing_ms = 0
        self._chance = 1
        self.storage = storage
        storage.board = self

    # The promises -------------------------------------------------------------

    def sample(self, readings: Readings) -> None:
        """Fill `readings` from the settable readings, through the faults."""
        dt_ms = self.now_ms - self._sampled_ms - self._excused_ms
        self._sampled_ms = self.now_ms
        self._excused_ms = 0
        readings.now_ms = self.now_ms & NOW_MASK
        readings.dt_ms = 1 if dt_ms < 1 else dt_ms if dt_ms < DT_HIGHEST_MS else DT_HIGHEST_MS
        readings.vacuum_a_raw = self.vacuum_a_raw
        readings.vacuum_b_raw = self.vacuum_b_raw
        readings.sensor_supply_raw = self.sensor_supply_raw
        readings.barometer_pa = self.barometer_pa
        readings.footswitch = self.footswitch
        readings.motion = self.motion
        readings.barometer_age_ms = self._barometer_age_ms
        if self.any_fault:
            self._spoil(readings)

    def drive(self, outputs: Outputs) -> None:
        """Apply `outputs` through lease and faults."""
        self._lease_ms = outputs.lease_ms
        if outputs.lease_ms <= 0:
            self._apply_safe()
            return
        self.pump_permille = outputs.pump_permille
        self.feed_permille = outputs.feed_permille
        self.vent = self._vent_signal = outputs.vent
        if self.any_fault:
            self._disobey()

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
        if self._barometer_age_ms < AGE_HIGHEST_MS:
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
        if not self.happens(_BAROMETER_SILENT):
            self._barometer_age_ms = 0

    def tick_comes(self) -> bool:
        """Is the tick that is due started at all?"""
        return not self.happens(_TICK_STOPPED)

    def main_loop_turns(self) -> bool:
        """Does the main loop get round to the turn that is due?"""
        return not self.happens(_MAIN_LOOP_STOPPED)

    def inject(self, name: str) -> None:
        """Turn a fault of FAULTS on. KeyError for a name that is not there."""
        index = fault_index(name)
        self._injected[index] = 1
        self.any_fault = True
        if index == _SAMPLES_STALE:
            self._stale_raw[0] = self.vacuum_a_raw
            self._stale_raw[1] = self.vacuum_b_raw
            self._stale_raw[2] = self.sensor_supply_raw
        elif index == _SWITCH_BOUNCES:
            self._switch_before = self.footswitch
        for channel in range(2):
            raw = self.vacuum_b_raw if channel else self.vacuum_a_raw
            first = _B if channel else _A
            if index == first + _FROZEN:
                self._frozen_raw[channel] = raw
            elif index == first + _DRIFTING:
                self._drifting_ms[channel] = 0
            elif index == first + _SLOW:
                self._slow_raw16[channel] = raw << 4

    def clear(self, name: str) -> None:
        """Turn a fault off again."""
        self._injected[fault_index(name)] = 0
        self.any_fault = any(self._injected)

    def take_over(self, before: "MockBoard") -> None:
        """After a power cut: the same sensors, wires and faults as before it."""
        self.vacuum_a_raw = before.vacuum_a_raw
        self.vacuum_b_raw = before.vacuum_b_raw
        self.sensor_supply_raw = before.sensor_supply_raw
        self.barometer_pa = before.barometer_pa
        self.footswitch = before.footswitch
        for index in range(len(FAULTS)):
            if before.is_injected(index):
                self.inject(FAULTS[index][0])

    def is_injected(self, index: int) -> bool:
        """Is the fault with this place in FAULTS turned on?"""
        return self._injected[index] != 0

    def happens(self, index: int) -> bool:
        """The same, counted as an effect: for a fault that always has one."""
        if not self._injected[index]:
            return False
        self.effects[index] += 1
        return True

    def effect(self, name: str) -> int:
        """Samples or drives that this fault has changed so far."""
        return self.effects[fault_index(name)]

    def is_safe(self) -> bool:
        """True while nothing the board drives can pull a vacuum or move a
        crystal. Of a vent that does not obey, a board knows nothing."""
        return (
            self.pump_permille == 0
            and self.feed_permille == 0
            and self._vent_signal == VENT_OPEN
        )

    def _apply_safe(self) -> None:
        self.pump_permille = 0
        self.feed_permille = 0
        self.vent = self._vent_signal = VENT_OPEN
        if self._injected[_VENT_STUCK_CLOSED]:
            self.effects[_VENT_STUCK_CLOSED] += 1
            self.vent = VENT_CLOSED

    def _disobey(self) -> None:
        """The faults of what is driven, while the lease lasts."""
        injected = self._injected
        pump = self.pump_permille
        if injected[_PUMP_STUCK_FULL]:
            self._count(_PUMP_STUCK_FULL, pump != FULL_PERMILLE)
            self.pump_permille = FULL_PERMILLE
        elif injected[_PUMP_DEAD]:
            self._count(_PUMP_DEAD, pump != 0)
            self.pump_permille = 0
        elif injected[_PUMP_HALF]:
            self._count(_PUMP_HALF, pump != 0)
            self.pump_permille = pump >> 1
        feed = self.feed_permille
        if injected[_FEED_STUCK_OPEN]:
            self._count(_FEED_STUCK_OPEN, feed != FULL_PERMILLE)
            self.feed_permille = FULL_PERMILLE
        elif injected[_FEED_STUCK_SHUT]:
            self._count(_FEED_STUCK_SHUT, feed != 0)
            self.feed_permille = 0
        vent = self.vent
        if injected[_VENT_STUCK_CLOSED]:
            self._count(_VENT_STUCK_CLOSED, vent != VENT_CLOSED)
            self.vent = VENT_CLOSED
        elif injected[_VENT_STUCK_OPEN]:
            self._count(_VENT_STUCK_OPEN, vent != VENT_OPEN)
            self.vent = VENT_OPEN

    def _spoil(self, readings: Readings) -> None:
        """The faults of what is read."""
        injected = self._injected
        dt_ms = readings.dt_ms
        a_raw = readings.vacuum_a_raw
        b_raw = readings.vacuum_b_raw
        supply_raw = readings.sensor_supply_raw
        if injected[_SUPPLY_SAGS]:
            self.effects[_SUPPLY_SAGS] += 1
            a_raw = a_raw * 4 // 5
            b_raw = b_raw * 4 // 5
            supply_raw = supply_raw * 4 // 5
        a_raw = self._spoil_channel(0, _A, a_raw, dt_ms)
        b_raw = self._spoil_channel(1, _B, b_raw, dt_ms)
        if injected[_SUPPLY_OPEN]:
            self._count(_SUPPLY_OPEN, supply_raw != 0)
            supply_raw = 0
        if injected[_CHANNELS_SWAPPED]:
            self._count(_CHANNELS_SWAPPED, a_raw != b_raw)
            a_raw, b_raw = b_raw, a_raw
        if injected[_SAMPLES_STALE]:
            stale = self._stale_raw
            self._count(
                _SAMPLES_STALE,
                a_raw != stale[0] or b_raw != stale[1] or supply_raw != stale[2],
            )
            a_raw = stale[0]
            b_raw = stale[1]
            supply_raw = stale[2]
        readings.vacuum_a_raw = a_raw
        readings.vacuum_b_raw = b_raw
        readings.sensor_supply_raw = supply_raw
        if injected[_BAROMETER_WRONG]:
            self.effects[_BAROMETER_WRONG] += 1
            readings.barometer_pa = max(readings.barometer_pa - TOO_LITTLE_PA, 0)
        readings.footswitch = self._spoil_footswitch(readings.footswitch, dt_ms)
        if injected[_TICK_LATE]:
            self.effects[_TICK_LATE] += 1
            readings.dt_ms = min(dt_ms + _LATE_MS, DT_HIGHEST_MS)

    def _spoil_channel(self, channel: int, first: int, well_raw: int, dt_ms: int) -> int:
        """One vacuum channel, whose faults begin at `first` in FAULTS."""
        injected = self._injected
        raw = well_raw
        if injected[first + _SLOW]:
            slow_raw16 = self._slow_raw16[channel]
            slow_raw16 += ((raw << 4) - slow_raw16) * dt_ms // (_LAG_MS + dt_ms)
            self._slow_raw16[channel] = slow_raw16
            self._count(first + _SLOW, slow_raw16 >> 4 != raw)
            raw = slow_raw16 >> 4
        if injected[first + _DRIFTING]:
            drifting_ms = self._drifting_ms[channel] + dt_ms
            if drifting_ms > _DRIFT_LONGEST_MS:
                drifting_ms = _DRIFT_LONGEST_MS
            self._drifting_ms[channel] = drifting_ms
            drift = drifting_ms * DRIFT_PER_S // 1000
            self._count(first + _DRIFTING, drift != 0)
            raw += drift
        if injected[first + _NOISY]:
            self.effects[first + _NOISY] += 1
            raw += (self._random() & _NOISE_MASK) - (_NOISE_MASK >> 1)
        if injected[first + _OPEN]:
            self._count(first + _OPEN, raw != 0)
            return 0
        if injected[first + _SHORT]:
            self._count(first + _SHORT, raw != RAW_FULL_SCALE)
            return RAW_FULL_SCALE
        if injected[first + _FROZEN]:
            frozen_raw = self._frozen_raw[channel]
            self._count(first + _FROZEN, raw != frozen_raw)
            return frozen_raw
        if raw < 0:
            return 0
        return raw if raw < RAW_FULL_SCALE else RAW_FULL_SCALE

    def _spoil_footswitch(self, well: int, dt_ms: int) -> int:
        injected = self._injected
        footswitch = well
        if injected[_SWITCH_BOUNCES]:
            if well != self._switch_before:
                self._switch_before = well
                self._bouncing_ms = _BOUNCE_MS
            if self._bouncing_ms > 0:
                self._bouncing_ms -= dt_ms
                if self._random() & 1:
                    self.effects[_SWITCH_BOUNCES] += 1
                    footswitch = SWITCH_PRESSED if well == SWITCH_RELEASED else SWITCH_RELEASED
        if (
            injected[_SWITCH_FLICKERS]
            and footswitch == SWITCH_PRESSED
            and self._random() & _FLICKER_MASK == 0
        ):
            self.effects[_SWITCH_FLICKERS] += 1
            footswitch = SWITCH_RELEASED
        if injected[_SWITCH_STUCK_PRESSED]:
            self._count(_SWITCH_STUCK_PRESSED, footswitch != SWITCH_PRESSED)
            footswitch = SWITCH_PRESSED
        elif injected[_SWITCH_STUCK_RELEASED]:
            self._count(_SWITCH_STUCK_RELEASED, footswitch != SWITCH_RELEASED)
            footswitch = SWITCH_RELEASED
        return footswitch

    def _random(self) -> int:
        """16 bits that repeat from run to run (xorshift 7, 9, 8)."""
        x = self._chance
        x ^= x << 7 & 0xFFFF
        x ^= x >> 9
        x ^= x << 8 & 0xFFFF
        self._chance = x
        return x

    def _count(self, index: int, changed: bool) -> None:
        if changed:
            self.effects[index] += 1


def fault_index(name: str) -> int:
    """Place of a fault in FAULTS. KeyError with the names that exist."""
    for index in range(len(FAULTS)):
        if FAULTS[index][0] == name:
            return index
    raise KeyError("no fault {!r}; there are {}".format(name, ", ".join(row[0] for row in FAULTS)))
