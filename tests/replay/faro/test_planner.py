import numpy as np
import pytest

from tightrope.replay.faro.cluster import Cluster
from tightrope.replay.faro.planner import Faro, best, loss_of, thinned, together, trimmed
from tightrope.replay.faro.world import World


def rates(*jobs, minutes=7):
    return [np.full(minutes, float(rate)) for rate in jobs]


def plan(cpus, *jobs, fair=False, replicas=None):
    there = Cluster([np.empty(0)] * len(jobs), World(), cpus=cpus, replicas=replicas or [1] * len(jobs), seed=1)
    return list(Faro(fair=fair).plan(rates(*jobs), there))


def test_each_job_gets_what_its_latency_needs_and_nothing_is_held_that_is_worth_nothing():
    # 10/s of 180 ms is 1.8 busy: with 3 replicas 99 % stay under 0.55 s, with 2 under 2.3 s; 20/s needs 5.
    assert plan(20, 10.0, 20.0) == [3, 5]


def test_the_cpus_are_never_exceeded():
    assert sum(plan(6, 20.0, 20.0, 20.0)) == 6


def test_with_too_few_cpus_the_sum_gives_up_the_job_that_costs_most_and_fairness_the_others():
    # 24/s is 4.3 busy and would need 6 of 8; 8/s needs 3.
    assert plan(8, 24.0, 8.0, 8.0, replicas=[2, 2, 2]) == [2, 3, 3]
    assert plan(8, 24.0, 8.0, 8.0, fair=True, replicas=[2, 2, 2]) == [4, 2, 2]


def test_replicas_that_start_do_not_count_in_the_first_minute_where_all_cpus_are_in_use():
    now, more = np.array([1.0, 1.0]), np.array([4.0, 1.0])
    late = loss_of(together(rates(15.0, 1.0)), now, start_minutes=1, fair=False)(more)
    at_once = loss_of(together(rates(15.0, 1.0)), now, start_minutes=0, fair=False)(more)
    one = loss_of(together(rates(15.0, 1.0)), now, start_minutes=0, fair=False)(now)
    assert at_once == pytest.approx(-2.0)
    assert late == pytest.approx(at_once + (one - at_once) / 7)


def test_fairness_asks_for_the_least_difference_besides_the_sum():
    # Worth 1 and 1 is -2, and (0 + 1) for each of two jobs more.
    fair = loss_of(together(rates(1.0, 1.0)), np.ones(2), start_minutes=0, fair=True)
    assert fair(np.array([3.0, 3.0])) == pytest.approx(-4.0)


def test_a_job_with_fewer_minutes_has_none_in_the_others():
    assert together([np.array([1.0, 2.0]), np.array([3.0])]).tolist() == [[1.0, 2.0], [3.0, 0.0]]


def test_what_does_not_fit_goes_where_it_costs_least():
    weights = np.array([5.0, 1.0])
    assert thinned(np.array([4.0, 4.0]), lambda x: float(-(weights * x).sum()), np.ones(2), 5).tolist() == [4.0, 1.0]


def test_of_equal_losses_the_least_change_is_made():
    assert thinned(np.array([3.0, 3.0]), lambda x: 0.0, np.array([3.0, 1.0]), 5).tolist() == [3.0, 2.0]


def test_what_is_left_over_goes_to_the_job_that_only_all_of_it_helps():
    def steps(x):
        return -(1.0 if x[0] >= 4 else 0.0) - min(x[1], 2.0)

    assert trimmed(np.array([3.0, 3.0]), steps, 6).tolist() == [4.0, 2.0]


def test_the_search_is_the_same_each_time():
    loss = loss_of(together(rates(18.0, 7.0, 11.0)), np.ones(3), start_minutes=0, fair=True)
    assert best(loss, np.ones(3), 9).tolist() == best(loss, np.ones(3), 9).tolist()
