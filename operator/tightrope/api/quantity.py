"""Kubernetes quantities (`500m`, `32Gi`, `1e3`) as Decimal.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)
_MAX_LENGTH = 40
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(value: str | int) -> Decimal:
    """The number that a quantity stands for, exactly. Raises ValueError if it is none."""
    text = str(value)
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_LENGTH and not isinstance(value, bool) else None
    if match is None:
        raise ValueError(f"{text[:_MAX_LENGTH]!r} is not a quantity: write one such as 8, 500m or 32Gi")
    number, suffix, exponent = Decimal(match["number"]), match["suffix"], match["exponent"]
    if suffix in _BINARY:
        return number * Decimal(2) ** _BINARY[suffix]
    power = _DECIMAL[suffix] if suffix else int(exponent or 0)
    return number * Decimal(10) ** power
