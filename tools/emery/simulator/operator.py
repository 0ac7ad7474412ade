"""The operator: someone who works down a protocol as a person does.

Starts the session, confirms the checklist, chooses a zone, presses the
footswitch and makes strokes of 1 to 3 s with short lifts between, until the
zone is covered; then rests for more than the pass gap, and goes on to the next
pass or zone. Everything takes a reaction time. The operator sees only what the
panel shows (the state and the zone) and knows what was really covered: its
counts are the ground truth.

Plain MicroPython with integers; `step` is called each tick.
"""

from firmware import treatment
from hal.contract import (
    COMMAND_CLIENT,
    COMMAND_ACKNOWLEDGE,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
    CONFIRM_CONSULTATION,
    CONFIRM_EYEWEAR,
    CONFIRM_FRESH_TIP,
)

# name, unit, lowest, highest, default, what it is
PARAMETERS = (
    ("passes", "", 1, 9, 3, "passes tried over each zone"),
    ("pass_on_skin_ms", "ms", 1_000, 600_000, 60_000, "time on skin that covers a zone once"),
    ("stroke_shortest_ms", "ms", 100, 60_000, 1_000, "shortest stroke"),
    ("stroke_longest_ms", "ms", 100, 60_000, 3_000, "longest stroke"),
    ("lift_shortest_ms", "ms", 50, 60_000, 300, "shortest lift between strokes"),
    ("lift_longest_ms", "ms", 50, 60_000, 900, "longest lift between strokes"),
    ("rest_ms", "ms", 500, 600_000, 6_000, "rest between passes"),
    ("zone_rest_ms", "ms", 500, 600_000, 10_000, "rest between zones"),
    ("reaction_ms", "ms", 50, 5_000, 400, "time to react to the panel"),
    ("hold_on_ms", "ms", 0, 10_000, 1_000,
     "time that the tip stays on the skin when the suction goes away"),
)

# How a pass is ended, and what is done about a fault.
ENDS_BY_GAP = "gap"  # lift and wait until the device closes the pass
ENDS_BY_BUTTON = "button"  # lift and press PASS DONE
ENDINGS = (ENDS_BY_GAP, ENDS_BY_BUTTON)
ON_FAULT_STOP = "stop"
ON_FAULT_ACKNOWLEDGE = "acknowledge"
ON_FAULTS = (ON_FAULT_STOP, ON_FAULT_ACKNOWLEDGE)

_CHECKLIST = (CONFIRM_CONSULTATION, CONFIRM_EYEWEAR, CONFIRM_FRESH_TIP)

# Looks at the panel, one reaction time apart, before a press is given up.
_PATIENCE = 5


class Operator:
    """One operator. Sees `state` and `zone`; sets `footswitch`, `on_skin` and
    `command`, which the loop clears when the device has taken it."""

    def __init__(self, parameters: dict, zone_count: int, noise) -> None:  # type: ignore[no-untyped-def]
        for row in PARAMETERS:
            setattr(self, row[0], parameters.get(row[0], row[4]))
        self.ending = parameters.get("ending", ENDS_BY_GAP)
        self.on_fault = parameters.get("on_fault", ON_FAULT_STOP)
        self._zones = parameters.get("zones") or list(range(zone_count))
        self._noise = noise
        self.footswitch = 0
        self.on_skin = 0
        self.command = COMMAND_NONE
        self.argument = 0
        self.finished = False
        self.strokes = 0  # strokes begun since the start
        self.passes_made = [0] * zone_count  # passes that touched skin under suction
        self._seen_state = treatment.BOOT
        self._wait_ms = 0
        self._plan_at = 0  # place in the list of zones
        self._tried = 0  # passes tried over this zone
        self._confirmed = 0  # items of the checklist
        self._stroke_left_ms = 0
        self._pass_left_ms = self.pass_on_skin_ms
        self._pass_is_made = False  # the pass under way has touched the skin
        self._worked = False  # there was suction since the footswitch was pressed
        self._patience = 0
        self._seen_proof = False

    def __getattr__(self, name: str) -> int:
        raise AttributeError(name)

    def step(self, state: int, zone: int, dt_ms: int) -> None:
        """One tick, seeing the device's state and chosen zone."""
        if state != self._seen_state:
            self._seen_state = state
            if state != treatment.TREATING:
                self._wait_ms = self.hold_on_ms if self.on_skin else self.reaction_ms
        if state == treatment.TREATING and self.footswitch:
            self._treat(zone, dt_ms)
        elif state == treatment.PROOF and self.footswitch:
            pass
        elif self._seen_proof and state != treatment.PROOF:
            self._seen_proof = False
            self.footswitch = 0
            self.on_skin = 0
        elif self._wait_ms > 0:
            self._wait_ms -= dt_ms
        elif self.on_skin:
            self.on_skin = 0  # the suction is gone
        elif self.footswitch:
            if self._worked or self._patience == 0 or state == treatment.ZONE_DONE:
                self.footswitch = 0
                self._pass_over()
            else:
                self._patience -= 1
                self._wait_ms = self.reaction_ms
        elif self.command == COMMAND_NONE and not self.finished:
            self._wait_ms = self.reaction_ms
            self._decide(state, zone)

    def slip_off_footswitch(self) -> None:
        """The foot leaves the switch; the hand has not noticed yet."""
        self.footswitch = 0
        self._wait_ms = self.hold_on_ms

    def _treat(self, zone: int, dt_ms: int) -> None:
        """Suction is on: stroke, lift, stroke, until the zone is covered."""
        self._worked = True
        if self.on_skin:
            self._stroke_left_ms -= dt_ms
            self._pass_left_ms -= dt_ms
            if self._stroke_left_ms <= 0:
                self.on_skin = 0
                self._wait_ms = self._noise.between(self.lift_shortest_ms, self.lift_longest_ms)
        elif self._wait_ms > 0:
            self._wait_ms -= dt_ms
        elif self._pass_left_ms > 0:
            self.on_skin = 1
            self.strokes += 1
            self._stroke_left_ms = self._noise.between(
                self.stroke_shortest_ms, self.stroke_longest_ms
            )
            if not self._pass_is_made:
                self._pass_is_made = True
                self.passes_made[zone] += 1
        elif self.ending == ENDS_BY_BUTTON:
            self.command = COMMAND_PASS_DONE
            self._wait_ms = self.reaction_ms
        # Otherwise covered: off the skin until the device closes the pass.

    def _pass_over(self) -> None:
        """This pass is behind us: covered, cut short or refused."""
        self._pass_is_made = False
        self._pass_left_ms = self.pass_on_skin_ms
        self._tried += 1
        self._wait_ms = self.rest_ms

    def _decide(self, state: int, zone: int) -> None:
        """Hands and feet are free: what does the panel ask for next?"""
        if state == treatment.STANDBY:
            self._confirmed = 0
            self._ask(COMMAND_START, 0)
        elif state == treatment.PROOF:
            self.on_skin = 1
            self.footswitch = 1
            self._seen_proof = True
        elif state == treatment.CHECKLIST:
            if self._confirmed == len(_CHECKLIST):
                self._confirmed += 1
                self._ask(COMMAND_CLIENT, 2)
            elif self._confirmed < len(_CHECKLIST):
                self._ask(COMMAND_CONFIRM, _CHECKLIST[self._confirmed])
                self._confirmed += 1
                self._wait_ms = 3 * self.reaction_ms
        elif state == treatment.FAULT:
            if self.on_fault == ON_FAULT_ACKNOWLEDGE:
                self._confirmed = 0
                self._ask(COMMAND_ACKNOWLEDGE, 0)
            else:
                self.finished = True
        elif state == treatment.COMPLETE:
            self.finished = True
        elif state == treatment.READY or state == treatment.PAUSED or state == treatment.ZONE_DONE:
            if self._tried >= self.passes:
                self._tried = 0
                self._plan_at += 1
                self._wait_ms = self.zone_rest_ms
            elif self._plan_at >= len(self._zones):
                self._ask(COMMAND_END, 0)
            elif zone != self._zones[self._plan_at]:
                self._ask(COMMAND_SELECT_ZONE, self._zones[self._plan_at])
            else:
                self.footswitch = 1
                self._worked = False
                self._patience = _PATIENCE

    def _ask(self, command: int, argument: int) -> None:
        self.command = command
        self.argument = argument
