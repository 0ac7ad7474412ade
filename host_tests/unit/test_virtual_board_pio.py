"""The PIO of a virtual board, instruction by instruction, against the data sheet."""

import pytest

from emery.virtual_board.on_board import rp2
from emery.virtual_board.pio import StateMachine

CLOCK = 125_000_000


class Pins:
    """Eight pins and what was driven on them."""

    def __init__(self) -> None:
        self.levels = [0] * 32
        self.log: list[tuple[int, int, int]] = []

    def write(self, us: int, base: int, count: int, levels: int) -> None:
        for place in range(count):
            level = levels >> place & 1
            if self.levels[base + place] != level:
                self.levels[base + place] = level
                self.log.append((us, base + place, level))


def encode(text: str) -> int:
    word: int = rp2.asm_pio_encode(text, 0)
    return word


def machine(
    pins: Pins, program: list[str], *, hz: int = 1_000_000, shift: int = 3 << 18, sets: int = 1
) -> StateMachine:
    words = [encode(line) for line in program]
    made = StateMachine(pins.write, lambda pin: pins.levels[pin])
    execctrl = (len(words) - 1) << 12
    made.init(words, (8, 0, 0, 9, 255), (4, sets, 0), hz, execctrl, shift, CLOCK)
    made.set_active(0, True)
    return made


def test_set_toggles_at_the_clock() -> None:
    pins = Pins()
    machine(pins, ["set(pins, 1)", "set(pins, 0)[3]"]).run_until(12)
    assert pins.log == [(0, 0, 1), (1, 0, 0), (5, 0, 1), (6, 0, 0), (10, 0, 1), (11, 0, 0)]


def test_a_slow_clock_divides_with_its_fraction() -> None:
    pins = Pins()
    machine(pins, ["set(pins, 1)", "set(pins, 0)"], hz=3_000).run_until(2_000)
    times = [us for us, _, _ in pins.log]
    assert len(times) == 7
    assert all(abs(us - turn * 1e6 / 3_000) < 1.5 for turn, us in enumerate(times))


def test_pull_stalls_until_a_word_comes() -> None:
    pins = Pins()
    made = machine(pins, ["pull(block)", "out(pins, 4)"])
    made.run_until(1_000)
    assert pins.log == []
    assert made.put(1_000, 0b1010)
    made.run_until(1_010)
    assert pins.levels[:4] == [0, 1, 0, 1]
    assert pins.log[0][0] >= 1_000


def test_the_fifo_holds_four_words() -> None:
    made = machine(Pins(), ["pull(block)"])
    made.set_active(0, False)
    assert [made.put(0, word) for word in range(5)] == [True, True, True, True, False]
    assert len(made.tx) == 4


def test_an_empty_pull_without_block_takes_x() -> None:
    pins = Pins()
    made = machine(pins, ["set(x, 5)", "pull(noblock)", "out(pins, 4)"])
    made.run_until(10)
    assert pins.levels[:4] == [1, 0, 1, 0]


@pytest.mark.parametrize("times", [0, 1, 5])
def test_jmp_x_dec_runs_once_more_than_x(times: int) -> None:
    pins = Pins()
    made = StateMachine(pins.write, lambda pin: 0)
    # set x; loop: in x while it lasts; then push.
    words = [
        encode(f"set(x, {times})"), encode("set(pins, 1)"), encode("set(pins, 0)"), 0x0040 | 1,
        encode("set(y, 0)"), 0x0000 | 5,
    ]  # fmt: skip
    made.init(words, (0, 0, 0, 0, 255), (0, 1, 0), 1_000_000, 31 << 12, 3 << 18, CLOCK)
    made.set_active(0, True)
    made.run_until(200)
    assert sum(level for _, _, level in pins.log) == times + 1


def test_in_and_push_give_what_the_pins_have() -> None:
    pins = Pins()
    pins.levels[8:12] = [1, 1, 0, 1]
    made = machine(pins, ["in_(pins, 4)", "push(noblock)"], shift=1 << 19)
    made.run_until(3)
    assert made.get(3) == 0b1011
    # Shifted right, they come in at the top.
    made = machine(pins, ["in_(pins, 4)", "push(noblock)"], shift=3 << 18)
    made.run_until(3)
    assert made.get(3) == 0b1011 << 28


def test_mov_inverts_and_reverses() -> None:
    pins = Pins()
    made = machine(pins, ["set(x, 2)", "mov(isr, invert(x))", "push(noblock)"])
    made.run_until(4)
    assert made.get(4) == 0xFFFFFFFD
    made = machine(pins, ["set(x, 1)", "mov(isr, reverse(x))", "push(noblock)"])
    made.run_until(4)
    assert made.get(4) == 0x80000000


def test_restart_begins_anew_and_exec_sets_a_pin_at_once() -> None:
    pins = Pins()
    made = machine(pins, ["pull(block)", "set(pins, 1)"])
    made.put(0, 1)
    made.run_until(10)
    assert pins.levels[0] == 1
    made.set_active(10, False)
    made.restart(10)
    made.execute(11, encode("set(pins, 0)"))
    assert pins.log[-1] == (11, 0, 0)
    made.set_active(12, True)
    made.run_until(1_000)
    assert pins.levels[0] == 0


def test_side_set_comes_with_its_instruction() -> None:
    pins = Pins()
    made = StateMachine(pins.write, lambda pin: 0)
    words = [0xA042 | 1 << 12, 0xA042 | 0 << 12 | 2 << 8]  # nop side 1; nop side 0 [2]
    made.init(words, (0, 0, 0, 0, 3), (0, 0, 1), 1_000_000, 1 << 12, 3 << 18, CLOCK)
    made.set_active(0, True)
    made.run_until(8)
    assert pins.log == [(0, 3, 1), (1, 3, 0), (4, 3, 1), (5, 3, 0), (8, 3, 1)]


def test_the_assembler_tells_what_it_cannot_do() -> None:
    with pytest.raises(rp2.PIOASMError, match="delay too large"):
        rp2.asm_pio_encode("nop()[32]", 0)
    with pytest.raises(rp2.PIOASMError, match="expecting exactly 1"):
        rp2.asm_pio_encode("nop(); nop()", 0)
    with pytest.raises(rp2.PIOASMError, match="no sideset"):
        rp2.asm_pio_encode("nop().side(1)", 0)
