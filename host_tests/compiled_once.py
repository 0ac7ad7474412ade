"""The same sources for the same machine need no second run of the compiler."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emery import slot_build


@contextmanager
def compiled_once(new_folder: Callable[[str], Path]) -> Iterator[None]:
    """`slot_build.build` compiles once for each machine, and copies from then on."""
    build = slot_build.build
    kept: dict[str, Path] = {}

    def once(folder: Path, modules: list[slot_build.Source], *, for_machine: str = "",
             progress: object = None) -> None:  # fmt: skip
        del progress
        if for_machine not in kept:
            made = new_folder("compiled")
            build(made, modules, for_machine=for_machine)
            kept[for_machine] = made
        shutil.copytree(kept[for_machine], folder, dirs_exist_ok=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slot_build, "build", once)
        yield
