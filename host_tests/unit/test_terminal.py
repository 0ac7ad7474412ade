"""How errors look at 80 columns, and that what is to be typed stays whole."""

import pytest
import typer

from emery import terminal
from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode


def test_a_problem_is_told_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    problem = DeviceProblem(
        "the device has an esp32, and the board of the clinic is a config for an rp2040. "
        "Nothing was changed",
        "Bring its firmware to this emery's first, which takes a minute; its settings stay: "
        "emery flash --keep",
    )
    with pytest.raises(typer.Exit) as ended:
        terminal.refuse(str(problem), problem.code)
    assert ended.value.exit_code is ExitCode.DEVICE
    assert capsys.readouterr().err == (
        "error: the device has an esp32, and the board of the clinic is a config for an\n"
        "rp2040. Nothing was changed\n"
        "    Bring its firmware to this emery's first, which takes a minute; its settings\n"
        "    stay: emery flash --keep\n"
    )


@pytest.mark.parametrize(
    "whole",
    [
        "`emery config history --port PORT`",
        "pip install 'emery[board]'",
        "emery config migrate /home/a-user/boards/clinic-2.toml",
        "sudo usermod -a -G dialout $USER",
        "--base IMAGE",
        "/dev/serial/by-id/usb-MicroPython_Board_in_FS_mode-e66038b7137a4e2f-if00-port0-and-more",
    ],
)
def test_what_is_to_be_typed_stays_whole(whole: str) -> None:
    for before in range(1, 90):
        text = f"{'x' * before} do it again: {whole}, then go on with something else."
        lines = terminal.wrapped(text).split("\n")
        assert " ".join(lines) == text
        assert any(whole in line for line in lines)


def test_a_list_keeps_its_lines() -> None:
    text = f"two boards:\n        {'a' * 40} {'b' * 40}\n        c"
    assert terminal.wrapped(text).split("\n") == [
        "two boards:", " " * 8 + "a" * 40, " " * 8 + "b" * 40, " " * 8 + "c"
    ]  # fmt: skip
