"""The client: ask a device over its line, and hear what it tells.

One request is under way at a time. A line that is lost is asked again; a command is
not, since it may have arrived and only its answer have been lost. Telemetry that comes
in between is kept, and so are the last words of the console.
"""

import base64
import binascii
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emery.device import ports
from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode
from emery.link.device_ledger import DeviceEntry, digest_of, entries_of
from emery.link.line import body_of, fields_of, framed
from emery.link.port import SerialPort, Transport
from emery.link.said import Hello, Status
from firmware.config_ledger import WHO_BYTES, WHY_BYTES
from firmware.link import PROTOCOL
from hal.contract import COMMAND_RESTART, COMMAND_SERVICE

_NUMBERS = 1_000
_REPLY_S = 0.5
# A command is sent once, since it may have arrived: so its answer is waited for longer. On
# a loaded computer a virtual board answered after 0.5 s, and a measurement was lost. [E]
_COMMAND_S = 2.0
_REQUEST_TRIES = 3
# A device writes its flash for some time before it answers (4 kB erase: 400 ms at
# worst, W25Q16JV data sheet), and an ESP32 sends 90 characters in 10 ms. [E]
_SET_S = 3.0
_BLOB_S = 1.5
# So that a request with its base64 stays below the device's 120 characters.
_PUT_BYTES = 72
# The mailbox takes one command in each tick.
_MAILBOX_TRIES = 20
_MAILBOX_PAUSE_S = 0.02
_LOOK_WHO_S = 0.4
_CONSOLE_LINES = 50
_UNENDED_LONGEST = 4_096

_ENTER = b"\r"
_LEAVE_RAW = b"\x02"
_PROMPTS = (b">>> ", b"... ")
_MAILBOX_FULL = "another command is waiting"


class Silent(DeviceProblem):
    """Nothing answers, or not as Emery does."""


class Refused(DeviceProblem):
    """The device said no. `words` are its own."""

    def __init__(self, request: str, words: str) -> None:
        super().__init__(
            f"the device refused `{request}`: {words}", "Nothing was changed on it."
        )
        self.words = words


class Client:
    """A device at the other end of `transport`, which the client closes.

    Every method raises DeviceProblem: Silent, Refused, or a line that is lost.
    """

    def __init__(self, transport: Transport, number: int | None = None) -> None:
        self._transport = transport
        # Not always the same first number: an answer to who asked before is not ours.
        self._number = random.randrange(_NUMBERS) if number is None else number
        self._coming = bytearray()
        self.console: deque[str] = deque(maxlen=_CONSOLE_LINES)
        self.asked_again = 0
        self.bad_lines = 0  # lines that began as the link's and were not whole
        self.told = 0  # lines of telemetry
        self.last_told: Status | None = None
        self._answers: dict[int, str] = {}

    def close(self) -> None:
        """Give the line back."""
        self._transport.close()

    @property
    def name(self) -> str:
        """The port's name."""
        return self._transport.name

    # Requests ---------------------------------------------------------------------

    def hello(self) -> Hello:
        """Who answers. DeviceProblem, too, if it speaks another version of the link."""
        hello = self.who()
        if hello.protocol != PROTOCOL:
            raise DeviceProblem(
                f"the device (Emery {hello.version or 'of unknown version'}) speaks version "
                f"{hello.protocol} of the link; this emery speaks {PROTOCOL}",
                "Use the emery of that version, or put this one's firmware on: emery flash "
                "CONFIG",
                ExitCode.BAD_INPUT,
            )
        return hello

    def who(self) -> Hello:
        """Who answers, whatever version it speaks."""
        return Hello.of(fields_of(self.ask("hello")))

    def who_soon(self, limit_s: float) -> Hello:
        """The same within `limit_s`; Silent then, without a look at who else is there."""
        tries = max(1, int(limit_s / _REPLY_S))
        answer = self._answer_to("hello", tries, limit_s / tries)
        if answer is None:
            raise Silent(f"nothing at {self.name} answers as Emery does", "Try it again.")
        return Hello.of(fields_of(answer))

    def status(self) -> Status:
        """The device now."""
        return Status.of(fields_of(self.ask("status")))

    def watch(self, ms: int) -> None:
        """Have it tell its status every `ms` (100 to 10000), 0 to end that."""
        self.ask("watch", ms)

    def do(self, command: int, argument: int = 0) -> None:
        """Post one COMMAND_ of hal.contract, and wait while the mailbox is full.

        What the device makes of it, its state tells. Not asked again if the answer is
        lost: Silent then, and the command may have arrived.
        """
        for _ in range(_MAILBOX_TRIES):
            try:
                self.ask("do", command, argument, tries=1, limit_s=_COMMAND_S)
                return
            except Refused as refused:
                if _MAILBOX_FULL not in refused.words:
                    raise
            self.hear(_MAILBOX_PAUSE_S)
        raise Silent(
            "the device takes no command: the one before still waits",
            "Its ticks stand still. Switch it off and on, and see what it shows.",
        )

    def into_service(self) -> None:
        """Ask for a restart into SERVICE; it is taken in STANDBY and FAULT."""
        self.do(COMMAND_SERVICE)

    def leave_service(self) -> None:
        """Ask for the restart that leaves SERVICE."""
        self.do(COMMAND_RESTART)

    def get(self, name: str) -> int:
        """One setting, by the firmware's name, as it stands on flash."""
        return int(fields_of(self.ask("get", name))[name])

    def set(self, name: str, value: int) -> int:
        """Another value for one setting, from the next start on; the value before."""
        return int(fields_of(self.ask("set", name, value, limit_s=_SET_S))["was"])

    def put_config(
        self, blob: bytes, who: str, why: str, show: Callable[[float], None] | None = None
    ) -> bool:
        """Put another config on the device's flash, whole or not at all; it holds from
        the next start on. For a device in SERVICE with all outputs off. Refused, Silent.

        `who` and `why` stand in the device's ledger, cut to what it keeps. False if they
        could not be kept there. `show` gets the share that is done.
        """
        for at in range(0, len(blob), _PUT_BYTES):
            piece = base64.b64encode(blob[at : at + _PUT_BYTES]).decode()
            self.ask("put", at, piece)
            if show is not None:
                show(at / len(blob))
        told = fields_of(
            self.ask(
                "commit", len(blob), digest_of(blob), int(time.time()),
                _one_word(who, WHO_BYTES), _one_word(why, WHY_BYTES), limit_s=_SET_S,
            )
        )  # fmt: skip
        if show is not None:
            show(1.0)
        return told.get("ledger") == "1"

    def ledger(self) -> list[DeviceEntry]:
        """The device's own ledger, the oldest entry first."""
        return entries_of(self.whole_blob("ledger"))

    def blob(self, what: str) -> Iterator[tuple[int, bytes]]:
        """A blob in pieces, each with the length of the whole."""
        offset = 0
        while True:
            told = self.ask("blob", what, offset, limit_s=_BLOB_S)
            fields = fields_of(told)
            try:
                total = int(fields["total"])
                piece = base64.b64decode(fields.get("data", ""), validate=True)
            except (KeyError, ValueError, binascii.Error):
                raise DeviceProblem(
                    f"the device answers `blob {what}` with what is no blob", "Try it again."
                ) from None
            yield total, piece
            offset += len(piece)
            if offset >= total:
                return
            if not piece:
                raise DeviceProblem(
                    f"the device gave {offset} of {total} bytes of its {what}, and no more",
                    "Try it again.",
                )

    def whole_blob(self, what: str) -> bytes:
        """A blob in one piece."""
        return b"".join(piece for _, piece in self.blob(what))

    # The line ---------------------------------------------------------------------

    def ask(
        self, verb: str, *words: object, tries: int = _REQUEST_TRIES, limit_s: float = _REPLY_S
    ) -> str:
        """One request and what follows `ok` in its answer. Raises Refused, Silent."""
        request = " ".join([verb, *map(str, words)])
        answer = self._answer_to(request, tries, limit_s)
        if answer is None:
            raise self._why_silent(request, tries)
        return answer

    def _answer_to(self, request: str, tries: int, limit_s: float) -> str | None:
        number = self._number
        self._number = (number + 1) % _NUMBERS
        self._answers.clear()
        for again in range(tries):
            self.asked_again += 1 if again else 0
            self._transport.write(framed(f"{number} {request}"))
            end_s = self._transport.now_s() + limit_s
            while self._transport.now_s() < end_s:
                self._hear_once()
                answer = self._answers.pop(number, None)
                if answer is None:
                    continue
                kind, _, rest = answer.partition(" ")
                if kind == "ok":
                    return rest
                raise Refused(request, rest)
        return None

    def hear(self, s: float) -> None:
        """Take what comes for some seconds."""
        end_s = self._transport.now_s() + s
        while self._transport.now_s() < end_s:
            self._hear_once()

    def _hear_once(self) -> None:
        self._coming += self._transport.read()
        *lines, rest = self._coming.replace(b"\r", b"\n").split(b"\n")
        self._coming = bytearray(rest[-_UNENDED_LONGEST:])
        for line in lines:
            if line:
                self._take(bytes(line))

    def _take(self, line: bytes) -> None:
        body = body_of(line)
        if body is None:
            if line[:1] == b"@":
                self.bad_lines += 1
            self.console.append(line.decode("utf-8", "replace"))
            return
        number, _, rest = body.partition(" ")
        if number == "~":
            kind, _, fields = rest.partition(" ")
            if kind == "t":
                self.told += 1
                self.last_told = Status.of(fields_of(fields))
        elif rest.startswith(("ok", "no")) and number.isdigit():
            # What does not say ok or no is our own line, echoed by a prompt.
            self._answers[int(number)] = rest

    def _why_silent(self, request: str, tries: int) -> DeviceProblem:
        """Look who is there instead. A running firmware takes no notice of it."""
        for key in (_ENTER, _ENTER, _LEAVE_RAW):
            self._transport.write(key)
            self.hear(_LOOK_WHO_S)
            if self._coming.endswith(_PROMPTS):
                return Silent(
                    f"at {self.name} MicroPython's prompt answers: Emery is not running there",
                    "If it is on the device, switch it off and on; else put it on: "
                    "emery flash CONFIG",
                )
        if tries == 1:
            return Silent(
                f"no answer to `{request}` came from {self.name}; it may have arrived",
                "See what the device shows before you ask again.",
            )
        return Silent(
            f"nothing at {self.name} answers as Emery does",
            "Is it the right port? `emery doctor` tells what is connected. Else switch the "
            "device off and on.",
        )


def _one_word(text: str, longest: int) -> str:
    """Text as the device's ledger keeps it: plain characters, `_` for spaces."""
    plain = "".join(one if "!" <= one <= "~" else "?" for one in "_".join(text.split()))
    return plain[:longest] or "-"


@contextmanager
def connected(port: str | None) -> Iterator[tuple[Client, Hello]]:
    """The device at `port`, or the only one there is, and who it is."""
    client = Client(SerialPort(ports.chosen(port).device))
    try:
        yield client, client.hello()
    finally:
        client.close()
