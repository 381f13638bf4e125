"""One policy over one demand: what a user reads off a replay, held against what can be worked out by hand."""

import math
from dataclasses import replace

import build
import numpy as np
import pytest
from replay.cases import CHAT, LLM, case, llm_case, told

from tightrope.dataplane.llm import LlmServer
from tightrope.dataplane.routing import Routing
from tightrope.dataplane.token_records import TokenRecord
from tightrope.replay.policies import tightrope
from tightrope.replay.policies.register import KINDS
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


def test_what_is_played_to_warm_up_is_learned_from_and_not_scored() -> None:
    # 60/s on one replica of 40/s drowns for the first half hour; from then on four serve 20/s.
    drowning = [(0, 60.0), (1800, 60.0), (1800, 20.0)]
    kind, built = told(lambda seat: {"cpu": 1 if seat.now < 1500 else 4})
    whole = play(case(drowning, seconds=5400), kind, knobs={}, variants=("cpu",))
    scored = play(case(drowning, seconds=5400, warmup_seconds=1800.0), kind, knobs={}, variants=("cpu",))

    assert whole.score.attainment < 0.7 and scored.score.attainment > 0.999
    assert scored.score.cost == pytest.approx(0.20 * 4, rel=1e-3)
    assert scored.score.requests == pytest.approx(20 * 3600, rel=0.02)
    assert (whole.score.changes, scored.score.changes) == (2, 0)
    assert whole.score.violation_seconds > 1500 and scored.score.violation_seconds == 0.0
    assert scored.score.dropped == 0 < whole.score.dropped
    assert scored.timeline.demand[0] > 50 and scored.timeline.budget_left[100] == 1.0  # still shown
    assert built[1].rates[0][0] == 7.5


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


def test_a_replica_of_a_language_model_serves_what_it_would_serve_alone() -> None:
    played = llm_case([(0, 2.0)], seconds=4 * 3600.0)
    score = play(played, told(lambda seat: {"cpu": 1, "gpu": 0})[0], knobs={}, variants=("cpu",)).score

    arrivals = played.demand.arrivals(seed=0).until(4 * 3600.0)
    ended = LlmServer(LLM).advance(CHAT.stream(seed=0).of(arrivals), 4 * 3600.0)
    assert score.requests == len(ended) > 20_000
    assert score.good == np.count_nonzero(ended.finished & (ended.end_to_end <= 4.0)) < score.requests
    assert score.dropped == np.count_nonzero(~ended.finished)


def test_recorded_requests_keep_their_own_lengths_whoever_serves_them() -> None:
    """Every hundredth answer takes 15 s of steps of 21 ms, the others none: exactly those miss."""
    times = np.arange(1.0, 3600.0, 2.0)
    outputs = np.where(np.arange(len(times)) % 100 == 7, 700.0, 2.0)
    record = TokenRecord(input_tokens=np.full(len(times), 5.0), output_tokens=outputs)
    made_up = llm_case([(0, 1.0)], seconds=3600.0, lengths=record)
    played = replace(made_up, demand=replace(made_up.demand, curve=None, times=times, tokens=record))
    for count in (1, 3):
        score = play(played, told(lambda seat, n=count: {"cpu": n})[0], knobs={}, variants=("cpu",)).score
        assert (score.requests, score.requests - score.good) == (len(times), np.count_nonzero(outputs > 2))


def test_a_language_model_gives_the_same_course_twice_and_every_policy_meets_the_same_requests() -> None:
    played = llm_case([(0, 2.0), (1200, 20.0), (2400, 2.0)], seconds=2400, startup_cv=0.3, routing=Routing.LEAST_LOADED)
    one, two = (play(played, tightrope.KIND, knobs={}, variants=BOTH) for _ in range(2))
    other = play(played, told(lambda seat: {"cpu": 9})[0], knobs={}, variants=BOTH)

    assert one.score == two.score
    assert list(one.steps) == list(two.steps)
    assert other.score.requests == pytest.approx(one.score.requests, abs=60)


def test_routing_that_counts_serves_a_language_model_better_than_chance() -> None:
    def attainment(routing: Routing) -> float:
        found = llm_case([(0, 16.0)], seconds=1800.0, routing=routing)
        kind, _ = told(lambda seat: {"cpu": 3, "gpu": 0})
        return play(found, kind, knobs={}, variants=("cpu",)).score.attainment

    assert attainment(Routing.LEAST_LOADED) > attainment(Routing.EVEN) + 0.01


def test_a_stopped_replica_of_a_language_model_finishes_in_its_time_and_else_loses_what_it_has() -> None:
    long = replace(CHAT, mean_output_tokens=400.0, cv_output=0.0)  # 8 s and more
    for drain, lost in ((60.0, False), (1.0, True)):
        found = llm_case([(0, 0.6)], seconds=600.0, lengths=long, drain_seconds=drain)
        kind, _ = told(lambda seat: {"cpu": 4 if seat.now < 300 else 3, "gpu": 0})
        score = play(found, kind, knobs={}, variants=("cpu",)).score
        assert (score.dropped > 0) is lost


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_policy_can_be_played_on_a_language_model(kind) -> None:
    variants = BOTH if kind.reach == "all pools" else ("cpu",)
    wave = [(0, 2.0), (450, 12.0), (900, 2.0)]
    score = play(llm_case(wave, seconds=900.0), kind, knobs=dict(kind.defaults), variants=variants).score
    assert score.requests > 5_000
    assert score.cost > 0
