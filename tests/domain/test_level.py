"""The level of demand: noise is averaged away, a change is seen at once."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.level import LONGEST_SECONDS, level_of

TICK, AVERAGED = 15.0, 60.0


def seen(rates, *, seed=1, noise=True):
    """What a rate window of a minute shows of these true rates (arrivals per second, one a tick): times, rates."""
    random = np.random.default_rng(seed)
    counts = random.poisson(np.asarray(rates) * TICK) if noise else np.asarray(rates) * TICK
    width = int(AVERAGED / TICK)
    means = np.convolve(counts, np.ones(width), mode="valid") / AVERAGED
    return TICK * np.arange(width - 1, len(counts)), means


def level(rates, **how) -> float:
    times, means = seen(rates, **how)
    return level_of(times, means, averaged_seconds=AVERAGED)


def test_a_steady_demand_scatters_a_third_as_much_as_its_minutes() -> None:
    times, means = seen(np.full(2000, 8.0))
    levels = [level_of(times[:end], means[:end], averaged_seconds=AVERAGED) for end in range(200, len(times), 4)]

    assert np.std(levels) < 0.5 * np.std(means)
    assert np.mean(levels) == pytest.approx(8.0, rel=0.02)


def test_a_step_that_is_no_noise_is_seen_whole_after_one_minute() -> None:
    assert level([8.0] * 80 + [16.0] * 4, noise=False) == pytest.approx(16.0)
    assert level([80.0] * 80 + [96.0] * 4, noise=False) == pytest.approx(96.0)


def test_a_fall_is_seen_whole_after_one_minute_too() -> None:
    assert level([16.0] * 80 + [4.0] * 4, noise=False) == pytest.approx(4.0)


def test_what_was_before_a_change_no_longer_counts_when_it_lasts() -> None:
    assert level([8.0] * 80 + [16.0] * 12, noise=False) == pytest.approx(16.0)


def test_more_scatter_than_a_poisson_process_has_is_averaged_as_well() -> None:
    random = np.random.default_rng(2)
    minutes = np.repeat(20.0 * random.gamma(25.0, 1 / 25.0, size=500), int(AVERAGED / TICK))
    times, means = seen(minutes)
    levels = [level_of(times[:end], means[:end], averaged_seconds=AVERAGED) for end in range(200, len(times), 4)]

    assert np.std(means) > 2.0 * math.sqrt(20.0 / AVERAGED)
    assert np.std(levels) < 0.9 * np.std(means)


def test_a_ramp_is_followed_within_a_tenth() -> None:
    ramp = np.linspace(20.0, 60.0, 120)

    assert level(ramp) == pytest.approx(60.0, rel=0.1)


def test_minutes_before_a_gap_do_not_count() -> None:
    times, means = seen(np.full(100, 8.0), noise=False)
    times = np.where(np.arange(len(times)) < 90, times - 600.0, times)
    means = np.where(np.arange(len(times)) < 90, 8.5, means)

    assert level_of(times, means, averaged_seconds=AVERAGED) == pytest.approx(8.0)


def test_the_first_sample_is_the_level() -> None:
    assert level_of(np.array([0.0]), np.array([3.0]), averaged_seconds=AVERAGED) == 3.0


@given(
    st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=int(LONGEST_SECONDS / TICK)),
    st.floats(0.0, 1000.0),
    st.floats(0.0, 1000.0),
)
def test_more_demand_now_is_never_a_lower_level_and_the_level_is_one_of_those_seen(
    before: list[float], one: float, other: float
) -> None:
    times = TICK * np.arange(len(before) + 1)
    low, high = (
        level_of(times, np.array([*before, newest]), averaged_seconds=AVERAGED) for newest in sorted((one, other))
    )

    assert low <= high + 1e-9
    assert min([*before, one, other]) - 1e-9 <= low and high <= max([*before, one, other]) + 1e-9
