"""Group `firmware`: what the firmware takes on a board."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from emery.bench.keys import Figure
from emery.simulator import lanes, retained


def measure(seed: int, progress: Callable[[float], None]) -> dict[str, Figure]:
    """The figures of this group; the seed draws nothing here."""
    return {"firmware.mpy_kib": _compiled(), "firmware.retained_kib_32bit": _retained()}


def _compiled() -> Figure:
    """Flash: all of the firmware and the one module of hal it imports, as .mpy."""
    with tempfile.TemporaryDirectory(prefix="emery-bench-") as folder:
        tree = Path(folder)
        try:
            lanes.build_slot(tree)
        except lanes.LaneMissing as missing:
            return Figure(None, str(missing))
        sizes = {
            path.relative_to(tree).as_posix(): path.stat().st_size
            for path in [*sorted((tree / "firmware").glob("*.mpy")), tree / "hal/contract.mpy"]
        }
    return Figure(round(sum(sizes.values()) / 1024, 2), detail={"bytes": sizes})


def _retained() -> Figure:
    """RAM: what stays on the heap of a 32-bit build once the app is made."""
    try:
        pieces = retained.pieces()
    except lanes.LaneMissing as missing:
        return Figure(None, str(missing))
    return Figure(
        round(retained.in_treatment(pieces) / 1024, 2), detail={"bytes": pieces}
    )
