"""Making a certificate: settings on every plant of the scatter, judged.

    certify(settings, chip, plant, show) -> Certified
    try_out(settings, chip, plant, trials, show) -> Outcome   (any other scatter)

The plants are simulated in processes, one for each processor. It is deterministic:
the same settings, chip, plant and code give the same figures everywhere, whatever
the number of processes. A certificate that was made, or refused, is kept in the
user's cache.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from functools import cache

from emery.certificate import course, known, requirements, scatter
from emery.certificate.course import Figures, Trial
from emery.certificate.known import Certified
from emery.certificate.marks import marks
from emery.certificate.requirements import Verdict
from emery.certificate.wording import failures
from emery.processes import processors, side_by_side
from firmware import certificate
from firmware.settings import SETTINGS, Settings

Show = Callable[[float, str], None]

_AT_ONCE = 8  # trials handed to a process at a time


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scatter. Peaks in Pa and settling in ms; `settle_ms` is of the
    plants that can reach their level."""

    trials: tuple[Trial, ...]
    figures: tuple[Figures, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Did everything hold?"""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def peak_pa(self) -> int:
        """The highest vacuum at the skin of any plant, runaways included."""
        peaks = [0.0]
        for figures in self.figures:
            peaks += [figures.peak_pa, figures.runaway_peak_pa or 0.0]
        return round(max(peaks))

    @property
    def settle_ms(self) -> int:
        """The longest settling of any plant."""
        return round(max((figures.settle_ms or 0.0 for figures in self.figures), default=0.0))


def certify(
    settings: Settings,
    chip: str,
    plant: Mapping[str, float] | None = None,
    show: Show | None = None,
    *,
    made_s: int | None = None,
    processes: int | None = None,
) -> Certified:
    """Try settings on the scatter round `plant` (simulator's names, SI; what it does not
    state is nominal), or tell what is known of them already.

    `chip` is a name of `hal.wiring.CHIPS`, `made_s` the time of making (default: now).
    Zones do not matter. Raises ProcessLost.
    """
    plant = plant or {}
    made = known.recall(settings, chip, plant)
    if made is not None:
        return made
    outcome = try_out(settings, chip, scatter.trials(plant, settings), show, processes=processes)
    made = certified(outcome, settings, chip, plant, made_s)
    known.remember(settings, chip, plant, made)
    return made


def certified(
    outcome: Outcome,
    settings: Settings,
    chip: str,
    plant: Mapping[str, float],
    made_s: int | None = None,
) -> Certified:
    """What an outcome of the certificate's own scatter amounts to."""
    payload = b""
    if outcome.passed:
        payload = certificate.encode(
            *marks(settings, chip, plant), len(outcome.trials), outcome.peak_pa, outcome.settle_ms,
            int(time.time()) if made_s is None else made_s,
        )
    return Certified(
        payload, failures(outcome), len(outcome.trials), outcome.peak_pa, outcome.settle_ms
    )


def try_out(
    settings: Settings,
    chip: str,
    trials: Sequence[Trial],
    show: Show | None = None,
    *,
    spared: bool = True,
    processes: int | None = None,
) -> Outcome:
    """Settings on any trials; `spared` asks for a certificate's spare. Raises ProcessLost."""
    workers = min(processes or processors(), -(-len(trials) // _AT_ONCE))
    values = tuple(getattr(settings, row[0]) for row in SETTINGS)
    found: dict[int, Figures] = {}
    for place, figures in _figures(values, chip, trials, workers):
        found.update(zip(range(place, place + len(figures)), figures, strict=True))
        if show is not None:
            show(len(found) / len(trials), f"plant {len(found)} of {len(trials)}")
    ordered = tuple(found[place] for place in range(len(trials)))
    return Outcome(tuple(trials), ordered, requirements.judge(settings, ordered, spared=spared))


def _figures(
    values: tuple[int, ...], chip: str, trials: Sequence[Trial], workers: int
) -> Iterator[tuple[int, list[Figures]]]:
    """(place, what those from there on did), as they come."""
    pieces = [
        (place, trials[place : place + _AT_ONCE]) for place in range(0, len(trials), _AT_ONCE)
    ]
    if workers == 1:
        for place, piece in pieces:
            yield place, _run(values, chip, piece)
        return
    remedy = "close what else uses much of it"
    with side_by_side(workers, "the certificate", remedy) as executor:
        futures: dict[Future[list[Figures]], int] = {
            executor.submit(_run, values, chip, piece): place for place, piece in pieces
        }
        for future in as_completed(futures):
            yield futures[future], future.result()


def _run(values: tuple[int, ...], chip: str, trials: Sequence[Trial]) -> list[Figures]:
    settings = _settings(values)
    return [course.run(settings, chip, trial) for trial in trials]


@cache
def _settings(values: tuple[int, ...]) -> Settings:
    settings = Settings()
    for row, value in zip(SETTINGS, values, strict=True):
        setattr(settings, row[0], value)
    return settings
