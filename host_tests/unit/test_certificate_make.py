"""Making certificates, knowing them again, those that are shipped, and the command."""

import base64
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from emery import slot
from emery.certificate import known, shipped
from emery.certificate import make as making
from emery.certificate.course import Trial
from emery.certificate.make import certify, try_out
from emery.certificate.marks import marks
from emery.certificate.requirements import REQUIREMENTS
from emery.certificate.scatter import trials
from emery.config.compile import compile_board, compiled
from emery.config.load import load_board
from firmware import certificate, config_file
from firmware.core_mark import CORE_MARK
from firmware.settings import Settings
from hal.wiring import CHIPS

BOARDS = slot.ROOT / "board_configs"
FACE = BOARDS / "protocols" / "face.toml"
SHIPPED = [name for name, _ in shipped.boards()]
FEW = 6  # plants, where it does not matter how many


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache with nothing in it."""
    monkeypatch.setenv("EMERY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Scatters of a few plants, in this process; counts how often one is simulated."""
    runs: list[int] = []

    def some(centre: dict[str, float], settings: Settings) -> list[Trial]:
        runs.append(1)
        return trials(centre, settings)[:FEW]

    monkeypatch.setattr("emery.certificate.scatter.trials", some)
    monkeypatch.setattr(making, "processors", lambda: 1)
    return runs


def odd(**changes: int) -> Settings:
    """Settings of which no certificate is shipped."""
    settings = Settings()
    for name, value in ({"session_ms": 1_234_000} | changes).items():
        setattr(settings, name, value)
    return settings


def test_what_passes_gets_what_a_device_takes(few: list[int]) -> None:
    settings = odd()
    shown: list[float] = []
    made = certify(settings, "rp2040", {}, lambda part, title: shown.append(part))
    assert made.passed
    assert made.reasons == ""
    chip = CHIPS.index("rp2040")
    assert certificate.standing(made.payload, settings, chip, CORE_MARK) == "ok"
    assert certificate.figures(made.payload) == (FEW, made.peak_pa, made.settle_ms)
    assert 45_000 < made.peak_pa < 50_000
    assert shown == [1.0]


def test_what_fails_gets_none_and_the_reasons(few: list[int]) -> None:
    made = certify(odd(zero_tolerance_pa=500), "rp2040", {})
    assert not made.passed
    assert made.payload == b""
    assert "SENSOR_ZERO" in made.reasons
    assert "sensors.zero_tolerance" in made.reasons
    assert known.find(odd(zero_tolerance_pa=500), "rp2040", {}) == b""


@pytest.mark.parametrize("tolerance_pa", [2_000, 500])
def test_the_same_question_is_answered_from_the_cache(
    few: list[int], tolerance_pa: int
) -> None:
    settings = odd(zero_tolerance_pa=tolerance_pa)
    first = certify(settings, "rp2040", {})
    assert certify(settings, "rp2040", {}) == first
    assert len(few) == 1
    assert known.find(settings, "rp2040", {}) == first.payload
    # Another plant, chip or setting is another question.
    assert known.find(settings, "rp2040", {"volume_m3": 0.7e-3}) == b""
    assert known.find(settings, "esp32", {}) == b""
    assert known.find(odd(session_ms=1_235_000), "rp2040", {}) == b""


@pytest.mark.parametrize("spoil", [b"", b"{}", b'{"payload": 5}', b"\xff", b"[1]", b"null"])
def test_a_spoilt_cache_is_no_answer(few: list[int], cache: Path, spoil: bytes) -> None:
    first = certify(odd(), "rp2040", {}, made_s=5)
    (file,) = cache.iterdir()
    file.write_bytes(spoil)
    assert known.find(odd(), "rp2040", {}) == b""
    assert certify(odd(), "rp2040", {}, made_s=5) == first


@pytest.mark.parametrize("tolerance_pa", [2_000, 500])
def test_a_cache_file_about_something_else_is_no_answer(
    few: list[int], cache: Path, tolerance_pa: int
) -> None:
    """Of another core, world or device: passed or refused, under whatever name."""
    settings, plant = odd(zero_tolerance_pa=tolerance_pa), {"volume_m3": 0.7e-3}
    other = certify(settings, "rp2040", plant)
    (file,) = cache.iterdir()
    certify(settings, "rp2040", {})
    (asked,) = set(cache.iterdir()) - {file}
    asked.write_bytes(file.read_bytes())
    assert known.recall(settings, "rp2040", {}) is None
    # Nor does it help to say that it is about this.
    told = json.loads(file.read_bytes()) | {"about": asked.stem}
    asked.write_text(json.dumps(told), encoding="utf-8")
    found = known.recall(settings, "rp2040", {})
    assert found is None if other.passed else found == other
    assert known.recall(settings, "rp2040", plant) == other


@pytest.mark.parametrize("at", [0, 1, 9, 17])
def test_a_payload_in_the_cache_with_other_marks_is_no_answer(
    few: list[int], cache: Path, at: int
) -> None:
    certify(odd(), "rp2040", {})
    (file,) = cache.iterdir()
    told = json.loads(file.read_bytes())
    payload = bytearray(base64.b64decode(told["payload"]))
    payload[at] ^= 1
    file.write_text(
        json.dumps(told | {"payload": base64.b64encode(payload).decode()}), encoding="utf-8"
    )
    assert known.recall(odd(), "rp2040", {}) is None


def test_a_cache_that_cannot_be_written_costs_time_only(
    few: list[int], cache: Path
) -> None:
    cache.write_text("a file where the folder should be", encoding="utf-8")
    assert certify(odd(), "rp2040", {}).passed
    assert certify(odd(), "rp2040", {}).passed
    assert len(few) == 2


def test_what_is_shipped_is_known_without_a_simulation(few: list[int]) -> None:
    board = load_board(BOARDS / "esp32_devkitc.toml")
    made = certify(board.settings, board.chip, board.plant)
    assert made.payload == known.find(board.settings, board.chip, board.plant)
    assert (made.plants, made.peak_pa, made.settle_ms) == certificate.figures(made.payload)
    assert few == []


def test_the_number_of_processes_changes_nothing() -> None:
    chosen = trials({}, Settings())[:9]
    one = try_out(Settings(), "rp2040", chosen, processes=1)
    assert try_out(Settings(), "rp2040", chosen, processes=2).figures == one.figures
    assert len(one.figures) == 9


def test_a_compiled_config_carries_the_certificate_that_is_known(few: list[int]) -> None:
    blob = compile_board(BOARDS / "pico_reference.toml", FACE)
    payload = config_file.section(blob, config_file.CERTIFICATE)
    board = load_board(BOARDS / "pico_reference.toml")
    assert payload == known.find(board.settings, board.chip, board.plant) != b""
    setattr(board.settings, "session_ms", 1_234_000)  # noqa: B010 - set by name alone
    assert config_file.section(compiled(board), config_file.CERTIFICATE) == b""
    made = certify(board.settings, board.chip, board.plant)
    assert config_file.section(compiled(board), config_file.CERTIFICATE) == made.payload


# Those that are shipped --------------------------------------------------------


def rows() -> dict[str, dict[str, str]]:
    return tomllib.loads((slot.ROOT / known.SHIPPED).read_text(encoding="utf-8"))


def test_every_board_for_treatment_is_shipped_with_a_certificate() -> None:
    assert {"pico_reference", "pico_w", "esp32_devkitc", "esp32s3_devkitc"} <= set(SHIPPED)
    assert set(rows()) == set(SHIPPED), "run: python -m emery.certificate.shipped"
    assert "bench_rig" not in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_certificate_is_of_this_board_core_and_scatter(name: str) -> None:
    board = load_board(BOARDS / f"{name}.toml")
    payload = known.find(board.settings, board.chip, board.plant)
    assert payload, "run: python -m emery.certificate.shipped"
    assert payload.hex() == rows()[name]["payload"]
    about = tuple(payload[at : at + 8] for at in (1, 9, 17))
    assert about == marks(board.settings, board.chip, board.plant)
    chip = CHIPS.index(board.chip)
    assert certificate.standing(payload, board.settings, chip, CORE_MARK) == "ok"
    assert certificate.figures(payload)[0] == len(trials(board.plant, board.settings)) >= 200


@pytest.mark.parametrize(
    "name",
    [
        name if name == "esp32_devkitc" else pytest.param(name, marks=pytest.mark.long)
        for name in SHIPPED
    ],
)
def test_the_shipped_certificate_comes_out_again(name: str) -> None:
    board = load_board(BOARDS / f"{name}.toml")
    made = shipped.make(board, processes=1)
    assert made.reasons == ""
    told = tomllib.loads(shipped.row(name, made))[name]
    assert told == rows()[name], "run: python -m emery.certificate.shipped"


# The command ---------------------------------------------------------------------


def board_file(folder: Path, *lines: str) -> Path:
    file = folder / "mine.toml"
    head = f'extends = "{(BOARDS / "pico_reference.toml").as_posix()}"'
    file.write_text("\n".join([head, *lines, ""]), encoding="utf-8")
    return file


@pytest.fixture
def emery(
    few: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `emery certify` with these words: exit code, stdout, stderr as one line."""
    from emery import cli

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["emery", "certify", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, " ".join(told.err.split())

    return run


def test_the_command_shows_each_requirement_in_80_columns(
    emery: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, err = emery(board_file(tmp_path, "[treatment]", 'session = "20 min"'))
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    lines = out.splitlines()
    assert lines[0].endswith("PASSED")
    for requirement in REQUIREMENTS:
        if not requirement.of_all:
            assert any(requirement.title in line for line in lines)
    assert f"certificate: {FEW} plants, worst peak" in out
    settings = load_board(tmp_path / "mine.toml").settings
    assert known.find(settings, "rp2040", {}) != b""


def test_the_command_fails_with_reasons_and_exit_code_1(
    emery: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, err = emery(board_file(tmp_path, "[sensors]", 'zero_tolerance = "0.5 kPa"'))
    assert (code, err) == (1, "")
    assert max(map(len, out.splitlines())) <= 80
    assert out.splitlines()[0].endswith("FAILED")
    assert " NO no fault on a sound plant" in out
    assert "SENSOR_ZERO" in out
    assert "sensors.zero_tolerance" in out
    assert "stays in SERVICE" in out


def test_the_command_as_json(
    emery: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, _ = emery(board_file(tmp_path, "[plant]", 'volume = "700 mL"'), "--json")
    told = json.loads(out)
    assert code == 0
    assert told["schema"] == "emery.certify/1"
    assert told["certifies"]
    assert told["passed"]
    assert told["plant"] == {"volume": "700 mL"}
    assert {row["key"] for row in told["requirements"]} == {
        requirement.key for requirement in REQUIREMENTS
    }


def test_another_scatter_certifies_nothing(
    emery: Callable[..., tuple[int, str, str]], tmp_path: Path, cache: Path
) -> None:
    file = board_file(tmp_path, "[treatment]", 'session = "21 min"')
    code, out, _ = emery(file, "--plants", 4, "--seed", 3)
    assert code == 0
    assert "another scatter: 4 plants, seed 3" in out
    assert "none was made" in out
    assert not cache.exists()


def test_the_command_refuses_what_is_no_board_for_treatment(
    emery: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    for file, said in (
        (BOARDS / "bench_rig.toml", "never treats"),
        (tmp_path / "none.toml", "none.toml"),
        (FACE, "face.toml"),
    ):
        code, out, err = emery(file)
        assert (code, out) == (2, "")
        assert said in err
        assert "Traceback" not in err
