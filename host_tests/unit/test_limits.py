"""The absolute limits: what may never change unnoticed, and how they fit."""

from firmware import limits
from firmware.settings import SETTINGS, Settings, soft_margin_pa
from hal.contract import LEASE_MS

ROWS = {row[0]: row for row in SETTINGS}


def test_the_promises_to_the_skin() -> None:
    # Three passes over a zone, no override; nothing near 50 kPa. Raising one of
    # these is a change of the device, to be made here as well.
    assert limits.PASSES_PER_ZONE == 3
    assert limits.HARD_VACUUM_PA <= 45_000
    assert limits.HARD_SAMPLES == 2
    assert limits.SESSION_MS <= 90 * 60_000
    assert limits.PASS_TIME_MS <= 180_000
    assert limits.PASS_CRYSTALS_MG <= 30_000
    assert limits.FLOW_MG_MIN <= 20_000
    assert limits.MAIN_LOOP_SILENCE_MS <= 250
    assert limits.RELEASED_PA <= 2_000


def test_ten_levels_rise_from_10_to_40_kpa_below_the_hard_limit() -> None:
    levels = limits.LEVEL_VACUUM_PA
    assert len(levels) == 10
    assert (levels[0], levels[-1]) == (10_000, 40_000)
    assert list(levels) == sorted(set(levels))
    top_pa = levels[-1]
    assert top_pa + soft_margin_pa(Settings(), top_pa) < limits.HARD_VACUUM_PA


def test_a_sensor_can_show_every_vacuum_that_is_judged() -> None:
    assert limits.SENSOR_FLOOR_PA < 0 < limits.RELEASED_PA
    assert limits.HARD_VACUUM_PA < limits.SENSOR_CEILING_PA
    # No pump reaches more than the air pressure, with something for its error.
    assert limits.SENSOR_CEILING_PA > 101_325
    assert limits.BAROMETER_LOW_PA < 61_600 < 107_000 < limits.BAROMETER_HIGH_PA


def test_no_setting_reaches_past_a_limit() -> None:
    assert ROWS["hard_limit_pa"][4] == limits.HARD_VACUUM_PA
    assert ROWS["session_ms"][4] == limits.SESSION_MS


def test_a_tick_that_is_not_late_keeps_the_lease() -> None:
    assert ROWS["tick_period_ms"][4] < limits.TICK_LONGEST_MS < LEASE_MS
    assert LEASE_MS < limits.MAIN_LOOP_SILENCE_MS
