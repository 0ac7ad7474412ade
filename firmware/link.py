"""The link: lines of text by which a host asks the device, and the device tells.

A line is `@`, a body of printable ASCII, `*` and four hex digits, the body's
Fletcher-16. It shares the console with the REPL and with words for people: what does
not begin with `@` is theirs. A request's body is a number, which its answer bears
again, and words; the answer goes on with `ok`, or with `no` and the reason why. README.md
lists the requests.

Nothing that comes over the line can stop a tick or move an output: a request reads, or
posts one COMMAND_ in the mailbox, where it is judged as any other. Bytes are looked at
in place, and what is not a whole line with its sum is dropped without a word and
without an allocation, since garbage is not collected while a treatment runs. A good
line may allocate, so while outputs are active at most one is read in each 100 ms.
"""

from binascii import b2a_base64

from micropython import const

from firmware import settings, storage
from firmware.app import App
from firmware.treatment import BOOT, SERVICE
from hal import wiring
from hal.contract import COMMAND_RESTART, RunningBoard

PROTOCOL = const(1)

_LONGEST = const(120)
_BYTES_A_TURN = const(128)
_LINES_A_TURN = const(4)
_QUIET_TURNS = const(5)  # of 20 ms, after a line while outputs are active
_PIECE_BYTES = const(150)
_WORDS_LONGEST = const(480)
_WATCH_LEAST_MS = const(100)
_WATCH_MOST_MS = const(10_000)
_SEQUENCE_MOST = const(999)
_AT = const(64)
_STAR = const(42)
_NEW_LINE = const(10)
_RETURN = const(13)
_FULL_SUM = const(255)

# Only a type checker has to be told.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from hal.console import Console


class Link:
    """The device's end. `info` is what `firmware/main.py` knows of this start."""

    def __init__(self, app: App, board: RunningBoard, console: "Console", info: dict) -> None:
        self._app = app
        self._board = board
        self._console = console
        self._info = info
        self._line = bytearray(_LONGEST)
        self._length = -1  # -1: outside a line
        self._quiet_turns = 0
        self._watch_ms = 0
        self._told_ms = 0
        self._box = bytearray()
        self.dropped = 0  # lines that were none, or could not be told

    def say(self, text: str) -> None:
        """Words for a person at the console; of long ones the end."""
        self._console.write(("Emery: " + text[-_WORDS_LONGEST:] + "\r\n").encode())

    def turn(self) -> None:
        """One turn of the main loop: read what has come, tell what is due."""
        if self._quiet_turns > 0:
            self._quiet_turns -= 1
        else:
            self._read()
        if self._watch_ms:
            now_ms = self._app.readings.now_ms
            passed_ms = now_ms - self._told_ms
            if passed_ms >= self._watch_ms or passed_ms < 0:
                self._told_ms = now_ms
                self._tell("~ t " + self._status())
        self._console.send()

    def _read(self) -> None:
        lines = 0
        line = self._line
        for _ in range(_BYTES_A_TURN):
            byte = self._console.read_byte()
            if byte < 0:
                return
            if byte == _AT:
                self._length = 0
            elif self._length >= 0:
                if byte == _NEW_LINE or byte == _RETURN:
                    length = self._length
                    self._length = -1
                    if not _is_whole(line, length):
                        self.dropped = (self.dropped + 1) & 0xFFFF
                        continue
                    self._answer(bytes(line[: length - 5]).decode())
                    lines += 1
                    if not self._board.is_safe():
                        self._quiet_turns = _QUIET_TURNS
                        return
                    if lines == _LINES_A_TURN:
                        return
                elif 32 <= byte < 127 and self._length < _LONGEST:
                    line[self._length] = byte
                    self._length += 1
                else:
                    self._length = -1
                    self.dropped = (self.dropped + 1) & 0xFFFF

    def _tell(self, body: str) -> None:
        line = body.encode()
        if not self._console.write(b"@" + line + b"*%04X\r\n" % fletcher16(line, len(line))):
            self.dropped = (self.dropped + 1) & 0xFFFF

    def _answer(self, body: str) -> None:
        words = body.split()
        number = _number(words[0]) if words else None
        if number is None or not 0 <= number <= _SEQUENCE_MOST or len(words) < 2:
            self.dropped = (self.dropped + 1) & 0xFFFF
            return
        self._tell("{} {}".format(number, self._reply(words[1], words[2:])))

    def _reply(self, verb: str, words: list) -> str:
        if verb == "hello":
            return "ok " + self._hello()
        if verb == "status":
            return "ok " + self._status()
        if verb == "watch" and len(words) == 1:
            return self._watch(words[0])
        if verb == "do" and 1 <= len(words) <= 2:
            return self._do(words)
        if verb == "get" and len(words) == 1:
            return self._get(words[0])
        if verb == "set" and len(words) == 2:
            return self._set(words[0], words[1])
        if verb == "blob" and len(words) == 2:
            return self._blob(words[0], words[1])
        return "no unknown request, or other arguments are due"

    # What may be asked ------------------------------------------------------------

    def _hello(self) -> str:
        info = self._info
        record = info["boot"]
        return (
            "emery={} version={} board={} chip={} slot={} trial={} state={} service={}"
            " image={} config={} boots={} unmarked={} cause={} barrier={} period={} mpy={}"
            " micropython={}"
        ).format(
            PROTOCOL, info["version"], info["board"].replace(" ", "_"), info["chip"],
            info["slot"] or "-", info["trial"], self._state(), self._board.in_service,
            info["image"], info["config"], record.boots, record.unmarked,
            info["reset_cause"], info["barrier"], info["period_ms"], info["mpy"],
            info["micropython"],
        )

    def _state(self) -> int:
        controller = self._app.controller
        return BOOT if controller is None else controller.treatment.state

    def _status(self) -> str:
        """The fields of telemetry, short: a line is read by a person in need only."""
        app = self._app
        controller = app.controller
        if controller is None:
            return "e=1"
        treatment = controller.treatment
        passes = controller.passes
        sensing = controller.sensing
        outputs = app.outputs
        opened = ""
        for zone in range(self._info["zones"]):
            opened += str(passes.opened[zone])
        return (
            "s={} r={} w={} f={} kf={} a={} b={} set={} p={} c={} v={} l={} av={} z={} n={}"
            " o={} st={} sl={} fs={} fl={} cs={} ph={} sk={} ba={} t={} ov={} sf={} h={}"
            " hc={} ld={} e={}"
        ).format(
            treatment.state, treatment.reason, treatment.warning, controller.protection.fault,
            treatment.kept_fault, sensing.a.vacuum_pa, sensing.b.vacuum_pa, treatment.set_pa,
            outputs.pump_permille, outputs.feed_permille, outputs.vent,
            controller.plan.level, controller.plan.available_level, passes.zone,
            passes.number(), opened, treatment.session_ms, treatment.session_limit_ms,
            controller.footswitch.held, treatment.flow_mg_min, treatment.confirmed,
            controller.proof.phase, controller.plan.skin_type, app.readings.barometer_pa,
            self._board.ticks, self._board.overruns, self._board.sensor_fault,
            self._info["mem_free"](),
            controller.handpiece.condition, self.dropped, 0 if app.error is None else 1,
        )

    def _watch(self, word: str) -> str:
        ms = _number(word)
        if ms is None or (ms and not _WATCH_LEAST_MS <= ms <= _WATCH_MOST_MS):
            return "no 0, or {} to {} ms, is expected".format(_WATCH_LEAST_MS, _WATCH_MOST_MS)
        self._watch_ms = ms
        self._told_ms = self._app.readings.now_ms
        return "ok"

    def _do(self, words: list) -> str:
        command = _number(words[0])
        argument = _number(words[1]) if len(words) == 2 else 0
        if command is None or not 1 <= command <= COMMAND_RESTART:
            return "no a command from 1 to {} is expected".format(COMMAND_RESTART)
        if argument is None or not 0 <= argument <= _FULL_SUM:
            return "no an argument from 0 to 255 is expected"
        if not self._app.post(command, argument):
            return "no another command is waiting: ask again"
        return "ok"

    def _get(self, name: str) -> str:
        row = _row(name)
        if row is None:
            return "no unknown setting"
        blob = self._info["config_blob"]
        return "ok {}={}".format(name, getattr(settings.decode(blob[wiring.LENGTH :]), name))

    def _set(self, name: str, word: str) -> str:
        """Another value, on flash from now on and in force from the next start."""
        if self._state() != SERVICE or not self._board.is_safe():
            return "no settings are changed in SERVICE only, with all outputs off"
        row = _row(name)
        value = _number(word)
        if row is None:
            return "no unknown setting"
        if value is None:
            return "no a whole number is expected"
        problem = settings.range_problem(row, value)
        if problem:
            return "no " + problem
        blob = self._info["config_blob"]
        changed = settings.decode(blob[wiring.LENGTH :])
        was = getattr(changed, name)
        setattr(changed, name, value)
        for field, problem in settings.broken_rules(changed):
            return "no {} {}".format(field, problem)
        blob = blob[: wiring.LENGTH] + settings.encode(changed)
        problem = self._info["write_config"](blob)
        if problem:
            return "no " + problem
        self._info["config_blob"] = blob
        return "ok {}={} was={}".format(name, value, was)

    def _blob(self, what: str, word: str) -> str:
        offset = _number(word)
        if offset is None or offset < 0:
            return "no an offset is expected"
        blob: bytes | bytearray
        if what == "config":
            blob = self._info["config_blob"]
        elif what == "boot":
            blob = self._info["boot"].encode()
        elif what == "crash":
            blob = self._info["boot"].crash.encode()
        elif what == "journal":
            blob = self._info["journal"].entries()
        elif what == "record" or what == "box":
            controller = self._app.controller
            if controller is None:
                return "no the core does not run: its settings were refused"
            if what == "record":
                blob = storage.encode(
                    controller.passes, controller.treatment, controller.pump_rest,
                    controller.protocol_mark,
                )
            else:
                if offset == 0:
                    if not self._board.is_safe():
                        return "no outputs are active: a copy has to wait"
                    self._box = bytearray()
                    try:
                        self._box = controller.black_box.copy(self._info["period_ms"])
                    except MemoryError:
                        return "no too little memory is free for a copy: restart first"
                blob = self._box
        else:
            return "no unknown blob"
        if offset > len(blob):
            return "no it ends at {}".format(len(blob))
        piece = b2a_base64(bytes(blob[offset : offset + _PIECE_BYTES])).decode().strip()
        if what == "box" and offset + _PIECE_BYTES >= len(blob):
            self._box = bytearray()  # it was large
        return "ok total={} data={}".format(len(blob), piece)


def fletcher16(line: bytes | bytearray, length: int) -> int:
    """Fletcher's sum of the first `length` bytes, modulo 255 (RFC 1146, 8-bit form)."""
    a = 0
    b = 0
    for at in range(length):
        a = (a + line[at]) % _FULL_SUM
        b = (b + a) % _FULL_SUM
    return b << 8 | a


def _is_whole(line: bytearray, length: int) -> bool:
    """Does the line end with `*` and the sum of what stands before it?"""
    star = length - 5
    if star < 1 or line[star] != _STAR:
        return False
    told = 0
    for at in range(star + 1, length):
        byte = line[at]
        if 48 <= byte <= 57:
            told = told << 4 | byte - 48
        elif 65 <= byte <= 70:
            told = told << 4 | byte - 55
        else:
            return False
    return told == fletcher16(line, star)


def _number(word: str) -> "int | None":
    """A whole number of at most nine digits; None for anything else."""
    digits = word[1:] if word[:1] == "-" else word
    if not digits.isdigit() or len(digits) > 9:
        return None
    return int(word)


def _row(name: str) -> "tuple | None":
    for row in settings.SETTINGS:
        if row[0] == name:
            return row
    return None
