"""True capacities against closed forms."""

import math

import pytest

from tightrope.dataplane.capacity import capacity, good_fraction
from tightrope.dataplane.server_model import Distribution, ServerModel

MM1 = ServerModel(base_seconds=0.02, distribution=Distribution.EXPONENTIAL)


@pytest.mark.parametrize("rate", [35.0, 40.0, 45.0])
def test_a_single_exponential_server_has_the_good_fraction_of_an_mm1_queue(rate: float) -> None:
    """Time in system is exponential with rate mu - lambda (Kleinrock, Queueing Systems I, 3.2)."""
    missed = 1 - good_fraction(MM1, rate, 0.3)
    assert missed == pytest.approx(math.exp(-(50.0 - rate) * 0.3), rel=0.3)


def test_the_capacity_of_an_mm1_queue_is_mu_minus_the_log_odds_over_the_threshold() -> None:
    expected = 50.0 - math.log(100) / 0.3
    assert capacity(MM1, threshold_seconds=0.3, percent=99) == pytest.approx(expected, rel=0.04)


def test_a_server_that_is_too_slow_for_the_threshold_carries_nothing() -> None:
    slow = ServerModel(base_seconds=0.4)
    assert capacity(slow, threshold_seconds=0.3, percent=99) < 0.01
