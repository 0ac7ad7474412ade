"""`--base`: images of MicroPython, and how they get onto a board."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from emery.device import ports
from emery.device.ports import Port
from emery.device.problem import DeviceProblem
from emery.device.remote import NoAnswer
from emery.exit_codes import ExitCode
from emery.flash import base

RP2040 = 0xE48BFF56
RP2350 = 0xE48BFF59
PICO = Port("/dev/ttyACM0", "rp2040", "RP2040 with MicroPython")


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def uf2(blocks: int = 3, family: int = RP2040) -> bytes:
    made = b""
    for number in range(blocks):
        head = words(
            0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + 256 * number, 256, number, blocks, family
        )
        made += head + bytes(476) + words(0x0AB16F30)
    return made


def esp(chip: int = 0) -> bytes:
    return bytes([0xE9, 3, 2, 0x20]) + bytes(8) + chip.to_bytes(2, "little") + bytes(100)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def put(content: bytes) -> Path:
        path = tmp_path / "image"
        path.write_bytes(content)
        return path

    return put


def test_good_images_are_taken(write: Callable[[bytes], Path]) -> None:
    assert base.read(write(uf2()), "rp2040").chip == "rp2040"
    assert base.read(write(esp()), "esp32").chip == "esp32"
    assert base.read(write(esp(chip=9)), "esp32s3").chip == "esp32s3"


@pytest.mark.parametrize(
    ("chip", "content", "wrong"),
    [
        ("rp2040", b"hello", "does not begin as a UF2 file"),
        ("rp2040", b"", "does not begin as a UF2 file"),
        ("rp2040", esp(), "looks like one for an ESP32"),
        ("rp2040", uf2()[:-7], "cut off in the middle of a block"),
        ("rp2040", uf2()[:-512], "has 2 blocks and should have 3"),
        ("rp2040", uf2()[:512] + bytes(512) + uf2()[1024:], "block 1 of it is damaged"),
        ("rp2040", uf2(family=RP2350), "for another chip than the RP2040"),
        ("esp32", uf2(), "is a UF2 file, as for an RP2040"),
        ("esp32", b"", "does not begin as one does"),
        ("esp32", b"hello" * 10, "does not begin as one does"),
        ("esp32", esp(chip=9), "it is for an ESP32-S3"),
        ("esp32s3", esp(), "it is for an ESP32"),
        ("esp32s3", esp(chip=5), "for another chip of the family"),
        ("esp32s3", uf2(), "is a UF2 file, as for an RP2040"),
    ],
)
def test_other_images_are_refused_before_anything_happens(
    write: Callable[[bytes], Path], chip: str, content: bytes, wrong: str
) -> None:
    with pytest.raises(DeviceProblem, match="Nothing was changed") as told:
        base.read(write(content), chip)
    assert wrong in told.value.what
    assert "micropython.org/download" in told.value.remedy
    assert told.value.code is ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("chip", "name"),
    [
        ("rp2040", "RPI_PICO,"),
        ("rp2040", "RPI_PICO_W"),
        ("esp32", "ESP32_GENERIC,"),
        ("esp32s3", "ESP32_GENERIC_S3"),
    ],
)
def test_a_missing_image_says_where_to_get_one(tmp_path: Path, chip: str, name: str) -> None:
    with pytest.raises(DeviceProblem, match="there is no image") as told:
        base.read(tmp_path / "none", chip)
    assert name in told.value.remedy
    assert "micropython.org/download" in told.value.remedy


class Bench:
    """The computer around `base.put`: drives, ports, what MicroPython and esptool say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.drives: list[Path] = []
        self.ports: list[Port] = []
        self.answers = True
        self.calls: list[list[str]] = []
        self.said: list[str] = []
        self.esptool: tuple[int, str] = (0, "")
        self.on_bootloader: Callable[[], None] = lambda: None
        monkeypatch.setattr(ports, "boot_drives", lambda: self.drives)
        monkeypatch.setattr(ports, "connected", lambda: self.ports)
        monkeypatch.setattr(base, "Remote", lambda port: self)
        monkeypatch.setattr(base, "_WAIT_S", 0.2)
        monkeypatch.setattr(base, "_POLL_S", 0.01)
        monkeypatch.setattr(subprocess, "run", self._esptool)

    def run(self, command: list[str], limit_s: float) -> str:
        del limit_s
        self.calls.append(command)
        if command == ["bootloader"]:
            self.on_bootloader()
        if not self.answers:
            raise NoAnswer("no", "no")
        return ""

    def _esptool(self, command: list[str], **rest: object) -> subprocess.CompletedProcess[str]:
        del rest
        self.calls.append(command[4:])
        return subprocess.CompletedProcess(command, self.esptool[0], self.esptool[1], "")

    def put(self, image: base.Base, port: str | None = None, *, erase: bool = False) -> Port:
        return base.put(image, port, self.said.append, lambda part, title: None, erase=erase)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    made = tmp_path / "RPI-RP2"
    made.mkdir()
    return made


def test_a_uf2_is_copied_to_the_drive(
    bench: Bench, drive: Path, write: Callable[[bytes], Path]
) -> None:
    bench.drives = [drive]
    bench.ports = [PICO]
    assert bench.put(base.Base(write(uf2()), "rp2040")) == PICO
    assert (drive / "image").read_bytes() == uf2()
    assert bench.calls == []


def test_a_running_micropython_is_asked_for_its_boot_loader(
    bench: Bench, drive: Path, write: Callable[[bytes], Path]
) -> None:
    bench.ports = [PICO]

    def restart() -> None:
        bench.drives = [drive]

    bench.on_bootloader = restart
    assert bench.put(base.Base(write(uf2()), "rp2040")) == PICO
    assert bench.calls == [["bootloader"]]
    assert (drive / "image").is_file()


def test_a_board_that_shows_no_drive_says_which_button(
    bench: Bench, write: Callable[[bytes], Path]
) -> None:
    bench.ports = [PICO]
    bench.answers = False
    with pytest.raises(DeviceProblem, match="does not show the drive") as told:
        bench.put(base.Base(write(uf2()), "rp2040"))
    assert "BOOTSEL" in told.value.remedy


def test_of_two_boards_in_their_boot_loaders_none_is_guessed(
    bench: Bench, drive: Path, tmp_path: Path, write: Callable[[bytes], Path]
) -> None:
    other = tmp_path / "RPI-RP2 1"
    other.mkdir()
    bench.drives = [drive, other]
    with pytest.raises(DeviceProblem, match="2 boards wait in their boot loaders"):
        bench.put(base.Base(write(uf2()), "rp2040"))
    assert list(drive.iterdir()) == list(other.iterdir()) == []


def test_a_board_that_does_not_come_back_is_told(
    bench: Bench, drive: Path, write: Callable[[bytes], Path]
) -> None:
    bench.drives = [drive]
    with pytest.raises(DeviceProblem, match="did not come back as a serial port"):
        bench.put(base.Base(write(uf2()), "rp2040"))


def test_an_esp32_is_written_by_esptool_and_keeps_its_files(
    bench: Bench, write: Callable[[bytes], Path]
) -> None:
    path = write(esp())
    bench.ports = [Port("/dev/ttyUSB0", "", "CP210x")]
    assert bench.put(base.Base(path, "esp32")).device == "/dev/ttyUSB0"
    assert bench.calls[0] == [
        "--chip", "esp32", "--port", "/dev/ttyUSB0", "--baud", "460800", "write-flash",
        "--no-progress", "0x1000", str(path),
    ]  # fmt: skip
    bench.calls.clear()
    bench.put(base.Base(path, "esp32"), erase=True)
    assert "--erase-all" in bench.calls[0]


def test_an_esp32_s3_has_its_boot_loader_at_the_very_beginning(
    bench: Bench, write: Callable[[bytes], Path]
) -> None:
    path = write(esp(chip=9))
    bench.ports = [Port("/dev/ttyACM0", "", "Espressif chip with USB of its own")]
    assert bench.put(base.Base(path, "esp32s3")).device == "/dev/ttyACM0"
    call = bench.calls[0]
    assert call[:2] == ["--chip", "esp32s3"]
    assert call[-2:] == ["0x0", str(path)]
    bench.esptool = (2, "A fatal error occurred: This chip is ESP32, not ESP32-S3.")
    with pytest.raises(DeviceProblem, match="is no ESP32-S3"):
        bench.put(base.Base(path, "esp32s3"))


def test_an_esp32_that_stays_silent_is_told_of_erasing(
    bench: Bench, write: Callable[[bytes], Path]
) -> None:
    bench.ports = [Port("/dev/ttyUSB0", "", "CP210x")]
    bench.answers = False
    with pytest.raises(DeviceProblem, match="was written, but does not answer") as told:
        bench.put(base.Base(write(esp()), "esp32"))
    assert "--erase" in told.value.remedy


@pytest.mark.parametrize(
    ("says", "words", "next_step"),
    [
        ("A fatal error occurred: This chip is ESP32-S3, not ESP32.", "is no ESP32", "Connect"),
        ("A fatal error occurred: Failed to connect to ESP32: No serial data received.",
         "does not go into its boot loader", "BOOT button"),
        ("A fatal error occurred: could not open port", "could not open port", "Close"),
        ("", "did not say why", "Close"),
    ],
)  # fmt: skip
def test_words_of_esptool_become_what_to_do(
    bench: Bench, write: Callable[[bytes], Path], says: str, words: str, next_step: str
) -> None:
    bench.ports = [Port("/dev/ttyUSB0", "", "CP210x")]
    bench.esptool = (2, says)
    with pytest.raises(DeviceProblem) as told:
        bench.put(base.Base(write(esp()), "esp32"))
    assert words in told.value.what
    assert next_step in told.value.remedy


def test_esptool_knows_what_it_is_called_with(tmp_path: Path) -> None:
    # It refuses for want of a port, not for an argument that it does not know.
    path = tmp_path / "image"
    path.write_bytes(esp())
    with pytest.raises(DeviceProblem, match="Could not open") as told:
        base._put_esp(
            base.Base(path, "esp32"), Port(str(tmp_path / "none"), "", "x"), print,
            lambda part, title: None, erase=True,
        )  # fmt: skip
    assert told.value.code is ExitCode.DEVICE
