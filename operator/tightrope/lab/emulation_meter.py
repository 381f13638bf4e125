"""What one emulated pod has counted since it started, as its server's metrics would show it. `emulation` keeps one for
each pod, and renders it with the exporters."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tightrope.dataplane.fleet import Pod as Server
from tightrope.dataplane.outcomes import Outcomes, Status
from tightrope.lab.emulation_cluster import Pod, PodName
from tightrope.lab.exporters import Histogram, PodCounters

UTILISATION_SECONDS = 2.0  # device utilisation is the busy share of the last so many seconds


class Exporter(NamedTuple):
    """How a server shows its counters, and the finite bounds of its latency buckets in seconds."""

    render: Callable[[PodCounters], str]
    bounds: tuple[float, ...]


class Meter:
    """Counts of one pod; `model` is the name of what it serves."""

    def __init__(self, name: PodName, pod: Pod, server: Server, *, model: str, exporter: Exporter) -> None:
        self.pod, self.exporter = pod, exporter
        self._name, self._server, self._model = name, server, model
        self._bounds = np.array(exporter.bounds)
        self._busy_samples: deque[tuple[float, float]] = deque()
        self._clear()
        self._accepted_before, self._busy_before = 0, 0.0

    def count(self, ended: Outcomes) -> None:
        """These requests ended at this pod."""
        latency = ended.latency
        if ended.dropped:
            latency = latency[ended.finished]
            self._failed += ended.count(Status.REFUSED) + ended.count(Status.TIMED_OUT)
        places = np.searchsorted(self._bounds, latency, side="left")
        self._per_bucket += np.bincount(places, minlength=len(self._per_bucket))
        self._latency_sum += float(latency.sum())

    def sample(self, now: float) -> None:
        """Remember how busy the slots have been up to now; to be called at every step, for pods with a device."""
        samples = self._busy_samples
        if samples and now <= samples[-1][0]:
            return
        samples.append((now, self._server.busy_seconds(now)))
        while len(samples) > 2 and samples[1][0] <= now - UTILISATION_SECONDS:
            samples.popleft()

    def restart(self, now: float) -> None:
        """All counters begin at zero again, as after a restart of the server."""
        self._clear()
        self._accepted_before, self._busy_before = self._server.accepted, self._server.busy_seconds(now)

    def counters(self, now: float) -> PodCounters:
        server, cumulative = self._server, np.cumsum(self._per_bucket).tolist()
        # A CPU server that works all the time uses what it requests.
        busy_share = (server.busy_seconds(now) - self._busy_before) / server.model.slots
        return PodCounters(
            namespace=self._name.namespace,
            pod=self._name.name,
            node=self.pod.node,
            model=self._model,
            received=float(server.accepted - self._accepted_before),
            finished=float(cumulative[-1]),
            failed=float(self._failed),
            in_flight=float(server.running + server.queued),
            queued=float(server.queued),
            running=float(server.running),
            latency=Histogram(
                buckets=tuple(zip([*self._bounds.tolist(), float("inf")], cumulative, strict=True)),
                sum=self._latency_sum,
            ),
            cpu_seconds=busy_share * self.pod.cpu_cores,
            gpu_utilisation=self._utilisation() if self.pod.accelerators else None,
        )

    def _clear(self) -> None:
        self._per_bucket = np.zeros(len(self._bounds) + 1)
        self._latency_sum = 0.0
        self._failed = 0

    def _utilisation(self) -> float:
        if len(self._busy_samples) < 2:
            return 0.0
        (start, busy_before), (end, busy) = self._busy_samples[0], self._busy_samples[-1]
        return min(1.0, max(0.0, (busy - busy_before) / (end - start) / self._server.model.slots))
