"""The compiled config as one file: wiring, settings, and sections behind them.

    wiring blob (hal.wiring) | settings blob (firmware.settings) | sections
    section, little-endian: 4-byte magic | u16 length | payload | u32 CRC-32 of all of it

Wiring and settings have checksums of their own. A section is what came to a config
later, and a device need not know it to keep it: it passes on unknown ones untouched, and
refuses a file in which any is damaged. A file without sections is whole.

What is asked of a `blob` here is asked of one that `check` has passed; of another, what
comes out is refused by whoever decodes it.
"""

import struct
from binascii import crc32

from micropython import const

from firmware import limits, settings
from firmware.settings import SettingsError
from hal import wiring

CERTIFICATE = b"EMRC"
PLANT = b"EMRP"  # the device keeps it and never looks inside

CONFIG_LONGEST = const(2_048)

_SECTION_HEAD = "<4sH"
_HEAD_BYTES = const(6)
_CRC_AFTER = const(4)


def check(blob: bytes) -> None:
    """WiringError or SettingsError unless all of the file is whole and in order."""
    wiring.decode(blob)
    settings.decode(settings_of(blob))
    check_sections(blob)


def check_sections(blob: bytes) -> None:
    """SettingsError unless all behind the settings is whole."""
    if len(blob) > CONFIG_LONGEST:
        raise SettingsError("length", "more than {} bytes".format(CONFIG_LONGEST))
    at = settings_end(blob)
    seen = []
    while at < len(blob):
        end = _section_end(blob, at)
        if not end or end > len(blob):
            raise SettingsError("sections", "the file ends in the midst of one; push it again")
        crc_at = end - _CRC_AFTER
        if crc32(blob[at:crc_at]) != struct.unpack_from("<I", blob, crc_at)[0]:
            raise SettingsError("sections", "one was damaged; push the config again")
        magic = bytes(blob[at : at + 4])
        if magic in seen:
            raise SettingsError("sections", "one is there twice")
        seen.append(magic)
        at = end


def settings_of(blob: bytes) -> bytes:
    """The settings blob of a config."""
    return bytes(blob[wiring.LENGTH : settings_end(blob)])


def settings_end(blob: bytes) -> int:
    """Where the settings end and the sections begin. The end of the file, if the settings
    are too short, or have too many zones, for that to be known."""
    count_at = wiring.LENGTH + settings.compiled_length(0) - 5
    if count_at >= len(blob) or blob[count_at] > limits.ZONES:
        return len(blob)
    return min(wiring.LENGTH + settings.compiled_length(blob[count_at]), len(blob))


def section(blob: bytes, magic: bytes) -> bytes:
    """The payload of a section, b"" if there is none."""
    begin, end = _place(blob, magic)
    return bytes(blob[begin + _HEAD_BYTES : end - _CRC_AFTER]) if end > begin else b""


def with_section(blob: bytes, magic: bytes, payload: bytes) -> bytes:
    """The config with this section in the place of the one that it had, or at its end;
    without one for an empty payload."""
    begin, end = _place(blob, magic)
    whole = b""
    if payload:
        whole = struct.pack(_SECTION_HEAD, magic, len(payload)) + payload
        whole += struct.pack("<I", crc32(whole))
    return bytes(blob[:begin]) + whole + bytes(blob[end:])


def with_settings(blob: bytes, compiled: bytes) -> bytes:
    """The config with other compiled settings, and what it had around them."""
    return bytes(blob[: wiring.LENGTH]) + compiled + bytes(blob[settings_end(blob) :])


def _place(blob: bytes, magic: bytes) -> tuple:
    """Begin and end of a section; the end of the file, twice, if it is not there."""
    at = settings_end(blob)
    while at < len(blob):
        end = _section_end(blob, at)
        if not end or end > len(blob):
            break
        if blob[at : at + 4] == magic:
            return at, end
        at = end
    return len(blob), len(blob)


def _section_end(blob: bytes, at: int) -> int:
    """Where the section at `at` says that it ends, 0 if not even its head is there."""
    if at + _HEAD_BYTES > len(blob):
        return 0
    return at + _HEAD_BYTES + struct.unpack_from("<H", blob, at + 4)[0] + _CRC_AFTER
