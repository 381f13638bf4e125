"""Servers of language models and the lengths of their requests in plain words. `assumptions` says them aloud."""

import math

from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.token_records import TokenCourse, TokenPairs, TokenRecord
from tightrope.dataplane.tokens import Lengths, TokenMix


def server_in_words(model: LlmModel) -> str:
    """How one replica works."""
    each, token = model.step_per_sequence_seconds * 1000, model.prefill_per_token_seconds * 1000
    cache = "has no limit" if math.isinf(model.cache_tokens) else f"holds {model.cache_tokens:,.0f} tokens"
    chunks = "" if model.chunk_tokens is None else f", in chunks of {model.chunk_tokens} tokens"
    return (
        f"gives each of up to {model.batch_limit} sequences a token in {model.step_base_seconds * 1000:.3g} ms "
        f"+ {each:.3g} ms a sequence, and works on their input for {model.prefill_base_seconds * 1000:.3g} ms "
        f"+ {token:.3g} ms a token{chunks}; its cache {cache}"
    )


def lengths_in_words(lengths: Lengths) -> str:
    """Where lengths come from and how long they are, for whoever reads the result."""
    found = lengths.averages()
    means = f"{found.input_tokens:,.0f} tokens in and {found.output_tokens:,.0f} out on average"
    if isinstance(lengths, TokenRecord):
        return f"each request has the lengths that the trace recorded for it, {means}"
    if isinstance(lengths, TokenPairs):
        return f"each request has the lengths of one of {len(lengths.input_tokens):,} recorded ones, {means}"
    if isinstance(lengths, TokenCourse):
        around = lengths.shape
        spread = (
            f"lognormal with coefficients of variation {around.cv_input:g} and {around.cv_output:g}"
            if isinstance(around, TokenMix)
            else f"as those of {len(around.input_tokens):,} recorded requests do"
        )
        return f"lengths vary around the means of the trace, {spread}: {means}"
    assert isinstance(lengths, TokenMix)
    spread = f"coefficients of variation {lengths.cv_input:g} and {lengths.cv_output:g}"
    return f"lengths are drawn, lognormal with {spread}: {means}"
