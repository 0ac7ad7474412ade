"""`emery get` and `emery set`: keys and values as in a board file, and nothing is sent
that the device, its chip or its other settings could not take.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from emery.config.rows import SETTING_ROWS
from emery.device import ports
from emery.ledger import book, place
from emery.link import command
from emery.link.change import ChangeError, check_together, find, named, parsed
from firmware.config_file import settings_of
from firmware.settings import Settings, decode
from hal import wiring
from host_tests.bench import bench_settings
from host_tests.configs import REASONS, certify_without_simulation
from host_tests.linked import LinkedDevice, at_every_port, serviced_device

APP = typer.Typer()
APP.command()(command.get)
APP.command("set")(command.set_value)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LinkedDevice]:
    """A device in SERVICE, at every port, with a certificate and a ledger of its own."""
    monkeypatch.setenv(place.VARIABLE, str(tmp_path / "ledger"))
    monkeypatch.setattr(ports, "connected", list)
    certify_without_simulation(monkeypatch)
    with serviced_device() as made:
        at_every_port(made, monkeypatch)
        yield made


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(APP, list(words))
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


def on_flash(device: LinkedDevice) -> Settings:
    return decode(settings_of(device.blob))


@pytest.mark.parametrize("row", SETTING_ROWS, ids=lambda row: row.name)
def test_every_setting_is_found_by_each_of_its_names(row: object) -> None:
    assert row in SETTING_ROWS
    assert find(named(row)) is row
    assert find(row.name.upper()) is row
    assert find(f" {row.key} ") is row


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("protection.hard_limt", "protection.hard_limit"),
        ("hardlimit", "protection.hard_limit"),
        ("hard_limit_kpa", "protection.hard_limit"),
        ("pass_gab", "treatment.pass_gap"),
    ],
)
def test_a_key_that_is_nearly_one_is_told(key: str, meant: str) -> None:
    with pytest.raises(ChangeError, match=f"Did you mean .*{meant}"):
        find(key)


def test_a_key_that_is_like_none_says_how_to_see_them() -> None:
    with pytest.raises(ChangeError) as told:
        find("zzzzzz")
    assert "Did you mean" not in str(told.value)
    assert "emery get" in str(told.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("42", "no unit"),
        ("42 kg", "a mass"),
        ("42 kPaa", "Did you mean \"42 kPa\""),
        ("high", "does not begin with a number"),
        ("19 kPa", "outside the allowed range"),
        ("45001 Pa", "outside the allowed range"),
    ],
)
def test_a_value_that_cannot_be_says_what_is_expected(text: str, words: str) -> None:
    with pytest.raises(ChangeError) as told:
        parsed(find("hard_limit"), text)
    assert words in str(told.value)
    assert "20 to 45 kPa" in str(told.value)


def test_a_value_is_taken_in_any_unit_of_its_kind() -> None:
    row = find("hard_limit")
    assert parsed(row, "42 kPa") == parsed(row, "420 mbar") == parsed(row, "42000 Pa") == 42_000


def test_what_the_chip_cannot_do_is_refused_though_the_firmware_would_take_it() -> None:
    row = find("tick_period")
    check_together(row, 5, bench_settings(), "rp2040")
    with pytest.raises(ChangeError, match="esp32 can keep"):
        check_together(row, 5, bench_settings(), "esp32")


def test_get_shows_one_and_all(device: LinkedDevice) -> None:
    assert run("get", "hard_limit") == (0, 'protection.hard_limit = "45 kPa"\n', "")
    code, out, err = run("get")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == len(SETTING_ROWS)
    assert 'protection.hard_limit = "45 kPa"' in lines
    assert 'treatment.session = "30 min"' in lines


def test_get_of_no_setting_asks_nobody(device: LinkedDevice) -> None:
    turns = device.turns
    code, out, err = run("get", "hard_limt")
    assert (code, out) == (2, "")
    assert "Did you mean" in err
    assert device.turns == turns


def test_set_says_before_and_after_and_when_it_holds(device: LinkedDevice) -> None:
    code, out, err = run("set", "protection.hard_limit", "44.5 kPa", "--why", "tighter tip")
    assert (code, err) == (0, "")
    assert "45 kPa before, 44.5 kPa now" in out
    assert "next restart" in out
    assert on_flash(device).hard_limit_pa == 44_500
    assert run("get", "hard_limit")[1] == 'protection.hard_limit = "44.5 kPa"\n'
    entry = book.entries(device.board.device_id)[-1]
    assert (entry.what, entry.why) == ("set", "tighter tip")
    assert entry.extra == {"key": "protection.hard_limit"}
    code, out, _ = run("set", "hard_limit", "44500 Pa")
    assert code == 0
    assert "already" in out


@pytest.mark.parametrize("value", ["46 kPa", "42", "42 kg"])
def test_set_of_what_cannot_be_sends_nothing(value: str, device: LinkedDevice) -> None:
    turns = device.turns
    code, out, err = run("set", "hard_limit", value)
    assert (code, out) == (2, "")
    assert "20 to 45 kPa" in err
    assert device.turns == turns


def test_set_of_what_does_not_fit_the_others_names_them_by_their_keys(
    device: LinkedDevice,
) -> None:
    before = device.blob
    code, out, err = run("set", "contact_off_vacuum", "5 kPa")
    assert (code, out) == (2, "")
    assert "it must be below contact.contact_on_vacuum (3 kPa)" in err
    code, out, err = run("set", "hard_limit", "42 kPa")
    assert (code, out) == (2, "")
    assert "zone 2 level sets 40 kPa" in err
    assert device.blob == before


def test_set_of_a_key_for_engineers_asks_for_the_word(device: LinkedDevice) -> None:
    code, out, err = run("set", "contact.stroke", "400 ms")
    assert (code, out) == (2, "")
    assert "add --engineer" in err
    assert run("set", "contact.stroke", "400 ms", "--engineer")[0] == 0
    assert on_flash(device).stroke_ms == 400


def test_set_that_gets_no_certificate_changes_nothing(device: LinkedDevice) -> None:
    before = device.blob
    code, out, err = run("set", "treatment.session", "13 min")
    assert (code, out) == (1, "")
    assert REASONS in err
    assert device.blob == before


def test_set_brings_an_idle_device_into_service_and_back(device: LinkedDevice) -> None:
    device._start(0)
    device.run_until("STANDBY")
    starts = device.starts
    code, out, _ = run("set", "hard_limit", "44.5 kPa")
    assert code == 0
    assert "restarted, and is in STANDBY" in out
    assert (device.state, device.starts) == ("STANDBY", starts + 2)
    assert on_flash(device).hard_limit_pa == 44_500


def test_set_leaves_a_device_alone_that_is_used(device: LinkedDevice) -> None:
    device._start(0)
    device.to_treating()
    before = device.blob
    code, out, err = run("set", "hard_limit", "44.5 kPa")
    assert (code, out) == (4, "")
    assert "in TREATING: it is being used" in err
    assert device.blob == before


def test_settings_of_another_version_are_told(device: LinkedDevice) -> None:
    blob = bytearray(device.blob)
    blob[wiring.LENGTH + 4] += 1
    device.loop._info["config_blob"] = bytes(blob)
    code, out, err = run("get")
    assert (code, out) == (4, "")
    assert "another version" in err
    assert "emery flash" in err
