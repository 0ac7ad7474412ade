"""The full state of the core as one flat row of integers.

Every part that changes from tick to tick names its attributes in `STATE`; an
attribute is an integer, or an array of them. Written in that order as i32,
little-endian, the rows of all parts are a keyframe: read back into parts made
from the same settings, they carry on exactly. `host_tests` hold that no part
has state it does not name.
"""

import struct


def size(parts: tuple) -> int:
    """Bytes that `save` needs for these parts."""
    count = 0
    for part in parts:
        for name in part.STATE:
            value = getattr(part, name)
            count += 1 if isinstance(value, int) else len(value)
    return 4 * count


def save(parts: tuple, buffer: bytearray) -> None:
    """Write the state of `parts` into `buffer`, `size(parts)` bytes long."""
    offset = 0
    for part in parts:
        for name in part.STATE:
            value = getattr(part, name)
            if isinstance(value, int):
                struct.pack_into("<i", buffer, offset, value)
                offset += 4
            else:
                for item in value:
                    struct.pack_into("<i", buffer, offset, item)
                    offset += 4


def load(parts: tuple, buffer: bytearray) -> None:
    """Read into `parts` what `save` wrote from such parts."""
    offset = 0
    for part in parts:
        for name in part.STATE:
            value = getattr(part, name)
            if isinstance(value, int):
                setattr(part, name, struct.unpack_from("<i", buffer, offset)[0])
                offset += 4
            else:
                for index in range(len(value)):
                    value[index] = struct.unpack_from("<i", buffer, offset)[0]
                    offset += 4
