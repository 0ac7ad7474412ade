"""Crystal feed: crystals only onto skin that is held.

The valve opens while the tip is believed on the skin and the vacuum is in the
band below the set vacuum; it shuts in the tick in which either is lost. The
vacuum falls out of the band well before the lift itself is certain, so the
band is the faster of the two. To open again the vacuum must come half way up
the band, so that the valve does not chatter at its edge.
"""

from firmware.settings import Settings
from hal.contract import FULL_PERMILLE


class CrystalFeed:
    """The valve's wish: `valve_permille`, and the flow it should give."""

    STATE = ("valve_permille", "flow_mg_min")

    def __init__(self, settings: Settings) -> None:
        self._full_flow = settings.full_flow_mg_min
        self._band_pa = settings.band_pa
        self.valve_permille = 0
        self.flow_mg_min = 0  # flow that the valve is asked for now

    def step(self, flow_mg_min: int, set_pa: int, vacuum_pa: int, on_skin: int) -> None:
        """One tick; `flow_mg_min` is the flow wanted on the skin, 0 for none."""
        # A low set vacuum has a narrower band: never down to an open tip.
        band_pa = self._band_pa
        if band_pa > set_pa >> 1:
            band_pa = set_pa >> 1
        if not self.valve_permille:
            band_pa >>= 1
        if on_skin and flow_mg_min and set_pa and vacuum_pa >= set_pa - band_pa:
            if flow_mg_min != self.flow_mg_min:
                valve = flow_mg_min * FULL_PERMILLE // self._full_flow
                self.valve_permille = valve if valve < FULL_PERMILLE else FULL_PERMILLE
                self.flow_mg_min = flow_mg_min
        else:
            self.valve_permille = 0
            self.flow_mg_min = 0
