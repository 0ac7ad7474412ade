"""Every way a treatment can stop, on both virtual boards with the real HALs.

The table of `emery stops`, row by row: pump off, crystals shut and vent open within
60 ms of whatever happens, and for good.
"""

import pytest

from emery.stops.ways import USUAL, WAYS, Way, stop

# What the device is to do then. A start that goes on to the self-test has recovered.
STARTED = {"SELF_TEST", "STANDBY"}
AFTER = {
    "footswitch released": {"PAUSED"},
    "Ctrl-C": {"PAUSED"},
    "Ctrl-C let through": {"REPL"},
    "error in the core": {"FAULT"},
    "three bad starts": {"REPL", "SERVICE"},
    "unplugged": {"off"},
}

# Where software hangs only the protection switch can act; it must be seen to.
SWITCH = "protection switch"
HANGS = {
    "main loop hangs": {"esp32": SWITCH},
    "tick hangs": {"rp2040": SWITCH, "esp32": SWITCH},
    "watchdog": {"rp2040": SWITCH, "esp32": SWITCH},
}


@pytest.mark.parametrize("chip", USUAL)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name.replace(" ", "_"))
def test_actuators_are_safe_in_time_whatever_stops_a_treatment(chip: str, way: Way) -> None:
    seen = stop(chip, way)
    assert seen.passed, seen
    if way.name in HANGS:
        assert seen.by == HANGS[way.name].get(chip, "firmware")
    assert seen.after in AFTER.get(way.name, STARTED), seen
