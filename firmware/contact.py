"""Contact and strokes, from the vacuum alone.

An open tip cannot hold a vacuum and a sealed one can, so: vacuum above the
larger of two thresholds for `contact_on_ms` is contact, below the lower pair
for `contact_off_ms` is a lift. A contact of at least `stroke_ms` is a stroke.
The thresholds are as low as an open tip allows (0.4 kPa at the search drive,
0.7 kPa at full drive, both simulated; 1.7 kPa at full drive with a tip of 4 mm):
what is not seen is not counted. The regulator does not wait for it.
Without suction there is nothing to see, and no contact is believed.
"""

from firmware.settings import Settings


class Contact:
    """Is the tip on the skin, and since when."""

    STATE = ("on_skin", "contact_ms", "stroke_ended", "is_stroke", "_change_ms")

    def __init__(self, settings: Settings) -> None:
        self._on_pa = settings.contact_on_pa
        self._on_permille = settings.contact_on_permille
        self._on_ms = settings.contact_on_ms
        self._off_pa = settings.contact_off_pa
        self._off_permille = settings.contact_off_permille
        self._off_ms = settings.contact_off_ms
        self._stroke_ms = settings.stroke_ms
        self.on_skin = 0
        self.contact_ms = 0  # of the contact in progress
        self.is_stroke = 0  # the contact in progress has become a stroke
        self.stroke_ended = 0  # 1 in the tick that ends a stroke
        self._change_ms = 0  # how long the other side of the threshold was seen

    def step(self, vacuum_pa: int, set_pa: int, dt_ms: int) -> None:
        """Judge one tick; `set_pa` is the set vacuum in force, 0 for none."""
        self.stroke_ended = 0
        if set_pa == 0:
            if self.on_skin:
                self._lift()
            self._change_ms = 0
        elif self.on_skin:
            self.contact_ms += dt_ms
            if not self.is_stroke and self.contact_ms >= self._stroke_ms:
                self.is_stroke = 1
            threshold_pa = set_pa * self._off_permille // 1000
            if threshold_pa < self._off_pa:
                threshold_pa = self._off_pa
            if vacuum_pa < threshold_pa:
                self._change_ms += dt_ms
                if self._change_ms >= self._off_ms:
                    self._lift()
            else:
                self._change_ms = 0
        else:
            threshold_pa = set_pa * self._on_permille // 1000
            if threshold_pa < self._on_pa:
                threshold_pa = self._on_pa
            if vacuum_pa > threshold_pa:
                self._change_ms += dt_ms
                if self._change_ms >= self._on_ms:
                    self.on_skin = 1
                    # The skin was there while we made sure of it.
                    self.contact_ms = self._change_ms
                    self._change_ms = 0
            else:
                self._change_ms = 0

    def _lift(self) -> None:
        self.stroke_ended = self.is_stroke
        self.on_skin = 0
        self.contact_ms = 0
        self.is_stroke = 0
        self._change_ms = 0
