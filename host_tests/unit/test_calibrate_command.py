"""`emery calibrate`: what is offered, where it is put, and how it ends when it is refused."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emery import slot
from emery.calibrate import command
from emery.calibrate.technician import Answers, Keyboard, NoAnswer
from emery.config.compiled import decompile
from emery.config.load import load_board
from emery.config.write import board_toml
from emery.device import ports
from emery.ledger import book, place
from emery.link.client import Client
from firmware import config_file
from firmware.settings import decode
from host_tests import configs
from host_tests.bench import bench_settings
from host_tests.held_bench import HeldModel, Scripted
from host_tests.linked import LinkedDevice, serviced_at_every_port, serviced_device

ERRORS = {"offset_a_pa": 800.0, "gain_a": 1.03, "offset_b_pa": -700.0, "gain_b": 0.98}
RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(place.VARIABLE, str(tmp_path / "ledger"))
    monkeypatch.setattr(ports, "connected", list)
    configs.certify_without_simulation(monkeypatch)


@pytest.fixture
def model() -> HeldModel:
    return HeldModel(bench_settings(), {"pump_dead_band": 0.15}, ERRORS)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, model: HeldModel) -> Iterator[LinkedDevice]:
    """A device in SERVICE that the command finds; what it measures is the model's."""
    with serviced_device() as made:
        serviced_at_every_port(made, monkeypatch)
        monkeypatch.setattr("emery.calibrate.holding.LinkedHold", lambda client, hello: model)
        monkeypatch.setattr(command, "_technician", lambda answers, hands: Scripted(model))
        yield made


def board_file(folder: Path) -> Path:
    path = folder / "bench.toml"
    path.write_text(board_toml(decompile(configs.blob())), encoding="utf-8")
    return path


def run(*words: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(command.calibrate_app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert all(len(line) <= 80 for line in done.stderr.splitlines() if "/" not in line)
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


def test_what_is_found_is_offered_and_nothing_is_changed(
    device: LinkedDevice, tmp_path: Path
) -> None:
    path = board_file(tmp_path)
    before, text = device.blob, path.read_text(encoding="utf-8")
    code, out, err = run("sensors", str(path))
    assert code == 0
    assert "sensors.vacuum_a_span" in out
    assert "130.685 kPa -> 127." in out
    assert "With --write it is put there" in err
    assert device.blob == before
    assert path.read_text(encoding="utf-8") == text
    assert not [one for one in book.entries(device.board.device_id) if one.what == "calibrate"]


def test_write_puts_it_on_the_device_into_the_file_and_into_the_ledger(
    device: LinkedDevice, tmp_path: Path
) -> None:
    path = board_file(tmp_path)
    code, out, _ = run("sensors", str(path), "--write", "--who", "ann", "--why", "new gauge")
    assert code == 0, out
    now = decode(config_file.settings_of(device.blob))
    assert now.vacuum_a_span_pa == pytest.approx(130_685 / 1.03, rel=0.01)
    assert now.vacuum_b_zero_ppm == pytest.approx(920_000 + 700 * 7.652, abs=2_000)
    assert config_file.section(device.blob, config_file.CERTIFICATE)
    text = path.read_text(encoding="utf-8")
    assert f'vacuum_a_span = "{now.vacuum_a_span_pa / 1_000:g} kPa"' in text
    assert len(list(tmp_path.glob("bench.toml.*.bak"))) == 1
    entry = book.entries(device.board.device_id)[-1]
    assert (entry.what, entry.who, entry.why) == ("calibrate", "ann", "new gauge")
    points = entry.extra["sensors"]["points"]
    assert len(points) == 5
    assert all(abs(one["residual_a_pa"]) < 400 for one in points)
    assert "sensors.vacuum_a_zero" in entry.changed


def test_a_file_is_brought_to_what_the_device_has_already(
    device: LinkedDevice, tmp_path: Path
) -> None:
    """Or a flash would bring the old values back."""
    path = board_file(tmp_path)
    assert run("sensors", "--write")[0] == 0
    now = decode(config_file.settings_of(device.blob))
    device._start(1)
    device.run_until("SERVICE")
    assert load_board(path).settings.vacuum_a_span_pa != now.vacuum_a_span_pa
    code, out, _ = run("sensors", str(path), "--write")
    assert code == 0
    assert f"written: {path}" in out
    now = decode(config_file.settings_of(device.blob))
    settings = load_board(path).settings
    for name in ("vacuum_a_zero_ppm", "vacuum_a_span_pa", "vacuum_b_zero_ppm", "vacuum_b_span_pa"):
        assert getattr(settings, name) == getattr(now, name)
    # And a file that says all of it is left alone.
    text = path.read_text(encoding="utf-8")
    device._start(1)
    device.run_until("SERVICE")
    code, out, _ = run("sensors", str(path), "--write")
    assert "nothing to write: the device has all of it" in out
    assert f"written: {path}" not in out
    assert path.read_text(encoding="utf-8") == text


def test_what_was_identified_stays_while_the_calibration_agrees(
    device: LinkedDevice, model: HeldModel, tmp_path: Path
) -> None:
    for name in ("offset_a_pa", "offset_b_pa"):
        model.sensors.set(name, 0.0)
    path = board_file(tmp_path)
    known = 'pump_dead_band = "15.1 %" # measured; 95 %: 15 to 15.2 %\n'
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n[plant]\n{known}")
    code, out, _ = run("pump", str(path), "--write")
    assert code == 0, out
    text = path.read_text(encoding="utf-8")
    assert known in text
    assert "pump_lag" in text.partition("[plant]")[2]


def test_the_pump_and_the_feed_go_the_same_way(
    device: LinkedDevice, model: HeldModel, tmp_path: Path
) -> None:
    for name in ("offset_a_pa", "offset_b_pa"):
        model.sensors.set(name, 0.0)
    path = board_file(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write('\n[plant]\npump_dead_band = "20 %" # 2026-01-02: measured; 95 %: 19 to 21 %\n')
    code, out, _ = run("pump", str(path), "--write", "--json")
    assert code == 0
    # What was said of the value before is not said of this one.
    assert "19 to 21" not in path.read_text(encoding="utf-8")
    assert "[plant]" in path.read_text(encoding="utf-8")
    told = json.loads(out)
    assert told["schema"] == "emery.calibrate/1"
    assert told["changes"]["regulator.pump_start"]["before"] == "11 %"
    assert told["found"]["pump_start_permille"] == pytest.approx(150, abs=8)
    now = decode(config_file.settings_of(device.blob))
    assert now.pump_start_permille == pytest.approx(150, abs=8)
    # The certificate is made on a pump that starts there, too.
    assert decompile(device.blob).plant["pump_dead_band"] == pytest.approx(0.15, abs=0.008)
    assert told["changes"]["plant.pump_dead_band"]["before"] == ""
    device._start(1)
    device.run_until("SERVICE")
    model.plant.set("feed_full_mg_min", 15_000.0)
    code, out, _ = run("feed", "--write")
    assert code == 0
    assert "feed.full_flow" in out
    assert decode(config_file.settings_of(device.blob)).full_flow_mg_min == pytest.approx(
        15_000, rel=0.02
    )


def test_what_cannot_be_is_refused_with_exit_code_1(
    device: LinkedDevice, model: HeldModel, tmp_path: Path
) -> None:
    model.sensors.set("gain_a", 1.07)
    model.sensors.set("gain_b", 1.0)
    path = board_file(tmp_path)
    before, text = device.blob, path.read_text(encoding="utf-8")
    code, out, err = run("sensors", str(path), "--write")
    assert code == 1
    assert out == ""
    assert "refused: the span of sensor A" in err
    assert "Nothing was changed." in err
    assert device.blob == before
    assert path.read_text(encoding="utf-8") == text


def test_settings_that_get_no_certificate_change_neither_device_nor_file(
    device: LinkedDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emery.certificate import known

    monkeypatch.setattr(known, "find", lambda settings, chip, plant: b"")
    path = board_file(tmp_path)
    before, text = device.blob, path.read_text(encoding="utf-8")
    code, _, err = run("sensors", str(path), "--write")
    assert code == 1
    assert configs.REASONS.split(":")[0] in err
    assert device.blob == before
    assert path.read_text(encoding="utf-8") == text


def test_a_board_file_that_cannot_take_it_is_refused_before_the_device(
    device: LinkedDevice, tmp_path: Path
) -> None:
    path = board_file(tmp_path)
    text = path.read_text(encoding="utf-8").replace('chip = "rp2040"', 'chip = "rp2041"')
    path.write_text(text, encoding="utf-8")
    before = device.blob
    code, _, err = run("sensors", str(path), "--write")
    assert code == 2
    assert "rp2041" in err
    assert device.blob == before
    assert path.read_text(encoding="utf-8") == text


def test_a_leak_ends_with_exit_code_1_and_is_kept_in_the_ledger(
    device: LinkedDevice, model: HeldModel, tmp_path: Path
) -> None:
    for name in ("offset_a_pa", "offset_b_pa"):
        model.sensors.set(name, 0.0)
    code, out, _ = run("leak", "--write")
    assert (code, out.splitlines()[-2]) == (0, "tight")
    model.plant.set("hose_leak", 0.01)
    path = board_file(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write('\n[plant]\nvolume = "1300 mL"\n')
    code, out, _ = run("leak", str(path), "--json")
    assert code == 1
    told = json.loads(out)
    assert not told["passed"]
    # Twice the volume makes the same loss twice the hole's area.
    assert told["found"]["leak_mm"] == pytest.approx(0.6 * 2**0.5, rel=0.1)
    kept = [one for one in book.entries(device.board.device_id) if one.what == "calibrate"]
    assert [one.extra["passed"] for one in kept] == [True]


def test_settings_that_do_not_run_yet_are_no_ground_to_calibrate_on(
    device: LinkedDevice,
) -> None:
    changed = configs.with_certificate(configs.blob(pass_gap_ms=5_000))
    Client(device).put_config(changed, "ann", "test")
    code, _, err = run("pump")
    assert code == 4
    assert "are not those that it runs on" in err


def test_a_board_that_comes_with_emery_is_no_device_of_its_own(device: LinkedDevice) -> None:
    for named in ("pico_reference", str(slot.ROOT / "board_configs" / "pico_w.toml")):
        code, out, err = run("sensors", named, "--write")
        assert code == 2
        assert out == ""
        assert "among the files that come with Emery" in err
        assert 'extends = "pico_' in err


def test_the_file_of_another_device_is_refused_before_anybody_measures(
    device: LinkedDevice, model: HeldModel, tmp_path: Path
) -> None:
    path = tmp_path / "other.toml"
    path.write_text('extends = "pico_reference"\n\n[board]\nname = "Clinic 9"\n', encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    code, out, err = run("sensors", str(path), "--write")
    assert (code, out) == (2, "")
    assert 'is that of "Clinic 9"' in err
    assert path.read_text(encoding="utf-8") == text
    assert model.most_percent == 0


def test_a_leak_check_takes_a_shipped_board_by_its_name(
    device: LinkedDevice, model: HeldModel
) -> None:
    for name in ("offset_a_pa", "offset_b_pa"):
        model.sensors.set(name, 0.0)
    code, out, _ = run("leak", "pico_reference")
    assert (code, out.splitlines()[-1]) == (0, "tight")


def test_a_board_file_that_is_not_there_is_told_of_at_once(device: LinkedDevice) -> None:
    code, _, err = run("pump", "nowhere.toml")
    assert code == 2
    assert "nowhere.toml" in err


# Who answers ----------------------------------------------------------------------


def test_answers_come_from_a_file_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    path.write_text("# zero\n\n20.5 kPa\n", encoding="utf-8")
    answers = Answers(path)
    answers.please("Put the cap on.", "tip cap")
    assert answers.ask("What does the gauge show?", "gauge") == "20.5 kPa"
    with pytest.raises(NoAnswer, match="has no line for: And now"):
        answers.ask("And now?", "gauge")


def test_a_file_and_hands_do_not_go_together(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    path.write_text("", encoding="utf-8")
    code, _, err = run("pump", "--answers", str(path), "--hands", str(path))
    assert code == 2
    assert "name one of them" in err


def test_hands_that_are_not_there_are_told_of(tmp_path: Path) -> None:
    hands = command._technician(None, tmp_path / "nowhere")
    with pytest.raises(NoAnswer, match="emery virtual-board --hands"):
        hands.please("Put the cap on.", "tip cap")


def test_a_keyboard_answers_and_its_end_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["20.5 kPa\n", "\n"])
    monkeypatch.setattr(sys, "stdin", _Stdin(lines))
    person = Keyboard()
    assert person.ask("What does the gauge show?", "gauge") == "20.5 kPa"
    person.please("Take the cap off.", "tip air")
    with pytest.raises(NoAnswer, match="--answers FILE"):
        person.ask("And now?", "gauge")
    with pytest.raises(NoAnswer):
        person.ask("Once more?", "gauge")
    assert "> What does the gauge show?" in capsys.readouterr().err


class _Stdin:
    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def isatty(self) -> bool:
        return False
