"""What the objects of a servers file have in common: lengths of time as text, and errors that name the field."""

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from tightrope.api.faults import first_fault
from tightrope.replay.inputs.lengths import length
from tightrope.replay.profiles import ReplayError

WIRE: Final = ConfigDict(
    alias_generator=to_camel,
    strict=True,
    frozen=True,
    extra="forbid",
    allow_inf_nan=False,
    hide_input_in_errors=True,
)


def _is_length(text: object) -> object:
    if not isinstance(text, str) or length(text) is None:
        raise PydanticCustomError("length", "must be a length of time such as 12ms, 3.5ms or 10s")
    return text


Length = Annotated[str, BeforeValidator(_is_length)]


def wrong_field(error: ValidationError, where: str, kind: type[BaseModel]) -> ReplayError:
    """The first fault as its owner would look for it; of a field that is none, those that there are."""
    unknown = [str(finding["loc"][-1]) for finding in error.errors() if finding["type"] == "extra_forbidden"]
    if unknown:
        return ReplayError(f"{where}: {unknown[0]} is no field: write some of {', '.join(fields_of(kind))}")
    fault = first_fault(error)
    place = "" if fault.field == "metadata.name" else f".{fault.field}"
    return ReplayError(f"{where}{place}: {str(fault).removeprefix(fault.field + ': ')}")


def fields_of(kind: type[BaseModel]) -> list[str]:
    """As a user writes them."""
    return [field.alias or name for name, field in kind.model_fields.items()]
