import math

import numpy as np
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.static_peak import KIND


def wanted(rates, factor=1.0, **changes):
    policy = KIND.build(setting(profile(**changes), knobs={"factor": factor}, ahead=np.array(rates)))
    return policy.wanted(seat(0.0, seen(3)))


def test_the_busiest_minute_decides():
    assert wanted([20.0, 95.0, 40.0]) == {"cpu": 10}


def test_a_faster_variant_needs_fewer_replicas():
    assert wanted([20.0, 95.0, 40.0], capacity=50.0) == {"cpu": 2}


def test_the_factor_adds_headroom_and_rounding_errors_buy_nothing():
    assert 1.1 * 100.0 / 10.0 > 11.0
    assert wanted([100.0], factor=1.1) == {"cpu": 11}


def test_it_never_moves_whatever_it_sees():
    policy = KIND.build(setting(profile(), knobs=KIND.defaults, ahead=np.array([20.0, 95.0])))
    turns = [policy.wanted(seat(60.0 * i, seen(10), rate_of_arrivals=rate)) for i, rate in enumerate([0.0, 500.0])]
    assert turns == [{"cpu": 10}, {"cpu": 10}]


def test_minutes_that_nobody_recorded_do_not_count():
    assert wanted([math.nan, 31.0, math.nan]) == {"cpu": 4}


def test_without_any_recorded_minute_it_keeps_what_there_is():
    assert wanted([]) == {} == wanted([math.nan])


def test_a_silent_replay_still_keeps_one_replica():
    assert wanted([0.0, 0.0]) == {"cpu": 1}
