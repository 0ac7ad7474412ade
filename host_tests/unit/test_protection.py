"""Every rule of protection at its exact boundary, the order of causes, and
the latch."""

from collections.abc import Callable

import pytest

from firmware import faults, limits
from firmware.protection import Protection
from firmware.settings import Settings, soft_margin_pa
from hal.contract import RAW_FULL_SCALE, Readings
from host_tests.bench import bench_settings, raw_at, readings_at, supply_raw, vacuum_of

# One unit of protection's ratio, and what rounding adds: it errs by this much
# towards tripping early, and never late.
EARLY_PA = 17.0


def protection_of(settings: Settings | None = None) -> Protection:
    settings = settings or bench_settings()
    return Protection(settings, settings.hard_limit_pa)


class Judge:
    """Protection fed with one good tick after another, but for what is changed."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or bench_settings()
        self.protection = protection_of(self.settings)
        self.turns = 0

    def tick(
        self,
        a_pa: float = 0.0,
        b_pa: float | None = None,
        level: int = 0,
        is_safe: int = 0,
        **fields: int,
    ) -> int:
        """One tick; returns the fault."""
        readings = readings_at(self.settings, a_pa, b_pa)
        self.turns += 1
        readings.main_turns = self.turns
        if self.turns % 7 == 0:  # no converter gives the same count for ever
            readings.sensor_supply_raw -= 1
        for name, value in fields.items():
            setattr(readings, name, value)
        self.protection.step(readings, level, is_safe)
        fault: int = self.protection.fault
        return fault


CHANNELS = ["vacuum_a_raw", "vacuum_b_raw"]


@pytest.mark.parametrize("channel", "ab")
@pytest.mark.parametrize("part", [0.921, 0.96, 1.0, 1.04, 1.079])
def test_the_hard_limit_trips_in_the_tick_of_the_second_sample(channel: str, part: float) -> None:
    settings = bench_settings()
    supply = supply_raw(settings, part)
    at_limit = int(raw_at(settings, channel, limits.HARD_VACUUM_PA, supply))
    assert vacuum_of(settings, channel, at_limit, supply) >= limits.HARD_VACUUM_PA
    judge = Judge(settings)
    fields = {f"vacuum_{channel}_raw": at_limit, "sensor_supply_raw": supply}
    assert judge.tick(44_000, **fields) == faults.NONE
    assert judge.tick(44_000, **fields) == faults.OVER_VACUUM


@pytest.mark.parametrize("channel", "ab")
def test_at_rest_below_the_hard_limit_never_trips(channel: str) -> None:
    settings = bench_settings()
    supply = supply_raw(settings)
    below = int(raw_at(settings, channel, limits.HARD_VACUUM_PA - EARLY_PA, supply)) + 1
    assert vacuum_of(settings, channel, below, supply) > limits.HARD_VACUUM_PA - 2 * EARLY_PA
    judge = Judge(settings)
    for _ in range(100):
        assert judge.tick(44_000, **{f"vacuum_{channel}_raw": below}) == faults.NONE


@pytest.mark.parametrize("channel", CHANNELS)
def test_one_sample_over_the_hard_limit_is_no_trip(channel: str) -> None:
    judge = Judge()
    over = readings_at(judge.settings, 60_000).vacuum_a_raw
    for _ in range(20):
        assert judge.tick(44_000, **{channel: over}) == faults.NONE
        assert judge.tick(44_000) == faults.NONE


def test_two_single_samples_on_different_channels_are_no_trip() -> None:
    judge = Judge()
    over = readings_at(judge.settings, 60_000).vacuum_a_raw
    assert judge.tick(44_000, vacuum_a_raw=over) == faults.NONE
    assert judge.tick(44_000, vacuum_b_raw=over) == faults.NONE


@pytest.mark.parametrize("channel", "ab")
@pytest.mark.parametrize(("tick_ms", "ahead"), [(5, 2), (10, 1)])
def test_rising_vacuum_trips_on_where_it_will_be_ten_milliseconds_later(
    channel: str, tick_ms: int, ahead: int
) -> None:
    rise_pa = 600
    # The second sample that would be over so much later, and no earlier one.
    second_pa = limits.HARD_VACUUM_PA - (ahead - 1) * rise_pa + EARLY_PA
    for short_pa, expected in ((0.0, faults.OVER_VACUUM), (6 * EARLY_PA, faults.NONE)):
        judge = Judge(bench_settings(tick_period_ms=tick_ms))
        found = [
            judge.tick(**{"a_pa": 40_000.0, "b_pa": 40_000.0, f"{channel}_pa": vacuum_pa})  # type: ignore[arg-type]
            for vacuum_pa in (second_pa - short_pa - n * rise_pa for n in (3, 2, 1, 0))
        ]
        assert found == [*[faults.NONE] * 3, expected]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("vacuum_pa", [-4_000, 20_000, 40_000])
def test_one_sample_that_reads_too_little_is_no_trip(channel: str, vacuum_pa: int) -> None:
    # Coming back from it looks like the steepest of rises.
    judge = Judge()
    low = readings_at(judge.settings, vacuum_pa).vacuum_a_raw
    for _ in range(20):
        assert judge.tick(44_000, **{channel: low}) == faults.NONE
        assert judge.tick(44_000) == judge.tick(44_000) == faults.NONE


def test_falling_vacuum_is_judged_as_it_is() -> None:
    judge = Judge()
    assert judge.tick(46_000) == faults.NONE
    assert judge.tick(44_900) == faults.NONE
    assert judge.tick(44_000) == faults.NONE


def test_a_lower_hard_limit_is_used() -> None:
    judge = Judge(bench_settings(hard_limit_pa=30_000))
    assert judge.tick(30_000) == faults.NONE
    assert judge.tick(30_000) == faults.OVER_VACUUM
    judge = Judge(bench_settings(hard_limit_pa=30_000))
    for _ in range(10):
        assert judge.tick(29_900) == faults.NONE


def test_the_hard_limit_is_the_one_it_is_made_with() -> None:
    # The proof makes a second one, with a lower limit and nothing else changed.
    settings = bench_settings()
    protection = Protection(settings, 12_000)
    found = []
    for vacuum_pa in (11_900, 11_900, 12_000, 12_000):
        protection.step(readings_at(settings, vacuum_pa), 0, 0)
        found.append(protection.fault)
    assert found == [faults.NONE] * 3 + [faults.OVER_VACUUM]


def test_the_hard_trip_does_not_wait_for_the_median_nor_use_the_trim() -> None:
    # It is judged on raw counts: nothing of sensing is asked.
    judge = Judge()
    judge.tick(0)
    judge.tick(50_000)
    assert judge.tick(50_000) == faults.OVER_VACUUM


@pytest.mark.parametrize("end", ["low", "high"])
def test_the_supply_at_its_tolerance(end: str) -> None:
    settings = bench_settings()
    part = 1 + (-1 if end == "low" else 1) * settings.sensor_supply_tolerance_permille / 1000
    edge = supply_raw(settings, part)
    inside = [edge + 2, edge - 2][end == "high"]
    outside = [edge - 2, edge + 2][end == "high"]
    judge = Judge(settings)

    def tick(supply: int) -> int:
        # Ratiometric sensors follow their supply.
        a_raw, b_raw = (round(raw_at(settings, channel, 0, supply)) for channel in "ab")
        return judge.tick(vacuum_a_raw=a_raw, vacuum_b_raw=b_raw, sensor_supply_raw=supply)

    for _ in range(100):
        assert tick(inside) == faults.NONE
    for _ in range(20):
        assert tick(outside) == faults.NONE
        assert tick(inside) == tick(inside) == faults.NONE
    assert tick(outside) == faults.NONE
    assert tick(outside) == faults.SENSOR_SUPPLY


@pytest.mark.parametrize("supply", [0, 1, RAW_FULL_SCALE])
def test_an_absurd_supply_is_a_fault_and_no_error(supply: int) -> None:
    for raw in (0, 1, RAW_FULL_SCALE):
        judge = Judge()
        fields = {"sensor_supply_raw": supply, "vacuum_a_raw": raw, "vacuum_b_raw": raw}
        assert judge.tick(**fields) == faults.NONE
        assert judge.tick(**fields) == faults.SENSOR_SUPPLY


def test_thresholds_do_not_follow_a_supply_beyond_its_tolerance() -> None:
    # A supply that seems low makes the sensors seem to read less vacuum. Out of
    # its tolerance it is taken for the highest one, which shows too much.
    settings = bench_settings()
    for bad_supply in (0, supply_raw(settings) // 2, RAW_FULL_SCALE):
        for at_limit_first in (True, False):
            judge = Judge(settings)
            over = readings_at(settings, limits.HARD_VACUUM_PA + EARLY_PA)
            bad = {
                "vacuum_a_raw": over.vacuum_a_raw,
                "vacuum_b_raw": over.vacuum_b_raw,
                "sensor_supply_raw": bad_supply,
            }
            samples = [bad, bad | {"sensor_supply_raw": over.sensor_supply_raw}]
            for fields in samples if at_limit_first else samples[::-1]:
                judge.tick(**fields)
            assert judge.protection.fault == faults.OVER_VACUUM


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ({"sensor_supply_raw": 0}, faults.SENSOR_SUPPLY),
        ({"vacuum_a_raw": RAW_FULL_SCALE}, faults.SENSOR_A_RANGE),
        ({"vacuum_b_raw": RAW_FULL_SCALE}, faults.SENSOR_B_RANGE),
        ({"dt_ms": limits.TICK_LONGEST_MS + 1}, faults.TICK_OVERRUN),
    ],
)
def test_what_is_bad_every_other_sample_is_found_and_every_third_is_not(
    bad: dict[str, int], fault: int
) -> None:
    judge = Judge()
    for _ in range(100):
        assert judge.tick(**bad) == faults.NONE
        assert judge.tick() == judge.tick() == faults.NONE
    judge = Judge()
    found = [judge.tick(**(bad if n % 2 == 0 else {})) for n in range(5)]
    assert found == [faults.NONE] * 4 + [fault]


@pytest.mark.parametrize(
    ("channel", "fault"), [("a", faults.SENSOR_A_RANGE), ("b", faults.SENSOR_B_RANGE)]
)
@pytest.mark.parametrize(
    ("inside_pa", "outside_pa"),
    [
        (limits.SENSOR_CEILING_PA - EARLY_PA, limits.SENSOR_CEILING_PA + EARLY_PA),
        (limits.SENSOR_FLOOR_PA + EARLY_PA, limits.SENSOR_FLOOR_PA - EARLY_PA),
    ],
)
def test_the_range_of_a_sensor(
    channel: str, fault: int, inside_pa: float, outside_pa: float
) -> None:
    settings = bench_settings()
    raw = {
        pa: round(raw_at(settings, channel, pa, supply_raw(settings)))
        for pa in (inside_pa, outside_pa)
    }
    judge = Judge(settings)
    # Over-vacuum would hide the range at the ceiling: judge the samples alone.
    guard = getattr(judge.protection, channel)
    for _ in range(5):
        judge.tick(**{f"vacuum_{channel}_raw": raw[inside_pa]})
        assert guard.range_score == 0
    judge = Judge(settings)
    for _ in range(10):
        assert judge.tick(**{f"vacuum_{channel}_raw": raw[outside_pa]}) == faults.NONE
        assert judge.tick() == judge.tick() == faults.NONE
    assert judge.tick(**{f"vacuum_{channel}_raw": raw[outside_pa]}) == faults.NONE
    assert judge.tick(**{f"vacuum_{channel}_raw": raw[outside_pa]}) == fault


@pytest.mark.parametrize("level", range(1, 11))
def test_the_soft_limit_of_each_level(level: int) -> None:
    settings = bench_settings()
    set_pa = limits.LEVEL_VACUUM_PA[level - 1]
    limit_pa = set_pa + soft_margin_pa(settings, set_pa)
    judge = Judge(settings)
    for _ in range(200):
        judge.tick(limit_pa - EARLY_PA, level=level)
    assert judge.protection.soft_ms == 0
    assert judge.protection.takes_suction == 0
    judge.tick(limit_pa + EARLY_PA, level=level)
    assert judge.protection.soft_ms == settings.tick_period_ms


def test_the_soft_limit_takes_suction_and_latches_at_its_times() -> None:
    settings = bench_settings()
    judge = Judge(settings)
    # Level 1 is 10 kPa with a margin of 3 kPa.
    for n in range(1, 101):
        fault = judge.tick(13_500, level=1)
        spent_ms = n * settings.tick_period_ms
        assert judge.protection.takes_suction == (spent_ms >= settings.soft_time_ms), spent_ms
        latches = spent_ms >= settings.soft_latch_ms
        assert fault == (faults.SOFT_OVER_VACUUM if latches else faults.NONE), spent_ms


@pytest.mark.parametrize("channel", "ab")
def test_the_soft_limit_watches_either_channel(channel: str) -> None:
    judge = Judge()
    for _ in range(20):
        judge.tick(**{"a_pa": 11_000, "b_pa": 11_000, f"{channel}_pa": 13_500}, level=1)
    assert judge.protection.takes_suction == 1


def test_soft_over_vacuum_that_ends_gives_suction_back_and_starts_again() -> None:
    judge = Judge()
    for _ in range(99):
        judge.tick(13_500, level=1)
    assert judge.protection.takes_suction == 1
    judge.tick(12_000, level=1)
    assert judge.protection.takes_suction == 0
    for _ in range(99):
        assert judge.tick(13_500, level=1) == faults.NONE


def test_without_a_level_there_is_no_soft_limit() -> None:
    judge = Judge()
    for _ in range(300):
        assert judge.tick(44_000, level=0) == faults.NONE
    assert judge.protection.takes_suction == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_the_channels_must_agree(sign: int) -> None:
    settings = bench_settings()
    base_pa = 20_000
    judge = Judge(settings)
    for _ in range(100):
        near_pa = base_pa + sign * (settings.disagreement_pa - 2 * EARLY_PA)
        assert judge.tick(base_pa, near_pa) == faults.NONE
    assert judge.protection.disagree_ms == 0
    ticks = settings.disagreement_ms // settings.tick_period_ms
    far_pa = base_pa + sign * (settings.disagreement_pa + 2 * EARLY_PA)
    for _ in range(3):
        for _ in range(ticks - 1):
            assert judge.tick(base_pa, far_pa) == faults.NONE
        assert judge.tick(base_pa) == faults.NONE
    for n in range(1, ticks + 1):
        fault = judge.tick(base_pa, far_pa)
        assert fault == (faults.SENSOR_DISAGREEMENT if n == ticks else faults.NONE)


def test_two_late_ticks_in_a_row_are_an_overrun() -> None:
    judge = Judge()
    for _ in range(20):
        assert judge.tick(dt_ms=limits.TICK_LONGEST_MS) == faults.NONE
    for _ in range(5):
        assert judge.tick(dt_ms=limits.TICK_LONGEST_MS + 1) == faults.NONE
        assert judge.tick() == judge.tick() == faults.NONE
    assert judge.tick(dt_ms=limits.TICK_LONGEST_MS + 1) == faults.NONE
    assert judge.tick(dt_ms=limits.TICK_LONGEST_MS + 1) == faults.TICK_OVERRUN


def test_a_main_loop_that_stands_still() -> None:
    judge = Judge()
    judge.tick(main_turns=7)
    for _ in range(limits.MAIN_LOOP_SILENCE_MS // 5):
        assert judge.tick(main_turns=7) == faults.NONE
    assert judge.tick(main_turns=7) == faults.MAIN_LOOP_SILENT


def test_a_main_loop_that_turns_just_in_time() -> None:
    judge = Judge()
    for turn in range(1, 5):
        for _ in range(limits.MAIN_LOOP_SILENCE_MS // 5 + 1):
            assert judge.tick(main_turns=turn) == faults.NONE
    # The counter wraps, and any change is an advance.
    assert judge.tick(main_turns=0) == faults.NONE
    assert judge.protection.silence_ms == 0


# Readings that are out of date --------------------------------------------------------


def counts_at_rest() -> dict[str, int]:
    readings = readings_at(bench_settings())
    return {name: getattr(readings, name) for name in (*CHANNELS, "sensor_supply_raw")}


def test_counts_that_stand_still_are_frozen_after_half_a_second() -> None:
    judge = Judge()
    still = counts_at_rest()
    for _ in range(3):
        # From the tick in which one of them last changed.
        judge.tick(**(still | {"vacuum_a_raw": still["vacuum_a_raw"] + 1}))
        for _ in range(500 // 5):
            assert judge.tick(**still) == faults.NONE
    assert judge.tick(**still) == faults.READINGS_FROZEN


@pytest.mark.parametrize("moving", [*CHANNELS, "sensor_supply_raw"])
def test_one_count_that_moves_by_one_is_enough(moving: str) -> None:
    # A sensor at rest may well repeat itself; the converter never does on all.
    judge = Judge()
    still = counts_at_rest()
    for n in range(1_000):
        fields = still | {moving: still[moving] - (n // 50) % 2}
        assert judge.tick(**fields) == faults.NONE


def test_what_is_frozen_is_found_with_the_pump_running() -> None:
    # 30 kPa for ever would otherwise be held on skin without anyone looking.
    judge = Judge()
    counts = readings_at(judge.settings, 27_000)
    frozen = {name: getattr(counts, name) for name in (*CHANNELS, "sensor_supply_raw")}
    found = [judge.tick(level=6, **frozen) for _ in range(101)]
    assert found == [faults.NONE] * 100 + [faults.READINGS_FROZEN]


# A vent that does not release ---------------------------------------------------------


@pytest.mark.parametrize("channel", "ab")
def test_vacuum_that_stays_with_safe_outputs_is_a_failed_vent(channel: str) -> None:
    stays = {f"{channel}_pa": limits.VENTED_PA + 2 * EARLY_PA}
    gone = {f"{channel}_pa": limits.VENTED_PA - 2 * EARLY_PA}
    fields = {"a_pa": 1_500.0, "b_pa": 1_500.0}
    ticks = limits.VENTED_MS // 5
    judge = Judge()
    for _ in range(3):
        for _ in range(ticks):
            assert judge.tick(**(fields | stays), is_safe=1) == faults.NONE  # type: ignore[arg-type]
        assert judge.tick(**(fields | gone), is_safe=1) == faults.NONE  # type: ignore[arg-type]
    for _ in range(ticks):
        assert judge.tick(**(fields | stays), is_safe=1) == faults.NONE  # type: ignore[arg-type]
    assert judge.tick(**(fields | stays), is_safe=1) == faults.VENT_FAILED  # type: ignore[arg-type]


def test_vacuum_with_the_pump_on_says_nothing_about_the_vent() -> None:
    judge = Judge()
    for _ in range(1_000):
        assert judge.tick(27_000, level=6) == faults.NONE
    # Nor does what was there before the outputs went safe.
    for _ in range(limits.VENTED_MS // 5):
        assert judge.tick(27_000, is_safe=1) == faults.NONE
    assert judge.tick(27_000, level=6) == faults.NONE
    assert judge.tick(27_000, is_safe=1) == faults.NONE


def test_a_line_that_is_vented_in_time_is_no_fault() -> None:
    # 40 kPa with a time constant of 0.2 s: below 5 kPa after 0.42 s.
    judge = Judge()
    vacuum_pa = 40_000.0
    for _ in range(1_000):
        assert judge.tick(vacuum_pa, is_safe=1) == faults.NONE
        vacuum_pa *= 1 - 5 / 200


# Memory, and what the main loop found -------------------------------------------------


@pytest.mark.parametrize("channel", "ab")
@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("attribute", ["_hard_ratio", "_hard_check"])
def test_a_flipped_bit_of_a_trip_threshold_is_found_in_the_next_tick(
    attribute: str, bit: int, channel: str
) -> None:
    judge = Judge()
    assert judge.tick(27_000, level=6) == faults.NONE
    guard = getattr(judge.protection, channel)
    setattr(guard, attribute, getattr(guard, attribute) ^ 1 << bit)
    assert judge.tick(27_000, level=6) == faults.MEMORY


@pytest.mark.parametrize("fault", [row[0] for row in faults.CATALOGUE[1:]])
def test_a_fault_that_the_main_loop_tells_is_latched(fault: int) -> None:
    judge = Judge()
    assert judge.tick(main_fault=fault) == fault
    assert judge.tick() == fault


def _supply_is_bad(protection: Protection, readings: Readings) -> None:
    protection.supply_score = 2
    readings.sensor_supply_raw = 0


def _a_is_out_of_range(protection: Protection, readings: Readings) -> None:
    protection.a.range_score = 2
    readings.vacuum_a_raw = RAW_FULL_SCALE


def _b_is_out_of_range(protection: Protection, readings: Readings) -> None:
    protection.b.range_score = 2
    readings.vacuum_b_raw = RAW_FULL_SCALE


def _over_vacuum(protection: Protection, readings: Readings) -> None:
    protection.a.over_samples = protection.b.over_samples = 1
    over = readings_at(bench_settings(), 60_000)
    for name in CHANNELS:
        if getattr(readings, name) != RAW_FULL_SCALE:
            setattr(readings, name, getattr(over, name))


def _soft_over_vacuum(protection: Protection, readings: Readings) -> None:
    protection.soft_ms = 495
    if readings.vacuum_a_raw != RAW_FULL_SCALE:
        readings.vacuum_a_raw = readings_at(bench_settings(), 20_000).vacuum_a_raw


def _disagreement(protection: Protection, readings: Readings) -> None:
    protection.disagree_ms = 95
    if readings.vacuum_b_raw == readings_at(bench_settings()).vacuum_b_raw:
        readings.vacuum_b_raw = readings_at(bench_settings(), 10_000).vacuum_b_raw


def _late(protection: Protection, readings: Readings) -> None:
    protection.late_score = 2
    readings.dt_ms = 31


def _silence(protection: Protection, readings: Readings) -> None:
    protection.silence_ms = 250


def _sum_of_counts(readings: Readings) -> int:
    total: int = readings.vacuum_a_raw + readings.vacuum_b_raw + readings.sensor_supply_raw
    return total


def _frozen(protection: Protection, readings: Readings) -> None:
    protection.frozen_ms = 495
    protection._raw_sum = _sum_of_counts(readings)


def _vent(protection: Protection, readings: Readings) -> None:
    protection.vented_ms = limits.VENTED_MS
    rest, pulled = readings_at(bench_settings()), readings_at(bench_settings(), 6_000)
    if all(getattr(readings, name) >= getattr(rest, name) for name in CHANNELS):
        for name in CHANNELS:
            if getattr(readings, name) == getattr(rest, name):
                setattr(readings, name, getattr(pulled, name))
    if protection.frozen_ms:
        protection._raw_sum = _sum_of_counts(readings)


def _memory(protection: Protection, readings: Readings) -> None:
    protection.b._hard_check ^= 1


def _main(protection: Protection, readings: Readings) -> None:
    readings.main_fault = faults.BAROMETER


# In the order of protection's docstring: nearest to the cause first.
CAUSES: list[tuple[int, Callable[[Protection, Readings], None]]] = [
    (faults.SENSOR_SUPPLY, _supply_is_bad),
    (faults.SENSOR_A_RANGE, _a_is_out_of_range),
    (faults.SENSOR_B_RANGE, _b_is_out_of_range),
    (faults.OVER_VACUUM, _over_vacuum),
    (faults.SOFT_OVER_VACUUM, _soft_over_vacuum),
    (faults.SENSOR_DISAGREEMENT, _disagreement),
    (faults.TICK_OVERRUN, _late),
    (faults.MAIN_LOOP_SILENT, _silence),
    (faults.READINGS_FROZEN, _frozen),
    (faults.VENT_FAILED, _vent),
    (faults.MEMORY, _memory),
    (faults.BAROMETER, _main),
]


@pytest.mark.parametrize("first", range(len(CAUSES)))
@pytest.mark.parametrize("also", range(len(CAUSES)))
def test_of_two_causes_in_one_tick_the_nearer_is_latched(first: int, also: int) -> None:
    protection = protection_of()
    readings = readings_at(bench_settings())
    for place in sorted({first, also}):
        CAUSES[place][1](protection, readings)
    protection.step(readings, 1, 1)
    assert protection.fault == CAUSES[min(first, also)][0]


def test_each_cause_alone_is_that_cause() -> None:
    for fault, cause in CAUSES:
        protection = protection_of()
        readings = readings_at(bench_settings())
        cause(protection, readings)
        protection.step(readings, 1, 1)
        assert protection.fault == fault


def test_a_fault_stays_when_its_cause_has_gone() -> None:
    judge = Judge()
    judge.tick(60_000)
    judge.tick(60_000)
    for _ in range(1_000):
        assert judge.tick() == faults.OVER_VACUUM


def test_the_first_fault_is_kept_when_others_follow() -> None:
    judge = Judge()
    judge.tick(60_000)
    judge.tick(60_000)
    for _ in range(100):
        assert judge.tick(sensor_supply_raw=0, dt_ms=100) == faults.OVER_VACUUM
    judge.protection.latch(faults.INTERNAL)
    assert judge.protection.fault == faults.OVER_VACUUM


def test_a_fault_found_elsewhere_is_latched_as_well() -> None:
    judge = Judge()
    judge.protection.latch(faults.BAROMETER)
    assert judge.tick() == faults.BAROMETER


def test_clear_forgets_and_what_is_still_there_comes_back() -> None:
    judge = Judge()
    judge.tick(60_000)
    assert judge.tick(60_000) == faults.OVER_VACUUM
    judge.protection.clear()
    assert judge.protection.fault == faults.NONE
    assert judge.tick(60_000) == faults.OVER_VACUUM
    judge.protection.clear()
    for _ in range(100):
        assert judge.tick() == faults.NONE


@pytest.mark.parametrize(
    ("bad", "ticks"),
    [
        ({"level": 1, "a_pa": 20_000}, 100),
        ({"b_pa": 10_000}, 20),
        ({"dt_ms": 31}, 2),
        ({"main_turns": 0}, 51),
        ({"a_pa": 6_000, "b_pa": 6_000, "is_safe": 1}, 101),
    ],
)
def test_after_clear_a_time_starts_from_nothing(bad: dict[str, int], ticks: int) -> None:
    judge = Judge()
    for _ in range(3):
        found = [judge.tick(**bad) for _ in range(ticks)]
        assert found[-1] != faults.NONE
        assert found[:-1] == [faults.NONE] * (ticks - 1)
        judge.protection.clear()


def test_after_clear_frozen_counts_have_their_whole_time_again() -> None:
    judge = Judge()
    still = counts_at_rest()
    judge.tick(**still)
    for _ in range(3):
        found = [judge.tick(**still) for _ in range(100)]
        assert found == [faults.NONE] * 99 + [faults.READINGS_FROZEN]
        judge.protection.clear()


@pytest.mark.parametrize(
    "bad",
    [
        {"sensor_supply_raw": 0},
        {"vacuum_a_raw": RAW_FULL_SCALE},
        {"vacuum_b_raw": RAW_FULL_SCALE},
        {"dt_ms": 100},
        {"main_turns": 0},
        {"a_pa": 50_000},
        {"a_pa": 6_000, "is_safe": 1},
        counts_at_rest(),
        {"main_fault": faults.MEMORY},
    ],
)
def test_what_was_bad_for_long_is_forgotten_soon(bad: dict[str, int]) -> None:
    judge = Judge()
    for _ in range(5_000):
        judge.tick(**bad)
    assert judge.protection.fault != faults.NONE
    for _ in range(10):
        judge.tick()
    judge.protection.clear()
    for _ in range(100):
        assert judge.tick() == faults.NONE
