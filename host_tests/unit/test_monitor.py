"""The monitor: what it shows fits and is in words, and no key acts unasked."""

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emery.device.problem import DeviceProblem
from emery.link.client import Client
from emery.link.device_ledger import digest_of
from emery.link.said import Hello, Status, reason_words, state_name
from emery.monitor.feed import Feed
from emery.monitor.orders import Order, orders
from emery.monitor.run import Asker, view_of
from emery.monitor.screen import NARROWEST, View, one_line, page
from firmware import faults, treatment
from firmware.settings import SettingsError
from hal import contract
from host_tests.bench import bench_settings, zone_of
from host_tests.linked import LinkedDevice, linked_device, served

SIXTEEN = bench_settings([zone_of(f"a zone called {n:02}"[:16]) for n in range(16)])


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with linked_device() as device:
        device.run_until("STANDBY")
        yield device


@pytest.fixture
def feed(device: LinkedDevice) -> Feed:
    feed = Feed(lambda: Client(device), device.now_s)
    feed.connect()
    return feed


def shown(view: View, width: int = 80, height: int = 24) -> str:
    lines = page(view, width, height)
    assert len(lines) == height
    for text, _ in lines:
        assert len(text) <= max(width, NARROWEST)
        assert text.isprintable()
    return "\n".join(text for text, _ in lines)


def step(feed: Feed, s: float) -> None:
    for _ in range(round(s / 0.05)):
        feed.step()


# The page -----------------------------------------------------------------------

NUMBERS = st.one_of(st.integers(-1, 40), st.integers(-(2**30), 2**30))


@given(
    st.fixed_dictionaries({
        field.name: NUMBERS for field in fields(Status) if field.name != "opened"
    }),
    st.lists(st.integers(0, 9), max_size=16),
    st.integers(60, 200),
    st.integers(5, 60),
    st.booleans(),
)  # fmt: skip
def test_any_status_fits_any_window(
    numbers: dict[str, int], opened: list[int], width: int, height: int, ascii_only: bool
) -> None:
    status = Status(opened=tuple(opened), **numbers)
    for settings in (None, SIXTEEN):
        view = View(
            port="/dev/ttyACM0", status=status, settings=settings, ascii_only=ascii_only,
            orders=orders(status, len(opened)), console=["words \x1b[2J of a console"],
            hello=Hello.of({"board": "x" * 16, "version": "0.1", "barrier": "4", "trial": "1"}),
        )  # fmt: skip
        text = shown(view, width, height)
        assert text.isascii() or not ascii_only
        assert one_line(view)


def test_a_treatment_is_shown_with_its_limits(device: LinkedDevice, feed: Feed) -> None:
    device.to_treating()
    step(feed, 1.0)
    text = shown(view_of(feed, "/dev/ttyACM0"))
    assert "TREATING   pass 1 of 3, chin" in text
    assert reason_words(treatment.WHY_TREATING) in text
    assert re.search(r"vacuum +27\.0 kPa", text)
    assert "S set 27.0" in text
    assert "! soft limit 30.0" in text
    assert "X hard limit 45.0" in text
    assert "> chin             1/3" in text
    assert "forehead         0/2" in text
    assert re.search(r"session 0:0[1-9] of 30:00", text)
    assert "footswitch held" in text
    assert "Emery 0.9   bench   rp2040, slot a" in text
    assert "/dev/ttyACM0" in text


def test_the_bar_has_the_vacuum_and_the_limits_in_their_places() -> None:
    view = View(status=Status(vacuum_a_pa=25_000, set_pa=30_000), settings=bench_settings(),
                ascii_only=True)
    line = next(line for line in shown(view, 124).splitlines() if "[" in line)
    bar = line[line.index("[") + 1 : line.index("]")]
    assert len(bar) == 100
    assert bar.count("#") == 50
    assert bar[:50] == "#" * 50
    assert (bar.index("S"), bar.index("!"), bar.index("X")) == (60, 66, 90)


def test_a_fault_is_shown_with_its_steps_in_order(device: LinkedDevice, feed: Feed) -> None:
    device.board.inject("sensor_supply_open")
    device.run_until("FAULT")
    step(feed, 1.0)
    text = shown(view_of(feed, ""))
    row = faults.CATALOGUE[faults.SENSOR_SUPPLY]
    assert f"FAULT {row[1]} ({row[0]}), {row[2]} priority: {row[4]}." in " ".join(text.split())
    places = [text.index(f"{number}. {step_[:30]}") for number, step_ in enumerate(row[5], 1)]
    assert places == sorted(places)


def test_every_fault_and_warning_fits_80_by_24_with_all_its_steps() -> None:
    for row in faults.CATALOGUE[1:]:
        is_warning = row[3] == faults.EXIT_NONE
        status = Status(
            state=treatment.TREATING if is_warning else treatment.FAULT,
            opened=(0,) * 6,
            warning=row[0] if is_warning else 0,
            fault=0 if is_warning else row[0],
        )
        text = shown(View(status=status, settings=SIXTEEN, orders=orders(status, 6)))
        flat = " ".join(text.split())
        for words in (row[1], row[4], *row[5]):
            assert words in flat, row[1]


def test_a_small_window_says_where_the_rest_is() -> None:
    status = Status(state=treatment.FAULT, fault=faults.RECORD_DAMAGED, opened=(0,) * 16)
    assert "emery faults RECORD_DAMAGED" in shown(View(status=status), 80, 16)
    assert "a taller window" in shown(View(status=Status(opened=(0,) * 16)), 80, 10)


def test_the_checklist_shows_what_is_confirmed() -> None:
    status = Status(
        state=treatment.CHECKLIST, reason=treatment.WHY_UNCONFIRMED,
        confirmed=contract.CONFIRM_EYEWEAR,
    )  # fmt: skip
    text = " ".join(shown(View(status=status)).split())
    assert "[ ] consultation [x] eyewear [ ] fresh tip skin type: not told" in text


@pytest.mark.parametrize(
    ("status", "hello", "words"),
    [
        (Status(is_stopped=1), {}, "The core has stopped"),
        (Status(sensor_fault=contract.BAROMETER_MISSING), {}, "barometer does not answer"),
        (Status(kept_fault=faults.VENT_FAILED), {}, "until SERVICE forgets it: VENT_FAILED"),
        (Status(), {"barrier": "3"}, "the power outlasts the heartbeat"),
        (Status(), {"trial": "1"}, "on trial"),
        (Status(), {"unmarked": "2", "cause": "2"}, "2 starts in a row went badly"),
    ],
)
def test_what_is_out_of_the_ordinary_is_said(
    status: Status, hello: dict[str, str], words: str
) -> None:
    text = shown(View(status=status, hello=Hello.of(hello)))
    assert words in " ".join(text.split())


def test_what_a_terminal_would_act_on_is_not_sent_to_it() -> None:
    text = shown(View(status=Status(), console=["\x1b[2J\x07bell"]))
    assert "console: ?[2J?bell" in text


def test_a_line_says_it_all() -> None:
    status = Status(
        state=treatment.PAUSED, reason=treatment.WHY_RELEASED, vacuum_a_pa=1_234,
        opened=(2, 0), session_ms=61_000, session_limit_ms=1_800_000,
        warning=faults.SESSION_ENDING,
    )  # fmt: skip
    assert one_line(View(status=status, settings=bench_settings())) == (
        "PAUSED; 1.2 kPa; chin 2/3; session 1:01 of 30:00; warning SESSION_ENDING; "
        "the footswitch was released"
    )
    fault = replace(status, fault=faults.OVER_VACUUM, is_stopped=1)
    assert "FAULT OVER_VACUUM; the core has stopped" in one_line(View(status=fault))
    assert one_line(View(trouble="it was unplugged")) == "no connection: it was unplugged"


# Keys ---------------------------------------------------------------------------


def test_keys_are_offered_once_each_and_only_known_commands() -> None:
    for state in range(len(treatment.STATES)):
        offered = orders(Status(state=state), 3)
        keys = [order.key for order in offered]
        assert len(keys) == len(set(keys)), state_name(state)
        assert "q" not in keys
        for order in offered:
            assert 1 <= order.command <= contract.COMMAND_LAST
            assert all(0 <= argument <= 255 for _, argument in order.answers)
            assert order.answers


def test_no_key_runs_an_output() -> None:
    running = {
        contract.COMMAND_RUN_PUMP, contract.COMMAND_RUN_FEED, contract.COMMAND_RUN_CRYSTALS,
        contract.COMMAND_CLOSE_VENT,
    }  # fmt: skip
    for state in range(len(treatment.STATES)):
        assert not running & {order.command for order in orders(Status(state=state), 3)}


class Sent(list[tuple[int, int]]):
    problem = ""

    def do(self, command: int, argument: int) -> str:
        self.append((command, argument))
        return self.problem


def test_a_command_is_sent_only_after_yes() -> None:
    sent = Sent()
    asker = Asker(sent.do)
    asker.offer(orders(Status(state=treatment.STANDBY), 2))
    asker.press("y")
    asker.press("x")
    assert (asker.question, sent) == ("", [])
    asker.press("s")
    assert "start a session?" in asker.question
    assert sent == []
    asker.press("n")
    assert (asker.question, asker.answer, sent) == ("", "not sent", [])
    asker.press("s")
    asker.press("y")
    assert sent == [(contract.COMMAND_START, 0)]
    assert asker.answer == "sent"


def test_a_refusal_is_shown() -> None:
    sent = Sent()
    sent.problem = "the mailbox is full"
    asker = Asker(sent.do)
    asker.offer(orders(Status(state=treatment.STANDBY), 2))
    asker.press("s")
    asker.press("Y")
    assert asker.answer == "not taken: the mailbox is full"


def test_the_question_of_a_skin_type_has_two_answers() -> None:
    sent = Sent()
    asker = Asker(sent.do)
    for answer in "yn":
        asker.offer(orders(Status(state=treatment.CHECKLIST), 2))
        asker.press("3")
        assert "first session" in asker.question
        asker.press(answer)
    assert sent == [
        (contract.COMMAND_CLIENT, 3 + contract.CLIENT_FIRST_SESSION),
        (contract.COMMAND_CLIENT, 3),
    ]


def test_a_question_is_taken_back_when_the_device_has_gone_on() -> None:
    sent = Sent()
    asker = Asker(sent.do)
    asker.offer(orders(Status(state=treatment.STANDBY), 2))
    asker.press("s")
    asker.offer(orders(Status(state=treatment.FAULT), 2))
    assert asker.question == ""
    asker.press("y")
    assert sent == []


def test_a_whole_session_can_be_begun_by_keys(device: LinkedDevice, feed: Feed) -> None:
    asker = Asker(feed.do)

    def press(keys: str) -> None:
        for key in keys:
            step(feed, 0.5)
            asker.offer(view_of(feed, "").orders)
            asker.press(key)
        step(feed, 0.5)

    press("sy")
    assert device.state == "CHECKLIST"
    press("2n" + "cy" * 3)
    assert device.state == "PROOF"
    press("ey")
    assert device.state == "STANDBY"


def test_a_label_is_on_the_page_for_every_kind_of_key() -> None:
    for state in range(len(treatment.STATES)):
        offered: list[Order] = orders(Status(state=state), 3)
        text = shown(View(status=Status(state=state), orders=offered))
        for order in offered:
            assert order.label in text
        assert "q quit" in text


# The feed -----------------------------------------------------------------------


def test_telemetry_is_counted_and_shown(feed: Feed) -> None:
    step(feed, 5.0)
    assert 4.0 <= feed.rate <= 6.0
    assert "link 5/s  0 lost" in shown(view_of(feed, ""))


def test_after_a_restart_it_watches_again(device: LinkedDevice, feed: Feed) -> None:
    step(feed, 1.0)
    assert feed.do(contract.COMMAND_SERVICE, 0) == ""
    step(feed, 6.0)
    assert device.starts == 2
    assert feed.trouble == ""
    assert feed.status is not None
    assert state_name(feed.status.state) == "SERVICE"
    assert feed.hello is not None
    assert feed.hello.in_service
    step(feed, 3.0)
    assert feed.rate > 4


def test_a_lost_connection_is_told_and_tried_again(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda s: device.turn())
    feed = Feed(lambda: Client(device), device.now_s)
    feed.connect()
    step(feed, 1.0)
    device.is_dead = True
    step(feed, 8.0)
    assert "answers as Emery does" in feed.trouble
    text = " ".join(shown(view_of(feed, "")).split())
    assert "no connection" in text
    assert "It is tried again." in text
    assert view_of(feed, "").orders == []
    assert feed.do(contract.COMMAND_START, 0) == "there is no connection"
    device.is_dead = False
    step(feed, 4.0)
    assert feed.trouble == ""
    assert feed.connections == 2


def test_settings_of_another_version_leave_the_limits_out(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(blob: bytes) -> None:
        raise SettingsError("schema", "version 9; this firmware reads version 2")

    monkeypatch.setattr("firmware.settings.decode", refuses)
    feed = Feed(lambda: Client(device), device.now_s)
    feed.connect()
    text = " ".join(shown(view_of(feed, "")).split())
    assert "version 9; this firmware reads version 2" in text
    assert "hard limit" not in text
    assert "zone 1" in text


def test_settings_that_are_not_in_force_yet_are_told_of() -> None:
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        client = Client(device)
        before = Feed(lambda: client, device.now_s)
        before.connect()
        client.set("hard_limit_pa", 44_500)
        step(before, 3.0)
        assert "hard limit 45.0" in shown(view_of(before, ""))
        after = Feed(lambda: Client(device), device.now_s)
        after.connect()
        text = " ".join(shown(view_of(after, "")).split())
        assert "hard limit 44.5" in text
        assert "holds from the next restart on" in text


def test_who_does_not_answer_at_first_is_no_feed(device: LinkedDevice) -> None:
    device.is_dead = True
    with pytest.raises(DeviceProblem):
        Feed(lambda: Client(device), device.now_s).connect()


# The command ---------------------------------------------------------------------

COMMAND = (
    "import typer; from emery.monitor.command import monitor; typer.run(monitor)"
)  # as the command line calls it


def test_without_a_terminal_it_prints_a_line_a_second(device: LinkedDevice) -> None:
    with served(device) as port:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "--port", port, "--for", "2.5"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("STANDBY; 0.0 kPa; chin 0/3; ") for line in lines)
    assert done.stderr == ""


def test_on_a_terminal_it_takes_the_screen_and_gives_it_back(device: LinkedDevice) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with served(device) as port, subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--port", port],
        stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment,
    ) as process:  # fmt: skip
        os.close(theirs)
        screen = b""
        end = time.monotonic() + 20
        while b"q quit" not in screen and time.monotonic() < end:
            screen += os.read(ours, 4_096)
        os.write(ours, b"q")
        while process.poll() is None and time.monotonic() < end:
            try:
                screen += os.read(ours, 4_096)
            except OSError:
                break  # it has let go of the terminal
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    os.close(ours)
    assert screen.count(b"\x1b[?1049h") == screen.count(b"\x1b[?1049l") == 1
    assert b"STANDBY" in screen


def test_no_device_is_a_device_problem() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "--port", "/dev/no-such-port"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 4
    assert "there is no port /dev/no-such-port" in done.stderr


# The config and its certificate ----------------------------------------------------


def text_of(device: LinkedDevice) -> str:
    feed = Feed(lambda: Client(device), device.now_s)
    feed.connect()
    lines = [text for text, _ in page(view_of(feed, "/dev/ttyACM0"), 80, 24)]
    assert max(map(len, lines)) <= 80
    return " ".join(" ".join(lines).split())


def test_a_valid_certificate_is_shown_with_its_figures(device: LinkedDevice) -> None:
    text = text_of(device)
    assert f"config {digest_of(device.blob)[:8]} certificate: 200 plants" in text
    assert "200 plants, peak 41.5 kPa, settled in 1.23 s" in text


def test_without_one_it_says_why_and_what_to_do() -> None:
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        Client(device).set("session_ms", 1_200_000)
        text = text_of(device)
        assert "none that is valid: settings were changed after it was made" in text
        assert "emery config push BOARD" in text
        assert "200 plants" not in text


def test_a_bench_rig_is_shown_as_one(device: LinkedDevice) -> None:
    device.loop._info["purpose"] = 1
    text = text_of(device)
    assert "A bench rig by its board file: it treats nobody" in text
    assert "200 plants" not in text


def test_a_firmware_from_before_certificates_is_shown_as_ever(device: LinkedDevice) -> None:
    device.loop._info["certificate"] = ""
    assert "ertificate" not in text_of(device)
