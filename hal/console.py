"""The console: the one line that REPL, words and link share, a byte at a time.

Nothing here waits. A port's stdin blocks until it has as many bytes as it was asked
for, and its stdout until a host takes them: up to 500 ms on the RP2040 if a host has
the port open and does not read (`mp_usbd_cdc_tx_strn`), for as long as the FIFO of 128
bytes is full on the ESP32 (87 us a byte). Both say of themselves only that they have
one byte, or room for one. So each byte is asked for, and lines wait in a buffer of
which a turn sends no more than that FIFO holds. Neither asking, reading nor sending
allocates.
"""

import select
import sys

from micropython import const

NOTHING = -1

# Two of the longest lines. [E]
_ROOM_BYTES = const(640)
_SENT_A_TURN = const(128)


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
        self._waiting = bytearray(_ROOM_BYTES)
        self._sent = 0  # bytes of it that have been sent
        self._end = 0  # bytes of it that are to be sent

    def read_byte(self) -> int:
        """The next byte that has come, NOTHING if there is none."""
        for _, event in self._readable.ipoll(0):
            if event & select.POLLIN and self._stdin.readinto(self._byte):
                return self._byte[0]
        return NOTHING

    def write(self, line: bytes | bytearray, length: int = -1) -> bool:
        """Have a line sent, or its first `length` bytes. False, with nothing of it sent,
        if there is no room, because the host takes too little."""
        if length < 0:
            length = len(line)
        end = self._end
        if end + length > _ROOM_BYTES:
            return False
        for at in range(length):
            self._waiting[end + at] = line[at]
        self._end = end + length
        return True

    def send(self) -> None:
        """One turn: send what the host takes at once of what waits."""
        for _ in range(_SENT_A_TURN):
            if self._sent == self._end:
                self._sent = 0
                self._end = 0
                return
            if not self._takes_one():
                return
            self._byte[0] = self._waiting[self._sent]
            self._sent += 1
            self._stdout.write(self._byte)

    def _takes_one(self) -> bool:
        for _, event in self._writable.ipoll(0):
            if event & select.POLLOUT:
                return True
        return False
