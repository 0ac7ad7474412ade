"""A treatment driven through the link, for tests and for a virtual board's operator.

Commands go over the link, as from any host; the hand and the foot are callables of
whoever holds the device: `foot(1)` presses, `foot(0)` releases, `tip(place)` puts the
handpiece in the air, on its cap or on the skin (TIP_ of the modelled plant).
"""

from collections.abc import Callable

from emery.device.problem import DeviceProblem
from emery.link.client import Client
from emery.link.said import Status, fault_name, reason_words, state_name
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN
from firmware import treatment
from hal.contract import (
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_END,
    COMMAND_SELECT_ZONE,
    COMMAND_START,
    CONFIRM_CONSULTATION,
    CONFIRM_EYEWEAR,
    CONFIRM_FRESH_TIP,
)

Foot = Callable[[int], None]
Tip = Callable[[int], None]

# Self-test, proof and the recording of a pass, each with time to spare. [E]
_STATE_S = 30.0
_LOOK_S = 0.1
# Longer than the footswitch must be seen released before a press counts. [E]
_FOOT_OFF_S = 0.3


def wait_for(client: Client, *wanted: int, limit_s: float = _STATE_S) -> Status:
    """Wait for one of these states; the status then. DeviceProblem if none comes."""
    status = client.status()
    for _ in range(round(limit_s / _LOOK_S)):
        if status.state in wanted:
            return status
        client.hear(_LOOK_S)
        status = client.status()
    names = " or ".join(map(state_name, wanted))
    fault = f", {fault_name(status.fault)}" if status.fault else ""
    raise DeviceProblem(
        f"the device did not get into {names}: it is in {state_name(status.state)} "
        f"({reason_words(status.reason)}{fault})",
        "See what it shows.",
    )


def to_proof(client: Client, client_is: int) -> None:
    """From power-on or STANDBY through the checklist to PROOF; `client_is` is the
    argument of COMMAND_CLIENT: the skin type, and whether it is the first session."""
    wait_for(client, treatment.STANDBY)
    client.do(COMMAND_START)
    wait_for(client, treatment.CHECKLIST)
    for item in (CONFIRM_CONSULTATION, CONFIRM_EYEWEAR, CONFIRM_FRESH_TIP):
        client.do(COMMAND_CONFIRM, item)
    client.do(COMMAND_CLIENT, client_is)
    wait_for(client, treatment.PROOF)


def to_ready(client: Client, foot: Foot, tip: Tip, client_is: int = 2) -> Status:
    """From power-on or STANDBY to READY: checklist, client, and the proof on the cap."""
    foot(0)
    to_proof(client, client_is)
    tip(TIP_ON_CAP)
    client.hear(_FOOT_OFF_S)
    foot(1)
    status = wait_for(client, treatment.READY, treatment.FAULT)
    foot(0)
    tip(TIP_IN_AIR)
    if status.state == treatment.FAULT:
        raise DeviceProblem(
            f"the proof ended with {fault_name(status.fault)}", "emery faults tells what to do."
        )
    client.hear(_FOOT_OFF_S)
    return client.status()


def to_treating(client: Client, foot: Foot, tip: Tip, zone: int) -> Status:
    """From READY, PAUSED or ZONE_DONE to suction on the skin of a zone."""
    foot(0)
    client.do(COMMAND_SELECT_ZONE, zone)
    client.hear(_FOOT_OFF_S)
    foot(1)
    wait_for(client, treatment.TREATING)
    tip(TIP_ON_SKIN)
    return client.status()


def pause(client: Client, foot: Foot, tip: Tip) -> Status:
    """From TREATING to PAUSED, or whatever follows: the foot off, then the tip."""
    foot(0)
    status = wait_for(client, treatment.PAUSED, treatment.ZONE_DONE, treatment.RESTING)
    tip(TIP_IN_AIR)
    return status


def end(client: Client) -> Status:
    """End the session and go to STANDBY."""
    client.do(COMMAND_END)
    status = wait_for(client, treatment.COMPLETE, treatment.STANDBY)
    if status.state == treatment.COMPLETE:
        client.do(COMMAND_START)
        status = wait_for(client, treatment.STANDBY)
    return status
