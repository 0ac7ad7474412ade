"""Every shipped scenario holds, and comes out the same each time."""

from pathlib import Path
from typing import Any

import pytest

from emery.simulator import run as run_module
from emery.simulator.requirements import always
from emery.simulator.run import Run, scenario_names, simulate


def missed(run: Run) -> list[str]:
    """The requirements that did not hold, one line each."""
    return [
        f"{outcome['key']}: expected {outcome['expected']}, measured {outcome['measured']}"
        f" (line {outcome['line']})"
        for outcome in run.result["requirements"]
        if not outcome["passed"]
    ]


# More than 15 simulated minutes; the nominal facial is run all the same.
LONG = {"ninety_minutes"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in LONG else ())
        for name in scenario_names()
    ],
)
def test_shipped_scenario_holds(name: str) -> None:
    run = simulate(name)
    assert not missed(run), "\n".join([*missed(run), run.result["reproduce"]])
    judged = [outcome["key"] for outcome in run.result["requirements"]]
    required = [requirement.key for requirement in always()]
    assert judged[: len(required)] == required


def test_the_hazards_that_must_be_covered_are() -> None:
    assert {
        "nominal_facial",
        "neck_low_level",
        "body_level_10",
        "clogged_runaway",
        "sensor_fails_mid_stroke",
        "fourth_pass",
        "never_lifts",
        "footswitch_released_mid_stroke",
        "power_cut_mid_pass",
    } <= set(scenario_names())


def test_the_made_up_result_of_other_tests_has_the_real_shape(result: dict[str, Any]) -> None:
    real = simulate("clogged_runaway").result
    assert set(result) == set(real)
    assert set(result["zones"][0]) == set(real["zones"][0])
    assert set(result["requirements"][0]) == set(real["requirements"][0])


def test_the_same_seed_gives_the_same_treatment_and_another_seed_another() -> None:
    first, again, other = (
        simulate("clogged_runaway", seed=seed).result["crc"] for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("name", ["clogged_runaway", "clogged_runaway_small_volume"])
def test_the_runaway_is_caught_whatever_the_noise(name: str, seed: int) -> None:
    run = simulate(name, seed=seed)
    assert not missed(run), "\n".join([*missed(run), run.result["reproduce"]])


SLOW_BOARD = """
[board]
name = "slow tick"
chip = "esp32"

[timing]
tick_period = "10 ms"

[sensors]
vacuum_a_divider = "50 %"
vacuum_b_divider = "50 %"
"""


@pytest.mark.parametrize(
    "name", ["clogged_runaway", "clogged_runaway_small_volume", "fourth_pass"]
)
def test_a_tick_of_10_ms_and_the_noisier_adc_hold_the_same(name: str, tmp_path: Path) -> None:
    board = tmp_path / "slow.toml"
    board.write_text(SLOW_BOARD)
    run = simulate(name, board=board)
    assert run.result["tick_ms"] == 10
    assert not missed(run), "\n".join(missed(run))


def test_what_a_fault_changed_before_a_power_cut_is_still_told(tmp_path: Path) -> None:
    scenario = tmp_path / "cut.toml"
    scenario.write_text(
        """
[scenario]
title = "A fault, then the power goes"
duration = "20 s"

[[event]]
stroke = 1
after = "400 ms"
inject = "feed_stuck_open"

[[event]]
stroke = 1
after = "600 ms"
do = "power_cut"
"""
    )
    result = simulate(scenario).result
    assert result["power_cuts"] == 1
    assert result["effects"]["feed_stuck_open"] > 10


def test_the_example_of_the_readme_holds(tmp_path: Path) -> None:
    text = (Path(run_module.__file__).parent / "README.md").read_text()
    example = tmp_path / "example.toml"
    example.write_text(text.split("```toml\n")[1].split("```")[0])
    run = simulate(example)
    assert not missed(run), "\n".join(missed(run))
