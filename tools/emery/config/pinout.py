"""What `emery config pins` draws: the board from above, with what hangs on each pin.

The order of the pins is that of the headers (`emery.hardware.boards`), what a pin
may do comes from the chip's rules in `hal.wiring`.
"""

import copy

from emery.config.board import Board
from emery.config.pins import HIGHEST_GPIO, pin_text
from emery.hardware.boards import EDGES, HEADERS, NAMES
from hal.wiring import (
    ANALOG,
    BUS,
    CHIPS,
    DRIVE,
    NO_PIN,
    PULLED_UP,
    ROLES,
    SENSE,
    SIGNAL,
    Wiring,
    broken_rules,
    pwm_slice,
)

# A role of each kind that no rule ties to another's pin, to ask the chip's rules what a
# pin may serve.
_ROLE_OF = {
    DRIVE: "feed",
    SIGNAL: "led_ready",
    PULLED_UP: "button_start",
    SENSE: "power_sense",
    ANALOG: "sensor_supply",
    BUS: "i2c_sda",
}

_USED = "*"
_FREE = "-"
_NEVER = "x"

_SIDE = 24  # columns for what hangs on a pin
_NAME = 8  # and for its name


def lines(board: Board) -> list[str]:
    """The drawing, with what it means, within 80 columns."""
    left, right = (list(names) for names in HEADERS[board.chip])
    numbers = [str(number + 1) for number in range(len(left))]
    across = [str(number + 1) for number in range(len(right))]
    if board.chip == "rp2040":  # its numbers go round the board
        right.reverse()
        across = [str(len(left) + len(right) - number) for number in range(len(right))]
    edges = EDGES[board.chip]
    top = f"{edges[0] or '-':-<4}--{edges[1] or '-':->4}"
    indent = " " * (_SIDE + _NAME + 2)
    said = _said(board)
    found = [
        f'Board "{board.name}": {NAMES[board.chip]}, seen from above.', "", f"{indent}.{top}."
    ]
    for one, number, other, other_number in zip(left, numbers, right, across, strict=True):
        mark, text = said.get(one, ("", ""))
        line = f"{text:>{_SIDE - 2}} {mark:1} {one:>{_NAME}} |{number:<4}  {other_number:>4}| "
        mark, text = said.get(other, ("", ""))
        line += f"{other:<{_NAME}} {mark:1} {text}"
        found.append(line.rstrip())
    found += [f"{indent}'{'-' * len(top)}'", ""]
    return found + _legend(board, {*left, *right}, said)


def _said(board: Board) -> dict[str, tuple[str, str]]:
    """Of each pin of the chip a mark, and its role or what it is free for."""
    said = {}
    for gpio in range(HIGHEST_GPIO + 1):
        roles = [role for role, *_ in ROLES if getattr(board.wiring, role) == gpio]
        name = pin_text(board.chip, gpio)
        free = free_for(board.chip, gpio)
        if roles:
            said[name] = (_USED, roles[0])
        else:
            said[name] = (_FREE, free) if free else (_NEVER, "not to be used")
    return said


def free_for(chip: str, gpio: int) -> str:
    """What a pin without a role may serve; "" if it must not be used."""
    may = {kind: may_serve(chip, kind, gpio) for kind in _ROLE_OF}
    if not any(may.values()):
        return ""
    analog = "analog, " if may[ANALOG] else ""
    if may[DRIVE]:
        return "free, analog too" if analog else "free"
    if may[SIGNAL]:
        return f"free: {analog}{'no actuator' if may[PULLED_UP] else 'lights only'}"
    return f"free: {analog}input only" if may[SENSE] else "free: analog only"


def may_serve(chip: str, kind: str, gpio: int) -> bool:
    """Whether the chip's rules let a pin have roles of a kind, such as DRIVE, whatever
    the other pins serve."""
    role = _ROLE_OF[kind]
    wiring = Wiring(CHIPS.index(chip), "")
    before = _broken(wiring, role)
    other = copy.copy(wiring)
    setattr(other, role, gpio)
    return _broken(other, role) <= before - {"needs a pin"}


def _broken(wiring: Wiring, role: str) -> set[str]:
    return {rule for name, rule in broken_rules(wiring) if name == role}


def _legend(
    board: Board, on_header: set[str], said: dict[str, tuple[str, str]]
) -> list[str]:
    found = []
    if not board.has_pins:
        found.append("The file has no [pins] yet.")
    missing = [role for role, _, needed, _ in ROLES if getattr(board.wiring, role) == NO_PIN]
    if board.has_pins and missing:
        found.append(f"Without a pin: {', '.join(missing)}.")
    for name, (mark, role) in said.items():
        if mark == _USED and name not in on_header:
            found.append(f"Not on the header: {name} {role}.")
    if board.chip == "rp2040" and board.has_pins:
        mates = [
            pin_text(board.chip, gpio)
            for gpio in range(23)
            if pwm_slice(gpio) == pwm_slice(board.wiring.pump)
        ]
        found.append(f"One PWM frequency with the pump, so no buzzer: {', '.join(mates)}.")
    found.append(f"{_USED}  a role of [pins]    {_FREE}  free    {_NEVER}  must not be used")
    return found
