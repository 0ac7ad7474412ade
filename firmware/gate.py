"""The gate: the only way from a wish to an output.

Outputs are safe unless everything allows more: no fault latched, the state is
TREATING, a set vacuum is in force. Then the vent closes, the lease is renewed,
the pump may run unless protection takes suction away, and crystals may flow
only with contact besides. What passes is clamped to the outputs' range.
"""

from firmware import faults, treatment
from firmware.contact import Contact
from firmware.crystal_feed import CrystalFeed
from firmware.protection import Protection
from firmware.treatment import Treatment
from firmware.vacuum_regulator import VacuumRegulator
from hal.contract import FULL_PERMILLE, LEASE_MS, VENT_CLOSED, Outputs


def pass_through(
    wish: Treatment,
    protection: Protection,
    contact: Contact,
    regulator: VacuumRegulator,
    feed: CrystalFeed,
    outputs: Outputs,
) -> None:
    """Fill `outputs` for this tick; safe first, then what is allowed."""
    outputs.make_safe()
    if protection.fault != faults.NONE or wish.state != treatment.TREATING or wish.set_pa == 0:
        return
    outputs.vent = VENT_CLOSED
    outputs.lease_ms = LEASE_MS
    if protection.takes_suction:
        return
    pump = regulator.drive_permille
    outputs.pump_permille = 0 if pump < 0 else FULL_PERMILLE if pump > FULL_PERMILLE else pump
    if contact.on_skin:
        valve = feed.valve_permille
        outputs.feed_permille = 0 if valve < 0 else FULL_PERMILLE if valve > FULL_PERMILLE else valve
