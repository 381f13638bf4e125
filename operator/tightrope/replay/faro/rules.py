"""The published baselines over all jobs at once: fair share, one-shot, AIAD, and MArk in Faro's version.

`play` asks one of them at every turn. Source: beomyeol/faro at b595c4a, src/policy.py and the configuration of its
simulations: turns every 10 s, the mean latency of the last 30 s against 720 ms, up after 30 s above it, down after
600 s at or under it; a job where nothing ended counts as fast. The counting is `policies.step_counter`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.faro.cluster import Cluster, Order
from tightrope.replay.faro.forecast import Forecast
from tightrope.replay.faro.world import MINUTE, PLANNED_SERVICE_SECONDS, TARGET_SECONDS
from tightrope.replay.policies.step_counter import (
    DOWN_AFTER_SECONDS,
    INTERVAL_SECONDS,
    UP_AFTER_SECONDS,
    WINDOW_SECONDS,
    StepCounter,
)

PLAN_SECONDS = 300.0
PLAN_TRIES = 5
AHEAD_MINUTES = 7
CONTEXT_MINUTES = 15  # with less behind it there is no forecast, and the minutes since the last plan stand for it


class Policy(Protocol):
    """Decides for all jobs together. It sees of a Cluster what its counterpart would: `asked`, `ready`, `busy`, the
    mean latency and the minutes so far of each job, and how many CPUs there are."""

    def orders(self, cluster: Cluster) -> Sequence[Order]:
        """What to change now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FairShare:
    """Each job keeps the replicas it began with."""

    def orders(self, cluster: Cluster) -> Sequence[Order]:
        return ()


class Reactive:
    """AIAD, and with `proportional` one-shot. Turns count while a job is changing, too."""

    def __init__(self, jobs: int, *, proportional: bool = False) -> None:
        self._proportional = proportional
        self._counters = [
            StepCounter(up_after_seconds=UP_AFTER_SECONDS, down_after_seconds=DOWN_AFTER_SECONDS) for _ in range(jobs)
        ]

    def orders(self, cluster: Cluster) -> Sequence[Order]:
        found = []
        for job, counter in zip(cluster.jobs, self._counters, strict=True):
            latency = job.mean_latency(WINDOW_SECONDS) or 0.0
            turn = counter.turn(latency > TARGET_SECONDS)
            if turn and self._proportional:
                found.append(Order(job=job.number, replicas=math.ceil(job.asked * latency / TARGET_SECONDS)))
            elif turn:
                found.append(Order(job=job.number, more=turn))
        return found


class Additive:
    """The planners' companion: one replica more once three turns were too slow. It never takes one away, so that fast
    turns in between neither count nor start the count again; a job that is changing is passed over."""

    def __init__(self, jobs: int) -> None:
        self._above = [0] * jobs

    def forget(self) -> None:
        """Begin to count again."""
        self._above = [0] * len(self._above)

    def orders(self, cluster: Cluster) -> Sequence[Order]:
        found = []
        for job in cluster.jobs:
            if not job.busy and (job.mean_latency(WINDOW_SECONDS) or 0.0) > TARGET_SECONDS:
                self._above[job.number] += 1
            if self._above[job.number] >= UP_AFTER_SECONDS / INTERVAL_SECONDS:
                self._above[job.number] = 0
                found.append(Order(job=job.number, more=1))
        return found


class Planner(Protocol):
    """Replicas of every job for the minutes to come."""

    def plan(self, rates: Sequence[Floats], cluster: Cluster) -> Sequence[int]:
        """`rates` are the requests per second expected in each minute, one array a job."""
        ...


class Hybrid:
    """A plan after the first minute and then every five, and in between one replica more where it is too slow."""

    def __init__(self, planner: Planner, forecast: Forecast, jobs: int) -> None:
        self._planner, self._forecast = planner, forecast
        self._between = Additive(jobs)

    def orders(self, cluster: Cluster) -> Sequence[Order]:
        if cluster.now != MINUTE and cluster.now % PLAN_SECONDS:
            return self._between.orders(cluster)
        self._between.forget()
        plan = self._planner.plan(self._rates(cluster), cluster)
        return [Order(job=job, replicas=replicas, tries=PLAN_TRIES) for job, replicas in enumerate(plan)]

    def _rates(self, cluster: Cluster) -> list[Floats]:
        found = []
        for job in cluster.jobs:
            seen = job.minutes(MINUTE)
            if len(seen) < CONTEXT_MINUTES:
                found.append(seen[-int(PLAN_SECONDS / MINUTE) :] / MINUTE)
            else:
                found.append(self._forecast.ahead(job.number, seen, AHEAD_MINUTES) / MINUTE)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """As many replicas as the highest expected rate takes, each counted on for a quarter of 1 / service time: the rate
    times the service time over the target, as it is written there."""

    def plan(self, rates: Sequence[Floats], cluster: Cluster) -> Sequence[int]:
        return [max(1, math.ceil(rate.max() * mark_factor())) for rate in rates]


def mark_factor() -> float:
    """Replicas for one request per second: 180 ms over 720 ms, in the artefact's units, is a quarter."""
    return PLANNED_SERVICE_SECONDS / TARGET_SECONDS
