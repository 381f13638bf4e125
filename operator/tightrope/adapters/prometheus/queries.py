"""Which queries are asked: one per signal of each preset in use, and two that all presets share.

`client` sends them. Their number depends on the presets alone, never on services or pods; that of a history also on
its length, because Prometheus refuses more than 11,000 points in one answer.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tightrope.adapters.prometheus.presets import Preset, Signal, TargetLabels, Unit, generic, newest, triton, vllm
from tightrope.adapters.prometheus.presets.generic import GenericNames

_RANGED: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})?\[", re.ASCII)
NEWEST: Final = "newest_sample_at"
MOST_POINTS: Final = 11_000

# The DCGM exporter names the pod that holds the device in `namespace` and `pod`; a scrape that does not honour its
# labels moves them to `exported_...`, and then the plain ones name the exporter itself.
_GPU: Final = "DCGM_FI_DEV_GPU_UTIL"
_MOVED: Final = f'avg_over_time({_GPU}{{exported_pod!=""}}[$window])'
_NAMED: Final = (
    f'label_replace(label_replace({_MOVED}, "namespace", "$1", "exported_namespace", "(.+)"), '
    '"pod", "$1", "exported_pod", "(.+)")'
)
# cAdvisor also counts the pod's whole cgroup (an empty container) and its pause container.
_CPU: Final = "container_cpu_usage_seconds_total"
SHARED: Final[Mapping[str, Signal]] = {
    "gpu_utilisation": Signal(
        metric=_GPU,
        expression=(
            f'avg by (namespace, pod) ({_NAMED} or avg_over_time({_GPU}{{exported_pod="", pod!=""}}[$window]))'
        ),
        unit=Unit.PERCENT,
    ),
    "cpu_cores": Signal(
        metric=_CPU,
        expression=f'sum by (namespace, pod) (rate({_CPU}{{container!="", container!="POD"}}[$window]))',
        unit=Unit.CORES,
    ),
}
SHARED_LABELS: Final = TargetLabels()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query. `preset` is None for what all presets share; `labels` name the namespace and pod in its answer, if it
    is about pods."""

    preset: str | None
    signal: str
    text: str
    unit: Unit
    metric: str
    labels: TargetLabels
    about_pods: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of a history: unix seconds of its first and last point."""

    start: float
    end: float


def catalogue(labels: TargetLabels, names: GenericNames) -> Mapping[str, Preset]:
    """Every preset by name."""
    presets = (generic.preset(labels, names), vllm.preset(labels), triton.preset(labels))
    return {preset.name: preset for preset in presets}


def snapshot_queries(presets: Sequence[Preset], labels: TargetLabels, window_seconds: float) -> list[Query]:
    """The queries of one tick; none without a preset in use."""
    queries: list[Query] = []
    for preset in presets:
        signals = {**preset.signals(), NEWEST: newest(labels, preset.arrivals.metric)}
        queries += [_query(preset.name, name, signal, labels, window_seconds) for name, signal in signals.items()]
    if queries:
        queries += [_query(None, name, signal, SHARED_LABELS, window_seconds) for name, signal in SHARED.items()]
    return queries


def history_queries(
    preset: Preset, labels: TargetLabels, step_seconds: float, within: str | None = None
) -> list[Query]:
    """The queries of a history: demand, and what finished for each objective that there may be; of all pods, or of
    those that the matchers pick."""
    signals = {name: signal for name, signal in preset.signals().items() if name != "in_flight"}
    queries = [_query(preset.name, name, signal, labels, step_seconds) for name, signal in signals.items()]
    return queries if within is None else [replace(query, text=narrowed(query.text, within)) for query in queries]


def matchers(labels: TargetLabels, namespace: str, pattern: str) -> str:
    """These pods as PromQL writes them inside braces, quoted."""
    return f"{labels.namespace}={json.dumps(namespace)}, {labels.pod}=~{json.dumps(pattern)}"


def narrowed(text: str, within: str) -> str:
    """The query with these matchers in each of its range selectors."""
    return _RANGED.sub(lambda found: f"{found[1]}{{{', '.join(filter(None, (found[2], within)))}}}[", text)


def demand_query(
    preset: Preset, labels: TargetLabels, within: str, *, window_seconds: float, step_seconds: int | None = None
) -> Query:
    """Arrivals per second of the pods that the matchers pick, over the window; with a step, the largest of it."""
    text = f"sum({narrowed(preset.arrivals.over(window_seconds), within)})"
    if step_seconds is not None:
        text = f"max_over_time({text}[{step_seconds}s:{round(window_seconds)}s])"
    signal = preset.arrivals
    return Query(
        preset=preset.name, signal="arrivals", text=text, unit=signal.unit, metric=signal.metric, labels=labels,
        about_pods=False,
    )  # fmt: skip


def spans(start: float, end: float, step_seconds: float) -> Iterator[Span]:
    """The history in stretches of at most 11,000 points, on multiples of the step: a second reading after a restart
    then asks for the very same points."""
    first, last = math.ceil(start / step_seconds), math.floor(end / step_seconds)
    for index in range(first, last + 1, MOST_POINTS):
        final = min(index + MOST_POINTS - 1, last)
        yield Span(start=index * step_seconds, end=final * step_seconds)


def _query(preset: str | None, name: str, signal: Signal, labels: TargetLabels, window_seconds: float) -> Query:
    return Query(
        preset=preset,
        signal=name,
        text=signal.over(window_seconds),
        unit=signal.unit,
        metric=signal.metric,
        labels=labels,
    )
