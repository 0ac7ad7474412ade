"""`emery config show`, `diff`, `pins`, `schema`, `docs`, `compile` and `migrate`, as they
are typed.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emery import slot
from emery.cli import app
from emery.config.compile import compile_board
from emery.config.compiled import decompile, encode_config
from emery.config.diff import by_zone_name
from emery.config.edit import set_values
from emery.config.load import load_board
from emery.config.pinout import lines as pinout
from emery.config.rows import SETTING_ROWS
from emery.device.problem import DeviceProblem
from emery.link import client
from firmware import config_file
from hal.wiring import NO_PIN, ROLES

CONFIGS = Path(slot.ROOT) / "board_configs"
PICO = CONFIGS / "pico_reference.toml"
FACE = CONFIGS / "protocols" / "face.toml"
BOARDS = sorted(CONFIGS.glob("*.toml"))

MINE = 'extends = "pico_reference.toml"\n\n[board]\nname = "Mine"\n\n[feed]\nband = "3 kPa"\n'


def run(*words: object) -> Result:
    result = CliRunner().invoke(app, ["config", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    for line in result.stdout.split("\n"):
        assert line == line.rstrip()
    return result


def good(*words: object) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.stderr
    assert not result.stderr
    return result.stdout


def refused(*words: object, code: int = 2) -> str:
    result = run(*words)
    assert result.exit_code == code
    assert not result.stdout
    return result.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the Pico reference and a board that extends it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pico_reference.toml").write_text(PICO.read_text(encoding="utf-8"))
    (tmp_path / "mine.toml").write_text(MINE)
    (tmp_path / "face.toml").write_text(FACE.read_text(encoding="utf-8"))
    return tmp_path


def test_check_tells_of_every_file_and_fails_if_one_is_wrong(folder: Path) -> None:
    said = good("check", "mine.toml", "face.toml")
    assert said.index('Board "Mine"') < said.index('Protocol "face"')
    Path("bad.toml").write_text("[board]\n")
    result = run("check", "mine.toml", "bad.toml", "face.toml")
    assert result.exit_code == 2
    assert 'Protocol "face"' in result.stdout
    assert "bad.toml:1:2  board.name: is missing" in result.stderr


def test_check_holds_a_board_and_a_protocol_against_each_other(folder: Path) -> None:
    Path("low.toml").write_text(MINE + '[protection]\nhard_limit = "33 kPa"\n')
    good("check", "low.toml", "neck")
    result = run("check", "low.toml", "face.toml")
    assert result.exit_code == 2
    assert 'Protocol "face"' in result.stdout
    assert result.stderr.startswith("face.toml with low.toml:\nface.toml:")
    assert "reaches protection.hard_limit (33 kPa)" in re.sub(r"\s+", " ", result.stderr)


def test_what_comes_with_emery_goes_by_its_name(folder: Path) -> None:
    assert 'Board "Pico W"' in good("check", "pico_w")
    assert 'Protocol "neck"' in good("check", "neck")
    assert "pico_w.toml" in good("show", "pico_w")
    assert "zone 1" not in good("diff", "pico_w", "bench_rig")
    assert "ESP32-DevKitC" in good("pins", "esp32_devkitc")
    Path("pico_w").write_text("[board]\n")  # a file of one's own comes first
    assert "board.name: is missing" in refused("check", "pico_w")
    assert "does not exist" in refused("check", "pico_x")


# show ------------------------------------------------------------------------


def test_show_tells_each_value_and_where_it_comes_from(folder: Path) -> None:
    said = good("show", "mine.toml")
    assert max(map(len, said.split("\n"))) <= 80
    assert re.search(r"^  band +3 kPa +mine.toml:7 over pico_reference.toml:\d+$", said, re.M)
    assert re.search(r"^  name +Mine +mine.toml:4 over pico_reference.toml:\d+$", said, re.M)
    (line,) = re.findall(r"^  hard_limit +45 kPa +pico_reference.toml:(\d+)$", said, re.M)
    assert PICO.read_text(encoding="utf-8").split("\n")[int(line) - 1].startswith("hard_limit")
    for row in SETTING_ROWS:
        assert re.search(rf"^  {row.key} ", said, re.M)


def test_show_says_what_is_at_its_default(folder: Path) -> None:
    Path("b.toml").write_text('[board]\nname = "b"\nchip = "esp32"\n')
    said = good("show", "b.toml")
    assert re.search(r"^  hard_limit +45 kPa +default$", said, re.M)
    assert "[pins]" not in said


def test_show_of_a_protocol_counts_its_zones(folder: Path) -> None:
    said = good("show", "face.toml")
    assert re.search(r"^\[\[zone\]\] 4\n  name +nose +face.toml:\d+\n  level +5 ", said, re.M)


def test_show_as_json(folder: Path) -> None:
    document = json.loads(good("show", "mine.toml", "--json"))
    assert document["schema"] == "emery.config.show/1"
    assert document["files"] == ["mine.toml", "pico_reference.toml"]
    values = {value["key"]: value for value in document["values"]}
    assert values["feed.band"] == {
        "key": "feed.band", "value": "3 kPa", "default": "4 kPa", "file": "mine.toml", "line": 7,
        "over": [{"file": "pico_reference.toml", "line": values["feed.band"]["over"][0]["line"]}],
    }  # fmt: skip


def test_show_reads_a_compiled_config_too(folder: Path) -> None:
    blob = config_file.with_section(compile_board(PICO, FACE), config_file.CERTIFICATE, b"")
    Path("backup.bin").write_bytes(blob)
    said = good("show", "backup.bin")
    assert 'Config of "Pico reference" (rp2040)' in said
    assert "It has no certificate." in said
    assert re.search(r"^\[\[zone\]\] 6\n  name +jaw line$", said, re.M)
    Path("backup.bin").write_bytes(blob[:-1])
    assert "backup.bin  its settings are refused" in refused("show", "backup.bin")


# diff ------------------------------------------------------------------------


def test_diff_against_the_defaults(folder: Path) -> None:
    set_values("mine.toml", {"plant.volume": "700 mL"})
    said = good("diff", "mine.toml")
    assert said == (
        "              mine.toml  defaults\n"
        "feed.band     3 kPa      4 kPa\n"
        "plant.volume  700 mL     650 mL\n"
        "2 of 44 values differ.\n"
    )


def test_diff_of_two_boards_and_of_the_same(folder: Path) -> None:
    said = good("diff", "mine.toml", "pico_reference.toml")
    assert re.search(r"^board.name +Mine +Pico reference$", said, re.M)
    assert re.search(r"^feed.band +3 kPa +4 kPa$", said, re.M)
    assert "2 of 64 values differ." in said
    assert good("diff", "mine.toml", "mine.toml") == "No difference in 64 values.\n"


def test_diff_tells_a_pin_that_only_one_has() -> None:
    said = good("diff", CONFIGS / "bench_rig.toml", CONFIGS / "pico_reference.toml")
    assert re.search(r"^pins.vacuum_b +none +GP28$", said, re.M)
    said = good("show", "bench_rig")
    assert re.search(r"^  vacuum_b +none +bench_rig.toml:\d+\n? +over pico_refer", said, re.M)


def test_diff_of_protocols_goes_by_the_names_of_zones(folder: Path) -> None:
    text = FACE.read_text(encoding="utf-8")
    text = text.replace('"nose"', '"tip"').replace("level = 4", "level = 3")
    Path("other.toml").write_text(text)
    said = good("diff", "face.toml", "other.toml")
    assert re.search(r'^zone "nose" +is there +-$', said, re.M)
    assert re.search(r'^zone "tip" +- +is there$', said, re.M)
    assert re.search(r'^zone "jaw line".level +4 +3$', said, re.M)
    assert "order of zones\n    forehead, left cheek, right cheek, nose" in said
    assert max(map(len, said.split("\n"))) <= 80


def test_diff_does_not_compare_apples_with_pears(folder: Path) -> None:
    assert "nothing in common" in refused("diff", "mine.toml", "face.toml")
    assert "name a second protocol" in refused("diff", "face.toml")
    assert "not with both" in refused("diff", "mine.toml", "mine.toml", "--port", "x")


def test_diff_fails_only_when_asked_to(folder: Path) -> None:
    assert run("diff", "mine.toml", "--check").exit_code == 1
    assert run("diff", "mine.toml", "mine.toml", "--check").exit_code == 0
    document = json.loads(run("diff", "mine.toml", "--json").stdout)
    assert document["schema"] == "emery.config.diff/1"
    assert document["differences"] == [{"key": "feed.band", "left": "3 kPa", "right": "4 kPa"}]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A device at any port, which holds `blob`, or raises `problem`."""
    device = SimpleNamespace(blob=compile_board(PICO, FACE), problem=None, ports=[])

    @contextmanager
    def connected(port: str | None) -> Iterator[tuple[Any, Any]]:
        device.ports.append(port)
        if device.problem is not None:
            raise device.problem
        yield SimpleNamespace(whole_blob=lambda what: device.blob, name="/dev/ttyX"), None

    monkeypatch.setattr(client, "connected", connected)
    return device


def test_diff_against_a_device(folder: Path, held: SimpleNamespace) -> None:
    said = good("diff", "mine.toml", "--port", "/dev/ttyX")
    assert re.search(r"^feed.band +3 kPa +4 kPa$", said, re.M)
    assert "zone" not in said  # a board file says nothing of them
    assert good("diff", "face.toml", "--on-device") == "No difference in 38 values.\n"
    assert held.ports == ["/dev/ttyX", None]
    held.blob = b"?"
    assert "cannot be read" in refused("diff", "mine.toml", "--port", "x", code=4)
    held.problem = DeviceProblem("there is no board", "Connect one.")
    assert "there is no board" in refused("diff", "mine.toml", "--port", "x", code=4)


def test_zones_are_told_by_name() -> None:
    assert by_zone_name({"a.b": "1", "zone.1.name": "x", "zone.1.level": "2"}) == {
        "a.b": "1", 'zone "x".level': "2", "order of zones": "x"
    }  # fmt: skip


# pins ------------------------------------------------------------------------


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_pins_draws_every_role_at_its_pin(path: Path) -> None:
    said = good("pins", path)
    assert max(map(len, said.split("\n"))) <= 80
    board = load_board(path)
    prefix = "GP" if board.chip == "rp2040" else "GPIO"
    for role, *_ in ROLES:
        gpio = getattr(board.wiring, role)
        if gpio == NO_PIN:
            assert re.search(rf"^Without a pin: .*{role}", said, re.M)
        else:
            pin = f"{prefix}{gpio}"
            assert re.search(rf"( {role} \* +{pin} \||\| {pin} +\* {role}$)", said, re.M), role


def test_pins_tells_what_is_free_and_what_for() -> None:
    pico = "\n".join(pinout(load_board(PICO)))
    assert re.search(r"free - +GP1 \|2 +39\| VBUS|free - +GP1 \|2 ", pico)
    assert "so no buzzer: GP2, GP3, GP18, GP19." in pico
    esp32 = "\n".join(pinout(load_board(CONFIGS / "esp32_devkitc.toml")))
    assert re.search(r"free: lights only - +GPIO12 \|", esp32)
    assert re.search(r"free, analog too - +GPIO33 \|", esp32)
    assert re.search(r"\| GPIO6 +x not to be used$", esp32, re.M)
    assert re.search(r"\| GPIO1 +x not to be used$", esp32, re.M)


def test_pins_of_a_board_without_any_shows_what_may_be_used(folder: Path) -> None:
    Path("b.toml").write_text('[board]\nname = "b"\nchip = "esp32"\n')
    said = good("pins", "b.toml")
    assert "The file has no [pins] yet." in said
    assert said.count("*") == 1  # in the legend
    assert "input only" in said


def test_pins_off_the_header_are_named(folder: Path) -> None:
    Path("b.toml").write_text(
        f'extends = "{CONFIGS / "esp32_devkitc.toml"}"\n[pins]\nvacuum_b = "GPIO37"\n'
    )
    assert "Not on the header: GPIO37 vacuum_b." in good("pins", "b.toml")


def test_a_file_of_the_other_kind_is_told_once(folder: Path) -> None:
    said = "face.toml  is a protocol file. Expected: a board file. Name a board file.\n"
    assert refused("pins", "face.toml") == said
    assert refused("compile", "face.toml") == said
    assert refused("compile", "mine.toml", "--protocol", "mine.toml") == (
        "mine.toml  is a board file. Expected: a protocol file. Name a protocol file.\n"
    )


# schema, docs, compile, migrate ----------------------------------------------


def test_schema_and_docs_go_to_stdout() -> None:
    assert json.loads(good("schema", "board"))["title"] == "Emery board file"
    assert good("docs") == (CONFIGS / "SETTINGS.md").read_text(encoding="utf-8")
    assert "name board or protocol" in refused("schema", "zone")


def test_compile_writes_what_a_device_keeps(folder: Path) -> None:
    said = good("compile", "mine.toml", "--protocol", "face.toml", "-o", "x.bin")
    blob = Path("x.bin").read_bytes()
    assert said.startswith(f'x.bin: {len(blob)} bytes, "Mine" (rp2040) with the protocol "face"')
    assert blob == compile_board("mine.toml", "face.toml")
    assert encode_config(decompile(blob)) == config_file.with_section(
        blob, config_file.CERTIFICATE, b""
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        "face.toml", "mine.toml", "pico_reference.toml", "x.bin"
    ]  # fmt: skip


def test_compile_writes_nothing_that_is_not_in_order(folder: Path) -> None:
    Path("b.toml").write_text('[board]\nname = "b"\nchip = "rp2040"\n')
    assert "pins: is missing" in refused("compile", "b.toml")
    assert "cannot be written" in refused("compile", "mine.toml", "-o", "nowhere/x.bin")
    assert "there is no protocol fce" in refused("compile", "mine.toml", "--protocol", "fce")
    assert not Path("config.bin").exists()


FORMER = """\
[board]
name = "Old"
chip = "rp2040"

[session]
session = "20 min"  # short

[passes]
pass_gap = "5 s"

[regulator]
lead = "70 ms"      # gone
search = "60 %"     # stays

# about the feed
[feed]
band = "3 kPa"
"""


def test_migrate_rewrites_a_board_and_keeps_a_backup(folder: Path) -> None:
    path = folder / "old.toml"
    path.write_text(FORMER)
    assert "emery config migrate old.toml" in re.sub(r"\s+", " ", refused("check", "old.toml"))
    said = good("migrate", "old.toml", "--dry-run")
    assert "Nothing was written yet" in said
    assert path.read_text() == FORMER
    said = good("migrate", "old.toml")
    for told in (
        "passes.pass_gap is called treatment.pass_gap now.",
        "session.session is called treatment.session now.",
        "regulator.lead is taken out.",
        'regulator.search stays at "60 %", which was the default then; today\'s is 80 %.',
    ):
        assert told in said
    (backup,) = folder.glob("old.toml.*.bak")
    assert backup.name in said
    assert backup.read_text() == FORMER
    settings = load_board(path).settings
    assert (settings.pass_gap_ms, settings.session_ms) == (5_000, 1_200_000)
    text = path.read_text()
    assert 'search = "60 %"     # stays\n\n# about the feed\n[feed]\nband = "3 kPa"\n' in text
    assert "lead" not in text
    assert "[passes]" not in text
    assert good("migrate", "old.toml") == "old.toml is of today already; nothing was written.\n"


def test_migrate_gives_zones_the_dose_that_they_had(folder: Path) -> None:
    text = re.sub(r"dose = .*\n", "", FACE.read_text(encoding="utf-8"))
    Path("old.toml").write_text(text)
    said = good("migrate", "old.toml")
    assert 'Zone "nose" gets its dose: 27 g, as before.' in said
    written = Path("old.toml").read_text()
    assert written.count("dose = ") == 6
    assert re.sub(r"dose = .*\n", "", written) == text
    assert 'pass_crystals = "9 g"\ndose = "27 g" ' in written


def test_migrate_writes_nothing_if_the_rest_is_not_in_order(folder: Path) -> None:
    Path("old.toml").write_text(FORMER.replace('"3 kPa"', '"30 kPa"'))
    assert "feed.band" in refused("migrate", "old.toml")
    assert Path("old.toml").read_text() == FORMER.replace('"3 kPa"', '"30 kPa"')
    assert not list(folder.glob("*.bak"))


def test_a_former_key_beside_its_name_of_today_gives_way(folder: Path) -> None:
    path = folder / "old.toml"
    path.write_text(FORMER + '[treatment]\npass_gap = "6 s"\n')
    assert "treatment.pass_gap is there already" in good("migrate", "old.toml")
    assert load_board(path).settings.pass_gap_ms == 6_000
