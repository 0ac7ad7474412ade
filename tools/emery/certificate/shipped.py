"""The shipped certificates, and the mark of the core that they name, written anew.

    python -m emery.certificate.shipped

Writes board_configs/certificates/shipped.toml, with one for each shipped board that treats,
and firmware/core_mark.py. Run it after a change of the control core, of a shipped
board's settings, of the scatter or of what is asked; a test says when it is due. It
is the same on every machine. Exit code 1 if settings that are shipped fail.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from emery import slot, terminal
from emery.certificate.core import PLACE, core_mark, module_source
from emery.certificate.known import SHIPPED, Certified
from emery.certificate.make import Show, certified, try_out
from emery.certificate.marks import marks
from emery.certificate.scatter import trials
from emery.config.board import Board
from emery.config.load import load_board
from emery.exit_codes import ExitCode
from hal.wiring import TREATMENT

# When a shipped certificate was made: a date, so that it is the same on every machine.
MADE_S = int(datetime(2026, 11, 25, tzinfo=UTC).timestamp())

_HEAD = """\
# Certificates of the shipped boards: their settings, on this control core, passed the
# scatter of plants. Written by `python -m emery.certificate.shipped`, not by hand.
# tools/emery/certificate/README.md says what one proves, and what it does not.
"""


def boards() -> Iterator[tuple[str, Board]]:
    """Name and board of each shipped one that treats."""
    for path in sorted((slot.ROOT / "board_configs").glob("*.toml")):
        board = load_board(path)
        if board.wiring.purpose == TREATMENT:
            yield path.stem, board


def make(board: Board, show: Show | None = None, processes: int | None = None) -> Certified:
    """The certificate of a shipped board, from the simulation."""
    outcome = try_out(
        board.settings, board.chip, trials(board.plant, board.settings), show,
        processes=processes,
    )
    return certified(outcome, board.settings, board.chip, board.plant, MADE_S)


def row(name: str, made: Certified) -> str:
    """Its place in the file."""
    return (
        f"\n[{name}]\n"
        f"plants = {made.plants}\n"
        f'worst_peak = "{made.peak_pa / 1000:.2f} kPa"\n'
        f'worst_settle = "{made.settle_ms} ms"\n'
        f'payload = "{made.payload.hex()}"\n'
    )


def main() -> int:
    """Write both files."""
    (slot.ROOT / PLACE).write_text(module_source(core_mark()), encoding="utf-8")
    rows = []
    failed = False
    by_marks: dict[tuple[bytes, ...], Certified] = {}
    for name, board in boards():
        about = marks(board.settings, board.chip, board.plant)
        if about not in by_marks:
            with terminal.progress(name) as show:
                by_marks[about] = make(board, show)
        made = by_marks[about]
        if made.passed:
            rows.append(row(name, made))
            terminal.write(
                f"{name}: {made.plants} plants, worst peak {made.peak_pa / 1000:.2f} kPa, worst"
                f" settling {made.settle_ms} ms\n"
            )
        else:
            failed = True
            terminal.complain(f"{name} fails:\n{made.reasons}")
    (slot.ROOT / SHIPPED).parent.mkdir(exist_ok=True)
    (slot.ROOT / SHIPPED).write_text(_HEAD + "".join(rows), encoding="utf-8")
    return ExitCode.REQUIREMENT_FAILED if failed else ExitCode.PASS


if __name__ == "__main__":
    sys.exit(main())
