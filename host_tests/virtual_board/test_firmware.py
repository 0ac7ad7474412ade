"""The whole firmware with the real boards' HAL, from power-on, on both virtual boards."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emery import slot
from emery.config.compile import compiled
from emery.config.load import load_device
from emery.flash import image as flash_content
from emery.simulator.plant import TIP_ON_CAP, TIP_ON_SKIN
from emery.virtual_board import image
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.console import Console
from emery.virtual_board.on_board.chip_facts import CHIP_FACTS
from emery.virtual_board.world import World
from firmware.line import fletcher16
from firmware.treatment import STATES
from hal.contract import (
    BARRIER_SLOW,
    RESET_ASKED,
    RESET_POWER_ON,
    RESET_SOFT,
    RESET_WATCHDOG,
    VENT_OPEN,
)

CONFIGS = {"rp2040": "pico_reference", "esp32": "esp32_devkitc"}
PROTOCOL = slot.ROOT / "board_configs" / "protocols" / "face.toml"
# The board is built, proves its barriers, and the self-test is over.
TO_STANDBY_MS = 2_500
TO_HEALTHY_MS = 5_000


def device_of(chip: str) -> Any:
    return load_device(slot.ROOT / "board_configs" / f"{CONFIGS[chip]}.toml", PROTOCOL)


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Of each chip: the files of a device that was flashed with both slots alike."""
    made = {}
    for chip in CONFIGS:
        device = device_of(chip)
        config = compiled(device)
        folder = tmp_path_factory.mktemp(chip) / "image"
        flash_content.build(folder, chip, CHIP_FACTS[chip][2], config)
        files = {}
        for tree, places in ((folder / "slot", ("/a/", "/b/")), (folder / "root", ("/",))):
            for path in tree.rglob("*"):
                if path.is_file():
                    for place in places:
                        files[place + path.relative_to(tree).as_posix()] = path.read_bytes()
        made[chip] = {**files, "/slot.json": slot_state("a")}
    return made


def slot_state(active: str, trial: int = 0, tries: int = 0) -> bytes:
    return json.dumps({"active": active, "trial": trial, "tries": tries}).encode()


class Bench:
    """A virtual board with everything around it, switched off."""

    def __init__(self, chip: str, folder: Path, files: dict[str, bytes]) -> None:
        self.chip = chip
        self.device = device_of(chip)
        self.wiring = self.device.wiring
        image.make_image(folder / "flash.img", chip, files)
        self.image = folder / "flash.img"
        self.world = World(self.wiring, settings=self.device.settings)
        self.board = VirtualBoard(chip, folder, world=self.world, fast=True, powered=False)
        self.board.hold()
        self.console = Console(self.board)
        self._number = 0

    def run(self, ms: float) -> None:
        self.board.run_for(ms)

    def power_on(self, ms: float = TO_STANDBY_MS) -> None:
        self.board.power_on()
        self.run(ms)

    def cut_power(self) -> None:
        self.board.cut_power()
        self.run(100)

    def change(self, files: dict[str, bytes]) -> None:
        """Put files into the flash of the board, which is off."""
        image.write_files(self.image, self.chip, files)

    def slot_file(self) -> Any:
        return json.loads(image.read_files(self.image, self.chip)["/slot.json"])

    def ask(self, words: str) -> dict[str, str]:
        """A request of the link; the fields of its answer."""
        self._number += 1
        body = f"{self._number} {words}".encode()
        since = len(self.console.printed)
        self.console.type(b"@" + body + b"*%04X\n" % fletcher16(body, len(body)))
        self.run(300)
        start = self.console.wait_for(b"@%d ok" % self._number, since=since)
        end = self.console.wait_for(b"*", since=start)
        fields = self.console.printed[start : end - 1].decode().split()
        return dict(field.split("=", 1) for field in fields)

    def state(self) -> str:
        return STATES[int(self.ask("status")["s"])]

    def printed(self) -> str:
        return self.console.printed.decode(errors="replace")

    def is_safe(self) -> bool:
        world = self.world
        return world.pump_permille == 0 and world.feed_permille == 0 and world.vent == VENT_OPEN

    def in_the_repl(self) -> bool:
        return self.board.at_prompt


@pytest.fixture
def bench(
    chip: str, tmp_path: Path, contents: dict[str, dict[str, bytes]]
) -> Iterator[Bench]:
    made = Bench(chip, tmp_path, contents[chip])
    with made.board:
        yield made
        assert made.board.crashes == []


def wait_for_prompt(bench: Bench) -> None:
    bench.run(200)
    bench.board.wait_until(bench.in_the_repl)


def wait_in_the_repl(bench: Bench) -> None:
    """Longer than any watchdog bears. At the prompt itself time is the wall's."""
    bench.board.run_free()
    bench.console.interrupt()
    bench.console.run("import time; time.sleep(30)")
    bench.board.hold()


# It starts --------------------------------------------------------------------------


def test_a_flashed_device_reaches_standby(bench: Bench) -> None:
    bench.power_on()
    assert bench.state() == "STANDBY"
    told = bench.ask("hello")
    assert told["slot"] == "a"
    assert told["chip"] == bench.chip
    assert told["barrier"] == "0"
    assert told["cause"] == str(RESET_POWER_ON)
    assert bench.board.resets == []


def test_no_actuator_moves_before_somebody_treats(bench: Bench) -> None:
    bench.power_on(TO_HEALTHY_MS)
    pins = {bench.wiring.pump, bench.wiring.feed, bench.wiring.vent}
    assert [change for change in bench.board.trace if change.pin in pins] == []
    assert all(
        applied.pump_permille == 0 and applied.feed_permille == 0
        for applied in bench.world.applied
    )


def test_the_health_mark_ends_the_trial(bench: Bench) -> None:
    bench.change({"/slot.json": slot_state("b", 1)})
    bench.power_on(1_500)
    told = bench.ask("hello")
    assert (told["slot"], told["trial"], told["unmarked"]) == ("b", "1", "1")
    bench.run(TO_HEALTHY_MS)
    told = bench.ask("hello")
    assert (told["slot"], told["trial"], told["unmarked"]) == ("b", "0", "0")
    assert bench.slot_file() == {"active": "b", "trial": 0, "tries": 0}


def test_barriers_that_do_not_hold_are_found(bench: Bench) -> None:
    bench.world.inject("one_shot_slow")
    bench.power_on()
    assert bench.ask("hello")["barrier"] == str(BARRIER_SLOW)
    assert bench.state() == "FAULT"
    assert "the power outlasts the heartbeat" in bench.printed()


def test_without_a_barometer_it_says_so_and_does_not_treat(bench: Bench) -> None:
    bench.world.inject("barometer_silent")
    bench.power_on(4_000)
    assert bench.state() == "FAULT"
    assert "sensors on the bus: fault 2" in bench.printed()


def test_end_held_at_power_on_is_service(bench: Bench) -> None:
    bench.world.press("button_end")
    bench.power_on(1_500)
    bench.world.release("button_end")
    assert bench.state() == "SERVICE"
    assert bench.ask("hello")["service"] == "1"
    # Without a watchdog: nothing bites whoever works there.
    wait_in_the_repl(bench)
    assert bench.board.resets == []


# The REPL is reached ------------------------------------------------------------------


def test_ctrl_c_leads_to_the_repl_and_the_watchdog_does_not_bite_there(bench: Bench) -> None:
    bench.power_on(TO_HEALTHY_MS)
    bench.board.run_free()
    bench.console.interrupt()
    assert "stopped by Ctrl-C" in bench.printed()
    assert bench.console.run("print(6 * 7)") == "42\n"
    wait_in_the_repl(bench)
    assert bench.board.resets == []
    assert bench.is_safe()


def test_a_soft_reset_into_the_raw_repl_runs_no_firmware(bench: Bench) -> None:
    bench.power_on(TO_HEALTHY_MS)
    bench.board.run_free()
    bench.console.interrupt()
    since = len(bench.console.printed)
    bench.console.type(b"\x04")
    bench.console.wait_for(b"raw REPL; CTRL-B to exit\r\n>", since=since)
    assert bench.console.run("import sys; print(sys.path[0])") == "/a\n"
    wait_in_the_repl(bench)
    assert bench.board.resets == []  # /boot.py keeps the watchdog fed


def test_a_soft_reset_at_the_prompt_starts_the_device_again(bench: Bench) -> None:
    bench.power_on(TO_HEALTHY_MS)
    bench.console.type(b"\x03")
    wait_for_prompt(bench)
    bench.console.type(b"\x04")
    bench.run(TO_HEALTHY_MS)
    assert bench.state() == "STANDBY"
    assert bench.ask("hello")["cause"] == str(RESET_SOFT)
    bench.run(9_000)
    assert bench.board.resets == []  # the loop feeds it again
    assert bench.board.soft_resets == 1


def test_what_a_program_left_driving_is_off_with_the_first_lines_of_boot(
    bench: Bench,
) -> None:
    bench.power_on(TO_HEALTHY_MS)
    bench.board.run_free()
    bench.console.interrupt()
    wired = bench.wiring
    bench.console.run(
        "from machine import Pin, PWM\n"
        f"p = PWM(Pin({wired.pump}), freq=20000, duty_u16=60000)\n"
        f"Pin({wired.feed}, Pin.OUT, value=1)\n"
        f"Pin({wired.vent}, Pin.OUT, value=1)\n"
        f"Pin({wired.heartbeat}, Pin.OUT, value=1)"
    )
    pins = (wired.pump, wired.feed, wired.vent, wired.heartbeat)
    with bench.board.locked():
        assert all(bench.board.pins[pin].permille > 0 for pin in pins)
    since = len(bench.console.printed)
    bench.console.type(b"\x04")
    bench.console.wait_for(b"raw REPL; CTRL-B to exit\r\n>", since=since)
    with bench.board.locked():
        assert all(bench.board.pins[pin].permille == 0 for pin in pins)
    assert bench.is_safe()


# A treatment --------------------------------------------------------------------------


def press(bench: Bench, button: str) -> None:
    bench.world.press(button)
    bench.run(120)
    bench.world.release(button)
    bench.run(120)


def test_a_stroke_by_the_panel_alone_and_no_byte_ends_it(bench: Bench) -> None:
    bench.power_on(TO_HEALTHY_MS)
    for _ in range(5):  # start, three items, and the client who bears least
        press(bench, "button_start")
    assert bench.state() == "PROOF"
    bench.world.tip = TIP_ON_CAP
    bench.world.footswitch = 1
    bench.run(8_000)
    assert bench.state() == "READY"
    bench.world.footswitch = 0
    bench.run(500)
    bench.world.tip = TIP_ON_SKIN
    bench.world.footswitch = 1
    bench.run(1_000)
    assert bench.state() == "TREATING"
    assert bench.world.pump_permille > 0
    # Ctrl-C is a byte like any other now.
    bench.console.type(b"\x03\x03\x04\x01 @1 \x03")
    bench.run(500)
    assert bench.state() == "TREATING"
    assert bench.world.pump_permille > 0
    bench.world.footswitch = 0
    bench.run(200)
    assert bench.is_safe()
    assert bench.state() == "PAUSED"
    bench.console.type(b"\x03")
    wait_for_prompt(bench)
    assert "stopped by Ctrl-C" in bench.printed()
    assert bench.board.resets == []


# What goes wrong ----------------------------------------------------------------------


def broken(contents: dict[str, bytes], slot_name: str, place: str) -> dict[str, bytes]:
    """A file of a slot with one bit changed."""
    path = f"/{slot_name}/{place}"
    content = bytearray(contents[path])
    content[len(content) // 2] ^= 1
    return {path: bytes(content)}


def test_a_damaged_slot_is_left_for_the_other(
    bench: Bench, contents: dict[str, dict[str, bytes]]
) -> None:
    bench.change(broken(contents[bench.chip], "a", "firmware/protection.mpy"))
    bench.power_on(TO_STANDBY_MS)
    assert bench.ask("hello")["slot"] == "b"
    assert bench.state() == "STANDBY"
    assert "slot a: firmware/protection.mpy is damaged" in bench.printed()
    assert bench.slot_file()["active"] == "b"


def test_two_damaged_slots_leave_a_safe_device_in_the_repl(
    bench: Bench, contents: dict[str, dict[str, bytes]]
) -> None:
    bench.change(broken(contents[bench.chip], "a", "firmware/gate.mpy"))
    bench.change(broken(contents[bench.chip], "b", "hal/board.mpy"))
    bench.board.power_on()
    bench.run(1_000)
    wait_for_prompt(bench)
    assert "nothing here can be started" in bench.printed()
    assert bench.is_safe()
    assert bench.board.trace == []


def with_link(contents: dict[str, bytes], name: str, source: bytes) -> dict[str, bytes]:
    """A slot whose link is this source: whole by its manifest."""
    manifest = json.loads(contents[f"/{name}/manifest.json"])
    files = [row for row in manifest["files"] if row[0] != "firmware/link.mpy"]
    files.append(["firmware/link.py", len(source), hashlib.sha256(source).hexdigest()])
    manifest["files"] = files
    return {
        f"/{name}/firmware/link.py": source,
        f"/{name}/manifest.json": json.dumps(manifest).encode(),
    }


Change = Callable[[Bench, str, bytes], None]


@pytest.fixture
def put_link(contents: dict[str, dict[str, bytes]]) -> Change:
    """Gives a slot another link, which fails in some way."""

    def put(bench: Bench, name: str, source: bytes) -> None:
        image.remove_file(bench.image, bench.chip, f"/{name}/firmware/link.mpy")
        bench.change(with_link(contents[bench.chip], name, source))

    return put


RAISES_AT_IMPORT = b"raise ValueError('a bug')\n"
RAISES_IN_THE_LOOP = b"""
class Link:
    def __init__(self, *arguments):
        self.turns = 0

    def say(self, text):
        pass

    def turn(self):
        self.turns += 1
        if self.turns == 200:
            raise ValueError("a bug")
"""
HANGS = RAISES_IN_THE_LOOP.replace(
    b'raise ValueError("a bug")', b"while True:\n                pass"
)


@pytest.mark.parametrize("source", [RAISES_AT_IMPORT, RAISES_IN_THE_LOOP.replace(b"200", b"20")])
def test_a_version_that_fails_on_trial_is_rolled_back(
    source: bytes, bench: Bench, put_link: Change
) -> None:
    put_link(bench, "b", source)
    bench.change({"/slot.json": slot_state("b", 1)})
    bench.power_on(3 * TO_STANDBY_MS)
    told = bench.ask("hello")
    assert (told["slot"], told["trial"]) == ("a", "0")
    assert bench.state() == "STANDBY"
    assert bench.slot_file() == {"active": "a", "trial": 0, "tries": 0}
    bench.run(TO_HEALTHY_MS)
    assert bench.ask("hello")["unmarked"] == "0"


@pytest.mark.long
def test_an_exception_in_the_loop_restarts_the_device_until_it_is_service(
    bench: Bench, put_link: Change
) -> None:
    # The pump cannot run here; what the outputs do is a matter of the device's suite.
    put_link(bench, "a", RAISES_IN_THE_LOOP)
    bench.power_on(22_000)
    # Three runs that crashed although healthy, then SERVICE, which crashes as well.
    assert bench.board.resets == ["machine.reset"] * 3
    assert bench.printed().count("ValueError: a bug") >= 4
    assert "SERVICE, since the last starts went badly" in bench.printed()
    wait_for_prompt(bench)
    assert bench.is_safe()


def test_a_loop_that_hangs_is_ended_by_the_watchdog(bench: Bench, put_link: Change) -> None:
    put_link(bench, "a", HANGS)
    bench.power_on()
    bench.board.expect_hang()
    bench.board.run_free()
    bench.board.wait_until(lambda: "watchdog" in bench.board.resets, 30)
    bench.board.hold()
    assert bench.is_safe()


def test_a_watchdogs_reset_is_told(bench: Bench) -> None:
    bench.power_on(TO_HEALTHY_MS)
    bench.board.run_free()
    bench.console.interrupt()
    bench.console.start("keeper.deinit()\nimport time; time.sleep(60)")
    bench.board.wait_until(lambda: "watchdog" in bench.board.resets, 30)
    bench.board.hold()
    bench.run(TO_HEALTHY_MS)
    assert bench.ask("hello")["cause"] == str(RESET_WATCHDOG)
    assert bench.state() == "STANDBY"


def test_three_starts_that_nobody_saw_healthy_lead_to_service(bench: Bench) -> None:
    for _ in range(3):
        bench.power_on(1_500)
        bench.cut_power()
    bench.power_on(TO_HEALTHY_MS)
    told = bench.ask("hello")
    assert (told["service"], told["unmarked"], told["boots"]) == ("1", "0", "4")
    assert bench.is_safe()
    assert bench.state() == "SERVICE"


def test_service_is_asked_for_over_the_link_and_left_again(bench: Bench) -> None:
    bench.power_on(TO_HEALTHY_MS)
    bench.ask("do 12")
    bench.run(TO_STANDBY_MS)
    assert bench.state() == "SERVICE"
    assert bench.ask("hello")["cause"] == str(RESET_ASKED)
    bench.ask("do 17")
    bench.run(TO_STANDBY_MS)
    assert bench.state() == "STANDBY"


@pytest.mark.parametrize("missing", [True, False])
def test_a_device_without_a_config_says_so_and_stays_reachable(
    missing: bool, bench: Bench
) -> None:
    if missing:
        image.remove_file(bench.image, bench.chip, "/a/config.bin")
    else:
        bench.change({"/a/config.bin": b"nonsense"})
    bench.board.power_on()
    bench.run(1_000)
    wait_for_prompt(bench)
    assert "/a/config.bin" in bench.printed()
    assert "emery flash CONFIG" in bench.printed()
    wait_in_the_repl(bench)
    assert bench.board.resets == []
    assert bench.is_safe()
