"""Dynamo's throughput loop against the cases of its own tests (ai-dynamo/dynamo: test_replica_calculation.py 7856cb2,
test_throughput_scaling.py 1b55410, test_load_predictors.py 004551e) and on cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay.cases import case
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.dynamo_throughput import KIND, LocalLinearTrend, engine_rate, sized
from tightrope.replay.run import play

BATCHES = profile(batch_limit=8, service_seconds=lambda batch: 0.04 + 0.01 * batch)


@pytest.mark.parametrize(
    ("rate", "engine", "least", "replicas"),
    [
        (10 * 3000 / 60, 40_000, 1, 1),  # 10 prompts of 3 000 tokens a minute
        (10 * 150 / 60, 10_000, 1, 1),
        (500 * 150 / 60, 1_000, 1, 2),  # 1 250 tokens/s
        (1 * 10 / 60, 10_000, 2, 2),  # the least that may be
        (20 * 150 / 60, 5_000 * 4, 1, 1),
        (100 * 150 / 60, 100, 1, 3),
        (0.01, 1.0, 1, 1),
        (0.01, 1.0, 3, 3),
        (2.1, 1.0, 1, 3),
        (0.0, 1.0, 1, 1),
        (3.0, 1.0, 1, 3),  # exactly enough buys none on top
    ],
)
def test_the_tables_of_its_replica_calculation(rate, engine, least, replicas):
    assert sized(rate, engine, least=least) == replicas


def test_it_counts_on_the_best_batch_that_meets_the_sla():
    assert engine_rate(BATCHES, 0.3) == pytest.approx(8 / 0.12)
    assert engine_rate(BATCHES, 0.065) == pytest.approx(2 / 0.06)
    assert engine_rate(BATCHES, 0.01) == pytest.approx(1 / 0.05)  # none does: the one that misses least


def test_it_looks_at_no_batch_over_128():
    large = profile(batch_limit=500, service_seconds=lambda batch: 0.1)
    assert engine_rate(large, 0.3) == pytest.approx(128 / 0.1)


def test_an_sla_that_nothing_meets_buys_no_replicas():
    slow = profile(service_seconds=lambda batch: 1.0)
    policy = KIND.build(setting(slow, knobs=KIND.defaults))
    assert policy.wanted(seat(180.0, seen(1), rate_of_arrivals=0.01)) == {"cpu": 1}


def test_it_sizes_for_the_last_interval_and_holds_without_one():
    policy = KIND.build(setting(knobs=KIND.defaults))
    assert policy.wanted(seat(180.0, seen(2), rate_of_arrivals=60.0)) == {"cpu": 5}  # 12.5/s each
    assert policy.wanted(seat(360.0, seen(5), rate_of_arrivals=None)) == {"cpu": 5}
    assert policy.wanted(seat(540.0, seen(5), rate_of_arrivals=0.0)) == {"cpu": 1}  # no load is no gap


def test_a_share_of_the_engine_is_counted_on():
    policy = KIND.build(setting(knobs=KIND.defaults | {"share": 0.5}))
    assert policy.wanted(seat(180.0, seen(2), rate_of_arrivals=60.0)) == {"cpu": 10}


def filtered(readings):
    """The same filter in matrices, as textbooks write it."""
    moves, reads = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    state, spread = np.array([readings[0], 0.0]), np.eye(2) * 1000.0
    found = []
    for count, reading in enumerate(readings):
        if count:
            gain = spread @ reads.T / (reads @ spread @ reads.T + 10.0)
            state = state + gain[:, 0] * (reading - state[0])
            spread = (np.eye(2) - gain @ reads) @ spread
        state, spread = moves @ state, moves @ spread @ moves.T + np.diag([1.0, 0.1])
        found.append(max(float(state[0]), 0.0))
    return found


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=40))
def test_the_filter_is_the_textbooks(readings):
    trend = LocalLinearTrend()
    assert [trend.next(reading) for reading in readings] == pytest.approx(filtered(readings), rel=1e-6, abs=1e-3)


def test_the_filter_sees_a_ramp_coming_where_the_last_value_lags():
    ramp = KIND.build(setting(knobs=KIND.defaults | {"kalman": 1.0}))
    last = KIND.build(setting(knobs=KIND.defaults))
    for tick in range(1, 13):
        here = seat(180.0 * tick, seen(5), rate_of_arrivals=25.0 * tick)
        ahead, behind = ramp.wanted(here)["cpu"], last.wanted(here)["cpu"]
    assert behind == 24  # 300/s
    assert ahead == 26  # 325/s


def test_a_gap_is_not_a_reading():
    one, other = (KIND.build(setting(knobs=KIND.defaults | {"kalman": 1.0})) for _ in range(2))
    for policy, rates in ((one, [50.0, 60.0, None]), (other, [50.0, 60.0])):
        for tick, rate in enumerate(rates):
            policy.wanted(seat(180.0 * tick, seen(5), rate_of_arrivals=rate))
    after = seat(720.0, seen(5), rate_of_arrivals=70.0)
    assert one.wanted(after) == other.wanted(after)


def test_in_a_replay_it_moves_every_three_minutes_and_one_interval_late():
    demand = case([(0, 30.0), (360, 30.0), (360, 150.0)], seconds=1200)
    course = play(demand, KIND, knobs=KIND.defaults, variants=("cpu",))
    assert all((step.at - 7.5) % 180.0 == 0.0 for step in course.steps)
    wanted = course.timeline.wanted["cpu"]
    assert wanted[530 // 15] <= 2  # the turn at 367.5 s has seen the quiet interval
    assert wanted[-1] == 4  # 150/s at 40.35/s each: the rate at which a single server is full
    assert course.score.attainment is not None and course.score.attainment < 0.99
