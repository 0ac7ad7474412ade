"""A board file and a protocol to the one file that a device keeps.

    /config.bin = wiring blob (hal.wiring) + settings blob (firmware.settings)

Both in one file, so that a device never runs on the settings of one build and
the pins of another.
"""

from pathlib import Path

from emery.config.load import load_device
from firmware.settings import encode
from hal import wiring


def compile_board(board_path: Path | str, protocol_path: Path | str) -> bytes:
    """The compiled config of a board that is built, for a protocol.

    Raises one ConfigError with the problems of both files; a board without
    [pins] is one of them.
    """
    board = load_device(board_path, protocol_path)
    return wiring.encode(board.wiring) + encode(board.settings)
