"""A push as a command makes it: into SERVICE, push, out again, and what came of it."""

from collections.abc import Callable, Mapping
from typing import Any

from emery import terminal
from emery.device import refuse
from emery.transfer import serviced
from emery.transfer.certified import certificate_words
from emery.transfer.push import push
from emery.transfer.serviced import Serviced
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
) -> None:
    """Put a config on the device at `port`, or the only one, and tell how it went.

    `device_id` is the device that the config was made for: another one, plugged in while a
    certificate was made, is refused. Raises what `push` does.
    """

    def say(line: str) -> None:
        terminal.write(f"{line}\n")

    with (
        terminal.progress("connecting") as show,
        serviced.serviced(port, say, show) as device,
    ):
        refuse.other_device(device.hello.device_id, device_id)
        put(device, blob, what=what, who=who, why=why, extra=extra, show=show, say=say)


def put(
    device: Serviced,
    blob: bytes,
    *,
    what: str,
    who: str,
    why: str,
    extra: Mapping[str, Any],
    show: Callable[[float, str], None],
    say: Callable[[str], None],
) -> None:
    """Put a config on a device that is in SERVICE already, and tell how it went. Raises
    what `push` does."""
    pushed = push(
        device.client, device.hello, blob,
        what=what, who=who, why=why, extra=extra, show=show, say=note,
    )  # fmt: skip
    if pushed.entry is None:
        say("nothing to write: the device has all of it")
        return
    say(f"written and verified: entry {pushed.entry.number} of its ledger")
    say(certificate_words(pushed.after))
