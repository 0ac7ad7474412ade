"""The plan: what the protocol, the client and this pump allow in a zone.

A protocol gives each zone a level, a flow and a number of passes. They are the
most there is: the client's skin type and a first session take away from them,
the operator may go down and back up one step at a time, and a level that the
pump has not proved it can reach (altitude, wear) is refused with a reason, not
quietly replaced by a weaker one.
"""

from micropython import const

from firmware import limits
from firmware.settings import Settings
from hal.contract import CLIENT_FIRST_SESSION, SKIN_TYPE_HIGHEST, STEP_DOWN, STEP_UP

_FLOW_STEP_MG_MIN = const(1_000)
_LOWEST_LEVEL = const(1)


class Plan:
    """What would be done in the chosen zone now."""

    STATE = (
        "skin_type",
        "is_first_session",
        "level",
        "flow_mg_min",
        "passes",
        "level_highest",
        "available_level",
    )

    def __init__(self, settings: Settings) -> None:
        self._zones = settings.zones
        self.skin_type = 0  # 1..6 for Fitzpatrick I to VI, 0 until it is told
        self.is_first_session = 0
        self.level = 0
        self.flow_mg_min = 0
        self.passes = 0  # passes that this client may have in the zone
        self.level_highest = 0  # for this client in this zone
        self.available_level = 0  # highest that the pump has proved, 0 for none
        self.choose(0)

    def ask_client(self) -> None:
        """Forget who is treated: the checklist asks again."""
        self.skin_type = 0
        self.is_first_session = 0

    def tell_client(self, argument: int) -> bool:
        """Take COMMAND_CLIENT's argument. False if it is none."""
        skin_type = argument & ~CLIENT_FIRST_SESSION
        if not 1 <= skin_type <= SKIN_TYPE_HIGHEST:
            return False
        self.skin_type = skin_type
        self.is_first_session = 1 if argument & CLIENT_FIRST_SESSION else 0
        return True

    def choose(self, zone: int) -> None:
        """Take a zone's plan, less what the client takes away."""
        of_zone = self._zones[zone]
        level = of_zone.level
        passes = of_zone.passes
        if self.skin_type >= limits.DARK_SKIN_TYPE:
            level -= limits.DARK_SKIN_LEVELS_LESS
            most = limits.DARK_SKIN_PASSES
            if self.is_first_session:
                most = limits.DARK_SKIN_FIRST_PASSES
            if passes > most:
                passes = most
        if self.is_first_session and level > limits.FIRST_SESSION_LEVEL:
            level = limits.FIRST_SESSION_LEVEL
        if level < _LOWEST_LEVEL:
            level = _LOWEST_LEVEL
        self.level_highest = level
        self.level = level
        self.flow_mg_min = of_zone.flow_mg_min
        self.passes = passes

    def step_level(self, step: int) -> bool:
        """One level up or down. False if there is none, or none that is proved."""
        level = self.level
        if step == STEP_UP and level < self.level_highest and level < self.available_level:
            self.level += 1
            return True
        if step == STEP_DOWN and self.level > _LOWEST_LEVEL:
            self.level -= 1
            return True
        return False

    def step_flow(self, zone: int, step: int) -> bool:
        """One step of flow up or down, up to the zone's. False if there is none."""
        flow = self.flow_mg_min
        most = self._zones[zone].flow_mg_min
        if step == STEP_UP and flow < most:
            flow += _FLOW_STEP_MG_MIN
            self.flow_mg_min = flow if flow < most else most
            return True
        if step == STEP_DOWN and flow > 0:
            flow -= _FLOW_STEP_MG_MIN
            self.flow_mg_min = flow if flow > 0 else 0
            return True
        return False

    def is_available(self) -> bool:
        """Has the pump proved that it reaches this level here?"""
        return self.level <= self.available_level
