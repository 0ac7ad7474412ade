"""The bench over the link: commands go out, and the black box comes back.

Which tick a command falls into, the line decides; so nothing here relies on when it was
sent, only on what the device recorded. The firmware ends each output by itself, so a line
that is lost leaves nothing running.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from emery.blackbox.box import Box, BoxError, Record
from emery.device.problem import DeviceProblem
from emery.link.client import Client, Refused
from emery.link.said import Hello, fault_name, reason_words, state_name
from emery.service_bench.bench import LET_GO, REST_MS, TAIL_MS, Bench, Step, recorded
from emery.service_bench.recording import Recording
from firmware import faults, limits, treatment

# Words of `firmware.link` for a box that cannot be copied yet.
_ACTIVE = "outputs are active"
_COPY_TRIES = 40
_COPY_PAUSE_S = 0.05
# A vented device is at zero well within it. [E]
_QUIET_TRIES = 40
_QUIET_PAUSE_S = 0.1
# A line that stalled once may not the next time.
_RUN_TRIES = 2

_TO_SERVICE = (
    "Bring it there: end the session; then hold END while you switch it on, or press w in "
    "`emery monitor`."
)


class ServiceBench(Bench):
    """The device that `client` talks to, which said `hello`."""

    def __init__(self, client: Client, hello: Hello) -> None:
        self._client = client
        self.tick_ms = hello.period_ms or 5
        self._let_go_s = time.monotonic()

    def run(self, steps: Sequence[Step]) -> Recording:
        """See Bench.run."""
        self._check(steps)
        for _ in range(_RUN_TRIES):
            recording = self._run_once(steps)
            if recording is not None:
                return recording
        raise DeviceProblem(
            f"the line to {self._client.name} is too slow, or the device's time runs faster "
            "than this computer's: the black box was overwritten before it was pulled",
            "Close what else uses the computer and the port, and try it again; a virtual board "
            "must run in real time.",
        )

    def rest(self, ms: int) -> None:
        """See Bench.rest."""
        self._client.hear(ms / 1_000)

    def _run_once(self, steps: Sequence[Step]) -> Recording | None:
        """One run; None if its beginning was overwritten before it was pulled."""
        client = self._client
        # Pulling takes most of it, or all.
        rest_s = REST_MS / 1_000 - (time.monotonic() - self._let_go_s)
        if rest_s > 0.0:
            client.hear(rest_s)
        self._wait_until_quiet()
        with self._driven():
            for step in steps:
                client.do(step.command, step.percent)
                client.hear(step.ms / 1_000)
        box = self._pull()
        if box.records:
            self._judge(box.records[-1])
        return recorded(box.records, steps)

    @contextmanager
    def _driven(self) -> Iterator[None]:
        """Outputs are asked for inside; behind it they are let go, whatever ended it."""
        try:
            yield
        except BaseException:
            # A line that is lost tells nothing; then the firmware lets go by itself.
            with suppress(DeviceProblem):
                self._client.do(LET_GO.command, LET_GO.percent)
            raise
        self._client.do(LET_GO.command, LET_GO.percent)
        self._let_go_s = time.monotonic()
        self._client.hear(TAIL_MS / 1_000)

    def _wait_until_quiet(self) -> None:
        """SERVICE, no fault, all outputs off and the vacuum gone. DeviceProblem else."""
        highest_pa = 0
        for _ in range(_QUIET_TRIES):
            status = self._client.status()
            if status.state != treatment.SERVICE:
                raise DeviceProblem(
                    f"the device is in {state_name(status.state)} "
                    f"({reason_words(status.reason)}); outputs run one by one in SERVICE only",
                    _TO_SERVICE,
                )
            self._refuse_fault(status.fault)
            highest_pa = max(status.vacuum_a_pa, status.vacuum_b_pa)
            if (
                highest_pa < limits.RELEASED_PA
                and not (status.pump_permille or status.feed_permille or status.vent)
            ):
                return
            self._client.hear(_QUIET_PAUSE_S)
        raise DeviceProblem(
            f"the device still shows {highest_pa / 1_000:.1f} kPa with its outputs off",
            "Lift the tip. If it stays so, the vent does not open, or a sensor's zero is off: "
            "emery calibrate sensors.",
        )

    def _pull(self) -> Box:
        """The black box now. It is copied as soon as the outputs are off."""
        for _ in range(_COPY_TRIES):
            try:
                return Box.of(self._client.whole_blob("box"))
            except Refused as refused:
                if _ACTIVE not in refused.words:
                    raise
            except BoxError as error:
                raise DeviceProblem(
                    f"the black box of the device cannot be read: {error}",
                    "Use the emery of the device's version, or put this one's firmware on: "
                    "emery flash CONFIG",
                ) from None
            self._client.hear(_COPY_PAUSE_S)
        raise DeviceProblem(
            "the outputs of the device do not go off", "Switch it off, and see what it shows."
        )

    def _judge(self, newest: Record) -> None:
        if newest.state != treatment.SERVICE:
            raise DeviceProblem(
                f"the device went into {state_name(newest.state)} during a run",
                "See what it shows; then begin again.",
            )
        self._refuse_fault(newest.fault)

    @staticmethod
    def _refuse_fault(fault: int) -> None:
        if fault != faults.NONE:
            name = fault_name(fault)
            raise DeviceProblem(
                f"the device has latched {name}, and lets no output run",
                f"`emery faults {name}` tells what to do; then restart it into SERVICE.",
            )
