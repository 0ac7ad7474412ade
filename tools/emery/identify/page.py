"""What was identified, as a page of at most 80 columns."""

from textwrap import wrap

from emery.config.problem import COLUMNS
from emery.identify.parameters import BY_NAME
from emery.identify.result import FLOW_PA, Found, Identified, texts

# More than this and the model leaves something out that matters. [E]
MISFIT_TOLD = 2.0

_HEAD = f"{'':34}{'measured':>14}   {'95 % interval':<20} {'+-':>5}"


def text(result: Identified) -> str:
    """The page."""
    lines = [_HEAD, "─" * COLUMNS]
    lines += [_line(one) for one in result.found]
    lines.append("")
    lines += [
        f"{words:<30}" + "".join(f"{value:>10}" for value in values)
        for words, *values in curve(result)
    ]
    lines.append("")
    for words in remarks(result):
        lines += wrap(words, COLUMNS)
    return "".join(f"{line}\n" for line in lines)


def _line(one: Found) -> str:
    return "{:<34}{:>14}   {:<20} {:>5}".format(*cells(one)).rstrip()


def cells(one: Found) -> tuple[str, str, str, str]:
    """A row: what it is, its value, the interval, and half of that over the value."""
    words = BY_NAME[one.name].words
    value, interval = texts(one)
    if not one.is_told:
        return words, "not told", interval, ""
    percent = 100 * one.doubt
    doubt = f"{percent:.0f} %" if percent >= 1.0 else f"{percent:.1f} %"
    return words, value, interval, doubt if percent < 100.0 else ""


def curve(result: Identified) -> list[list[str]]:
    """The pump at full drive, three rows: what it is, and a value for each vacuum."""
    halves = (0.5 * (high - low) for *_, low, high in result.curve)
    return [
        ["pump at full drive, vacuum kPa", *(f"{pa / 1_000:.0f}" for pa, *_ in result.curve)],
        [
            "flow, L/min of outside air",
            *(f"{60_000 * flow:.1f}" for _, flow, *_ in result.curve),
        ],
        ["+-", *(f"{60_000 * half:.1f}" for half in halves)],
    ]


def remarks(result: Identified) -> list[str]:
    """What a technician has to know besides the numbers."""
    found = {one.name: one for one in result.found}
    told = []
    unknown = [BY_NAME[one.name].words for one in result.found if not one.is_told]
    if unknown:
        told.append(
            f"Not told by these runs, and written nowhere: {'; '.join(unknown)}. Such a value "
            "does too little on this device to be seen beside the others."
        )
    load = found["filter_load"]
    if load.is_told and load.low > 10.0:
        told.append(
            f"Filter and line lose {load.value:.0f} times what clean ones do: change the "
            "filter, empty the canister, and look for a kink in the hose."
        )
    leak = found["hose_leak"]
    if leak.low > 0.003:
        told.append(
            "The line leaks more than a sound one: emery calibrate leak tells where to look "
            "first."
        )
    if result.misfit > MISFIT_TOLD:
        told.append(
            f"The device differs from the model by {result.misfit:.0f} times what noise would "
            "make; the intervals are widened for it. Was the tip moved, or a hose kinked, "
            "during a run? --report shows where."
        )
    flow = next(row for row in result.curve if row[0] == FLOW_PA)
    told.append(
        f"Intervals hold if the hole in the orifice tip is {result.orifice_m * 1e3:g} mm within "
        f"2 %, its edges are clean, and the pump's supply is what it usually is. At "
        f"{FLOW_PA / 1_000:.0f} kPa the pump moves {60_000 * flow[1]:.1f} L/min at full drive."
    )
    return told
