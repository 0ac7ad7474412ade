"""A board file and a protocol to the one file that a device keeps.

    /config.bin = wiring (hal.wiring) + settings (firmware.settings) + sections

All in one file, so that a device never runs on the settings of one build and
the pins of another. What was measured of the device's pneumatics travels as a
section that the device keeps for whoever reads the config back, and so does the
certificate of its settings, if one is known. A bench rig treats nobody and has none.
"""

from pathlib import Path

from emery.certificate import known
from emery.config.board import Board
from emery.config.compiled import config_of_board, encode_config
from emery.config.load import load_device
from firmware import config_file
from hal import wiring


def compile_board(board_path: Path | str, protocol_path: Path | str) -> bytes:
    """The compiled config of a board that is built, for a protocol.

    Raises one ConfigError with the problems of both files; a board without
    [pins] is one of them.
    """
    return compiled(load_device(board_path, protocol_path))


def compiled(board: Board) -> bytes:
    """The compiled config of a checked board with the zones of a protocol."""
    blob = encode_config(config_of_board(board))
    if board.wiring.purpose == wiring.BENCH:
        return blob
    certificate = known.find(board.settings, board.chip, board.plant)
    return config_file.with_section(blob, config_file.CERTIFICATE, certificate)
