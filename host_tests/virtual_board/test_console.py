"""The prompt, Ctrl-C, files and resets, as a board has them."""

import time
from pathlib import Path

import pytest

from emery.virtual_board import image
from emery.virtual_board.board import IMAGE, VirtualBoard
from emery.virtual_board.console import BoardError, Console

LIMIT_S = 20.0


def friendly(console: Console, board: VirtualBoard) -> int:
    """Leave the raw REPL; the place from which on is printed."""
    since = len(console.printed)
    console.type(b"\x02")
    return console.wait_for(b">>> ", since=since)


def test_code_runs_and_its_names_stay(console: Console) -> None:
    assert console.run("a = 20\nprint('hello', a)") == "hello 20\n"
    assert console.run("print(a + 3)") == "23\n"


def test_an_error_is_told_without_our_own_lines(console: Console) -> None:
    with pytest.raises(BoardError) as told:
        console.run("def f():\n 1/0\nf()")
    lines = str(told.value).splitlines()
    assert lines == [
        "Traceback (most recent call last):",
        '  File "<stdin>", line 3, in <module>',
        '  File "<stdin>", line 2, in f',
        "ZeroDivisionError: divide by zero",
    ]
    with pytest.raises(BoardError, match="SyntaxError"):
        console.run("a b")
    assert console.run("print(1)") == "1\n"


def test_the_chip_tells_which_it_is(console: Console, chip: str) -> None:
    told = console.run(
        "import sys, os, machine, utime\n"
        "print(sys.platform, os.uname().machine, sys.implementation[0], len(sys.argv))\n"
        "print(sys.implementation._machine, sys.path, machine.unique_id()[:1])"
    )
    platform = "rp2" if chip == "rp2040" else "esp32"
    assert told.startswith(platform + " ")
    assert chip.upper() in told
    assert "['', '.frozen', '/lib']" in told


def test_names_of_the_start_are_not_left_behind(console: Console) -> None:
    assert console.run("print(sorted(globals()))") == "['__name__']\n"


def test_friendly_prompt_with_blocks_history_and_completion(
    console: Console, board: VirtualBoard
) -> None:
    since = friendly(console, board)
    console.type(b"1+1\r")
    since = console.wait_for(b"2\r\n>>> ", since=since)
    console.type(b"for i in range(2):\r")
    since = console.wait_for(b"...     ", since=since)
    console.type(b"print('n', i)\r\r")
    since = console.wait_for(b"n 0\r\nn 1\r\n>>> ", since=since)
    # Up, up, up, up: back to the sum.
    console.type(b"\x1b[A\x1b[A\x1b[A\x1b[A\r")
    since = console.wait_for(b"2\r\n>>> ", since=since)
    console.type(b"answer = 42\rans\t\r")
    since = console.wait_for(b"42\r\n>>> ", since=since)
    console.type(b"12\x1b[D5\x7f7\r")  # 12, left, 5, backspace, 7
    console.wait_for(b"172\r\n>>> ", since=since)


def test_paste_mode(console: Console, board: VirtualBoard) -> None:
    since = friendly(console, board)
    console.type(b"\x05")
    since = console.wait_for(b"=== ", since=since)
    console.type(b"for i in range(2):\r    print('p', i)\rprint('end')\r\x04")
    console.wait_for(b"p 0\r\np 1\r\nend\r\n>>> ", since=since)


def test_a_program_reads_what_is_typed_to_it(console: Console) -> None:
    since = console.start(
        "import sys\nprint('ready')\nprint(sys.stdin.read(3), sys.stdin.read(2))"
    )
    since = console.wait_for(b"ready\r\n", since=since)
    console.type(b"abcde")
    console.wait_for(b"abc de\r\n", since=since)


def test_bytes_of_a_program_are_not_touched(console: Console) -> None:
    since = console.start(
        "import sys\nprint('a')\nsys.stdout.buffer.write(b'\\n\\x00\\n')\nprint('b')"
    )
    end = console.wait_for(b"\x04", since=since)
    assert bytes(console.printed[since : end - 1]) == b"a\r\n\n\x00\nb\r\n"


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True: time.sleep_ms(1000)",
        "while True: time.sleep(100)",
        "while True: time.ticks_ms()",
        "import sys\nsys.stdin.read(1)",
        "import select, sys\np = select.poll()\np.register(sys.stdin, 1)\nwhile True: p.poll(50)",
    ],
)
def test_ctrl_c_ends_a_program(console: Console, body: str) -> None:
    for _ in range(3):
        since = console.start(f"import time\nprint('begun')\n{body}")
        since = console.wait_for(b"begun\r\n", since=since)
        console.type(b"\x03")
        since = console.wait_for(b"KeyboardInterrupt", since=since)
        console.wait_for(b"\x04>", since=since)
        assert console.run("print('well')") == "well\n"


def test_ctrl_c_in_a_hurry_harms_nothing(console: Console, board: VirtualBoard) -> None:
    for _ in range(10):
        console.start("while True: pass")
        for _ in range(5):
            console.type(b"\x03")
            time.sleep(0.003)
        board.wait_until(lambda: board.at_prompt)
        console.interrupt()
    assert console.run("print('well')") == "well\n"


def test_ctrl_c_can_be_switched_off(console: Console) -> None:
    since = console.start(
        "import sys, micropython\nmicropython.kbd_intr(-1)\nprint('deaf')\n"
        "got = sys.stdin.buffer.read(3)\nmicropython.kbd_intr(3)\nprint(got)"
    )
    since = console.wait_for(b"deaf\r\n", since=since)
    console.type(b"a\x03b")
    console.wait_for(b"b'a\\x03b'\r\n", since=since)
    # The next program can be interrupted again.
    since = console.start("while True: pass")
    console.type(b"\x03")
    console.wait_for(b"KeyboardInterrupt", since=since)


def test_ctrl_c_never_leaves_the_file_system_half_way(console: Console) -> None:
    console.run("f = open('/keep', 'w'); f.write('kept'); f.close()")
    for turn in range(15):
        since = console.start(
            "while True:\n f = open('/x', 'w')\n f.write('0123456789' * 50)\n f.close()"
        )
        time.sleep(0.02 + 0.003 * turn)
        console.type(b"\x03")
        since = console.wait_for(b"KeyboardInterrupt", since=since)
        console.wait_for(b"\x04>", since=since)
        assert console.run("print(open('/keep').read())") == "kept\n"


def test_files_outlive_a_soft_reset_and_ram_does_not(
    console: Console, board: VirtualBoard
) -> None:
    console.run("x = 1\nf = open('/left_open', 'w')\nf.write('text')")
    since = len(console.printed)
    console.type(b"\x04")
    since = console.wait_for(b"MPY: soft reboot\r\n", since=since)
    console.wait_for(b"raw REPL; CTRL-B to exit\r\n>", since=since)
    # A board closes what is still open.
    assert console.run("print(open('/left_open').read())") == "text\n"
    with pytest.raises(BoardError, match="NameError"):
        console.run("x")
    assert board.soft_resets == 1
    assert board.resets == []


def test_boot_runs_always_and_main_not_into_the_raw_prompt(
    console: Console, board: VirtualBoard
) -> None:
    console.run(
        "f = open('/boot.py', 'w'); f.write('print(\"boot ran\")'); f.close()\n"
        "f = open('/main.py', 'w'); f.write('print(\"main ran\")'); f.close()"
    )
    since = len(console.printed)
    console.type(b"\x04")
    end = console.wait_for(b"raw REPL; CTRL-B to exit\r\n>", since=since)
    told = bytes(console.printed[since:end])
    assert b"soft reboot\r\nboot ran\r\nraw REPL" in told
    friendly(console, board)
    since = len(console.printed)
    console.type(b"\x04")
    end = console.wait_for(b">>> ", since=since)
    assert b"soft reboot\r\nboot ran\r\nmain ran\r\nMicroPython" in console.printed[since:end]
    # An error in boot.py keeps main.py from running.
    console.interrupt()
    console.run("f = open('/boot.py', 'w'); f.write('1/0'); f.close()")
    friendly(console, board)
    since = len(console.printed)
    console.type(b"\x04")
    end = console.wait_for(b">>> ", since=since)
    told = bytes(console.printed[since:end])
    assert b"ZeroDivisionError" in told
    assert b"main ran" not in told


def test_soft_reset_from_a_program(console: Console, board: VirtualBoard) -> None:
    since = console.start("import machine\nmachine.soft_reset()")
    console.wait_for(b"MPY: soft reboot\r\nraw REPL", since=since)
    since = console.start("raise SystemExit")
    console.wait_for(b"MPY: soft reboot\r\nraw REPL", since=since)
    assert board.soft_resets == 2


def test_files_are_seen_from_outside(console: Console, board: VirtualBoard, chip: str) -> None:
    console.run(
        "import os\nos.mkdir('/d')\nf = open('/d/a', 'wb'); f.write(bytes(5000)); f.close()"
    )
    board.cut_power()
    found = image.read_files(board.flash.path, chip)
    assert found["/d/a"] == bytes(5000)


def test_a_board_starts_from_a_prepared_image(chip: str, tmp_path: Path) -> None:
    image.make_image(tmp_path / IMAGE, chip, {"/main.py": b"print('prepared')", "/p/x.bin": b"x"})
    with VirtualBoard(chip, tmp_path, fast=True) as board:
        console = Console(board)
        console.wait_for(b"prepared\r\n")
        board.wait_until(lambda: board.at_prompt)
        console.interrupt()
        assert console.run("import os; print(os.listdir('/p'))") == "['x.bin']\n"


def test_a_flood_of_bytes_harms_nothing(console: Console, board: VirtualBoard) -> None:
    since = console.start(
        "import sys, select, micropython\nmicropython.kbd_intr(-1)\n"
        "p = select.poll(); p.register(sys.stdin, select.POLLIN)\n"
        "print('go')\nn = 0\nwhile n < 200000:\n"
        " p.poll()\n n += len(sys.stdin.buffer.read(100))\nprint('got', n)"
    )
    since = console.wait_for(b"go\r\n", since=since)
    flood = bytes(i * 7 & 255 for i in range(1000))
    for _ in range(200):
        console.type(flood)
    console.wait_for(b"got 200000\r\n", since=since)


def test_what_nobody_reads_does_not_stop_the_board(board: VirtualBoard, console: Console) -> None:
    # More than the port holds, with nobody at its other end.
    assert console.run("for i in range(3000): print('x' * 100)\nprint('end')")[-4:] == "end\n"
