"""Hands at a virtual board: words and what they do to the modelled device."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emery.simulator.plant import TIP_IN_AIR, TIP_ON_CAP, TIP_ON_SKIN
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.hands import DeedError, Hands, HandsPipe, HandsServer, answers_of
from emery.virtual_board.interpreter import program
from emery.virtual_board.world import World
from hal.wiring import RP2040
from host_tests.pins import reference_wiring


class Chip:
    """Stands for the chip: its pins and its time."""

    def __init__(self) -> None:
        self.now_us = 0
        self.levels: dict[int, list[int | None]] = {}
        self.pins = self

    def outside(self, pin: int, level: int | None) -> None:
        self.levels.setdefault(pin, []).append(level)


@pytest.fixture
def hands() -> Hands:
    world = World(
        reference_wiring(RP2040), plant={"cap_leak": 0.01, "vent_leak": 0.02, "hose_leak": 0.03}
    )
    chip = Chip()
    world._mcu = chip  # type: ignore[assignment]
    world._pins = {"footswitch": 16, "button_start": 10, "button_zone": 12, "button_pass": 11}
    return Hands(world)


def pass_ms(hands: Hands, ms: int) -> None:
    """Time for what bounces, without a plant."""
    world = hands._world
    world.wiring = None
    for _ in range(ms):
        world._mcu.now_us += 1_000
        world.step(world._mcu.now_us)


def test_the_tip_goes_where_it_is_put(hands: Hands) -> None:
    plant = hands._world.plant
    assert hands.do("tip skin") == "the tip is on the skin"
    assert plant.tip == TIP_ON_SKIN
    hands.do("tip cap")
    assert (plant.tip, plant.cap_leak, plant.cap_nozzle) == (TIP_ON_CAP, 0.01, 1.0)
    hands.do("tip orifice 2.5")
    assert plant.cap_leak == pytest.approx(0.01 + 0.25)
    assert plant.cap_nozzle == 0.0
    hands.do("tip air")
    assert (plant.tip, plant.cap_nozzle) == (TIP_IN_AIR, 1.0)


def test_clamps_and_a_finger_shut_off_what_they_close(hands: Hands) -> None:
    plant = hands._world.plant
    hands.do("tip cap")
    hands.do("clamp nozzle")
    assert plant.cap_nozzle == 0.0
    hands.do("open nozzle")
    hands.do("clamp hose")
    assert (plant.cap_leak, plant.cap_nozzle) == (0.0, 0.0)
    assert [place for place, _ in hands.leaks()] == [
        "the vent valve's port", "a joint between hose, canister lid and filter",
    ]  # fmt: skip
    hands.do("plug vent")
    assert (plant.vent_leak, plant.vent_open) == (0.0, 0.0)
    assert len(hands.leaks()) == 1
    hands.do("unplug vent")
    hands.do("open hose")
    assert (plant.vent_leak, plant.vent_open, plant.cap_leak) == (0.02, 1.0, 0.01)
    assert len(hands.leaks()) == 3


def test_soap_shows_nothing_without_a_vacuum(hands: Hands) -> None:
    assert "no vacuum" in hands.do("soap")
    hands._world.plant.skin_pa = 10_000.0
    assert "canister lid" in hands.do("soap")


def test_instruments_have_their_resolution(hands: Hands) -> None:
    plant = hands._world.plant
    plant.skin_pa = 20_456.0
    assert hands.do("gauge") == "20.5 kPa"
    assert hands.do("gauge mmHg") == "153 mmHg"
    assert hands.do("gauge inHg") == "6.0 inHg"
    assert hands.gauge_pa() == 20_456.0
    plant.fed_mg = 1_234.0
    assert hands.do("scale") == "248.77 g"
    hands.do("fill")
    assert hands.do("scale") == "250.00 g"


def test_contacts_bounce_and_settle(hands: Hands) -> None:
    chip = hands._world._mcu
    hands.do("press start")
    pass_ms(hands, 400)
    # Down, up, down; and up again after 300 ms, with a bounce as well.
    assert chip.levels[10] == [0, None, 0, None, 0, None]  # type: ignore[attr-defined]
    hands.do("hold footswitch")
    pass_ms(hands, 10)
    assert hands._world.footswitch == 1
    hands.do("release footswitch")
    pass_ms(hands, 10)
    assert hands._world.footswitch == 0


def test_crossed_wires_move_another_pin(hands: Hands) -> None:
    hands.crossed = {"pass": "zone"}
    hands.do("hold pass")
    assert 11 not in hands._world._mcu.levels  # type: ignore[attr-defined]
    assert hands._world._mcu.levels[12][-1] == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tipp cap", "Did you mean tip?"), ("tip", "the tip goes to"),
        ("tip nose", "the tip goes to"), ("tip cap 2", "only the orifice tip"),
        ("tip orifice 0", "more than 0 and at most 5 mm"), ("tip orifice wide", "at most 5 mm"),
        ("clamp", "clamped and opened are"), ("plug nozzle", "the vent alone"),
        ("press", "there are footswitch"), ("hold end", "no pin in this wiring"),
        ("gauge bar", "the gauge has the scales"), ("meter c", "nothing hangs"),
        ("scale now", "nothing follows"),
    ],
)  # fmt: skip
def test_what_hands_cannot_do_is_told_with_what_they_can(
    hands: Hands, line: str, words: str
) -> None:
    with pytest.raises(DeedError, match=words.replace("?", r"\?")):
        hands.do(line)
    assert hands.told(line).startswith("error: ")


def test_help_names_every_deed(hands: Hands) -> None:
    text = hands.do("help")
    for deed in hands._deeds:
        assert f"\n{deed} " in f"\n{text} " or f", {deed} " in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert hands.do("   ") == ""


def test_another_program_types_through_the_pipe(hands: Hands, tmp_path: Path) -> None:
    path = tmp_path / "hands"
    shown: list[str] = []
    server = HandsServer(path, hands, shown.append)
    try:
        pipe = HandsPipe(path)
        assert pipe.do("tip cap") == "the tip is on its parking cap"
        assert pipe.do("gauge mmhg") == "0 mmHg"
        assert len(pipe.do("help").splitlines()) > 10
        with pytest.raises(DeedError, match="the tip goes to"):
            pipe.do("tip")
        assert shown[0] == "tip cap: the tip is on its parking cap"
        with pytest.raises(FileExistsError):
            HandsServer(path, hands, shown.append)
    finally:
        server.close()
    assert not path.exists()
    assert not answers_of(path).exists()
    with pytest.raises(FileNotFoundError, match="emery virtual-board --hands"):
        pipe.do("look")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    if program("micropython") is None:
        pytest.skip("there is no MicroPython on this machine; see CONTRIBUTING.md")
    world = World(reference_wiring(RP2040), sensors={"offset_a_pa": 1_000.0})
    with VirtualBoard("rp2040", tmp_path, world=world, fast=True, held=True) as made:
        yield made


def test_at_a_whole_board_they_read_the_truth_and_not_the_sensors(board: VirtualBoard) -> None:
    hands = Hands(board.world, board.locked)
    assert hands.do("meter supply") == "5.000 V"
    assert hands.do("meter a") == "4.562 V"
    assert hands.do("meter b") == "4.600 V"
    told = hands.do("look")
    assert "the tip is in the air; pump stands; vent open" in told
    hands.do("hold end")
    board.run_for(20)
    assert board.world.wiring is not None
    assert board.pins.level(board.world.wiring.button_end) == 0
