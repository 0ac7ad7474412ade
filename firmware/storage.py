"""What survives a power cut: the pass record.

It holds the passes opened in each zone, whether the session is still open, and
the session time spent. It is committed before the suction of a pass starts,
and only in a storage window: outputs commanded safe, and both channels below
the released vacuum. A restart reads it back, so a count is never lower than
the truth. A record that was damaged, or that counts the zones of another
protocol, stands for an open session with every pass spent: the operator can
end that session, but nothing treats on a guess.

Form, little-endian: u16 sequence | u32 session | u8 session is open |
u16 session time in s | 16 x u8 passes opened | u32 mark of the protocol |
u32 CRC-32 of all before it.
"""

import struct
from binascii import crc32

from firmware import limits
from firmware.passes import Passes
from firmware.treatment import Treatment

_FORM = "<HIBH16sI"
_S_HIGHEST = 65_535


def encode(passes: Passes, treatment: Treatment, mark: int) -> bytes:
    """The pass record of the state as it stands, for the protocol of `mark`."""
    spent_s = treatment.session_ms // 1000
    body = struct.pack(
        _FORM,
        passes.sequence,
        passes.session,
        passes.session_is_open,
        spent_s if spent_s < _S_HIGHEST else _S_HIGHEST,
        bytes(passes.opened),
        mark,
    )
    return body + struct.pack("<I", crc32(body))


def restore(record: bytes, passes: Passes, treatment: Treatment, mark: int) -> bool:
    """Take a stored record over at start. False if its counts cannot be used.

    No record at all (b"") is a device that has never treated.
    """
    if not record:
        return True
    length = struct.calcsize(_FORM)
    opened = bytes([limits.PASSES_PER_ZONE] * limits.ZONES)
    intact = (
        len(record) == length + 4
        and crc32(record[:length]) == struct.unpack_from("<I", record, length)[0]
    )
    if intact:
        fields = struct.unpack_from(_FORM, record, 0)
        passes.sequence = fields[0]
        passes.session = fields[1]
        passes.session_is_open = 1 if fields[2] else 0
        treatment.session_ms = fields[3] * 1000
        if passes.session_is_open and fields[5] != mark:
            intact = False
        else:
            opened = fields[4]
    if not intact:
        passes.session_is_open = 1
    for zone in range(limits.ZONES):
        passes.opened[zone] = min(opened[zone], limits.PASSES_PER_ZONE)
    return intact
