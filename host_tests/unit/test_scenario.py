"""Scenario files: what they may say, how it is understood, and what becomes of
a requirement that does not hold."""

import re
from pathlib import Path
from typing import Any

import pytest

from emery.config.problem import ConfigError
from emery.simulator import operator, plant, scenario, sensors
from emery.simulator.run import simulate
from emery.simulator.scenario import Scenario
from hal.mock import FAULTS

HEAD = '[scenario]\ntitle = "A trial"\nduration = "20 s"\n'
ZONES = ["forehead", "chin"]


def read(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "trial.toml"
    path.write_text(text, encoding="utf-8")
    return scenario.read(path, lambda protocol: ZONES)


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    return re.sub(r"\s+", " ", error.value.render())


def test_the_least_scenario(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD)
    assert (found.name, found.title, found.duration_ms, found.seed) == (
        "trial", "A trial", 20_000, 1
    )
    assert found.board.name == "pico_reference.toml"
    assert found.protocol.name == "face.toml"
    assert (found.plant, found.sensors, found.events, found.wanted) == ({}, {}, [], [])


def test_units_are_understood(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        HEAD + """
[plant]
volume = "0.3 L"
pump_lag = "200 ms"
nozzle = "1.1 mm"
nozzle_open = "50 %"
pump_free_flow = "20 L/min"
feed_full = "15 g/min"
[sensors]
offset_a = "1.5 kPa"
lag_b = "9 ms"
supply = "4.9 V"
[operator]
pass_on_skin = "0.5 min"
passes = 4
zones = ["chin"]
ending = "button"
on_fault = "acknowledge"
""",
    )
    assert found.plant == pytest.approx(
        {
            "volume_m3": 0.3e-3,
            "pump_lag_s": 0.2,
            "nozzle_m": 1.1e-3,
            "nozzle_open": 0.5,
            "pump_free_flow_m3_s": 20 / 60_000,
            "feed_full_mg_min": 15_000,
        }
    )
    assert found.sensors == pytest.approx(
        {"offset_a_pa": 1_500, "lag_b_s": 0.009, "supply_v": 4.9}
    )
    assert found.operator == {
        "pass_on_skin_ms": 30_000, "passes": 4, "zones": [1], "ending": "button",
        "on_fault": "acknowledge",
    }


def written(row: tuple[Any, ...], value: float) -> str:
    """A value of a parameter as a TOML file would state it."""
    _, unit = row[:2]
    return f'"{value * 100:.10g} %"' if unit == "" else f'"{value:.12g} {unit}"'


PARAMETERS = [("plant", row) for row in plant.PARAMETERS]
PARAMETERS += [("sensors", row) for row in sensors.PARAMETERS]


@pytest.mark.parametrize(
    ("table", "row"), PARAMETERS, ids=[f"{table} {row[0]}" for table, row in PARAMETERS]
)
def test_every_parameter_can_be_written_within_its_range(
    tmp_path: Path, table: str, row: tuple[Any, ...]
) -> None:
    name, unit, low, high, _, _ = row
    key = scenario._key(name, unit)
    span = high - low
    for value in (low + span / 1000, high - span / 1000):
        found = read(tmp_path, f"{HEAD}[{table}]\n{key} = {written(row, value)}\n")
        assert getattr(found, table)[name] == pytest.approx(value)
    for value in (low - span / 1000, high + span / 1000):
        told = problems(tmp_path, f"{HEAD}[{table}]\n{key} = {written(row, value)}\n")
        assert "trial.toml:5:" in told
        assert f"{table}.{key}" in told


def test_a_bound_itself_is_within_the_range(tmp_path: Path) -> None:
    refused = []
    for table, row in PARAMETERS:
        key = scenario._key(row[0], row[1])
        for value in row[2:4]:
            try:
                read(tmp_path, f"{HEAD}[{table}]\n{key} = {written(row, value)}\n")
            except ConfigError:
                refused.append(f"{key} = {written(row, value)}")
    assert refused == []


@pytest.mark.parametrize(
    ("altitude", "kpa"), [("0 m", 101.3), ("1524 m", 84.3), ("2134 m", 78.2), ("3048 m", 69.7)]
)
def test_altitude_is_the_standard_atmosphere(tmp_path: Path, altitude: str, kpa: float) -> None:
    found = read(tmp_path, f'{HEAD}[plant]\naltitude = "{altitude}"\n')
    assert found.plant["atmosphere_pa"] == pytest.approx(kpa * 1000, abs=60)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ('at = "2 s"\ninject = "vacuum_a_open"', (2_000, 0, 0, "inject", "vacuum_a_open", 0.0)),
        ('at = "2 s"\nclear = "tick_late"', (2_000, 0, 0, "clear", "tick_late", 0.0)),
        ('stroke = 3\ninject = "tick_late"', (-1, 3, 0, "inject", "tick_late", 0.0)),
        (
            'stroke = 3\nafter = "400 ms"\nplant = { nozzle_open = "0 %" }',
            (-1, 3, 400, "plant", "nozzle_open", 0.0),
        ),
        (
            'at = "1 s"\nsensors = { offset_b = "-2 kPa" }',
            (1_000, 0, 0, "sensors", "offset_b_pa", -2_000.0),
        ),
        ('at = "0 s"\ndo = "power_cut"', (0, 0, 0, "power_cut", "", 0.0)),
        ('at = "1 s"\ndo = "slip_off_footswitch"', (1_000, 0, 0, "slip_off_footswitch", "", 0.0)),
    ],
)
def test_events(tmp_path: Path, text: str, event: tuple[Any, ...]) -> None:
    assert read(tmp_path, f"{HEAD}[[event]]\n{text}\n").events == [event]


def test_every_fault_of_the_mock_can_be_injected(tmp_path: Path) -> None:
    text = "".join(f'[[event]]\nat = "1 s"\ninject = "{row[0]}"\n' for row in FAULTS)
    assert len(read(tmp_path, HEAD + text).events) == len(FAULTS)


# Everything starts on line 4, after the head.
BAD = [
    ('[plant]\nvolumen = "0.3 L"', "5:", "volume"),
    ('[plant]\nvolume = "0.3"', "5:", "L"),
    ('[plant]\nvolume = "0.3 s"', "5:", "plant.volume"),
    ("[plant]\nvolume = 0.3", "5:", "plant.volume"),
    ('[plant]\nvolume = "30 L"', "5:", "0.003 m"),
    ('[plant]\nvolume = "nan L"', "5:", "plant.volume"),
    ('[plant]\naltitude = "9000 m"', "5:", "altitude"),
    ('[sensors]\nnoise = "at most 5 %"', "5:", "sensors.noise"),
    ("[operator]\npasses = 0", "5:", "operator.passes"),
    ("[operator]\npasses = 2.5", "5:", "operator.passes"),
    ("[operator]\npasses = true", "5:", "operator.passes"),
    ('[operator]\nzones = ["nose"]', "5:", "chin"),
    ('[operator]\nzones = "chin"', "5:", "operator.zones"),
    ('[operator]\nending = "abruptly"', "5:", "gap"),
    ('[operator]\non_fault = "panic"', "5:", "acknowledge"),
    ('[operators]\npasses = 2', "4:", "operator"),
    ('[[event]]\ninject = "tick_late"', "4:", "at"),
    ('[[event]]\nat = "2 s"', "4:", "inject"),
    ('[[event]]\nat = "2 s"\ninject = "on_fire"', "6:", "tick_late"),
    ('[[event]]\nat = "2 s"\ninject = "tick_late"\ndo = "power_cut"', "", "exactly one"),
    ('[[event]]\nat = "2 s"\ndo = "nothing"', "6:", "power_cut"),
    ('[[event]]\nat = "2 s"\nplant = {}', "6:", "one parameter"),
    ('[[event]]\nat = "2 s"\nplant = { nozzle_open = "0 %", volume = "1 L" }', "6:", "one"),
    ('[[event]]\nat = "2 s"\nplant = { nozzle_closed = "0 %" }', "6:", "nozzle_open"),
    ('[[event]]\nat = "-2 s"\ninject = "tick_late"', "5:", "at"),
    ('[[event]]\nstroke = 0\ninject = "tick_late"', "5:", "stroke"),
    ('[[event]]\nstroke = 1\nat = "2 s"\ninject = "tick_late"', "6:", "at"),
    ('[event]\nat = "2 s"\ninject = "tick_late"', "4:", "[[event]]"),
    ('[require]\npeak_vacuum = "at most 47"', "5:", "47"),
]


@pytest.mark.parametrize(("text", "line", "told"), BAD, ids=[row[0][:40] for row in BAD])
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, line: str, told: str
) -> None:
    found = problems(tmp_path, HEAD + text + "\n")
    assert f"trial.toml:{line}" in found
    assert told in found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "trial.toml is empty"),
        ("[plant]\n", "scenario"),
        ('[scenario]\nduration = "20 s"', "title"),
        ('[scenario]\ntitle = "T"', "duration"),
        ('[scenario]\ntitle = "T"\nduration = "0 s"', "duration"),
        ('[scenario]\ntitle = "T"\nduration = "4 h"', "duration"),
        ('[scenario]\ntitle = "T"\nduration = "20 s"\nboard = "pico"', "pico_reference"),
        ('[scenario]\ntitle = "T"\nduration = "20 s"\nprotocol = "feet"', "face"),
        ('[scenario]\ntitle = "T"\nduration = "20 s"\nprotocol = "other.toml"', "other.toml"),
        ('[scenario]\ntitle = "T"\nduration = "20 s"\nseed = -1', "seed"),
        ("[scenario\n", "trial.toml:1"),
        ("\x00\x01", "trial.toml"),
    ],
)
def test_a_bad_head_is_told(tmp_path: Path, text: str, told: str) -> None:
    assert told in problems(tmp_path, text)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = HEAD + '[plant]\nvolume = "0.3"\nnozle = "1 mm"\n[[event]]\nat = "x"\n'
    found = problems(tmp_path, text)
    assert all(told in found for told in ("plant.volume", "nozle", "at"))


def test_a_scenario_that_is_not_shipped_is_told() -> None:
    with pytest.raises(ConfigError, match="nominal_fatial"):
        simulate("nominal_fatial")


def test_files_beside_the_scenario_are_found(tmp_path: Path) -> None:
    shipped = Path(scenario.SHIPPED).parents[3] / "board_configs" / "protocols" / "neck.toml"
    (tmp_path / "mine.toml").write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    found = read(tmp_path, HEAD + 'protocol = "mine.toml"\n')
    assert found.protocol == tmp_path / "mine.toml"


@pytest.mark.parametrize("row", operator.PARAMETERS, ids=lambda row: row[0])
def test_every_habit_of_the_operator_can_be_written(tmp_path: Path, row: tuple[Any, ...]) -> None:
    name, unit, low, high, _, _ = row
    key = scenario._key(name, unit)
    # A shortest time is at most the longest: the other one goes along.
    swapped = {"shortest": "longest", "longest": "shortest"}
    partner = "_".join(swapped.get(word, word) for word in key.split("_"))
    for value in (low, high):
        text = f'"{value} {unit}"' if unit else str(value)
        lines = {f"{one} = {text}\n" for one in (key, partner)}
        found = read(tmp_path, f"{HEAD}[operator]\n" + "".join(sorted(lines)))
        assert found.operator[name] == value


@pytest.mark.parametrize("what", ["stroke", "lift"])
def test_a_shortest_longer_than_the_longest_is_refused(tmp_path: Path, what: str) -> None:
    told = problems(tmp_path, f'{HEAD}[operator]\n{what}_shortest = "20 s"\n')
    assert "trial.toml:5:" in told
    assert "longer than the longest" in told


def test_no_zone_at_all_is_refused(tmp_path: Path) -> None:
    assert "names no zone" in problems(tmp_path, f"{HEAD}[operator]\nzones = []\n")


def test_a_protocol_that_is_not_there_is_told_at_its_line(tmp_path: Path) -> None:
    head = HEAD.replace("[scenario]\n", '[scenario]\nprotocol = "facee"\n')
    told = problems(tmp_path, head)
    assert "trial.toml:2:12" in told
    assert "scenario.protocol" in told


# Requirements that do not hold ---------------------------------------------------------------

TRIAL = """[scenario]
title = "A short trial"
duration = "15 s"

[operator]
zones = ["chin"]
passes = 1
pass_on_skin = "2 s"

[require]
final_state = "STANDBY"
peak_vacuum = "at most 1 kPa"
strokes = "at least 1"
[require.passes]
chin = 3
"""


def test_a_requirement_that_fails_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "trial.toml"
    path.write_text(TRIAL, encoding="utf-8")
    result = simulate(path, seed=5).result
    assert result["passed"] is False
    by_line = {found["line"]: found for found in result["requirements"] if found["line"]}
    assert {line: found["passed"] for line, found in by_line.items()} == {
        11: False, 12: False, 13: True, 15: False
    }
    assert by_line[12]["key"] == "peak_vacuum"
    assert by_line[12]["measured"].endswith("kPa")
    assert by_line[15]["measured"] == "1"
    assert result["reproduce"] == f"emery simulate {path} --seed 5"


def test_a_treatment_passes_when_all_that_is_required_holds(tmp_path: Path) -> None:
    text = TRIAL.replace('"STANDBY"', '"COMPLETE"').replace("1 kPa", "40 kPa")
    path = tmp_path / "trial.toml"
    path.write_text(text.replace("chin = 3", "chin = 1").replace('"15 s"', '"60 s"'))
    result = simulate(path).result
    assert [found for found in result["requirements"] if not found["passed"]] == []
    assert result["passed"] is True
