"""Which interpreter runs the firmware, as an option of commands."""

from enum import StrEnum


class Lane(StrEnum):
    """The interpreters there are; `emery.simulator.lanes` runs them."""

    CPYTHON = "cpython"
    MICROPYTHON = "micropython"
    WEBASSEMBLY = "webassembly"
