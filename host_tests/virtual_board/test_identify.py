"""A device identified on whole boards: firmware on MicroPython, runs over the link, the
black box pulled after each, the tip moved by hands; the fit finds the world's plant."""

from pathlib import Path

import pytest

from emery import slot, terminal
from emery.config.compiled import decompile
from emery.identify import guide
from emery.identify.fit import fit
from emery.link import operate
from emery.link.client import Client
from emery.service_bench.linked import ServiceBench
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.hands import Hands
from emery.virtual_board.installed import install
from firmware import treatment
from host_tests.virtual_board.test_log import CONFIGS, BoardLine

_PLANT = {
    "volume_m3": 0.82e-3, "pump_free_flow_m3_s": 4e-4, "pump_lag_s": 0.2, "hose_leak": 2e-3,
    "filter_load": 4.0, "nozzle_m": 1.3e-3,
}  # fmt: skip
_ORIFICE_M = 1.5e-3


class _HandsAtBoard(guide.AsIfDone):
    """Does what is asked for, in the words of the virtual board's hands."""

    def __init__(self, board: VirtualBoard) -> None:
        self._hands = Hands(board.world)

    def begin(self, words: str, deed: str) -> None:
        for one in deed.split(";"):
            self._hands.do(one)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_a_board_is_identified_over_the_link(chip: str, tmp_path: Path) -> None:
    configs = slot.ROOT / "board_configs"
    world = install(
        tmp_path, configs / f"{CONFIGS[chip]}.toml", configs / "protocols" / "face.toml"
    )
    for name, value in _PLANT.items():
        world.plant.set(name, value)
    with VirtualBoard(chip, tmp_path, world=world, fast=True, held=True) as board:
        client = Client(BoardLine(board))
        operate.wait_for(client, treatment.STANDBY)
        client.into_service()
        client.hear(2.0)
        operate.wait_for(client, treatment.SERVICE)
        config = decompile(client.whole_blob("config"))
        runs = guide.measure(
            ServiceBench(client, client.hello()), config.settings, _HandsAtBoard(board),
            _ORIFICE_M, terminal.progress,
        )  # fmt: skip
        assert board.crashes == []
    found = fit(runs, config.settings, config.chip, _ORIFICE_M)
    outside = {
        name: (one.low, one.value, one.high)
        for name, one in found.estimates.items()
        if not one.low <= float(getattr(world.plant, name)) <= one.high
    }
    # Eleven intervals of 95 %: one may lie beside the truth.
    assert len(outside) <= 1, outside
    for name, value in _PLANT.items():
        if name not in ("hose_leak", "filter_load"):
            assert found.estimates[name].value == pytest.approx(value, rel=0.05)
