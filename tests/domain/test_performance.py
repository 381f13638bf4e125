"""What one replica is believed to carry, and how ordinary operation corrects it."""

import math

import build
import numpy as np
import pytest

from tightrope.domain import performance
from tightrope.domain.memory import LearnedCapacity
from tightrope.domain.observation import Known
from tightrope.domain.performance import Evidence
from tightrope.domain.spec import CapacityPrior, LatencyObjective

OBJECTIVE = LatencyObjective(threshold_seconds=0.3, percent=99.0)


def tail(mu: float, load: float, seconds: float) -> float:
    """P(time in system > seconds) of an M/M/1 queue."""
    return math.exp(-(mu - load) * seconds)


def test_the_curve_is_the_m_m_1_tail_through_the_capacity() -> None:
    mu = 40.0
    capacity = mu - math.log(100) / 0.3

    predicted = performance.miss_fraction(20.0, np.array([math.log(capacity)]), OBJECTIVE)[0]

    assert predicted == pytest.approx(tail(mu, 20.0, 0.3), rel=1e-6)


def test_at_the_capacity_exactly_the_allowed_fraction_misses() -> None:
    assert performance.miss_fraction(25.0, np.array([math.log(25.0)]), OBJECTIVE)[0] == pytest.approx(0.01)


def test_a_stated_capacity_moves_to_a_tighter_threshold_along_the_same_server() -> None:
    stated = CapacityPrior(rate_per_second=410, at_seconds=0.3)
    tight = LatencyObjective(threshold_seconds=0.1, percent=99.0)

    mu = 410 + math.log(100) / 0.3
    assert tail(mu, performance.capacity_at(stated, tight), 0.1) == pytest.approx(0.01)


def test_a_threshold_out_of_reach_leaves_no_capacity_and_no_belief() -> None:
    stated = CapacityPrior(rate_per_second=410, at_seconds=0.3)

    assert performance.prior_belief(stated, LatencyObjective(threshold_seconds=0.01, percent=99.0)) is None


@pytest.mark.parametrize("wrong", [1 / 3, 3.0], ids=["three times too low", "three times too high"])
def test_a_wrong_prior_is_within_ten_percent_after_an_hour_of_ordinary_loads(wrong: float) -> None:
    true, belief = 25.0, LearnedCapacity(log_mean=math.log(25.0 * wrong), log_sd=performance.PRIOR_SD)
    loads = [10 + 14 * abs(math.sin(t / 40)) for t in range(240)]

    for load in loads:
        missed = 0.01 * math.exp((load - true) * 0.3) * load * 15
        evidence = Evidence(
            load=load, peak=load, finished=load * 15, missed=missed, utilisation=load / 40.35, accelerated=False
        )
        belief = performance.learn(belief, evidence, OBJECTIVE, seconds=15.0)

    assert performance.median_capacity(belief) == pytest.approx(true, rel=0.10)
    assert performance.planning_capacity(belief) <= true * 1.02


def test_quiet_operation_far_from_the_edge_teaches_nothing_from_latency() -> None:
    before = LearnedCapacity(log_mean=math.log(25.0), log_sd=0.2)
    evidence = Evidence(load=2.0, peak=2.0, finished=30.0, missed=0.0, utilisation=None, accelerated=False)

    after = performance.learn(before, evidence, OBJECTIVE, seconds=15.0)

    assert performance.median_capacity(after) == pytest.approx(25.0, rel=0.01)


def test_misses_below_the_believed_capacity_lower_it_at_once() -> None:
    before = LearnedCapacity(log_mean=math.log(25.0), log_sd=0.2)
    evidence = Evidence(load=20.0, peak=20.0, finished=300.0, missed=60.0, utilisation=None, accelerated=False)

    after = performance.learn(before, evidence, OBJECTIVE, seconds=15.0)

    assert performance.median_capacity(after) < 20.0


def test_a_variant_that_misses_even_lone_requests_becomes_infeasible() -> None:
    belief = LearnedCapacity(log_mean=math.log(25.0), log_sd=0.2)
    for _ in range(40):
        evidence = Evidence(load=0.5, peak=0.5, finished=7.5, missed=7.5, utilisation=0.2, accelerated=False)
        belief = performance.learn(belief, evidence, OBJECTIVE, seconds=15.0)

    assert performance.is_infeasible(belief, OBJECTIVE)


def test_a_busy_accelerator_says_that_a_low_prior_is_wrong_but_never_that_a_high_one_is_right() -> None:
    low = LearnedCapacity(log_mean=math.log(50.0), log_sd=0.2)
    fair = LearnedCapacity(log_mean=math.log(300.0), log_sd=0.2)
    evidence = Evidence(load=45.0, peak=45.0, finished=675.0, missed=0.0, utilisation=0.1, accelerated=True)

    for _ in range(200):
        low = performance.learn(low, evidence, OBJECTIVE, seconds=15.0)
        fair = performance.learn(fair, evidence, OBJECTIVE, seconds=15.0)

    assert 100 < performance.median_capacity(low) <= 240
    assert performance.median_capacity(fair) == pytest.approx(300.0, rel=0.05)


def test_without_a_prior_the_first_load_that_met_the_slo_becomes_a_cautious_guess() -> None:
    evidence = Evidence(load=10.0, peak=10.0, finished=150.0, missed=0.0, utilisation=None, accelerated=False)

    guess = performance.learn(None, evidence, OBJECTIVE, seconds=15.0)

    assert performance.median_capacity(guess) == pytest.approx(15.0)
    assert performance.planning_capacity(guess) < 10.0


def test_a_slow_start_is_not_forgotten_after_one_fast_one() -> None:
    fast = build.state(1, startup_seconds=(5.0,), serving_demand=Known(value=1.0, at=0.0))

    assert performance.measured_time_to_ready(fast, remembered=90.0, prior=60.0, seconds=15.0) == pytest.approx(
        89.6, abs=0.1
    )
    assert performance.measured_time_to_ready(fast, remembered=None, prior=60.0, seconds=15.0) == 5.0


def test_a_changed_objective_moves_what_was_learned() -> None:
    learned = LearnedCapacity(log_mean=math.log(25.0), log_sd=0.05)
    tighter = LatencyObjective(threshold_seconds=0.2, percent=99.0)

    moved = performance.moved(learned, old=OBJECTIVE, new=tighter)

    assert moved is not None
    assert performance.median_capacity(moved) == pytest.approx(25.0 + math.log(100) * (1 / 0.3 - 1 / 0.2))
    assert moved.log_sd >= performance.PRIOR_SD


def evidence_after(loads: list[float]) -> Evidence | None:
    """What a tick says after these loads, one a tick of 2 s, all requests missing."""
    state = build.state(1, serving_demand=Known(value=loads[-1], at=0.0), outcomes=build.outcomes(10.0, missed=10.0))
    recent = tuple((2.0 * tick, load) for tick, load in enumerate(loads))
    return performance.evidence_of(state, recent_loads=recent, settling_seconds=9.0, seconds=2.0, accelerated=False)


def test_misses_while_a_rate_still_climbs_after_a_step_are_not_held_against_the_server() -> None:
    assert evidence_after([20, 20, 20, 20, 20, 35, 50]) is None
    assert evidence_after([60, 60]) is None
    assert evidence_after([60] * 7) is not None


def test_a_queue_that_drains_is_explained_by_the_load_that_filled_it() -> None:
    drained = evidence_after([60, 60, 20, 20, 20, 20, 20, 20])

    assert drained is not None and (drained.load, drained.peak) == (20, 60)


def test_good_requests_after_a_peak_do_not_prove_that_the_peak_was_carried() -> None:
    belief = LearnedCapacity(log_mean=math.log(34.0), log_sd=0.2)
    for _ in range(30):
        evidence = Evidence(load=24.0, peak=95.0, finished=48.0, missed=0.0, utilisation=0.48, accelerated=False)
        belief = performance.learn(belief, evidence, OBJECTIVE, seconds=2.0)

    assert performance.planning_capacity(belief) < 34.6
