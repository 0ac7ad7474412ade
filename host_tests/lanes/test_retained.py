"""The firmware leaves room for itself: bytes kept on a 32-bit heap."""

import pytest

from emery.simulator import retained
from host_tests.lanes.conftest import needed

# An RP2040 gives MicroPython's heap about 190 KiB. The core may take half of it; what
# lies around the core (link, journal, panel, starting) has a budget of its own, so that
# neither eats the other's. A board's HAL keeps 26 KiB more, weighed by hand; the copy of
# the black box, which is the largest thing that comes and goes, needs 22.
CORE_KIB = 96
AROUND_KIB = 20
AROUND = {
    "hal.console",
    "firmware.boot_record",
    "firmware.certificate",
    "firmware.config_file",
    "firmware.core_mark",
    "firmware.import_order",
    "firmware.journal",
    "firmware.line",
    "firmware.link",
    "firmware.panel",
    "firmware.slots",
}
CHANGING_KIB = 4  # of what is imported on demand


@pytest.fixture(scope="module")
def pieces() -> dict[str, int]:
    return retained.pieces(needed("webassembly"))


def test_the_firmware_keeps_little_enough(pieces: dict[str, int]) -> None:
    around = sum(pieces[name] for name in AROUND)
    changing = sum(pieces[name] for name in retained.ON_DEMAND)
    assert around <= AROUND_KIB * 1024
    assert changing <= CHANGING_KIB * 1024
    assert sum(pieces.values()) - around - changing <= CORE_KIB * 1024


def test_every_module_is_weighed_by_itself(pieces: dict[str, int]) -> None:
    """A module imported before its turn would weigh next to nothing, and
    whoever imported it too much."""
    assert list(pieces)[-1] == retained.APP
    assert "firmware.controller" in pieces
    # A module of a single name is the smallest there is.
    assert min(size for name, size in pieces.items() if name != "firmware.core_mark") > 200


def test_the_black_box_is_in_it(pieces: dict[str, int]) -> None:
    from firmware.black_box import RECORD_BYTES, RECORDS

    assert pieces[retained.APP] > RECORDS * RECORD_BYTES
