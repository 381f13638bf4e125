from decimal import Decimal

import pytest

from tightrope.api.quantity import parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (8, "8"), ("500m", "0.5"), ("32Gi", str(32 * 2**30)), ("1.5", "1.5"), ("1e3", "1000"), ("2E", str(2 * 10**18)),
        ("2E2", "200"), (".5", "0.5"), ("1k", "1000"), ("100n", "0.0000001"), ("-1", "-1"),
    ],
)  # fmt: skip
def test_a_quantity_is_read_exactly(text: str | int, number: str) -> None:
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "eight", "32GB", "1 Gi", "1e400", "0x10", "1_000", "٣", "NaN", "Infinity", "1,5", True]
)
def test_anything_else_is_refused_with_examples(text: str | int) -> None:
    with pytest.raises(ValueError, match="write one such as"):
        parse_quantity(text)
