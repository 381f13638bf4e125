"""Arrivals follow their curve, are as bursty as stated, and depend on the seed alone."""

from itertools import pairwise

import numpy as np
import pytest

from tightrope.dataplane.arrivals import RandomArrivals, RecordedArrivals
from tightrope.dataplane.curve import RateCurve


def counts(*, dispersion: float, windows: int, width: float) -> np.ndarray:
    arrivals = RandomArrivals(RateCurve([(0.0, 1.0)]), dispersion=dispersion, seed=7)
    return np.histogram(arrivals.until(windows * width), bins=windows, range=(0.0, windows * width))[0]


@pytest.mark.parametrize("dispersion", [0.25, 1.0, 4.0, 20.0])
def test_counts_vary_as_the_index_of_dispersion_says(dispersion: float) -> None:
    seen = counts(dispersion=dispersion, windows=8_000, width=200.0)
    assert seen.mean() == pytest.approx(200.0, rel=0.01)
    assert seen.var() / seen.mean() == pytest.approx(dispersion, rel=0.05)


def test_gaps_of_poisson_arrivals_are_exponential() -> None:
    times = RandomArrivals(RateCurve([(0.0, 50.0)]), seed=3).until(20_000.0)
    gaps = np.diff(times)
    assert gaps.mean() == pytest.approx(0.02, rel=0.01)
    assert np.quantile(gaps, 0.9) == pytest.approx(0.02 * np.log(10), rel=0.01)


def test_requests_follow_the_curve() -> None:
    curve = RateCurve([(0.0, 100.0), (100.0, 900.0), (100.0, 0.0), (200.0, 0.0), (300.0, 500.0)])
    times = RandomArrivals(curve, seed=5).until(400.0)
    seen = np.histogram(times, bins=[0, 50, 100, 200, 300, 400])[0]
    assert seen[2] == 0
    expected = np.diff([curve.expected(at) for at in (0.0, 50.0, 100.0, 200.0, 300.0, 400.0)])
    assert np.all(np.abs(seen - expected) <= 4 * np.sqrt(expected))


@pytest.mark.parametrize("dispersion", [1.0, 8.0])
def test_the_first_requests_come_no_sooner_than_later_ones(dispersion: float) -> None:
    firsts = [
        len(RandomArrivals(RateCurve([(0.0, 1.0)]), dispersion=dispersion, seed=seed).until(2.0))
        for seed in range(4000)
    ]
    assert np.mean(firsts) == pytest.approx(2.0, rel=0.08)


@pytest.mark.parametrize("dispersion", [1.0, 8.0])
def test_the_steps_do_not_change_the_requests(dispersion: float) -> None:
    curve = RateCurve([(0.0, 20.0), (30.0, 300.0), (40.0, 0.0)], repeat_seconds=50.0)
    whole = RandomArrivals(curve, dispersion=dispersion, seed=11).until(200.0)
    stepped = RandomArrivals(curve, dispersion=dispersion, seed=11)
    cuts = np.sort(np.random.default_rng(2).uniform(0.0, 200.0, size=300)).tolist()
    parts = [stepped.until(cut) for cut in [*cuts, 200.0]]
    np.testing.assert_allclose(np.concatenate(parts), whole)
    for (low, high), part in zip(pairwise([0.0, *cuts, 200.0]), parts, strict=True):
        assert np.all((part >= low) & (part <= high))


def test_one_seed_gives_one_stream_and_another_seed_another() -> None:
    curve = RateCurve([(0.0, 10.0)])
    first, same, other = (RandomArrivals(curve, seed=seed).until(10.0) for seed in (1, 1, 2))
    assert first.tolist() == same.tolist()
    assert first.tolist() != other.tolist()


def test_recorded_requests_are_played_once() -> None:
    arrivals = RecordedArrivals(np.array([0.5, 1.0, 1.0, 2.5]))
    assert [arrivals.until(end).tolist() for end in (1.0, 2.0, 3.0, 9.0)] == [[0.5, 1.0, 1.0], [], [2.5], []]


@pytest.mark.parametrize("dispersion", [0.0, -1.0, float("nan"), 1e9])
def test_a_dispersion_that_cannot_be_is_refused(dispersion: float) -> None:
    with pytest.raises(ValueError, match=r"dispersion is .*write 1 for Poisson"):
        RandomArrivals(RateCurve([(0.0, 1.0)]), dispersion=dispersion, seed=1)
