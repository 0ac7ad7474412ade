"""One config onto a device: read, keep, certify, put, verify, write down.

In this order, so that whatever ends it leaves the old config or the new one, whole, and
the ledger knows which (see `emery.ledger.pending`). Everybody who changes the settings of
a device comes through here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emery.config.compiled import NotAConfig, decompile
from emery.device import refuse
from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode
from emery.ledger import pending
from emery.ledger.entry import Entry
from emery.ledger.pending import Pending
from emery.ledger.settle import settle
from emery.link.client import Client, Refused
from emery.link.said import Hello, state_name
from emery.transfer.certified import certified, never_treats
from firmware import certificate, treatment


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of it. `entry` is None if the device had this very config already."""

    after: bytes
    entry: Entry | None


def config_of(client: Client, hello: Hello, say: Callable[[str], None]) -> bytes:
    """The device's config, after its ledger was brought to it. Raises DeviceProblem,
    LedgerError."""
    if not hello.device_id:
        raise DeviceProblem(
            f"the device runs Emery {hello.version or 'of unknown version'}, which does not tell "
            "which device it is. Nothing was changed",
            "Put this emery's firmware on it; its settings stay: emery flash --keep",
        )
    blob = client.whole_blob("config")
    settle(hello.device_id, blob, say, client.ledger)
    return blob


def push(
    client: Client,
    hello: Hello,
    blob: bytes,
    *,
    what: str,
    who: str = "",
    why: str = "",
    extra: Mapping[str, Any] | None = None,
    show: Callable[[float, str], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Pushed:
    """Put a config on a device that is in SERVICE; it holds from the next start on.

    The certificate in `blob` is kept if it is valid; else the one that is known for these
    settings takes its place, or one is made, of which `show` tells the progress. `what`
    and `extra` go into the ledger's entry. Raises NotCertified, LedgerError,
    DeviceProblem; the device has its old config then, unless the line was lost.
    """
    show = show or (lambda part, title: None)
    say = say or (lambda text: None)
    _check(hello, blob)
    before = config_of(client, hello, say)
    after = certified(blob, show, before)
    if after == before:
        return Pushed(after, None)
    planned = pending.plan(
        hello.device_id, what=what, who=who, why=why, before=before, after=after,
        extra=extra or {},
    )  # fmt: skip
    show(0.0, "writing")
    try:
        is_in_its_ledger = client.put_config(
            after, planned.who, why or what, lambda part: show(part, "writing")
        )
    except Refused:
        pending.forget(planned.device_id)
        raise
    except DeviceProblem as lost:
        raise DeviceProblem(
            f"{lost.what}. The device has the old config or the new one, whole",
            f"{lost.remedy} Then `emery config history --port PORT` finds out which it has.",
            lost.code,
        ) from None
    _verify(client, planned)
    if not is_in_its_ledger:
        say("the device could not keep this in its own short ledger; the one here has it")
    return Pushed(after, pending.enter(planned))


def _check(hello: Hello, blob: bytes) -> None:
    try:
        config = decompile(blob)
    except NotAConfig as error:
        raise DeviceProblem(
            f"this is no config that could be put on a device: {error}",
            "Compile it anew from its board file.",
            ExitCode.BAD_INPUT,
        ) from None
    refuse.other_chip(hello.chip, config.chip, config.name)
    refuse_other_core(hello)
    if hello.state != treatment.SERVICE:
        raise DeviceProblem(
            f"the device is in {state_name(hello.state)}; configs are taken in SERVICE only",
            "Bring it there: press w in `emery monitor`, or hold END while you switch it on.",
        )


def refuse_other_core(hello: Hello) -> None:
    """DeviceProblem if a certificate from here would not hold on the device."""
    from emery.certificate.core import core_mark

    # The true one, as certificates name it and slots get it; not what was written down of it.
    if hello.core != core_mark().hex():
        raise DeviceProblem(
            f"the device runs another control core (Emery {hello.version}) than this emery's; a "
            "certificate from here would not hold there. Nothing was changed",
            "Bring its firmware to this emery's first; its settings stay: emery flash --keep",
        )


def _verify(client: Client, planned: Pending) -> None:
    """Read it back; DeviceProblem if the device has not what was put there."""
    now = client.whole_blob("config")
    if now == planned.after:
        standing = client.hello().certificate
        if standing == certificate.VALID or never_treats(decompile(now)):
            return
        raise DeviceProblem(
            f"the device has the config, but does not take its certificate ({standing}): it stays "
            "in SERVICE",
            "Bring its firmware to this emery's; its settings stay: emery flash --keep",
        )
    if now == planned.before:
        pending.forget(planned.device_id)
    raise DeviceProblem(
        "the device took the config, and reads back another one",
        "Do it again. If it stays so, its flash is worn out or damaged.",
    )

