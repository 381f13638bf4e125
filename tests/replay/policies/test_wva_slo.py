"""WVA's SLO mode on cases worked by hand; its queue is tested in test_state_queue, its choice in test_cost_aware."""

import math

from replay.cases import case
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.wva_slo import KIND
from tightrope.replay.run import play

GPU = profile("gpu", service_seconds=lambda batch: 0.01, price_per_hour=0.8)


def asked(replicas, arrivals, *profiles, now=0.0):
    policy = KIND.build(setting(*profiles, knobs=KIND.defaults))
    return policy.wanted(seat(now, replicas, rate_of_arrivals=arrivals))


def test_it_sizes_for_the_mean_latency_of_the_threshold():
    # 300 ms as a mean, at 80 ms a request: 12.5 - 1 / 0.3 = 9.17 requests/s a replica.
    assert asked(seen(4), 60.0) == {"cpu": math.ceil(60 / 9.1667)}
    assert asked(seen(8), 9.1667 * 7.5) == {"cpu": 8}  # half a replica to spare: no band, and none goes


def test_a_smaller_target_counts_on_less():
    policy = KIND.build(setting(knobs={"target_factor": 0.5}))
    assert policy.wanted(seat(0.0, seen(10), rate_of_arrivals=60.0)) == {"cpu": math.ceil(60 / (12.5 - 1 / 0.15))}


def test_the_variant_that_carries_most_for_its_price_grows():
    # 0.2 / 9.17 is 0.0218 per request/s; the GPU's 100 - 1 / 0.3 = 96.7 cost 0.0083.
    assert asked({"cpu": seen(2), "gpu": seen(0)}, 100.0, profile(), GPU) == {"cpu": 2, "gpu": 1}


def test_a_target_that_no_rate_meets_leaves_the_variant_out():
    slow = profile(service_seconds=lambda batch: 0.5)
    assert asked(seen(3), 60.0, slow) == {"cpu": 3}
    assert asked({"cpu": seen(3), "gpu": seen(0)}, 60.0, slow, GPU) == {"cpu": 3, "gpu": 1}


def test_without_samples_it_holds_for_as_long_as_there_are_none():
    policy = KIND.build(setting(knobs=KIND.defaults))
    for tick in range(60):
        assert policy.wanted(seat(15.0 * tick, seen(7), rate_of_arrivals=None)) == {"cpu": 7}


def test_on_the_way_down_it_waits_for_the_window_of_its_hpa():
    policy = KIND.build(setting(knobs=KIND.defaults))
    counts = [policy.wanted(seat(15.0 * tick, seen(6), rate_of_arrivals=9.0))["cpu"] for tick in range(22)]
    assert counts[19] == 6 and counts[-1] == 1


def test_in_a_replay_the_mean_is_met_and_the_percentile_is_not():
    # A server that finishes 40.35/s may be sent 37/s before its mean reaches 300 ms; at 99 % within 300 ms it is 25/s.
    played = case([(0, 70.0)], seconds=1200)
    slo = play(played, KIND, knobs=KIND.defaults, variants=("cpu",)).score
    small = play(played, KIND, knobs={"target_factor": 0.15}, variants=("cpu",)).score
    assert slo.attainment is not None and small.attainment is not None
    assert slo.attainment < 0.99 < small.attainment
    assert slo.cost < small.cost
