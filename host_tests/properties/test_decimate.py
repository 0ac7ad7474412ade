"""Thinning a column never loses a peak, a change or the order of time."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emery.simulator.decimate import change_rows, kept_rows

values_lists = st.lists(st.integers(-(2**30), 2**30), max_size=200)
# Few different values: runs, ties of lowest and highest, flat stretches.
flat_lists = st.lists(st.integers(0, 2), max_size=200)
columns = values_lists | flat_lists
strides = st.integers(1, 40)
windows_lists = st.lists(st.tuples(st.integers(-50, 250), st.integers(-50, 250)), max_size=4)


@given(columns, strides, windows_lists)
def test_every_bucket_keeps_its_lowest_and_its_highest(
    values: list[int], stride: int, windows: list[tuple[int, int]]
) -> None:
    rows = kept_rows(values, stride, windows)
    for start in range(0, len(values), stride):
        bucket = values[start : start + stride]
        kept = [values[row] for row in rows if start <= row < start + stride]
        assert min(kept) == min(bucket)
        assert max(kept) == max(bucket)


@given(columns, strides, windows_lists)
def test_rows_are_in_order_of_time_with_the_first_and_the_last(
    values: list[int], stride: int, windows: list[tuple[int, int]]
) -> None:
    rows = list(kept_rows(values, stride, windows))
    assert all(before < after for before, after in pairwise(rows))
    assert rows[:1] == ([0] if values else [])
    assert rows[-1:] == ([len(values) - 1] if values else [])


@given(columns, strides, windows_lists)
def test_a_window_is_kept_whole(
    values: list[int], stride: int, windows: list[tuple[int, int]]
) -> None:
    rows = set(kept_rows(values, stride, windows))
    for first, after in windows:
        assert rows >= set(range(max(first, 0), min(after, len(values))))


@given(columns, strides)
def test_without_windows_little_is_kept(values: list[int], stride: int) -> None:
    buckets = -(-len(values) // stride)
    assert len(kept_rows(values, stride)) <= max(2 * buckets + 2, 2)


@given(columns)
def test_changes_rebuild_the_column(values: list[int]) -> None:
    rows = list(change_rows(values))
    rebuilt: list[int] = []
    for row, after in pairwise([*rows, len(values)]):
        rebuilt += [values[row]] * (after - row)
    assert rebuilt == values
    assert all(values[row] != values[row - 1] for row in rows if row)


def test_a_stride_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="stride is 0"):
        kept_rows([1, 2, 3], 0)
