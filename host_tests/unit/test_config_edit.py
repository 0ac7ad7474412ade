"""Values changed in a file in place, and files written from a config."""

import os
from pathlib import Path

import pytest
import tomlkit
from tomlkit.exceptions import TOMLKitError

from emery import slot
from emery.config.compile import compile_board
from emery.config.compiled import decompile, encode_config, texts
from emery.config.edit import board_keys, replace_file, set_values
from emery.config.load import load_board, load_device
from emery.config.problem import ConfigError
from emery.config.write import board_toml, protocol_toml
from firmware.settings import encode

CONFIGS = Path(slot.ROOT) / "board_configs"
PICO = CONFIGS / "pico_reference.toml"
BODY = CONFIGS / "protocols" / "body.toml"

BOARD = """\
# mine
[board]
name = "b" # of the clinic
chip = "rp2040"

[protection]
hard_limit = "44 kPa"  # by the nurse

# what follows is about contact
[contact]
stroke = "200 ms"
"""


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "b.toml"
    path.write_text(BOARD, encoding="utf-8")
    return path


# Edit ------------------------------------------------------------------------


def test_a_value_changes_and_nothing_else(board: Path) -> None:
    backup = set_values(board, {"protection.hard_limit": "42 kPa"})
    assert board.read_text(encoding="utf-8") == BOARD.replace('"44 kPa"', '"42 kPa"')
    assert backup.read_text(encoding="utf-8") == BOARD
    assert backup.parent == board.parent
    assert backup.suffix == ".bak"
    assert sorted(path.name for path in board.parent.iterdir()) == [board.name, backup.name]


def test_a_backup_that_cannot_be_written_whole_leaves_nothing(
    board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emery.config.edit.shutil.copy2", full)
    with pytest.raises(ConfigError, match="No space left"):
        set_values(board, {"protection.hard_limit": "42 kPa"})
    assert [path.name for path in board.parent.iterdir()] == [board.name]
    assert board.read_text(encoding="utf-8") == BOARD


def test_a_remark_takes_the_place_of_the_one_about_the_value_before(board: Path) -> None:
    set_values(
        board, {"protection.hard_limit": "42 kPa", "plant.volume": "700 mL"},
        {"protection.hard_limit": "measured", "plant.volume": "measured, too"},
    )  # fmt: skip
    text = board.read_text(encoding="utf-8")
    assert 'hard_limit = "42 kPa" # measured\n' in text.replace("  #", " #")
    assert "by the nurse" not in text
    volume = next(line for line in text.splitlines() if line.startswith("volume"))
    assert volume.endswith("# measured, too")


def test_new_keys_go_into_their_table_with_their_purpose(board: Path) -> None:
    set_values(
        board,
        {"contact.contact_on_time": "40 ms", "protection.soft_time": "50 ms",
         "plant.volume": "700 mL", "plant.tip": "5.5 mm", "wiring.pump_pwm": "21 kHz"},
    )  # fmt: skip
    expected = BOARD.replace(
        '# by the nurse\n',
        '# by the nurse\n# over-vacuum this long takes pump and crystals away\n'
        'soft_time = "50 ms"\n',
    )
    assert board.read_text(encoding="utf-8") == expected + (
        'contact_on_time = "40 ms"           # contact is believed after this long\n'
        '\n[plant]\nvolume = "700 mL"                   # air in canister, hose and filter\n'
        'tip = "5.5 mm"                      # opening of the tip\n'
        '\n[wiring]\n'
        '# PWM of the pump: above hearing, below the switching losses of a small MOSFET\n'
        'pump_pwm = "21 kHz"\n'
    )
    assert load_board(board).settings.soft_time_ms == 50
    assert load_board(board).plant["volume_m3"] == 0.7e-3


@pytest.mark.parametrize(
    "text",
    [
        'protection.hard_limit = "44 kPa"\n[board]\nname = "b"\nchip = "rp2040"\n',
        'protection = { hard_limit = "44 kPa" }\n[board]\nname = "b"\nchip = "rp2040"\n',
        BOARD.replace("\n", "\r\n"),
        BOARD.rstrip(),
        BOARD + "[protection.x]\n",
    ],
    ids=["dotted", "inline", "line ends", "no line end", "not in order"],
)
def test_other_ways_to_write_a_table(board: Path, text: str) -> None:
    board.write_bytes(text.encode())
    if "x]" in text:
        with pytest.raises(ConfigError):
            set_values(board, {"protection.soft_time": "50 ms"})
        assert board.read_bytes() == text.encode()
        return
    set_values(board, {"protection.hard_limit": "42 kPa", "protection.soft_time": "50 ms"})
    settings = load_board(board).settings
    assert (settings.hard_limit_pa, settings.soft_time_ms) == (42_000, 50)
    if "\r\n" in text:
        assert board.read_bytes().count(b"\n") == board.read_bytes().count(b"\r\n")


@pytest.mark.parametrize(
    ("values", "key", "remedy"),
    [
        ({"protection.hard_limt": "42 kPa"}, "protection.hard_limt", "protection.hard_limit"),
        ({"nothing": "1"}, "nothing", "emery config docs"),
        ({"protection.hard_limit": "50 kPa"}, "protection.hard_limit", "in that range"),
        ({"protection.hard_limit": "42"}, "protection.hard_limit", "Add the unit"),
        ({"protection.soft_time": "50 ms", "contact.stroke": "1 mV"}, "contact.stroke", "Check"),
        ({"pins.pump": "GP2"}, "pins.feed", "feed = "),
    ],
)
def test_what_would_not_be_in_order_is_not_written(
    board: Path, values: dict[str, str], key: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        set_values(board, values)
    assert key in {problem.key for problem in caught.value.problems}
    assert any(remedy in problem.remedy for problem in caught.value.problems)
    assert {problem.file for problem in caught.value.problems} == {str(board)}
    assert [path.name for path in board.parent.iterdir()] == [board.name]
    assert board.read_text(encoding="utf-8") == BOARD


@pytest.mark.parametrize(
    "text", ["[board]\nname = x\n", "\x00", "", "[board]\n[board]\n", "a = 1"]
)
def test_a_file_that_is_no_board_is_refused_in_words(board: Path, text: str) -> None:
    board.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        set_values(board, {"contact.stroke": "300 ms"})
    assert board.read_text(encoding="utf-8") == text


def test_what_the_editing_library_cannot_read_is_refused_in_words(
    board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(text: str) -> None:
        raise TOMLKitError("what is this?")

    monkeypatch.setattr(tomlkit, "parse", unable)
    with pytest.raises(ConfigError, match="Change it by hand"):
        set_values(board, {"contact.stroke": "300 ms"})
    assert board.read_text(encoding="utf-8") == BOARD


def test_backups_of_one_second_stand_beside_each_other(board: Path) -> None:
    backups = {set_values(board, {"contact.stroke": f"{number}00 ms"}) for number in (3, 4, 5)}
    assert len(backups) == 3
    assert len(list(board.parent.iterdir())) == 4


def test_a_link_is_kept_and_its_file_changed(board: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(board)
    set_values(link, {"contact.stroke": "300 ms"})
    assert link.is_symlink()
    assert '"300 ms"' in board.read_text(encoding="utf-8")


def test_a_cut_leaves_the_old_file(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(ConfigError, match="No space left on device"):
        replace_file(board, "new")
    assert board.read_text(encoding="utf-8") == BOARD
    assert [path.name for path in board.parent.iterdir()] == [board.name]


def test_every_key_can_be_set(board: Path, tmp_path: Path) -> None:
    path = tmp_path / "whole.toml"
    plant = '[plant]\nvolume = "700 mL"\n'
    path.write_text(PICO.read_text(encoding="utf-8") + plant, encoding="utf-8")
    values = texts(decompile(compile_board(path, BODY)))
    of_board = {key: value for key, value in values.items() if key in board_keys()}
    set_values(board, of_board)
    assert compile_board(board, BODY) == compile_board(path, BODY)


# Write -----------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_what_is_written_reads_back_to_the_same(path: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    for other in path.parent.glob("*.toml"):
        (tmp_path / other.name).write_text(other.read_text(encoding="utf-8"), encoding="utf-8")
    set_values(own, {"plant.volume": "612.345 mL", "regulator.hold_low": "31.7 %"})
    config = decompile(compile_board(own, BODY))
    board, protocol = tmp_path / "new.toml", tmp_path / "new_protocol.toml"
    board.write_text(board_toml(config), encoding="utf-8")
    protocol.write_text(protocol_toml(config), encoding="utf-8")
    again = decompile(compile_board(board, protocol))
    assert encode_config(again) == encode_config(config)
    assert encode(load_device(board, protocol).settings) == encode(config.settings)
    written = board.read_text(encoding="utf-8") + protocol.read_text(encoding="utf-8")
    assert max(map(len, written.split("\n"))) <= 80
    assert 'hold_low = "31.7 %"                 # default 33 %\n' in written
    assert load_board(board).stated == set(vars(config.settings)) - {
        "zones", "protocol_name"
    }  # fmt: skip
