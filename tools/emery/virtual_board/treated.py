"""A virtual board brought into a treatment, by hand, foot and link.

For what has to be seen in the midst of one: ways of stopping, noise on the line, power
cuts. Time runs fast, and stands still between two calls.
"""

from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN
from emery.virtual_board.board import VirtualBoard
from firmware import treatment
from firmware.line import fletcher16
from hal.contract import (
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
    CONFIRM_CONSULTATION,
    CONFIRM_EYEWEAR,
    CONFIRM_FRESH_TIP,
)

_LOOK_MS = 20
_ANSWER_MS = 2_000
_STATE_MS = 30_000
_SKIN_TYPE = 2


class NotThere(Exception):
    """The device did not answer, or did not get where it was to go."""


class Treated:
    """Somebody who treats with a virtual board whose firmware is installed."""

    def __init__(self, board: VirtualBoard) -> None:
        self.board = board
        self.printed = bytearray()
        self._sequence = 0
        board.on_output = self.printed.extend

    def ask(self, request: str) -> str:
        """Send one request over the link; its answer from `ok` or `no` on."""
        self._sequence = self._sequence % 999 + 1
        since = len(self.printed)
        self.board.type(line(f"{self._sequence} {request}"))
        start = f"@{self._sequence} ".encode()
        for _ in range(_ANSWER_MS // _LOOK_MS):
            self.board.run_for(_LOOK_MS)
            at = self.printed.find(start, since)
            if at >= 0 and (end := self.printed.find(b"*", at)) >= 0:
                return self.printed[at + len(start) : end].decode()
        raise NotThere(f"no answer to {request!r}; it printed {bytes(self.printed[since:])!r}")

    def status(self) -> dict[str, int]:
        """The fields of `status`; what is no number is left out."""
        answer = self.ask("status")
        pairs = (word.split("=", 1) for word in answer.split()[1:])
        return {name: int(value) for name, value in pairs if value.lstrip("-").isdigit()}

    def wait_for_state(self, *wanted: int) -> None:
        """Let time pass until the device is in one of these states."""
        status: dict[str, int] = {}
        for _ in range(_STATE_MS // 200):
            status = self.status()
            if status.get("s") in wanted:
                return
            self.board.run_for(200)
        names = " or ".join(treatment.STATES[state] for state in wanted)
        raise NotThere(f"it did not get into {names}: {status}")

    def do(self, command: int, argument: int = 0) -> None:
        """Post a command, as the panel would."""
        answer = self.ask(f"do {command} {argument}")
        if answer != "ok":
            raise NotThere(f"command {command} {argument}: {answer}")
        self.board.run_for(50)

    def to_ready(self) -> None:
        """From power-on to READY: checklist, client, and the proof on the cap."""
        world = self.board.world
        self.wait_for_state(treatment.STANDBY)
        self.do(COMMAND_START)
        for item in (CONFIRM_CONSULTATION, CONFIRM_EYEWEAR, CONFIRM_FRESH_TIP):
            self.do(COMMAND_CONFIRM, item)
        self.do(COMMAND_CLIENT, _SKIN_TYPE)
        self.wait_for_state(treatment.PROOF)
        world.tip = TIP_ON_CAP
        world.footswitch = 1
        self.wait_for_state(treatment.READY)
        world.footswitch = 0
        world.tip = TIP_IN_AIR
        self.board.run_for(200)

    def to_treating(self, zone: int = 0) -> None:
        """From power-on to a stroke: the tip on the skin, the set vacuum reached."""
        self.to_ready()
        world = self.board.world
        self.do(COMMAND_SELECT_ZONE, zone)
        world.footswitch = 1
        self.wait_for_state(treatment.TREATING)
        world.tip = TIP_ON_SKIN
        self.board.run_for(1_500)


def line(body: str) -> bytes:
    """A line of the link with its sum."""
    text = body.encode()
    return b"@%s*%04X\n" % (text, fletcher16(text, len(text)))
