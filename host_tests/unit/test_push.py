"""Another config over the link, whole: what the device takes, and what it refuses."""

import base64
import struct
from binascii import crc32
from collections.abc import Iterator
from typing import Any

import pytest

from emery.link.client import Client, Refused
from emery.link.device_ledger import digest_of
from emery.link.line import framed
from firmware import config_file, faults
from firmware.config_file import CONFIG_LONGEST, with_section
from firmware.settings import encode
from hal import wiring
from hal.contract import COMMAND_RUN_PUMP
from host_tests.bench import bench_settings
from host_tests.configs import blob, with_certificate
from host_tests.linked import LinkedDevice, linked_device, serviced_device
from host_tests.pins import reference_wiring

OTHER = with_certificate(with_section(blob(pass_gap_ms=5_000), b"NEXT", b"of a later version"))


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with serviced_device() as device:
        yield device


def staged(device: LinkedDevice, config: bytes) -> Client:
    client = Client(device)
    for at in range(0, len(config), 72):
        client.ask("put", at, base64.b64encode(config[at : at + 72]).decode())
    return client


def refusal(client: Client, *words: object) -> str:
    with pytest.raises(Refused) as refused:
        client.ask(*map(str, words))
    return refused.value.words


def commit(client: Client, config: bytes) -> str:
    """Why the commit of what was put is refused."""
    return refusal(client, "commit", len(config), digest_of(config), 0, "me", "why")


# What is taken --------------------------------------------------------------------


def test_a_config_goes_over_whole_and_is_known_at_once(device: LinkedDevice) -> None:
    client = Client(device)
    shares: list[float] = []
    assert client.put_config(OTHER, "Ann Example", "a longer gap", shares.append)
    assert device.blob == OTHER
    assert client.whole_blob("config") == OTHER
    assert client.get("pass_gap_ms") == 5_000
    hello = client.hello()
    assert (hello.config, hello.certificate, hello.is_changed) == (digest_of(OTHER), "ok", True)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_device_notes_who_and_why(device: LinkedDevice) -> None:
    client = Client(device)
    client.put_config(OTHER, "Ann  Example of old", "Lücke: longer on the cheeks, see note")
    entry = client.ledger()[-1]
    assert entry.digest == digest_of(OTHER)
    assert (entry.who, entry.why) == ("Ann Example ", "L?cke: longer on the che")
    assert entry.boots == client.hello().boots
    assert entry.when is not None


def test_nobody_and_nothing_are_noted_as_that(device: LinkedDevice) -> None:
    client = Client(device)
    client.put_config(OTHER, "", "  ")
    assert (client.ledger()[-1].who, client.ledger()[-1].why) == ("-", "-")


def test_a_config_without_a_certificate_is_taken_and_told(device: LinkedDevice) -> None:
    client = Client(device)
    client.put_config(blob(), "me", "why")
    assert client.hello().certificate == "none"
    assert client.whole_blob("certificate") == b""


def test_pieces_that_come_twice_change_nothing(device: LinkedDevice) -> None:
    client = staged(device, OTHER)
    for at in (72, 144, 72):
        client.ask("put", at, base64.b64encode(OTHER[at : at + 72]).decode())
    # What came behind the last piece is asked for again.
    assert "are not the" in commit(client, OTHER)
    client = staged(device, OTHER)
    last = len(OTHER) // 72 * 72
    client.ask("put", last, base64.b64encode(OTHER[last:]).decode())
    client.ask("commit", len(OTHER), digest_of(OTHER), 0, "me", "why")
    assert device.blob == OTHER


def test_a_commit_whose_answer_was_lost_may_be_said_again(device: LinkedDevice) -> None:
    client = staged(device, OTHER)
    words = ("commit", len(OTHER), digest_of(OTHER), 0, "me", "why")
    first = client.ask(*words)
    assert client.ask(*words) == first
    assert [entry.why for entry in client.ledger()].count("why") == 1


def test_a_commit_said_again_tells_the_truth_about_the_ledger(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(record: bytes) -> None:
        raise OSError(28, "ENOSPC")

    client = staged(device, OTHER)
    words = ("commit", len(OTHER), digest_of(OTHER), 0, "me", "why")
    with monkeypatch.context() as patch:
        patch.setattr(device.board.ledger_storage, "commit", broken)
        assert client.ask(*words).endswith("ledger=0")
        assert client.ask(*words).endswith("ledger=0")
    # There is room again: it is noted after all, and once.
    assert client.ask(*words).endswith("ledger=1")
    assert client.ask(*words).endswith("ledger=1")
    assert [entry.why for entry in client.ledger()].count("why") == 1


def test_a_fault_that_latches_meanwhile_takes_outputs_and_not_the_repair(
    device: LinkedDevice,
) -> None:
    """The fault may be what the other config mends: a wrong pin, a wrong span."""
    client = staged(device, OTHER[:144])
    client.do(COMMAND_RUN_PUMP, 20)
    device.turn()
    assert not device.board.is_safe()
    device.board.inject("sensor_supply_open")
    device.run(500)
    assert device.controller.protection.fault != faults.NONE
    assert (device.state, device.board.is_safe()) == ("SERVICE", True)
    for at in range(144, len(OTHER), 72):
        client.ask("put", at, base64.b64encode(OTHER[at : at + 72]).decode())
    client.ask("commit", len(OTHER), digest_of(OTHER), 0, "me", "why")
    assert device.blob == OTHER
    assert device.board.is_safe()


def test_an_output_asked_for_in_the_same_breath_waits_for_the_write(
    device: LinkedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both lines are read in one turn of the main loop, before any tick."""
    client = staged(device, OTHER)
    kept = device._replace_file
    seen = []

    def look(*words: Any) -> None:
        seen.append(device.board.is_safe())
        kept(*words)

    monkeypatch.setattr(device, "_replace_file", look)
    device.write(framed(f"901 do {COMMAND_RUN_PUMP} 20"))
    device.write(framed(f"902 commit {len(OTHER)} {digest_of(OTHER)} 0 me why"))
    device.turn()
    assert seen == [True]
    assert device.blob == OTHER
    client.hello()


@pytest.mark.parametrize(
    ("epoch", "when"), [(0, None), (1, "1970-01-01"), (0xFFFFFFFF, "2106-02-07")]
)
def test_any_clock_of_a_host_is_taken_and_0_is_none(
    epoch: int, when: str | None, device: LinkedDevice
) -> None:
    client = staged(device, OTHER)
    client.ask("commit", len(OTHER), digest_of(OTHER), epoch, "me", "why")
    entry = client.ledger()[-1]
    assert (entry.when and entry.when.date().isoformat()) == when


def test_offset_zero_begins_anew(device: LinkedDevice) -> None:
    client = staged(device, bytes(CONFIG_LONGEST))
    client.put_config(OTHER, "me", "why")
    assert device.blob == OTHER


def test_a_ledger_that_cannot_be_kept_is_told_and_the_config_is_there(
    device: LinkedDevice,
) -> None:
    def broken(record: bytes) -> None:
        raise OSError(28, "ENOSPC")

    device.board.ledger_storage.commit = broken  # type: ignore[method-assign]
    assert not Client(device).put_config(OTHER, "me", "why")
    assert device.blob == OTHER


def test_it_holds_from_the_next_start_on(device: LinkedDevice) -> None:
    client = Client(device)
    client.put_config(OTHER, "me", "why")
    assert device.controller.passes is not None
    client.leave_service()
    device.settings = bench_settings(pass_gap_ms=5_000)
    device.run_until("STANDBY")
    hello = client.hello()
    assert (hello.config, hello.is_changed, hello.in_service) == (digest_of(OTHER), False, False)
    # The start knew the config from the ledger, and added nothing.
    assert [entry.why for entry in client.ledger()] == ["seen at start", "why"]


# What is refused ------------------------------------------------------------------


def test_a_config_of_another_chip_is_refused(device: LinkedDevice) -> None:
    before = device.blob
    other = wiring.encode(reference_wiring(wiring.ESP32)) + encode(
        bench_settings(tick_period_ms=10)
    )
    assert commit(staged(device, other), other) == "it is for esp32; this device is rp2040"
    assert device.blob is before


@pytest.mark.parametrize("state", ["STANDBY", "TREATING", "FAULT"])
def test_nothing_is_put_or_committed_outside_service(state: str) -> None:
    with linked_device() as device:
        device.run_until("STANDBY")
        if state == "TREATING":
            device.to_treating()
        elif state == "FAULT":
            device.board.inject("sensor_supply_open")
            device.run_until("FAULT")
        before = device.blob
        client = Client(device)
        assert "SERVICE only" in refusal(client, "put", 0, "AAAA")
        assert "SERVICE only" in commit(client, OTHER)
        assert device.blob is before


def test_nothing_is_put_or_committed_while_an_output_is_active(device: LinkedDevice) -> None:
    client = staged(device, OTHER)
    before = device.blob
    client.do(COMMAND_RUN_PUMP, 20)
    device.turn()
    assert not device.board.is_safe()
    assert "all outputs off" in refusal(client, "put", 0, "AAAA")
    assert "all outputs off" in commit(client, OTHER)
    assert device.blob is before


def test_the_ledger_waits_until_no_garbage_piles_up() -> None:
    with linked_device() as device:
        device.run_until("STANDBY")
        client = Client(device)
        assert len(client.ledger()) == 1
        device.to_treating()
        assert "has to wait" in refusal(client, "blob", "ledger", 0)


def other_name(name: bytes) -> bytes:
    """OTHER with this name of the board, and its sum in order."""
    begin = OTHER.index(b"bench")
    wired = OTHER[:begin] + name.ljust(16, b"\0") + OTHER[begin + 16 : wiring.LENGTH - 4]
    return wired + struct.pack("<I", crc32(wired)) + OTHER[wiring.LENGTH :]


DAMAGED = {
    "nothing": (b"", "0 bytes that came"),
    "wiring": (b"?" + OTHER[1:], "magic"),
    "settings": (OTHER[:200] + bytes([OTHER[200] ^ 1]) + OTHER[201:], "crc"),
    "a section": (OTHER[:-1] + bytes([OTHER[-1] ^ 1]), "sections"),
    "a name that is a line": (other_name(b"Clinic\r\n@7 ok"), "name: is not plain text"),
    "a name in no script": (other_name(b"Clinic\xff"), "name: is not plain text"),
    "a name of the terminal's": (other_name(b"\x1b[2J"), "name: is not plain text"),
    "only the wiring": (OTHER[: wiring.LENGTH], "length"),
    "a limit": (
        wiring.encode(reference_wiring(wiring.RP2040))
        + encode(bench_settings(hard_limit_pa=45_001)),
        "hard_limit_pa: 45001 is outside",
    ),
    "rules": (
        wiring.encode(reference_wiring(wiring.RP2040))
        + encode(bench_settings(hard_limit_pa=43_000)),
        "zone 2 level",
    ),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_config_that_is_not_whole_is_refused(how: str, device: LinkedDevice) -> None:
    config, why = DAMAGED[how]
    before = device.blob
    client = staged(device, config)
    assert why in commit(client, config or OTHER)
    assert device.blob is before
    assert client.hello().config == digest_of(before)
    assert len(client.ledger()) == 1


def test_only_what_was_sent_is_committed(device: LinkedDevice) -> None:
    before = device.blob
    client = staged(device, OTHER)
    assert "are not the" in refusal(
        client, "commit", len(OTHER), digest_of(OTHER[:-1]), 0, "me", "why"
    )
    assert "are not the" in refusal(
        client, "commit", len(OTHER) - 1, digest_of(OTHER), 0, "me", "why"
    )
    assert device.blob is before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("put x AAAA", "a whole number"),
        ("put -1 AAAA", "an offset"),
        ("put 1 AAAA", "only 0 bytes have come"),
        ("put 0 ====", "base64"),
        ("put 0 *", "base64"),
        ("put 0", "unknown request"),
        ("put 0 AAAA AAAA", "unknown request"),
        ("commit", "unknown request"),
        ("commit 1 2 3 4", "unknown request"),
        ("commit -1 aa 0 me why", "a length and seconds"),
        ("commit 1 aa 4294967296 me why", "a length and seconds"),
        ("commit 1 aa x me why", "a length and seconds"),
        ("commit 1 aa 0 abcdefghijklm why", "who has at most 12"),
        ("commit 1 aa 0 me abcdefghijklmnopqrstuvwxy", "who has at most 12 characters and why 24"),
    ],
)
def test_what_is_no_piece_and_no_commit_is_refused(
    words: str, why: str, device: LinkedDevice
) -> None:
    before = device.blob
    assert why in refusal(Client(device), *words.split())
    assert device.blob is before


def test_no_more_is_kept_in_memory_than_a_config_may_have(device: LinkedDevice) -> None:
    client = staged(device, bytes(CONFIG_LONGEST))
    assert "at most 2048 bytes" in refusal(client, "put", CONFIG_LONGEST, "AAAA")
    assert "at most 2048 bytes" in refusal(client, "put", CONFIG_LONGEST - 1, "AAAA")


def test_a_setting_changed_alone_keeps_the_sections_and_costs_the_certificate(
    device: LinkedDevice,
) -> None:
    client = Client(device)
    client.put_config(OTHER, "me", "why")
    client.set("session_ms", 1_200_000)
    assert config_file.section(device.blob, b"NEXT") == b"of a later version"
    assert client.hello().certificate == "settings"
    assert (client.ledger()[-1].who, client.ledger()[-1].why) == ("link", "set session ms")
    client.set("session_ms", 1_800_000)
    assert client.hello().certificate == "ok"


# A line that breaks ---------------------------------------------------------------


class Recorder:
    """The device's line, and all that was written to it."""

    def __init__(self, device: LinkedDevice) -> None:
        self.name = device.name
        self.read, self.now_s, self.close = device.read, device.now_s, device.close
        self._write = device.write
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data
        self._write(data)


def test_unplugged_at_any_byte_it_is_the_old_config_or_the_new_one() -> None:
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        line = Recorder(device)
        Client(line, 0).put_config(OTHER, "me", "why")
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        old = device.blob
        seen = []
        for at in range(len(line.written)):
            device.write(line.written[at : at + 1])
            device.turn()
            # Here the plug is pulled: the device goes on with what it has.
            seen.append(device.blob)
            assert device.blob in (old, OTHER), at
            if at % 400 == 0:
                device.run(200)
        assert seen[-1] == OTHER
        # Not before the last byte of the commit.
        assert seen[:-1] == [old] * (len(seen) - 1)


def test_after_the_plug_was_pulled_the_next_push_goes_through() -> None:
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        line = Recorder(device)
        Client(line, 0).put_config(OTHER, "me", "why")
        third = with_certificate(blob(pass_gap_ms=6_000))
        for cut in range(1, len(line.written), 97):
            device.write(line.written[:cut])
            device.run(100)
            wanted = third if device.blob == OTHER else OTHER
            Client(device).put_config(wanted, "me", "again")
            assert device.blob == wanted


@pytest.mark.parametrize("every", [2, 3, 5])
def test_bytes_that_are_lost_or_changed_are_asked_for_again(every: int) -> None:
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        line = Recorder(device)
        sent = [0]

        def spoil(data: bytes) -> None:
            sent[0] += 1
            if sent[0] % every == 0:
                middle = len(data) // 2
                data = data[:middle] + (b"" if sent[0] % 4 else b"~") + data[middle + 1 :]
            device.write(data)

        line._write = spoil
        client = Client(line)
        assert client.put_config(OTHER, "me", "why")
        assert client.asked_again > 0
        assert device.blob == OTHER
