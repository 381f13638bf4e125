"""Dynamo's loops on cases worked by hand."""

import pytest
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies import dynamo_hybrid, dynamo_load, dynamo_throughput
from tightrope.replay.policies.dynamo_load import seconds_behind
from tightrope.replay.policies.dynamo_throughput import engine_rate

BATCHES = profile(batch_limit=8, service_seconds=lambda batch: 0.04 + 0.01 * batch)


def load_turn(loads, replicas=None, **knobs):
    policy = dynamo_load.KIND.build(setting(knobs=dynamo_load.KIND.defaults | knobs))
    replicas = seen(len(loads)) if replicas is None else replicas
    return policy.wanted(seat(0.0, replicas, per_replica_of_in_flight=loads))["cpu"]


def test_a_request_waits_for_those_before_it():
    assert seconds_behind(profile(), 0) == pytest.approx(0.08)
    assert seconds_behind(profile(), 3) == pytest.approx(0.32)
    assert seconds_behind(BATCHES, 11) == pytest.approx(0.12 + 0.08)  # a full batch of 8, then one of 4


def test_up_by_one_only_when_every_engine_is_too_slow():
    assert load_turn([3, 3]) == 3  # 320 ms over 300
    assert load_turn([3, 2]) == 2


def test_down_by_one_when_none_would_be_slow_with_one_fewer():
    # 80 % of (300 - 80) = 176 ms over an empty engine; with one of two gone, 1 becomes 2: 160 ms.
    assert load_turn([1, 1]) == 1
    assert load_turn([2, 1]) == 2
    assert load_turn([1, 1], sensitivity=50.0) == 2
    assert load_turn([0]) == 1


def test_it_holds_while_replicas_start_or_are_not_heard_of():
    assert load_turn([9, 9], seen(3, ready=2)) == 3
    assert load_turn([], seen(2)) == 2


def test_throughput_counts_on_the_best_batch_that_meets_the_sla():
    assert engine_rate(BATCHES, 0.3) == pytest.approx(8 / 0.12)
    assert engine_rate(BATCHES, 0.065) == pytest.approx(2 / 0.06)
    assert engine_rate(BATCHES, 0.01) == pytest.approx(1 / 0.05)  # none does: the one that misses least


def test_throughput_sizes_for_the_last_interval_and_holds_without_one():
    policy = dynamo_throughput.KIND.build(setting(knobs=dynamo_throughput.KIND.defaults))
    assert policy.wanted(seat(180.0, seen(2), rate_of_arrivals=60.0)) == {"cpu": 5}  # 12.5/s each
    assert policy.wanted(seat(360.0, seen(5), rate_of_arrivals=None)) == {"cpu": 5}


def test_the_floor_of_the_hybrid_keeps_the_load_loop_from_going_lower():
    policy = dynamo_hybrid.KIND.build(setting(knobs=dynamo_hybrid.KIND.defaults))
    idle = {"per_replica_of_in_flight": [0.0] * 6, "rate_of_arrivals": 60.0}
    assert policy.wanted(seat(0.0, seen(6), **idle)) == {"cpu": 5}
    assert policy.wanted(seat(180.0, seen(5), **{**idle, "per_replica_of_in_flight": [0.0] * 5})) == {"cpu": 5}
