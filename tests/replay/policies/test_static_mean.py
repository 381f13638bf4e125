import math

import numpy as np
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.static_mean import KIND


def wanted(rates, factor=1.0, **changes):
    policy = KIND.build(setting(profile(**changes), knobs={"factor": factor}, ahead=np.array(rates)))
    return policy.wanted(seat(0.0, seen(3)))


def test_the_average_minute_decides_and_the_peak_does_not():
    assert wanted([20.0, 95.0, 40.0]) == {"cpu": 6}  # mean 51.7


def test_a_mean_that_fills_whole_replicas_needs_no_more():
    assert wanted([20.0, 80.0]) == {"cpu": 5}


def test_the_factor_adds_headroom():
    assert wanted([20.0, 80.0], factor=1.5) == {"cpu": 8}  # 7.5


def test_it_never_moves_whatever_it_sees():
    policy = KIND.build(setting(profile(), knobs=KIND.defaults, ahead=np.array([20.0, 80.0])))
    turns = [policy.wanted(seat(60.0 * i, seen(5), rate_of_arrivals=rate)) for i, rate in enumerate([0.0, 500.0])]
    assert turns == [{"cpu": 5}, {"cpu": 5}]


def test_minutes_that_nobody_recorded_do_not_count():
    assert wanted([math.nan, 30.0, 40.0]) == {"cpu": 4}


def test_without_any_recorded_minute_it_keeps_what_there_is():
    assert wanted([]) == {} == wanted([math.nan])


def test_a_silent_replay_still_keeps_one_replica():
    assert wanted([0.0, 0.0]) == {"cpu": 1}
