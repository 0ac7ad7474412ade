"""The modelled operator's view of the device: the serial link, beside the user's.

It asks for the status as often as the link answers while suction is on, and sends
what the operator presses. Its requests go between the lines that a user types, with
numbers that nobody else has used of late, and their answers do not reach the user.
It says nothing unless the firmware runs: other programs are not to be disturbed.
"""

from collections.abc import Callable

from emery.link.line import body_of, fields_of, framed
from emery.virtual_board.world import World

_LOOK_US = 100_000
_ANSWER_US = 600_000  # then the request is taken for lost
_NUMBERS = range(1_000)
_USED = 50  # numbers of the user's last requests
_FIRMWARE = b"Emery: "
_LINE_FEED = 10


class Panel:
    """`type_line` types a line; `runs` tells if a program does."""

    def __init__(
        self, world: World, type_line: Callable[[bytes], None], runs: Callable[[], bool]
    ) -> None:
        self._world = world
        self._type_line = type_line
        self._runs = runs
        self._number = 500
        self._awaited = -1
        self._asked_us = 0
        self._command: tuple[int, int] | None = None  # on its way
        self._seen: tuple[int, int, int] | None = None
        self._typed = b""  # the user's line so far
        self._used: list[int] = []
        self._held = bytearray()  # an answer so far, which may be ours
        self._at_line_start = True
        self._is_firmware = False
        self._words = b""
        world.panel = lambda: self._seen
        world.look = self.look

    def start(self) -> None:
        """An interpreter begins: nothing is known of what it runs."""
        self._is_firmware = False
        self._words = b""
        self._forget()

    def _forget(self) -> None:
        self._awaited = -1
        self._command = None
        self._seen = None

    def look(self, us: int) -> None:
        """Ask for something, if it is time and nothing is under way."""
        if not self._is_firmware:
            return
        if not self._runs():
            self._forget()
            return
        if self._awaited >= 0:
            if us - self._asked_us < _ANSWER_US:
                return
            self._awaited = -1
        elif us - self._asked_us < _LOOK_US:
            return
        if self._typed and not self._typed.endswith((b"\n", b"\r")):
            return  # in the middle of the user's line
        if self._command is None and self._world.operator_commands:
            self._command = self._world.operator_commands.popleft()
        self._number = next(
            number for number in (*_NUMBERS[self._number + 1 :], *_NUMBERS)
            if number not in self._used
        )  # fmt: skip
        words = "status" if self._command is None else "do {} {}".format(*self._command)
        self._awaited = self._number
        self._asked_us = us
        self._type_line(framed(f"{self._number} {words}"))

    def note_typed(self, data: bytes) -> None:
        """The user has typed this."""
        lines = (self._typed + data).split(b"\n")
        for line in lines[:-1]:
            number = line.strip().removeprefix(b"@").partition(b" ")[0]
            if number.isdigit():
                self._used = [*self._used[-_USED:], int(number)]
        self._typed = lines[-1][-200:]

    def hear(self, data: bytes) -> bytes:
        """What the board prints; returned is what is not ours."""
        if not self._is_firmware:
            words = self._words + data
            self._is_firmware = _FIRMWARE in words
            self._words = words[-len(_FIRMWARE) :]
        others = bytearray()
        for byte in data:
            if self._held or (byte == ord("@") and self._at_line_start and self._awaited >= 0):
                self._held.append(byte)
                ours = b"@%d " % self._awaited
                if byte == _LINE_FEED:
                    if not self._take(bytes(self._held)):
                        others += self._held
                    self._held.clear()
                    self._at_line_start = True
                elif not ours.startswith(self._held) and not self._held.startswith(ours):
                    others += self._held
                    self._held.clear()
                    self._at_line_start = False
            else:
                others.append(byte)
                self._at_line_start = byte == _LINE_FEED
        return bytes(others)

    def _take(self, line: bytes) -> bool:
        """An answer; False if it is not ours after all."""
        body = body_of(line.rstrip(b"\r\n"))
        number, _, rest = (body or "").partition(" ")
        if body is None or number != str(self._awaited):
            return False
        self._awaited = -1
        if self._command is not None:
            # The mailbox holds one; what the device refuses is refused for good.
            if not rest.startswith("no another"):
                self._command = None
            self._asked_us -= _LOOK_US
            return True
        fields = fields_of(rest)
        if all(name in fields for name in ("s", "r", "z")):
            self._seen = (int(fields["s"]), int(fields["r"]), int(fields["z"]))
        return True
