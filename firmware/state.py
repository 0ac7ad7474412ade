"""The full state of the core as one flat row of integers.

Every part that changes from tick to tick names its attributes in `STATE`; an
attribute is an integer, or an array of them. In that order the rows of all
parts are a keyframe: read back into parts made from the same settings, they
carry on exactly. `host_tests` hold that no part has state it does not name.

A keyframe is a plain list, since it must be saved between two ticks: a store
into a list costs a tenth of packing bytes. `pack` makes bytes of it, as i32,
little-endian, for whoever has the time.
"""

import struct


def size(parts: tuple) -> int:
    """How many integers `save` needs room for."""
    count = 0
    for part in parts:
        for name in part.STATE:
            value = getattr(part, name)
            count += 1 if isinstance(value, int) else len(value)
    return count


def save(parts: tuple, row: list) -> None:
    """Write the state of `parts` into `row`, `size(parts)` long."""
    at = 0
    for part in parts:
        for name in part.STATE:
            value = getattr(part, name)
            if isinstance(value, int):
                row[at] = value
                at += 1
            else:
                for item in value:
                    row[at] = item
                    at += 1


def load(parts: tuple, row: list) -> None:
    """Read into `parts` what `save` wrote from such parts."""
    at = 0
    for part in parts:
        for name in part.STATE:
            value = getattr(part, name)
            if isinstance(value, int):
                setattr(part, name, row[at])
                at += 1
            else:
                for index in range(len(value)):
                    value[index] = row[at]
                    at += 1


def pack(row: list, buffer: bytearray) -> None:
    """Write what `save` wrote into `buffer`, four bytes for each integer."""
    offset = 0
    for value in row:
        struct.pack_into("<i", buffer, offset, value)
        offset += 4
