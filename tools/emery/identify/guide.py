"""The measurement, guided: what to do to the handpiece, run after run, and what was wrong.

A phase whose runs cannot be what they should be is repeated if somebody can be asked.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from emery.calibrate.technician import Technician
from emery.calibrate.verdict import Implausible
from emery.identify.excitation import ASKED, ORIFICE, PHASES, RUNS, Excitation, Run
from emery.identify.plausible import check
from emery.service_bench.bench import Bench
from firmware.settings import Settings

# Shows what is done of something with this title.
Progress = Callable[[str], AbstractContextManager[Callable[[float, str], None]]]

_TRIES = 3  # of one phase

# The same in the words of a virtual board's hands.
_DEEDS = dict(
    zip(
        PHASES,
        ("clamp nozzle; tip cap", "tip orifice {}", "open nozzle; tip cap", "tip air"),
        strict=True,
    )
)


class AsIfDone(Technician):
    """Nobody is asked: whatever a prompt wants is taken as done. For scripts that move
    the tip themselves."""

    def begin(self, words: str, deed: str) -> None:
        """See Technician.begin."""
        self.tell(f"> {words} (--yes)")

    def poll(self) -> str | None:
        """See Technician.poll."""
        return ""


def measure(
    bench: Bench,
    settings: Settings,
    technician: Technician,
    orifice_m: float,
    progress: Progress,
) -> list[Run]:
    """All phases. `progress` is open while a phase runs, and not while somebody is asked
    for something: he types where it would be drawn. Raises Implausible if a phase cannot be
    what it should be, DeviceProblem if the device cannot."""
    excitation = Excitation(bench, settings)
    runs: list[Run] = []
    for number, phase in enumerate(PHASES, 1):
        for again in range(_TRIES):
            words = ASKED[phase]
            if phase == ORIFICE:
                words = words.replace("orifice tip", f"orifice tip ({orifice_m * 1e3:g} mm)")
            technician.please(
                f"Step {number} of {len(PHASES)}: {words}",
                _DEEDS[phase].format(f"{orifice_m * 1e3:g}"),
            )
            found = []
            title = f"step {number} of {len(PHASES)}"
            with progress(title) as show:
                show(len(runs) / RUNS, title)
                for run in excitation.runs(phase):
                    found.append(run)
                    show((len(runs) + len(found)) / RUNS, title)
            try:
                check([*runs, *found], settings, phase)
            except Implausible as problem:
                if not technician.can_be_asked_again or again == _TRIES - 1:
                    raise
                technician.tell(str(problem))
                continue
            runs += found
            break
    return runs
