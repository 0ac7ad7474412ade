"""The treatment: which state the device is in, what it wants, and why.

    BOOT -> SELF_TEST -> STANDBY -> CHECKLIST -> PROOF -> READY -> TREATING
    TREATING -> PAUSED       footswitch released, pass closed, dwell, handpiece
                             blocked, idle or session time
    TREATING -> ZONE_DONE    the pass closed and the zone has none left
    READY, PAUSED -> TREATING on a fresh press of the footswitch
    READY, PAUSED -> ZONE_DONE on a press when no pass is left
    ZONE_DONE -> PAUSED      by SAME PASS
    PAUSED, ZONE_DONE -> READY by choosing a zone
    READY, PAUSED, ZONE_DONE -> RESTING -> READY when the pump's rest is due and
                             no pass is open
    TREATING, PAUSED -> RESTING when it is long overdue, the pass staying open
    READY ... RESTING -> COMPLETE -> STANDBY
    CHECKLIST, PROOF -> STANDBY by END
    any -> FAULT -> SELF_TEST -> CHECKLIST
    STANDBY, FAULT -> restart into SERVICE -> restart

Suction on skin exists in TREATING alone. It starts only on a fresh press, when
session time is left, the zone has a pass left, the pump has proved the level,
and the record that counts this pass has been committed. Letting go of the
footswitch ends it in the same tick. Every wish carries one reason.
"""

from micropython import const

from firmware import dwell as dwell_limits
from firmware import faults, limits
from firmware import passes as pass_states
from firmware.contact import Contact
from firmware.dwell import Dwell
from firmware.footswitch import Footswitch
from firmware.handpiece import CLOGGED, DEAD_HEAD, LEAKING, Handpiece
from firmware.passes import Passes
from firmware.plan import Plan
from firmware.proof import NOT_CAPPED, WAITING, Proof
from firmware.proof import RUNNING as PROVING
from firmware.protection import Protection
from firmware.pump_rest import PumpRest
from firmware.self_test import RUNNING, SelfTest
from firmware.sensing import Sensing
from firmware.service import Service
from firmware.settings import Settings
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_EXTEND,
    COMMAND_FLOW,
    COMMAND_LEVEL,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_REPAIRED,
    COMMAND_RESTART,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
    COMMAND_SERVICE,
    COMMAND_START,
    CONFIRM_ALL,
    Readings,
)

BOOT = const(0)
SELF_TEST = const(1)
STANDBY = const(2)
CHECKLIST = const(3)
PROOF = const(4)
READY = const(5)
TREATING = const(6)
PAUSED = const(7)
ZONE_DONE = const(8)
RESTING = const(9)
COMPLETE = const(10)
FAULT = const(11)
SERVICE = const(12)
STATES = (
    "BOOT",
    "SELF_TEST",
    "STANDBY",
    "CHECKLIST",
    "PROOF",
    "READY",
    "TREATING",
    "PAUSED",
    "ZONE_DONE",
    "RESTING",
    "COMPLETE",
    "FAULT",
    "SERVICE",
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
WHY_CAP = const(16)
WHY_NOT_CAPPED = const(17)
WHY_PROVING = const(18)
WHY_DWELL = const(19)
WHY_NO_CONTACT = const(20)
WHY_LEVEL_UNAVAILABLE = const(21)
WHY_DOSE = const(22)
WHY_RESTING = const(23)
WHY_SERVICE = const(24)
WHY_CLIENT_UNKNOWN = const(25)
WHY_BLOCKED = const(26)
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
    "proof: put the tip on its cap and hold the footswitch",
    "proof: the tip drew air; put it on its cap and hold the footswitch",
    "proof: testing pump, vent and protection on the capped tip",
    "too long on one spot: lift, and press again",
    "no contact for a minute: press again to go on",
    "the pump does not reach this level here: choose a lower one",
    "the crystals of this zone are spent",
    "the pump rests",
    "service: one output at a time",
    "the client's skin type is not told",
    "too little air through the handpiece: clear it, and press again",
)

# Reasons of a pause with its pass open. When the gap or PASS DONE closes it, the
# panel must say so, or the operator cannot know that SAME PASS is needed.
_PASS_WAS_OPEN = (WHY_RELEASED, WHY_DWELL, WHY_NO_CONTACT, WHY_WAITING)

NO_RESTART = const(0)
RESTART = const(1)
RESTART_IN_SERVICE = const(2)

# More session time is confirmed near its end, not in advance. [E]
_EXTENSION_WINDOW_MS = const(300_000)
# While suction is on, steps of level and flow are at least this far apart: a
# step is 3 to 4 kPa, and an open nozzle lets 17 kPa/s or more into 1.2 L. [E]
_STEP_MS = const(500)


class Treatment:
    """State, wish and reason. `level` is 0 whenever no suction is wanted."""

    STATE = (
        "state",
        "reason",
        "warning",
        "level",
        "set_pa",
        "flow_mg_min",
        "session_ms",
        "session_limit_ms",
        "confirmed",
        "kept_fault",
        "restart",
        "fault_ms",
        "_wants_suction",
        "_recording_ms",
        "_idle_ms",
        "_step_ms",
        "_held_ms",
        "_after_test",
    )

    def __init__(
        self,
        settings: Settings,
        in_service: int,
        footswitch: Footswitch,
        sensing: Sensing,
        protection: Protection,
        contact: Contact,
        handpiece: Handpiece,
        dwell: Dwell,
        plan: Plan,
        passes: Passes,
        self_test: SelfTest,
        proof: Proof,
        pump_rest: PumpRest,
        service: Service,
    ) -> None:
        self._footswitch = footswitch
        self._sensing = sensing
        self._protection = protection
        self._contact = contact
        self._handpiece = handpiece
        self._dwell = dwell
        self._plan = plan
        self._passes = passes
        self._self_test = self_test
        self._proof = proof
        self._pump_rest = pump_rest
        self._service = service
        self._in_service = in_service
        self._session_ms = settings.session_ms
        self.state = BOOT
        self.reason = WHY_STARTING
        self.warning = faults.NONE  # a warning of the catalogue, not latched
        self.level = 0
        self.set_pa = 0  # set vacuum, 0 for none
        self.flow_mg_min = 0  # wanted crystal flow, 0 for none
        self.session_ms = 0  # session time spent
        self.session_limit_ms = settings.session_ms
        self.confirmed = 0  # checklist bits
        self.kept_fault = faults.NONE  # outlives a restart, until SERVICE forgets it
        self.restart = NO_RESTART  # asked of the main loop
        self.fault_ms = 0  # in FAULT, with safe outputs; no longer than needed
        self._wants_suction = 0  # pressed; waiting for the record
        self._recording_ms = 0  # how long
        self._idle_ms = 0  # suction without contact
        self._step_ms = 0  # since level or flow last changed under suction
        self._held_ms = 0  # footswitch held where it does nothing
        self._after_test = STANDBY

    def step(self, readings: Readings, command: int, argument: int) -> None:
        """Take one tick: readings, one command, and the verdicts so far."""
        state = self.state
        protection = self._protection
        self._pump_rest.step(self.set_pa, readings.dt_ms)
        self.warning = faults.NONE
        if self._passes.is_damaged():
            protection.latch(faults.MEMORY)
        if (
            state == TREATING
            or not self._footswitch.held
            or state == PROOF
            or state == SERVICE
        ):
            self._held_ms = 0
        elif self._held_ms >= limits.FOOTSWITCH_HELD_MS:
            protection.latch(faults.FOOTSWITCH_HELD)
        else:
            self._held_ms += readings.dt_ms

        if protection.fault != faults.NONE and state != SERVICE:
            self._in_fault(command, readings.dt_ms)
        elif state == TREATING:
            self._in_treating(readings, command, argument)
        elif state == PAUSED or state == ZONE_DONE or state == READY:
            self._between_strokes(readings, command, argument)
        elif state == RESTING:
            self._in_resting(command, argument)
        elif state == PROOF:
            self._in_proof(readings, command)
        elif state == CHECKLIST:
            self._in_checklist(command, argument)
        elif state == STANDBY:
            if command == COMMAND_START:
                self._check()
            elif command == COMMAND_END:
                self._passes.end_session()
            elif command == COMMAND_SERVICE:
                self.restart = RESTART_IN_SERVICE
        elif state == COMPLETE:
            if command == COMMAND_START:
                self._enter(STANDBY, WHY_IDLE)
        elif state == SELF_TEST:
            self._in_self_test(readings)
        elif state == SERVICE:
            self._in_service_mode(readings, command, argument)
        elif state == BOOT:
            if self._in_service:
                self._enter(SERVICE, WHY_SERVICE)
            else:
                self._test_then(STANDBY)
        else:
            # FAULT with nothing latched, or no state at all: memory is wrong.
            self._fail_with(faults.INTERNAL)

    def fail(self) -> None:
        """The core has stopped for good: show FAULT, want nothing."""
        self._enter(FAULT, WHY_FAULT)

    def has_long_failed(self) -> bool:
        """In FAULT for a while: no tick can do more for the vacuum than was done."""
        return self.state == FAULT and self.fault_ms >= limits.FAULT_RECORD_MS

    # The states ---------------------------------------------------------------

    def _in_fault(self, command: int, dt_ms: int) -> None:
        """A fault is latched: enter FAULT, or see whether it may be left."""
        fault = self._protection.fault
        leave = faults.CATALOGUE[fault][3]
        if self.state == FAULT:
            if self.fault_ms < limits.FAULT_RECORD_MS:
                self.fault_ms += dt_ms
        else:
            self.fault_ms = 0
            self._passes.close(pass_states.CLOSED_BY_FAULT)
            self._enter(FAULT, WHY_FAULT)
            if leave == faults.EXIT_SERVICE and self.kept_fault != fault:
                self.kept_fault = fault
                self._passes.ask_for_commit()
            return
        if command == COMMAND_SERVICE:
            self.restart = RESTART_IN_SERVICE
        elif (
            command == COMMAND_ACKNOWLEDGE
            and self._footswitch.armed
            and not self._footswitch.held
            and leave == faults.EXIT_SELF_TEST
        ):
            self._protection.clear()
            self._test_then(CHECKLIST)

    def _in_treating(self, readings: Readings, command: int, argument: int) -> None:
        passes = self._passes
        self.session_ms += readings.dt_ms
        if self._contact.on_skin:
            self._idle_ms = 0
        else:
            self._idle_ms += readings.dt_ms
        if command == COMMAND_PASS_DONE:
            passes.close(pass_states.CLOSED_BY_OPERATOR)
        if not self._footswitch.held:
            self._enter(PAUSED, WHY_RELEASED)
        elif self.session_ms >= limits.SESSION_MS:
            self._complete(WHY_SESSION_OVER)
        elif command == COMMAND_END:
            self._complete(WHY_ENDED)
        elif self.session_ms >= self.session_limit_ms:
            self._enter(PAUSED, WHY_SESSION_OVER)
        elif not passes.is_open:
            self._leave_pass()
        elif self._dwell.verdict == dwell_limits.TOO_LONG:
            self._enter(PAUSED, WHY_DWELL)
        elif self._handpiece.blocked_ms >= limits.BLOCKED_STOP_MS:
            self._enter(PAUSED, WHY_BLOCKED)
        elif self._pump_rest.is_overdue():
            self._enter(RESTING, WHY_RESTING)
        elif self._idle_ms >= limits.IDLE_MS:
            # A pass without a stroke may stay open for long; its time counts.
            passes.ask_for_commit()
            self._enter(PAUSED, WHY_NO_CONTACT)
        else:
            if self._dwell.verdict == dwell_limits.TOO_LONG_SOON:
                self.warning = faults.DWELL_LONG
            elif not self._warn_of_air():
                self._warn()
            # Step by step: the vacuum must be able to follow, or a level that
            # falls quickly would look like over-vacuum.
            if self._step_ms < _STEP_MS:
                self._step_ms += readings.dt_ms
            elif command != COMMAND_NONE and self._adjust(command, argument):
                self._step_ms = 0
                self._wish_for_plan()

    def _between_strokes(self, readings: Readings, command: int, argument: int) -> None:
        """READY, PAUSED and ZONE_DONE: no suction, and the session goes on."""
        passes = self._passes
        state = self.state
        if state != READY:
            self.session_ms += readings.dt_ms
        self._warn()
        if command == COMMAND_PASS_DONE:
            passes.close(pass_states.CLOSED_BY_OPERATOR)
        if self.session_ms >= limits.SESSION_MS:
            self._complete(WHY_SESSION_OVER)
        elif command == COMMAND_END:
            self._complete(WHY_ENDED)
        elif command == COMMAND_SELECT_ZONE and passes.select(argument):
            self._enter(READY, WHY_WAITING)
        elif command == COMMAND_EXTEND:
            self._extend()
        elif state == ZONE_DONE:
            if command == COMMAND_SAME_PASS and passes.reopen():
                self._enter(PAUSED, WHY_WAITING)
            elif self._footswitch.pressed and self._pump_rest.is_due():
                self._enter(RESTING, WHY_RESTING)
            elif self._footswitch.pressed and not passes.may_open():
                self.reason = WHY_PASSES_SPENT
        elif self._pump_rest.is_due() and (
            state == READY or not passes.is_open or self._pump_rest.is_overdue()
        ):
            self._enter(RESTING, WHY_RESTING)
        elif self._wants_suction:
            self._await_record(readings)
        elif self._footswitch.pressed:
            self._ask_for_suction()
        elif self._adjust(command, argument):
            self.reason = WHY_WAITING
        elif state == PAUSED:
            if command == COMMAND_SAME_PASS and passes.reopen():
                self._enter(PAUSED, WHY_WAITING)
            elif not passes.is_open and (
                self.reason in _PASS_WAS_OPEN or not passes.may_open()
            ):
                self._leave_pass()

    def _in_resting(self, command: int, argument: int) -> None:
        passes = self._passes
        # Nobody chose this pause: the open pass does not close by it, and the
        # last closing can still be taken back.
        passes.hold()
        if command == COMMAND_END:
            self._complete(WHY_ENDED)
        else:
            if command == COMMAND_SELECT_ZONE:
                passes.select(argument)
            elif command == COMMAND_SAME_PASS:
                passes.reopen()
            if not self._pump_rest.is_due():
                self._enter(READY, WHY_WAITING)

    def _in_checklist(self, command: int, argument: int) -> None:
        if command == COMMAND_END:
            self._passes.end_session()
            self._enter(STANDBY, WHY_IDLE)
            return
        if command == COMMAND_CONFIRM and argument & (argument - 1) == 0:
            self.confirmed |= argument & CONFIRM_ALL  # one at a time
        elif command == COMMAND_CLIENT:
            self._plan.tell_client(argument)
        if self.confirmed == CONFIRM_ALL:
            if self._plan.skin_type == 0:
                self.reason = WHY_CLIENT_UNKNOWN
            elif not self._footswitch.held:
                self._plan.choose(self._passes.zone)
                self._proof.start()
                self._enter(PROOF, WHY_CAP)

    def _in_proof(self, readings: Readings, command: int) -> None:
        if command == COMMAND_END:
            self._proof.start()
            self._passes.end_session()
            self._enter(STANDBY, WHY_IDLE)
            return
        footswitch = self._footswitch
        found = self._proof.step(readings, self._sensing, footswitch.held, footswitch.pressed)
        if found == PROVING:
            if self._proof.phase != WAITING:
                self.reason = WHY_PROVING
            elif self.reason == WHY_PROVING:
                self.reason = WHY_CAP
        elif found == NOT_CAPPED:
            self.reason = WHY_NOT_CAPPED
        elif found != faults.NONE:
            self._fail_with(found)
        else:
            passes = self._passes
            self._plan.available_level = self._proof.available_level
            if not passes.session_is_open:
                passes.begin_session()
                self.session_ms = 0
                self.session_limit_ms = self._session_ms
            self._enter(READY, WHY_WAITING)

    def _in_self_test(self, readings: Readings) -> None:
        found = self._self_test.step(readings, self._sensing)
        if found == faults.NONE:
            if self._after_test == CHECKLIST:
                self._check()
            else:
                self._enter(STANDBY, WHY_IDLE)
        elif found != RUNNING:
            self._fail_with(found)

    def _in_service_mode(self, readings: Readings, command: int, argument: int) -> None:
        """The gate keeps outputs safe while a fault is latched, here too; but
        a broken sensor must not keep out whoever came to replace it."""
        self._service.step(command, argument, self._sensing, readings.dt_ms)
        if command == COMMAND_ACKNOWLEDGE:
            self._protection.clear()
        elif command == COMMAND_RESTART:
            self._service.rest()
            self.restart = RESTART
        elif command == COMMAND_REPAIRED and self.kept_fault != faults.NONE:
            self.kept_fault = faults.NONE
            self._passes.ask_for_commit()

    # The ways between them ----------------------------------------------------

    def _enter(self, state: int, reason: int) -> None:
        """Enter a state without suction; `_treat` is the only other way."""
        self.state = state
        self.reason = reason
        self.level = 0
        self.set_pa = 0
        self.flow_mg_min = 0
        self._wants_suction = 0

    def _treat(self) -> None:
        self.state = TREATING
        self.reason = WHY_TREATING
        self._idle_ms = 0
        self._wants_suction = 0
        self._wish_for_plan()

    def _wish_for_plan(self) -> None:
        plan = self._plan
        self.level = plan.level
        self.set_pa = limits.LEVEL_VACUUM_PA[plan.level - 1]
        self.flow_mg_min = plan.flow_mg_min

    def _check(self) -> None:
        """Begin the checklist, with nothing confirmed."""
        self.confirmed = 0
        self._plan.ask_client()
        self._plan.available_level = 0
        self._enter(CHECKLIST, WHY_UNCONFIRMED)

    def _test_then(self, state: int) -> None:
        self._after_test = state
        self._self_test.start()
        self._enter(SELF_TEST, WHY_TESTING)

    def _complete(self, reason: int) -> None:
        self._passes.end_session()
        self._enter(COMPLETE, reason)

    def _fail_with(self, fault: int) -> None:
        """Latch a fault and take its consequences in this tick."""
        self._protection.latch(fault)
        self._in_fault(COMMAND_NONE, 0)

    def _warn(self) -> None:
        """What the operator should know soon, the nearest first."""
        if self.session_limit_ms - self.session_ms <= _EXTENSION_WINDOW_MS:
            self.warning = faults.SESSION_ENDING
        elif self._pump_rest.is_due():
            self.warning = faults.REST_DUE

    def _warn_of_air(self) -> bool:
        """What the handpiece tells on the skin. True if anything."""
        condition = self._handpiece.condition
        if condition == DEAD_HEAD:
            self.warning = faults.LINE_BLOCKED
        elif condition == CLOGGED:
            self.warning = faults.NOZZLE_CLOG_LIKELY
        elif condition == LEAKING:
            self.warning = faults.SEAL_LEAKING
        elif self._handpiece.low_ms >= limits.VACUUM_LOW_MS:
            self.warning = faults.VACUUM_LOW
        else:
            return False
        return True

    def _extend(self) -> None:
        """One more stretch of session time, near the end of the last."""
        limit_ms = self.session_limit_ms
        if limit_ms - self.session_ms <= _EXTENSION_WINDOW_MS:
            limit_ms += limits.EXTENSION_MS
            self.session_limit_ms = limit_ms if limit_ms < limits.SESSION_MS else limits.SESSION_MS
            if self.reason == WHY_SESSION_OVER:
                self.reason = WHY_WAITING

    def _adjust(self, command: int, argument: int) -> bool:
        """One step of level or flow. True if something changed."""
        if command == COMMAND_LEVEL:
            return self._plan.step_level(argument)
        if command == COMMAND_FLOW:
            return self._plan.step_flow(self._passes.zone, argument)
        return False

    def _ask_for_suction(self) -> None:
        """A fresh press: open a pass if none is open, then wait for the record."""
        passes = self._passes
        if self.session_ms >= self.session_limit_ms:
            self.reason = WHY_SESSION_OVER
            return
        if not self._plan.is_available():
            self.reason = WHY_LEVEL_UNAVAILABLE
            return
        if not passes.is_open:
            if not passes.may_open():
                self._enter(ZONE_DONE, WHY_PASSES_SPENT)
                return
            passes.open_next()
        self._wants_suction = 1
        self._recording_ms = 0
        self.reason = WHY_RECORDING

    def _await_record(self, readings: Readings) -> None:
        """Pressed: suction begins once the record of the open pass is kept."""
        passes = self._passes
        if not self._footswitch.held or not passes.is_open:
            self._wants_suction = 0
            self.reason = WHY_WAITING
        elif self.session_ms >= self.session_limit_ms:
            self._wants_suction = 0
            self.reason = WHY_SESSION_OVER
        elif readings.committed_sequence == passes.sequence:
            self._treat()
        elif self._recording_ms >= limits.RECORD_WAIT_MS:
            self._fail_with(faults.STORAGE)
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
        elif closed_by == pass_states.CLOSED_BY_DOSE:
            reason = WHY_DOSE
        else:
            reason = WHY_WAITING
        self._enter(PAUSED if passes.may_open() else ZONE_DONE, reason)
