"""True capacities against closed forms."""

import math

import pytest

from tightrope.dataplane.capacity import capacity, good_fraction, llm_capacity
from tightrope.dataplane.goals import Goal, Quantity
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.dataplane.tokens import TokenMix

MM1 = ServerModel(base_seconds=0.02, distribution=Distribution.EXPONENTIAL)


@pytest.mark.parametrize("rate", [35.0, 40.0, 45.0])
def test_a_single_exponential_server_has_the_good_fraction_of_an_mm1_queue(rate: float) -> None:
    """Time in system is exponential with rate mu - lambda (Kleinrock, Queueing Systems I, 3.2)."""
    missed = 1 - good_fraction(MM1, rate, 0.3)
    assert missed == pytest.approx(math.exp(-(50.0 - rate) * 0.3), rel=0.3)


def test_the_capacity_of_an_mm1_queue_is_mu_minus_the_log_odds_over_the_threshold() -> None:
    expected = 50.0 - math.log(100) / 0.3
    assert capacity(MM1, threshold_seconds=0.3, percent=99) == pytest.approx(expected, rel=0.04)


def test_a_server_that_is_too_slow_for_the_threshold_carries_nothing() -> None:
    slow = ServerModel(base_seconds=0.4)
    assert capacity(slow, threshold_seconds=0.3, percent=99) < 0.01


PREFILL = LlmModel(step_base_seconds=0.01, prefill_base_seconds=0.02)
ONE_TOKEN = TokenMix(mean_input_tokens=100.0, cv_input=0.0, mean_output_tokens=1.0, cv_output=0.0)


def test_a_server_of_a_language_model_that_gives_one_token_carries_what_one_that_answers_at_once_does() -> None:
    """Both are an M/D/1 queue."""
    expected = capacity(ServerModel(base_seconds=0.02), threshold_seconds=0.1, percent=99)
    assert llm_capacity(PREFILL, ONE_TOKEN, goal=Goal(threshold_seconds=0.1), percent=99) == pytest.approx(
        expected, rel=0.01
    )


def test_longer_answers_leave_less_to_carry_and_too_long_ones_nothing() -> None:
    model = LlmModel(step_base_seconds=0.01, step_per_sequence_seconds=0.001, prefill_base_seconds=0.02, batch_limit=16)
    found = [
        llm_capacity(
            model,
            TokenMix(mean_input_tokens=10.0, cv_input=0.0, mean_output_tokens=tokens, cv_output=0.5),
            goal=Goal(threshold_seconds=3.0),
            percent=95,
        )
        for tokens in (20.0, 60.0, 600.0)
    ]
    assert found[0] > 2 * found[1] > 0
    assert found[2] == pytest.approx(0.0, abs=0.02)


CHAT = TokenMix(mean_input_tokens=100.0, cv_input=0.0, mean_output_tokens=100.0, cv_output=0.3)


def test_what_is_held_against_the_threshold_is_what_the_goal_is_about() -> None:
    model = LlmModel(step_base_seconds=0.01, step_per_sequence_seconds=0.001, prefill_base_seconds=0.02, batch_limit=64)

    def carried(quantity: Quantity, seconds: float) -> float:
        return llm_capacity(model, CHAT, goal=Goal(quantity=quantity, threshold_seconds=seconds), percent=95)

    whole = carried(Quantity.LATENCY, 3.0)
    assert carried(Quantity.FIRST_TOKEN, 3.0) > whole > 0  # the first token is a part of the answer
    assert carried(Quantity.FIRST_TOKEN, 0.019) == pytest.approx(0.0, abs=0.05)  # less than a prefill
    assert 0 < carried(Quantity.INTER_TOKEN, 0.03) < carried(Quantity.INTER_TOKEN, 0.06)
    assert carried(Quantity.INTER_TOKEN, 0.0109) == pytest.approx(0.0, abs=0.1)  # less than a step by itself


def test_answers_of_one_token_have_no_gaps_that_could_be_too_long() -> None:
    goal = Goal(quantity=Quantity.INTER_TOKEN, threshold_seconds=1e-6)
    assert llm_capacity(PREFILL, ONE_TOKEN, goal=goal, percent=99) == pytest.approx(50.0, rel=0.02)
