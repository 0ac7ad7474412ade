"""Who does what a calibration asks for: a person at the keyboard, a file, or the hands of
a virtual board.

A calibration asks for deeds (put the tip on its cap) and for readings (what does the
gauge show?). Each has words for a person and the same in the words of
`emery.virtual_board.hands`. A reading may be asked for while the pump holds a vacuum:
`begin` asks, and `poll` gives the answer once there is one.
"""

import queue
import sys
import textwrap
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path

from emery.terminal import complain
from emery.virtual_board.hands import DeedError, HandsPipe

_POLL_S = 0.05
_SETTLE_S = 0.3  # after a deed of the hands, as a person would wait [E]


class NoAnswer(Exception):
    """Nobody answers any more; what to do."""


class Technician(ABC):
    """Does and reads. Every method may raise NoAnswer."""

    can_be_asked_again = False

    def please(self, words: str, deed: str) -> None:
        """Have something done, and wait until it is. Deeds are separated by `;`."""
        self.begin(f"{words} Then Enter.", deed)
        self.wait()

    def ask(self, words: str, deed: str) -> str:
        """Have something read; the answer, "" if it is left out."""
        self.begin(words, deed)
        return self.wait()

    def wait(self) -> str:
        """The answer to what was begun."""
        while True:
            answer = self.poll()
            if answer is not None:
                return answer
            time.sleep(_POLL_S)

    def tell(self, words: str) -> None:
        """Say something that asks for nothing."""
        complain(textwrap.fill(words, 80))

    def meanwhile(self, words: str) -> None:
        """Say what takes some seconds, if anybody watches."""
        if sys.stderr.isatty():
            complain(f"  {words} ...")

    @abstractmethod
    def begin(self, words: str, deed: str) -> None:
        """Ask; the answer comes by `poll`."""

    @abstractmethod
    def poll(self) -> str | None:
        """The answer; None while there is none yet."""


def _prompt(words: str) -> str:
    return textwrap.fill(f"> {words}", 78, subsequent_indent="  ")


class Keyboard(Technician):
    """A person who reads stderr and types into stdin."""

    can_be_asked_again = True

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, words: str, deed: str) -> None:
        """See Technician.begin."""
        while sys.stdin.isatty() and not self._lines.empty():
            # Typed before it was asked for: no answer to this.
            if self._lines.get() == "":
                raise NoAnswer(_ENDED)
        sys.stderr.write(f"{_prompt(words)} ")
        sys.stderr.flush()
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="keyboard", daemon=True)
            self._thread.start()

    def _read(self) -> None:
        for line in sys.stdin:
            self._lines.put(line)
        self._lines.put("")

    def poll(self) -> str | None:
        """See Technician.poll."""
        try:
            line = self._lines.get_nowait()
        except queue.Empty:
            return None
        if line == "":
            self._lines.put("")
            raise NoAnswer(_ENDED)
        return line.strip()


_ENDED = (
    "the input has ended before everything was answered. Answer at a terminal, or give the "
    "answers, a line for each prompt: --answers FILE"
)


class Answers(Technician):
    """Lines of a file, one for each prompt, in order. `#` begins a comment.

    OSError if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self._path = path
        self._lines = deque(line for line in text.splitlines() if not line.startswith("#"))

    def begin(self, words: str, deed: str) -> None:
        """See Technician.begin."""
        if not self._lines:
            raise NoAnswer(f"{self._path} has no line for: {words}")
        complain(_prompt(f"{words} {self._lines[0]}"))

    def poll(self) -> str | None:
        """See Technician.poll."""
        return self._lines.popleft().strip()


class VirtualHands(Technician):
    """The hands of a virtual board, behind the pipe of `emery virtual-board --hands`."""

    def __init__(self, pipe: HandsPipe) -> None:
        self._pipe = pipe
        self._answer = ""

    def begin(self, words: str, deed: str) -> None:
        """See Technician.begin."""
        answer = ""
        for one in filter(None, map(str.strip, deed.split(";"))):
            try:
                answer = self._pipe.do(one)
            except (DeedError, OSError, TimeoutError) as problem:
                raise NoAnswer(
                    f"the hands of the virtual board could not {one!r}: {problem}"
                ) from None
        complain(_prompt(f"{words} {answer}"))
        time.sleep(_SETTLE_S)
        self._answer = answer

    def poll(self) -> str | None:
        """See Technician.poll."""
        return self._answer
