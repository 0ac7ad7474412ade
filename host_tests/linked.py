"""A device at the other end of the link, in this process and in its own time.

The firmware is put together as `firmware.main` does it, on the running mock; the line
is a `Transport` of the client, and a read of it that finds nothing lets one turn of the
main loop pass. A perfect hand gives the vacuum, as on the bench.
"""

import os
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from emery.link import client as link_client
from emery.link.client import Client
from emery.link.said import Hello
from emery.transfer import serviced
from firmware import main, slots, treatment
from firmware.app import App
from firmware.boot_record import BootRecord
from firmware.controller import Controller
from firmware.journal import Journal
from firmware.link import Link
from firmware.settings import Settings, encode
from hal import wiring
from hal.contract import (
    COMMAND_CLIENT,
    COMMAND_CONFIRM,
    COMMAND_START,
    RAW_FULL_SCALE,
    SWITCH_PRESSED,
    SWITCH_RELEASED,
    VENT_OPEN,
)
from hal.mock import MockStorage
from host_tests.bench import (
    CAP_BLEED,
    CAP_RISE,
    CAP_VENT,
    CHECKLIST,
    CLIENT,
    OPEN_TIP_PA,
    RELEASE_MS,
    bench_settings,
    raw_at,
    supply_raw,
)
from host_tests.configs import with_certificate
from host_tests.pins import reference_wiring
from host_tests.running_board import TICK_MS, TICKS_OF_A_PAUSE, Restarted, RunningMock

TURN_MS = TICK_MS * TICKS_OF_A_PAUSE
_LINE_BYTES = 640


class Line:
    """Stands for `hal.console.Console`; `takes` bytes a turn go to the host."""

    def __init__(self) -> None:
        self.coming = bytearray()
        self.out = bytearray()
        self.waiting = bytearray()
        self.takes = 128

    def read_byte(self) -> int:
        return self.coming.pop(0) if self.coming else -1

    def write(self, line: bytes | bytearray, length: int = -1) -> bool:
        whole = line if length < 0 else line[:length]
        if len(self.waiting) + len(whole) > _LINE_BYTES:
            return False
        self.waiting += whole
        return True

    def send(self) -> None:
        self.out += self.waiting[: self.takes]
        del self.waiting[: self.takes]


class HandMock(RunningMock):
    """The running mock with a perfect hand: `on_skin`, and the tip on its cap in PROOF."""

    storage: MockStorage

    def __init__(self, settings: Settings, before: "HandMock | None" = None) -> None:
        if before is None:
            super().__init__(settings=settings)
        else:
            super().__init__(
                before.storage, before.boot_storage, before.journal_storage,
                before.ledger_storage, settings,
            )
        self.settings = settings
        self.on_skin = False
        self.vacuum_pa: float | None = None
        self.capped_pa = 0.0
        self.app: App | None = None

    def pause(self) -> None:
        self._put_vacuum()
        super().pause()

    def _put_vacuum(self) -> None:
        rate = -CAP_VENT if self.vent == VENT_OPEN else -CAP_BLEED
        if self.pump_permille and self.vent != VENT_OPEN:
            rate = CAP_RISE
        self.capped_pa = max(0.0, self.capped_pa + rate * TURN_MS)
        supply = supply_raw(self.settings)
        for channel in ("a", "b"):
            raw = round(raw_at(self.settings, channel, self._vacuum_now_pa(), supply))
            setattr(self, f"vacuum_{channel}_raw", min(max(raw, 0), RAW_FULL_SCALE))

    def _vacuum_now_pa(self) -> float:
        if self.vacuum_pa is not None:
            return self.vacuum_pa
        if self.app is None or self.app.controller is None:
            return 0.0
        of = self.app.controller.treatment
        if of.state in (treatment.PROOF, treatment.SERVICE):
            return self.capped_pa
        if self.vent == VENT_OPEN:
            return 0.0
        set_pa: int = of.set_pa
        return set_pa if self.on_skin else min(OPEN_TIP_PA, set_pa)


class LinkedDevice:
    """The device and its line; a `Transport`. Restarts by itself, as a board does."""

    name = "a device in this process"

    def __init__(self, settings: Settings | None = None, in_service: int = 0) -> None:
        self.settings = settings or bench_settings()
        self.blob = with_certificate(
            wiring.encode(reference_wiring(wiring.RP2040)) + encode(self.settings)
        )
        self.board = HandMock(self.settings)
        self.turns = 0
        self.starts = 0
        self.is_dead = False
        self._start(in_service)

    def _start(self, in_service: int) -> None:
        self.line = Line()
        self.board.in_service = int(in_service)
        self.starts += 1
        with patch.object(main, "Console", lambda: self.line):
            self.loop = main.compose(
                self.board, BootRecord(self.board.boot_storage),
                reference_wiring(wiring.RP2040), self.blob,
            )  # fmt: skip
        # What lies in files on a board.
        info = self.loop._info
        info.update(version="0.9", slot="a", image="a" * 16)
        info["write_config"] = self._write_config
        self.app: App = self.loop._app
        self.link: Link = self.loop._link
        self.journal: Journal = info["journal"]
        self.board.app = self.app
        self.board.start(self.app.tick)

    def _write_config(self, blob: bytes) -> str:
        """What `firmware.main` does, without a file."""
        with patch.object(slots, "replace_file", self._replace_file):
            return main.write_config(blob, self.board, self.journal, self.loop._info)

    def _replace_file(self, path: str, new_path: str, content: bytes, board: object) -> None:
        self.blob = content

    @property
    def controller(self) -> Controller:
        assert self.app.controller is not None
        return self.app.controller

    @property
    def state(self) -> str:
        name: str = treatment.STATES[self.controller.treatment.state]
        return name

    def turn(self) -> None:
        """One turn of the main loop, and its pause."""
        self.turns += 1
        if self.is_dead:
            return
        try:
            self.loop.turn()
            self.board.pause()
        except Restarted as restart:
            before = self.board
            self.board = HandMock(self.settings, before)
            self._start(restart.into_service)

    def run(self, ms: int) -> None:
        for _ in range(ms // TURN_MS):
            self.turn()

    def run_until(self, state: str, longest_ms: int = 20_000) -> None:
        for _ in range(longest_ms // TURN_MS):
            if self.state == state:
                return
            self.turn()
        raise AssertionError(f"no {state}, but {self.state}")

    def to_treating(self) -> None:
        """From power-on to suction on skin, without the link."""
        self.run_until("STANDBY")
        self._post(COMMAND_START)
        self._post(COMMAND_CLIENT, CLIENT)
        for item in CHECKLIST:
            self._post(COMMAND_CONFIRM, item)
        self.run_until("PROOF")
        self.press()
        self.run_until("READY")
        self.board.footswitch = SWITCH_RELEASED
        self.run(2 * RELEASE_MS)
        self.press()
        self.run_until("TREATING")
        self.board.on_skin = True
        self.run(400)

    def press(self) -> None:
        self.board.footswitch = SWITCH_RELEASED
        self.run(2 * RELEASE_MS)
        self.board.footswitch = SWITCH_PRESSED

    def _post(self, command: int, argument: int = 0) -> None:
        assert self.app.post(command, argument)
        self.turn()

    # The line ---------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if not self.is_dead:
            self.line.coming += data

    def read(self) -> bytes:
        if not self.line.out:
            self.turn()
        data = bytes(self.line.out)
        self.line.out.clear()
        return data

    def now_s(self) -> float:
        return self.turns * TURN_MS / 1_000

    def close(self) -> None:
        """Nothing to give back."""


@contextmanager
def linked_device(
    settings: Settings | None = None, in_service: int = 0
) -> Iterator[LinkedDevice]:
    """A device, while CPython's own collector is left in peace."""
    quiet = SimpleNamespace(
        enable=lambda: None, disable=lambda: None, collect=lambda: None,
        mem_free=lambda: 50_000,
    )  # fmt: skip
    with patch.object(main, "gc", quiet), patch.object(main, "say", lambda text: None):
        yield LinkedDevice(settings, in_service)


@contextmanager
def serviced_device() -> Iterator[LinkedDevice]:
    """A device that has been in SERVICE for a while."""
    with linked_device(in_service=1) as device:
        device.run_until("SERVICE")
        device.run(500)
        yield device


def at_every_port(device: LinkedDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever port a command asks for, it has this device."""

    @contextmanager
    def connected(port: str | None) -> Iterator[tuple[Client, Hello]]:
        del port
        client = Client(device)
        yield client, client.hello()

    monkeypatch.setattr(link_client, "connected", connected)


def serviced_at_every_port(device: LinkedDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever port a command asks for, it has this device, in SERVICE already."""

    @contextmanager
    def found(port: object, say: object, show: object) -> Iterator[serviced.Serviced]:
        del port, say, show
        client = Client(device)
        yield serviced.Serviced(client, client.hello())

    monkeypatch.setattr(serviced, "serviced", found)


@contextmanager
def served(device: LinkedDevice) -> Iterator[str]:
    """The device behind a pseudo-terminal, in the wall's time; the name of its port."""
    ours, theirs = os.openpty()
    for end in (ours, theirs):
        tty.setraw(end)
    os.set_blocking(ours, False)
    stop = threading.Event()

    def serve() -> None:
        while not stop.wait(TURN_MS / 1_000):
            with suppress(BlockingIOError, OSError):
                device.write(os.read(ours, 4_096))
            device.turn()
            if device.line.out:
                with suppress(BlockingIOError):
                    os.write(ours, bytes(device.line.out))
                device.line.out.clear()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        stop.set()
        thread.join(5)
        os.close(ours)
        os.close(theirs)
