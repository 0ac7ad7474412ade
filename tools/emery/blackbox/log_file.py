"""One file with everything a device remembers: a log.

It is JSON, so that it can be looked into and kept beside a test:

    {"schema": "emery.log/1",
     "emery": "0.1.0",                       the emery that pulled it
     "pulled": "2026-11-25T17:04:09+00:00",  when, by the clock of that computer
     "device": {"version": "0.1.0", ...},    the fields of `hello`, as they came
     "missing": {"box": "no core: ..."},     what the device could not give, and its words
     "blobs": {"box": {"sha256": "...", "base64": "..."}, ...}}

Blobs are as the device has them: box (`firmware/black_box.py`), journal
(`firmware/journal.py`), config (`hal/wiring.py`, then `firmware/settings.py`), record
(`firmware/storage.py`), boot (`firmware/boot_record.py`), crash (text, UTF-8).
"""

import base64
import binascii
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emery.blackbox.box import Box, BoxError
from emery.link.said import Hello
from firmware.config_file import settings_of
from firmware.settings import Settings, SettingsError
from firmware.settings import decode as decode_settings

SCHEMA = "emery.log/1"
ENDING = ".emery-log"

# In the order in which they are pulled: what is overwritten first comes first.
BLOBS = ("box", "journal", "record", "boot", "crash", "config")

_PULL_AGAIN = "Pull it again: emery log pull"


class LogFileError(Exception):
    """What is wrong with a log, and what to do next."""


@dataclass(frozen=True, slots=True)
class Log:
    """What a device remembered. `device` has the fields of its `hello`; a blob that it
    could not give is not in `blobs`, and its words are in `missing`."""

    emery: str
    pulled: str
    device: dict[str, str]
    missing: dict[str, str]
    blobs: dict[str, bytes]

    @property
    def hello(self) -> Hello:
        """Who it was."""
        return Hello.of(self.device)

    def box(self) -> Box:
        """Its black box. Raises LogFileError."""
        try:
            return Box.of(self._blob("box"))
        except BoxError as error:
            raise LogFileError(f"the black box in this log cannot be read: {error}") from None

    def settings(self) -> Settings:
        """The settings it runs on. Raises LogFileError."""
        config = self._blob("config")
        digest = hashlib.sha256(config).hexdigest()
        if self.hello.config and not digest.startswith(self.hello.config):
            raise LogFileError(
                "the config in this log is not the one that the device was running on: it "
                f"was changed after the start. Restart the device; then {_PULL_AGAIN.lower()}"
            )
        try:
            return decode_settings(settings_of(config))
        except SettingsError as error:
            raise LogFileError(
                f"the config in this log is refused by this emery's firmware: {error}. Use "
                f"the emery of the device's version ({self.hello.version or 'not told'})"
            ) from None

    def _blob(self, name: str) -> bytes:
        if name not in self.blobs:
            words = self.missing.get(name, "")
            raise LogFileError(
                f"this log has no {name}" + (f": the device said `{words}`" if words else "")
            )
        return self.blobs[name]

    def text(self) -> str:
        """The file's content."""
        blobs = {
            name: {
                "sha256": hashlib.sha256(content).hexdigest(),
                "base64": base64.b64encode(content).decode(),
            }
            for name, content in self.blobs.items()
        }
        document = {
            "schema": SCHEMA,
            "emery": self.emery,
            "pulled": self.pulled,
            "device": self.device,
            "missing": self.missing,
            "blobs": blobs,
        }
        return json.dumps(document, indent=1) + "\n"


def read(path: Path) -> Log:
    """The log in a file. Raises LogFileError, or OSError if there is none."""
    content = path.read_bytes()
    try:
        document = json.loads(content)
    except ValueError as error:
        raise LogFileError(f"{path} is no log of emery: {error}. {_PULL_AGAIN}") from None
    try:
        return _log(document)
    except LogFileError as error:
        raise LogFileError(f"{path}: {error}. {_PULL_AGAIN}") from None


def _log(document: Any) -> Log:
    if not isinstance(document, dict):
        raise LogFileError("is no log of emery")
    if document.get("schema") != SCHEMA:
        raise LogFileError(
            f'has "schema": {json.dumps(document.get("schema"))}; "{SCHEMA}" is expected'
        )
    blobs: dict[str, bytes] = {}
    entries = document.get("blobs")
    if not isinstance(entries, dict):
        raise LogFileError('has no "blobs"')
    for name, entry in entries.items():
        try:
            content = base64.b64decode(entry["base64"], validate=True)
            told = entry["sha256"]
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise LogFileError(f"its {name} is damaged") from None
        if hashlib.sha256(content).hexdigest() != told:
            raise LogFileError(f"its {name} was changed: the sum does not fit")
        blobs[str(name)] = content
    return Log(
        _word(document, "emery"),
        _word(document, "pulled"),
        _words(document, "device"),
        _words(document, "missing"),
        blobs,
    )


def _word(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise LogFileError(f'its "{key}" is no text')
    return value


def _words(document: dict[str, Any], key: str) -> dict[str, str]:
    value = document.get(key)
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise LogFileError(f'its "{key}" is no table of texts')
    return value


def write(path: Path, content: str, *, over: bool) -> None:
    """Write a file, all of it or nothing. FileExistsError if it is there and not `over`;
    else OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        if over:
            made.replace(path)
        else:
            _put_new(made, path)
    finally:
        made.unlink(missing_ok=True)
    # mkstemp's files are for their owner alone.
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _put_new(made: Path, path: Path) -> None:
    """In the place of nothing, also if another program makes the same one meanwhile."""
    try:
        path.hardlink_to(made)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        made.replace(path)
