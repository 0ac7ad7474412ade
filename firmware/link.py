"""The link: lines of text by which a host asks the device, and the device tells.

A line is `@`, a body of printable ASCII, `*` and four hex digits, the body's
Fletcher-16. It shares the console with the REPL and with words for people: what does
not begin with `@` is theirs. A request's body is a number, which its answer bears
again, and words; the answer goes on with `ok`, or with `no` and the reason why. README.md
lists the requests.

Nothing that comes over the line stops a tick or moves an output by itself: a request
reads, or posts one COMMAND_ in the mailbox, where it is judged as any other. Bytes are looked at
in place, and what is not a whole line with its sum is dropped without a word and
without an allocation, since garbage is not collected while a treatment runs. A good
line may allocate, so while outputs are active at most one is read in each 100 ms.
"""

from binascii import b2a_base64

from micropython import const

from firmware import config_file, settings, storage
from firmware.app import App
from firmware.line import AT, NEW_LINE, RETURN, Line, is_whole
from firmware.treatment import BOOT, PROOF, SERVICE, TREATING
from hal.contract import COMMAND_LAST, RunningBoard

PROTOCOL = const(1)

_REQUEST_LONGEST = const(120)
_READ_A_TURN = const(128)
_LINES_A_TURN = const(4)
_QUIET_TURNS = const(5)  # of 20 ms, after a line while outputs are active
_BLOB_PIECE = const(150)
_WORDS_LONGEST = const(480)
_WATCH_LEAST_MS = const(100)
_WATCH_MOST_MS = const(10_000)
_SEQUENCE_MOST = const(999)
_ARGUMENT_MOST = const(255)
# What changes the config, and the number of words that follow it.
_CHANGES = (("set", 2), ("put", 2), ("commit", 5))
_HASH = const(35)
_PERCENT = const(37)
_SPACE = const(32)

# Telemetry: each `#` stands for the next number of `_status`, `%` for the passes opened
# in each zone, a digit each. The names are short, since it comes often; README.md tells
# what they mean.
_STATUS_FORM = (
    b"s=# r=# w=# f=# kf=# a=# b=# set=# p=# c=# v=# l=# av=# z=# n=# o=% st=# sl=# fs=#"
    b" fl=# cs=# ph=# sk=# ba=# t=# ov=# sf=# h=# hc=# ld=# e=# bt=#"
)
_STATUS_NUMBERS = const(31)

# Only a type checker has to be told.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.config_change import ConfigChange
    from hal.console import Console


class Link:
    """The device's end. `info` is what `firmware/main.py` knows of this start."""

    def __init__(self, app: App, board: RunningBoard, console: "Console", info: dict) -> None:
        self._app = app
        self._board = board
        self._console = console
        self._info = info
        self._line = bytearray(_REQUEST_LONGEST)
        self._out = Line()
        self._numbers = [0] * _STATUS_NUMBERS
        self._length = -1  # -1: outside a line
        self._quiet_turns = 0
        self._watch_ms = 0
        self._told_ms = 0
        self._box = bytearray()
        self._change: "ConfigChange | None" = None
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
                self._out.begin()
                self._out.put(b"~ t ")
                self._put_status()
                self._end()
        self._console.send()

    def _read(self) -> None:
        lines = 0
        line = self._line
        for _ in range(_READ_A_TURN):
            byte = self._console.read_byte()
            if byte < 0:
                return
            if byte == AT:
                self._length = 0
            elif self._length >= 0:
                if byte == NEW_LINE or byte == RETURN:
                    length = self._length
                    self._length = -1
                    if not is_whole(line, length):
                        self.dropped = (self.dropped + 1) & 0xFFFF
                        continue
                    self._answer(bytes(line[: length - 5]).decode())
                    lines += 1
                    if not self._board.is_safe():
                        self._quiet_turns = _QUIET_TURNS
                        return
                    if lines == _LINES_A_TURN:
                        return
                elif 32 <= byte < 127 and self._length < _REQUEST_LONGEST:
                    line[self._length] = byte
                    self._length += 1
                else:
                    self._length = -1
                    self.dropped = (self.dropped + 1) & 0xFFFF

    def _end(self) -> None:
        """Have the line sent that was made."""
        length = self._out.end()
        if length == 0 or not self._console.write(self._out.bytes, length):
            self.dropped = (self.dropped + 1) & 0xFFFF

    def _answer(self, body: str) -> None:
        words = body.split()
        number = _number(words[0]) if words else None
        if number is None or not 0 <= number <= _SEQUENCE_MOST or len(words) < 2:
            self.dropped = (self.dropped + 1) & 0xFFFF
            return
        out = self._out
        out.begin()
        out.put_number(number)
        out.put_byte(_SPACE)
        if words[1] == "status":
            out.put(b"ok ")
            self._put_status()
        else:
            out.put(self._reply(words[1], words[2:]).encode())
        self._end()

    def _reply(self, verb: str, words: list) -> str:
        if words[:1] != ["box"]:
            self._box = bytearray()  # it is large, and its last piece has arrived
        if verb == "hello":
            return "ok " + self._hello()
        if verb == "watch" and len(words) == 1:
            return self._watch(words[0])
        if verb == "do" and 1 <= len(words) <= 2:
            return self._do(words)
        if verb == "get" and len(words) == 1:
            return self._get(words[0])
        if (verb, len(words)) in _CHANGES:
            return self._change_config(verb, words)
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
            " micropython={} id={} core={} purpose={} certificate={} changed={}"
        ).format(
            PROTOCOL, info["version"], info["board"].replace(" ", "_"), info["chip"],
            info["slot"] or "-", info["trial"], self._state(), self._board.in_service,
            info["image"], info["config"], record.boots, record.unmarked,
            info["reset_cause"], info["barrier"], info["period_ms"], info["mpy"],
            info["micropython"], self._board.device_id, info["core"],
            info["purpose"], info["certificate"],
            1 if info["config"] != info["started_with"] else 0,
        )

    def _state(self) -> int:
        controller = self._app.controller
        return BOOT if controller is None else controller.treatment.state

    def _put_status(self) -> None:
        """The fields of telemetry. Nothing here allocates."""
        app = self._app
        out = self._out
        controller = app.controller
        if controller is None:
            out.put(b"e=1")
            return
        board = self._board
        treatment = controller.treatment
        outputs = app.outputs
        numbers = self._numbers
        numbers[0] = treatment.state
        numbers[1] = treatment.reason
        numbers[2] = treatment.warning
        numbers[3] = controller.protection.fault
        numbers[4] = treatment.kept_fault
        numbers[5] = controller.sensing.a.vacuum_pa
        numbers[6] = controller.sensing.b.vacuum_pa
        numbers[7] = treatment.set_pa
        numbers[8] = outputs.pump_permille
        numbers[9] = outputs.feed_permille
        numbers[10] = outputs.vent
        numbers[11] = controller.plan.level
        numbers[12] = controller.plan.available_level
        numbers[13] = controller.passes.zone
        numbers[14] = controller.passes.number()
        numbers[15] = treatment.session_ms
        numbers[16] = treatment.session_limit_ms
        numbers[17] = controller.footswitch.held
        numbers[18] = treatment.flow_mg_min
        numbers[19] = treatment.confirmed
        numbers[20] = controller.proof.phase
        numbers[21] = controller.plan.skin_type
        numbers[22] = app.readings.barometer_pa
        numbers[23] = board.ticks
        numbers[24] = board.overruns
        numbers[25] = board.sensor_fault
        numbers[26] = self._info["mem_free"]()
        numbers[27] = controller.handpiece.condition
        numbers[28] = self.dropped
        numbers[29] = 0 if app.error is None else 1
        numbers[30] = board.buttons_down
        at = 0
        for byte in _STATUS_FORM:
            if byte == _HASH:
                out.put_number(numbers[at])
                at += 1
            elif byte == _PERCENT:
                for zone in range(self._info["zones"]):
                    out.put_number(controller.passes.opened[zone])
            else:
                out.put_byte(byte)

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
        if command is None or not 1 <= command <= COMMAND_LAST:
            return "no a command from 1 to {} is expected".format(COMMAND_LAST)
        if argument is None or not 0 <= argument <= _ARGUMENT_MOST:
            return "no an argument from 0 to 255 is expected"
        if not self._app.post(command, argument):
            return "no another command is waiting: ask again"
        return "ok"

    def _get(self, name: str) -> str:
        row = _row(name)
        if row is None:
            return "no unknown setting"
        compiled = config_file.settings_of(self._info["config_blob"])
        return "ok {}={}".format(name, getattr(settings.decode(compiled), name))

    def _change_config(self, verb: str, words: list) -> str:
        """Another config, or a piece of one, in force from the next start."""
        if self._state() != SERVICE or not self._board.is_safe():
            return "no settings are changed in SERVICE only, with all outputs off"
        change = self._change
        if change is None:
            # Only now, since it takes memory; and so that neither import waits for the other.
            from firmware import config_ledger  # noqa: F401
            from firmware.config_change import ConfigChange

            change = self._change = ConfigChange(self._board, self._info)
        if verb == "commit":
            return change.commit(words)
        number = _number(words[verb == "set"])
        if number is None:
            return "no a whole number is expected"
        if verb == "put":
            return "no an offset is expected" if number < 0 else change.put(number, words[1])
        row = _row(words[0])
        return "no unknown setting" if row is None else change.set(row, number)

    def _blob(self, what: str, word: str) -> str:
        offset = _number(word)
        if offset is None or offset < 0:
            return "no an offset is expected"
        blob: bytes | bytearray
        if what == "config":
            blob = self._info["config_blob"]
        elif what == "certificate":
            blob = config_file.section(self._info["config_blob"], config_file.CERTIFICATE)
        elif what == "ledger":
            # It takes memory, and no garbage is collected then.
            if not self._board.is_safe() or self._state() in (PROOF, TREATING):
                return "no outputs may be active: the ledger has to wait"
            from firmware import config_ledger

            blob = config_ledger.entries(self._board.ledger_storage)
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
        piece = b2a_base64(bytes(blob[offset : offset + _BLOB_PIECE])).decode().strip()
        return "ok total={} data={}".format(len(blob), piece)


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
