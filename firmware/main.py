"""The composition root: one board, its config, the core, and the main loop.

`/main.py` calls `run`, which returns when the device is to stay in the REPL. What may
go wrong is answered in one order: pump off, feed shut, vent open; then words; then
the way back.

- No config, or one that is refused: words, the fault light, and the REPL.
- Ctrl-C: stopped, and the REPL. It is disabled whenever the outputs are not proven
  safe, so that no byte on the line can end a treatment, and enabled otherwise, so
  that a device can always be reached.
- An exception in the loop: kept in the boot record, then a restart; in SERVICE, the
  REPL. The boot record leads to SERVICE when that goes on.
- An exception in a tick: the core shows FAULT until a restart.
- A main loop or a tick that hangs: the watchdog, but in SERVICE.

Garbage is collected while the outputs are safe. While they may be active the
collector is off, but for the last bytes: a collection is better than the MemoryError
it prevents, and on the RP2040 ticks go on in its midst.
"""

import gc
import sys
from binascii import unhexlify

from micropython import const, kbd_intr

from firmware import (
    certificate,
    config_file,
    faults,
    import_order,  # noqa: F401 - the order of all others
    slots,
)
from firmware.app import App
from firmware.boot_record import BootRecord
from firmware.core_mark import CORE_MARK
from firmware.journal import CONFIG_WRITTEN, CRASH, START, Journal
from firmware.link import Link
from firmware.panel import Panel
from firmware.settings import Settings, SettingsError, decode
from firmware.treatment import BOOT, PROOF, SELF_TEST, TREATING
from hal import wiring
from hal.console import Console
from hal.contract import BARRIERS_FINE, SENSORS_FINE, RunningBoard, StorageRefused

# Only a type checker has to be told.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from machine import Timer

# The config lies in the slot that runs, so that both switch together and a rollback
# brings the old one back; a frozen build has it at the top.
_SLOT = slots.running(__file__)
CONFIG_PATH = slots.folder(_SLOT) + "/config.bin"
_NEW_CONFIG_PATH = slots.folder(_SLOT) + "/config.new"

# Four erases of a worn flash at 400 ms each (W25Q16JV data sheet), and some. [E]
WATCHDOG_MS = const(4_000)
HEALTHY_MS = const(3_000)
# A device that ran this long has left its crashes behind. [E]
LONG_HEALTHY_MS = const(600_000)
_NO_MARK_MS = const(0x1FFFFFFF)

# Turns of 20 ms between two collections, and between two looks at what is free. [E]
_TIDY_TURNS = const(25)
# More than those turns use up. [E]
_RESERVE_BYTES = const(16_384)

_STOP_KEY = const(3)
_NO_KEY = const(-1)

_REFUSED_TICK_MS = const(10)  # of a board whose settings were refused; it gets no tick

# Why a certificate is none for this device, by what `certificate.standing` says.
_NO_CERTIFICATE = {
    certificate.MISSING: "there is none",
    certificate.OTHER_VERSION: "this firmware does not read its form",
    certificate.OTHER_SETTINGS: "settings were changed after it was made",
    certificate.OTHER_CORE: "it was made for another firmware",
}

# What `prove_barriers` found, by its number.
_BARRIERS = (
    "",
    "the actuators have power without a heartbeat",
    "the actuators get no power from the heartbeat",
    "the power outlasts the heartbeat",
    "the vacuum comparator does not cut the power",
)


def run(keeper: "Timer | None" = None) -> bool:
    """Run the device until it is to stay in the REPL. False if it could not start, or
    ended with an exception. `keeper` feeds a watchdog that is running already."""
    blob = _read_config()
    if not blob:
        return False
    refusal = ""
    tick_ms = _REFUSED_TICK_MS
    adc_reference_mv = 0
    try:
        wired = wiring.decode(blob)
        try:
            settings = decode(config_file.settings_of(blob))
            config_file.check_sections(blob)
            tick_ms = settings.tick_period_ms
            adc_reference_mv = settings.adc_reference_mv
        except SettingsError as refused:
            refusal = str(refused)
        board = _board(wired, tick_ms, adc_reference_mv)
    except wiring.WiringError as refused:
        say(_refused(str(refused)))
        return False
    record = BootRecord(board.boot_storage)
    loop: MainLoop | None = None
    is_good = False
    try:
        if refusal:
            say(_refused(refusal))
            board.stop()
            board.show(0, 1, 0)
        else:
            loop = compose(board, record, wired, blob)
            del blob
            loop.run(keeper)
    except KeyboardInterrupt:
        _halt(board)
        is_good = True
        say("stopped by Ctrl-C")
    except Exception as error:  # noqa: BLE001 - whatever it was: safe, kept, and again
        _halt(board)
        words = _traceback(error)
        if loop is None:
            record.note_crash(words)
        else:
            loop.keep_crash(words)
        say("stopped by an error:\n" + words)
        if not board.in_service:
            board.restart(0)
    except BaseException:
        _halt(board)
        raise
    return is_good


def say(text: str) -> None:
    """A line on the console."""
    sys.stdout.write("Emery: " + text + "\n")


def _read_config() -> bytes:
    try:
        with open(CONFIG_PATH, "rb") as file:
            blob = file.read(config_file.CONFIG_LONGEST + 1)
    except OSError as error:
        say("{} cannot be read ({}). Put one on: emery flash CONFIG".format(CONFIG_PATH, error))
        return b""
    if not blob:
        say(_refused("it is empty"))
    return blob


def _refused(problem: str) -> str:
    return "{} is refused: {}. Put another one on: emery flash CONFIG".format(
        CONFIG_PATH, problem)


def _board(wired: wiring.Wiring, tick_ms: int, adc_reference_mv: int) -> RunningBoard:
    """The board of the chip that this runs on, with its outputs safe.

    WiringError, before any pin is touched, if the wiring is for another chip.
    """
    if sys.platform == "rp2":
        from hal.rp2040 import Rp2040Board

        return Rp2040Board(wired, tick_ms, adc_reference_mv)
    from hal.esp32 import Esp32Board

    return Esp32Board(wired, tick_ms, adc_reference_mv)


def _halt(board: RunningBoard) -> None:
    """Stopped and safe; a second Ctrl-C does not get in between."""
    for _ in range(3):
        try:
            kbd_intr(_NO_KEY)
            board.stop()
            break
        except KeyboardInterrupt:
            continue
    gc.enable()
    gc.collect()
    kbd_intr(_STOP_KEY)


def _traceback(error: BaseException) -> str:
    if not hasattr(sys, "print_exception"):
        return repr(error)
    from io import StringIO

    text = StringIO()
    sys.print_exception(error, text)
    return text.getvalue().strip()


def compose(
    board: RunningBoard, record: BootRecord, wired: wiring.Wiring, blob: bytes
) -> "MainLoop":
    """Everything around the core, put together; `blob` is a config that was checked."""
    record.begin(board.reset_cause, slots.is_first_start(_SLOT))
    if record.needs_service:
        board.in_service = 1
        say("SERVICE, since the last starts went badly. " + record.crash)
    compiled = config_file.settings_of(blob)
    settings = decode(compiled)
    standing = _standing(blob, settings, wired.chip)
    if not _may_treat(blob, wired.purpose, standing):
        board.in_service = 1
    app = App(board, compiled, board.in_service)
    barrier = BARRIERS_FINE
    if not board.in_service:
        barrier = board.prove_barriers()
        if barrier != BARRIERS_FINE:
            app.readings.main_fault = faults.PROTECTION_FAILED
            say("no treatment: " + _BARRIERS[barrier])
    digest = slots.digest_of(blob)
    _note_config(board, record.boots, digest)
    journal = Journal(board.journal_storage, app, record.boots)
    journal.note(START, board.reset_cause)
    info: dict = {
        "version": slots.version(_SLOT),
        "slot": _SLOT,
        "trial": 1 if slots.on_trial(_SLOT) else 0,
        "image": slots.digest(slots.folder(_SLOT) + "/manifest.json"),
        "config": digest,
        "started_with": digest,
        "core": CORE_MARK,
        "purpose": wired.purpose,
        "certificate": standing,
        "mpy": getattr(sys.implementation, "_mpy", 0) & 0xFFFF,
        "micropython": ".".join([str(part) for part in sys.implementation.version[:3]]),
        "board": wired.board_name,
        "chip": wiring.CHIPS[wired.chip],
        "boot": record,
        "reset_cause": board.reset_cause,
        "barrier": barrier,
        "config_blob": blob,
        "zones": len(settings.zones),
        "period_ms": settings.tick_period_ms,
        "journal": journal,
        "mem_free": getattr(gc, "mem_free", lambda: 0),
        "write_config": lambda blob: write_config(blob, board, journal, info),
    }
    link = Link(app, board, Console(), info)
    panel = Panel(app, board, len(settings.zones))
    say("{} {}, slot {}, {}{}".format(
        info["version"], info["chip"], _SLOT or "none", wired.board_name,
        ", SERVICE" if board.in_service else ""))
    return MainLoop(board, app, link, panel, record, info)


def _standing(blob: bytes, settings: Settings, chip: int) -> str:
    """What `certificate.standing` says of the certificate that a config has."""
    payload = config_file.section(blob, config_file.CERTIFICATE)
    return certificate.standing(payload, settings, chip, CORE_MARK)


def _may_treat(blob: bytes, purpose: int, standing: str) -> bool:
    """Is this config one to treat with? Told to people, with what to do if it is not."""
    if purpose == wiring.BENCH:
        say("SERVICE: this is a bench rig by its board file, which treats nobody")
        return False
    if standing != certificate.VALID:
        say("SERVICE: no valid certificate: {}".format(_NO_CERTIFICATE[standing]))
        say("put the config on with one: emery config push BOARD")
        return False
    plants, peak_pa, settle_ms = certificate.figures(
        config_file.section(blob, config_file.CERTIFICATE)
    )
    say("certificate: {} plants, at most {}.{} kPa, settled within {}.{:02d} s".format(
        plants, peak_pa // 1000, peak_pa % 1000 // 100, settle_ms // 1000,
        settle_ms % 1000 // 10))
    return True


def _note_config(board: RunningBoard, boots: int, digest: str) -> None:
    """Have the device's ledger know the config that this start found, whoever wrote it."""
    try:
        newest = board.ledger_storage.load()[: len(digest) // 2]
    except OSError:
        newest = b""
    if newest != unhexlify(digest):
        # Only now, since it takes memory.
        from firmware import config_ledger

        config_ledger.append(
            board.ledger_storage, boots, 0, digest, config_ledger.BY_ITSELF, config_ledger.SEEN
        )


def write_config(blob: bytes, board: RunningBoard, journal: Journal, info: dict) -> str:
    """Put another config in the place of the one on flash. What was wrong, "" if it is
    there now; it holds from the next start on, and tools know it at once."""
    try:
        config_file.check(blob)
        standing = _standing(
            blob, decode(config_file.settings_of(blob)), wiring.decode(blob).chip
        )
        slots.replace_file(CONFIG_PATH, _NEW_CONFIG_PATH, blob, board)
        journal.note(CONFIG_WRITTEN)
    except (wiring.WiringError, SettingsError, StorageRefused) as refused:
        return str(refused)
    except OSError as error:
        return "it cannot be written ({})".format(error)
    info["config_blob"] = blob
    info["config"] = slots.digest_of(blob)
    info["certificate"] = standing
    return ""


class MainLoop:
    """What goes on between ticks."""

    def __init__(
        self,
        board: RunningBoard,
        app: App,
        link: Link,
        panel: Panel,
        record: BootRecord,
        info: dict,
    ) -> None:
        self._board = board
        self._app = app
        self._link = link
        self._panel = panel
        self._record = record
        self._info = info
        self._is_safe = False  # as far as Ctrl-C and the collector know
        self._tidy_turns = 0
        self.forced_collections = 0  # while outputs may have been active
        self._ticks = board.ticks
        self._mark_ms = 0  # when the next health mark is due, by `now_ms`
        self._is_error_kept = False
        self._sensor_fault = SENSORS_FINE

    def run(self, keeper: "Timer | None") -> None:
        """Start the ticks, and turn for ever. Ctrl-C and whatever goes wrong come out
        as exceptions; the caller stops the board."""
        board = self._board
        gc.collect()
        if not board.in_service:
            board.watch(WATCHDOG_MS)
            if keeper is not None:
                keeper.deinit()
        board.start(self._app.tick)
        while True:
            self.turn()
            board.pause()

    def turn(self) -> None:
        """One turn; the board's pause of 20 ms comes after it."""
        board = self._board
        self._look_whether_safe()
        board.poll()
        self._app.turn()
        self._link.turn()
        self._panel.turn()
        self._info["journal"].turn(self._is_safe)
        self._tidy()
        if board.tick_error is not None:
            raise board.tick_error
        if board.ticks != self._ticks:
            self._ticks = board.ticks
            board.feed_watchdog()
            if self._is_safe:
                self._keep_records()

    def _look_whether_safe(self) -> None:
        """Ctrl-C and the collector go with the outputs."""
        is_safe = self._board.is_safe()
        controller = self._app.controller
        if controller is not None and is_safe:
            state = controller.treatment.state
            is_safe = state != TREATING and state != PROOF
        if is_safe == self._is_safe:
            return
        self._is_safe = is_safe
        if is_safe:
            gc.enable()
            kbd_intr(_STOP_KEY)
        else:
            kbd_intr(_NO_KEY)
            gc.disable()

    def _tidy(self) -> None:
        """Collect garbage when it delays nobody, or when there is no other way."""
        self._tidy_turns += 1
        if self._tidy_turns < _TIDY_TURNS:
            return
        self._tidy_turns = 0
        if self._is_safe:
            gc.collect()
        elif gc.mem_free() < _RESERVE_BYTES:
            gc.collect()
            self.forced_collections += 1

    def keep_crash(self, words: str) -> None:
        """A run, or its tick, ended with an exception; the outputs are safe."""
        self._record.note_crash(words)
        journal = self._info["journal"]
        journal.note(CRASH)
        journal.keep()

    def _keep_records(self) -> None:
        """What went wrong and what went well; the outputs are safe."""
        app = self._app
        if app.error is not None:
            if not self._is_error_kept:
                self._is_error_kept = True
                words = _traceback(app.error)
                self.keep_crash(words)
                self._link.say("the tick ended with an error:\n" + words)
            return
        if self._board.sensor_fault != self._sensor_fault:
            self._sensor_fault = self._board.sensor_fault
            self._link.say("sensors on the bus: fault {}".format(self._sensor_fault))
        now_ms = app.readings.now_ms
        if self._mark_ms == 0:
            self._mark_ms = now_ms + HEALTHY_MS
        elif now_ms >= self._mark_ms and self._is_healthy():
            self._mark(now_ms)

    def _is_healthy(self) -> bool:
        controller = self._app.controller
        if controller is None:
            return False
        state = controller.treatment.state
        fault = controller.protection.fault
        return state != BOOT and state != SELF_TEST and fault != faults.INTERNAL

    def _mark(self, now_ms: int) -> None:
        """The health mark, after which the slot stays; a long one forgives crashes."""
        record = self._record
        board = self._board
        self._mark_ms = now_ms + HEALTHY_MS  # once more, if it cannot be kept
        if record.unmarked:
            record.mark_healthy()
        else:
            record.forget_crashes()
        if not record.is_kept:
            return
        try:
            if not board.in_service or self._info["purpose"] == wiring.BENCH:
                slots.end_trial(self._info["slot"], board)
                self._info["trial"] = 0
        except (OSError, StorageRefused):
            return
        self._mark_ms = now_ms + LONG_HEALTHY_MS if record.crashes else _NO_MARK_MS
