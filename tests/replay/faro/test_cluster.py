import numpy as np
import pytest

from tightrope.replay.faro.cluster import Cluster, Order
from tightrope.replay.faro.world import World


def cluster(cpus, *replicas, **world):
    return Cluster([np.empty(0)] * len(replicas), World(**world), cpus=cpus, replicas=replicas, seed=1)


def ready(there):
    return [job.ready for job in there.jobs]


def test_a_new_replica_is_ready_after_the_cold_start_and_its_job_rests_then():
    there = cluster(4, 1, 1)
    there.advance(10.0)
    there.take([Order(job=0, more=1)])
    there.advance(44.9)
    assert (ready(there), there.jobs[0].busy) == ([1, 1], True)
    there.advance(45.0)
    assert (ready(there), there.jobs[0].busy) == ([2, 1], False)


def test_orders_that_free_replicas_come_first_and_the_rest_in_order_as_far_as_the_cpus_go():
    there = cluster(5, 3, 1, 1)
    there.advance(10.0)
    there.take([Order(job=1, replicas=9), Order(job=2, replicas=2), Order(job=0, replicas=1)])
    assert [job.asked for job in there.jobs] == [1, 3, 1]


def test_a_cpu_is_held_for_thirty_seconds_after_its_replica_stopped_and_only_then_starts_another():
    there = cluster(3, 2, 1)
    there.advance(10.0)
    there.take([Order(job=0, more=-1), Order(job=1, more=1)])
    assert there.held == 3
    there.advance(74.9)  # idle until 40, then 35 s of a cold start
    assert ready(there) == [1, 1]
    there.advance(75.0)
    assert (ready(there), there.held) == ([1, 2], 3)


def test_each_cpu_is_held_since_its_own_replica_stopped():
    there = cluster(4, 3, 1)
    for now in (10.0, 20.0):
        there.advance(now)
        there.take([Order(job=0, more=-1)])
    held = []
    for now in (39.0, 40.0, 49.0, 50.0):
        there.advance(now)
        held.append(there.held)
    assert held == [4, 3, 3, 2]


def test_a_job_that_still_holds_a_cpu_starts_on_it_in_three_seconds():
    there = cluster(2, 2)
    there.advance(10.0)
    there.take([Order(job=0, more=-1)])
    there.advance(20.0)
    there.take([Order(job=0, more=1)])
    there.advance(23.0)
    assert ready(there) == [2]


def test_an_order_for_a_job_that_changes_is_forgotten():
    there = cluster(5, 1)
    there.advance(10.0)
    there.take([Order(job=0, more=1)])
    there.advance(40.0)
    there.take([Order(job=0, more=1)])
    there.advance(50.0)
    there.take([])
    assert there.jobs[0].asked == 2


def test_without_blocking_the_same_order_counts():
    there = cluster(5, 1, blocking=False)
    for now in (10.0, 40.0):
        there.advance(now)
        there.take([Order(job=0, more=1)])
    there.advance(75.0)
    assert ready(there) == [3]


def test_an_order_with_tries_waits_until_the_job_rests():
    there = cluster(5, 1)
    there.advance(10.0)
    there.take([Order(job=0, more=1)])
    for now in (20.0, 30.0, 40.0, 50.0):
        there.advance(now)
        there.take([Order(job=0, replicas=4, tries=5)] if now == 20.0 else [])
    assert there.jobs[0].asked == 4


def test_what_found_no_cpu_is_tried_again_once_another_job_gave_one_back():
    there = cluster(3, 2, 1)
    there.advance(10.0)
    there.take([Order(job=1, replicas=2, tries=5)])
    assert there.jobs[1].asked == 1
    there.advance(20.0)
    there.take([Order(job=0, more=-1)])
    assert there.jobs[1].asked == 2


def test_no_job_loses_its_last_replica():
    there = cluster(2, 1)
    there.advance(10.0)
    there.take([Order(job=0, more=-1), Order(job=0, replicas=0)])
    assert there.jobs[0].asked == 1


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_asked_the_cpus_are_never_exceeded(seed):
    random = np.random.default_rng(seed)
    there = cluster(12, 1, 1, 1, 1)
    for turn in range(1, 200):
        there.advance(10.0 * turn)
        job = int(random.integers(4))
        there.take([Order(job=job, replicas=int(random.integers(9)), tries=int(random.integers(1, 6)))])
        assert sum(job.asked for job in there.jobs) <= 12
        assert sum(job.ready + job.starting for job in there.jobs) <= 12
        assert sum(job.ready for job in there.jobs) <= there.held <= 12
