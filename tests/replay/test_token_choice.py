"""Which lengths the requests of a replay have."""

import numpy as np
import pytest

from tightrope.dataplane.token_records import TokenCourse, TokenMeans, TokenPairs, TokenRecord
from tightrope.dataplane.tokens import TokenMix
from tightrope.replay.profiles import ReplayError
from tightrope.replay.token_choice import TokenShape, lengths_of

THREE = {"input_tokens": np.array([1.0, 2.0, 3.0]), "output_tokens": np.array([7.0, 8.0, 9.0])}
RECORD, PAIRS = TokenRecord(**THREE), TokenPairs(**THREE)
MEANS = TokenMeans(
    starts=np.array([0.0]), input_means=np.array([500.0]), output_means=np.array([60.0]), weights=np.array([1.0])
)
NO_MEANS = TokenMeans(
    starts=np.array([0.0]), input_means=np.array([np.nan]), output_means=np.array([np.nan]), weights=np.array([1.0])
)


def shape(mean_input: float | None = 100.0, mean_output: float | None = 20.0) -> TokenShape:
    return TokenShape(
        mean_input=mean_input, mean_output=mean_output, cv_input=0.5, cv_output=0.3, max_input=1e5, max_output=1e4
    )


def test_what_the_trace_recorded_of_every_request_comes_first() -> None:
    assert lengths_of(RECORD, shape()) is RECORD
    assert lengths_of(PAIRS, None) is PAIRS


def test_means_of_the_trace_stand_and_what_is_given_says_how_lengths_vary_around_them() -> None:
    given, usual, recorded = lengths_of(MEANS, shape()), lengths_of(MEANS, None), lengths_of(MEANS, PAIRS)

    assert isinstance(given, TokenCourse) and isinstance(given.shape, TokenMix)
    assert (given.shape.mean_input_tokens, given.shape.cv_input) == (500.0, 0.5)
    assert isinstance(usual, TokenCourse) and isinstance(usual.shape, TokenMix)
    assert (usual.shape.mean_output_tokens, usual.shape.cv_output) == (60.0, 1.0)
    assert isinstance(recorded, TokenCourse) and recorded.shape is PAIRS


def test_without_tokens_in_the_trace_those_that_are_given_count() -> None:
    assert lengths_of(None, PAIRS) is PAIRS
    for found in (lengths_of(None, shape()), lengths_of(NO_MEANS, shape())):
        assert isinstance(found, TokenMix)
        assert (found.mean_input_tokens, found.mean_output_tokens) == (100.0, 20.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "need the lengths of requests, and the demand has none: write --tokens with a CSV file"),
        (shape(mean_input=None), "input.mean of the tokens is missing, and the demand has none: write --tokens"),
        (shape(mean_output=None), "output.mean of the tokens is missing"),
    ],
)
def test_lengths_that_nobody_knows_are_asked_for(given: TokenShape | None, words: str) -> None:
    with pytest.raises(ReplayError, match=words):
        lengths_of(None, given)
