"""Stop a treatment in every way there is, and see how long the actuators go on.

Each way gets a board of its own that is brought onto the skin at 27 kPa; then the
thing happens, and the modelled actuators tell when the pump was off, the crystals shut
and the vent open for good. What made them safe is told as well: the firmware (its pins
said so), the chip's reset (its pins drive nothing any more, and the gates are pulled
down), or the protection switch (it took their power, whatever the pins said).
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emery import slot
from emery.virtual_board import image
from emery.virtual_board.board import IMAGE, VirtualBoard
from emery.virtual_board.installed import install
from emery.virtual_board.treated import NotThere, Treated
from emery.virtual_board.world import Applied
from firmware import limits, treatment
from hal.wiring import ESP32, ESP32S3, ROLES, RP2040, Wiring

BOARDS = {"rp2040": "pico_reference", "esp32": "esp32_devkitc", "esp32s3": "esp32s3_devkitc"}
# Those that are tried unless one is named: an ESP32-S3 runs the code of an ESP32.
USUAL = ("rp2040", "esp32")
# Outputs are a lease of 50 ms, and the vent's signal needs a tick.
SAFE_MS = 60.0
_FIRMWARE = "firmware"
_SWITCH = "protection switch"
_SPRING = "no power at all"
_PINS = "chip's reset"
# Pins that one chip or the other can read and drive.
_SPARE = {
    RP2040: (3, 4, 7, 8, 17, 19), ESP32: (22, 26, 33, 12), ESP32S3: (1, 11, 14, 21, 42, 48),
}  # fmt: skip
_BEFORE_MS = 200.0
_AFTER_MS = 1_500.0
_TRIGGER_MS = 40.0  # at least one turn of the main loop
# Longer than the watchdog takes, and a start with its self-test after it.
_LONG_MS = 9_000.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way of stopping. `limit_ms` is how long the actuators may go on."""

    name: str
    what: str
    limit_ms: float = SAFE_MS
    watched_ms: float = _AFTER_MS


# The main loop may be silent for this long before the tick gives the lease up; until
# then the tick and its protection go on as ever.
_SILENCE_MS = limits.MAIN_LOOP_SILENCE_MS + SAFE_MS

WAYS = (
    Way("footswitch released", "the ordinary way"),
    Way("Ctrl-C", "disabled while treating: it goes on until the foot leaves the switch"),
    Way("Ctrl-C let through", "KeyboardInterrupt in the main loop all the same"),
    Way("error in the core", "an exception in the control step"),
    Way("error in the tick", "an exception that leaves the tick"),
    Way("error in the loop", "an exception in the main loop", watched_ms=_LONG_MS),
    Way("main loop hangs", "the RP2040's tick goes on and gives the lease up after 250 ms;"
        " on the ESP32 it stands still with the loop", _SILENCE_MS, _LONG_MS),
    Way("tick hangs", "a tick that never ends", watched_ms=_LONG_MS),
    Way("watchdog", "interrupts off and an endless loop, until the watchdog resets",
        watched_ms=_LONG_MS),
    Way("soft reset", "a PWM of the RP2040 may freeze high", watched_ms=_LONG_MS),
    Way("hard reset", "machine.reset()", watched_ms=_LONG_MS),
    Way("reset button", "the chip's reset pin", watched_ms=_LONG_MS),
    Way("three bad starts", "three runs end with an exception: SERVICE", watched_ms=_LONG_MS),
    Way("unplugged", "no power for anything", watched_ms=_LONG_MS),
)
_HANGS = ("main loop hangs", "tick hangs", "watchdog")
# These need no broken firmware.
_HONEST = ("footswitch released", "Ctrl-C", "reset button", "unplugged")


@dataclass(frozen=True, slots=True)
class Stop:
    """What was seen. `ms` until pump, crystals and vent were safe for good, None if
    they were not; `by` what made them so; `after` what the device did then."""

    chip: str
    way: Way
    ms: float | None
    pump_ms: float | None
    feed_ms: float | None
    vent_ms: float | None
    by: str
    after: str

    @property
    def passed(self) -> bool:
        """Safe in time, and safe since."""
        return self.ms is not None and self.ms <= self.way.limit_ms


def stop(chip: str, way: Way) -> Stop:
    """Try one way on a board of one chip."""
    configs = slot.ROOT / "board_configs"
    with tempfile.TemporaryDirectory(prefix="emery-stop-") as work:
        folder = Path(work)
        world = install(
            folder, configs / f"{BOARDS[chip]}.toml", configs / "protocols" / "face.toml"
        )
        assert world.wiring is not None
        trigger, mark = _spare_pins(world.wiring)
        if way.name not in _HONEST:
            saboteur = (Path(__file__).parent / "saboteur.py").read_text(encoding="utf-8")
            for told, meant in (
                ("TRIGGER = 0", f"TRIGGER = {trigger}"),
                ("MARK = 0", f"MARK = {mark}"),
                ('WAY = ""', f'WAY = "{way.name}"'),
            ):
                saboteur = saboteur.replace(told, meant)
            image.write_files(folder / IMAGE, chip, {"/main.py": saboteur.encode()})
        with VirtualBoard(chip, folder, world=world, fast=True) as board:
            board.hold()
            treated = Treated(board)
            treated.to_treating()
            board.run_for(_BEFORE_MS)
            happened_us, after = _happen(way.name, board, treated, trigger, mark)
            board.run_for(way.watched_ms)
            told = after()
            seen = [one for one in world.applied if one.us >= happened_us]
            before = [one for one in world.applied if one.us < happened_us][-1]
            return _judge(chip, way, happened_us, [before, *seen], told)


def _happen(
    name: str, board: VirtualBoard, treated: Treated, trigger: int, mark: int
) -> tuple[int, Callable[[], str]]:
    """Let it happen; when it did, and what will tell how the device went on."""
    world = board.world
    now_us = board.now_us
    if name == "footswitch released":
        world.footswitch = 0
    elif name == "Ctrl-C":
        board.type(b"\x03\x03")
        board.run_for(_AFTER_MS)
        if not world.vent or treated.status()["s"] != treatment.TREATING:
            return now_us, lambda: "Ctrl-C ended the treatment"
        world.footswitch = 0
        now_us = board.now_us
    elif name == "reset button":
        board.press_reset()
    elif name == "unplugged":
        board.cut_power()
        return now_us, lambda: "off"
    else:
        board.pins.outside(trigger, 1)
        if name in _HANGS:
            board.expect_hang()
        board.run_for(_TRIGGER_MS)
        if name != "three bad starts":
            board.pins.outside(trigger, 0)
        now_us = next(one.us for one in board.trace if one.pin == mark and one.us >= now_us)
    return now_us, lambda: _told(treated, board)


def _told(treated: Treated, board: VirtualBoard) -> str:
    if board.at_prompt:
        return "REPL"
    try:
        return treatment.STATES[treated.status()["s"]]
    except NotThere:
        return "silent"


def _judge(
    chip: str, way: Way, happened_us: int, applied: list[Applied], after: str
) -> Stop:
    """When each of the three was safe for good, and what had made it so."""
    times: dict[str, float | None] = {}
    for name in ("pump_permille", "feed_permille", "vent_closed"):
        last = max((at for at, one in enumerate(applied) if getattr(one, name)), default=-1)
        if last < 0:
            times[name] = 0.0
        elif last + 1 == len(applied):
            times[name] = None  # to the very end
        else:
            times[name] = max(applied[last + 1].us - happened_us, 0) / 1000
    known = [ms for ms in times.values() if ms is not None]
    ms = max(known) if len(known) == len(times) else None
    by = _FIRMWARE
    if way.name == "unplugged":
        by = _SPRING
    elif way.name in ("hard reset", "reset button"):
        by = _PINS
    elif ms is not None:
        first = next(
            one for one in applied
            if not (one.pump_permille or one.feed_permille or one.vent_closed)
        )
        by = _FIRMWARE if first.power else _SWITCH
    return Stop(
        chip, way, ms, times["pump_permille"], times["feed_permille"], times["vent_closed"],
        by, after,
    )  # fmt: skip


def _spare_pins(wiring: Wiring) -> tuple[int, int]:
    """Two pins that nothing hangs on."""
    taken = {getattr(wiring, role[0]) for role in ROLES}
    first, second, *_ = (pin for pin in _SPARE[wiring.chip] if pin not in taken)
    return first, second
