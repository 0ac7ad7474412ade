"""The pins of a chip: who drives each, what hangs on it, and what was seen on it.

A pin belongs to the GPIO block, to a PWM slice or to a PIO block. What is read from it
is what is driven, else what hangs on it from outside, else its pull. Every change of
what a pin gives out is kept with its time: 0 low, 1000 high, and the permille of its
period that a PWM is high.
"""

from collections.abc import Callable
from typing import NamedTuple

from emery.virtual_board.chips import Chip

GPIO = "gpio"
PWM = "pwm"
PIO = "pio"
NOTHING = "none"  # as after a reset

LOW = 0
HIGH = 1000
_U16 = 65_535
_PULL_UP = 1
_PULL_DOWN = 2


class Change(NamedTuple):
    """A pin gives out something else since `us`."""

    us: int
    pin: int
    permille: int


class Pin:
    """One pin. `permille` is what it gives out, `drives` whether it does at all."""

    __slots__ = (
        "direction", "drives", "duty", "external", "function", "hz", "latch", "number",
        "open_drain", "permille", "pio_direction", "pio_level", "pull", "pwm_on", "seen_hz",
    )  # fmt: skip

    def __init__(self, number: int, pull: int) -> None:
        self.number = number
        self.external: int | None = None
        # What it gave out when that was last looked at.
        self.drives = False
        self.permille = LOW
        self.seen_hz = 0
        self.reset(pull)

    def reset(self, pull: int) -> None:
        """As the chip's reset leaves it."""
        self.function = NOTHING
        self.direction = 0
        self.open_drain = False
        self.latch = 0
        self.pull = pull
        self.hz = 0
        self.duty: int | None = None
        self.pwm_on = False
        self.pio_level = 0
        self.pio_direction = 0

    def out(self) -> int | None:
        """What it drives, in permille; None if it drives nothing."""
        if self.function == GPIO:
            if self.open_drain:
                return None if self.latch else LOW
            return (HIGH if self.latch else LOW) if self.direction else None
        if self.function == PWM:
            if self.pwm_on and self.duty is not None:
                return (self.duty * 1000 + _U16 // 2) // _U16
            return HIGH if self.latch else LOW
        if self.function == PIO:
            return (HIGH if self.pio_level else LOW) if self.pio_direction else None
        return None

    def level(self) -> int:
        """What a read of it gives."""
        if self.drives:
            return 1 if self.permille >= HIGH // 2 else 0
        if self.external is not None:
            return self.external
        return 1 if self.pull & _PULL_UP else 0


class Pins:
    """All pins of one chip."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._pins = {number: Pin(number, chip.pulls_at_reset) for number in chip.pins}
        self.trace: list[Change] = []
        # Heartbeats fill a trace with little news.
        self.not_traced: set[int] = set()
        self.on_change: Callable[[int, Pin], None] | None = None
        # On an RP2040 a stopped slice keeps the level that its pin has; "high" and
        # "low" settle what is otherwise a matter of the very moment.
        self.frozen_pwm = "as it is"

    def __getitem__(self, number: int) -> Pin:
        return self._pins[number]

    def __contains__(self, number: int) -> bool:
        return number in self._pins

    def reset(self, us: int) -> None:
        """The chip's reset: no pin drives anything."""
        for pin in self._pins.values():
            pin.reset(self._chip.pulls_at_reset)
        # All at one moment: the heartbeat's last edge meets no pump that still runs.
        for pin in [pin for pin in self._pins.values() if self._take(us, pin)]:
            self._tell(us, pin)

    def setup(self, us: int, number: int, mode: int, pull: int, value: int) -> None:
        """Make it a GPIO: mode 0 in, 1 out, 2 open drain, 15 as it is; pull 1 up, 2
        down, 15 as it is; value 2: as it is."""
        pin = self._pins[number]
        if value != 2:
            pin.latch = value
        if mode != 15:
            if mode == 2 and value == 2:
                pin.latch = 1
            pin.function = GPIO
            pin.direction = 1 if mode == 1 else 0
            pin.open_drain = mode == 2
        if pull != 15:
            pin.pull = pull
        self._note(us, pin)

    def write(self, us: int, number: int, level: int) -> None:
        """Set its output latch."""
        pin = self._pins[number]
        pin.latch = level
        self._note(us, pin)

    def toggle(self, us: int, number: int) -> None:
        """Turn its output latch round."""
        self.write(us, number, 1 - self._pins[number].latch)

    def connect_pwm(self, us: int, number: int) -> None:
        """Give it to its PWM slice."""
        pin = self._pins[number]
        pin.function = PWM
        self._note(us, pin)

    def set_pwm(
        self, us: int, number: int, hz: int | None = None, duty: int | None = None
    ) -> None:
        """Frequency or duty; on an RP2040 both pins of a slice share the frequency."""
        pin = self._pins[number]
        if hz is not None:
            pin.hz = hz
            if self._chip.name == "rp2040":
                other = self._pins.get(number ^ 1)
                if other is not None and other.hz:
                    other.hz = hz
        if duty is not None:
            pin.duty = duty
        if pin.hz and pin.duty is not None:
            pin.pwm_on = True
        self._note(us, pin)

    def stop_pwm(self, us: int, number: int) -> None:
        """Stop its slice: an RP2040 leaves the pin at the level it has, an ESP32 at 0."""
        numbers = [number]
        if self._chip.name == "rp2040":
            # One slice, two pins; sixteen pins on there is the same slice again.
            numbers = [one for one in self._pins if (one >> 1 & 7) == (number >> 1 & 7)]
        for one in numbers:
            pin = self._pins[one]
            if not pin.pwm_on:
                continue
            if self._chip.name == "rp2040":
                pin.latch = self._frozen(us, pin)
            else:
                pin.latch = 0
                pin.function = GPIO
                pin.direction = 1
            pin.pwm_on = False
            self._note(us, pin)

    def _frozen(self, us: int, pin: Pin) -> int:
        duty = pin.duty or 0
        if duty == 0:
            return 0
        if self.frozen_pwm == "high" or duty >= _U16:
            return 1
        if self.frozen_pwm == "low":
            return 0
        return 1 if (us * pin.hz % 1_000_000) * _U16 < duty * 1_000_000 else 0

    def give_to_pio(self, us: int, number: int, direction: int, level: int) -> None:
        """Give it to a PIO block."""
        pin = self._pins[number]
        pin.function = PIO
        pin.pio_direction = direction
        pin.pio_level = level
        self._note(us, pin)

    def pio_write(self, us: int, base: int, count: int, levels: int) -> None:
        """A state machine drives pins."""
        for place in range(count):
            pin = self._pins.get(base + place & 31)
            if pin is not None:
                level = levels >> place & 1
                if pin.pio_level != level:
                    pin.pio_level = level
                    if pin.function == PIO:
                        self._note(us, pin)

    def soft_reset(self, us: int) -> None:
        """The interpreter starts anew: GPIO and PIO latches stay, PWM stops."""
        for number, pin in self._pins.items():
            if pin.pwm_on:
                self.stop_pwm(us, number)

    def level(self, number: int) -> int:
        """What a read of this pin gives."""
        pin = self._pins.get(number)
        return pin.level() if pin is not None else 0

    def levels(self) -> int:
        """All levels, one bit each."""
        bits = 0
        for number, pin in self._pins.items():
            if pin.level():
                bits |= 1 << number
        return bits

    def outside(self, number: int, level: int | None) -> None:
        """What hangs on a pin: a level, or nothing (None)."""
        self._pins[number].external = level

    def _note(self, us: int, pin: Pin) -> None:
        if self._take(us, pin):
            self._tell(us, pin)

    def _take(self, us: int, pin: Pin) -> bool:
        """Look at what it gives out now. Is that something else?"""
        out = pin.out()
        drives = out is not None
        permille = LOW if out is None else out
        if permille == pin.permille and drives == pin.drives and pin.hz == pin.seen_hz:
            return False
        if permille != pin.permille and pin.number not in self.not_traced:
            self.trace.append(Change(us, pin.number, permille))
        pin.permille = permille
        pin.drives = drives
        pin.seen_hz = pin.hz
        return True

    def _tell(self, us: int, pin: Pin) -> None:
        if self.on_change is not None:
            self.on_change(us, pin)
