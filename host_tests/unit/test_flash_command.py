"""`emery flash` up to the device: what it takes, and what it certifies before anything."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from emery import slot
from emery.cli import app
from emery.config.compile import compile_board
from emery.config.edit import set_values
from emery.device import ports
from emery.device.ports import Port
from emery.flash import kept, session
from emery.flash.session import Outcome, Wish
from emery.link.running import SerialLink
from host_tests.configs import (
    REASONS,
    blob,
    certify_without_simulation,
    standing,
    with_certificate,
)

PICO = slot.ROOT / "board_configs" / "pico_reference.toml"


@pytest.fixture(autouse=True)
def flashed(monkeypatch: pytest.MonkeyPatch) -> list[Wish]:
    """What would have been put on the device."""
    wishes: list[Wish] = []

    def flash(self: session.Session, wish: Wish) -> Outcome:
        wishes.append(wish)
        return Outcome(port="x")

    certify_without_simulation(monkeypatch)
    monkeypatch.setattr(kept, "of_link", lambda port: b"")
    monkeypatch.setattr(SerialLink, "ask", lambda link, port, limit_s: None)
    monkeypatch.setattr(ports, "chosen", lambda port: Port("x", "", "a board"))
    monkeypatch.setattr(session.Session, "flash", flash)
    return wishes


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["flash", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


def mine(folder: Path, like: Path = PICO, **changes: str) -> Path:
    """A board file of one's own."""
    path = folder / "mine.toml"
    path.write_text(f'extends = "{like}"\n', encoding="utf-8")
    set_values(path, {key.replace("__", "."): value for key, value in changes.items()})
    return path


def test_a_board_file_is_certified_first(flashed: list[Wish], tmp_path: Path) -> None:
    file = mine(tmp_path, protection__hard_limit="44.5 kPa")
    code, out, err = run(str(file), "--why", "tighter", "--who", "anna")
    assert (code, err) == (0, "")
    assert "certificate: 200 plants, worst peak 41.5 kPa" in out
    (wish,) = flashed
    assert standing(wish.config) == "ok"
    assert (wish.who, wish.why) == ("anna", "tighter")


def test_the_certificate_on_the_device_serves(
    flashed: list[Wish], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made on another computer; what is unchanged is not written anew for that."""
    file = mine(tmp_path, treatment__session="13 min")
    config = compile_board(file, PICO.parent / "protocols" / "face.toml")
    held = with_certificate(config)
    monkeypatch.setattr(kept, "of_link", lambda port: held)
    assert run(str(file))[0] == 0
    assert flashed[0].config == held
    # But not for other settings.
    assert run(str(mine(tmp_path, treatment__session="13 min", feed__band="4.5 kPa")))[0] == 1


def test_what_fails_its_certificate_is_not_flashed(flashed: list[Wish], tmp_path: Path) -> None:
    code, _, err = run(str(mine(tmp_path, treatment__session="13 min")))
    assert code == 1
    assert "no certificate, and nothing was changed" in err
    assert REASONS in err
    assert flashed == []


def test_a_bench_rig_needs_none(flashed: list[Wish], tmp_path: Path) -> None:
    rig = PICO.parent / "bench_rig.toml"
    assert run(str(mine(tmp_path, rig, treatment__session="13 min")))[0] == 0
    (wish,) = flashed
    assert standing(wish.config) == "none"


def test_keep_certifies_what_is_on_the_device(
    flashed: list[Wish], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [blob(hard_limit_pa=44_500)]
    monkeypatch.setattr(kept, "of_link", lambda port: held[0])
    running = SimpleNamespace(device_id="e660583883000001")
    monkeypatch.setattr(SerialLink, "ask", lambda link, port, limit_s: running)
    code, out, _ = run("--keep")
    assert code == 0
    assert 'keeps: the config of "bench", protocol bench' in out
    assert standing(flashed[0].config) == "ok"
    assert flashed[0].device_id == "e660583883000001"
    held[0] = blob(session_ms=780_000)
    code, _, err = run("--keep")
    assert code == 1
    assert REASONS in err
    held[0] = b"nonsense"
    code, _, err = run("--keep")
    assert code == 4
    assert "cannot be kept" in err
    assert len(flashed) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name the board file of the device; or --keep"),
        (("--keep", "--base", "x.bin", "--erase"), "--erase takes off what --keep keeps"),
        ((str(PICO), "--keep"), "leave board file and protocol out"),
        (("--keep", "--protocol", "neck"), "leave board file and protocol out"),
        ((str(PICO), "--erase"), "--erase goes with --base"),
        ((str(PICO), "--protocol", "hair"), "there is no protocol hair"),
    ],
)
def test_what_does_not_go_together_is_told(
    words: tuple[str, ...], told: str, flashed: list[Wish]
) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert told in err
    assert flashed == []
