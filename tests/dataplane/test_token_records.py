"""Lengths that were recorded: what comes out is what went in, in order, at random, or around the means of its time."""

import numpy as np
import pytest

from tightrope.dataplane.token_records import TokenCourse, TokenMeans, TokenPairs, TokenRecord
from tightrope.dataplane.tokens import Lengths, TokenMix

RANDOM = np.random.default_rng(7)
INPUTS, OUTPUTS = RANDOM.integers(1, 900, 2_000).astype(float), RANDOM.integers(1, 300, 2_000).astype(float)
PAIRS = TokenPairs(input_tokens=INPUTS, output_tokens=OUTPUTS)
MIX = TokenMix(mean_input_tokens=400.0, cv_input=0.8, mean_output_tokens=100.0, cv_output=0.5)
MEANS = TokenMeans(
    starts=np.array([0.0, 100.0, 200.0]),
    input_means=np.array([200.0, np.nan, 800.0]),
    output_means=np.array([50.0, 10.0, 90.0]),
    weights=np.array([1.0, 2.0, 3.0]),
)


def drawn(lengths: Lengths, times: np.ndarray, *, pieces: int = 1) -> np.ndarray:
    stream = lengths.stream(seed=3)
    parts = [stream.of(part) for part in np.array_split(times, pieces)]
    return np.column_stack(
        [np.concatenate([part.input_tokens for part in parts]), np.concatenate([part.output_tokens for part in parts])]
    )


def test_the_requests_of_a_record_have_their_own_lengths_in_their_own_order() -> None:
    record = TokenRecord(input_tokens=INPUTS, output_tokens=OUTPUTS)
    assert np.array_equal(drawn(record, np.arange(2_000.0), pieces=9), np.column_stack([INPUTS, OUTPUTS]))


def test_input_and_output_that_were_drawn_go_together_as_they_were() -> None:
    found = drawn(PAIRS, np.arange(50_000.0))
    assert set(map(tuple, found.tolist())) <= set(zip(INPUTS.tolist(), OUTPUTS.tolist(), strict=True))
    assert found.mean(axis=0) == pytest.approx([INPUTS.mean(), OUTPUTS.mean()], rel=0.02)


@pytest.mark.parametrize("lengths", [PAIRS, MIX, TokenCourse(shape=MIX, means=MEANS)], ids=["pairs", "mix", "course"])
def test_lengths_do_not_depend_on_how_time_is_cut_and_differ_by_seed(lengths: Lengths) -> None:
    times = np.linspace(0.0, 299.0, 3_000)
    assert np.array_equal(drawn(lengths, times), drawn(lengths, times, pieces=77))
    other = lengths.stream(seed=4).of(times)
    assert not np.array_equal(drawn(lengths, times)[:, 0], other.input_tokens)


@pytest.mark.parametrize("shape", [PAIRS, MIX], ids=["pairs", "mix"])
def test_a_course_follows_the_means_of_its_time_and_varies_as_its_shape_does(shape: TokenPairs | TokenMix) -> None:
    course = TokenCourse(shape=shape, means=MEANS)
    early, unknown, late = (drawn(course, np.full(60_000, at)) for at in (50.0, 150.0, 250.0))
    overall = (200.0 + 3 * 800.0) / 4  # the middle row says nothing of inputs

    assert early.mean(axis=0) == pytest.approx([200.0, 50.0], rel=0.03)
    assert unknown.mean(axis=0) == pytest.approx([overall, 10.0], rel=0.05)
    assert late.mean(axis=0) == pytest.approx([800.0, 90.0], rel=0.03)
    spread = (INPUTS.std() / INPUTS.mean()) if shape is PAIRS else 0.8
    assert late[:, 0].std() / late[:, 0].mean() == pytest.approx(spread, rel=0.05)


def test_a_course_on_average_is_its_shape_at_the_overall_means() -> None:
    found = TokenCourse(shape=PAIRS, means=MEANS).averages()
    assert found.input_tokens == pytest.approx(650.0, rel=0.01)
    assert found.output_tokens == pytest.approx((50.0 + 2 * 10.0 + 3 * 90.0) / 6, rel=0.02)


def test_other_lengths_have_another_fingerprint() -> None:
    changed = INPUTS.copy()
    changed[1_000] += 1
    all_of_them: list[Lengths] = [
        PAIRS,
        TokenPairs(input_tokens=changed, output_tokens=OUTPUTS),
        TokenRecord(input_tokens=INPUTS, output_tokens=OUTPUTS),
        MIX,
        TokenCourse(shape=MIX, means=MEANS),
        TokenCourse(shape=PAIRS, means=MEANS),
    ]
    assert len({one.fingerprint() for one in all_of_them}) == len(all_of_them)
    assert PAIRS.fingerprint() == TokenPairs(input_tokens=INPUTS.copy(), output_tokens=OUTPUTS).fingerprint()
