"""What a server of a language model can be told, and what it says it can carry."""

import math
from typing import Any

import numpy as np
import pytest

from tightrope.dataplane.llm import LlmServer
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.tokens import LlmRequests, RandomTokens, TokenMix

CHAT = TokenMix(mean_input_tokens=300, cv_input=1.0, mean_output_tokens=200, cv_output=0.8)
LONG_INPUT = TokenMix(mean_input_tokens=6000, cv_input=0.8, mean_output_tokens=100, cv_output=0.5)


def model(**more: Any) -> LlmModel:
    values: dict[str, Any] = {
        "step_base_seconds": 0.008,
        "step_per_sequence_seconds": 0.0003,
        "prefill_base_seconds": 0.002,
        "prefill_per_token_seconds": 0.00006,
        "batch_limit": 64,
    }
    return LlmModel(**(values | more))


def finished_under_overload(one: LlmModel, mix: TokenMix) -> float:
    """Requests per second of a pod at whose door there is always a queue."""
    count = 60_000
    requests = RandomTokens(mix, seed=1).of(np.zeros(count))
    rushed = LlmRequests(
        arrival=np.sort(np.random.default_rng(2).random(count)),
        input_tokens=requests.input_tokens,
        output_tokens=requests.output_tokens,
    )
    server = LlmServer(one)
    ended = server.advance(rushed, math.inf)
    ends = np.sort(ended.arrival + ended.end_to_end)
    return float((count // 2) / (ends[3 * count // 4] - ends[count // 4]))


@pytest.mark.parametrize("mix", [CHAT, LONG_INPUT], ids=["chat", "long input"])
@pytest.mark.parametrize("chunk", [None, 128, 2048])
@pytest.mark.parametrize("batch", [1, 64])
def test_an_overloaded_server_finishes_as_many_as_its_saturation_says(
    mix: TokenMix, chunk: int | None, batch: int
) -> None:
    one = model(chunk_tokens=chunk, batch_limit=batch, queue_limit=10**6)
    assert finished_under_overload(one, mix) == pytest.approx(one.saturation(mix.averages()), rel=0.02)


def test_where_the_cache_bounds_the_batch_saturation_is_somewhat_above_what_is_reached() -> None:
    """Some eight sequences fit."""
    one = model(cache_tokens=5000.0, queue_limit=10**6)
    reached = finished_under_overload(one, CHAT) / one.saturation(CHAT.averages())
    assert 0.92 < reached < 0.97


def test_requests_that_are_no_work_are_carried_without_end() -> None:
    mix = TokenMix(mean_input_tokens=100, cv_input=0, mean_output_tokens=1, cv_output=0)
    assert LlmModel(step_base_seconds=0.01).saturation(mix.averages()) == math.inf


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("step_base_seconds", -1.0, "0 or more"),
        ("step_per_sequence_seconds", math.nan, "0 or more"),
        ("prefill_base_seconds", math.inf, "0 or more"),
        ("prefill_per_token_seconds", -0.1, "0 or more"),
        ("batch_limit", 0, "1 or more"),
        ("queue_limit", -1, "0 or more"),
        ("cache_tokens", 1.0, "2 or more"),
        ("cache_tokens", math.nan, "2 or more"),
        ("chunk_tokens", 0, "1 or more"),
        ("timeout_seconds", 0.0, "leave it out"),
        ("timeout_seconds", math.nan, "leave it out"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_to_write_instead(field: str, value: float, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field} is .*: write .*{words}"):
        model(**{field: value})


def test_steps_that_take_no_time_are_refused() -> None:
    with pytest.raises(ValueError, match="write how long a step takes"):
        LlmModel(step_base_seconds=0.0)
