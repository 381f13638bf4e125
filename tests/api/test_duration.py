import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.api.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("300ms", 0.3), ("4m", 240), ("1h30m", 5400), ("28d", 2_419_200), ("0s", 0), ("1m1m", 120)]
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "-5m", "1.5h", "m", "28 days", "4w", "٣s", "5m\n", "1234567s", "1s" * 20]
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write one such as"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=90 * 86_400_000))
def test_what_is_written_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds
