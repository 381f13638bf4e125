"""What the emulator is told of a service: its traffic and its servers. `emulator` reads it from HTTP bodies, scenario
files carry it along. A bad one is refused in a sentence for each problem: field, value, what to write instead."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from tightrope.dataplane.arrivals import Arrivals, RandomArrivals, RecordedArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.dataplane.traces import read_trace

ANY_VARIANT = "*"


class SpecInvalid(ValueError):
    """The body cannot be used; the message has a line for each problem."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TrafficSpec(_Part):
    """Requests over time, from the moment this is given: `curve` points [seconds, requests per second] or a `trace`
    file (see dataplane/traces), `dispersion` 1 for Poisson and more for bursts. Without a seed it is the service's."""

    curve: tuple[tuple[float, float], ...] | None = None
    trace: Path | None = None
    repeat_seconds: float | None = None
    dispersion: float = 1.0
    seed: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _one_source(self) -> "TrafficSpec":
        if (self.curve is None) == (self.trace is None):
            raise ValueError("write either curve or trace")
        self.arrivals(seed=0)  # refuses a curve, trace or dispersion that cannot be
        return self

    def arrivals(self, *, seed: int) -> Arrivals:
        """The stream of requests; `seed` counts where none is written."""
        if self.curve is not None:
            source: Any = RateCurve(self.curve, repeat_seconds=self.repeat_seconds)
        else:
            source = read_trace(self.trace or Path(), repeat_seconds=self.repeat_seconds)
        if not isinstance(source, RateCurve):
            return RecordedArrivals(source)
        return RandomArrivals(source, dispersion=self.dispersion, seed=seed if self.seed is None else self.seed)


class ServerSpec(_Part):
    """One replica of a variant: the fields of dataplane's ServerModel."""

    base_seconds: float
    per_request_seconds: float = 0.0
    batch_limit: int = 1
    slots: int = 1
    distribution: Distribution = Distribution.DETERMINISTIC
    cv: float | None = None
    queue_limit: int = 1000
    timeout_seconds: float | None = None

    @model_validator(mode="after")
    def _possible(self) -> "ServerSpec":
        self.model()
        return self

    def model(self) -> ServerModel:
        return ServerModel(**dict(self))


class ServiceSpec(_Part):
    """One service: what its pods export, the requests it gets, its servers by variant (`*` for any other), and the
    latency at or under which a request counts as good."""

    preset: Literal["generic", "vllm", "triton"] = "generic"
    traffic: TrafficSpec
    servers: Annotated[Mapping[str, ServerSpec], Field(min_length=1)]
    threshold_seconds: float = Field(gt=0)

    def server(self, variant: str | None) -> ServerModel | None:
        """The model for pods of this variant; None if there is none for them."""
        found = self.servers.get(variant or ANY_VARIANT) or self.servers.get(ANY_VARIANT)
        return found.model() if found else None


_ServiceName = Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9.-]+$")]
_SERVICES = TypeAdapter(dict[_ServiceName, ServiceSpec])


def parse_services(raw: object) -> dict[str, ServiceSpec]:
    """Services by `namespace/name`. Raises SpecInvalid with every problem at once."""
    try:
        return _SERVICES.validate_python(raw)
    except ValidationError as error:
        raise SpecInvalid("\n".join(_sentence(problem) for problem in error.errors())) from None


def _sentence(problem: Mapping[str, Any]) -> str:
    where = _field(problem["loc"])
    match problem["type"]:
        case "missing":
            return f"{where} is missing: add it."
        case "extra_forbidden":
            return f"{where} is not a field that is known: correct its spelling or remove it."
        case "string_pattern_mismatch":
            return f"{problem['input']!r} does not name a service: write namespace/name."
        case "value_error":
            return f"{where}: {problem['ctx']['error']}."
        case _:
            return f"{where} is {problem['input']!r}: {problem['msg'].lower()}."


def _field(location: Sequence[str | int]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in location if step != "[key]"]
    return "".join(steps).lstrip(".") or "the body"


def seed_of(*names: str) -> int:
    """A seed that is the same in every run for the same names."""
    return zlib.crc32("/".join(names).encode())
