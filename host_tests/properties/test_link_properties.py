"""The link under any bytes: none of them acts or raises, and a good line gets its one
answer whatever came before it."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from emery.link.device_ledger import digest_of
from emery.link.line import body_of, framed
from firmware import config_file, state
from hal.contract import COMMAND_LAST
from host_tests.configs import blob, with_certificate
from host_tests.linked import LinkedDevice, linked_device

CONFIG = with_certificate(blob(pass_gap_ms=5_000))

# Like what a terminal, a modem program or a bad cable sends, and like lines of ours.
NOISE = st.lists(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from([b"@", b"*", b"\n", b"\r", b"@7 do 1*", b"@7 hello*F99E", b"\x03"]),
        st.text("@*0123456789ABCDEF do\n", max_size=60).map(str.encode),
    ),
    max_size=12,
).map(b"".join)
REQUESTS = st.one_of(
    st.sampled_from(
        ["hello", "status", "watch 200", "get hard_limit_pa", "blob config 0",
         "set pass_gap_ms 5000", "put 0 AAAA", "commit 3 709e80c88487a241 0 me why",
         "blob ledger 0", "blob certificate 0"]
    ),
    st.tuples(st.integers(1, COMMAND_LAST), st.integers(0, 255)).map(
        lambda pair: f"do {pair[0]} {pair[1]}"
    ),
)
NUMBERS = st.integers(0, 999)


class Acts:
    """What a line brought about."""

    def __init__(self, device: LinkedDevice) -> None:
        self.device = device
        self.posted: list[tuple[int, int]] = []
        self.written: list[bytes] = []
        device.app.post = self._post  # type: ignore[method-assign]
        device.loop._info["write_config"] = self._write

    def _post(self, command: int, argument: int = 0) -> bool:
        self.posted.append((command, argument))
        return True

    def _write(self, blob: bytes) -> str:
        self.written.append(blob)
        return ""

    def none(self) -> bool:
        return not self.posted and not self.written and not self.device.link._watch_ms


@contextmanager
def watched(in_service: int = 0) -> Iterator[tuple[LinkedDevice, Acts]]:
    with linked_device(in_service=in_service) as device:
        yield device, Acts(device)


def let_read(device: LinkedDevice) -> bytes:
    """Turns of the link alone, until it has read and told everything."""
    device.link._quiet_turns = 0
    out = b""
    for _ in range(200):
        device.link.turn()
        if not device.line.coming and not device.line.waiting:
            break
    out += bytes(device.line.out)
    device.line.out.clear()
    return out


def snapshot(device: LinkedDevice) -> list[int]:
    row = [0] * state.count(device.controller.parts)
    state.snapshot(device.controller.parts, row)
    return row


def has_a_whole_line(noise: bytes) -> bool:
    """By chance. What stands before the last `@` of a line is dropped."""
    lines = noise.replace(b"\r", b"\n").split(b"\n")
    return any(body_of(b"@" + one.rpartition(b"@")[2]) is not None for one in lines if b"@" in one)


@given(NOISE)
def test_no_bytes_act_or_raise(noise: bytes) -> None:
    if has_a_whole_line(noise + b"\n"):
        return
    with watched() as (device, acts):
        before = snapshot(device)
        outputs = [getattr(device.app.outputs, name) for name in device.app.outputs.FIELDS]
        device.write(noise + b"\n")
        assert let_read(device) == b""
        assert acts.none()
        assert snapshot(device) == before
        assert [
            getattr(device.app.outputs, name) for name in device.app.outputs.FIELDS
        ] == outputs


@given(NOISE, NUMBERS, REQUESTS)
def test_a_good_line_gets_its_one_answer_after_anything(
    noise: bytes, number: int, request_: str
) -> None:
    if has_a_whole_line(noise + b"@"):
        return
    with watched() as (device, acts):
        device.write(noise + framed(f"{number} {request_}"))
        bodies = [body_of(line) for line in let_read(device).split(b"\r\n") if line]
        assert len(bodies) == 1
        body = bodies[0]
        assert body is not None
        assert body.split()[0] == str(number)
        assert body.split()[1] in ("ok", "no")
        if request_.startswith("do"):
            assert len(acts.posted) == 1


# What befalls a line; none of these leaves its sum right.
@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    line = bytearray(framed(f"{draw(NUMBERS)} {draw(REQUESTS)}")[:-1])
    # What comes before a line, or an "@" once more, does not spoil it.
    at = draw(st.integers(2, len(line) - 1))
    how = draw(st.sampled_from(["changed", "burst", "lost", "twice", "swapped", "cut", "added"]))
    whole = bytes(line)
    if how == "changed":
        line[at] ^= draw(st.integers(1, 255))
    elif how == "burst":
        for place in range(at, min(at + 2, len(line))):
            line[place] ^= draw(st.integers(1, 127))
    elif how == "lost":
        del line[at]
    elif how == "twice":
        line.insert(at, line[at])
    elif how == "swapped":
        other = (at + 1) % len(line)
        line[at], line[other] = line[other], line[at]
    elif how == "cut":
        del line[at:]
    else:
        line.insert(at, draw(st.integers(0, 255)))
    return b"" if bytes(line) == whole else bytes(line)


@given(spoilt())
def test_a_spoilt_line_never_acts(line: bytes) -> None:
    for in_service in (0, 1):
        with watched(in_service) as (device, acts):
            device.write(line + b"\n")
            assert let_read(device) == b""
            assert acts.none()


def piece_at(offset: int, begin: int) -> str:
    """What stands at `begin` of the config, put at `offset`."""
    return f"put {offset} {b64encode(CONFIG[begin : begin + 72]).decode()}"


PIECES = [piece_at(at, at) for at in range(0, len(CONFIG), 72)]
GOOD_COMMIT = f"commit {len(CONFIG)} {digest_of(CONFIG)} 0 me why"
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
ANY_CHANGE = st.one_of(
    # A piece of a good config in its place or elsewhere, or of none.
    st.tuples(st.integers(0, len(CONFIG) // 72), st.sampled_from([0, 0, 0, 1, 72, 2_040])).map(
        lambda pair: piece_at(pair[0] * 72 + pair[1], pair[0] * 72)
    ),
    st.sampled_from(["PIECES", "PIECES", GOOD_COMMIT, GOOD_COMMIT]),
    st.tuples(
        st.sampled_from([len(CONFIG), 0, 1, 2_048, "9" * 40]),
        st.sampled_from([digest_of(CONFIG), digest_of(b""), "0" * 16, "?"]),
        st.sampled_from([0, 1, 0xFFFFFFFF, 0x100000000, -1, "now"]),
        WORDS, WORDS,
    ).map(lambda words: "commit {} {} {} {} {}".format(*words)),
    st.tuples(st.sampled_from(["put", "commit", "set"]), st.lists(WORDS, max_size=5)).map(
        lambda pair: " ".join([pair[0], *pair[1]])
    ),
    st.tuples(st.sampled_from(["set pass_gap_ms", "set hard_limit_pa", "do 13", "do 18"]),
              st.integers(-1, 10_000)).map(lambda pair: f"{pair[0]} {pair[1]}"),
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(ANY_CHANGE, max_size=12))
def test_whatever_is_put_and_committed_a_whole_config_is_there_and_it_starts(
    requests: list[str],
) -> None:
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        for request_ in requests:
            for one in PIECES if request_ == "PIECES" else [request_]:
                before = device.blob
                device.write(framed(f"1 {one}"))
                device.turn()
                if device.blob != before:
                    assert device.board.is_safe() or one.startswith("do")
                    config_file.check(device.blob)
                    assert one.startswith(("set", "commit"))
        config_file.check(device.blob)
        device.run(100)
        assert device.app.error is None
        assert device.state == "SERVICE"
        # The next start takes it, and the line answers.
        device._start(0)
        device.run(100)
        device.write(framed("2 hello"))
        device.run(200)
        assert body_of(bytes(device.line.out).split(b"\r\n")[-2]) is not None


@given(st.lists(st.one_of(NOISE, REQUESTS.map(lambda one: framed(f"1 {one}"))), max_size=8))
def test_ticks_go_on_and_outputs_stay_while_treating(pieces: list[bytes]) -> None:
    """What changes a treatment over the link is one COMMAND_, and nothing else."""
    with linked_device() as device:
        device.to_treating()
        acts = Acts(device)
        for piece in pieces:
            device.write(piece)
        ticks = device.board.ticks
        for _ in range(60):
            device.turn()
            assert device.state == "TREATING"
            assert device.board.pump_permille > 0
        assert device.board.ticks == ticks + 60 * 4
        assert acts.written == []
