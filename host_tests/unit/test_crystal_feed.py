"""Crystal feed: contact, band, and the way back up the band."""

import pytest

from firmware.crystal_feed import CrystalFeed
from firmware.limits import LEVEL_VACUUM_PA
from host_tests.bench import bench_settings

SET_PA = 27_000
FLOW_MG_MIN = 8_000
BAND_PA = bench_settings().band_pa


def feed_of(**values: int) -> CrystalFeed:
    return CrystalFeed(bench_settings(**values))


def flowing() -> CrystalFeed:
    feed = feed_of()
    feed.step(FLOW_MG_MIN, SET_PA, SET_PA, 1)
    assert feed.valve_permille == 400
    assert feed.flow_mg_min == FLOW_MG_MIN
    return feed


def assert_shut(feed: CrystalFeed) -> None:
    assert (feed.valve_permille, feed.flow_mg_min) == (0, 0)


def test_a_lost_contact_shuts_in_the_same_tick() -> None:
    feed = flowing()
    feed.step(FLOW_MG_MIN, SET_PA, SET_PA, 0)
    assert_shut(feed)


def test_no_set_vacuum_or_no_flow_shuts() -> None:
    feed = flowing()
    feed.step(FLOW_MG_MIN, 0, 0, 1)
    assert_shut(feed)
    feed = flowing()
    feed.step(0, SET_PA, SET_PA, 1)
    assert_shut(feed)


def test_below_the_band_shuts_in_the_same_tick() -> None:
    feed = flowing()
    feed.step(FLOW_MG_MIN, SET_PA, SET_PA - BAND_PA, 1)
    assert feed.valve_permille == 400
    feed.step(FLOW_MG_MIN, SET_PA, SET_PA - BAND_PA - 1, 1)
    assert_shut(feed)


def test_it_opens_only_in_the_upper_half_of_the_band() -> None:
    feed = feed_of()
    feed.step(FLOW_MG_MIN, SET_PA, SET_PA - BAND_PA // 2 - 1, 1)
    assert_shut(feed)
    feed.step(FLOW_MG_MIN, SET_PA, SET_PA - BAND_PA // 2, 1)
    assert feed.valve_permille == 400


@pytest.mark.parametrize("set_pa", LEVEL_VACUUM_PA)
@pytest.mark.parametrize("band_pa", [1_000, 4_000, 8_000])
def test_no_crystals_on_an_open_tip_at_any_level(set_pa: int, band_pa: int) -> None:
    feed = feed_of(band_pa=band_pa)
    # Believed contact with a vacuum that an open tip could have.
    for vacuum_pa in range(set_pa, -2_000, -100):
        feed.step(FLOW_MG_MIN, set_pa, vacuum_pa, 1)
        if vacuum_pa < set_pa / 2:
            assert_shut(feed)


def test_at_a_low_level_the_band_is_half_of_the_set_vacuum() -> None:
    feed = feed_of(band_pa=8_000)
    feed.step(FLOW_MG_MIN, 10_000, 10_000, 1)
    feed.step(FLOW_MG_MIN, 10_000, 5_000, 1)
    assert feed.valve_permille == 400
    feed.step(FLOW_MG_MIN, 10_000, 4_999, 1)
    assert_shut(feed)
    feed.step(FLOW_MG_MIN, 10_000, 7_499, 1)
    assert_shut(feed)
    feed.step(FLOW_MG_MIN, 10_000, 7_500, 1)
    assert feed.valve_permille == 400


@pytest.mark.parametrize(
    ("flow_mg_min", "full_flow_mg_min", "permille"),
    [(8_000, 20_000, 400), (20_000, 20_000, 1000), (20_000, 10_000, 1000), (1_000, 40_000, 25)],
)
def test_the_valve_is_the_share_of_the_full_flow(
    flow_mg_min: int, full_flow_mg_min: int, permille: int
) -> None:
    feed = feed_of(full_flow_mg_min=full_flow_mg_min)
    feed.step(flow_mg_min, SET_PA, SET_PA, 1)
    assert feed.valve_permille == permille
