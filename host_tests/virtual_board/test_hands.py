"""Hands typed into the terminal of `emery virtual-board`, and into its pipe."""

import signal
import subprocess
import sys
from pathlib import Path

from emery.virtual_board import command
from emery.virtual_board.hands import HandsPipe

LIMIT_S = 30.0


def test_lines_typed_into_its_terminal_and_its_pipe_are_deeds(tmp_path: Path) -> None:
    pipe = tmp_path / "hands"
    process = subprocess.Popen(
        [sys.executable, "-m", "emery", "virtual-board", "--fast", "--hands", str(pipe)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stdout.readline()
        told = ""
        while "Hands at the device" not in told:
            told = process.stderr.readline()
            assert told
        process.stdin.write("tip cap\n\ntipp\n")
        process.stdin.flush()
        assert process.stderr.readline() == "the tip is on its parking cap\n"
        assert "Did you mean tip?" in process.stderr.readline()
        assert HandsPipe(pipe).do("look").startswith("the tip is on its parking cap; pump stands")
        # Who closes the terminal's input does not end the board.
        process.stdin.close()
        assert HandsPipe(pipe).do("gauge mmhg") == "0 mmHg"
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(LIMIT_S)
        for stream in (process.stdout, process.stderr):
            stream.close()
    assert not pipe.exists()


def test_a_pipe_that_is_there_already_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hands").write_text("something", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "emery", "virtual-board", "--hands", str(tmp_path / "hands")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "remove it, or name another file" in done.stderr
    assert (tmp_path / "hands").read_text(encoding="utf-8") == "something"


def test_by_hand_there_is_no_operator_beside() -> None:
    _, world = command._world(None, None, "nominal_facial", by_hand=True)
    assert world.operator is None
    _, world = command._world(None, None, "nominal_facial", by_hand=False)
    assert world.operator is not None
