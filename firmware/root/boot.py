"""The first thing that a board runs, after every reset: make everything safe.

It lies outside the slots, so that no update of the firmware touches it. What ran
before may have left a PWM frozen high or a pin driving (a soft reset does both), so
the first lines turn every pin that an actuator may hang on into an input with a
pull-down; no config is asked which. Then a watchdog that is running already is kept
fed, or the REPL would not live long, and the active slot goes on `sys.path`.
`/main.py`, which is not run when a tool resets into the raw REPL, uses the same
names: both run as `__main__`.
"""

import sys

from machine import Pin
from micropython import kbd_intr

# Of `hal/wiring.py`, where actuators may be; a test holds them equal. On the ESP32s
# that leaves out pins that move or are sampled at reset, console, USB and flash. One
# port serves both, and what is a pin of the one is the flash of the other.
if sys.platform == "rp2":
    PINS = tuple(range(23)) + (26, 27, 28)
elif "S3" in sys.implementation._machine.split(" with ")[-1]:
    PINS = (1, 2) + tuple(range(4, 18)) + (21, 38, 41, 42, 47, 48)
else:
    PINS = (4, 13, 16, 17, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33)


def make_safe() -> None:
    """Nothing drives an actuator any more: gates are pulled down. Ctrl-C waits."""
    kbd_intr(-1)
    for number in PINS:
        try:
            Pin(number, Pin.IN, Pin.PULL_DOWN)
        except ValueError:
            pass  # this module lacks it: 16 and 17 serve the ESP32's PSRAM, say
    kbd_intr(3)


make_safe()

import json  # noqa: E402

import machine  # noqa: E402

_WATCHDOG_CTRL = 0x40058000  # RP2040 data sheet, section 4.7.6
_ENABLED = 0x40000000
_LONGEST_MS = 8388  # what the RP2040's watchdog can do
_KEEP_MS = 1000


def slot_state() -> tuple:
    """(active slot, 1 if it is on trial, its starts so far), as `/slot.json` tells."""
    try:
        with open("/slot.json") as file:
            state = json.load(file)
        if state["active"] in ("a", "b"):
            return state["active"], int(state.get("trial", 0)), int(state.get("tries", 0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # a new board; or flash that lost its charge, since it is written by rename
    return "a", 0, 0


def keep_watchdog() -> "machine.Timer | None":
    """A timer that feeds the watchdog if one is running, else None. Nothing but a
    reset ends a watchdog, and a soft reset is none."""
    if sys.platform == "rp2":
        if not machine.mem32[_WATCHDOG_CTRL] & _ENABLED:
            return None
    elif machine.RTC().memory() != b"watchdog":  # hal/esp32.py leaves it there
        return None
    watchdog = machine.WDT(timeout=_LONGEST_MS)
    return machine.Timer(
        -1 if sys.platform == "rp2" else 0,
        mode=machine.Timer.PERIODIC,
        period=_KEEP_MS,
        callback=lambda _: watchdog.feed(),
    )


if sys.platform != "rp2" and machine.reset_cause() != machine.SOFT_RESET:
    machine.RTC().memory(b"")  # outlives a reset; the watchdog did not
keeper = keep_watchdog()
sys.path.insert(0, "/" + slot_state()[0])
