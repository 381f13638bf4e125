"""What a policy may know at its turn, and what it may ask for. `run` fills the seat; every policy reads only this.

A policy sees what its real counterpart would: counters and gauges as they were scraped, with that delay, over its own
windows. It never sees arrivals to come, nor requests that no scrape has shown yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tightrope.dataplane.outcomes import Floats
from tightrope.domain.spec import Metric, Pool, Service

Counter = Literal[
    "arrivals",  # requests that came, whatever became of them
    "finished",  # requests answered
    "good",  # answered within the SLO's threshold
    "dropped",  # refused, timed out, unrouted or lost
    "latency_seconds",  # sum over answered requests, of what the leading objective is about
    "queue_seconds",  # sum of the waits of answered requests
    "busy_seconds",  # replica-seconds at work: a replica with half its slots busy counts half
    "ready_seconds",  # replica-seconds ready
    "input_tokens",  # of answered requests; 0 from servers without tokens
    "output_tokens",  # in the answers
]
Gauge = Literal[
    "queued",  # requests that wait inside replicas
    "running",  # requests being worked on
    "in_flight",  # both
    "ready",  # replicas that take requests
    "cache_tokens",  # of the cache in use; 0 at servers without tokens
]


class Metrics(Protocol):
    """The scraped metrics as of now. Windows are seconds; None means that no sample is there to say.

    With `variant` only that variant's replicas count, else all. Sums over replicas, except
    `utilisation`, which is a mean.
    """

    def rate(self, counter: Counter, window_seconds: float, variant: str | None = None) -> float | None:
        """Increase per second over the window that ends at the newest sample."""
        ...

    def judged(self, metric: Metric, window_seconds: float, variant: str | None = None) -> tuple[float, float] | None:
        """Good and counted per second at the objective of this metric, over the window; for errors, requests that were
        answered and all. Whatever was dropped misses every objective."""
        ...

    def gauge(self, name: Gauge, variant: str | None = None) -> float | None:
        """The newest sample."""
        ...

    def gauge_mean(self, name: Gauge, window_seconds: float, variant: str | None = None) -> float | None:
        """Mean of the samples in the window."""
        ...

    def gauge_max(self, name: Gauge, window_seconds: float, variant: str | None = None) -> float | None:
        """Largest sample in the window."""
        ...

    def per_replica(self, name: Gauge, variant: str | None = None) -> Floats:
        """The newest sample of every ready replica, in no order; empty when there is none."""
        ...

    def quantile(self, q: float, window_seconds: float, variant: str | None = None) -> float | None:
        """Latency in seconds below which a share q of the answers of the window lies, from histogram buckets. It is of
        what the leading objective is about: whole answers, first tokens or the gaps between tokens."""
        ...

    def mean_latency(self, window_seconds: float, variant: str | None = None) -> float | None:
        """Seconds, over the answers of the window, of the same."""
        ...

    def utilisation(self, window_seconds: float, variant: str | None = None) -> float | None:
        """0..1: replica-seconds at work over replica-seconds ready."""
        ...

    def series(self, counter: Counter, step_seconds: float, count: int) -> Floats:
        """Increase per second in each of the last `count` steps, oldest first; NaN where nothing was recorded."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmProfile:
    """What is known of a replica that serves a language model: tokens that its cache holds, inf without a limit, and
    the mean lengths of requests in tokens."""

    cache_tokens: float
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the leading objective is about, where that is not the whole answer: `seconds(b)` with b requests inside
    together, on average, and whether waiting to be let in counts."""

    seconds: Callable[[int], float]
    with_wait: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantProfile:
    """What a team measures of one variant before it goes to production, per replica.

    `capacity` is requests per second within the SLO; `saturation` without regard to it. `service_seconds(b)` is how
    long a batch of b takes on average; with `llm`, a server of a language model, how long b requests take that are
    inside together. `price_per_hour` is the price of the node's share that a replica takes. `judged` is there where
    the leading objective is not about the whole answer.
    """

    name: str
    pool: str
    capacity: float
    saturation: float
    service_seconds: Callable[[int], float]
    batch_limit: int
    slots: int
    price_per_hour: float
    time_to_ready_seconds: float
    accelerated: bool
    max_replicas: int
    llm: LlmProfile | None = None
    judged: Judged | None = None

    def judged_seconds(self, batch: int) -> float:
        """How long what the leading objective is about takes with so many inside together, waiting apart."""
        return self.service_seconds(batch) if self.judged is None else self.judged.seconds(batch)

    @property
    def judged_with_wait(self) -> bool:
        """Whether waiting to be let in counts for the leading objective."""
        return self.judged is None or self.judged.with_wait


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSeen:
    """One variant now: replicas asked for, ready, not ready yet, and of those the ones that no node can take, since
    `pending_since`. `startup_seconds` is how long each of those now ready took from creation to ready.
    `taken_back_at` is when a node under one of them was last said to go."""

    wanted: int
    ready: int
    starting: int
    pending: int = 0
    pending_since: float | None = None
    startup_seconds: tuple[float, ...] = ()
    taken_back_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A policy's turn. `now` is seconds since the replay began; `prices` is what a node of each pool costs an hour now,
    as its ComputePool would say; a pool that is left out costs what it did at the start."""

    now: float
    variants: Mapping[str, VariantSeen]
    metrics: Metrics
    prices: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a policy is set up with before the replay. `variants` are those it may use, in the order of the spec (one
    when its real counterpart can use only one pool); `knobs` its settings. `ahead` is the rate of each minute of the
    replay itself: only policies that are tuned in hindsight by nature (static ones) may read it. `start_unix` is when
    second 0 was in unix seconds, None if nobody knows."""

    service: Service
    pools: Mapping[str, Pool]
    variants: tuple[VariantProfile, ...]
    knobs: Mapping[str, float]
    ahead: Floats
    seed: int = 0
    start_unix: float | None = None


class Policy(Protocol):
    """One autoscaler of one service."""

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        """Replicas per variant from now on; a variant left out keeps what it has. The run holds the result inside
        spec.replicas min and max."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKind:
    """One entry of the register: how a policy is built, how often it acts, and what of it may be tuned.

    `reach` says whether it can use several pools or gets each in turn. `knobs` holds, for each setting, the values
    tried when it is tuned in hindsight; `defaults` one value for each. `sample_seconds` is how often its metric source
    samples; None for the replay's scrape interval. `memory_seconds` is the longest window it asks for.
    """

    name: str
    title: str
    source: str
    period_seconds: float
    build: Callable[[Setting], Policy]
    defaults: Mapping[str, float]
    knobs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reach: Literal["one pool", "all pools"] = "one pool"
    sample_seconds: float | None = None
    memory_seconds: float = 600.0
