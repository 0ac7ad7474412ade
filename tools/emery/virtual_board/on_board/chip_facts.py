"""What the interpreter of each chip says of itself, and which pins it has."""

# name: sys.platform, sys.implementation._machine, _mpy, _build, unique id of a board
# that has no folder (else only its first bytes, `own_id` has the rest)
CHIP_FACTS = {
    "rp2040": (
        "rp2",
        "Raspberry Pi Pico (virtual) with RP2040",
        0x1306,  # .mpy version 6.3, armv6m
        "RPI_PICO",
        b"\xe6\x60\x58\x38\x83\x00\x00\x01",
    ),
    "esp32": (
        "esp32",
        "Generic ESP32 module (virtual) with ESP32",
        0x2B06,  # .mpy version 6.3, xtensawin
        "ESP32_GENERIC",
        b"\x24\x0a\xc4\x00\x00\x01",
    ),
    "esp32s3": (
        "esp32",
        "Generic ESP32S3 module (virtual) with ESP32S3",
        0x2B06,  # the same cores to mpy-cross
        "ESP32_GENERIC_S3",
        b"\x34\x85\x18\x00\x00\x01",
    ),
}

# Every pin that `machine.Pin` takes.
CHIP_PINS = {
    "rp2040": tuple(range(30)),
    "esp32": tuple(range(6)) + tuple(range(12, 24)) + (25, 26, 27) + tuple(range(32, 40)),
    # Without the pins of the flash and of octal memory.
    "esp32s3": tuple(range(22)) + tuple(range(38, 49)),
}

# Which pin is which channel of the ADC.
ADC_PINS = {
    "rp2040": (26, 27, 28, 29),
    "esp32": (32, 33, 34, 35, 36, 37, 38, 39),
    "esp32s3": tuple(range(1, 11)),
}

# Bytes that one erase of the flash takes.
BLOCK = 4096

# File systems as the ports lay them out: blocks of 4096 bytes, program size.
FLASH_LAYOUT = {
    "rp2040": (352, 256),  # Pico: 1408 of 2048 KiB
    "esp32": (512, 32),  # partition vfs of 4 MiB
    "esp32s3": (1536, 32),  # partition vfs of 8 MiB
}

# The chip that the modules of this folder stand for; set before they are imported.
chosen = ["rp2040"]
own_id = [b""]
