import pytest

from tightrope.api.invalid import SpecInvalid
from tightrope.api.namespacebudget import BUDGET, namespace_budget


def test_an_amount_is_read_and_its_absence_is_no_budget() -> None:
    assert namespace_budget({BUDGET: "50.25"}) == 50.25
    assert namespace_budget({"other": "1"}) is None
    assert namespace_budget(None) is None


@pytest.mark.parametrize("value", ["", "0", "0.00", "-1", "1e9", "12 USD", "nan", "inf", "1,5", 5])
def test_what_is_no_amount_is_refused_with_what_to_write(value: object) -> None:
    with pytest.raises(SpecInvalid, match=r"budget-per-hour.*must be a decimal number greater than zero, such as"):
        namespace_budget({BUDGET: value})
