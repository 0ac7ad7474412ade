"""Vacuum regulator: set vacuum to pump drive, as fast as the pump allows.

The pump's speed follows its drive with a lag, so the vacuum coasts on after the
drive is cut. The fastest rise is full drive until that coast would end at the
set vacuum, then none, then what holds it. On sealed skin

    rate = rise * (speed - hold speed at this vacuum) * what the pump has left

where the speed is worked out from the drives given, `hold` is a straight line
between its values at level 1 and level 10, and `rise`, the vacuum that full
speed makes, is learnt: while the pump spins up, by what the vacuum did over
what the pump pushed for it, both seen through the same low-pass, so that
neither lags behind the other. What a tip that was lifted shortly gets back from
the canister, which still holds some, is not the pump's and teaches nothing. Once
the pump runs at full speed, and near the set vacuum, what `hold` gets wrong is
learnt as a share of it.

    SEARCH  the tip is open: drive from which a sealing tip coasts to less than
            the set vacuum, and nothing is learnt. An integral that went on would
            slam the next contact (a simulated plain PI reached 22 kPa for 10)
    RISE    full drive; back to SEARCH if the vacuum does not follow
    BRAKE   no drive, until the speed is down to what holds the set vacuum
    HOLD    hold + gain * error, seen ahead by the rate, and the integral

Suction begins with RISE: the pump stands still, and if the tip is open, that is
plain before the pump is fast enough to matter.

Every product is below 2^30: vacuums are bounded here, speeds are at most 1000
permille (64,000 in 1/64), rates at most 6400 in 1/16 Pa/ms; the largest product
of each kind is noted where it is made.
"""

from micropython import const

from firmware import limits
from firmware.settings import Settings
from hal.contract import FULL_PERMILLE

_LOW_PA = limits.LEVEL_VACUUM_PA[0]
_SPAN_PA = limits.LEVEL_VACUUM_PA[9] - _LOW_PA

_SEARCH = const(0)
_RISE = const(1)
_BRAKE = const(2)
_HOLD = const(3)

# What a sensor or a late tick may say beyond these is not worth following.
_READ_LOW_PA = const(-5_000)
_READ_HIGH_PA = const(65_000)
_LATEST_MS = const(50)

# Speeds are kept in 1/64 permille, vacuums that moved in 1/16 Pa, rates and the
# rise in 1/16 Pa/ms.
_SPEED_BITS = const(6)
_MOVED_BITS = const(4)
# What moved and what was pushed is looked at over this time: long enough for the
# ADC's noise, short beside the pump's lag of 0.15 s. [E]
_LATELY_MS = const(40)
_MOVED_HIGHEST = const(600_000)
# The sensor's tube and filter lag by 5 to 10 ms; the median adds a tick. [E]
_SEEN_MS = const(8)
# Vacuum at which the pump has nothing left: 0.8 of the air pressure at sea level. [E]
_NOTHING_LEFT_PA = const(80_000)
_LEFT_LEAST = const(150)

# Vacuum gained at full speed, 1/16 Pa/ms. 80 Pa/ms is 30 L/min on 0.65 L; a new
# pump on 0.2 L makes 250, a worn one on 1.2 L in the mountains 26. The first
# guess is high, which errs towards a slow search. [E]
_RISE_LOWEST = const(20 << 4)
_RISE_FIRST = const(150 << 4)
_RISE_HIGHEST = const(400 << 4)
# The rise learnt so far weighs as much as this push, in permille ms. [E]
_RISE_WEIGHT = const(10_000)
# It is learnt while the pump is this many times faster than it needs to hold,
# and the hold above this speed. [E]
_FASTER = const(3)
_FULL_SPEED = const(900)
# The hold is learnt within this time of the rise, and corrected by at most these
# shares, in ppm. [E]
_HOLD_MS = const(300)
_HOLD_LOWEST = const(-500_000)
_HOLD_HIGHEST = const(1_500_000)
_HOLD_SPEED_LEAST = const(20)

# An open tip shows 0.7 kPa at full drive, one of 4 mm 1.7; a sealing one shows
# more, and rises. [E]
_SEALING_PA = const(1_000)
_SEALING_RATE = const(6 << 4)
_SEALED_PA = const(2_000)
_OPEN_PA = const(1_200)
# The slowest plant makes this of full speed; half of it is enough to go on with
# full drive, from when it could be seen up to 4 kPa, more than an open tip shows. [E]
_EXPECTED_RATE = const(26 << 4)
_EXPECTED_FIRST_PA = const(700)
_EXPECTED_LAST_PA = const(8_000)
# After a lift it begins below nothing, and has come up to it, 1 Pa/ms, when the canister
# is as empty as it will be. While it is below, no rise is the pump's alone: for 25 ms of
# full speed at most, which is what a jump takes behind tube, filter and median. [E]
_EXPECTED_LIFTED = const(-600 << 4)
_EXPECTED_LIFTED_RATE = const(1 << 4)
# What the search leaves between coast and set vacuum, and how long a sealing
# tip rises at the search's speed besides the coast. [E]
_SEARCH_SPARE_PA = const(2_500)
_SEARCH_MS = const(25)

# The coast may end this far above the set vacuum: an early brake costs more. [E]
_OVER_PA = const(300)
# Within this of the set vacuum HOLD does without full drive; if a braked rise
# would end this far below, the brake was early. [E]
_NEAR_PA = const(2_000)
_SHORT_PA = const(800)
# Least lead of HOLD, for the lag of the pump. [E]
_LEAD_MS = const(60)


class VacuumRegulator:
    """The regulator; `drive_permille` is its wish, 0..1000."""

    STATE = (
        "drive_permille",
        "phase",
        "hold_ppm",
        "rise",
        "_speed",
        "_speed_seen",
        "_vacuum_pa",
        "_moved",
        "_pushed",
        "_expected",
        "_set_pa",
        "_set_line",
    )

    def __init__(self, settings: Settings) -> None:
        start = settings.pump_start_permille
        self._start = start
        self._range = FULL_PERMILLE - start
        self._lag_ms = settings.pump_lag_ms
        # Speeds that hold level 1 and level 10.
        self._low = (settings.hold_low_permille - start) * FULL_PERMILLE // self._range
        high = (settings.hold_high_permille - start) * FULL_PERMILLE // self._range
        self._slope = high - self._low
        self._gain = settings.gain_permille_per_kpa
        self._integral = settings.integral_permille_per_kpa_s
        self._search = settings.search_permille
        self.drive_permille = 0
        self.phase = _RISE
        self.hold_ppm = 0  # what the hold needs more than the settings say
        self.rise = _RISE_FIRST
        self._speed = 0  # of the pump
        self._speed_seen = 0  # the speed that made the vacuum now read
        self._vacuum_pa = 0  # of the tick before
        self._moved = 0  # what the vacuum did lately
        self._pushed = 0  # what the pump pushed lately, in permille ms
        self._expected = 0  # what the slowest plant would show by now, in 1/16 Pa; or below
        self._set_pa = 0  # that the next is for
        self._set_line = 0

    def step(self, set_pa: int, vacuum_pa: int, on_skin: int, dt_ms: int) -> None:
        """One tick; `set_pa` 0 means no suction."""
        if vacuum_pa < _READ_LOW_PA:
            vacuum_pa = _READ_LOW_PA
        elif vacuum_pa > _READ_HIGH_PA:
            vacuum_pa = _READ_HIGH_PA
        if dt_ms > _LATEST_MS:
            dt_ms = _LATEST_MS
        line = self._line(vacuum_pa)
        # Permille of its flow that the pump has left at this vacuum.
        left = 1000 - vacuum_pa * 1000 // _NOTHING_LEFT_PA
        if left < _LEFT_LEAST:
            left = _LEFT_LEAST
        rate = self._follow(set_pa, vacuum_pa, line, left, dt_ms)
        if set_pa == 0:
            self.drive_permille = 0
            self.phase = _RISE
            self._expected = 0
            return
        if set_pa != self._set_pa:
            self._set_pa = set_pa
            self._set_line = self._line(set_pa)

        # Where the vacuum is by now, and where it would go without drive. With
        # p the push and s the speed, the coast is rate * lag * (1 - ln(s / (s - p))
        # * (s - p) / p); 7 p / (14 s - 6 p) is that within 4 %.
        speed = self._speed >> _SPEED_BITS
        now_pa = vacuum_pa + (rate * (_SEEN_MS + dt_ms) >> _MOVED_BITS)
        coast_pa = 0
        if rate > 0 and speed > 0:
            push = rate * 1000 // (self.rise * left // 1000)  # 6400 * 1000
            if push > speed:
                push = speed
            share = 7_000 * push // (14 * speed - 6 * push)
            coast_pa = (rate * self._lag_ms >> _MOVED_BITS) * share // 1000  # 160,000 * 875
        short_pa = set_pa - now_pa - coast_pa

        phase = self._next_phase(set_pa, vacuum_pa, line, on_skin, rate, short_pa, dt_ms)
        self.phase = phase
        if phase == _RISE:
            self.drive_permille = FULL_PERMILLE
            return
        if phase == _BRAKE:
            self.drive_permille = 0
            return
        if phase == _SEARCH:
            # At this speed a sealing tip is felt, braked, and coasts for about
            # two thirds of the lag.
            spare_pa = set_pa - _SEARCH_SPARE_PA
            speed = (spare_pa << _MOVED_BITS) * 1000 // (  # 63,000 * 16 * 1000
                self.rise * (_SEARCH_MS + self._lag_ms * 2 // 3)
            )
            drive = self._start + self._range * speed // 1000
            if drive > self._search:
                drive = self._search
        else:
            line = self._set_line
            error_pa = set_pa - vacuum_pa
            # A pump that gives all it has need not be asked for more.
            can_give = error_pa < 0 or self.drive_permille < FULL_PERMILLE
            if on_skin and can_give and -_NEAR_PA <= error_pa <= _NEAR_PA:
                # Drive as a share of the hold's: 1000 * 2000 * 50.
                self._correct(
                    self._integral * error_pa * dt_ms // (self._range * line // 1000 + 1)
                )
            lead_pa = rate * _LEAD_MS >> _MOVED_BITS
            if rate < 0 or lead_pa > coast_pa:
                coast_pa = lead_pa
            speed = line + line * (self.hold_ppm // 1000) // 1000
            drive = self._start + self._range * speed // 1000
            drive += self._gain * (set_pa - now_pa - coast_pa) // 1000
        if drive < 0:
            drive = 0
        elif drive > FULL_PERMILLE:
            drive = FULL_PERMILLE
        self.drive_permille = drive

    def _line(self, vacuum_pa: int) -> int:
        """Speed that the settings say holds this vacuum."""
        line = self._low + self._slope * (vacuum_pa - _LOW_PA) // _SPAN_PA  # 1000 * 55,000
        return line if line > _HOLD_SPEED_LEAST else _HOLD_SPEED_LEAST

    def _correct(self, ppm: int) -> None:
        ppm += self.hold_ppm
        if ppm > _HOLD_HIGHEST:
            ppm = _HOLD_HIGHEST
        elif ppm < _HOLD_LOWEST:
            ppm = _HOLD_LOWEST
        self.hold_ppm = ppm

    def _follow(
        self, set_pa: int, vacuum_pa: int, line: int, left: int, dt_ms: int
    ) -> int:
        """Follow pump and vacuum, learn from a rise; the rate by now."""
        target = self.drive_permille - self._start
        target = (target * 1000 << _SPEED_BITS) // self._range if target > 0 else 0
        speed = self._speed
        speed += (target - speed) * dt_ms * 2 // (2 * self._lag_ms + dt_ms)  # 64,000 * 100
        self._speed = speed
        seen = self._speed_seen
        seen += (speed - seen) * dt_ms // (_SEEN_MS + 2 * dt_ms)
        self._speed_seen = seen
        speed >>= _SPEED_BITS
        seen >>= _SPEED_BITS

        hold = line + line * (self.hold_ppm // 1000) // 1000
        if hold > 1000:
            hold = 1000
        keep_ms = _LATELY_MS + dt_ms
        moved = self._moved + (vacuum_pa - self._vacuum_pa << _MOVED_BITS)
        self._vacuum_pa = vacuum_pa
        if moved > _MOVED_HIGHEST:
            moved = _MOVED_HIGHEST
        elif moved < -_MOVED_HIGHEST:
            moved = -_MOVED_HIGHEST
        moved = moved * _LATELY_MS // keep_ms  # 600,000 * 40
        self._moved = moved
        pushed = self._pushed + (seen - hold) * left // 1000 * dt_ms
        pushed = pushed * _LATELY_MS // keep_ms  # 90,000 * 40
        if self._expected < 0 and self.phase == _RISE:
            # The canister's jump: the rate is what the pump pushes, by the rise learnt before.
            moved = pushed = self._moved = 0
        self._pushed = pushed

        rise = self.rise
        # Only from more than an open tip shows, which looks like a huge canister.
        if set_pa and self.phase == _RISE and vacuum_pa > _SEALED_PA:
            if seen > _FASTER * line:
                if moved > 0 and pushed > 0:
                    # 600,000 * 1000 + 6400 * 10,000
                    rise = (moved * 1000 + rise * _RISE_WEIGHT) // (pushed + _RISE_WEIGHT)
                    if rise < _RISE_LOWEST:
                        rise = _RISE_LOWEST
                    elif rise > _RISE_HIGHEST:
                        rise = _RISE_HIGHEST
                    self.rise = rise
            elif seen > _FULL_SPEED and moved > -(_SEALING_RATE * _LATELY_MS):
                # What was pushed and did not move went into holding.
                held = pushed - moved * 1000 // (rise * left // 1000)
                if held > 40_000:
                    held = 40_000
                elif held < -40_000:
                    held = -40_000
                # 40,000 * 50; then 167,000 * 1000
                self._correct(held * dt_ms // (_LATELY_MS * _HOLD_MS // 1000) * 1000 // line)

        # What moved lately, and what the push has changed since: 6400 * 80,000.
        push = (speed - hold) * left // 1000
        rate = (moved + rise * (_LATELY_MS * push - pushed) // 1000) // _LATELY_MS
        return rate if rate < _RISE_HIGHEST else _RISE_HIGHEST

    def _next_phase(
        self,
        set_pa: int,
        vacuum_pa: int,
        line: int,
        on_skin: int,
        rate: int,
        short_pa: int,
        dt_ms: int,
    ) -> int:
        """The phase of this tick; `short_pa` is what a coast from here would
        leave below the set vacuum."""
        phase = self.phase
        if phase == _SEARCH:
            sealed = on_skin or vacuum_pa > _SEALED_PA
            if vacuum_pa < _SEALING_PA or rate < (-_SEALING_RATE if sealed else _SEALING_RATE):
                if self._expected < 0:
                    self._expected += _EXPECTED_LIFTED_RATE * dt_ms
                return _SEARCH
            if self._expected > 0:
                self._expected = 0
            phase = _RISE
        elif phase == _RISE:
            expected = self._expected + (
                _EXPECTED_RATE * (self._speed_seen >> _SPEED_BITS) // 1000 * dt_ms
            )
            if expected > _EXPECTED_LAST_PA << _MOVED_BITS:
                expected = _EXPECTED_LAST_PA << _MOVED_BITS
            self._expected = expected
            if expected > _EXPECTED_FIRST_PA << _MOVED_BITS and (
                vacuum_pa < expected >> (_MOVED_BITS + 1)
            ):
                return _SEARCH
        elif vacuum_pa < _OPEN_PA:
            self._expected = _EXPECTED_LIFTED
            return _SEARCH
        # Falling twice as fast as a sealed tip with the pump at rest: lifted.
        # 2 * 1000 * 6400 * 40
        if self._moved * 1000 < -_LATELY_MS * (2 * line * self.rise + 1000 * _SEALING_RATE):
            self._expected = _EXPECTED_LIFTED
            return _SEARCH
        if phase == _RISE:
            return _BRAKE if short_pa <= -_OVER_PA else _RISE
        if phase == _BRAKE:
            if short_pa > _SHORT_PA:
                return _RISE
            line = self._set_line
            if rate > 0 and self._speed >> _SPEED_BITS > line + line * (
                self.hold_ppm // 1000
            ) // 1000:
                return _BRAKE
            return _HOLD
        if set_pa - vacuum_pa > _NEAR_PA and short_pa > _SHORT_PA:
            return _RISE
        return _HOLD
