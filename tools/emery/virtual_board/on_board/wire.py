"""The line to the host, as the simulated `machine` uses it.

Outputs are told (`post`), inputs are asked for (`ask`), and while an answer is
awaited the host may ask for a timer's callback first. In a callback nothing is
asked for that came along with the call: time, levels and counts are in `snapshot`,
and what it drives is sent in one piece at its end. No allocation on that path: hard
callbacks run with the heap locked.

A timer that falls due while Python computes is announced to a helper thread, which
schedules the callback into the main thread; if that is stuck outside Python (a read
of stdin), the thread calls it.
"""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors

from struct import pack_into

import micropython

from emery.virtual_board.on_board import ops
from emery.virtual_board.on_board.ops import FORM, RECORD

_NESTING = 4  # main, soft callback, hard callback, and one to spare


class Line:
    """One line. `depth` is 0 in the main program, more in callbacks."""

    def __init__(self) -> None:
        self.depth = 0
        self.busy = 0  # an answer is awaited in the main thread
        self.spent_us = 0  # by the callback that runs
        self.owed_us = 0  # by the main program, not told yet
        self.words = 0  # counts what main has told or asked
        self.timers: list = []
        self.snapshot = bytearray(ops.SNAPSHOT)
        self.interrupted = 0  # a KeyboardInterrupt came when it could not be raised
        self.interrupt_kept = False
        self.prompting = False
        self.input = bytearray(256)
        self.input_length = 0
        self.input_at = 0
        self.stays_us = 0  # how long the last answer is good
        self.data = bytearray(0)  # an answer whose length nobody knew before
        self.send = None
        self.receive = None
        self.report = None  # tells an exception of a callback
        self._one = bytearray(RECORD)
        self._frames = [(bytearray(RECORD), bytearray(RECORD)) for _ in range(_NESTING)]
        self._snapshots = [bytearray(ops.SNAPSHOT) for _ in range(_NESTING)]
        self._posts = bytearray(RECORD * 64)
        self._posts_at = 0
        # Of the helper thread.
        self.main_waits = None  # called by main while the thread runs a callback
        self._claimed = -1  # number of the last call that somebody has taken
        self._announced_index = 0
        self._announced_number = -1
        self._announced_snapshot = bytearray(ops.SNAPSHOT)
        self._missed = -1

    def connect(self, send, receive, report) -> None:
        """`send(buffer, length)` and `receive(buffer)` move whole records."""
        self.send = send
        self.receive = receive
        self.report = report

    # Telling

    def post(self, op: int, a: int, b: int, c: int) -> None:
        """Tell the host something that needs no answer."""
        if self.main_waits is not None:
            self.main_waits()
        if self.depth:
            at = self._posts_at
            pack_into(FORM, self._posts, at, op, a, b, c)
            self._posts_at = at + RECORD
            self.spent_us += ops.CALL_US
            if self._posts_at + RECORD == len(self._posts):
                self.flush()
        else:
            self.words += 1
            if self.owed_us:
                self._pay()
            pack_into(FORM, self._one, 0, op, a, b, c)
            self.send(self._one, RECORD)

    def _pay(self) -> None:
        pack_into(FORM, self._one, 0, ops.OP_SPENT, 0, 0, self.owed_us)
        self.owed_us = 0
        self.send(self._one, RECORD)

    def post_data(self, op: int, a: int, c: int, data) -> None:
        """Tell something with bytes to it."""
        self.flush()
        pack_into(FORM, self._one, 0, op, a, len(data), c)
        self.send(self._one, RECORD)
        self.send(data, len(data))

    def flush(self) -> None:
        """Send what a callback has told so far."""
        length = self._posts_at
        if length:
            self.send(self._posts, length)
            self._posts_at = 0

    # Asking

    def ask(self, op: int, a: int, b: int, c: int) -> int:
        """Ask the host for a number. OSError or KeyboardInterrupt if it says so."""
        return self._ask(op, a, b, c, None, None)

    def ask_data(self, op: int, a: int, c: int, data, into) -> int:
        """Ask with bytes, and take bytes as the answer into a buffer."""
        return self._ask(op, a, 0 if data is None else len(data), c, data, into)

    def _ask(self, op: int, a: int, b: int, c: int, data, into) -> int:
        if self.main_waits is not None:
            self.main_waits()
        depth = self.depth
        self.busy += 1
        self.words += 1
        if self.owed_us and not depth:
            self._pay()
        self.flush()
        out, head = self._frames[depth]
        pack_into(FORM, out, 0, op | ops.IN_CALL if depth else op, a, b, c)
        self.send(out, RECORD)
        if data is not None:
            self.send(data, b)
        gives = self._hear(head)
        if gives == ops.GIVES_VALUE:
            value = head[4] | head[5] << 8 | head[6] << 16 | head[7] << 24
            self.stays_us = head[2] | head[3] << 8
            if head[1]:
                # Within littlefs, which is not made to be left half-way: for later.
                self.interrupt_kept = True
        elif gives == ops.GIVES_DATA:
            value = head[2] | head[3] << 8
            if into is None:
                into = self.data = bytearray(value)
            if value:
                self.receive(into)
        elif gives == ops.GIVES_ERROR:
            value = -(head[4] | head[5] << 8)
        else:
            self.interrupted = 1
            value = 0
        self.busy -= 1
        if self._missed >= 0 and self.busy == 0:
            self._take_missed()
        if value < 0:
            raise OSError(-value)
        if self.interrupted and depth == 0:
            self.interrupted = 0
            raise KeyboardInterrupt
        return value

    def raise_kept_interrupt(self) -> None:
        """Here nothing is half-way: an interrupt that came in littlefs strikes now."""
        if self.interrupt_kept and self.depth == 0:
            self.interrupt_kept = False
            self.post(ops.OP_INTERRUPTED, 0, 0, 0)
            raise KeyboardInterrupt

    def _hear(self, head: bytearray) -> int:
        """The head of the answer; what comes before it is done first."""
        depth = self.depth
        while True:
            try:
                got = self.receive(head)
            except KeyboardInterrupt:
                # By a signal, which is for programs that ask for nothing. The answer
                # is still to come.
                self.interrupted = 1
                continue
            if got != RECORD:
                raise SystemExit  # the host is gone
            gives = head[0]
            if gives == ops.GIVES_RUN:
                snapshot = self._snapshots[depth + 1]
                self.receive(snapshot)
                self._run_from_line(head, snapshot)
            elif gives == ops.GIVES_INPUT:
                self._take_input(head)
                if self.prompting:
                    return gives
            else:
                return gives

    # At the prompt

    def read_key(self) -> int:
        """One byte typed at the prompt, as long as it takes."""
        if self.input_at >= self.input_length:
            self.busy += 1
            self.prompting = True
            self._hear(self._frames[0][1])
            self.prompting = False
            self.busy -= 1
            self.interrupted = 0  # it was for a program that has ended
        key = self.input[self.input_at]
        self.input_at += 1
        return key

    def _take_input(self, head: bytearray) -> None:
        length = head[2] | head[3] << 8
        typed = bytearray(length)
        self.receive(typed)
        self.give_back(self.unread() + typed)

    def unread(self) -> bytes:
        """What was typed at the prompt and is not used yet; then it is forgotten."""
        rest = bytes(self.input[self.input_at : self.input_length])
        self.input_at = self.input_length = 0
        return rest

    def give_back(self, rest) -> None:
        """Bytes that the program did not read, for the prompt."""
        self.input = bytearray(rest)
        self.input_length = len(rest)
        self.input_at = 0

    # Callbacks

    def _run_from_line(self, head: bytearray, snapshot: bytearray) -> None:
        index = head[1]
        number = head[2] | head[3] << 8
        if number != self._claimed:
            self._claimed = number
            self.run(index, number, snapshot)

    def run(self, index: int, number: int, snapshot: bytearray) -> None:
        """Run a timer's callback, and tell the host what it did."""
        before = self.snapshot
        spent_before = self.spent_us
        self.snapshot = snapshot
        self.spent_us = 0
        self.depth += 1
        failed = 0
        try:
            self._call(self.timers[index])
        except BaseException as error:  # noqa: BLE001 - told, as the port does
            failed = 1
            if self.report is not None:
                self.report(error)
        # `post` leaves room for this one.
        pack_into(FORM, self._posts, self._posts_at, ops.OP_DONE, failed, number, self.spent_us)
        self._posts_at += RECORD
        self.flush()
        self.depth -= 1
        self.snapshot = before
        self.spent_us = spent_before

    def _call(self, timer) -> None:
        callback = timer.callback
        if callback is None:
            return
        if not timer.hard:
            callback(timer)
            return
        micropython.heap_lock()
        try:
            callback(timer)
        finally:
            micropython.heap_unlock()

    def announce(self, head: bytearray, snapshot: bytearray) -> int:
        """The helper thread has got a call; its number."""
        number = head[2] | head[3] << 8
        self._announced_index = head[1]
        self._announced_number = number
        self._announced_snapshot = snapshot
        return number

    def scheduled(self, number: int) -> None:
        """The announced call, in the main thread between two steps of Python."""
        if self.busy:
            self._missed = number  # the host offers it again with its answer
        elif number != self._claimed:
            self._claimed = number
            self.run(self._announced_index, number, self._announced_snapshot)

    def is_open(self, number: int) -> bool:
        """Has nobody taken this call yet?"""
        return number != self._claimed

    def _take_missed(self) -> None:
        number = self._missed
        self._missed = -1
        if number != self._claimed and number == self._announced_number:
            self._claimed = number
            self.run(self._announced_index, number, self._announced_snapshot)

    # What a callback sees

    def level(self, pin: int) -> int:
        """Level of a pin as this callback knows it."""
        self.spent_us += ops.CALL_US
        return self.snapshot[ops.SNAPSHOT_LEVELS + (pin >> 3)] >> (pin & 7) & 1

    def note_level(self, pin: int, level: int) -> None:
        """This callback has driven a pin."""
        at = ops.SNAPSHOT_LEVELS + (pin >> 3)
        bit = 1 << (pin & 7)
        if level:
            self.snapshot[at] |= bit
        else:
            self.snapshot[at] &= 255 ^ bit

    def counts(self, channel: int) -> int:
        """Counts of an ADC channel as this callback knows them."""
        self.spent_us += ops.CALL_US
        at = ops.SNAPSHOT_ADC + 2 * channel
        return self.snapshot[at] | self.snapshot[at + 1] << 8

    def ticks(self, at: int, per_us: int) -> int:
        """ticks_us (at 0) or ticks_ms (at 4) in this callback."""
        self.spent_us += 1
        now = self.snapshot
        base = now[at] | now[at + 1] << 8 | now[at + 2] << 16 | now[at + 3] << 24
        return base + self.spent_us // per_us & ops.TICKS_MASK


LINE = Line()
