"""What lies as `/main.py` on a board whose firmware is to be broken in mid-treatment.

It starts the firmware of slot a as the true `/main.py` does, with one function of it
replaced: while the pin TRIGGER is high, the replacement raises the pin MARK, so that
the moment is known, and does what WAY says. The host sets the three words before it
puts this file on, and the trigger when the time has come. Plain MicroPython; nothing
of it is ever on a device. A tick must not allocate, so that no function here takes
`*arguments`.
"""

import sys
import time

import machine

TRIGGER = 0
MARK = 0
WAY = ""

trigger = machine.Pin(TRIGGER, machine.Pin.IN, machine.Pin.PULL_DOWN).value
mark = machine.Pin(MARK, machine.Pin.OUT, value=0).value


def hang() -> None:
    """Do nothing any more, without a call that could be interrupted."""
    while True:
        pass


def told() -> None:
    """Raise the mark. The virtual board sees pins at the next call that takes time."""
    mark(1)
    time.sleep_us(1)


def fail() -> None:
    """An error that nobody thought of."""
    raise ValueError("sabotage")


def interrupt() -> None:
    """Ctrl-C that gets through although it is disabled."""
    raise KeyboardInterrupt


def hang_deaf() -> None:
    """Hang with interrupts off: nothing but hardware goes on."""
    machine.disable_irq()
    hang()


sys.path.insert(0, "/a")
from firmware import controller, main  # noqa: E402 - the path comes first
from firmware.app import App  # noqa: E402
from firmware.link import Link  # noqa: E402

DEEDS = {
    "error in the core": fail,
    "error in the tick": fail,
    "error in the loop": fail,
    "three bad starts": fail,
    "Ctrl-C let through": interrupt,
    "main loop hangs": hang,
    "tick hangs": hang,
    "watchdog": hang_deaf,
    "soft reset": machine.soft_reset,
    "hard reset": machine.reset,
}
deed = DEEDS[WAY]
step, tick, turn = controller.Controller.step, App.tick, Link.turn


def bad_step(self, readings, command, argument, outputs):  # type: ignore[no-untyped-def]
    """In the place of `Controller.step`."""
    if trigger():
        told()
        deed()
    step(self, readings, command, argument, outputs)


def bad_tick(self):  # type: ignore[no-untyped-def]
    """In the place of `App.tick`."""
    if trigger():
        told()
        deed()
    tick(self)


def bad_turn(self):  # type: ignore[no-untyped-def]
    """In the place of `Link.turn`, which every turn of the main loop calls."""
    if trigger():
        told()
        deed()
    turn(self)


if WAY == "error in the core":
    controller.Controller.step = bad_step
elif WAY in ("error in the tick", "tick hangs"):
    App.tick = bad_tick
else:
    Link.turn = bad_turn
main.run()
