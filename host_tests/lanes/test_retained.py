"""The firmware leaves room for itself: bytes kept on a 32-bit heap."""

import pytest

from emery.simulator import retained
from host_tests.lanes.conftest import needed

# An RP2040 gives MicroPython's heap about 190 KiB; half of that for the
# firmware leaves as much for board support, link and what comes and goes.
MOST_KIB = 96


@pytest.fixture(scope="module")
def pieces() -> dict[str, int]:
    return retained.pieces(needed("webassembly"))


def test_the_firmware_keeps_little_enough(pieces: dict[str, int]) -> None:
    assert sum(pieces.values()) <= MOST_KIB * 1024


def test_every_module_is_weighed_by_itself(pieces: dict[str, int]) -> None:
    """A module imported before its turn would weigh next to nothing, and
    whoever imported it too much."""
    assert list(pieces)[-1] == retained.APP
    assert "firmware.controller" in pieces
    assert min(pieces.values()) > 300


def test_the_black_box_is_in_it(pieces: dict[str, int]) -> None:
    from firmware.black_box import RECORD_BYTES, RECORDS

    assert pieces[retained.APP] > RECORDS * RECORD_BYTES
