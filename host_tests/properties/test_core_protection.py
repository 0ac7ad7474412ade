"""Protection over everything the settings and a converter can bring."""

from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from firmware import faults, limits
from firmware.protection import Protection
from firmware.settings import Settings
from hal.contract import RAW_FULL_SCALE, Readings
from host_tests.bench import bench_settings, raw_at, readings_at, supply_raw, vacuum_of
from host_tests.core_strategies import (
    accepted_settings,
    edges,
    small,
    steepest_settings,
    watch,
)

RAW = edges(0, RAW_FULL_SCALE)
# Three raw counts, level, dt_ms, main turns, whether the outputs were safe.
Sample = tuple[int, int, int, int, int, int, int]
SAMPLES = st.lists(
    st.tuples(
        RAW, RAW, RAW, st.integers(0, 10), edges(1, 60), edges(0, 3), st.integers(0, 1)
    ),
    min_size=1,
)


def unit_pa(settings: Settings, channel: str) -> float:
    """One step of protection's ratio, in Pa, and what rounding adds to it."""
    span: int = getattr(settings, f"vacuum_{channel}_span_pa")
    divider: int = getattr(settings, f"vacuum_{channel}_divider_permille")
    return span * settings.sensor_supply_divider_permille / divider / 2**12 + 1.0


@st.composite
def supplied(draw: st.DrawFn) -> tuple[Settings, int]:
    """Accepted settings, and a supply within its tolerance."""
    settings = draw(accepted_settings())
    tolerance = settings.sensor_supply_tolerance_permille / 1000
    part = draw(st.floats(1 - tolerance, 1 + tolerance))
    # The device reckons its nominal in whole mV: as much off either end.
    mv_raw = 2 + 2 * RAW_FULL_SCALE // settings.adc_reference_mv
    low = supply_raw(settings, 1 - tolerance) + mv_raw
    high = supply_raw(settings, 1 + tolerance) - mv_raw
    return settings, min(max(supply_raw(settings, part), low), high, RAW_FULL_SCALE)


def two_samples(settings: Settings, channel: str, raw: int, supply: int) -> list[int]:
    """Faults after one and after two samples of `raw`, the other channel well."""
    protection = Protection(settings, settings.hard_limit_pa)
    readings = Readings()
    readings.dt_ms = 5
    readings.sensor_supply_raw = supply
    for other in "ab":
        well = round(raw_at(settings, other, 10_000, supply))
        setattr(readings, f"vacuum_{other}_raw", raw if other == channel else well)
    found = []
    for turn in range(2):
        readings.main_turns = turn
        protection.step(readings, 0, 0)
        found.append(protection.fault)
    return found


@given(supplied(), st.sampled_from("ab"), st.integers(0, 60_000))
def test_at_the_hard_limit_the_second_sample_trips(
    board: tuple[Settings, int], channel: str, above_pa: int
) -> None:
    settings, supply = board
    raw = int(raw_at(settings, channel, settings.hard_limit_pa + above_pa, supply))
    assume(0 <= raw <= RAW_FULL_SCALE)
    in_range = limits.SENSOR_CEILING_PA - 2 * unit_pa(settings, channel)
    first, second = two_samples(settings, channel, raw, supply)
    assert first == faults.NONE
    assert second != faults.NONE
    if vacuum_of(settings, channel, raw, supply) < in_range:
        assert second == faults.OVER_VACUUM


@given(supplied(), st.sampled_from("ab"), st.integers(0, 20_000))
def test_at_rest_below_the_hard_limit_nothing_trips(
    board: tuple[Settings, int], channel: str, below_pa: int
) -> None:
    settings, supply = board
    vacuum_pa = settings.hard_limit_pa - below_pa - unit_pa(settings, channel)
    raw = int(raw_at(settings, channel, vacuum_pa, supply)) + 1
    assume(0 <= raw <= RAW_FULL_SCALE)
    assume(raw_at(settings, "a" if channel == "b" else "b", 10_000, supply) >= 0)
    assume(vacuum_of(settings, channel, raw, supply) > 0)
    assert two_samples(settings, channel, raw, supply) == [faults.NONE, faults.NONE]


def faults_of(settings: Settings, channel: str, vacuums_pa: list[float]) -> list[int]:
    """The fault after each sample of a channel, the other one well."""
    protection = Protection(settings, settings.hard_limit_pa)
    found = []
    for turn, vacuum_pa in enumerate(vacuums_pa):
        well_pa = 40_000.0
        a_pa, b_pa = (vacuum_pa, well_pa) if channel == "a" else (well_pa, vacuum_pa)
        readings = readings_at(settings, a_pa, b_pa)
        readings.main_turns = turn
        protection.step(readings, 0, 0)
        found.append(protection.fault)
    return found


@given(
    st.sampled_from((5, 10)),
    st.sampled_from("ab"),
    st.lists(st.integers(38_000, 47_000), min_size=3, max_size=12),
)
def test_two_samples_that_are_or_will_be_over_trip_and_nothing_else(
    tick_ms: int, channel: str, vacuums_pa: list[float]
) -> None:
    settings = bench_settings(tick_period_ms=tick_ms)
    ahead = 10 // tick_ms
    slack_pa = 2 * (1 + 2 * ahead) * unit_pa(settings, channel)
    over = [vacuums_pa[0] >= settings.hard_limit_pa]
    for before, now in pairwise(vacuums_pa):
        coming_pa = now + ahead * max(now - before, 0)
        # What rounding may decide either way is not the question here.
        assume(abs(coming_pa - settings.hard_limit_pa) > slack_pa)
        over.append(coming_pa >= settings.hard_limit_pa)
    assume(abs(vacuums_pa[0] - settings.hard_limit_pa) > slack_pa)
    trips = [one and other for one, other in zip([False, *over], over, strict=False)]
    found = faults_of(settings, channel, vacuums_pa)
    for number, fault in enumerate(found):
        if any(trips[: number + 1]):
            assert fault != faults.NONE
        else:
            assert fault != faults.OVER_VACUUM


@given(
    st.sampled_from((5, 10)),
    st.sampled_from("ab"),
    st.integers(0, 44_900),
    st.integers(0, 9),
    st.integers(-4_000, 100_000),
)
def test_one_outlier_in_a_steady_vacuum_never_trips(
    tick_ms: int, channel: str, steady_pa: int, place: int, outlier_pa: int
) -> None:
    vacuums_pa: list[float] = [steady_pa] * 12
    vacuums_pa[place] = outlier_pa
    settings = bench_settings(tick_period_ms=tick_ms)
    assert faults.OVER_VACUUM not in faults_of(settings, channel, vacuums_pa)


@given(supplied(), st.sampled_from("ab"), st.sampled_from((0, RAW_FULL_SCALE)))
def test_a_broken_or_a_shorted_wire_is_always_found(
    board: tuple[Settings, int], channel: str, raw: int
) -> None:
    # So every sensor that the rules accept can also show the hard limit.
    settings, supply = board
    if raw:  # above its nominal, a supply can lift good sensors to full scale
        supply = min(supply, supply_raw(settings))
    expected = faults.SENSOR_A_RANGE if channel == "a" else faults.SENSOR_B_RANGE
    assert two_samples(settings, channel, raw, supply) == [faults.NONE, expected]


@given(accepted_settings(), SAMPLES, SAMPLES)
def test_nothing_but_clear_takes_a_fault_back(
    settings: Settings,
    before: list[Sample],
    after: list[Sample],
) -> None:
    protection = Protection(settings, settings.hard_limit_pa)
    readings = Readings()
    latched = faults.NONE
    for number, sample in enumerate([*before, *after]):
        (
            readings.vacuum_a_raw,
            readings.vacuum_b_raw,
            readings.sensor_supply_raw,
            level,
            readings.dt_ms,
            readings.main_turns,
            is_safe,
        ) = sample
        if number == len(before):
            protection.latch(faults.BAROMETER)
        protection.step(readings, level, is_safe)
        if latched:
            assert protection.fault == latched
        latched = protection.fault
    assert latched != faults.NONE


@given(
    st.sampled_from((0, 1_000, 4_900, 5_100, 20_000, 44_000)),
    st.lists(
        st.tuples(st.booleans(), st.booleans(), edges(1, limits.TICK_LONGEST_MS)), min_size=10
    ),
)
def test_still_counts_and_a_line_that_stays_full_are_found_in_their_tick(
    vacuum_pa: int, ticks: list[tuple[bool, bool, int]]
) -> None:
    # Each tick: were the outputs safe, does a count move, how long was it?
    settings = bench_settings()
    protection = Protection(settings, settings.hard_limit_pa)
    readings = readings_at(settings, vacuum_pa)
    supply = readings.sensor_supply_raw
    protection.step(readings, 0, 0)
    still_ms = vented_ms = 0
    expected = faults.NONE
    for turn, (is_safe, moves, dt_ms) in enumerate(ticks * 10):
        readings.main_turns = turn + 1
        readings.dt_ms = dt_ms
        if moves:
            readings.sensor_supply_raw = 2 * supply - 1 - readings.sensor_supply_raw
        still_ms = 0 if moves else still_ms + dt_ms
        vented_ms = vented_ms + dt_ms if is_safe and vacuum_pa > limits.VENTED_PA else 0
        if expected == faults.NONE and still_ms >= 500:
            expected = faults.READINGS_FROZEN
        if expected == faults.NONE and vented_ms > limits.VENTED_MS:
            expected = faults.VENT_FAILED
        protection.step(readings, 0, int(is_safe))
        assert protection.fault == expected


@given(accepted_settings(), SAMPLES)
def test_no_product_leaves_the_small_integers(
    settings: Settings, samples: list[Sample]
) -> None:
    protection = Protection(settings, settings.hard_limit_pa)
    for part in (protection, protection.a, protection.b):
        watch(part)
    readings = Readings()
    for a_raw, b_raw, supply, level, dt_ms, turns, is_safe in samples:
        readings.vacuum_a_raw = small(a_raw)
        readings.vacuum_b_raw = small(b_raw)
        readings.sensor_supply_raw = small(supply)
        readings.dt_ms = small(dt_ms)
        readings.main_turns = small(turns)
        protection.step(readings, level, is_safe)


def test_not_even_at_the_steepest_slope_that_the_rules_allow() -> None:
    for settings in steepest_settings():
        protection = Protection(settings, settings.hard_limit_pa)
        for part in (protection, protection.a, protection.b):
            watch(part)
        readings = readings_at(bench_settings())
        for raw in (0, RAW_FULL_SCALE):
            for supply in (0, RAW_FULL_SCALE, supply_raw(settings)):
                readings.vacuum_a_raw = small(raw)
                readings.sensor_supply_raw = small(supply)
                protection.step(readings, 10, 1)


@given(supplied(), st.integers(1, 10), st.integers(-3_000, 3_000))
def test_the_soft_limit_is_met_within_a_unit(
    board: tuple[Settings, int], level: int, beyond_pa: int
) -> None:
    settings, supply = board
    set_pa = limits.LEVEL_VACUUM_PA[level - 1]
    margin_pa = max(settings.soft_margin_pa, set_pa * settings.soft_margin_permille // 1000)
    raw = round(raw_at(settings, "a", set_pa + margin_pa + beyond_pa, supply))
    assume(0 <= raw <= RAW_FULL_SCALE)
    over_pa = vacuum_of(settings, "a", raw, supply) - set_pa - margin_pa
    guard = Protection(settings, settings.hard_limit_pa).a
    guard.step(raw, supply, level)
    if over_pa >= unit_pa(settings, "a"):
        assert guard.is_soft == 1
    elif over_pa <= -1.0:
        assert guard.is_soft == 0


@given(supplied(), st.sampled_from("ab"), st.integers(-4_000, 100_000))
def test_the_vacuum_that_the_channels_are_compared_by(
    board: tuple[Settings, int], channel: str, vacuum_pa: int
) -> None:
    settings, supply = board
    raw = round(raw_at(settings, channel, vacuum_pa, supply))
    assume(0 <= raw <= RAW_FULL_SCALE)
    guard = getattr(Protection(settings, settings.hard_limit_pa), channel)
    guard.step(raw, supply, 0)
    error_pa = guard.vacuum_pa - vacuum_of(settings, channel, raw, supply)
    # Rounded up: by a unit of the ratio, and by one of the slope at this ratio.
    assert -2.0 < error_pa < unit_pa(settings, channel) + 8 * raw / supply + 2.0
