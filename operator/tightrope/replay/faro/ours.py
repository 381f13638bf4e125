"""Tightrope on the fixed cluster: the controller's own decision over all jobs, which share one pool of its size.

One call a tick with a service a job, as the controller makes it. It is told what a replica was measured to carry, as
the planners are told the service time, and sees what the seat of `replay.policies.tightrope` sees. Its orders are
carried out by the same cluster under the same rules as everybody's; one that is forgotten is asked for again at the
next tick.
"""

from collections.abc import Sequence

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.spec import (
    CapacityPrior,
    LatencyObjective,
    Pool,
    Resources,
    Service,
    ServiceKey,
    Variant,
)
from tightrope.replay.faro.cluster import MOST_REPLICAS, Cluster, Order
from tightrope.replay.faro.job import VARIANT, Job
from tightrope.replay.faro.world import TARGET_SECONDS
from tightrope.replay.policies.tightrope import RATE_WINDOW_SECONDS, SOME_MONDAY, TICK_SECONDS, observation
from tightrope.replay.seat import Seat, VariantSeen

PERCENT = 99.0
CAPACITY = 5.4  # requests per second of each of four replicas together with 99 % under 720 ms; of one alone 3.2
WINDOW_SECONDS = 6 * 3600.0
_POOL = "cpus"
_ONE = Resources(cpu_cores=1.0, memory_bytes=2.0**30)


class Tightrope:
    """The decision at every tick for all jobs, with its memory."""

    def __init__(self, jobs: int, capacity: float = CAPACITY) -> None:
        self._services = [service(number, capacity) for number in range(jobs)]
        self._memory = Memory()

    def orders(self, cluster: Cluster) -> Sequence[Order]:
        now = SOME_MONDAY + cluster.now
        decisions, self._memory = decide(
            services=self._services,
            pools={_POOL: pool(cluster)},
            observations={
                service.key: observation(seat(job), SOME_MONDAY, service)
                for service, job in zip(self._services, cluster.jobs, strict=True)
            },
            memory=self._memory,
            now=now,
            tick_seconds=TICK_SECONDS,
            metrics_delay_seconds=RATE_WINDOW_SECONDS / 2,
        )
        return [
            Order(job=number, replicas=write.replicas)
            for number, service in enumerate(self._services)
            for write in decisions[service.key].writes
        ]


def service(number: int, capacity: float) -> Service:
    """One job as an InferenceDeployment would declare it; `capacity` is requests per second of a replica."""
    prior = CapacityPrior(rate_per_second=capacity, at_seconds=TARGET_SECONDS)
    return Service(
        key=ServiceKey(namespace="faro", name=f"job{number:03d}"),
        objective=LatencyObjective(threshold_seconds=TARGET_SECONDS, percent=PERCENT),
        slo_window_seconds=WINDOW_SECONDS,
        min_replicas=1,
        max_replicas=MOST_REPLICAS,
        variants=(Variant(name=VARIANT, pool=_POOL, requests=_ONE, capacity=prior),),
    )


def pool(cluster: Cluster) -> Pool:
    """The cluster: a node a CPU, at a price of 1."""
    return Pool(
        name=_POOL,
        price_per_node_hour=1.0,
        currency="USD",
        node=_ONE,
        max_nodes=cluster.cpus,
        time_to_ready_seconds=cluster.world.cold_start,
    )


def seat(job: Job) -> Seat:
    """What the scrapes show of one job."""
    metrics = job.see()
    seen = VariantSeen(wanted=job.asked, ready=job.ready, starting=job.starting)
    return Seat(now=metrics.now, variants={VARIANT: seen}, metrics=metrics)
