"""What users declare, as the decision sees it: services with an SLO and variants, and the pools they may run in.

`api` builds these from custom resources; the decision never sees a field name of the wire format. Units are in
the names: seconds, per second, currency per node-hour, bytes, cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ServiceKey:
    """Which service: the namespace and name of one InferenceDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Mode(StrEnum):
    """Whether decisions are carried out."""

    AUTO = "Auto"
    RECOMMEND = "Recommend"
    PAUSED = "Paused"


class BudgetPolicy(StrEnum):
    """How an error budget may be spent."""

    PROTECT = "Protect"
    BALANCED = "Balanced"
    SPEND = "Spend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one pod requests or one node offers."""

    cpu_cores: float
    memory_bytes: float
    accelerators: int = 0


class CapacityType(StrEnum):
    """How the nodes of a pool are bought."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One kind of node at one price, with a capacity."""

    name: str
    price_per_node_hour: float
    currency: str
    node: Resources
    max_nodes: int
    time_to_ready_seconds: float
    capacity_type: CapacityType = CapacityType.ON_DEMAND

    @property
    def marginal_price_per_node_hour(self) -> float:
        """What one more node in use adds to the bill: nothing for one that is paid for whether it is used or not."""
        return 0.0 if self.capacity_type is CapacityType.RESERVED else self.price_per_node_hour

    def room_per_node(self, variant: "Variant") -> float:
        """How many replicas of this variant a node takes: a fraction where a group of pods needs several nodes, as if
        each of its pods were as large as the largest; 0 if that one fits no empty node."""
        return self.replicas_per_node(variant.requests) / variant.pods_per_replica

    def replicas_per_node(self, requests: Resources) -> int:
        """How many replicas of one pod with these requests fit one empty node; 0 if none does."""
        fits = [
            int(offered / asked)
            for offered, asked in (
                (self.node.cpu_cores, requests.cpu_cores),
                (self.node.memory_bytes, requests.memory_bytes),
                (self.node.accelerators, requests.accelerators),
            )
            if asked > 0
        ]
        # A pod that requests nothing still takes a place: the kubelet's default of 110 pods a node.
        return min([*fits, 110])


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPrior:
    """What one replica was measured to carry: `rate_per_second` while latency stays within `at_seconds`."""

    rate_per_second: float
    at_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to run a service: a pool, and what one replica is believed to carry there. `quality` (0..1) is the user's
    own measure of its answers. A replica may be a group of `pods_per_replica` pods on nodes of their own choice;
    `requests` is then what the largest of them requests."""

    name: str
    pool: str
    requests: Resources
    capacity: CapacityPrior | None = None
    quality: float | None = None
    pods_per_replica: int = 1


class Metric(StrEnum):
    """What an objective is about: the whole answer, its first token, the gaps between its tokens, or its failure."""

    LATENCY = "latency"
    TTFT = "ttft"
    ITL = "itl"
    ERRORS = "errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyObjective:
    """`percent` of requests at or under `threshold_seconds`; with metric `itl`, of the gaps between tokens."""

    threshold_seconds: float
    percent: float
    metric: Metric = Metric.LATENCY

    @property
    def allowed_miss_fraction(self) -> float:
        return 1.0 - self.percent / 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsObjective:
    """`percent` of requests answered without a server error."""

    percent: float

    @property
    def metric(self) -> Metric:
        return Metric.ERRORS

    @property
    def allowed_miss_fraction(self) -> float:
        return 1.0 - self.percent / 100.0


Objective: TypeAlias = LatencyObjective | ErrorsObjective


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """How fast a plan may descend, how long nothing must come before the last replica goes where `min` is 0, and what
    a switch of the mix must be worth."""

    descent_window_seconds: float = 60.0
    descent_percent_per_minute: float = 50.0
    switch_min_dwell_seconds: float = 600.0
    switch_min_savings_percent: float = 5.0
    idle_window_seconds: float = 600.0


class Times(Protocol):
    """When something begins again and again."""

    def latest(self, until: float) -> float | None:
        """The newest beginning that is not after `until` (both unix seconds); None if there was none yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """At least `min_replicas` ready replicas for `duration_seconds` from each of its beginnings."""

    begins: Times
    duration_seconds: float
    min_replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One InferenceDeployment. `variants` is never empty and its names are unique. `descents_paused` says that nothing
    of it may shrink for now; what its spec commands is carried out all the same.

    `objective` is the leading one, the first of the spec that has a threshold: reports and peers judge by it.
    `further_objectives` must hold as well; no two objectives are about the same metric. `budget_per_hour` is in the
    currency of its pools; None for no limit. Of services that share a short pool those of a higher `priority` grow
    first. Variants under `min_quality` are never chosen; None for no such floor. Those of
    `bridge_quality` and more may bridge the time until a better one is ready. Of a plan's replicas no more than
    `spot_share` (0..1) stand in spot pools, as long as others can carry the rest.
    """

    key: ServiceKey
    objective: LatencyObjective
    slo_window_seconds: float
    min_replicas: int
    max_replicas: int
    variants: tuple[Variant, ...]
    mode: Mode = Mode.AUTO
    descents_paused: bool = False
    behavior: Behavior = field(default_factory=Behavior)
    budget_policy: BudgetPolicy = BudgetPolicy.BALANCED
    further_objectives: tuple[Objective, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    budget_per_hour: float | None = None
    priority: int = 0
    min_quality: float | None = None
    bridge_quality: float | None = None
    spot_share: float = 1.0

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All of them, the leading one first."""
        return (self.objective, *self.further_objectives)

    @property
    def bridges(self) -> frozenset[str]:
        """Variants that are not good enough to be chosen, and good enough to bridge."""
        least, enough = self.bridge_quality, self.min_quality
        if least is None or enough is None:
            return frozenset()
        return frozenset(v.name for v in self.variants if v.quality is not None and least <= v.quality < enough)

    def variant(self, name: str) -> Variant:
        """The variant of that name; KeyError if there is none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)


Pools = Mapping[str, Pool]
