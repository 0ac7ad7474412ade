"""What is fitted: each parameter of the plant, how it is counted, and what is known before.

A parameter that can only be positive and spans decades is fitted by its logarithm; one
that may well be nothing (a leak, a dead band) as it is. What is known before anything
was measured is wide: it keeps a fit from running away where the device tells nothing,
and shows in the interval there.
"""

from dataclasses import dataclass
from math import exp, log

from emery.simulator.plant import PARAMETERS

SURE = 1.96  # standard deviations to each end of a 95 % interval

_PLANT = {row[0]: row for row in PARAMETERS}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `name` is that of `emery.simulator.plant`; `phases` those of
    `emery.identify.excitation` in which it does something.

    `prior` is its standard deviation before the measurement, in what is fitted: of the
    logarithm if `by_log`, else in the parameter's own unit; `start` where the fit begins.
    """

    name: str
    words: str
    by_log: bool
    prior: float
    step: float  # for the differences of the Jacobian, in what is fitted
    phases: str  # letters of the phases in which it shows

    @property
    def start(self) -> float:
        """The nominal device's value."""
        return float(_PLANT[self.name][4])

    @property
    def lowest(self) -> float:
        """The least that the simulator takes."""
        return float(_PLANT[self.name][2])

    @property
    def highest(self) -> float:
        """The most that the simulator takes."""
        return float(_PLANT[self.name][3])

    def fitted(self, value: float) -> float:
        """A value as it is fitted."""
        return log(value) if self.by_log else value

    def value(self, fitted: float) -> float:
        """The other way."""
        return exp(fitted) if self.by_log else fitted

    def bounds(self) -> tuple[float, float]:
        """What the fit may try: the simulator's range; a little below nothing too, where
        that is its end, or an estimate of nothing would always come out too high."""
        if self.by_log:
            return log(0.5 * self.lowest), log(2.0 * self.highest)
        low = self.lowest
        if self.name == "hose_leak":
            low = -2e-4
        elif self.name == "filter_load":
            low = 0.0
        elif self.name == "pump_ultimate":
            return 0.3, 1.2
        elif self.name == "pump_dead_band":
            low = -0.1
        return low, self.highest


# Spreads before the measurement are [E]: wider than any two devices of one design.
FITTED = (
    Parameter("volume_m3", "volume of canister, hose and filter", True, 1.0, 1e-3, "cona"),
    Parameter("pump_free_flow_m3_s", "pump: free flow", True, 1.0, 1e-3, "cona"),
    Parameter("pump_ultimate", "pump: ultimate vacuum", False, 0.15, 1e-3, "cona"),
    Parameter("pump_lag_s", "pump: lag", True, 1.0, 1e-2, "cona"),
    Parameter("pump_dead_band", "pump: dead band", False, 0.15, 1e-3, "cona"),
    Parameter("hose_leak", "leak of the line", False, 0.05, 1e-5, "cona"),
    Parameter("nozzle_m", "crystal nozzle, as open as it is", True, 0.5, 1e-3, "na"),
    Parameter("filter_load", "loss of filter and line, clean: 1", False, 100.0, 0.05, "ona"),
    Parameter("vent_m", "vent", True, 0.5, 3e-3, "cona"),
    Parameter("vent_lag_s", "vent: lag", True, 1.0, 1e-2, "cona"),
    Parameter("tip_m", "tip", True, 0.3, 3e-3, "a"),
)
NAMES = tuple(row.name for row in FITTED)
BY_NAME = {row.name: row for row in FITTED}
