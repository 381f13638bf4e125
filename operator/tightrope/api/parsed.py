"""The custom resources as the controller holds them: domain values, and what the manifests need beside them.

`parse` builds these; `controller.manifests` turns them into Kubernetes objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tightrope.domain.memory import Persisted
from tightrope.domain.spec import Pool, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleTarget:
    """A workload that exists already, in the service's namespace: only its replicas may be changed."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How a change of the template reaches the pods; numbers or percentages such as `25%`."""

    max_surge: int | str
    max_unavailable: int | str
    min_ready_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedService:
    """One InferenceDeployment. A variant is in `targets` if it scales what exists, else it runs `template`.

    `patches` has the variants that change the template, `templates` the outcome for each variant that runs it.
    `adopted` maps variants to the uid of the target that the status says was found. `status` is the status as stored.
    Requests of variants in `targets` are zero: only the target's pods can tell.
    """

    service: Service
    uid: str
    generation: int
    resource_version: str
    preset: str
    template: Mapping[str, Any] | None
    patches: Mapping[str, Mapping[str, Any]]
    templates: Mapping[str, Mapping[str, Any]]
    targets: Mapping[str, ScaleTarget]
    rollout: Rollout
    persisted: Persisted
    adopted: Mapping[str, str]
    status: Mapping[str, Any]
    deleting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuery:
    """Which price a pool asks for: of whom, of which kind of node. `zone` None when its nodes may be in any. Of
    an administrator's own expression (`ports.OWN_PRICE`) every price is meant, of whatever kind of node."""

    source: str
    instance_type: str = ""
    capacity_type: str = ""
    zone: str | None = None

    def __str__(self) -> str:
        if not self.instance_type:
            return self.source
        where = f" in {self.zone}" if self.zone else ""
        return f"{self.source}: {self.instance_type} {self.capacity_type}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A price that was read: currency per node-hour, unix seconds. `last_read_at` is None while it still is."""

    per_hour: float
    since: float
    last_read_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPool:
    """One ComputePool, with how pods request its accelerator and how the scheduler finds its nodes.

    `allowed_namespaces` is a label selector on namespaces, as on the wire; None allows all. `pool` has the declared
    price: `price_query` says which one to read instead, if any."""

    pool: Pool
    uid: str
    generation: int
    resource_version: str
    accelerator: str | None
    accelerator_resource: str
    node_selector: Mapping[str, str]
    tolerations: Sequence[Mapping[str, Any]]
    allowed_namespaces: Mapping[str, Any] | None
    status: Mapping[str, Any]
    price_query: PriceQuery | None = None
