"""Shapes of what a schema does not check: the parts of a pod template that are kept as written."""

from collections.abc import Mapping, Sequence
from typing import Any

from tightrope.api.invalid import SpecInvalid


def mapping(value: Any, field: str) -> Mapping[str, Any]:
    """The object at this field; an absent one is empty. Raises SpecInvalid for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SpecInvalid(field, value, "must be an object, written as key: value")
    return value


def objects(value: Any, field: str) -> Sequence[Mapping[str, Any]]:
    """The list of objects at this field; an absent one is empty. Raises SpecInvalid for anything else."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise SpecInvalid(field, value, "must be a list, each item written as - key: value")
    return [mapping(item, f"{field}[{index}]") for index, item in enumerate(value)]
