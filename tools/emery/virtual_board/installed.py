"""A virtual board with the firmware on its flash, as `emery flash` leaves it.

For whoever wants a running device and not to watch it being flashed: the slot is
compiled and laid into the image from outside, and its trial is over.
"""

import json
import tempfile
from functools import cache
from pathlib import Path

from emery.config.compile import compile_board
from emery.flash import image as slot_image
from emery.virtual_board.board import IMAGE
from emery.virtual_board.image import make_image
from emery.virtual_board.on_board.chip_facts import CHIP_FACTS
from emery.virtual_board.world import World
from firmware.config_file import settings_of
from firmware.settings import decode
from hal import wiring


def install(folder: Path, board_file: Path, protocol_file: Path) -> World:
    """Lay a flash image with the firmware, and this config, into `folder`; the world
    that belongs to it. Raises ConfigError, or what `slot_build.build` does."""
    config = compile_board(board_file, protocol_file)
    wired = wiring.decode(config)
    make_image(folder / IMAGE, wiring.CHIPS[wired.chip], files(wired.chip, config))
    return World(wired, settings=decode(settings_of(config)))


def files(chip: int, config: bytes) -> dict[str, bytes]:
    """Everything that lies on a device of this chip, by its absolute path."""
    found = dict(_slot_files(wiring.CHIPS[chip]))
    found["/a/config.bin"] = config
    found["/slot.json"] = json.dumps({"active": "a", "trial": 0, "tries": 0}).encode()
    return found


@cache
def _slot_files(chip: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="emery-slot-") as work:
        folder = Path(work)
        mpy = CHIP_FACTS[chip][2]  # `sys.implementation._mpy` there
        image = slot_image.build(folder, chip, mpy, b"")
        found = {
            f"/a/{name}": (folder / "slot" / name).read_bytes()
            for name in (*image.files, "manifest.json")
        }
        found |= {f"/{name}": (folder / "root" / name).read_bytes() for name in image.root}
    return found
