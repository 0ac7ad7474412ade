"""A scenario: a small TOML file that tells a treatment and what must hold.

    [scenario]
    title = "Clogged nozzle runs away at full level"
    about = "..."
    board = "pico_reference"        # in board_configs/, or a file
    protocol = "body"               # in board_configs/protocols/, or a file
    duration = "60 s"               # at most; it ends when the operator has finished

    [plant]                         # what differs from the nominal device
    volume = "0.3 L"
    [sensors]
    [timing]
    tick_jitter = "2 ms"
    [operator]                      # what differs from the usual operator
    style = "hurried"
    passes = 1

    [[event]]                       # something happens
    stroke = 3                      # to the operator's third stroke, or: at = "20 s"
    after = "400 ms"
    inject = "pump_stuck_full"      # a fault of hal/mock.py; or clear, plant,
                                    # sensors, timing (a table with one new
                                    # value), or do

    [require]                       # what must hold at the end
    peak_vacuum = "at most 47 kPa"

The keys of [plant], [sensors], [timing] and [operator] come from the tables of
the models, those of [require] from `emery.simulator.requirements`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emery import slot
from emery.config.document import Document
from emery.config.table import Table
from emery.simulator import loop, operator, plant, requirements, sensors
from hal.mock import FAULTS

SHIPPED = Path(__file__).parent / "scenarios"

# Endings of the models' parameter names, which the TOML keys leave off since
# the value carries its unit. A share has no unit there and is written in %.
_SUFFIXES = {
    "Pa": "_pa",
    "m^3/s": "_m3_s",
    "m^3": "_m3",
    "m": "_m",
    "s": "_s",
    "ms": "_ms",
    "V": "_v",
    "mg/min": "_mg_min",
    "": "",
}
_MODELS = {
    loop.SET_PLANT: plant.PARAMETERS,
    loop.SET_SENSORS: sensors.PARAMETERS,
    loop.SET_TIMING: loop.PARAMETERS,
}
_ACTIONS = (loop.INJECT, loop.CLEAR, *_MODELS, "do")
_DEEDS = (loop.SLIP, loop.POWER_CUT)
_LONGEST_MS = 3 * 3_600_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario. `events` are in the form `loop.run` takes."""

    name: str
    title: str
    about: str
    board: Path
    protocol: Path
    duration_ms: int
    seed: int
    plant: dict[str, float]
    sensors: dict[str, float]
    timing: dict[str, float]
    operator: dict[str, Any]
    events: list[tuple[int, int, int, str, str, float]]
    wanted: list[requirements.Requirement]


def names() -> list[str]:
    """Names of the shipped scenarios, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def read(scenario: str | Path, zone_names: Any) -> Scenario:
    """A shipped scenario by name, or a TOML file, checked.

    `zone_names(protocol_path)` gives the names of a protocol's zones. Raises
    ConfigError with everything that is wrong.
    """
    path = Path(scenario)
    if not path.is_file() and path.suffix != ".toml":
        path = SHIPPED / f"{scenario}.toml"
    document = Document.read(path)
    head = document.table("scenario", required=True)
    title = head.text("title")
    about = head.text("about", default="")
    board = _config_file(head, "board", "pico_reference", slot.ROOT / "board_configs", path)
    protocols = slot.ROOT / "board_configs" / "protocols"
    protocol = _config_file(head, "protocol", "face", protocols, path)
    if not protocol.is_file():
        # Without its zones the rest cannot be judged: tell what is known.
        for key in document.keys():  # noqa: SIM118 - no mapping
            document.value(key)
        document.finish()
    duration_ms = head.whole_quantity("duration", "ms", low=1_000, high=_LONGEST_MS)
    seed = head.integer("seed", low=0, default=1)
    plant_values = _parameters(document.table("plant"), plant.PARAMETERS)
    _read_altitude(document.table("plant"), plant_values)
    sensor_values = _parameters(document.table("sensors"), sensors.PARAMETERS)
    timing_values = _parameters(document.table("timing"), loop.PARAMETERS)
    operator_values = _operator(document.table("operator"), zone_names(protocol))
    events = [_event(table) for table in document.tables("event")]
    wanted = requirements.read(document.table("require"), zone_names(protocol))
    document.finish()
    return Scenario(
        name=path.stem,
        title=title,
        about=about,
        board=board,
        protocol=protocol,
        duration_ms=duration_ms,
        seed=seed,
        plant=plant_values,
        sensors=sensor_values,
        timing=timing_values,
        operator=operator_values,
        events=events,
        wanted=wanted,
    )


def _config_file(head: Table, key: str, default: str, folder: Path, scenario: Path) -> Path:
    """The file a scenario names: shipped by its name, or beside the scenario."""
    name = head.text(key, default=default)
    path = scenario.parent / name if name.endswith(".toml") else folder / f"{name}.toml"
    if not path.is_file():
        shipped = ", ".join(sorted(found.stem for found in folder.glob("*.toml")))
        head.problem(key, f"{name!r} does not exist", f"one of {shipped}, or a TOML file",
                     "Name one that exists; a file is looked for beside the scenario.")
    return path


def _key(name: str, unit: str) -> str:
    return name.removesuffix(_SUFFIXES[unit])


def _value(table: Table, row: tuple[Any, ...]) -> float:
    name, unit, low, high = row[:4]
    if unit:
        return table.quantity(_key(name, unit), unit, low=low, high=high)
    return table.quantity(name, "permille", low=low * 1000, high=high * 1000) / 1000


def _parameters(table: Table, rows: tuple[tuple[Any, ...], ...]) -> dict[str, float]:
    return {row[0]: _value(table, row) for row in rows if table.has(_key(row[0], row[1]))}


def _read_altitude(table: Table, values: dict[str, float]) -> None:
    """Altitude instead of air pressure: the international standard atmosphere."""
    if table.has("altitude"):
        altitude_m = table.quantity("altitude", "m", low=-400, high=4_000)
        values["atmosphere_pa"] = 101_325.0 * (1.0 - 2.25577e-5 * altitude_m) ** 5.2559


def _operator(table: Table, zones: list[str]) -> dict[str, Any]:
    style = table.choice("style", list(operator.STYLES), default=operator.CAREFUL)
    values: dict[str, Any] = {} if style == operator.CAREFUL else {"style": style}
    habits: dict[str, Any] = {row[0]: row[4] for row in operator.PARAMETERS}
    habits |= operator.STYLES.get(style, {})
    for name, unit, low, high, *_ in operator.PARAMETERS:
        key = _key(name, unit)
        if not table.has(key):
            continue
        if unit:
            values[name] = table.whole_quantity(key, unit, low=low, high=high)
        else:
            values[name] = table.integer(key, low=low, high=high)
    usual = habits.get("ending", operator.ENDS_BY_GAP)
    values["ending"] = table.choice("ending", operator.ENDINGS, default=usual)
    values["on_fault"] = table.choice(
        "on_fault", operator.ON_FAULTS, default=operator.ON_FAULT_STOP
    )
    if table.has("zones"):
        chosen = table.texts("zones")
        for name in chosen:
            if name not in zones:
                table.problem("zones", f"{name!r} is no zone of the protocol",
                              f"one of {', '.join(zones)}", "Name zones of the protocol.")
        if not chosen:
            table.problem("zones", "names no zone", f"one of {', '.join(zones)}",
                          "Name at least one, or leave the key out for all.")
        values["zones"] = [zones.index(name) for name in chosen if name in zones]
    merged = habits | values
    for what in ("stroke", "lift", "hover", "stamp"):
        shortest, longest = f"{what}_shortest", f"{what}_longest"
        if merged[f"{shortest}_ms"] > merged[f"{longest}_ms"]:
            table.problem(shortest if table.has(shortest) else longest,
                          f"makes the shortest {what} longer than the longest",
                          f"{shortest} at most {longest}", "Change one of the two.")
    return values


def _event(table: Table) -> tuple[int, int, int, str, str, float]:
    at_ms, stroke, after_ms = -1, 0, 0
    if table.has("stroke"):
        stroke = table.integer("stroke", low=1, high=100_000)
        after_ms = table.whole_quantity("after", "ms", low=0, high=60_000, default=0)
    else:
        at_ms = table.whole_quantity("at", "ms", low=0, high=_LONGEST_MS)
    actions = [action for action in _ACTIONS if table.has(action)]
    if len(actions) != 1:
        table.problem(actions[1] if actions else "inject", "is not the one thing that happens",
                      f"exactly one of {', '.join(_ACTIONS)}", "Write one [[event]] for each.")
        return at_ms, stroke, after_ms, "", "", 0.0
    action = actions[0]
    if action in (loop.INJECT, loop.CLEAR):
        name = table.choice(action, [row[0] for row in FAULTS])
        return at_ms, stroke, after_ms, action, name, 0.0
    if action == "do":
        return at_ms, stroke, after_ms, table.choice("do", _DEEDS), "", 0.0
    inner = table.table(action)
    values = _parameters(inner, _MODELS[action])
    if len(values) != 1:
        table.problem(action, "does not set one parameter", "one parameter",
                      "Write one [[event]] for each.")
        return at_ms, stroke, after_ms, "", "", 0.0
    ((name, value),) = values.items()
    return at_ms, stroke, after_ms, action, name, value
