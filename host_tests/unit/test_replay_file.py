"""Replay of a log: the same ticks bring the same decisions, and one that does not is
found, at its tick, with its fields; a test made of a log is green, and sees a change.
"""

import base64
import io
import json
import os
import struct
import subprocess
import sys
from dataclasses import replace as changed
from functools import cache
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from emery.blackbox import command
from emery.blackbox.box import Box
from emery.blackbox.log_file import Log, LogFileError
from emery.blackbox.replay import Differing, replay, state_names
from emery.blackbox.show import page
from emery.simulator import replay as plain_replay
from firmware import black_box
from firmware.settings import encode
from host_tests.logs import log_of, treated_device, tripped_device
from host_tests.whole_device import WholeDevice

HEAD = struct.calcsize(black_box.COPY_FORM)
APP = typer.Typer()
APP.command()(command.replay)


@pytest.fixture(scope="module")
def treated() -> WholeDevice:
    """A device in a stroke. Nothing may change it."""
    return treated_device()


@cache
def sound_log() -> Log:
    """A log for generated cases, which take no fixture."""
    device = treated_device()
    return log_of(device.controller, device.settings)


@pytest.fixture(scope="module")
def log(treated: WholeDevice) -> Log:
    """Its log."""
    return log_of(treated.controller, treated.settings)


@pytest.fixture
def file(log: Log, tmp_path: Path) -> Path:
    path = tmp_path / "device.emery-log"
    path.write_text(log.text())
    return path


def with_box(log: Log, box: bytes) -> Log:
    return changed(log, blobs=log.blobs | {"box": box})


def run(*words: object) -> tuple[int, str, str]:
    """Exit code, stdout, and stderr as one line: a path may be long or short."""
    done = CliRunner().invoke(APP, [str(word) for word in words])
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


def ring_at(box: Box) -> int:
    """Where the records begin in a copy."""
    return HEAD + black_box.KEYFRAMES * 4 * (1 + len(box.keyframes[0][1]))


def record_at(log: Log, tick: int) -> int:
    """Where the record of a tick lies in the copy."""
    box = log.box()
    place: int = struct.unpack_from(black_box.COPY_FORM, log.blobs["box"], 0)[6]
    back = (box.ticks - tick) * black_box.RECORD_BYTES
    whole = black_box.RECORDS * black_box.RECORD_BYTES
    return ring_at(box) + (place - back) % whole


def test_a_treatment_replays_from_its_oldest_keyframe_to_its_last_tick(
    log: Log, treated: WholeDevice
) -> None:
    outcome = replay(log)
    box = treated.controller.black_box
    assert outcome.difference is None
    assert outcome.first_tick == min(box.keyframe_ticks)
    assert outcome.first_tick + outcome.ticks == box.ticks
    assert outcome.ticks >= 256
    assert outcome.keyframes == 2


def test_what_led_to_a_fault_replays_until_the_ring_stopped() -> None:
    device = tripped_device()
    seen: list[int] = []
    log = log_of(device.controller, device.settings)
    outcome = replay(log, lambda tick, core: seen.append(core.protection.fault))
    assert outcome.difference is None
    assert seen[0] == 0
    assert seen[-1] == device.controller.protection.fault != 0
    assert seen.count(seen[-1]) == black_box.AFTER_FAULT


@pytest.mark.parametrize("in_service", [0, 1])
def test_a_start_into_service_replays_as_one(in_service: int) -> None:
    # Whether it was one is in no keyframe, and decides the way out of BOOT.
    device = WholeDevice()
    device.power_on(in_service)
    core = device.controller
    core.black_box.keep_keyframe(core.parts)
    device.run(1_000)
    assert device.state == ("SERVICE" if in_service else "STANDBY")
    right = replay(log_of(core, device.settings, in_service=in_service))
    assert right.difference is None
    wrong = replay(log_of(core, device.settings, in_service=1 - in_service))
    assert wrong.difference is not None
    assert wrong.difference.tick == right.first_tick == 0
    assert wrong.difference.fields[0].field == "state"


def test_the_crc_is_that_of_the_replay_on_every_interpreter() -> None:
    device = WholeDevice()
    core = device.controller
    core.black_box.keep_keyframe(core.parts)  # as a board does before its first tick
    device.run(2_000)
    box = core.black_box
    records = bytes(box.records[: box.ticks * black_box.RECORD_BYTES])
    ours = replay(log_of(device.controller, device.settings))
    plain = plain_replay.replay(encode(device.settings), b"", io.BytesIO(records))
    assert (ours.ticks, ours.crc) == (plain["ticks"], plain["crc"])
    assert plain["first_difference"] == -1


@pytest.mark.parametrize("field", range(14, 21))
def test_another_decision_is_found_at_its_tick_with_its_field(field: int, log: Log) -> None:
    tick = replay(log).first_tick + 100
    record = list(log.box().record(tick))
    record[field] += 1
    blob = bytearray(log.blobs["box"])
    struct.pack_into(black_box.RECORD_FORM, blob, record_at(log, tick), *record)
    outcome = replay(with_box(log, bytes(blob)))
    assert outcome.difference is not None
    assert (outcome.difference.tick, outcome.difference.in_state) == (tick, False)
    names = ("pump_permille", "feed_permille", "vent", "lease_ms", "state", "reason", "fault")
    found = Differing(names[field - 14], record[field], record[field] - 1)
    assert outcome.difference.fields == (found,)
    assert outcome.ticks == 100


def test_another_input_is_found() -> None:
    device = treated_device()
    log = log_of(device.controller, device.settings)
    tick = replay(log).first_tick + 50
    record = list(log.box().record(tick))
    record[9] ^= 1  # the footswitch
    blob = bytearray(log.blobs["box"])
    struct.pack_into(black_box.RECORD_FORM, blob, record_at(log, tick), *record)
    outcome = replay(with_box(log, bytes(blob)))
    assert outcome.difference is not None
    assert outcome.difference.tick >= tick


def test_another_state_at_a_later_keyframe_is_found_by_name(
    log: Log, treated: WholeDevice
) -> None:
    box = log.box()
    later = box.keyframes[1][0]
    names = state_names(treated.controller)
    assert len(set(names)) == len(names) == len(box.keyframes[0][1])
    place = names.index("treatment.session_ms")
    was = box.keyframes[1][1][place]
    blob = bytearray(log.blobs["box"])
    for index in range(black_box.KEYFRAMES):
        at = HEAD + index * 4 * (1 + len(names))
        if struct.unpack_from("<i", blob, at)[0] == later:
            struct.pack_into("<i", blob, at + 4 * (1 + place), was + 10)
    outcome = replay(with_box(log, bytes(blob)))
    assert outcome.difference is not None
    assert (outcome.difference.tick, outcome.difference.in_state) == (later, True)
    assert outcome.difference.fields == (Differing("treatment.session_ms", was + 10, was),)


def test_a_state_on_which_the_core_fails_is_told_as_a_difference(
    log: Log, treated: WholeDevice
) -> None:
    names = state_names(treated.controller)
    blob = bytearray(log.blobs["box"])
    for index in range(black_box.KEYFRAMES):
        at = HEAD + 4 * (index * (1 + len(names)) + 1 + names.index("passes.zone"))
        struct.pack_into("<i", blob, at, 1_000_000)
    outcome = replay(with_box(log, bytes(blob)))
    assert outcome.difference is not None
    assert outcome.difference.error.startswith("IndexError")
    assert outcome.ticks == 0


@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=8))
def test_no_box_at_all_ends_a_command_with_a_traceback(changes: list[tuple[int, int]]) -> None:
    sound = sound_log()
    blob = bytearray(sound.blobs["box"])
    for at, byte in changes:
        blob[at % len(blob)] = byte
    log = with_box(sound, bytes(blob))
    try:
        outcome = replay(log)
        assert outcome.difference is None or outcome.difference.tick >= outcome.first_tick
    except LogFileError as error:
        assert str(error)
    assert page(log, 600)


def test_other_settings_than_the_device_ran_on_are_refused(log: Log) -> None:
    config = bytearray(log.blobs["config"])
    config[-1] ^= 1
    other = changed(log, blobs=log.blobs | {"config": bytes(config)})
    with pytest.raises(LogFileError, match="changed after the start"):
        replay(other)


def test_a_state_of_another_version_is_refused(log: Log) -> None:
    size = len(log.box().keyframes[0][1])
    head = list(struct.unpack_from(black_box.COPY_FORM, log.blobs["box"], 0))
    head[4] = size + 1
    blob = bytearray(struct.pack(black_box.COPY_FORM, *head))
    for index in range(black_box.KEYFRAMES):
        at = HEAD + index * 4 * (1 + size)
        blob += log.blobs["box"][at : at + 4 * (1 + size)] + bytes(4)
    blob += log.blobs["box"][ring_at(log.box()) :]
    with pytest.raises(LogFileError, match="another version"):
        replay(with_box(log, bytes(blob)))


def test_a_box_without_a_keyframe_is_refused() -> None:
    device = WholeDevice()
    device.run(20)
    with pytest.raises(LogFileError, match="no keyframe"):
        replay(log_of(device.controller, device.settings))


def test_the_command_tells_what_was_the_same(file: Path, log: Log) -> None:
    code, out, err = run(file)
    outcome = replay(log)
    assert (code, err) == (0, "")
    assert f"{outcome.ticks} ticks" in out
    assert f"{outcome.crc:08X}" in out


def test_the_command_ends_with_1_at_a_difference(log: Log, tmp_path: Path) -> None:
    tick = replay(log).first_tick + 100
    record = list(log.box().record(tick))
    record[14] += 7
    blob = bytearray(log.blobs["box"])
    struct.pack_into(black_box.RECORD_FORM, blob, record_at(log, tick), *record)
    file = tmp_path / "other.emery-log"
    file.write_text(with_box(log, bytes(blob)).text())
    code, out, err = run(file, "--to-test", tmp_path / "test_it.py")
    assert code == 1
    assert f"tick {tick}" in err
    assert f"pump_permille: recorded {record[14]}, replayed {record[14] - 7}" in err
    assert "after 100 ticks" in out
    assert not (tmp_path / "test_it.py").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no log of emery"),
        (b"\xff\xfe", "no log of emery"),
        (b"[]", "no log of emery"),
        (b'{"schema": "emery.log/9"}', "emery.log/1"),
    ],
)
def test_what_is_no_log_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    code, out, err = run(file)
    assert (code, out) == (2, "")
    assert words in err
    assert "emery log pull" in err


def test_no_file_at_all_is_refused(tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "nothing")
    assert code == 2
    assert "No such file" in err


def pytest_of(test: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(test.parent),
         "-p", "no:cacheprovider", str(test)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_test_made_of_a_log_is_green_and_sees_changed_data(file: Path, tmp_path: Path) -> None:
    test = tmp_path / "made" / "test_stroke.py"
    test.parent.mkdir()
    code, out, _ = run(file, "--to-test", test)
    assert code == 0
    assert str(test) in out
    data = test.with_suffix(".emery-log")
    assert data.read_bytes() == file.read_bytes()
    done = pytest_of(test)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(data.read_text())
    damaged = bytearray(base64.b64decode(document["blobs"]["box"]["base64"]))
    damaged[-1] ^= 1
    document["blobs"]["box"]["base64"] = base64.b64encode(damaged).decode()
    data.write_text(json.dumps(document))
    done = pytest_of(test)
    assert done.returncode == 1, done.stdout + done.stderr


def test_a_made_test_is_red_when_a_tick_is_missing(
    file: Path, log: Log, tmp_path: Path
) -> None:
    test = tmp_path / "test_stroke.py"
    assert run(file, "--to-test", test)[0] == 0
    # The last tick is taken away, and all sums are right.
    head = list(struct.unpack_from(black_box.COPY_FORM, log.blobs["box"], 0))
    whole = black_box.RECORDS * black_box.RECORD_BYTES
    head[5] -= 1
    head[6] = (head[6] - black_box.RECORD_BYTES) % whole
    box = struct.pack(black_box.COPY_FORM, *head) + log.blobs["box"][HEAD:]
    test.with_suffix(".emery-log").write_text(with_box(log, box).text())
    done = pytest_of(test)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "assert" in done.stdout


@pytest.mark.parametrize("name", ["stroke.py", "test_stroke.txt", "test_stroke"])
def test_a_name_that_pytest_would_not_find_is_refused(
    name: str, file: Path, tmp_path: Path
) -> None:
    code, _, err = run(file, "--to-test", tmp_path / name)
    assert code == 2
    assert "test_SOMETHING.py" in err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["test_stroke.py", "test_stroke.emery-log"])
def test_a_test_is_written_over_only_when_that_is_said(
    name: str, file: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("mine")
    test = tmp_path / "test_stroke.py"
    code, _, err = run(file, "--to-test", test)
    assert code == 2
    assert "--force" in err
    assert (tmp_path / name).read_text() == "mine"
    assert run(file, "--to-test", test, "--force")[0] == 0
    assert (tmp_path / name).read_text() != "mine"
