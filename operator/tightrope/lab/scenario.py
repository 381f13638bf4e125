"""A scenario file: the pools, services, traffic and faults of one run on the lab, and what must hold at its end.

`drive` carries a scenario out; the demo is one, end-to-end tests are others. A bad file is refused before anything is
started, in sentences that name the file, the field, the value, and what to write instead.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from tightrope.api.duration import parse_duration
from tightrope.api.invalid import SpecInvalid
from tightrope.api.parse import ParsedPool, ParsedService, parse_pool, parse_service
from tightrope.lab.checks import CHECKS
from tightrope.lab.emulation_spec import ANY_VARIANT, ServerSpec, TrafficSpec

SCENARIOS: Final = Path(__file__).parent / "scenarios"


class ScenarioInvalid(Exception):
    """The file cannot be run; the message has a line for each problem."""


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError("write a duration with its unit, such as 40s or 5m")
    return parse_duration(value)


def _check_name(value: str) -> str:
    if value not in CHECKS:
        raise ValueError(f"write one of {', '.join(CHECKS)}")
    return value


Seconds = Annotated[float, BeforeValidator(_seconds)]


class Part(BaseModel):
    """A part of the file: unknown fields are refused, since a misspelt fault would otherwise never happen."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Timing(Part):
    """How fast everything is looked at; seconds here where a cluster has minutes."""

    tick: Seconds = 2.0
    scrape: Seconds = 1.0
    rate_window: Seconds = 10.0


class Cloud(Part):
    """What the emulated cloud has of one pool, and how fast it gives it."""

    initial_nodes: int = Field(0, ge=0)
    nodes_left: int | None = Field(None, ge=0)
    provision: Seconds = 2.0
    idle: Seconds = 20.0


class Pool(Part):
    """A ComputePool to apply, and the emulated nodes behind it."""

    manifest: dict[str, Any]
    cloud: Cloud = Cloud()

    @property
    def parsed(self) -> ParsedPool:
        return parse_pool(self.manifest)

    @property
    def name(self) -> str:
        return self.parsed.pool.name


class ServicePlan(Part):
    """An InferenceDeployment to apply, the requests it gets, and how its emulated servers work, by variant name."""

    manifest: dict[str, Any]
    traffic: TrafficSpec
    servers: dict[str, ServerSpec] = Field(min_length=1)

    @property
    def parsed(self) -> ParsedService:
        return parse_service(self.manifest)

    @property
    def key(self) -> str:
        return str(self.parsed.service.key)


class _At(Part):
    at: Seconds


class PrometheusDown(_At):
    """Prometheus is stopped, and started again on the same data."""

    kind: Literal["prometheus-down"]
    lasts: Seconds = Field(alias="for")


class PodFault(_At):
    """What the servers of one variant export goes wrong: no answer (silent), NaN (nan), another metric name (rename)
    or counters that begin at zero again (reset). Without a variant it is all pods of the service."""

    kind: Literal["silent", "nan", "rename", "reset"]
    lasts: Seconds = Field(alias="for")
    service: str
    variant: str | None = None


class Restart(_At):
    """The API server restarts, or the operator is killed with SIGKILL and started again."""

    kind: Literal["api-server-restart", "operator-killed"]


class NodesLeft(_At):
    """The cloud has only so many more nodes of a pool."""

    kind: Literal["nodes-left"]
    pool: str
    nodes: int = Field(ge=0)


class PriceChange(_At):
    """A node of the pool costs something else from now on."""

    kind: Literal["price-change"]
    pool: str
    per_node_hour: str


Fault = Annotated[PrometheusDown | PodFault | Restart | NodesLeft | PriceChange, Field(discriminator="kind")]


class Scenario(Part):
    name: str = Field(min_length=1)
    description: str = ""
    duration: Seconds
    timing: Timing = Timing()
    pools: tuple[Pool, ...] = Field(min_length=1, strict=False)
    services: tuple[ServicePlan, ...] = Field(min_length=1, strict=False)
    faults: tuple[Fault, ...] = Field((), strict=False)
    hold: tuple[Annotated[str, AfterValidator(_check_name)], ...] = Field(tuple(CHECKS), strict=False)


def load(path: Path) -> Scenario:
    """The scenario in this file. Raises ScenarioInvalid with every problem at once."""
    try:
        text = path.read_text()
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in SCENARIOS.glob("*.yaml")))
        raise ScenarioInvalid(f"{path}: {error.strerror}. Scenarios that come with the lab: {known}.") from None
    return parse(text, source=path.name)


def parse(text: str, *, source: str) -> Scenario:
    """The scenario in this text; `source` names it in messages."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioInvalid(f"{source}: this is not YAML: {error}") from None
    if not isinstance(raw, dict):
        raise ScenarioInvalid(f"{source}: write a mapping with name, duration, pools and services.")
    try:
        scenario = Scenario.model_validate(raw)
    except ValidationError as error:
        raise ScenarioInvalid("\n".join(_sentence(source, problem) for problem in error.errors())) from None
    problems = [f"{source}: {problem}" for problem in _inconsistencies(scenario)]
    if problems:
        raise ScenarioInvalid("\n".join(problems))
    return scenario


def _sentence(source: str, problem: Any) -> str:
    """One problem as `file: field: what is wrong; what to write`."""
    where = _field(problem["loc"])
    match problem["type"]:
        case "missing":
            return f"{source}: {where} is missing: add it."
        case "extra_forbidden":
            return f"{source}: {where} is not a field of a scenario: correct its spelling or remove it."
        case "union_tag_invalid":
            return (
                f"{source}: {where}.kind is {problem['ctx']['tag']!r}: write one of {problem['ctx']['expected_tags']}."
            )
        case "union_tag_not_found":
            return f"{source}: {where}.kind is missing: write which fault it is, such as kind: prometheus-down."
        case "value_error":
            return f"{source}: {where} is {problem['input']!r}: {problem['ctx']['error']}."
        case "tuple_type" | "list_type":
            return f"{source}: {where} is {problem['input']!r}: write a list."
        case "too_short":
            return f"{source}: {where} is empty: write at least one."
        case _:
            return f"{source}: {where} is {problem['input']!r}: {problem['msg'].lower()}."


def _field(location: Sequence[str | int]) -> str:
    """faults[0].for, without the name of the fault's kind, which the file does not nest."""
    kinds = {"prometheus-down", "silent", "nan", "rename", "reset", "api-server-restart", "operator-killed"}
    kinds |= {"nodes-left", "price-change"}
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step not in kinds:
            text += f".{step}" if text else step
    return text or "the file"


def _inconsistencies(scenario: Scenario) -> Iterator[str]:
    """What no single field can see."""
    unreadable = list(_unreadable_manifests(scenario))
    yield from unreadable or _unknown_names(scenario)
    for index, fault in enumerate(scenario.faults):
        end = fault.at + getattr(fault, "lasts", 0.0)
        if end > scenario.duration:
            yield (
                f"faults[{index}] ends {end:g} s into the run, after its duration of {scenario.duration:g} s: "
                "begin it earlier, or write a longer duration."
            )


def _unreadable_manifests(scenario: Scenario) -> Iterator[str]:
    """What the operator would say of the manifests; the scenario relies on them too."""
    parts: list[tuple[str, Pool | ServicePlan]] = [
        *((f"pools[{index}]", pool) for index, pool in enumerate(scenario.pools)),
        *((f"services[{index}]", service) for index, service in enumerate(scenario.services)),
    ]
    for where, part in parts:
        try:
            _ = part.parsed
        except SpecInvalid as error:
            yield f"{where}.manifest: {error}"


def _unknown_names(scenario: Scenario) -> Iterator[str]:
    pools = {pool.name for pool in scenario.pools}
    services = {service.key: service for service in scenario.services}
    for index, service in enumerate(scenario.services):
        for variant in service.parsed.service.variants:
            if variant.pool not in pools:
                yield (
                    f"services[{index}]: variant {variant.name} names the pool {variant.pool!r}: add it under pools, "
                    f"or write one of {', '.join(sorted(pools))}."
                )
            if variant.name not in service.servers and ANY_VARIANT not in service.servers:
                yield f"services[{index}].servers.{variant.name} is missing: say how a server of this variant works."
    for index, fault in enumerate(scenario.faults):
        yield from (f"faults[{index}].{problem}" for problem in _unknown_target(fault, pools, services))


def _unknown_target(fault: Fault, pools: set[str], services: Mapping[str, ServicePlan]) -> Iterator[str]:
    match fault:
        case PodFault(service=key, variant=variant):
            if key not in services:
                yield f"service is {key!r}: write one of {', '.join(sorted(services))}."
                return
            known = sorted(each.name for each in services[key].parsed.service.variants)
            if variant is not None and variant not in known:
                yield f"variant is {variant!r}: write one of {', '.join(known)}, or leave it out for all pods."
        case NodesLeft(pool=name) | PriceChange(pool=name):
            if name not in pools:
                yield f"pool is {name!r}: write one of {', '.join(sorted(pools))}."
