"""Somebody at the console of a virtual board, without a program in between.

For tests: it types as if it came from the port, and sees what the board prints. It
runs code in the raw REPL without a soft reset, so that what runs there goes on.
"""

from emery.virtual_board.board import VirtualBoard

_RAW = b"raw REPL; CTRL-B to exit\r\n>"
_WAIT_S = 20.0


class BoardError(Exception):
    """What ran on the board ended with this traceback."""


class Console:
    """The console of one board. `printed` is everything since it was made."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board
        self.printed = bytearray()
        board.on_output = self.printed.extend

    def type(self, data: bytes) -> None:
        """Type it."""
        self._board.type(data)

    def wait_for(self, text: bytes, *, since: int = 0, limit_s: float = _WAIT_S) -> int:
        """Wait until `text` was printed from place `since` on; the place behind it."""

        def is_there() -> bool:
            return text in self.printed[since:]

        try:
            self._board.wait_until(is_there, limit_s)
        except TimeoutError as late:
            told = bytes(self.printed[since:][-500:])
            raise TimeoutError(f"{text!r} was not printed, only {told!r}") from late
        return self.printed.index(text, since) + len(text)

    def interrupt(self) -> None:
        """Ctrl-C, and the raw REPL."""
        since = len(self.printed)
        self.type(b"\r\x03")
        self._board.wait_until(lambda: self._board.at_prompt, _WAIT_S)
        self.type(b"\r\x01")
        self.wait_for(_RAW, since=since)

    def run(self, code: str, *, limit_s: float = _WAIT_S) -> str:
        """Run code in the raw REPL, which must be there (`interrupt`); what it printed.
        Raises BoardError with its traceback."""
        since = self.start(code)
        end = self.wait_for(b"\x04", since=since, limit_s=limit_s)
        last = self.wait_for(b"\x04>", since=end)
        error = bytes(self.printed[end : last - 2]).decode()
        if error:
            raise BoardError(error)
        return bytes(self.printed[since : end - 1]).decode().replace("\r\n", "\n")

    def start(self, code: str) -> int:
        """Begin to run code; the place from which on it prints."""
        since = len(self.printed)
        self.type(code.encode() + b"\x04")
        return self.wait_for(b"OK", since=since)
