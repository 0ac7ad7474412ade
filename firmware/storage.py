"""What survives a power cut: the pass record.

It holds the passes opened in each zone and their crystals, whether the session
is still open, the session time spent, how long the pump has run, and a fault
that only SERVICE may clear. It is committed before the suction of a pass starts
and after the pass has closed, so that a power cut loses at most the time and
the crystals of one pass, and never its count.

It is written only in a storage window, since the tick stands still meanwhile:
outputs commanded safe, and both channels below the released vacuum. In FAULT a
while with safe outputs is enough, whatever the channels say: no tick could let
the vacuum go any sooner, and a fault must get on record although a sensor is
broken.

A restart reads it back. A record that counts the zones of another protocol
stands for an open session with every pass spent: the operator can end that
session, but nothing treats on a guess. So does a record that is damaged or
cannot be read; it may have held a fault that only SERVICE may clear, and so
it is one.

Wear: a session commits at its start and end, and twice for each pass. The most
is 16 zones of 3 passes: 98 commits, and with 8 sessions a day for 10 years 2.9
million. littlefs spreads them over the free sectors of the flash; even at two
erases of 4 kB for each, 64 free sectors of 100 000 erases (W25Q16JV data
sheet) last for 3.2 million. A usual session has 20 commits. [E]

Form, little-endian: u16 sequence | u32 session | u8 session is open |
u16 session time in s | u16 pump time in s | u8 kept fault |
16 x u8 passes opened | 16 x u8 crystals in 500 mg, rounded up |
u32 mark of the protocol | u32 CRC-32 of all before it.
"""

import struct
from binascii import crc32

from firmware import faults, limits
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
    """Take a stored record over at start. False if it is of another protocol.

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
    is_of_this = True
    if intact:
        fields = struct.unpack_from(_FORM, record, 0)
        passes.sequence = fields[0]
        passes.session = fields[1]
        passes.session_is_open = 1 if fields[2] else 0
        treatment.session_ms = fields[3] * 1000
        pump_rest.on_ms = fields[4] * 1000
        treatment.kept_fault = fields[5]
        if passes.session_is_open and fields[8] != mark:
            is_of_this = False
        else:
            opened = fields[6]
            crystals = fields[7]
    else:
        passes.session_is_open = 1
        treatment.kept_fault = faults.RECORD_DAMAGED
    for zone in range(limits.ZONES):
        passes.set_opened(zone, min(opened[zone], limits.PASSES_PER_ZONE))
        passes.zone_crystals_mg[zone] = crystals[zone] * _CRYSTALS_MG
    return is_of_this
