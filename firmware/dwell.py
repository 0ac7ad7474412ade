"""Dwell: how long the tip has stayed on one spot.

With a motion sensor a contact counts while the handpiece is still; without
one the vacuum alone cannot show whether the tip moves, and the whole contact
counts against a longer limit. That is the weaker control, and it is all there
is on a device without the sensor.
"""

from micropython import const

from firmware import limits
from hal.contract import MOTION_MOVING, MOTION_UNKNOWN

FINE = const(0)
TOO_LONG_SOON = const(1)
TOO_LONG = const(2)


class Dwell:
    """`verdict` on the contact in progress."""

    STATE = ("verdict", "still_ms")

    def __init__(self) -> None:
        self.verdict = FINE
        self.still_ms = 0  # without motion, in this contact

    def step(self, on_skin: int, contact_ms: int, motion: int, dt_ms: int) -> None:
        """Judge one tick; `contact_ms` is the length of the contact so far."""
        if not on_skin:
            self.still_ms = 0
            self.verdict = FINE
            return
        if motion == MOTION_UNKNOWN:
            # Not known to be still, not known to move: the contact decides.
            self.still_ms = 0
            length_ms = contact_ms
            warn_ms = limits.CONTACT_WARN_MS
            stop_ms = limits.CONTACT_STOP_MS
        else:
            if motion == MOTION_MOVING:
                self.still_ms = 0
            else:
                self.still_ms += dt_ms
            length_ms = self.still_ms
            warn_ms = limits.STILL_WARN_MS
            stop_ms = limits.STILL_STOP_MS
        if length_ms >= stop_ms:
            self.verdict = TOO_LONG
        elif length_ms >= warn_ms:
            self.verdict = TOO_LONG_SOON
        else:
            self.verdict = FINE
