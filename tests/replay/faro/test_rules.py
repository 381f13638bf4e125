import numpy as np
import pytest

from tightrope.replay.faro.cluster import Cluster
from tightrope.replay.faro.rules import Additive, FairShare, Hybrid, Mark, Reactive
from tightrope.replay.faro.world import World


class Slow:
    """A job whose mean latency and minutes are told."""

    def __init__(self, latency, replicas=4, busy=False, minutes=()):
        self.number, self.asked, self.ready, self.busy = 0, replicas, replicas, busy
        self._latency, self._minutes = latency, np.array(minutes, dtype=float)

    def mean_latency(self, window):
        return self._latency

    def minutes(self, width):
        return self._minutes


def cluster(*jobs, now=10.0):
    found = Cluster([], World(), cpus=32, replicas=[], seed=1)
    found.jobs, found.now = list(jobs), now
    for number, job in enumerate(jobs):
        job.number = number
    return found


def changes(policy, latencies, **job):
    """What is asked at each turn: the change, or the count in all."""
    found = []
    for latency in latencies:
        orders = policy.orders(cluster(Slow(latency, **job)))
        found.append([order.target(4) for order in orders])
    return found


def test_fair_share_asks_for_nothing():
    assert changes(FairShare(), [9.0] * 5) == [[]] * 5


def test_aiad_adds_one_after_three_slow_turns_and_takes_one_after_sixty_fast_ones():
    policy = Reactive(1)
    assert changes(policy, [0.8] * 3) == [[], [], [5]]
    assert changes(policy, [0.2] * 60)[58:] == [[], [3]]


def test_a_job_where_nothing_ended_counts_as_fast():
    assert changes(Reactive(1), [None] * 60)[-1] == [3]


def test_one_shot_asks_for_the_ratio_of_latency_and_target():
    assert changes(Reactive(1, proportional=True), [1.45] * 3)[-1] == [9]
    assert changes(Reactive(1, proportional=True), [0.19] * 60)[-1] == [2]


def test_reactive_rules_count_while_the_job_changes():
    assert changes(Reactive(1), [0.8] * 3, busy=True)[-1] == [5]


def test_the_companion_passes_over_a_job_that_changes_and_never_takes_one_away():
    assert changes(Additive(1), [0.8] * 9, busy=True) == [[]] * 9
    assert changes(Additive(1), [0.2] * 200) == [[]] * 200


def test_to_the_companion_fast_turns_do_not_start_the_count_again():
    assert changes(Additive(1), [0.8, 0.2, 0.8, 0.2, 0.8]) == [[], [], [], [], [5]]


def test_mark_takes_a_quarter_of_a_replica_for_each_request_per_second_of_the_highest_minute():
    rates = [np.array([3.0, 16.1]), np.array([0.0])]
    assert Mark().plan(rates, cluster()) == [5, 1]


class Remembers:
    """A forecast that says 600 a minute and notes what it was shown."""

    def __init__(self):
        self.seen = []

    def ahead(self, job, seen, minutes):
        self.seen.append(len(seen))
        return np.full(minutes, 600.0)


def planned(now, minutes):
    forecast = Remembers()
    orders = Hybrid(Mark(), forecast, 1).orders(cluster(Slow(0.2, minutes=minutes), now=now))
    return forecast.seen, [(order.replicas, order.tries) for order in orders]


def test_a_plan_comes_after_one_minute_and_then_every_five_and_is_tried_five_times():
    assert planned(60.0, [240.0]) == ([], [(1, 5)])
    assert planned(1200.0, [240.0] * 20) == ([20], [(3, 5)])
    assert planned(1210.0, [240.0] * 20) == ([], [])


def test_with_less_than_a_quarter_of_an_hour_behind_it_the_minutes_since_the_last_plan_stand_for_the_forecast():
    assert planned(600.0, [6000.0] * 5 + [240.0, 480.0, 240.0, 240.0, 240.0]) == ([], [(2, 5)])


def test_a_plan_makes_the_companion_count_again():
    policy = Hybrid(Mark(), Remembers(), 1)
    slow = [policy.orders(cluster(Slow(0.8), now=now)) for now in (280.0, 290.0)]
    policy.orders(cluster(Slow(0.8, minutes=[60.0] * 5), now=300.0))
    after = [policy.orders(cluster(Slow(0.8), now=now)) for now in (310.0, 320.0, 330.0)]
    assert [len(orders) for orders in (*slow, *after)] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("latency", [0.72, 0.1])
def test_at_the_target_is_not_above_it(latency):
    assert changes(Reactive(1), [latency] * 9) == [[]] * 9
