"""The ledger of a device: whole lines, in a chain, that nothing is lost from."""

import errno
import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from emery import whole_file
from emery.ledger import backup, book, durable, pending, place, table
from emery.ledger.entry import NoEntry, read_line
from emery.ledger.pending import Pending
from emery.ledger.place import LedgerError
from emery.ledger.settle import settle
from emery.link.device_ledger import DeviceEntry, digest_of
from firmware.config_ledger import BY_ITSELF
from host_tests.configs import blob

ID = "e66038b7137a4e2f"


@pytest.fixture(autouse=True)
def ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the ledgers of each test."""
    monkeypatch.setenv(place.VARIABLE, str(tmp_path / "ledger"))
    return tmp_path / "ledger"


def add(number: int = 1) -> None:
    """So many entries, each of another hard limit."""
    for _ in range(number):
        last = book.last(ID)
        before = last.after if last else b""
        limit_pa = 45_000 - 100 * (last.number if last else 0)
        book.append(ID, what="push", who="anna", before=before, after=blob(hard_limit_pa=limit_pa))


def lines() -> list[bytes]:
    return place.ledger_file(ID).read_bytes().splitlines(keepends=True)


def put(content: list[bytes]) -> None:
    place.ledger_file(ID).write_bytes(b"".join(content))


def test_what_is_appended_is_read() -> None:
    entry = book.append(
        ID, what="tune", who="anna", why="new tip", before=blob(), at="2026-03-01T10:00:00Z",
        after=blob(hard_limit_pa=44_500), extra={"volume": [7e-4, 1e-5]},
    )  # fmt: skip
    ledger = book.read(ID)
    assert ledger.entries == [entry]
    assert (ledger.problems, ledger.torn) == ([], b"")
    assert (entry.number, entry.board, entry.who) == (1, "bench", "anna")
    assert entry.changed == ("protection.hard_limit",)
    assert entry.certificate is None
    assert entry.extra == {"volume": [7e-4, 1e-5]}
    assert book.epoch_of(entry.at) == 1_772_359_200


def test_who_and_when_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "berta")
    begun = book.now()
    entry = book.append(ID, what="set", before=b"", after=blob())
    assert entry.who == "berta"
    assert begun <= entry.at <= book.now()
    assert entry.changed == ()  # nothing is known of before


def test_a_device_without_a_ledger_has_no_entry() -> None:
    assert book.entries(ID) == []
    assert place.devices() == []
    add()
    assert place.devices() == [ID]


@pytest.mark.parametrize("device_id", ["", "../etc/passwd", "E66038", "xyz1", "a" * 65, "abc"])
def test_what_is_no_id_never_becomes_a_file(device_id: str) -> None:
    with pytest.raises(LedgerError, match="is no id of a device"):
        book.append(device_id, what="set", before=b"", after=b"")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("change the first", "line 1 (entry 1) was changed after it was written"),
        ("change the middle", "line 3 (entry 3) was changed after it was written"),
        ("change the last", "line 5 (entry 5) was changed after it was written"),
        ("take the first", "line 1 does not begin the ledger of this device"),
        ("take the middle", "line 3 does not follow line 2"),
        ("swap", "line 3 does not follow line 2"),
        ("double", "line 4 does not follow line 3"),
        ("garble", "line 3 is no entry"),
        ("of another device", "line 1 does not begin the ledger of this device"),
    ],
)
def test_a_line_that_does_not_follow_is_named(damage: str, told: str) -> None:
    add(5)
    was = lines()
    if damage.startswith("change"):
        at = {"first": 0, "middle": 2, "last": 4}[damage.rpartition(" ")[2]]
        was[at] = was[at].replace(b'"anna"', b'"otto"')
    elif damage == "take the first":
        del was[0]
    elif damage == "take the middle":
        del was[2]
    elif damage == "swap":
        was[2], was[3] = was[3], was[2]
    elif damage == "double":
        was.insert(3, was[2])
    elif damage == "garble":
        was[2] = b"\xff\xfe" + was[2][:40] + b"\n"
    put(was)
    if damage == "of another device":
        other = ID.replace("e", "f")
        place.ledger_file(ID).rename(place.ledger_file(other))
        assert told in book.read(other).problems[0]
        return
    ledger = book.read(ID)
    assert told in ledger.problems[0]
    if damage.startswith("change"):
        assert len(ledger.problems) == 1  # the line behind it is not blamed for it
    # And the device can be worked with all the same.
    add()
    assert book.read(ID).problems == ledger.problems
    assert len(book.entries(ID)) == len(ledger.entries) + 1


def test_any_cut_of_the_last_line_is_told_and_set_aside() -> None:
    add(3)
    *whole, last = lines()
    for length in {1, 2, len(last) // 2, len(last) - 2, len(last) - 1}:
        put([*whole, last[:length]])
        ledger = book.read(ID)
        assert [entry.number for entry in ledger.entries] == [1, 2]
        assert ledger.torn == last[:length]
        assert ledger.problems == []
        add()
        ledger = book.read(ID)
        assert [entry.number for entry in ledger.entries] == [1, 2, 3]
        assert (ledger.problems, ledger.torn) == ([], b"")
        assert last[:length] in [path.read_bytes() for path in book.torn_files(ID)]


def test_no_byte_changes_unseen() -> None:
    for number in range(3):
        book.append(ID, what="set", who="anna", why=str(number), before=b"", after=b"x" * number)
    content = b"".join(lines())
    for place_of in range(len(content)):
        changed = bytearray(content)
        changed[place_of] ^= 1 << place_of % 8
        ledger = book.parsed(ID, bytes(changed))
        assert ledger.problems or ledger.torn, content[place_of - 9 : place_of + 9]


def test_zeros_behind_the_last_line_are_no_entry() -> None:
    """As some file systems leave them after a cut."""
    add(2)
    put([*lines(), b"\x00" * 700])
    assert len(book.read(ID).torn) == 700
    add()
    assert (book.read(ID).problems, len(book.entries(ID))) == ([], 3)


def test_a_full_disk_leaves_the_ledger_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    add(2)
    was = lines()

    def full(file: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file, "settle", full)
    with pytest.raises(LedgerError, match=r"No space left.*EMERY_LEDGER=FOLDER"):
        add()
    assert lines() == was


def test_a_disk_that_takes_part_of_a_line_keeps_none_of_it() -> None:
    add(2)
    was = place.ledger_file(ID).read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(was) + 100, before[1]))
    try:
        with pytest.raises(LedgerError, match="File too large"):
            add()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert place.ledger_file(ID).read_bytes() == was


def test_a_shared_drive_that_cannot_settle_names_keeps_a_ledger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.fsync

    def fsync(number: int) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    add(2)
    assert len(book.entries(ID)) == 2


def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv(place.VARIABLE, str(tmp_path / "file" / "ledger"))
    with pytest.raises(LedgerError, match="cannot be written"):
        book.append(ID, what="seen", before=b"", after=b"")


def test_a_folder_that_cannot_be_seen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(place.VARIABLE, "a" * 300)
    with pytest.raises(LedgerError, match=r"cannot be read.*EMERY_LEDGER=FOLDER"):
        place.devices()


@pytest.mark.parametrize("figures", ["[]", '"x"', '{"plants":"many"}', '{"plants":null}'])
def test_a_certificate_that_has_no_figures_is_no_entry(figures: str) -> None:
    add()
    (line,) = lines()
    put([line.replace(b'"certificate":null', b'"certificate":' + figures.encode())])
    ledger = book.read(ID)
    assert (ledger.entries, len(ledger.problems)) == ([], 1)
    table.history(ledger)


def test_a_schema_of_later_is_told() -> None:
    add()
    text = lines()[0].decode().replace('"schema":1', '"schema":2')
    with pytest.raises(NoEntry, match="use the emery that wrote it"):
        read_line(text.strip())


APPENDS = """
import sys, emery
from emery.ledger import book
for _ in range(10):
    book.append(sys.argv[1], what="set", who=sys.argv[2], before=b"", after=b"")
"""


def test_two_commands_at_once_lose_nothing() -> None:
    commands = [[sys.executable, "-c", APPENDS, ID, who] for who in ("anna", "otto")]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(30) for process in processes] == [0, 0]
    ledger = book.read(ID)
    assert ledger.problems == []
    assert [entry.number for entry in ledger.entries] == list(range(1, 21))


def test_a_lock_that_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    add()
    monkeypatch.setattr(durable, "_LOCK_WAIT_S", 0.1)
    with (
        place.ledger_file(ID).open("a+b") as file,
        durable.locked(file),
        pytest.raises(LedgerError, match="another emery has been writing"),
    ):
        add()


# What the device has, and what the ledger says -----------------------------------------------

PLAN = Pending(ID, "2026-03-01T10:00:00Z", "push", "anna", "tip", blob(), blob(session_ms=60_000))


def settled(now: bytes, *on_device: DeviceEntry) -> list[str]:
    told: list[str] = []
    settle(ID, now, told.append, lambda: on_device)
    return told


def on_device(config: bytes, who: str = "otto", why: str = "at the clinic") -> DeviceEntry:
    return DeviceEntry(1, 1, None, digest_of(config), who, why)


def test_the_first_sight_of_a_device_is_an_entry() -> None:
    assert settled(blob()) == []
    assert settled(blob()) == []
    (entry,) = book.entries(ID)
    assert (entry.what, entry.before, entry.after) == ("seen", b"", blob())


def test_what_was_changed_elsewhere_is_told_with_what_the_device_knows() -> None:
    add()
    now = blob(session_ms=600_000)
    (told,) = settled(now, on_device(blob()), on_device(now))
    assert 'something else: changed by otto ("at the clinic")' in told
    entry = book.entries(ID)[-1]
    assert (entry.what, entry.who, entry.why) == ("seen", "otto", "at the clinic")
    assert entry.changed == ("treatment.session",)
    (told,) = settled(blob(), on_device(blob(), BY_ITSELF, "seen at start"))
    assert "what entry 1 left: changed from elsewhere" in told
    assert book.entries(ID)[-1].who == "unknown"
    assert settled(blob()) == []


def test_an_effect_without_its_entry_is_written_down() -> None:
    book.append(ID, what="seen", before=b"", after=PLAN.before)
    pending.keep(PLAN)
    (told,) = settled(PLAN.after)
    assert "the push of 2026-03-01T10:00:00Z by anna" in told
    assert "Entry 2 tells of it now" in told
    entry = book.entries(ID)[-1]
    assert (entry.at, entry.who, entry.why) == (PLAN.at, "anna", "tip")
    assert "written_down" in entry.extra
    assert pending.of(ID) is None
    assert settled(PLAN.after) == []


def test_a_plan_without_effect_is_told_and_dropped() -> None:
    book.append(ID, what="seen", before=b"", after=PLAN.before)
    pending.keep(PLAN)
    (told,) = settled(PLAN.before)
    assert "has what it had before" in told
    assert len(book.entries(ID)) == 1
    assert settled(PLAN.before) == []


def test_a_plan_whose_entry_is_there_is_forgotten_in_silence() -> None:
    book.append(ID, what="seen", before=b"", after=PLAN.before)
    pending.keep(PLAN)
    book.append(ID, what="push", before=PLAN.before, after=PLAN.after, at=PLAN.at)
    assert settled(PLAN.after) == []
    assert (len(book.entries(ID)), pending.of(ID)) == (2, None)


def test_neither_old_nor_new_is_told_twice_over() -> None:
    book.append(ID, what="seen", before=b"", after=PLAN.before)
    pending.keep(PLAN)
    told = settled(blob(session_ms=1_000_000))
    assert "neither that nor" in told[0]
    assert "something else" in told[1]
    assert [entry.what for entry in book.entries(ID)] == ["seen", "seen"]


def test_a_plan_that_cannot_be_read_is_told() -> None:
    pending.keep(PLAN)
    place.pending_file(ID).write_text("{", encoding="utf-8")
    with pytest.raises(LedgerError, match="Look at it, and remove it"):
        settled(PLAN.before)


def test_a_backup_is_the_plain_file() -> None:
    path = backup.keep(ID, blob(), "2026-03-01T10:00:00Z")
    assert path.read_bytes() == blob()
    assert path.name.startswith("20260301T100000Z-")
    assert list(path.parent.glob("*.new")) == []


def test_a_line_is_json_for_whoever_wants_to_read_it() -> None:
    add()
    fields = json.loads(lines()[0])
    assert fields["schema"] == 1
    assert fields["what"] == "push"
