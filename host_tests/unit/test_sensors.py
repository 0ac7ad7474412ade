"""The sensor models: the gauge's law, both ADCs, and what is wrong with them."""

import statistics

import pytest

from emery.simulator.noise import Noise
from emery.simulator.sensors import PARAMETERS, Sensors
from hal.contract import RAW_FULL_SCALE
from host_tests.bench import bench_settings, raw_at, supply_raw, vacuum_of

TICK_S = 0.005
SETTINGS = bench_settings()
WIRING = {
    name: getattr(SETTINGS, name)
    for name in (
        "adc_reference_mv",
        "vacuum_a_divider_permille",
        "vacuum_b_divider_permille",
        "sensor_supply_divider_permille",
    )
}
# The ESP32's converter ends at 2450 mV: it needs a smaller divider.
ESP32_WIRING = WIRING | {"vacuum_a_divider_permille": 480, "vacuum_b_divider_permille": 480}
ADCS = [("rp2040", WIRING), ("esp32", ESP32_WIRING)]
# The highest voltage that each reads, in mV.
HIGHEST_MV = {"esp32": 2_450, "esp32s3": 2_900}


class Silence:
    def three(self) -> tuple[float, float, float]:
        return 0.0, 0.0, 0.0


def convert(sensors: Sensors, code: float) -> int:
    """The count that channel A's converter gives for a code."""
    raw: int = sensors._convert(code, 0.0, 0.0)[0]
    return raw


def sensors_of(
    adc: str = "rp2040", wiring: dict[str, int] | None = None, /, **parameters: float
) -> Sensors:
    return Sensors(parameters, wiring or WIRING, adc, Silence(), TICK_S)


def settled(sensors: Sensors, skin_pa: float) -> tuple[int, int, int]:
    for _ in range(100):
        sensors.step(skin_pa)
    return sensors.vacuum_a_raw, sensors.vacuum_b_raw, sensors.supply_raw


def seen_pa(channel: str, raw: float, wiring: dict[str, int], supply: float) -> float:
    return vacuum_of(bench_settings(**wiring), channel, raw, supply)


@pytest.mark.parametrize(("adc", "wiring"), ADCS, ids=["rp2040", "esp32"])
@pytest.mark.parametrize("vacuum_pa", [0.0, 5_000.0, 10_000.0, 27_000.0, 40_000.0, 60_000.0])
def test_a_quiet_sensor_reads_the_vacuum(
    adc: str, wiring: dict[str, int], vacuum_pa: float
) -> None:
    a_raw, b_raw, supply = settled(sensors_of(adc, wiring), vacuum_pa)
    assert supply == pytest.approx(supply_raw(SETTINGS), abs=80)
    # The RP2040's own error between its wide codes is up to 4.5 of them.
    most_pa = 450 if adc == "rp2040" else 150
    assert seen_pa("a", a_raw, wiring, supply_raw(SETTINGS)) == pytest.approx(
        vacuum_pa, abs=most_pa
    )
    assert a_raw == b_raw


@pytest.mark.parametrize(("adc", "wiring"), ADCS, ids=["rp2040", "esp32"])
def test_the_noise_is_that_of_the_converter(adc: str, wiring: dict[str, int]) -> None:
    counts = {"rp2040": 17.6, "esp32": 75.0}[adc]
    for part in (0.0, 1.0, 3.0):
        sensors = Sensors({"noise": part}, wiring, adc, Noise(4), TICK_S)
        settled(sensors, 20_000.0)
        samples = []
        for _ in range(3_000):
            sensors.step(20_000.0)
            samples.append(sensors.vacuum_a_raw)
        # A whole code of the converter adds its own part.
        code = 16.0 if adc == "rp2040" else RAW_FULL_SCALE / 3300
        expected = (counts**2 * part**2 + (code**2 / 12 if part else 0.0)) ** 0.5
        assert statistics.pstdev(samples) == pytest.approx(expected, rel=0.1, abs=0.1)


def test_codes_of_the_rp2040_have_their_width() -> None:
    # Sweep the whole range finely and count how much of it each code takes.
    sensors = sensors_of()
    widths: dict[int, int] = {}
    per_code = 20
    for step in range(4_000 * per_code):
        raw = convert(sensors, step / per_code)
        widths[raw // 16] = widths.get(raw // 16, 0) + 1
    for wide in (512, 1536, 2560, 3584):
        near = max(widths.get(code, 0) for code in range(wide - 1, wide + 2))
        assert near / per_code == pytest.approx(9.9, abs=1.5), f"code {wide}"
    ordinary = [
        widths.get(code, 0) / per_code
        for code in range(100, 3_900)
        if all(abs(code - wide) > 6 for wide in (512, 1536, 2560, 3584))
    ]
    assert statistics.fmean(ordinary) == pytest.approx(1.0, abs=0.02)
    assert max(ordinary) <= 1.2


def test_codes_never_run_backwards() -> None:
    sensors = sensors_of()
    raws = [convert(sensors, step * 0.0625) for step in range(66_000)]
    assert raws == sorted(raws)


@pytest.mark.parametrize("chip", HIGHEST_MV)
def test_the_esp32s_are_read_in_whole_millivolts(chip: str) -> None:
    sensors = sensors_of(chip, ESP32_WIRING)
    for millivolts in (100, 1_000, 1_001, 2_000):
        raw = convert(sensors, millivolts)
        assert raw * 3300 / RAW_FULL_SCALE == pytest.approx(millivolts, abs=0.2)


def test_no_converter_gives_more_than_its_range() -> None:
    assert convert(sensors_of(), 1e6) == RAW_FULL_SCALE
    assert convert(sensors_of(), -1_000.0) == 0
    for chip, highest_mv in HIGHEST_MV.items():
        top = convert(sensors_of(chip, ESP32_WIRING), 1e6)
        assert top * 3300 / RAW_FULL_SCALE == pytest.approx(highest_mv, abs=1)


def test_the_supply_is_ratiometric() -> None:
    for supply_v in (4.6, 5.0, 5.4):
        a_raw, _, supply = settled(sensors_of(supply_v=supply_v), 30_000.0)
        assert seen_pa("a", a_raw, WIRING, supply) == pytest.approx(30_000, abs=700)


def test_offset_and_gain_are_each_channel_s_own() -> None:
    good = settled(sensors_of("esp32", ESP32_WIRING), 20_000.0)
    supply = supply_raw(SETTINGS)
    for channel, index in (("a", 0), ("b", 1)):
        offset = settled(
            sensors_of("esp32", ESP32_WIRING, **{f"offset_{channel}_pa": 1_700.0}), 20_000.0
        )
        assert seen_pa(channel, offset[index], ESP32_WIRING, supply) == pytest.approx(
            21_700, abs=150
        )
        assert offset[1 - index] == good[1 - index]
        gain = settled(sensors_of("esp32", ESP32_WIRING, **{f"gain_{channel}": 1.1}), 20_000.0)
        gained_pa = seen_pa(channel, gain[index], ESP32_WIRING, supply)
        assert gained_pa == pytest.approx(22_000, abs=150)
        assert gain[1 - index] == good[1 - index]


@pytest.mark.parametrize("lag_s", [0.005, 0.05, 1.0])
def test_the_lag_of_tube_and_filter(lag_s: float) -> None:
    # Each channel has its own: the other one here is as fast as can be.
    sensors = sensors_of("esp32", ESP32_WIRING, lag_a_s=lag_s, lag_b_s=0.001)
    settled(sensors, 0.0)
    ticks = round(lag_s / TICK_S)
    for _ in range(ticks):
        sensors.step(40_000.0)
    after_one_lag = seen_pa("a", sensors.vacuum_a_raw, ESP32_WIRING, supply_raw(SETTINGS))
    assert after_one_lag == pytest.approx(40_000 * (1 - (1 + 1 / ticks) ** -ticks), abs=200)
    fast = seen_pa("b", sensors.vacuum_b_raw, ESP32_WIRING, supply_raw(SETTINGS))
    assert fast > 33_000


@pytest.mark.parametrize("channel", ["a", "b"])
def test_a_blocked_port_holds_its_pressure(channel: str) -> None:
    sensors = sensors_of()
    before = settled(sensors, 30_000.0)
    sensors.set(f"port_{channel}_open", 0.0)
    after = settled(sensors, 5_000.0)
    index = "ab".index(channel)
    assert after[index] == before[index]
    assert after[1 - index] > before[1 - index] + 5_000
    sensors.set(f"port_{channel}_open", 1.0)
    assert settled(sensors, 5_000.0)[index] > before[index] + 5_000


def test_a_narrow_port_is_slow() -> None:
    reached = []
    for share in (1.0, 0.3, 0.1, 0.01, 0.0):
        sensors = sensors_of(port_b_open=share)
        for _ in range(5):
            sensors.step(40_000.0)
        reached.append(seen_pa("b", sensors.vacuum_b_raw, WIRING, supply_raw(SETTINGS)))
    assert reached == sorted(reached, reverse=True)
    assert reached[0] > 30_000
    assert reached[-1] == pytest.approx(0, abs=450)


def test_full_vacuum_is_not_below_what_the_gauge_can_show() -> None:
    a_raw, _, _ = settled(sensors_of(), 100_000.0)
    assert a_raw == pytest.approx(raw_at(SETTINGS, "a", 100_000, supply_raw(SETTINGS)), abs=90)


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: row[0])
def test_every_parameter_can_be_set(row: tuple[str, str, float, float, float, str]) -> None:
    name, _unit, low, high, default, meaning = row
    assert low <= default <= high
    assert meaning
    sensors = sensors_of()
    for value in (low, high):
        sensors.set(name, value)
        assert getattr(sensors, name) == value
        assert all(0 <= raw <= RAW_FULL_SCALE for raw in settled(sensors, 30_000.0))


def test_a_parameter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyError):
        sensors_of().set("lag_s", 1.0)
    with pytest.raises(AttributeError):
        _ = sensors_of().lag_s
