"""The console: what a host does not take waits or is refused, and holds nobody up."""

import os
import select
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hal import console
from hal.console import NOTHING, Console


class Ports:
    """MicroPython's stdin and stdout of a USB port, as far as the console uses them.

    `room` bytes fit at once; a write for which there is no room would block, and fails.
    """

    def __init__(self) -> None:
        self.coming = bytearray()
        self.gone = bytearray()
        self.room = 1_000
        self.asked = 0
        self.buffer = self

    def readinto(self, buffer: bytearray) -> int:
        assert self.coming, "it would block"
        buffer[0] = self.coming.pop(0)
        return 1

    def write(self, data: bytes) -> int:
        assert len(data) <= self.room, "it would block"
        self.room -= len(data)
        self.gone += data
        return len(data)


class Poll:
    def __init__(self, ports: Ports) -> None:
        self.ports = ports

    def register(self, stream: Any, events: int) -> None:
        self.events = events

    def ipoll(self, ms: int) -> Iterator[tuple[Any, int]]:
        assert ms == 0
        self.ports.asked += 1
        if self.events == select.POLLIN and self.ports.coming:
            yield None, select.POLLIN
        if self.events == select.POLLOUT and self.ports.room:
            yield None, select.POLLOUT


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Ports:
    ports = Ports()
    monkeypatch.setattr(console, "sys", SimpleNamespace(stdin=ports, stdout=ports))
    monkeypatch.setattr(
        console, "select",
        SimpleNamespace(
            poll=lambda: Poll(ports), POLLIN=select.POLLIN, POLLOUT=select.POLLOUT
        ),
    )  # fmt: skip
    return ports


def test_bytes_are_read_as_they_come(ports: Ports) -> None:
    line = Console()
    assert line.read_byte() == NOTHING
    ports.coming += b"\x00\xffA"
    assert [line.read_byte() for _ in range(4)] == [0, 255, 65, NOTHING]


def test_lines_are_sent_whole_and_in_order(ports: Ports) -> None:
    line = Console()
    assert line.write(b"@1 ok*1234\r\n")
    assert line.write(b"@2 ok*5678\r\n")
    assert ports.gone == b""
    line.send()
    assert ports.gone == b"@1 ok*1234\r\n@2 ok*5678\r\n"


def test_a_turn_sends_no_more_than_a_fifo_holds(ports: Ports) -> None:
    line = Console()
    assert line.write(bytes(300))
    sent = []
    for _ in range(4):
        line.send()
        sent.append(len(ports.gone))
    assert sent == [128, 256, 300, 300]


@pytest.mark.parametrize("room", [0, 1, 7, 127])
def test_no_write_ever_waits_for_the_host(room: int, ports: Ports) -> None:
    line = Console()
    data = os.urandom(200)
    assert line.write(data)
    ports.room = room
    for _ in range(201):
        line.send()  # asserts that nothing would block
        ports.room = room
    assert ports.gone == (data if room else b"")


def test_what_finds_no_room_is_refused_whole(ports: Ports) -> None:
    line = Console()
    ports.room = 0
    kept = 0
    while line.write(b"x" * 100):
        kept += 1
    assert kept == 6
    assert not line.write(b"y" * 50)
    ports.room = 10_000
    for _ in range(20):
        line.send()
    assert ports.gone == b"x" * 600
    assert line.write(b"y" * 50)


def test_a_stuck_host_costs_one_question_a_turn(ports: Ports) -> None:
    line = Console()
    line.write(b"x" * 500)
    ports.room = 0
    ports.asked = 0
    line.send()
    assert ports.asked == 1


def test_a_line_longer_than_all_room_is_refused(ports: Ports) -> None:
    line = Console()
    assert not line.write(bytes(641))
    assert line.write(bytes(640))
