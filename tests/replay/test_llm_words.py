"""What a reader is told of a language model's servers and of the lengths of its requests."""

import numpy as np

from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.token_records import TokenCourse, TokenMeans, TokenPairs, TokenRecord
from tightrope.dataplane.tokens import TokenMix
from tightrope.replay.llm_words import lengths_in_words, server_in_words

MIX = TokenMix(mean_input_tokens=100.0, cv_input=0.0, mean_output_tokens=20.0, cv_output=0.5)
PAIRS = TokenPairs(input_tokens=np.array([1_000.0, 2_000.0]), output_tokens=np.array([10.0, 30.0]))
MEANS = TokenMeans(
    starts=np.array([0.0]), input_means=np.array([500.0]), output_means=np.array([60.0]), weights=np.array([1.0])
)


def test_a_server_is_said_with_its_steps_its_prefill_and_its_limits() -> None:
    whole = LlmModel(step_base_seconds=0.01, step_per_sequence_seconds=0.0005, prefill_base_seconds=0.02, batch_limit=8)
    chunked = LlmModel(step_base_seconds=0.01, cache_tokens=60_000, chunk_tokens=512)

    assert server_in_words(whole) == (
        "gives each of up to 8 sequences a token in 10 ms + 0.5 ms a sequence, and works on their input for 20 ms "
        "+ 0 ms a token; its cache has no limit"
    )
    assert server_in_words(chunked).endswith(", in chunks of 512 tokens; its cache holds 60,000 tokens")


def test_lengths_are_said_with_where_they_come_from() -> None:
    record = TokenRecord(input_tokens=PAIRS.input_tokens, output_tokens=PAIRS.output_tokens)
    means = "1,500 tokens in and 20 out on average"

    assert lengths_in_words(record) == f"each request has the lengths that the trace recorded for it, {means}"
    assert lengths_in_words(PAIRS) == f"each request has the lengths of one of 2 recorded ones, {means}"
    assert lengths_in_words(MIX).startswith(
        "lengths are drawn, lognormal with coefficients of variation 0 and 0.5: 100"
    )
    assert "means of the trace, as those of 2 recorded" in lengths_in_words(TokenCourse(shape=PAIRS, means=MEANS))
    assert "of variation 0 and 0.5: 500 tokens" in lengths_in_words(TokenCourse(shape=MIX, means=MEANS))
