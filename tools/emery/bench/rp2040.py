"""How long a tick would take on an RP2040 at 125 MHz: counted, then priced.

Nothing here ran on a board. A recording is played through the whole app on
CPython with every executed operation counted by its kind, and each kind has a
price. Two prices come from runs on an emulated RP2040: 14 us for the call of a
method (11 to 17) and 8 us for one of the chip, such as `ADC.read_u16()`. The others
are their cost on MicroPython's unix port, scaled so that the method call there
comes to those 14 us [E]. Expect a factor of two either way, until a board says.

CPython's operations stand for MicroPython's: what one of them does without
(a local name, a constant made with const()) is priced as the other does it.
"""

import ast
import dis
import struct
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from emery.bench.player import Player
from emery.simulator.loop import TURN_MS
from firmware import black_box
from firmware.settings import decode

# The unix port's cost of each kind in ns, measured by itself, beside the 95 ns
# of a method call there.
_UNIX_NS = {
    "local": 1.6,  # local name, constant, jump
    "attribute": 7.0,
    "store": 13.0,  # of an attribute
    "global": 9.0,
    "arithmetic": 7.0,  # and comparisons
    "subscript": 15.0,
    "function": 55.0,
    "builtin": 20.0,
    "packed": 42.0,  # one value of struct.pack_into
}
_US_PER_NS = 14.0 / 95.0
COSTS_US = {kind: round(ns * _US_PER_NS, 2) for kind, ns in _UNIX_NS.items()} | {
    "method": 14.0,
    "machine": 8.0,
}
# What a board's sample and drive ask of the chip: three ADC channels, footswitch,
# clock and its difference, pump and crystal PWM, vent pin, lease word. [E]
_MACHINE_CALLS = 10

# Named within the price of a call: looking the method up, and the return.
_PART_OF_THE_CALL = ""
_FREE = {"RESUME", "PRECALL", "PUSH_NULL", "CACHE", "KW_NAMES", "NOP", "EXTENDED_ARG", "COPY"}
_KINDS = (
    ("LOAD_GLOBAL", "global"),
    ("LOAD_ATTR", "attribute"),
    ("STORE_ATTR", "store"),
    ("BINARY_SUBSCR", "subscript"),
    ("STORE_SUBSCR", "subscript"),
    ("BINARY_OP", "arithmetic"),
    ("COMPARE_OP", "arithmetic"),
    ("IS_OP", "arithmetic"),
    ("CONTAINS_OP", "arithmetic"),
    ("UNARY_", "arithmetic"),
)
_PACK_INTO_OTHERS = 3  # format, buffer and offset


@dataclass(frozen=True, slots=True)
class Estimate:
    """The costliest tick on the skin and the costliest turn of the main loop."""

    tick_us: float
    tick_counts: dict[str, int]
    turn_us: float
    turn_counts: dict[str, int]


def estimate(settings: bytes, records: bytes) -> Estimate:
    """Count a recording tick by tick and price the costliest."""
    player = Player(settings, BytesIO(records))
    app = player.app
    assert app.controller is not None
    ticks: list[Counter[str]] = []
    turns: list[Counter[str]] = []
    turn_ticks = TURN_MS // decode(settings).tick_period_ms
    rows = player.block(len(records) // black_box.RECORD_BYTES)
    for number, record in enumerate(rows):
        player.prepare(record)
        was_treating = player.is_treating()
        tick = counted(app.tick)
        if was_treating and player.is_treating():
            ticks.append(tick + Counter(machine=_MACHINE_CALLS))
        if number % turn_ticks == 0:
            # A commit stops the tick for longer than a turn takes: none here.
            committed = app.readings.committed_sequence
            app.readings.committed_sequence = app.controller.passes.sequence
            turns.append(counted(app.turn))
            app.readings.committed_sequence = committed
    if app.error is not None:
        raise app.error
    tick, turn = max(ticks, key=price), max(turns, key=price)
    return Estimate(price(tick), dict(tick), price(turn), dict(turn))


def price(counts: Counter[str]) -> float:
    """What counted operations cost, in us."""
    return sum(COSTS_US[kind] * number for kind, number in counts.items())


def counted(work: Callable[[], None]) -> Counter[str]:
    """Run `work` and count its operations by kind."""
    counts: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            is_method = frame.f_code.co_varnames[:1] == ("self",)
            counts["method" if is_method else "function"] += 1
        elif event == "opcode":
            kind, number = _kinds(frame.f_code)[frame.f_lasti]
            counts[kind] += number
        return trace

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call" and frame.f_code is not counted.__code__:
            counts["builtin"] += 1
            if argument is struct.pack_into:
                counts["packed"] += _argument_count(frame) - _PACK_INTO_OTHERS

    before = sys.gettrace()
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
        sys.setprofile(None)
    del counts[_PART_OF_THE_CALL]
    return counts


def _argument_count(frame: FrameType) -> int:
    """Arguments of the call that a frame is in."""
    offset = frame.f_lasti
    call = next(found for found in dis.get_instructions(frame.f_code) if found.offset >= offset
                and found.opname.startswith("CALL"))
    return call.arg or 0


@cache
def _kinds(code: CodeType) -> dict[int, tuple[str, int]]:
    """Kind and number of the operations at every place of some code."""
    constants = _constants(code.co_filename)
    return {found.offset: _kind(found, constants) for found in dis.get_instructions(code)}


def _kind(found: dis.Instruction, constants: frozenset[str]) -> tuple[str, int]:
    name = found.opname
    if name in _FREE or name.startswith(("CALL", "RETURN", "LOAD_METHOD")):
        return _PART_OF_THE_CALL, 1
    if name == "LOAD_GLOBAL" and found.argval in constants:
        return "local", 1
    if name == "LOAD_ATTR" and "self" in found.argrepr:
        return _PART_OF_THE_CALL, 1  # a method, in later Pythons
    for start, kind in _KINDS:
        if name.startswith(start):
            return kind, 1
    return "local", max(name.count("_FAST"), 1)  # later Pythons do two at once


@cache
def _constants(file: str) -> frozenset[str]:
    """Names that a module makes with const(): MicroPython puts the value there."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return frozenset(
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == "const"
        for target in node.targets
        if isinstance(target, ast.Name)
    )
