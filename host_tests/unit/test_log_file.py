"""Logs: pulled whole or not at all, kept without a scratch, and readable."""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import replace as changed
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emery.blackbox import command, log_file
from emery.blackbox.box import Box, BoxError
from emery.blackbox.journal import Entry, entries
from emery.blackbox.log_file import BLOBS, Log, LogFileError
from emery.blackbox.pull import pull
from emery.blackbox.replay import replay
from emery.blackbox.show import command_words, page
from emery.device.problem import DeviceProblem
from emery.link.client import Client, Refused
from emery.link.said import Hello
from firmware import black_box, faults
from firmware.journal import (
    CONFIG_WRITTEN,
    CRASH,
    FAULT_LATCHED,
    SESSION_BEGUN,
    SESSION_ENDED,
    START,
)
from hal.contract import COMMAND_CONFIRM, COMMAND_START, RESET_WATCHDOG
from host_tests.linked import LinkedDevice, at_every_port, linked_device
from host_tests.logs import log_of, treated_device, tripped_device

HEAD = struct.calcsize(black_box.COPY_FORM)


@pytest.fixture(scope="module")
def log() -> Log:
    device = treated_device()
    journal = struct.pack("<IIBBH", 12, 0, START, 1, 0)
    return log_of(device.controller, device.settings, journal=journal)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkedDevice]:
    """A device at every port."""
    with linked_device() as made:
        at_every_port(made, monkeypatch)
        yield made


def pulled(device: LinkedDevice) -> Log:
    client = Client(device)
    return pull(client, client.hello(), lambda part, title: None)


def run(*words: object) -> tuple[int, str, str]:
    """Exit code, stdout, and stderr as one line: a path may be long or short."""
    done = CliRunner().invoke(command.log_app, [str(word) for word in words])
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


# Pulling ----------------------------------------------------------------------------


def test_a_pull_brings_everything_as_the_device_has_it(device: LinkedDevice) -> None:
    device.to_treating()
    device.board.footswitch = 0
    device.run(1_500)
    log = pulled(device)
    assert set(log.blobs) == set(BLOBS)
    assert log.missing == {}
    assert log.blobs["config"] == device.blob
    assert log.blobs["journal"] == device.journal.entries()
    assert log.hello.version == "0.9"
    assert log.box().ticks > 500
    assert replay(log).difference is None


def test_the_box_of_a_link_is_the_one_of_the_device() -> None:
    device = treated_device()
    told = device.controller.black_box
    box = log_of(device.controller, device.settings).box()
    assert (box.first_tick, box.ticks) == (told.oldest_record(), told.ticks)
    assert box.period_ms == device.tick_ms
    assert not box.is_stopped
    for tick in range(box.first_tick, box.ticks):
        assert box.record(tick) == told.record_at(tick)
    for tick, frame in box.keyframes:
        index = told.keyframe_ticks.index(tick)
        assert list(frame) == told.keyframes[index]
    assert [tick for tick, _ in box.keyframes] == sorted(told.keyframe_ticks)


def test_the_box_of_a_short_run_has_the_ticks_that_were() -> None:
    device = tripped_device()
    assert log_of(device.controller, device.settings).box().is_stopped
    device.power_on()
    for _ in range(7):
        device.tick()
    box = log_of(device.controller, device.settings).box()
    assert (box.first_tick, box.ticks, len(box.records)) == (0, 7, 7)
    assert [record[8] for record in box.records] == [device.tick_ms] * 7


def test_nothing_is_pulled_in_the_midst_of_a_treatment(
    device: LinkedDevice, tmp_path: Path
) -> None:
    device.to_treating()
    code, out, err = run("pull", tmp_path / "it")
    assert (code, out) == (4, "")
    assert "being used" in err
    assert "footswitch" in err
    assert list(tmp_path.iterdir()) == []
    assert device.state == "TREATING"


def test_what_the_device_cannot_give_is_noted(
    device: LinkedDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = Client.blob

    def without_box(self: Client, what: str) -> Iterator[tuple[int, bytes]]:
        if what == "box":
            raise Refused("blob box 0", "no memory is free for a copy")
        return blob(self, what)

    monkeypatch.setattr(Client, "blob", without_box)
    device.run(1_000)
    code, out, err = run("pull", tmp_path / "it")
    assert code == 0
    assert "no memory is free" in err
    assert "no black box" in out
    log = log_file.read(tmp_path / "it")
    assert "box" not in log.blobs
    with pytest.raises(LogFileError, match="no memory is free"):
        replay(log)
    code, out, _ = run("show", tmp_path / "it")
    assert code == 0
    assert "no memory is free" in out


class Growing:
    """A client whose journal changes in its second piece, as often as is said."""

    def __init__(self, changes: int) -> None:
        self.changes = changes
        self.asked = 0

    def blob(self, what: str) -> Iterator[tuple[int, bytes]]:
        if what != "journal":
            yield 1, b"x"
            return
        self.asked += 1
        second = b"b" if self.asked > self.changes else bytes([self.asked])
        yield 2, b"a"
        yield 2, second


@pytest.mark.parametrize("changes", [0, 1])
def test_what_changes_meanwhile_is_pulled_again(changes: int) -> None:
    client = Growing(changes)
    log = pull(client, Hello.of({}), lambda part, title: None)  # type: ignore[arg-type]
    assert log.blobs["journal"] == b"ab"
    assert client.asked == 2 + changes


def test_what_changes_all_the_time_is_told() -> None:
    with pytest.raises(DeviceProblem, match="journal changes"):
        pull(Growing(9), Hello.of({}), lambda part, title: None)  # type: ignore[arg-type]


def test_the_pull_of_a_file_says_what_it_has(device: LinkedDevice, tmp_path: Path) -> None:
    device.run(2_000)
    code, out, err = run("pull", tmp_path / "it")
    assert (code, err) == (0, "")
    log = log_file.read(tmp_path / "it")
    assert log.hello.chip == "rp2040"
    assert out == f"{tmp_path / 'it'}: {len(log.box().records)} ticks, 1 journal entry, " \
        "Emery 0.9 on rp2040\n"


def test_a_pull_names_the_file_by_device_and_time(
    device: LinkedDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    device.run(1_000)
    assert run("pull")[0] == 0
    (made,) = tmp_path.iterdir()
    assert made.name.startswith("bench-start1-")
    assert made.suffix == ".emery-log"


def test_a_file_is_written_over_only_when_that_is_said(
    device: LinkedDevice, tmp_path: Path
) -> None:
    device.run(1_000)
    file = tmp_path / "it"
    file.write_text("mine")
    turns = device.turns
    code, out, err = run("pull", file)
    assert (code, out) == (2, "")
    assert "--force" in err
    assert file.read_text() == "mine"
    assert device.turns == turns  # it was told before anything was pulled
    assert run("pull", file, "--force")[0] == 0
    assert log_file.read(file).hello.version == "0.9"
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_a_folder_that_is_not_there_is_told(device: LinkedDevice, tmp_path: Path) -> None:
    code, _, err = run("pull", tmp_path / "none" / "it")
    assert code == 2
    assert "there is no folder" in err


# The file ---------------------------------------------------------------------------


def test_a_log_comes_back_from_its_file(log: Log, tmp_path: Path) -> None:
    log_file.write(tmp_path / "it", log.text(), over=False)
    assert log_file.read(tmp_path / "it") == log


def test_a_write_that_fails_leaves_what_was_there(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "it"
    file.write_text("mine")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        log_file.write(file, log.text(), over=True)
    assert file.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_a_file_that_came_meanwhile_is_not_written_over(log: Log, tmp_path: Path) -> None:
    file = tmp_path / "it"
    file.write_text("another's")
    with pytest.raises(FileExistsError):
        log_file.write(file, log.text(), over=False)
    assert file.read_text() == "another's"
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


@pytest.mark.parametrize("name", ["box", "journal", "config"])
def test_a_changed_byte_of_a_blob_is_seen(name: str, log: Log, tmp_path: Path) -> None:
    document = json.loads(log.text())
    content = bytearray(base64.b64decode(document["blobs"][name]["base64"]))
    content[len(content) // 2] ^= 1
    document["blobs"][name]["base64"] = base64.b64encode(content).decode()
    (tmp_path / "it").write_text(json.dumps(document))
    with pytest.raises(LogFileError, match=f"its {name} was changed"):
        log_file.read(tmp_path / "it")


@pytest.mark.parametrize(
    "change",
    [
        {"blobs": None},
        {"blobs": {"box": 3}},
        {"blobs": {"box": {"base64": "*", "sha256": ""}}},
        {"blobs": {"box": {"base64": 1, "sha256": ""}}},
        {"device": []},
        {"device": {"version": 1}},
        {"missing": "none"},
        {"pulled": 5},
    ],
)
def test_a_log_of_another_shape_is_refused(
    change: dict[str, object], log: Log, tmp_path: Path
) -> None:
    (tmp_path / "it").write_text(json.dumps(json.loads(log.text()) | change))
    code, out, err = run("show", tmp_path / "it")
    assert (code, out) == (2, "")
    assert "emery log pull" in err


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, b"XXXX", "does not begin"),
        (1, 2, "version 2"),
        (2, 30, "30 bytes"),
        (3, 0, "its records"),
        (3, 511, "its head tells"),
        (4, 0, "a state of 0"),
        (4, 238, "its head tells"),
        (5, -1, "cannot be"),
        (6, 1, "cannot be"),
        (6, 512 * black_box.RECORD_BYTES, "cannot be"),
    ],
)
def test_a_copy_with_another_head_is_refused(
    place: int, value: object, words: str, log: Log
) -> None:
    head = list(struct.unpack_from(black_box.COPY_FORM, log.blobs["box"], 0))
    assert head[place] != value
    head[place] = value
    with pytest.raises(BoxError, match=words):
        Box.of(struct.pack(black_box.COPY_FORM, *head) + log.blobs["box"][HEAD:])


def test_a_copy_that_was_cut_off_is_refused(log: Log) -> None:
    for length in [*range(HEAD + 1), HEAD + 100, len(log.blobs["box"]) - 1]:
        with pytest.raises(BoxError):
            Box.of(log.blobs["box"][:length])


# Showing it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry(1, 0, START, RESET_WATCHDOG, 0), "start: watchdog"),
        (Entry(1, 0, FAULT_LATCHED, faults.OVER_VACUUM, 6), "fault OVER_VACUUM in TREATING"),
        (Entry(1, 0, SESSION_BEGUN, 0, 0), "session begun"),
        (Entry(1, 0, SESSION_ENDED, 1, 3), "session ended: 1 zone treated, 3 passes opened"),
        (Entry(1, 0, SESSION_ENDED, 2, 1), "session ended: 2 zones treated, 1 pass opened"),
        (Entry(1, 0, CONFIG_WRITTEN, 0, 0), "config written"),
        (Entry(1, 0, CRASH, 0, 0), "the firmware ended with an error"),
        (Entry(1, 0, 99, 1, 2), "kind 99, 1, 2: of a later version"),
        (Entry(1, 0, FAULT_LATCHED, 200, 77), "fault FAULT 200 in state 77"),
    ],
)
def test_journal_entries_have_words(entry: Entry, words: str) -> None:
    assert entry.words() == words


def test_a_piece_of_an_entry_is_left_out() -> None:
    blob = struct.pack("<IIBBH", 5, 61, SESSION_BEGUN, 0, 0)
    assert entries(blob + blob[:7]) == [Entry(5, 61, SESSION_BEGUN, 0, 0)]
    assert entries(b"") == []


def test_a_page_tells_what_happened_and_what_to_do() -> None:
    device = tripped_device()
    fault = device.controller.protection.fault
    journal = b"".join(
        struct.pack("<IIBBH", *entry)
        for entry in [
            (11, 0, START, 1, 0), (11, 3_700, FAULT_LATCHED, faults.NOZZLE_CLOGGED, 6),
            (12, 0, START, RESET_WATCHDOG, 0), (12, 75, FAULT_LATCHED, fault, 6),
        ]
    )  # fmt: skip
    log = log_of(device.controller, device.settings, journal=journal, crash=b"oh \x1b[31m no")
    text = page(log, 20)
    code, _, _, headline, steps = faults.CATALOGUE[fault][1:]
    assert "Emery 0.9, rp2040, bench pico" in text
    assert f"fault {code} in TREATING" in text
    assert "start: watchdog" in text
    assert "61:40 min" in text
    assert " ".join(headline.split()) in " ".join(text.split())
    for place, step in enumerate(steps, 1):
        assert f"{place}. {step}" in " ".join(text.split())
    # The newest fault first, and the ticks around it.
    assert text.index(f"  {code}:") < text.index("  NOZZLE_CLOGGED:")
    assert f"latched: {code}" in text
    assert "recording stopped" in text
    assert "TREATING" in text.split("around the fault")[1]
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_page_shows_the_last_ticks_with_their_vacuum(log: Log) -> None:
    box = log.box()
    text = page(log, 5)
    rows = [line for line in text.splitlines() if "TREATING" in line and "open" not in line]
    rows = [line for line in rows if "closed" in line]
    assert [int(row.split()[0]) for row in rows] == list(range(box.ticks - 5, box.ticks))
    for row in rows:
        a, b = (float(word) for word in row.split()[3:5])
        assert 10 < a < 40
        assert a == pytest.approx(b, abs=1)
    assert "5 ticks" not in page(log, 0)
    assert "512 ticks in the black box" in page(log, 0)


def test_a_page_goes_without_vacuum_where_the_core_cannot_tell_it(log: Log) -> None:
    config = bytearray(log.blobs["config"])
    config[-1] ^= 1
    text = page(changed(log, blobs=log.blobs | {"config": bytes(config)}), 5)
    assert "no vacuum: the config in this log is not the one" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_page_of_an_empty_log_is_a_page() -> None:
    text = page(Log("0.1.0", "now", {}, {}, {}), 20)
    assert "Journal: empty" in text
    assert "No fault" in text
    assert "no box" in text


def test_commands_have_words() -> None:
    assert command_words(COMMAND_CONFIRM, 2) == "confirm 2"
    assert command_words(COMMAND_START, 0) == "start"
    assert command_words(250, 10) == "250 10"
