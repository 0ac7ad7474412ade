"""A push as a command makes it: into SERVICE, push, out again, and what came of it."""

from collections.abc import Mapping
from typing import Any

from emery import terminal
from emery.device import refuse
from emery.transfer.certified import certificate_words
from emery.transfer.push import Pushed, push
from emery.transfer.serviced import serviced
from emery.transfer.told import note


def bring(
    blob: bytes,
    port: str | None,
    *,
    what: str,
    who: str,
    why: str,
    extra: Mapping[str, Any],
    device_id: str = "",
) -> Pushed:
    """Put a config on the device at `port`, or the only one, and tell how it went.

    `device_id` is the device that the config was made for: another one, plugged in while a
    certificate was made, is refused. Raises what `push` does.
    """

    def say(line: str) -> None:
        terminal.write(f"{line}\n")

    with (
        terminal.progress("connecting") as show,
        serviced(port, say, show) as device,
    ):
        found = device.hello
        refuse.other_device(found.device_id, device_id)
        pushed = push(
            device.client, found, blob,
            what=what, who=who, why=why, extra=extra, show=show, say=note,
        )  # fmt: skip
        if pushed.entry is None:
            say("nothing to write: the device has all of it")
            return pushed
        say(f"written and verified: entry {pushed.entry.number} of its ledger")
        say(certificate_words(pushed.after))
    if device.stays:
        say("it holds from the next restart on: r in `emery monitor`, or off and on")
    return pushed
