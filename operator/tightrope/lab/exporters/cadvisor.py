"""What the kubelet's cAdvisor says of the pods on its node.

Source of the name: cAdvisor, docs/storage/prometheus.md; the kubelet adds `namespace`, `pod` and `container`. Beside
each container there is a series of the pod's whole cgroup with an empty `container`, and one of its pause container:
whoever sums them all counts the work twice, so they are rendered too.
"""

from collections.abc import Iterable

from tightrope.lab.exporters import PodCounters
from tightrope.lab.exporters.exposition import family

PAUSE_SECONDS = 0.02


def render(pods: Iterable[PodCounters]) -> str:
    """container_cpu_usage_seconds_total of every pod, in CPU seconds since its start."""
    samples: list[tuple[dict[str, str], float]] = []
    for counters in pods:
        whole = counters.cpu_seconds + PAUSE_SECONDS
        for container, seconds in (("", whole), ("POD", PAUSE_SECONDS), ("server", counters.cpu_seconds)):
            samples.append((labels_of(counters, container), seconds))
    return family("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed.", samples)


def labels_of(counters: PodCounters, container: str) -> dict[str, str]:
    """The labels of one container of the pod; of its whole cgroup when the name is empty."""
    cgroup = f"/kubepods.slice/pod-{counters.namespace}-{counters.pod}"
    return {
        "container": container,
        "cpu": "total",
        "id": f"{cgroup}/{container}" if container else cgroup,
        "image": "registry.example/server:1" if container == "server" else "",
        "name": f"{counters.pod}-{container}" if container else "",
        "namespace": counters.namespace,
        "pod": counters.pod,
    }
