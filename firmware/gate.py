"""The gate: the only way from a wish to an output.

Outputs are safe unless everything allows more: no fault latched, the state is
TREATING, a pass is open, a set vacuum is in force. Then the vent closes, the
lease is renewed, the pump may run unless protection takes suction away, and
crystals may flow only with contact besides. What passes is clamped to the
outputs' range. Each output is written once.
"""

from firmware import faults, treatment
from firmware.contact import Contact
from firmware.crystal_feed import CrystalFeed
from firmware.passes import Passes
from firmware.protection import Protection
from firmware.treatment import Treatment
from firmware.vacuum_regulator import VacuumRegulator
from hal.contract import FULL_PERMILLE, LEASE_MS, VENT_CLOSED, Outputs


def pass_through(
    wish: Treatment,
    protection: Protection,
    contact: Contact,
    passes: Passes,
    regulator: VacuumRegulator,
    feed: CrystalFeed,
    outputs: Outputs,
) -> None:
    """Fill `outputs` for this tick: safe, or what is allowed."""
    if (
        protection.fault != faults.NONE
        or wish.state != treatment.TREATING
        or not passes.is_open
        or wish.set_pa == 0
    ):
        outputs.make_safe()
        return
    pump = 0
    crystals = 0
    if not protection.takes_suction:
        pump = _in_range(regulator.drive_permille)
        if contact.on_skin:
            crystals = _in_range(feed.valve_permille)
    outputs.pump_permille = pump
    outputs.feed_permille = crystals
    outputs.vent = VENT_CLOSED
    outputs.lease_ms = LEASE_MS


def _in_range(permille: int) -> int:
    if permille < 0:
        return 0
    return permille if permille < FULL_PERMILLE else FULL_PERMILLE
