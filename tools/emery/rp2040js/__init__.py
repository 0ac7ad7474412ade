"""An RP2040 that executes machine code: rp2040js, the emulator of Wokwi, under Node.

- `lane`       finds Node and the emulator, and runs one job on it
- `heartbeat`  the PIO program of `hal/rp2040.py`, and how a board sets it up
- `image`      a UF2 file and a file system laid out as on a Pico's flash
- `boot`       MicroPython with the firmware on its flash, and the plant behind its pins

See README.md for what of this is tried and what is not.
"""
