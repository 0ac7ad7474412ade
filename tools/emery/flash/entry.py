"""The ledger's entry of a flash: planned before the first byte, written at its end."""

from collections.abc import Callable

from emery.flash.look import Looked
from emery.ledger import backup, book, pending
from emery.ledger.entry import Entry
from emery.ledger.pending import Pending
from emery.ledger.settle import settle


def plan(
    device: Looked, config: bytes, who: str, why: str, version: str, note: Callable[[str], None]
) -> Pending | None:
    """Have the entry planned and what the device has now backed up; None for a device
    without a number of its own. Raises LedgerError: then nothing may be written to it."""
    if not device.device_id:
        return None
    before = device.config
    if before:
        settle(device.device_id, before, note)
    planned = Pending(
        device_id=device.device_id, at=book.now(), what="flash", who=who or book.user(), why=why,
        before=before, after=config, extra={"firmware": version},
    )  # fmt: skip
    if before:
        backup.keep(planned.device_id, before, planned.at)
    pending.keep(planned)
    return planned


def write(planned: Pending) -> Entry:
    """The device runs what was planned. Raises LedgerError."""
    entry = book.append(
        planned.device_id, what=planned.what, who=planned.who, why=planned.why, at=planned.at,
        before=planned.before, after=planned.after, extra=planned.extra,
    )  # fmt: skip
    pending.forget(planned.device_id)
    return entry
