"""Whether what was fitted can be a device: the last look before anything is kept."""

from emery.calibrate.verdict import Implausible
from emery.identify.result import Identified

# All of these are [E].
_LEAK_HIGHEST = 0.03  # a hole of 1 mm: all else is told badly beside it
_MISFIT_HIGHEST = 40.0
_VOLUME_M3 = (1e-4, 3e-3)  # the simulator's
_NOZZLE_LOWEST_M = 0.55e-3


def judge(result: Identified) -> None:
    """Raise Implausible, with the step to repeat, if this cannot be believed."""
    found = {one.name: one for one in result.found}
    leak = found["hose_leak"]
    if leak.value > _LEAK_HIGHEST:
        raise Implausible(
            f"the line leaks {100 * leak.value:.1f} % of an open hose: nothing else can be told "
            "beside it",
            "Find the leak first: emery calibrate leak. Then identify again.",
        )
    volume = found["volume_m3"]
    if volume.high <= _VOLUME_M3[0] or volume.low >= _VOLUME_M3[1] or not volume.is_told:
        raise Implausible(
            f"a volume of {1e6 * volume.value:.0f} mL came out, which no device of this kind has",
            f"Is the hole {result.orifice_m * 1e3:g} mm, and was the orifice tip on in step 2? "
            "Then identify again.",
        )
    if result.misfit > _MISFIT_HIGHEST:
        raise Implausible(
            "what the device did is none that the model can do: "
            f"{result.misfit:.0f} times what noise would make is left over",
            "Was the tip moved or a hose kinked during a run, or is the supply weak? Identify "
            "again; if it stays so, emery calibrate leak and emery calibrate sensors tell more.",
        )
    nozzle = found["nozzle_m"]
    if nozzle.high < _NOZZLE_LOWEST_M:
        raise Implausible(
            f"the crystal nozzle lets in as little as {1e3 * nozzle.value:.1f} mm would",
            "Open the clamp of the crystal hose, and see that nozzle and hose are clean. Then "
            "identify again.",
        )
