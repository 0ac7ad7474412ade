"""A megabyte of noise on the line in the midst of a treatment changes nothing.

Both virtual boards, with the real HALs and the whole firmware. A hand makes strokes, a
foot holds the switch, and whoever holds the other end of the line sends random bytes
as fast as the device takes them, all 256 of them, Ctrl-C and Ctrl-D too.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from emery import slot
from emery.simulator.plant import TIP_IN_AIR, TIP_ON_SKIN
from emery.stops.ways import BOARDS, USUAL
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.installed import install
from emery.virtual_board.treated import Treated
from emery.virtual_board.world import Applied, World

MEGABYTE = 1_000_000
_PIECE = 1_000  # typed every 200 ms: what the device takes in ten turns of its main loop
_PIECE_MS = 200
_S = 1_000_000
# A stroke of 2 s, a lift of 0.4 s, again and again; after 20 of them the hand rests for
# longer than the pass gap, so that the pass closes, and the foot presses anew.
_STROKE_US = 2 * _S
_LIFT_US = _S * 2 // 5
_STROKES = 20
_REST_US = 6 * _S
_ROUND_US = _STROKES * (_STROKE_US + _LIFT_US) + _REST_US


@dataclass(frozen=True)
class Run:
    """What one treatment came to."""

    sent: int  # bytes of noise
    peak_pa: float  # on the skin, since the first stroke
    on_skin_kpa: list[float]  # vacuum in the middle of each stroke
    suction_ms: float  # that the pump ran
    crystals_ms: float  # that the crystal valve was open
    missed: float  # ticks that should have come and did not
    status: dict[str, int]
    opened: str  # passes of each zone


def treat(chip: str, folder: Path, noise: random.Random | None, rounds: int) -> Run:
    """Strokes over `rounds` passes, with noise while suction is on."""
    configs = slot.ROOT / "board_configs"
    world = install(folder, configs / f"{BOARDS[chip]}.toml", configs / "protocols/face.toml")
    with VirtualBoard(chip, folder, world=world, fast=True, held=True) as board:
        treated = Treated(board)
        treated.to_treating()
        before = treated.status()
        start_us = board.now_us
        world.peak_pa = 0.0
        kpa: list[float] = []
        for number in range(rounds):
            _plan_round(world, start_us + _S + number * _ROUND_US, number, kpa)
        end_us = start_us + _S + rounds * _ROUND_US - _S
        sent = 0
        while board.now_us < end_us:
            place_us = (board.now_us - start_us - _S) % _ROUND_US
            # It ends before the suction does: with safe outputs Ctrl-C is to be heard.
            if noise is not None and 0 < place_us < _ROUND_US - _REST_US - 2 * _S:
                board.type(noise.randbytes(_PIECE))
                sent += _PIECE
            board.run_for(_PIECE_MS)
        status = treated.status()
        period_ms = 5 if chip == "rp2040" else 10
        passed_ms = (board.now_us - start_us) / 1000
        applied = [one for one in world.applied if start_us <= one.us < end_us]
        return Run(
            sent,
            world.peak_pa,
            kpa,
            _time_ms(applied, "pump_permille"),
            _time_ms(applied, "feed_permille"),
            passed_ms / period_ms - (status["t"] - before["t"]),
            status,
            treated.ask("status").split(" o=")[1].split()[0],
        )


def _time_ms(applied: list[Applied], what: str) -> float:
    """How long an actuator got something."""
    return sum(
        (after.us - one.us) / 1000
        for one, after in pairwise(applied)
        if getattr(one, what)
    )


def _plan_round(world: World, start_us: int, number: int, kpa: list[float]) -> None:
    at_us = start_us
    for _ in range(_STROKES):
        world.at(at_us, _put(TIP_ON_SKIN))
        world.at(at_us + _STROKE_US // 2, lambda world: kpa.append(world.skin_pa / 1000))
        world.at(at_us + _STROKE_US, _put(TIP_IN_AIR))
        at_us += _STROKE_US + _LIFT_US
    # The pass gap closes the pass; then another zone, since a zone has three passes.
    world.at(at_us + 5 * _S, _set_foot(0))
    if number % 3 == 2:
        world.at(at_us + 5 * _S + 200_000, _press)
        world.at(at_us + 5 * _S + 400_000, _release)
    world.at(at_us + 5 * _S + 700_000, _set_foot(1))


def _put(tip: int) -> Callable[[World], None]:
    return lambda world: setattr(world, "tip", tip)


def _set_foot(pressed: int) -> Callable[[World], None]:
    return lambda world: setattr(world, "footswitch", pressed)


def _press(world: World) -> None:
    world.press("button_zone")


def _release(world: World) -> None:
    world.release("button_zone")


@pytest.mark.parametrize("chip", USUAL)
def test_noise_on_the_line_changes_no_output_and_loses_no_tick(
    chip: str, tmp_path: Path
) -> None:
    rounds = -(-MEGABYTE // (_STROKES * 12 * _PIECE - 15 * _PIECE))
    quiet = treat(chip, tmp_path / "quiet", None, rounds)
    noisy = treat(chip, tmp_path / "noisy", random.Random(7), rounds)
    assert noisy.sent >= MEGABYTE
    assert noisy.status["ld"] > 1_000  # lines begun and dropped: it was looked at
    # The same treatment: each round a pass, three to a zone, and nothing amiss.
    assert quiet.opened.startswith("32")
    assert noisy.opened == quiet.opened
    assert noisy.status["f"] == noisy.status["kf"] == noisy.status["e"] == 0
    assert len(noisy.on_skin_kpa) == len(quiet.on_skin_kpa) == rounds * _STROKES
    # No two runs are alike to the count: the leak wanders, and a start takes its time.
    assert _furthest(noisy.on_skin_kpa, quiet.on_skin_kpa) < 2.0
    assert abs(noisy.peak_pa - quiet.peak_pa) < 1_000.0
    assert abs(noisy.suction_ms - quiet.suction_ms) < 200.0 * rounds
    assert abs(noisy.crystals_ms - quiet.crystals_ms) < 500.0 * rounds
    # A commit of the pass record stops the tick, with or without noise; and this
    # computer may stall for longer than a held board waits for it.
    assert max(noisy.status["ov"], quiet.status["ov"]) <= 2
    assert noisy.missed < quiet.missed + 2.0 * rounds


def _furthest(some: list[float], others: list[float]) -> float:
    return max(abs(one - other) for one, other in zip(some, others, strict=True))
