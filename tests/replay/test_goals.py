"""Several objectives in a replay: counted request by request, told apart in the score, and acted on by our policy."""

from dataclasses import replace

import build
import pytest
from replay.cases import case, llm_case, told

from tightrope.dataplane.tokens import TokenMix
from tightrope.domain.spec import CapacityPrior, ErrorsObjective, LatencyObjective, Metric
from tightrope.replay.goals import was_held
from tightrope.replay.policies.tightrope import KIND, observation
from tightrope.replay.profiles import ReplayError
from tightrope.replay.run import play
from tightrope.replay.score import Score
from tightrope.replay.seat import Seat

LATENCY = LatencyObjective(threshold_seconds=4.0, percent=90.0)
TTFT = LatencyObjective(threshold_seconds=0.2, percent=90.0, metric=Metric.TTFT)
ITL = LatencyObjective(threshold_seconds=0.03, percent=90.0, metric=Metric.ITL)
ERRORS = ErrorsObjective(percent=99.0)
STATED = {"cpu": 6.0, "gpu": 9.9}
CHAT = build.service(
    objective=LATENCY,
    further_objectives=(TTFT, ITL, ERRORS),
    variants=tuple(
        build.variant(name, capacity=CapacityPrior(rate_per_second=rate, at_seconds=4.0))
        for name, rate in STATED.items()
    ),
)


def scored(rate: float, service=CHAT, replicas: int = 1, **assumed) -> Score:
    one = llm_case([(0.0, rate)], seconds=600.0, service=service, **assumed)
    return play(one, told(lambda seat: {"cpu": replicas})[0], knobs={}, variants=("cpu",)).score


def test_every_objective_is_counted_by_itself() -> None:
    score = scored(2.0)
    assert set(score.further) == {"ttft", "itl", "errors"}
    assert score.further["ttft"]["counted"] == score.requests - score.dropped
    assert score.further["errors"] == {
        "objective": 0.99, "good": float(score.requests - score.dropped), "counted": float(score.requests),
    }  # fmt: skip
    assert score.met


def test_a_load_that_keeps_whole_answers_may_miss_the_gaps_between_tokens() -> None:
    score = scored(5.0, service=replace(CHAT, further_objectives=(TTFT, replace(ITL, threshold_seconds=0.022))))
    assert score.attainment is not None and score.attainment >= score.objective
    assert not was_held(score.further["itl"])
    assert not score.met


def test_dropped_requests_count_in_the_objective_of_errors_and_nowhere_else() -> None:
    apart, beside = scored(20.0), scored(20.0, service=replace(CHAT, further_objectives=(TTFT, ITL)))
    assert apart.dropped == beside.dropped > 100
    assert not was_held(apart.further["errors"])
    assert apart.good == beside.good
    assert apart.attainment is not None and beside.attainment is not None
    assert apart.attainment == pytest.approx(apart.good / (apart.requests - apart.dropped))
    assert beside.attainment == pytest.approx(beside.good / beside.requests)


def test_our_policy_sees_each_objective_as_the_controller_would() -> None:
    seats: list[Seat] = []

    def ask(seat: Seat) -> dict[str, int]:
        seats.append(seat)
        if seat.now > 300.0:
            seen = observation(seat, 1e9, CHAT)
            ended = seen.judged_by(Metric.ERRORS, CHAT)
            first = seen.judged_by(Metric.TTFT, CHAT)
            assert first.total == pytest.approx(ended.good_low)
            assert 0.0 <= seen.variants["cpu"].further_outcomes[Metric.ITL].good_low <= first.total
        return {"cpu": 1}

    play(llm_case([(0.0, 3.0)], seconds=600.0, service=CHAT), told(ask)[0], knobs={}, variants=("cpu",))
    assert seats[-1].now > 300.0


def test_our_policy_holds_the_objective_that_binds() -> None:
    tight = replace(CHAT, further_objectives=(replace(ITL, threshold_seconds=0.028),))
    day = [(0.0, 10.0), (7200.0, 20.0), (14_400.0, 10.0)]
    plain, bound = (
        play(llm_case(day, seconds=14_400.0, service=service), KIND, knobs={}, variants=("cpu", "gpu")).score
        for service in (replace(CHAT, further_objectives=()), tight)
    )
    assert plain.met and bound.met
    assert bound.cost > plain.cost


@pytest.mark.parametrize("leads", [TTFT, ITL], ids=["ttft", "itl"])
def test_any_objective_with_a_threshold_may_lead(leads: LatencyObjective) -> None:
    """Leading or beside, the same requests are good."""
    led = scored(5.0, service=replace(CHAT, objective=leads, further_objectives=(LATENCY,)))
    beside = scored(5.0, service=replace(CHAT, objective=LATENCY, further_objectives=(leads,)))
    assert led.attainment == pytest.approx(
        beside.further[leads.metric]["good"] / beside.further[leads.metric]["counted"]
    )
    assert led.further["latency"]["good"] == beside.good
    assert led.requests == beside.requests


def test_answers_of_one_token_neither_meet_nor_miss_an_objective_of_gaps() -> None:
    short = TokenMix(mean_input_tokens=200.0, cv_input=0.8, mean_output_tokens=2.0, cv_output=1.0)
    score = scored(2.0, service=replace(CHAT, objective=ITL, further_objectives=()), lengths=short)
    assert score.attainment is not None and score.attainment > 0.9
    assert score.good < score.requests / 2


def test_latency_as_peers_see_it_is_of_what_the_leading_objective_is_about() -> None:
    seen: dict[Metric, float | None] = {}
    for one in (LATENCY, TTFT, ITL):

        def ask(seat: Seat, metric: Metric = one.metric) -> dict[str, int]:
            seen[metric] = seat.metrics.mean_latency(60.0)
            return {"cpu": 1}

        case_of_one = llm_case([(0.0, 3.0)], seconds=600.0, service=replace(CHAT, objective=one, further_objectives=()))
        play(case_of_one, told(ask)[0], knobs={}, variants=("cpu",))
    whole, first, between = (seen[metric] or 0.0 for metric in (Metric.LATENCY, Metric.TTFT, Metric.ITL))
    assert 0.02 < between < first < whole
    assert whole == pytest.approx(first + 49 * between, rel=0.35)


@pytest.mark.parametrize("leads", [TTFT, ITL], ids=["ttft", "itl"])
def test_our_policy_holds_whichever_leads(leads: LatencyObjective) -> None:
    service = replace(CHAT, objective=replace(leads, threshold_seconds=1.0 if leads is TTFT else 0.03),
        further_objectives=(), variants=tuple(build.variant(name) for name in STATED))  # fmt: skip
    day = [(0.0, 10.0), (7200.0, 20.0), (14_400.0, 10.0)]
    assert play(llm_case(day, seconds=14_400.0, service=service), KIND, knobs={}, variants=("cpu", "gpu")).score.met


def test_servers_that_answer_at_once_have_no_gaps_to_hold() -> None:
    with pytest.raises(ReplayError, match=r"begins with itl.*describe it with kind: llm"):
        itl = build.service(objective=ITL)
        play(case([(0.0, 15.0)], seconds=600.0, service=itl), told(lambda seat: {"cpu": 1})[0], knobs={},
            variants=("cpu",))  # fmt: skip


def test_servers_without_tokens_answer_their_first_token_with_the_rest() -> None:
    first = replace(TTFT, threshold_seconds=0.3, percent=99.0)
    score = play(
        case([(0.0, 15.0)], seconds=600.0, service=build.service(further_objectives=(first,))),
        told(lambda seat: {"cpu": 1})[0], knobs={}, variants=("cpu",),
    ).score  # fmt: skip
    assert score.further["ttft"]["good"] == score.good
