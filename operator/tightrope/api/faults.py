"""pydantic's findings as one SpecInvalid: the field as its owner wrote it, and what to write instead."""

from typing import Any

from pydantic import ValidationError

from tightrope.api.invalid import SpecInvalid

_REMEDIES = {
    "missing": "is missing: write it",
    "string_type": "must be text: put it in quotes",
    "int_type": "must be a whole number without quotes, such as 3",
    "float_type": "must be a number without quotes, such as 99.5",
    "list_type": "must be a list, each item written as - key: value",
    "dict_type": "must be an object, written as key: value",
    "model_type": "must be an object, written as key: value",
    "model_attributes_type": "must be an object, written as key: value",
    "literal_error": "must be {expected}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "too_long": "must not have more than {max_length} of them",
    "too_short": "must have at least {min_length} of them",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
}


def first_fault(error: ValidationError) -> SpecInvalid:
    """The first finding; the others show once this one is put right."""
    finding = error.errors(include_url=False)[0]
    remedy = _REMEDIES.get(finding["type"])
    bounds = {key: f"{value:g}" if isinstance(value, float) else value for key, value in finding.get("ctx", {}).items()}
    text = remedy.format(**bounds) if remedy else finding["msg"]
    if not finding["loc"]:  # a rule of the whole object, and of that only the name is checked
        return SpecInvalid("metadata.name", None, text.removeprefix("metadata.name "))
    return SpecInvalid(path(finding["loc"]), None if finding["type"] == "missing" else finding["input"], text)


def path(location: tuple[Any, ...]) -> str:
    """A field as its owner would look for it: `spec.variants[1].pool`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")
