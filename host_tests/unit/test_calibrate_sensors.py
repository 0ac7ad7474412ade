"""Zero and span of the sensors: the truth is found, and what cannot be is refused."""

import re
from collections.abc import Callable

import pytest

from emery.calibrate import reading, sensor_fit, sensor_table, sensors
from emery.calibrate.sensor_fit import Calibrated, Point
from emery.calibrate.verdict import Implausible
from emery.certificate import scatter
from emery.device.problem import DeviceProblem
from firmware import limits
from firmware.settings import Settings
from host_tests.bench import bench_settings
from host_tests.held_bench import HeldModel, Scripted

PER_PA = 0.007652e-3  # MPXV6115V data sheet
ESP32 = {
    "vacuum_a_divider_permille": 474, "vacuum_b_divider_permille": 474, "tick_period_ms": 10,
}  # fmt: skip

Reads = Callable[[str, str], str]


def calibrated(bench: HeldModel, settings: Settings, reads: Reads | None = None) -> Calibrated:
    return sensors.measure(bench, settings, Scripted(bench, reads or (lambda deed, found: found)))


def wrong_by(found: Calibrated, channel: str, true_zero: float, true_span: float) -> float:
    """Pa, the most between 0 and 40 kPa, that a device with these settings reads wrongly."""
    zero = getattr(found.settings, f"vacuum_{channel}_zero_ppm") * 1e-6
    span = getattr(found.settings, f"vacuum_{channel}_span_pa")
    return max(
        abs(span * (zero - (true_zero - pa / true_span)) - pa) for pa in (0, 20_000, 40_000)
    )


@pytest.mark.parametrize("adc", ["rp2040", "esp32"])
@pytest.mark.parametrize(
    "error",
    [
        {},
        {"offset_a_pa": 1_200.0, "offset_b_pa": -900.0, "gain_a": 1.03, "gain_b": 0.97},
        {"offset_a_pa": -1_500.0, "offset_b_pa": -1_500.0, "gain_a": 1.03, "gain_b": 1.03},
    ],
)
def test_the_true_law_of_each_channel_is_found(adc: str, error: dict[str, float]) -> None:
    settings = bench_settings(**(ESP32 if adc == "esp32" else {}))
    bench = HeldModel(settings, {}, error, adc=adc, seed=3)
    found = calibrated(bench, settings)
    for channel in ("a", "b"):
        zero = 0.92 - PER_PA * error.get(f"offset_{channel}_pa", 0.0)
        span = 1 / (PER_PA * error.get(f"gain_{channel}", 1.0))
        # The gauge has tenths of a kPa, the RP2040's converter 140 Pa of its own.
        assert wrong_by(found, channel, zero, span) < 350
    assert bench.most_percent <= limits.SERVICE_PUMP_PERMILLE // 10
    assert max(point.gauge_pa for point in found.points) < limits.SERVICE_VACUUM_PA
    table = sensor_table.text(found)
    assert len(found.points) == 5
    assert all(len(line) <= 80 for line in table.splitlines())


def test_a_gauge_in_another_unit_gives_the_same() -> None:
    settings = bench_settings()
    bench = HeldModel(settings, {}, {"gain_a": 1.03})

    def reads(deed: str, found: str) -> str:
        return bench.hands.do("gauge mmhg") if deed == "gauge" else found

    found = calibrated(bench, settings, reads)
    assert found.channels["a"].span_pa == pytest.approx(130_685 / 1.03, rel=0.01)
    assert found.points[1].resolution_pa == pytest.approx(133.3, abs=0.1)


def test_a_sound_sensor_is_left_as_it_is() -> None:
    settings = bench_settings()
    found = calibrated(HeldModel(settings), settings)
    assert found.settings.vacuum_a_span_pa == settings.vacuum_a_span_pa
    assert found.settings.vacuum_b_zero_ppm == settings.vacuum_b_zero_ppm


def test_dividers_that_are_off_are_found_by_the_meter_and_come_first() -> None:
    settings = bench_settings()
    built = bench_settings(vacuum_a_divider_permille=630, sensor_supply_divider_permille=336)
    bench = HeldModel(settings, built=built)
    found = calibrated(bench, settings)
    assert found.points == ()
    assert abs(found.settings.vacuum_a_divider_permille - 630) <= 1
    assert abs(found.settings.sensor_supply_divider_permille - 336) <= 1
    assert found.settings.vacuum_b_divider_permille == 660
    assert bench.most_percent == 0


def test_small_errors_of_the_dividers_go_into_zero_and_span() -> None:
    settings = bench_settings()
    built = bench_settings(vacuum_a_divider_permille=666)
    bench = HeldModel(settings, built=built)
    found = calibrated(bench, settings, lambda deed, told: "" if "meter" in deed else told)
    # Whatever the divider is, a device with these settings reads the truth.
    share = 0.92 - PER_PA * 20_000
    ratio = 666 / settings.sensor_supply_divider_permille * share
    divider = (
        found.settings.vacuum_a_divider_permille / found.settings.sensor_supply_divider_permille
    )
    read = found.settings.vacuum_a_span_pa * (
        found.settings.vacuum_a_zero_ppm * 1e-6 - ratio / divider
    )
    assert read == pytest.approx(20_000, abs=300)


# Refused --------------------------------------------------------------------------


def refused(
    reads: Reads, error: dict[str, float] | None = None, plant: dict[str, float] | None = None
) -> str:
    settings = bench_settings()
    bench = HeldModel(settings, plant or {}, error or {})
    with pytest.raises(Implausible) as caught:
        calibrated(bench, settings, reads)
    assert caught.value.remedy.endswith((".", "?")) or "emery" in caught.value.remedy
    return str(caught.value)


def gauges(change: Callable[[float, int], str]) -> Reads:
    """Answers for the gauge made from what it shows, kPa, and the how-manyth it is."""
    count = 0

    def reads(deed: str, found: str) -> str:
        nonlocal count
        if deed != "gauge":
            return found
        count += 1
        return change(float(found.split()[0]), count - 1)

    return reads


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (lambda kpa, n: f"{kpa / 0.133322:.0f} kPa" if n else "0 kPa", "would fit in mmHg"),
        (lambda kpa, n: f"{kpa / 3.38639:.1f} kPa" if n else "0 kPa", "would fit in inHg"),
        (lambda kpa, n: f"{kpa * 10:.0f} mmHg" if n else "0 kPa", "would fit in mbar"),
        (lambda kpa, n: f"{101.3 - kpa:.1f} kPa" if n else "0 kPa", "an absolute pressure"),
        (lambda kpa, n: f"{kpa:.1f}" if n else "0 kPa", "has no unit"),
        (lambda kpa, n: f"{kpa:.1f} V" if n else "0 kPa", "a voltage"),
        (lambda kpa, n: "about twenty", "does not begin with a number"),
        (lambda kpa, n: f"{kpa + 101.3:.1f} kPa", "with the line vented"),
        (lambda kpa, n: f"{kpa * 2.2:.1f} kPa" if n else "0 kPa", "See that the gauge is at"),
        (lambda kpa, n: f"{round(kpa):.0f} kPa" if n else "0 kPa", "was read to 1.0 kPa only"),
        (lambda kpa, n: f"{kpa + (1.4 if n == 2 else 0):.1f} kPa", "off a straight line"),
        (lambda kpa, n: f"{kpa * (1.09 if n else 1):.1f} kPa", "rather the gauge is wrong"),
    ],
)
def test_a_reading_that_cannot_be_is_refused(
    typed: Callable[[float, int], str], words: str
) -> None:
    assert words in refused(gauges(typed))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"offset_a_pa": 3_000.0, "offset_b_pa": 3_000.0}, "the zero of sensor A"),
        ({"gain_a": 1.07}, "the span of sensor A"),
        ({"gain_a": 1.11, "gain_b": 1.11}, "rather the gauge is wrong"),
    ],
)
def test_a_sensor_that_is_not_sound_is_refused(error: dict[str, float], words: str) -> None:
    assert words in refused(lambda deed, found: found, error)


def test_a_noisy_sensor_is_refused() -> None:
    settings = bench_settings(**ESP32)
    bench = HeldModel(settings, {}, {"noise": 5.0}, adc="esp32")
    with pytest.raises(Implausible, match="sensor A is noisy"):
        calibrated(bench, settings)
    assert bench.most_percent <= 60


def test_a_pump_that_makes_no_vacuum_is_told_of() -> None:
    told = refused(lambda deed, found: found, plant={"pump_wear": 0.0})
    assert "emery calibrate leak" in told


def test_a_wrong_meter_is_refused() -> None:
    def reads(deed: str, found: str) -> str:
        return "0.5 V" if deed == "meter a" else found

    assert "Was it measured at the sensor" in refused(reads)
    assert "sensors' supply" in refused(
        lambda deed, found: "3.3 V" if deed == "meter supply" else found
    )


def test_channels_that_disagree_end_it_with_the_fault() -> None:
    settings = bench_settings()
    bench = HeldModel(settings, {}, {"gain_a": 1.25})
    with pytest.raises(DeviceProblem, match="SENSOR_DISAGREEMENT"):
        calibrated(bench, settings)


def test_a_person_is_asked_again_after_a_slip() -> None:
    settings = bench_settings()
    bench = HeldModel(settings)
    slip = gauges(lambda kpa, n: f"{kpa:.1f} {'mmHg' if n == 2 else 'kPa'}")
    person = Scripted(bench, slip)
    person.can_be_asked_again = True
    found = sensors.measure(bench, settings, person)
    assert len(found.points) == 5
    assert any("it would fit in kPa" in words for words in person.asked)


@pytest.mark.parametrize("slips", [["20.5 lux"], ["", "abc"], ["-3 kPa kPa", "30 kPa"]])
def test_a_slip_of_the_keyboard_costs_nothing_that_was_measured(slips: list[str]) -> None:
    """Of the voltmeter, too; but not for ever."""
    settings = bench_settings()
    bench = HeldModel(settings)
    metered = ["5,3", "9 V"]
    left = list(slips)

    def reads(deed: str, found: str) -> str:
        if deed == "meter supply" and metered:
            return metered.pop(0)
        return left.pop(0) if deed == "gauge" and left else found

    person = Scripted(bench, reads)
    person.can_be_asked_again = True
    found = sensors.measure(bench, settings, person)
    assert len(found.points) == 5
    left = [*slips, "101.3 kPa", "101.3 kPa"]
    person = Scripted(bench, reads)
    person.can_be_asked_again = True
    with pytest.raises(Implausible):
        sensors.measure(bench, settings, person)


# The arithmetic -------------------------------------------------------------------


def point(gauge_pa: float, settings: Settings, a: float = 0.0, b: float = 0.0) -> Point:
    """Exact counts, with what channels A and B read too much."""
    raws = []
    for channel, off in (("a", a), ("b", b)):
        zero = getattr(settings, f"vacuum_{channel}_zero_ppm") * 1e-6
        span = getattr(settings, f"vacuum_{channel}_span_pa")
        divider = getattr(settings, f"vacuum_{channel}_divider_permille")
        share = zero - (gauge_pa + off) / span
        raws.append(33_000 * share * divider / settings.sensor_supply_divider_permille)
    return Point(gauge_pa, 100.0, raws[0], raws[1], 33_000.0)


NOISE = {"a": 40.0, "b": 40.0}


def judged(points: list[Point], settings: Settings) -> Calibrated:
    return sensor_fit.judge(points, NOISE, settings, settings)


def test_a_device_reads_the_gauge_with_the_new_settings() -> None:
    settings = bench_settings()
    points = [point(pa, settings, a=500 + 0.03 * pa) for pa in (0, 10_000, 20_000, 28_000)]
    found = judged(points, settings)
    for one in points:
        assert one.vacuum_pa("a", found.settings) == pytest.approx(one.gauge_pa, abs=2)
        assert one.vacuum_pa("b", found.settings) == pytest.approx(one.gauge_pa, abs=2)
    assert settings.vacuum_a_span_pa == 130_685


def test_what_is_refused_here_is_no_calibration_for_a_certificate_either() -> None:
    assert sensor_fit.ZERO_SHIFT_PA == scatter._ZERO_LARGEST_PA
    assert sensor_fit.SPAN_SHARE == scatter._GAIN_LARGEST


def test_many_small_steps_do_not_lead_away_from_the_data_sheet() -> None:
    # 3 % more than the settings have, which have 3 % themselves.
    settings = bench_settings(vacuum_a_span_pa=134_600, vacuum_b_span_pa=134_600)
    points = [point(pa, settings, a=-0.03 * pa, b=-0.03 * pa) for pa in (0, 10_000, 25_000)]
    with pytest.raises(Implausible, match="from the data sheet"):
        judged(points, settings)
    one = [point(pa, settings, a=-0.03 * pa) for pa in (0, 10_000, 25_000)]
    with pytest.raises(Implausible, match="the span of sensor A"):
        judged(one, settings)
    # Another sensor is near to its own settings.
    other = bench_settings(
        vacuum_a_span_pa=200_000, vacuum_a_zero_ppm=800_000,
        vacuum_b_span_pa=200_000, vacuum_b_zero_ppm=800_000,
    )  # fmt: skip
    found = judged([point(pa, other, a=0.03 * pa) for pa in (0, 10_000, 25_000)], other)
    assert found.settings.vacuum_a_span_pa == pytest.approx(200_000 / 1.03, rel=0.001)


def test_points_that_cannot_make_a_span_are_refused() -> None:
    settings = bench_settings()
    near = [point(pa, settings) for pa in (0, 4_000, 8_000)]
    with pytest.raises(Implausible, match="too few for a span"):
        judged(near, settings)
    falling = [point(pa, settings) for pa in (0, 10_000, 20_000)]
    falling[2] = Point(9_000.0, 100.0, falling[2].a_raw, falling[2].b_raw, 33_000.0)
    with pytest.raises(Implausible, match=r"the gauge went from 10\.0 kPa to 9\.0 kPa"):
        judged(falling, settings)
    drifting = [point(pa, settings) for pa in (0, 10_000, 20_000)]
    drifting[1] = Point(10_000.0, 100.0, drifting[1].a_raw, drifting[1].b_raw, 33_000.0, 900.0)
    with pytest.raises(Implausible, match="the vacuum moved by 900 Pa"):
        judged(drifting, settings)


def test_channels_that_part_at_one_point_are_refused() -> None:
    settings = bench_settings()
    points = [point(pa, settings) for pa in (0, 7_000, 14_000, 21_000, 28_000)]
    points[2] = point(14_000, settings, a=420, b=-420)
    with pytest.raises(Implausible, match="apart even"):
        judged(points, settings)


def test_what_a_device_told_by_old_settings_is_read_by_new_ones() -> None:
    before = bench_settings()
    after = bench_settings(vacuum_a_divider_permille=640, vacuum_a_span_pa=128_000)
    one = point(15_000, before)
    assert sensor_fit.as_read(
        one.vacuum_pa("a", before), "a", before, after
    ) == pytest.approx(one.vacuum_pa("a", after))


@pytest.mark.parametrize(
    ("typed", "pa", "resolution_pa"),
    [
        ("20.5 kPa", 20_500, 100), ("-20.5 kPa", 20_500, 100), ("155 mmHg", 20_665, 133.3),
        ("6.1 inHg", 20_657, 338.6), ("205 mbar", 20_500, 100), ("20500Pa", 20_500, 1),
    ],
)  # fmt: skip
def test_readings_have_a_unit_and_a_resolution(
    typed: str, pa: float, resolution_pa: float
) -> None:
    found = reading.gauge(typed, 20_500, 101_000)
    assert found.value == pytest.approx(pa, abs=1)
    assert found.resolution == pytest.approx(resolution_pa, abs=0.1)


def test_the_table_shows_residuals_as_a_plot() -> None:
    settings = bench_settings()
    points = [point(pa, settings, a=300 if pa == 10_000 else 0) for pa in (0, 10_000, 20_000)]
    text = sensor_table.text(judged(points, settings))
    rows = [line for line in text.splitlines() if re.match(r" +\d+\.\d\d ", line)]
    assert len(rows) == 3
    assert rows[0].index("A") < rows[0].index("B") < rows[1].index("A")
    assert "1 sd" in text
