"""What to ask Prometheus for each kind of server: one file a server, chosen by `spec.metrics.preset`.

`queries` turns a preset into queries. An expression holds nothing of a tenant: no name, label or namespace of any
service enters it, because every query of a tick asks for all pods at once and groups by namespace and pod. Only where
the past of one service is asked for, its namespace and the names of its workloads, which Kubernetes has checked, stand
in quotes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HISTOGRAMS: Final = ("latency", "ttft", "itl")  # signals whose answers are buckets
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)

WINDOW: Final = "$window"  # the rate window as a PromQL duration, such as 60s
HALF: Final = "$half"  # half of it
SECONDS: Final = "$seconds"  # the whole as a number


class Unit(StrEnum):
    """What the numbers of an answer mean; of a histogram, its bounds."""

    PER_SECOND = "per second"
    REQUESTS = "requests"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    PERCENT = "percent"
    CORES = "cores"
    UNIX_SECONDS = "unix seconds"
    PER_HOUR = "currency per hour"

    @property
    def divisor(self) -> float:
        """By how much a number is divided to be in the units of `PodSample`."""
        return {Unit.MILLISECONDS: 1000.0, Unit.PERCENT: 100.0}.get(self, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One signal: the metric that messages name, the unit, the expression with `$window`, `$half` and `$seconds`."""

    metric: str
    expression: str
    unit: Unit

    def over(self, seconds: float) -> str:
        """The query over a window of so many seconds."""
        whole, half = max(round(seconds), 2), max(round(seconds / 2), 1)
        text = self.expression.replace(WINDOW, f"{whole}s").replace(HALF, f"{half}s")
        return text.replace(SECONDS, str(whole))


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """The signals of one kind of server; None for one that it does not expose."""

    name: str
    arrivals: Signal
    latency: Signal
    errors: Signal
    in_flight: Signal | None
    ttft: Signal | None = None
    itl: Signal | None = None

    def signals(self) -> Mapping[str, Signal]:
        """By the name of the field in `PodSample`."""
        named = {
            "arrivals": self.arrivals,
            "latency": self.latency,
            "errors": self.errors,
            "in_flight": self.in_flight,
            "ttft": self.ttft,
            "itl": self.itl,
        }
        return {name: signal for name, signal in named.items() if signal is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLabels:
    """Under which label names Prometheus stores the namespace and the pod of a scraped target; the admin's to set."""

    namespace: str = "namespace"
    pod: str = "pod"

    def __post_init__(self) -> None:
        label_name("namespace label", self.namespace)
        label_name("pod label", self.pod)

    @property
    def grouping(self) -> str:
        return f"{self.namespace}, {self.pod}"


def label_name(what: str, text: str) -> str:
    """The text if it is a label name; ValueError naming the setting, the value and what to write if not."""
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{what} {text!r} is no Prometheus label name: write letters, digits and _, such as 'pod'")
    return text


def metric_name(what: str, text: str) -> str:
    """The text if it is a metric name; ValueError naming the setting, the value and what to write if not."""
    if not _METRIC.fullmatch(text):
        raise ValueError(
            f"{what} {text!r} is no Prometheus metric name: "
            "write letters, digits, _ and :, such as 'http_requests_total'"
        )
    return text


def rate(labels: TargetLabels, series: str) -> str:
    """Per pod, increments of a counter per second over the window.

    A pod that has gone counts what it served within the window, since a range selector still sees its samples.
    """
    return f"sum by ({labels.grouping}) (rate({series}[{WINDOW}]))"


def bucket_rates(labels: TargetLabels, histogram: str) -> str:
    """Per pod and bound, requests per second at or under the bound."""
    return f"sum by ({labels.grouping}, le) (rate({histogram}_bucket[{WINDOW}]))"


def gauge(labels: TargetLabels, *metrics: str) -> str:
    """Per pod, these gauges now, added."""
    return " + ".join(f"sum by ({labels.grouping}) ({metric})" for metric in metrics)


def arrivals(labels: TargetLabels, counted: str, *waiting: str) -> str:
    """Per pod, arrivals per second where the server counts requests only once they are served.

    What arrived is what was counted plus what was added to the queue: with the counter alone, demand would seem to stop
    rising exactly when a server is overloaded. A pod without the gauges is left with the counter.
    """
    if not waiting:
        return counted
    growth = " + ".join(f"sum by ({labels.grouping}) (delta({metric}[{WINDOW}]))" for metric in waiting)
    return f"clamp_min((({counted}) + ({growth}) / {SECONDS}) or ({counted}), 0)"


def newest(labels: TargetLabels, metric: str) -> Signal:
    """Per pod, the time of its newest sample, and, marked `seen="before"`, how many samples the older half of the
    window has: none means that Prometheus has only just begun, or begun again, to scrape it. A rate divides by the
    whole window, so for such a pod it would be far too low."""
    half = f"count_over_time({metric}[{HALF}] offset {HALF})"
    before = f'label_replace(sum by ({labels.grouping}) ({half}), "seen", "before", "", "")'
    return Signal(
        metric=metric,
        expression=f"{before} or max by ({labels.grouping}) (timestamp({metric}))",
        unit=Unit.UNIX_SECONDS,
    )
