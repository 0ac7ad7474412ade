"""What can be done to a device in SERVICE, whoever holds it: step by step, recorded.

The firmware (`firmware/service.py`) allows one output at a time, two seconds for each
command, the pump at most 60 % and with the vent closed, and lets go above 30 kPa (the
crystal valve may be opened fully, with the vent open). Another
command takes the place of the one before without a gap: so the pump may run and then
stop with the vent still closed. All of a run must fit the black box with what follows.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from emery.blackbox.box import Record
from emery.service_bench.recording import Recording
from firmware import black_box, limits
from hal.contract import COMMAND_CLOSE_VENT, COMMAND_RUN_FEED, COMMAND_RUN_PUMP

PUMP_HIGHEST_PERCENT = limits.SERVICE_PUMP_PERMILLE // 10
# After a run, until it is pulled: the vent lets go of the vacuum meanwhile.
TAIL_MS = 250
# What the answer to a command and the copy of the box may take, in a ring that is to
# keep all of a run. [E]
_SLACK_MS = 250
# Between runs: each begins at rest, and a slow pump turns on for a while. [E]
REST_MS = 2_500

_OUTPUTS = (COMMAND_RUN_PUMP, COMMAND_RUN_FEED, COMMAND_CLOSE_VENT)


class Step(NamedTuple):
    """One output for some time: a COMMAND_ of the contract, its argument in percent."""

    command: int
    percent: int
    ms: int


def pump(percent: int, ms: int) -> Step:
    """The pump with the vent closed; 0 lets it coast down behind a closed vent."""
    return Step(COMMAND_RUN_PUMP, percent, ms)


def closed_vent(ms: int) -> Step:
    """The vent closed, the pump off."""
    return Step(COMMAND_CLOSE_VENT, 0, ms)


# All outputs off: there is no command of that name, and a shut valve is the same.
LET_GO = Step(COMMAND_RUN_FEED, 0, 0)


def longest_ms(tick_ms: int) -> int:
    """How long the steps of one run may last together on a device with this tick."""
    ring_ms = black_box.RECORDS * tick_ms
    return ring_ms - TAIL_MS - _SLACK_MS


class Bench(ABC):
    """A device in SERVICE."""

    tick_ms: int

    @abstractmethod
    def run(self, steps: Sequence[Step]) -> Recording:
        """Do these steps one after the other, let go, and give what was recorded.

        ValueError for steps that the firmware or its black box has no room for;
        DeviceProblem if the device cannot, or if it latched a fault meanwhile.
        """

    @abstractmethod
    def rest(self, ms: int) -> None:
        """Leave the device alone, all outputs off."""

    def _check(self, steps: Sequence[Step]) -> None:
        """ValueError if they cannot be done."""
        if not steps:
            raise ValueError("no step")
        for step in steps:
            if step.command not in _OUTPUTS:
                raise ValueError(f"{step.command} is no command of SERVICE for an output")
            if not 0 < step.ms <= limits.SERVICE_RUN_MS:
                raise ValueError(f"a step of {step.ms} ms; 1 to {limits.SERVICE_RUN_MS} are due")
            most = PUMP_HIGHEST_PERCENT if step.command == COMMAND_RUN_PUMP else 100
            if not 0 <= step.percent <= most:
                raise ValueError(f"{step.percent} %; 0 to {most} are due")
        asked_ms = sum(step.ms for step in steps)
        if asked_ms > longest_ms(self.tick_ms):
            raise ValueError(
                f"{asked_ms} ms altogether; the black box has room for "
                f"{longest_ms(self.tick_ms)}"
            )


def recorded(records: Sequence[Record], steps: Sequence[Step]) -> Recording | None:
    """The run of these steps, the last thing in the records of a black box; None if its
    beginning is no longer there."""
    wanted = [(step.command, step.percent) for step in [*steps, LET_GO]]
    asked = [at for at, row in enumerate(records) if row.command in _OUTPUTS]
    begins = asked[-len(wanted) :]
    if [(records[at].command, records[at].argument) for at in begins] != wanted:
        return None
    return Recording.of(records, begins[0], sum(step.ms for step in steps))
