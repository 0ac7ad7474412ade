"""The gate: the only way from a wish to an output.

Outputs are safe unless everything allows more: no fault latched, and one of

- TREATING with a pass open and a set vacuum in force: the vent closes and the
  pump may run unless protection takes suction away; crystals may flow only
  with contact besides;
- PROOF while the test instance of the protection has not tripped: vent and
  pump as the proof wishes, never crystals;
- SERVICE: one output; pump and crystals together only for crystals that are to be
  weighed, while both channels show a sealed tip.

Whatever leaves the safe state renews the lease with it, and is clamped to the
outputs' range.
"""

from firmware import faults, treatment
from firmware.contact import Contact
from firmware.crystal_feed import CrystalFeed
from firmware.passes import Passes
from firmware.proof import Proof
from firmware.protection import Protection
from firmware.service import Service
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
    proof: Proof,
    service: Service,
    outputs: Outputs,
) -> None:
    """Fill `outputs` for this tick; safe first, then what is allowed."""
    outputs.make_safe()
    if protection.fault != faults.NONE:
        return
    state = wish.state
    if state == treatment.TREATING:
        if not passes.is_open or wish.set_pa == 0:
            return
        outputs.vent = VENT_CLOSED
        outputs.lease_ms = LEASE_MS
        if protection.takes_suction:
            return
        outputs.pump_permille = _in_range(regulator.drive_permille)
        if contact.on_skin:
            outputs.feed_permille = _in_range(feed.valve_permille)
    elif state == treatment.PROOF:
        if proof.test.fault != faults.NONE or proof.vent != VENT_CLOSED:
            return
        outputs.vent = VENT_CLOSED
        outputs.lease_ms = LEASE_MS
        outputs.pump_permille = _in_range(proof.drive_permille)
    elif state == treatment.SERVICE:
        if service.vent == VENT_CLOSED:
            outputs.vent = VENT_CLOSED
            outputs.pump_permille = _in_range(service.pump_permille)
            if service.is_sealed:
                outputs.feed_permille = _in_range(service.crystals_permille)
        else:
            outputs.feed_permille = _in_range(service.feed_permille)
        if not outputs.are_safe():
            outputs.lease_ms = LEASE_MS


def _in_range(permille: int) -> int:
    if permille < 0:
        return 0
    return permille if permille < FULL_PERMILLE else FULL_PERMILLE
