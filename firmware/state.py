"""The full state of the core as one flat row of integers.

Every part that changes from tick to tick names its attributes in `STATE`; an
attribute is an integer, or an array of them. In that order the rows of all
parts are a snapshot: restored into parts made from the same settings, they carry
on exactly. `host_tests` hold that no part has state it does not name.

A snapshot is a plain list, since it must be taken between two ticks: a store
into a list costs a tenth of packing bytes. `save` and `load` do the same with
bytes, four for each integer, little-endian, for whoever has the time.
"""

import struct


def size(parts: tuple) -> int:
    """Bytes that `save` needs for these parts."""
    return 4 * count(parts)


def count(parts: tuple) -> int:
    """Integers in a snapshot of these parts."""
    total = 0
    for part in parts:
        for name in part.STATE:
            value = getattr(part, name)
            total += 1 if isinstance(value, int) else len(value)
    return total


def snapshot(parts: tuple, row: list) -> None:
    """Write the state of `parts` into `row`, `count(parts)` long."""
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


def restore(parts: tuple, row: list) -> None:
    """Read into `parts` a snapshot of such parts."""
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


def save(parts: tuple, buffer: bytearray) -> None:
    """Write the state of `parts` into `buffer`, `size(parts)` bytes long."""
    row = [0] * count(parts)
    snapshot(parts, row)
    for at in range(len(row)):
        struct.pack_into("<i", buffer, 4 * at, row[at])


def load(parts: tuple, buffer: bytearray) -> None:
    """Read into `parts` what `save` wrote from such parts."""
    row = [0] * count(parts)
    for at in range(len(row)):
        row[at] = struct.unpack_from("<i", buffer, 4 * at)[0]
    restore(parts, row)
