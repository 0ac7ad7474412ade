"""The panel of a device without a console: four buttons, two lights and a buzzer.

What a button asks for depends on the state, and stands in one table. What is shown
is data, too: patterns of bits, a bit for each 100 ms, the first one lowest. A fault
or warning sounds by its priority, high, medium and low with bursts of their own;
burst and pitch are inspired by IEC 60601-1-8, and nothing here claims to conform to
it. A press of START in a fault silences it until another one comes.

The panel counts turns of the main loop, not time, so that it goes on showing a fault
when no tick runs any more.
"""

from micropython import const

from firmware import faults
from firmware.app import App
from firmware.treatment import CHECKLIST, COMPLETE, FAULT, SERVICE, STANDBY
from hal.contract import (
    BUTTON_END,
    BUTTON_PASS,
    BUTTON_START,
    BUTTON_ZONE,
    CLIENT_FIRST_SESSION,
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_EXTEND,
    COMMAND_NONE,
    COMMAND_PASS_DONE,
    COMMAND_RESTART,
    COMMAND_SAME_PASS,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
    CONFIRM_ALL,
    SKIN_TYPE_HIGHEST,
    RunningBoard,
)

_STEP_TURNS = const(5)  # of 20 ms
# A second press of PASS this soon takes the closing back. [E]
_DOUBLE_TURNS = const(30)
_LIGHT_STEPS = const(20)  # of a light's pattern: 2 s

# The ready light of each state, in the order of their numbers.
_DARK = const(0)
_LIT = const(0xFFFFF)
_FLASH = const(0x00001)  # once in 2 s: alive, and waiting
_SLOW_BLINK = const(0x003FF)  # 1 s on, 1 s off: something is asked for
_BLINK = const(0x9CE73)  # twice a second: suction
_LIGHTS = (
    _DARK,  # BOOT
    _DARK,  # SELF_TEST
    _FLASH,  # STANDBY
    _SLOW_BLINK,  # CHECKLIST
    _BLINK,  # PROOF
    _LIT,  # READY
    _BLINK,  # TREATING
    _LIT,  # PAUSED
    _SLOW_BLINK,  # ZONE_DONE
    _FLASH,  # RESTING
    _SLOW_BLINK,  # COMPLETE
    _DARK,  # FAULT
    _FLASH,  # SERVICE
)

# Of a priority: pitch in Hz, burst, and after how many steps it comes again.
# High is twice five pulses, medium three, low two.
_BURSTS = (
    (faults.HIGH, 960, 0x5150515, 60),
    (faults.MEDIUM, 720, 0x00333, 100),
    (faults.LOW, 480, 0x00033, 200),
)
# A pass has closed: what the operator must know to take it back. [E]
_CLOSED_HZ = const(1_500)


def _command_of(button: int, state: int) -> int:
    """The command that a button asks for, COMMAND_NONE for none."""
    if button == BUTTON_START:
        if state == STANDBY or state == COMPLETE:
            return COMMAND_START
        if state == CHECKLIST:
            return COMMAND_CONFIRM
        if state == FAULT or state == SERVICE:
            return COMMAND_ACKNOWLEDGE
        return COMMAND_EXTEND
    if button == BUTTON_PASS:
        return COMMAND_PASS_DONE
    if button == BUTTON_ZONE:
        return COMMAND_SELECT_ZONE
    return COMMAND_RESTART if state == SERVICE else COMMAND_END


class Panel:
    """Buttons to commands, and state and fault to lights and tones."""

    def __init__(self, app: App, board: RunningBoard, zones: int) -> None:
        self._app = app
        self._board = board
        self._zones = zones  # of the protocol
        self._turns = 0
        self._step = 0  # of 100 ms
        self._since_pass = _DOUBLE_TURNS  # turns since PASS was pressed
        self._wanted = COMMAND_NONE  # a command that the mailbox had no room for
        self._argument = 0
        self._alarm = faults.NONE  # what sounds, or would
        self._begun = 0  # when it began, in steps
        self._silenced = faults.NONE
        self._was_open = 0
        self._shown = -1

    def turn(self) -> None:
        """One turn of the main loop."""
        if self._app.controller is None:
            return
        self._press()
        self._turns += 1
        if self._turns >= _STEP_TURNS:
            self._turns = 0
            self._step += 1
            self._show()

    def _press(self) -> None:
        """Take what was pressed to the mailbox; what finds no room there waits."""
        if self._since_pass < _DOUBLE_TURNS:
            self._since_pass += 1
        pressed = self._board.buttons_pressed()
        for button in (BUTTON_END, BUTTON_START, BUTTON_PASS, BUTTON_ZONE):
            if pressed & button:
                self._ask(button)
                break
        if self._wanted != COMMAND_NONE and self._app.post(self._wanted, self._argument):
            self._wanted = COMMAND_NONE

    def _ask(self, button: int) -> None:
        controller = self._app.controller
        if controller is None:
            return
        state = controller.treatment.state
        command = _command_of(button, state)
        argument = 0
        if command == COMMAND_PASS_DONE:
            if self._since_pass < _DOUBLE_TURNS:
                command = COMMAND_SAME_PASS
                self._since_pass = _DOUBLE_TURNS
            else:
                self._since_pass = 0
        elif command == COMMAND_SELECT_ZONE:
            argument = (controller.passes.zone + 1) % self._zones
        elif command == COMMAND_ACKNOWLEDGE:
            self._silenced = controller.protection.fault
        elif command == COMMAND_CONFIRM:
            # One item at each press. Then the client: who does not tell the skin
            # type at a console is treated as the one who bears least.
            left = CONFIRM_ALL & ~controller.treatment.confirmed
            argument = left & -left
            if not left:
                command = COMMAND_CLIENT
                argument = SKIN_TYPE_HIGHEST + CLIENT_FIRST_SESSION
        self._wanted = command
        self._argument = argument

    def _show(self) -> None:
        """Lights and tone of this step."""
        controller = self._app.controller
        if controller is None:
            return
        treatment = controller.treatment
        fault = controller.protection.fault
        alarm = fault if fault != faults.NONE else treatment.warning
        if alarm != self._alarm:
            self._alarm = alarm
            self._begun = self._step
            if fault != self._silenced:
                self._silenced = faults.NONE
        is_open = controller.passes.is_open
        tone_hz = 0
        if alarm == faults.NONE or alarm == self._silenced:
            if self._was_open and not is_open:
                tone_hz = _CLOSED_HZ
        else:
            priority = faults.CATALOGUE[alarm][2]
            for name, pitch_hz, burst, period in _BURSTS:
                if name == priority:
                    at = (self._step - self._begun) % period
                    if at < 30 and burst >> at & 1:
                        tone_hz = pitch_hz
        self._was_open = is_open
        at = self._step % _LIGHT_STEPS
        ready = _LIGHTS[treatment.state] >> at & 1
        if fault != faults.NONE:
            lit = 1
        elif alarm != faults.NONE or treatment.state == SERVICE:
            lit = _SLOW_BLINK >> at & 1
        else:
            lit = 0
        shown = ready | lit << 1 | tone_hz << 2
        if shown != self._shown:
            self._shown = shown
            self._board.show(ready, lit, tone_hz)
