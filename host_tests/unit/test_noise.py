"""The noise: repeatable, centred, of its stated size, and one stream a seed."""

import statistics

import pytest

from emery.simulator.noise import Noise


@pytest.mark.parametrize("seed", [0, 1, 2, 77, 2**31, 2**40])
def test_mean_and_deviation(seed: int) -> None:
    noise = Noise(seed)
    values = [noise.gauss() for _ in range(20_000)]
    assert statistics.fmean(values) == pytest.approx(0.0, abs=0.03)
    assert statistics.pstdev(values) == pytest.approx(1.0, abs=0.03)
    assert max(abs(value) for value in values) <= 3.0
    # Nearly normal: what a deviate of a bell curve does.
    within = sum(abs(value) < 1 for value in values) / len(values)
    assert within == pytest.approx(0.67, abs=0.02)


def test_the_stream_is_the_same_on_every_run_and_every_interpreter() -> None:
    # Written down: another stream would make every recorded treatment another.
    noise = Noise(1)
    assert [noise.gauss() for _ in range(4)] == [
        -0.43359375,
        -1.01171875,
        -0.13671875,
        -0.23046875,
    ]
    assert [noise.between(1, 6) for _ in range(8)] == [6, 3, 5, 5, 1, 4, 5, 5]


def test_seeds_next_to_each_other_are_strangers() -> None:
    streams = []
    for seed in range(6):
        noise = Noise(seed)
        streams.append([noise.gauss() for _ in range(2_000)])
    for n, one in enumerate(streams):
        for other in streams[n + 1 :]:
            assert abs(statistics.correlation(one, other)) < 0.08


def test_neighbours_in_a_stream_are_strangers() -> None:
    noise = Noise(5)
    values = [noise.gauss() for _ in range(10_000)]
    for apart in (1, 2, 3, 10):
        assert abs(statistics.correlation(values[:-apart], values[apart:])) < 0.04


@pytest.mark.parametrize(("low", "high"), [(0, 0), (1, 3), (1_000, 3_000), (-5, 5)])
def test_between_gives_both_ends_and_nothing_beyond(low: int, high: int) -> None:
    noise = Noise(9)
    values = [noise.between(low, high) for _ in range(50_000)]
    assert (min(values), max(values)) == (low, high)
    middle, most = (low + high) / 2, (high - low) / 50 + 0.01
    assert statistics.fmean(values) == pytest.approx(middle, abs=most)
