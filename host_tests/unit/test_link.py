"""The device's end of the link: what is a line, what is answered, what never happens."""

import base64
import struct
from collections.abc import Iterator

import pytest

from emery.slot import ROOT
from firmware import config_ledger, faults, journal
from firmware.config_file import CERTIFICATE, section, settings_of
from firmware.journal import Journal
from firmware.line import fletcher16
from firmware.settings import SETTINGS, decode, encode
from hal import wiring
from hal.contract import (
    COMMAND_ACKNOWLEDGE,
    COMMAND_LAST,
    COMMAND_RESTART,
    COMMAND_RUN_PUMP,
    COMMAND_SERVICE,
    COMMAND_START,
)
from host_tests.bench import bench_settings
from host_tests.linked import TURN_MS, LinkedDevice, linked_device, serviced_device


def line(body: str) -> bytes:
    """Written here a second time on purpose."""
    a = b = 0
    for byte in body.encode():
        a = (a + byte) % 255
        b = (b + a) % 255
    return f"@{body}*{b:02X}{a:02X}\n".encode()


@pytest.fixture
def device() -> Iterator[LinkedDevice]:
    with linked_device() as device:
        device.run_until("STANDBY")
        yield device


def heard(device: LinkedDevice, turns: int = 12) -> list[str]:
    """The lines that come within some turns."""
    for _ in range(turns):
        device.turn()
    text = device.line.out.decode()
    device.line.out.clear()
    return text.split("\r\n")[:-1]


def asked(device: LinkedDevice, request: str) -> str:
    """The answer to a request, from `ok` or `no` on."""
    device.write(line(f"7 {request}"))
    lines = heard(device)
    assert len(lines) == 1, lines
    assert lines[0].encode() + b"\n" == line(lines[0][1:-5])
    number, _, answer = lines[0][1:-5].partition(" ")
    assert number == "7"
    return answer


def fields(answer: str) -> dict[str, str]:
    kind, _, rest = answer.partition(" ")
    assert kind == "ok", answer
    return dict(word.split("=", 1) for word in rest.split())


# What is a line -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"), [("abcde", 0xC8F0), ("abcdef", 0x2057), ("abcdefgh", 0x0627)]
)
def test_the_sum_is_fletchers(text: str, told: int) -> None:
    assert fletcher16(text.encode(), len(text)) == told


@pytest.mark.parametrize(
    "data",
    [
        b"\n\n\r\r",
        b"hello\n",
        b"@7 hello\n",  # no sum
        line("7 hello").replace(b"*", b"*0"),
        line("7 hello").replace(b"hello", b"hallo"),
        line("7 hello").lower(),
        line("7 hello")[:-1],  # no end
        b"@*0000\n",
        b"@*\n@\n",
        line(""),
        line("hello"),  # no number
        line("7"),
        line("1000 hello"),
        line("-1 hello"),
        line("x hello"),
        line("7 " + "x" * 130),
        line("7 hello").replace(b"hello", b"hel\x00o"),
        line("7 hello").replace(b"hello", b"hell\xf6"),
        bytes(range(256)) * 3,
        b"@" * 500,
        b"@@@7 hello*0000\n",
    ],
)
def test_what_is_no_line_is_not_answered(data: bytes, device: LinkedDevice) -> None:
    device.write(data)
    assert heard(device) == []
    # And it disturbs nothing: a line that begins takes the place of one that did not end.
    assert fields(asked(device, "hello"))["board"] == "bench"


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_any_end_of_a_line_will_do(end: bytes, device: LinkedDevice) -> None:
    device.write(line("7 get tick_period_ms").replace(b"\n", end))
    assert heard(device) == [line("7 ok tick_period_ms=5")[:-1].decode()]


def test_a_line_may_come_in_pieces(device: LinkedDevice) -> None:
    for byte in line("7 get tick_period_ms"):
        device.write(bytes([byte]))
        device.turn()
    assert len(heard(device)) == 1


def test_many_lines_at_once_are_each_answered_in_order(device: LinkedDevice) -> None:
    for number in range(9):
        device.write(line(f"{number} get tick_period_ms"))
    lines = heard(device, 20)
    assert [one.split()[0] for one in lines] == [f"@{number}" for number in range(9)]


def test_lines_that_are_none_are_counted(device: LinkedDevice) -> None:
    before = device.link.dropped
    device.write(line("7 hello").replace(b"e", b"E") + b"words for nobody\n")
    heard(device)
    assert device.link.dropped == before + 1


# What is answered ---------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    ["", "hallo", "HELLO", "get", "get a b", "set tick_period_ms", "watch", "watch 1 2", "do",
     "do 1 2 3", "blob", "blob config", "blob config 0 0"],
)  # fmt: skip
def test_what_is_no_request_is_refused(request_: str, device: LinkedDevice) -> None:
    if request_:
        assert asked(device, request_).startswith("no unknown request")
    else:
        device.write(line("7 "))
        assert heard(device) == []


def test_the_longest_hello_there_is_fits_into_a_line(device: LinkedDevice) -> None:
    """A device whose hello does not fit can be reached by no tool."""
    info = device.loop._info
    info.update(
        version="100.100.100.dev1000+g0123456789", board="W" * 16, chip="esp32s3", trial=1,
        period_ms=10, mpy=0xFFFF, micropython="1.100.100", certificate="firmware", barrier=4,
        reset_cause=10,
    )  # fmt: skip
    info["boot"].boots, info["boot"].unmarked = 0x3FFFFFFF, 255
    told = fields(asked(device, "hello"))
    assert (told["board"], told["boots"]) == ("W" * 16, str(0x3FFFFFFF))


def test_hello_tells_who_it_is(device: LinkedDevice) -> None:
    told = fields(asked(device, "hello"))
    assert told["emery"] == "1"
    assert (told["chip"], told["slot"], told["board"]) == ("rp2040", "a", "bench")
    assert (told["boots"], told["period"], told["service"]) == ("1", "5", "0")


def test_a_name_with_spaces_is_one_word(device: LinkedDevice) -> None:
    device.loop._info["board"] = "Clinic 2"
    assert fields(asked(device, "hello"))["board"] == "Clinic_2"


def test_status_follows_the_treatment(device: LinkedDevice) -> None:
    device.to_treating()
    told = fields(asked(device, "status"))
    assert (told["s"], told["n"], told["o"], told["z"]) == ("6", "1", "10", "0")
    assert abs(int(told["a"]) - 27_000) < 100
    assert (told["set"], told["v"], told["fs"], told["e"]) == ("27000", "1", "1", "0")


def test_a_core_that_stopped_is_told(device: LinkedDevice) -> None:
    device.app.controller.step = None  # type: ignore[union-attr, method-assign]
    words = "\n".join(heard(device))
    assert words.startswith("Emery: the tick ended with an error:")
    told = fields(asked(device, "status"))
    assert told["e"] == "1"
    assert told["f"] == str(faults.INTERNAL)


def test_telemetry_comes_only_after_watch_and_as_often(device: LinkedDevice) -> None:
    assert heard(device, 100) == []
    assert asked(device, "watch 500") == "ok"
    lines = heard(device, 2_000 // TURN_MS + 2)
    assert len(lines) == 4
    assert all(one.startswith("@~ t s=2 ") for one in lines)
    device.write(line("7 watch 0"))
    heard(device)
    assert heard(device, 100) == []


@pytest.mark.parametrize("ms", ["99", "10001", "-1", "x", "1e3", "1000000000000"])
def test_no_other_period_is_taken(ms: str, device: LinkedDevice) -> None:
    assert asked(device, f"watch {ms}").startswith("no 0, or 100 to 10000 ms")
    assert heard(device, 60) == []


def test_a_command_goes_through_the_mailbox(device: LinkedDevice) -> None:
    assert asked(device, f"do {COMMAND_START}") == "ok"
    assert device.state == "CHECKLIST"


@pytest.mark.parametrize(
    "words",
    ["0", str(COMMAND_LAST + 1), "-1", "x", "1 256", "1 -1", "1 x", "1.0", f"{2**30}", "9" * 30],
)
def test_what_is_no_command_is_refused(words: str, device: LinkedDevice) -> None:
    posted: list[int] = []

    def post(command: int, argument: int = 0) -> bool:
        posted.append(command)
        return True

    device.app.post = post  # type: ignore[method-assign]
    assert asked(device, f"do {words}").startswith("no ")
    assert posted == []


def test_a_full_mailbox_is_told(device: LinkedDevice) -> None:
    device.write(line("7 do 1") + line("8 do 6"))
    first, second = heard(device)
    assert first.startswith("@7 ok")
    assert second.startswith("@8 no another command is waiting")


def test_no_command_gives_an_output_outside_service(device: LinkedDevice) -> None:
    for command in range(1, COMMAND_LAST + 1):
        if command != COMMAND_SERVICE:
            asked(device, f"do {command} 100")
            assert device.board.is_safe()


def test_service_is_entered_and_left_over_the_link(device: LinkedDevice) -> None:
    device.write(line(f"7 do {COMMAND_SERVICE}"))
    for _ in range(100):
        device.turn()
    assert device.starts == 2
    assert fields(asked(device, "hello"))["service"] == "1"
    assert asked(device, f"do {COMMAND_RUN_PUMP} 20") == "ok"
    assert not device.board.is_safe()
    device.run(3_000)
    assert device.board.is_safe()
    device.write(line(f"7 do {COMMAND_RESTART}"))
    for _ in range(100):
        device.turn()
    assert fields(asked(device, "hello"))["service"] == "0"


def test_a_fault_is_acknowledged_over_the_link(device: LinkedDevice) -> None:
    device.board.inject("sensor_supply_open")
    device.run_until("FAULT")
    device.board.clear("sensor_supply_open")
    device.run(1_000)
    assert asked(device, f"do {COMMAND_ACKNOWLEDGE}") == "ok"
    device.run_until("CHECKLIST")


# Settings -----------------------------------------------------------------------


def test_get_tells_every_setting_and_no_other(device: LinkedDevice) -> None:
    for row in SETTINGS:
        assert asked(device, f"get {row[0]}") == f"ok {row[0]}={getattr(device.settings, row[0])}"
    for name in ("protocol_name", "zones", "__class__", "hard_limit", ""):
        assert asked(device, f"get {name}").startswith("no ")


@pytest.mark.parametrize("state", ["STANDBY", "TREATING", "FAULT"])
def test_no_setting_is_set_outside_service(state: str, device: LinkedDevice) -> None:
    if state == "TREATING":
        device.to_treating()
    elif state == "FAULT":
        device.board.inject("sensor_supply_open")
        device.run_until("FAULT")
    blob = device.blob
    assert "SERVICE only" in asked(device, "set pass_gap_ms 5000")
    assert device.blob is blob
    assert asked(device, "get pass_gap_ms") == "ok pass_gap_ms=4000"


@pytest.fixture
def in_service() -> Iterator[LinkedDevice]:
    with serviced_device() as device:
        yield device


def test_a_setting_is_written_and_holds_from_the_next_start(in_service: LinkedDevice) -> None:
    device = in_service
    assert asked(device, "set pass_gap_ms 5000") == "ok pass_gap_ms=5000 was=4000"
    assert asked(device, "set session_ms 1200000") == "ok session_ms=1200000 was=1800000"
    written = decode(settings_of(device.blob))
    assert (written.pass_gap_ms, written.session_ms) == (5_000, 1_200_000)
    assert wiring.decode(device.blob).board_name == "bench"
    # One that refuses keeps the value that is on flash.
    device.loop._info["write_config"] = lambda blob: "it cannot be written (28)"
    assert asked(device, "set pass_gap_ms 6000") == "no it cannot be written (28)"
    assert asked(device, "get pass_gap_ms") == "ok pass_gap_ms=5000"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("pass_gap_ms 1999", "1999 is outside 2000 to 10000 ms"),
        ("hard_limit_pa 45001", "45001 is outside 20000 to 45000 Pa"),
        ("hard_limit_pa 43000", "zone 2 level: sets 40000 Pa"),
        ("contact_off_pa 4000", "contact_off_pa: must be below contact_on_pa"),
        ("pass_gap_ms 5e3", "a whole number is expected"),
        ("pass_gap_ms 5s", "a whole number is expected"),
        ("zones 3", "unknown setting"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(
    words: str, why: str, in_service: LinkedDevice
) -> None:
    blob = in_service.blob
    assert why in asked(in_service, f"set {words}")
    assert in_service.blob is blob


def test_no_setting_is_set_while_an_output_is_active(in_service: LinkedDevice) -> None:
    assert asked(in_service, f"do {COMMAND_RUN_PUMP} 20") == "ok"
    assert not in_service.board.is_safe()
    assert "all outputs off" in asked(in_service, "set pass_gap_ms 5000")


# Blobs --------------------------------------------------------------------------


def whole(device: LinkedDevice, what: str) -> bytes:
    blob = b""
    while True:
        told = fields(asked(device, f"blob {what} {len(blob)}"))
        piece = base64.b64decode(told.get("data", ""))
        blob += piece
        if len(blob) >= int(told["total"]):
            return blob
        assert 0 < len(piece) <= 150


def test_blobs_are_what_they_are_called(device: LinkedDevice) -> None:
    assert whole(device, "config") == device.blob
    assert settings_of(device.blob) == encode(bench_settings())
    assert whole(device, "boot")[:6] == struct.pack("<IBB", 1, 1, 0)
    assert whole(device, "journal") == device.journal.entries()
    assert whole(device, "record")
    assert whole(device, "crash") == b""
    assert whole(device, "certificate") == section(device.blob, CERTIFICATE) != b""
    assert whole(device, "ledger") == config_ledger.entries(device.board.ledger_storage) != b""


def test_the_black_box_is_one_copy_of_one_moment(device: LinkedDevice) -> None:
    first = fields(asked(device, "blob box 0"))
    device.run(3_000)  # the ring has gone round meanwhile
    second = fields(asked(device, "blob box 150"))
    copy = device.controller.black_box.copy(5)
    assert base64.b64decode(first["data"]) != bytes(copy[:150])
    assert int(first["total"]) == int(second["total"]) == len(copy)
    blob = whole(device, "box")
    assert len(blob) == len(copy)


def test_the_last_piece_may_be_asked_for_again(device: LinkedDevice) -> None:
    total = int(fields(asked(device, "blob box 0"))["total"])
    last = (total - 1) // 150 * 150
    assert asked(device, f"blob box {last}") == asked(device, f"blob box {last}")


def test_the_copy_is_given_back_when_something_else_is_asked(device: LinkedDevice) -> None:
    whole(device, "box")
    asked(device, "hello")
    assert len(device.link._box) == 0
    assert "it ends at 0" in asked(device, "blob box 150")


def test_no_copy_is_taken_while_outputs_are_active(device: LinkedDevice) -> None:
    device.to_treating()
    assert asked(device, "blob box 0") == "no outputs are active: a copy has to wait"
    assert asked(device, "blob config 0").startswith("ok total=")


def test_a_copy_that_finds_no_memory_stops_nothing(device: LinkedDevice) -> None:
    def none(period_ms: int) -> bytearray:
        raise MemoryError

    device.controller.black_box.copy = none  # type: ignore[method-assign]
    assert "too little memory" in asked(device, "blob box 0")
    assert device.state == "STANDBY"


@pytest.mark.parametrize("offset", ["-1", "x", "100000", "9999999999"])
def test_an_offset_outside_is_refused(offset: str, device: LinkedDevice) -> None:
    assert asked(device, f"blob config {offset}").startswith("no ")


# Time ---------------------------------------------------------------------------


def test_while_outputs_are_active_one_line_is_read_each_100_ms(device: LinkedDevice) -> None:
    device.to_treating()
    for number in range(10):
        device.write(line(f"{number} get tick_period_ms"))
    lines = heard(device, 25)
    assert 4 <= len(lines) <= 6
    assert len(lines) + len(heard(device, 60)) == 10


def test_a_turn_reads_no_more_than_its_share(device: LinkedDevice) -> None:
    device.write(b"x" * 1_000)
    device.turn()
    assert len(device.line.coming) == 1_000 - 128


def test_a_host_that_reads_nothing_holds_up_nobody(device: LinkedDevice) -> None:
    device.to_treating()
    device.line.takes = 0
    device.write(line("7 watch 100"))
    ticks = device.board.ticks
    dropped = device.link.dropped
    device.run(3_000)
    assert device.board.ticks == ticks + 600
    assert device.link.dropped > dropped
    assert len(device.line.waiting) <= 640


def test_words_too_long_for_the_line_end_with_what_matters(device: LinkedDevice) -> None:
    device.link.say("x" * 2_000 + "\nValueError: at the end")
    told = "\n".join(heard(device, 20))
    assert told.startswith("Emery: ")
    assert "ValueError: at the end" in told


# A treatment over the link --------------------------------------------------------


def test_what_happens_stands_in_the_journal(device: LinkedDevice) -> None:
    kept: Journal = device.journal
    device.to_treating()
    device.board.inject("sensor_supply_open")
    device.run_until("FAULT")
    device.run(5_000)
    entries = list(struct.iter_unpack("<IIBBH", kept.entries()))
    assert [entry[2] for entry in entries] == [1, 3, 2]
    assert entries[-1][3:] == (faults.SENSOR_SUPPLY, 6)
    assert bytes(device.board.journal_storage.load()) == kept.entries()


# What is written about it -----------------------------------------------------------

README = (ROOT / "firmware" / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## The link")[1].split("\n## ")[0]


def test_the_examples_in_the_readme_are_true(device: LinkedDevice) -> None:
    told = [one[2:] for one in SECTION.replace("    ", "").splitlines() if one[:2] in ("> ", "< ")]
    assert len(told) == 6
    device.to_treating()
    for request_, answer in zip(told[::2], told[1::2], strict=True):
        device.write(request_.encode() + b"\n")
        heard_now = heard(device)
        assert len(heard_now) == 1
        if answer.endswith("..."):
            names = [word.split("=")[0] for word in answer.split()[2:-1]]
            assert names == [word.split("=")[0] for word in heard_now[0].split()[2:9]]
        else:
            assert heard_now == [answer]


def test_every_field_of_an_answer_is_told_of(device: LinkedDevice) -> None:
    for request_ in ("hello", "status"):
        for name in fields(asked(device, request_)):
            assert f"`{name}`" in SECTION or f"`{name}=`" in SECTION, name


def test_the_numbers_in_the_readme_are_the_firmwares() -> None:
    assert f"the last {journal.ENTRIES} things" in SECTION
    for limit in ("120 characters", "0 to 999", "100 to 10000", "at most 128", "150 bytes"):
        assert limit in " ".join(SECTION.split())
