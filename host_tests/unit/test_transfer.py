"""Configs onto a device and back, as the commands do it: `emery config push`, `pull`,
`undo`, `history`, `blame` and `emery set`.

The device is in this process; certificates are given without a simulation.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from emery import slot
from emery.certificate import core
from emery.config.compiled import decompile
from emery.device import ports
from emery.device.problem import DeviceProblem
from emery.ledger import backup, book, pending, place
from emery.ledger import command as ledger_command
from emery.link import command as link_command
from emery.link.client import Client, Refused
from emery.link.said import Hello
from emery.transfer import command, push, serviced
from emery.transfer.certified import certified
from firmware import certificate, config_file, treatment
from firmware.core_mark import CORE_MARK
from host_tests.configs import (
    REASONS,
    blob,
    certify_without_simulation,
    payload,
    with_certificate,
)
from host_tests.linked import LinkedDevice, at_every_port, linked_device

APP = typer.Typer()
for _name, _command in (
    ("push", command.push),
    ("pull", command.pull),
    ("undo", command.undo),
    ("history", ledger_command.history),
    ("blame", ledger_command.blame),
    ("set", link_command.set_value),
):
    APP.command(_name)(_command)

BOARDS = slot.ROOT / "board_configs"
PICO = BOARDS / "pico_reference.toml"
FACE = BOARDS / "protocols" / "face.toml"
LONG_NAME = "a" * 300


@pytest.fixture(autouse=True)
def ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the ledgers of each test, and no board but the test's."""
    monkeypatch.setenv(place.VARIABLE, str(tmp_path / "ledger"))
    monkeypatch.setattr(ports, "connected", list)
    certify_without_simulation(monkeypatch)
    return tmp_path / "ledger"


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkedDevice]:
    """A certified device in STANDBY, at every port."""
    with linked_device() as made:
        at_every_port(made, monkeypatch)
        made.run_until("STANDBY")
        yield made


@pytest.fixture
def device_id(device: LinkedDevice) -> str:
    return device.board.device_id


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(APP, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    lines = [line for line in done.stdout.splitlines() if not line.startswith("written: ")]
    assert all(len(line) <= 80 for line in lines), done.stdout
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


def board_file(folder: Path, **changes: str) -> Path:
    """The device's own config as a board file, with other values."""
    from emery.config.edit import set_values
    from emery.config.write import board_toml

    path = folder / "bench.toml"
    path.write_text(board_toml(decompile(blob())), encoding="utf-8")
    if changes:
        set_values(path, {key.replace("__", "."): value for key, value in changes.items()})
    return path


# Push -----------------------------------------------------------------------------------------


def test_push_shows_the_difference_and_leaves_a_device_that_works(
    device: LinkedDevice, device_id: str, tmp_path: Path, ledgers: Path
) -> None:
    file = board_file(tmp_path, protection__hard_limit="44.5 kPa", plant__volume="700 mL")
    before = device.blob
    code, out, err = run("push", str(file), "--why", "new tip", "--who", "anna")
    assert (code, err) == (0, "")
    assert "protection.hard_limit  45 kPa -> 44.5 kPa" in out
    assert "plant.volume           not there -> 700 mL" in out
    assert "written and verified: entry 2" in out
    assert "200 plants, worst peak 41.5 kPa, settled within 1.23 s" in out
    assert "restarted, and is in STANDBY" in out
    assert device.state == "STANDBY"
    config = decompile(device.blob)
    assert config.settings.hard_limit_pa == 44_500
    assert config.plant == {"volume_m3": 7e-4}
    assert config.settings.protocol_name == decompile(before).settings.protocol_name
    assert certificate.standing(config.certificate, config.settings, 0, CORE_MARK) == "ok"
    seen, entry = book.entries(device_id)
    assert (seen.what, seen.after) == ("seen", before)
    assert (entry.what, entry.who, entry.why) == ("push", "anna", "new tip")
    assert (entry.before, entry.after) == (before, device.blob)
    assert entry.changed == ("protection.hard_limit", "plant.volume")
    assert entry.certificate == {
        "plants": 200, "worst_peak_pa": 41_500, "worst_settle_ms": 1_234,
    }  # fmt: skip
    (kept,) = (ledgers / "backups" / device_id).iterdir()
    assert kept.read_bytes() == before
    assert pending.of(device_id) is None
    newest = Client(device).ledger()[-1]
    assert (newest.who, newest.why) == ("anna", "new tip")


def test_push_of_what_is_there_writes_nothing(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    starts = device.starts
    code, out, err = run("push", str(board_file(tmp_path)))
    assert (code, err) == (0, "")
    assert "nothing to write" in out
    assert device.starts == starts
    assert [entry.what for entry in book.entries(device_id)] == ["seen"]


def test_push_of_a_file_that_extends_another(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    board_file(tmp_path)
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'extends = "bench.toml"\n[protection]\nhard_limit = "44.5 kPa"\n', encoding="utf-8"
    )
    code, out, err = run("push", str(mine))
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == "    protection.hard_limit  45 kPa -> 44.5 kPa"
    assert decompile(device.blob).settings.hard_limit_pa == 44_500


def test_push_with_a_protocol_changes_the_zones(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    code, out, _ = run("push", str(board_file(tmp_path)), "--protocol", "neck")
    assert code == 0
    assert "protocol.name         bench -> neck" in out
    assert "zone.3                not there -> top of chest" in out
    assert "zone.3.level" not in out
    assert "changed: protocol.name, zone.1, zone.2, zone.3\n" in run("history")[1]
    assert decompile(device.blob).settings.protocol_name == "neck"


def test_a_dry_run_changes_nothing(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    before, starts = device.blob, device.starts
    file = board_file(tmp_path, protection__hard_limit="44.5 kPa")
    code, out, _ = run("push", str(file), "--dry-run")
    assert code == 0
    assert "45 kPa -> 44.5 kPa" in out
    assert "settled within 1.23 s\nnothing was changed" in out
    file = board_file(tmp_path, treatment__session="13 min")
    code, out, err = run("push", str(file), "--dry-run")
    assert code == 1
    assert REASONS in err
    assert (device.blob, device.starts) == (before, starts)
    assert [entry.what for entry in book.entries(device_id)] == ["seen"]


def test_keys_for_engineers_ask_for_the_word(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    before = device.blob
    file = board_file(tmp_path, contact__stroke="400 ms")
    code, _, err = run("push", str(file))
    assert code == 2
    assert "contact.stroke: it asks for knowledge of the design" in err
    assert "--engineer" in err
    assert device.blob == before
    assert run("push", str(file), "--engineer")[0] == 0
    assert decompile(device.blob).settings.stroke_ms == 400


def test_what_fails_its_certificate_never_gets_to_the_device(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    before, starts = device.blob, device.starts
    code, _, err = run("push", str(board_file(tmp_path, treatment__session="13 min")))
    assert code == 1
    assert "settle: 9 s on plant 17" in err
    assert (device.blob, device.starts) == (before, starts)
    assert [entry.what for entry in book.entries(device_id)] == ["seen"]


def test_a_device_that_is_used_is_left_alone(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    device.to_treating()
    before = device.blob
    code, _, err = run("push", str(board_file(tmp_path, protection__hard_limit="44.5 kPa")))
    assert code == 4
    assert "in TREATING: it is being used" in err
    assert (device.state, device.blob) == ("TREATING", before)


def test_a_config_for_another_chip_is_refused(device: LinkedDevice, device_id: str) -> None:
    code, _, err = run("push", str(BOARDS / "esp32_devkitc.toml"), "--protocol", "face")
    assert code == 2
    assert "the device has an rp2040" in err


def test_another_firmware_is_brought_up_to_date_first(
    device: LinkedDevice, device_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = device.blob
    real = Client.hello

    def hello(client: Client) -> Hello:
        return replace(real(client), core="0" * 16)

    monkeypatch.setattr(Client, "hello", hello)
    code, _, err = run("push", str(board_file(tmp_path, protection__hard_limit="44.5 kPa")))
    assert code == 4
    assert "emery flash --keep" in err
    assert device.blob == before
    assert device.state in ("SERVICE", "SELF_TEST", "STANDBY")  # on its way out of SERVICE


def test_the_core_is_compared_by_its_true_mark(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot has it when it is built, whatever was written down of it."""
    hello = Client(device).hello()
    push.refuse_other_core(hello)
    monkeypatch.setattr(core, "core_mark", lambda: b"\x01" * 8)
    push.refuse_other_core(replace(hello, core="01" * 8))
    with pytest.raises(DeviceProblem, match="another control core"):
        push.refuse_other_core(hello)


def test_a_dry_run_tells_of_another_core_as_a_push_does(
    device: LinkedDevice, device_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "core_mark", lambda: b"\x01" * 8)
    starts = device.starts
    file = board_file(tmp_path, protection__hard_limit="44.5 kPa")
    code, out, err = run("push", str(file), "--dry-run")
    assert code == 4
    assert "another control core" in err
    assert "certificate" not in out
    assert device.starts == starts


def test_a_device_in_service_stays_there(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    device._start(1)
    device.run(500)
    starts = device.starts
    code, out, _ = run("push", str(board_file(tmp_path, protection__hard_limit="44.5 kPa")))
    assert code == 0
    assert "holds from the next restart" in out
    assert (device.state, device.starts) == ("SERVICE", starts)


def test_a_device_without_a_certificate_gets_out_of_service_with_one(
    device: LinkedDevice, device_id: str, tmp_path: Path
) -> None:
    device.blob = blob()
    device._start(1)
    device.run(500)
    code, out, _ = run("push", str(board_file(tmp_path)))
    assert code == 0
    assert "no key differs" in out
    assert "STANDBY" in out
    assert device.state == "STANDBY"
    assert book.entries(device_id)[-1].what == "push"


def test_a_mistake_in_the_file_is_told_before_the_device_is_asked(
    device: LinkedDevice, tmp_path: Path
) -> None:
    turns = device.turns
    file = board_file(tmp_path)
    file.write_text(file.read_text(encoding="utf-8").replace('"45 kPa"', "45"), encoding="utf-8")
    code, _, err = run("push", str(file))
    assert code == 2
    assert "protection" in err
    assert device.turns == turns


def test_what_the_device_refuses_leaves_no_plan(
    device: LinkedDevice, device_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Client, *words: object) -> bool:
        raise Refused("commit", "it cannot be written")

    monkeypatch.setattr(Client, "put_config", refuse)
    file = board_file(tmp_path, protection__hard_limit="44.5 kPa")
    code, _, err = run("push", str(file))
    assert code == 4
    assert "refused `commit`" in err
    assert pending.of(device_id) is None
    device.run_until("STANDBY")


@pytest.mark.parametrize("keeps", ["the old one", "something else"])
def test_what_does_not_read_back_is_told(
    keeps: str, device: LinkedDevice, device_id: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def spoilt(self: Client, config: bytes, *words: object) -> bool:
        if keeps == "something else":
            device.loop._info["config_blob"] = with_certificate(blob(session_ms=600_000))
        return True

    monkeypatch.setattr(Client, "put_config", spoilt)
    code, _, err = run("push", str(board_file(tmp_path, protection__hard_limit="44.5 kPa")))
    assert code == 4
    assert "reads back another one" in err
    assert [entry.what for entry in book.entries(device_id)] == ["seen"]
    assert (pending.of(device_id) is None) is (keeps == "the old one")


@pytest.mark.parametrize("arrives", [True, False])
def test_a_line_that_is_lost_leaves_the_old_or_the_new(
    arrives: bool, device: LinkedDevice, device_id: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run("history", "--port", "x")
    real = Client.ask

    def unplugged(self: Client, verb: str, *words: object, **limits: Any) -> str:
        if verb == "commit" and arrives:
            real(self, verb, *words, **limits)
        if verb == "commit":
            device.is_dead = True
            raise DeviceProblem("the connection was lost", "Plug the device in again.")
        return real(self, verb, *words, **limits)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "ask", unplugged)
        code, _, err = run("push", str(board_file(tmp_path, protection__hard_limit="44.5 kPa")))
    assert code == 4
    assert "the connection was lost. The device has the old config or the new one" in err
    assert "Plug the device in again. Then `emery config history" in err
    device.is_dead = False
    device._start(0)
    code, _, err = run("history", "--port", "x")
    assert ("Entry 2 tells of it now" if arrives else "has what it had before") in err
    assert [entry.what for entry in book.entries(device_id)] == ["seen", "push"][: 1 + arrives]


# The end of this process at every step ---------------------------------------------------------


class Killed(BaseException):
    """The host loses its power."""


STEPS = (
    "backup.keep", "pending.keep", "Client.put_config", "put", "commit", "_verify", "book.append",
    "pending.forget",
)  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_end_at_any_step_is_told_by_the_next_command(
    step: str, when: str, device: LinkedDevice, device_id: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run("history", "--port", "x")
    before = device.blob
    file = board_file(tmp_path, protection__hard_limit="44.5 kPa")
    with monkeypatch.context() as patch:
        _kill_at(step, when, patch)
        with pytest.raises(Killed):
            CliRunner().invoke(APP, ["push", str(file)], catch_exceptions=False)
    assert device.blob == before or decompile(device.blob).settings.hard_limit_pa == 44_500
    is_new = device.blob != before
    code, _, err = run("history", "--port", "x")
    assert code == 0
    entries = book.entries(device_id)
    assert entries[-1].after == device.blob
    assert [entry.what for entry in entries] == (["seen", "push"] if is_new else ["seen"])
    assert pending.of(device_id) is None
    # Told, wherever there is something to tell.
    had_plan = STEPS.index(step) > 1 or (step == "pending.keep" and when == "after")
    had_entry = step == "pending.forget" or (step == "book.append" and when == "after")
    if not had_plan or had_entry:
        assert err == ""
    else:
        assert ("Entry 2 tells of it now" if is_new else "has what it had before") in err
    # And it works on from there.
    device.run_until("STANDBY")
    assert run("push", str(file), "--protocol", "neck")[0] == 0
    assert book.read(device_id).problems == []


def _kill_at(step: str, when: str, patch: pytest.MonkeyPatch) -> None:
    place_of: object
    if step in ("put", "commit"):
        place_of, name = Client, "ask"
    elif step == "Client.put_config":
        place_of, name = Client, "put_config"
    elif step == "_verify":
        place_of, name = push, "_verify"
    else:
        module, _, name = step.partition(".")
        place_of = {"backup": backup, "book": book, "pending": pending}[module]
    real = getattr(place_of, name)

    def killed(*args: object, **named: object) -> object:
        if step in ("put", "commit") and args[1] != step:
            return real(*args, **named)
        if step == "book.append" and named["what"] == "seen":
            return real(*args, **named)
        if when == "after":
            real(*args, **named)
        raise Killed

    patch.setattr(place_of, name, killed)


# Pull -----------------------------------------------------------------------------------------


def test_pull_writes_files_that_push_takes(device: LinkedDevice, tmp_path: Path) -> None:
    board, protocol = tmp_path / "mine.toml", tmp_path / "its.toml"
    code, out, err = run("pull", "-o", str(board), "--protocol-out", str(protocol))
    assert (code, err) == (0, "")
    assert out == f"written: {board}\nwritten: {protocol}\n"
    code, out, _ = run("push", str(board), "--protocol", str(protocol))
    assert code == 0
    assert "nothing to write" in out


def test_pull_overwrites_nothing_unless_told(device: LinkedDevice, tmp_path: Path) -> None:
    board = tmp_path / "mine.toml"
    board.write_text("# mine\n", encoding="utf-8")
    turns = device.turns
    code, _, err = run("pull", "-o", str(board))
    assert code == 2
    assert "--force" in err
    assert (board.read_text(encoding="utf-8"), device.turns) == ("# mine\n", turns)
    assert run("pull", "-o", str(board), "--force")[0] == 0
    assert "[protection]" in board.read_text(encoding="utf-8")


def test_pull_without_a_file_is_the_board_file_alone(device: LinkedDevice) -> None:
    done = CliRunner().invoke(APP, ["pull"])
    assert done.exit_code == 0
    assert 'hard_limit = "45 kPa"' in done.stdout
    assert done.stderr == ""


def test_board_and_protocol_go_into_two_files(device: LinkedDevice, tmp_path: Path) -> None:
    board = tmp_path / "a.toml"
    code, _, err = run("pull", "-o", str(board), "--protocol-out", str(board))
    assert code == 2
    assert "name two" in err


@pytest.mark.parametrize("name", ["file/a.toml", LONG_NAME])
def test_pull_into_what_cannot_be_written_is_told(
    name: str, device: LinkedDevice, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, _, err = run("pull", "-o", str(tmp_path / name), "--force")
    assert code == 2
    assert "cannot be written" in err


@pytest.mark.parametrize("words", [(LONG_NAME,), (str(PICO), "--protocol", LONG_NAME)])
def test_a_name_that_no_system_takes_is_refused_in_words(
    words: tuple[str, ...], device: LinkedDevice
) -> None:
    code, _, err = run("push", *words)
    assert code == 2
    assert LONG_NAME[:50] in err


def test_a_config_of_a_later_emery_is_refused_in_words(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Client.whole_blob

    def whole_blob(client: Client, what: str) -> bytes:
        found = bytearray(real(client, what))
        if what == "config":
            found[4] = 99  # the version of the wiring
        return bytes(found)

    monkeypatch.setattr(Client, "whole_blob", whole_blob)
    for words in (("pull",), ("push", str(PICO)), ("set", "hard_limit", "44 kPa")):
        code, _, err = run(*words)
        assert code in (2, 4)
        assert "use a newer emery" in err


# History, blame, undo --------------------------------------------------------------------------


@pytest.fixture
def changed(device: LinkedDevice, device_id: str) -> LinkedDevice:
    """A device whose hard limit was set twice, and its session once."""
    for words in (
        ("hard_limit", "44.5 kPa", "--why", "the new tip is tighter", "--who", "anna"),
        ("session", "20 min", "--who", "otto"),
        ("hard_limit", "44.8 kPa", "--why", "a bit much", "--who", "otto"),
    ):
        assert run("set", *words)[0] == 0
    return device


def test_history_is_a_table(changed: LinkedDevice, device_id: str) -> None:
    code, out, err = run("history")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"device {device_id}"
    assert lines[1].split() == ["#", "when", "(UTC)", "what", "who", "certificate"]
    assert lines[2].split()[0] == "4"
    assert lines[2].endswith("set       otto            200 plants, to 41.5 kPa")
    assert "a bit much" in lines[3]
    assert "protection.hard_limit: 44.5 kPa -> 44.8 kPa" in lines[4]


def test_history_as_json(changed: LinkedDevice, device_id: str) -> None:
    import json

    done = CliRunner().invoke(APP, ["history", "--device", device_id[:5], "--json"])
    document = json.loads(done.stdout)
    assert document["schema"] == "emery.history/1"
    assert [entry["what"] for entry in document["entries"]] == ["seen", "set", "set", "set"]
    assert document["problems"] == []


def test_history_of_the_device_itself(changed: LinkedDevice) -> None:
    code, out, err = run("history", "--on-device")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[1].split() == ["#", "when", "(UTC)", "start", "who", "entry", "here", "why"]
    newest, *_, oldest = lines[2:]
    assert newest.split()[4:] == ["otto", "4", "a", "bit", "much"]
    assert "unknown" in oldest
    assert run("history", "--on-device", "--json")[0] == 2


def test_history_of_a_changed_ledger_names_the_line(
    changed: LinkedDevice, device_id: str
) -> None:
    path = place.ledger_file(device_id)
    path.write_bytes(path.read_bytes().replace(b'"otto"', b'"hugo"', 1))
    code, out, err = run("history")
    assert code == 1
    assert "hugo" in out
    assert "line 3 (entry 3) was changed after it was written" in err
    code, out, err = run("undo", "3", "--yes")
    assert code == 0  # the config in it has checks of its own
    assert "the ledger is not as it was written: line 3" in err


def test_history_without_a_device_needs_one_ledger(
    changed: LinkedDevice, device_id: str
) -> None:
    turns = changed.turns
    assert run("history")[0] == 0
    assert changed.turns == turns  # the only ledger there is: nobody was asked
    book.append("abcd0123", what="seen", before=b"", after=blob())
    code, _, err = run("history")
    assert code == 2
    assert f"--device: abcd0123 {device_id}" in err
    assert run("history", "--device", "abcd")[0] == 0
    code, _, err = run("history", "--device", "77")
    assert code == 2
    assert "no device has a ledger under '77'" in err


def test_blame_tells_all_the_way_back(changed: LinkedDevice) -> None:
    code, out, err = run("blame", "hard_limit")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "protection.hard_limit is 44.8 kPa"
    assert lines[1].endswith("44.5 kPa -> 44.8 kPa")
    assert lines[2] == "      set by otto: a bit much"
    assert lines[3].endswith("45 kPa -> 44.5 kPa")
    assert lines[5].endswith("45 kPa when first seen")
    assert len(lines) == 7
    assert run("blame", "hard_limit_pa")[1] == out


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("hard_limt", "Did you mean protection.hard_limit?"),
        ("zzzz", "`emery get` lists the settings"),
        ("name", "write the whole of it"),
    ],
)
def test_blame_of_no_key_says_what_is_near(
    key: str, words: str, changed: LinkedDevice
) -> None:
    code, out, err = run("blame", key)
    assert (code, out) == (2, "")
    assert words in err


def test_undo_brings_back_what_was_before(changed: LinkedDevice, device_id: str) -> None:
    code, out, err = run("undo", "--yes")
    assert (code, err) == (0, "")
    assert "44.8 kPa -> 44.5 kPa" in out
    assert "a board file that states them is as it was" in out
    assert decompile(changed.blob).settings.hard_limit_pa == 44_500
    entry = book.entries(device_id)[-1]
    assert (entry.what, entry.why, entry.extra) == ("undo", "undo of entry 4", {"undone": 4})
    # An undo is a change as any other.
    assert run("undo", "--yes")[0] == 0
    assert decompile(changed.blob).settings.hard_limit_pa == 44_800


def test_undo_of_an_earlier_entry(changed: LinkedDevice, device_id: str) -> None:
    code, out, _ = run("undo", "3", "--yes")
    assert code == 0
    assert "treatment.session" in out
    settings = decompile(changed.blob).settings
    assert (settings.session_ms, settings.hard_limit_pa) == (1_800_000, 44_500)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("9", "--yes"), "there are 1 to 4"),
        (("1", "--yes"), "nothing is known of what was before entry 1"),
        ((), "add --yes"),
    ],
)
def test_undo_that_cannot_be_says_why(
    words: tuple[str, ...], told: str, changed: LinkedDevice
) -> None:
    before = changed.blob
    code, _, err = run("undo", *words)
    assert code == 2
    assert told in err
    assert changed.blob == before


@pytest.mark.parametrize("answer", [True, False])
def test_undo_asks_first(
    answer: bool, changed: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = changed.blob
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=terminal))
    monkeypatch.setattr(typer, "confirm", lambda question: answer)
    code, out, _ = run("undo")
    assert code == 0
    assert "44.8 kPa -> 44.5 kPa" in out
    assert (changed.blob != before) is answer


def test_what_was_made_for_one_device_is_not_put_on_another(
    changed: LinkedDevice, device_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = changed.blob

    real = Client.hello

    def plug_in_another(question: str) -> bool:
        monkeypatch.setattr(
            Client, "hello", lambda client: replace(real(client), device_id="e660583883000002")
        )
        return True

    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=terminal))
    monkeypatch.setattr(typer, "confirm", plug_in_another)
    code, _, err = run("undo")
    assert code == 4
    assert f"e660583883000002, and not {device_id}" in err
    assert changed.blob == before
    assert book.entries("e660583883000002") == []


# The ends of serviced ---------------------------------------------------------------------------


def test_a_device_that_never_comes_back_is_told(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serviced, "_RESTART_S", 0.2)
    monkeypatch.setattr(Client, "into_service", lambda self: None)
    with (
        pytest.raises(DeviceProblem, match="did not restart as it was asked; it shows STANDBY"),
        serviced.serviced(None, print, lambda part, title: None),
    ):
        raise AssertionError


def test_a_device_that_is_just_starting_is_waited_for(device: LinkedDevice) -> None:
    device._start(0)
    assert device.state in ("BOOT", "SELF_TEST")
    with serviced.serviced(None, print, lambda part, title: None) as found:
        assert found.hello.state == treatment.SERVICE


def test_the_certificate_of_other_settings_is_replaced(device: LinkedDevice) -> None:
    stale = config_file.with_section(
        blob(session_ms=600_000), config_file.CERTIFICATE, payload(blob())
    )
    good = with_certificate(blob(session_ms=600_000))
    assert certified(stale, lambda part, title: None) == good
    device._start(1)
    device.run(500)
    client = Client(device)
    pushed = push.push(client, client.hello(), stale, what="tune", extra={"a": 1})
    assert pushed.after == good
    assert pushed.entry is not None
    assert (pushed.entry.what, pushed.entry.extra) == ("tune", {"a": 1})
    assert device.blob == pushed.after
