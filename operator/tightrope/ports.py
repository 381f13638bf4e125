"""What the controller needs from outside, declared by the consumer: metrics, the cluster, the Lease, a clock.

`controller.wiring` chooses the adapters; tests pass fakes where a fault must be injected.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol, TypeAlias


class PodKey(NamedTuple):
    namespace: str
    pod: str


class ServiceName(NamedTuple):
    """A Kubernetes Service, as whatever stands in front of it names it."""

    namespace: str
    name: str


GATEWAY: Final = ("gateway", "requests")
"""Under which preset and signal failures and names of the gateway's counter are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSample:
    """What Prometheus knows of one pod now. None is "no series"; a NaN or infinite sample is None and in `faults`.

    Rates are per second over the rate window. `latency` holds cumulative buckets, (upper bound in seconds,
    finished requests per second at or under it), ascending, the last bound being +Inf; `ttft` the same of times to the
    first token, `itl` of the gaps between tokens. `gpu_utilisation` is 0..1 averaged over the pod's devices;
    `cpu_cores` the cores used. `newest_sample_at` is unix seconds.
    """

    arrivals: float | None = None
    latency: tuple[tuple[float, float], ...] | None = None
    errors: float | None = None
    in_flight: float | None = None
    gpu_utilisation: float | None = None
    cpu_cores: float | None = None
    newest_sample_at: float | None = None
    ttft: tuple[tuple[float, float], ...] | None = None
    itl: tuple[tuple[float, float], ...] | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSnapshot:
    """One tick's samples of every pod, by preset. `failures` maps (preset, signal) to why a query failed; a failed
    query says nothing about its pods. `metric_names` maps (preset, signal) to the metric asked for, for messages.
    `gateway` is requests per second by Service, as counted in front of it; both maps have `GATEWAY` where that is
    asked for."""

    at: float
    pods: Mapping[str, Mapping[PodKey, PodSample]]
    failures: Mapping[tuple[str, str], str] = field(default_factory=dict)
    metric_names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    gateway: Mapping[ServiceName, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodHistory:
    """Earlier samples of one pod: (unix seconds, arrivals or errors per second) and (unix seconds, cumulative buckets
    as in `PodSample.latency`), each averaged over the step that ends there, ascending in time."""

    arrivals: tuple[tuple[float, float], ...] = ()
    latency: tuple[tuple[float, tuple[tuple[float, float], ...]], ...] = ()
    ttft: tuple[tuple[float, tuple[tuple[float, float], ...]], ...] = ()
    itl: tuple[tuple[float, tuple[tuple[float, float], ...]], ...] = ()
    errors: tuple[tuple[float, float], ...] = ()


class PodNames(NamedTuple):
    """Pods by namespace, and a regular expression (RE2) that their whole names match."""

    namespace: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one node of an instance type costs an hour (> 0), in whatever currency the source counts. `capacity_type` is
    `on-demand`, `spot` or `reserved`; `zone` None where the source tells none apart."""

    instance_type: str
    capacity_type: str
    per_hour: float
    zone: str | None = None


# A source that is an administrator's own expression, which follows it; its offers name no kind of node.
OWN_PRICE: Final = "promQL: "


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSnapshot:
    """What each source says of prices now. `failures` maps a source to why its query failed: it then has no offers."""

    offers: Mapping[str, Sequence[Offer]] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


class Prices(Protocol):
    """What nodes cost. One query for each source in use, however many pools ask it."""

    async def prices(self, sources: Sequence[str]) -> PriceSnapshot:
        """Offers of these sources (`opencost`, `karpenter`, or `OWN_PRICE` and an expression). Never raises for a
        failed query: it becomes a failure."""


class MetricsUnavailable(Exception):
    """Prometheus could not be asked at all (down, refused, timed out); the message says which and where."""


class Metrics(Protocol):
    """Where demand, latency and utilisation come from. The number of queries depends on the presets in use only."""

    async def snapshot(self, presets: Sequence[str]) -> MetricsSnapshot:
        """Samples of all pods for these presets. Never raises for a failed query: it becomes a failure."""

    async def history(
        self, presets: Sequence[str], *, start: float, end: float, step_seconds: float, pods: PodNames | None = None
    ) -> Mapping[str, Mapping[PodKey, PodHistory]]:
        """Earlier samples by preset and pod, of these pods or (None) of all. Raises MetricsUnavailable."""

    async def earlier_demand(
        self, preset: str, pods: PodNames, *, start: float, end: float, step_seconds: int, within_seconds: int = 0
    ) -> Sequence[tuple[float, float]]:
        """(unix seconds, arrivals per second) of all these pods together, on multiples of the step; with
        `within_seconds` the largest of each step, from rates over so many seconds. What is unknown is left out. Raises
        MetricsUnavailable."""


class WriteConflict(Exception):
    """Another writer owns the field, or the object is not the one expected. `other_writer` names it if known."""

    def __init__(self, message: str, *, other_writer: str | None = None) -> None:
        super().__init__(message)
        self.other_writer = other_writer


class WriteRefused(Exception):
    """The API server refused the object for good (invalid, forbidden, quota, terminating); the message is its own."""


class ClusterUnavailable(Exception):
    """The API server cannot be reached now, or asks to try later."""


class NotLeading(ClusterUnavailable):
    """This process may not write now: another one leads, or may by now."""


# For how many seconds from now a write may last that is begun now; 0.0 if none may be begun.
Fence: TypeAlias = Callable[[], float]


class Cluster(Protocol):
    """Every write the operator makes. All raise WriteConflict, WriteRefused or ClusterUnavailable.

    Objects are plain dictionaries in wire format; `apply` is server-side apply under our field manager.
    """

    async def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Mapping[str, Any]:
        """Create or update; returns the object as stored. With metadata.uid it never creates."""

    async def set_replicas(
        self, *, kind: str, namespace: str, name: str, replicas: int, force: bool = False, version: str | None = None
    ) -> None:
        """Server-side apply of spec.replicas on the /scale subresource of a workload. With `version` it replaces
        exactly that resource version instead: custom resources have no apply there."""

    async def delete(self, *, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this object (uid precondition); absent is success."""

    async def patch_status(
        self, *, kind: str, namespace: str | None, name: str, status: Mapping[str, Any], resource_version: str | None
    ) -> None:
        """Merge-patch the status subresource of one of our own kinds."""

    async def record_event(
        self, *, regarding: Mapping[str, Any], reason: str, message: str, warning: bool = False
    ) -> None:
        """An Event on one of our objects (events.k8s.io/v1)."""

    async def list_objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Every object of a watched kind, as the API server has it now; managed fields included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """The Lease that says which process leads. `holder` is "" when nobody does. Whoever else wants to lead waits
    `seconds` without a change. `version` is the stored one's, None for a record that is to be created. The two times
    are unix seconds and for people only: nothing is decided from them."""

    holder: str
    seconds: float
    transitions: int
    acquired_at: float | None = None
    renewed_at: float | None = None
    version: str | None = None


class Lease(Protocol):
    """One Lease, read and written as a whole. All raise WriteConflict, WriteRefused or ClusterUnavailable."""

    async def read(self) -> LeaseRecord | None:
        """As the server has it now; None if there is none."""

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        """Create it, or replace exactly the version that the record names: anything else is a WriteConflict."""


class Clock(Protocol):
    """Time as an argument: `now` is unix seconds, `monotonic` never jumps and goes on while the machine sleeps."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...
