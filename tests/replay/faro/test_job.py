import numpy as np
import pytest

from tightrope.dataplane.routing import Routing
from tightrope.replay.faro.job import Job, attainment
from tightrope.replay.faro.world import World

PLAIN = World(service_mean=0.2, service_cv=0.0, proxy=0.01, waiting=4, waiting_each=2)


def job(times, replicas=1, world=PLAIN):
    return Job(0, np.array(times, dtype=float), world, replicas=replicas, seed=1)


def test_a_request_is_good_if_its_service_its_wait_and_the_proxy_fit_into_the_target():
    # Three at once on one replica take 0.21, 0.41 and 0.61 s, the fourth 0.81 s, which is more than 0.72 s.
    there = job([1.0, 1.0, 1.0, 1.0])
    there.advance(10.0)
    assert (there.requests, there.good, attainment([there])) == (4, 3, 75.0)


def test_the_proxy_alone_can_make_a_request_late():
    there = job([1.0], world=World(service_mean=0.715, service_cv=0.0, proxy=0.01))
    there.advance(10.0)
    assert there.good == 0


def test_a_queue_is_full_at_the_jobs_part_and_each_replicas_own():
    there = job([1.0] * 20)
    there.advance(10.0)
    assert (there.requests, there.dropped) == (20, 20 - 1 - 6)


def test_the_jobs_part_is_shared_by_its_replicas():
    there = job([1.0] * 20, replicas=2)
    there.advance(10.0)
    assert there.dropped == 20 - 2 - 2 * (2 + 2)


def test_the_mean_latency_counts_a_dropped_request_with_its_time_at_the_proxy():
    there = job([9.0] * 8)  # 7 find room
    there.advance(20.0)
    served = sum(0.2 * (place + 1) + 0.01 for place in range(7))
    assert there.mean_latency(30.0) == pytest.approx((served + 0.01) / 8)


def test_or_leaves_it_out_where_the_world_says_so():
    there = job(
        [9.0] * 8, world=World(service_mean=0.2, service_cv=0.0, waiting=4, waiting_each=2, drops_in_mean=False)
    )
    there.advance(20.0)
    assert there.mean_latency(30.0) == pytest.approx(0.2 * 4 + 0.0092)


def test_the_mean_latency_forgets_what_is_older_than_the_window():
    there = job([1.0] * 4 + [45.0])
    for now in (10.0, 20.0, 30.0, 40.0, 50.0):
        there.advance(now)
    assert there.mean_latency(30.0) == pytest.approx(0.21)


def test_a_window_in_which_nothing_ended_says_nothing():
    there = job([])
    there.advance(10.0)
    assert there.mean_latency(30.0) is None


def test_a_replica_that_goes_finishes_what_it_has_and_its_cpu_is_held_since_then():
    there = job([4.9] * 6, replicas=2)
    there.advance(5.0)
    there.vanish(1)
    assert (there.ready, there.leaving, there.idle) == (1, 1, [5.0])
    there.advance(10.0)
    assert (there.leaving, there.requests, there.dropped) == (0, 6, 0)


def test_minutes_are_counted_up_to_now():
    there = job([0.0, 59.9, 60.0, 119.0, 119.5, 121.0])
    there.advance(120.0)
    assert there.minutes(60.0).tolist() == [2.0, 3.0]


def test_how_time_is_cut_does_not_change_what_becomes_of_requests():
    times = np.sort(np.random.default_rng(3).uniform(0.0, 100.0, 900))
    worlds = [World(routing=routing) for routing in (Routing.EVEN, Routing.LEAST_LOADED)]
    for world in worlds:
        fine, coarse = job(times, 2, world), job(times, 2, world)
        for now in np.arange(1.0, 121.0, 0.5).tolist():
            fine.advance(now)
        coarse.advance(120.5)
        assert (fine.requests, fine.good) == (coarse.requests, coarse.good)


def test_the_metrics_are_those_of_the_job():
    there = job(np.arange(0.0, 60.0, 0.5))
    there.advance(60.0)
    assert there.see().rate("arrivals", 60.0) == pytest.approx(2.0, rel=0.05)
    assert there.see().utilisation(45.0) == pytest.approx(0.4, rel=0.05)
