"""The keys by which an operator gives commands, each in the states that take it.

The device judges every command by itself; a key is offered where it makes sense.
"""

from dataclasses import dataclass

from emery.link.said import Status
from firmware.treatment import (
    CHECKLIST,
    COMPLETE,
    FAULT,
    PAUSED,
    PROOF,
    READY,
    RESTING,
    SERVICE,
    STANDBY,
    TREATING,
    ZONE_DONE,
)
from hal import contract

_SESSION = (READY, TREATING, PAUSED, ZONE_DONE, RESTING)
# The checklist in the order in which it is gone through, with words.
CHECKLIST_ITEMS = (
    (contract.CONFIRM_CONSULTATION, "consultation"),
    (contract.CONFIRM_EYEWEAR, "eyewear"),
    (contract.CONFIRM_FRESH_TIP, "fresh tip"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """A command that a key asks for. `label` is told beside the key, "" for nowhere;
    `question` is asked before, with the keys that answer it and the argument each
    sends; any other key cancels."""

    key: str
    label: str
    question: str
    command: int
    answers: tuple[tuple[str, int], ...]


def _sure(key: str, label: str, words: str, command: int, argument: int = 0) -> Order:
    return Order(key, label, f"{words}?  y: yes", command, (("y", argument),))


def orders(status: Status, zones: int) -> list[Order]:
    """What may be ordered now; `zones` of the protocol, 0 if that is not known."""
    state = status.state
    found: list[Order] = []
    if state == STANDBY:
        found.append(_sure("s", "start", "start a session", contract.COMMAND_START))
    if state == CHECKLIST:
        found += _checklist(status)
    if state in _SESSION:
        if zones > 1:
            following = (status.zone + 1) % zones
            found.append(_sure("n", "next zone", f"go on with zone {following + 1}",
                               contract.COMMAND_SELECT_ZONE, following))
        found += [
            _sure("d", "pass done", "close the pass", contract.COMMAND_PASS_DONE),
            _sure("u", "same pass", "take the closing back", contract.COMMAND_SAME_PASS),
            _sure("+", "level up", "one level up", contract.COMMAND_LEVEL, contract.STEP_UP),
            _sure("-", "down", "one level down", contract.COMMAND_LEVEL, contract.STEP_DOWN),
            _sure("x", "extend", "extend the session", contract.COMMAND_EXTEND),
        ]
    if state in (CHECKLIST, PROOF, *_SESSION):
        found.append(_sure("e", "end", "end the session", contract.COMMAND_END))
    if state == COMPLETE:
        found.append(_sure("s", "standby", "go to STANDBY", contract.COMMAND_START))
    if state in (FAULT, SERVICE):
        found.append(_sure("a", "acknowledge", "acknowledge: the tip is off the skin",
                           contract.COMMAND_ACKNOWLEDGE))
    if state in (STANDBY, FAULT):
        found.append(_sure("w", "SERVICE", "restart into SERVICE", contract.COMMAND_SERVICE))
    if state == SERVICE:
        found.append(_sure("r", "restart", "restart, out of SERVICE", contract.COMMAND_RESTART))
    return found


def _checklist(status: Status) -> list[Order]:
    found = []
    for item, words in CHECKLIST_ITEMS:
        if not status.confirmed & item:
            found.append(_sure("c", f"confirm {words}", f"confirm: {words}",
                               contract.COMMAND_CONFIRM, item))
            break
    # Each type has its key, and one entry tells of all.
    for skin_type in range(1, contract.SKIN_TYPE_HIGHEST + 1):
        found.append(
            Order(
                str(skin_type),
                f"-{contract.SKIN_TYPE_HIGHEST} skin type" if skin_type == 1 else "",
                f"skin type {skin_type}; is it the client's first session?  y: yes  n: no",
                contract.COMMAND_CLIENT,
                (("y", skin_type + contract.CLIENT_FIRST_SESSION), ("n", skin_type)),
            )
        )
    return found
