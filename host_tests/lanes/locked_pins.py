"""Ticks of the real boards that must not allocate: the far end of
`test_pins_allocation.py`.

Plain MicroPython. `machine` and `rp2` are stand-ins whose calls cost no memory, as
those of the chips do; what is measured is the HAL. Each step is done twice: with
the heap locked, which also finds an intermediate that is no small integer, and
with the heap free and its use compared.
"""

import gc
import json
import sys

from micropython import const, heap_lock, heap_unlock


class Fails(Exception):
    """What a broken pin raises."""


class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    broken = -1

    def __init__(self, number, mode=None, pull=None, value=None) -> None:  # type: ignore[no-untyped-def]
        self.number = number

    def init(self, mode, pull=None, value=None) -> None:  # type: ignore[no-untyped-def]
        pass

    def value(self, level=None):  # type: ignore[no-untyped-def]
        if self.number == Pin.broken:
            raise ERROR
        return 1 if level is None else None


class PWM:
    def __init__(self, pin, freq, duty_u16) -> None:  # type: ignore[no-untyped-def]
        pass

    def duty_u16(self, duty) -> None:  # type: ignore[no-untyped-def]
        pass


class ADC:
    ATTN_11DB = 3
    uv = 3_300_000
    counts = 65_535

    def __init__(self, pin, atten=None) -> None:  # type: ignore[no-untyped-def]
        pass

    def read_u16(self) -> int:
        return ADC.counts

    def read_uv(self) -> int:
        return ADC.uv


class Nothing:
    """Timers, buses, watchdogs: not part of a tick."""

    PERIODIC = 1

    def __init__(self, *given, **named) -> None:  # type: ignore[no-untyped-def]
        pass


class StateMachine:
    words = 0

    def __init__(self, number, program, freq, set_base) -> None:  # type: ignore[no-untyped-def]
        pass

    def active(self, value) -> None:  # type: ignore[no-untyped-def]
        pass

    def restart(self) -> None:
        pass

    def exec(self, word) -> None:  # type: ignore[no-untyped-def]
        pass

    def tx_fifo(self) -> int:
        StateMachine.words ^= 1
        return StateMachine.words

    def put(self, word) -> None:  # type: ignore[no-untyped-def]
        pass


class PIO:
    OUT_LOW = 2


class Module:
    """Stands for a module of the chip."""


ERROR = Fails()

machine = Module()
for name, value in (
    ("Pin", Pin), ("PWM", PWM), ("ADC", ADC), ("Timer", Nothing), ("I2C", Nothing),
    ("SoftI2C", Nothing), ("WDT", Nothing), ("RTC", Nothing),
    ("mem32", {0x40058000: 0, 0x40058008: 0}),
    ("PWRON_RESET", 1), ("HARD_RESET", 2), ("WDT_RESET", 3), ("SOFT_RESET", 5),
    ("reset", lambda: None), ("reset_cause", lambda: 1), ("freq", lambda hz: None),
    ("unique_id", lambda: b"\x00"),
):  # fmt: skip
    setattr(machine, name, value)
rp2 = Module()
rp2.PIO = PIO  # type: ignore[attr-defined]
rp2.StateMachine = StateMachine  # type: ignore[attr-defined]
rp2.asm_pio = lambda **settings: lambda program: program  # type: ignore[attr-defined]
# These builds have a buffer for such exceptions of their own.
micropython = Module()
micropython.const = const  # type: ignore[attr-defined]
micropython.alloc_emergency_exception_buf = lambda size: None  # type: ignore[attr-defined]
sys.modules["micropython"] = micropython  # type: ignore[assignment]
sys.modules["machine"] = machine  # type: ignore[assignment]
sys.modules["rp2"] = rp2  # type: ignore[assignment]

from firmware.app import App  # noqa: E402
from firmware.config_file import settings_of  # noqa: E402
from hal import wiring  # noqa: E402
from hal.contract import LEASE_MS, Outputs, Readings  # noqa: E402
from hal.esp32 import Esp32Board  # noqa: E402
from hal.rp2040 import Rp2040Board  # noqa: E402

# The interpreter here is that of no chip.
Esp32Board.CHIP = wiring.ESP32


class Steps:
    """What is done on one board, step by step."""

    def __init__(self, board, app) -> None:  # type: ignore[no-untyped-def]
        self.board = board
        self.app = app
        self.readings = Readings()
        self.outputs = Outputs()
        self.kept = None

    def drive(self) -> None:
        """A tick's part of the board, with the outputs at this and that."""
        self.board.sample(self.readings)
        self.board.drive(self.outputs)

    def tick(self) -> None:
        """The whole of it, as the timer calls it."""
        self.board._run_tick()

    def allocates(self) -> None:
        """The measure itself must find this."""
        self.kept = [1, 2, 3]  # type: ignore[assignment]


def measured(step) -> str:  # type: ignore[no-untyped-def]
    """Do it four times; what is wrong with it."""
    step()
    for _ in range(2):
        heap_lock()
        try:
            step()
        except MemoryError:
            return "needs memory with the heap locked"
        finally:
            heap_unlock()
    gc.disable()
    used = gc.mem_alloc()  # type: ignore[attr-defined]
    step()
    used = gc.mem_alloc() - used  # type: ignore[attr-defined]
    gc.enable()
    return f"{used} bytes" if used else ""


def steps(config: str):  # type: ignore[no-untyped-def]
    """The boards, with the configs of a file; prints what is wrong."""
    with open(config, "rb") as file:  # noqa: PTH123 - MicroPython has no pathlib
        blob = file.read()
    length = len(blob) // 3
    wrong: list[str] = []
    for number, make in enumerate((Rp2040Board, Esp32Board, Rp2040Board)):
        compiled = blob[number * length : (number + 1) * length]
        board = make(wiring.decode(compiled), 5)
        app = App(board, settings_of(compiled))
        board._tick = app.tick  # type: ignore[assignment]
        board._is_ticking = True
        done = Steps(board, app)
        outputs = done.outputs
        for counts in (0, 65_535):
            ADC.counts = counts
            ADC.uv = counts * 60
            for pump, feed, vent, lease in (
                (0, 0, 0, 0), (1000, 1000, 1, LEASE_MS), (333, 1, 1, LEASE_MS),
                (0, 999, 0, LEASE_MS), (-1, 2000, 1, LEASE_MS),
            ):  # fmt: skip
                outputs.pump_permille = pump
                outputs.feed_permille = feed
                outputs.vent = vent
                outputs.lease_ms = lease
                note(wrong, "drive", measured(done.drive))
                note(wrong, "make_safe", measured(board.make_safe))
                note(wrong, "tick", measured(done.tick))
        if app.error is not None or board.tick_error is not None:
            wrong.append(f"the tick failed: {app.error or board.tick_error!r}")
        # A pin that refuses, and a tick that raises: safe all the same, in a locked heap.
        Pin.broken = board._vent_pin.number
        for _ in range(2):
            heap_lock()
            try:
                board.make_safe()
                board._tick = broken_tick  # type: ignore[assignment]
                board._run_tick()
            finally:
                heap_unlock()
        Pin.broken = -1
        if board.tick_error is not ERROR or board.output_errors < 2:
            wrong.append("an error was not held")
        if measured(done.allocates) == "":
            wrong.append("the measure finds nothing")
        gc.collect()
        yield
    sys.stdout.write(json.dumps(wrong) + "\n")


def note(wrong: list[str], what: str, problem: str) -> None:
    if problem:
        wrong.append(what + ": " + problem)


def broken_tick() -> None:
    raise ERROR
