"""Single keys from the terminal, without Enter, and without waiting for them."""

import os
import sys
from types import TracebackType
from typing import Any

_ESCAPE = "\x1b"


class Keys:
    """A context in which `pressed` gives keys. Without a terminal none ever comes."""

    def __init__(self) -> None:
        self._before: Any = None
        self._descriptor = -1

    def __enter__(self) -> "Keys":
        if not sys.stdin.isatty() or sys.platform == "win32":
            return self
        import termios
        import tty

        self._descriptor = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            self._before = None

    def pressed(self) -> str:
        """The keys pressed since the last call; those that send more than one
        character are left out."""
        if sys.platform == "win32":
            return self._pressed_on_windows()
        if self._before is None:
            return ""
        import select

        keys = b""
        while select.select([self._descriptor], [], [], 0)[0]:
            got = os.read(self._descriptor, 64)
            if not got:
                break  # the terminal has gone
            keys += got
        text = keys.decode("utf-8", "ignore")
        return "" if text.startswith(_ESCAPE) else text

    def _pressed_on_windows(self) -> str:
        keys = ""
        if sys.platform == "win32":
            import msvcrt

            while sys.stdin.isatty() and msvcrt.kbhit():
                keys += msvcrt.getwch()
        return keys
