"""Where the demand of the last minutes leads."""

import numpy as np
import pytest

from tightrope.domain import forecast


def expected_growth(samples: list[tuple[float, float]], *, horizon_seconds: float, tick_seconds: float) -> float:
    times, rates = np.array(samples).T
    trend = forecast.steepest(times, rates, tick_seconds=tick_seconds)
    return forecast.expected_growth(trend, float(rates[-1]), horizon_seconds=horizon_seconds)


def ramp(start: float, per_second: float, ticks: int, tick: float = 15.0) -> list[tuple[float, float]]:
    return [(i * tick, start + per_second * i * tick) for i in range(ticks)]


def test_a_ramp_is_met_where_it_will_be_when_a_replica_is_ready() -> None:
    samples = ramp(50, 0.5, 20)

    at_horizon = 50 + 0.5 * (19 * 15 + 60)
    assert samples[-1][1] + expected_growth(samples, horizon_seconds=60, tick_seconds=15) == pytest.approx(
        at_horizon, rel=0.06
    )


def test_a_longer_start_must_cover_more_of_the_ramp() -> None:
    short, long = (expected_growth(ramp(50, 0.5, 20), horizon_seconds=h, tick_seconds=15) for h in (30, 120))

    assert long > short + 30


def test_a_fall_is_not_followed() -> None:
    assert expected_growth(ramp(100, -0.2, 20), horizon_seconds=60, tick_seconds=15) == 0


def test_a_step_is_seen_at_the_tick_it_appears() -> None:
    samples = [*ramp(50, 0, 20), (300.0, 100.0)]

    assert expected_growth(samples, horizon_seconds=60, tick_seconds=15) > 0


def test_one_sample_is_no_trend() -> None:
    assert expected_growth([(0.0, 15.0)], horizon_seconds=60, tick_seconds=15) == 0
