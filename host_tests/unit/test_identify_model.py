"""The noise that identification weighs its recordings with, beside what the device makes."""

from math import sqrt

import numpy as np

from emery.config.load import load
from emery.identify.excitation import CLOSED, Run
from emery.identify.model import Model
from emery.service_bench.bench import pump
from host_tests.modelled_bench import ModelledBench
from host_tests.unit.test_identify import BOARDS, PROTOCOL
from host_tests.unseen_plants import ORIFICE_M

_SEEDS = 24


def test_what_both_channels_read_too_much_together_is_counted() -> None:
    """The mean of a run at rest, of both channels, is as far from nothing as the weights say.

    The supply's noise is common to both and lasts. It once counted as if each channel had
    half of it to itself: the ESP32's means were a third farther off than was said, and so
    were its volumes, lags and filters.
    """
    settings = load(BOARDS / "esp32_devkitc.toml", PROTOCOL)
    off = []
    for seed in range(1, _SEEDS + 1):
        bench = ModelledBench(settings, adc="esp32", seed=97 * seed)
        at_rest = Run(CLOSED, bench.run([pump(0, 1_500)]))
        model = Model([at_rest], settings, "esp32", ORIFICE_M)
        (run,) = model.runs
        both = np.concatenate(run.measured)
        off.append(both.sum() / sqrt(float(np.square(np.concatenate(run.sigma)).sum())))
    assert sqrt(sum(one * one for one in off) / len(off)) < 1.35  # it was 1.7
