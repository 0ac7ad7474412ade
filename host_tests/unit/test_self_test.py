"""The self-test of the idle device."""

from collections.abc import Callable

import pytest

from firmware import faults, limits
from firmware.self_test import HELD_LONGEST_MS, MEASURE_MS, RUNNING, SETTLE_MS, SelfTest
from firmware.sensing import Sensing
from hal.contract import SWITCH_PRESSED, SWITCH_RELEASED, Readings
from host_tests.bench import bench_settings, readings_at

TICK_MS = 5
Change = Callable[[Readings, int], None]


class Device:
    """A self-test and the sensing it judges."""

    def __init__(self) -> None:
        self.settings = bench_settings()
        self.sensing = Sensing(self.settings)
        self.test = SelfTest(self.settings)
        self.elapsed_ms = 0

    def tick(self, a_pa: float = 0.0, b_pa: float | None = None, **fields: int) -> int:
        readings = readings_at(self.settings, a_pa, b_pa)
        for name, value in fields.items():
            setattr(readings, name, value)
        self.elapsed_ms += TICK_MS
        self.sensing.step(readings)
        return self.test.step(readings, self.sensing)

    def run(self, a_pa: float = 0.0, b_pa: float | None = None, **fields: int) -> int:
        """To the end; returns what was found."""
        for _ in range(10_000):
            found = self.tick(a_pa, b_pa, **fields)
            if found != RUNNING:
                return found
        raise AssertionError("the self-test does not end")


def test_a_device_that_is_fit_passes_after_its_time() -> None:
    device = Device()
    assert device.run() == faults.NONE
    assert device.elapsed_ms == SETTLE_MS + MEASURE_MS + TICK_MS


@pytest.mark.parametrize("channel", "ab")
@pytest.mark.parametrize("sign", [1, -1])
def test_a_zero_within_the_tolerance_is_trimmed_away(channel: str, sign: int) -> None:
    device = Device()
    zero_pa = sign * (device.settings.zero_tolerance_pa - 60)
    assert device.run(**{"a_pa": 0, "b_pa": 0, f"{channel}_pa": zero_pa}) == faults.NONE
    for _ in range(3):
        device.tick(**{"a_pa": 0, "b_pa": 0, f"{channel}_pa": zero_pa})
    assert device.sensing.a.vacuum_pa == pytest.approx(0, abs=2)
    assert device.sensing.b.vacuum_pa == pytest.approx(0, abs=2)


@pytest.mark.parametrize("channel", "ab")
@pytest.mark.parametrize("sign", [1, -1])
def test_a_zero_beyond_the_tolerance_is_a_fault_and_no_trim(channel: str, sign: int) -> None:
    device = Device()
    zero_pa = sign * (device.settings.zero_tolerance_pa + 60)
    assert device.run(**{"a_pa": 0, "b_pa": 0, f"{channel}_pa": zero_pa}) == faults.SENSOR_ZERO
    assert (device.sensing.a.trim_pa, device.sensing.b.trim_pa) == (0, 0)


@pytest.mark.parametrize("channel", "ab")
def test_trims_do_not_add_up_to_more_than_the_tolerance(channel: str) -> None:
    device = Device()
    for drift_pa in range(300, 20_000, 300):
        device.test.start()
        found = device.run(**{"a_pa": 0, "b_pa": 0, f"{channel}_pa": drift_pa})
        within = drift_pa < device.settings.zero_tolerance_pa
        assert found == (faults.NONE if within else faults.SENSOR_ZERO), drift_pa


def test_what_the_line_does_while_it_settles_is_not_measured() -> None:
    device = Device()
    while device.elapsed_ms < SETTLE_MS - 20:
        assert device.tick(40_000) == RUNNING
    assert device.run() == faults.NONE
    assert abs(device.sensing.a.trim_pa) < 30


def test_noise_is_averaged() -> None:
    device = Device()
    found, n = RUNNING, 0
    while found == RUNNING:
        n += 1
        found = device.tick(900 if n % 2 else -900, -900 if n % 2 else 900)
    assert found == faults.NONE
    assert abs(device.sensing.a.trim_pa) < 60
    assert abs(device.sensing.b.trim_pa) < 60


@pytest.mark.parametrize(
    "fields",
    [
        {"barometer_age_ms": limits.BAROMETER_STALE_MS + 1},
        {"barometer_pa": limits.BAROMETER_LOW_PA - 1},
        {"barometer_pa": limits.BAROMETER_HIGH_PA + 1},
        {"barometer_pa": 0},
    ],
)
def test_no_believable_air_pressure_is_a_fault(fields: dict[str, int]) -> None:
    assert Device().run(**fields) == faults.BAROMETER


@pytest.mark.parametrize(
    "fields",
    [
        {"barometer_age_ms": limits.BAROMETER_STALE_MS},
        {"barometer_pa": limits.BAROMETER_LOW_PA},
        {"barometer_pa": limits.BAROMETER_HIGH_PA},
    ],
)
def test_air_pressure_at_its_limits_is_believed(fields: dict[str, int]) -> None:
    assert Device().run(**fields) == faults.NONE


def test_a_footswitch_that_is_held_too_long_is_a_fault() -> None:
    device = Device()
    for _ in range(HELD_LONGEST_MS // TICK_MS):
        assert device.tick(footswitch=SWITCH_PRESSED) == RUNNING
    assert device.tick(footswitch=SWITCH_PRESSED) == faults.FOOTSWITCH_HELD


def test_a_press_starts_the_measurement_again() -> None:
    device = Device()
    for _ in range((SETTLE_MS + MEASURE_MS) // TICK_MS):
        assert device.tick() == RUNNING
    assert device.tick(footswitch=SWITCH_PRESSED) == RUNNING
    device.elapsed_ms = 0
    assert device.run() == faults.NONE
    assert device.elapsed_ms == SETTLE_MS + MEASURE_MS + TICK_MS


def test_a_foot_that_taps_can_not_pass_the_test() -> None:
    device = Device()
    for n in range(20_000 // TICK_MS):
        switch = SWITCH_PRESSED if n % 100 == 0 else SWITCH_RELEASED
        assert device.tick(footswitch=switch) == RUNNING
