"""A power cut at any flash operation of a push: the old config or the new one, whole, and a
ledger of the device that agrees with it after the next start.

Each start is one process of MicroPython with littlefs on a model of NOR flash, as in
test_slot_power_cuts.py. What writes is the device's own: `firmware.main` at the start,
`ConfigChange` for the push, the ledger, on `FlashStorage`. Pins and ticks play no part.

The line that is cut, instead of the power, is in host_tests/unit/test_push.py.
"""

import os

import pytest

from emery import slot
from emery.device_source import device_source
from emery.link.device_ledger import digest_of
from host_tests.configs import blob, with_certificate
from host_tests.safety.test_slot_power_cuts import FlashedDevice, Told

# The two configs that are pushed in turn; they differ in length, too.
FIRST = with_certificate(blob())
SECOND = blob(pass_gap_ms=5_000)
DIGESTS = (digest_of(FIRST), digest_of(SECOND))

# Stands in the place of firmware/main.py, which lies beside it as `device_main`.
_MAIN = """
from binascii import b2a_base64, hexlify

from firmware import config_file, config_ledger, device_main, slots
from firmware.boot_record import BootRecord
from firmware.config_change import ConfigChange
from hal.flash_storage import FlashStorage

device_main.CONFIG_PATH = "/a/config.bin"
device_main._NEW_CONFIG_PATH = "/a/config.new"


class Board:
    def open_storage_window(self):
        return True

    def close_storage_window(self):
        pass


class Journal:
    def note(self, kind):
        pass


def run(keeper):
    board = Board()
    board.ledger_storage = FlashStorage("/state", "ledger", board)
    record = BootRecord(FlashStorage("/state", "boot_record", board))
    record.begin(1)
    blob = device_main._read_config()
    config_file.check(blob)
    digest = slots.digest_of(blob)
    device_main._note_config(board, record.boots, digest)
    kept = config_ledger.entries(board.ledger_storage)
    print("HAS", digest, hexlify(kept[-48:-40]).decode(), len(kept) // 60)
    others = {FIRST: SECOND, SECOND: FIRST}
    wanted = others[blob]
    info = {"config_blob": blob, "config": digest, "chip": "rp2040", "boot": record}
    info["write_config"] = lambda new: device_main.write_config(new, board, Journal(), info)
    change = ConfigChange(board, info)
    for at in range(0, len(wanted), 72):
        change.put(at, b2a_base64(wanted[at : at + 72]).decode().strip())
    print("COMMITS", slots.digest_of(wanted))
    told = change.commit([str(len(wanted)), slots.digest_of(wanted), "0", "me", "a_push"])
    print("SAID", told)
    record.mark_healthy()
    return True
"""

PLACES = ("hal/contract.py", "hal/console.py", "hal/flash_storage.py", "hal/wiring.py")


def contents() -> dict[str, bytes]:
    """The files of the slot, but for its manifest."""
    stub = f"FIRST = {FIRST!r}\nSECOND = {SECOND!r}\n{_MAIN}"
    found = {"firmware/main.py": stub.encode()}
    for path in sorted((slot.ROOT / "firmware").glob("*.py")):
        place = f"firmware/{path.name}"
        as_is = "firmware/device_main.py" if path.name == "main.py" else place
        found[as_is] = device_source(path, place).encode()
    for place in PLACES:
        found[place] = device_source(slot.ROOT / place, place).encode()
    return found


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> FlashedDevice:
    return FlashedDevice(
        tmp_path_factory.mktemp("push"), {"a": True}, False, contents(), FIRST, blocks=160
    )


def seen(told: Told) -> tuple[str, str, int]:
    """Config, newest config of the ledger and its entries, as a start found them."""
    (line,) = [line.split() for line in told.lines if line.startswith("HAS ")]
    return line[1], line[2], int(line[3])


def is_committed(told: Told) -> bool:
    return any(line.startswith("SAID ok config=") for line in told.lines)


def check_cut(device: FlashedDevice, cuts: list[int], seed: int) -> bool:
    """Cut the power in these operations of as many starts; False if one had fewer."""
    device.power_on_afresh()
    assert device.start().code == 0  # the first start of all: FIRST is known, SECOND pushed
    config = DIGESTS[1]
    for cut in cuts:
        told = device.start(cut, seed)
        if told.code != -9:
            return False
        if any(line.startswith("HAS ") for line in told.lines):
            found, noted, _ = seen(told)
            assert found == config == noted
        others = {DIGESTS[0]: DIGESTS[1], DIGESTS[1]: DIGESTS[0]}
        begun = any(line.startswith("COMMITS ") for line in told.lines)
        after = device.start(-1, seed)
        assert after.code == 0, after.lines
        found, noted, count = seen(after)
        assert found == noted, "the ledger does not name the config that is there"
        if is_committed(told):
            assert found == others[config]
        else:
            assert found in ((config, others[config]) if begun else (config,))
        assert 1 <= count <= 16
        # This start has pushed the other one, in its turn.
        assert is_committed(after)
        config = others[found]
    return True


def test_torn_at_any_operation(device: FlashedDevice) -> None:
    cut = 0
    while check_cut(device, [cut], cut):
        cut += 1
    # Counting the start, the config, its rename, the ledger and the mark.
    assert cut >= 5


@pytest.mark.long
def test_torn_again_and_again(device: FlashedDevice) -> None:
    done = 0
    for seed in range(int(os.environ.get("EMERY_CUTS", "60"))):
        done += check_cut(device, [(seed * 5 + n * 3) % 9 for n in range(1 + seed % 3)], seed)
    assert done > 20
