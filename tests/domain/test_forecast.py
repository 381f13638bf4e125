"""The most demand to expect while a replica starts."""

import pytest

from tightrope.domain.forecast import forecast


def ramp(start: float, per_second: float, ticks: int, tick: float = 15.0) -> list[tuple[float, float]]:
    return [(i * tick, start + per_second * i * tick) for i in range(ticks)]


def test_a_ramp_is_met_where_it_will_be_when_a_replica_is_ready() -> None:
    predicted = forecast(ramp(50, 0.5, 20), horizon_seconds=60, tick_seconds=15, averaged_seconds=15)

    assert predicted is not None
    at_horizon = 50 + 0.5 * (19 * 15 + 60)
    assert predicted.upper == pytest.approx(at_horizon, rel=0.06)


def test_a_longer_start_must_cover_more_of_the_ramp() -> None:
    short = forecast(ramp(50, 0.5, 20), horizon_seconds=30, tick_seconds=15, averaged_seconds=15)
    long = forecast(ramp(50, 0.5, 20), horizon_seconds=120, tick_seconds=15, averaged_seconds=15)

    assert short is not None and long is not None and long.upper > short.upper + 30


def test_a_fall_is_not_followed_below_the_present_level() -> None:
    predicted = forecast(ramp(100, -0.2, 20), horizon_seconds=60, tick_seconds=15, averaged_seconds=15)

    assert predicted is not None
    assert predicted.upper >= 100 - 0.2 * 19 * 15


def test_a_step_is_seen_at_the_tick_it_appears() -> None:
    samples = [*ramp(50, 0, 20), (300.0, 100.0)]
    predicted = forecast(samples, horizon_seconds=60, tick_seconds=15, averaged_seconds=15)

    assert predicted is not None and predicted.upper > 100


def test_no_history_is_no_forecast() -> None:
    assert forecast([], horizon_seconds=60, tick_seconds=15, averaged_seconds=15) is None


def test_one_sample_is_a_level_with_the_noise_of_counting() -> None:
    predicted = forecast([(0.0, 15.0)], horizon_seconds=60, tick_seconds=15, averaged_seconds=15)

    assert predicted is not None and 15 < predicted.upper < 18
