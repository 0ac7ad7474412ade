"""The console: the one line that REPL, words and link share, a byte at a time.

Nothing here waits. A port's stdin blocks until it has as many bytes as it was asked
for, and its stdout until a host takes them (up to 500 ms on the RP2040), so both are
asked first. Neither asking nor reading allocates.
"""

import select
import sys

NOTHING = -1


class Console:
    """stdin and stdout of the interpreter."""

    def __init__(self) -> None:
        self._stdin = sys.stdin.buffer
        self._stdout = sys.stdout.buffer
        self._readable = select.poll()
        self._readable.register(sys.stdin, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sys.stdout, select.POLLOUT)
        self._byte = bytearray(1)

    def read_byte(self) -> int:
        """The next byte that has come, NOTHING if there is none."""
        for _, event in self._readable.ipoll(0):
            if event & select.POLLIN and self._stdin.readinto(self._byte):
                return self._byte[0]
        return NOTHING

    def write(self, line: bytes) -> bool:
        """Send a line. False, with nothing sent, while the host takes none."""
        for _, event in self._writable.ipoll(0):
            if event & select.POLLOUT:
                self._stdout.write(line)
                return True
        return False
