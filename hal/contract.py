"""What the control core and a board promise each other.

The core is a pure step: a board fills one `Readings`, the core fills one
`Outputs`, the board drives them. This module names every field with its unit,
every position with a word, and the promises that make the pair safe. It knows
no `machine`, reads no clock and holds no physics; `hal.mock` and the real
boards implement it.

Units: vacuum is positive, in Pa below local atmosphere. Raw counts are
0..65535 of the ADC reference (`adc_reference_mv` in the settings), whatever
the converter's own width. Time is milliseconds given by the board.
"""

from micropython import const

# Positions have names. Zero is always the safe one, so that a record made
# of zeros (fresh memory, a wiped buffer) commands nothing.
VENT_OPEN = const(0)
VENT_CLOSED = const(1)
SWITCH_RELEASED = const(0)
SWITCH_PRESSED = const(1)
# What the handpiece's motion sensor says; without one, or with one that is
# silent, nothing is known and the stricter of the two dwell limits holds.
MOTION_UNKNOWN = const(0)
MOTION_STILL = const(1)
MOTION_MOVING = const(2)

# A full drive of pump or crystal valve, in permille.
FULL_PERMILLE = const(1000)

# The largest raw count a board may report.
RAW_FULL_SCALE = const(65535)

# Outputs are a lease. A board that gets no renewed lease for this long goes
# safe by itself: ten ticks of 5 ms, and well inside the 500 ms in which
# excess vacuum does harm [E: the design's reaction budget].
LEASE_MS = const(50)

# The longest `dt_ms` a board reports; a longer gap reads as this one.
DT_HIGHEST_MS = const(250)

# `now_ms` wraps here, so that a difference of two never leaves a small integer.
NOW_MASK = const(0x1FFFFFFF)

# The longest age of a reading; what was never measured has it, too.
AGE_HIGHEST_MS = const(60_000)

# Wrapping counters given to the core (`main_turns`, `committed_sequence`).
COUNTER_MASK = const(0xFFFF)

# What the operator asks for. The main loop posts one at a time.
COMMAND_NONE = const(0)
COMMAND_START = const(1)  # begin or continue a session, from STANDBY
COMMAND_CONFIRM = const(2)  # argument: one CONFIRM_ item below
COMMAND_SELECT_ZONE = const(3)  # argument: zone index of the protocol
COMMAND_PASS_DONE = const(4)  # the zone has been covered once
COMMAND_SAME_PASS = const(5)  # take back the closing of the last pass
COMMAND_END = const(6)  # end the session
COMMAND_ACKNOWLEDGE = const(7)  # in FAULT: the tip is off the skin
COMMAND_CLIENT = const(8)  # argument: skin type 1..6, plus CLIENT_FIRST_SESSION
COMMAND_LEVEL = const(9)  # argument: STEP_UP or STEP_DOWN, one level
COMMAND_FLOW = const(10)  # argument: STEP_UP or STEP_DOWN, one g/min
COMMAND_EXTEND = const(11)  # the operator confirms more session time
COMMAND_SERVICE = const(12)  # restart into SERVICE, from STANDBY or FAULT
# In SERVICE alone. Each output goes back to safe by itself.
COMMAND_RUN_PUMP = const(13)  # argument: drive in percent, with the vent closed
COMMAND_RUN_FEED = const(14)  # argument: opening in percent
COMMAND_CLOSE_VENT = const(15)
COMMAND_REPAIRED = const(16)  # forget the kept service fault
COMMAND_RESTART = const(17)  # leave SERVICE
COMMAND_RUN_CRYSTALS = const(18)  # argument: opening in percent, while air carries them
COMMAND_LAST = COMMAND_RUN_CRYSTALS

STEP_UP = const(1)
STEP_DOWN = const(2)
CLIENT_FIRST_SESSION = const(8)  # added to the skin type
SKIN_TYPE_HIGHEST = const(6)  # Fitzpatrick I to VI as 1 to 6

# The checklist, as bits of the argument of COMMAND_CONFIRM.
CONFIRM_CONSULTATION = const(1)
CONFIRM_EYEWEAR = const(2)
CONFIRM_FRESH_TIP = const(4)
CONFIRM_ALL = const(7)

# Why the processor started. A board tells it where the chip can: on the RP2040
# a reset by its button reads as power on, on the ESP32 a brown-out does.
RESET_UNKNOWN = const(0)
RESET_POWER_ON = const(1)
RESET_WATCHDOG = const(2)
RESET_HARD = const(3)  # by a program, by the tools, or a crash of the interpreter
RESET_SOFT = const(4)  # the interpreter alone began anew; the chip ran on
RESET_ASKED = const(5)  # `restart`

# Buttons of the panel, as bits.
BUTTON_START = const(1)
BUTTON_PASS = const(2)
BUTTON_ZONE = const(4)
BUTTON_END = const(8)

# What is wrong with the sensors on the bus, the gravest first.
SENSORS_FINE = const(0)
SENSOR_BUS_STUCK = const(1)  # a line is held low and nine clocks did not free it
BAROMETER_MISSING = const(2)  # gives no answer
BAROMETER_BAD = const(3)  # answers what cannot be
GAUGE_MISSING = const(4)  # the digital vacuum sensor
GAUGE_BAD = const(5)
MOTION_MISSING = const(6)
MOTION_BAD = const(7)

# What `prove_barriers` found wrong with the hardware that takes the power away.
BARRIERS_FINE = const(0)
BARRIER_STUCK_ON = const(1)  # power without a heartbeat
BARRIER_STUCK_OFF = const(2)  # no power with one, or it flickers
BARRIER_SLOW = const(3)  # power outlasts the lease
BARRIER_COMPARATOR = const(4)  # the vacuum comparator does not cut the power


class Readings:
    """Everything one tick knows of the world. Made once, filled each tick."""

    FIELDS = (
        "now_ms",
        "dt_ms",
        "vacuum_a_raw",
        "vacuum_b_raw",
        "sensor_supply_raw",
        "barometer_pa",
        "barometer_age_ms",
        "footswitch",
        "motion",
        "main_turns",
        "committed_sequence",
        "main_fault",
    )

    def __init__(self) -> None:
        self.now_ms = 0  # ms since power-on; forward only, wraps at 2^29
        self.dt_ms = 0  # 1..DT_HIGHEST_MS since the tick before, commits excused
        self.vacuum_a_raw = 0  # channel A, raw counts
        self.vacuum_b_raw = 0  # channel B, raw counts
        self.sensor_supply_raw = 0  # the sensors' supply, raw counts
        self.barometer_pa = 0  # last absolute pressure, Pa
        self.barometer_age_ms = 0  # ms since that was measured
        self.footswitch = SWITCH_RELEASED
        self.motion = MOTION_UNKNOWN  # MOTION_ of the handpiece
        self.main_turns = 0  # turns of the main loop, wrapping
        self.committed_sequence = 0  # sequence of the last committed record
        self.main_fault = 0  # number of a fault that the main loop has found


class Outputs:
    """What the board is to drive. All zero is the safe state."""

    FIELDS = ("pump_permille", "feed_permille", "vent", "lease_ms")

    def __init__(self) -> None:
        self.pump_permille = 0  # 0..1000, pump drive
        self.feed_permille = 0  # 0..1000, crystal valve opening
        self.vent = VENT_OPEN
        self.lease_ms = 0  # LEASE_MS when renewed, 0 when given back

    def make_safe(self) -> None:
        """Pump off, feed closed, vent open, lease given back."""
        self.pump_permille = 0
        self.feed_permille = 0
        self.vent = VENT_OPEN
        self.lease_ms = 0

    def are_safe(self) -> bool:
        """True when nothing here can pull a vacuum or move a crystal."""
        return self.pump_permille == 0 and self.feed_permille == 0 and self.vent == VENT_OPEN


class StorageRefused(Exception):
    """A write was asked for while it could not be made safely."""


class Storage:
    """Keeps one small record through resets and power cuts.

    `commit` is write-ahead: when it returns, the record survives a power cut.
    A cut in mid-commit leaves the record before it, or the new one, whole.
    """

    def load(self) -> bytes:
        """The last committed record, or b"" if there is none."""
        raise NotImplementedError

    def commit(self, record: bytes) -> None:
        """Keep `record`.

        Only while the board's own outputs are safe; otherwise StorageRefused
        and nothing is written. OSError if the storage itself fails. The board
        stops its tick meanwhile, drops the ticks that fell due, and excuses
        the gap in the next `dt_ms`.
        """
        raise NotImplementedError


class Board:
    """The promises of a board. Every implementation keeps all of them.

    - A new board is safe before anything else happens.
    - `drive` takes effect at once. A lease of 0, or none renewed for
      LEASE_MS, makes the board safe by itself, whatever Python does, and
      takes the power from the pump drive (not only its signal).
    - `sample` touches ADC and pins only, never a bus; it fills every field
      but the three that the app owns.
    - `now_ms` never goes back, and `dt_ms` is 1 to DT_HIGHEST_MS.
    - A restart never restores outputs.
    """

    storage: Storage

    def sample(self, readings: Readings) -> None:
        """Fill every field of `readings` except `main_turns`,
        `committed_sequence` and `main_fault`, which the app owns."""
        raise NotImplementedError

    def drive(self, outputs: Outputs) -> None:
        """Drive the pins and renew the lease by `outputs.lease_ms`."""
        raise NotImplementedError

    def make_safe(self) -> None:
        """Pump off, feed closed, vent open, lease given back. Never raises."""
        raise NotImplementedError

    def restart(self, into_service: int) -> None:
        """Safe, then a reset of the processor; the next start is SERVICE if
        `into_service`. On a real board it does not return."""
        raise NotImplementedError


class RunningBoard(Board):
    """A board that runs by itself: it calls the tick, and has what lies around it.

    - `start` calls the tick every period until `stop`. Whatever the tick raises
      makes the board safe, and no tick is called any more.
    - The main loop calls `poll` and `pause` in every turn. The bus is polled
      there, one transaction a turn, each of bounded time.
    - `stop` and `make_safe` never raise, and work from anywhere.
    - Storage opens its window itself: it is refused unless the board is safe,
      and the tick stands still meanwhile.
    """

    boot_storage: Storage
    journal_storage: Storage
    ledger_storage: Storage
    device_id: str  # the chip's own number, in hex
    buttons_down: int  # BUTTON_ bits that are held now
    in_service: int  # 1 if this start is to be SERVICE: asked for, or END held
    reset_cause: int  # one RESET_
    ticks: int  # ticks so far, wrapping; one that failed does not count
    overruns: int  # ticks that came more than a period late
    tick_error: BaseException | None  # what the tick raised
    sensor_fault: int  # one of SENSORS_FINE, SENSOR_BUS_STUCK ..
    digital_vacuum_pa: int  # of the third sensor, for trends alone
    digital_vacuum_age_ms: int

    def start(self, tick) -> None:  # type: ignore[no-untyped-def]
        """Call `tick`, without arguments, every period from now on."""
        raise NotImplementedError

    def stop(self) -> None:
        """No tick any more, outputs safe, heartbeat stopped, pump PWM ended."""
        raise NotImplementedError

    def pause(self) -> None:
        """The main loop's pause of about 20 ms."""
        raise NotImplementedError

    def poll(self) -> None:
        """The main loop's turn with the bus and the buttons."""
        raise NotImplementedError

    def is_safe(self) -> bool:
        """True while nothing the board drives can pull a vacuum or move a crystal."""
        raise NotImplementedError

    def watch(self, timeout_ms: int) -> None:
        """Start the watchdog, with the nearest timeout that the chip can do. Nothing
        but a reset ends it."""
        raise NotImplementedError

    def feed_watchdog(self) -> None:
        """Feed it, if a tick came since it was fed last."""
        raise NotImplementedError

    def buttons_pressed(self) -> int:
        """BUTTON_ bits pressed since the last call."""
        raise NotImplementedError

    def show(self, led_ready: int, led_fault: int, tone_hz: int) -> None:
        """Set the lights, and the tone of the buzzer; 0 is silence."""
        raise NotImplementedError

    def prove_barriers(self) -> int:
        """See the hardware take the power away, before `start`. One BARRIER_."""
        raise NotImplementedError

    def open_storage_window(self) -> bool:
        """Stop the tick for a write. False, with the tick going on, unless safe."""
        raise NotImplementedError

    def close_storage_window(self) -> None:
        """Let the tick go on; the gap is excused in the next `dt_ms`."""
        raise NotImplementedError
