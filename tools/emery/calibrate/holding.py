"""An output of SERVICE held for as long as it takes, such as until a gauge has been read.

The firmware lets every output go after two seconds; the same command again prolongs it.
So whoever holds must keep asking, and a computer that hangs or a line that is lost ends
it by itself. What is done is a generator that yields the next step and gets what the
device shows: it may change the drive, and it ends when it returns. The firmware's own
bounds (60 % of the pump's drive, 30 kPa) hold throughout.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from emery.blackbox.box import Record
from emery.device.problem import DeviceProblem
from emery.service_bench.bench import LET_GO, Bench, Step
from emery.service_bench.linked import ServiceBench
from emery.service_bench.recording import Recording
from firmware import limits

# Asked again well before the two seconds are over, however slow the line is. [E]
ASK_AGAIN_MS = 800
HELD_LOOK_MS = 100
HOLD_LONGEST_MS = 120_000  # nobody needs longer to read a gauge [E]


class Seen(NamedTuple):
    """What the device shows: its time since the hold began, both channels by its own
    settings, and the barometer. `pump_permille` is what the pump gets."""

    t_ms: int
    a_pa: int
    b_pa: int
    barometer_pa: int
    pump_permille: int
    feed_permille: int
    vent: int

    @property
    def vacuum_pa(self) -> float:
        """Mean of both channels."""
        return (self.a_pa + self.b_pa) / 2


Deed = Generator[Step, Seen, None]


@dataclass(frozen=True, slots=True)
class Held:
    """What was seen about every 100 ms, and the black box of the last seconds before the
    outputs were let go, tick by tick."""

    seen: tuple[Seen, ...]
    last: Recording


class HoldingBench(Bench, ABC):
    """A bench that can hold."""

    @abstractmethod
    def hold(self, deed: Deed) -> Held:
        """Do what `deed` yields until it returns, then let go. DeviceProblem if the
        device cannot, latched a fault, or was held for too long."""

    @abstractmethod
    def at_rest(self, ms: int) -> Recording:
        """What the device records while nothing is done to it. It may have latched a
        fault."""


class LinkedHold(ServiceBench, HoldingBench):
    """A device at the other end of the link."""

    def hold(self, deed: Deed) -> Held:
        """See HoldingBench.hold."""
        self._wait_until_quiet()
        client = self._client
        seen: list[Seen] = []
        first_tick = client.status().ticks
        step = next(deed)
        asked: Step | None = None
        asked_ms = 0
        with self._driven():
            while True:
                now_ms = seen[-1].t_ms if seen else 0
                if step != asked or now_ms - asked_ms >= ASK_AGAIN_MS:
                    client.do(step.command, step.percent)
                    asked, asked_ms = step, now_ms
                client.hear(HELD_LOOK_MS / 1_000)
                status = client.status()
                seen.append(
                    Seen(
                        (status.ticks - first_tick) * self.tick_ms, status.vacuum_a_pa,
                        status.vacuum_b_pa, status.barometer_pa, status.pump_permille,
                        status.feed_permille, status.vent,
                    )
                )  # fmt: skip
                self._refuse_fault(status.fault)
                refuse_long(seen[-1].t_ms)
                try:
                    step = deed.send(seen[-1])
                except StopIteration:
                    break
        return Held(tuple(seen), until_let_go(self._pull().records))

    def at_rest(self, ms: int) -> Recording:
        """See HoldingBench.at_rest."""
        self.rest(ms)
        records = self._pull().records[-(ms // self.tick_ms) :]
        return Recording.of(records, 0, 0)


def refuse_long(held_ms: int) -> None:
    """DeviceProblem if something was held for too long."""
    if held_ms > HOLD_LONGEST_MS:
        raise DeviceProblem(
            f"an output was held for {HOLD_LONGEST_MS // 1_000} s and let go: nobody answered",
            "Begin again, and answer while the pump holds.",
        )


def until_let_go(records: Sequence[Record]) -> Recording:
    """The records from the last time the outputs were let go back to the oldest."""
    ends = [
        at for at, row in enumerate(records)
        if (row.command, row.argument) == (LET_GO.command, LET_GO.percent)
    ]  # fmt: skip
    if not ends or ends[-1] == 0:
        raise DeviceProblem(
            "the black box of the device was overwritten before it was pulled",
            "Close what else uses the computer and the port, and try it again; a virtual board "
            "must run in real time.",
        )
    return Recording.of(records[: ends[-1]], 0, 0)


def is_near_cut(vacuum_pa: float) -> bool:
    """Is the firmware about to let go by itself?"""
    return vacuum_pa > limits.SERVICE_VACUUM_PA - 500
