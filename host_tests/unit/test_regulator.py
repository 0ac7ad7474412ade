"""The vacuum regulator's rules: search, hold, integral, lead, range."""

import pytest

from firmware.limits import LEVEL_VACUUM_PA
from firmware.settings import Settings
from firmware.vacuum_regulator import VacuumRegulator
from host_tests.bench import bench_settings

TICK_MS = 5


def regulator_of(settings: Settings | None = None) -> VacuumRegulator:
    return VacuumRegulator(settings or bench_settings())


def run(
    regulator: VacuumRegulator, set_pa: int, vacuum_pa: int, on_skin: int, ms: int = TICK_MS
) -> int:
    """Steps with a steady vacuum; returns the last drive."""
    for _ in range(ms // TICK_MS):
        regulator.step(set_pa, vacuum_pa, on_skin, TICK_MS)
    drive: int = regulator.drive_permille
    return drive


def test_without_a_set_vacuum_the_pump_is_off() -> None:
    regulator = regulator_of()
    assert run(regulator, 40_000, 0, 1) == 1000
    for vacuum_pa in (-5_000, 0, 50_000):
        for on_skin in (0, 1):
            assert run(regulator, 0, vacuum_pa, on_skin) == 0


@pytest.mark.parametrize(
    ("level", "hold"), [(1, 330), (4, 330 + 430 * 10 // 30), (7, 330 + 430 * 20 // 30), (10, 760)]
)
def test_at_the_set_vacuum_the_drive_holds_it(level: int, hold: int) -> None:
    set_pa = LEVEL_VACUUM_PA[level - 1]
    regulator = regulator_of()
    run(regulator, 0, set_pa, 0, 2_000)  # the rate settles
    assert run(regulator, set_pa, set_pa, 1) == pytest.approx(hold, abs=1)


@pytest.mark.parametrize("set_pa", LEVEL_VACUUM_PA)
@pytest.mark.parametrize("search_permille", [100, 400, 700])
def test_the_drive_is_capped_while_the_tip_is_open(set_pa: int, search_permille: int) -> None:
    regulator = regulator_of(bench_settings(search_permille=search_permille))
    for vacuum_pa in (0, 600, 3_000, 20_000):
        drive = run(regulator, set_pa, vacuum_pa, 0, 500)
        assert drive <= search_permille
        # Less than what would hold the set vacuum on skin.
        run(regulator, 0, set_pa, 0, 2_000)
        assert drive < run(regulator, set_pa, set_pa, 1)


def test_the_integral_is_frozen_while_the_tip_is_open() -> None:
    regulator = regulator_of()
    set_pa = 10_000
    run(regulator, set_pa, 9_000, 1, 500)
    learnt = regulator.integral_micro
    assert learnt > 0
    for vacuum_pa in (600, 9_000, 11_000):
        run(regulator, set_pa, vacuum_pa, 0, 5_000)
        assert regulator.integral_micro == learnt


def test_the_integral_works_near_the_set_vacuum_only() -> None:
    regulator = regulator_of()
    for vacuum_pa in (0, 18_000, 22_000, 40_000):
        run(regulator, 20_000, vacuum_pa, 1, 1_000)
        assert regulator.integral_micro == 0
    run(regulator, 20_000, 18_001, 1)
    assert regulator.integral_micro == 100 * 1_999 * TICK_MS
    run(regulator, 20_000, 21_999, 1)
    assert regulator.integral_micro == 0


@pytest.mark.parametrize("error_pa", [1_999, -1_999])
def test_the_integral_ends_at_300_permille(error_pa: int) -> None:
    regulator = regulator_of(bench_settings(integral_permille_per_kpa_s=1_000))
    run(regulator, 20_000, 20_000 - error_pa, 1, 60_000)
    assert abs(regulator.integral_micro) == 300_000_000


def test_the_integral_of_one_set_vacuum_is_not_used_for_another() -> None:
    regulator = regulator_of()
    run(regulator, 20_000, 19_000, 1, 1_000)
    assert regulator.integral_micro > 0
    run(regulator, 0, 0, 0, 1_000)  # a pause keeps it
    run(regulator, 20_000, 0, 0)
    assert regulator.integral_micro > 0
    run(regulator, 24_000, 0, 0)
    assert regulator.integral_micro == 0


def test_a_rising_vacuum_is_braked_before_the_set_vacuum() -> None:
    rising, steady = regulator_of(), regulator_of()
    for step in range(100):
        rising.step(30_000, step * 295, 1, TICK_MS)  # 59 kPa/s
    run(steady, 30_000, 99 * 295, 1, 1_000)
    steady.integral_micro = rising.integral_micro = 0
    assert run(rising, 30_000, 99 * 295, 1) < run(steady, 30_000, 99 * 295, 1) - 300


def test_over_vacuum_takes_the_pump_away() -> None:
    regulator = regulator_of()
    run(regulator, 0, 14_000, 0, 2_000)
    assert run(regulator, 10_000, 14_000, 1) == 0


@pytest.mark.parametrize("vacuum_pa", [-500_000, -5_000, 0, 20_000, 120_000, 245_000])
@pytest.mark.parametrize("on_skin", [0, 1])
def test_the_drive_stays_in_range_whatever_is_read(vacuum_pa: int, on_skin: int) -> None:
    for values in ({}, {"gain_permille_per_kpa": 1_000, "lead_ms": 300}):
        regulator = regulator_of(bench_settings(**values))
        for set_pa in LEVEL_VACUUM_PA:
            for read_pa in (vacuum_pa, 0, vacuum_pa, set_pa):
                assert 0 <= run(regulator, set_pa, read_pa, on_skin, 20) <= 1000


@pytest.mark.parametrize("dt_ms", [30, 41, 100, 250])
def test_late_ticks_do_not_blow_the_low_pass_up(dt_ms: int) -> None:
    regulator = regulator_of()
    for _ in range(100):
        regulator.step(0, 1_000, 0, dt_ms)
    assert regulator._slow == pytest.approx(1_000 << 4, abs=1)
