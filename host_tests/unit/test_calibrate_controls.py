"""Footswitch and buttons, one by one: what is sound passes, what is not is named."""

from collections.abc import Iterator

import pytest

from emery.calibrate import controls
from emery.calibrate.controls import FOOTSWITCH, Tried
from emery.calibrate.technician import Technician
from emery.link.client import Client
from hal.contract import BUTTON_END, BUTTON_PASS, BUTTON_START, BUTTON_ZONE
from hal.wiring import NO_PIN, RP2040
from host_tests.linked import TURN_MS, LinkedDevice, serviced_device
from host_tests.pins import reference_wiring

EVERY = controls.controls_of(reference_wiring(RP2040), lambda number: f"GP{number}")
BITS = {
    "footswitch": FOOTSWITCH, "start": BUTTON_START, "pass": BUTTON_PASS, "zone": BUTTON_ZONE,
}  # fmt: skip


class Finger(Technician):
    """Presses what is asked for; `wires` says which contacts close then."""

    def __init__(self, device: LinkedDevice, wires: dict[str, list[str]] | None = None) -> None:
        self.device = device
        self.wires = wires or {}
        self.asked: list[str] = []
        self.sticks = ""
        self.bounces = 0

    def begin(self, words: str, deed: str) -> None:
        self.asked.append(words)
        for one in deed.split(";"):
            verb, name = one.split()
            for wire in self.wires.get(name, [name]):
                if not (verb == "release" and wire == self.sticks):
                    self._set(wire, verb == "hold")

    def _set(self, wire: str, is_down: bool) -> None:
        board = self.device.board
        if wire not in BITS:
            return
        if wire != "footswitch":
            board.buttons_down = board.buttons_down & ~BITS[wire] | (
                BITS[wire] if is_down else 0
            )
            return
        for _ in range(self.bounces):
            board.footswitch = 1 if is_down else 0
            self.device.run(TURN_MS)
            board.footswitch = 0 if is_down else 1
            self.device.run(TURN_MS)
        board.footswitch = 1 if is_down else 0

    def poll(self) -> str | None:
        return ""


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with serviced_device() as made:
        yield made


def tried(device: LinkedDevice, finger: Finger, name: str) -> Tried:
    control = next(one for one in EVERY if one.name == name)
    return controls.try_one(Client(device), control, EVERY, finger)


def test_every_wired_control_is_tried_and_end_is_the_last() -> None:
    assert [one.name for one in EVERY] == ["footswitch", "START", "PASS", "ZONE", "END"]
    assert EVERY[0].pin == "GP16"
    wiring = reference_wiring(RP2040)
    wiring.button_pass = NO_PIN
    left = controls.controls_of(wiring, str)
    assert [one.bit for one in left] == [FOOTSWITCH, BUTTON_START, BUTTON_ZONE, BUTTON_END]


@pytest.mark.parametrize("name", ["footswitch", "START", "PASS", "ZONE"])
def test_a_sound_control_passes(device: LinkedDevice, name: str) -> None:
    found = tried(device, Finger(device), name)
    assert found.problems == []
    assert found.pressed
    assert found.released
    if name == "footswitch":
        assert found.bounce_ms == (0, 0)
    assert "WRONG" not in controls.text([found])


@pytest.mark.parametrize(
    ("name", "wires", "words"),
    [
        ("PASS", {"pass": []}, "PASS was not seen (GP11): its wire is off"),
        ("PASS", {"pass": ["zone"]}, "PASS (GP11) was pressed, and ZONE (GP12) was seen"),
        ("START", {"start": ["start", "pass"]}, "with START (GP10) goes PASS (GP11): their pins"),
        ("footswitch", {"footswitch": []}, "footswitch was not seen (GP16)"),
        ("footswitch", {"footswitch": ["zone"]}, "and ZONE (GP12) was seen"),
    ],
)
def test_a_wire_that_is_wrong_is_named_with_its_pin(
    device: LinkedDevice, name: str, wires: dict[str, list[str]], words: str
) -> None:
    found = tried(device, Finger(device, wires), name)
    assert words in " ".join(found.problems)
    text = controls.text([found])
    assert "WRONG" in text
    assert words in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_contact_that_stays_down_is_named(device: LinkedDevice) -> None:
    finger = Finger(device)
    finger.sticks = "zone"
    found = tried(device, finger, "ZONE")
    assert found.pressed
    assert not found.released
    assert "ZONE stays down" in found.problems[0]


def test_what_is_down_before_anybody_presses_is_stuck(device: LinkedDevice) -> None:
    finger = Finger(device, {"start": [], "footswitch": []})
    client = Client(device)
    assert controls.stuck(client, EVERY, finger) == []
    device.board.buttons_down = BUTTON_START
    device.board.footswitch = 1
    device.run(100)
    found = controls.stuck(client, EVERY, finger)
    assert [one.control.name for one in found] == ["footswitch", "START"]
    assert "GP10" in found[1].problems[0]


def test_a_footswitch_that_bounces_for_too_long_is_named(device: LinkedDevice) -> None:
    finger = Finger(device)
    finger.bounces = 1
    found = tried(device, finger, "footswitch")
    assert found.bounce_ms[0] == pytest.approx(2 * TURN_MS, abs=5)
    assert f"less than {controls.BOUNCE_LONGEST_MS}" in found.problems[0]


def test_a_person_who_presses_without_enter_is_seen(device: LinkedDevice) -> None:
    class Silent(Finger):
        def poll(self) -> str | None:
            return None

    assert tried(device, Silent(device), "PASS").problems == []


