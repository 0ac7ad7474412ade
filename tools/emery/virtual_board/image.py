"""The file system in a flash image, from outside: made, read and written with
littlefs-python, laid out as the chip's MicroPython lays it out.

For tests and for preparing a board that need not be flashed first. The board must be
off meanwhile, or at least not write.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from littlefs import LittleFS
from littlefs.context import UserContext

from emery.virtual_board.chips import CHIPS
from emery.virtual_board.on_board.chip_facts import BLOCK

_READ_BYTES = 32
_LOOKAHEAD_BYTES = 32


def make_image(path: Path, chip: str, files: Mapping[str, bytes]) -> None:
    """A freshly formatted image with these files, by their absolute paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff" * (CHIPS[chip].flash_blocks * BLOCK))
    context = _open(path, chip)
    system = _system(chip, context)
    system.format()
    system.mount()
    try:
        _write(system, files)
    finally:
        system.unmount()
    path.write_bytes(context.buffer)


def write_files(path: Path, chip: str, files: Mapping[str, bytes]) -> None:
    """Put files into an image; folders are made as needed."""
    context = _open(path, chip)
    with _mounted(chip, context) as system:
        _write(system, files)
    path.write_bytes(context.buffer)


def remove_file(path: Path, chip: str, name: str) -> None:
    """Take a file out of an image."""
    context = _open(path, chip)
    with _mounted(chip, context) as system:
        system.remove(name)
    path.write_bytes(context.buffer)


def read_files(path: Path, chip: str) -> dict[str, bytes]:
    """Every file of an image, by its absolute path. littlefs' own error if the image
    holds no intact file system."""
    found = {}
    with _mounted(chip, _open(path, chip)) as system:
        for folder, _, names in system.walk("/"):
            for name in names:
                place = str(PurePosixPath(folder) / name)
                with system.open(place, "rb") as file:
                    found[place] = file.read()
    return found


def _write(system: LittleFS, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        folder = str(PurePosixPath(name).parent)
        if folder != "/":
            system.makedirs(folder, exist_ok=True)
        with system.open(name, "wb") as file:
            file.write(content)


def _open(path: Path, chip: str) -> UserContext:
    context = UserContext(CHIPS[chip].flash_blocks * BLOCK)
    context.buffer = bytearray(path.read_bytes())
    return context


def _system(chip: str, context: UserContext) -> LittleFS:
    program = CHIPS[chip].program_bytes
    return LittleFS(
        context=context,
        mount=False,
        block_size=BLOCK,
        block_count=CHIPS[chip].flash_blocks,
        read_size=_READ_BYTES,
        prog_size=program,
        cache_size=4 * max(_READ_BYTES, program),
        lookahead_size=_LOOKAHEAD_BYTES,
        block_cycles=100,
    )


@contextmanager
def _mounted(chip: str, context: UserContext) -> Iterator[LittleFS]:
    system = _system(chip, context)
    system.mount()
    try:
        yield system
    finally:
        system.unmount()
