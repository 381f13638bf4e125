"""The state-dependent queue against closed forms."""

import math

import pytest
from replay.seats import profile

from tightrope.replay.policies.state_queue import finish_rates, largest_rate, mean_judged, mean_latency
from tightrope.replay.seat import Judged


def test_with_one_slot_it_is_m_m_1():
    assert mean_latency(10.0, [12.5]) == pytest.approx(1 / 2.5, rel=1e-3)
    assert largest_rate(profile(), 0.4) == pytest.approx(10.0, rel=1e-3)


def test_with_several_slots_it_is_m_m_c():
    # Erlang C with two servers, a = 1.5, rho = 0.75: the chance to wait is x / (1 + a + x), x = a^2 / 2 / (1 - rho);
    # the mean wait is that over (2 mu - rate).
    mu, rate = 12.5, 18.75
    crowd = 1.5**2 / 2 / 0.25
    wait = crowd / (1 + 1.5 + crowd) / (2 * mu - rate)
    assert mean_latency(rate, finish_rates(profile(slots=2))) == pytest.approx(wait + 1 / mu, rel=1e-3)


def test_a_batch_of_n_finishes_n_in_its_time():
    batches = profile(batch_limit=3, service_seconds=lambda batch: 0.04 + 0.02 * batch)
    assert finish_rates(batches) == pytest.approx([1 / 0.06, 2 / 0.08, 3 / 0.10])


def test_a_latency_that_no_rate_meets_leaves_nothing():
    assert largest_rate(profile(), 0.05) == 0.0


def test_far_over_its_capacity_it_is_full_and_stays_finite():
    assert mean_latency(1000.0, [12.5]) == pytest.approx(101 / 12.5, rel=1e-2)
    assert math.isfinite(mean_latency(1e6, finish_rates(profile(slots=64))))


def test_a_first_token_comes_after_the_wait_and_gaps_wait_for_nobody():
    # M/M/1 at 10 of 12.5 requests/s: 0.4 s in the system, of which 0.08 s are service and 0.32 s wait.
    first, gaps = (
        profile(judged=Judged(seconds=lambda batch: 0.01 * batch, with_wait=waits)) for waits in (True, False)
    )
    assert mean_judged(10.0, [12.5], first) == pytest.approx(0.32 + 0.01, rel=1e-3)
    assert mean_judged(10.0, [12.5], gaps) == pytest.approx(0.01, rel=1e-3)
    assert largest_rate(first, 0.33) == pytest.approx(10.0, rel=1e-3)
    assert largest_rate(gaps, 0.0101) == pytest.approx(12.5, rel=1e-3)  # all it can finish
    assert largest_rate(gaps, 0.009) == 0.0
