"""The shipped boards that are more than another name, each for a short while: the
ESP32-S3, which runs the code of the ESP32 on other pins, and the bench rig, which must
never treat. What the chips have in common is tried on RP2040 and ESP32."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emery import slot
from emery.config.load import load_device
from emery.virtual_board.board import VirtualBoard
from emery.virtual_board.chips import own_id
from emery.virtual_board.installed import install
from emery.virtual_board.treated import Treated
from firmware import limits, treatment
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_CLIENT,
    COMMAND_RESTART,
    COMMAND_RUN_PUMP,
    COMMAND_START,
    VENT_CLOSED,
    VENT_OPEN,
)
from host_tests.virtual_board.conftest import Mpremote, call_mpremote

CONFIGS = slot.ROOT / "board_configs"
FACE = CONFIGS / "protocols" / "face.toml"
SAFE_MS = 60
START_MS = 4_000


@contextmanager
def installed(chip: str, config: str, folder: Path) -> Iterator[Treated]:
    """A device with the firmware and a shipped board's config, its time held."""
    world = install(folder, CONFIGS / config, FACE)
    with VirtualBoard(chip, folder, world=world, fast=True, held=True) as board:
        yield Treated(board)
        assert board.crashes == []


def fields(answer: str) -> dict[str, str]:
    """The fields of an answer of the link."""
    return dict(word.split("=", 1) for word in answer.split()[1:])


def is_safe(treated: Treated) -> bool:
    world = treated.board.world
    return world.pump_permille == 0 and world.feed_permille == 0 and world.vent == VENT_OPEN


# The ESP32-S3 ----------------------------------------------------------------------------


def test_an_esp32_s3_treats_on_pins_of_its_own_and_lets_go_in_time(tmp_path: Path) -> None:
    settings = load_device(CONFIGS / "esp32s3_devkitc.toml", FACE).settings
    with installed("esp32s3", "esp32s3_devkitc.toml", tmp_path) as treated:
        world = treated.board.world
        treated.board.run_for(START_MS)
        told = fields(treated.ask("hello"))
        assert (told["chip"], told["barrier"]) == ("esp32s3", "0")
        treated.to_treating()
        # Skin type 2: no level is taken away.
        wanted_pa = limits.LEVEL_VACUUM_PA[settings.zones[0].level - 1]
        assert abs(world.plant.skin_pa - wanted_pa) < 2_000
        assert world.vent == VENT_CLOSED
        assert treated.status()["f"] == 0
        world.footswitch = 0
        treated.board.run_for(SAFE_MS)
        assert is_safe(treated)


def test_it_names_itself_as_micropython_does_and_has_the_pins_of_its_chip(
    tmp_path: Path,
) -> None:
    with VirtualBoard("esp32s3", tmp_path, fast=True) as board:
        told = call_mpremote(
            board.port, "exec",
            "import sys, machine\n"
            "print(sys.platform, sys.implementation._machine)\n"
            "def there(n):\n try:\n  machine.Pin(n)\n  return 1\n except ValueError:\n  return 0\n"
            "print([n for n in range(60) if not there(n)])\n"
            "def analog(n):\n try:\n  machine.ADC(machine.Pin(n))\n  return 1\n"
            " except ValueError:\n  return 0\n"
            "print([n for n in range(60) if there(n) and analog(n)])\n",
        ).stdout.splitlines()  # fmt: skip
        assert told[0] == "esp32 Generic ESP32S3 module (virtual) with ESP32S3"
        assert told[1] == str([*range(22, 38), *range(49, 60)])
        assert told[2] == str([*range(1, 11)])


# The bench rig ---------------------------------------------------------------------------


def test_a_bench_rig_stays_in_service_whatever_is_asked_of_it(tmp_path: Path) -> None:
    with installed("rp2040", "bench_rig.toml", tmp_path) as treated:
        board = treated.board
        treated.wait_for_state(treatment.SERVICE)
        # What leads anywhere else on another device.
        for command in (COMMAND_START, COMMAND_ACKNOWLEDGE, COMMAND_CLIENT):
            treated.ask(f"do {command} 1")
        assert treated.status()["s"] == treatment.SERVICE
        treated.ask(f"do {COMMAND_RESTART} 0")
        board.run_for(START_MS)
        assert board.resets
        treated.wait_for_state(treatment.SERVICE)
        board.cut_power()
        board.run_for(100)
        board.power_on()
        board.run_for(START_MS)
        treated.wait_for_state(treatment.SERVICE)
        assert all(not applied.feed_permille for applied in board.world.applied)


def test_its_one_sensor_is_seen_as_both_and_the_service_outputs_work(tmp_path: Path) -> None:
    with installed("rp2040", "bench_rig.toml", tmp_path) as treated:
        treated.wait_for_state(treatment.SERVICE)
        treated.do(COMMAND_RUN_PUMP, 30)
        treated.board.run_for(400)
        assert treated.board.world.pump_permille > 0
        told = treated.status()
        assert told["a"] == told["b"]
        treated.board.run_for(4_000)  # nobody renews it
        assert is_safe(treated)


# Numbers of their own --------------------------------------------------------------------


def test_each_virtual_board_has_a_number_of_its_own(tmp_path: Path) -> None:
    for chip, maker in (("rp2040", b"\xe6\x60\x58\x38"), ("esp32s3", b"\x34\x85\x18")):
        one, other = own_id(chip, tmp_path / "one"), own_id(chip, tmp_path / "other")
        assert one != other
        assert one.startswith(maker)
        assert one == own_id(chip, tmp_path / "." / "one")


def test_the_number_is_what_the_firmware_reads(
    board: VirtualBoard, mpremote: Mpremote
) -> None:
    told = mpremote("exec", "import machine; print(machine.unique_id().hex())")
    assert told.stdout.strip() == board.chip_id.hex()
