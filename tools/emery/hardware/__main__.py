"""`python -m emery.hardware`: drawings and tables of `hal/`, made afresh."""

from emery import slot
from emery.hardware import air, page, protection, schematic

DRAWINGS = {
    "reference_hardware.svg": schematic.draw,
    "protection_path.svg": protection.draw,
    "air_path.svg": air.draw,
}


def main() -> None:
    """Write what has changed."""
    folder = slot.ROOT / "hal"
    for name, draw in DRAWINGS.items():
        (folder / name).write_text(draw(), encoding="utf-8")
    readme = folder / "README.md"
    readme.write_text(page.renewed(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
