"""Why Prometheus has no series for a pod, and what to change: what `check` adds to a signal that is missing.

`Prober` asks for what Prometheus does have of one pod, three queries at the most; `diagnosed` puts it in words and is
pure. Names in the queries come from the cluster and the presets, and are quoted.
"""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_api_client import PrometheusConnect
from urllib3 import Retry

from tightrope.adapters.prometheus import Connection, GenericNames, TargetLabels
from tightrope.adapters.prometheus.presets import Preset
from tightrope.adapters.prometheus.queries import catalogue
from tightrope.adapters.prometheus.session import CheckedSession
from tightrope.controller.settings import GenericMetrics
from tightrope.ports import PodKey

# Exporters on nodes speak of pods too, without having scraped them.
_OF_NODES: Final = ("container_", "kube_", "kubelet_", "DCGM_", "ALERTS")
_ALIKE: Final = 0.6
_GENERIC_FLAGS: Final = {"arrivals": "--generic-requests-total", "latency": "--generic-latency-histogram"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What Prometheus has of one pod: the names of its own series; whether its target is up (None where it is no
    target); and, where it has none, under which label its name stands instead."""

    pod: PodKey
    names: frozenset[str]
    up: bool | None
    label: str | None = None


class Prober:
    """Asks one Prometheus, politely: each query within `timeout_seconds`. Raises QueryFailed."""

    def __init__(self, connection: Connection, *, monotonic: Callable[[], float]) -> None:
        self._timeout = connection.timeout_seconds
        session = CheckedSession(connection, monotonic=monotonic)
        self._prometheus = PrometheusConnect(
            url=connection.url.rstrip("/"), session=session, retry=Retry(total=0, redirect=0)
        )

    def evidence(self, pod: PodKey, metric: str) -> Evidence:
        """Of one pod; `metric` is what it should have."""
        here = f"namespace={json.dumps(pod.namespace)}, pod={json.dumps(pod.pod)}"
        found = self._labels(f"count by (__name__) ({{{here}}})")
        names = {labels.get("__name__", "") for labels in found}
        own = frozenset(name for name in names if name and not name.startswith(_OF_NODES))
        if "up" not in own:
            return Evidence(pod=pod, names=own, up=None, label=self._elsewhere(pod, metric))
        down = self._labels(f"up{{{here}}} == 0")
        return Evidence(pod=pod, names=own, up=not down)

    def _elsewhere(self, pod: PodKey, metric: str) -> str | None:
        """The label that names the pod on series of this metric, where `pod` does not."""
        for labels in self._labels(f"{{__name__={json.dumps(metric)}, pod!={json.dumps(pod.pod)}}}"):
            for label, value in labels.items():
                if value == pod.pod:
                    return label
        return None

    def _labels(self, query: str) -> Sequence[Mapping[str, str]]:
        found: list[Any] = self._prometheus.custom_query(query, timeout=self._timeout)
        return [series["metric"] for series in found if isinstance(series.get("metric"), dict)]


def presets(names: GenericMetrics) -> Mapping[str, Preset]:
    """Every preset, under the names that the operator is told."""
    generic = GenericNames(
        requests_total=names.requests_total,
        latency_histogram=names.latency_histogram,
        in_flight=names.in_flight,
        status_label=names.status_label,
        ttft_histogram=names.ttft_histogram,
        itl_histogram=names.itl_histogram,
    )
    return catalogue(TargetLabels(), generic)


def series_name(preset: Preset, signal: str) -> str:
    """The name under which the signal's series are stored: of a histogram, its buckets."""
    metric = preset.signals()[signal].metric
    return f"{metric}_bucket" if signal == "latency" else metric


def diagnosed(evidence: Evidence, preset: Preset, signal: str, known: Mapping[str, Preset]) -> str:
    """What to change, in a sentence, so that this pod gets this signal."""
    pod, metric = evidence.pod, series_name(preset, signal)
    if evidence.label is not None:
        return (
            f"the pod's name stands in the label {evidence.label} and not in pod: relabel the scrape job, so that "
            "namespace and pod name the pod"
        )
    if evidence.up is None:
        return (
            f"Prometheus does not scrape pod {pod.pod}: add a PodMonitor or ServiceMonitor (or a scrape job that sets "
            "the labels namespace and pod) for the port of its metrics"
        )
    if not evidence.up:
        return f"the scrape of pod {pod.pod} fails: is its metrics port named and open, and its path /metrics?"
    if metric in evidence.names:
        return f"pod {pod.pod} has {metric} by now: ask again in a minute"
    return _absent(evidence, preset, signal, known)


def _absent(evidence: Evidence, preset: Preset, signal: str, known: Mapping[str, Preset]) -> str:
    """The pod is scraped and does not export it."""
    metric, names = series_name(preset, signal), evidence.names
    if signal == "latency" and metric.removesuffix("_bucket") in names:
        return f"{metric.removesuffix('_bucket')} is a native histogram, which is not read: export classic buckets too"
    fitting = [other.name for other in known.values() if other.name != preset.name and _exports(names, other)]
    if fitting:
        return f"the pod exports what preset {fitting[0]} reads: write spec.metrics.preset: {fitting[0]}"
    alike = difflib.get_close_matches(metric, sorted(names), n=3, cutoff=_ALIKE)
    if alike and preset.name == "generic" and signal in _GENERIC_FLAGS:
        meant = alike[0].removesuffix("_bucket") if signal == "latency" else alike[0]
        return (
            f"the pod has no {metric}, but {', '.join(alike)}: run the operator with {_GENERIC_FLAGS[signal]} {meant}"
        )
    said = f"but {', '.join(alike)}" if alike else f"among {len(names)} metrics that it exports"
    return f"the pod has no {metric}, {said}: docs/presets.md says what preset {preset.name} needs of the server"


def _exports(names: frozenset[str], preset: Preset) -> bool:
    """Whether demand and latency of this preset are both there."""
    return {series_name(preset, "arrivals"), series_name(preset, "latency")} <= names
