"""A whole treatment: real firmware, real HAL, a modelled operator at the link."""

import json
from pathlib import Path

import pytest

from emery import slot
from emery.config.compile import compiled
from emery.config.load import load_device
from emery.flash import image as flash_content
from emery.simulator.operator import ON_FAULT_STOP
from emery.virtual_board import image
from emery.virtual_board.board import IMAGE, VirtualBoard
from emery.virtual_board.console import Console
from emery.virtual_board.on_board.chip_facts import CHIP_FACTS
from emery.virtual_board.world import World

CONFIGS = {"rp2040": "pico_reference", "esp32": "esp32_devkitc"}
OPERATOR = {
    "passes": 1, "zones": [0, 2], "pass_on_skin_ms": 6_000, "on_fault": ON_FAULT_STOP,
}  # fmt: skip


def installed(chip: str, folder: Path) -> World:
    """The reference device of a chip in a flash image, and the world around it."""
    configs = slot.ROOT / "board_configs"
    device = load_device(configs / f"{CONFIGS[chip]}.toml", configs / "protocols" / "face.toml")
    config = compiled(device)
    tree = folder / "tree"
    flash_content.build(tree, chip, CHIP_FACTS[chip][2], config)
    files = {"/slot.json": json.dumps({"active": "a", "trial": 0, "tries": 0}).encode()}
    for part, place in (("slot", "/a/"), ("root", "/")):
        for path in (tree / part).rglob("*"):
            if path.is_file():
                files[place + path.relative_to(tree / part).as_posix()] = path.read_bytes()
    image.make_image(folder / IMAGE, chip, files)
    return World(device.wiring, settings=device.settings, operator=OPERATOR)


@pytest.mark.long
def test_an_operator_treats_two_zones(chip: str, tmp_path: Path) -> None:
    world = installed(chip, tmp_path)
    operator = world.operator
    assert operator is not None
    with VirtualBoard(chip, tmp_path, world=world, fast=True, held=True) as board:
        console = Console(board)
        for _ in range(40):
            board.run_for(5_000)
            if operator.finished:
                break
        assert operator.finished, world.panel()
        assert operator.passes_made[0] == operator.passes_made[2] == 1
        assert operator.strokes > 4
        assert 20_000 < world.peak_pa < 45_000
        assert world.power == 0
        assert board.resets == []
        assert board.crashes == []
    # The operator's link is not the user's.
    assert b"@" not in console.printed
    assert b"Emery: " in console.printed
