"""The rate curve, its integral and the inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.dataplane.curve import RateCurve


def test_the_rate_is_linear_between_points_and_constant_beyond_them() -> None:
    curve = RateCurve([(10.0, 20.0), (20.0, 40.0)])
    assert [curve.rate(at) for at in (0.0, 10.0, 15.0, 20.0, 99.0)] == [20.0, 20.0, 30.0, 40.0, 40.0]
    assert curve.expected(30.0) == pytest.approx(10 * 20 + 10 * 30 + 10 * 40)


def test_two_points_at_one_time_make_a_step() -> None:
    curve = RateCurve([(0.0, 10.0), (5.0, 10.0), (5.0, 100.0), (6.0, 100.0)])
    assert curve.rate(4.999) == pytest.approx(10.0)
    assert curve.rate(5.0) == 100.0
    assert curve.expected(6.0) == pytest.approx(150.0)


def test_a_curve_that_repeats_starts_over() -> None:
    curve = RateCurve([(0.0, 0.0), (10.0, 10.0)], repeat_seconds=20.0)
    assert curve.rate(25.0) == pytest.approx(5.0)
    assert curve.expected(40.0) == pytest.approx(2 * (50 + 100))
    assert curve.times_of(np.array([150.0 + 12.5]))[0] == pytest.approx(25.0)


def test_a_rate_that_falls_to_zero_for_good_ends_the_requests() -> None:
    curve = RateCurve([(0.0, 10.0), (10.0, 0.0)])
    assert curve.times_of(np.array([49.0, 51.0]))[1] == np.inf
    assert RateCurve([(0.0, 0.0)], repeat_seconds=5.0).times_of(np.array([1.0]))[0] == np.inf


POINTS = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 500)), min_size=1, max_size=8).map(
    lambda points: sorted(points, key=lambda point: point[0])
)


@given(points=POINTS, repeat=st.booleans(), shares=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=20))
def test_the_times_of_the_integral_are_its_inverse(
    points: list[tuple[float, float]], repeat: bool, shares: list[float]
):  # type: ignore[no-untyped-def]
    curve = RateCurve(points, repeat_seconds=points[-1][0] + 1 if repeat else None)
    total = curve.expected(250.0)
    wanted = np.array(sorted(share * total for share in shares))
    if total > 1e-6:
        found = curve.times_of(wanted)
        assert np.all(np.diff(found) >= -1e-9)
        assert [curve.expected(float(at)) for at in found] == pytest.approx(wanted.tolist(), rel=1e-6, abs=1e-4)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "no points: write at least one"),
        ([(0.0, -1.0)], "point 0 has -1 requests per second: write a rate of 0 or more"),
        ([(-1.0, 1.0)], "point 0 is at -1 s: write a time of 0 or more"),
        ([(5.0, 1.0), (4.0, 1.0)], "point 1 is at 4 s, before the one it follows: write times in order"),
        ([(0.0, float("nan"))], "point 0 has nan"),
    ],
)
def test_a_curve_that_cannot_be_is_refused_in_words(points: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RateCurve(points)


def test_a_repeat_shorter_than_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="repeat_seconds is 5: write at least the last time, 10"):
        RateCurve([(0.0, 1.0), (10.0, 1.0)], repeat_seconds=5.0)
