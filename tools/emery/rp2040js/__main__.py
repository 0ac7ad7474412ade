"""`python -m emery.rp2040js IMAGE.uf2 BOOTROM.bin`: tick times of a whole image."""

import argparse
from pathlib import Path

from emery import slot, terminal
from emery.exit_codes import ExitCode
from emery.rp2040js import boot, image, lane


def main() -> int:
    """Run the image, and print what its ticks took."""
    parser = argparse.ArgumentParser(prog="python -m emery.rp2040js", description=__doc__)
    parser.add_argument("image", type=Path, help="MicroPython for a Pico, RPI_PICO-*.uf2")
    parser.add_argument("bootrom", type=Path, help="the boot ROM of the RP2040, b1.bin or later")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the chip's own time")
    given = parser.parse_args()
    configs = slot.ROOT / "board_configs"
    try:
        report = boot.boot(
            given.image,
            given.bootrom,
            configs / "pico_reference.toml",
            configs / "protocols" / "face.toml",
            seconds=given.seconds,
        )
    except (OSError, image.ImageRefused, lane.EmulatorMissing) as error:
        terminal.complain(f"error: {error}")
        return ExitCode.BAD_INPUT
    except lane.EmulatorFailed as error:
        terminal.complain(f"error: {error}")
        return ExitCode.REQUIREMENT_FAILED
    terminal.write("".join(f"{line}\n" for line in report.lines()))
    return ExitCode.PASS if report.ticks_us else ExitCode.REQUIREMENT_FAILED


if __name__ == "__main__":
    raise SystemExit(main())
