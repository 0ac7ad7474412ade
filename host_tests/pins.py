"""A chip without silicon: `machine`, `rp2` and `time` for the real boards on CPython.

`Chip` holds pins, converters, timers, a bus and a clock that stands still until
somebody sleeps; hard timers then call back in their order. Around it is what a
device has around its board: the protection switch, which has power as long as the
heartbeat has edges, and the comparator's test input. `Chip.board` imports the HAL
of one chip afresh on top of it.

It is no model of a device; that is the virtual board. It shows what a test asks
of one board in a millisecond: which pin moved first, what a call that fails leaves
behind, what a bus that hangs does.
"""

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from hal import wiring
from hal.wiring import Wiring

# Of the host's own clock when a chip starts: near the wrap, so that it is passed.
START_MS = 0x3FFFFFFF - 2_000
MASK = 0x3FFFFFFF

# Modules that take names out of `machine` or `time` when they are imported.
ON_CHIP = (
    "hal.board",
    "hal.rp2040",
    "hal.esp32",
    "hal.flash_storage",
    "hal.sensors.abp2",
    "hal.sensors.bmp280",
    "hal.sensors.bus",
    "hal.sensors.device",
    "hal.sensors.lis3dh",
    "hal.sensors.xgzp6897d",
)


class Reset(BaseException):
    """The processor was reset. Nothing of it goes on."""


def reference_wiring(chip: int, **changes: int) -> Wiring:
    """A wiring that the chip can do, with every role, and `changes`."""
    made = Wiring(chip, "bench")
    rp2040 = (2, 6, 5, 22, 18, 9, 26, 28, 27, 16, 20, 21, 10, 11, 12, 13, 14, 15, 0)
    esp32 = (25, 13, 27, 23, 35, 33, 36, 34, 39, 32, 21, 19, 18, 17, 16, 4, 2, 15, 5)
    for role, pin in zip(wiring.ROLES, rp2040 if chip == wiring.RP2040 else esp32, strict=True):
        setattr(made, role[0], pin)
    for name, value in changes.items():
        setattr(made, name, value)
    assert wiring.broken_rules(made) == []
    return made


class Chip:
    """One chip, its surroundings, and all that its pins have done."""

    def __init__(self, wires: Wiring) -> None:
        self.wires = wires
        self.is_rp2040 = wires.chip == wiring.RP2040
        self.now_us = 0
        # (us, pin, what, value): "out" and "in" set a pin up, "level", "pwm", "duty".
        self.events: list[tuple[int, int, str, int]] = []
        self.levels: dict[int, int] = {}  # what the chip drives
        self.inputs: dict[int, int] = {}  # what others do to a pin; 1 if nobody
        self.duties: dict[int, int] = {}
        self.pwm_pins: set[int] = set()  # connected to their PWM
        self.counts: dict[int, int] = {}
        self.uv: dict[int, list[int]] = {}  # the last one stays
        self.timers: list[Any] = []
        self.missed_us = 0  # interrupts stand still until then
        self.cause = 1
        self.rtc_memory = b""
        self.memory = {0x40058000: 0, 0x40058008: 0}
        self.watchdogs: list[int] = []
        self.feeds = 0
        self.resets = 0
        self.cpu_hz = 160_000_000
        self.broken: dict[int, int] = {}  # pin: how many more calls raise
        # The heartbeat and what hangs on it.
        self.last_edge_us = -1_000_000
        self.machine: StateMachine | None = None
        self.dropout_us = 20_000 if self.is_rp2040 else 40_000
        self.switch_is_stuck: int | None = None
        self.comparator_works = True
        # The bus.
        self.devices: dict[int, Any] = {}
        self.sda_holder = 0  # clocks until the one who holds SDA lets go; -1 never
        self.scl_is_held = False
        self.transactions = 0

    # Time ---------------------------------------------------------------------------

    def sleep(self, us: int) -> None:
        """Time passes; what falls due in it is called."""
        end_us = self.now_us + us
        while True:
            due = [timer for timer in self.timers if timer.due_us <= end_us]
            if not due:
                break
            timer = min(due, key=lambda timer: timer.due_us)
            self.now_us = max(self.now_us, timer.due_us)
            timer.call()
        self.now_us = max(self.now_us, end_us)

    def ticks_ms(self) -> int:
        """As MicroPython's, from some time on."""
        return (START_MS + self.now_us // 1000) & MASK

    # What is seen from outside ----------------------------------------------------------

    def power(self) -> int:
        """Have the actuators power?"""
        if self.switch_is_stuck is not None:
            return self.switch_is_stuck
        if self.comparator_works and self.levels.get(self.wires.comparator_test):
            return 0
        if self.machine is not None:
            self.last_edge_us = max(self.last_edge_us, self.machine.last_edge_us())
        return int(self.now_us - self.last_edge_us <= self.dropout_us)

    def pump_duty(self) -> int:
        """Duty at the pump's gate, 0 to 65535, whoever drives the pin."""
        pin = self.wires.pump
        if pin in self.pwm_pins:
            return self.duties.get(pin, 0)
        return 65_535 * self.levels.get(pin, 0)

    def is_driven_safe(self) -> bool:
        """Pump, crystals and vent, as the pins stand."""
        return not (
            self.pump_duty() or self.levels[self.wires.feed] or self.levels[self.wires.vent]
        )

    def note(self, pin: int, what: str, value: int) -> None:
        """One thing that a pin did."""
        if self.broken.get(pin):
            self.broken[pin] -= 1
            raise OSError(5, f"pin {pin} is broken")
        self.events.append((self.now_us, pin, what, value))

    def set_level(self, pin: int, level: int) -> None:
        """The chip drives a pin."""
        self.note(pin, "level", level)
        if pin == self.wires.heartbeat and self.levels.get(pin, 0) != level:
            self.last_edge_us = self.now_us
        if pin == self.wires.i2c_scl and level and self.sda_holder > 0:
            self.sda_holder -= 1
        self.levels[pin] = level

    def read(self, pin: int) -> int:
        """The level of a pin."""
        if pin == self.wires.power_sense:
            return self.power()
        if pin == self.wires.i2c_sda and self.sda_holder:
            return 0
        if pin == self.wires.i2c_scl and self.scl_is_held:
            return 0
        return self.inputs.get(pin, 1)

    # The boards ---------------------------------------------------------------------------

    def board(self, tick_period_ms: int | None = None, **more: int) -> Any:
        """A new board of this chip; see `on`."""
        period_ms = tick_period_ms or (5 if self.is_rp2040 else 10)
        if self.is_rp2040:
            made = importlib.import_module("hal.rp2040").Rp2040Board
        else:
            made = importlib.import_module("hal.esp32").Esp32Board
        return made(self.wires, period_ms, **more)


@contextmanager
def on(chip: Chip, folder: object) -> Iterator[Chip]:
    """Within, the HAL's modules are imported afresh, on this chip, and keep their
    state in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ON_CHIP:
            patch.delitem(sys.modules, name, raising=False)
        hal = importlib.import_module("hal")
        sensors = importlib.import_module("hal.sensors")
        for name in ON_CHIP:
            owner = sensors if name.startswith("hal.sensors.") else hal
            patch.delattr(owner, name.rsplit(".", 1)[1], raising=False)
        patch.setitem(sys.modules, "machine", _machine(chip))
        patch.setitem(sys.modules, "rp2", _rp2(chip))
        micropython = importlib.import_module("micropython")
        patch.setattr(micropython, "alloc_emergency_exception_buf", lambda size: None, False)
        for name, value in (
            ("ticks_ms", chip.ticks_ms),
            ("ticks_add", lambda a, b: (a + b) & MASK),
            ("ticks_diff", lambda a, b: ((a - b + 0x20000000) & MASK) - 0x20000000),
            ("sleep_ms", lambda ms: chip.sleep(ms * 1000)),
            ("sleep_us", chip.sleep),
        ):
            patch.setattr(time, name, value, raising=False)
        patch.setattr(importlib.import_module("hal.board"), "STATE_FOLDER", str(folder))
        yield chip
        for name in ON_CHIP:
            sys.modules.pop(name, None)


def _machine(chip: Chip) -> ModuleType:
    made = ModuleType("machine")

    def reset() -> None:
        chip.resets += 1
        raise Reset

    for name, of in (
        ("Pin", Pin), ("PWM", PWM), ("ADC", ADC), ("Timer", Timer), ("WDT", WDT), ("RTC", RTC),
        ("I2C", I2C), ("SoftI2C", I2C),
    ):  # fmt: skip
        setattr(made, name, type(name, (of,), {"chip": chip}))
    made.reset = reset  # type: ignore[attr-defined]
    made.reset_cause = lambda: chip.cause  # type: ignore[attr-defined]
    made.mem32 = chip.memory  # type: ignore[attr-defined]
    made.freq = lambda hz: setattr(chip, "cpu_hz", hz)  # type: ignore[attr-defined]
    names = ("PWRON_RESET", "HARD_RESET", "WDT_RESET", "DEEPSLEEP_RESET", "SOFT_RESET")
    for number, name in enumerate(names, 1):
        setattr(made, name, number)
    return made


def _rp2(chip: Chip) -> ModuleType:
    made = ModuleType("rp2")
    made.PIO = SimpleNamespace(OUT_LOW=2)  # type: ignore[attr-defined]
    made.asm_pio = lambda **_: lambda function: function  # type: ignore[attr-defined]
    made.StateMachine = type("StateMachine", (StateMachine,), {"chip": chip})  # type: ignore[attr-defined]
    return made


class Pin:
    """`machine.Pin`."""

    IN, OUT, OPEN_DRAIN = 0, 1, 2
    PULL_UP, PULL_DOWN = 1, 2

    chip: Chip

    def __init__(
        self, number: int, mode: int = -1, pull: int = -1, *, value: Any = None
    ) -> None:
        self.number = number
        self.pull = pull
        if mode != -1:
            self.init(mode, pull, value=value)

    def init(self, mode: int, pull: int = -1, *, value: Any = None) -> None:
        self.chip.note(self.number, "in" if mode == self.IN else "out", int(bool(value)))
        self.chip.pwm_pins.discard(self.number)
        if mode != self.IN:
            assert mode == self.OPEN_DRAIN or value is not None, "an output of unknown level"
            self.chip.set_level(self.number, int(bool(value)))

    def value(self, level: int | None = None) -> int | None:
        if level is None:
            return self.chip.read(self.number)
        self.chip.set_level(self.number, int(bool(level)))
        return None


class PWM:
    """`machine.PWM`. Without a duty it would start at one that nobody chose."""

    chip: Chip

    def __init__(self, pin: Pin, *, freq: int, duty_u16: int) -> None:
        self.number = pin.number
        self.hz = freq
        self.duty_u16(duty_u16)
        self.chip.note(self.number, "pwm", freq)
        self.chip.pwm_pins.add(self.number)

    def duty_u16(self, duty: int) -> None:
        assert 0 <= duty <= 65_535
        self.chip.note(self.number, "duty", duty)
        self.chip.duties[self.number] = duty

    def freq(self, hz: int) -> None:
        assert hz >= 8
        self.hz = hz


class ADC:
    """`machine.ADC`."""

    ATTN_11DB = 3
    chip: Chip

    def __init__(self, pin: Pin, *, atten: int | None = None) -> None:
        assert (atten is None) is self.chip.is_rp2040
        self.number = pin.number

    def read_u16(self) -> int:
        return self.chip.counts.get(self.number, 0)

    def read_uv(self) -> int:
        assert not self.chip.is_rp2040
        left = self.chip.uv.get(self.number, [0])
        return left.pop(0) if len(left) > 1 else left[0]


class Timer:
    """`machine.Timer` of the RP2040: a callback that raises is never called again."""

    ONE_SHOT, PERIODIC = 0, 1
    chip: Chip

    def __init__(self, number: int) -> None:
        assert number == -1
        self.due_us = 0
        self.period_us = 0
        self.callback: Callable[[Any], None] = lambda _: None
        self.raised: BaseException | None = None

    def init(self, *, mode: int, period: int, callback: Any, hard: bool) -> None:
        assert hard
        assert self.chip.is_rp2040
        assert mode == self.PERIODIC
        self.deinit()
        self.callback = callback
        self.period_us = period * 1000
        self.due_us = self.chip.now_us + self.period_us
        self.chip.timers.append(self)

    def deinit(self) -> None:
        if self in self.chip.timers:
            self.chip.timers.remove(self)

    def call(self) -> None:
        self.due_us += self.period_us
        try:
            self.callback(self)
        except BaseException as error:  # noqa: BLE001 - as the timer does
            self.raised = error
            self.deinit()


class RTC:
    """`machine.RTC`, for the memory that a reset leaves alone."""

    chip: Chip

    def memory(self, *content: bytes) -> bytes:
        if content:
            self.chip.rtc_memory = content[0]
        return self.chip.rtc_memory


class WDT:
    """`machine.WDT`."""

    chip: Chip

    def __init__(self, *, timeout: int) -> None:
        if self.chip.is_rp2040 and timeout > 8388:
            raise ValueError("timeout exceeds 8388")
        self.chip.watchdogs.append(timeout)

    def feed(self) -> None:
        self.chip.feeds += 1


class StateMachine:
    """`rp2.StateMachine` with the heartbeat's program: a word of n plays n + 1 pulses
    of 1 ms, and takes 0.2 ms to be fetched."""

    chip: Chip

    def __init__(self, number: int, program: object, *, freq: int, set_base: Pin) -> None:
        assert freq == 10_000
        assert number == 0
        self.is_active = 0
        self.starts: list[tuple[int, int]] = []  # when each word begins and ends, in us
        self.chip.note(set_base.number, "pio", 0)
        self.chip.machine = self

    def last_edge_us(self) -> int:
        begun = [word for word in self.starts if word[0] < self.chip.now_us]
        return min(begun[-1][1], self.chip.now_us) if begun else -1_000_000

    def tx_fifo(self) -> int:
        return len([word for word in self.starts if word[0] > self.chip.now_us])

    def put(self, value: int) -> None:
        assert self.tx_fifo() < 4, "put would wait"
        assert self.is_active
        begin_us = max([self.chip.now_us, *(word[1] for word in self.starts)])
        self.starts.append((begin_us, begin_us + 200 + (value + 1) * 1000))

    def active(self, value: int) -> None:
        self.is_active = value
        if not value:
            # It stands still: what it has played is past, the rest never comes.
            self.starts = [(begin, min(end, self.chip.now_us)) for begin, end in self.starts
                           if begin < self.chip.now_us]  # fmt: skip

    def restart(self) -> None:
        assert not self.is_active

    def exec(self, word: int) -> None:
        assert word == 0xE000
        self.chip.set_level(self.chip.wires.heartbeat, 0)


class I2C:
    """`machine.I2C` and `SoftI2C`. A held bus takes its timeout and raises."""

    chip: Chip

    def __init__(
        self, number: int = -1, *, scl: Pin, sda: Pin, freq: int, timeout: int
    ) -> None:
        assert self.chip.is_rp2040 is (number >= 0)
        self.timeout_us = timeout

    def _device(self, address: int) -> Any:
        chip = self.chip
        chip.transactions += 1
        if chip.sda_holder or chip.scl_is_held:
            chip.sleep(self.timeout_us)
            raise OSError(110)
        chip.sleep(500)
        if address not in chip.devices:
            raise OSError(5 if chip.is_rp2040 else 19)
        return chip.devices[address]

    def readfrom_mem(self, address: int, register: int, count: int) -> bytes:
        return bytes(self._device(address).read(register, count))

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        buffer[:] = self._device(address).read(register, len(buffer))

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        self._device(address).write(register, data)

    def writeto(self, address: int, data: bytes) -> None:
        self._device(address).write(None, data)

    def readfrom_into(self, address: int, buffer: bytearray) -> None:
        buffer[:] = self._device(address).read(None, len(buffer))


class Registers:
    """A device of registers; `mask` leaves out the bits of a register's number that
    mean something else. `before_read` may change what is read."""

    def __init__(self, memory: dict[int, int], mask: int = 0xFF) -> None:
        self.memory = memory
        self.mask = mask
        self.writes: list[tuple[int | None, bytes]] = []
        self.answer = b""
        self.before_read: Callable[[], None] = lambda: None

    def read(self, register: int | None, count: int) -> bytes:
        self.before_read()
        if register is None:
            return self.answer[:count].ljust(count, b"\0")
        return bytes(self.memory.get((register & self.mask) + n, 0) for n in range(count))

    def write(self, register: int | None, data: bytes) -> None:
        self.writes.append((register, data))
        if register is not None:
            for n, value in enumerate(data):
                self.memory[register + n] = value
