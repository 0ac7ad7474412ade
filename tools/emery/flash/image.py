"""What is to lie on a device: the files of one slot, and those outside the slots.

`manifest.json` names every file of the slot with size and SHA-256, so that the
device can tell whether it is whole. The compiled config lies beside them but not in
the manifest: it has checksums of its own, and `emery set` may change it later.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import emery
from emery import slot, slot_build
from emery.flash.on_device import ROOT_FILES

# How `manifest.json` and the link abbreviate a digest.
SHORT_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Size in bytes and SHA-256 in hexadecimal of a file."""

    size: int
    sha: str

    @classmethod
    def of(cls, content: bytes) -> "Fingerprint":
        """That of a file with this content."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class Image:
    """A built slot in `folder`/slot and what goes beside it in `folder`/root.

    `mpy` is the device's, as its manifest has it; `mpy_version` that of the format
    mpy-cross wrote, None if nothing tells.
    """

    folder: Path
    version: str
    mpy: int
    files: dict[str, Fingerprint]
    manifest: Fingerprint
    config: Fingerprint
    root: dict[str, Fingerprint]
    mpy_version: int | None


def build(
    folder: Path,
    chip: str,
    mpy: int,
    config: bytes,
    progress: Callable[[float], None] | None = None,
) -> Image:
    """Build the image for a chip whose `sys.implementation._mpy` is `mpy`.

    Raises what `slot_build.build` does.
    """
    tree = folder / "slot"
    tree.mkdir(parents=True)
    sources = slot_build.sources()
    slot_build.build(tree, sources, for_machine=slot_build.machine(mpy), progress=progress)
    contents = {one.compiled: (tree / one.compiled).read_bytes() for one in sources}
    files = {place: Fingerprint.of(content) for place, content in sorted(contents.items())}
    manifest = manifest_text(chip, mpy, files).encode()
    (tree / "manifest.json").write_bytes(manifest)
    (tree / "config.bin").write_bytes(config)
    root = {}
    (folder / "root").mkdir()
    for name in ROOT_FILES:
        content = (slot.ROOT / "firmware" / "root" / name).read_bytes()
        (folder / "root" / name).write_bytes(content)
        root[name] = Fingerprint.of(content)
    return Image(
        folder=folder,
        version=emery.__version__,
        mpy=mpy & 0xFFFF,
        files=files,
        manifest=Fingerprint.of(manifest),
        config=Fingerprint.of(config),
        root=root,
        mpy_version=next((content[1] for content in contents.values()), None),
    )


def manifest_text(
    chip: str, mpy: int, files: dict[str, Fingerprint], version: str = emery.__version__
) -> str:
    """The manifest of a slot; the same text for the same files."""
    rows = [[name, one.size, one.sha] for name, one in files.items()]
    head = {
        "schema": 1,  # the one that firmware/root/main.py reads
        "version": version,
        "mpy": mpy & 0xFFFF or None,
        "chip": chip,
    }
    lines = ",\n".join(json.dumps(row) for row in rows)
    return f'{json.dumps(head)[:-1]}, "files": [\n{lines}\n]}}\n'
