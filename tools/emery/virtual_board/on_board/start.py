"""The script that the interpreter of a virtual board is given; its names are those of
the programs that the board runs, so it leaves none behind."""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors

import sys

sys.path[:] = [sys.argv[1]]

from emery.virtual_board.on_board import chip_facts  # noqa: E402

chip_facts.chosen[0] = sys.argv[2]
chip_facts.own_id[0] = bytes.fromhex(sys.argv[7])

from emery.virtual_board.on_board.power_up import power_up  # noqa: E402

power_up(list(sys.argv), globals())
