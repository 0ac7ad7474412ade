"""`time` of a virtual board: the board's own clock, not this computer's.

ticks_ms and ticks_us wrap at 2^30, as on the chips.
"""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors

import time as _host

from emery.virtual_board.on_board import ops
from emery.virtual_board.on_board.wire import LINE

_HALF = (ops.TICKS_MASK + 1) // 2
_EPOCH_2000 = 946_684_800  # 2000-01-01 in Unix seconds; nothing of a board is before it


def ticks_ms() -> int:
    """Milliseconds, wrapping."""
    if LINE.depth:
        return LINE.ticks(4, 1000)
    return LINE.ask(ops.OP_TICKS_MS, 0, 0, 0)


def ticks_us() -> int:
    """Microseconds, wrapping."""
    if LINE.depth:
        return LINE.ticks(0, 1)
    return LINE.ask(ops.OP_TICKS_US, 0, 0, 0)


ticks_cpu = ticks_us


def ticks_add(ticks: int, delta: int) -> int:
    """`ticks` and so many more."""
    return ticks + delta & ops.TICKS_MASK


def ticks_diff(ticks1: int, ticks2: int) -> int:
    """From `ticks2` to `ticks1`, negative if that lies before."""
    return (ticks1 - ticks2 + _HALF & ops.TICKS_MASK) - _HALF


def sleep_ms(ms: int) -> None:
    """Wait; timers go on."""
    if LINE.depth:
        LINE.spent_us += ms * 1000
    else:
        LINE.ask(ops.OP_SLEEP_MS, 0, 0, ms if ms > 0 else 0)


def sleep_us(us: int) -> None:
    """Wait; timers go on."""
    if LINE.depth:
        LINE.flush()  # whoever waits wants the pins to be as they were set
        LINE.spent_us += us
    else:
        LINE.ask(ops.OP_SLEEP_US, 0, 0, us if us > 0 else 0)


def sleep(seconds: float) -> None:
    """Wait; timers go on."""
    sleep_ms(int(seconds * 1000))


def time() -> int:
    """Seconds since 1970, of a clock that nobody has set."""
    return LINE.ask(ops.OP_TIME_S, 0, 0, 0) + _EPOCH_2000


def time_ns() -> int:
    """The same in ns."""
    return time() * 1_000_000_000


def gmtime(secs=None):
    """Year, month, day, hour, minute, second, weekday, day of the year."""
    return tuple(_host.gmtime(time() if secs is None else secs)[:8])


localtime = gmtime


def mktime(local_time) -> int:
    """Seconds since 1970 of such a tuple."""
    return int(_host.mktime(tuple(local_time)))
