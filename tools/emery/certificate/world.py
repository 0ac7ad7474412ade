"""The world mark: what settings were tried in.

A certificate says nothing about a device that was modelled otherwise. So the mark of
the scatter bears the sources of all that a plant is drawn, run and judged by, each
without its comments and docstrings: whoever changes them need not think of a version.
"""

import hashlib
from functools import cache
from pathlib import Path

import emery
from emery import slot
from emery.certificate.core import MARK_BYTES, acting

# In `emery`, and beside it.
_MODULES = (
    "bench/regulation.py", "certificate/course.py", "certificate/requirements.py",
    "certificate/scatter.py", "simulator/analysis.py", "simulator/noise.py",
    "simulator/plant.py", "simulator/sensors.py",
)  # fmt: skip
_BOARD = "hal/mock.py"


@cache
def world_mark() -> bytes:
    """The mark of the world that this process models."""
    package = Path(emery.__file__).parent
    return mark_of([*(package / name for name in _MODULES), slot.ROOT / _BOARD])


def mark_of(files: list[Path]) -> bytes:
    """The mark of these modules as they are now."""
    total = hashlib.sha256()
    for file in files:
        words = acting(file.read_text(encoding="utf-8"))
        total.update(f"{file.name}\n{chr(10).join(words)}\n".encode())
    return total.digest()[:MARK_BYTES]
