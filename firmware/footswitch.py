"""The footswitch: held, freshly pressed, armed.

Suction starts on a fresh press alone: the switch has been seen released for a
while, then pressed for a while, since a shorter press or release is contact
bounce. Letting go counts at once and needs no debouncing.
"""

from micropython import const

from hal.contract import SWITCH_PRESSED, Readings

_PRESS_MS = const(30)  # contacts of such switches bounce for less [E]
_RELEASE_MS = const(50)


class Footswitch:
    """`held` now; `pressed` in the one tick that makes a press certain;
    `armed` while a press would count."""

    STATE = ("held", "pressed", "armed", "_pressed_ms", "_released_ms")

    def __init__(self) -> None:
        self.held = 0
        self.pressed = 0
        self.armed = 0
        self._pressed_ms = 0
        self._released_ms = 0

    def step(self, readings: Readings) -> None:
        """Judge one tick."""
        dt_ms = readings.dt_ms
        self.pressed = 0
        if readings.footswitch == SWITCH_PRESSED:
            self.held = 1
            self._released_ms = 0
            if self.armed:
                self._pressed_ms += dt_ms
                if self._pressed_ms >= _PRESS_MS:
                    self.armed = 0
                    self.pressed = 1
        else:
            self.held = 0
            self._pressed_ms = 0
            if self._released_ms < _RELEASE_MS:
                self._released_ms += dt_ms
            else:
                self.armed = 1
