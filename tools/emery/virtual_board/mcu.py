"""The chip outside its processor: pins, timers, watchdog, PIO, buses - and time.

It takes the records of the interpreter (`feed`), leaves its answers in `to_main` and
`to_helper`, and knows nothing of processes or sockets. Whose turn it is decides how
time passes: in fast pace it jumps while the interpreter sleeps, a call costs its
microseconds, and when the interpreter computes for long without a call time goes on
at the wall's pace, as it does at the prompt. In real time it is the wall's.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from emery.virtual_board.chips import NEVER, STEP_US, Chip
from emery.virtual_board.flash import Flash, PowerLost
from emery.virtual_board.on_board import ops
from emery.virtual_board.pins import Pins
from emery.virtual_board.pio import StateMachine

if TYPE_CHECKING:
    from emery.virtual_board.world import World

# The longest jump in one piece: whoever types is heard in between.
_AT_ONCE_US = 100_000
_QUEUE = 8
_LATE = 2
_OP_MASK = 0xFF ^ ops.IN_CALL
_RECORD = struct.Struct(ops.FORM)
_SNAPSHOT = struct.Struct(ops.SNAPSHOT_FORM)
_NO_CHARACTER = 0xFFFF
_CTRL_C = 3

# RP2040 data sheet, section 4.7: watchdog registers.
_WATCHDOG = 0x4005_8000
_CTRL, _LOAD, _REASON, _SCRATCH0, _SCRATCH7 = 0x00, 0x04, 0x08, 0x0C, 0x28
_REASON_TIMER, _REASON_FORCED = 1, 2
_CTRL_ENABLE = 1 << 30
_CTRL_TRIGGER = 1 << 31
_TIME_MASK = 0xFFFFFF
_TICKS_PER_US = 2  # the counter goes down by two each microsecond (erratum RP2040-E1)

# What the interpreter is about.
OFF = "off"
COMPUTING = "computing"
ASKING = "asking"
PROMPT = "prompt"

# Ends of an interpreter that it asked for, or that the chip imposes.
SOFT = "soft reset"
RESET = "machine.reset"
WATCHDOG = "watchdog"
POWER_CUT = "power cut in a flash operation"


@dataclass(slots=True)
class Timer:
    """One machine.Timer."""

    index: int
    hard: bool
    period_us: int  # 0: once
    due_us: int
    waiting: int = 0  # calls that have fallen due and were not made yet


class Asked(NamedTuple):
    """What the interpreter waits for."""

    op: int
    a: int
    b: int
    c: int
    wake_us: int  # when the answer is due


class Call(NamedTuple):
    """A callback that the interpreter was told to run."""

    number: int
    timer: Timer
    on_line: bool  # over the main line; else announced to the helper


class Mcu:
    """One chip. `ended` says why the interpreter has to go, "" while it runs."""

    def __init__(
        self, chip: Chip, flash: Flash, world: "World", *, fast: bool, wall_us: Callable[[], int]
    ) -> None:
        self.chip = chip
        self.flash = flash
        self.world = world
        self.fast = fast
        self._wall_us = wall_us
        self._wall_begin_us = wall_us()
        self.now_us = 0
        self.limit_us = NEVER  # fast pace stops here
        # In fast pace computing costs no time, unless it lasts this long by the wall.
        # A busy computer needs it long, or two runs would not be the same.
        self.patience_us = 100_000
        self.flash_takes_time = True
        self.pins = Pins(chip)
        self.to_main = bytearray()
        self.to_helper = bytearray()
        self.on_cook: Callable[[bool], None] = lambda cook: None
        self.on_unread: Callable[[bytes], None] = lambda data: None
        self._stepped_us = 0  # until where the world has been run
        self._started_us = 0  # of the chip's own clock
        self.state = OFF
        self.ended = ""
        self.raw_repl = False
        self.interrupt_character = _NO_CHARACTER
        self.interrupt_waits = False
        self.cause = chip.power_on_cause
        self.rtc_memory = b""
        self.frequency_hz = chip.frequency_hz
        self._scratch = [0] * 8
        self._reason = 0
        self.turn_since_us = 0  # since when by the wall the program has the turn
        self._turn_now_us = 0
        self._call_turn = (0, 0)
        world.attach(self)
        self._forget_peripherals()
        self._begin_turn()

    # Power and resets

    def _forget_peripherals(self) -> None:
        self.watchdog_us = 0  # its timeout; 0 while it is off
        self.watchdog_due_us = NEVER
        self.machines = [
            StateMachine(self._pio_pins, self.pins.level) for _ in range(8)
        ]
        self._forget_interpreter()

    def _forget_interpreter(self) -> None:
        """What goes with an interpreter, whatever ended it."""
        self.timers: dict[int, Timer] = {}
        self.adc_channels: set[int] = set()
        self.adc_attenuation: dict[int, int] = {}
        self.calls: list[Call] = []
        self.asked: Asked | None = None
        self.asked_in_call: Asked | None = None
        self._number = 0
        self._received = bytearray()
        self.to_main.clear()
        self.to_helper.clear()
        self._interrupts_off_until_us = 0
        self.interrupt_character = _NO_CHARACTER
        self.interrupt_waits = False
        self.last_op = 0
        self.state = OFF
        self.ended = ""
        self.program_runs = False
        self.prompting = False

    def hard_reset(self, cause: int, why: str, *, power_lost: bool = False) -> None:
        """Every pin and peripheral as the chip's reset leaves it."""
        self.catch_up()
        self.pins.reset(self.now_us)
        self._forget_peripherals()
        self.cause = cause
        self.raw_repl = False
        self._started_us = self.now_us
        self.frequency_hz = self.chip.frequency_hz
        # What the RP2040's watchdog says of it, section 4.7.6 of its data sheet.
        self._reason = {WATCHDOG: _REASON_TIMER, RESET: _REASON_FORCED}.get(why, 0)
        if power_lost:
            self.rtc_memory = b""
            self._scratch = [0] * 8

    def soft_reset(self) -> None:
        """The interpreter is gone; the chip keeps pins, watchdog and PIO latches."""
        self.catch_up()
        for machine in self.machines:
            machine.set_active(self.now_us, False)
        self.pins.soft_reset(self.now_us)
        self._forget_interpreter()
        if self.chip.soft_reset_cause is not None:
            self.cause = self.chip.soft_reset_cause

    def start(self) -> None:
        """An interpreter begins."""
        self.state = COMPUTING
        self.ended = ""
        self._begin_turn()

    # Time

    def wall(self) -> int:
        """Wall time in us."""
        return self._wall_us()

    def _begin_turn(self) -> None:
        """The program has the turn from now on, though callbacks may come in between."""
        self.turn_since_us = self._wall_us()
        self._turn_now_us = self.now_us

    def _begin_call(self) -> None:
        """A callback has the turn."""
        self._call_turn = (self._wall_us(), self.now_us)

    def _turn(self) -> tuple[int, int]:
        """Since when by the wall, and by the board, it has the turn."""
        if self.calls and self.calls[-1].on_line:
            return self._call_turn
        return self.turn_since_us, self._turn_now_us

    def _target(self) -> int:
        """How far time may go now."""
        furthest = self.limit_us
        if not self.fast:
            furthest = self._wall_us() - self._wall_begin_us
            if self.state in (ASKING, PROMPT) and not self.calls:
                return furthest
        elif self.state == ASKING and not self.calls and self._next_due() < NEVER:
            return min(furthest, self.now_us + _AT_ONCE_US)
        if self.state == ASKING and self.calls and self.asked_in_call is not None:
            return min(furthest, self.asked_in_call.wake_us)
        since, now = self._turn()
        spent = self._wall_us() - since
        if self.state != PROMPT or self.calls:
            spent -= self.patience_us
        # While it computes, time waits for a busy computer, and catches up later: or a
        # loaded one would make ticks late that no board is late with.
        return min(furthest, max(self.now_us, now + max(0, spent)))

    def progress(self) -> float | None:
        """Let time pass as far as it may. Returns seconds until something is due by
        the wall, None if only the interpreter can go on."""
        if self.state == OFF:
            # Nothing runs; the world goes on at the wall's pace.
            target = self._target()
            if target > self.now_us:
                self._elapse(target)
            return 0.05
        self._run_to(self._target())
        if self.ended:
            return 0.0
        if not self.fast and self.state in (ASKING, PROMPT) and not self.calls:
            due = min(self._next_due(), self.now_us + 50_000)
            return max(0, due - (self._wall_us() - self._wall_begin_us)) / 1e6
        if self.fast and self.now_us >= self.limit_us:
            return None
        if self.state == PROMPT and not self.calls:
            return max(0, min(self._next_due() - self.now_us, 50_000)) / 1e6
        if self.state == ASKING and not self.calls:
            return 0.0 if self._next_due() <= self.limit_us else None
        quiet = self._wall_us() - self._turn()[0]
        if quiet < self.patience_us:
            return (self.patience_us - quiet) / 1e6
        return max(0, min(self._next_due() - self.now_us, 10_000)) / 1e6

    def _next_due(self) -> int:
        due = self.watchdog_due_us
        for timer in self.timers.values():
            if timer.due_us < due:
                due = timer.due_us
        asked = self.asked_in_call if self.calls else self.asked
        if asked is not None and asked.wake_us < due:
            due = asked.wake_us
        return due

    def _run_to(self, target_us: int) -> None:
        """Until then, or until the interpreter has the turn."""
        while not self.ended:
            if self._serve_waiting():
                return
            due = self._next_due()
            if due > target_us:
                if target_us > self.now_us:
                    self._elapse(target_us)
                return
            if due > self.now_us:
                self._elapse(due)
            if self.watchdog_due_us <= self.now_us:
                self.ended = WATCHDOG
                return
            for timer in self.timers.values():
                if timer.due_us <= self.now_us:
                    # The scheduler's queue holds eight; a hard timer catches up with
                    # all it missed. When it is this computer that is late, it does not.
                    most = _QUEUE if not timer.hard else NEVER if self.fast else _LATE
                    timer.waiting = min(timer.waiting + 1, most)
                    timer.due_us = timer.due_us + timer.period_us if timer.period_us else NEVER

    def _serve_waiting(self) -> bool:
        """Make a call or give an answer that is due. True if the turn is the
        interpreter's then."""
        if self.now_us >= self._interrupts_off_until_us:
            timer = self._next_call()
            if timer is not None:
                return self._call(timer)
        if self.calls:
            asked = self.asked_in_call
            if asked is not None and asked.wake_us <= self.now_us:
                self.asked_in_call = None
                self._begin_call()
                self._give_answer(asked)
                return True
            return False
        asked = self.asked
        if asked is not None and asked.wake_us <= self.now_us:
            self.asked = None
            # What is asked at the prompt is not the program's.
            self.state = PROMPT if self.prompting else COMPUTING
            self._begin_turn()
            self._give_answer(asked)
            return True
        return False

    def _next_call(self) -> Timer | None:
        """The timer whose call can be made now."""
        if self.calls and (self.calls[-1].timer.hard or self.asked_in_call is None):
            return None
        if (
            self.fast
            and self.state == COMPUTING
            and self._wall_us() - self.turn_since_us < self.patience_us
        ):
            # With the program's next question, so that it comes at the same place in
            # every run.
            return None
        first = None
        for timer in self.timers.values():
            if timer.waiting and (timer.hard or (not self.calls and first is None)):
                first = timer
                if timer.hard:
                    break
        return first

    def _call(self, timer: Timer) -> bool:
        on_line = self.state in (ASKING, PROMPT)
        timer.waiting -= 1
        self._number = self._number % 0xFFFF + 1
        call = Call(self._number, timer, on_line)
        self.calls.append(call)
        self._send_call(call, self.to_main if on_line else self.to_helper)
        self._begin_call()
        return True

    def _send_call(self, call: Call, line: bytearray) -> None:
        line += _RECORD.pack(ops.GIVES_RUN, call.timer.index, call.number, 0)
        us = self.now_us - self._started_us
        counts = [0] * ops.SNAPSHOT_CHANNELS
        for channel in self.adc_channels:
            if channel < ops.SNAPSHOT_CHANNELS:
                counts[channel] = self.world.adc_counts(self._adc_pin(channel))
        line += _SNAPSHOT.pack(
            us & ops.TICKS_MASK, us // 1000 & ops.TICKS_MASK, self.pins.levels(), *counts,
            *(len(machine.tx) for machine in self.machines),
        )  # fmt: skip

    def _elapse(self, until_us: int) -> None:
        """World and PIO until then; nothing is called."""
        now = self.now_us
        while now < until_us:
            step = min(until_us, self._stepped_us + STEP_US)
            for machine in self.machines:
                if machine.active:
                    machine.run_until(step)
            now = self.now_us = step
            if step - self._stepped_us >= STEP_US:
                self._stepped_us = step
                self.world.step(step)

    def catch_up(self) -> None:
        """In real time: to this very moment, as far as the world goes."""
        if not self.fast:
            target = self._wall_us() - self._wall_begin_us
            if target > self.now_us:
                self._elapse(target)

    def _cost(self) -> None:
        """A call of the main program has cost its time."""
        if not self.calls:
            self._spend(ops.CALL_US)

    def _spend(self, us: int) -> None:
        until = min(self.now_us + us, max(self.limit_us, self.now_us))
        if until > self.now_us:
            self._elapse(until)

    # Records of the interpreter

    def feed(self, data: bytes) -> None:
        """Records from the main line, perhaps in pieces."""
        received = self._received
        received += data
        at = 0
        while len(received) - at >= ops.RECORD and not self.ended:
            op, a, b, c = _RECORD.unpack_from(received, at)
            end = at + ops.RECORD
            payload = b""
            if op & ops.PAYLOAD:
                end += b
                if end > len(received):
                    break
                payload = bytes(received[at + ops.RECORD : end])
            at = end
            self._take(op, a, b, c, payload)
        del received[:at]

    def _take(self, op: int, a: int, b: int, c: int, payload: bytes) -> None:
        if op == ops.OP_DONE:
            self._finish_call(a, b, c)
            return
        if op == ops.OP_SPENT:
            self._spend(c)
            return
        if not op & ops.SYNC:
            self._cost()
            self._do(op, a, b, c, payload)
            return
        in_call = bool(op & ops.IN_CALL)
        op &= _OP_MASK
        self.last_op = op
        if not in_call:
            self.state = ASKING
            if self.interrupt_waits and op not in (
                ops.OP_FLASH_ERASE, ops.OP_FLASH_PROGRAM, ops.OP_EXEC_BEGIN, ops.OP_PROGRAM,
                ops.OP_COOK,
            ):  # fmt: skip
                self.interrupt_waits = False
                if op == ops.OP_EXEC_END:
                    self._end_of_program()
                else:
                    self.state = PROMPT if self.prompting else COMPUTING
                self._begin_turn()
                self.to_main += _RECORD.pack(ops.GIVES_INTERRUPT, 0, 0, 0)
                return
        self._cost()
        wake = self._prepare(op, a, b, c, payload)
        if wake is None:
            return
        asked = Asked(op, a, b, c, wake)
        if in_call:
            self.asked_in_call = asked
        else:
            self.asked = asked
            # A call that was only announced is made now, before the answer.
            for call in self.calls:
                if not call.on_line:
                    self.calls[self.calls.index(call)] = call._replace(on_line=True)
                    self._send_call(call, self.to_main)
                    self._begin_call()

    def _finish_call(self, failed: int, number: int, spent_us: int) -> None:
        for call in self.calls:
            if call.number == number:
                self.calls.remove(call)
                break
        else:
            return
        if failed and call.timer.hard:
            # The port's own alarm is not set again after an uncaught exception.
            call.timer.due_us = NEVER
            call.timer.waiting = 0
        self._spend(spent_us)
        self._begin_call()  # of the one that this one had interrupted

    def _do(self, op: int, a: int, b: int, c: int, payload: bytes) -> None:
        """What is told and needs no answer."""
        now = self.now_us
        pins = self.pins
        if op == ops.OP_PIN_WRITE:
            pins.write(now, a, b)
        elif op == ops.OP_PWM_DUTY:
            pins.set_pwm(now, a, duty=b)
        elif op == ops.OP_SM_POST:
            self.machines[a & 7].put(now, c)
        elif op == ops.OP_PIN_INIT:
            mode = b & 15
            if mode == ops.PIN_ALT:
                pins.setup(now, a, 15, b >> 4 & 15, 2)
            else:
                pins.setup(now, a, mode, b >> 4 & 15, b >> 8)
        elif op == ops.OP_PIN_TOGGLE:
            pins.toggle(now, a)
        elif op == ops.OP_PWM_INIT:
            pins.connect_pwm(now, a)
        elif op == ops.OP_PWM_FREQ:
            pins.set_pwm(now, a, hz=c)
        elif op == ops.OP_PWM_STOP:
            pins.stop_pwm(now, a)
        elif op == ops.OP_ADC_INIT:
            self.adc_channels.add(a)
            self.adc_attenuation[a] = b
        elif op == ops.OP_TIMER_START:
            period = c if b & ops.TIMER_PERIODIC else 0
            self.timers[a] = Timer(a, bool(b & ops.TIMER_HARD), period, now + c)
        elif op == ops.OP_TIMER_STOP:
            self.timers.pop(a, None)
        elif op == ops.OP_SM_ACTIVE:
            self.machines[a & 7].run_until(now)
            self.machines[a & 7].set_active(now, bool(b))
        elif op == ops.OP_SM_RESTART:
            self.machines[a & 7].restart(now)
        elif op == ops.OP_SM_EXEC:
            self.machines[a & 7].execute(now, b)
        elif op == ops.OP_SM_INIT:
            self._init_machine(payload)
        elif op == ops.OP_WDT_FEED:
            if self.watchdog_us:
                self.watchdog_due_us = now + self.watchdog_us
        elif op == ops.OP_REPL_MODE:
            self.raw_repl = bool(a)
            self._end_of_program()
        elif op == ops.OP_MEM_WRITE:
            self._write_register(c, int.from_bytes(payload, "little"))
        elif op == ops.OP_RTC_WRITE:
            self.rtc_memory = payload
        elif op == ops.OP_INTERRUPTED:
            self.interrupt_waits = False

    def _prepare(self, op: int, a: int, b: int, c: int, payload: bytes) -> int | None:
        """Do what an ask is about; when its answer is due, None if never."""
        now = self.now_us
        if op == ops.OP_SLEEP_MS:
            return now + c * 1000
        if op == ops.OP_SLEEP_US:
            return now + c
        if op in (ops.OP_FLASH_ERASE, ops.OP_FLASH_PROGRAM):
            return self._flash(op, c, payload)
        if op == ops.OP_RESET:
            self.ended = RESET
            return None
        if op == ops.OP_SOFT_RESET:
            self.raw_repl = bool(c)
            self.ended = SOFT
            return None
        if op == ops.OP_EXEC_BEGIN:
            self.prompting = False
        elif op == ops.OP_PROGRAM:
            self.interrupt_character = _CTRL_C
            self.interrupt_waits = False
            self.program_runs = True
            self.on_unread(payload)
        elif op == ops.OP_EXEC_END:
            self.interrupt_character = _NO_CHARACTER
        elif op == ops.OP_KBD_INTR:
            self.interrupt_character = b
        elif op == ops.OP_WDT_START:
            self.watchdog_us = c * 1000
            self.watchdog_due_us = now + self.watchdog_us
            if self.chip.name == "rp2040":
                self._scratch[4] = 0x6AB73121  # as the SDK's watchdog_enable leaves it
        elif op == ops.OP_I2C_INIT:
            scl, sda, hz, timeout = struct.unpack("<BBII", payload)
            for number in (scl, sda):
                if number in self.pins:
                    self.pins.setup(now, number, 2, 1, 1)
            self.world.connect_bus(a, scl, sda, hz, timeout)
        elif op == ops.OP_I2C:
            self._i2c_answer = self.world.transfer(
                a, c & 255, payload, c >> 8 & 0xFFFF, bool(c >> 24 & ops.I2C_SCAN)
            )
            return now + self._i2c_answer[1]
        elif op == ops.OP_SM_PUT:
            machine = self.machines[a & 7]
            if len(machine.tx) >= 4:
                return NEVER if not machine.active else max(machine.next_us(), now)
        elif op == ops.OP_SM_GET:
            machine = self.machines[a & 7]
            if not machine.rx:
                return max(machine.next_us(), now) if machine.active else NEVER
        elif op == ops.OP_FREQ and c:
            self.frequency_hz = c
        elif op == ops.OP_COOK:
            self.on_cook(bool(b))
        return now

    def _flash(self, op: int, offset: int, payload: bytes) -> int | None:
        try:
            if op == ops.OP_FLASH_ERASE:
                took_us = self.flash.erase(offset)
            else:
                took_us = self.flash.program(offset, payload)
        except PowerLost:
            self.ended = POWER_CUT
            return None
        if not self.flash_takes_time:
            return self.now_us
        # Interrupts are off meanwhile: timers that fall due come late.
        self._interrupts_off_until_us = self.now_us + took_us
        return self.now_us + took_us

    def _give_answer(self, asked: Asked) -> None:
        op, a = asked.op, asked.a
        value = 0
        us = self.now_us - self._started_us
        if op in (ops.OP_TICKS_US, ops.OP_TICKS_MS):
            value = (us if op == ops.OP_TICKS_US else us // 1000) & ops.TICKS_MASK
        elif op == ops.OP_PIN_READ:
            value = self.pins.level(a)
        elif op == ops.OP_ADC_READ:
            value = self.world.adc_counts(self._adc_pin(a))
        elif op == ops.OP_ADC_UV:
            value = self.world.adc_uv(self._adc_pin(a))
        elif op == ops.OP_SM_FIFO:
            machine = self.machines[a & 7]
            machine.run_until(self.now_us)
            value = (len(machine.tx), len(machine.rx), int(machine.active))[asked.b]
        elif op == ops.OP_SM_PUT:
            if not self.machines[a & 7].put(self.now_us, asked.c):
                self._ask_again(asked)
                return
        elif op == ops.OP_SM_GET:
            got = self.machines[a & 7].get(self.now_us)
            if got is None:
                self._ask_again(asked)
                return
            value = got
        elif op == ops.OP_MEM_READ:
            value = self._read_register(asked.c)
        elif op == ops.OP_RTC_READ:
            self._send_data(self.rtc_memory)
            return
        elif op == ops.OP_I2C:
            error, _, data = self._i2c_answer
            if error:
                self.to_main += _RECORD.pack(ops.GIVES_ERROR, 0, 0, error)
            elif asked.c >> 8 & 0xFFFF:
                self._send_data(data)
            else:
                self.to_main += _RECORD.pack(ops.GIVES_VALUE, 0, 0, len(data))
            return
        elif op == ops.OP_RESET_CAUSE:
            value = self.cause
        elif op == ops.OP_FREQ:
            value = self.frequency_hz
        elif op == ops.OP_TIME_S:
            value = us // 1_000_000 + 662_688_000  # 2021-01-01, as the RP2040 starts
        elif op == ops.OP_EXEC_END:
            self._end_of_program()
        waits = 1 if self.interrupt_waits and self.is_in_files else 0
        stays = 0
        if op == ops.OP_ADC_UV and self.fast and not self.calls:
            stays = max(0, self._stepped_us + STEP_US - self.now_us - ops.CALL_US)
        self.to_main += _RECORD.pack(ops.GIVES_VALUE, waits, stays, value)

    def _end_of_program(self) -> None:
        self.program_runs = False
        self.prompting = True
        self.interrupt_character = _NO_CHARACTER
        self.interrupt_waits = False
        self.state = PROMPT

    def _ask_again(self, asked: Asked) -> None:
        """A FIFO that is not ready yet: look again when its machine has moved."""
        machine = self.machines[asked.a & 7]
        again = asked._replace(wake_us=max(machine.next_us(), self.now_us + 1))
        if self.calls:
            self.asked_in_call = again
        else:
            self.asked = again
            self.state = ASKING

    def _send_data(self, data: bytes) -> None:
        self.to_main += _RECORD.pack(ops.GIVES_DATA, 0, len(data), 0) + data

    @property
    def is_in_files(self) -> bool:
        """Was its last question about the flash?"""
        return self.last_op in (ops.OP_FLASH_ERASE, ops.OP_FLASH_PROGRAM)

    # The prompt

    def type(self, data: bytes) -> None:
        """Bytes for the prompt."""
        for at in range(0, len(data), 4096):
            piece = data[at : at + 4096]
            self.to_main += _RECORD.pack(ops.GIVES_INPUT, 0, len(piece), 0) + piece
        self._begin_turn()

    def interrupt(self) -> None:
        """The interrupting character has come."""
        asked = self.asked
        if (
            self.state == ASKING
            and asked is not None
            and not self.calls
            and asked.op in (ops.OP_SLEEP_MS, ops.OP_SLEEP_US)
        ):
            self.asked = None
            self.state = COMPUTING
            self._begin_turn()
            self.to_main += _RECORD.pack(ops.GIVES_INTERRUPT, 0, 0, 0)
        else:
            self.interrupt_waits = True

    # Parts

    def _adc_pin(self, channel: int) -> int:
        pins = self.chip.adc_pins
        return pins[channel] if channel < len(pins) else -1

    def _pio_pins(self, us: int, base: int, count: int, levels: int) -> None:
        self.pins.pio_write(us, base, count, levels)

    def _init_machine(self, payload: bytes) -> None:
        fields = struct.unpack_from(ops.SM_FORM, payload)
        number, bases, counts = fields[0], fields[1:6], fields[6:9]
        length, hz, execctrl, shiftctrl = fields[9:13]
        program = list(struct.unpack_from(f"<{length}H", payload, ops.SM_HEAD))
        now = self.now_us
        self.machines[number & 7].init(
            program, bases, counts, hz, execctrl, shiftctrl, self.frequency_hz
        )
        for base, count, levels in (
            (bases[1], counts[0], fields[13]),
            (bases[2], counts[1], fields[14]),
            (bases[4], counts[2], fields[15]),
        ):
            if base == 255:
                continue
            for place in range(count):
                bits = levels >> 2 * place & 3
                if base + place in self.pins:
                    self.pins.give_to_pio(now, base + place, bits >> 1, bits & 1)

    def _read_register(self, address: int) -> int:
        if self.chip.name != "rp2040":
            return 0
        register = (address & ~0x3000) - _WATCHDOG
        if register == _CTRL and self.watchdog_us:
            left = max(0, self.watchdog_due_us - self.now_us) * _TICKS_PER_US
            return _CTRL_ENABLE | min(left, _TIME_MASK)
        if register == _REASON:
            return self._reason
        if _SCRATCH0 <= register <= _SCRATCH7:
            return self._scratch[(register - _SCRATCH0) // 4]
        return 0

    def _write_register(self, address: int, value: int) -> None:
        if self.chip.name != "rp2040":
            return
        register = (address & ~0x3000) - _WATCHDOG
        if register == _LOAD:
            self._load_us = (value & _TIME_MASK) // _TICKS_PER_US
            if self.watchdog_us:
                self.watchdog_due_us = self.now_us + self._load_us
        elif register == _CTRL:
            if value & _CTRL_TRIGGER:
                self.ended = RESET
            elif value & _CTRL_ENABLE:
                self.watchdog_us = self._load_us
                self.watchdog_due_us = self.now_us + self._load_us
            else:
                self.watchdog_us = 0
                self.watchdog_due_us = NEVER
        elif _SCRATCH0 <= register <= _SCRATCH7:
            self._scratch[(register - _SCRATCH0) // 4] = value

    _load_us = 0
