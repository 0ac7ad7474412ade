"""What survives a power cut: the pass record.

It holds the passes opened in each zone and their crystals, whether the session
is still open, the session time spent, how long the pump has run, and a fault
that only SERVICE may clear. It is committed before the suction of a pass starts,
and only in a storage window: outputs commanded safe, and both channels below
the released vacuum. A restart reads it back, so a count is never lower than
the truth. A record that was damaged, or that counts the zones of another
protocol, stands for an open session with every pass spent: the operator can
end that session, but nothing treats on a guess.

Form, little-endian: u16 sequence | u32 session | u8 session is open |
u16 session time in s | u16 pump time in s | u8 kept fault |
16 x u8 passes opened | 16 x u8 crystals in 500 mg, rounded up |
u32 mark of the protocol | u32 CRC-32 of all before it.
"""

import struct
from binascii import crc32

from firmware import limits
from firmware.passes import Passes
from firmware.pump_rest import PumpRest
from firmware.treatment import Treatment

_FORM = "<HIBHHB16s16sI"
_S_HIGHEST = 65_535
_CRYSTALS_MG = 500
_UNITS_HIGHEST = 255


def encode(passes: Passes, treatment: Treatment, pump_rest: PumpRest, mark: int) -> bytes:
    """The pass record of the state as it stands, for the protocol of `mark`."""
    spent_s = treatment.session_ms // 1000
    opened = bytearray(limits.ZONES)
    crystals = bytearray(limits.ZONES)
    for zone in range(limits.ZONES):
        opened[zone] = passes.kept(zone)
        units = (passes.zone_crystals_mg[zone] + _CRYSTALS_MG - 1) // _CRYSTALS_MG
        crystals[zone] = units if units < _UNITS_HIGHEST else _UNITS_HIGHEST
    body = struct.pack(
        _FORM,
        passes.sequence,
        passes.session,
        passes.session_is_open,
        spent_s if spent_s < _S_HIGHEST else _S_HIGHEST,
        pump_rest.on_ms // 1000,
        treatment.kept_fault,
        bytes(opened),
        bytes(crystals),
        mark,
    )
    return body + struct.pack("<I", crc32(body))


def restore(
    record: bytes, passes: Passes, treatment: Treatment, pump_rest: PumpRest, mark: int
) -> bool:
    """Take a stored record over at start. False if its counts cannot be used.

    No record at all (b"") is a device that has never treated.
    """
    if not record:
        return True
    length = struct.calcsize(_FORM)
    opened = bytes([limits.PASSES_PER_ZONE] * limits.ZONES)
    crystals = bytes(limits.ZONES)
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
        pump_rest.on_ms = fields[4] * 1000
        treatment.kept_fault = fields[5]
        if passes.session_is_open and fields[8] != mark:
            intact = False
        else:
            opened = fields[6]
            crystals = fields[7]
    if not intact:
        passes.session_is_open = 1
    for zone in range(limits.ZONES):
        passes.set_opened(zone, min(opened[zone], limits.PASSES_PER_ZONE))
        passes.zone_crystals_mg[zone] = crystals[zone] * _CRYSTALS_MG
    return intact
