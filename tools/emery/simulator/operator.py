"""The operator: someone who works down a protocol as a person does.

Starts the session, confirms the checklist, proves the device with the tip on
its cap if it asks for that, chooses a zone, presses the footswitch and makes
strokes of 1 to 3 s with short lifts between, until the zone is covered; then
rests for more than the pass gap, and goes on to the next pass or zone.
Everything takes a reaction time. The operator sees only what the panel shows:
state, reason and zone. When the panel says that the pass has closed although the
zone is not covered yet, SAME PASS takes that back.

Not everybody works like that: STYLES holds the habits of those who hurry, drag,
hover, press what makes no sense, or stamp on the footswitch.

The operator also knows what was really done to the skin, for each zone as the
panel shows it: this is the ground truth. A stroke is a contact under suction of
at least 0.3 s; a pass is one coverage of a zone in which the tip was once on the
skin for that long without being lifted, however often the coverage was
interrupted, and however often the seal of a hovering tip broke meanwhile.

Plain MicroPython with integers; `step` before each tick, `account` after it.
"""

from emery.simulator.plant import TIP_HOVERING, TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN
from firmware import treatment
from hal.contract import (
    CLIENT_FIRST_SESSION,
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_EXTEND,
    COMMAND_LEVEL,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
    CONFIRM_CONSULTATION,
    CONFIRM_EYEWEAR,
    CONFIRM_FRESH_TIP,
    STEP_DOWN,
)

# Parameters are set by name; only a type checker has to be told. (A class that
# really defines __getattr__ makes CPython read every attribute the slow way.)
TYPE_CHECKING = False

# The suction went away for a reason that leaves the pass as it is: press again.
_PASS_GOES_ON = (
    treatment.WHY_RELEASED,
    treatment.WHY_DWELL,
    treatment.WHY_NO_CONTACT,
    treatment.WHY_SESSION_OVER,
)

# The device has closed the pass; in the midst of a coverage that is taken back.
_PASS_CLOSED = (treatment.WHY_PASS_GAP, treatment.WHY_PASS_DONE)
# It has closed, or there is none to close.
_NO_PASS = _PASS_CLOSED + (
    treatment.WHY_PASS_TIME,
    treatment.WHY_PASS_CRYSTALS,
    treatment.WHY_PASSES_SPENT,
    treatment.WHY_DOSE,
)

# name, unit, lowest, highest, default, what it is
PARAMETERS = (
    ("passes", "", 1, 9, 3, "passes tried over each zone"),
    ("pass_on_skin_ms", "ms", 1_000, 600_000, 60_000, "time on skin that covers a zone once"),
    ("stroke_shortest_ms", "ms", 100, 60_000, 1_000, "shortest stroke"),
    ("stroke_longest_ms", "ms", 100, 60_000, 3_000, "longest stroke"),
    ("lift_shortest_ms", "ms", 50, 60_000, 300, "shortest lift between strokes"),
    ("lift_longest_ms", "ms", 50, 60_000, 900, "longest lift between strokes"),
    ("hover_shortest_ms", "ms", 0, 10_000, 0,
     "shortest time until the seal of a stroke breaks, or closes again"),
    ("hover_longest_ms", "ms", 0, 10_000, 0, "longest such time; 0: the seal stays closed"),
    ("stamp_shortest_ms", "ms", 0, 60_000, 0, "shortest time until the foot moves by itself"),
    ("stamp_longest_ms", "ms", 0, 60_000, 0, "longest such time; 0: it moves on purpose only"),
    ("wrong_permille", "", 0, 1_000, 0, "how often what is pressed makes no sense, in 1000"),
    ("rest_ms", "ms", 500, 600_000, 6_000, "rest between passes"),
    ("zone_rest_ms", "ms", 500, 600_000, 10_000, "rest between zones"),
    ("reaction_ms", "ms", 50, 5_000, 400, "time to react to the panel"),
    ("hold_on_ms", "ms", 0, 10_000, 1_000,
     "time that the tip stays on the skin when the suction goes away"),
    ("extensions", "", 0, 9, 4, "how often the session is made longer when its time is over"),
    ("skin_type", "", 1, 6, 2, "of the client, Fitzpatrick I to VI"),
    ("first_session", "", 0, 1, 0, "1: the client's first session"),
)

# How a pass is ended, and what is done about a fault.
ENDS_BY_GAP = "gap"  # lift and wait until the device closes the pass
ENDS_BY_BUTTON = "button"  # lift and press PASS DONE
ENDS_UNSAID = "unsaid"  # go on with the next one: the device cannot know
ENDINGS = (ENDS_BY_GAP, ENDS_BY_BUTTON, ENDS_UNSAID)
ON_FAULT_STOP = "stop"
ON_FAULT_ACKNOWLEDGE = "acknowledge"
ON_FAULTS = (ON_FAULT_STOP, ON_FAULT_ACKNOWLEDGE)

# Habits that differ from the usual ones, by style. [E]
CAREFUL = "careful"
STYLES: dict = {
    CAREFUL: {},
    "hurried": {
        "stroke_shortest_ms": 300, "stroke_longest_ms": 1_200,
        "lift_shortest_ms": 100, "lift_longest_ms": 400,
        "rest_ms": 1_000, "zone_rest_ms": 2_000, "reaction_ms": 200, "hold_on_ms": 200,
        "ending": ENDS_BY_BUTTON,
    },
    # Long strokes, and lifts that hardly vent the tip.
    "dragging": {
        "stroke_shortest_ms": 4_000, "stroke_longest_ms": 9_000,
        "lift_shortest_ms": 50, "lift_longest_ms": 160,
    },
    # The tip is held so close to the skin that its seal flickers.
    "hovering": {"hover_shortest_ms": 10, "hover_longest_ms": 400},
    "pressing_wrong": {"wrong_permille": 300},
    "stamping": {"stamp_shortest_ms": 20, "stamp_longest_ms": 4_000},
}

_CHECKLIST = (CONFIRM_CONSULTATION, CONFIRM_EYEWEAR, CONFIRM_FRESH_TIP)

# A contact under suction this long is a stroke. [E: as the firmware's default]
STROKE_MS = 300

# Looks at the panel, one reaction time apart, before a press is given up.
_PATIENCE = 5
# Time in the air after which a pass is taken as closed, whatever the panel says.
_COVERED_MS = 30_000
# The longest that the footswitch is held for the proof, and how often that is
# tried before the device is put away; as often a fault is acknowledged.
_PROOF_MS = 20_000
_PROOFS = 3
_ACKNOWLEDGED = 3

# What is pressed when it makes no sense: nearly every command and some that do
# not exist. END is left out, because it makes sense anywhere.
_WRONG_COMMANDS = (
    COMMAND_START, COMMAND_CONFIRM, COMMAND_SELECT_ZONE, COMMAND_PASS_DONE, COMMAND_SAME_PASS,
    COMMAND_ACKNOWLEDGE, 50, 255,
)
_WRONG_ARGUMENT = 20
_NOWHERE = -1


class Operator:
    """One operator. Sees the panel; sets `footswitch`, `tip` (a TIP_ position
    of the plant) and `command`, which the loop clears when the device has
    taken it."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int: ...

    def __init__(self, parameters: dict, zone_count: int, noise) -> None:  # type: ignore[no-untyped-def]
        habits = dict(STYLES[parameters.get("style", CAREFUL)])
        habits.update(parameters)
        for row in PARAMETERS:
            setattr(self, row[0], habits.get(row[0], row[4]))
        self.ending = habits.get("ending", ENDS_BY_GAP)
        self.on_fault = habits.get("on_fault", ON_FAULT_STOP)
        self._zones = habits.get("zones") or list(range(zone_count))
        self._noise = noise
        self.footswitch = 0
        self.tip = TIP_IN_AIR
        self.command = COMMAND_NONE
        self.argument = 0
        self.finished = False
        self.strokes = 0  # strokes begun since the start, however short
        self._seen_state = treatment.BOOT
        self._wait_ms = 0
        self._plan_at = 0  # place in the list of zones
        self._stray_zone = _NOWHERE  # a zone that was chosen by mistake
        self._tried = 0  # passes tried over this zone
        self._confirmed = 0  # items of the checklist
        self._proofs = 0  # how often the proof was tried
        self._proving_ms = 0
        self._is_proving = False
        self._acknowledged = 0  # how often this fault was
        self._stroke_left_ms = 0
        self._seal_left_ms = 0  # until the seal of a hovering tip breaks or closes
        self._pass_left_ms = self.pass_on_skin_ms
        self._covered_ms = 0  # since the zone was covered
        self._stamp_left_ms = 0
        self._extended = 0
        self._worked = False  # there was suction since the footswitch was pressed
        self._took_back = False  # SAME PASS was pressed since then
        self._patience = 0
        # The ground truth.
        self.coverage = 1  # number of the coverage under way
        self._counted_coverage = 0  # the last one that was counted as a pass
        self._counted_zone = _NOWHERE
        self.contact_ms = 0  # of the contact in progress, under suction
        self._touched_ms = 0  # of all contacts since the tip came down
        self.passes_made = [0] * zone_count
        self.strokes_made = [0] * zone_count
        self.on_skin_ms = [0] * zone_count
        self.crystals_mg_min_ms = [0] * zone_count  # onto skin

    def step(self, state: int, reason: int, zone: int, dt_ms: int) -> None:
        """One tick, seeing the device's state, reason and chosen zone."""
        if state != self._seen_state:
            self._seen_state = state
            self._acknowledged = 0
            if state == treatment.CHECKLIST:
                self._confirmed = 0
            if state != treatment.TREATING:
                on = self.tip == TIP_ON_SKIN or self.tip == TIP_HOVERING
                self._wait_ms = self.hold_on_ms if on else self.reaction_ms
        if self.stamp_longest_ms and not self._is_proving:
            self._stamp(dt_ms)
        if state == treatment.TREATING and self.footswitch:
            self._treat(zone, dt_ms)
        elif self._wait_ms > 0:
            self._wait_ms -= dt_ms
        elif self.tip == TIP_ON_SKIN or self.tip == TIP_HOVERING:
            self.tip = TIP_IN_AIR  # the suction is gone
        elif self._is_proving:
            self._prove(state, dt_ms)
        elif self.footswitch:
            self._wait_for_suction(state, reason)
        elif self.command == COMMAND_NONE and not self.finished:
            self._wait_ms = self.reaction_ms
            self._decide(state, reason, zone)

    def account(self, state: int, zone: int, dt_ms: int, crystals_mg_min: int) -> None:
        """After the tick: what was done to the skin, with this flow of crystals."""
        if self.tip != TIP_ON_SKIN:
            self.contact_ms = 0
            return
        if crystals_mg_min:
            self.crystals_mg_min_ms[zone] += crystals_mg_min * dt_ms
        if state != treatment.TREATING:
            self.contact_ms = 0
            self._touched_ms = 0
            return
        self.on_skin_ms[zone] += dt_ms
        contact_ms = self.contact_ms + dt_ms
        self.contact_ms = contact_ms
        if contact_ms - dt_ms < STROKE_MS <= contact_ms:
            self.strokes_made[zone] += 1
        self._touched_ms += dt_ms
        if self._touched_ms >= STROKE_MS and (
            self.coverage != self._counted_coverage or zone != self._counted_zone
        ):
            self._counted_coverage = self.coverage
            self._counted_zone = zone
            self.passes_made[zone] += 1

    def begin_account(self) -> None:
        """A new session: its passes are counted from zero."""
        self._counted_coverage = 0
        for zone in range(len(self.passes_made)):
            self.passes_made[zone] = 0

    def slip_off_footswitch(self) -> None:
        """The foot leaves the switch; the hand has not noticed yet."""
        self.footswitch = 0
        self._wait_ms = self.hold_on_ms

    def _stamp(self, dt_ms: int) -> None:
        """The foot presses and lets go as it likes; but it can hold still for a
        proof, or there would be no treatment."""
        self._stamp_left_ms -= dt_ms
        if self._stamp_left_ms <= 0:
            self._stamp_left_ms = self._noise.between(
                self.stamp_shortest_ms, self.stamp_longest_ms
            )
            if self.footswitch:
                self.slip_off_footswitch()
            else:
                self._press()

    def _press(self) -> None:
        self.footswitch = 1
        self._worked = False
        self._patience = _PATIENCE

    def _treat(self, zone: int, dt_ms: int) -> None:
        """Suction is on: stroke, lift, stroke, until the zone is covered."""
        self._worked = True
        self._took_back = False
        if self.tip != TIP_IN_AIR:
            self._stroke_left_ms -= dt_ms
            self._pass_left_ms -= dt_ms
            if self._stroke_left_ms <= 0:
                self.tip = TIP_IN_AIR
                self._wait_ms = self._noise.between(self.lift_shortest_ms, self.lift_longest_ms)
                if self.command == COMMAND_NONE:
                    self._press_wrong(treatment.TREATING, zone)
            elif self.hover_longest_ms:
                self._seal_left_ms -= dt_ms
                if self._seal_left_ms <= 0:
                    self.tip = TIP_HOVERING if self.tip == TIP_ON_SKIN else TIP_ON_SKIN
                    self._time_seal()
        elif self._wait_ms > 0:
            self._wait_ms -= dt_ms
        elif self._pass_left_ms > 0:
            self.tip = TIP_ON_SKIN
            self.strokes += 1
            self._touched_ms = 0
            self._covered_ms = 0
            self._stroke_left_ms = self._noise.between(
                self.stroke_shortest_ms, self.stroke_longest_ms
            )
            self._time_seal()
        elif self.ending == ENDS_BY_BUTTON:
            if self.command == COMMAND_NONE:
                self._ask(COMMAND_PASS_DONE, 0)
                self._wait_ms = self.reaction_ms
        elif self.ending == ENDS_UNSAID or self._covered_ms >= _COVERED_MS:
            self.footswitch = 0
            self._pass_over(treatment.WHY_TREATING)
        else:
            # Covered: off the skin until the device closes the pass.
            self._covered_ms += dt_ms

    def _time_seal(self) -> None:
        if self.hover_longest_ms:
            self._seal_left_ms = self._noise.between(self.hover_shortest_ms, self.hover_longest_ms)

    def _wait_for_suction(self, state: int, reason: int) -> None:
        """The footswitch is pressed and there is no suction."""
        if self._worked or self._patience == 0 or state == treatment.ZONE_DONE:
            self.footswitch = 0
            self._wait_ms = self.reaction_ms
            if self._worked and state == treatment.PAUSED and reason in _PASS_GOES_ON:
                return  # press again
            if reason in (treatment.WHY_LEVEL_UNAVAILABLE, treatment.WHY_SESSION_OVER):
                return  # refused, and the panel says what to do about it
            choosing = state == treatment.READY or state == treatment.PAUSED
            if self._worked or choosing or state == treatment.ZONE_DONE:
                self._pass_over(reason)
        else:
            self._patience -= 1
            self._wait_ms = self.reaction_ms

    def _pass_over(self, reason: int) -> None:
        """This pass is behind us: covered, cut short or refused."""
        if self._stray_zone != _NOWHERE:
            self._stray_zone = _NOWHERE
        else:
            self._tried += 1
        if (
            self.ending != ENDS_UNSAID
            and self.coverage == self._counted_coverage
            and reason not in _NO_PASS
        ):
            # Or the device would take the next coverage for this one.
            self._ask(COMMAND_PASS_DONE, 0)
        self._cover(self.pass_on_skin_ms)
        self._wait_ms = self.rest_ms

    def _is_covering(self, zone: int) -> bool:
        """Is the coverage of this zone begun, and not yet done?"""
        return (
            self._pass_left_ms > 0
            and self.coverage == self._counted_coverage
            and zone == self._counted_zone
        )

    def _cover(self, on_skin_ms: int) -> None:
        """The next coverage begins with the next stroke."""
        self.coverage += 1
        self._pass_left_ms = on_skin_ms
        self._covered_ms = 0

    def _prove(self, state: int, dt_ms: int) -> None:
        """The tip is on its cap: hold the footswitch until the device is done."""
        if self.footswitch:
            self._proving_ms += dt_ms
            if state != treatment.PROOF or self._proving_ms >= _PROOF_MS:
                self.footswitch = 0
                self._wait_ms = self.reaction_ms
        elif self._proving_ms:
            # Let go: the tip comes off the cap once the device has moved on.
            self._is_proving = False
            self._proving_ms = 0
            self._wait_ms = self.reaction_ms
            if state != treatment.PROOF:
                self._proofs = 0
                self.tip = TIP_IN_AIR
        else:
            self._press()

    def _decide(self, state: int, reason: int, zone: int) -> None:
        """Hands and feet are free: what does the panel ask for next?"""
        if self._press_wrong(state, zone):
            return
        if state == treatment.STANDBY:
            self._ask(COMMAND_START, 0)
        elif state == treatment.CHECKLIST:
            if self._confirmed < len(_CHECKLIST):
                self._ask(COMMAND_CONFIRM, _CHECKLIST[self._confirmed])
                self._confirmed += 1
                self._wait_ms = 3 * self.reaction_ms
            else:
                first = CLIENT_FIRST_SESSION if self.first_session else 0
                self._ask(COMMAND_CLIENT, self.skin_type | first)
        elif state == treatment.PROOF:
            if self._proofs < _PROOFS:
                self._proofs += 1
                self._is_proving = True
                self.tip = TIP_ON_CAP
            else:
                self.finished = True
        elif self.tip == TIP_ON_CAP:
            self.tip = TIP_IN_AIR
        elif state == treatment.FAULT:
            if self.on_fault == ON_FAULT_ACKNOWLEDGE and self._acknowledged < _ACKNOWLEDGED:
                self._acknowledged += 1
                self._ask(COMMAND_ACKNOWLEDGE, 0)
            else:
                self.finished = True
        elif state == treatment.COMPLETE:
            self.finished = True
        elif state == treatment.READY or state == treatment.PAUSED or state == treatment.ZONE_DONE:
            self._go_on(reason, zone)

    def _go_on(self, reason: int, zone: int) -> None:
        """The next pass, the next zone, or the end."""
        if reason == treatment.WHY_SESSION_OVER:
            if self._extended < self.extensions:
                self._extended += 1
                self._ask(COMMAND_EXTEND, 0)
            else:
                self._ask(COMMAND_END, 0)
            return
        if reason == treatment.WHY_LEVEL_UNAVAILABLE:
            self._ask(COMMAND_LEVEL, STEP_DOWN)
            return
        if reason in _PASS_CLOSED and self._is_covering(zone) and not self._took_back:
            self._took_back = True
            self._ask(COMMAND_SAME_PASS, 0)
            return
        if self._stray_zone != _NOWHERE:
            wanted = self._stray_zone
        elif self._tried >= self.passes:
            self._tried = 0
            self._plan_at += 1
            self._wait_ms = self.zone_rest_ms
            return
        elif self._plan_at >= len(self._zones):
            self._ask(COMMAND_END, 0)
            return
        else:
            wanted = self._zones[self._plan_at]
        if zone != wanted:
            self._ask(COMMAND_SELECT_ZONE, wanted)
        else:
            self._press()

    def _press_wrong(self, state: int, zone: int) -> bool:
        """Now and then, what makes no sense: a command that the state does not
        take, or another zone, which is worked on for a while."""
        noise = self._noise
        if not self.wrong_permille or noise.between(1, 1_000) > self.wrong_permille:
            return False
        choosing = state == treatment.READY or state == treatment.PAUSED
        if (choosing or state == treatment.ZONE_DONE) and noise.between(0, 3) == 0:
            stray = self._zones[noise.between(0, len(self._zones) - 1)]
            if stray != zone and self._stray_zone == _NOWHERE:
                self._stray_zone = stray
                self._cover(noise.between(1_000, self.pass_on_skin_ms))
                return True
        command = _WRONG_COMMANDS[noise.between(0, len(_WRONG_COMMANDS) - 1)]
        if command == COMMAND_SAME_PASS and (
            state == treatment.PAUSED or state == treatment.ZONE_DONE
        ):
            return False  # it would make sense, and be a lie about the coverage
        self._ask(command, noise.between(0, _WRONG_ARGUMENT))
        return True

    def _ask(self, command: int, argument: int) -> None:
        self.command = command
        self.argument = argument
