"""What all services of a namespace may cost together: an annotation on the Namespace, in the platform team's hand.

The controller reads it for the decision. It is no field of a service, since no single service is its owner.
"""

from collections.abc import Mapping
from re import fullmatch
from typing import Any, Final

from tightrope.api.invalid import SpecInvalid
from tightrope.api.schema import MONEY_FORM

BUDGET: Final = "tightrope.dev/budget-per-hour"


def namespace_budget(annotations: Any) -> float | None:
    """Currency an hour; None without the annotation. Raises SpecInvalid for what is no amount."""
    value = annotations.get(BUDGET) if isinstance(annotations, Mapping) else None
    if value is None:
        return None
    if not isinstance(value, str) or not fullmatch(MONEY_FORM, value) or float(value) <= 0.0:
        field = f"metadata.annotations[{BUDGET}]"
        raise SpecInvalid(field, value, 'must be a decimal number greater than zero, such as "50.00"')
    return float(value)
