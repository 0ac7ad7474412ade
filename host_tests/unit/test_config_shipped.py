"""The shipped board and protocols, loading them together, and what a check of
them prints.
"""

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emery import slot
from emery.cli import app
from emery.config.board import Board
from emery.config.check import check
from emery.config.compile import compile_board
from emery.config.document import Document
from emery.config.load import finished_board, load, load_board, load_device, load_protocol
from emery.config.pins import FACT_ROWS, pin_text
from emery.config.problem import ConfigError
from emery.config.quantity import text
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from emery.hardware.boards import FILES
from emery.simulator.run import prepare
from firmware import limits
from firmware.config_file import CERTIFICATE, section, settings_of
from firmware.settings import SETTINGS, Settings, decode, encode
from hal import wiring
from hal.wiring import CHIPS

CONFIGS = Path(slot.ROOT) / "board_configs"
REFERENCE = CONFIGS / "pico_reference.toml"
# What each chip's own board states in full; other files extend one of them.
REFERENCES = [CONFIGS / name for name in FILES.values()]
BOARDS = sorted(CONFIGS.glob("*.toml"))
PICO_W = CONFIGS / "pico_w.toml"
BENCH_RIG = CONFIGS / "bench_rig.toml"
PROTOCOLS = sorted((CONFIGS / "protocols").glob("*.toml"))
FACE = CONFIGS / "protocols" / "face.toml"
NECK = CONFIGS / "protocols" / "neck.toml"
BODY = CONFIGS / "protocols" / "body.toml"

# Caps of the treatment rules: levels of face and neck, passes of the neck.
FACE_LEVEL = 7
NECK_LEVEL = 3
NECK_PASSES = 2

# An operator's strokes for one pass of a zone of the face, and the pauses around it: the pass gap,
# the turn to the next pass, part of a change of zone.
STROKES_MS = 70_000
PAUSES_MS = 20_000
# Of zones that are smaller.
STROKES_OF = {"eye_rim": 25_000, "hands": 50_000}


def name_of(path: Path) -> str:
    """A protocol is called what its file is."""
    return path.stem.replace("_", " ")


def test_each_setting_has_a_key_of_its_own() -> None:
    assert [row.name for row in SETTING_ROWS] == [row[0] for row in SETTINGS]
    places = [(row.table, row.key) for row in SETTING_ROWS]
    assert len(set(places)) == len(places)
    assert len({row.key for row in ZONE_ROWS}) == len(ZONE_ROWS)
    tables = {row.table for row in SETTING_ROWS}
    assert not tables & {"board", "protocol", "zone"}


def test_keys_lose_the_unit_and_gain_the_kind_only_where_needed() -> None:
    keys = {row.name: row.key for row in SETTING_ROWS}
    assert keys["hard_limit_pa"] == "hard_limit"
    assert keys["integral_permille_per_kpa_s"] == "integral"
    assert keys["contact_on_pa"] == "contact_on_vacuum"
    assert keys["contact_on_permille"] == "contact_on_part"
    assert keys["contact_on_ms"] == "contact_on_time"


def test_the_reference_states_every_setting() -> None:
    assert load_board(REFERENCE).stated == {row.name for row in SETTING_ROWS}


def test_the_reference_is_what_the_defaults_mean() -> None:
    settings = load_board(REFERENCE).settings
    values = {row.name: text(getattr(settings, row.name), row.unit) for row in SETTING_ROWS}
    assert values == {row.name: text(row.default, row.unit) for row in SETTING_ROWS}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_the_boards_tell_where_each_value_comes_from(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    for table, keys in tomllib.loads(content).items():
        if table == "extends":
            continue
        lines = content.split(f"\n[{table}]\n")[1].split("\n[")[0].split("\n")
        for key in keys if table != "board" else ():
            (line,) = [line for line in lines if line.startswith(f"{key} = ")]
            assert re.search(r'"\s+# \S', line), line


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_board_and_protocol_reach_the_device_whole(path: Path) -> None:
    settings = load(REFERENCE, path)
    on_device = decode(encode(settings))
    assert vars(on_device).keys() == vars(settings).keys()
    for row in SETTING_ROWS:
        assert getattr(on_device, row.name) == getattr(settings, row.name)
    assert on_device.protocol_name == settings.protocol_name == name_of(path)
    assert len(on_device.zones) == len(settings.zones) > 0
    for there, here in zip(on_device.zones, settings.zones, strict=True):
        assert vars(there) == vars(here)


def test_protocols_keep_to_the_caps() -> None:
    face, neck, body = (load_protocol(path).zones for path in (FACE, NECK, BODY))
    assert len(face) == 6
    assert {zone.level for zone in face} == {4, 5, 6, FACE_LEVEL}
    assert {zone.passes for zone in (*face, *body)} == {limits.PASSES_PER_ZONE}
    assert {zone.level for zone in neck} == {NECK_LEVEL}
    assert {zone.passes for zone in neck} == {NECK_PASSES}
    assert {zone.level for zone in body} == {len(limits.LEVEL_VACUUM_PA)}


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_budgets_leave_the_working_operator_alone(path: Path) -> None:
    settings = load(REFERENCE, path)
    strokes_ms = STROKES_OF.get(path.stem, STROKES_MS)
    for zone in settings.zones:
        assert zone.pass_time_ms >= 1.2 * strokes_ms
        # Crystals never run out before the time does by more than a little,
        # and never allow much more than the time does.
        crystals_ms = zone.pass_crystals_mg * 60_000 / zone.flow_mg_min
        assert 0.9 <= crystals_ms / zone.pass_time_ms <= 1.1
        # The dose is for all passes, and less than all their budgets: passes that
        # are all spent to the end are more than the zone was planned for.
        assert zone.dose_mg >= zone.passes * zone.flow_mg_min * strokes_ms / 60_000
        assert zone.dose_mg < zone.passes * zone.pass_crystals_mg or zone.passes == 1
        assert zone.dose_mg >= zone.pass_crystals_mg
    duration_ms = sum(zone.passes for zone in settings.zones) * (STROKES_MS + PAUSES_MS)
    assert duration_ms <= settings.session_ms


def test_the_face_takes_about_27_minutes() -> None:
    passes = sum(zone.passes for zone in load_protocol(FACE).zones)
    assert 26 * 60_000 <= passes * (STROKES_MS + PAUSES_MS) <= 28 * 60_000


# Loading both ---------------------------------------------------------------


def test_problems_of_both_files_are_told_together(tmp_path: Path) -> None:
    board, protocol = tmp_path / "b.toml", tmp_path / "p.toml"
    board.write_text('[board]\nname = "b"\nchip = "x"\n', encoding="utf-8")
    protocol.write_text('[protocol]\nname = "p"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(board, protocol)
    assert [(problem.file, problem.key) for problem in caught.value.problems] == [
        (str(board), "board.chip"),
        (str(protocol), "zone"),
    ]


def test_a_level_that_does_not_fit_the_board_is_told_in_the_protocol(tmp_path: Path) -> None:
    board = tmp_path / "b.toml"
    board.write_text(
        '[board]\nname = "b"\nchip = "esp32"\n[protection]\nhard_limit = "33 kPa"\n',
        encoding="utf-8",
    )
    load_board(board)
    assert load(board, NECK).hard_limit_pa == 33_000
    with pytest.raises(ConfigError) as caught:
        load(board, FACE)
    lines = FACE.read_text(encoding="utf-8").split("\n")
    assert [(problem.file, problem.key) for problem in caught.value.problems] == [
        (str(FACE), "zone 2.level"),
        (str(FACE), "zone 3.level"),
    ]
    for problem in caught.value.problems:
        assert lines[problem.line - 1][problem.column - 1] == "7"
        assert "7 sets 30 kPa" in problem.what
        assert "protection.hard_limit (33 kPa)" in problem.what


def test_a_board_states_only_what_differs(tmp_path: Path) -> None:
    board = tmp_path / "b.toml"
    board.write_text(
        '[board]\nname = "b"\nchip = "esp32"\n[timing]\ntick_period = "10 ms"\n', encoding="utf-8"
    )
    found = load_board(board)
    assert (found.name, found.chip) == ("b", "esp32")
    assert found.stated == {"tick_period_ms"}
    assert found.settings.tick_period_ms == 10
    assert found.settings.hard_limit_pa == Settings().hard_limit_pa
    assert found.chip in CHIPS


# Pins and compiling ---------------------------------------------------------


def test_every_chip_has_a_reference_board() -> None:
    assert sorted(load_board(path).chip for path in REFERENCES) == sorted(CHIPS)


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_a_reference_states_every_pin_and_fact(path: Path) -> None:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    assert set(document["pins"]) == {role[0] for role in wiring.ROLES}
    assert set(document["wiring"]) == {fact.key for fact in FACT_ROWS}
    assert wiring.broken_rules(load_board(path).wiring) == []


def test_each_choice_has_a_name_for_every_number() -> None:
    for fact in FACT_ROWS:
        if fact.choices:
            assert (fact.low, fact.high) == (0, len(fact.choices) - 1)
            assert fact.unit == ""
        else:
            assert fact.unit
    chosen = {fact.name for fact in FACT_ROWS if fact.choices}
    assert chosen == {name for name, _ in wiring.CHOICES}
    assert len({fact.key for fact in FACT_ROWS}) == len(FACT_ROWS)


def test_the_shipped_boards_are_those_that_there_are() -> None:
    assert {path.name for path in BOARDS} == {*FILES.values(), PICO_W.name, BENCH_RIG.name}
    for path in BOARDS:
        assert load_board(path).has_pins


def test_a_pico_w_is_a_pico_but_for_its_name() -> None:
    board, pico = load_board(PICO_W), load_board(REFERENCE)
    assert encode_settings(board) == encode_settings(pico)
    theirs = {**vars(pico.wiring), "board_name": board.name}
    assert vars(board.wiring) == theirs
    # What serves its radio is used by neither.
    assert not {getattr(board.wiring, role[0]) for role in wiring.ROLES} & {23, 24, 25, 29}


def test_no_module_of_the_device_knows_of_a_radio() -> None:
    for folder in ("firmware", "hal"):
        for path in (Path(slot.ROOT) / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(import|from)\s+(network|bluetooth|espnow)", text, re.M)


def encode_settings(board: Board) -> bytes:
    settings = board.settings
    settings.protocol_name, settings.zones = "face", load_protocol(FACE).zones
    return encode(settings)


# The bench rig ---------------------------------------------------------------


def test_a_bench_rig_is_the_reference_with_one_sensor() -> None:
    board, pico = load_board(BENCH_RIG), load_board(REFERENCE)
    assert encode_settings(board) == encode_settings(pico)
    theirs = vars(pico.wiring)
    differs = {key for key, value in vars(board.wiring).items() if value != theirs[key]}
    assert differs == {"board_name", "purpose", "vacuum_b"}
    assert (board.wiring.purpose, board.wiring.vacuum_b) == (wiring.BENCH, wiring.NO_PIN)


def test_a_bench_rig_is_put_on_a_device_but_treats_nobody(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its settings are the Pico's, whose certificate would say that it may treat.
    monkeypatch.setattr("emery.certificate.known.find", lambda *of: b"certificate")
    blob = compile_board(BENCH_RIG, FACE)
    assert wiring.decode(blob).purpose == wiring.BENCH
    assert section(compile_board(REFERENCE, FACE), CERTIFICATE) == b"certificate"
    assert section(blob, CERTIFICATE) == b""
    with pytest.raises(ConfigError) as caught:
        load(BENCH_RIG, FACE)
    (problem,) = caught.value.problems
    assert (problem.file, problem.key) == (str(BENCH_RIG), "wiring.purpose")
    line = BENCH_RIG.read_text(encoding="utf-8").split("\n")[problem.line - 1]
    assert line[problem.column - 1 :].startswith('"bench"')
    assert "never treats (one vacuum sensor" in problem.what
    assert "stays in SERVICE" in problem.remedy
    assert check(BENCH_RIG).lines[-1].startswith("A bench rig")


def test_a_bench_rig_with_both_sensors_treats_nobody_either(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    text = f'extends = "{REFERENCE.as_posix()}"\n[wiring]\npurpose = "bench"\n'
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="never treats"):
        load(path, FACE)
    assert not check(REFERENCE).lines[-1].startswith("A bench rig")


def test_no_treatment_is_simulated_on_a_bench_rig() -> None:
    with pytest.raises(ConfigError, match="a bench rig never treats"):
        prepare("nominal_facial", board=BENCH_RIG)


# What is compiled ------------------------------------------------------------


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_what_is_compiled_is_what_the_device_reads(path: Path) -> None:
    blob = compile_board(path, FACE)
    board = load_board(path)
    read = wiring.decode(blob)
    assert vars(read) == vars(board.wiring)
    assert wiring.CHIPS[read.chip] == board.chip
    assert read.board_name == board.name
    assert settings_of(blob) == encode(load_device(path, FACE).settings)
    decode(settings_of(blob))


def test_what_hangs_on_the_pins_reaches_the_device(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    text = REFERENCE.read_text(encoding="utf-8")
    for old, new in (
        ('"20 kHz"', '"18000 Hz"'), ('feed_period = "500 ms"', 'feed_period = "1 s"'),
        ('motion_sensor = "none"', 'motion_sensor = "LIS3DH"'),
        ('digital_vacuum = "none"', 'digital_vacuum = "XGZP6897D"'),
    ):  # fmt: skip
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    read = wiring.decode(compile_board(path, FACE))
    assert (read.pump_pwm_hz, read.feed_period_ms) == (18_000, 1_000)
    assert (read.motion_sensor, read.digital_vacuum) == (1, 2)


def test_a_board_without_pins_is_simulated_but_not_compiled(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text('[board]\nname = "b"\nchip = "rp2040"\n', encoding="utf-8")
    assert not load_board(path).has_pins
    load(path, FACE)
    with pytest.raises(ConfigError) as caught:
        compile_board(path, FACE)
    (problem,) = caught.value.problems
    assert (problem.key, problem.what, problem.line) == ("pins", "is missing", 1)
    assert problem.remedy == "Add [pins] and its keys."


def test_a_board_with_too_few_pins_is_refused_even_for_simulation(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text(
        '[board]\nname = "b"\nchip = "rp2040"\n[pins]\npump = "GP2"\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        load(path, FACE)
    missing = {row[0] for row in wiring.ROLES if row[2]} - {"pump"}
    assert {problem.key for problem in caught.value.problems} == {f"pins.{x}" for x in missing}


# Check ----------------------------------------------------------------------


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_check_tells_the_pins(path: Path) -> None:
    board = load_board(path)
    report = check(path)
    told = {tuple(line.split()[:2]) for line in report.lines}
    for role, *_ in wiring.ROLES:
        assert (role, pin_text(board.chip, getattr(board.wiring, role))) in told
    assert ("pump_pwm", "20") in told
    assert ("motion_sensor", "none") in told
    assert max(map(len, report.lines)) <= 80


def test_check_says_that_a_board_without_pins_cannot_be_flashed(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text('[board]\nname = "b"\nchip = "esp32"\n', encoding="utf-8")
    assert check(path).lines[-1] == "No [pins]: it can be simulated, but not flashed."


def test_check_names_a_role_without_a_pin(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    text = re.sub(r"\nbuzzer = .*", "", REFERENCE.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")
    assert wiring.decode(compile_board(path, FACE)).buzzer == wiring.NO_PIN
    assert any(line.split()[:2] == ["buzzer", "none"] for line in check(path).lines)


def test_check_tells_what_a_board_is() -> None:
    report = check(REFERENCE)
    assert (report.kind, report.name) == ("board", "Pico reference")
    assert report.lines[0] == 'Board "Pico reference" (rp2040) is in order.'
    assert report.lines[1].startswith(f"{len(SETTINGS)} of {len(SETTINGS)} settings stated")
    assert any(line.split()[:3] == ["hard_limit", "45", "kPa"] for line in report.lines)
    assert any(line.split()[:3] == ["session", "30", "min"] for line in report.lines)
    assert max(map(len, report.lines)) <= 80


def test_check_tells_what_differs(tmp_path: Path) -> None:
    board = tmp_path / "b.toml"
    board.write_text(
        '[board]\nname = "b"\nchip = "rp2040"\n[protection]\nhard_limit = "12 inHg"\n',
        encoding="utf-8",
    )
    lines = check(board).lines
    assert lines[1] == f"1 of {len(SETTINGS)} settings stated, 1 of them other than the default."
    assert "  protection.hard_limit: 40.637 kPa (default 45 kPa)" in lines


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_check_lists_the_zones(path: Path) -> None:
    report = check(path)
    zones = load_protocol(path).zones
    assert (report.kind, report.name) == ("protocol", name_of(path))
    assert max(map(len, report.lines)) <= 80
    rows = report.lines[4 : 4 + len(zones)]
    for zone, row in zip(zones, rows, strict=True):
        assert row.startswith(zone.name)
        assert text(limits.LEVEL_VACUUM_PA[zone.level - 1], "Pa") in row
        assert text(zone.flow_mg_min, "mg/min") in row
    size = len(encode(load(REFERENCE, path)))
    assert f"{size} bytes compiled" in report.lines[-1]


def test_the_widest_protocol_fits_80_columns(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        '[protocol]\nname = "p"\n[[zone]]\nname = "left upper cheek"\nlevel = 10\n'
        'flow = "19.999 g/min"\npasses = 3\npass_time = "179999 ms"\n'
        'pass_crystals = "29999 mg"\ndose = "89999 mg"\n',
        encoding="utf-8",
    )
    assert max(map(len, check(path).lines)) <= 80


def test_check_refuses_a_file_that_is_neither(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[bord]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="neither a board nor a protocol"):
        check(path)


# The technician's page ------------------------------------------------------


PAGE = (CONFIGS / "README.md").read_text(encoding="utf-8")


def example() -> str:
    """The file that the page starts with."""
    (found,) = re.findall(r"^ *```toml\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    return re.sub(r"^   ", "", found, flags=re.MULTILINE)


def test_the_page_for_technicians_shows_what_a_wrong_value_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = re.sub(r'hard_limit = ".*"', 'hard_limit = "50 kPa"', example())
    Path("my_board.toml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_board("my_board.toml")
    assert f"```\n{caught.value.render()}\n```" in PAGE


def test_the_page_for_technicians_shows_what_the_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # From a blank folder with the file of the page alone.
    monkeypatch.chdir(tmp_path)
    Path("my_board.toml").write_text(example(), encoding="utf-8")
    blocks = re.findall(r"^( *)```\n( *\$ emery .*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    shown = 0
    for indent, block in blocks:
        text = re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
        for piece in text.split("$ emery ")[1:]:
            command, _, expected = piece.partition("\n")
            result = CliRunner().invoke(app, command.split())
            assert result.exit_code == 0, result.output
            for part in expected.split("...\n"):
                assert part in result.stdout, command
            shown += 1
    assert shown == 5


def test_the_page_for_technicians_shows_a_protocol_that_is_in_order(tmp_path: Path) -> None:
    (block,) = [block for block in PAGE.split("```\n") if block.startswith('extends = "face"')]
    path = tmp_path / "gentle.toml"
    path.write_text(block, encoding="utf-8")
    zones = {zone.name: zone.level for zone in load_protocol(path).zones}
    assert zones == {zone.name: zone.level for zone in load_protocol(FACE).zones} | {"nose": 3}


def test_the_page_for_technicians_names_every_file_here() -> None:
    assert re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE) == [
        "pico_reference", "pico_w", "esp32_devkitc", "esp32s3_devkitc", "bench_rig"
    ]  # fmt: skip
    assert {path.stem for path in CONFIGS.glob("*.toml")} == set(
        re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE)
    )
    for path in PROTOCOLS:
        assert f"`{path.stem}`" in PAGE


def test_the_page_for_technicians_shows_what_a_wrong_pin_gets() -> None:
    text = (CONFIGS / "esp32_devkitc.toml").read_text(encoding="utf-8")
    tables = text.split("\n[")[1:]
    pins = tables[1].split("]\n")[1]
    kept = [line for line in pins.split("\n") if line.split(" = ")[0] != "pump"]
    head = '[board]\nname = "Clinic 2"\nchip = "esp32"\n\n[pins]\n\npump = "GPIO12"\n'
    wrong = "\n".join([head, *kept, *(f"[{table}" for table in tables[2:])])
    with pytest.raises(ConfigError) as caught:
        finished_board(Document.from_bytes(wrong.encode(), "board_configs/my_board.toml"))
    assert f"```\n{caught.value.render()}\n```" in PAGE
