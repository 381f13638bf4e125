"""MArk's greedy plan on stretches worked by hand."""

import numpy as np
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.mark import KIND, STEPS, forecast, planned

CPU, GPU = profile(), profile("gpu", capacity=100.0, price_per_hour=0.8)
CAPACITY = np.array([10.0, 100.0])


def plan(counts, demand):
    return planned(np.array(counts, dtype=float), [CPU, GPU], CAPACITY, np.asarray(demand, dtype=float)).tolist()


def test_a_lasting_lack_is_filled_with_what_serves_a_request_cheapest():
    assert plan([0, 0], np.full(STEPS, 90.0)) == [0.0, 1.0]  # 0.8 for 90 beats 0.2 for 10
    assert plan([0, 0], np.full(STEPS, 15.0)) == [2.0, 0.0]


def test_a_lasting_surplus_loses_what_costs_most_per_capacity():
    assert plan([6, 1], np.full(STEPS, 105.0)) == [1.0, 1.0]  # 0.2 / 10 is dearer than 0.8 / 100


def test_a_short_surplus_is_spared_only_as_far_as_its_smallest():
    demand = np.full(STEPS, 20.0)
    demand[5] = 35.0
    assert plan([5, 0], demand) == [4.0, 0.0]


def test_what_is_applied_is_two_minutes_ahead():
    demand = np.concatenate([[10.0, 10.0], np.full(STEPS - 2, 40.0)])
    assert plan([1, 0], demand)[0] >= 4.0


def test_the_forecast_follows_a_trend_that_fades_or_stays_where_it_is():
    rising = np.arange(10.0, 20.0)
    assert forecast(19.0, rising, trend=False).tolist() == [19.0] * STEPS
    ahead = forecast(19.0, rising, trend=True)
    assert ahead[0] == 19.9 and ahead[-1] < 19.0 + 9.1
    assert forecast(5.0, np.full(10, np.nan), trend=True).tolist() == [5.0] * STEPS


def test_between_plans_a_tenth_of_what_is_missing_is_added_and_nothing_without_samples():
    policy = KIND.build(setting(knobs=KIND.defaults | {"trend": 0.0}))
    assert policy.wanted(seat(0.0, seen(2), rate_of_arrivals=20.0)) == {"cpu": 2}
    assert policy.wanted(seat(5.0, seen(2), rate_of_arrivals=220.0)) == {"cpu": 4}
    assert policy.wanted(seat(10.0, seen(4), rate_of_arrivals=None)) == {"cpu": 4}
