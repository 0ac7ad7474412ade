"""Pins, timers, watchdog and resets of the simulated chip, through its interpreter."""

import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from emery.virtual_board import image
from emery.virtual_board.board import IMAGE, VirtualBoard
from emery.virtual_board.console import BoardError, Console
from emery.virtual_board.pins import HIGH

OUT, PWM_PIN, OTHER = 25, 26, 27  # usable on both chips


RP2040 = pytest.mark.parametrize("chip", ["rp2040"], indirect=True)
ESP32 = pytest.mark.parametrize("chip", ["esp32"], indirect=True)


def soft_reset(console: Console) -> None:
    since = len(console.printed)
    console.type(b"\x04")
    console.wait_for(b"raw REPL; CTRL-B to exit\r\n>", since=since)


def wait_for_reset(board: VirtualBoard, console: Console, number: int) -> None:
    board.wait_until(lambda: len(board.resets) == number and board.at_prompt)
    console.interrupt()


def test_a_pin_drives_and_is_seen_with_its_time(console: Console, board: VirtualBoard) -> None:
    console.run(
        "import time\nfrom machine import Pin\n"
        f"p = Pin({OUT}, Pin.OUT, value=1)\ntime.sleep_us(2500)\n"
        "p.value(0)\np(1)\np.off()\np.on()"
    )
    changes = [change for change in board.trace if change.pin == OUT]
    assert [change.permille for change in changes] == [HIGH, 0, HIGH, 0, HIGH]
    assert 2500 <= changes[1].us - changes[0].us < 2600
    assert console.run("print(p.value())") == "1\n"


def test_inputs_have_pulls_and_what_hangs_on_them(
    console: Console, board: VirtualBoard
) -> None:
    console.run(f"from machine import Pin\np = Pin({OTHER}, Pin.IN, Pin.PULL_UP)")
    assert console.run("print(p.value())") == "1\n"
    board.pins.outside(OTHER, 0)
    assert console.run("print(p.value())") == "0\n"
    board.pins.outside(OTHER, None)
    console.run("p.init(Pin.IN, Pin.PULL_DOWN)")
    assert console.run("print(p.value())") == "0\n"
    with pytest.raises(BoardError, match="ValueError: invalid pin"):
        console.run("Pin(31)")


def test_naming_a_pin_does_not_touch_it(console: Console, board: VirtualBoard) -> None:
    console.run(f"from machine import Pin\nPin({OUT}, Pin.OUT, value=1)\nPin({OUT})")
    assert board.pins[OUT].permille == HIGH


def test_pwm_gives_its_duty_and_stops_as_the_chip_does(
    console: Console, board: VirtualBoard, chip: str
) -> None:
    console.run(
        f"from machine import Pin, PWM\np = PWM(Pin({PWM_PIN}), freq=20000, duty_u16=0)\n"
        "p.duty_u16(32768)\nprint(p.freq(), p.duty_u16())"
    )
    assert board.pins[PWM_PIN].permille == 500
    assert board.pins[PWM_PIN].hz == 20_000
    board.pins.frozen_pwm = "high"
    soft_reset(console)
    # MicroPython stops the slices of an RP2040 wherever they are; LEDC goes to 0.
    assert board.pins[PWM_PIN].permille == (HIGH if chip == "rp2040" else 0)
    assert board.pins[PWM_PIN].drives


def test_gpio_outputs_outlive_a_soft_reset_and_no_reset(
    console: Console, board: VirtualBoard
) -> None:
    console.run(f"from machine import Pin\nPin({OUT}, Pin.OUT, value=1)")
    soft_reset(console)
    assert board.pins[OUT].permille == HIGH
    board.press_reset()
    assert board.pins[OUT].permille == 0
    assert not board.pins[OUT].drives


def test_adc_without_a_world_reads_nothing(console: Console, chip: str) -> None:
    pin = 26 if chip == "rp2040" else 32
    assert console.run(f"from machine import ADC, Pin\nprint(ADC(Pin({pin})).read_u16())") == "0\n"


def test_time_passes_in_sleeps_and_wraps_as_on_the_chip(
    console: Console, board: VirtualBoard
) -> None:
    told = console.run(
        "import time\na = time.ticks_ms()\nu = time.ticks_us()\ntime.sleep_ms(1234)\n"
        "print(1234 <= time.ticks_diff(time.ticks_ms(), a) <= 1235)\n"
        "print(1234000 <= time.ticks_diff(time.ticks_us(), u) < 1234200)\n"
        "print(time.ticks_add(0x3FFFFFFF, 2), time.ticks_diff(1, 0x3FFFFFFF))"
    )
    assert told == "True\nTrue\n1 2\n"


def test_hard_timer_ticks_while_the_program_computes_and_at_the_prompt(
    console: Console, board: VirtualBoard, chip: str
) -> None:
    if chip == "esp32":
        with pytest.raises(BoardError, match="ValueError: hard Timers are not implemented"):
            console.run("import machine\nmachine.Timer(0, period=5, hard=True)")
        return
    console.run(
        "import machine, time\nn = 0\ndef tick(t):\n    global n\n    n += 1\n"
        "t = machine.Timer(period=5, mode=machine.Timer.PERIODIC, callback=tick, hard=True)\n"
    )
    told = console.run("n = 0\ntime.sleep_ms(1000)\nprint(n)")
    assert 199 <= int(told) <= 201
    told = console.run("n = 0\nwhile n < 20: pass\nprint('computed')")
    assert told == "computed\n"
    console.run("n = 0")
    time.sleep(0.3)
    assert int(console.run("print(n)")) > 20
    console.run("t.deinit()")
    assert console.run("n = 0\ntime.sleep_ms(100)\nprint(n)") == "0\n"


@RP2040
def test_hard_callback_may_not_allocate_and_dies_of_an_exception(
    console: Console, board: VirtualBoard
) -> None:
    told = console.run(
        "import machine, time\nn = 0\ncaught = 0\ndef tick(t):\n    global n, caught\n    n += 1\n"
        "    try:\n        [n]\n    except MemoryError:\n        caught += 1\n"
        "    if n == 5: 1 // 0\n"
        f"p = machine.Pin({OUT}, machine.Pin.OUT, value=1)\n"
        "t = machine.Timer(period=5, callback=tick, hard=True)\n"
        "time.sleep_ms(100)\nprint(n, caught)"
    )
    assert "ZeroDivisionError" in told
    assert told.endswith("5 5\n")
    # The port does not call it again, and outputs stay as they were.
    assert board.pins[OUT].permille == HIGH


@RP2040
def test_hard_callback_drives_pins_at_its_own_time(
    console: Console, board: VirtualBoard
) -> None:
    console.run(
        "import machine, time\n"
        f"p = machine.Pin({OUT}, machine.Pin.OUT, value=0)\nv = p.value\n"
        "def tick(t):\n    v(1 - v())\n"
        "t = machine.Timer(period=5, callback=tick, hard=True)\ntime.sleep_ms(52)\nt.deinit()"
    )
    times = [change.us for change in board.trace if change.pin == OUT]
    assert len(times) == 10
    assert {later - sooner for sooner, later in pairwise(times)} == {5_000}


def test_soft_timer_goes_on_after_an_exception(console: Console, chip: str) -> None:
    number = "-1" if chip == "rp2040" else "0"
    told = console.run(
        "import machine, time\nn = 0\ndef tick(t):\n    global n\n    n += 1\n    1 // 0\n"
        f"t = machine.Timer({number}, period=10, mode=machine.Timer.PERIODIC, callback=tick)\n"
        "time.sleep_ms(55)\nt.deinit()\nprint('n', n)"
    )
    assert told.endswith("n 5\n")


def test_one_shot_timer_calls_once(console: Console, chip: str) -> None:
    number = "-1" if chip == "rp2040" else "1"
    told = console.run(
        "import machine, time\nn = 0\ndef tick(t):\n    global n\n    n += 1\n"
        f"machine.Timer({number}, period=10, mode=machine.Timer.ONE_SHOT, callback=tick)\n"
        "time.sleep_ms(100)\nprint(n)"
    )
    assert told == "1\n"


def test_a_timer_feeds_the_watchdog_while_a_program_waits_for_input(
    console: Console, board: VirtualBoard, chip: str
) -> None:
    # Stuck in a read of stdin, MicroPython's main thread runs no callback.
    number = "-1" if chip == "rp2040" else "0"
    since = console.start(
        "import machine, sys\nn = 0\nw = machine.WDT(timeout=300)\n"
        "def feed(t):\n    global n\n    n += 1\n    w.feed()\n"
        f"t = machine.Timer({number}, period=100, mode=machine.Timer.PERIODIC, callback=feed)\n"
        "print('waiting')\nsys.stdin.read(1)\nprint('fed', n > 2)"
    )
    since = console.wait_for(b"waiting\r\n", since=since)
    time.sleep(1.0)
    console.type(b"x")
    console.wait_for(b"fed True\r\n", since=since)
    assert board.resets == []


def test_watchdog_bites_unless_fed_and_outlives_a_soft_reset(
    console: Console, board: VirtualBoard, chip: str
) -> None:
    console.run("import machine, time\nw = machine.WDT(timeout=2000)")
    console.run("for _ in range(10):\n    time.sleep_ms(1500)\n    w.feed()")
    soft_reset(console)
    assert board.resets == []
    if chip == "rp2040":
        told = console.run("import machine\nprint(machine.mem32[0x40058000] >> 30 & 1)")
        assert told == "1\n"
    console.start("import time\ntime.sleep_ms(2500)\nprint('too late')")
    wait_for_reset(board, console, 1)
    assert board.resets == ["watchdog"]
    assert b"too late" not in console.printed
    assert console.run("import machine\nprint(machine.reset_cause() == machine.WDT_RESET)") == (
        "True\n"
    )
    if chip == "rp2040":
        told = console.run("print(machine.mem32[0x40058000] >> 30 & 1, machine.mem32[0x40058008])")
        assert told == "0 1\n"


def test_watchdog_bites_a_loop_that_asks_for_nothing(
    console: Console, board: VirtualBoard
) -> None:
    console.start("import machine\nmachine.WDT(timeout=200)\nwhile True: pass")
    wait_for_reset(board, console, 1)
    assert board.resets == ["watchdog"]


@RP2040
def test_watchdog_has_its_longest_time(console: Console) -> None:
    with pytest.raises(BoardError, match="timeout exceeds 8388"):
        console.run("import machine\nmachine.WDT(timeout=8389)")


def test_reset_causes(console: Console, board: VirtualBoard, chip: str) -> None:
    cause = "import machine\nprint(machine.reset_cause())"
    assert console.run(cause) == "1\n"
    soft_reset(console)
    assert console.run(cause) == ("1\n" if chip == "rp2040" else "5\n")
    console.start("import machine\nmachine.reset()")
    wait_for_reset(board, console, 1)
    # The RP2040 resets itself by its watchdog.
    assert console.run(cause) == ("3\n" if chip == "rp2040" else "2\n")
    board.cut_power()
    board.power_on()
    board.wait_until(lambda: board.at_prompt)
    console.interrupt()
    assert console.run(cause) == "1\n"


def test_a_reset_asked_for_in_a_callback(console: Console, board: VirtualBoard, chip: str) -> None:
    number = "-1" if chip == "rp2040" else "0"
    console.start(
        "import machine, time\n"
        f"machine.Timer({number}, period=10, callback=lambda t: machine.reset())\n"
        "time.sleep(10)"
    )
    wait_for_reset(board, console, 1)
    assert board.resets == ["machine.reset"]


@ESP32
def test_rtc_memory_outlives_a_reset_and_no_power_cut(
    console: Console, board: VirtualBoard
) -> None:
    console.run("import machine\nmachine.RTC().memory(b'note')")
    board.press_reset()
    board.wait_until(lambda: board.at_prompt)
    console.interrupt()
    read = "import machine\nprint(machine.RTC().memory())"
    assert console.run(read) == "b'note'\n"
    board.cut_power()
    board.power_on()
    board.wait_until(lambda: board.at_prompt)
    console.interrupt()
    assert console.run(read) == "b''\n"


def test_kill_9_is_a_power_cut(console: Console, board: VirtualBoard) -> None:
    console.run(f"from machine import Pin\nPin({OUT}, Pin.OUT, value=1)")
    os.kill(board.pid, signal.SIGKILL)
    board.wait_until(lambda: board.resets == ["power cut by kill -9"] and board.at_prompt)
    assert board.pins[OUT].permille == 0
    console.interrupt()
    assert console.run("print('again')") == "again\n"


def test_no_process_is_left_behind(chip: str, tmp_path: Path) -> None:
    with VirtualBoard(chip, tmp_path, fast=True) as board:
        console = Console(board)
        board.wait_until(lambda: board.at_prompt)
        console.interrupt()
        console.start("while True: pass")
        pid = board.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_time_goes_on_without_power(board: VirtualBoard) -> None:
    board.cut_power()
    assert not board.is_running
    before = board.now_us
    board.wait_until(lambda: board.now_us > before + 50_000)


@RP2040
def test_the_pio_runs_a_program_and_stops_with_the_interpreter(
    console: Console, board: VirtualBoard
) -> None:
    console.run(
        "import rp2, time\nfrom machine import Pin\n"
        "@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)\ndef beat():\n"
        "    wrap_target()\n    pull(block)\n    mov(x, osr)\n    label('again')\n"
        "    set(pins, 1)[4]\n    set(pins, 0)[3]\n    jmp(x_dec, 'again')\n    wrap()\n"
        f"sm = rp2.StateMachine(0, beat, freq=10_000, set_base=Pin({OUT}))\n"
        "sm.active(1)\nsm.put(2)\nprint(sm.tx_fifo())\ntime.sleep_ms(10)\nprint(sm.tx_fifo())"
    )
    changes = [change for change in board.trace if change.pin == OUT]
    assert [change.permille for change in changes] == [HIGH, 0] * 3
    # set(1) and 4 cycles of 100 us, set(0) and 3, jmp.
    assert [later.us - sooner.us for sooner, later in pairwise(changes)] == [
        500, 500, 500, 500, 500,
    ]  # fmt: skip
    console.run("sm.put(1000)\ntime.sleep_us(200)")
    soft_reset(console)
    count = len(board.trace)
    console.run("import time\ntime.sleep_ms(20)")
    assert len(board.trace) == count
    assert board.pins[OUT].drives
    assert board.pins[OUT].permille == board.trace[-1].permille


def test_a_held_board_runs_the_same_in_every_run(chip: str, tmp_path: Path) -> None:
    main = (
        "import machine, time\n"
        f"p = machine.Pin({OUT}, machine.Pin.OUT, value=0)\n"
        f"q = machine.PWM(machine.Pin({PWM_PIN}), freq=20000, duty_u16=0)\n"
        "n = 0\n"
        "def tick(t):\n    global n\n    n += 1\n    p.value(n & 1)\n"
        "t = machine.Timer({}, period=7, mode=machine.Timer.PERIODIC, callback=tick{})\n"
        "while True:\n    q.duty_u16(time.ticks_us() & 0xFFFF)\n    time.sleep_ms(3)\n"
    ).format("-1" if chip == "rp2040" else "0", ", hard=True" if chip == "rp2040" else "")
    traces = []
    for run in range(2):
        folder = tmp_path / str(run)
        image.make_image(folder / IMAGE, chip, {"/main.py": main.encode()})
        with VirtualBoard(chip, folder, fast=True, held=True) as board:
            board.run_for(2_000)
            traces.append(list(board.trace))
            assert board.now_us == 2_000_000
    assert len(traces[0]) > 500
    assert traces[0] == traces[1]


def test_real_time_is_the_walls(chip: str, tmp_path: Path) -> None:
    with VirtualBoard(chip, tmp_path) as board:
        console = Console(board)
        board.wait_until(lambda: board.at_prompt)
        console.interrupt()
        began = time.monotonic()
        told = console.run("import time\na = time.ticks_ms()\ntime.sleep_ms(500)\n"
                           "print(time.ticks_diff(time.ticks_ms(), a))")
        assert 0.45 < time.monotonic() - began < 5
        assert 500 <= int(told) < 1_000
