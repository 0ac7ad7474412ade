"""Every verb of plain mpremote, again and again, without a failure."""

import fcntl
import hashlib
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emery.virtual_board.board import VirtualBoard
from host_tests.virtual_board.conftest import CALL_LIMIT_S, Mpremote, call_mpremote

# The long tests do it 20 times in a row.
ROUNDS = (pytest.param(4), pytest.param(20, marks=pytest.mark.long))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    folder = tmp_path / "host"
    folder.mkdir()
    script = folder / "hello.py"
    script.write_text("print('hello from the host')\nANSWER = 42\n")
    return script


def reset(mpremote: Mpremote, board: VirtualBoard) -> None:
    """`mpremote reset` leaves the board 100 ms to do it."""
    before = len(board.resets)
    mpremote("reset")
    board.wait_until(lambda: len(board.resets) > before and board.at_prompt)


def test_every_verb_once(mpremote: Mpremote, board: VirtualBoard, script: Path) -> None:
    assert mpremote("exec", "print(1 + 1)").stdout == "2\n"
    assert mpremote("eval", "3 * 4").stdout == "12\n"
    assert mpremote("run", str(script)).stdout == "hello from the host\n"
    mpremote("fs", "mkdir", ":d")
    mpremote("fs", "cp", str(script), ":d/hello.py")
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    assert digest in mpremote("fs", "sha256sum", ":d/hello.py").stdout
    assert "Up to date" in mpremote("fs", "cp", str(script), ":d/hello.py").stdout
    assert "hello.py" in mpremote("fs", "ls", ":d").stdout
    assert mpremote("fs", "cat", ":d/hello.py").stdout == script.read_text()
    assert "hello.py" in mpremote("fs", "tree").stdout
    assert f" {board.flash.size} " in mpremote("df").stdout
    back = script.with_name("back.py")
    mpremote("fs", "cp", ":d/hello.py", str(back))
    assert back.read_text() == script.read_text()
    mpremote("fs", "rm", "-r", ":d")
    assert "hello.py" not in mpremote("fs", "tree").stdout
    told = mpremote("mount", str(script.parent), "exec", "import hello; print(hello.ANSWER)")
    assert "42" in told.stdout
    mpremote("resume", "exec", "kept = 5")
    assert mpremote("resume", "exec", "print(kept)").stdout == "5\n"
    soft_resets = board.soft_resets
    mpremote("soft-reset")
    assert board.soft_resets == soft_resets + 1
    reset(mpremote, board)
    assert board.resets == ["machine.reset"]


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("chip", ["rp2040"], indirect=True)
@pytest.mark.parametrize(
    "verb",
    [
        "exec", "run", "cp", "ls", "rm", "sha256sum", "mount", "soft-reset", "resume", "reset",
        "repl",
    ],
)
def test_one_verb_over_and_over(
    verb: str, rounds: int, mpremote: Mpremote, board: VirtualBoard, script: Path
) -> None:
    for turn in range(rounds):
        if verb == "exec":
            assert mpremote("exec", f"print({turn})").stdout == f"{turn}\n"
        elif verb == "run":
            assert "hello" in mpremote("run", str(script)).stdout
        elif verb == "cp":
            script.write_text(f"turn = {turn}\n" * 40)
            mpremote("fs", "cp", str(script), ":hello.py")
        elif verb == "ls":
            assert "boot.py" in mpremote("fs", "touch", ":boot.py", "+", "fs", "ls").stdout
        elif verb == "rm":
            mpremote("fs", "cp", "-f", str(script), ":x.py", "+", "fs", "rm", ":x.py")
        elif verb == "sha256sum":
            mpremote("fs", "cp", str(script), ":x.py")
            digest = hashlib.sha256(script.read_bytes()).hexdigest()
            assert digest in mpremote("fs", "sha256sum", ":x.py").stdout
        elif verb == "mount":
            code = "import hello; print(hello.ANSWER)"
            assert "42" in mpremote("mount", str(script.parent), "exec", code).stdout
        elif verb == "soft-reset":
            mpremote("soft-reset")
        elif verb == "resume":
            mpremote("resume", "exec", f"t = {turn}")
            assert mpremote("resume", "exec", "print(t)").stdout == f"{turn}\n"
        elif verb == "reset":
            reset(mpremote, board)
        else:
            with interactive(board) as prompt:
                prompt.type(f"print('typed', {turn} + 1)\r".encode())
                prompt.wait_for(f"typed {turn + 1}\r\n>>> ".encode())


@pytest.mark.long
@pytest.mark.parametrize("fast", [False, True])
def test_a_hundred_calls_in_a_row(chip: str, fast: bool, tmp_path: Path, script: Path) -> None:
    # The flash holds a program that runs, as on a device in use.
    with VirtualBoard(chip, tmp_path / "board", fast=fast) as board:
        call_mpremote(
            board.port, "exec",
            "f = open('main.py', 'w')\nf.write('import time\\nn = 0\\nwhile True:\\n"
            " n += 1\\n time.sleep_ms(5)')\nf.close()",
        )  # fmt: skip
        for turn in range(20):
            board.press_reset()
            call_mpremote(board.port, "resume", "exec", "print(n)")
            call_mpremote(board.port, "fs", "cp", "-f", str(script), f":f{turn % 3}.py")
            call_mpremote(board.port, "run", str(script))
            call_mpremote(board.port, "mount", str(script.parent), "exec", "import hello")
            call_mpremote(board.port, "soft-reset")
        assert board.crashes == []


class Interactive:
    """Somebody at `mpremote repl`, in a terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = b""

    def type(self, data: bytes) -> None:
        os.write(self._terminal, data)

    def wait_for(self, text: bytes) -> None:
        end = time.monotonic() + CALL_LIMIT_S
        while text not in self._seen:
            assert time.monotonic() < end, self._seen
            try:
                self._seen += os.read(self._terminal, 4096)
            except BlockingIOError:
                time.sleep(0.005)
        self._seen = self._seen[self._seen.index(text) + len(text) :]


@contextmanager
def interactive(board: VirtualBoard) -> Iterator[Interactive]:
    """`mpremote repl`, left by Ctrl-] at the end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "mpremote"), "connect", board.port, "repl"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        prompt = Interactive(ours)
        prompt.wait_for(b"exit this shell")
        yield prompt
        prompt.type(b"\x1d")
        assert process.wait(CALL_LIMIT_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_the_interactive_prompt(board: VirtualBoard) -> None:
    with interactive(board) as prompt:
        prompt.type(b"import time\rwhile True: time.sleep(1)\r\r")
        time.sleep(0.3)
        prompt.type(b"\x03")
        prompt.wait_for(b"KeyboardInterrupt")
        prompt.wait_for(b">>> ")
        prompt.type(b"\x04")
        prompt.wait_for(b"MPY: soft reboot\r\n")
        prompt.wait_for(b">>> ")


def test_over_tcp(chip: str, tmp_path: Path, script: Path) -> None:
    with VirtualBoard(chip, tmp_path / "board", fast=True, tcp=True) as board:
        assert board.port.startswith("socket://127.0.0.1:")
        for _ in range(3):
            assert call_mpremote(board.port, "exec", "print(5)").stdout == "5\n"
        call_mpremote(board.port, "fs", "cp", str(script), ":hello.py")
        assert call_mpremote(board.port, "exec", "import hello").stdout == "hello from the host\n"
        assert board.crashes == []


def test_a_second_user_is_told_that_the_port_is_busy(board: VirtualBoard) -> None:
    with Path(board.port).open("rb+", buffering=0) as user:
        fcntl.flock(user, fcntl.LOCK_EX)
        told = subprocess.run(
            [str(Path(sys.executable).parent / "mpremote"), "connect", board.port, "exec", "1"],
            capture_output=True, text=True, timeout=CALL_LIMIT_S, check=False,
        )  # fmt: skip
    assert told.returncode == 1
    assert "in use" in told.stderr + told.stdout
