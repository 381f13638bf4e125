import numpy as np
import pytest

from tightrope.replay.faro.cluster import Cluster
from tightrope.replay.faro.load import Load
from tightrope.replay.faro.ours import TICK_SECONDS, Tightrope, pool, seat, service
from tightrope.replay.faro.play import play
from tightrope.replay.faro.rules import FairShare
from tightrope.replay.faro.world import World


def steady(*rates, minutes):
    return Load(tuple(f"job{n}" for n in range(len(rates))), np.repeat(60.0 * np.array([rates]).T, minutes, axis=1))


def test_where_there_is_room_every_job_gets_what_it_needs_and_the_rest_stays_free():
    course = play(steady(20.0, 4.0, minutes=40), Tightrope(2), cpus=20, period=TICK_SECONDS)
    assert min(course.by_job) > 95  # all begin with one replica each
    assert course.mean_replicas < 10


def test_it_moves_cpus_to_the_job_that_needs_them_where_equal_shares_do_not():
    ebb_and_flow = np.concatenate([np.full((1, 40), 1100.0), np.full((1, 40), 120.0)])
    load = Load(("a", "b"), np.hstack([ebb_and_flow, ebb_and_flow[::-1]]))
    ours = play(load, Tightrope(2), cpus=7, period=TICK_SECONDS)
    fair = play(load, FairShare(), cpus=7, replicas=3)
    assert ours.attainment > fair.attainment + 3


def test_the_pool_is_the_cluster_and_a_replica_takes_one_node_of_it():
    there = pool(Cluster([np.empty(0)], World(cold_start=65.0), cpus=36, replicas=[1], seed=1))
    assert (there.max_nodes, there.time_to_ready_seconds) == (36, 65.0)
    assert there.replicas_per_node(service(0, 5.0).variants[0].requests) == 1


def test_services_keep_the_order_of_the_jobs():
    assert [str(service(number, 5.0).key) for number in (0, 9, 10)] == ["faro/job000", "faro/job009", "faro/job010"]


def test_a_seat_shows_what_was_asked_for_and_what_of_it_is_ready():
    there = Cluster([np.arange(0.0, 60.0, 0.25)], World(), cpus=4, replicas=[2], seed=1)
    there.advance(60.0)
    there.jobs[0].asked, there.jobs[0].starting = 3, 1
    found = seat(there.jobs[0])
    assert found.now == 60.0
    assert (found.variants["cpu"].wanted, found.variants["cpu"].ready, found.variants["cpu"].starting) == (3, 2, 1)
    assert found.metrics.rate("arrivals", 45.0) == pytest.approx(4.0, rel=0.05)
