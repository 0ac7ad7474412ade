"""Power cut at any moment of flashing, starting and keeping records: always one whole
version starts, with the config it came with, and no count is ever lower than the truth.

Each life of the device is one process of MicroPython's unix port: littlefs on a model
of NOR flash in a file, the real boot.py and main.py, slots with the real modules that
end a trial and keep records, then pass records, then a flash of the next version by
the real script, until `kill -9` strikes in the middle of a random program or erase,
which is torn. The next life finds what is left. The firmware around those modules is a
stand-in, since pins play no part in this.

On virtual boards the whole firmware is cut in test_flash_on_virtual_boards.py.
"""

import json
import random
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from emery import slot, slot_build
from emery.flash import look, on_device
from emery.flash.image import Fingerprint, Image, manifest_text
from emery.flash.plan import plan

pytestmark = pytest.mark.skipif(
    slot_build.program("micropython") is None or slot_build.program("mpy-cross") is None,
    reason="there is no MicroPython or mpy-cross on this machine; see CONTRIBUTING.md",
)

MODULES = ("firmware/slots", "firmware/boot_record", "hal/contract", "hal/flash_storage")
BLOCKS = 64
PASSES_A_LIFE = 3
# Cuts are drawn from as many operations as the last whole life had, or from so many
# times as many: some lives end by themselves.
FIRST_CUT = 60
TIMES = (1, 3)

# In the place of firmware/main.py: what touches the flash, in its order, and words.
_MAIN = """
import struct

from firmware import slots
from firmware.boot_record import BootRecord
from hal.flash_storage import FlashStorage

VERSION = "{version}"


class Board:
    def open_storage_window(self):
        return True

    def close_storage_window(self):
        pass


def run(keeper):
    slot = slots.running(__file__)
    with open("/" + slot + "/config.bin", "rb") as file:
        config = file.read().decode()
    print("RUN", VERSION, config, slot)
    board = Board()
    record = BootRecord(FlashStorage("/state", "boot_record", board))
    record.begin(1)
    print("BOOTS", record.boots, record.is_kept)
    storage = FlashStorage("/state", "pass_record", board)
    kept = storage.load()
    passes = struct.unpack("<I", kept)[0] if kept else 0
    print("PASSES", passes)
    slots.end_trial(slot, board)
    record.mark_healthy()
    print("HEALTHY")
    for passes in range(passes + 1, passes + {passes} + 1):
        storage.commit(struct.pack("<I", passes))
        print("COMMIT", passes)
    return True
"""

# One life. Arguments: flash image, program size, operation to cut at (-1: none), seed,
# folder with what to flash, and what to do: `make`, `look`, `run`, `flash`.
_LIFE = """
import os, random, sys, vfs

path, program, cut, seed, source, what = sys.argv[1:]
random.seed(int(seed))
BLOCK = 4096


class Flash:
    def __init__(self):
        self.file = open(path, "r+b")
        self.left = int(cut)
        self.blocks = os.stat(path)[6] // BLOCK

    def readblocks(self, block, buffer, offset=0):
        self.file.seek(block * BLOCK + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        length = len(buffer)
        self.file.seek(block * BLOCK + offset)
        before = self.file.read(length)
        cut_now = self._is_cut()
        done = random.randrange(length) if cut_now else length
        after = bytearray(
            (int.from_bytes(before, "little") & int.from_bytes(buffer, "little")).to_bytes(
                length, "little"))
        if done < length:
            after[done:] = before[done:]
            after[done] &= buffer[done] | random.getrandbits(8)
        self._put(block * BLOCK + offset, after, cut_now)

    def ioctl(self, what, argument):
        if what == 4:
            return self.blocks
        if what == 5:
            return BLOCK
        if what == 6:
            cut_now = self._is_cut()
            after = b"\\xff" * BLOCK
            if cut_now:
                self.file.seek(argument * BLOCK)
                after = bytearray(self.file.read(BLOCK))
                for at in range(BLOCK):
                    if random.getrandbits(1):
                        after[at] |= random.getrandbits(8)
            self._put(argument * BLOCK, after, cut_now)
        return 0

    def _is_cut(self):
        self.left -= 1
        return self.left == 0

    def _put(self, at, content, cut_now):
        self.file.seek(at)
        self.file.write(content)
        self.file.flush()
        if cut_now:
            print("CUT")
            os.system("kill -9 $PPID")


class Machine:
    SOFT_RESET = 5

    class Pin:
        IN = PULL_DOWN = 0

        def __init__(self, *arguments):
            pass

    class RTC:
        def memory(self, content=None):
            return b""

    def reset_cause(self):
        return 1

    def reset(self):
        print("RESET")
        sys.exit(0)


flash = Flash()
sizes = {"progsize": int(program), "readsize": 32, "lookahead": 32}
if what == "make":
    vfs.VfsLfs2.mkfs(flash, **sizes)
    sys.exit(0)
sys.modules["machine"] = Machine()
system = vfs.VfsLfs2(flash, **sizes)
vfs.umount("/")
vfs.mount(system, "/")
vfs.mount(vfs.VfsPosix(source), "/remote")
os.chdir("/")
sys.path[:] = [""]
with open("/remote/on_device.py") as file:
    script = file.read()
if what == "look":
    exec(script + "\\nlook()", {"__name__": "__main__"})
    sys.exit(0)
main = {"__name__": "__main__"}
for name in ("boot.py", "main.py"):
    try:
        with open(name) as file:
            text = file.read()
    except OSError:
        print("NO", name)
        continue
    exec(text, main)
if what == "flash":
    exec(script + "\\ninstall('/remote')", {"__name__": "__main__"})
print("END", flash.left)
"""


@dataclass
class Life:
    """What one life of the device told, and whether it was cut."""

    lines: list[str]
    was_cut: bool

    def last(self, word: str) -> list[str]:
        """The words behind the last line that begins with `word`."""
        found = [line.split()[1:] for line in self.lines if line.split()[:1] == [word]]
        return found[-1] if found else []

    def has(self, text: str) -> bool:
        return any(line.startswith(text) for line in self.lines)

    def operations(self, cut: int) -> int:
        """Flash operations of a life that was to be cut at `cut` and was not."""
        return cut - int(self.last("END")[0])


class Device:
    """A flash image and the folder of what is to be flashed."""

    def __init__(self, folder: Path, program_bytes: int) -> None:
        self.folder = folder
        self.image = folder / "flash.img"
        self.image.write_bytes(b"\xff" * 4096 * BLOCKS)
        self._program = str(program_bytes)
        self._life = folder / "life.py"
        self._life.write_text(_LIFE, encoding="utf-8")
        self._compiled = folder / "compiled"
        wanted = [one for one in slot_build.sources() if one.place[:-3] in MODULES]
        assert len(wanted) == len(MODULES)
        slot_build.build(self._compiled, wanted)
        self._mpy, self._chip = self._look_at_interpreter()
        self.live("make")

    def _look_at_interpreter(self) -> tuple[int, str]:
        """Its format of modules, and the chip that `firmware/root/main.py` takes it for."""
        program = slot_build.program("micropython")
        assert program is not None
        code = "import sys; print(sys.implementation._mpy & 0xFFFF, sys.implementation._machine)"
        mpy, machine = subprocess.check_output([program, "-c", code], text=True).split(" ", 1)
        return int(mpy), machine.strip().split(" with ")[-1].replace("-", "").lower()

    def version(self, number: int) -> Image:
        """The image of a version: its main and its config bear its number, and so do
        the files outside the slots in every other."""
        folder = self.folder / f"version-{number}"
        if not folder.exists():
            tree = folder / "slot"
            shutil.copytree(self._compiled, tree)
            main = _MAIN.format(version=number, passes=PASSES_A_LIFE)
            (tree / "firmware" / "main.py").write_text(main, encoding="utf-8")
            (tree / "config.bin").write_bytes(f"config-of-{number}".encode())
            (folder / "root").mkdir()
            for name in on_device.ROOT_FILES:
                text = (slot.ROOT / "firmware" / "root" / name).read_text(encoding="utf-8")
                (folder / "root" / name).write_text(f"{text}# {number // 2}\n", encoding="utf-8")
            shutil.copy(on_device.__file__, folder / "on_device.py")
        return self._fingerprints(folder, str(number))

    def _fingerprints(self, folder: Path, version: str) -> Image:
        tree = folder / "slot"
        files = {
            path.relative_to(tree).as_posix(): Fingerprint.of(path.read_bytes())
            for path in sorted(tree.rglob("*.*py"))
        }
        manifest = manifest_text(self._chip, self._mpy, files, version).encode()
        (tree / "manifest.json").write_bytes(manifest)
        return Image(
            folder=folder,
            version=version,
            mpy=self._mpy,
            files=files,
            manifest=Fingerprint.of(manifest),
            config=Fingerprint.of((tree / "config.bin").read_bytes()),
            root={
                name: Fingerprint.of((folder / "root" / name).read_bytes())
                for name in on_device.ROOT_FILES
            },
            mpy_version=6,
        )

    def live(self, what: str, cut: int = -1, seed: int = 0, source: Path | None = None) -> Life:
        """One life."""
        program = slot_build.program("micropython")
        assert program is not None
        done = subprocess.run(
            [
                program, "-X", "heapsize=512k", str(self._life), str(self.image), self._program,
                str(cut), str(seed), str(source or self.folder), what,
            ],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        was_cut = done.returncode == -signal.SIGKILL
        lines = done.stdout.splitlines()
        assert was_cut == ("CUT" in lines), (done.returncode, done.stdout, done.stderr)
        assert was_cut or done.returncode == 0, (done.stdout, done.stderr)
        return Life(lines, was_cut)

    def prepare(self, wanted: Image) -> None:
        """What `emery flash` does before it writes: look, and plan."""
        told = self.live("look", source=wanted.folder)
        looked = look.parsed("\n".join(told.lines))
        todo = plan(wanted, replace(looked))
        (wanted.folder / "plan.json").write_text(json.dumps(todo.document()), encoding="utf-8")


@dataclass
class Truth:
    """What the device has told to be done; less may never be found."""

    passes: int = 0
    boots: int = 0
    cuts: int = 0
    versions: int = 0

    def judge(self, life: Life, allowed: set[int], *, bare: bool) -> int:
        """Judge one life; the version that started, 0 if none."""
        told = "\n".join(life.lines)
        assert "Traceback" not in told, told
        started = life.last("RUN")
        if not started:
            # It was cut before it came that far, or nothing was ever put on it.
            assert life.was_cut or bare, told
            return 0
        version = int(started[0])
        assert version in allowed, (told, allowed)
        assert started[1] == f"config-of-{version}", told
        if boots := life.last("BOOTS"):
            assert boots[1] == "True"
            assert int(boots[0]) > self.boots, told
            self.boots = int(boots[0])
        if passes := life.last("PASSES"):
            # One may have been kept whose commit had not returned.
            assert self.passes <= int(passes[0]) <= self.passes + 1, told
            self.passes = int(passes[0])
        if commit := life.last("COMMIT"):
            self.passes = int(commit[0])
        self.cuts += life.was_cut
        return version


def live_and_die(folder: Path, program_bytes: int, cuts: int, seed: int) -> Truth:
    """Lives with random cuts, until so many have struck."""
    device = Device(folder, program_bytes)
    dice = random.Random(seed)
    truth = Truth()
    proved = 0  # the version that has proved itself last; 0 on a bare device
    wanted = 1
    is_offered = False  # whether `wanted` may have become active
    usual = FIRST_CUT
    while truth.cuts < cuts:
        image = device.version(wanted)
        device.prepare(image)
        cut = dice.randrange(1, usual * dice.choice(TIMES) + 1)
        life = device.live("flash", cut, dice.getrandbits(20), source=image.folder)
        if not life.was_cut:
            usual = life.operations(cut)
        # On trial it may run or be gone back from, until it has proved itself.
        allowed = {proved, wanted} if is_offered else {proved}
        started = truth.judge(life, allowed, bare=proved == 0)
        if life.has("HEALTHY"):
            proved = started
        # Once its files are there the last step may be done, though nobody heard of it.
        is_offered = is_offered or life.has('=["did", "verified"') or life.has('=["done"')
        if life.has('=["done"'):
            calm = device.live("run", source=image.folder)
            assert truth.judge(calm, {wanted}, bare=False) == wanted
            proved = wanted
            wanted += 1
            is_offered = False
            truth.versions += 1
    # After all of it, a flash without a cut works at once.
    image = device.version(wanted + 1)
    device.prepare(image)
    calm = device.live("flash", source=image.folder)
    truth.judge(calm, {proved, wanted}, bare=False)
    assert calm.has('=["done"')
    calm = device.live("run", source=image.folder)
    assert truth.judge(calm, {wanted + 1}, bare=False) == wanted + 1
    return truth


@pytest.mark.parametrize(("program_bytes", "seed"), [(256, 1), (32, 2)])
def test_cuts_of_power_leave_one_whole_version(
    tmp_path: Path, program_bytes: int, seed: int
) -> None:
    truth = live_and_die(tmp_path, program_bytes, 50, seed)
    assert truth.versions >= 3
    assert truth.passes > 20


@pytest.mark.long
@pytest.mark.parametrize(("program_bytes", "seed"), [(256, 3), (32, 4)])
def test_five_hundred_cuts_of_power(tmp_path: Path, program_bytes: int, seed: int) -> None:
    truth = live_and_die(tmp_path, program_bytes, 250, seed)
    assert truth.versions >= 5


def test_the_model_of_the_flash_tears_what_it_cuts(tmp_path: Path) -> None:
    # A cut that changed nothing would prove nothing.
    device = Device(tmp_path, 256)
    image = device.version(1)
    device.prepare(image)
    whole = device.image.read_bytes()
    life = device.live("flash", 12, 5, source=image.folder)
    assert life.was_cut
    assert device.image.read_bytes() != whole


def test_the_stand_in_does_what_the_firmware_does() -> None:
    main = (slot.ROOT / "firmware" / "main.py").read_text(encoding="utf-8")
    for call in ("slots.end_trial(", "record.begin(", "mark_healthy()", "slots.running(__file__)"):
        assert call in main
    assert re.search(r"def run\(keeper", main)
