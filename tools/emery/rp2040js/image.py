"""The flash of a Pico: MicroPython from a UF2 file, and a file system behind it.

UF2 (github.com/microsoft/uf2): blocks of 512 bytes, each with its own address, up to
256 bytes of the image, and the family of chips it is for.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from emery.virtual_board.chips import CHIPS
from emery.virtual_board.image import make_image
from emery.virtual_board.on_board.chip_facts import BLOCK

FLASH_BYTES = 2 * 1024 * 1024  # of a Pico
FILES_AT = FLASH_BYTES - CHIPS["rp2040"].flash_blocks * BLOCK

_UF2_BLOCK = 512
_HEAD = "<8I"
_MAGICS = (0x0A324655, 0x9E5D5157)
_END_MAGIC = 0x0AB16F30
_NOT_FOR_FLASH = 0x0000_0001
_HAS_FAMILY = 0x0000_2000
_RP2040_FAMILY = 0xE48BFF56
_MAPPED_AT = 0x1000_0000


class ImageRefused(Exception):
    """What was given is no image of MicroPython for a Pico; the text says why."""


def flash_image(uf2: bytes, files: Mapping[str, bytes]) -> bytes:
    """The whole flash. ImageRefused, if the UF2 is not for it."""
    flash = bytearray(b"\xff" * FLASH_BYTES)
    written = 0
    for address, payload in _blocks(uf2):
        at = address - _MAPPED_AT
        if not 0 <= at <= FLASH_BYTES - len(payload):
            raise ImageRefused(f"it writes to 0x{address:08x}, where a Pico has no flash")
        if at + len(payload) > FILES_AT:
            raise ImageRefused(
                f"it reaches 0x{address:08x}, where a Pico's file system begins;"
                " take the image RPI_PICO"
            )
        flash[at : at + len(payload)] = payload
        written += len(payload)
    if not written:
        raise ImageRefused("it holds no block for the RP2040; take the image RPI_PICO")
    with TemporaryDirectory(prefix="emery-flash-") as folder:
        path = Path(folder) / "files.img"
        make_image(path, "rp2040", files)
        flash[FILES_AT:] = path.read_bytes()
    return bytes(flash)


def _blocks(uf2: bytes) -> Iterator[tuple[int, bytes]]:
    """Address and payload of each block for the flash of an RP2040."""
    if not uf2 or len(uf2) % _UF2_BLOCK:
        raise ImageRefused("it is no UF2 file: not a whole number of 512-byte blocks")
    for start in range(0, len(uf2), _UF2_BLOCK):
        block = uf2[start : start + _UF2_BLOCK]
        magic, second, flags, address, size, _, _, family = struct.unpack_from(_HEAD, block)
        end = struct.unpack_from("<I", block, _UF2_BLOCK - 4)[0]
        if (magic, second, end) != (*_MAGICS, _END_MAGIC) or size > 476:
            raise ImageRefused(f"block {start // _UF2_BLOCK} is no block of a UF2 file")
        if flags & _NOT_FOR_FLASH or (flags & _HAS_FAMILY and family != _RP2040_FAMILY):
            continue
        head = struct.calcsize(_HEAD)
        yield address, block[head : head + size]
