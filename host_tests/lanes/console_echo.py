"""The real console on a real stdin: the far end of `test_link_allocation.py`.

Sends back what comes.
"""

import gc
import sys

from hal.console import NOTHING, Console


def steps(count: str):  # type: ignore[no-untyped-def]
    """Send `count` bytes back as they came, and tell on stderr what was allocated after
    the first 2000."""
    console = Console()
    all_of_them = int(count)
    left = all_of_them
    one = bytearray(1)
    before = 0
    while left:
        if left == all_of_them - 2_000:
            # What it makes once, when it is first used, is made.
            gc.collect()
            gc.disable()
            before = gc.mem_alloc()  # type: ignore[attr-defined]
        byte = console.read_byte()
        if byte != NOTHING:
            one[0] = byte
            left -= 1
            while not console.write(one):
                console.send()
        else:
            console.send()
    used = gc.mem_alloc() - before  # type: ignore[attr-defined]
    for _ in range(10):
        console.send()
    sys.stderr.write(str(used))
    yield
