"""The ledger and the device compared, whenever a command meets the device.

An entry without its effect and an effect without its entry are both found here: the
device's config is what the newest entry left, or there is something to tell and to
write down.
"""

from collections.abc import Callable, Sequence

from emery.ledger import book, pending
from emery.ledger.entry import Entry
from emery.ledger.pending import Pending
from emery.link.device_ledger import DeviceEntry, digest_of
from firmware.config_ledger import BY_ITSELF


def settle(
    device_id: str,
    blob: bytes,
    say: Callable[[str], None],
    on_device: Callable[[], Sequence[DeviceEntry]] = tuple,
) -> None:
    """Bring the ledger to what the device has now, and say what was amiss.

    `on_device` gives the device's own ledger, and is asked only if it is needed. Raises
    LedgerError.
    """
    newest = book.last(device_id)
    planned = pending.of(device_id)
    if planned is not None:
        newest = _settle_planned(planned, newest, blob, say)
    if newest is None:
        book.append(device_id, what="seen", why="first seen", before=b"", after=blob)
    elif newest.after != blob:
        _settle_unknown(device_id, newest, blob, say, on_device())


def _settle_planned(
    planned: Pending, newest: Entry | None, blob: bytes, say: Callable[[str], None]
) -> Entry | None:
    """The newest entry, after what was planned has been written down or dropped."""
    is_written = (
        newest is not None
        and (newest.at, newest.what, newest.after) == (planned.at, planned.what, planned.after)
    )  # fmt: skip
    if is_written:
        pass  # only its plan had not been forgotten
    elif blob == planned.after:
        newest = pending.enter(planned, written_down=book.now())
        say(
            f"{planned} did not come to its end: it is on the device, and had no entry. Entry "
            f"{newest.number} tells of it now"
        )
    elif blob == planned.before:
        say(f"{planned} did not come to its end: the device has what it had before")
    else:
        say(f"{planned} did not come to its end: the device has neither that nor what was before")
    pending.forget(planned.device_id)
    return newest


def _settle_unknown(
    device_id: str,
    newest: Entry,
    blob: bytes,
    say: Callable[[str], None],
    lately: Sequence[DeviceEntry],
) -> None:
    name = digest_of(blob)
    told = next(
        (one for one in reversed(lately) if one.digest == name and one.who != BY_ITSELF), None
    )
    who, why = (told.who, told.why) if told is not None else ("unknown", "")
    earlier = next(
        (one for one in reversed(book.entries(device_id)) if one.after == blob), None
    )  # fmt: skip
    if earlier is not None:
        why = why or f"again what entry {earlier.number} left"
    entry = book.append(
        device_id, what="seen", who=who, why=why or "changed from elsewhere",
        before=newest.after, after=blob,
    )  # fmt: skip
    words = f"the device no longer has what entry {newest.number} left, but "
    words += f"what entry {earlier.number} left" if earlier is not None else "something else"
    words += f": changed by {who}" if told is not None else ": changed from elsewhere"
    if told is not None and told.why:
        words += f' ("{told.why}")'
    say(f"{words}. Entry {entry.number} tells of it now")
