"""Which rows of a trace are worth keeping, so that no peak is ever lost.

A picture is narrower than a treatment is long. Dropping every n-th row would
drop peaks, and the peaks are what a vacuum trace is read for. So rows are
taken in buckets and each bucket keeps the row of its lowest and the row of
its highest value: true samples at their true times, in order. Whatever lies
in a window around something that happened is kept whole.

Columns that hold a state rather than a quantity are kept exactly, as the rows
where they change.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import compress
from operator import ne

__all__ = ["change_rows", "kept_rows"]


def kept_rows(
    values: Sequence[int], stride: int, windows: Iterable[tuple[int, int]] = ()
) -> "array[int]":
    """Row numbers to keep of a column, ascending and without repeats.

    `stride` is the number of rows in a bucket, 1 or more; up to 2 rows there
    is nothing to leave out. `windows` are (first row, row after the last)
    and are kept whole; they may overlap and reach past the ends. The first
    and the last row are always kept.
    """
    if stride < 1:
        raise ValueError(f"stride is {stride}; at least 1 row a bucket is expected")
    count = len(values)
    if stride <= 2 or count <= 2:
        return array("i", range(count))
    keep = bytearray(count)
    keep[0] = keep[-1] = 1
    for start in range(0, count, stride):
        bucket = values[start : start + stride]
        keep[start + bucket.index(min(bucket))] = 1
        keep[start + bucket.index(max(bucket))] = 1
    for first, after in windows:
        first = min(max(first, 0), count)
        after = min(max(after, first), count)
        keep[first:after] = b"\x01" * (after - first)
    return array("i", compress(range(count), keep))


def change_rows(values: Sequence[int]) -> "array[int]":
    """Row numbers at which a column takes a new value; row 0 comes first."""
    if not values:
        return array("i")
    changed = map(ne, values[1:], values)
    return array("i", [0, *compress(range(1, len(values)), changed)])
