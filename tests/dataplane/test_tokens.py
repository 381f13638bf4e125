"""Lengths of requests: drawn, given, and their averages."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.dataplane.tokens import LlmRequests, RandomTokens, TokenMix


def mix(**more: Any) -> TokenMix:
    values: dict[str, Any] = {
        "mean_input_tokens": 1155.0, "cv_input": 0.96, "mean_output_tokens": 211.0, "cv_output": 0.77,
    }  # fmt: skip
    return TokenMix(**(values | more))


@pytest.mark.parametrize(
    "lengths",
    [mix(), mix(max_input_tokens=1500, max_output_tokens=300), mix(cv_input=0, cv_output=0), mix(cv_output=3.0)],
)
def test_lengths_have_the_averages_that_the_mix_says(lengths: TokenMix) -> None:
    drawn = RandomTokens(lengths, seed=1).of(np.zeros(1_000_000)).averages()
    said = lengths.averages()
    assert said.input_tokens == pytest.approx(drawn.input_tokens, rel=0.01)
    assert said.output_tokens == pytest.approx(drawn.output_tokens, rel=0.01)
    assert said.held_tokens == pytest.approx(drawn.held_tokens, rel=0.02)


def test_lengths_vary_as_the_mix_says_and_are_whole_tokens_within_the_bounds() -> None:
    drawn = RandomTokens(mix(max_output_tokens=1000), seed=1).of(np.zeros(400_000))
    assert drawn.input_tokens.std() / drawn.input_tokens.mean() == pytest.approx(0.96, rel=0.02)
    assert np.array_equal(drawn.output_tokens, np.rint(drawn.output_tokens))
    assert drawn.output_tokens.max() == 1000
    assert drawn.output_tokens.min() >= 1


@given(cuts=st.lists(st.integers(0, 50), min_size=1, max_size=10))
def test_lengths_do_not_depend_on_how_time_is_cut(cuts: list[int]) -> None:
    whole = RandomTokens(mix(), seed=5).of(np.zeros(sum(cuts)))
    stream = RandomTokens(mix(), seed=5)
    parts = [stream.of(np.zeros(cut)) for cut in cuts]
    assert whole.output_tokens.tolist() == [tokens for part in parts for tokens in part.output_tokens.tolist()]
    assert whole.input_tokens.tolist() == [tokens for part in parts for tokens in part.input_tokens.tolist()]


def test_averages_of_given_requests_count_long_answers_by_their_steps() -> None:
    """The second decodes 9 steps and the first 1: at a moment one finds the second nine times in ten."""
    found = LlmRequests(
        arrival=np.zeros(2), input_tokens=np.array([10.0, 20.0]), output_tokens=np.array([2.0, 10.0])
    ).averages()
    assert (found.input_tokens, found.output_tokens) == (15.0, 6.0)
    assert found.held_tokens == pytest.approx(0.1 * 12 + 0.9 * 30)


@pytest.mark.parametrize("tokens", [[1.0, 0.0], [1.0, math.nan], [1.0, math.inf], [1.0]])
def test_requests_without_a_length_are_refused_by_name(tokens: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^output_tokens has .*: write"):
        LlmRequests(arrival=np.zeros(2), input_tokens=np.ones(2), output_tokens=np.array(tokens))


@pytest.mark.parametrize(("field", "value"), [("mean_input_tokens", 0.5), ("cv_output", -1.0), ("cv_input", math.nan)])
def test_a_mix_that_cannot_be_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{field} is .*: write a number from"):
        mix(**{field: value})
