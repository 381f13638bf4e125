"""From checked answers to samples by pod: which numbers are believed, and what becomes of the others.

`client` calls this. A series that names no pod is nobody's. A number that is NaN, infinite, negative, malformed or
given twice is no number: the pod keeps a fault, "<signal>: <what is wrong>", and None.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tightrope.adapters.prometheus.presets import HISTOGRAMS, TargetLabels, Unit
from tightrope.adapters.prometheus.queries import NEWEST, Query
from tightrope.ports import PodHistory, PodKey, PodSample

Buckets: TypeAlias = tuple[tuple[float, float], ...]

# float() would also take "1_000", " 5 " and Arabic digits.
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MOST_UTILISATION: Final = 1.05  # percentages are rounded; DCGM's "no value" is 9223372036854775794
_CLOCK_TOLERANCE: Final = 5.0


@dataclass(slots=True)
class Gathered:
    """What is known of one pod while answers come in: values by signal, and faults."""

    values: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def put(self, signal: str, value: Any) -> None:
        """Take a value; a second one for the same signal makes both worthless."""
        if signal in self.values:
            self.spoil(signal, "has two values where one was expected")
        else:
            self.values[signal] = value

    def spoil(self, signal: str, what: str) -> None:
        """Note what is wrong with a signal; it has no value then."""
        self.values[signal] = None
        self.faults.append(f"{signal}: {what}")

    def sample(self) -> PodSample:
        """The sample, as the controller reads it."""
        return PodSample(**self.values, faults=tuple(self.faults))


Pods: TypeAlias = dict[PodKey, Gathered]


class BadNumber(ValueError):
    """A number that cannot be believed; the message says what it is."""


def finite(text: Any) -> float:
    """The number that Prometheus wrote, if it is finite and not negative."""
    if not isinstance(text, str):
        raise BadNumber("has a value that is no string")
    if text in ("NaN", "+Inf", "-Inf", "Inf"):
        raise BadNumber(f"is {text}")
    if not _NUMBER.fullmatch(text):
        raise BadNumber("has a value that is no number")
    value = float(text)
    if math.isinf(value):
        raise BadNumber("is too large")
    if value < 0.0:
        raise BadNumber("is negative")
    return value


def pod_of(series: Any, labels: TargetLabels) -> PodKey | None:
    """The pod that a series names; None if it names none."""
    metric = series.get("metric") if isinstance(series, dict) else None
    if not isinstance(metric, dict):
        return None
    namespace, pod = metric.get(labels.namespace), metric.get(labels.pod)
    if not isinstance(namespace, str) or not isinstance(pod, str) or not namespace or not pod:
        return None
    return PodKey(namespace, pod)


def evaluated_at(result: Sequence[Any]) -> float | None:
    """When Prometheus evaluated an instant query, by its own clock (unix seconds); None for an empty answer."""
    for series in result:
        match series:
            case {"value": [int() | float() as at, _]} if math.isfinite(at):
                return float(at)
    return None


def gather(query: Query, result: Sequence[Any], pods: Pods) -> None:
    """Add the answer to one query to what is known of each pod."""
    named = [(key, series) for series in result if (key := pod_of(series, query.labels)) is not None]
    if query.signal in HISTOGRAMS:
        _gather_buckets(named, query, pods)
        return
    if query.signal == NEWEST:
        _gather_newest(named, pods)
        return
    for key, series in named:
        gathered = pods.setdefault(key, Gathered())
        try:
            gathered.put(query.signal, _ranged(query.signal, _value(series) / query.unit.divisor))
        except BadNumber as bad:
            gathered.spoil(query.signal, str(bad))


def _value(series: Mapping[str, Any]) -> float:
    match series.get("value"):
        case [_, text]:
            return finite(text)
    raise BadNumber("has no plain value: native histograms are not read")


def _ranged(signal: str, value: float) -> float:
    if signal == "gpu_utilisation" and value > _MOST_UTILISATION:
        raise BadNumber(f"is {value * 100.0:.4g} percent")
    return value


def _gather_newest(named: Iterable[tuple[PodKey, Mapping[str, Any]]], pods: Pods) -> None:
    """Newest samples; a pod without any in the older half of the window gets a fault on its arrivals, which keep
    their value: it is a lower bound."""
    before: set[PodKey] = set()
    measured: set[PodKey] = set()
    for key, series in named:
        gathered = pods.setdefault(key, Gathered())
        if series["metric"].get("seen") == "before":
            before.add(key)
            continue
        measured.add(key)
        try:
            newest = _value(series)
            asked = evaluated_at([series])
            if asked is not None and newest > asked + _CLOCK_TOLERANCE:
                raise BadNumber("has a newest sample in the future")
            gathered.put(NEWEST, newest)
        except BadNumber as bad:
            gathered.spoil(NEWEST, str(bad))
    for key in measured - before:
        pods[key].faults.append("arrivals: has been scraped for less than half of the rate window")


def _gather_buckets(named: Iterable[tuple[PodKey, Mapping[str, Any]]], query: Query, pods: Pods) -> None:
    counts: dict[PodKey, dict[float, float]] = {}
    for key, series in named:
        gathered = pods.setdefault(key, Gathered())
        try:
            bound, count = _bound(series, query.unit), _value(series)
        except BadNumber as bad:
            gathered.spoil(query.signal, str(bad))
            continue
        by_bound = counts.setdefault(key, {})
        # "1" and "1.0" are one bound in two spellings, from two versions of a client library.
        by_bound[bound] = by_bound.get(bound, 0.0) + count
    for key, by_bound in counts.items():
        gathered = pods[key]
        if query.signal in gathered.values:
            continue
        if math.inf not in by_bound:
            gathered.spoil(query.signal, "has no bucket +Inf")
        else:
            gathered.put(query.signal, rising(by_bound))


def _bound(series: Mapping[str, Any], unit: Unit) -> float:
    text = series["metric"].get("le")
    return math.inf if text == "+Inf" else finite(text) / unit.divisor


def rising(by_bound: Mapping[float, float]) -> Buckets:
    """The buckets in order, each at least the one before: rates of single buckets are extrapolated one by one and may
    differ in the last digits."""
    result: list[tuple[float, float]] = []
    most = 0.0
    for bound in sorted(by_bound):
        most = max(most, by_bound[bound])
        result.append((bound, most))
    return tuple(result)


@dataclass(slots=True)
class GatheredHistory:
    """Earlier values of one pod while answers come in, by signal and time."""

    rates: dict[str, dict[float, float]] = field(default_factory=dict)
    buckets: dict[str, dict[float, dict[float, float]]] = field(default_factory=dict)

    def history(self) -> PodHistory:
        """The history in order; a time without the +Inf bucket is left out."""
        counted = {
            signal: tuple((at, rising(counts)) for at, counts in sorted(by_time.items()) if math.inf in counts)
            for signal, by_time in self.buckets.items()
        }
        rates = {signal: tuple(sorted(by_time.items())) for signal, by_time in self.rates.items()}
        return PodHistory(
            arrivals=rates.get("arrivals", ()),
            errors=rates.get("errors", ()),
            **{signal: counted.get(signal, ()) for signal in HISTOGRAMS},
        )


def gather_history(query: Query, result: Sequence[Any], pods: dict[PodKey, GatheredHistory]) -> None:
    """Add one answer of a range query. Earlier values that cannot be believed are left out: they are gaps."""
    for series in result:
        key = pod_of(series, query.labels)
        if key is None:
            continue
        gathered = pods.setdefault(key, GatheredHistory())
        try:
            bound = _bound(series, query.unit) if query.signal in HISTOGRAMS else None
        except BadNumber:
            continue
        for at, value in _points(series):
            if bound is None:
                gathered.rates.setdefault(query.signal, {})[at] = value / query.unit.divisor
            else:
                counts = gathered.buckets.setdefault(query.signal, {}).setdefault(at, {})
                counts[bound] = counts.get(bound, 0.0) + value


def rates_of(query: Query, result: Sequence[Any]) -> list[tuple[float, float]]:
    """The points of an answer of one series; none of an empty one."""
    return [(at, value / query.unit.divisor) for series in result[:1] for at, value in _points(series)]


def _points(series: Mapping[str, Any]) -> Iterable[tuple[float, float]]:
    values = series.get("values")
    for point in values if isinstance(values, list) else ():
        match point:
            case [int() | float() as at, text] if math.isfinite(at):
                try:
                    yield float(at), finite(text)
                except BadNumber:
                    continue
