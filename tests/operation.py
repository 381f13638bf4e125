"""The whole controller against fakes, tick by tick: what a process does between its start and its death."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fakes import FakeClock, FakeCluster, FakeMetrics

from tightrope.api.pause import Pause
from tightrope.controller.actuate import Actuator
from tightrope.controller.execution import Execution
from tightrope.controller.health import Pulse
from tightrope.controller.history import History
from tightrope.controller.observe import Freshness
from tightrope.controller.prices import PriceBook
from tightrope.controller.seeding import Seeding
from tightrope.controller.statuses import Statuses
from tightrope.controller.store import KINDS, Store
from tightrope.controller.telemetry import CountedCluster, Telemetry
from tightrope.controller.tick import Pace, Tick
from tightrope.ports import PodKey, PodSample

TICK_SECONDS = 15.0


@dataclass
class Operation:
    """One cluster, one Prometheus, and operators that live and die beside them.

    `demand` is the arrivals per second of each service (or None: no samples), split evenly over its ready pods. One
    of them carries 25/s, on a GPU 300/s; beyond that its requests miss the threshold.
    """

    cluster: FakeCluster = field(default_factory=FakeCluster)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    clock: FakeClock = field(default_factory=FakeClock)
    demand: dict[str, float | None] = field(default_factory=dict)
    settles: Callable[[float], bool] = lambda now: True
    paused: Pause | None = None
    pools: bool = True
    kinds: Sequence[str] = KINDS

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new process: nothing is remembered but what the cluster and Prometheus hold."""
        self.store, self.telemetry = Store(self.kinds), Telemetry()
        cluster = CountedCluster(self.cluster, self.telemetry)
        self.ticker = Tick(
            store=self.store,
            metrics=self.metrics,
            clock=self.clock,
            pace=Pace(
                tick_seconds=TICK_SECONDS,
                metrics_delay_seconds=TICK_SECONDS,
                freshness=Freshness(rate_window_seconds=15.0, max_age_seconds=60.0),
            ),
            history=History(metrics=self.metrics, length_seconds=600.0, step_seconds=15.0),
            execution=Execution(
                actuator=Actuator(cluster=cluster, store=self.store),
                statuses=Statuses(cluster=cluster, pools=self.pools),
            ),
            telemetry=self.telemetry,
            pulse=Pulse(clock=self.clock, tick_seconds=TICK_SECONDS, reconcile_seconds=30.0),
            prices=PriceBook(self.metrics),
            seeding=Seeding(
                metrics=self.metrics, clock=self.clock, length_seconds=691_200.0, tick_seconds=TICK_SECONDS
            ),
            paused=self.paused,
        )

    async def tick(self, times: int = 1) -> None:
        """The cluster settles, Prometheus scrapes, the store catches up, the operator ticks; then time passes."""
        for _ in range(times):
            self.cluster.settle(now=self.clock.at, ready=self.settles(self.clock.at))
            self.scrape()
            self.cluster.deliver(self.store)
            await self.ticker.tick()
            self.clock.at += TICK_SECONDS

    def scrape(self) -> None:
        samples: dict[PodKey, PodSample] = {}
        for service, rate in self.demand.items():
            pods = self.serving(service)
            for key in pods if rate is not None else ():
                samples[key] = self.sample(key, (rate or 0.0) / len(pods))
        self.metrics.samples, self.metrics.at = {"generic": samples}, self.clock.at

    def sample(self, pod: PodKey, rate: float) -> PodSample:
        capacity = 300.0 if "-gpu-" in pod.pod else 25.0
        good = rate * min(1.0, max(0.0, 1.0 - 3.0 * (rate - capacity) / capacity))
        return PodSample(
            arrivals=rate,
            latency=((0.3, good), (float("inf"), rate)),
            errors=0.0,
            in_flight=min(rate, 1.0),
            newest_sample_at=self.clock.at,
        )

    def serving(self, service: str) -> list[PodKey]:
        return [
            PodKey(namespace, name)
            for (kind, namespace, name), pod in self.cluster.objects.items()
            if kind == "Pod"
            and name.startswith(f"{service}-")
            and pod["status"]["conditions"][0]["status"] == "True"
            # Of a group its leader answers.
            and pod["metadata"]["labels"].get("leaderworkerset.sigs.k8s.io/worker-index", "0") == "0"
        ]

    def condition(self, kind: str, name: str = "sentiment", namespace: str = "nlp") -> Mapping[str, Any] | None:
        status = self.cluster.get("InferenceDeployment", name, namespace).get("status", {})
        return next((c for c in status.get("conditions", ()) if c["type"] == kind), None)

    def reason(self, kind: str, name: str = "sentiment") -> str | None:
        found = self.condition(kind, name)
        return found["reason"] if found else None

    def writes(self) -> list[tuple[Any, ...]]:
        """All writes since the last call."""
        done, self.cluster.writes = self.cluster.writes, []
        return done


def operation(*objects: Mapping[str, Any], **demand: float | None) -> Operation:
    """An operation over these objects (see `wire`), with so much demand for each service named."""
    import wire

    logging.getLogger("tightrope").setLevel(logging.INFO)
    made = Operation(demand=dict(demand))
    made.cluster.add(wire.namespace())
    for one in objects or (wire.compute_pool("cpu"), wire.compute_pool("gpu"), wire.inference_deployment()):
        made.cluster.add(one)
    return made
