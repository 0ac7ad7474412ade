"""Work in processes side by side: what ends one, and what ends all of them."""

import multiprocessing
import os
import time

import pytest

from emery.processes import ProcessLost, side_by_side


def test_a_process_that_is_killed_is_told() -> None:
    with (
        pytest.raises(ProcessLost, match=r"of the campaign was killed.*memory.*: try fewer"),
        side_by_side(1, "the campaign", "try fewer") as executor,
    ):
        executor.submit(os._exit, 3).result()


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, ValueError])
def test_whatever_ends_the_work_ends_its_processes(error: type[BaseException]) -> None:
    with pytest.raises(error), side_by_side(2, "the campaign", "") as executor:
        executor.submit(time.sleep, 60)
        executor.submit(os.getpid).result()
        raise error
    latest = time.monotonic() + 15
    while multiprocessing.active_children() and time.monotonic() < latest:
        time.sleep(0.05)
    assert multiprocessing.active_children() == []
