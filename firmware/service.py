"""SERVICE: one output at a time, briefly, for whoever repairs the device.

It is entered by a restart alone, and left by one; the footswitch does nothing
in it. An output that is asked for runs for two seconds, with less pump than a
treatment uses and never above 30 kPa, and goes back to safe by itself; asking
for another one stops it. The pump needs the vent closed, or it would move
nothing but air.

One command runs two of them, since crystals cannot be weighed without the air that
carries them: the pump at one modest drive until there is enough vacuum, and the valve
only in ticks in which both channels show that something seals the tip. It cannot tell
the cap from skin, so crystals have a budget that lasts for one calibration: it counts
the valve's opening wherever there is vacuum, also what is left of it when the valve
alone is asked for, and only another start of SERVICE renews it.
"""

from firmware import limits
from firmware.sensing import Sensing
from hal.contract import (
    COMMAND_CLOSE_VENT,
    COMMAND_RUN_CRYSTALS,
    COMMAND_RUN_FEED,
    COMMAND_RUN_PUMP,
    VENT_CLOSED,
    VENT_OPEN,
)


class Service:
    """What SERVICE wants of the outputs now: `feed_permille` of the valve with the vent
    open, `crystals_permille` with the pump running, and only while `is_sealed`."""

    STATE = (
        "pump_permille", "feed_permille", "vent", "left_ms", "crystals_permille", "is_sealed",
        "crystals_left",
    )

    def __init__(self) -> None:
        self.left_ms = 0
        self.is_sealed = 0
        self.crystals_left = limits.SERVICE_CRYSTALS_MS * 1_000  # permille of opening times ms
        self.rest()

    def rest(self) -> None:
        """Want nothing."""
        self.pump_permille = 0
        self.feed_permille = 0
        self.crystals_permille = 0
        self.vent = VENT_OPEN

    def step(self, command: int, argument: int, sensing: Sensing, dt_ms: int) -> None:
        """One tick in SERVICE."""
        if command == COMMAND_RUN_PUMP:
            self.rest()
            self.pump_permille = _percent(argument, limits.SERVICE_PUMP_PERMILLE)
            self.vent = VENT_CLOSED
            self.left_ms = limits.SERVICE_RUN_MS
        elif command == COMMAND_RUN_FEED:
            self.rest()
            self.feed_permille = _percent(argument, limits.SERVICE_FEED_PERMILLE)
            self.left_ms = limits.SERVICE_RUN_MS
        elif command == COMMAND_RUN_CRYSTALS:
            self.rest()
            self.crystals_permille = _percent(argument, limits.SERVICE_FEED_PERMILLE)
            self.vent = VENT_CLOSED
            self.left_ms = limits.SERVICE_RUN_MS
        elif command == COMMAND_CLOSE_VENT:
            self.rest()
            self.vent = VENT_CLOSED
            self.left_ms = limits.SERVICE_RUN_MS
        elif self.left_ms > 0:
            self.left_ms -= dt_ms
        self.is_sealed = 0
        if (
            sensing.a.vacuum_pa > limits.SERVICE_FEED_SEALED_PA
            and sensing.b.vacuum_pa > limits.SERVICE_FEED_SEALED_PA
        ):
            self.is_sealed = 1
        if self.crystals_permille:
            self.pump_permille = limits.SERVICE_FEED_PUMP_PERMILLE
            if (
                sensing.a.vacuum_pa > limits.SERVICE_FEED_TOP_PA
                or sensing.b.vacuum_pa > limits.SERVICE_FEED_TOP_PA
            ):
                self.pump_permille = 0
            if self.is_sealed:
                self.crystals_left -= self.crystals_permille * dt_ms
        elif (
            sensing.a.vacuum_pa > limits.SERVICE_STILL_PA
            or sensing.b.vacuum_pa > limits.SERVICE_STILL_PA
        ):
            self.crystals_left -= self.feed_permille * dt_ms
        if (
            self.left_ms <= 0
            or ((self.crystals_permille or self.feed_permille) and self.crystals_left <= 0)
            or sensing.a.vacuum_pa > limits.SERVICE_VACUUM_PA
            or sensing.b.vacuum_pa > limits.SERVICE_VACUUM_PA
        ):
            self.left_ms = 0
            self.rest()


def _percent(argument: int, highest_permille: int) -> int:
    permille = argument * 10
    if permille < 0:
        return 0
    return permille if permille < highest_permille else highest_permille
