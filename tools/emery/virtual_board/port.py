"""The serial port of a virtual board: a pseudo-terminal, or TCP where there is none.

Both keep what the board prints while nobody reads, up to a bound; then, as a board
whose USB nobody serves, they throw it away after half a second.
"""

import os
import socket
import time
from contextlib import suppress

_PORT_PIECE = 4096
_PORT_HOLDS = 64 * 1024
_PATIENCE_S = 0.5


class Port:
    """What both have in common. `path` is what a user connects to."""

    path: str

    def __init__(self) -> None:
        self._pending = bytearray()
        self._stuck_since = 0.0

    def fileno(self) -> int:
        """To wait for input on; -1 while nobody can be heard."""
        raise NotImplementedError

    @property
    def has_room(self) -> bool:
        """May the board print more?"""
        return len(self._pending) < _PORT_HOLDS

    @property
    def is_waiting(self) -> bool:
        """Is there something left to write?"""
        return bool(self._pending)

    def write(self, data: bytes) -> None:
        """What the board prints."""
        self._pending += data
        self.flush()

    def flush(self) -> None:
        """Write what the other side takes."""
        while self._pending:
            done = self._try_write(bytes(self._pending[:_PORT_PIECE]))
            if done <= 0:
                now = time.monotonic()
                if not self._stuck_since:
                    self._stuck_since = now
                elif now - self._stuck_since > _PATIENCE_S:
                    self._pending.clear()
                return
            self._stuck_since = 0.0
            del self._pending[:done]

    def read(self) -> bytes:
        """What somebody has typed; nothing if nobody has."""
        raise NotImplementedError

    def close(self) -> None:
        """The end of it."""
        raise NotImplementedError

    def _try_write(self, data: bytes) -> int:
        raise NotImplementedError


class PseudoTerminal(Port):
    """A pseudo-terminal. We hold its other end open, so that users may come and go."""

    def __init__(self) -> None:
        super().__init__()
        import pty
        import tty

        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(self._theirs)

    def fileno(self) -> int:
        """Our end."""
        return self._ours

    def read(self) -> bytes:
        """What is there."""
        with suppress(OSError):
            return os.read(self._ours, _PORT_PIECE)
        return b""

    def _try_write(self, data: bytes) -> int:
        with suppress(OSError):
            return os.write(self._ours, data)
        return 0

    def close(self) -> None:
        """Close both ends."""
        for end in (self._ours, self._theirs):
            os.close(end)


class TcpServer(Port):
    """One listener on this computer; one user at a time, the newest."""

    def __init__(self) -> None:
        super().__init__()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._user: socket.socket | None = None
        self.path = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def fileno(self) -> int:
        """The user; -1 while there is none."""
        return self._user.fileno() if self._user is not None else -1

    def listener(self) -> int:
        """To wait for a user on."""
        return self._listener.fileno()

    def accept(self) -> None:
        """A new user, in the place of the one before."""
        with suppress(OSError):
            user, _ = self._listener.accept()
            user.setblocking(False)
            user.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._leave()
            self._user = user

    def read(self) -> bytes:
        """What the user has sent."""
        if self._user is None:
            return b""
        try:
            data = self._user.recv(_PORT_PIECE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._leave()
        return data

    def _try_write(self, data: bytes) -> int:
        if self._user is None:
            return len(data)  # nobody listens
        try:
            return self._user.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._leave()
            return len(data)

    def _leave(self) -> None:
        if self._user is not None:
            self._user.close()
            self._user = None
        self._pending.clear()

    def close(self) -> None:
        """No user and no listener any more."""
        self._leave()
        self._listener.close()
