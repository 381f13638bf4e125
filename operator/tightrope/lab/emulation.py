"""The emulated data plane of a whole cluster: every service's clients and every pod's server, in one place.

Pure but for the random numbers of the data plane: the caller passes the time (unix seconds) and what the cluster looks
like, and `emulator` is that caller. The pods of a Service that is known here are emulated from the moment their
containers run until they are gone; the ready ones among them that aren't terminating share the requests.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from tightrope.dataplane.arrivals import Arrivals
from tightrope.dataplane.fleet import Fleet
from tightrope.dataplane.outcomes import Outcomes
from tightrope.lab.emulation_cluster import Pod, PodName, Snapshot
from tightrope.lab.emulation_faults import Faults, all_nan, matches, renamed
from tightrope.lab.emulation_meter import Exporter, Meter
from tightrope.lab.emulation_spec import ServiceSpec, seed_of
from tightrope.lab.emulation_truth import Truth
from tightrope.lab.exporters import cadvisor, dcgm, generic, triton, vllm

_EXPORTERS: Final = {
    "generic": Exporter(generic.render, generic.LATENCY_BUCKETS_SECONDS),
    "vllm": Exporter(vllm.render, vllm.LATENCY_BUCKETS_SECONDS),
    "triton": Exporter(triton.render, triton.LATENCY_BUCKETS_SECONDS),
}
_NO_TIMES: Final = np.empty(0)


class EmulatedService:
    """One service: its clients, its pods, and what the clients saw. Times are seconds since `began` (unix)."""

    def __init__(self, key: str, spec: ServiceSpec, *, began: float, now: float) -> None:
        self.key, self.spec = key, spec
        self.namespace, self.name = key.split("/")
        self.meters: dict[str, Meter] = {}
        self.truth = Truth(began=began + now)
        self._began = began
        self._fleet = Fleet(seed=seed_of(key, "split"))
        self._traffic: Arrivals | None = spec.traffic.arrivals(seed=seed_of(key))
        self._traffic_since = now
        self._ready: Mapping[str, int] = {}

    @property
    def is_over(self) -> bool:
        """Nobody sends and nobody serves any more."""
        return self._traffic is None and not self.meters

    def follow(self, spec: ServiceSpec, now: float) -> None:
        """Go on as this says. The same traffic goes on as it was, another begins now; another server is that of pods
        that start from now on."""
        if spec.traffic != self.spec.traffic or self._traffic is None:
            self._traffic, self._traffic_since = spec.traffic.arrivals(seed=seed_of(self.key)), now
        self.spec = spec

    def fall_silent(self) -> None:
        """The clients send no more; the pods stay."""
        self._traffic = None

    def see(self, cluster: Snapshot) -> None:
        """Pods have come, gone, or become ready or not."""
        endpoints = cluster.endpoints.get(self.key, {})
        for name, meter in list(self.meters.items()):
            pod = cluster.pods.get(PodName(self.namespace, name))
            if pod is None or pod.uid != meter.pod.uid:
                self._settle(self._fleet.remove(name))
                del self.meters[name]
        for pod_name in endpoints:
            pod = cluster.pods.get(pod_name)
            if pod is not None and pod_name.name not in self.meters:
                self._add(pod_name, pod)
        ready = [
            name.name
            for name, is_ready in endpoints.items()
            if is_ready and name.name in self.meters and not cluster.pods[name].terminating
        ]
        self._fleet.set_ready(ready)
        self._ready = dict(Counter(self.meters[name].pod.variant or "*" for name in ready))

    def advance(self, now: float) -> None:
        """Everything that happens until `now`."""
        sent = _NO_TIMES if self._traffic is None else self._traffic.until(now - self._traffic_since)
        if len(sent):
            sent = sent + self._traffic_since
            self.truth.sent(sent + self._began)
        step = self._fleet.advance(sent, now)
        for name, ended in step.by_pod.items():
            self.meters[name].count(ended)
        self._settle(step.everything())
        for meter in self.meters.values():
            if meter.pod.accelerators:
                meter.sample(now)
        self.truth.close(self._began + now, self._ready)

    def _add(self, name: PodName, pod: Pod) -> None:
        model = self.spec.server(pod.variant)
        if model is None:
            return
        self._fleet.add(name.name, model)
        server, exporter = self._fleet.servers[name.name], _EXPORTERS[self.spec.preset]
        self.meters[name.name] = Meter(name, pod, server, model=self.name, exporter=exporter)

    def _settle(self, ended: Outcomes) -> None:
        if len(ended):
            self.truth.ended(ended.ended + self._began, ended, threshold_seconds=self.spec.threshold_seconds)


class Emulation:
    """All services. `began` (unix seconds) is the zero of its clock; every `now` is unix seconds and never falls."""

    def __init__(self, *, began: float) -> None:
        self._began, self._now = began, 0.0
        self._services: dict[str, EmulatedService] = {}
        self._cluster = Snapshot(pods={}, endpoints={})
        self._faults = Faults()

    def serve(self, specs: Mapping[str, ServiceSpec], now: float) -> None:
        """Exactly these services have clients from now on."""
        self.advance(now)
        for key, service in self._services.items():
            if key not in specs:
                service.fall_silent()
        for key, spec in specs.items():
            if key in self._services:
                self._services[key].follow(spec, self._now)
            else:
                self._services[key] = EmulatedService(key, spec, began=self._began, now=self._now)
        self.see(self._cluster)

    def see(self, cluster: Snapshot) -> None:
        """The cluster looks like this from where the last step ended."""
        self._cluster = cluster
        for service in list(self._services.values()):
            service.see(cluster)
            if service.is_over:
                del self._services[service.key]

    def fail(self, faults: Faults, now: float) -> None:
        """Exactly these faults are in force from now on."""
        self.advance(now)
        patterns = faults.newly_reset(self._faults)
        for name, service in self._pods():
            if matches(patterns, f"{service.namespace}/{name}"):
                service.meters[name].restart(self._now)
        self._faults = faults

    def advance(self, now: float) -> None:
        """Everything that happens until `now`."""
        self._now = max(now - self._began, self._now)
        for service in self._services.values():
            service.advance(self._now)

    def targets(self, address: str) -> list[dict[str, Any]]:
        """The emulated pods in the form of Prometheus' HTTP discovery, all served at this address."""
        return [
            {
                "targets": [address],
                "labels": {
                    "__metrics_path__": f"/metrics/{service.namespace}/{name}",
                    "namespace": service.namespace,
                    "pod": name,
                    "node": service.meters[name].pod.node,
                },
            }
            for name, service in self._pods()
        ]

    def metrics(self, namespace: str, pod: str) -> str | None:
        """What this pod answers on /metrics; None if it does not answer. Raises KeyError for a pod that isn't there."""
        meter = self._meter(namespace, pod)
        known = f"{namespace}/{pod}"
        if self._faults.is_silent(known):
            return None
        counters = meter.counters(self._now)
        text = meter.exporter.render(all_nan(counters) if self._faults.is_nan(known) else counters)
        return renamed(text) if self._faults.is_renamed(known) else text

    def node_metrics(self) -> str:
        """What the exporters on the nodes say of all pods; the faults of pods do not reach them."""
        pods = [service.meters[name].counters(self._now) for name, service in self._pods()]
        return cadvisor.render(pods) + dcgm.render(pods)

    def truth(self, since: float) -> dict[str, Any]:
        """What the clients of each service saw from `since` (unix seconds) on."""
        return {key: service.truth.since(since) for key, service in self._services.items()}

    def _pods(self) -> Iterator[tuple[str, EmulatedService]]:
        for service in self._services.values():
            for name in service.meters:
                yield name, service

    def _meter(self, namespace: str, pod: str) -> Meter:
        for service in self._services.values():
            if service.namespace == namespace and pod in service.meters:
                return service.meters[pod]
        raise KeyError(f"{namespace}/{pod}")
