"""What the published simulation assumes, each figure changeable: `what_if` shows by how much one of them matters.

Source: the simulator and configuration that were published with Faro (Jeon et al., A House United Within Itself:
SLO-Awareness for On-Premises Containerized ML Inference Clusters via Faro, EuroSys 2025; beomyeol/faro at b595c4a,
src/simulation and the experiment of ten jobs). The jobs' service times are the ones it measured of ResNet-34 on one
CPU: 79.3 ms and a lognormal of scale 68.6 ms, shape 0.4225, hence 154.3 ms on average, deviating by 33.2 ms. Its
planner counts on 180 ms all the same. A request passes its job's proxy twice, 4.6 ms each time.
"""

from dataclasses import dataclass, field, replace

from tightrope.dataplane.routing import Routing
from tightrope.dataplane.server_model import Distribution, ServerModel

TARGET_SECONDS = 0.72  # four times the 180 ms that its planner counts on
PLANNED_SERVICE_SECONDS = 0.18
MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The fixed cluster and its servers; times in seconds, one CPU a replica.

    A job's queue takes `waiting` requests and `waiting_each` more for every replica; who finds it full is dropped. A
    replica starts in `cold_start`, or in `hot_start` where the job still holds the CPU of one that it stopped less than
    `idle` ago; such CPUs are looked for every `sweep`. While a job's replicas change no further change of it begins
    (`blocking`), and dropped requests count in its mean latency with the time at the proxy alone (`drops_in_mean`).
    """

    service_mean: float = 0.1543
    service_cv: float = 0.2149
    proxy: float = 0.0092
    waiting: int = 52
    waiting_each: int = 3
    cold_start: float = 35.0
    hot_start: float = 3.0
    idle: float = 30.0
    sweep: float = 5.0
    retry: float = 5.0
    blocking: bool = True
    drops_in_mean: bool = True
    routing: Routing = field(default=Routing.LEAST_LOADED)

    @property
    def server(self) -> ServerModel:
        """One replica."""
        if self.service_cv == 0:
            return ServerModel(base_seconds=self.service_mean, queue_limit=self.waiting)
        return ServerModel(
            base_seconds=self.service_mean,
            distribution=Distribution.LOGNORMAL,
            cv=self.service_cv,
            queue_limit=self.waiting,
        )

    def queue_limit(self, replicas: int) -> int:
        """How many may wait at each of so many replicas, the job's queue shared out over them."""
        return round(self.waiting / max(replicas, 1)) + self.waiting_each


WHAT_IF = {
    "service-180ms": (
        "every request takes 180 ms, as the planner counts on",
        {"service_mean": 0.18, "service_cv": 0.0},
    ),
    "even-split": ("a replica at random, not the one with the fewest inside", {"routing": Routing.EVEN}),
    "no-proxy": ("no time at the proxy", {"proxy": 0.0}),
    "short-queue": ("a queue of 10 a job, not 52", {"waiting": 10}),
    "drops-not-counted": ("mean latency of answered requests alone", {"drops_in_mean": False}),
    "no-blocking": ("a job may change again while its replicas start", {"blocking": False}),
    "instant-release": ("a stopped replica's CPU is free at once", {"idle": 0.0}),
    "start-65s": ("a replica starts in 65 s, not 35 s", {"cold_start": 65.0}),
}


def what_if(name: str) -> World:
    """The published world with one assumption changed; KeyError for a name that is not in WHAT_IF."""
    return replace(World(), **WHAT_IF[name][1])  # type: ignore[arg-type]
