"""Sensing over everything the settings and a converter can bring."""

import itertools

from hypothesis import assume, given
from hypothesis import strategies as st

from firmware.sensing import Sensing
from firmware.settings import Settings
from hal.contract import RAW_FULL_SCALE
from host_tests.bench import supply_raw, vacuum_of
from host_tests.core_strategies import accepted_settings, edges, small, steepest_settings, watch

RAW = edges(0, RAW_FULL_SCALE)


@given(accepted_settings(), st.sampled_from("ab"), RAW, st.floats(0.9, 1.1))
def test_the_law_of_the_data_sheet(
    settings: Settings, channel: str, raw: int, part: float
) -> None:
    supply = min(RAW_FULL_SCALE, supply_raw(settings, part))
    assume(raw < 4 * supply)  # the ratio is clamped there, past any sensor
    sensor = getattr(Sensing(settings), channel)
    for _ in range(3):
        sensor.step(raw, supply)
    # Rounded up only: by a unit of the ratio, by one of the slope, and twice by 1 Pa.
    ratio_unit_pa = 131_000 / 2**14
    slope_unit_pa = 8 * raw / supply
    error_pa = sensor.vacuum_pa - vacuum_of(settings, channel, raw, supply)
    assert -1.001 < error_pa <= ratio_unit_pa + slope_unit_pa + 1.001


@given(accepted_settings(), st.lists(st.tuples(RAW, RAW, RAW), min_size=1, max_size=6))
def test_no_product_leaves_the_small_integers(
    settings: Settings, samples: list[tuple[int, int, int]]
) -> None:
    sensing = Sensing(settings)
    for part in (sensing, sensing.a, sensing.b):
        watch(part)
    for a_raw, b_raw, supply in samples:
        sensing.a.step(small(a_raw), small(max(1, supply)))
        sensing.b.step(small(b_raw), small(max(1, supply)))


def test_not_even_at_the_steepest_slope_that_the_rules_allow() -> None:
    slopes = []
    for settings in steepest_settings():
        channel = Sensing(settings).a
        watch(channel)
        slopes.append(channel._slope)
        for raw, supply in itertools.product((0, RAW_FULL_SCALE), (1, 2, RAW_FULL_SCALE)):
            channel.step(small(raw), small(supply))
    assert max(slopes) > 16_300  # the corner was reached


@given(accepted_settings(), st.lists(RAW, min_size=3, max_size=12), st.data())
def test_the_value_is_always_one_of_the_last_three(
    settings: Settings, raws: list[int], data: st.DataObject
) -> None:
    supply = supply_raw(settings)
    sensor, single = Sensing(settings).a, Sensing(settings).a
    values = []
    for raw in raws:
        sensor.step(raw, supply)
        for _ in range(3):
            single.step(raw, supply)
        values.append(single.vacuum_pa)
        if len(values) >= 3:
            assert sensor.vacuum_pa == sorted(values[-3:])[1]
