"""The metrics of one replay as a Prometheus would hold them: sampled at its interval, seen with its delay.

`run` counts into a Meter and samples it; policies read it through `seat.Metrics`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tightrope.dataplane.fleet import Pod
from tightrope.dataplane.llm_fleet import LlmPod
from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.tally import Tally
from tightrope.domain.spec import Metric
from tightrope.replay.seat import Counter, Gauge

COUNTERS: tuple[Counter, ...] = (
    "arrivals", "finished", "good", "dropped", "latency_seconds", "queue_seconds", "busy_seconds", "ready_seconds",
    "input_tokens", "output_tokens",
)  # fmt: skip
BUCKETS_PER_DOUBLING = 4
_ANSWERED_AND_DROPPED: tuple[Counter, Counter] = ("finished", "dropped")
STALE_SCRAPES = 2.5  # a newest sample older than so many intervals says nothing about now


def bounds_around(threshold_seconds: float) -> Floats:
    """Histogram bounds in seconds, four to a doubling, from 1/64 to 64 thresholds; one of them is the threshold."""
    steps = np.arange(-6 * BUCKETS_PER_DOUBLING, 6 * BUCKETS_PER_DOUBLING + 1)
    bounds: Floats = threshold_seconds * 2.0 ** (steps / BUCKETS_PER_DOUBLING)
    return bounds


def quantile_of(counts: Floats, bounds: Floats, q: float) -> float | None:
    """The latency below which a share q of these bucket counts lies, linear inside its bucket as Prometheus'
    histogram_quantile; the last bound for what lies beyond. None without counts."""
    total = float(counts.sum())
    if total <= 0:
        return None
    cumulative = np.cumsum(counts)
    index = int(np.searchsorted(cumulative, q * total))
    if index >= len(bounds):
        return float(bounds[-1])
    below = float(cumulative[index - 1]) if index else 0.0
    start = float(bounds[index - 1]) if index else 0.0
    inside = (q * total - below) / max(float(counts[index]), 1e-12)
    return start + (float(bounds[index]) - start) * inside


Gauges = tuple[int, int, int]  # of one replica: requests queued, running, and tokens of cache in use


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One scrape: counters (counter, variant), latency buckets (variant, bucket), good and counted (variant, goal, 2)
    since the start, the gauges of each ready replica by variant, and their sums."""

    at: float
    counters: Floats
    buckets: Floats
    kept: Floats
    replicas: Mapping[str, Sequence[Gauges]]
    sums: Mapping[str, Mapping[Gauge, int]]


class Meter:
    """Counts, samples, and answers about the samples. Times are seconds since the replay began."""

    def __init__(
        self,
        variants: Sequence[str],
        *,
        threshold_seconds: float,
        every: float,
        delay: float,
        memory_seconds: float,
        goals: Sequence[Metric] = (Metric.LATENCY,),
    ) -> None:
        self.bounds = bounds_around(threshold_seconds)
        self._index = {name: place for place, name in enumerate(variants)}
        self._counters = np.zeros((len(COUNTERS), len(variants)))
        self._buckets = np.zeros((len(variants), len(self.bounds) + 1))
        self._goals = {metric: place for place, metric in enumerate(goals)}
        self._kept = np.zeros((len(variants), len(goals), 2))
        self._every, self._delay = every, delay
        self._keep = math.ceil(memory_seconds / every) + 4
        self._samples: list[Sample] = []
        self.now = 0.0

    def count(self, tally: Tally) -> None:
        """These requests ended at replicas."""
        finished = tally.finished
        self._counters[_ROW["finished"]] += finished
        self._counters[_ROW["good"]] += tally.good
        self._counters[_ROW["dropped"]] += tally.ended - finished
        self._counters[_ROW["latency_seconds"]] += tally.latency_seconds
        self._counters[_ROW["queue_seconds"]] += tally.waited_seconds
        self._counters[_ROW["input_tokens"]] += tally.input_tokens
        self._counters[_ROW["output_tokens"]] += tally.output_tokens
        self._buckets += tally.buckets
        self._kept += tally.kept

    def drop(self, count: int) -> None:
        """So many requests found nobody; the first variant's counters take them, as a gateway's would."""
        self._add(0, dropped=count, arrivals=count)
        self._kept[0, :, 1] += count

    def use(self, variant: str, *, arrivals: float, busy: float, ready: float) -> None:
        """Requests that came to a variant's replicas, and replica-seconds they were at work and ready."""
        self._add(self._index[variant], arrivals=arrivals, busy_seconds=busy, ready_seconds=ready)

    def scrape(self, at: float, replicas: Mapping[str, Sequence[Pod | LlmPod]]) -> None:
        """Take a sample now; `replicas` are the ready ones of each variant."""
        gauges = {name: [_gauges(pod) for pod in pods] for name, pods in replicas.items()}
        sample = Sample(
            at=at,
            counters=self._counters.copy(),
            buckets=self._buckets.copy(),
            kept=self._kept.copy(),
            replicas=gauges,
            sums={name: summed(pods) for name, pods in gauges.items()},
        )
        self._samples.append(sample)
        if len(self._samples) > 2 * self._keep:
            del self._samples[: -self._keep]

    def _add(self, column: int, **amounts: float) -> None:
        for name, amount in amounts.items():
            self._counters[_ROW[name], column] += amount

    # What a policy asks (seat.Metrics)

    def rate(self, counter: Counter, window_seconds: float, variant: str | None = None) -> float | None:
        pair = self._window(window_seconds)
        if pair is None:
            return None
        first, last = pair
        grown = last.counters[_ROW[counter]] - first.counters[_ROW[counter]]
        return float(self._of(grown, variant)) / (last.at - first.at)

    def judged(self, metric: Metric, window_seconds: float, variant: str | None = None) -> tuple[float, float] | None:
        if metric is Metric.ERRORS:
            answered, dropped = (self.rate(name, window_seconds, variant) for name in _ANSWERED_AND_DROPPED)
            return None if answered is None or dropped is None else (answered, answered + dropped)
        pair = self._window(window_seconds)
        if pair is None:
            return None
        grown = (pair[1].kept - pair[0].kept)[:, self._goals[metric]] / (pair[1].at - pair[0].at)
        good, counted = grown.sum(axis=0) if variant is None else grown[self._index[variant]]
        return float(good), float(counted)

    def gauge(self, name: Gauge, variant: str | None = None) -> float | None:
        newest = self._newest()
        return None if newest is None else self._gauge(newest, name, variant)

    def gauge_mean(self, name: Gauge, window_seconds: float, variant: str | None = None) -> float | None:
        values = [self._gauge(sample, name, variant) for sample in self._within(window_seconds)]
        return sum(values) / len(values) if values else None

    def gauge_max(self, name: Gauge, window_seconds: float, variant: str | None = None) -> float | None:
        return max((self._gauge(sample, name, variant) for sample in self._within(window_seconds)), default=None)

    def per_replica(self, name: Gauge, variant: str | None = None) -> Floats:
        newest = self._newest()
        if newest is None:
            return np.empty(0)
        return np.array([_read(one, name) for one in _replicas(newest, variant)], dtype=np.float64)

    def quantile(self, q: float, window_seconds: float, variant: str | None = None) -> float | None:
        pair = self._window(window_seconds)
        if pair is None:
            return None
        grown = pair[1].buckets - pair[0].buckets
        counts = grown.sum(axis=0) if variant is None else grown[self._index[variant]]
        return quantile_of(counts, self.bounds, q)

    def mean_latency(self, window_seconds: float, variant: str | None = None) -> float | None:
        pair = self._window(window_seconds)
        if pair is None:
            return None
        grown, row = pair[1].buckets - pair[0].buckets, _ROW["latency_seconds"]
        answers = grown.sum() if variant is None else grown[self._index[variant]].sum()
        return self._of(pair[1].counters[row] - pair[0].counters[row], variant) / float(answers) if answers else None

    def utilisation(self, window_seconds: float, variant: str | None = None) -> float | None:
        return self._ratio("busy_seconds", "ready_seconds", window_seconds, variant)

    def series(self, counter: Counter, step_seconds: float, count: int) -> Floats:
        values = np.full(count, np.nan)
        visible = self._samples[: self._visible()]
        if not visible:
            return values
        times = np.array([sample.at for sample in visible])
        totals = np.array([sample.counters[_ROW[counter]].sum() for sample in visible])
        edges = times[-1] - step_seconds * np.arange(count, -1, -1)
        inside = edges >= times[0] - 1e-9
        at_edges = np.interp(edges, times, totals)
        known = inside[:-1]
        values[known] = np.diff(at_edges)[known] / step_seconds
        return values

    def _ratio(self, over: Counter, under: Counter, window: float, variant: str | None) -> float | None:
        top, bottom = self.rate(over, window, variant), self.rate(under, window, variant)
        return top / bottom if top is not None and bottom else None

    def _visible(self) -> int:
        """How many of the samples, counted from the first, have been seen by now."""
        latest = self.now - self._delay + 1e-9
        end = len(self._samples)
        while end and self._samples[end - 1].at > latest:
            end -= 1
        return end

    def _newest(self) -> Sample | None:
        end = self._visible()
        if not end or self._samples[end - 1].at < self.now - self._delay - STALE_SCRAPES * self._every:
            return None
        return self._samples[end - 1]

    def _within(self, window: float) -> list[Sample]:
        """The samples of the window that ends at the newest, its beginning left out."""
        newest = self._newest()
        return [] if newest is None else self._since(newest.at - window + 1e-9)

    def _window(self, window: float) -> tuple[Sample, Sample] | None:
        """The first and last sample of the window; None when fewer than two are there."""
        newest = self._newest()
        if newest is None:
            return None
        first = self._since(newest.at - window - 1e-9)[0]
        return (first, newest) if first.at < newest.at else None

    def _since(self, start: float) -> list[Sample]:
        """The samples after this time that have been seen by now. They ascend, so that the last ones are looked at
        first: a window holds few of all those kept."""
        end = self._visible()
        first = end
        while first and self._samples[first - 1].at > start:
            first -= 1
        return self._samples[first:end]

    def _gauge(self, sample: Sample, name: Gauge, variant: str | None) -> float:
        if variant is None:
            return float(sum(sums[name] for sums in sample.sums.values()))
        return float(sample.sums[variant][name]) if variant in sample.sums else 0.0

    def _of(self, row: Floats, variant: str | None) -> float:
        return float(row.sum() if variant is None else row[self._index[variant]])


_ROW: dict[str, int] = {name: row for row, name in enumerate(COUNTERS)}


def _gauges(pod: Pod | LlmPod) -> Gauges:
    return pod.queued, pod.running, int(pod.cache_tokens_used) if isinstance(pod, LlmPod) else 0


def summed(replicas: Sequence[Gauges]) -> dict[Gauge, int]:
    """Every gauge over these replicas."""
    queued, running, cache = (sum(one[place] for one in replicas) for place in range(3))
    return {
        "queued": queued,
        "running": running,
        "in_flight": queued + running,
        "ready": len(replicas),
        "cache_tokens": cache,
    }


def _replicas(sample: Sample, variant: str | None) -> list[Gauges]:
    chosen = sample.replicas if variant is None else {variant: sample.replicas.get(variant, ())}
    return [one for replicas in chosen.values() for one in replicas]


def _read(one: Gauges, name: Gauge) -> float:
    queued, running, cache = one
    values = {"queued": queued, "running": running, "in_flight": queued + running, "ready": 1, "cache_tokens": cache}
    return values[name]
