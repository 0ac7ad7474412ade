"""Two sliders for everyday wishes, between -3 and +3, round what was tuned.

    firmer   how stiffly the vacuum is held while the seal changes: gain and integral,
             15 % a step. Beyond half as much again little is gained; below two thirds
             some plants take twice as long to settle (README.md).
    quicker  how soon suction is there when the tip comes back: the lag that the
             regulator counts on, 6 % less a step, so that it brakes later and lets
             the pump turn faster in the air, and with it the most that it may turn
             there, 6 % more a step. What is too little for the pump's real lag
             overshoots; what is too much arrives late and softly.

The range is narrow so that nothing here can do harm: every combination is tried on
the scatter of the certificate before it is written. The settings themselves reach
further: edit the board file, or `emery set`.

A slider counts from the tuned settings (gain and integral: from the defaults), never
from where it stood, so that the same wish twice is the same as once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from emery.tune.formulas import fitted
from firmware.settings import Settings

LEAST, MOST = -3, 3
_STIFFER = 1.15  # gain and integral, a step [E]
_QUICKER = 0.06  # share of lag and search, a step [E]
FIRMNESS = ("gain_permille_per_kpa", "integral_permille_per_kpa_s")


@dataclass(frozen=True, slots=True)
class Sliders:
    """Where they stand; 0 is as tuned. None leaves gain and integral as they are."""

    firmer: int | None = None
    quicker: int = 0

    @property
    def are_moved(self) -> bool:
        """Is anything wished for?"""
        return self.firmer is not None or self.quicker != 0


def slid(values: Mapping[str, int], sliders: Sliders) -> dict[str, int]:
    """Tuned settings as the sliders want them, within the ranges and the rules."""
    made: dict[str, float] = dict(values)
    made["pump_lag_ms"] *= 1 - _QUICKER * sliders.quicker
    made["search_permille"] *= 1 + _QUICKER * sliders.quicker
    if sliders.firmer is not None:
        usual = Settings()
        for name in FIRMNESS:
            made[name] = getattr(usual, name) * _STIFFER**sliders.firmer
    return fitted(made)
