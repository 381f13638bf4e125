"""How one replica of each variant works, from the user's own YAML. `cli` calls `read_servers`; see docs/replay.md.

A file has an object a variant:

    cpu: {base: 12ms, perRequest: 3.5ms, batchLimit: 8, distribution: lognormal, cv: 0.4, timeout: 10s}
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from tightrope.api.faults import first_fault
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.replay.inputs.lengths import length
from tightrope.replay.inputs.manifests import documents
from tightrope.replay.profiles import ReplayError

# The model speaks of its own fields; the user reads theirs.
_WRITTEN: Final = {
    "per_request_seconds": "perRequest",
    "base_seconds": "base",
    "batch_limit": "batchLimit",
    "queue_limit": "queueLimit",
    "timeout_seconds": "timeout",
}


def _is_length(text: object) -> object:
    if not isinstance(text, str) or length(text) is None:
        raise PydanticCustomError("length", "must be a length of time such as 12ms, 3.5ms or 10s")
    return text


def _is_distribution(text: str) -> str:
    known = [one.value for one in Distribution]
    if text not in known:
        raise PydanticCustomError("distribution", "{message}", {"message": f"must be one of {', '.join(known)}"})
    return text


_Length = Annotated[str, BeforeValidator(_is_length)]


class ServerWire(BaseModel):
    """One replica, as a user writes it; what the fields mean is said at ServerModel."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )
    base: _Length
    per_request: _Length = "0s"
    batch_limit: int = 1
    slots: int = 1
    distribution: Annotated[str, AfterValidator(_is_distribution)] = Distribution.DETERMINISTIC.value
    cv: float | None = None
    queue_limit: int = 1000
    timeout: _Length | None = None

    def model(self) -> ServerModel:
        """As the data plane reads it. Raises ValueError."""
        return ServerModel(
            base_seconds=length(self.base) or 0.0,
            per_request_seconds=length(self.per_request) or 0.0,
            batch_limit=self.batch_limit,
            slots=self.slots,
            distribution=Distribution(self.distribution),
            cv=self.cv,
            queue_limit=self.queue_limit,
            timeout_seconds=None if self.timeout is None else length(self.timeout),
        )


def read_servers(path: Path, *, variants: Iterable[str]) -> dict[str, ServerModel]:
    """The servers in this file, by variant; variants that are left out are not in it. Raises ReplayError."""
    known = list(variants)
    found: dict[str, ServerModel] = {}
    for document in documents(path, shape="write an object a variant, as in cpu: {base: 12ms}"):
        for name, wire in document.items():
            if name not in known:
                raise ReplayError(f"{path}: the spec has no variant {name!r}; it has: {', '.join(known)}")
            if name in found:
                raise ReplayError(f"{path}: variant {name} is there twice: leave one of them out")
            found[name] = _server(path, name, wire)
    if not found:
        raise ReplayError(f"{path}: there is no server in it: write an object a variant, as in cpu: {{base: 12ms}}")
    return found


def _server(path: Path, name: str, wire: object) -> ServerModel:
    try:
        return ServerWire.model_validate(wire).model()
    except ValidationError as error:
        if any(finding["type"] == "extra_forbidden" for finding in error.errors()):
            raise ReplayError(f"{path}: {name}: {_unknown(error)}") from None
        fault = first_fault(error)
        where = "" if fault.field == "metadata.name" else f".{fault.field}"
        raise ReplayError(f"{path}: {name}{where}: {str(fault).removeprefix(fault.field + ': ')}") from None
    except ValueError as error:
        text = str(error)
        for ours, theirs in _WRITTEN.items():
            text = text.replace(ours, theirs)
        raise ReplayError(f"{path}: {name}: {text}") from None


def _unknown(error: ValidationError) -> str:
    unknown = next(finding["loc"][0] for finding in error.errors() if finding["type"] == "extra_forbidden")
    fields = ", ".join(field.alias or name for name, field in ServerWire.model_fields.items())
    return f"{unknown} is no field: write some of {fields}"
