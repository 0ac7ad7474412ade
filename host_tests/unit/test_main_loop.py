"""The main loop: what is refused, who may interrupt, who is fed, and what follows errors."""

import hashlib
import struct
import sys
from binascii import crc32
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from emery.link.device_ledger import digest_of, entries_of
from firmware import config_file, config_ledger, faults, main, slots
from firmware.boot_record import MOST_BAD
from firmware.config_file import CERTIFICATE, section, with_section, with_settings
from firmware.journal import CRASH, START
from firmware.settings import encode
from firmware.treatment import STATES
from hal import wiring
from hal.contract import (
    BARRIER_COMPARATOR,
    COMMAND_RESTART,
    COMMAND_RUN_PUMP,
    COMMAND_SERVICE,
    COMMAND_START,
    RESET_ASKED,
    RESET_WATCHDOG,
)
from hal.mock import MockStorage
from host_tests.bench import bench_settings
from host_tests.board_files import BoardFiles
from host_tests.configs import payload, with_certificate
from host_tests.pins import reference_wiring
from host_tests.running_board import Restarted, RunningMock, SilentLink

WIRING = reference_wiring(wiring.RP2040)
BARE = wiring.encode(WIRING) + encode(bench_settings())
BLOB = with_certificate(BARE)


class Stop(BaseException):
    """The test has seen enough."""


class Device:
    """`firmware.main` on a mock board; what outlives a restart is here."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.files = BoardFiles()
        self.files.files["/config.bin"] = BLOB
        self.files.set_slot_state("a")
        self.storage = MockStorage()
        self.boot_storage = MockStorage()
        self.journal_storage = MockStorage()
        self.ledger_storage = MockStorage()
        self.board = self._mock()
        self.prepare: Callable[[RunningMock], None] = lambda board: None
        self.turns = 0
        self.most_turns = 300
        self.on_turn: Callable[[Device], None] = lambda device: None
        self.link: SilentLink | None = None
        self.console = ""
        self.keys: list[int] = []  # kbd_intr
        self.is_gc_on = True
        self.collections = 0
        self.free = 100_000
        patch.setattr(main, "Link", self._make_link)
        patch.setattr(main, "Console", lambda: None)
        patch.setattr(main, "_board", self._make_board)
        patch.setattr(main, "kbd_intr", self.keys.append)
        patch.setattr(main, "gc", SimpleNamespace(
            enable=lambda: self._gc(True), disable=lambda: self._gc(False),
            collect=self._collect, mem_free=lambda: self.free,
        ))  # fmt: skip
        patch.setattr(
            main, "sys",
            SimpleNamespace(
                stdout=SimpleNamespace(write=self._print),
                implementation=sys.implementation,
            ),
        )  # fmt: skip
        for one in (main, slots):
            patch.setattr(one, "open", self.files.open, raising=False)
        patch.setattr(slots, "os", self.files.os)
        patch.setattr(main, "_SLOT", "a")
        patch.setattr(main, "CONFIG_PATH", "/config.bin")
        patch.setattr(main, "_NEW_CONFIG_PATH", "/config.new")

    def _mock(self) -> RunningMock:
        return RunningMock(
            self.storage, self.boot_storage, self.journal_storage, self.ledger_storage
        )

    def _gc(self, on: bool) -> None:
        self.is_gc_on = on

    def _collect(self) -> None:
        self.collections += 1

    def _print(self, text: str) -> None:
        self.console += text

    def _make_board(self, wired: Any, tick_ms: int, reference_mv: int) -> RunningMock:
        cause = self.board.reset_cause
        self.board = self._mock()
        self.board.reset_cause = cause
        self.prepare(self.board)
        return self.board

    def _make_link(self, *arguments: Any) -> SilentLink:
        self.link = SilentLink(*arguments)
        self.app = arguments[0]
        self.turns = 0
        self.link.on_turn = self._link_turn
        return self.link

    def _link_turn(self) -> None:
        self.turns += 1
        self.on_turn(self)
        if self.turns > self.most_turns:
            raise Stop

    @property
    def state(self) -> str:
        return STATES[self.app.controller.treatment.state]

    @property
    def fault(self) -> int:
        fault: int = self.app.controller.protection.fault
        return fault

    def run(self, keeper: Any = None) -> bool | None:
        """One start; None if it had not ended when the test had seen enough."""
        self.console = ""
        try:
            return main.run(keeper)
        except Stop:
            return None

    def run_again_and_again(self) -> bool | None:
        """Starts until one is not followed by a restart."""
        for _ in range(8):
            try:
                return self.run()
            except Restarted as restart:
                self.board.reset_cause = RESET_ASKED
                into_service = restart.into_service
                self.prepare = lambda board, mark=into_service: setattr(board, "in_service", mark)  # type: ignore[misc]
        raise AssertionError("it starts again and again")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    return Device(monkeypatch)


def record(device: Device) -> Any:
    """The boot record of the last start."""
    assert device.link is not None
    return device.link.info["boot"]


def at_turn(number: int, act: Callable[[Device], None]) -> Callable[[Device], None]:
    def on_turn(device: Device) -> None:
        if device.turns == number:
            act(device)

    return on_turn


def interrupt(device: Device) -> None:
    raise KeyboardInterrupt


def fail(device: Device) -> None:
    raise ValueError("a bug")


# It starts --------------------------------------------------------------------------


def test_a_good_device_reaches_standby_and_is_marked_healthy(device: Device) -> None:
    assert device.run() is None
    assert device.state == "STANDBY"
    assert device.fault == faults.NONE
    assert record(device).unmarked == 0
    assert record(device).boots == 1
    assert device.board.proofs == 1
    assert "slot a" in device.console


def test_what_the_link_is_told(device: Device) -> None:
    device.files.put_slot("a")
    device.board.reset_cause = RESET_WATCHDOG
    device.run()
    assert device.link is not None
    info = device.link.info
    assert (info["version"], info["slot"], info["chip"], info["board"]) == (
        "1.0", "a", "rp2040", "bench")  # fmt: skip
    assert info["reset_cause"] == RESET_WATCHDOG
    assert info["boot"].causes[0] == RESET_WATCHDOG
    assert info["config_blob"] == BLOB
    assert (info["zones"], info["period_ms"]) == (2, 5)
    assert len(info["image"]) == len(info["config"]) == 16
    assert info["barrier"] == 0


CONFIGS = {
    "missing": None,
    "empty": b"",
    "of something else": b"\x00" * 400,
    "damaged wiring": bytes([BLOB[20] ^ 1]).join((BLOB[:20], BLOB[21:])),
    "damaged settings": BARE[:-9] + bytes([BARE[-9] ^ 1]) + BARE[-8:],
    "without settings": BLOB[: wiring.LENGTH],
    "damaged section": config_file.with_section(BLOB, b"NEXT", b"later")[:-1] + b"?",
    "too long": config_file.with_section(BLOB, b"NEXT", bytes(config_file.CONFIG_LONGEST)),
}


@pytest.mark.parametrize("how", CONFIGS)
def test_a_config_that_is_refused_is_told_and_the_device_stays_reachable(
    how: str, device: Device
) -> None:
    blob = CONFIGS[how]
    if blob is None:
        del device.files.files["/config.bin"]
    else:
        device.files.files["/config.bin"] = blob
    assert device.run() is False
    assert device.link is None  # no loop, no tick, no watchdog
    assert device.board.watchdog_ms == 0
    assert "/config.bin" in device.console
    assert "emery flash CONFIG" in device.console
    assert "Traceback" not in device.console
    assert device.board.is_safe()
    # It is no bad start of the firmware.
    assert device.boot_storage.commits == 0


def test_with_a_wiring_the_fault_light_tells_of_refused_settings(device: Device) -> None:
    device.files.files["/config.bin"] = CONFIGS["damaged settings"] or b""
    device.run()
    assert device.board.acts == ["stop", "show"]
    assert device.board.shown == [(0, 1, 0)]
    assert "crc: the settings were damaged" in device.console


def test_a_wiring_of_another_chip_is_refused_with_words(device: Device) -> None:
    def refuse(*_: Any) -> None:
        raise wiring.WiringError("chip", "this wiring is not for the chip of this board")

    device.patch.setattr(main, "_board", refuse)
    assert device.run() is False
    assert "chip: this wiring is not for" in device.console


def test_barriers_that_do_not_hold_keep_the_device_from_treating(device: Device) -> None:
    device.prepare = lambda board: setattr(board, "barrier", BARRIER_COMPARATOR)
    device.run()
    assert device.state == "FAULT"
    assert device.fault == faults.PROTECTION_FAILED
    assert "comparator" in device.console
    # Kept: switching off and on brings it back.
    device.prepare = lambda board: None
    device.run()
    assert device.fault == faults.PROTECTION_FAILED
    # The firmware itself is well.
    assert record(device).unmarked == 0


def test_in_service_no_barrier_is_tried(device: Device) -> None:
    device.prepare = lambda board: setattr(board, "in_service", 1)
    device.run()
    assert device.state == "SERVICE"
    assert device.board.proofs == 0
    assert "SERVICE" in device.console


def test_a_sensor_that_is_missing_is_told_once(device: Device) -> None:
    device.prepare = lambda board: setattr(board, "sensor_fault", 2)
    device.run()
    assert device.link is not None
    assert len([line for line in device.link.said if "sensors" in line]) == 1


# What may treat ------------------------------------------------------------------------


def test_a_valid_certificate_is_told_of_in_one_line(device: Device) -> None:
    device.run()
    assert device.state == "STANDBY"
    assert "certificate: 200 plants, at most 41.5 kPa, settled within 1.23 s\n" in device.console
    assert device.link is not None
    assert device.link.info["certificate"] == "ok"


OTHER = encode(bench_settings(pass_gap_ms=5_000))
ESP32 = wiring.encode(reference_wiring(wiring.ESP32)) + encode(bench_settings())
OF_BLOB = section(BLOB, CERTIFICATE)
# What makes a certificate none: the config, what hello says, and the words for people.
READS_NOT = "this firmware does not read its form"
UNCERTIFIED = {
    "none": (BARE, "none", "there is none"),
    "changed settings": (with_settings(BLOB, OTHER), "settings", "settings were changed after"),
    "another one's": (
        with_section(BARE, CERTIFICATE, payload(with_settings(BARE, OTHER))),
        "settings", "settings were changed after",
    ),
    "another chip's": (
        with_section(BARE, CERTIFICATE, payload(ESP32)), "settings", "settings were changed after"
    ),
    "another firmware's": (
        with_certificate(BARE, "0123456789abcdef"), "firmware",
        "it was made for another firmware",
    ),
    "of a later form": (
        with_section(BARE, CERTIFICATE, b"\x02" + OF_BLOB[1:]), "version", READS_NOT
    ),
    "longer": (with_section(BARE, CERTIFICATE, OF_BLOB + b"+"), "version", READS_NOT),
    "shorter": (with_section(BARE, CERTIFICATE, OF_BLOB[:-1]), "version", READS_NOT),
}


@pytest.mark.parametrize("how", UNCERTIFIED)
def test_without_a_valid_certificate_it_stays_in_service_and_says_why(
    how: str, device: Device
) -> None:
    blob, standing, words = UNCERTIFIED[how]
    device.files.files["/config.bin"] = blob
    device.run()
    assert device.state == "SERVICE"
    assert f"SERVICE: no valid certificate: {words}" in device.console
    assert max(map(len, device.console.splitlines())) <= 80
    assert "emery config push" in device.console
    assert "certificate: 200 plants" not in device.console
    assert device.link is not None
    assert device.link.info["certificate"] == standing
    assert device.board.proofs == 0
    assert device.board.watchdog_ms == 0
    # It runs, and is well: reaching it must not become harder with each start.
    assert record(device).unmarked == 0


@pytest.mark.parametrize("ask", [COMMAND_START, COMMAND_RESTART])
def test_no_way_leads_from_there_to_a_treatment(ask: int, device: Device) -> None:
    device.files.files["/config.bin"] = BARE
    device.most_turns = 200
    device.on_turn = at_turn(100, lambda device: device.app.post(ask) or None)
    for _ in range(3):
        try:
            device.run()
        except Restarted as restart:
            assert restart.into_service == 0
        assert device.state == "SERVICE"


def test_a_config_with_a_certificate_leads_out_of_service(device: Device) -> None:
    device.files.files["/config.bin"] = BARE
    device.on_turn = at_turn(50, lambda device: device.link.info["write_config"](BLOB))  # type: ignore[union-attr]
    device.run()
    assert device.state == "SERVICE"
    assert device.link is not None
    assert device.link.info["certificate"] == "ok"
    device.on_turn = lambda device: None
    device.run()
    assert device.state == "STANDBY"


def test_a_bench_rig_treats_nobody_whatever_its_certificate(device: Device) -> None:
    rig = reference_wiring(wiring.RP2040, purpose=wiring.BENCH)
    device.files.files["/config.bin"] = with_certificate(
        wiring.encode(rig) + encode(bench_settings())
    )
    device.files.set_slot_state("a", 1, 1)
    device.run()
    assert device.state == "SERVICE"
    assert "SERVICE: this is a bench rig" in device.console
    assert "certificate" not in device.console
    # Nothing but SERVICE can prove the firmware of a rig.
    assert device.files.slot_state()["trial"] == 0


def test_without_a_certificate_no_trial_ends(device: Device) -> None:
    # The version before may have one: after two starts it is taken again.
    device.files.files["/config.bin"] = BARE
    device.files.set_slot_state("a", 1, 1)
    device.run()
    assert device.files.slot_state()["trial"] == 1


# The device's ledger ----------------------------------------------------------------------


def ledger(device: Device) -> list[tuple[str, str, int]]:
    """Digest, why and number of the start of each entry."""
    return [
        (entry.digest, entry.why, entry.boots)
        for entry in entries_of(config_ledger.entries(device.ledger_storage))
    ]


def test_a_start_notes_a_config_that_it_was_not_told_of(device: Device) -> None:
    first, second = digest_of(BLOB), digest_of(BARE)
    device.run()
    device.run()
    assert ledger(device) == [(first, "seen at start", 1)]
    device.files.files["/config.bin"] = BARE
    device.run()
    device.run()
    assert ledger(device)[1:] == [(second, "seen at start", 3)]
    device.files.files["/config.bin"] = BLOB
    device.run()
    assert ledger(device)[2:] == [(first, "seen at start", 5)]


@pytest.mark.parametrize("broken", ["load", "commit"])
def test_a_ledger_that_is_broken_stops_nothing(broken: str, device: Device) -> None:
    def fails(*_: bytes) -> bytes:
        raise OSError(5, "EIO")

    setattr(device.ledger_storage, broken, fails)
    device.run()
    assert device.state == "STANDBY"


LAST_NUMBER = struct.pack("<III8s12s24s", 0xFFFFFFFF, 0, 0, bytes(8), b"", b"")
STRANGE_LEDGERS = {
    "shorter than a digest": b"x",
    "of something else": bytes(range(256)) * 4,
    "cut off in an entry": bytes(8) + bytes(59),
    "with the last number there is": (
        bytes(8) + LAST_NUMBER + struct.pack("<I", crc32(LAST_NUMBER))
    ),
}


@pytest.mark.parametrize("how", STRANGE_LEDGERS)
def test_whatever_the_ledger_holds_the_device_starts_and_notes_its_config(
    how: str, device: Device
) -> None:
    device.ledger_storage.record = STRANGE_LEDGERS[how]
    with suppress(Restarted):
        device.run()
    assert ledger(device)[-1:] == [(digest_of(BLOB), "seen at start", 1)]
    assert device.state == "STANDBY"
    assert record(device).unmarked == 0


# The health mark ----------------------------------------------------------------------


def marked_at(device: Device) -> int:
    """The turn in which the mark was set, 0 for none."""
    found = [0]

    def look(device: Device) -> None:
        if not found[0] and not record(device).unmarked:
            found[0] = device.turns

    device.on_turn = look
    device.run()
    return found[0]


def test_the_mark_comes_after_three_seconds(device: Device) -> None:
    assert 3_000 <= marked_at(device) * 20 <= 3_200


def test_it_ends_the_trial_of_the_slot(device: Device) -> None:
    device.files.set_slot_state("a", 1, 1)
    device.run()
    assert device.files.slot_state() == {"active": "a", "trial": 0, "tries": 0}
    assert device.link is not None
    assert device.link.info["trial"] == 0


def test_without_a_trial_no_slot_file_is_written(device: Device) -> None:
    device.run()
    assert device.files.writes == 0


def test_the_other_slots_trial_is_not_ours_to_end(device: Device) -> None:
    device.files.set_slot_state("b", 1, 1)
    device.run()
    assert device.files.slot_state() == {"active": "b", "trial": 1, "tries": 1}


def test_service_ends_no_trial(device: Device) -> None:
    device.files.set_slot_state("a", 1, 1)
    device.prepare = lambda board: setattr(board, "in_service", 1)
    device.run()
    assert record(device).unmarked == 0
    assert device.files.slot_state()["trial"] == 1


def test_no_mark_while_the_self_test_runs(device: Device) -> None:
    device.prepare = lambda board: setattr(board, "footswitch", 1)
    assert marked_at(device) == 0
    assert device.state == "SELF_TEST"


def test_no_mark_without_ticks(device: Device) -> None:
    device.prepare = lambda board: setattr(board, "ticks_come", False)
    assert marked_at(device) == 0


def test_no_mark_after_an_error_in_a_tick(device: Device) -> None:
    def spoil(device: Device) -> None:
        device.app.controller.sensing.step = None

    seen = []

    def on_turn(device: Device) -> None:
        if device.turns == 20:
            spoil(device)
        seen.append(record(device).unmarked)

    device.on_turn = on_turn
    device.run()
    assert set(seen) == {1}
    assert device.state == "FAULT"
    assert device.board.is_safe()
    assert record(device).crashes == 1
    assert "TypeError" in record(device).crash


def test_a_fault_that_is_none_of_the_firmware_is_marked_healthy(device: Device) -> None:
    device.prepare = lambda board: board.inject("vacuum_a_open")
    device.run()
    assert device.state == "FAULT"
    assert record(device).unmarked == 0


def test_a_mark_that_cannot_be_kept_is_tried_again_but_not_all_the_time(device: Device) -> None:
    commits = []

    def on_turn(device: Device) -> None:
        if device.turns == 10:
            commit = device.boot_storage.commit

            def failing(record: bytes) -> None:
                commits.append(device.turns)
                if len(commits) < 3:
                    raise OSError(5, "EIO")
                commit(record)

            device.boot_storage.commit = failing  # type: ignore[method-assign]

    device.on_turn = on_turn
    device.most_turns = 600
    device.run()
    assert len(commits) == 3
    assert min(b - a for a, b in pairwise(commits)) >= 140
    assert record(device).is_kept


# Ctrl-C -------------------------------------------------------------------------------


def test_ctrl_c_stops_the_board_first_and_leads_to_the_repl(device: Device) -> None:
    device.on_turn = at_turn(50, interrupt)
    assert device.run() is True
    assert device.board.acts[-1] == "stop"
    assert device.board.is_safe()
    assert "Ctrl-C" in device.console
    assert device.keys[-1] == 3  # and works in what comes next
    assert record(device).crashes == 0


def test_a_second_ctrl_c_does_not_keep_the_board_from_being_stopped(device: Device) -> None:
    def stubborn(device: Device) -> None:
        stop = device.board.stop

        def interrupted() -> None:
            device.board.stop = stop  # type: ignore[method-assign]
            raise KeyboardInterrupt

        device.board.stop = interrupted  # type: ignore[method-assign]
        raise KeyboardInterrupt

    device.on_turn = at_turn(50, stubborn)
    assert device.run() is True
    assert device.board.acts[-1] == "stop"


def test_ctrl_c_in_a_tick_is_no_error(device: Device) -> None:
    def spoil(device: Device) -> None:
        device.board.tick_error = KeyboardInterrupt()

    device.on_turn = at_turn(50, spoil)
    assert device.run() is True
    assert record(device).crashes == 0


def pump_in_service(device: Device) -> list[tuple[bool, int, bool]]:
    """SERVICE, and its pump runs from turn 20 on for 2 s."""
    device.prepare = lambda board: setattr(board, "in_service", 1)
    safe: list[tuple[bool, int, bool]] = []

    def on_turn(device: Device) -> None:
        if device.turns == 20:
            assert device.app.post(COMMAND_RUN_PUMP, 50)
        # What holds when the link hears: the loop has looked in this turn already.
        safe.append((device.board.is_safe(), device.keys[-1], device.is_gc_on))

    device.on_turn = on_turn
    device.run()
    return safe


def test_ctrl_c_is_disabled_exactly_while_outputs_are_not_safe(device: Device) -> None:
    safe = pump_in_service(device)
    assert {is_safe for is_safe, _, _ in safe} == {True, False}
    assert {key for is_safe, key, _ in safe if not is_safe} == {-1}
    assert {key for is_safe, key, _ in safe if is_safe} == {3}


@pytest.mark.parametrize("state", ["PROOF", "TREATING"])
def test_it_is_disabled_in_a_treatment_even_between_two_strokes(
    state: str, device: Device
) -> None:
    def on_turn(device: Device) -> None:
        if device.turns > 100:
            device.app.controller.treatment.state = STATES.index(state)
            device.app.controller.treatment.step = lambda *_: None
        if device.turns > 103:
            assert device.board.is_safe()
            assert device.keys[-1] == -1
            assert not device.is_gc_on

    device.on_turn = on_turn
    device.most_turns = 140
    device.run()
    assert device.state == state


# Garbage ------------------------------------------------------------------------------


def test_garbage_is_collected_while_safe_and_not_while_outputs_are_active(
    device: Device,
) -> None:
    counts: dict[bool, set[int]] = {True: set(), False: set()}

    def watched(device: Device) -> None:
        counts[device.board.is_safe()].add(device.collections)

    device.prepare = lambda board: setattr(board, "in_service", 1)

    def on_turn(device: Device) -> None:
        if device.turns == 20:
            device.app.post(COMMAND_RUN_PUMP, 50)
        watched(device)
        assert device.is_gc_on == device.board.is_safe()

    device.on_turn = on_turn
    device.run()
    assert len(counts[True]) > 5
    assert len(counts[False]) == 1


def test_the_last_bytes_are_not_waited_for(device: Device) -> None:
    # A MemoryError would end the treatment; a collection delays no tick there.
    device.prepare = lambda board: setattr(board, "in_service", 1)
    collections: list[int] = []

    def on_turn(device: Device) -> None:
        if device.turns == 20:
            device.app.post(COMMAND_RUN_PUMP, 50)
        if not device.board.is_safe():
            device.free = 1_000
            collections.append(device.collections)

    device.on_turn = on_turn
    device.run()
    assert len(set(collections)) > 2


# The watchdog -------------------------------------------------------------------------


class Keeper:
    """The timer that `/boot.py` left."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.watchdog_ms_at_the_end: int | None = None

    def deinit(self) -> None:
        self.watchdog_ms_at_the_end = self.device.board.watchdog_ms


def test_the_watchdog_is_fed_by_every_turn_with_a_tick(device: Device) -> None:
    keeper = Keeper(device)
    device.run(keeper)
    assert 1_000 <= device.board.watchdog_ms <= 8_388
    assert device.board.feeds >= device.turns - 3
    # What fed it until then has ended, and not before the board's own began.
    assert keeper.watchdog_ms_at_the_end == device.board.watchdog_ms


def test_it_is_not_fed_without_ticks(device: Device) -> None:
    def on_turn(device: Device) -> None:
        if device.turns == 100:
            device.board.ticks_come = False
            device.board.feeds = 0

    device.on_turn = on_turn
    device.run()
    assert device.board.feeds <= 1


def test_service_has_none_and_leaves_the_keeper_alone(device: Device) -> None:
    keeper = Keeper(device)
    device.prepare = lambda board: setattr(board, "in_service", 1)
    device.run(keeper)
    assert device.board.watchdog_ms == 0
    assert keeper.watchdog_ms_at_the_end is None


# Errors -------------------------------------------------------------------------------


def test_an_exception_in_the_loop_stops_the_board_keeps_it_and_starts_again(
    device: Device,
) -> None:
    device.on_turn = at_turn(50, fail)
    with pytest.raises(Restarted) as restarted:
        device.run()
    assert restarted.value.into_service == 0
    assert device.board.acts[-2:] == ["stop", "restart"]
    assert "ValueError('a bug')" in device.console
    device.on_turn = lambda device: None
    device.run()
    assert device.state == "STANDBY"
    assert record(device).crashes == 1
    assert "a bug" in record(device).crash
    kinds = [entry[2] for entry in struct.iter_unpack("<IIBBH", device.journal_storage.record)]
    assert kinds[:3] == [START, CRASH, START]


def test_an_error_that_ends_the_ticks_is_one_of_the_loop(device: Device) -> None:
    def spoil(device: Device) -> None:
        device.board.tick_error = MemoryError("in a tick")

    device.on_turn = at_turn(50, spoil)
    with pytest.raises(Restarted):
        device.run()
    assert "in a tick" in device.console


def test_three_of_them_lead_to_service(device: Device) -> None:
    def on_turn(device: Device) -> None:
        # After the health mark, so that only the crashes count.
        if device.turns == 200 and device.state != "SERVICE":
            raise ValueError("a bug")

    device.on_turn = on_turn
    assert device.run_again_and_again() is None
    assert device.state == "SERVICE"
    assert record(device).boots == 1 + MOST_BAD
    assert "a bug" in device.console
    # SERVICE was seen healthy: the next start is an ordinary one.
    device.on_turn = lambda device: None
    device.prepare = lambda board: None
    device.run()
    assert device.state == "STANDBY"


def test_an_exception_in_service_leads_to_the_repl(device: Device) -> None:
    device.on_turn = at_turn(50, fail)
    assert device.run_again_and_again() is False
    assert "SERVICE" in device.console
    assert device.board.acts[-1] == "stop"


def test_three_starts_without_a_mark_lead_to_service(device: Device) -> None:
    device.most_turns = 50  # switched off a second after each
    for _ in range(MOST_BAD):
        device.run()
        assert device.state == "STANDBY" or device.state == "SELF_TEST"
    device.most_turns = 300
    device.run()
    assert device.state == "SERVICE"
    assert device.board.watchdog_ms == 0
    assert device.board.is_safe()
    device.run()
    assert device.state == "STANDBY"


def test_crashes_are_forgotten_after_a_long_good_run(device: Device) -> None:
    device.on_turn = at_turn(200, fail)
    with pytest.raises(Restarted):
        device.run()
    device.on_turn = lambda device: None
    device.most_turns = 200
    device.run()
    assert record(device).crashes == 1
    device.most_turns = main.LONG_HEALTHY_MS // 20 + 400
    device.run()
    assert record(device).crashes == 0


def test_what_nobody_foresaw_is_stopped_as_well(device: Device) -> None:
    def leave(device: Device) -> None:
        raise SystemExit

    device.on_turn = at_turn(50, leave)
    with pytest.raises(SystemExit):
        device.run()
    assert device.board.acts[-1] == "stop"


def test_a_failed_core_can_be_brought_into_service(device: Device) -> None:
    def on_turn(device: Device) -> None:
        if device.turns == 200:
            device.app.controller.sensing.step = None
        if device.turns == 220:
            assert device.state == "FAULT"
            assert device.app.post(COMMAND_SERVICE)

    device.on_turn = on_turn
    with pytest.raises(Restarted) as restarted:
        device.run()
    assert restarted.value.into_service == 1


# Another config -----------------------------------------------------------------------


def written(device: Device, blob: bytes) -> str:
    found: list[str] = []
    device.prepare = lambda board: setattr(board, "in_service", 1)

    def write(device: Device) -> None:
        assert device.link is not None
        found.append(device.link.info["write_config"](blob))

    device.on_turn = at_turn(50, write)
    device.run()
    return found[0]


def test_a_config_can_be_written_in_the_place_of_the_old_one(device: Device) -> None:
    other = wiring.encode(WIRING) + encode(bench_settings(hard_limit_pa=44_500))
    assert written(device, other) == ""
    assert device.files.files["/config.bin"] == other
    assert "/config.new" not in device.files.files
    # A flash of the config before must not be taken for one that changes nothing.
    assert device.link is not None
    assert device.link.info["config"] == hashlib.sha256(other).hexdigest()[:16]


@pytest.mark.parametrize("how", [how for how in CONFIGS if CONFIGS[how]])
def test_what_would_be_refused_is_not_written(how: str, device: Device) -> None:
    assert written(device, CONFIGS[how] or b"") != ""
    assert device.files.files["/config.bin"] == BLOB
    assert device.files.writes == 0


def test_a_full_flash_is_told(device: Device) -> None:
    device.files.full = True
    assert "ENOSPC" in written(device, BLOB)
    assert device.files.files["/config.bin"] == BLOB
