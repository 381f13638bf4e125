"""One policy over one demand: what a user reads off a replay, held against what can be worked out by hand."""

import math

import build
import pytest
from replay.cases import case, told

from tightrope.replay.policies import tightrope
from tightrope.replay.run import play, rate_by_minute

BOTH = ("cpu", "gpu")


def test_a_fixed_fleet_costs_its_nodes_for_the_whole_time_and_misses_what_the_queue_says() -> None:
    # 25/s within 300 ms at 99 %: mu = 25 + ln(100)/0.3 = 40.35/s; at 30/s, exp(-10.35 x 0.3) = 4.48 % miss.
    # It starts with two, as 30/s needs; the second is billed for the minimum of a minute.
    kind, _ = told(lambda seat: {"cpu": 1})
    score = play(case([(0, 30.0)], seconds=12 * 3600), kind, knobs={}, variants=("cpu",)).score

    assert score.cost == pytest.approx(0.20 * 12 + 0.20 / 60, rel=1e-9)
    assert 1 - score.attainment == pytest.approx(math.exp(-(25 + math.log(100) / 0.3 - 30) * 0.3), rel=0.05)
    assert (score.changes, score.switches, score.dropped) == (1, 0, 0)  # the first turn goes from two to one


def test_a_new_replica_serves_after_its_time_to_ready_and_is_billed_before() -> None:
    kind, _ = told(lambda seat: {"cpu": 1 if seat.now < 600 else 2})
    course = play(case([(0, 20.0)], seconds=1800), kind, knobs={}, variants=("cpu",))

    ready = course.timeline.ready["cpu"]
    assert course.timeline.step_seconds == 15.0
    # The turn at 607.5 s asks for it; 20 s later it is ready.
    assert ready[int(607.5 // 15)] == 1.0
    assert ready[(630 // 15)] == 2.0
    # Billed in whole seconds: 1192.5 of them are 1193.
    assert course.score.cost == pytest.approx(0.20 * (1800 + 1193) / 3600, rel=1e-9)


def test_the_same_call_gives_the_same_course_and_every_policy_meets_the_same_requests() -> None:
    played = case([(0, 20.0), (1800, 120.0), (3600, 20.0)], seconds=3600, startup_cv=0.3)
    one = play(played, tightrope.KIND, knobs={}, variants=BOTH)
    two = play(played, tightrope.KIND, knobs={}, variants=BOTH)
    other = play(played, told(lambda seat: {"cpu": 9})[0], knobs={}, variants=BOTH)

    assert one.score == two.score
    assert list(one.steps) == list(two.steps)
    assert other.score.requests == pytest.approx(one.score.requests, abs=30)  # but for those still inside at the end


def test_a_policy_sees_only_what_was_scraped_before_its_turn() -> None:
    kind, built = told(lambda seat: {"cpu": 4})
    play(case([(0, 10.0), (300, 10.0), (300, 90.0)], seconds=600), kind, knobs={}, variants=("cpu",))
    rates = dict(built[0].rates)

    assert rates[7.5] is None  # one scrape is no rate
    assert rates[307.5] == pytest.approx(10.0, rel=0.3)  # the last scrape was taken when the step came
    assert rates[322.5] > 20.0
    assert rates[382.5] == pytest.approx(90.0, rel=0.15)


def test_a_gap_in_history_is_neither_served_nor_billed_nor_read_as_zero() -> None:
    steady = [(0, 60.0), (1800, 60.0), (1800, 0.0), (3600, 0.0), (3600, 60.0)]
    with_gap = case(steady, seconds=5400, gaps=[(1800.0, 3600.0)])
    course = play(with_gap, tightrope.KIND, knobs={}, variants=BOTH)
    fixed = play(with_gap, told(lambda seat: {"cpu": 3})[0], knobs={}, variants=BOTH).score

    assert course.score.unknown_seconds == 1800.0
    assert fixed.cost == pytest.approx(0.20 * 3, rel=0.02)
    assert not [step for step in course.steps if 1860 < step.at < 3600]
    assert course.score.attainment > 0.98


def test_min_and_max_replicas_hold_whatever_a_policy_asks() -> None:
    bounded = case([(0, 10.0)], seconds=900, service=build.service(min_replicas=2, max_replicas=4))
    most = play(bounded, told(lambda seat: {"cpu": 50, "gpu": 3})[0], knobs={}, variants=BOTH)
    least = play(bounded, told(lambda seat: {"cpu": 0, "gpu": 0})[0], knobs={}, variants=BOTH)

    assert all(sum(step.replicas.values()) <= 4 for step in most.steps)
    assert sum(least.timeline.wanted[name][-1] for name in BOTH) == 2.0


def test_tightrope_holds_the_slo_through_a_wave_cheaper_than_a_fleet_for_its_peak_and_says_why() -> None:
    hours = 5
    wave = [(60.0 * m, 110.0 - 90.0 * math.cos(2 * math.pi * m / 60 / hours)) for m in range(60 * hours + 1)]
    played = case(wave, seconds=3600.0 * hours)
    ours = play(played, tightrope.KIND, knobs={}, variants=BOTH)
    peak = play(played, told(lambda seat: {"cpu": 0, "gpu": 1})[0], knobs={}, variants=BOTH)

    assert ours.score.met
    assert ours.score.cost < peak.score.cost
    assert ours.score.switches >= 2
    assert all(step.sentence.endswith(".") and step.reason for step in ours.steps)


def test_the_worst_hour_and_the_time_in_violation_show_what_a_mean_hides() -> None:
    # One replica carries 20/s well and 60/s for an hour not at all.
    burst = [(0, 20.0), (7200, 20.0), (7200, 60.0), (10800, 60.0), (10800, 20.0)]
    score = play(case(burst, seconds=36000), told(lambda seat: {"cpu": 1})[0], knobs={}, variants=("cpu",)).score

    assert score.worst_hour < 0.1
    assert 3600 <= score.longest_violation_seconds <= 4500
    assert not score.met


def test_the_rate_of_a_minute_counts_only_what_is_known_of_it() -> None:
    half = case([(0, 10.0), (90, 10.0), (90, 0.0)], seconds=210.0, gaps=[(90.0, 180.0)]).demand
    rates = rate_by_minute(half)

    assert list(rates[:2]) == pytest.approx([10.0, 10.0])
    assert math.isnan(rates[2])
    assert rates[3] == 0.0
