"""How the bench judges regulation, and its references."""

from collections.abc import Callable

import pytest

from emery.bench import references, regulation
from emery.bench.keys import KEYS
from emery.bench.regulation import Case, Figures, plants, settle_s, summary
from emery.simulator.plant import PARAMETERS


def test_settling_ends_with_the_last_time_outside_the_band() -> None:
    # In at 1.5 s, out again between 2 and 4 s, in at 4.5 s by a straight line.
    trace = [0.0, 7_000.0, 9_000.0, 12_500.0, 12_500.0, 11_500.0, 10_000.0]
    assert settle_s(trace, 10_000, 1.0) == pytest.approx(5.5)
    assert settle_s([10_000.0] * 5, 10_000, 1.0) == 0.0
    assert settle_s([0.0] * 5, 10_000, 1.0) == 5.0


def test_the_bound_is_between_samples() -> None:
    assert references.entry_s([1_000.0, 3_000.0, 9_000.0], 6_000, 0.1) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="never reached"):
        references.entry_s([1_000.0], 6_000, 0.1)


def test_the_plants_are_the_nominal_one_and_a_latin_hypercube() -> None:
    found = plants(5)
    assert found[0] == {}
    assert found == plants(5) != plants(6)
    assert len(found) == 16
    wear = sorted(int((plant["pump_wear"] - 0.8) / 0.2 * 15) for plant in found[1:])
    assert wear == list(range(15))
    ranges = {row[0]: row[2:4] for row in PARAMETERS}
    for plant in found[1:]:
        assert all(ranges[name][0] <= value <= ranges[name][1] for name, value in plant.items())


def test_only_what_the_plant_can_reach_is_a_case() -> None:
    found = regulation.cases(5)
    assert 60 < len(found) < 80
    for case in found[:10]:
        course = references.full_drive(case.parameters, regulation.CONTACT_S, 0.01)
        assert course[-1] > case.set_pa
        assert course[int(case.bound_s / 0.01)] == pytest.approx(case.set_pa - 2_000, abs=1_000)


def test_the_worst_case_is_told() -> None:
    good = Figures(1.0, 100.0, 10.0, 20.0, 300.0)
    bad = Figures(3.0, -50.0, 40.0, 10.0, 700.0)
    found = summary([(Case(0, {}, 10_000, 1.0), good), (Case(1, {}, 10_000, 1.5), bad)])
    assert list(found.values()) == [50.0, 2.0, 0.1, 0.04, 0.02, 0.7]
    wanted = {key.name for key in KEYS if key.group == "regulation"}
    assert {f"regulation.{name}" for name in found} == wanted


@pytest.mark.parametrize(("name", "make"), references.REFERENCES)
def test_every_reference_does_what_it_is_known_for(
    name: str, make: Callable[[int], references.Controller]
) -> None:
    figures = regulation.run_case(make(1), {}, 24_000)
    if name == "bang_bang":
        assert 1_000 < figures.ripple_pa < 4_000
    elif name == "fixed_duty":
        assert figures.steady_error_pa < 200
        assert figures.settle_s > 1.5
    else:
        # Told nothing of the lift, a plain PID overshoots at the next contact.
        assert figures.recontact_pa > 1_000
        assert figures.ripple_pa < 300
