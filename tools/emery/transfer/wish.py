"""What is to be on a device, worked out from a file, a ledger or what it has now."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emery.config import compile as compiler
from emery.config.board import Board
from emery.config.compiled import DeviceConfig, NotAConfig, decompile
from emery.config.former_blobs import migrated
from emery.config.kind import BOARD
from emery.config.load import finished_board, load_device, read_as, said_in_keys
from emery.config.problem import listed
from emery.config.rows import SETTING_ROWS
from emery.device import refuse
from emery.device.problem import DeviceProblem
from emery.exit_codes import ExitCode
from emery.ledger.entry import Entry
from emery.ledger.keys import Change
from emery.ledger.place import LedgerError
from emery.link import client as link_client
from emery.link.client import Client
from emery.link.said import Hello
from emery.transfer.push import config_of
from firmware.settings import ENGINEER, SETTINGS, broken_rules

_FOR_ENGINEERS = {row[0] for row in SETTINGS if row[6] == ENGINEER}
ENGINEER_KEYS = frozenset(
    f"{row.table}.{row.key}" for row in SETTING_ROWS if row.name in _FOR_ENGINEERS
)
_KEYS_TOLD = 4


@dataclass(frozen=True, slots=True)
class BoardFile:
    """A checked one; `has_protocol` says whether its settings have zones, or the
    device's protocol stays."""

    board: Board
    has_protocol: bool

    def compiled(self, on_device: bytes, chip: str) -> bytes:
        """The compiled config, for a device that has `on_device`. Raises DeviceProblem."""
        refuse.other_chip(chip, self.board.chip, self.board.name)
        if not self.has_protocol:
            self._keep_protocol(_config(on_device))
        return compiler.compiled(self.board)

    def _keep_protocol(self, kept: DeviceConfig) -> None:
        settings = self.board.settings
        settings.protocol_name = kept.settings.protocol_name
        settings.zones = kept.settings.zones
        for field, rule in broken_rules(settings):
            raise DeviceProblem(
                f'the protocol on the device, "{settings.protocol_name}", does not fit this board '
                f"file: {field} {said_in_keys(rule, settings)}. Nothing was changed",
                "Name a protocol that fits: --protocol NAME; or change the board file.",
                ExitCode.BAD_INPUT,
            )


def read(board: Path, protocol: Path | None) -> BoardFile:
    """A board file and, if one is named, a protocol. Raises ConfigError."""
    if protocol is not None:
        return BoardFile(load_device(board, protocol), has_protocol=True)
    document = read_as(BOARD, board)
    return BoardFile(finished_board(document, pins_required=True), has_protocol=False)


@contextmanager
def reached(
    port: str | None, note: Callable[[str], None]
) -> Iterator[tuple[Client, Hello, bytes]]:
    """The device at `port`, or the only one, and its config, once the ledger has been
    brought to it. Raises DeviceProblem, LedgerError."""
    with link_client.connected(port) as (client, hello):
        yield client, hello, config_of(client, hello, note)


def refuse_engineers(changes: Sequence[Change], *, engineer: bool) -> None:
    """DeviceProblem if keys for engineers change and nobody said that he is one."""
    keys = [change.key for change in changes if change.key in ENGINEER_KEYS]
    if not keys or engineer:
        return
    more = f" and {len(keys) - _KEYS_TOLD} more" if len(keys) > _KEYS_TOLD else ""
    it = "it asks" if len(keys) == 1 else "they ask"
    raise DeviceProblem(
        f"this changes {listed(keys[:_KEYS_TOLD])}{more}: {it} for knowledge of the design. "
        "Nothing was changed",
        "Take it out of the file; or, if you have that knowledge, add --engineer.",
        ExitCode.BAD_INPUT,
    )


def entry_to_undo(entries: Sequence[Entry], number: int | None) -> Entry:
    """The entry before which things shall be again: the one named, or the last that
    changed anything. Raises LedgerError."""
    if number is None:
        found = [one for one in entries if one.before and one.before != one.after]
        if not found:
            raise LedgerError("no change of this device is known that could be undone")
        return found[-1]
    for entry in entries:
        if entry.number == number:
            if entry.before:
                return entry
            raise LedgerError(
                f"nothing is known of what was before entry {number}; name a later one"
            )
    there = "there is none"
    if entries:
        there = f"there are {entries[0].number} to {entries[-1].number}"
    raise LedgerError(f"there is no entry {number}; {there}. `emery config history` shows them")


def todays(blob: bytes) -> bytes:
    """A config in the form of today. Raises DeviceProblem if it cannot be read."""
    try:
        return migrated(blob).blob
    except NotAConfig as error:
        raise _unreadable(error) from None


def _config(blob: bytes) -> DeviceConfig:
    try:
        return decompile(blob)
    except NotAConfig as error:
        raise _unreadable(error) from None


def _unreadable(error: NotAConfig) -> DeviceProblem:
    return DeviceProblem(
        f"the device's config cannot be read: {error}",
        "Flash its board file: emery flash CONFIG",
    )
