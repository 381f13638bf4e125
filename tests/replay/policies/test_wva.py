"""The three modes of WVA on cases worked by hand."""

import math

import pytest
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies import wva_slo, wva_v1, wva_v2
from tightrope.replay.policies.state_queue import largest_rate, mean_latency
from tightrope.replay.policies.wva_v1 import turn

GPU = profile("gpu", price_per_hour=0.8, capacity=100.0)


@pytest.mark.parametrize(
    ("loads", "direction"),
    [
        ([(0.72, 0), (0.72, 0)], 1),  # 8 points to spare, under the 10 that trigger
        ([(0.70, 0), (0.70, 0)], 0),  # with one fewer, 1.4 would be over
        ([(0.34, 0), (0.34, 0)], -1),  # 0.68 on the one that is left: 12 points to spare
        ([(0.36, 0), (0.36, 0)], 0),  # 0.72: 8 points
        ([(0.1, 2.5), (0.1, 2.5)], 1),  # 2.5 waiting places to spare, under 3
        ([(0.9, 0), (0.9, 9)], 1),  # all saturated: nothing to spare
        ([(0.1, 0)], 0),  # never the last one
    ],
)
def test_v1_looks_at_what_is_spare_and_at_one_replica_fewer(loads, direction):
    assert turn(loads, cache_spare=0.10, queue_spare=3.0) == direction


def v1_turn(cpu, gpu, busy):
    policy = wva_v1.KIND.build(setting(profile(), GPU, knobs=wva_v1.KIND.defaults))
    values = {"per_replica_of_queued_of_cpu": [0.0] * cpu.ready, "per_replica_of_queued_of_gpu": [0.0] * gpu.ready}
    return policy.wanted(seat(0.0, {"cpu": cpu, "gpu": gpu}, utilisation=busy, **values))


def test_v1_adds_the_cheapest_and_takes_the_dearest():
    assert v1_turn(seen(2), seen(2), 0.75) == {"cpu": 3, "gpu": 2}
    assert v1_turn(seen(2), seen(2), 0.3) == {"cpu": 2, "gpu": 1}


def test_v1_waits_while_anything_starts_and_holds_without_samples():
    assert v1_turn(seen(3, ready=2), seen(2), 0.9) == {"cpu": 3, "gpu": 2}
    assert v1_turn(seen(2), seen(2), None) == {"cpu": 2, "gpu": 2}


def v2(inside, cpu=2, gpu=0, **values):
    policy = wva_v2.KIND.build(
        setting(profile(slots=10), profile("gpu", slots=40, price_per_hour=0.8), knobs=wva_v2.KIND.defaults)
    )
    return policy.wanted(seat(0.0, {"cpu": seen(cpu), "gpu": seen(gpu)}, gauge_max_of_in_flight=inside, **values))


def test_v2_adds_what_demand_over_085_needs_of_the_cheapest_capacity():
    # 40 / 0.85 = 47.1 places; two replicas hold 16; 31.1 more are 4 replicas of 8.
    assert v2(40.0) == {"cpu": 6, "gpu": 0}


def test_v2_holds_on_the_way_down_for_the_window_of_its_hpa():
    policy = wva_v2.KIND.build(setting(profile(slots=10), knobs=wva_v2.KIND.defaults))
    counts, replicas = [], 6
    for tick in range(30):
        replicas = policy.wanted(seat(15.0 * tick, seen(replicas), gauge_max_of_in_flight=5.0))["cpu"]
        counts.append(replicas)
    assert counts[19] == 6 and counts[-1] == 1  # 5 / 0.7 = 7.1 places: one replica of 8


def test_v2_counts_on_less_once_requests_have_waited():
    policy = wva_v2.KIND.build(setting(profile(slots=10), knobs=wva_v2.KIND.defaults))
    crowded = {"gauge_of_queued": 12.0, "gauge_of_running": 8.0}
    # 4 at work in each while 6 wait: a replica holds 4, so 20 / 0.85 = 23.5 places are 6 replicas.
    assert policy.wanted(seat(0.0, seen(2), gauge_max_of_in_flight=20.0, **crowded)) == {"cpu": 6}


def test_the_state_dependent_queue_is_m_m_1_for_one_slot():
    assert mean_latency(10.0, [12.5]) == pytest.approx(1 / 2.5, rel=1e-3)
    assert largest_rate(profile(), 0.4) == pytest.approx(10.0, rel=1e-3)


def test_a_rate_that_no_load_meets_is_none_at_all():
    assert largest_rate(profile(), 0.05) == pytest.approx(0.0, abs=1e-6)


def test_slo_mode_sizes_for_the_mean_latency_of_the_threshold():
    policy = wva_slo.KIND.build(setting(knobs=wva_slo.KIND.defaults))
    # 300 ms as a mean, at 80 ms a request: 12.5 - 1 / 0.3 = 9.17 requests/s a replica.
    assert policy.wanted(seat(0.0, seen(4), rate_of_arrivals=60.0)) == {"cpu": math.ceil(60 / 9.1667)}
    assert policy.wanted(seat(15.0, seen(7), rate_of_arrivals=None)) == {"cpu": 7}
