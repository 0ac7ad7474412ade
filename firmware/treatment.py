"""The treatment: which state the device is in, what it wants, and why.

    BOOT -> SELF_TEST -> STANDBY -> CHECKLIST -> READY -> TREATING
    TREATING -> PAUSED       footswitch released, or the pass closed
    TREATING -> ZONE_DONE    the pass closed and the zone has none left
    READY, PAUSED -> TREATING on a fresh press of the footswitch
    READY, PAUSED -> ZONE_DONE on a press when no pass is left
    ZONE_DONE -> PAUSED      by SAME PASS
    PAUSED, ZONE_DONE -> READY by choosing a zone
    READY, PAUSED, ZONE_DONE, TREATING -> COMPLETE -> STANDBY
    CHECKLIST -> STANDBY     the operator ends
    any -> FAULT -> SELF_TEST -> CHECKLIST

Suction exists in TREATING alone. It starts only on a fresh press (a good while
released before, then a while pressed), when the zone has a pass left, and when
the record that counts this pass has been committed. Letting go of the
footswitch ends it in the same tick. Every wish carries one reason.
"""

from micropython import const

from firmware import faults, limits
from firmware import passes as pass_states
from firmware.passes import Passes
from firmware.protection import Protection
from firmware.self_test import RUNNING, SelfTest
from firmware.sensing import Sensing
from firmware.settings import Settings
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_PASS_DONE,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
    CONFIRM_ALL,
    SWITCH_PRESSED,
    Readings,
)

BOOT = const(0)
SELF_TEST = const(1)
STANDBY = const(2)
CHECKLIST = const(3)
READY = const(4)
TREATING = const(5)
PAUSED = const(6)
ZONE_DONE = const(7)
COMPLETE = const(8)
FAULT = const(9)
STATES = (
    "BOOT",
    "SELF_TEST",
    "STANDBY",
    "CHECKLIST",
    "READY",
    "TREATING",
    "PAUSED",
    "ZONE_DONE",
    "COMPLETE",
    "FAULT",
)

WHY_STARTING = const(0)
WHY_TESTING = const(1)
WHY_IDLE = const(2)
WHY_UNCONFIRMED = const(3)
WHY_WAITING = const(4)
WHY_RECORDING = const(5)
WHY_TREATING = const(6)
WHY_RELEASED = const(7)
WHY_PASS_DONE = const(8)
WHY_PASS_GAP = const(9)
WHY_PASS_TIME = const(10)
WHY_PASS_CRYSTALS = const(11)
WHY_PASSES_SPENT = const(12)
WHY_SESSION_OVER = const(13)
WHY_ENDED = const(14)
WHY_FAULT = const(15)
REASONS = (
    "starting up",
    "testing the idle device",
    "no treatment is running",
    "the checklist is not confirmed",
    "waiting for the footswitch",
    "recording the pass before its suction",
    "footswitch held: suction at the level of the zone",
    "the footswitch was released",
    "the operator closed the pass",
    "off the skin for the pass gap: the pass closed",
    "the time on skin of this pass is spent",
    "the crystals of this pass are spent",
    "all passes of this zone are spent",
    "the session time is over",
    "the operator ended the session",
    "a fault is latched",
)

# A press shorter than this is contact bounce, and so is a release before a
# press; what ends a treatment counts at once. [E]
_PRESS_MS = const(30)
_RELEASE_MS = const(50)


class Treatment:
    """State, wish and reason. `level` is 0 whenever no suction is wanted."""

    STATE = (
        "state",
        "reason",
        "level",
        "set_pa",
        "flow_mg_min",
        "session_ms",
        "confirmed",
        "_wants_suction",
        "_recording_ms",
        "_pressed_ms",
        "_released_ms",
        "_armed",
        "_after_test",
    )

    def __init__(self, settings: Settings, passes: Passes, self_test: SelfTest) -> None:
        self._passes = passes
        self._self_test = self_test
        self._session_limit_ms = settings.session_ms
        self.state = BOOT
        self.reason = WHY_STARTING
        self.level = 0
        self.set_pa = 0  # set vacuum, 0 for none
        self.flow_mg_min = 0  # wanted crystal flow, 0 for none
        self.session_ms = 0  # session time spent
        self.confirmed = 0  # checklist bits
        self._wants_suction = 0  # pressed; waiting for the record
        self._recording_ms = 0  # how long
        self._pressed_ms = 0
        self._released_ms = 0
        self._armed = 0  # the footswitch is, or was before this press, released
        self._after_test = STANDBY

    def step(
        self,
        readings: Readings,
        command: int,
        argument: int,
        sensing: Sensing,
        protection: Protection,
    ) -> None:
        """Take one tick: readings, one command, and the verdict so far."""
        dt_ms = readings.dt_ms
        passes = self._passes
        held = readings.footswitch == SWITCH_PRESSED
        pressed = 0
        if held:
            self._released_ms = 0
            if self._armed:
                self._pressed_ms += dt_ms
                if self._pressed_ms >= _PRESS_MS:
                    self._armed = 0
                    pressed = 1
        else:
            self._pressed_ms = 0
            if self._released_ms < _RELEASE_MS:
                self._released_ms += dt_ms
            else:
                self._armed = 1

        state = self.state
        if protection.fault != faults.NONE:
            if state != FAULT:
                passes.close(pass_states.CLOSED_BY_FAULT)
                self._enter(FAULT, WHY_FAULT)
            elif command == COMMAND_ACKNOWLEDGE and self._armed and not held:
                if faults.CATALOGUE[protection.fault][3] == faults.EXIT_SELF_TEST:
                    protection.clear()
                    self._test_then(CHECKLIST)
        elif state == TREATING:
            self.session_ms += dt_ms
            if command == COMMAND_PASS_DONE:
                passes.close(pass_states.CLOSED_BY_OPERATOR)
            if not held:
                self._enter(PAUSED, WHY_RELEASED)
            elif self.session_ms >= self._session_limit_ms:
                self._complete(WHY_SESSION_OVER)
            elif command == COMMAND_END:
                self._complete(WHY_ENDED)
            elif not passes.is_open:
                self._leave_pass()
        elif state == PAUSED or state == ZONE_DONE:
            self.session_ms += dt_ms
            if self.session_ms >= self._session_limit_ms:
                self._complete(WHY_SESSION_OVER)
            elif command == COMMAND_END:
                self._complete(WHY_ENDED)
            elif command == COMMAND_SELECT_ZONE and passes.select(argument):
                self._enter(READY, WHY_WAITING)
            elif command == COMMAND_SAME_PASS and passes.reopen():
                self._enter(PAUSED, WHY_WAITING)
            elif state == PAUSED:
                if command == COMMAND_PASS_DONE:
                    passes.close(pass_states.CLOSED_BY_OPERATOR)
                if pressed:
                    self._ask_for_suction()
                elif self._wants_suction:
                    self._await_record(readings, held, protection)
                elif not passes.is_open and not passes.may_open():
                    self._leave_pass()
            elif pressed:
                self.reason = WHY_PASSES_SPENT
        elif state == READY:
            if command == COMMAND_END or self.session_ms >= self._session_limit_ms:
                self._complete(WHY_ENDED if command == COMMAND_END else WHY_SESSION_OVER)
            elif command == COMMAND_SELECT_ZONE and passes.select(argument):
                self._enter(READY, WHY_WAITING)
            elif pressed:
                self._ask_for_suction()
            elif self._wants_suction:
                self._await_record(readings, held, protection)
        elif state == CHECKLIST:
            if command == COMMAND_END:
                passes.end_session()
                self._enter(STANDBY, WHY_IDLE)
            else:
                if command == COMMAND_CONFIRM and argument & (argument - 1) == 0:
                    self.confirmed |= argument & CONFIRM_ALL  # one at a time
                if self.confirmed == CONFIRM_ALL and not held:
                    if not passes.session_is_open:
                        passes.begin_session()
                        self.session_ms = 0
                    self._enter(READY, WHY_WAITING)
        elif state == STANDBY:
            if command == COMMAND_START:
                self.confirmed = 0
                self._enter(CHECKLIST, WHY_UNCONFIRMED)
            elif command == COMMAND_END:
                passes.end_session()
        elif state == COMPLETE:
            if command == COMMAND_START:
                self._enter(STANDBY, WHY_IDLE)
        elif state == SELF_TEST:
            found = self._self_test.step(readings, sensing)
            if found == faults.NONE:
                self.confirmed = 0
                self._enter(
                    self._after_test,
                    WHY_IDLE if self._after_test == STANDBY else WHY_UNCONFIRMED,
                )
            elif found != RUNNING:
                protection.latch(found)
                self._enter(FAULT, WHY_FAULT)
        elif state == BOOT:
            self._test_then(STANDBY)
        else:
            # FAULT with nothing latched, or no state at all: memory is wrong.
            protection.latch(faults.INTERNAL)
            self._enter(FAULT, WHY_FAULT)

    def fail(self) -> None:
        """The core has stopped for good: show FAULT, want nothing."""
        self._enter(FAULT, WHY_FAULT)

    def _enter(self, state: int, reason: int) -> None:
        """Enter a state without suction; `_treat` is the only other way."""
        self.state = state
        self.reason = reason
        self.level = 0
        self.set_pa = 0
        self.flow_mg_min = 0
        self._wants_suction = 0

    def _treat(self) -> None:
        plan = self._passes.plan()
        self.state = TREATING
        self.reason = WHY_TREATING
        self.level = plan.level
        self.set_pa = limits.LEVEL_VACUUM_PA[plan.level - 1]
        self.flow_mg_min = plan.flow_mg_min
        self._wants_suction = 0

    def _test_then(self, state: int) -> None:
        self._after_test = state
        self._self_test.start()
        self._enter(SELF_TEST, WHY_TESTING)

    def _complete(self, reason: int) -> None:
        self._passes.end_session()
        self._enter(COMPLETE, reason)

    def _ask_for_suction(self) -> None:
        """A fresh press: open a pass if none is open, then wait for the record."""
        passes = self._passes
        if not passes.is_open:
            if not passes.may_open():
                self._enter(ZONE_DONE, WHY_PASSES_SPENT)
                return
            passes.open_next()
        self._wants_suction = 1
        self._recording_ms = 0
        self.reason = WHY_RECORDING

    def _await_record(self, readings: Readings, held: bool, protection: Protection) -> None:
        """Pressed: suction begins once the record of the open pass is kept."""
        passes = self._passes
        if not held or not passes.is_open:
            self._wants_suction = 0
            self.reason = WHY_WAITING
        elif readings.committed_sequence == passes.sequence:
            self._treat()
        elif self._recording_ms >= limits.RECORD_WAIT_MS:
            protection.latch(faults.STORAGE)
            passes.close(pass_states.CLOSED_BY_FAULT)
            self._enter(FAULT, WHY_FAULT)
        else:
            self._recording_ms += readings.dt_ms

    def _leave_pass(self) -> None:
        """The pass has closed: pause, or stay until another zone is chosen."""
        passes = self._passes
        closed_by = passes.closed_by
        if closed_by == pass_states.CLOSED_BY_OPERATOR:
            reason = WHY_PASS_DONE
        elif closed_by == pass_states.CLOSED_BY_GAP:
            reason = WHY_PASS_GAP
        elif closed_by == pass_states.CLOSED_BY_TIME:
            reason = WHY_PASS_TIME
        elif closed_by == pass_states.CLOSED_BY_CRYSTALS:
            reason = WHY_PASS_CRYSTALS
        else:
            reason = WHY_WAITING
        self._enter(PAUSED if passes.may_open() else ZONE_DONE, reason)
