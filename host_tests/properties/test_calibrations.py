"""Calibrations on devices that nobody chose: sound ones are never refused, and what is
found is as near the truth as `tools/emery/calibrate/README.md` says."""

import random
from math import sqrt

import pytest

from emery.calibrate import feed, leak, pump, sensors
from firmware.settings import Settings
from host_tests.bench import bench_settings
from host_tests.held_bench import HeldModel, Scripted

PER_PA = 0.007652e-3  # MPXV6115V data sheet
DEVICES = 24


class Drawn:
    """One device: within what `emery.certificate.scatter` calls sound."""

    def __init__(self, number: int) -> None:
        chance = random.Random(f"calibrated device {number}")
        between = chance.uniform
        self.adc = "rp2040" if number % 2 else "esp32"
        self.settings: Settings = bench_settings()
        if self.adc == "esp32":
            self.settings = bench_settings(
                vacuum_a_divider_permille=474, vacuum_b_divider_permille=474, tick_period_ms=10
            )
        self.plant = {
            "volume_m3": between(0.33e-3, 1.1e-3),
            "hose_leak": between(0.0, 0.002),
            "atmosphere_pa": between(78e3, 103e3),
            "pump_free_flow_m3_s": 5e-4 * between(0.92, 1.08),
            "pump_lag_s": between(0.12, 0.19),
            "pump_dead_band": between(0.05, 0.2),
            "pump_wear": between(0.85, 1.0),
            "supply": between(0.95, 1.05),
            "nozzle_m": 1.2e-3 * between(0.97, 1.03),
            "vent_m": 4e-3 * between(0.95, 1.05),
            "vent_lag_s": between(0.01, 0.024),
            "filter_load": between(1.0, 2.0),
            "feed_full_mg_min": between(8e3, 32e3),
        }
        common = {"noise": between(0.7, 1.5), "supply_v": between(4.8, 5.2)}
        self.errors = {
            "offset_a_pa": between(-1_500.0, 1_500.0), "offset_b_pa": between(-1_500.0, 1_500.0),
            "gain_a": between(0.975, 1.025), "gain_b": between(0.975, 1.025),
            "lag_a_s": between(0.005, 0.01), "lag_b_s": between(0.005, 0.01), **common,
        }  # fmt: skip
        self.sound = common
        self.number = number

    def bench(self, errors: dict[str, float]) -> HeldModel:
        return HeldModel(self.settings, self.plant, errors, adc=self.adc, seed=self.number)


@pytest.mark.long
@pytest.mark.parametrize("number", range(DEVICES))
def test_a_sound_device_is_never_refused_and_its_truth_is_found(number: int) -> None:
    device = Drawn(number)
    bench = device.bench(device.errors)
    settings = sensors.measure(bench, device.settings, Scripted(bench)).settings
    for channel in ("a", "b"):
        zero = 0.92 - PER_PA * device.errors[f"offset_{channel}_pa"]
        span = 1 / (PER_PA * device.errors[f"gain_{channel}"])
        found_zero = getattr(settings, f"vacuum_{channel}_zero_ppm") * 1e-6
        found_span = getattr(settings, f"vacuum_{channel}_span_pa")
        for pa in (0.0, 20_000.0, 40_000.0):
            assert found_span * (found_zero - (zero - pa / span)) == pytest.approx(pa, abs=600)

    bench = device.bench(device.sound)
    turned = pump.measure(bench, device.settings, Scripted(bench))
    assert turned.start_permille == pytest.approx(1_000 * device.plant["pump_dead_band"], abs=10)
    assert turned.lag_ms == pytest.approx(1_000 * device.plant["pump_lag_s"], rel=0.25)

    bench = device.bench(device.sound)
    flow = feed.measure(bench, device.settings, Scripted(bench))
    assert flow.full_mg_min == pytest.approx(device.plant["feed_full_mg_min"], rel=0.02)

    bench = device.bench(device.sound)
    loss = leak.check(
        bench, Scripted(bench), device.settings, device.plant["volume_m3"],
        device.plant["nozzle_m"],
    )  # fmt: skip
    assert loss.passed
    assert loss.phases["all"].hole_mm == pytest.approx(
        6 * sqrt(device.plant["hose_leak"]), abs=0.05
    )
    assert loss.nozzle_mm == pytest.approx(1_000 * device.plant["nozzle_m"], rel=0.1)
    assert loss.nozzle_note == "clear"
