"""The tree of a slot, described for MicroPython's own installers.

`firmware/packages/package.json` is for mip, `firmware/packages/manifest.py` for a
frozen build. Both name the same files as a slot that `emery flash` writes, which a
test holds. They lie in a folder of their own, since every other module in `firmware/`
is device code. After a module came or went:

    python -m emery.flash.packages
"""

import json
from pathlib import Path

import emery
from emery import slot, slot_build

FOLDER = "firmware/packages"
_UP = "../.."  # from there to what holds firmware and hal

_MANIFEST_HEAD = '''\
"""The tree of a slot for a frozen build, which MicroPython's makemanifest.py reads.

    make -C ports/rp2 BOARD=RPI_PICO FROZEN_MANIFEST=.../firmware/packages/manifest.py

There is one version then instead of two slots, and a mistake in it needs a new image:
for those who build in series. /boot.py is firmware/root/boot.py as ever, the compiled
config is /config.bin, and /main.py is two lines:

    from firmware import main
    main.run()

Made by `python -m emery.flash.packages`.
"""

# `package` and `include` come with the reader. The port's own modules stay.
include("$(PORT_DIR)/boards/manifest.py")  # type: ignore[name-defined]  # noqa: F821
'''


def package_json() -> str:
    """For mip: each file and where it comes from, relative to the description."""
    urls = [[one.place, f"{_UP}/{one.place}"] for one in slot_build.sources()]
    rows = ",\n".join(f"    {json.dumps(row)}" for row in urls)
    return f'{{\n  "version": "{emery.__version__}",\n  "urls": [\n{rows}\n  ]\n}}\n'


def manifest_py() -> str:
    """For a frozen build."""
    packages: dict[str, list[str]] = {}
    for one in slot_build.sources():
        top, _, inner = one.place.partition("/")
        packages.setdefault(top, []).append(inner)
    text = _MANIFEST_HEAD
    for name, files in packages.items():
        text += f'package(  # type: ignore[name-defined]  # noqa: F821\n    "{name}",\n'
        text += "    files=(\n" + "".join(f'        "{file}",\n' for file in files) + "    ),\n"
        text += f'    base_path="{_UP}",\n)\n'
    return text


def write(root: Path) -> None:
    """Write both below `root`."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(package_json(), encoding="utf-8")
    (folder / "manifest.py").write_text(manifest_py(), encoding="utf-8")


if __name__ == "__main__":
    write(slot.ROOT)
