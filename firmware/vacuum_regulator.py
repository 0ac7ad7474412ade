"""Vacuum regulator: set vacuum to pump drive.

    drive = hold(set) + gain * (error - rate * lead) + integral

`hold` is the drive that holds the set vacuum on sealed skin, a straight line
between its values at level 1 and level 10. Far from the set vacuum the gain
saturates the drive, which is the fastest rise there is. The pump's speed lags
behind its drive and the vacuum coasts on, so the error is taken `lead` ahead,
by the rate of the last 40 ms. Near the set vacuum the integral removes what
`hold` gets wrong.

With the tip open the set vacuum cannot be reached, and an integral that went
on would slam the next contact (a simulated plain PI reached 22 kPa for 10 kPa
set). So while the tip is open the integral is frozen and the drive is capped
at a search value, from which a sealing tip coasts to less than the set vacuum.
"""

from micropython import const

from firmware import limits
from firmware.settings import Settings
from hal.contract import FULL_PERMILLE

_LOW_PA = limits.LEVEL_VACUUM_PA[0]
_HIGH_PA = limits.LEVEL_VACUUM_PA[9]

# The integral works only this near the set vacuum, where the error is the
# plant's and not the rise's. [E]
_INTEGRAL_BAND_PA = const(2_000)
# Integral in 1e-6 permille (permille/kPa/s times Pa times ms), at most +-300
# permille: more than any plausible plant differs from `hold`. [E]
_MICRO = const(1_000_000)
_INTEGRAL_HIGHEST = const(300_000_000)
# The rate is the distance of the vacuum from its own low-pass, whose time
# constant this is: long enough for the ADC's noise, short beside the pump's
# lag of 0.15 s. Kept in 1/16 Pa. [E]
_RATE_MS = const(40)
_SLOW_BITS = const(4)
# Share of `hold` used while searching, so that a sealing tip cannot overshoot. [E]
_SEARCH_PERMILLE = const(900)


class VacuumRegulator:
    """The regulator; `drive_permille` is its wish, 0..1000."""

    STATE = ("drive_permille", "integral_micro", "_for_set_pa", "_slow")

    def __init__(self, settings: Settings) -> None:
        self._hold_low = settings.hold_low_permille
        self._hold_high = settings.hold_high_permille
        self._gain = settings.gain_permille_per_kpa
        self._integral_gain = settings.integral_permille_per_kpa_s
        self._search = settings.search_permille
        self._lead_ms = settings.lead_ms
        self.drive_permille = 0
        self.integral_micro = 0
        self._for_set_pa = 0  # the set vacuum that the integral was learnt at
        self._slow = 0  # the vacuum's low-pass

    def step(self, set_pa: int, vacuum_pa: int, on_skin: int, dt_ms: int) -> None:
        """One tick; `set_pa` 0 means no suction."""
        behind = (vacuum_pa << _SLOW_BITS) - self._slow
        self._slow += behind * (dt_ms if dt_ms < _RATE_MS else _RATE_MS) // _RATE_MS
        if set_pa == 0:
            self.drive_permille = 0
            return
        if set_pa != self._for_set_pa:
            self._for_set_pa = set_pa
            self.integral_micro = 0
        hold = self._hold_low + (self._hold_high - self._hold_low) * (set_pa - _LOW_PA) // (
            _HIGH_PA - _LOW_PA
        )
        if not on_skin:
            search = hold * _SEARCH_PERMILLE // 1000
            self.drive_permille = search if search < self._search else self._search
            return
        error_pa = set_pa - vacuum_pa
        integral = self.integral_micro
        if -_INTEGRAL_BAND_PA < error_pa < _INTEGRAL_BAND_PA:
            integral += self._integral_gain * error_pa * dt_ms
            if integral > _INTEGRAL_HIGHEST:
                integral = _INTEGRAL_HIGHEST
            elif integral < -_INTEGRAL_HIGHEST:
                integral = -_INTEGRAL_HIGHEST
            self.integral_micro = integral
        ahead_pa = error_pa - (behind * self._lead_ms // _RATE_MS >> _SLOW_BITS)
        drive = hold + self._gain * ahead_pa // 1000 + integral // _MICRO
        if drive < 0:
            drive = 0
        elif drive > FULL_PERMILLE:
            drive = FULL_PERMILLE
        self.drive_permille = drive
