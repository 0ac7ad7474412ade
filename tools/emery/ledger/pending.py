"""What is about to be done to a device, kept on the disk until its entry is written.

Between the device's new config and the entry that tells of it there is a moment in which
this computer may lose power. What was planned lies here from before the first byte goes
to the device; the next command that meets the device finds it and settles it.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from emery import whole_file
from emery.ledger import backup, book, durable, place
from emery.ledger.entry import Entry


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry to be: the fields of an entry, and the device."""

    device_id: str
    at: str
    what: str
    who: str
    why: str
    before: bytes
    after: bytes
    extra: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"the {self.what} of {self.at} by {self.who}"


def plan(
    device_id: str,
    *,
    what: str,
    who: str,
    why: str,
    before: bytes,
    after: bytes,
    extra: Mapping[str, Any],
) -> Pending:
    """Have what the device has now backed up, and on the disk what is about to be done to
    it; `who` is the user of this computer unless named. Raises LedgerError: then nothing
    may be done to the device."""
    planned = Pending(
        device_id=device_id, at=book.now(), what=what, who=who or book.user(), why=why,
        before=before, after=after, extra=dict(extra),
    )  # fmt: skip
    if before:
        backup.keep(device_id, before, planned.at)
    keep(planned)
    return planned


def enter(planned: Pending, **found: Any) -> Entry:
    """The device has what was planned: write its entry, with what was `found` since in its
    extra, and forget the plan. Raises LedgerError."""
    entry = book.append(
        planned.device_id, what=planned.what, who=planned.who, why=planned.why, at=planned.at,
        before=planned.before, after=planned.after, extra={**planned.extra, **found},
    )  # fmt: skip
    forget(planned.device_id)
    return entry


def keep(planned: Pending) -> None:
    """Have it on the disk. Raises LedgerError: then nothing may be done to the device."""
    document = {
        "at": planned.at,
        "what": planned.what,
        "who": planned.who,
        "why": planned.why,
        "before": base64.b64encode(planned.before).decode(),
        "after": base64.b64encode(planned.after).decode(),
        "extra": planned.extra,
    }
    durable.write_whole(place.pending_file(planned.device_id), json.dumps(document).encode())


def of(device_id: str) -> Pending | None:
    """What was planned for a device and has not been settled."""
    path = place.pending_file(device_id)
    try:
        fields = json.loads(path.read_bytes())
        return Pending(
            device_id=device_id,
            at=str(fields["at"]),
            what=str(fields["what"]),
            who=str(fields["who"]),
            why=str(fields["why"]),
            before=base64.b64decode(fields["before"], validate=True),
            after=base64.b64decode(fields["after"], validate=True),
            extra=dict(fields["extra"]),
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise place.cannot_write(path, error) from None
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise place.LedgerError(
            f"{path} cannot be read as what was planned for a device. Look at it, and remove it; "
            "what the device has now is compared with the ledger in any case."
        ) from None


def forget(device_id: str) -> None:
    """It has its entry, or was not done."""
    path = place.pending_file(device_id)
    try:
        with suppress(FileNotFoundError):
            path.unlink()
            whole_file.settle_folder(path.parent)
    except OSError as error:
        raise place.cannot_write(path, error) from None
