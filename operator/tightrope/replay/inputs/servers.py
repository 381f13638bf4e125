"""How one replica of each variant works, from the user's own YAML. `cli` calls `read_servers`; see docs/replay.md.

A file has an object a variant, and for language models one that says how long requests are:

    cpu: {base: 12ms, perRequest: 3.5ms, batchLimit: 8, distribution: lognormal, cv: 0.4, timeout: 10s}

    gpu: {kind: llm, step: 8.3ms, stepPerSequence: 0.25ms, prefill: 10ms, prefillPerToken: 0.04ms, cacheTokens: 400000}
    tokens: {input: {mean: 1155, cv: 1}, output: {mean: 211, cv: 0.8}}
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.replay.inputs.lengths import length
from tightrope.replay.inputs.llm_servers import FIELDS as LLM_FIELDS
from tightrope.replay.inputs.llm_servers import LlmServerWire
from tightrope.replay.inputs.manifests import documents
from tightrope.replay.inputs.tokens import given_tokens
from tightrope.replay.inputs.wire import WIRE, Length, wrong_field
from tightrope.replay.profiles import ReplayError
from tightrope.replay.token_choice import GivenTokens

SHAPE: Final = "write an object a variant, as in cpu: {base: 12ms}"

# The model speaks of its own fields; the user reads theirs.
_WRITTEN: Final = {
    "per_request_seconds": "perRequest",
    "base_seconds": "base",
    "batch_limit": "batchLimit",
    "queue_limit": "queueLimit",
    "timeout_seconds": "timeout",
}


def _is_distribution(text: str) -> str:
    known = [one.value for one in Distribution]
    if text not in known:
        raise PydanticCustomError("distribution", "{message}", {"message": f"must be one of {', '.join(known)}"})
    return text


class ServerWire(BaseModel):
    """One replica, as a user writes it; what the fields mean is said at ServerModel."""

    model_config = WIRE
    base: Length
    per_request: Length = "0s"
    batch_limit: int = 1
    slots: int = 1
    distribution: Annotated[str, AfterValidator(_is_distribution)] = Distribution.DETERMINISTIC.value
    cv: float | None = None
    queue_limit: int = 1000
    timeout: Length | None = None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a file says: `servers` by variant, without those that it leaves out, and the lengths of requests, or None
    where it says nothing of them."""

    servers: dict[str, ServerModel | LlmModel] = field(default_factory=dict)
    tokens: GivenTokens | None = None


def read_servers(path: Path, *, variants: Iterable[str]) -> Described:
    """The servers in this file, and how long requests are. Raises ReplayError."""
    known = list(variants)
    found: dict[str, ServerModel | LlmModel] = {}
    tokens: GivenTokens | None = None
    for document in documents(path, shape=SHAPE):
        for name, wire in document.items():
            if name == "tokens" and name not in known:
                tokens = given_tokens(wire, where=f"{path}: tokens", folder=path.parent)
                continue
            if name not in known:
                raise ReplayError(f"{path}: the spec has no variant {name!r}; it has: {', '.join(known)}")
            if name in found:
                raise ReplayError(f"{path}: variant {name} is there twice: leave one of them out")
            found[name] = _server(path, name, wire)
    if not found:
        raise ReplayError(f"{path}: there is no server in it: {SHAPE}")
    return Described(servers=found, tokens=tokens)


def _server(path: Path, name: str, wire: Any) -> ServerModel | LlmModel:
    where, kind = f"{path}: {name}", wire.get("kind") if isinstance(wire, dict) else None
    if kind is not None:
        if kind != "llm":
            raise ReplayError(f"{where}.kind: {kind!r} must be llm, or be left out for a server that answers once")
        return LlmServerWire.read({key: value for key, value in wire.items() if key != "kind"}, where, path.parent)
    try:
        return ServerWire.model_validate(wire).model()
    except ValidationError as error:
        unknown = [str(finding["loc"][0]) for finding in error.errors() if finding["type"] == "extra_forbidden"]
        if unknown and unknown[0] in LLM_FIELDS:
            raise ReplayError(f"{where}: {unknown[0]} belongs to a server of a language model: add kind: llm") from None
        raise wrong_field(error, where, ServerWire) from None
    except ValueError as error:
        text = str(error)
        for ours, theirs in _WRITTEN.items():
            text = text.replace(ours, theirs)
        raise ReplayError(f"{where}: {text}") from None
