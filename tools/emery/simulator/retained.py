"""How much of a board's memory the firmware keeps, weighed on the 32-bit build.

Weighed are `hal.contract` and all of `firmware` but what starts it on a board,
loaded from .mpy into RAM as a board does from its file system, and the app, made
for a protocol of as many zones as there may be. The board it is made on keeps
nothing: what board support and MicroPython itself keep comes on top.
"""

import ast
import json
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path

from emery import slot
from emery.simulator import lanes
from firmware.limits import ZONES
from firmware.settings import Settings, Zone, encode

APP = "App"
# They start the firmware when imported, on a board.
_STARTERS = {"boot", "main"}
# Imported only where a config is changed: in SERVICE, and at the first start with it.
ON_DEMAND = frozenset({"firmware.config_change", "firmware.config_ledger"})

# What is run: each piece in steps of its own, since garbage is collected
# between two steps only.
_HEAD = """import gc
import json

import hal.wiring  # board support, as above


class Board:
    def make_safe(self):
        pass

    def load(self):
        return b""


def steps(settings_path):
    board = Board()
    board.storage = board
    sizes = [0] * {count}
"""
_PIECE = """
    gc.collect()
    yield
    before = gc.mem_alloc()
    {statement}
    gc.collect()
    yield
    sizes[{place}] = gc.mem_alloc() - before
"""
_APP = """with open(settings_path, "rb") as file:
        app = firmware.app.App(board, file.read())"""
_TAIL = """
    assert not app.refusal, app.refusal
    print(json.dumps(sizes))
"""


def pieces(lane: str = "webassembly") -> dict[str, int]:
    """Bytes kept by each module, in the order of imports, and by the app with
    its black box, as APP. A module's bytes are without those it imports.

    Raises LaneMissing or LaneFailed.
    """
    modules = _modules()
    statements = [*(f"import {name}" for name in modules), _APP]
    program = _HEAD.format(count=len(statements))
    for place, statement in enumerate(statements):
        program += _PIECE.format(statement=statement, place=place)
    with tempfile.TemporaryDirectory(prefix="emery-retained-") as folder:
        tree = Path(folder) / "slot"
        lanes.build_slot(tree)
        (tree / "weigh.py").write_text(program + _TAIL, encoding="utf-8")
        settings = Path(folder) / "settings.bin"
        settings.write_bytes(_largest_settings())
        sizes = json.loads(lanes.far_end(tree, lane, "weigh", settings))
    return dict(zip([*modules, APP], sizes, strict=True))


def in_treatment(weighed: dict[str, int]) -> int:
    """Bytes of the pieces that a treatment has in memory."""
    return sum(size for name, size in weighed.items() if name not in ON_DEMAND)


def _modules() -> list[str]:
    """Every module of the firmware, after those it imports."""
    imports = {}
    for path in sorted((slot.ROOT / "firmware").glob("*.py")):
        if path.stem in _STARTERS:
            continue
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                if node.module == "firmware":
                    found |= {f"firmware.{alias.name}" for alias in node.names}
                elif node.module and node.module.startswith(("firmware.", "hal.")):
                    found.add(node.module)
        imports[f"firmware.{path.stem}"] = found
    return list(TopologicalSorter(imports).static_order())


def _largest_settings() -> bytes:
    settings = Settings()
    settings.protocol_name = "of the most zones"[:16]
    settings.zones = tuple(Zone(f"zone number {number}") for number in range(1, ZONES + 1))
    return encode(settings)
