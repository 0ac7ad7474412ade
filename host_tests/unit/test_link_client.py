"""The client of the link: what it asks again, what it never does, and what it says of
whoever does not answer."""

import os
import pty
import socket
import threading
import tty
from collections.abc import Iterator

import pytest

from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode
from emery.link.client import Client, Refused, Silent
from emery.link.line import body_of, fields_of, framed
from emery.link.port import SerialPort
from emery.link.running import SerialLink
from emery.link.said import Hello, Status, reason_words, state_name
from firmware.settings import SETTINGS
from hal.contract import COMMAND_LEVEL, COMMAND_START, STEP_UP
from host_tests.linked import LinkedDevice, linked_device, served


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with linked_device() as device:
        device.run_until("STANDBY")
        yield device


@pytest.fixture
def client(device: LinkedDevice) -> Client:
    return Client(device, number=0)


class Loses:
    """A line that loses what the test says, of a device behind it."""

    name = "a bad line"

    def __init__(self, device: LinkedDevice, requests: int = 0, answers: int = 0) -> None:
        self.device = device
        self.requests = requests
        self.answers = answers
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)
        if self.requests > 0:
            self.requests -= 1
            return
        self.device.write(data)

    def read(self) -> bytes:
        data = self.device.read()
        if self.answers > 0 and data:
            self.answers -= 1
            return b"\x00" + data[2:-5]
        return data

    def now_s(self) -> float:
        return self.device.now_s()

    def close(self) -> None:
        self.device.close()


class Prompt:
    """MicroPython's prompt: it echoes, runs a line on Enter, and answers what it must.

    `mode` is "friendly", or "raw" until Ctrl-B.
    """

    name = "a prompt"

    def __init__(self, mode: str = "friendly") -> None:
        self.raw = mode == "raw"
        self.out = bytearray()
        self.typed = ""
        self.continues = False
        self.s = 0.0

    def write(self, data: bytes) -> None:
        for byte in data:
            if byte == 2:
                self.raw = False
                self.out += b"\r\nMicroPython v1.29.0\r\n>>> "
            elif self.raw:
                continue
            elif byte == 13:
                self._enter()
            elif byte >= 32:
                self.typed += chr(byte)
                self.out.append(byte)

    def _enter(self) -> None:
        if self.typed.startswith("@"):
            self.continues = True  # as before a decorated function
            self.out += b"\r\n... "
        elif self.continues:
            self.continues = False
            self.out += b"\r\nTraceback\r\nSyntaxError: invalid syntax\r\n>>> "
        else:
            self.out += b"\r\n>>> "
        self.typed = ""

    def read(self) -> bytes:
        self.s += 0.02
        data = bytes(self.out)
        self.out.clear()
        return data

    def now_s(self) -> float:
        return self.s

    def close(self) -> None:
        pass


# Lines ------------------------------------------------------------------------


def test_a_line_is_as_the_readme_shows_it() -> None:
    assert framed("17 hello") == b"@17 hello*F99E\n"
    assert body_of(b"@17 hello*F99E") == "17 hello"


@pytest.mark.parametrize(
    "line",
    [b"", b"@", b"@17 hello", b"17 hello*F99E", b"@17 hello*F99F", b"@17 hello*f99e",
     b"@17 hallo*F99E", b"@*0000", b"@17 hello*F99E ", b"@17 h\xe4llo*0000"],
)  # fmt: skip
def test_what_is_no_line_is_none(line: bytes) -> None:
    if line != b"@*0000":
        assert body_of(line) is None
    else:
        assert body_of(line) == ""


def test_fields_leave_out_what_is_none() -> None:
    assert fields_of("a=1 b c= d=2=3") == {"a": "1", "c": "", "d": "2=3"}


def test_what_an_older_or_newer_device_tells_is_read_as_far_as_it_goes() -> None:
    assert Hello.of({"slot": "-", "trial": "1"}).slot == ""
    assert Status.of({"s": "6", "zz": "3", "o": "x", "p": "many"}) == Status(state=6)
    assert state_name(99) == "state 99"
    assert reason_words(-1) == "reason -1"


# A device ---------------------------------------------------------------------


def test_who_and_how_it_is(client: Client, device: LinkedDevice) -> None:
    hello = client.hello()
    assert (hello.board, hello.chip, hello.slot) == ("bench", "rp2040", "a")
    assert hello.period_ms == 5
    assert hello.raw["micropython"]
    status = client.status()
    assert state_name(status.state) == "STANDBY"
    assert status.opened == (0, 0)


def test_every_setting_can_be_got(client: Client, device: LinkedDevice) -> None:
    for row in SETTINGS:
        assert client.get(row[0]) == getattr(device.settings, row[0])


def test_a_setting_is_set_in_service_only(client: Client) -> None:
    with pytest.raises(Refused, match="SERVICE only"):
        client.set("hard_limit_pa", 42_000)


def test_a_setting_is_set_and_got() -> None:
    with linked_device(in_service=1) as device:
        client = Client(device)
        client.hear(0.5)
        assert client.set("hard_limit_pa", 44_500) == 45_000
        assert client.get("hard_limit_pa") == 44_500
        assert device.blob != b""
        assert client.whole_blob("config") == device.blob
        with pytest.raises(Refused, match="outside"):
            client.set("hard_limit_pa", 1)


def test_a_command_arrives(client: Client, device: LinkedDevice) -> None:
    client.do(COMMAND_START)
    device.run_until("CHECKLIST", 1_000)


def test_two_commands_at_once_both_arrive(client: Client, device: LinkedDevice) -> None:
    full = [True, True, True]  # the mailbox, three times
    real = device.app.post

    def post(command: int, argument: int = 0) -> bool:
        return False if full and full.pop() else real(command, argument)

    device.app.post = post  # type: ignore[method-assign]
    client.do(COMMAND_START)
    assert full == []
    device.run_until("CHECKLIST", 1_000)


def test_a_mailbox_that_stays_full_is_told(client: Client, device: LinkedDevice) -> None:
    device.app.post = lambda command, argument=0: False  # type: ignore[method-assign]
    with pytest.raises(Silent, match="takes no command"):
        client.do(COMMAND_START)


def test_telemetry_comes_between_answers(client: Client, device: LinkedDevice) -> None:
    client.watch(100)
    client.hear(1.0)
    assert 9 <= client.told <= 11
    for _ in range(5):
        client.status()
    assert client.last_told is not None
    client.watch(0)
    told = client.told
    client.hear(0.5)
    assert client.told == told


@pytest.mark.parametrize("what", ["config", "record", "boot", "journal", "box", "crash"])
def test_every_blob_comes_whole(what: str, client: Client, device: LinkedDevice) -> None:
    blob = client.whole_blob(what)
    if what == "box":
        assert blob[:4] == b"EMBX"
        assert len(blob) > 512 * 35
    elif what == "crash":
        assert blob == b""
    elif what == "config":
        assert blob == device.blob
    elif what == "journal":
        assert len(blob) == 12
    else:
        assert blob


def test_an_unknown_blob_is_refused(client: Client) -> None:
    with pytest.raises(Refused, match="unknown blob"):
        client.whole_blob("secrets")


# Bad lines ----------------------------------------------------------------------


def test_a_lost_request_is_asked_again(device: LinkedDevice) -> None:
    client = Client(Loses(device, requests=2))
    assert client.hello().board == "bench"
    assert client.asked_again == 2


def test_a_spoilt_answer_is_asked_again(device: LinkedDevice) -> None:
    client = Client(Loses(device, answers=2))
    assert client.hello().board == "bench"
    assert client.asked_again


def test_a_command_whose_answer_is_lost_is_not_sent_twice(device: LinkedDevice) -> None:
    device.to_treating()
    line = Loses(device, answers=1_000)
    posted: list[int] = []

    def post(command: int, argument: int = 0) -> bool:
        posted.append(command)
        return True

    device.app.post = post  # type: ignore[method-assign]
    with pytest.raises(Silent, match="may have arrived"):
        Client(line).do(COMMAND_LEVEL, STEP_UP)
    assert posted == [COMMAND_LEVEL]


def test_an_answer_to_an_earlier_question_is_not_taken(
    device: LinkedDevice, client: Client
) -> None:
    device.write(framed("500 get tick_period_ms"))  # by whoever had the port before
    assert client.hello().board == "bench"
    device.write(framed("700 get tick_period_ms"))
    assert client.get("hard_limit_pa") == 45_000


def test_words_on_the_console_are_kept_and_disturb_nothing(
    device: LinkedDevice, client: Client
) -> None:
    device.link.say("something happened @ noon * 12AB")
    assert client.hello().board == "bench"
    assert "Emery: something happened @ noon * 12AB" in client.console


def test_who_has_stopped_answering_is_told(device: LinkedDevice, client: Client) -> None:
    device.is_dead = True
    with pytest.raises(Silent, match="answers as Emery does"):
        client.hello()


@pytest.mark.parametrize("mode", ["friendly", "raw"])
def test_a_bare_interpreter_is_recognised(mode: str) -> None:
    with pytest.raises(Silent, match="MicroPython's prompt") as told:
        Client(Prompt(mode)).hello()
    assert "emery flash" in told.value.remedy


def test_another_version_of_the_link_is_told(
    device: LinkedDevice, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware.link.PROTOCOL", 7)
    with pytest.raises(DeviceProblem, match="speaks version 7 of the link") as told:
        client.hello()
    assert told.value.code == ExitCode.BAD_INPUT


# Ports --------------------------------------------------------------------------


def test_a_device_behind_a_terminal_is_asked(device: LinkedDevice) -> None:
    with served(device) as port:
        running = SerialLink().ask(port, 1.5)
        assert running is not None
        assert (running.state, running.slot, running.chip) == ("STANDBY", "a", "rp2040")
        assert running.image == "a" * 16
        SerialLink().into_service(port)
        for _ in range(20):
            running = SerialLink().ask(port, 0.5)
            if running is not None and running.state == "SERVICE":
                break
        assert running is not None
        assert running.state == "SERVICE"


def test_who_treats_refuses_nothing_but_stays(device: LinkedDevice) -> None:
    device.to_treating()
    with served(device) as port:
        running = SerialLink().ask(port, 1.5)
        assert running is not None
        assert running.state == "TREATING"


def test_nobody_behind_a_port_is_none() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    try:
        assert SerialLink().ask(os.ttyname(theirs), 0.5) is None
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_device_behind_a_socket_is_asked(device: LinkedDevice) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"socket://127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(0.02)
                while True:
                    try:
                        data = connection.recv(4_096)
                    except TimeoutError:
                        data = None
                    if data == b"":
                        return
                    device.write(data or b"")
                    device.turn()
                    connection.sendall(bytes(device.line.out))
                    device.line.out.clear()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        client = Client(SerialPort(address))
        try:
            assert client.hello().board == "bench"
        finally:
            client.close()
            thread.join(5)


def test_a_busy_port_is_told() -> None:
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    first = SerialPort(name)
    try:
        with pytest.raises(DeviceProblem, match="in use by another program"):
            SerialPort(name)
    finally:
        first.close()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/dev/no-such-port", "there is no port /dev/no-such-port"),
        ("socket://127.0.0.1:1", "nobody answers at"),
        ("nonsense://x", "is no port that can be opened"),
    ],
)
def test_a_port_that_cannot_be_opened_is_told(name: str, words: str) -> None:
    with pytest.raises(DeviceProblem, match=words):
        SerialPort(name)


def test_a_line_that_is_lost_is_told() -> None:
    ours, theirs = pty.openpty()
    port = SerialPort(os.ttyname(theirs))
    os.close(theirs)
    os.close(ours)
    try:
        with pytest.raises(DeviceProblem, match="was lost"):
            for _ in range(5):
                port.write(b"x")
                port.read()
    finally:
        port.close()
