"""Footswitch and buttons, one by one: seen when they are pressed, and let go.

Telemetry tells what is down. Whatever is down that nobody pressed is stuck; another one
than was asked for is exchanged with it; nothing at all is a wire or a contact. How long the
footswitch bounces is in the black box, tick by tick. END is tried last, outside SERVICE:
there it would restart the device.
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from emery.blackbox.box import Box
from emery.calibrate.technician import Technician
from emery.link.client import Client
from hal.contract import (
    BUTTON_END,
    BUTTON_PASS,
    BUTTON_START,
    BUTTON_ZONE,
    SWITCH_PRESSED,
)
from hal.wiring import NO_PIN, Wiring

FOOTSWITCH = 0  # beside the BUTTON_ bits
_ROLES = (
    (FOOTSWITCH, "footswitch", "footswitch"),
    (BUTTON_START, "START", "button_start"),
    (BUTTON_PASS, "PASS", "button_pass"),
    (BUTTON_ZONE, "ZONE", "button_zone"),
    (BUTTON_END, "END", "button_end"),
)
_BUTTON_LOOK_S = 0.1
_WAIT_LOOKS = 300
# After the person says that it is done, what is not seen soon is not seen. [E]
_AFTER_LOOKS = 8
_SETTLE_LOOKS = 3
# The firmware takes a press for one after 30 ms (`firmware/footswitch.py`).
BOUNCE_LONGEST_MS = 30


@dataclass(frozen=True, slots=True)
class Control:
    """Something that is pressed. `bit` is FOOTSWITCH or a BUTTON_."""

    bit: int
    name: str
    pin: str


@dataclass(slots=True)
class Tried:
    """What came of one. `problems` are sentences with what to do; `bounce_ms` of the press
    and of the release, -1 where it was not measured."""

    control: Control
    pressed: bool = False
    released: bool = False
    bounce_ms: tuple[int, int] = (-1, -1)
    problems: list[str] = field(default_factory=list)


def controls_of(wiring: Wiring, pin_name: Callable[[int], str]) -> list[Control]:
    """Those that are wired, END last."""
    return [
        Control(bit, name, pin_name(getattr(wiring, role)))
        for bit, name, role in _ROLES
        if getattr(wiring, role) != NO_PIN
    ]


def stuck(client: Client, controls: Sequence[Control], technician: Technician) -> list[Tried]:
    """What is down though nobody presses anything."""
    technician.please(
        "Take your foot off the footswitch and touch no button.",
        "release footswitch; release start; release pass; release zone; release end",
    )
    client.hear(_SETTLE_LOOKS * _BUTTON_LOOK_S)
    down = _down(client, controls)
    return [
        Tried(
            one,
            problems=[
                f"{one.name} is down ({one.pin}) though nobody presses it. Its contact sticks, "
                "or its wire touches ground."
            ],
        )
        for one in controls
        if one in down
    ]


def try_one(
    client: Client, control: Control, controls: Sequence[Control], technician: Technician
) -> Tried:
    """Have one pressed and let go."""
    tried = Tried(control)
    word = control.name.lower()
    press = _await(
        client, technician, f"Press {control.name} and keep it down.", f"hold {word}",
        lambda: bool(_down(client, controls)),
    )  # fmt: skip
    client.hear(_SETTLE_LOOKS * _BUTTON_LOOK_S)
    down = _down(client, controls) if press else []
    tried.pressed = control in down
    others = [one for one in down if one is not control]
    if not down:
        tried.problems.append(
            f"{control.name} was not seen ({control.pin}): its wire is off, its contact is "
            "dead, or the board file has it at another pin."
        )
    elif others and not tried.pressed:
        tried.problems.append(
            f"{control.name} ({control.pin}) was pressed, and "
            f"{_and([f'{one.name} ({one.pin})' for one in others])} was seen: their "
            "wires are exchanged, or their pins in the board file."
        )
    elif others:
        tried.problems.append(
            f"with {control.name} ({control.pin}) goes "
            f"{_and([f'{one.name} ({one.pin})' for one in others])}: their pins touch."
        )
    press_ms = _bounce(client) if control.bit == FOOTSWITCH and tried.pressed else -1
    let_go = _await(
        client, technician, f"Let {control.name} go.", f"release {word}",
        lambda: not _down(client, controls),
    )  # fmt: skip
    tried.released = let_go
    if not let_go:
        tried.problems.append(
            f"{_and([one.name for one in _down(client, controls)])} stays down after "
            f"{control.name} was let go: its contact sticks."
        )
    if control.bit == FOOTSWITCH and tried.pressed and let_go:
        client.hear(_SETTLE_LOOKS * _BUTTON_LOOK_S)
        tried.bounce_ms = (press_ms, _bounce(client))
        if max(tried.bounce_ms) >= BOUNCE_LONGEST_MS:
            tried.problems.append(
                f"the footswitch bounces for {max(tried.bounce_ms)} ms; the firmware allows for "
                f"less than {BOUNCE_LONGEST_MS}. Put in another one."
            )
    return tried


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def _down(client: Client, controls: Sequence[Control]) -> list[Control]:
    status = client.status()
    return [
        one
        for one in controls
        if (status.footswitch if one.bit == FOOTSWITCH else status.buttons & one.bit)
    ]


def _await(
    client: Client,
    technician: Technician,
    words: str,
    deed: str,
    is_done: Callable[[], bool],
) -> bool:
    """Ask for something and wait until it is seen; Enter says that it was done."""
    technician.begin(f"{words} (Enter if nothing happens.)", deed)
    answered = False
    left = _WAIT_LOOKS
    while left > 0:
        if is_done():
            return True
        if not answered and technician.poll() is not None:
            answered = True
            left = _AFTER_LOOKS
        client.hear(_BUTTON_LOOK_S)
        left -= 1
    return is_done()


def _bounce(client: Client) -> int:
    """For how long the footswitch went to and fro at its last change, ms."""
    box = Box.of(client.whole_blob("box"))
    levels = [row.footswitch == SWITCH_PRESSED for row in box.records]
    changes = [at for at in range(1, len(levels)) if levels[at] != levels[at - 1]]
    if not changes:
        return 0
    last = changes[-1]
    first = last
    for at in reversed(changes):
        if (last - at) * box.period_ms > 500:
            break
        first = at
    return sum(box.records[at].dt_ms for at in range(first + 1, last + 1))


def text(found: Sequence[Tried]) -> str:
    """A line for each, and what to do about what is wrong."""
    lines = []
    for one in found:
        seen = "ok" if not one.problems else "WRONG"
        row = f"  {one.control.name:<11} {one.control.pin:<8} {seen}"
        if one.bounce_ms[0] >= 0:
            row += "   bounces " + (
                f"for {one.bounce_ms[0]} ms pressed, {one.bounce_ms[1]} ms let go"
                if any(one.bounce_ms)
                else "for less than a tick"
            )
        lines.append(row)
    for one in found:
        for problem in one.problems:
            lines += textwrap.wrap(f"- {problem}", 78, subsequent_indent="  ")
    return "\n".join(lines) + "\n"
