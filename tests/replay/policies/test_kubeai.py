import pytest
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.kubeai import KIND


def play(loads, replicas=1, **knobs):
    """Replicas after each 10 s turn."""
    policy = KIND.build(setting(profile(), knobs=KIND.defaults | {"target_requests": 10.0} | knobs))
    history = []
    for i, load in enumerate(loads):
        replicas = policy.wanted(seat(10.0 * i, seen(replicas), gauge_of_in_flight=load))["cpu"]
        history.append(replicas)
    return history


def test_the_first_sample_fills_the_window():
    assert play([35.0]) == [4]


def test_a_step_takes_ten_minutes_to_be_seen_whole():
    # One sample of 70 among 59 of 10 makes a mean of 11, which is two replicas at once; all of it after 60 samples.
    history = play([10.0] + [70.0] * 60)
    assert history[:2] == [1, 2]
    assert history[30] == 4  # thirty of each: a mean of 40
    assert history[59:] == [7, 7]
    assert play([10.0] + [70.0] * 50)[-1] == 6  # mean of exactly 60


def test_fewer_waits_for_three_turns_and_then_follows_every_turn():
    # 60 samples of 40, then idle: after k idle turns the mean is 40 * (60 - k) / 60.
    history = play([40.0] + [0.0] * 60, replicas=4)
    # Down to 3 is asked for from the 15th idle turn on (mean 30), and done at the fourth such turn.
    assert history[:19] == [4] * 18 + [3]
    assert history[60] == 1


def test_one_turn_that_asks_for_as_many_starts_the_patience_again():
    policy = KIND.build(setting(knobs={"target_requests": 10.0, "scale_down_delay_seconds": 30.0}))
    there = [3, 3, 2, 3, 3, 3, 3]  # somebody took one away for a moment: two is then what the load needs
    asked = [policy.wanted(seat(10.0 * i, seen(n), gauge_of_in_flight=20.0))["cpu"] for i, n in enumerate(there)]
    assert asked == [3, 3, 2, 3, 3, 3, 2]


def test_a_longer_delay_waits_longer():
    assert play([5.0] * 32, replicas=4, scale_down_delay_seconds=300.0)[29:] == [4, 1, 1]


def test_a_missing_sample_holds_and_leaves_the_mean_alone():
    assert play([None, 35.0, None, 35.0], replicas=2) == [2, 4, 4, 4]


@pytest.mark.parametrize(("load", "replicas"), [(100.0, 1), (101.0, 2), (250.0, 3)])
def test_a_hundred_active_requests_a_replica_by_default(load, replicas):
    assert play([load], **KIND.defaults) == [replicas]
