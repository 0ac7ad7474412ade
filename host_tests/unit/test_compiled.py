"""Compiled configs read back, of today and of earlier versions."""

import struct
from base64 import b64decode
from binascii import crc32
from pathlib import Path

import pytest

from emery import slot
from emery.config.compile import compile_board
from emery.config.compiled import NotAConfig, decompile, encode_config, texts
from emery.config.former_blobs import FORMER_SETTINGS, FORMER_WIRINGS, migrated
from emery.config.load import load_board, load_device
from emery.config.plant import PLANT_ROWS, decode_plant, encode_plant
from emery.config.quantity import text
from emery.config.rows import SETTING_ROWS, ZONE_ROWS
from emery.simulator.plant import PARAMETERS
from emery.simulator.run import prepare
from firmware import config_file
from firmware.settings import SCHEMA_VERSION, encode
from hal import wiring

CONFIGS = Path(slot.ROOT) / "board_configs"
PICO = CONFIGS / "pico_reference.toml"
FACE = CONFIGS / "protocols" / "face.toml"
BLOB = config_file.with_section(compile_board(PICO, FACE), config_file.CERTIFICATE, b"")
PLANT = '[plant]\nvolume = "700 mL"\npump_free_flow = "28.4 L/min"\nvent_lag = "12.5 ms"\n'


def with_plant(tmp_path: Path) -> Path:
    path = tmp_path / "b.toml"
    path.write_text(PICO.read_text(encoding="utf-8") + PLANT, encoding="utf-8")
    return path


# Plant -----------------------------------------------------------------------


def test_rows_of_the_plant_are_the_simulators() -> None:
    simulated = {row[0]: row for row in PARAMETERS}
    for row in PLANT_ROWS:
        _, _, low, high, default, _ = simulated[row.name]
        assert (row.si(row.low), row.si(row.high)) == (low, high)
        assert row.si(row.default) == default
        assert row.whole(row.si(row.high - 1)) == row.high - 1
        assert row.low < row.high < 2**31
        text(row.default, row.unit)


def test_a_plant_is_read_in_si_and_survives_the_compiled_form(tmp_path: Path) -> None:
    board = load_board(with_plant(tmp_path))
    assert board.plant == {
        "volume_m3": 0.7e-3, "pump_free_flow_m3_s": 28_400 / 6e7, "vent_lag_s": 0.0125
    }  # fmt: skip
    assert decode_plant(encode_plant(board.plant)) == board.plant
    blob = compile_board(with_plant(tmp_path), FACE)
    assert decompile(blob).plant == board.plant
    assert config_file.settings_of(blob) == config_file.settings_of(BLOB)


def test_without_a_plant_there_is_no_section() -> None:
    assert encode_plant({}) == b""
    assert decompile(BLOB).plant == {}
    assert config_file.section(BLOB, config_file.PLANT) == b""


def test_a_plant_of_another_version_or_size_is_refused() -> None:
    good = encode_plant({"volume_m3": 1e-3})
    assert decode_plant(good[:9]) == {}  # an older tool knew fewer rows
    for payload, why in (
        (b"\x02" + good[1:], "version 2"),
        (good + b"\x00", "which no plant has"),
        (good + b"\x00" * 4, "which no plant has"),
        (struct.pack("<Bi", 1, 1), "plant.pump_free_flow is out of range"),
    ):
        with pytest.raises(ValueError, match=why):
            decode_plant(payload)
        with pytest.raises(NotAConfig, match=why):
            decompile(config_file.with_section(BLOB, config_file.PLANT, payload))


def test_the_simulator_takes_the_boards_plant_beneath_the_scenarios(tmp_path: Path) -> None:
    board = tmp_path / "b.toml"
    board.write_text(
        f'extends = "{PICO}"\n[plant]\nvolume = "700 mL"\nnozzle = "1.1 mm"\n', encoding="utf-8"
    )
    scenario = tmp_path / "s.toml"
    scenario.write_text(
        '[scenario]\ntitle = "t"\nduration = "5 s"\n[plant]\nvolume = "0.3 L"\n', encoding="utf-8"
    )
    job, _, _ = prepare(scenario, board=board)
    assert job["plant"] == {"volume_m3": 0.3e-3, "nozzle_m": 1.1e-3}
    assert job["adc"] == "rp2040"
    job, _, _ = prepare(scenario)
    assert job["plant"] == {"volume_m3": 0.3e-3}


# Today's form ----------------------------------------------------------------


def test_a_config_is_read_back(tmp_path: Path) -> None:
    board = load_device(with_plant(tmp_path), FACE)
    blob = compile_board(with_plant(tmp_path), FACE)
    config = decompile(config_file.with_section(blob, config_file.CERTIFICATE, b"certificate"))
    assert (config.name, config.chip) == ("Pico reference", "rp2040")
    assert vars(config.wiring) == vars(board.wiring)
    assert encode(config.settings) == encode(board.settings)
    assert config.certificate == b"certificate"
    assert config.notes == ()
    bare = config_file.with_section(blob, config_file.CERTIFICATE, b"")
    assert encode_config(config) == bare


def test_every_key_has_a_text() -> None:
    found = texts(decompile(BLOB))
    assert found["board.name"] == "Pico reference"
    assert found["pins.pump"] == "GP2"
    assert found["wiring.pump_pwm"] == "20 kHz"
    assert found["wiring.motion_sensor"] == "none"
    assert found["protection.hard_limit"] == "45 kPa"
    assert found["zone.1.name"] == "forehead"
    assert found["zone.6.level"] == "4"
    assert {f"{row.table}.{row.key}" for row in SETTING_ROWS} <= set(found)
    assert {f"zone.1.{row.key}" for row in ZONE_ROWS} <= set(found)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda blob: b"", "no compiled Emery config"),
        (lambda blob: b"nonsense" * 20, "no compiled Emery config"),
        (lambda blob: config_file.settings_of(blob), "without a wiring"),
        (lambda blob: blob[:30], "settings"),
        (lambda blob: blob[: wiring.LENGTH], "ends before its settings"),
        (lambda blob: blob[:-1], "refused"),
        (lambda blob: blob + b"EMRX", "sections"),
        (lambda blob: blob[:4] + b"\x63" + blob[5:], "use a newer emery"),
        (lambda blob: blob[: wiring.LENGTH + 4] + b"\x63" + blob[wiring.LENGTH + 5 :],
         "use a newer emery"),
        (lambda blob: blob[:8] + b"\xff" + blob[9:], "wiring is refused"),
    ],
)  # fmt: skip
def test_what_is_no_config_is_refused_with_the_reason(damage: object, why: str) -> None:
    with pytest.raises(NotAConfig, match=why):
        decompile(damage(BLOB))  # type: ignore[operator]


def test_damage_anywhere_is_refused() -> None:
    for at in range(0, len(BLOB), 7):
        damaged = bytearray(BLOB)
        damaged[at] ^= 0x41
        with pytest.raises(NotAConfig):
            decompile(bytes(damaged))


# Earlier versions ------------------------------------------------------------


def former_settings(version: int, values: dict[str, int], zones: list[tuple[str, dict[str, int]]],
                    protocol: str = "face") -> bytes:  # fmt: skip
    """Compiled as the tool of that version did."""
    form = FORMER_SETTINGS[version]
    body = struct.pack("<4sHH", b"EMRY", version, len(form.rows))
    body += struct.pack(f"<{len(form.rows)}i", *(values[name] for name in form.rows))
    body += struct.pack("<16sB", protocol.encode(), len(zones))
    for name, fields in zones:
        body += struct.pack("<16s", name.encode())
        body += b"".join(struct.pack("<i", fields[field]) for field in form.zone_fields)
    return body + struct.pack("<I", crc32(body))


def former_wiring(version: int, chip: int, name: str, values: dict[str, int]) -> bytes:
    form = FORMER_WIRINGS[version]
    numbers = [values.get(key, wiring.NO_PIN) for key in (*form.roles, *form.facts)]
    body = struct.pack(form.form, b"EMRW", version, chip, name.encode(), *numbers)
    return body + struct.pack("<I", crc32(body))


def values_1(**changes: int) -> dict[str, int]:
    """The defaults of version 1."""
    values = {row.name: row.default for row in SETTING_ROWS}
    return values | FORMER_SETTINGS[1].defaults | {"lead_ms": 70} | changes


ZONE_1 = ("nose", {"level": 5, "flow_mg_min": 6_000, "passes": 3, "pass_time_ms": 90_000,
                   "pass_crystals_mg": 9_000})  # fmt: skip
WIRING_1 = former_wiring(1, 0, "Clinic 2", vars(load_board(PICO).wiring))


def test_settings_of_version_1_are_brought_to_today() -> None:
    old = WIRING_1 + former_settings(1, values_1(hard_limit_pa=42_000), [ZONE_1])
    config = decompile(old)
    assert (config.name, config.chip) == ("Clinic 2", "rp2040")
    assert config.settings.hard_limit_pa == 42_000
    for row in SETTING_ROWS:
        if row.name != "hard_limit_pa":
            assert getattr(config.settings, row.name) == row.default, row.name
    (zone,) = config.settings.zones
    assert (zone.name, zone.level, zone.passes, zone.dose_mg) == ("nose", 5, 3, 27_000)
    said = " ".join(config.notes)
    assert f"The settings were of version 1, and are of {SCHEMA_VERSION} now." in said
    for key in ("regulator.lead is gone", "regulator.integral was at its default of then",
                "proof.proof_share has come since: 46 %", "zone.dose has come since"):  # fmt: skip
        assert key in said


def test_what_was_set_in_version_1_stays_as_it_was_set() -> None:
    changed = values_1(search_permille=650, integral_permille_per_kpa_s=90, hold_low_permille=60)
    config = decompile(WIRING_1 + former_settings(1, changed, [ZONE_1]))
    assert config.settings.search_permille == 650
    assert config.settings.integral_permille_per_kpa_s == 90
    assert config.settings.pump_start_permille == 59  # below hold_low, whatever the default


def test_a_dose_is_no_more_than_the_firmware_takes() -> None:
    zone = ("arm", ZONE_1[1] | {"pass_crystals_mg": 30_000, "passes": 3})
    config = decompile(WIRING_1 + former_settings(1, values_1(), [zone]))
    assert config.settings.zones[0].dose_mg == 90_000


def test_a_value_of_version_1_that_is_out_of_range_today_is_named() -> None:
    old = WIRING_1 + former_settings(1, values_1(vacuum_a_span_pa=70_000), [ZONE_1])
    with pytest.raises(NotAConfig, match="vacuum_a_span_pa"):
        decompile(old)


def test_sections_are_kept_but_for_the_certificate_of_other_settings() -> None:
    old = WIRING_1 + former_settings(1, values_1(), [ZONE_1])
    plant = encode_plant({"volume_m3": 0.7e-3})
    tail = config_file.with_section(BLOB, config_file.CERTIFICATE, b"c")[len(BLOB) :]
    tail += config_file.with_section(BLOB, config_file.PLANT, plant)[len(BLOB) :]
    tail += config_file.with_section(BLOB, b"LATE", b"from later")[len(BLOB) :]
    new = migrated(old + tail).blob
    assert config_file.section(new, config_file.CERTIFICATE) == b""
    assert config_file.section(new, b"LATE") == b"from later"
    assert decompile(old + tail).plant == {"volume_m3": 0.7e-3}
    assert migrated(new).blob == new
    assert migrated(new).notes == ()


def test_former_settings_that_are_damaged_or_cut_are_refused() -> None:
    old = former_settings(1, values_1(), [ZONE_1])
    for bad, why in (
        (old[:-1], "end in the midst"),
        (old[:100], "end in the midst"),
        (old[:20] + b"\x01" + old[21:], "were damaged"),
        (old[:6] + b"\x25\x00" + old[8:], "are 37, not 36"),
    ):
        with pytest.raises(NotAConfig, match=why):
            decompile(WIRING_1 + bad)


@pytest.mark.parametrize("version", list(FORMER_WIRINGS))
def test_a_former_wiring_is_read_by_name(version: int) -> None:
    today = load_board(PICO).wiring
    blob = former_wiring(version, 0, today.board_name, vars(today)) + BLOB[wiring.LENGTH :]
    config = decompile(blob)
    for key in (*FORMER_WIRINGS[version].roles, *FORMER_WIRINGS[version].facts):
        assert getattr(config.wiring, key) == getattr(today, key)
    if version != wiring.WIRING_VERSION:
        assert any("wiring was of version" in note for note in config.notes)
        for bad in (blob[:30], blob[:10] + b"\x01" + blob[11:]):
            with pytest.raises(NotAConfig):
                decompile(bad)


# What the tools of then wrote, byte for byte: the neck on the Pico reference, by the
# tool of settings version 1; and the Pico reference's pins, by that of wiring version 1.
WRITTEN_SETTINGS_1 = b64decode(
    "RU1SWQEAJAAFAAAA5AwAAIgTAABQAAAATQEAAMAJDgB9/gEAlAIAAMAJDgB9/gEAlAIAANAHAADIrwAAuAsAAGQA"
    "AABkAAAA9AEAAKAPAABkAAAAuAsAALQAAAAeAAAAxAkAAJYAAABQAAAALAEAAKAPAABAdxsASgEAAPgCAAD6AAAA"
    "ZAAAAEYAAABYAgAAIE4AAKAPAABuZWNrAAAAAAAAAAAAAAAAA2xlZnQgbmVjawAAAAAAAAADAAAAiBMAAAIAAACQ"
    "XwEAQB8AAHJpZ2h0IG5lY2sAAAAAAAADAAAAiBMAAAIAAACQXwEAQB8AAHRvcCBvZiBjaGVzdAAAAAADAAAAiBMA"
    "AAIAAACQXwEAQB8AAFR/cyw="
)
WRITTEN_WIRING_1 = b64decode(
    "RU1SVwEAUGljbyByZWZlcmVuY2UAAAIGBRYSCRocGxAUFQoLDA0ODwAgTvQBAAAAABms3uA="
)


def test_what_the_tools_of_then_wrote_is_read() -> None:
    pins = vars(load_board(PICO).wiring)
    assert former_wiring(1, 0, "Pico reference", pins) == WRITTEN_WIRING_1
    config = decompile(WRITTEN_WIRING_1 + WRITTEN_SETTINGS_1)
    found = texts(config)
    today = texts(decompile(compile_board(PICO, CONFIGS / "protocols" / "neck.toml")))
    # The neck got its dose by hand when there were doses.
    assert {key for key in today if found[key] != today[key]} == {
        f"zone.{number}.dose" for number in (1, 2, 3)
    }
    assert found["zone.1.dose"] == "16 g"
