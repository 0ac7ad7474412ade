"""Start a slot that is whole, or say why there is none and stay reachable.

A slot is whole when every file in it is as its manifest says. A slot on trial gets
two starts in which to prove itself healthy; then the other one is taken again. A
slot that was damaged is left for the other one as well. Whatever is decided is on
flash before it is done, by a rename, so that the power may fail at any moment.

The names from `boot.py` are here, since both files run as `__main__`.
"""

import binascii
import hashlib
import json
import os
import sys

import machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.root.boot import keep_watchdog, keeper, make_safe, slot_state

MANIFEST_SCHEMA = 1
MOST_TRIES = 2
# "Generic ESP32S3 module with ESP32S3": one port serves several chips.
CHIP = "rp2040" if sys.platform == "rp2" else (
    sys.implementation._machine.split(" with ")[-1].replace("-", "").lower()
)


def say(text: str) -> None:
    """A line on the console."""
    sys.stdout.write("Emery: " + text + "\n")


def keep_decision(active: str, trial: int, tries: int) -> bool:
    """Write `/slot.json`. False if it cannot be written."""
    try:
        with open("/slot.new", "w") as file:
            json.dump({"active": active, "trial": trial, "tries": tries}, file)
        os.rename("/slot.new", "/slot.json")
    except OSError as error:
        say("/slot.json cannot be written ({}). Is the flash full?".format(error))
        return False
    return True


def damage(slot: str) -> str:
    """What keeps a slot from being started, in words; "" if it is whole."""
    try:
        with open("/" + slot + "/manifest.json") as file:
            manifest = json.load(file)
        if manifest["schema"] != MANIFEST_SCHEMA:
            return "its manifest has another form"
        if manifest["chip"] != CHIP:
            return "it was built for {}".format(manifest["chip"])
        if manifest["mpy"] not in (None, sys.implementation._mpy & 0xFFFF):
            return "it was compiled for another MicroPython"
        names = set()
        buffer = bytearray(512)
        for name, size, digest in manifest["files"]:
            names.add(name)
            if _digest("/" + slot + "/" + name, size, buffer) != digest:
                return name + " is damaged"
        if "firmware/main.mpy" not in names and "firmware/main.py" not in names:
            return "it has no firmware/main"
        # What else lies there could be imported in the place of a module.
        folders = {name[: name.rfind("/")] for name in names}
        for folder in folders:
            for entry in os.ilistdir("/" + slot + "/" + folder):
                name = folder + "/" + entry[0]
                if name not in names and name not in folders:
                    return name + " is not in its manifest"
    except OSError as error:
        return "it is not there, or not complete ({})".format(error)
    except Exception as error:  # noqa: BLE001 - a manifest may hold anything
        return "its manifest cannot be read ({})".format(error)
    return ""


def _digest(path: str, size: int, buffer: bytearray) -> str:
    """SHA-256 of a file in hexadecimal, "" if it has another size."""
    sha = hashlib.sha256()
    view = memoryview(buffer)
    with open(path, "rb") as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                break
            size -= count
            sha.update(view[:count])
    return "" if size else binascii.hexlify(sha.digest()).decode()


def choose() -> tuple:
    """(the slot to start, is it on trial with something to go back to); ("", False) if
    there is none."""
    active, trial, tries = slot_state()
    other = "b" if active == "a" else "a"
    wrong = damage(active)
    is_whole = not wrong
    if is_whole and not trial:
        return active, False
    if is_whole:
        if tries < MOST_TRIES and keep_decision(active, 1, tries + 1):
            return active, True
        wrong = "not seen healthy in {} starts".format(tries)
    say("slot {}: {}".format(active, wrong))
    wrong = damage(other)
    if not wrong:
        say("slot {} is taken".format(other))
        keep_decision(other, 0, 0)
        return other, False
    say("slot {}: {}".format(other, wrong))
    # On trial with nothing to go back to: it may run, but not again and again.
    return (active if is_whole else ""), False


def start() -> None:
    """Run the firmware until it ends; the board is safe then."""
    slot, on_trial = choose()
    others = [path for path in sys.path if path not in ("/a", "/b", ".frozen")]
    # With no slot, what is frozen into the interpreter, and nothing that merely lies about.
    sys.path[:] = ["/" + slot, ".frozen"] + others if slot else [".frozen"]
    is_good = False
    try:
        from firmware import main

        is_good = main.run(keeper)
    except ImportError as error:
        make_safe()
        if slot:
            sys.print_exception(error)
        else:
            say("nothing here can be started. Connect the board, and run: emery flash")
            sys.path[1:] = others
    except BaseException as error:  # noqa: BLE001 - Ctrl-C as well: safe first
        make_safe()
        sys.print_exception(error)
    if on_trial and not is_good:
        say("slot {} failed on trial: starting again".format(slot))
        machine.reset()


start()
keeper = keep_watchdog()
say("in the REPL, with the outputs off. Ctrl-D starts again")
