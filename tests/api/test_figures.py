import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.api import figures
from tightrope.domain.spec import LatencyObjective


@pytest.mark.parametrize(
    ("threshold", "percent", "text"), [(0.3, 99, "99% < 300ms"), (2, 99.95, "99.95% < 2s"), (90, 50, "50% < 1m30s")]
)
def test_an_objective_is_written_in_short(threshold: float, percent: float, text: str) -> None:
    assert figures.objective_text(LatencyObjective(threshold_seconds=threshold, percent=percent)) == text


def test_a_mix_is_written_in_the_order_of_the_variants_with_zeros() -> None:
    assert figures.mix_text({"cpu": 3}, ["gpu", "cpu"]) == "gpu:0 cpu:3"


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_times_are_read_back_as_written(at: int) -> None:
    assert figures.parse_time(figures.time_text(at)) == at


@pytest.mark.parametrize(
    ("amount", "text"),
    [(12.3, "12.30"), (0.0416, "0.0416"), (0.5, "0.50"), (0.34, "0.34"), (0, "0.00"), (0.00001, "0.00")],
)
def test_money_shows_what_cents_would_hide(amount: float, text: str) -> None:
    assert figures.money_text(amount) == text


@pytest.mark.parametrize(
    ("value", "text"), [(41.23, "41.2"), (1234, "1230"), (0.01234, "0.0123"), (0, "0"), (999.6, "1000")]
)
def test_three_digits_are_enough(value: float, text: str) -> None:
    assert figures.significant(value, 3) == text


def test_a_figure_at_the_border_of_two_roundings_stays_as_it_was() -> None:
    first = figures.steady(99.4249, decimals=2, tolerance=0.0075, previous=None)
    assert first == "99.42"
    assert figures.steady(99.4251, decimals=2, tolerance=0.0075, previous=first) == first
    assert figures.steady(99.44, decimals=2, tolerance=0.0075, previous=first) == "99.44"


@pytest.mark.parametrize("previous", [None, "", "nan", "inf", "many"])
def test_a_figure_that_cannot_be_read_is_written_anew(previous: str | None) -> None:
    assert figures.steady(-0.001, decimals=2, tolerance=0.01, previous=previous) == "0.00"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "0s"), (61, "1m"), (5000, "1h"), (3e5, "3d"), (2.4e6, "28d")]
)
def test_what_is_known_of_the_window_is_written_on_a_coarse_ladder(seconds: float, text: str) -> None:
    assert figures.covered_text(seconds, 28 * 86_400) == text


def test_a_sentence_whose_numbers_drift_stays_and_one_that_says_something_new_does_not() -> None:
    before = "the newest sample is 40s old"
    assert figures.steady_sentence("the newest sample is 44s old", before) == before
    assert figures.steady_sentence("the newest sample is 60s old", before) == "the newest sample is 60s old"
    assert figures.steady_sentence("no sample at all", before) == "no sample at all"
    assert figures.steady_sentence("0 of 3", "0 of 3") == "0 of 3"
    assert figures.steady_sentence("1 of 3", "0 of 3") == "1 of 3"
