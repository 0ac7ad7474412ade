"""One scenario from its file to its result.

The scenario, the board and the protocol are read and checked, the settings
compiled; the firmware loads them as it would on a board and runs through the
treatment on a lane; the trace is measured, and the requirements judged.
"""

import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emery.config.load import load_device, load_protocol
from emery.config.rows import SETTING_ROWS
from emery.simulator import analysis, lanes, margins, requirements, scenario, strokes
from emery.simulator.trace import Trace
from firmware import faults, treatment
from firmware.limits import LEVEL_VACUUM_PA
from firmware.settings import Settings, encode

SCHEMA = "emery.simulate/1"
# The full state goes into the rolling CRC once a second: often enough to find
# where two runs part, cheap enough to do always.
_STATE_EVERY = 200


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: the plain result, and the trace behind it."""

    result: dict[str, Any]
    trace: Trace


def scenario_names() -> list[str]:
    """Names of the shipped scenarios."""
    return scenario.names()


def simulate(
    scenario_name: str | Path,
    *,
    seed: int | None = None,
    lane: str = "cpython",
    board: Path | None = None,
    protocol: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> Run:
    """Run a shipped scenario, or one in a TOML file.

    `seed`, `board` and `protocol` take the place of the scenario's. `progress`
    is called now and then with the share done. Raises ConfigError for bad
    input, LaneMissing or LaneFailed for the lane.
    """
    began = time.perf_counter()
    job, plan, settings = prepare(scenario_name, seed=seed, board=board, protocol=protocol)
    ran = lanes.run(job, lane, progress)
    trace = Trace(ran.rows, settings.tick_period_ms)
    result = _result(plan, board or plan.board, settings, job, ran, trace, lane)
    wanted = requirements.always() + plan.wanted
    result["requirements"] = [requirement.outcome(result) for requirement in wanted]
    result["passed"] = all(outcome["passed"] for outcome in result["requirements"])
    result["margins"] = [asdict(margin) for margin in margins.margins(result, trace)]
    result["wall_s"] = round(time.perf_counter() - began, 3)
    result["reproduce"] = _reproduce(scenario_name, job["seed"], lane, board, protocol)
    return Run(result, trace)


def prepare(
    scenario_name: str | Path,
    *,
    seed: int | None = None,
    board: Path | None = None,
    protocol: Path | None = None,
) -> tuple[dict[str, Any], scenario.Scenario, Settings]:
    """The job of a scenario for `lanes.run`, the scenario, and its settings."""

    def zone_names(named: Path) -> list[str]:
        return [zone.name for zone in load_protocol(protocol or named).zones]

    plan = scenario.read(scenario_name, zone_names)
    device = load_device(
        board or plan.board, protocol or plan.protocol, pins_required=False, to_treat=True
    )
    settings = device.settings
    job = {
        "settings": encode(settings),
        "seed": plan.seed if seed is None else seed,
        # What was measured of this device; the scenario may have another in mind.
        "plant": device.plant | plan.plant,
        "sensors": plan.sensors,
        "timing": plan.timing,
        "operator": plan.operator,
        "adc": device.chip,
        "duration_ms": plan.duration_ms,
        "events": plan.events,
        "state_every": _STATE_EVERY,
    }
    return job, plan, settings


def _result(
    plan: scenario.Scenario,
    board: Path,
    settings: Settings,
    job: dict[str, Any],
    ran: lanes.Ran,
    trace: Trace,
    lane_name: str,
) -> dict[str, Any]:
    facts = ran.facts
    figures = analysis.measure(trace, settings, facts["events"])
    zones = [
        {
            "name": zone.name,
            "level": zone.level,
            "set_pa": LEVEL_VACUUM_PA[zone.level - 1],
            "pass_time_ms": zone.pass_time_ms,
            "pass_crystals_mg": zone.pass_crystals_mg,
            "passes_allowed": zone.passes,
            "passes_counted": facts["passes_counted"][index],
            "passes_made": facts["passes_made"][index],
            "strokes": figure.strokes,
            "on_skin_ms": figure.on_skin_ms,
            "in_band_ms": figure.in_band_ms,
            "crystals_mg": analysis.milligrams(figure.crystals_mg_min_ms),
            "peak_pa": figure.peak_pa,
        }
        for index, (zone, figure) in enumerate(zip(settings.zones, figures.zones, strict=True))
    ]
    return {
        "schema": SCHEMA,
        "scenario": plan.name,
        "title": plan.title,
        "about": plan.about,
        "board": board.stem,
        "protocol": settings.protocol_name,
        "seed": job["seed"],
        "lane": lane_name,
        "interpreter": ran.interpreter,
        "ticks": facts["ticks"],
        "crc": f"{facts['crc']:08x}",
        "tick_ms": settings.tick_period_ms,
        "duration_ms": trace.columns["t_ms"][-1] if len(trace) else 0,
        "final_state": treatment.STATES[facts["final_state"]],
        "hard_limit_pa": settings.hard_limit_pa,
        "soft_margin_pa": settings.soft_margin_pa,
        "soft_margin_permille": settings.soft_margin_permille,
        "session_ms": settings.session_ms,
        "world": {
            f"{model}.{name}": value
            for model in ("plant", "sensors", "operator")
            for name, value in job[model].items()
        },
        "settings": {row.name: getattr(settings, row.name) for row in SETTING_ROWS},
        "zones": zones,
        "peak_pa": figures.peak_pa,
        "on_skin_ms": sum(zone.on_skin_ms for zone in figures.zones),
        "in_band_ms": sum(zone.in_band_ms for zone in figures.zones),
        "strokes": sum(zone.strokes for zone in figures.zones),
        **strokes.regulation(strokes.strokes(trace)),
        "crystals_mg": analysis.milligrams(
            sum(zone.crystals_mg_min_ms for zone in figures.zones) + figures.off_skin_mg_min_ms
        ),
        "off_skin_mg": analysis.milligrams(figures.off_skin_mg_min_ms),
        "suction_without_pass_ms": figures.suction_without_pass_ms,
        "crystals_without_contact_ms": figures.crystals_without_contact_ms,
        "unsafe_in_fault_ms": figures.unsafe_in_fault_ms,
        "crystals_after_lift_ms": figures.crystals_after_lift_ms,
        "held_after_stop_ms": figures.held_after_stop_ms,
        "refused_presses": figures.refused_presses,
        "power_cuts": facts["power_cuts"],
        "commits": facts["commits"],
        "faults": [_fault(fault) for fault in figures.faults],
        "effects": dict(facts["effects"]),
        "events": _events(facts),
        "state_names": list(treatment.STATES),
        "reason_names": list(treatment.REASONS),
        "fault_names": [row[1] for row in faults.CATALOGUE],
    }


def _fault(figures: analysis.FaultFigures) -> dict[str, Any]:
    row = faults.CATALOGUE[figures.number]
    return {
        "code": row[1],
        "number": row[0],
        "headline": row[4],
        "fix": list(row[5]),
        "at_ms": figures.at_ms,
        "to_safe_ms": figures.to_safe_ms,
        "release_ms": figures.release_ms,
        "peak_pa": figures.peak_pa,
    }


def _events(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """What was done to the device, with the effect it had."""
    effects = dict(facts["effects"])
    events = []
    for at_ms, action, argument, value in facts["events"]:
        text = " ".join(part for part in (action, argument) if part).replace("_", " ")
        if action == "inject":
            text = f"{argument} injected: changed {effects.get(argument, 0)} samples or drives"
        elif action in ("plant", "sensors", "timing"):
            text = f"{argument} set to {value:g}"
        events.append({"at_ms": at_ms, "text": text})
    return events


def _reproduce(
    name: str | Path, seed: int, lane_name: str, board: Path | None, protocol: Path | None
) -> str:
    words = ["emery", "simulate", str(name), "--seed", str(seed)]
    if lane_name != "cpython":
        words += ["--lane", lane_name]
    if board is not None:
        words += ["--board", str(board)]
    if protocol is not None:
        words += ["--protocol", str(protocol)]
    return shlex.join(words)
