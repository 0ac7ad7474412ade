"""Files that extend others: what wins, where mistakes are told, and chains that are
not in order.
"""

from pathlib import Path

import pytest

from emery import slot
from emery.config import extends
from emery.config.check import check
from emery.config.edit import set_values
from emery.config.extends import DEEPEST_CHAIN, read
from emery.config.load import load, load_board, load_protocol
from emery.config.problem import ConfigError, Problem

CONFIGS = Path(slot.ROOT) / "board_configs"
PICO = CONFIGS / "pico_reference.toml"

FACE = """\
[protocol]
name = "face"
[[zone]]
name = "nose"
level = 5
flow = "6 g/min"
passes = 3
pass_time = "90 s"
pass_crystals = "9 g"
dose = "22.5 g"
[[zone]]
name = "chin"
level = 6
flow = "8 g/min"
passes = 3
pass_time = "90 s"
pass_crystals = "12 g"
dose = "30 g"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, "pico.toml", PICO.read_text(encoding="utf-8"))
    put(tmp_path, "face.toml", FACE)
    return tmp_path


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        check(path)
    return list(caught.value.problems)


# Boards ----------------------------------------------------------------------


def test_only_the_differences_stand_in_the_file(folder: Path) -> None:
    path = put(folder, "mine.toml", (
        'extends = "pico.toml"\n[board]\nname = "Mine"\n[protection]\nhard_limit = "42 kPa"\n'
    ))  # fmt: skip
    board, base = load_board(path), load_board(folder / "pico.toml")
    assert (board.name, board.chip) == ("Mine", "rp2040")
    assert board.has_pins
    assert board.settings.hard_limit_pa == 42_000
    names = set(vars(base.settings)) - {"hard_limit_pa"}
    assert {name: getattr(board.settings, name) for name in names} == {
        name: getattr(base.settings, name) for name in names
    }
    assert board.wiring.board_name == "Mine"


def test_a_chain_goes_on_and_paths_are_relative_to_their_file(folder: Path) -> None:
    put(folder, "clinic/clinic.toml", (
        'extends = "../pico.toml"\n[contact]\nstroke = "200 ms"\n[feed]\nband = "3 kPa"\n'
    ))  # fmt: skip
    path = put(folder, "mine.toml", 'extends = "clinic/clinic.toml"\nfeed.band = "2 kPa"\n')
    settings = load_board(path).settings
    assert (settings.stroke_ms, settings.band_pa) == (200, 2_000)
    assert read(path).files == (
        str(path), str(folder / "clinic" / "clinic.toml"), str(folder / "pico.toml")
    )  # fmt: skip


def test_mistakes_are_told_in_the_file_where_they_stand(folder: Path) -> None:
    put(folder, "clinic.toml", (
        'extends = "pico.toml"\n[contact]\nstrok = "1 s"\n[feed]\nband = "9 kPa"\n'
        '[sensor]\n'
    ))  # fmt: skip
    path = put(folder, "mine.toml", (
        'extends = "clinic.toml"\n[treatment]\npass_gap = 4\n[contact]\nstrok = "2 s"\n'
    ))  # fmt: skip
    mine, clinic = str(path), str(folder / "clinic.toml")
    assert [(found.file, found.line, found.column, found.key) for found in problems(path)] == [
        (mine, 3, 12, "treatment.pass_gap"),
        (mine, 5, 1, "contact.strok"),
        (clinic, 3, 1, "contact.strok"),
        (clinic, 5, 8, "feed.band"),
        (clinic, 6, 2, "sensor"),
    ]
    band = problems(path)[3]
    assert band.remedy.endswith(f"Or state another in {mine}.")


def test_a_rule_is_told_where_its_value_stands(folder: Path) -> None:
    path = put(folder, "mine.toml", 'extends = "pico.toml"\n[pins]\npump = "GP6"\n')
    (found,) = problems(path)
    lines = PICO.read_text(encoding="utf-8").split("\n")
    assert found.file == str(folder / "pico.toml")
    assert lines[found.line - 1].startswith('feed = "GP6"')
    assert found.what == "GP6 is taken by pump"
    assert found.remedy.endswith(f"Or state another in {path}, or change pump there, on line 3.")


def test_a_rule_of_two_settings_names_the_one_that_this_file_states(folder: Path) -> None:
    path = put(folder, "mine.toml", (
        'extends = "pico.toml"\n[contact]\ncontact_on_vacuum = "2 kPa"\n'
    ))  # fmt: skip
    (found,) = problems(path)
    assert (found.file, found.key) == (str(folder / "pico.toml"), "contact.contact_off_vacuum")
    assert found.remedy.endswith(
        f"Or state another in {path}, or change contact_on_vacuum there, on line 3."
    )


def test_another_chip_than_that_of_the_board_below_is_one_mistake(folder: Path) -> None:
    path = put(folder, "mine.toml", (
        'extends = "pico.toml"\n[board]\nname = "Mine"\nchip = "esp32"\n'
        '[pins]\npump = "GPIO25"\n'
    ))  # fmt: skip
    (found,) = problems(path)
    assert (found.file, found.line, found.key) == (str(path), 4, "board.chip")
    assert "Extend a board with this chip" in found.remedy


def test_a_wrong_value_that_another_takes_the_place_of_is_none(folder: Path) -> None:
    put(folder, "clinic.toml", 'extends = "pico.toml"\n[feed]\nband = "9 kPa"\n')
    path = put(folder, "mine.toml", 'extends = "clinic.toml"\n[feed]\nband = "3 kPa"\n')
    assert load_board(path).settings.band_pa == 3_000


def test_a_value_where_the_other_file_has_a_table_is_told(folder: Path) -> None:
    put(folder, "clinic.toml", 'extends = "pico.toml"\ntreatment = 4\n')
    path = put(folder, "mine.toml", 'extends = "clinic.toml"\n[treatment]\npass_gap = "5 s"\n')
    (found,) = problems(path)
    assert (found.file, found.line, found.column) == (str(folder / "clinic.toml"), 2, 13)
    assert found.what.startswith("is the bare number 4, and a table in")


def test_an_edit_goes_into_the_file_that_was_named(folder: Path) -> None:
    path = put(folder, "mine.toml", 'extends = "pico.toml"\n')
    set_values(path, {"regulator.hold_low": "30 %"})
    assert path.read_text(encoding="utf-8") == (
        'extends = "pico.toml"\n\n[regulator]\n'
        '# pump drive that holds level 1 on sealed skin\nhold_low = "30 %"\n'
    )
    assert load_board(path).settings.hold_low_permille == 300


def test_a_name_alone_is_that_of_a_file_that_comes_with_emery(folder: Path) -> None:
    board = put(folder, "mine.toml", 'extends = "bench_rig"\n[board]\nname = "Mine"\n')
    assert load_board(board).name == "Mine"
    assert read(board).files[1:] == (str(CONFIGS / "bench_rig.toml"), str(PICO))
    protocol = put(folder, "p.toml", 'extends = "neck"\n[protocol]\nname = "my neck"\n')
    assert load_protocol(protocol).zones[0].name == "left neck"
    assert problems(put(folder, "q.toml", 'extends = "neck"\n[board]\n'))[0].key == "extends"


def test_files_that_come_with_emery_do_not_lead_in_a_circle_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extends, "SHIPPED", folder)
    path = put(folder, "pico_x.toml", 'extends = "pico_x"\n[board]\nname = "x"\n')
    (found,) = problems(path)
    assert "pico_x.toml -> pico_x.toml" in found.what


# Protocols -------------------------------------------------------------------


def test_a_zone_of_the_same_name_changes_it_and_a_new_one_comes_behind(folder: Path) -> None:
    path = put(folder, "mine.toml", (
        'extends = "face.toml"\n[protocol]\nname = "mine"\n'
        '[[zone]]\nname = "brow"\nlevel = 3\nflow = "5 g/min"\npasses = 1\npass_time = "60 s"\n'
        'pass_crystals = "5 g"\ndose = "5 g"\n'
        '[[zone]]\nname = "Nose"\nlevel = 4\n'
    ))  # fmt: skip
    protocol = load_protocol(path)
    assert protocol.name == "mine"
    assert [(zone.name, zone.level, zone.dose_mg) for zone in protocol.zones] == [
        ("Nose", 4, 22_500), ("chin", 6, 30_000), ("brow", 3, 5_000)
    ]  # fmt: skip
    assert load(PICO, path).protocol_name == "mine"


def test_mistakes_in_zones_are_told_in_their_file(folder: Path) -> None:
    put(folder, "face.toml", FACE.replace('"30 g"', '"300 g"'))
    path = put(folder, "mine.toml", (
        'extends = "face.toml"\n[[zone]]\nname = "nose"\nlevel = 11\n[[zone]]\nname = "brow"\n'
        '[[zone]]\nname = "nose"\nlevel = 2\n'
    ))  # fmt: skip
    found = problems(path)
    mine, face = str(path), str(folder / "face.toml")
    assert [(item.file, item.line, item.key) for item in found if "missing" not in item.what] == [
        (mine, 4, "zone 1.level"), (mine, 8, "zone 4.name"), (face, 18, "zone 2.dose")
    ]  # fmt: skip
    assert '"nose" is already the zone on line 3' in [item.what for item in found][-2]
    # The new zone states nothing but its name; its header is where that is told.
    assert {item.line for item in found if item.key.startswith("zone 3")} == {5}


def test_a_name_that_a_file_below_has_twice_is_told_with_its_file(folder: Path) -> None:
    put(folder, "face.toml", FACE.replace("chin", "NOSE"))
    path = put(folder, "mine.toml", 'extends = "face.toml"\n[[zone]]\nname = "nose"\nlevel = 2\n')
    (found,) = problems(path)
    assert (found.file, found.line) == (str(folder / "face.toml"), 12)
    assert found.what == f'"NOSE" is already the zone on line 3 of {path}'


# Chains ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "column", "what", "remedy"),
    [
        ("extends = 3", 11, "is the bare number 3", "in double quotes"),
        ('extends = ["pico.toml"]', 11, "is an array", "in double quotes"),
        ('extends = ""', 11, "is empty", "remove the line"),
        ('extends = "pcio.toml"', 11, "does not exist", 'Did you mean "pico.toml"?'),
        ('extends = "/nowhere/x.toml"', 11, "does not exist", "relative to this file"),
        ('extends = "x.toml"', 11, "is a directory", "relative to this file"),
        (r'extends = "a\u0000b.toml"', 11, "does not exist", "relative to this file"),
        ('extends = "pico"', 11, "is none that comes with Emery", 'Did you mean "pico_w"?'),
        ('extends = "."', 11, "is none that comes with Emery", "of your own ends in .toml"),
        ('extends = "face.toml"\n[board]', 11, "is a protocol, and this is a board", "same kind"),
        ('extends = "mine.toml"', 11, "mine.toml -> mine.toml", "Remove it here"),
        ('# é\nextends  =  "mine.toml"', 13, "leads back to where it began", "Remove it here"),
    ],
)
def test_a_chain_that_is_not_in_order(
    folder: Path, line: str, column: int, what: str, remedy: str
) -> None:
    (folder / "x.toml").mkdir()
    path = put(folder, "mine.toml", f"{line}\n")
    (found,) = problems(path)
    at = 2 if line.startswith("#") else 1
    assert (found.file, found.line, found.column, found.key) == (str(path), at, column, "extends")
    assert what in found.what
    assert remedy in found.remedy
    assert found.expected


def test_a_circle_is_told_where_it_closes(folder: Path) -> None:
    put(folder, "a.toml", 'extends = "b.toml"\n')
    put(folder, "b.toml", '\nextends = "./c.toml"\n')
    put(folder, "c.toml", 'extends = "b.toml"\n')
    (found,) = problems(folder / "a.toml")
    assert (found.file, found.line) == (str(folder / "c.toml"), 1)
    assert "b.toml -> c.toml -> b.toml" in found.what


def test_a_chain_may_be_deep_but_not_without_end(folder: Path) -> None:
    for number in range(DEEPEST_CHAIN):
        below = f"{number - 1}.toml" if number else "pico.toml"
        put(folder, f"{number}.toml", f'extends = "{below}"\n')
    assert load_board(folder / f"{DEEPEST_CHAIN - 2}.toml").has_pins
    (found,) = problems(folder / f"{DEEPEST_CHAIN - 1}.toml")
    assert (found.file, found.line) == (str(folder / "0.toml"), 1)
    assert f"at most {DEEPEST_CHAIN} files" in found.expected


def test_a_file_below_that_is_no_toml_is_told_there(folder: Path) -> None:
    put(folder, "clinic.toml", "[board]\nname = Clinic\n")
    path = put(folder, "mine.toml", 'extends = "clinic.toml"\n')
    (found,) = problems(path)
    assert (found.file, found.line, found.column) == (str(folder / "clinic.toml"), 2, 8)


@pytest.mark.parametrize("table", ["", "[protection]\n"])
def test_extends_in_a_table_belongs_at_the_top(folder: Path, table: str) -> None:
    board = '[board]\nname = "b"\nchip = "rp2040"\n'
    path = put(folder, "mine.toml", f'{board}{table}extends = "pico.toml"\n')
    (found,) = problems(path)
    assert found.remedy == "It belongs at the top of the file."


def test_no_other_file_extends_anything(tmp_path: Path) -> None:
    from emery.simulator.scenario import read as read_scenario

    path = put(tmp_path, "s.toml", (
        'extends = "x.toml"\n[scenario]\ntitle = "t"\nduration = "5 s"\n'
    ))  # fmt: skip
    with pytest.raises(ConfigError, match="extends: is no known key"):
        read_scenario(path, lambda path: [])
