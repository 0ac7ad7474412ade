"""Pull everything a device remembers, over the link, into one log."""

from collections.abc import Callable
from datetime import UTC, datetime

import emery
from emery.blackbox.log_file import BLOBS, Log
from emery.device.problem import DeviceProblem
from emery.link.client import Client, Refused
from emery.link.said import Hello

_ACTIVE = "outputs are active"  # in the words of `firmware.link`
_TRIES = 3


def pull(client: Client, hello: Hello, show: Callable[[float, str], None]) -> Log:
    """Pull the log of the device that said `hello`.

    A blob that it cannot give is noted in the log. DeviceProblem if the line is lost, or
    while a treatment is under way: the black box can be copied only with all outputs off.
    """
    blobs: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for place, name in enumerate(BLOBS):
        try:
            blobs[name] = _steady(client, name, place, show)
        except Refused as refused:
            if _ACTIVE in refused.words:
                raise DeviceProblem(
                    "the device is being used: it gives its black box only while all outputs "
                    "are off",
                    "Release the footswitch, or end the session; then pull again.",
                ) from None
            missing[name] = refused.words
    show(1.0, "")
    pulled = datetime.now(UTC).isoformat(timespec="seconds")
    return Log(emery.__version__, pulled, dict(hello.raw), missing, blobs)


def _steady(client: Client, name: str, place: int, show: Callable[[float, str], None]) -> bytes:
    """A blob that did not change while it was pulled. Of the box the device makes a copy,
    which cannot; what fits one piece cannot either."""
    before: bytes | None = None
    for _ in range(_TRIES):
        content = bytearray()
        pieces = 0
        total = 0
        for pieces, (whole, piece) in enumerate(client.blob(name), 1):
            if pieces > 1 and whole != total:
                break  # it grew
            total = whole
            content += piece
            if name == "box":  # nearly all there is to pull
                show(0.95 * len(content) / max(total, 1), "black box")
            else:
                show(0.95 + 0.01 * place, name)
        else:
            found = bytes(content)
            if name == "box" or pieces == 1 or found == before:
                return found
            before = found
    raise DeviceProblem(f"the device's {name} changes while it is pulled", "Pull it again.")
