"""The boards of each chip: their pins by role, and the headers the pins stand on."""

from functools import cache

from emery import slot
from emery.config.board import Board
from emery.config.load import load_board
from emery.config.pins import pin_text
from hal.wiring import ROLES

FILES = {
    "rp2040": "pico_reference.toml",
    "esp32": "esp32_devkitc.toml",
    "esp32s3": "esp32s3_devkitc.toml",
}
NAMES = {"rp2040": "Pico", "esp32": "ESP32-DevKitC", "esp32s3": "ESP32-S3-DevKitC"}

GROUND = "GND"

# The pins along the edges, in order. Raspberry Pi Pico data sheet, figure 2: pins 1
# to 20 and 21 to 40; a Pico W has the same. ESP32-DevKitC V4 user guide, header
# block: J2 and J3. ESP32-S3-DevKitC-1 v1.1 user guide, header block: J1 and J3.
HEADERS = {
    "rp2040": (
        ("GP0", "GP1", GROUND, "GP2", "GP3", "GP4", "GP5", GROUND, "GP6", "GP7", "GP8", "GP9",
         GROUND, "GP10", "GP11", "GP12", "GP13", GROUND, "GP14", "GP15"),
        ("GP16", "GP17", GROUND, "GP18", "GP19", "GP20", "GP21", GROUND, "GP22", "RUN", "GP26",
         "GP27", GROUND, "GP28", "ADC_VREF", "3V3", "3V3_EN", GROUND, "VSYS", "VBUS"),
    ),
    "esp32": (
        ("3V3", "EN", "GPIO36", "GPIO39", "GPIO34", "GPIO35", "GPIO32", "GPIO33", "GPIO25",
         "GPIO26", "GPIO27", "GPIO14", "GPIO12", GROUND, "GPIO13", "GPIO9", "GPIO10", "GPIO11",
         "5V"),
        (GROUND, "GPIO23", "GPIO22", "GPIO1", "GPIO3", "GPIO21", GROUND, "GPIO19", "GPIO18",
         "GPIO5", "GPIO17", "GPIO16", "GPIO4", "GPIO0", "GPIO2", "GPIO15", "GPIO8", "GPIO7",
         "GPIO6"),
    ),
    "esp32s3": (
        ("3V3", "3V3", "RST", "GPIO4", "GPIO5", "GPIO6", "GPIO7", "GPIO15", "GPIO16", "GPIO17",
         "GPIO18", "GPIO8", "GPIO3", "GPIO46", "GPIO9", "GPIO10", "GPIO11", "GPIO12", "GPIO13",
         "GPIO14", "5V", GROUND),
        (GROUND, "GPIO43", "GPIO44", "GPIO1", "GPIO2", "GPIO42", "GPIO41", "GPIO40", "GPIO39",
         "GPIO38", "GPIO37", "GPIO36", "GPIO35", "GPIO0", "GPIO45", "GPIO48", "GPIO47", "GPIO21",
         "GPIO20", "GPIO19", GROUND, GROUND),
    ),
}  # fmt: skip

# What each edge is called; pins are counted from 1 on each, but on the Pico on from
# the first edge.
EDGES = {"rp2040": ("", ""), "esp32": ("J2", "J3"), "esp32s3": ("J1", "J3")}

# The boards that the drawings name the pins of; the third is in the table.
DRAWN = ("rp2040", "esp32")


@cache
def board(chip: str) -> Board:
    """The shipped board of a chip."""
    return load_board(slot.ROOT / "board_configs" / FILES[chip])


def pin(chip: str, role: str) -> str:
    """The pin of a role, as the board calls it."""
    return pin_text(chip, getattr(board(chip).wiring, role))


def pin_texts() -> dict[str, str]:
    """The pins of each role on the boards that are drawn: "GP2 | GPIO25"."""
    return {role: " | ".join(pin(chip, role) for chip in DRAWN) for role, *_ in ROLES}


def place(chip: str, role: str) -> str:
    """Where the pin stands on the header: "4", or "J2-9"."""
    name = pin(chip, role)
    for row, names in enumerate(HEADERS[chip]):
        if name in names:
            at = names.index(name) + 1
            edge = EDGES[chip][row]
            return f"{edge}-{at}" if edge else str(at + row * len(names))
    raise ValueError(f"{name} stands on no header")


def neighbours(chip: str, role: str) -> list[str]:
    """The names of the pins beside that of a role."""
    name = pin(chip, role)
    for names in HEADERS[chip]:
        if name in names:
            at = names.index(name)
            return [names[near] for near in (at - 1, at + 1) if 0 <= near < len(names)]
    raise ValueError(f"{name} stands on no header")
