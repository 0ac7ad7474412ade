"""A virtual board: chip, flash and world in this process, MicroPython in a child.

`VirtualBoard` is a context manager. A thread of its own serves the interpreter, the
port and the clock; the methods here may be called from any other thread.
"""

import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from emery.virtual_board.chips import CHIPS, NEVER, own_id
from emery.virtual_board.flash import Flash
from emery.virtual_board.interpreter import Interpreter
from emery.virtual_board.mcu import (
    COMPUTING,
    OFF,
    POWER_CUT,
    PROMPT,
    RESET,
    SOFT,
    WATCHDOG,
    Mcu,
)
from emery.virtual_board.panel import Panel
from emery.virtual_board.pins import Change, Pins
from emery.virtual_board.port import Port, PseudoTerminal, TcpServer
from emery.virtual_board.world import World

IMAGE = "flash.img"
_INTERPRETER_KIB = 2048
# A program that asks for nothing for so long is interrupted by a signal; one that only
# ever writes files, after so long by a new interpreter.
_SIGNAL_AFTER_US = 100_000
_FILES_AFTER_US = 1_000_000
# Whoever holds the time wants to see the same again.
_HELD_PATIENCE_US = 400_000
_HUNG_PATIENCE_US = 2_000
_LIMIT_S = 30.0
_ALIVE_S = 0.05
_NOTIFY_S = 0.003
_PIECE = 65_536
_HOLDS = 16 * 1024


class VirtualBoard:
    """One board of `chip`, one of CHIPS, whose flash lies in `folder`.

    It is powered on as the context begins. `fast` lets time jump while the firmware
    sleeps; otherwise it is the wall's. `held` holds the time of a fast board from the
    start, until `run_for` or `run_free`. Raises InterpreterMissing.
    """

    def __init__(
        self,
        chip: str,
        folder: Path,
        *,
        world: World | None = None,
        fast: bool = False,
        held: bool = False,
        tcp: bool = False,
        powered: bool = True,
        heap_kib: int = _INTERPRETER_KIB,
        seed: int = 1,
    ) -> None:
        self.chip = CHIPS[chip]
        self.chip_id = own_id(chip, folder)
        self.flash = Flash(folder / IMAGE, self.chip.flash_blocks, seed)
        self.world = world if world is not None else World()
        self._mcu = Mcu(
            self.chip,
            self.flash,
            self.world,
            fast=fast,
            wall_us=lambda: time.monotonic_ns() // 1000,
        )
        if held:
            self._mcu.limit_us = 0
            self._mcu.patience_us = _HELD_PATIENCE_US
        self._mcu.on_cook = self._set_cook
        self._mcu.on_unread = self._give_back
        self.world.cut_power = self._flicker
        self._flickers = False
        self._panel: Panel | None = None
        if self.world.operator is not None:
            self._panel = Panel(self.world, self._type_line, lambda: self._mcu.program_runs)
        self._powered = powered
        self._heap_kib = heap_kib
        self._lock = threading.RLock()
        self._moved = threading.Condition(self._lock)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_read, selectors.EVENT_READ, "wake")
        self._port: Port = TcpServer() if tcp or os.name == "nt" else PseudoTerminal()
        self._heard = -1
        self._console_on = False
        if isinstance(self._port, TcpServer):
            self._selector.register(self._port.listener(), selectors.EVENT_READ, "listener")
        self._interpreter: Interpreter | None = None
        self._typed = bytearray()  # not taken by the interpreter yet
        self._cook = True
        self._last_byte = 0
        self._interrupted_us = 0
        self._line_closed = False
        self._seen_alive = 0.0
        self._waiting = 0
        self._notified = 0.0
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="virtual board", daemon=True)
        self.starts = 0
        self.soft_resets = 0
        self.resets: list[str] = []  # why each start after the first came about
        self.crashes: list[int] = []  # exit codes of interpreters that died by themselves
        self.on_output: Callable[[bytes], None] | None = None

    # Context

    def __enter__(self) -> "VirtualBoard":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Begin, as the context does."""
        if self._powered:
            with self._lock:
                self._power_on()
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the board's thread, if anything did."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """Everything is gone but the flash image."""
        if self._stopping:
            return
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join(_LIMIT_S)
        self._drop_interpreter()
        self._selector.close()
        self._port.close()
        self.flash.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        self.check()

    # What a user sees

    @property
    def port(self) -> str:
        """What mpremote connects to."""
        return self._port.path

    @property
    def now_us(self) -> int:
        """The board's time since it was made."""
        return self._mcu.now_us

    @property
    def trace(self) -> list[Change]:
        """Every change of what a pin gives out: (us, pin, permille)."""
        return self._mcu.pins.trace

    @property
    def pins(self) -> Pins:
        """The pins; see `emery.virtual_board.pins`."""
        return self._mcu.pins

    @property
    def is_running(self) -> bool:
        """Is there power, and an interpreter?"""
        return self._interpreter is not None

    @property
    def at_prompt(self) -> bool:
        """Does the interpreter wait for somebody to type?"""
        return self._mcu.state == PROMPT

    @property
    def pid(self) -> int:
        """The interpreter's process; 0 if there is none."""
        return self._interpreter.pid if self._interpreter is not None else 0

    # Power

    def power_on(self) -> None:
        """Give it power; nothing if it has some."""
        with self._lock:
            if self._interpreter is None:
                self._power_on()
        self._wake()

    def cut_power(self) -> None:
        """Take its power away at once. Flash, world and time stay."""
        with self._lock:
            self._cut_power()
        self._wake()

    def press_reset(self) -> None:
        """The reset button of the board."""
        with self._lock:
            if self._interpreter is not None:
                self._restart(self.chip.power_on_cause, "reset button")
        self._wake()

    def cut_power_at(self, operation: int) -> None:
        """Cut the power in the n-th program or erase of the flash from now (1: the
        next), which is torn. `power_on` gives it back."""
        with self._lock:
            self.flash.cut_at(operation)

    # Time

    def run_for(self, ms: float) -> None:
        """Fast pace: let so much time pass, and hold it then."""
        with self._lock:
            until = self._mcu.now_us + int(ms * 1000)
            self._mcu.limit_us = until
        self._wake()
        self.wait_until(lambda: self._mcu.now_us >= until)

    def run_free(self) -> None:
        """Fast pace: hold time no longer."""
        with self._lock:
            self._mcu.limit_us = NEVER
        self._wake()

    def hold(self) -> None:
        """Fast pace: hold time where it is."""
        with self._lock:
            self._mcu.limit_us = self._mcu.now_us
        self._wake()

    def wait_until(self, condition: Callable[[], bool], limit_s: float = _LIMIT_S) -> None:
        """Wait by the wall. Raises TimeoutError, or what ended the board."""
        end = time.monotonic() + limit_s
        with self._moved:
            self._waiting += 1
            try:
                while not condition():
                    self.check()
                    if time.monotonic() > end:
                        raise TimeoutError(
                            f"the virtual board did not get there within {limit_s:.0f} s: it "
                            f"is {self._mcu.state} at {self._mcu.now_us / 1e6:.3f} s"
                        )
                    self._moved.wait(0.05)
            finally:
                self._waiting -= 1

    def expect_hang(self) -> None:
        """Fast pace: the firmware is about to compute for ever. Time goes on meanwhile
        without much waiting for its next word, as the wall has it."""
        with self._lock:
            self._mcu.patience_us = _HUNG_PATIENCE_US

    def locked(self) -> threading.RLock:
        """Hold this to look at several things at one moment, or to change them."""
        return self._lock

    # The thread

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _serve(self) -> None:
        try:
            while not self._stopping:
                with self._lock:
                    delay = self._turn()
                    if self._waiting:
                        self._notify()
                events = self._selector.select(delay)
                with self._lock:
                    for key, _ in events:
                        self._hear(key.data)
        except BaseException as failure:  # noqa: BLE001 - raised where somebody waits
            self._failure = failure

    def _notify(self) -> None:
        """Let those who wait look; not in every turn, which would cost as much."""
        mcu = self._mcu
        now = time.monotonic()
        if (
            mcu.now_us >= mcu.limit_us
            or mcu.state in (PROMPT, OFF)
            or now - self._notified > _NOTIFY_S
        ):
            self._notified = now
            self._moved.notify_all()

    def _turn(self) -> float:
        """Everything that can be done now; seconds until there may be more."""
        mcu = self._mcu
        delay = mcu.progress()
        self._send()
        if self._flickers:
            self._flickers = False
            self._cut_power()
            self._power_on()
            self.resets.append("power cut of the scenario")
            return 0.0
        if mcu.ended:
            self._end(mcu.ended)
            return 0.0
        self._port.flush()
        self._watch_port()
        if self._interpreter is not None and self._may_have_died():
            self._hear("console")
            self._hear("line")
            if not mcu.ended:
                self._crash()
            return 0.0
        self._give_typed()
        self._interrupt_if_late()
        wait = 0.5 if delay is None else min(delay, 0.5)
        if mcu.interrupt_waits or self._typed or self._port.is_waiting:
            wait = min(wait, 0.01)
        return wait

    def _may_have_died(self) -> bool:
        """Is the interpreter gone? Asked now and then, or when its line is closed."""
        now = time.monotonic()
        if not self._line_closed and now - self._seen_alive < _ALIVE_S:
            return False
        self._seen_alive = now
        return self._interpreter is not None and self._interpreter.has_died()

    def _watch_port(self) -> None:
        """Hear the port while there is room for what it says, and the board's
        console while the port takes what that prints."""
        wanted = self._port.fileno() if len(self._typed) < _HOLDS else -1
        if wanted != self._heard:
            if self._heard >= 0:
                with suppress(KeyError, ValueError):
                    self._selector.unregister(self._heard)
            if wanted >= 0:
                self._selector.register(wanted, selectors.EVENT_READ, "port")
            self._heard = wanted
        console = self._interpreter is not None and self._port.has_room
        if console != self._console_on and self._interpreter is not None:
            if console:
                self._selector.register(
                    self._interpreter.console, selectors.EVENT_READ, "console"
                )
            else:
                self._selector.unregister(self._interpreter.console)
            self._console_on = console

    def _hear(self, what: str) -> None:
        if what == "wake":
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        elif what == "listener":
            if isinstance(self._port, TcpServer):
                if self._heard >= 0:
                    self._selector.unregister(self._heard)
                    self._heard = -1
                self._port.accept()
        elif what == "port":
            before = self._port.fileno()
            data = self._port.read()
            if self._port.fileno() != before and self._heard >= 0:
                with suppress(KeyError, ValueError):
                    self._selector.unregister(self._heard)
                self._heard = -1
            self._type(data)
        elif what == "console":
            self._read_console()
        elif self._interpreter is not None:
            end = self._interpreter.line if what == "line" else self._interpreter.helper
            try:
                data = end.recv(_PIECE)
            except BlockingIOError:
                return  # an event of the interpreter before this one
            except OSError:
                data = b""
            if data:
                self._mcu.feed(data)
            elif not self._mcu.ended:
                self._unregister_lines()

    def _unregister_lines(self) -> None:
        """The interpreter has closed its ends: it is about to be found dead."""
        self._line_closed = True
        if self._interpreter is not None:
            for end in (self._interpreter.line, self._interpreter.helper):
                with suppress(KeyError, ValueError):
                    self._selector.unregister(end)

    def _send(self) -> None:
        interpreter = self._interpreter
        if interpreter is None:
            return
        for out, end in (
            (self._mcu.to_main, interpreter.line),
            (self._mcu.to_helper, interpreter.helper),
        ):
            while out:
                try:
                    done = end.send(out)
                except BlockingIOError:
                    break
                except OSError:
                    out.clear()  # it has died, which is noticed elsewhere
                    break
                del out[:done]

    # The console

    def _type(self, data: bytes) -> None:
        """What came from the port."""
        mcu = self._mcu
        if self._panel is not None:
            self._panel.note_typed(data)
        character = mcu.interrupt_character
        if mcu.state not in (PROMPT, OFF) and character < 256 and character in data:
            at = data.rindex(character)
            # What was typed before it is forgotten, as on a board.
            self._typed.clear()
            data = data[at + 1 :]
            mcu.interrupt()
            self._interrupted_us = mcu.wall()
        if mcu.state != OFF:
            self._typed += data
        self._give_typed()

    def _type_line(self, line: bytes) -> None:
        """The operator's panel has something to say."""
        self._typed += line

    def type(self, data: bytes) -> None:
        """Type something, as if it came from the port."""
        with self._lock:
            self._type(data)
        self._wake()

    def _give_back(self, data: bytes) -> None:
        """The prompt has this already, and did not use it: it is the program's."""
        later = bytes(self._typed)
        self._typed.clear()
        self._type(data + later)

    def _give_typed(self) -> None:
        mcu = self._mcu
        if not self._typed or self._interpreter is None:
            return
        if mcu.state == PROMPT:
            mcu.type(bytes(self._typed))
            self._typed.clear()
            self._send()
        elif mcu.program_runs and not mcu.interrupt_waits:
            try:
                done = self._interpreter.console.send(self._typed)
            except OSError:
                return
            del self._typed[:done]

    def _interrupt_if_late(self) -> None:
        """A program that asks for nothing is interrupted by a signal.

        MicroPython's unix port raises it wherever it strikes, also within its own
        memory management; so it is the last resort. In littlefs it would leave that
        half-way: there the interpreter is started anew.
        """
        mcu = self._mcu
        if not mcu.interrupt_waits or self._interpreter is None or mcu.calls:
            return
        now = mcu.wall()
        if mcu.is_in_files:
            if now - self._interrupted_us > _FILES_AFTER_US:
                self._print(b"\nKeyboardInterrupt: \n")
                mcu.ended = SOFT
        elif mcu.state == COMPUTING and now - mcu.turn_since_us > _SIGNAL_AFTER_US:
            mcu.interrupt_waits = False
            self._interpreter.raise_keyboard_interrupt()

    def _read_console(self) -> None:
        """Everything that the board has printed until now."""
        if self._interpreter is None:
            return
        while self._port.has_room or self._mcu.ended:
            try:
                data = self._interpreter.console.recv(_PIECE)
            except OSError:
                return
            if not data:
                if self._console_on:
                    with suppress(KeyError, ValueError):
                        self._selector.unregister(self._interpreter.console)
                return
            self._print(data)

    def _print(self, data: bytes) -> None:
        if self._cook:
            last = self._last_byte
            self._last_byte = data[-1]
            if last == 13 and data[:1] == b"\n":
                data = b"\n" + data[1:].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            else:
                data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        else:
            self._last_byte = 0
        if self._panel is not None:
            data = self._panel.hear(data)
        if self.on_output is not None:
            self.on_output(data)
        self._port.write(data)

    def _set_cook(self, cook: bool) -> None:
        self._read_console()
        self._cook = cook

    # Life and death of interpreters

    def _flicker(self) -> None:
        """The world takes the power away for a moment."""
        self._flickers = True

    def _power_on(self) -> None:
        self._mcu.hard_reset(self.chip.power_on_cause, "power", power_lost=True)
        self._start()

    def _cut_power(self) -> None:
        if self._interpreter is not None:
            self._interpreter.kill()
            self._read_console()
            self._drop_interpreter()
        self._typed.clear()
        self._mcu.hard_reset(self.chip.power_on_cause, "power", power_lost=True)

    def _restart(self, cause: int, why: str) -> None:
        """A reset of the chip, of whatever kind."""
        self.resets.append(why)
        if self._interpreter is not None:
            self._interpreter.kill()
            self._read_console()
        self._drop_interpreter()
        self._typed.clear()
        self._mcu.hard_reset(cause, why)
        self._start()

    def _start(self) -> None:
        self.starts += 1
        self._line_closed = False
        if self._panel is not None:
            self._panel.start()
        self._cook = True
        self._interrupted_us = 0
        interpreter = Interpreter(
            self.chip.name,
            self.flash.path,
            raw=self._mcu.raw_repl,
            heap_kib=self._heap_kib,
            chip_id=self.chip_id,
        )
        self._interpreter = interpreter
        self._selector.register(interpreter.line, selectors.EVENT_READ, "line")
        self._selector.register(interpreter.helper, selectors.EVENT_READ, "helper")
        self._mcu.start()

    def _drop_interpreter(self) -> None:
        if self._interpreter is None:
            return
        for end in (self._interpreter.line, self._interpreter.helper, self._interpreter.console):
            with suppress(KeyError, ValueError):
                self._selector.unregister(end)
        self._console_on = False
        self._interpreter.close()
        self._interpreter = None

    def _end(self, why: str) -> None:
        """The interpreter has asked for its end, or the chip has reset it."""
        self._read_console()
        if why == SOFT:
            self.soft_resets += 1
            self._drop_interpreter()
            self._print(b"MPY: soft reboot\r\n")
            self._mcu.soft_reset()
            self._start()
        elif why == RESET:
            self._restart(self.chip.reset_cause, why)
        elif why == WATCHDOG:
            self._restart(self.chip.watchdog_cause, why)
        elif why == POWER_CUT:
            self.resets.append(why)
            self._cut_power()

    def _crash(self) -> None:
        """It died by itself, which no board does: start it again, and tell."""
        code = self._interpreter.exit_code if self._interpreter is not None else 0
        if code == -signal.SIGKILL:
            # Somebody's kill -9 is a power cut, a short one.
            self._cut_power()
            self._power_on()
            self.resets.append("power cut by kill -9")
            return
        self.crashes.append(code or 0)
        self._restart(self.chip.watchdog_cause, f"interpreter ended with {code}")

