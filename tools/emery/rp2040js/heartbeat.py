"""The heartbeat of `hal/rp2040.py` as a job for rp2040js.

The program is taken from the source of the HAL, which runs on a board only, and
assembled as MicroPython does it; then the registers are written that MicroPython
would write for it (RP2040 data sheet, 3.7).
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from emery import slot
from emery.virtual_board.on_board import rp2

CLOCK_HZ = 125_000_000

_PIO0 = 0x5020_0000
_CTRL = _PIO0 + 0x00
_MEMORY = _PIO0 + 0x48
_CLKDIV = _PIO0 + 0xC8
_EXECCTRL = _PIO0 + 0xCC
_INSTR = _PIO0 + 0xD8
_PINCTRL = _PIO0 + 0xDC
_IO_BANK0 = 0x4001_4000
_FUNCTION_PIO0 = 6
_SET_PINDIRS_OUT = 0xE081
_EXECCTRL_OF_PROGRAM = 4  # places in what the assembler gives
_WORDS_OF_PROGRAM = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The program and the constants around it.

    `word` is what `drive` puts, `still` the instruction that ends it low.
    """

    words: tuple[int, ...]
    execctrl: int
    hz: int
    word: int
    still: int


def of_the_hal() -> Heartbeat:
    """What `hal/rp2040.py` says."""
    tree = ast.parse((slot.ROOT / "hal" / "rp2040.py").read_text(encoding="utf-8"))
    constants: dict[str, int] = {}
    function: ast.FunctionDef | None = None
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            (target,) = node.targets
            if isinstance(target, ast.Name) and isinstance(node.value.args[0], ast.Constant):
                value = node.value.args[0].value
                if isinstance(value, int):
                    constants[target.id] = value
        elif isinstance(node, ast.FunctionDef) and node.name == "_heartbeat":
            function = node
    if function is None:
        raise ValueError("hal/rp2040.py has no _heartbeat")
    names: dict[str, Any] = {"rp2": rp2}
    exec(compile(ast.Module([function], []), "hal/rp2040.py", "exec"), names)
    program = names["_heartbeat"]
    return Heartbeat(
        words=tuple(program[_WORDS_OF_PROGRAM]),
        execctrl=program[_EXECCTRL_OF_PROGRAM],
        hz=constants["_HEARTBEAT_HZ"],
        word=constants["_PULSES"] - 1,
        still=constants["_SET_PINS_LOW"],
    )


def set_up(heartbeat: Heartbeat, pin: int) -> list[dict[str, Any]]:
    """The events at time 0 that make state machine 0 ready and start it."""
    writes = [(_MEMORY + 4 * at, word) for at, word in enumerate(heartbeat.words)]
    writes += [
        (_EXECCTRL, heartbeat.execctrl),
        (_CLKDIV, CLOCK_HZ // heartbeat.hz << 16),
        (_PINCTRL, 1 << 26 | pin << 5),
        (_IO_BANK0 + 8 * pin + 4, _FUNCTION_PIO0),
        (_INSTR, _SET_PINDIRS_OUT),
        (_CTRL, 1),
    ]
    return [{"at_us": 0, "what": "write", "address": at, "value": value} for at, value in writes]


def drives(heartbeat: Heartbeat, times_us: Iterable[int]) -> list[dict[str, Any]]:
    """Events of a board that drives at these times: a word, if the FIFO is empty."""
    return [{"at_us": at, "what": "put", "word": heartbeat.word} for at in times_us]


def hush(heartbeat: Heartbeat, at_us: int) -> list[dict[str, Any]]:
    """The events of giving the lease back: stop, begin anew, pin low."""
    return [
        {"at_us": at_us, "what": "write", "address": _CTRL, "value": 0},
        {"at_us": at_us, "what": "write", "address": _CTRL, "value": 1 << 4},
        {"at_us": at_us, "what": "write", "address": _INSTR, "value": heartbeat.still},
    ]


def stop_machine(at_us: int) -> list[dict[str, Any]]:
    """The event of a soft reset: the state machine stops, whatever its pin does."""
    return [{"at_us": at_us, "what": "write", "address": _CTRL, "value": 0}]
