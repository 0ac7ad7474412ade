"""The journal: what has happened lately, kept through power cuts.

The last ENTRIES of: starts, faults, sessions begun and ended, configs written, runs
that ended with an exception. It is for whoever looks after the device, and decides
nothing. The main loop looks for news in each turn and writes them when the outputs
are safe; what a power cut takes is what came since.

Form, little-endian, oldest first: u32 number of the start | u32 seconds since then |
u8 kind | u8 detail a | u16 detail b.

Wear: a session brings three entries or so, a day of eight with its starts 30; each is
one commit, 110 000 in ten years, in two places of one block each: 220 000 erases at
most, which littlefs spreads over the free sectors (64 of 100 000 erases, W25Q16JV data
sheet: 3 % of their life). [E]
"""

import struct

from micropython import const

from firmware import faults
from firmware.app import App
from hal.contract import Storage, StorageRefused

START = const(1)  # a: RESET_ cause
FAULT_LATCHED = const(2)  # a: number of the fault, b: state it came in
SESSION_BEGUN = const(3)
SESSION_ENDED = const(4)  # a: zones treated, b: passes opened
CONFIG_WRITTEN = const(5)
CRASH = const(6)

ENTRIES = const(48)
_FORM = "<IIBBH"
_ENTRY_BYTES = struct.calcsize(_FORM)
# News wait for each other, and for the vacuum to go, this long with safe outputs: one
# commit for what happens together, and no tick stands still over held skin. [E]
_WAIT_TURNS = const(50)
_B_HIGHEST = const(0xFFFF)


class Journal:
    """The entries, kept in `storage`. Nothing here raises: a journal that cannot be
    read begins anew, and `is_kept` tells whether the last one was written."""

    def __init__(self, storage: Storage, app: App, start_number: int) -> None:
        self._storage = storage
        self._app = app
        self._start_number = start_number
        self._wait_turns = 0
        self._fault = faults.NONE
        self._state = 0
        self._session_is_open = -1
        self._zones_treated = 0
        self._passes_opened = 0
        self.is_kept = True
        try:
            blob = storage.load()
        except OSError:
            blob = b""
        self._blob = blob[: len(blob) // _ENTRY_BYTES * _ENTRY_BYTES]

    def entries(self) -> bytes:
        """All entries, in the form told above."""
        return self._blob

    def note(self, kind: int, a: int = 0, b: int = 0) -> None:
        """Add an entry. It allocates: not for the tick."""
        s = self._app.readings.now_ms // 1000
        entry = struct.pack(_FORM, self._start_number, s, kind, a & 0xFF, min(b, _B_HIGHEST))
        keep = (ENTRIES - 1) * _ENTRY_BYTES
        self._blob = self._blob[-keep:] + entry
        if self._wait_turns == 0:
            self._wait_turns = _WAIT_TURNS

    def turn(self, is_safe: bool) -> None:
        """One turn of the main loop: see what is new, and write it in time."""
        self._look()
        if self._wait_turns == 0:
            return
        if not is_safe:
            # Anew when it is: by then the vacuum has gone.
            self._wait_turns = _WAIT_TURNS
            return
        self._wait_turns -= 1
        if self._wait_turns == 0:
            self.keep()

    def keep(self) -> None:
        """Write it now, if it can be written."""
        try:
            self._storage.commit(self._blob)
            self.is_kept = True
        except (OSError, StorageRefused):
            self.is_kept = False

    def _look(self) -> None:
        controller = self._app.controller
        if controller is None:
            return
        fault = controller.protection.fault
        if fault != self._fault:
            self._fault = fault
            if fault != faults.NONE:
                self.note(FAULT_LATCHED, fault, self._state)
        self._state = controller.treatment.state
        passes = controller.passes
        is_open = passes.session_is_open
        if is_open != self._session_is_open:
            if self._session_is_open == 1:
                self.note(SESSION_ENDED, self._zones_treated, self._passes_opened)
            elif self._session_is_open == 0:
                self.note(SESSION_BEGUN)
            self._session_is_open = is_open
        if is_open:
            self._count(passes.opened)

    def _count(self, opened: bytearray) -> None:
        zones = 0
        total = 0
        for number in opened:
            total += number
            if number:
                zones += 1
        self._zones_treated = zones
        self._passes_opened = total
