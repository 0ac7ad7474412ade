"""Raw counts to vacuum: the data sheet's law, the median, the trim."""

import itertools

import pytest

from firmware.sensing import Channel, Sensing
from hal.contract import RAW_FULL_SCALE
from host_tests.bench import bench_settings, raw_at, readings_at, supply_raw, vacuum_of


def settled(channel: Channel, raw: int, supply: int) -> int:
    """What a channel reads once a steady raw count has passed its median."""
    for _ in range(3):
        channel.step(raw, supply)
    return channel.vacuum_pa


@pytest.mark.parametrize("part", [0.92, 1.0, 1.08])
def test_every_raw_count_follows_the_law_of_the_data_sheet(part: float) -> None:
    settings = bench_settings()
    channel = Sensing(settings).a
    supply = supply_raw(settings, part)
    worst_low = worst_high = 0.0
    for raw in range(RAW_FULL_SCALE + 1):
        error = settled(channel, raw, supply) - vacuum_of(settings, "a", raw, supply)
        worst_low = min(worst_low, error)
        worst_high = max(worst_high, error)
    # Rounding is always up, to the safe side: one Pa down at most.
    assert worst_low > -1.0
    assert worst_high < 26.0


def test_zero_and_the_levels_read_as_they_should() -> None:
    settings = bench_settings()
    sensing = Sensing(settings)
    for vacuum_pa in (0, 10_000, 27_000, 40_000, 45_000):
        for _ in range(3):
            sensing.step(readings_at(settings, vacuum_pa))
        assert sensing.a.vacuum_pa == pytest.approx(vacuum_pa, abs=26)
        assert sensing.b.vacuum_pa == pytest.approx(vacuum_pa, abs=26)
        assert sensing.vacuum_pa == pytest.approx(vacuum_pa, abs=26)


def test_control_works_with_the_mean_of_the_channels() -> None:
    settings = bench_settings()
    sensing = Sensing(settings)
    for _ in range(3):
        sensing.step(readings_at(settings, 20_000, 24_000))
    assert sensing.vacuum_pa == (sensing.a.vacuum_pa + sensing.b.vacuum_pa) // 2
    assert sensing.vacuum_pa == pytest.approx(22_000, abs=26)


@pytest.mark.parametrize("outlier", [0, RAW_FULL_SCALE])
@pytest.mark.parametrize("place", range(5))
def test_a_single_outlier_leaves_no_trace(place: int, outlier: int) -> None:
    settings = bench_settings()
    channel = Sensing(settings).a
    supply = supply_raw(settings)
    raw = round(raw_at(settings, "a", 27_000, supply))
    steady = settled(channel, raw, supply)
    for n in range(6):
        channel.step(outlier if n == place else raw, supply)
        assert channel.vacuum_pa == steady


def test_two_outliers_in_a_row_are_believed() -> None:
    settings = bench_settings()
    channel = Sensing(settings).a
    supply = supply_raw(settings)
    steady = settled(channel, round(raw_at(settings, "a", 27_000, supply)), supply)
    channel.step(0, supply)
    assert channel.vacuum_pa == steady
    channel.step(0, supply)
    assert channel.vacuum_pa > 100_000


@pytest.mark.parametrize("order", list(itertools.permutations((5_000, 20_000, 35_000))))
def test_the_median_is_the_middle_one_in_any_order(order: tuple[int, ...]) -> None:
    settings = bench_settings()
    channel = Sensing(settings).a
    supply = supply_raw(settings)
    for vacuum_pa in order:
        channel.step(round(raw_at(settings, "a", vacuum_pa, supply)), supply)
    assert channel.vacuum_pa == pytest.approx(20_000, abs=26)


def test_the_supply_cancels_out() -> None:
    settings = bench_settings()
    sensing = Sensing(settings)
    for part in (0.92, 0.95, 1.0, 1.05, 1.08):
        supply = supply_raw(settings, part)
        raw = round(raw_at(settings, "b", 30_000, supply))
        assert settled(sensing.b, raw, supply) == pytest.approx(30_000, abs=26)


def test_a_trim_is_taken_off_its_own_channel_and_adds_up() -> None:
    settings = bench_settings()
    sensing = Sensing(settings)
    for trims in ((500, -300), (100, 50)):
        sensing.trim(*trims)
    for _ in range(3):
        sensing.step(readings_at(settings, 20_000))
    assert (sensing.a.trim_pa, sensing.b.trim_pa) == (600, -250)
    assert sensing.a.vacuum_pa == pytest.approx(19_400, abs=26)
    assert sensing.b.vacuum_pa == pytest.approx(20_250, abs=26)


@pytest.mark.parametrize("supply", [0, 1, 2, RAW_FULL_SCALE])
@pytest.mark.parametrize("raw", [0, 1, RAW_FULL_SCALE])
def test_an_absurd_supply_is_no_error_here(raw: int, supply: int) -> None:
    # Protection latches it; sensing must not raise before it does.
    settings = bench_settings()
    sensing = Sensing(settings)
    readings = readings_at(settings)
    readings.vacuum_a_raw = readings.vacuum_b_raw = raw
    readings.sensor_supply_raw = supply
    for _ in range(3):
        sensing.step(readings)
    assert -600_000 < sensing.vacuum_pa <= 245_000
