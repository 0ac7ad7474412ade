"""The ledger's entry of a flash, planned before the first byte."""

from collections.abc import Callable

from emery.flash.look import Looked
from emery.ledger import pending
from emery.ledger.pending import Pending
from emery.ledger.settle import settle


def plan(
    device: Looked, config: bytes, who: str, why: str, version: str, note: Callable[[str], None]
) -> Pending | None:
    """Have the entry planned and what the device has now backed up; None for a device
    without a number of its own. Raises LedgerError: then nothing may be written to it."""
    if not device.device_id:
        return None
    if device.config:
        settle(device.device_id, device.config, note)
    return pending.plan(
        device.device_id, what="flash", who=who, why=why, before=device.config, after=config,
        extra={"firmware": version},
    )  # fmt: skip
