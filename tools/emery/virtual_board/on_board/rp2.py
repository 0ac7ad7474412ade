"""`rp2` of a virtual board: the PIO assembler and its state machines.

The assembler makes the machine words of the chip, as MicroPython's own does (rp2.py
of its rp2 port, MIT licence, (c) 2020-2021 Damien P. George, which this follows).
The host executes them, cycle by cycle of the board's time.
"""

# Runs on MicroPython, and has its names: held to the stubs by a test instead.
# mypy: ignore-errors
# ruff: noqa: UP032

from array import array
from struct import pack

from emery.virtual_board.on_board import ops
from emery.virtual_board.on_board.machine import _number
from emery.virtual_board.on_board.wire import LINE

_DATA = 0
_OFFSETS = 1  # three places
_EXECCTRL = 4
_SHIFTCTRL = 5
_OUT_PINS = 6
_SET_PINS = 7
_SIDE_PINS = 8
_UNDIVIDED = 0xFFFFFFFF
_WORDS = 32  # of instruction memory


class PIO:
    """Constants of the PIO blocks."""

    JOIN_NONE, JOIN_TX, JOIN_RX = 0, 1, 2
    SHIFT_LEFT, SHIFT_RIGHT = 0, 1
    IN_LOW, IN_HIGH, OUT_LOW, OUT_HIGH = 0, 1, 2, 3

    def __init__(self, id: int) -> None:  # noqa: A002
        if id not in (0, 1):
            raise ValueError("invalid PIO")
        self._id = id

    def state_machine(self, id: int, program=None, **settings):  # noqa: A002
        """One of its four state machines."""
        if program is None:
            return StateMachine(self._id * 4 + id)
        return StateMachine(self._id * 4 + id, program, **settings)

    def remove_program(self, program=None) -> None:
        """Nothing: every state machine has a copy of its program."""


class PIOASMError(Exception):
    """A program that the PIO cannot run."""


class PIOASMEmit:
    """Assembles one program in two passes."""

    def __init__(
        self, *, out_init=None, set_init=None, sideset_init=None, side_pindir=False,
        in_shiftdir=PIO.SHIFT_LEFT, out_shiftdir=PIO.SHIFT_LEFT, autopush=False, autopull=False,
        push_thresh=32, pull_thresh=32, fifo_join=PIO.JOIN_NONE,
    ) -> None:  # fmt: skip
        self.labels: dict = {}
        shiftctrl = (
            fifo_join << 30 | (pull_thresh & 31) << 25 | (push_thresh & 31) << 20
            | out_shiftdir << 19 | in_shiftdir << 18
            | (1 if autopull else 0) << 17 | (1 if autopush else 0) << 16
        )  # fmt: skip
        self.prog = [
            array("H"), -1, -1, -1, (1 if side_pindir else 0) << 29, shiftctrl,
            out_init, set_init, sideset_init,
        ]  # fmt: skip
        self.wrap_used = False
        self.pass_ = 0
        self.num_instr = 0
        self.num_sideset = 0
        self.delay_max = 31
        self.sideset_opt = False
        if sideset_init is None:
            self.sideset_count = 0
        elif isinstance(sideset_init, int):
            self.sideset_count = 1
        else:
            self.sideset_count = len(sideset_init)

    def start_pass(self, pass_: int) -> None:
        """Pass 0 finds the labels, pass 1 makes the words."""
        if pass_ == 1:
            if not self.wrap_used and self.num_instr:
                self.wrap()
            self.delay_max = 31
            if self.sideset_count:
                self.sideset_opt = self.num_sideset != self.num_instr
                if self.sideset_opt:
                    self.prog[_EXECCTRL] |= 1 << 30
                    self.sideset_count += 1
                self.delay_max >>= self.sideset_count
        self.pass_ = pass_
        self.num_instr = 0
        self.num_sideset = 0

    def __getitem__(self, key):
        return self.delay(key)

    def delay(self, delay: int):
        """Cycles to wait after the instruction."""
        if self.pass_ > 0:
            if delay > self.delay_max:
                raise PIOASMError("delay too large")
            self.prog[_DATA][-1] |= delay << 8
        return self

    def side(self, value: int):
        """Side-set pins with the instruction."""
        self.num_sideset += 1
        if self.pass_ > 0:
            if self.sideset_count == 0:
                raise PIOASMError("no sideset")
            if value >= 1 << self.sideset_count:
                raise PIOASMError("sideset too large")
            bit = 13 - self.sideset_count
            self.prog[_DATA][-1] |= (1 if self.sideset_opt else 0) << 12 | value << bit
        return self

    def wrap_target(self) -> None:
        """The program goes on here after `wrap`."""
        self.prog[_EXECCTRL] |= self.num_instr << 7

    def wrap(self) -> None:
        """The end of the loop."""
        self.prog[_EXECCTRL] |= (self.num_instr - 1) << 12
        self.wrap_used = True

    def label(self, label: str) -> None:
        """A place to jump to."""
        if self.pass_ == 0:
            if label in self.labels:
                raise PIOASMError("duplicate label {}".format(label))
            self.labels[label] = self.num_instr

    def word(self, instr: int, label=None):
        """One machine word."""
        self.num_instr += 1
        if self.num_instr > _WORDS:
            raise PIOASMError("more than 32 instructions")
        if self.pass_ > 0:
            place = 0
            if label is not None:
                if label not in self.labels:
                    raise PIOASMError("unknown label {}".format(label))
                place = self.labels[label]
            self.prog[_DATA].append(instr | place)
        return self

    def nop(self):
        """mov(y, y)."""
        return self.word(0xA042)

    def jmp(self, cond, label=None):
        """Jump, if `cond`."""
        if label is None:
            label = cond
            cond = 0
        return self.word(0x0000 | cond << 5, label)

    def wait(self, polarity: int, src: int, index: int):
        """Stall until a pin or flag is so."""
        source = 1 if src == 6 else 0 if src == 0 else 2
        return self.word(0x2000 | polarity << 7 | source << 5 | index)

    def in_(self, src: int, data: int):
        """Shift bits into the ISR."""
        if not 0 < data <= 32:
            raise PIOASMError("invalid bit count {}".format(data))
        return self.word(0x4000 | src << 5 | data & 31)

    def out(self, dest: int, data: int):
        """Shift bits out of the OSR."""
        if not 0 < data <= 32:
            raise PIOASMError("invalid bit count {}".format(data))
        return self.word(0x6000 | (7 if dest == 8 else dest) << 5 | data & 31)

    def push(self, value: int = 0, value2: int = 0):
        """ISR into the RX FIFO."""
        value |= value2
        if not value & 1:
            value |= 0x20
        return self.word(0x8000 | value & 0x60)

    def pull(self, value: int = 0, value2: int = 0):
        """TX FIFO into the OSR."""
        value |= value2
        if not value & 1:
            value |= 0x20
        return self.word(0x8080 | value & 0x60)

    def mov(self, dest: int, src: int):
        """Copy a register."""
        return self.word(0xA000 | (4 if dest == 8 else dest) << 5 | src)

    def irq(self, mod: int, index=None):
        """Set or clear a flag."""
        if index is None:
            index = mod
            mod = 0
        return self.word(0xC000 | mod & 0x60 | index)

    def set(self, dest: int, data: int):
        """Set pins or a register."""
        return self.word(0xE000 | dest << 5 | data)


_WORDS_OF_PROGRAMS = {
    "gpio": 0, "pins": 0, "x": 1, "y": 2, "null": 3, "pindirs": 4, "pc": 5, "status": 5,
    "isr": 6, "osr": 7, "exec": 8,
    "not_x": 1, "x_dec": 2, "not_y": 3, "y_dec": 4, "x_not_y": 5, "pin": 6, "not_osre": 7,
    "noblock": 0x01, "block": 0x21, "iffull": 0x40, "ifempty": 0x40, "clear": 0x40,
    "invert": lambda x: x | 0x08, "reverse": lambda x: x | 0x10, "rel": lambda x: x | 0x10,
}  # fmt: skip
_METHODS = (
    "wrap_target", "wrap", "label", "word", "nop", "jmp", "wait", "in_", "out", "push", "pull",
    "mov", "irq", "set",
)  # fmt: skip


def asm_pio(**settings):
    """Decorator that assembles a function into a program."""
    emit = PIOASMEmit(**settings)

    def assemble(function):
        names = function.__globals__
        before = names.copy()
        names.clear()
        try:
            names.update(_WORDS_OF_PROGRAMS)
            for name in _METHODS:
                names[name] = getattr(emit, name)
            emit.start_pass(0)
            function()
            emit.start_pass(1)
            function()
        finally:
            names.clear()
            names.update(before)
        return emit.prog

    return assemble


def asm_pio_encode(instr: str, sideset_count: int, sideset_opt: bool = False) -> int:
    """The machine word of one instruction."""
    emit = PIOASMEmit()
    emit.sideset_count = sideset_count
    emit.sideset_opt = bool(sideset_opt)
    emit.delay_max = 31 >> (emit.sideset_count + (1 if sideset_opt else 0))
    emit.pass_ = 1
    names = dict(_WORDS_OF_PROGRAMS)
    for name in _METHODS:
        names[name] = getattr(emit, name)
    names["jmp"] = None
    exec(instr, names)
    if len(emit.prog[_DATA]) != 1:
        raise PIOASMError("expecting exactly 1 instruction")
    return emit.prog[_DATA][0]


def _levels(setting) -> tuple:
    """How many pins, and their initial directions and levels, two bits each."""
    if setting is None:
        return 0, 0
    if isinstance(setting, int):
        setting = (setting,)
    bits = 0
    for place in range(len(setting)):
        bits |= setting[place] << 2 * place
    return len(setting), bits


class StateMachine:
    """One of the eight state machines."""

    def __init__(self, id: int, program=None, freq: int = -1, **settings) -> None:  # noqa: A002
        if not 0 <= id <= 7:
            raise ValueError("invalid StateMachine")
        self._id = id
        if program is not None:
            self.init(program, freq, **settings)

    def init(
        self, program, freq: int = -1, *, in_base=None, out_base=None, set_base=None,
        jmp_pin=None, sideset_base=None, in_shiftdir=None, out_shiftdir=None,
        push_thresh=None, pull_thresh=None,
    ) -> None:  # fmt: skip
        """Stop it, and give it a program."""
        shift = program[_SHIFTCTRL]
        for value, place, mask in (
            (in_shiftdir, 18, 1), (out_shiftdir, 19, 1),
            (push_thresh, 20, 31), (pull_thresh, 25, 31),
        ):  # fmt: skip
            if value is not None:
                shift = shift & ~(mask << place) | (value & mask) << place
        if freq != -1 and freq != 0 and not 1908 <= freq <= 125_000_000:
            raise ValueError("freq out of range")
        bases = [
            ops.NO_BASE if pin is None else _number(pin)
            for pin in (in_base, out_base, set_base, jmp_pin, sideset_base)
        ]
        outs, out_levels = _levels(program[_OUT_PINS])
        sets, set_levels = _levels(program[_SET_PINS])
        sides, side_levels = _levels(program[_SIDE_PINS])
        data = pack(
            ops.SM_FORM, self._id, bases[0], bases[1], bases[2], bases[3], bases[4],
            outs, sets, sides, len(program[_DATA]),
            _UNDIVIDED if freq <= 0 else freq, program[_EXECCTRL], shift,
            out_levels, set_levels, side_levels,
        )  # fmt: skip
        LINE.post_data(ops.OP_SM_INIT, self._id, 0, data + bytes(program[_DATA]))

    def active(self, value=None) -> bool:
        """Start or stop it; does it run?"""
        if value is None:
            return bool(LINE.ask(ops.OP_SM_FIFO, self._id, 2, 0))
        LINE.post(ops.OP_SM_ACTIVE, self._id, 1 if value else 0, 0)
        return bool(value)

    def restart(self) -> None:
        """From the beginning of its program."""
        LINE.post(ops.OP_SM_RESTART, self._id, 0, 0)

    def exec(self, instr) -> None:
        """Execute one instruction at once."""
        word = asm_pio_encode(instr, 0) if isinstance(instr, str) else instr
        LINE.post(ops.OP_SM_EXEC, self._id, word, 0)

    def put(self, value, shift: int = 0) -> None:
        """A word into the TX FIFO; waits while it is full."""
        if isinstance(value, int):
            self._put(value << shift & 0xFFFFFFFF)
        else:
            for one in value:
                self._put(one << shift & 0xFFFFFFFF)

    def _put(self, word: int) -> None:
        if LINE.depth:
            at = ops.SNAPSHOT_FIFO + self._id
            waiting = LINE.snapshot[at]
            if waiting < 4:
                LINE.snapshot[at] = waiting + 1
                LINE.post(ops.OP_SM_POST, self._id, 0, word)
                return
        LINE.ask(ops.OP_SM_PUT, self._id, 0, word)

    def get(self, buf=None, shift: int = 0):
        """A word out of the RX FIFO; waits for one."""
        if buf is None:
            return LINE.ask(ops.OP_SM_GET, self._id, 0, 0) >> shift
        for place in range(len(buf)):
            buf[place] = LINE.ask(ops.OP_SM_GET, self._id, 0, 0) >> shift
        return buf

    def rx_fifo(self) -> int:
        """Words in the RX FIFO."""
        return LINE.ask(ops.OP_SM_FIFO, self._id, 1, 0)

    def tx_fifo(self) -> int:
        """Words in the TX FIFO."""
        if LINE.depth:
            LINE.spent_us += ops.CALL_US
            return LINE.snapshot[ops.SNAPSHOT_FIFO + self._id]
        return LINE.ask(ops.OP_SM_FIFO, self._id, 0, 0)


class Flash:
    """The flash behind the file system, as a block device."""

    def __init__(self, *, start: int = -1, len: int = -1) -> None:  # noqa: A002
        from emery.virtual_board.on_board import flash

        self._device = flash.DEVICE

    def readblocks(self, block_num, buf, offset=0):
        """Read."""
        return self._device.readblocks(block_num, buf, offset)

    def writeblocks(self, block_num, buf, offset=None):
        """Program; erases first if no offset is given."""
        return self._device.writeblocks(block_num, buf, offset)

    def ioctl(self, op, arg=0):
        """The block protocol's questions."""
        return self._device.ioctl(op, arg)


def bootsel_button() -> int:
    """Never pressed."""
    return 0
