"""The NOR flash of a virtual board: bits are only cleared, and cuts tear."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emery.virtual_board.flash import Flash, PowerLost
from emery.virtual_board.on_board.chip_facts import BLOCK


@pytest.fixture
def flash(tmp_path: Path) -> Iterator[Flash]:
    made = Flash(tmp_path / "flash.img", 8)
    yield made
    made.close()


def content(flash: Flash, offset: int, length: int) -> bytes:
    return flash.path.read_bytes()[offset : offset + length]


def test_a_new_flash_is_erased(flash: Flash) -> None:
    assert flash.path.read_bytes() == b"\xff" * (8 * BLOCK)


def test_programming_only_clears_bits(flash: Flash) -> None:
    flash.program(256, bytes([0b1100] * 4))
    flash.program(256, bytes([0b1010] * 4))
    assert content(flash, 256, 5) == bytes([0b1000] * 4) + b"\xff"


def test_erasing_sets_a_block(flash: Flash) -> None:
    flash.program(0, bytes(3 * BLOCK))
    flash.erase(BLOCK)
    assert content(flash, 0, 3 * BLOCK) == bytes(BLOCK) + b"\xff" * BLOCK + bytes(BLOCK)
    assert flash.erases_of[:3] == [0, 1, 0]


def test_it_takes_its_time(flash: Flash) -> None:
    assert flash.program(0, bytes(256)) == 400
    assert flash.program(0, bytes(257)) == 800
    assert flash.erase(0) == 45_000


def test_a_cut_tears_the_operation_that_was_asked_for(tmp_path: Path) -> None:
    torn = 0
    for seed in range(20):
        flash = Flash(tmp_path / f"{seed}.img", 8, seed)
        flash.cut_at(2)
        flash.program(0, bytes(256))
        with pytest.raises(PowerLost):
            flash.program(256, bytes(256))
        assert content(flash, 0, 256) == bytes(256)
        written = content(flash, 256, 256)
        done = written.count(0)
        # A beginning that is done, at most one byte between, and nothing after it.
        assert written.startswith(bytes(max(0, done - 1)))
        assert set(written[done + 1 :]) <= {0xFF}
        torn += 0 < done < 256
        # Once only.
        flash.program(512, bytes(256))
        flash.close()
    assert torn > 10


def test_a_torn_erase_brings_some_bits_back_and_takes_none(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "flash.img", 8)
    flash.program(0, bytes(range(256)) * 16)
    flash.cut_at(1)
    with pytest.raises(PowerLost):
        flash.erase(0)
    before = bytes(range(256)) * 16
    after = content(flash, 0, BLOCK)
    assert all(new & old == old for new, old in zip(after, before, strict=True))
    assert after not in (before, b"\xff" * BLOCK)
    flash.close()


def test_an_image_of_another_chip_is_refused(tmp_path: Path) -> None:
    Flash(tmp_path / "flash.img", 8).close()
    with pytest.raises(ValueError, match="has 32768 bytes, not the 65536"):
        Flash(tmp_path / "flash.img", 16)


def test_nothing_outside_it_is_touched(flash: Flash) -> None:
    with pytest.raises(ValueError, match="outside the flash"):
        flash.program(8 * BLOCK - 1, b"ab")
    with pytest.raises(ValueError, match="outside the flash"):
        flash.erase(8 * BLOCK)
