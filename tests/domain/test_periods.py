"""A period is found in the demand itself, whatever its length."""

import numpy as np
import pytest

from tightrope.domain.demand_history import DemandHistory
from tightrope.domain.periods import period

START = 1_000_000_020.0


def history(rate_of_minute, days: float) -> DemandHistory:
    return DemandHistory().recorded((START + 60.0 * i, float(rate_of_minute(i))) for i in range(int(days * 1440)))


@pytest.mark.parametrize("minutes", [7, 37, 60, 185])
def test_bursts_are_found_at_their_period_round_or_not(minutes: int) -> None:
    seen = history(lambda i: 90.0 if i % minutes < max(minutes // 8, 1) else 20.0, days=1)

    assert period(seen) == pytest.approx(60.0 * minutes, rel=0.03)


def test_a_long_period_is_found_in_a_week() -> None:
    seen = history(lambda i: 50.0 + 40.0 * np.sin(2 * np.pi * i / 1980), days=7)

    assert period(seen) == pytest.approx(60.0 * 1980, rel=0.03)


def test_noise_and_constants_have_no_period() -> None:
    noise = np.random.default_rng(1).poisson(50, 1440)

    assert period(history(lambda i: noise[i], days=1)) is None
    assert period(history(lambda i: 50.0, days=1)) is None
    assert period(DemandHistory()) is None


def test_a_period_seen_only_once_is_not_believed() -> None:
    assert period(history(lambda i: 90.0 if 100 < i < 120 else 20.0, days=0.25)) is None
