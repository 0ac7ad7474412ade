"""The PIO state machines of an RP2040, executed cycle by cycle in the board's time.

Every instruction of the RP2040 data sheet (section 3.4) but WAIT for and IRQ of
flags, which firmware for this board does not use: they pass at once. A state machine
that stalls on its FIFO costs nothing until a word comes.
"""

from collections import deque
from collections.abc import Callable

from emery.virtual_board.chips import NEVER
from emery.virtual_board.on_board.ops import NO_BASE

_FIFO = 4
_ALL = 0xFFFFFFFF


class StateMachine:
    """One state machine. `set_pins(us, base, count, levels)` drives pins."""

    def __init__(
        self,
        set_pins: Callable[[int, int, int, int], None],
        read_pin: Callable[[int], int],
    ) -> None:
        self._set_pins = set_pins
        self._read_pin = read_pin
        self.tx: deque[int] = deque()
        self.rx: deque[int] = deque()
        self.active = False
        self._program: list[int] = []
        self._execctrl = 0
        self._shiftctrl = 0
        self._bases: tuple[int, ...] = (NO_BASE,) * 5  # in, out, set, jmp, side
        self._counts: tuple[int, ...] = (0, 0, 0)  # out, set, side
        # One cycle is _divider / 256 clocks of the processor.
        self._divider = 256
        self._clock_mhz = 125
        self._begin_us = 0
        self._cycles = 0  # since _begin_us
        self._stalled = False
        self._reset_registers()

    def _reset_registers(self) -> None:
        self._pc = 0
        self._x = self._y = self._isr = self._osr = 0
        self._isr_count = 0
        self._osr_count = 32

    def init(
        self,
        program: list[int],
        bases: tuple[int, ...],
        counts: tuple[int, ...],
        hz: int,
        execctrl: int,
        shiftctrl: int,
        clock_hz: int,
    ) -> None:
        """Stop it, and give it a program."""
        self.active = False
        self._stalled = False
        self.tx.clear()
        self.rx.clear()
        self._program = program
        self._bases = bases
        self._counts = counts
        self._execctrl = execctrl
        self._shiftctrl = shiftctrl
        self._clock_mhz = clock_hz // 1_000_000
        self._divider = 256 if hz >= clock_hz else clock_hz * 256 // hz
        self._reset_registers()

    def set_active(self, us: int, active: bool) -> None:
        """Start or stop it; it goes on where it stood."""
        if active and not self.active:
            self._begin_us = us
            self._cycles = 0
        self.active = active

    def restart(self, us: int) -> None:
        """From the beginning of its program, registers cleared."""
        self._reset_registers()
        self._stalled = False
        self._begin_us = us
        self._cycles = 0

    def put(self, us: int, word: int) -> bool:
        """A word into the TX FIFO; False if it is full."""
        if len(self.tx) >= _FIFO:
            return False
        self.tx.append(word & _ALL)
        self._wake(us)
        return True

    def get(self, us: int) -> int | None:
        """A word from the RX FIFO."""
        if not self.rx:
            return None
        word = self.rx.popleft()
        self._wake(us)
        return word

    def execute(self, us: int, instruction: int) -> None:
        """One instruction from outside the program."""
        before = self._pc
        self._step(us, instruction)
        if instruction >> 13:
            self._pc = before

    def next_us(self) -> int:
        """When its next instruction is due."""
        if not self.active or self._stalled or not self._program:
            return NEVER
        return self._time()

    def run_until(self, us: int) -> None:
        """Execute everything that is due until then."""
        while self.active and not self._stalled and self._program:
            now = self._begin_us + self._cycles * self._divider // (256 * self._clock_mhz)
            if now > us:
                return
            instruction = self._program[self._pc]
            if self._step(now, instruction):
                self._cycles += 1 + self._delay(instruction)
            else:
                self._cycles += 1  # a stall on the FIFO ends the loop

    def _time(self) -> int:
        return self._begin_us + self._cycles * self._divider // (256 * self._clock_mhz)

    def _wake(self, us: int) -> None:
        if self._stalled:
            self._stalled = False
            # Its clock ran on meanwhile.
            if us > self._time():
                self._cycles = -(-(us - self._begin_us) * 256 * self._clock_mhz // self._divider)

    def _delay(self, instruction: int) -> int:
        field = instruction >> 8 & 31
        return field & (31 >> self._side_bits())

    def _side_bits(self) -> int:
        return self._counts[2] + (self._execctrl >> 30 & 1) if self._counts[2] else 0

    def _side(self, us: int, instruction: int) -> None:
        count = self._counts[2]
        if not count or self._bases[4] == NO_BASE:
            return
        field = instruction >> 8 & 31
        if self._execctrl >> 30 & 1:
            if not field >> 4:
                return
            value = field >> (4 - count) & (1 << count) - 1
        else:
            value = field >> (5 - count)
        if not self._execctrl >> 29 & 1:
            self._set_pins(us, self._bases[4], count, value)

    def _step(self, us: int, instruction: int) -> bool:
        """Execute one; False if it has to be tried again."""
        if self._counts[2]:
            self._side(us, instruction)
        kind = instruction >> 13
        middle = instruction >> 5 & 7
        low = instruction & 31
        jumped = False
        if kind == 0:
            if self._condition(middle):
                self._pc = low
                jumped = True
        elif kind == 1:
            pin = low if middle & 3 == 0 else self._bases[0] + low
            if middle & 3 < 2 and self._read_pin(pin & 31) != instruction >> 7 & 1:
                return False
        elif kind == 2:
            self._in(middle, low or 32)
        elif kind == 3:
            jumped = self._out(us, middle, low or 32)
        elif kind == 4:
            if not (self._pull(instruction) if instruction & 0x80 else self._push(instruction)):
                self._stalled = True
                return False
        elif kind == 5:
            jumped = self._mov(us, middle, low)
        elif kind == 7:
            self._set(us, middle, low)
        if not jumped:
            top = self._execctrl >> 12 & 31
            self._pc = (self._execctrl >> 7 & 31) if self._pc == top else self._pc + 1
            if self._pc >= len(self._program):
                self._pc = 0
        return True

    def _condition(self, which: int) -> bool:
        if which == 0:
            return True
        if which == 1:
            return self._x == 0
        if which == 2:
            was = self._x
            self._x = was - 1 & _ALL
            return was != 0
        if which == 3:
            return self._y == 0
        if which == 4:
            was = self._y
            self._y = was - 1 & _ALL
            return was != 0
        if which == 5:
            return self._x != self._y
        if which == 6:
            return self._read_pin(self._bases[3]) == 1
        return self._osr_count < (self._shiftctrl >> 25 & 31 or 32)

    def _source(self, which: int) -> int:
        if which == 0:
            return sum(self._read_pin(self._bases[0] + bit & 31) << bit for bit in range(32))
        return (0, self._x, self._y, 0, 0, 0, self._isr, self._osr)[which]

    def _in(self, source: int, count: int) -> None:
        data = self._source(source) & (1 << count) - 1
        if self._shiftctrl >> 18 & 1:
            self._isr = (self._isr >> count | data << (32 - count)) & _ALL
        else:
            self._isr = (self._isr << count | data) & _ALL
        self._isr_count = min(32, self._isr_count + count)
        if self._shiftctrl >> 16 & 1 and self._isr_count >= (self._shiftctrl >> 20 & 31 or 32):
            self._push(0)

    def _out(self, us: int, target: int, count: int) -> bool:
        if self._shiftctrl >> 17 & 1 and self._osr_count >= (self._shiftctrl >> 25 & 31 or 32):
            self._pull(0)
        if self._shiftctrl >> 19 & 1:
            data = self._osr & (1 << count) - 1
            self._osr >>= count
        else:
            data = self._osr >> (32 - count)
            self._osr = self._osr << count & _ALL
        self._osr_count = min(32, self._osr_count + count)
        if target == 0:
            self._set_pins(us, self._bases[1], self._counts[0], data)
        elif target == 1:
            self._x = data
        elif target == 2:
            self._y = data
        elif target == 5:
            self._pc = data & 31
            return True
        elif target == 6:
            self._isr = data
            self._isr_count = count
        return False

    def _pull(self, instruction: int) -> bool:
        if instruction & 0x40 and self._osr_count < (self._shiftctrl >> 25 & 31 or 32):
            return True
        if self.tx:
            self._osr = self.tx.popleft()
        elif instruction & 0x20:
            return False
        else:
            self._osr = self._x
        self._osr_count = 0
        return True

    def _push(self, instruction: int) -> bool:
        if instruction & 0x40 and self._isr_count < (self._shiftctrl >> 20 & 31 or 32):
            return True
        if len(self.rx) >= _FIFO:
            if instruction & 0x20:
                return False
        else:
            self.rx.append(self._isr)
        self._isr = 0
        self._isr_count = 0
        return True

    def _mov(self, us: int, target: int, low: int) -> bool:
        value = self._source(low & 7)
        operation = low >> 3
        if operation == 1:
            value = ~value & _ALL
        elif operation == 2:
            value = int(f"{value:032b}"[::-1], 2)
        if target == 0:
            self._set_pins(us, self._bases[1], self._counts[0], value)
        elif target == 1:
            self._x = value
        elif target == 2:
            self._y = value
        elif target == 5:
            self._pc = value & 31
            return True
        elif target == 6:
            self._isr = value
            self._isr_count = 0
        elif target == 7:
            self._osr = value
            self._osr_count = 0
        return False

    def _set(self, us: int, target: int, value: int) -> None:
        if target == 0:
            self._set_pins(us, self._bases[2], self._counts[1], value)
        elif target == 1:
            self._x = value
        elif target == 2:
            self._y = value
