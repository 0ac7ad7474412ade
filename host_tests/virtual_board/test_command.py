"""The command `emery virtual-board`, and its operator."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from emery.virtual_board.command import virtual_board
from emery.virtual_board.panel import Panel
from emery.virtual_board.world import World
from hal.wiring import RP2040
from host_tests.pins import reference_wiring
from host_tests.virtual_board.conftest import call_mpremote

LIMIT_S = 30.0
RUN = (
    "import typer\nfrom emery.virtual_board.command import virtual_board\n"
    "app = typer.Typer()\napp.command()(virtual_board)\napp()\n"
)


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process, and the port that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=LIMIT_S)


def refused(*options: str) -> str:
    app = typer.Typer()
    app.command()(virtual_board)
    told = CliRunner().invoke(app, options)
    assert told.exit_code == 2, told.output
    assert "Traceback" not in told.output
    return " ".join(told.output.split())


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_port_and_stays_until_it_is_ended(
    ending: signal.Signals, tmp_path: Path
) -> None:
    with running("--board", "esp32", "--fast", "--state", str(tmp_path)) as (process, port):
        assert re.fullmatch(r"/dev/pts/\d+|/dev/tty\w+", port)
        told = call_mpremote(port, "exec", "import sys; print(sys.platform)")
        assert told.stdout == "esp32\n"
        process.send_signal(ending)
        out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0
        assert out == ""
        assert "virtual esp32, fast" in err
        assert str(tmp_path) in err
    assert (tmp_path / "flash.img").stat().st_size == 2 * 1024 * 1024


def test_it_tells_of_resets_and_serves_tcp() -> None:
    with running("--tcp") as (process, port):
        assert port.startswith("socket://127.0.0.1:")
        call_mpremote(port, "exec", "--no-follow", "import machine; machine.reset()")
        call_mpremote(port, "exec", "print(1)")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0
        assert "machine.reset" in err


def test_a_board_file_of_the_other_chip_is_refused() -> None:
    told = refused("--board", "esp32", "--config", "board_configs/pico_reference.toml")
    assert "is for a board with an rp2040" in told
    assert "Leave --board out" in told


def test_what_is_not_there_is_told_with_what_to_do() -> None:
    assert "does not exist" in refused("--config", "nowhere.toml")
    assert "does not exist" in refused("--scenario", "nowhere")
    told = refused("--scenario", "late_ticks")
    assert "injects tick_late, which a virtual board has not" in told
    assert "Choose another scenario" in told


def test_a_flash_of_the_other_chip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flash.img").write_bytes(bytes(4096))
    told = refused("--state", str(tmp_path))
    assert "has 4096 bytes" in told
    assert "an empty one" in told


class TestPanel:
    """The operator's requests between the user's."""

    def make(self) -> tuple[Panel, World, list[bytes]]:
        world = World(reference_wiring(RP2040), operator={})
        typed: list[bytes] = []
        panel = Panel(world, typed.append, lambda: True)
        panel.hear(b"Emery: 0.1.0 rp2040\r\n")
        return panel, world, typed

    def answer(self, request: bytes, words: str) -> bytes:
        from emery.link.line import framed

        number = request[1:].split()[0].decode()
        return framed(f"{number} {words}").rstrip(b"\n") + b"\r\n"

    def test_it_is_silent_until_the_firmware_speaks(self) -> None:
        world = World(reference_wiring(RP2040), operator={})
        typed: list[bytes] = []
        panel = Panel(world, typed.append, lambda: True)
        panel.look(1_000_000)
        assert typed == []
        for byte in b"... Emery: 0.1.0\r\n":
            panel.hear(bytes((byte,)))
        panel.look(1_000_000)
        assert len(typed) == 1

    def test_its_answers_do_not_reach_the_user(self) -> None:
        panel, world, typed = self.make()
        panel.look(1_000_000)
        assert b" status*" in typed[0]
        ours = self.answer(typed[0], "ok s=6 r=2 z=1")
        seen = b""
        for byte in b"words\r\n" + ours + b"@1 ok a=1*0000\r\nmore\r\n":
            seen += panel.hear(bytes((byte,)))
        assert seen == b"words\r\n@1 ok a=1*0000\r\nmore\r\n"
        assert world.panel() == (6, 2, 1)

    def test_a_users_line_is_not_broken(self) -> None:
        panel, _, typed = self.make()
        panel.note_typed(b"@7 sta")
        panel.look(1_000_000)
        assert typed == []
        panel.note_typed(b"tus*1234\n")
        panel.look(1_000_000)
        assert len(typed) == 1

    def test_no_number_of_the_user_is_taken(self) -> None:
        panel, _, typed = self.make()
        panel.note_typed(b"".join(b"@%d status*0000\n" % number for number in range(501, 520)))
        panel.look(1_000_000)
        assert typed[0].startswith(b"@520 ")

    def test_commands_are_sent_and_sent_again_if_the_device_was_busy(self) -> None:
        panel, world, typed = self.make()
        world.operator_commands.append((3, 2))
        panel.look(1_000_000)
        assert b" do 3 2*" in typed[0]
        panel.hear(self.answer(typed[0], "no another command is waiting: ask again"))
        panel.look(1_100_000)
        assert b" do 3 2*" in typed[1]
        panel.hear(self.answer(typed[1], "ok"))
        panel.look(1_200_000)
        assert b" status*" in typed[2]

    def test_a_request_that_is_lost_is_asked_again(self) -> None:
        panel, _, typed = self.make()
        panel.look(1_000_000)
        panel.look(1_300_000)
        assert len(typed) == 1
        panel.look(1_700_000)
        assert len(typed) == 2

    def test_a_new_interpreter_is_a_stranger(self) -> None:
        panel, world, typed = self.make()
        panel.look(1_000_000)
        panel.hear(self.answer(typed[0], "ok s=6 r=2 z=1"))
        panel.start()
        assert world.panel() is None
        panel.look(2_000_000)
        assert len(typed) == 1
