"""What a host changes of the config over the link: one setting, or all of it in pieces.

Only in SERVICE with all outputs off. Nothing is written before all of it was checked, and
then so that a power cut leaves the old config or the new one, whole. It holds from the
next start on. The certificate need not be valid here: without a valid one that start is
SERVICE again.

`link.py` imports this when it is asked for the first time, so that a device in treatment
has its memory.
"""

from binascii import a2b_base64

from micropython import const

from firmware import config_file, config_ledger, settings, slots
from firmware.settings import SettingsError
from hal import wiring

_EPOCH_HIGHEST = const(0xFFFFFFFF)
_BY_LINK = "link"


class ConfigChange:
    """The config that is being put together. `info` is what `firmware/main.py` knows."""

    def __init__(self, board, info: dict) -> None:  # type: ignore[no-untyped-def]
        self._board = board
        self._info = info
        self._staged = b""

    def set(self, row: tuple, value: int) -> str:
        """Another value for one setting, on flash from now on. The sections stay, and with
        them a certificate that is then for other settings."""
        name = row[0]
        blob = self._info["config_blob"]
        changed = settings.decode(config_file.settings_of(blob))
        was = getattr(changed, name)
        setattr(changed, name, value)
        blob = config_file.with_settings(blob, settings.encode(changed))
        problem = self._info["write_config"](blob)
        if problem:
            return "no " + problem
        self._note(0, _BY_LINK, "set_" + name)
        return "ok {}={} was={}".format(name, value, was)

    def put(self, offset: int, data: str) -> str:
        """A piece of a config; the one at 0 begins anew. A piece may come again."""
        try:
            piece = a2b_base64(data)
        except ValueError:
            piece = b""
        if not piece:
            return "no base64 is expected"
        if offset > len(self._staged):
            return "no only {} bytes have come".format(len(self._staged))
        if offset + len(piece) > config_file.CONFIG_LONGEST:
            return "no a config has at most {} bytes".format(config_file.CONFIG_LONGEST)
        self._staged = self._staged[:offset] + piece
        return "ok staged={}".format(len(self._staged))

    def commit(self, words: list) -> str:
        """Check all that was put, and write it. `words`: length, first 16 digits of its
        SHA-256, seconds of the Unix epoch or 0, who, why."""
        length, digest, epoch, who, why = words
        if not length.isdigit() or not epoch.isdigit() or int(epoch) > _EPOCH_HIGHEST:
            return "no a length and seconds are expected"
        if len(who) > config_ledger.WHO_BYTES or len(why) > config_ledger.WHY_BYTES:
            return "no who has at most {} characters and why {}".format(
                config_ledger.WHO_BYTES, config_ledger.WHY_BYTES)
        info = self._info
        if digest == info["config"]:
            # It is there already: perhaps the answer to the commit before was lost.
            is_noted = config_ledger.newest(self._board.ledger_storage) == digest
            return "ok config={} ledger={}".format(
                digest, 1 if is_noted else self._note(int(epoch), who, why))
        staged = self._staged
        if len(staged) != int(length) or slots.digest_of(staged) != digest:
            return "no the {} bytes that came are not the {} of {}: put them again".format(
                len(staged), length, digest)
        problem = self._problem(staged) or info["write_config"](staged)
        if problem:
            return "no " + problem
        self._staged = b""
        return "ok config={} ledger={}".format(digest, self._note(int(epoch), who, why))

    def _problem(self, blob: bytes) -> str:
        """Why this device takes no such config, "" if it does."""
        try:
            config_file.check(blob)
            chip = wiring.CHIPS[wiring.decode(blob).chip]
        except (SettingsError, wiring.WiringError) as refused:
            return str(refused)
        if chip != self._info["chip"]:
            return "it is for {}; this device is {}".format(chip, self._info["chip"])
        return ""

    def _note(self, epoch_s: int, who: str, why: str) -> int:
        """In the device's ledger; 1 if it is kept there."""
        info = self._info
        return 1 if config_ledger.append(
            self._board.ledger_storage, info["boot"].boots, epoch_s, info["config"], who,
            why[: config_ledger.WHY_BYTES],
        ) else 0
