"""Does a device's interpreter fit what is to be put on it?"""

from emery.device.problem import DeviceProblem
from emery.flash.look import Looked

# What the boards of hal/ need: hard timers (1.26) and what they were tested with.
LEAST_MICROPYTHON = (1, 28, 0)

_GET_IMAGE = (
    "Put a newer MicroPython on it: --base IMAGE, with an image for this board from "
    "micropython.org/download, version 1.28 or later."
)


def check_interpreter(device: Looked) -> None:
    """Is it a MicroPython that Emery knows? Raises DeviceProblem."""
    if device.interpreter != "micropython":
        raise DeviceProblem(
            f"the device runs {device.interpreter or 'something unknown'}, not MicroPython. "
            "Nothing was changed",
            _GET_IMAGE,
        )
    if device.version < LEAST_MICROPYTHON:
        least = ".".join(str(part) for part in LEAST_MICROPYTHON)
        raise DeviceProblem(
            f"the device runs MicroPython {device.version_text}, which is too old: Emery needs "
            f"{least} or later. Nothing was changed",
            _GET_IMAGE,
        )


def check_format(written: int | None, mpy: int) -> None:
    """Does the device read what mpy-cross writes? Raises DeviceProblem."""
    if written is None or mpy & 0xFF == written:
        return
    raise DeviceProblem(
        f"the device reads compiled modules of format {mpy & 0xFF}, and this mpy-cross writes "
        f"format {written}. Nothing was changed",
        "Put the MicroPython on the device that fits mpy-cross (`mpy-cross --version`): --base "
        "IMAGE; or install the mpy-cross of the device's version.",
    )
