"""Asking a Prometheus in tests: a client that is closed, snapshots until something holds, samples by pod."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from prometheus_server import FakePod, RealPrometheus, SystemClock

from tightrope.adapters.prometheus import Connection, PrometheusMetrics
from tightrope.ports import MetricsSnapshot, PodKey, PodSample

WINDOW = 8.0


@contextlib.asynccontextmanager
async def client(prometheus: RealPrometheus | str, **overrides: Any) -> AsyncIterator[PrometheusMetrics]:
    """A client with a window of three seconds and two seconds to answer."""
    url = prometheus if isinstance(prometheus, str) else prometheus.url
    values: dict[str, Any] = {"url": url, "timeout_seconds": 2.0}
    values |= {name: overrides.pop(name) for name in list(overrides) if name in Connection.__dataclass_fields__}
    connection = Connection(**values)
    metrics = PrometheusMetrics(connection, clock=SystemClock(), **({"rate_window_seconds": WINDOW} | overrides))
    try:
        yield metrics
    finally:
        metrics.close()


async def until(
    metrics: PrometheusMetrics, preset: str, holds: Callable[[MetricsSnapshot], bool], seconds: float = 60.0
) -> MetricsSnapshot:
    """The first snapshot for which something holds."""
    deadline = time.monotonic() + seconds
    while True:
        snapshot = await metrics.snapshot([preset])
        if holds(snapshot):
            return snapshot
        assert time.monotonic() < deadline, snapshot
        await asyncio.sleep(0.1)


def sample(snapshot: MetricsSnapshot, preset: str, pod: FakePod) -> PodSample:
    return snapshot.pods[preset].get(PodKey(pod.namespace, pod.name), PodSample())


def settled(preset: str, *pods: FakePod) -> Callable[[MetricsSnapshot], bool]:
    """Every pod has been scraped for a whole rate window: Prometheus takes its time to find new targets."""
    since: list[float] = []

    def holds(snapshot: MetricsSnapshot) -> bool:
        seen = [sample(snapshot, preset, pod) for pod in pods]
        if any(one.arrivals is None or one.faults for one in seen):
            since.clear()
            return False
        since.append(time.monotonic())
        return since[-1] - since[0] > WINDOW

    return holds
