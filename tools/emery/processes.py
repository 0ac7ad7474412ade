"""Work in processes side by side, for every command that simulates much.

Processes are started afresh rather than forked: the same on every system, and safe beside
the thread that draws the progress bar. Whatever ends the work early ends them, too.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager


class ProcessLost(Exception):
    """A process was killed; the text says what may help."""


@contextmanager
def side_by_side(count: int, work: str, remedy: str) -> Iterator[ProcessPoolExecutor]:
    """At most `count` processes for `work`, such as "the campaign".

    Raises ProcessLost, with the `remedy`, if one is killed and nobody else takes note of
    it. An exception inside, Ctrl-C among them, ends all of them at once.
    """
    executor = ProcessPoolExecutor(
        max_workers=count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_leave_ctrl_c_to_the_parent,
    )
    try:
        yield executor
    except BaseException as error:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise ProcessLost(
                f"a process of {work} was killed; often that is memory running out: {remedy}"
            ) from None
        raise
    executor.shutdown()


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave_ctrl_c_to_the_parent() -> None:
    """What a process does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
