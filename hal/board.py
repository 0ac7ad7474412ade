"""A board with pins: what RP2040, ESP32 and ESP32-S3 have in common.

Everything but the main loop's own work is here: outputs that are safe first, the
sampling of pins and converters, time, the mailbox of the sensors on the bus, the
buttons, the proof of the barriers, restart and watchdog. What differs stands in
`rp2040.py` and `esp32.py`: who calls the tick, how the heartbeat toggles, how a
count is read, the bus, and why the chip started.

The pump is a PWM at a duty, the crystal valve is open for its share of every
`feed_period_ms`, the vent is closed by a high pin and open without power. Behind
all three is one protection switch that has power only while the heartbeat pin
toggles: `drive` with a lease keeps it toggling, anything else lets it fall.

Time: `now_ms` goes on through a commit; `dt_ms` does not count it.
"""

from binascii import hexlify
from time import sleep_ms, sleep_us, ticks_add, ticks_diff, ticks_ms

from machine import PWM, WDT, Pin, reset, unique_id
from micropython import const

from hal.contract import (
    AGE_HIGHEST_MS,
    BARRIER_COMPARATOR,
    BARRIER_SLOW,
    BARRIER_STUCK_OFF,
    BARRIER_STUCK_ON,
    BARRIERS_FINE,
    BUTTON_END,
    BUTTON_PASS,
    BUTTON_START,
    BUTTON_ZONE,
    DT_HIGHEST_MS,
    FULL_PERMILLE,
    LEASE_MS,
    MOTION_UNKNOWN,
    NOW_MASK,
    RAW_FULL_SCALE,
    RESET_ASKED,
    SENSORS_FINE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_CLOSED,
    Outputs,
    Readings,
    RunningBoard,
    StorageRefused,
)
from hal.flash_storage import FlashStorage
from hal.sensors.bmp280 import Bmp280
from hal.sensors.bus import Bus
from hal.wiring import BENCH, NO_PIN, Wiring, WiringError, broken_rules

# Only a type checker has to be told.
TYPE_CHECKING = False
if TYPE_CHECKING:

    class Tick:
        """Any function without arguments."""

        def __call__(self) -> None: ...


STATE_FOLDER = "/state"

# How long the main loop pauses between two turns.
PAUSE_MS = const(20)

_BUTTONS = (
    (BUTTON_START, "button_start"),
    (BUTTON_PASS, "button_pass"),
    (BUTTON_ZONE, "button_zone"),
    (BUTTON_END, "button_end"),
)
# The last motion that was seen counts as long as this. [E]
_MOTION_STALE_MS = const(500)
_ABP2 = const(1)  # in the wiring's `digital_vacuum`
# The longest period of a PWM (15 kHz) is 67 us.
_PWM_PERIOD_US = const(100)
_HALF_DUTY = const(32_768)
_TONE_HZ = const(1_000)  # of a silent buzzer; nobody hears it
_TONE_LOWEST_HZ = const(100)  # a slice of the RP2040 goes no lower than 8 Hz
_TONE_HIGHEST_HZ = const(10_000)

# The proof of the barriers. The switch's drop-out is at most 40 ms, so that after
# the lease and a little more the power is gone. [E]
_POWER_GONE_MS = const(60)
_POWER_UP_MS = const(100)
_STEADY_MS = const(100)
# A comparator and the switch it opens need microseconds; the rest is decay. [E]
_COMPARATOR_MS = const(20)

# What the last restart left behind.
_NO_RESTART = b"\x00"
_RESTART = b"\x01"
_INTO_SERVICE = b"\x02"


class PinBoard(RunningBoard):
    """What both chips share. A chip adds the methods at the end.

    WiringError, before any pin is touched, for a wiring that the chip cannot do.
    """

    CHIP = NO_PIN  # of `hal.wiring`
    WATCHDOG_HIGHEST_MS = 0  # 0: there is none

    def __init__(
        self, wiring: Wiring, tick_period_ms: int, adc_reference_mv: int = 3_300
    ) -> None:
        if wiring.chip != self.CHIP:
            raise WiringError("chip", "this wiring is not for the chip of this board")
        for role, problem in broken_rules(wiring):
            raise WiringError(role, problem)
        # The first thing that any pin does: what could pull or blow is off, and
        # what would give it power stands still.
        self._pump_pin = Pin(wiring.pump, Pin.OUT, value=0)
        self._feed_pin = Pin(wiring.feed, Pin.OUT, value=0)
        self._vent_pin = Pin(wiring.vent, Pin.OUT, value=0)
        self._heartbeat_pin = Pin(wiring.heartbeat, Pin.OUT, value=0)
        self._output_pins = (self._pump_pin, self._feed_pin, self._vent_pin)
        # Methods are kept, since to look one up as a value allocates.
        self._set_pump = PWM(self._pump_pin, freq=wiring.pump_pwm_hz, duty_u16=0).duty_u16
        self._set_feed = self._feed_pin.value
        self._set_vent = self._vent_pin.value
        self._outputs_are_safe = 1
        self._ctrl_c: KeyboardInterrupt | None = None  # struck in `make_safe`
        self.output_errors = 0  # times that an output could not be set
        self._feed_period_ms = wiring.feed_period_ms
        self._feed_phase_ms = 0
        # Ticks then open the valve for its share on average, not for too long.
        self._half_tick_ms = tick_period_ms >> 1
        self._power_sense = Pin(wiring.power_sense, Pin.IN)
        self._comparator_test = _signal(wiring.comparator_test)

        self._footswitch = Pin(wiring.footswitch, Pin.IN, Pin.PULL_UP).value
        buttons: list = []
        for bit, role in _BUTTONS:
            pin = getattr(wiring, role)
            if pin != NO_PIN:
                buttons.append((bit, Pin(pin, Pin.IN, Pin.PULL_UP)))
        self._buttons = tuple(buttons)
        self._led_ready = _signal(wiring.led_ready)
        self._led_fault = _signal(wiring.led_fault)
        buzzer = _signal(wiring.buzzer)
        self._buzzer = None if buzzer is None else PWM(buzzer, freq=_TONE_HZ, duty_u16=0)
        self._tone_hz = 0

        self._period_ms = tick_period_ms
        self._tick: Tick | None = None
        self._is_ticking = False
        self.ticks = 0
        self.overruns = 0
        self.tick_error: BaseException | None = None
        self._now_ms = 0
        self._dt_ms = tick_period_ms
        self._sampled_ms = ticks_ms()
        self._excused_ms = 0
        self._window_ms = self._sampled_ms  # when the storage window was opened
        self._watchdog: WDT | None = None
        self._fed_ticks = 0

        self.barometer_pa = 0
        self.barometer_age_ms = AGE_HIGHEST_MS
        self.motion = MOTION_UNKNOWN
        self.motion_age_ms = AGE_HIGHEST_MS
        self.digital_vacuum_pa = 0
        self.digital_vacuum_age_ms = AGE_HIGHEST_MS
        self.sensor_fault = SENSORS_FINE
        self._barometer = Bmp280()
        self._motion_sensor = _motion_sensor(wiring.motion_sensor)
        self._gauge = _gauge(wiring.digital_vacuum)
        devices: list = [self._barometer]
        for device in (self._motion_sensor, self._gauge):
            if device is not None:
                devices.append(device)
        self._start_chip(wiring, adc_reference_mv)
        self._bus = Bus(wiring.i2c_sda, wiring.i2c_scl, self._open_bus, tuple(devices))

        self.storage = FlashStorage(STATE_FOLDER, "pass_record", self)
        self.boot_storage = FlashStorage(STATE_FOLDER, "boot_record", self)
        self.journal_storage = FlashStorage(STATE_FOLDER, "journal", self)
        self.ledger_storage = FlashStorage(STATE_FOLDER, "ledger", self)
        self.device_id = hexlify(unique_id()).decode()
        self._mark = FlashStorage(STATE_FOLDER, "restart", self)
        self.lost_marks = 0  # marks of a restart that could not be read or kept
        mark = self._take_mark()
        self.reset_cause = RESET_ASKED if mark != _NO_RESTART else self._cause()
        # What is held now was not pressed. END at power-on asks for SERVICE.
        self._buttons_low = self._look_at_buttons()
        self.buttons_down = self._buttons_low
        self._buttons_fresh = 0
        self.in_service = 1 if mark == _INTO_SERVICE or self._buttons_low & BUTTON_END else 0
        if wiring.purpose == BENCH:
            self.in_service = 1  # at every start, whatever the last one asked for

    # The tick: nothing here allocates ------------------------------------------

    def sample(self, readings: Readings) -> None:
        """Fill `readings` from pins, converters and the mailbox."""
        ms = ticks_ms()
        passed_ms = ticks_diff(ms, self._sampled_ms)
        self._sampled_ms = ms
        self._now_ms = (self._now_ms + passed_ms) & NOW_MASK
        dt_ms = passed_ms - self._excused_ms
        self._excused_ms = 0
        if dt_ms > self._period_ms << 1:
            self.overruns = (self.overruns + 1) & NOW_MASK
        if dt_ms < 1:
            dt_ms = 1
        elif dt_ms > DT_HIGHEST_MS:
            dt_ms = DT_HIGHEST_MS
        self._dt_ms = dt_ms
        readings.now_ms = self._now_ms
        readings.dt_ms = dt_ms
        self._read_counts(readings)
        readings.footswitch = SWITCH_RELEASED if self._footswitch() else SWITCH_PRESSED
        age_ms = self.barometer_age_ms + passed_ms
        self.barometer_age_ms = age_ms if age_ms < AGE_HIGHEST_MS else AGE_HIGHEST_MS
        readings.barometer_pa = self.barometer_pa
        readings.barometer_age_ms = self.barometer_age_ms
        age_ms = self.motion_age_ms + passed_ms
        self.motion_age_ms = age_ms if age_ms < AGE_HIGHEST_MS else AGE_HIGHEST_MS
        readings.motion = self.motion if age_ms < _MOTION_STALE_MS else MOTION_UNKNOWN
        age_ms = self.digital_vacuum_age_ms + passed_ms
        self.digital_vacuum_age_ms = age_ms if age_ms < AGE_HIGHEST_MS else AGE_HIGHEST_MS

    def drive(self, outputs: Outputs) -> None:
        """Drive the pins and keep the heartbeat toggling; without a lease, be safe."""
        # The valve's period goes on while it is shut, so that many short strokes
        # do not each begin with an open valve.
        self._feed_phase_ms = (self._feed_phase_ms + self._dt_ms) % self._feed_period_ms
        if outputs.lease_ms <= 0:
            self.make_safe()
            return
        pump = outputs.pump_permille
        if pump < 0:
            pump = 0
        elif pump > FULL_PERMILLE:
            pump = FULL_PERMILLE
        feed = outputs.feed_permille
        is_open = 0
        if feed >= FULL_PERMILLE:
            is_open = 1
        elif feed > 0:
            open_ms = feed * self._feed_period_ms // FULL_PERMILLE
            is_open = 1 if self._feed_phase_ms + self._half_tick_ms < open_ms else 0
        # Before a pin moves, so that a fault in between is not taken for safe.
        self._outputs_are_safe = 1 if outputs.are_safe() else 0
        self._set_feed(is_open)
        self._set_vent(1 if outputs.vent == VENT_CLOSED else 0)
        self._set_pump(pump * RAW_FULL_SCALE // FULL_PERMILLE)
        self._beat()

    def make_safe(self) -> None:
        """Pump off, feed closed, vent open, heartbeat stopped. Never raises."""
        try:
            self._lower_outputs()
        except KeyboardInterrupt as ctrl_c:
            # Ctrl-C in the main loop: the next pause tells it.
            self._ctrl_c = ctrl_c
            self._make_safe_once_more()
        except BaseException:  # noqa: BLE001 - counted there; the others must follow
            self._make_safe_one_by_one()

    def _lower_outputs(self) -> None:
        self._set_pump(0)
        self._set_feed(0)
        self._set_vent(0)
        self._hush()
        self._outputs_are_safe = 1

    def _make_safe_once_more(self) -> None:
        try:
            self._lower_outputs()
        except BaseException:  # noqa: BLE001 - counted there; the others must follow
            self._make_safe_one_by_one()

    def is_safe(self) -> bool:
        """True while nothing the board drives can pull a vacuum or move a crystal."""
        return self._outputs_are_safe != 0

    def _make_safe_one_by_one(self) -> None:
        """An output refused. Each by itself then; a PWM that does not obey loses
        its pin."""
        self.output_errors += 1
        is_safe = 1
        for pin in self._output_pins:  # a tuple made here would need memory
            try:
                pin.init(Pin.OUT, value=0)
            except BaseException:  # noqa: BLE001 - kept in is_safe
                is_safe = 0
        self._outputs_are_safe = is_safe
        try:
            self._hush()
        except BaseException:  # noqa: BLE001 - it ends by itself when no tick feeds it
            self.output_errors += 1

    def _run_tick(self) -> None:
        """Call the tick. Whatever it raises ends the ticks, with safe outputs."""
        tick = self._tick
        if tick is None:
            self.make_safe()
            return
        try:
            tick()
            self.ticks = (self.ticks + 1) & NOW_MASK
        except BaseException as error:  # noqa: BLE001 - it would silence a hard timer
            self.make_safe()
            self._tick = None
            self.tick_error = error

    # Beginning and end -----------------------------------------------------------

    def start(self, tick) -> None:  # type: ignore[no-untyped-def]
        """Call `tick` every period from now on; the time until now is excused."""
        self._tick = tick
        self._excused_ms = ticks_diff(ticks_ms(), self._sampled_ms)
        self._is_ticking = True
        self._start_ticks()

    def stop(self) -> None:
        """No tick any more, outputs safe, heartbeat stopped, pump PWM ended.

        A PWM that is only disabled, as by a soft reset of the RP2040, keeps the
        level at which it was caught. So: no duty, the period to its end, and the
        pin is taken back. A new board is needed after it.
        """
        self._is_ticking = False
        self._tick = None
        self.make_safe()
        try:
            self._stop_ticks()
            sleep_us(_PWM_PERIOD_US)
            self._pump_pin.init(Pin.OUT, value=0)
            self.show(0, 0, 0)
        except BaseException:  # noqa: BLE001 - safe already, and a tick finds nothing to call
            self.output_errors += 1

    def restart(self, into_service: int) -> None:
        """Safe, then a reset of the processor. Does not return."""
        self.stop()
        try:
            self._mark.commit(_INTO_SERVICE if into_service else _RESTART)
        except (OSError, StorageRefused):
            # Without the mark the next start is an ordinary one, and safe as well.
            self.lost_marks += 1
        reset()

    def _take_mark(self) -> bytes:
        """What the restart before left behind, for this start alone."""
        try:
            mark = self._mark.load() or _NO_RESTART
            if mark == _NO_RESTART:
                return mark
        except OSError:
            self.lost_marks += 1
            mark = _NO_RESTART
        try:
            self._mark.commit(_NO_RESTART)
        except (OSError, StorageRefused):
            self.lost_marks += 1
        return mark

    def watch(self, timeout_ms: int) -> None:
        """Start the watchdog. Nothing but a reset ends it."""
        if 0 < self.WATCHDOG_HIGHEST_MS < timeout_ms:
            timeout_ms = self.WATCHDOG_HIGHEST_MS
        self._watchdog = WDT(timeout=timeout_ms)
        self._fed_ticks = self.ticks

    def feed_watchdog(self) -> None:
        """Feed it, if a tick came since it was fed last."""
        if self._watchdog is not None and self.ticks != self._fed_ticks:
            self._fed_ticks = self.ticks
            self._watchdog.feed()

    def prove_barriers(self) -> int:
        """See the hardware take the power away, before `start`: one BARRIER_.

        Takes about 350 ms. The actuators have power meanwhile, and no signal.
        """
        try:
            return self._see_barriers()
        finally:
            self.make_safe()
            if self._comparator_test is not None:
                self._comparator_test.value(0)

    def _see_barriers(self) -> int:
        self.make_safe()
        sleep_ms(_POWER_GONE_MS)
        if self._power_sense.value():
            return BARRIER_STUCK_ON
        if not self._beat_until(1, _POWER_UP_MS) or self._beat_until(0, _STEADY_MS):
            return BARRIER_STUCK_OFF
        self._beat()
        stopped_ms = ticks_ms()
        while self._power_sense.value():
            if ticks_diff(ticks_ms(), stopped_ms) > LEASE_MS:
                return BARRIER_SLOW
            sleep_ms(1)
        if self._comparator_test is not None:
            if not self._beat_until(1, _POWER_UP_MS):
                return BARRIER_STUCK_OFF
            self._comparator_test.value(1)
            if not self._beat_until(0, _COMPARATOR_MS):
                return BARRIER_COMPARATOR
            # It stays tripped until the heartbeat has dropped out.
            self.make_safe()
            self._comparator_test.value(0)
            sleep_ms(_POWER_GONE_MS)
        return BARRIERS_FINE

    def _beat_until(self, level: int, longest_ms: int) -> bool:
        """The heartbeat as ticks give it, until the power is on (1) or gone (0)."""
        begun_ms = ticks_ms()
        beaten_ms = ticks_add(begun_ms, -self._period_ms)
        while self._power_sense.value() != level:
            now_ms = ticks_ms()
            if ticks_diff(now_ms, begun_ms) > longest_ms:
                return False
            if ticks_diff(now_ms, beaten_ms) >= self._period_ms:
                beaten_ms = now_ms
                self._beat()
            sleep_ms(1)
        return True

    # The main loop ---------------------------------------------------------------

    def pause(self) -> None:
        """The main loop's pause of about 20 ms."""
        self._tell_ctrl_c()
        sleep_ms(PAUSE_MS)

    def _tell_ctrl_c(self) -> None:
        """Raise the Ctrl-C that struck while the outputs were made safe."""
        ctrl_c = self._ctrl_c
        if ctrl_c is not None:
            self._ctrl_c = None
            raise ctrl_c

    def poll(self) -> None:
        """One turn of the bus into the mailbox, and a look at the buttons."""
        self._bus.poll()
        barometer = self._barometer
        if barometer.is_fresh:
            barometer.is_fresh = False
            self.barometer_pa = barometer.pressure_pa
            self.barometer_age_ms = 0
        motion_sensor = self._motion_sensor
        if motion_sensor is not None and motion_sensor.is_fresh:
            motion_sensor.is_fresh = False
            self.motion = motion_sensor.motion
            self.motion_age_ms = 0
        gauge = self._gauge
        if gauge is not None and gauge.is_fresh:
            gauge.is_fresh = False
            self.digital_vacuum_pa = gauge.vacuum_pa
            self.digital_vacuum_age_ms = 0
        self.sensor_fault = self._bus.fault()
        # Two looks in a row must agree: contacts bounce for less than a turn. [E]
        low = self._look_at_buttons()
        down = low & self._buttons_low | self.buttons_down & (low | self._buttons_low)
        self._buttons_fresh |= down & ~self.buttons_down
        self._buttons_low = low
        self.buttons_down = down

    def buttons_pressed(self) -> int:
        """BUTTON_ bits pressed since the last call."""
        fresh = self._buttons_fresh
        self._buttons_fresh = 0
        return fresh

    def _look_at_buttons(self) -> int:
        low = 0
        for bit, pin in self._buttons:
            if not pin.value():
                low |= bit
        return low

    def show(self, led_ready: int, led_fault: int, tone_hz: int) -> None:
        """Set the lights, and the tone of the buzzer; 0 is silence."""
        if self._led_ready is not None:
            self._led_ready.value(led_ready)
        if self._led_fault is not None:
            self._led_fault.value(led_fault)
        if self._buzzer is None or tone_hz == self._tone_hz:
            return
        self._tone_hz = tone_hz
        if tone_hz > 0:
            self._buzzer.freq(min(max(tone_hz, _TONE_LOWEST_HZ), _TONE_HIGHEST_HZ))
            self._buzzer.duty_u16(_HALF_DUTY)
        else:
            self._buzzer.duty_u16(0)

    # Storage -----------------------------------------------------------------------

    def open_storage_window(self) -> bool:
        """Stop the tick for a write. False, with the tick going on, unless safe."""
        if self._is_ticking:
            self._stop_ticks()
        if self._outputs_are_safe:
            self.make_safe()
        if not self._outputs_are_safe:
            if self._is_ticking:
                self._start_ticks()
            return False
        self._window_ms = ticks_ms()
        return True

    def close_storage_window(self) -> None:
        """Let the tick go on; the gap is excused in the next `dt_ms`."""
        self._excused_ms += ticks_diff(ticks_ms(), self._window_ms)
        if self._is_ticking:
            self._start_ticks()

    # What a chip adds ----------------------------------------------------------------

    def _start_chip(self, wiring: Wiring, adc_reference_mv: int) -> None:
        """Heartbeat, converters and timer; the outputs are safe already."""
        raise NotImplementedError

    def _cause(self) -> int:
        """Why the chip started: one RESET_."""
        raise NotImplementedError

    def _open_bus(self):  # type: ignore[no-untyped-def]
        """A new object for the I2C of the wiring, with a short timeout."""
        raise NotImplementedError

    def _read_counts(self, readings: Readings) -> None:
        """Fill the three raw counts; without a sensor B (of a bench rig) its count is
        plainly that of A. No allocation."""
        raise NotImplementedError

    def _beat(self) -> None:
        """Keep the heartbeat toggling until the next tick. No allocation."""
        raise NotImplementedError

    def _hush(self) -> None:
        """No edge of the heartbeat any more, and the pin low. No allocation."""
        raise NotImplementedError

    def _start_ticks(self) -> None:
        """`_run_tick` every period from now on."""
        raise NotImplementedError

    def _stop_ticks(self) -> None:
        """No `_run_tick` any more; those that fell due are dropped."""
        raise NotImplementedError


# Sensors that are an option cost memory only where they are wired.


def _motion_sensor(kind: int):  # type: ignore[no-untyped-def]
    """The motion sensor, by the wiring's `motion_sensor`, or None."""
    if not kind:
        return None
    from hal.sensors.lis3dh import Lis3dh

    return Lis3dh()


def _gauge(kind: int):  # type: ignore[no-untyped-def]
    """The digital vacuum sensor, by the wiring's `digital_vacuum`, or None."""
    if not kind:
        return None
    if kind == _ABP2:
        from hal.sensors.abp2 import Abp2

        return Abp2()
    from hal.sensors.xgzp6897d import Xgzp6897d

    return Xgzp6897d()


def _signal(pin: int) -> Pin | None:
    """A low output, or None where nothing is wired."""
    return None if pin == NO_PIN else Pin(pin, Pin.OUT, value=0)
