"""Vacuum regulator: set vacuum to pump drive."""

from micropython import const

from firmware import limits
from firmware.settings import Settings
from hal.contract import FULL_PERMILLE

_LOW_PA = limits.LEVEL_VACUUM_PA[0]
_HIGH_PA = limits.LEVEL_VACUUM_PA[9]

SEARCH = const(0)
RISE = const(1)
BRAKE = const(2)
HOLD = const(3)

_READ_LOW_PA = const(-5_000)
_READ_HIGH_PA = const(65_000)
_DT_HIGHEST_MS = const(50)
_BITS = const(6)  # speeds in 1/64 permille
_RATE_MS = const(40)
_SEEN_MS = const(8)  # lag of the sensor's tube and filter
_WANE_PA = const(80_000)  # the pump's flow is gone at this vacuum

_RISE_FIRST = const(150 * 16)
_RISE_LOW = const(15 * 16)
_RISE_HIGH = const(400 * 16)

_LEARN_MS = const(3_000)  # permille ms of prior

_SEALED_PA = const(1_000)
_SEALED_RATE = const(6 * 16)
_OPEN_PA = const(1_200)
_RISE_LEAST = const(26 * 16)
_TOO_EARLY_PA = const(700)

_TARGET_PA = const(200)
_AGAIN_PA = const(800)

_MICRO = const(1_000_000)


class VacuumRegulator:
    """The regulator; `drive_permille` is its wish, 0..1000."""

    STATE = (
        "drive_permille", "phase", "integral_micro", "rise_16",
        "_speed", "_speed_seen", "_vacuum_pa", "_moved", "_pushed", "_expected",
    )

    def __init__(self, settings: Settings) -> None:
        self._hold_low = settings.hold_low_permille
        self._hold_high = settings.hold_high_permille
        self._gain = settings.gain_permille_per_kpa
        self._integral_gain = settings.integral_permille_per_kpa_s
        self._search = settings.search_permille
        self._start = 110
        self._lag_ms = 150
        self.drive_permille = 0
        self.phase = SEARCH
        self.integral_micro = 0
        self.rise_16 = _RISE_FIRST
        self._speed = 0
        self._speed_seen = 0
        self._vacuum_pa = 0
        self._moved = 0
        self._pushed = 0
        self._expected = 0

    def _hold(self, vacuum_pa: int) -> int:
        hold = self._hold_low + (self._hold_high - self._hold_low) * (vacuum_pa - _LOW_PA) // (
            _HIGH_PA - _LOW_PA
        )
        hold += hold * (self.integral_micro >> 10) // 1000
        return hold

    def step(self, set_pa: int, vacuum_pa: int, on_skin: int, dt_ms: int) -> None:
        """One tick; `set_pa` 0 means no suction."""
        if vacuum_pa < _READ_LOW_PA:
            vacuum_pa = _READ_LOW_PA
        elif vacuum_pa > _READ_HIGH_PA:
            vacuum_pa = _READ_HIGH_PA
        if dt_ms > _DT_HIGHEST_MS:
            dt_ms = _DT_HIGHEST_MS
        start = self._start
        per = FULL_PERMILLE - start
        # the pump
        target = self.drive_permille - start
        target = (target * FULL_PERMILLE << _BITS) // per if target > 0 else 0
        speed = self._speed
        speed += (target - speed) * dt_ms * 2 // (2 * self._lag_ms + dt_ms)
        self._speed = speed
        seen = self._speed_seen
        seen += (speed - seen) * dt_ms // (_SEEN_MS + 2 * dt_ms)
        self._speed_seen = seen
        speed >>= _BITS
        seen >>= _BITS

        hold_here = (self._hold(vacuum_pa) - start) * FULL_PERMILLE // per
        if hold_here < 0:
            hold_here = 0
        left = FULL_PERMILLE - vacuum_pa * 1000 // _WANE_PA
        if left < 100:
            left = 100
        keep = _RATE_MS + dt_ms
        moved = (self._moved + (vacuum_pa - self._vacuum_pa << 4)) * _RATE_MS // keep
        self._moved = moved
        self._vacuum_pa = vacuum_pa
        pushed = (self._pushed + (seen - hold_here) * left // 1000 * dt_ms) * _RATE_MS // keep
        self._pushed = pushed
        phase = self.phase
        rise = self.rise_16
        if phase == RISE and seen > 2 * hold_here and pushed > 0 and moved > 0:
            most = moved if moved < 1_000_000 else 1_000_000
            learnt = (most * 1000 + rise * _LEARN_MS) // (pushed + _LEARN_MS)
            if learnt < _RISE_LOW:
                learnt = _RISE_LOW
            elif learnt > _RISE_HIGH:
                learnt = _RISE_HIGH
            rise = learnt
            self.rise_16 = rise

        if set_pa == 0:
            self.drive_permille = 0
            self.phase = HOLD
            self._expected = 0
            self._fresh = 1
            return

        push = (speed - hold_here) * left // 1000
        rate = (moved + rise * (_RATE_MS * push - pushed) // 1000) // _RATE_MS
        here = rise * left // 1000
        if rate > here:
            rate = here
        now_pa = vacuum_pa + (rate * (_SEEN_MS + dt_ms) >> 4)
        # coast
        coast_pa = 0
        if rate > 0:
            push = rate * 1000 // here
            if push > speed:
                push = speed
            if speed > 0:
                share = 7000 * push // (14 * speed - 6 * push)
                coast_pa = (rate * self._lag_ms >> 4) * share // 1000
        peak_pa = now_pa + coast_pa

        if getattr(self, "_fresh", 0):
            self._fresh = 0
            phase = RISE
            self._expected = 0
        if phase == SEARCH:
            if on_skin or (vacuum_pa > _SEALED_PA and rate > _SEALED_RATE):
                phase = RISE
                self._expected = 0
        elif phase != RISE:
            if vacuum_pa < _OPEN_PA:
                phase = SEARCH
        else:
            expected = self._expected + _RISE_LEAST * seen // 1000 * dt_ms
            if expected > _OPEN_PA << 5:
                expected = _OPEN_PA << 5
            self._expected = expected
            if expected > _TOO_EARLY_PA << 4 and vacuum_pa < expected >> 5:
                phase = SEARCH
        hold = self._hold(set_pa)
        if phase == RISE:
            if peak_pa >= set_pa + _TARGET_PA:
                phase = BRAKE
        if phase == BRAKE:
            hold_speed = (hold - start) * FULL_PERMILLE // per
            if speed <= hold_speed or rate <= 0:
                phase = HOLD
            elif peak_pa < set_pa - _AGAIN_PA:
                phase = RISE
        error_pa = set_pa - vacuum_pa
        if phase == HOLD:
            if set_pa - peak_pa > 3000:
                phase = RISE
        self.phase = phase
        if phase == RISE:
            drive = FULL_PERMILLE
        elif phase == BRAKE:
            drive = 0
        elif phase == HOLD:
            if on_skin and -2000 < error_pa < 2000:
                self.integral_micro += self._integral_gain * error_pa * dt_ms * 2 // 1000
            lead = coast_pa
            lin = rate * 60 >> 4
            if lin > lead or rate < 0:
                lead = lin
            ahead_pa = set_pa - now_pa - lead
            drive = hold + self._gain * ahead_pa // 1000
        else:
            allowed = (set_pa - 2000) * 16 * 8 // rise  # permille
            allowed = start + per * allowed // 1000
            drive = allowed if allowed < self._search else self._search
        if drive < 0:
            drive = 0
        elif drive > FULL_PERMILLE:
            drive = FULL_PERMILLE
        self.drive_permille = drive
